"""Selections against NumPy: what is read, what is written, and how often a chunk is touched."""

from __future__ import annotations

import array as arrays_of_python
import os

import numpy as np
import pytest
from array_strategies import (
    CountingMapping,
    assert_same,
    chunk_regions,
    new_store,
    random_array,
    shapes_and_chunks,
)
from fill_value_strategies import struct_dtypes
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import run
from selection_strategies import (
    KINDS,
    STORES,
    changes,
    drawn,
    numbered,
    put,
    stored,
    take,
)

import zarrc
from zarrc.errors import BoundsCheckError, ReadOnlyError, VindexInvalidSelectionError
from zarrc.storage import DirectoryStore

store_names = st.sampled_from(STORES)

# twenty tests of so many are 40,000 examples in the thorough profile, in minutes and not in hours
enough = settings(max_examples=min(settings.default.max_examples, 2000))


METHODS = {
    "orthogonal": "orthogonal_selection",
    "points": "coordinate_selection",
    "mask": "mask_selection",
    "blocks": "block_selection",
}


class TestAgainstNumPy:
    @pytest.mark.parametrize("kind", KINDS)
    @enough
    @given(data=st.data())
    def test_read(self, kind, data):
        settings, a = data.draw(stored())
        if kind == "mask" and not a.ndim:
            return
        with new_store(data.draw(store_names)) as store:
            z = zarrc.create(store=store, **settings)
            z[...] = a
            for _ in range(4):
                get, _, selection, elements = drawn(data, kind, z, a)
                expected = take(a, elements)
                assert_same(get(selection), expected)
                if kind in METHODS:
                    assert_same(getattr(z, f"get_{METHODS[kind]}")(selection), expected)

    @pytest.mark.parametrize("kind", KINDS)
    @enough
    @given(data=st.data())
    def test_write(self, kind, data):
        settings, a = data.draw(stored())
        if kind == "mask" and not a.ndim:
            return
        with new_store(data.draw(store_names)) as store:
            z = zarrc.create(store=store, write_empty_chunks=data.draw(st.booleans()), **settings)
            if data.draw(st.booleans()):
                z[...] = a
            else:
                a[...] = np.zeros((), a.dtype)
            for _ in range(3):
                _, set_, selection, elements = drawn(data, kind, z, a)
                value = data.draw(changes(elements, a.dtype))
                if kind in METHODS and data.draw(st.booleans()):
                    getattr(z, f"set_{METHODS[kind]}")(selection, value)
                else:
                    set_(selection, value)
                put(a, elements, value)
                assert_same(z[...], a)
            assert_same(zarrc.open_array(store, mode="r")[...], a)

    @pytest.mark.parametrize("kind", KINDS)
    @enough
    @given(data=st.data())
    def test_out(self, kind, data):
        settings, a = data.draw(stored(max_dims=4))
        if kind == "mask" and not a.ndim:
            return
        with new_store(data.draw(store_names)) as store:
            z = zarrc.create(store=store, **settings)
            z[...] = a
            _, _, selection, elements = drawn(data, kind, z, a)
            expected = take(a, elements)
            get = getattr(z, "get_" + METHODS[kind]) if kind in METHODS else None
            if get is None:
                selection, get = Ellipsis, z.get_basic_selection
                expected = a
            out = data.draw(outs(np.shape(expected), a.dtype))
            assert get(selection, out=out) is out
            assert_same(np.asarray(out), np.asarray(expected, dtype=a.dtype))

    @enough
    @given(data=st.data())
    def test_fields(self, data):
        settings, a = data.draw(stored(max_dims=3, dtype=struct_dtypes))
        if not a.ndim:
            return
        names = data.draw(st.lists(st.sampled_from(a.dtype.names), min_size=1, unique=True))
        with new_store(data.draw(store_names)) as store:
            z = zarrc.create(store=store, **settings)
            z[...] = a
            kind = data.draw(st.sampled_from(KINDS))
            get, set_, selection, elements = drawn(data, kind, z, a)
            items = selection if isinstance(selection, tuple) and kind != "mask" else (selection,)
            name = names[0]
            found = take(a, elements)
            assert_same(get((name, *items)), found[name])
            packed = np.dtype([(name, a.dtype[name]) for name in names])
            several = np.empty(np.shape(found), packed)
            for name in names:
                several[name] = found[name]
            assert_same(get((list(names), *items)), several if isinstance(found, np.ndarray) else several[()])
            value = random_array(packed, several.shape, data.draw(st.integers(0, 1000)))
            if data.draw(st.booleans()):
                set_((list(names), *items), value)
            else:
                for name in names:
                    set_((name, *items), value[name])
            for name in names:
                column = np.ascontiguousarray(a[name]).reshape((a.size, *a.dtype[name].shape))
                column[np.ravel(elements)] = value[name].reshape(-1, *a.dtype[name].shape)
                a[name] = column.reshape(a[name].shape)
            for name in a.dtype.names:
                assert_same(z[name], np.ascontiguousarray(a[name]))


@st.composite
def outs(draw, shape, dtype):
    """Memory of a shape, in all layouts."""
    kind = draw(st.sampled_from(["C", "F", "strided", "reversed"]))
    if kind == "F":
        return np.empty(shape, dtype, order="F")
    if kind == "strided":
        return np.empty(tuple(2 * n for n in shape), dtype)[(*[slice(None, None, 2)] * len(shape), ...)]
    if kind == "reversed":
        return np.empty(shape[::-1], dtype).T[(*[slice(None, None, -1)] * len(shape), ...)]
    return np.empty(shape, dtype)


class TestLongLists:
    """More entries in a chunk than are gone through at once."""

    @enough
    @given(data=st.data())
    def test_points(self, data):
        a, z, rng = self.array(data)
        n = data.draw(st.integers(4000, 14_000))
        shape = data.draw(st.sampled_from([(n,), (n // 10, 10), (10, n // 10)]))
        points = tuple(
            rng.integers(-length, length, shape).astype(kind)
            for length, kind in zip(a.shape, "ih", strict=True)
        )
        if data.draw(st.booleans()):
            points = (np.sort(points[0].reshape(-1) % a.shape[0]).reshape(shape), points[1])
        assert_same(z.vindex[points], a[points])
        value = rng.random(shape)
        z.vindex[points] = value
        put(a, numbered(a.shape)[points], value)
        assert_same(z[...], a)

    @enough
    @given(data=st.data())
    def test_rows_and_columns(self, data):
        a, z, rng = self.array(data)
        counts = data.draw(st.sampled_from([(5000, 3), (3, 5000), (5000, 1), (300, 200)]))
        rows, columns = (rng.integers(-n, n, count) for n, count in zip(a.shape, counts, strict=True))
        assert_same(z.oindex[rows, columns], a[np.ix_(rows, columns)])
        value = rng.random(counts)
        z.oindex[rows, columns] = value
        put(a, numbered(a.shape)[np.ix_(rows, columns)], value)
        assert_same(z[...], a)

    @enough
    @given(data=st.data())
    def test_masks(self, data):
        a, z, rng = self.array(data)
        mask = rng.random(a.shape) < data.draw(st.sampled_from([0.001, 0.5, 0.999]))
        assert_same(z.vindex[mask], a[mask])
        value = rng.random(mask.sum())
        z.vindex[mask] = value
        a[mask] = value
        assert_same(z[...], a)

    def array(self, data):
        rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
        a = rng.random(data.draw(st.sampled_from([(90, 70), (7, 1000), (1000, 7), (300, 1)])))
        chunks = data.draw(st.sampled_from([(50, 50), (1000, 1000), (1, 1000), (40, 3)]))
        z = zarrc.array(a, chunks=chunks, compressor=None, store={})
        return a, z, rng


# ------------------------------------------------------- where NumPy and the documents differ


def test_one_index_array_among_integers_and_slices_is_orthogonal():
    a = np.arange(24).reshape(2, 3, 4)
    z = zarrc.array(a, chunks=(1, 2, 3))
    assert a[0, :, [0, 1]].shape == (2, 3)
    assert_same(z[0, :, [0, 1]], a[0][:, [0, 1]])
    assert_same(z[0, :, [True, False, True, False]], a[0][:, [0, 2]])
    # with two dimensions or two arrays it is NumPy's answer
    assert_same(z[0, :, [[0, 1]]], a[0, :, [[0, 1]]])
    assert_same(z[[0], :, [0, 1]], a[[0], :, [0, 1]])
    assert_same(z[[0], ..., [0, 1]], a[[0], ..., [0, 1]])
    assert_same(z[[0], [0], ..., [0, 1]], a[[0], [0], ..., [0, 1]])


def test_other_things_that_are_index_arrays():
    a = np.arange(10)
    z = zarrc.array(a, chunks=3)
    for item in [
        range(7, 1, -2),
        ((5, 4),),
        memoryview(np.array([3, 3])),
        arrays_of_python.array("h", [1, -1]),
    ]:
        assert_same(z[item], a[item])
        assert_same(z.oindex[item], np.asarray(a[item]))
    assert_same(z[zarrc.array([1, 2])], a[[1, 2]])
    assert_same(z[z], a)
    matrix = np.array([[1, 2]]).view(np.matrix)
    assert_same(z[matrix], a[matrix])
    assert_same(z[bytearray(b"\x01")], a[[1]])
    assert_same(z[[]], a[[]])
    assert_same(z[[[]]], a[[[]]])
    assert_same(z[np.array(3)], a[np.array(3)])


@pytest.mark.parametrize("index", [np.uint64, np.int8, ">i4", ">u2"])
def test_types_of_integers(index):
    a = np.arange(300)
    z = zarrc.array(a, chunks=7)
    at = np.array([100, 3, 3, 120]).astype(index)
    assert_same(z[at], a[at])
    assert_same(z.oindex[at], a[at])
    assert_same(z.vindex[at], a[at])
    with pytest.raises(IndexError):
        zarrc.array(np.arange(50), chunks=7)[at]


# --------------------------------------------------------------------- errors

Z = {"shape": (2, 3, 4), "chunks": (1, 2, 3), "dtype": "i4"}
TOO_BIG = np.array([2**64 - 1], "u8")


@pytest.mark.parametrize(
    ("read", "error", "message"),
    [
        (lambda z: z[9], BoundsCheckError, "index 9 is out of bounds for axis 0 with size 2"),
        (lambda z: z[0, [0, 3]], BoundsCheckError, "index 3 is out of bounds for axis 1 with size 3"),
        (lambda z: z[[0], [0], [-5]], BoundsCheckError, "index -5 is out of bounds for axis 2 with size 4"),
        (
            lambda z: z[TOO_BIG],
            BoundsCheckError,
            "index 18446744073709551615 is out of bounds for axis 0 with size 2",
        ),
        (lambda z: z[[0], 7, [0]], BoundsCheckError, "index 7 is out of bounds for axis 1 with size 3"),
        (lambda z: z.oindex[:, :, [4]], BoundsCheckError, "index 4 is out of bounds for axis 2 with size 4"),
        (lambda z: z.oindex[5], BoundsCheckError, "index 5 is out of bounds for axis 0 with size 2"),
        (
            lambda z: z.vindex[[0, 1], [1, 2], [3, 9]],
            BoundsCheckError,
            "index 9 is out of bounds for axis 2 with size 4",
        ),
        (lambda z: z.vindex[0, -4, 0], BoundsCheckError, "index -4 is out of bounds for axis 1 with size 3"),
        (lambda z: z.blocks[2], BoundsCheckError, "block 2 is out of bounds for axis 0 with 2 blocks"),
        (lambda z: z.blocks[0, -3], BoundsCheckError, "block -3 is out of bounds for axis 1 with 2 blocks"),
        (lambda z: z.blocks[5:9], BoundsCheckError, "block 5 is out of bounds for axis 0 with 2 blocks"),
        (lambda z: z.blocks[::2], IndexError, "expected integer or slice with step=1, got <class 'slice'>"),
        (lambda z: z.blocks[[0]], IndexError, "expected integer or slice with step=1, got"),
        (
            lambda z: z[None],
            IndexError,
            "unsupported selection item for basic indexing; .* <class 'NoneType'>",
        ),
        (lambda z: z[0, None], IndexError, "unsupported selection item for basic indexing"),
        (lambda z: z[True], IndexError, "unsupported selection item for basic indexing"),
        (lambda z: z[np.False_, 0], IndexError, "unsupported selection item for basic indexing"),
        (lambda z: z[np.array(True)], IndexError, "unsupported selection item for basic indexing"),
        (lambda z: z[1.5], IndexError, "unsupported selection item for basic indexing; .* <class 'float'>"),
        (lambda z: z[[0.5]], IndexError, "unsupported selection item for basic indexing"),
        (lambda z: z[np.array([])], IndexError, "unsupported selection item for basic indexing"),
        (lambda z: z[[[0], [0, 1]]], IndexError, "unsupported selection item for basic indexing"),
        (lambda z: z[b"a"], IndexError, "unsupported selection item for basic indexing"),
        (lambda z: z["a"], IndexError, "invalid 'fields' argument, array does not have any fields"),
        (lambda z: z.oindex["a"], IndexError, "invalid 'fields' argument, array does not have any fields"),
        (lambda z: z.oindex[None], IndexError, "unsupported selection item for orthogonal indexing"),
        (
            lambda z: z.oindex[[[0, 1]]],
            IndexError,
            "integer arrays in an orthogonal selection must be 1-dimensional only",
        ),
        (
            lambda z: z.oindex[np.ones((2, 3), bool)],
            IndexError,
            "Boolean arrays in an orthogonal selection must be 1-dim",
        ),
        (
            lambda z: z.oindex[0, [True, False]],
            IndexError,
            "wrong length for dimension; expected 3, got 2 for axis 1",
        ),
        (
            lambda z: z[:, [True, False]],
            IndexError,
            "wrong length for dimension; expected 3, got 2 for axis 1",
        ),
        (
            lambda z: z[np.ones((3, 3), bool)],
            IndexError,
            "boolean index did not match .* axis 0; size of axis is 2 .* is 3",
        ),
        (
            lambda z: z[0, 0, 0, 0],
            IndexError,
            "too many indices for array: array is 3-dimensional, but 4 were indexed",
        ),
        (lambda z: z[[0], [0], [0], [0]], IndexError, "too many indices for array"),
        (lambda z: z[np.ones((2, 3), bool), 0, 0], IndexError, "array is 3-dimensional, but 4 were indexed"),
        (lambda z: z[..., [0], ...], IndexError, "single ellipsis"),
        (
            lambda z: z[[0, 1], [0, 1, 2]],
            IndexError,
            r"could not be broadcast together with shapes \(2,\) \(3,\)",
        ),
        (
            lambda z: z.vindex[[0, 1], [0, 1, 2], 0],
            IndexError,
            r"could not be broadcast together with shapes \(2,\) \(3,\)",
        ),
        (lambda z: z.vindex[1, 2], VindexInvalidSelectionError, "one for each of 3 axes"),
        (
            lambda z: z.vindex[0:1, [1, 2], 0],
            VindexInvalidSelectionError,
            "unsupported selection type for vectorized",
        ),
        (lambda z: z.vindex[...], VindexInvalidSelectionError, "unsupported selection type for vectorized"),
        (lambda z: z.vindex[None], VindexInvalidSelectionError, "unsupported selection type for vectorized"),
        (
            lambda z: z.vindex[np.ones((2, 3), bool)],
            VindexInvalidSelectionError,
            r"Boolean array of shape \(2, 3, 4\)",
        ),
        (lambda z: z.get_coordinate_selection(([0], [0])), IndexError, "one integer .* per dimension"),
        (lambda z: z.get_mask_selection([[True]]), IndexError, "invalid mask selection; .* same shape"),
        (
            lambda z: z.get_mask_selection(np.ones((2, 3, 5), bool)),
            IndexError,
            "axis 2; size of axis is 4 .* is 5",
        ),
        (lambda z: z.get_mask_selection([0, 1]), IndexError, "invalid mask selection"),
        (lambda z: z.get_basic_selection([0]), IndexError, "unsupported selection item for basic indexing"),
        (lambda z: z.get_basic_selection(..., fields="a"), IndexError, "array does not have any fields"),
        (lambda z: z[2**70], IndexError, "cannot fit"),
        (lambda z: z[[2**70]], IndexError, "unsupported selection item"),
        (lambda z: z[slice(None, None, 0), [0]], ValueError, "zero"),
        (
            lambda z: z.get_orthogonal_selection([0], out=np.zeros(3, "i4")),
            ValueError,
            r"shape \(3,\), and the selection \(1, 3, 4\)",
        ),
        (
            lambda z: z.get_mask_selection(np.ones(z.shape, bool), out=np.zeros(3, "i4")),
            ValueError,
            r"\(24,\)",
        ),
        (lambda z: z.get_coordinate_selection((0, 0, 0), out=[1]), TypeError, "must be an array, not list"),
    ],
)
def test_wrong_selections(read, error, message):
    with pytest.raises(error, match=message):
        read(zarrc.create(store={}, **Z))


@pytest.mark.parametrize(
    "selection",
    [9, None, True, 1.5, "a", [5], ([0], [0], [0], [0]), ([0, 1], [0, 1, 2]), ([[0], [0, 1]],)],
    ids=repr,
)
def test_wrong_selections_store_nothing(selection):
    store = {}
    z = zarrc.create(store=store, **Z)
    before = set(store)
    with pytest.raises(IndexError):
        z[selection] = 1
    assert set(store) == before


@pytest.mark.parametrize(
    ("write", "shape"),
    [
        (lambda z, v: z.__setitem__([0, 1], v), (2, 3, 4)),
        (lambda z, v: z.__setitem__(([0, 1], [0, 1]), v), (2, 4)),
        (lambda z, v: z.oindex.__setitem__((0, [0, 1], [3, 3, 3]), v), (2, 3)),
        (lambda z, v: z.vindex.__setitem__(([[0], [1]], [0, 1, 2], 0), v), (2, 3)),
        (lambda z, v: z.vindex.__setitem__(np.ones((2, 3, 4), bool), v), (24,)),
        (lambda z, v: z.blocks.__setitem__((0, 1), v), (1, 1, 4)),
    ],
)
def test_values_that_do_not_fit(write, shape):
    z = zarrc.create(store={}, **Z)
    for value in [
        np.ones((*shape[:-1], 5)),
        np.ones((2, *shape)),
        np.ones(shape)[..., :0],
        "abc",
        [[1], [1, 2]],
    ]:
        with pytest.raises(ValueError):
            write(z, value)
    write(z, np.ones((1, 1, *shape)))


def test_read_only():
    z = zarrc.open_array(zarrc.array([1, 2, 3]).store, mode="r")
    for change in [
        lambda: z.__setitem__([0], 1),
        lambda: z.oindex.__setitem__(0, 1),
        lambda: z.vindex.__setitem__(0, 1),
        lambda: z.blocks.__setitem__(0, 1),
        lambda: z.lazy[:].__setitem__(..., 1),
        lambda: z.write_chunk((0,), 1),
    ]:
        with pytest.raises(ReadOnlyError):
            change()


class TestFields:
    dtype = np.dtype([("a", "i4"), ("b", "f8", (2, 3)), ("c", "S3")])

    def array(self):
        a = random_array(self.dtype, (5, 4), 3)
        return a, zarrc.array(a, chunks=(2, 3))

    def test_read(self):
        a, z = self.array()
        assert_same(z["b"], a["b"].copy())
        assert_same(z["b", 1, 2], a["b"][1, 2])
        assert_same(z["a", 1, 2], a["a"][1, 2])
        assert_same(z[["c", "a"], [4, 0]]["c"], a["c"][[4, 0]])
        assert z[["c", "a"]].dtype == np.dtype([("c", "S3"), ("a", "i4")])
        assert_same(z.get_basic_selection(0, fields="c"), a["c"][0].copy())
        assert_same(z[:, [True, False, True, False], "a"], a["a"][:, [0, 2]])

    def test_out(self):
        a, z = self.array()
        out = np.zeros((5, 4, 2, 3))
        assert z.get_basic_selection(out=out, fields="b") is out
        assert (out == a["b"]).all()
        with pytest.raises(ValueError, match="out has the shape"):
            z.get_basic_selection(out=np.zeros((4, 5, 4)), fields="a")
        with pytest.raises(ValueError, match="out has the shape"):
            z.get_orthogonal_selection(0, out=np.zeros((1, 4)), fields="a")
        several = np.zeros((5, 4), [("c", "S3"), ("a", "i4")])
        assert z.get_basic_selection(out=several, fields=["c", "a"]) is several
        assert (several["a"] == a["a"]).all()

    def test_write(self):
        a, z = self.array()
        z["b", 0] = [1, 2, 3]
        a["b"][0] = [1, 2, 3]
        z.vindex[["a", "c"], [0, 0, 4], [1, 1, 3]] = np.array([(1, b"x"), (2, b"y"), (3, b"z")], "i4,S3")
        a["a"][[0, 4], [1, 3]] = [2, 3]
        a["c"][[0, 4], [1, 3]] = [b"y", b"z"]
        assert_same(z[...], a)

    def test_wrong(self):
        _, z = self.array()
        with pytest.raises(IndexError, match="there is no field 'd'; fields are a, b, c"):
            z["d"]
        with pytest.raises(IndexError, match="there is no field 'd'"):
            z["d"] = 1
        for fields in ([1], slice(None)):
            with pytest.raises(IndexError, match="expected str or list of str"):
                z.get_basic_selection(fields=fields)

    def test_none_are_all(self):
        a, z = self.array()
        assert_same(z.get_basic_selection(slice(1, 3), fields=[]), a[1:3])
        z.set_basic_selection(0, a[1], fields=[])
        assert_same(z[0], a[1])


# ------------------------------------------------------- how often, how much


@enough
@given(shapes_and_chunks(3), st.data())
def test_each_chunk_is_fetched_once_and_no_other(shape_and_chunks, data):
    shape, chunks = shape_and_chunks
    a = random_array(np.dtype("i4"), shape)
    store = CountingMapping()
    z = zarrc.create(store=store, shape=shape, chunks=chunks, dtype="i4")
    z[...] = a
    kind = data.draw(st.sampled_from(KINDS if shape else ["basic"]))
    get, set_, selection, elements = drawn(data, kind, z, a)
    wanted = np.isin(numbered(shape), elements)
    touched = {
        ".".join(map(str, coords)) or "0"
        for coords, region in chunk_regions(shape, chunks)
        if wanted[region].any()
    }
    store.counts.clear()
    get(selection)
    assert store.counts == {("get", key): 1 for key in touched}
    store.counts.clear()
    set_(selection, 7)
    assert {key for what, key in store.counts if what == "set"} == touched
    assert all(n == 1 for n in store.counts.values())


def test_all_of_a_chunk_is_not_fetched_before_it_is_written():
    store = CountingMapping()
    z = zarrc.create(store=store, shape=(10, 10), chunks=(4, 4), dtype="i4")
    for write in [
        lambda: z.__setitem__(np.arange(10), 1),
        lambda: z.oindex.__setitem__((np.arange(4, 10), np.arange(8)), 2),
        lambda: z.vindex.__setitem__(np.ones((10, 10), bool), 3),
        lambda: z.blocks.__setitem__((2, 2), 4),
    ]:
        store.counts.clear()
        write()
        assert {key for what, key in store.counts if what == "get"} <= {".zarray"}
        assert {what for what, key in store.counts if key != ".zarray"} == {"set"}
    assert (z[:8, :8] == 3).all() and (z[8:, 8:] == 4).all()
    z.vindex[np.arange(100).reshape(10, 10) != 50] = 5
    assert np.argwhere(z[:] != 5).tolist() == [[5, 0]]


def bytes_read(call):
    """How many bytes this process reads from files during a call, as the system counts."""

    def count():
        with open("/proc/self/io", "rb") as f:
            return int(f.read().split()[1])

    own = count()
    own = count() - own  # what counting itself reads
    before = count()
    call()
    return count() - before - own


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="no counts of this process's reads")
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_uncompressed_files_are_read_by_ranges(tmp_path, zarr_format):
    """A chunk of 4 GB, whose file is a hole: reading all of it would be noticed."""
    z = zarrc.create(
        store=DirectoryStore(tmp_path),
        shape=(1000, 1000, 1000),
        chunks=(1000, 1000, 1000),
        dtype="f4",
        zarr_format=zarr_format,
        **({"compressor": None} if zarr_format == 2 else {"compressors": []}),
    )
    path = tmp_path / ("0.0.0" if zarr_format == 2 else "c/0/0/0")
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as f:
        f.truncate(4 * 1000**3)
        f.seek(4 * (5_000_000 + 7_000 + 9))
        f.write(np.array([1.5], "f4").tobytes())
    assert bytes_read(lambda: z[5, 7, 9]) <= 4096
    assert z[5, 7, 9] == 1.5
    assert bytes_read(lambda: z[5, :, 8:10]) <= 2 * 4 * 1000 * 1000
    assert bytes_read(lambda: z.oindex[[5, 900], [7, 3], [9, 0, 400]]) <= 100_000
    assert z.oindex[[900, 5], [3, 7], [9, 0]].sum() == 1.5
    assert bytes_read(lambda: z.vindex[[5, 900], [7, 3], [9, 0]]) <= 2 * 4096
    assert z.vindex[[0, 5, 5], [7, 7, 7], [9, 9, 9]].tolist() == [0, 1.5, 1.5]
    assert bytes_read(lambda: z[::500, 7, ::500]) <= 10_000


PEAK = """
import numpy as np
import zarrc
from zarrc.storage import DirectoryStore

def peak():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmHWM"))

def reset():
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")

def grown(call):
    '''Bytes by which the memory grows while something is called.'''
    reset()
    before = peak()
    call()
    return peak() - before

N = 10_000_000
rng = np.random.default_rng(0)
z = zarrc.create(store=DirectoryStore(TMP), shape=(20_000, 1000), chunks=(1000, 1000), dtype="f4")
z[...] = np.broadcast_to(np.arange(1000, dtype="f4"), z.shape)
MB = 1 << 20
chunks = 2 * 2 * 4 * MB         # for each of two threads an encoded and a decoded one
zarrc.config.set({"threading.max_workers": 2})
z[:1000]
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="peaks of memory cannot be reset")
@pytest.mark.parametrize(
    "check",
    [
        # result and index arrays are made before; what is left is a number of 4 bytes or two for each entry
        """
rows, columns = rng.integers(0, 20_000, N).astype("i4"), rng.integers(0, 1000, N).astype("i4")
out = np.full(N, -1, "f4")
used = grown(lambda: z.get_coordinate_selection((rows, columns), out=out))
assert (out == columns).all()
assert used < 2 * 4 * N + chunks + 16 * MB, used / MB
""",
        # broadcast views stay what they are
        """
rows, columns = np.broadcast_arrays(np.arange(10_000)[:, None], np.arange(1000))
out = np.full((10_000, 1000), -1, "f4")
used = grown(lambda: z.get_coordinate_selection((rows, columns), out=out))
assert (out == columns).all()
assert used < 4 * N + chunks + 16 * MB, used / MB
used = grown(lambda: z.set_coordinate_selection((rows, columns), 5))
assert used < 4 * N + chunks + 16 * MB, used / MB
used = grown(lambda: z.__setitem__(slice(0, 10_000), np.broadcast_to(np.float32(3), (10_000, 1000))))
assert used < chunks + 16 * MB, used / MB
""",
        # a mask costs its index, a 32nd of its size
        """
mask = rng.random(z.shape) < 0.5
out = np.full(mask.sum(), -1, "f4")
used = grown(lambda: z.get_mask_selection(mask, out=out))
assert (out == np.broadcast_to(np.arange(1000), z.shape)[mask]).all()
assert used < mask.size / 16 + chunks + 16 * MB, used / MB
used = grown(lambda: z.set_mask_selection(mask, 1))
assert used < mask.size / 16 + chunks + 16 * MB, used / MB
# also where the last axis is short
y = zarrc.create(store={}, shape=(5_000_000, 3), chunks=(1_000_000, 1), dtype="u1")
mask = np.ones(y.shape, bool)
mask[::2] = False
out = np.full(mask.sum(), 9, "u1")
used = grown(lambda: y.get_mask_selection(mask, out=out))
assert used < mask.size / 16 + 16 * MB, used / MB
""",
    ],
    ids=["points", "broadcast", "mask"],
)
def test_memory(check, tmp_path):
    run(f"TMP = {str(tmp_path)!r}\n{PEAK}\n{check}")


# ------------------------------------------------------------- odd grids


def test_more_chunks_than_could_be_counted():
    z = zarrc.create(store={}, shape=(2**31, 2**31), chunks=(1, 1), dtype="u1", fill_value=0)
    rows, columns = [2**31 - 1, 0, 2**30, 0], [5, 2**31 - 1, 2**30, 0]
    z.vindex[rows, columns] = [1, 2, 3, 4]
    assert z.vindex[rows[::-1], columns[::-1]].tolist() == [4, 3, 2, 1]
    assert z.oindex[[2**31 - 1, 0], [2**31 - 1, 5, 0]].tolist() == [[0, 1, 0], [2, 0, 4]]
    assert z.nchunks_initialized == 4


def test_chunks_longer_than_the_array():
    a = np.arange(12).reshape(3, 4)
    z = zarrc.array(a, chunks=(10, 10))
    assert_same(z.vindex[a % 2 == 0], a[a % 2 == 0])
    assert_same(z.blocks[0, 0], a)
    z.oindex[[2, 0], [3, 3, 0]] = [[1, 2, 3], [4, 5, 6]]
    assert z[:].tolist() == [[6, 1, 2, 5], [4, 5, 6, 7], [3, 9, 10, 2]]


def test_memory_with_strides_of_no_meaning():
    """An axis of one element may have any stride, also in memory that counts as contiguous."""
    a = np.arange(30).reshape(5, 6)
    z = zarrc.array(a, chunks=(2, 4))
    points = np.array([[0], [1], [2]]), np.array([[3], [4], [5]])
    out = np.zeros((1, 3), a.dtype).T
    assert out.strides == (8, 24)
    z.get_coordinate_selection(points, out=out)
    assert out.tolist() == [[3], [10], [17]]
    z.set_coordinate_selection(points, np.array([[1, 2, 3]]).T)
    assert z.vindex[points].tolist() == [[1], [2], [3]]


def test_an_array_stored_into_itself_through_another_store_object(tmp_path):
    z = zarrc.open(str(tmp_path / "x"), mode="w", shape=10, chunks=3, dtype="i4")
    z[:] = np.arange(10)
    z[::-1] = zarrc.open(zarrc.LRUStoreCache(zarrc.DirectoryStore(tmp_path / "x"), None), mode="r")
    assert z[:].tolist() == list(range(9, -1, -1))


def test_an_array_stored_into_itself():
    z = zarrc.array(np.arange(10), chunks=3)
    z[::-1] = z
    assert z[:].tolist() == list(range(9, -1, -1))
    z[1:] = z.lazy[:-1]
    assert z[:].tolist() == [9, *range(9, 0, -1)]
