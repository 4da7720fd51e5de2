"""What the model computes, and what it refuses."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from zarrc.errors import MetadataError
from zarrc.metadata.model import (
    ArrayMetadata,
    ChunkKeyEncoding,
    CodecSpec,
    GroupMetadata,
    alike,
    with_shape,
)

META = ArrayMetadata(
    zarr_format=2,
    shape=(10, 0, 7),
    dtype=np.dtype("<i4"),
    chunk_shape=(3, 1, 7),
    fill_value=np.int32(0),
    codecs=(CodecSpec("bytes", {"endian": "little"}),),
    chunk_key_encoding=ChunkKeyEncoding("v2", "."),
)


def test_derived():
    meta = replace(META, shape=(10, 5, 7))
    assert (meta.ndim, meta.grid_shape, meta.nchunks) == (3, (4, 5, 1), 20)
    assert (meta.size, meta.nbytes, meta.chunk_nbytes) == (350, 1400, 84)
    assert (META.grid_shape, META.nchunks, META.nbytes) == ((4, 0, 1), 0, 0)
    scalar = replace(META, shape=(), chunk_shape=())
    assert (scalar.grid_shape, scalar.nchunks, scalar.nbytes) == ((), 1, 4)


def test_order_is_a_leading_reversal_in_format_2():
    reversal = CodecSpec("transpose", {"order": [2, 1, 0]})
    assert META.order == "C"
    assert replace(META, codecs=(reversal, *META.codecs)).order == "F"
    assert replace(META, codecs=(reversal, *META.codecs), zarr_format=3).order == "C"
    other = CodecSpec("transpose", {"order": [1, 2, 0]})
    assert replace(META, codecs=(other, *META.codecs)).order == "C"


def test_equality_is_that_of_bits():
    def filled(dtype, value):
        dtype = np.dtype(dtype)
        return replace(META, dtype=dtype, fill_value=np.array(value, dtype)[()])

    assert filled("f4", np.nan) == filled("f4", np.nan)
    assert filled("M8[s]", "NaT") == filled("M8[s]", "NaT")
    assert filled("f4", 0.0) != filled("f4", -0.0)
    assert filled([("a", "f4", (2,))], 1) == filled([("a", "f4", (2,))], 1)
    assert filled("f4", 0.0) != replace(filled("f4", 0.0), fill_value=None)
    assert replace(META, attributes={"a": 1}) != META
    assert META != "META"
    with pytest.raises(TypeError, match="unhashable"):
        hash(META)


def test_format_2_has_no_dimension_names():
    assert not hasattr(META, "dimension_names")
    assert replace(META, zarr_format=3, axis_names=("a", "b", None)).dimension_names == ("a", "b", None)


def test_another_shape():
    assert with_shape(META, (1, 2, 3)) == replace(META, shape=(1, 2, 3))
    for wrong in ((1, 2), (1, 2, -1), [1, 2, 3], (1, 2, 2.0), (2**40, 2**20, 2**10)):
        with pytest.raises(MetadataError, match="shape"):
            with_shape(META, wrong)


def test_alike_but_for_shape_and_attributes():
    assert alike(META, replace(META, shape=(1, 2, 3), attributes={"a": 1}))
    assert not alike(META, replace(META, shape=(1,), chunk_shape=(1,)))
    assert not alike(META, replace(META, chunk_shape=(3, 2, 7)))
    assert not alike(META, replace(META, fill_value=None))


def test_frozen():
    with pytest.raises(FrozenInstanceError):
        META.shape = (1,)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"zarr_format": 1}, "zarr_format must be 2 or 3, not 1"),
        ({"shape": (10, -1, 7)}, "shape .* from 0 to"),
        ({"shape": (10, 2**63, 7)}, "shape .* from 0 to"),
        ({"shape": (10, 1.5, 7)}, "shape must be a tuple of integers"),
        ({"shape": (10, True, 7)}, "shape must be a tuple of integers"),
        ({"shape": [10, 0, 7]}, "shape must be a tuple of integers"),
        ({"chunk_shape": (3, 0, 7)}, "chunk_shape .* from 1 to"),
        ({"chunk_shape": (3, 1)}, "chunk_shape .* and shape .* differ"),
        ({"shape": (2**31, 2**30, 1)}, "shape .* larger than 2\\*\\*63 - 1 bytes"),
        ({"chunk_shape": (2**31, 2**30, 1)}, "chunk_shape .* larger than 2\\*\\*63 - 1 bytes"),
        ({"axis_names": ("x",)}, "dimension_names"),
        ({"dtype": np.dtype("S0")}, "dtype '|S0' has no bytes"),
        ({"dtype": "<i4"}, "dtype must be a numpy.dtype"),
        ({"dtype": np.dtype(("<i4", (2,)))}, "sub-array"),
    ],
)
def test_contradictions_are_refused(changes, message):
    with pytest.raises(MetadataError, match=message):
        replace(META, **changes)


def test_the_largest_sizes_are_taken():
    meta = replace(META, shape=(2**60 - 1, 1, 1), dtype=np.dtype("<i8"), chunk_shape=(2**60 - 1, 1, 1))
    assert meta.nbytes == meta.chunk_nbytes == 2**63 - 8


def test_group_format():
    with pytest.raises(MetadataError, match="zarr_format"):
        GroupMetadata(1)


@pytest.mark.parametrize("byte_order", "<>")
@pytest.mark.parametrize("code", ["f2", "f4", "f8", "c8", "c16"])
def test_format_2_has_one_nan(code, byte_order):
    """Its documents have a word for it: chunks of other NaNs would not come back from absent ones."""
    dtype = np.dtype(byte_order + code)
    size = dtype.itemsize // 2 if code[0] == "c" else dtype.itemsize
    other = np.array({2: 0xFE01, 4: 0xFFC12345, 8: 0xFFF8000000012345}[size], f"u{size}").view(f"f{size}")
    parts = np.array([other, -0.0], f"f{size}") if code[0] == "c" else other.reshape(1)
    value = parts.view(dtype.newbyteorder("="))[0]
    usual = np.array([np.nan, -0.0], f"f{size}")[: len(parts)]
    found = replace(META, dtype=dtype, fill_value=value).fill_value
    assert np.array(found).tobytes() == usual.tobytes()
    kept = replace(META, dtype=dtype.newbyteorder("="), fill_value=value, zarr_format=3).fill_value
    assert np.array(kept).tobytes() == parts.tobytes()
