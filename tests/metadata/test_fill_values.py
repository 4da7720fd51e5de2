"""Fill values: every bit comes back, whatever the dtype; what is illegal is refused by name."""

import json
import math

import numpy as np
import pytest
from fill_value_strategies import bits, dtypes, numbers, scalars, simple_dtypes, struct_dtypes
from hypothesis import given
from hypothesis import strategies as st

from zarrc.errors import MetadataError
from zarrc.metadata import fill_values
from zarrc.metadata.dtypes import encode_v3, native_dtype
from zarrc.metadata.fill_values import normalize_fill_value


def through_json(value):
    return json.loads(json.dumps(value, allow_nan=False))


@st.composite
def dtype_and_scalar(draw, strategy):
    dtype = draw(strategy)
    return dtype, draw(scalars(dtype))


@given(dtype_and_scalar(dtypes))
def test_format_2_round_trip(case):
    dtype, value = case
    back = fill_values.decode_v2(through_json(fill_values.encode_v2(value, dtype)), dtype)
    if dtype.kind in "fc":
        # format 2 has one NaN; all else is exact
        parts = [(value.real, back.real), (value.imag, back.imag)] if dtype.kind == "c" else [(value, back)]
        for before, after in parts:
            assert bits(before, before.dtype) == bits(after, before.dtype) or (
                np.isnan(before) and np.isnan(after)
            )
    else:
        assert bits(back, dtype) == bits(value, dtype)


@given(dtype_and_scalar(dtypes.map(native_dtype)))
def test_format_3_round_trip_is_bit_exact(case):
    dtype, value = case
    data_type = encode_v3(dtype)
    back = fill_values.decode_v3(
        through_json(fill_values.encode_v3(value, dtype, data_type)), dtype, data_type
    )
    assert bits(back, dtype) == bits(value, dtype)


def as_struct(dtype):
    """The data type of fields as zarr-python 3.4 spells it."""
    fields = [{"name": name, "data_type": as_struct_or_plain(dtype[name])} for name in dtype.names]
    return {"name": "struct", "configuration": {"fields": fields}}


def as_struct_or_plain(dtype):
    return as_struct(dtype) if dtype.names is not None else encode_v3(dtype)


@given(dtype_and_scalar(struct_dtypes.map(native_dtype)))
def test_format_3_struct_has_an_object_of_fields(case):
    dtype, value = case
    data_type = as_struct(dtype)
    content = through_json(fill_values.encode_v3(value, dtype, data_type))
    assert list(content) == list(dtype.names)
    assert bits(fill_values.decode_v3(content, dtype, data_type), dtype) == bits(value, dtype)


@given(dtype_and_scalar(dtypes))
def test_user_values_keep_their_bits(case):
    dtype, value = case
    back = normalize_fill_value(value, dtype)
    assert isinstance(back, np.generic)
    assert bits(back, dtype) == bits(value, dtype)


V2_VALUES = [
    ("?", 1, np.True_),
    ("<i4", 0.0, np.int32(0)),
    ("<i4", "7", np.int32(7)),
    ("<u8", 2**64 - 1, np.uint64(2**64 - 1)),
    ("<f4", "Infinity", np.float32(np.inf)),
    ("<f4", "-Infinity", np.float32(-np.inf)),
    ("<f8", 2, np.float64(2)),
    ("<f8", math.inf, np.float64(np.inf)),
    ("<c8", 1.5, np.complex64(1.5)),
    ("<c16", ["Infinity", -0.0], np.complex128(complex(np.inf, -0.0))),
    ("|S5", "YWJj", np.bytes_(b"abc")),
    ("|S5", "", np.bytes_(b"")),
    ("|V4", "YWI=", np.void(b"ab\0\0")),
    ("<U3", "abé", np.str_("abé")),
    ("<M8[ns]", 7, np.datetime64(7, "ns")),
    (">m8[25s]", -3, np.timedelta64(-3, (("s", 25)))),
]


@pytest.mark.parametrize(("dtype", "value", "expected"), V2_VALUES)
def test_format_2_spellings(dtype, value, expected):
    back = fill_values.decode_v2(value, np.dtype(dtype))
    assert type(back) is type(expected)
    assert bits(back, dtype) == bits(expected, dtype)


@pytest.mark.parametrize("value", ["NaN", math.nan])
def test_format_2_nan(value):
    assert np.isnan(fill_values.decode_v2(value, np.dtype("<f4")))


@pytest.mark.parametrize("text", ["0.1", "-0.0", "3", "nan", "inf", "1.000000000000000000217"])
@pytest.mark.parametrize("code", ["f16", "c32"])
def test_long_doubles_keep_all_their_digits(text, code):
    try:
        dtype = np.dtype(f"<{code}")
    except TypeError:
        pytest.skip("this machine's long double is a double")
    value = np.zeros((), dtype)
    value.real[()] = np.longdouble(text)
    back = fill_values.decode_v2(through_json(fill_values.encode_v2(value[()], dtype)), dtype)
    assert np.array_equal(back, value, equal_nan=True)
    assert np.signbit(back.real) == np.signbit(value.real)


def test_nat_and_null():
    for dtype in map(np.dtype, ("<M8[ns]", ">m8[s]")):
        assert np.isnat(fill_values.decode_v2("NaT", dtype))
        assert fill_values.encode_v2(fill_values.decode_v2("NaT", dtype), dtype) == -(2**63)
        assert fill_values.decode_v2(None, dtype) is None
        assert fill_values.encode_v2(None, dtype) is None


def test_objects_are_as_they_are_in_format_2():
    for value in (0, "", "ab", None, [1, 2]):
        assert fill_values.decode_v2(value, np.dtype(object)) == value
        assert fill_values.encode_v2(value, np.dtype(object)) == value


V3_VALUES = [
    ("float32", "0x7fc00001", "0100c07f"),
    ("float32", "0xffc00000", "0000c0ff"),
    ("float32", "NaN", "0000c07f"),
    ("float16", "NaN", "007e"),
    ("float64", "NaN", "000000000000f87f"),
    ("float64", "-Infinity", "000000000000f0ff"),
    ("float32", -0.0, "00000080"),
    ("complex64", ["0x7fc00001", "NaN"], "0100c07f0000c07f"),
    ("bool", True, "01"),
    ("int64", -(2**63), "0000000000000080"),
    ("r16", [0, 255], "00ff"),
    ({"name": "raw_bytes", "configuration": {"length_bytes": 2}}, "AP8=", "00ff"),
    ({"name": "numpy.datetime64", "configuration": {"unit": "ns", "scale_factor": 1}}, -1, "ff" * 8),
]


@pytest.mark.parametrize(("data_type", "value", "expected"), V3_VALUES)
def test_format_3_spellings(data_type, value, expected):
    from zarrc.metadata.dtypes import decode_v3

    dtype = decode_v3(data_type)
    scalar = fill_values.decode_v3(value, dtype, data_type)
    little = np.array(scalar, dtype.newbyteorder("<"))
    assert little.tobytes().hex() == expected
    assert fill_values.encode_v3(scalar, dtype, data_type) == value


def test_format_3_objects():
    for data_type, value, expected in [
        ("string", "ab", "ab"),
        ("variable_length_bytes", "YWI=", b"ab"),
        ("bytes", [97, 98], b"ab"),
    ]:
        back = fill_values.decode_v3(value, np.dtype(object), data_type)
        assert back == expected
        again = fill_values.encode_v3(back, np.dtype(object), data_type)
        assert fill_values.decode_v3(again, np.dtype(object), data_type) == expected


@given(numbers.map(native_dtype))
def test_none_is_zero_in_format_3(dtype):
    data_type = encode_v3(dtype)
    value = fill_values.encode_v3(None, dtype, data_type)
    assert bits(fill_values.decode_v3(value, dtype, data_type), dtype) == bytes(dtype.itemsize)


ILLEGAL = [
    ("?", "true"),
    ("?", 2),
    ("<i4", 1.5),
    ("<i4", "x"),
    ("<i4", True),
    ("<i4", [1]),
    ("|u1", 300),
    ("|u1", -1),
    ("<u8", 2**64),
    ("<i8", math.inf),
    ("<f4", "x"),
    ("<f4", True),
    ("<f4", [1.0]),
    ("<f8", 10**400),
    ("<c8", [1.0]),
    ("<c8", [1.0, "x"]),
    ("|S2", "YWJj"),
    ("|S2", "not base64"),
    ("|S2", 7),
    ("|V2", "YWJj"),
    ("<U2", "abc"),
    ("<U2", 0),
    ("<M8[ns]", "2001-01-01"),
    ("<M8[ns]", 2**63),
]


@pytest.mark.parametrize(("dtype", "value"), ILLEGAL)
def test_illegal_values_are_named(dtype, value):
    dtype = np.dtype(dtype)
    with pytest.raises(MetadataError, match="fill value") as caught:
        fill_values.decode_v2(value, dtype)
    assert str(dtype) in str(caught.value)
    assert repr(value)[:20] in str(caught.value)
    native = native_dtype(dtype)
    if (dtype.kind, value) != ("b", 0):
        with pytest.raises(MetadataError, match="fill value"):
            fill_values.decode_v3(value, native, encode_v3(native))


@pytest.mark.parametrize("value", [None, "0x7fc0", "0x7fc0000", "0x7fc0000g", {}])
def test_illegal_in_format_3(value):
    with pytest.raises(MetadataError, match="fill value"):
        fill_values.decode_v3(value, np.dtype("f4"), "float32")


def test_illegal_fields():
    dtype = np.dtype([("a", "i4"), ("b", "f4")])
    for value in ({"c": 1}, {"a": "x"}, "AAAA", 0):
        with pytest.raises(MetadataError, match="fill value"):
            fill_values.decode_v3(value, dtype, as_struct(dtype))
    for value in (0, {"a": 1}, "A", "é"):
        with pytest.raises(MetadataError, match="fill value"):
            fill_values.decode_v2(value, np.dtype([("a", "O")]))


def test_records_that_hold_objects():
    """What the array's codec of objects made of the record stays as it is."""
    dtype = np.dtype([("a", "O")])
    decoded = fill_values.decode_v2("AAEC", dtype)
    assert decoded == fill_values.EncodedFill.of(b"\0\1\2") and decoded.data == b"\0\1\2"
    assert fill_values.encode_v2(decoded, dtype) == "AAEC"


STRUCT = np.dtype([("a", "<i4"), ("b", "S3")])
USER_VALUES = [
    ("i4", 7, np.int32(7)),
    ("i4", 7.0, np.int32(7)),
    ("u1", np.int64(255), np.uint8(255)),
    (">i4", np.array(5), np.int32(5)),
    ("f4", "NaN", np.float32(np.nan)),
    ("f4", -0.0, np.float32(-0.0)),
    ("f8", True, np.float64(1)),
    ("c8", 1 + 2j, np.complex64(1 + 2j)),
    ("S3", "abc", np.bytes_(b"abc")),
    ("S3", 0, np.bytes_(b"")),
    ("U3", "é", np.str_("é")),
    ("U3", 0, np.str_("")),
    ("V4", b"ab", np.void(b"ab\0\0")),
    ("M8[ns]", "2001-01-01", np.datetime64("2001-01-01", "ns")),
    ("M8[D]", np.datetime64("NaT", "s"), np.datetime64("NaT", "D")),
    ("m8[s]", 5, np.timedelta64(5, "s")),
    (STRUCT, (1, b"x"), np.array((1, b"x"), STRUCT)[()]),
    (STRUCT, {"a": 1, "b": b"x"}, np.array((1, b"x"), STRUCT)[()]),
    (STRUCT, 0, np.zeros((), STRUCT)[()]),
]


@pytest.mark.parametrize(("dtype", "value", "expected"), USER_VALUES)
def test_user_values(dtype, value, expected):
    back = normalize_fill_value(value, np.dtype(dtype))
    assert type(back) is type(expected)
    assert bits(back, dtype) == bits(expected, dtype)


def test_user_values_without_a_cast():
    marker = object()
    assert normalize_fill_value(None, np.dtype("i4")) is None
    assert normalize_fill_value(marker, np.dtype(object)) is marker


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("u1", 300),
        ("u1", np.int64(300)),
        ("i1", -129),
        ("i4", np.nan),
        ("i4", 1e12),
        ("i4", "x"),
        ("f4", 1e300),
        ("f8", 1j),
        ("f8", np.complex128(1j)),
        ("f8", [1.0]),
        ("i4", [1, 2]),
        ("U3", 7),
        ("V2", b"abc"),
        (STRUCT, (1, 2, 3)),
        (STRUCT, {"a": 1}),
        ("M8[ns]", "yesterday"),
    ],
)
def test_user_values_refused(dtype, value):
    with pytest.raises(ValueError, match=r"fill_value .* is not valid for dtype"):
        normalize_fill_value(value, np.dtype(dtype))


@given(simple_dtypes)
def test_zero_is_zero_for_every_dtype(dtype):
    assert bits(normalize_fill_value(0, dtype), dtype) == bytes(dtype.itemsize)
