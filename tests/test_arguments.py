"""Arguments of array creation: shapes, chunks, data types, h5py's spelling."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarrc.arguments import (
    guess_chunks,
    normalize_chunks,
    normalize_dtype,
    normalize_order,
    normalize_shape,
    normalize_shards,
    refuse_unknown,
    translate_h5py,
)

# What zarr-python 2.18.7 answers: shape, item size, chunks.
GUESSES = [
    ((0,), 1, (1,)),
    ((0,), 8, (1,)),
    ((0,), 100, (1,)),
    ((0,), 1000000, (1,)),
    ((5,), 1, (5,)),
    ((5,), 8, (5,)),
    ((5,), 100, (5,)),
    ((5,), 1000000, (1,)),
    ((1000000,), 1, (250000,)),
    ((1000000,), 8, (62500,)),
    ((1000000,), 100, (7813,)),
    ((1000000,), 1000000, (16,)),
    ((10000, 10000), 1, (625, 1250)),
    ((10000, 10000), 8, (313, 625)),
    ((10000, 10000), 100, (157, 313)),
    ((10000, 10000), 1000000, (5, 10)),
    ((512, 512, 512), 1, (64, 128, 128)),
    ((512, 512, 512), 8, (64, 64, 64)),
    ((512, 512, 512), 100, (32, 32, 64)),
    ((512, 512, 512), 1000000, (4, 4, 4)),
    ((0, 10), 1, (1, 10)),
    ((0, 10), 8, (1, 10)),
    ((0, 10), 100, (1, 10)),
    ((0, 10), 1000000, (1, 1)),
    ((1000000000,), 1, (1953125,)),
    ((1000000000,), 8, (488282,)),
    ((1000000000,), 100, (122071,)),
    ((1000000000,), 1000000, (60,)),
    ((3, 10000000), 1, (1, 625000)),
    ((3, 10000000), 8, (1, 156250)),
    ((3, 10000000), 100, (1, 39063)),
    ((3, 10000000), 1000000, (1, 39)),
    ((1000000000000,), 1, (15258790,)),
    ((1000000000000,), 8, (3814698,)),
    ((1000000000000,), 100, (476838,)),
    ((1000000000000,), 1000000, (59,)),
    ((100, 100, 100, 100, 100), 1, (13, 25, 25, 25, 25)),
    ((100, 100, 100, 100, 100), 8, (13, 13, 13, 25, 25)),
    ((100, 100, 100, 100, 100), 100, (7, 13, 13, 13, 13)),
    ((100, 100, 100, 100, 100), 1000000, (2, 2, 2, 2, 4)),
    ((1099511627776, 3), 1, (33554432, 1)),
    ((1099511627776, 3), 8, (4194304, 1)),
    ((1099511627776, 3), 100, (524288, 1)),
    ((1099511627776, 3), 1000000, (64, 1)),
    ((7, 11, 13, 17), 1, (7, 11, 13, 17)),
    ((7, 11, 13, 17), 8, (7, 11, 13, 17)),
    ((7, 11, 13, 17), 100, (4, 6, 7, 17)),
    ((7, 11, 13, 17), 1000000, (1, 1, 2, 3)),
    ((10000, 720, 1440), 1, (625, 45, 180)),
    ((10000, 720, 1440), 8, (313, 45, 90)),
    ((10000, 720, 1440), 100, (157, 23, 45)),
    ((10000, 720, 1440), 1000000, (10, 2, 3)),
    ((1000, 64), 1, (1000, 64)),
    ((1000, 64), 8, (500, 64)),
    ((1000, 64), 100, (250, 16)),
    ((1000, 64), 1000000, (8, 1)),
    ((1000000, 64), 1, (125000, 8)),
    ((1000000, 64), 8, (62500, 4)),
    ((1000000, 64), 100, (15625, 2)),
    ((1000000, 64), 1000000, (62, 1)),
    ((2601, 65101), 1, (163, 8138)),
    ((5, 36793, 681), 8, (1, 2300, 86)),
    ((7748, 58, 16434), 8, (243, 4, 1028)),
    ((285611, 9184, 46, 187), 16, (4463, 144, 1, 6)),
    ((4, 8230, 491, 847585), 12, (1, 65, 4, 13244)),
    ((3, 93), 1, (3, 93)),
    ((1040, 135430, 640487, 41055, 336), 4, (2, 133, 626, 81, 1)),
    ((1689,), 4, (1689,)),
    ((25562, 5114, 433, 77553, 450), 80, (50, 10, 2, 303, 2)),
    ((54620, 1767, 65), 1, (3414, 111, 9)),
    ((172664, 2, 106, 706), 16, (5396, 1, 4, 45)),
    ((9, 6330, 41), 4, (3, 1583, 21)),
    ((5209, 229100, 18844), 12, (21, 1790, 148)),
    ((2195, 168419), 2, (69, 10527)),
    ((239089,), 1, (239089,)),
    ((756, 2, 80, 16965, 26861), 16, (12, 1, 2, 266, 420)),
    ((18626,), 8, (18626,)),
    ((131, 9341, 116804, 399098, 283), 16, (1, 19, 229, 780, 1)),
    ((7695, 182), 16, (962, 46)),
    ((2,), 80, (2,)),
    ((68232, 176, 8, 5), 2, (8529, 44, 2, 2)),
    ((409, 8037, 902774), 12, (4, 63, 14106)),
    ((67, 1, 4, 7, 251845), 80, (5, 1, 1, 1, 15741)),
    ((352, 170), 16, (176, 85)),
    ((509881, 33), 8, (31868, 5)),
    ((732, 295), 12, (183, 148)),
    ((317602, 12747), 2, (4963, 399)),
    ((21, 151775), 4, (3, 37944)),
    ((14, 201853, 805, 654, 605313), 1, (1, 789, 4, 3, 4730)),
    ((33, 220, 8391, 1, 22852), 12, (2, 7, 263, 1, 715)),
    ((149118, 81), 4, (18640, 11)),
    ((244, 8419, 11), 80, (16, 1053, 2)),
    ((7165, 111), 4, (1792, 56)),
    ((50400, 2434, 1786), 4, (788, 77, 56)),
    ((148, 3, 480412, 19, 906021), 12, (1, 1, 939, 1, 3540)),
    ((11, 260915, 101, 38), 4, (1, 32615, 13, 5)),
    ((1186,), 16, (1186,)),
    ((33977, 1275), 4, (2124, 160)),
    ((1, 5, 198058, 4), 16, (1, 1, 49515, 1)),
    ((143, 769610), 4, (9, 48101)),
    ((204, 9247), 2, (51, 4624)),
    ((42296, 88), 2, (10574, 22)),
]


@pytest.mark.parametrize(("shape", "itemsize", "expected"), GUESSES)
def test_guess_is_zarr_pythons(shape, itemsize, expected):
    assert guess_chunks(shape, itemsize) == expected


@given(st.lists(st.integers(0, 10**7), max_size=6), st.integers(0, 10**9))
def test_guess_is_usable(shape, itemsize):
    chunks = guess_chunks(tuple(shape), itemsize)
    assert len(chunks) == len(shape)
    assert all(1 <= c <= max(n, 1) for c, n in zip(chunks, shape, strict=True))
    nbytes = itemsize * np.prod(chunks, dtype=float)
    assert nbytes < 64 * 2**20 or np.prod(chunks) == 1


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (10, (10,)),
        ((10,), (10,)),
        ([10, 2], (10, 2)),
        (np.int64(3), (3,)),
        ((), ()),
        (np.array([2, 3]), (2, 3)),
        (0, (0,)),
    ],
)
def test_shape(shape, expected):
    result = normalize_shape(shape)
    assert result == expected
    assert all(type(n) is int for n in result)


@pytest.mark.parametrize(
    ("shape", "error"),
    [
        (None, TypeError),
        (10.5, TypeError),
        ("foo", ValueError),
        (-1, ValueError),
        ((2, 1.5), TypeError),
        (True, TypeError),
    ],
)
def test_bad_shape(shape, error):
    with pytest.raises(error, match="shape"):
        normalize_shape(shape)


@pytest.mark.parametrize(("shape", "expected"), [(3.0, (3,)), ((2, 4.0), (2, 4))])
def test_floats_that_are_whole_numbers(shape, expected):
    """Version 2 takes them, with a warning."""
    with pytest.warns(UserWarning, match="is taken as"):
        assert normalize_shape(shape) == expected


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        (True, (100, 50)),
        (None, (100, 50)),
        ("auto", (100, 50)),
        (False, (100, 50)),
        (-1, (100, 50)),
        (5, (5, 5)),
        (np.int32(5), (5, 5)),
        ((5,), (5, 50)),
        ((5, None), (5, 50)),
        ((None, 5), (100, 5)),
        ((-1, 5), (100, 5)),
        ([5, 5], (5, 5)),
        ((), (100, 50)),
        ((200, 5), (200, 5)),
    ],
)
def test_chunks(chunks, expected):
    assert normalize_chunks(chunks, (100, 50), 4) == expected


def test_chunks_of_empty_axes_have_a_length():
    assert normalize_chunks(False, (0, 10), 4) == (1, 10)
    assert normalize_chunks((0, 5), (0, 10), 4) == (1, 5)
    assert normalize_chunks(True, (), 4) == ()


@pytest.mark.parametrize(
    ("chunks", "error"),
    [
        ((5, 5, 5), ValueError),
        ("foo", ValueError),
        (0, ValueError),
        ((0, 5), ValueError),
        (-2, ValueError),
        ((5.5, 5), TypeError),
        ((True, 5), TypeError),
        (5.0, TypeError),
    ],
)
def test_bad_chunks(chunks, error):
    with pytest.raises(error, match="chunk"):
        normalize_chunks(chunks, (100, 50), 4)


def test_order():
    assert normalize_order("C") == normalize_order("c") == "C"
    assert normalize_order("f") == "F"
    for bad in ("A", None, 1):
        with pytest.raises(ValueError, match="order must be either 'C' or 'F'"):
            normalize_order(bad)


def test_dtype():
    assert normalize_dtype(None) == (np.dtype("f8"), None)
    assert normalize_dtype(">i2") == (np.dtype(">i2"), None)
    assert normalize_dtype("M8[s]") == (np.dtype("M8[s]"), None)


@pytest.mark.parametrize("dtype", ["M8", "m8", np.datetime64])
def test_times_need_a_unit(dtype):
    with pytest.raises(ValueError, match="please specify units"):
        normalize_dtype(dtype)


def test_object_shorthands_bring_their_codec():
    assert normalize_dtype(str) == (np.dtype(object), {"id": "vlen-utf8"})
    assert normalize_dtype(bytes) == (np.dtype(object), {"id": "vlen-bytes"})
    assert normalize_dtype("array:i4") == (np.dtype(object), {"id": "vlen-array", "dtype": "<i4"})
    own = object()
    assert normalize_dtype(str, own) == (np.dtype(object), own)


def test_h5py_compression_by_name():
    import numcodecs

    assert translate_h5py("default", "gzip", None) == numcodecs.GZip()
    assert translate_h5py("default", "gzip", 9) == numcodecs.GZip(9)
    assert translate_h5py("default", "gzip", {"level": 3}) == numcodecs.GZip(3)
    assert translate_h5py("default", "blosc", ("zstd", 1, 2)) == numcodecs.Blosc("zstd", 1, 2)
    assert translate_h5py("default", numcodecs.Zstd(4), None) == numcodecs.Zstd(4)
    assert translate_h5py("default", None, None) is None
    assert translate_h5py("default", "none", None) is None
    assert translate_h5py("default", "default", None) == "default"


def test_h5py_compression_that_does_not_exist():
    for bad in ("lzf", 32001):
        with pytest.raises(ValueError, match="bad value for compression"):
            translate_h5py("default", bad, None)


def test_compressor_wins_over_h5py_with_a_warning():
    with pytest.warns(UserWarning, match="'compression' keyword argument overridden by 'compressor'"):
        assert translate_h5py(None, "gzip", None) is None
    with pytest.warns(UserWarning, match="ignoring keyword argument 'compression_opts'"):
        assert translate_h5py(None, "default", 1) is None


def test_arguments_of_h5py_alone_warn_and_others_are_refused():
    with pytest.warns(UserWarning, match="ignoring keyword argument 'shuffle'"):
        refuse_unknown({"shuffle": True}, "create")
    with pytest.raises(TypeError, match=r"create\(\) got an unexpected keyword argument 'chunk'"):
        refuse_unknown({"chunk": 3}, "create")


class TestShards:
    shapes = st.lists(st.integers(0, 5000), max_size=4).map(tuple)

    @given(shapes, st.sampled_from([1, 2, 8, 100]), st.sampled_from([2**10, 2**20, 2**25]), st.data())
    def test_guesses_fit(self, shape, itemsize, usual, data):
        chunks = data.draw(st.none() | st.tuples(*(st.integers(1, 700) for _ in shape)))
        inner, outer = normalize_shards("auto", chunks, shape, itemsize, usual)
        assert chunks in (None, inner)
        assert all(n % c == 0 for n, c in zip(outer, inner, strict=True))
        chunk_nbytes = math.prod(inner) * itemsize
        assert math.prod(outer) * itemsize <= max(usual, chunk_nbytes)
        if any(
            n < length for n, length in zip(outer, shape, strict=True)
        ):  # it could not grow to twice its size
            assert 2 * math.prod(outer) * itemsize > usual

    @given(shapes, st.data())
    def test_chunks_of_given_shards_divide_them(self, shape, data):
        shards = data.draw(st.tuples(*(st.integers(1, 3000) for _ in shape)))
        inner, outer = normalize_shards(shards, "auto", shape, 8)
        assert outer == shards
        assert all(n % c == 0 for n, c in zip(outer, inner, strict=True))

    def test_whole_axes(self):
        assert normalize_shards(-1, (4, 5), (10, 10), 1) == ((4, 5), (12, 10))
        assert normalize_shards((8,), (4, 5), (10, 12), 1) == ((4, 5), (8, 15))
        assert normalize_shards((None, 10), 5, (10, 10), 1) == ((5, 5), (10, 10))

    @pytest.mark.parametrize(
        ("shards", "chunks", "error", "says"),
        [
            ((10, 10), (3, 5), ValueError, "must divide shards"),
            ((10, 10, 10), (5, 5), ValueError, "too many dimensions in shards"),
            ((10, 0), (5, 5), ValueError, "a shard's length"),
            ("everything", (5, 5), ValueError, "shards must be"),
            ((10, 2.5), (5, 5), TypeError, "shards must be made of integers"),
        ],
    )
    def test_refused(self, shards, chunks, error, says):
        with pytest.raises(error, match=says):
            normalize_shards(shards, chunks, (20, 20), 1)
