"""Strided copies against NumPy: every layout, every item size, nothing beside the block touched."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarrc.kernels.copying import copy, fill, is_all

ITEMSIZES = (1, 2, 3, 4, 5, 8, 12, 16, 17, 24, 32, 64, 100, 128, 256)


def numbered(shape, itemsize):
    """An array whose bytes differ from one item to the next."""
    count = int(np.prod(shape, dtype=int))
    numbers = np.arange(count * itemsize, dtype=np.uint32) * 2654435761 >> 11
    return numbers.astype(np.uint8).view(f"V{itemsize}").reshape(shape)


@st.composite
def views(draw, shape, itemsize):
    """A view of a shape on fresh memory, with its axes in any order, turned round and spread; and that memory."""
    ndim = len(shape)
    order = draw(st.permutations(range(ndim)))
    steps = [draw(st.sampled_from([1, 1, 1, 2, 3, -1, -2])) for _ in shape]
    whole = np.empty([abs(steps[axis]) * shape[axis] + 2 for axis in order], f"V{itemsize}")
    if draw(st.booleans()):  # a memory that fits
        whole = np.empty([shape[axis] for axis in order], f"V{itemsize}")
        steps = [1 if step > 0 else -1 for step in steps]
    turned = whole.transpose(np.argsort(order)) if ndim else whole
    cut = tuple(slice(None, None, step) for step in steps)
    view = turned[(*cut, Ellipsis)][(*map(slice, shape), Ellipsis)]
    assert view.shape == shape
    return view, whole


shapes = st.integers(0, 5).flatmap(
    lambda n: st.lists(
        st.integers(0, {0: 1, 1: 200, 2: 40, 3: 12, 4: 7}.get(n, 4)), min_size=n, max_size=n
    ).map(tuple)
)
itemsizes = st.sampled_from(ITEMSIZES)


@given(shapes, itemsizes, st.data())
def test_copy(shape, itemsize, data):
    src, _ = data.draw(views(shape, itemsize))
    src[...] = numbered(shape, itemsize)
    dst, whole = data.draw(views(shape, itemsize))
    whole[...] = np.zeros((), whole.dtype)
    expected = whole.copy()
    # the same view of the copy
    offset = dst.ctypes.data - whole.ctypes.data
    np.ndarray(shape, dst.dtype, expected, offset if dst.size else 0, dst.strides)[...] = src
    copy(src, dst)
    assert whole.tobytes() == expected.tobytes()


@given(shapes, itemsizes, st.data())
def test_copy_of_a_broadcast_source(shape, itemsize, data):
    small = tuple(1 if data.draw(st.booleans()) else n for n in shape)
    src = np.broadcast_to(numbered(small, itemsize), shape)
    dst, _ = data.draw(views(shape, itemsize))
    copy(src, dst)
    assert dst.tobytes() == src.tobytes()


@given(shapes.filter(lambda shape: all(shape)), itemsizes, st.data())
def test_copy_of_lists(shape, itemsize, data):
    """Positions on either side, in any order; repeated ones only where they are read."""
    src, _ = data.draw(views(shape, itemsize))
    src[...] = numbered(shape, itemsize)
    src_lists, dst_lists, counts, target_shape = [], [], [], []
    for n in shape:
        kind = data.draw(st.sampled_from(["all", "from", "to", "both"]))
        count = n
        chosen = placed = None
        if kind in ("from", "both"):
            chosen = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=10))
            count = len(chosen)
        room = count
        if kind in ("to", "both"):
            room = count + data.draw(st.integers(0, 3))
            placed = data.draw(st.permutations(range(room)))[:count]
        src_lists.append(None if chosen is None else np.array(chosen, dtype=np.int64))
        dst_lists.append(None if placed is None else np.array(placed, dtype=np.int64))
        counts.append(count)
        target_shape.append(room)
    dst, _ = data.draw(views(tuple(target_shape), itemsize))
    dst[...] = np.zeros((), dst.dtype)
    expected = dst.copy()
    sources = [np.arange(n) if a is None else a for a, n in zip(src_lists, counts, strict=True)]
    places = [np.arange(n) if a is None else a for a, n in zip(dst_lists, counts, strict=True)]
    if shape:
        expected[np.ix_(*places)] = src[np.ix_(*sources)]
    else:
        expected[...] = src
    # `copy` counts by the source's shape where neither side has a list
    copy(src, dst, src_lists, dst_lists)
    assert dst.tobytes() == expected.tobytes()


@pytest.mark.parametrize("itemsize", ITEMSIZES)
@pytest.mark.parametrize("n", [63, 64, 65, 130])
def test_transposed(itemsize, n):
    """Long enough for whole tiles, their ends and what is left over."""
    src = numbered((n, 3, n + 5), itemsize)
    for axes in [(2, 1, 0), (1, 2, 0), (2, 0, 1)]:
        dst = np.empty([src.shape[axis] for axis in axes], src.dtype)
        copy(src.transpose(axes), dst)
        assert dst.tobytes() == src.transpose(axes).tobytes()


@given(shapes, itemsizes, st.data())
def test_fill(shape, itemsize, data):
    alike = data.draw(st.booleans())
    value = np.full(itemsize, 7, "u1") if alike else np.arange(1, itemsize + 1).astype("u1")
    value = value.view(f"V{itemsize}").reshape(())
    dst, whole = data.draw(views(shape, itemsize))
    whole[...] = np.zeros((), whole.dtype)
    fill(value, dst)
    assert dst.tobytes() == value.tobytes() * dst.size
    assert whole.tobytes().count(value.tobytes()) >= dst.size
    untouched = whole.size - dst.size
    assert whole.tobytes().count(b"\0") >= untouched * itemsize


@given(st.integers(0, 300), itemsizes, st.data())
def test_is_all(n, itemsize, data):
    value = numbered((3,), itemsize)[2:].reshape(())
    items = np.repeat(value.reshape(1), n)
    assert is_all(value, items)
    if n:
        position = data.draw(st.integers(0, n * itemsize - 1))
        items.view("u1")[position] ^= 1 << data.draw(st.integers(0, 7))
        assert not is_all(value, items)


def test_is_all_compares_bits():
    zeros = np.zeros(4)
    assert not is_all(np.array(-0.0), zeros)
    assert is_all(np.array(np.nan), np.full(4, np.nan))
    other = np.array([0x7FF8000000000001], "u8").view("f8").reshape(())
    assert not is_all(other, np.full(4, np.nan))
