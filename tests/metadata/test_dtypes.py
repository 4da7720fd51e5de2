"""Data types both ways, in both formats."""

import json

import numpy as np
import pytest
from fill_value_strategies import dtypes, struct_dtypes
from hypothesis import given

from zarrc.errors import MetadataError, UnknownDataTypeError
from zarrc.metadata.dtypes import decode_v2, decode_v3, encode_v2, encode_v3, native_dtype


def through_json(value):
    return json.loads(json.dumps(value))


@given(dtypes)
def test_format_2_round_trip(dtype):
    assert decode_v2(through_json(encode_v2(dtype))) == dtype


@given(dtypes)
def test_format_3_round_trip_of_native_dtypes(dtype):
    native = native_dtype(dtype)
    assert native.isnative
    assert native.itemsize == dtype.itemsize
    assert decode_v3(through_json(encode_v3(dtype))) == native


@given(struct_dtypes)
def test_padding_is_kept_in_format_2_and_left_out_in_format_3(dtype):
    aligned = np.dtype(dtype.descr, align=True)
    assert decode_v2(through_json(encode_v2(aligned))) == aligned
    assert decode_v3(encode_v3(aligned)) == native_dtype(dtype)


@pytest.mark.parametrize("dtype", ["<f16", "<c32", "|O", "l", "q", "L", "Q", "<M8", "<m8[7M]"])
def test_format_2_other_dtypes(dtype):
    dtype = np.dtype(dtype)
    assert decode_v2(encode_v2(dtype)) == dtype


@pytest.mark.parametrize("dtype", ["l", "q", "L", "Q", "<M8", "m8"])
def test_format_3_other_dtypes(dtype):
    assert decode_v3(encode_v3(np.dtype(dtype))) == np.dtype(dtype)


def test_titles():
    dtype = np.dtype([(("title", "a"), "<i4"), ("b", "<f8")])
    assert decode_v2(through_json(encode_v2(dtype))) == dtype


FORMAT_3 = [
    ("bool", "?"),
    ("int8", "i1"),
    ("uint64", "u8"),
    ("float16", "f2"),
    ("complex128", "c16"),
    ({"name": "int32"}, "i4"),
    ("r8", "V1"),
    ("r24", "V3"),
    ({"name": "raw_bytes", "configuration": {"length_bytes": 3}}, "V3"),
    ({"name": "null_terminated_bytes", "configuration": {"length_bytes": 3}}, "S3"),
    ({"name": "fixed_length_utf32", "configuration": {"length_bytes": 12}}, "U3"),
    ({"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 25}}, "M8[25s]"),
    ({"name": "numpy.timedelta64", "configuration": {"unit": "generic", "scale_factor": 1}}, "m8"),
    ("string", "O"),
    ("bytes", "O"),
    ("variable_length_bytes", "O"),
]


@pytest.mark.parametrize(("data_type", "dtype"), FORMAT_3)
def test_format_3_names(data_type, dtype):
    assert decode_v3(data_type) == np.dtype(dtype)


@pytest.mark.parametrize("name", ["struct", "structured"])
def test_format_3_fields_in_both_spellings(name):
    time = {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 1}}
    expected = np.dtype([("a", "i4"), ("b", "M8[s]")])
    for fields in (
        [["a", "int32"], ["b", time]],
        [{"name": "a", "data_type": "int32"}, {"name": "b", "data_type": time}],
    ):
        assert decode_v3({"name": name, "configuration": {"fields": fields}}) == expected


@pytest.mark.parametrize(
    "spec", ["<i3", "", "i4,f8", "(2,)<i4", "<x4", "|T16", None, 7, {"a": 1}, "<M8[parsec]"]
)
def test_unknown_in_format_2(spec):
    with pytest.raises(UnknownDataTypeError, match="unknown data type"):
        decode_v2(spec)


@pytest.mark.parametrize("spec", [[["a"]], [["a", "<i3"]], [[1, "<i4"]], ["a"], [["a", "<i4"], ["a", "<i4"]]])
def test_unknown_fields_in_format_2(spec):
    with pytest.raises(UnknownDataTypeError, match="data type"):
        decode_v2(spec)


@pytest.mark.parametrize(
    "name", ["int2", "bfloat16", "r7", "r0", "<i4", "object", "float128", "datetime64[ns]"]
)
def test_unknown_in_format_3(name):
    with pytest.raises(UnknownDataTypeError, match=f"unknown data type '{name}'".replace("[", r"\[")):
        decode_v3(name)


def test_object_and_longdouble_have_no_name_in_format_3():
    for dtype in ("O", "f16"):
        with pytest.raises(UnknownDataTypeError, match="format 3 has no data type"):
            encode_v3(np.dtype(dtype))


def named(name, **configuration):
    return {"name": name, "configuration": configuration}


@pytest.mark.parametrize(
    ("data_type", "message"),
    [
        (7, "data_type must be a JSON object"),
        ({}, "data_type lacks the key 'name'"),
        ({"name": 1}, "name of data_type"),
        ({"name": "int32", "configuration": 1}, "configuration of data type 'int32'"),
        (named("raw_bytes"), "'raw_bytes' lacks the key 'length_bytes'"),
        (named("raw_bytes", length_bytes=0), "must be a positive integer"),
        (named("raw_bytes", length_bytes=2**70), "too long"),
        (named("fixed_length_utf32", length_bytes=3), "multiple of 4"),
        (named("numpy.datetime64", unit="s"), "lacks the key 'scale_factor'"),
        (named("numpy.datetime64", unit="parsec", scale_factor=1), "no unit 'parsec'"),
        (named("numpy.datetime64", unit="s", scale_factor="1"), "scale_factor '1'"),
        (named("struct", fields=7), "fields of data type 'struct'"),
        (named("struct", fields=[["a"]]), r"must be \[name, type\]"),
        (named("struct", fields=[{"data_type": "int8"}]), "lacks its name"),
        (named("struct", fields=[{"name": "a"}]), "field 'a' lacks the key 'data_type'"),
        (named("struct", fields=[["a", "int8"], ["a", "int8"]]), "fields of data type 'struct'"),
        (named("struct", fields=[["a", "int2"]]), "unknown data type 'int2'"),
    ],
)
def test_wrong_data_types_in_format_3(data_type, message):
    with pytest.raises(MetadataError, match=message):
        decode_v3(data_type)
