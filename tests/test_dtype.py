"""Data types as objects."""

import numpy as np
import pytest

import zarrc
from zarrc import dtype as types
from zarrc.errors import UnknownDataTypeError
from zarrc.metadata import dtypes

NATIVE = [
    "?",
    "<i1",
    ">i2",
    "<u8",
    ">f2",
    "<f8",
    ">c16",
    "S3",
    "<U3",
    ">U2",
    "V5",
    "<M8[25s]",
    ">m8[D]",
    "<M8",
]


@pytest.mark.parametrize("native", [*NATIVE, [("a", "<i4"), ("b", ">f8")]])
def test_each_is_numpys(native):
    native = np.dtype(native)
    found = types.parse_dtype(native)
    assert (found.dtype, found.to_native_dtype(), np.dtype(found)) == (native, native, native)
    assert types.parse_dtype(found) is found
    assert dtypes.decode_v2(found.to_json(2)) == native
    if native.str[1:] != "M8":
        assert types.parse_dtype(found.to_json(3)).dtype == dtypes.native_dtype(native)


@pytest.mark.parametrize(
    "name", [name for name in types.__all__ if name not in ("ZDType", "Structured", "parse_dtype")]
)
def test_every_class_is_found(name):
    cls = getattr(types, name)
    made = cls(length=2) if name in ("FixedLengthUTF32", "NullTerminatedBytes", "RawBytes") else cls()
    assert types.parse_dtype(made.to_json(3) if "Time" not in name else made.dtype) == made


def test_arrays_take_them():
    z = zarrc.create_array({}, shape=3, dtype=types.Int16(endianness="big"))
    assert (z.dtype, z.serializer.endian.value) == (np.dtype("i2"), "big")
    z = zarrc.create_array({}, shape=3, dtype=types.DateTime64("s", 25))
    assert z.dtype == "M8[25s]"


def test_defaults():
    assert np.isnat(types.TimeDelta64("s").default_scalar())
    assert types.VariableLengthUTF8().default_scalar() == ""
    assert types.Float32().default_scalar().dtype == "f4"


def test_refused():
    with pytest.raises(ValueError, match="endianness must be"):
        types.Int32("middle")
    with pytest.raises(UnknownDataTypeError, match="strings and bytes"):
        types.parse_dtype(object)
    with pytest.raises(UnknownDataTypeError, match="int7"):
        types.parse_dtype("int7")


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="NumPy 1 has no StringDType")
def test_numpys_strings_of_any_length_are_the_type_of_strings():
    assert zarrc.dtype.parse_dtype(np.dtypes.StringDType()) == zarrc.dtype.parse_dtype(str)
