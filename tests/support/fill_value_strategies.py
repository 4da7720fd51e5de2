"""Hypothesis strategies: every dtype of fixed size, and scalars with any bits."""

import numpy as np
from hypothesis import strategies as st

UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as")
NUMBERS = ("?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16")

orders = st.sampled_from("<>")
numbers = st.builds(lambda order, code: np.dtype(order + code), orders, st.sampled_from(NUMBERS))
sized = st.builds(
    lambda order, kind, length: np.dtype(f"{order}{kind}{length}"),
    orders,
    st.sampled_from("SUV"),
    st.integers(1, 20),
)
times = st.builds(
    lambda order, kind, factor, unit: np.dtype(f"{order}{kind}8[{factor}{unit}]"),
    orders,
    st.sampled_from("Mm"),
    st.integers(1, 1000),
    st.sampled_from(UNITS),
)
simple_dtypes = numbers | sized | times
field_names = st.lists(st.text("abcxyz_é", min_size=1, max_size=4), min_size=1, max_size=4, unique=True)


@st.composite
def _with_fields(draw, members):
    fields = []
    for name in draw(field_names):
        shape = draw(
            st.just(()) | st.tuples(st.integers(1, 3)) | st.tuples(st.integers(1, 3), st.integers(1, 2))
        )
        fields.append((name, draw(members), shape) if shape else (name, draw(members)))
    return np.dtype(fields)


struct_dtypes = st.recursive(simple_dtypes, _with_fields, max_leaves=6).filter(lambda dtype: dtype.names)
dtypes = simple_dtypes | struct_dtypes


def scalars(dtype):
    """Scalars of a dtype; floats, times and raw bytes have any bits."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        count = int(np.prod(shape))
        return st.lists(scalars(base), min_size=count, max_size=count).map(
            lambda items: _array(items, base).reshape(shape)
        )
    if dtype.names is not None:
        return st.tuples(*(scalars(dtype[name]) for name in dtype.names)).map(
            lambda items: _struct(items, dtype)
        )
    if dtype.kind == "b":
        return st.booleans().map(np.bool_)
    if dtype.kind == "U":
        return st.text(max_size=dtype.itemsize // 4).map(lambda text: np.array(text, dtype)[()])
    native = dtype.newbyteorder("=")
    return st.binary(min_size=dtype.itemsize, max_size=dtype.itemsize).map(
        lambda data: np.frombuffer(data, native)[0]
    )


def _array(items, dtype):
    array = np.empty(len(items), dtype)
    for number, item in enumerate(items):
        array[number] = item
    return array


def _struct(items, dtype):
    scalar = np.zeros((), dtype)
    for name, item in zip(dtype.names, items, strict=True):
        scalar[name] = item
    return scalar[()]


def bits(value, dtype):
    """The bytes of a scalar as `dtype`."""
    whole = np.zeros((), dtype)
    whole[()] = value
    return whole.tobytes()
