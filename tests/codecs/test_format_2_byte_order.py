"""In format 2 a chunk holds what the last filter gave, byte for byte, whatever the array's byte order."""

import numcodecs
import numpy as np
import pytest

import zarrc

DATA = np.linspace(-5, 5, 12)
RECORDS = np.array([(1, 2.5, "ab"), (-3, 0.1, "é")], dtype=[("a", ">i4"), ("b", "<f8"), ("c", ">U3")])


@pytest.mark.parametrize("dtype", ["<f8", ">f8"])
@pytest.mark.parametrize("astype", ["<i4", ">i4", "|i1"])
def test_filters_that_change_the_dtype(dtype, astype):
    codec = numcodecs.FixedScaleOffset(offset=0, scale=10, dtype=dtype, astype=astype)
    store = {}
    array = zarrc.array(DATA.astype(dtype), chunks=12, store=store, filters=[codec], compressor=None)
    assert bytes(store["0"]) == bytes(np.ascontiguousarray(codec.encode(DATA.astype(dtype))))
    expected = codec.decode(codec.encode(DATA.astype(dtype)))
    assert np.array_equal(array[:], expected)
    assert np.array_equal(zarrc.open_array(store, mode="r")[:], expected)


@pytest.mark.parametrize("data", [RECORDS, DATA.astype(">f8"), DATA.astype("<f4"), RECORDS["c"]])
def test_elements_are_stored_as_they_are(data):
    store = {}
    array = zarrc.array(data, chunks=len(data), store=store, compressor=None)
    assert array.dtype == data.dtype
    assert bytes(store["0"]) == data.tobytes()
    assert np.array_equal(zarrc.open_array(store, mode="r")[:], data)
