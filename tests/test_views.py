"""What stands beside an array: lazy views, iteration, conversion, and the map of its chunks."""

from __future__ import annotations

import numpy as np
import pytest
from array_strategies import CountingMapping, assert_same, chunk_regions, random_array, shapes_and_chunks
from hypothesis import given
from hypothesis import strategies as st
from selection_strategies import numbered, orthogonal_selections, put, select_orthogonally, take

import zarrc
from zarrc.errors import BoundsCheckError


def some_array(shape, chunks, seed=0):
    a = random_array(np.dtype("i4"), shape, seed)
    return a, zarrc.array(a, chunks=chunks, store={})


class TestLazyViews:
    @given(shapes_and_chunks(4), st.data())
    def test_selections_compose(self, shape_and_chunks, data):
        a, z = some_array(*shape_and_chunks)
        view, elements = z.lazy[...], numbered(a.shape)
        for _ in range(data.draw(st.integers(1, 4))):
            selection = data.draw(orthogonal_selections(np.shape(elements)))
            view, elements = view.lazy[selection], select_orthogonally(elements, selection)
            assert view.shape == np.shape(elements)
            assert (view.ndim, view.size, view.dtype) == (np.ndim(elements), np.size(elements), a.dtype)
        expected = take(a, elements)
        assert_same(np.asarray(view), np.asarray(expected, a.dtype))
        assert_same(view[...], expected)
        last = data.draw(orthogonal_selections(np.shape(elements)))
        assert_same(view[last], take(a, select_orthogonally(np.asarray(elements), last)))
        value = random_array(a.dtype, view.shape, 1)
        view[...] = value
        put(a, elements, value)
        assert_same(z[...], a)

    def test_nothing_is_read_before_it_is_used_and_each_chunk_once(self):
        store = CountingMapping()
        z = zarrc.create(store=store, shape=(100, 100), chunks=(10, 10), dtype="i4")
        z[...] = 1
        store.counts.clear()
        view = z.lazy[20:60].lazy[:, [99, 3, 3, 50]].lazy[::-7, 1:]
        assert view.shape == (6, 3)
        assert not store.counts
        assert (view[...] == 1).all()
        assert sorted(store.counts.values()) == [1] * 8

    def test_any_integers(self):
        z = zarrc.array(np.arange(300), chunks=7)
        for at in [
            np.array([250], "u1"),
            np.array([-50], "i1"),
            np.array([250], ">u2"),
            [250],
            range(250, 251),
        ]:
            assert z.lazy[at][...] == 250
            assert z.lazy[:].lazy[at][...] == 250
            assert z.lazy[np.arange(300)].lazy[at][...] == 250

    def test_empty_slices(self):
        z = zarrc.array(np.arange(30), chunks=7)
        assert z.lazy[10:20].lazy[-30::-1].shape == (0,)
        assert z.lazy[5:5].lazy[::-1][...].shape == (0,)
        assert z.lazy[:][5:1].shape == (0,)

    def test_index_arrays_are_the_views_own(self):
        z = zarrc.array(np.arange(30), chunks=7)
        at = np.array([3, 4])
        view = z.lazy[at]
        at[:] = 0
        assert view[...].tolist() == [3, 4]

    def test_errors_come_when_selecting(self):
        z = zarrc.array(np.zeros((4, 5)), chunks=3)
        for selection, message in [
            ((0, 5), "index 5 is out of bounds for axis 1 with size 5"),
            (([0, 4],), "index 4 is out of bounds for axis 0 with size 4"),
            (
                (slice(None), np.array([2**64 - 1], "u8")),
                "index 18446744073709551615 is out of bounds for axis 1",
            ),
        ]:
            with pytest.raises(BoundsCheckError, match=message):
                z.lazy[selection]
        with pytest.raises(BoundsCheckError, match="index 2 is out of bounds for axis 0 with size 2"):
            z.lazy[3, 1:3].lazy[2]
        for selection in [None, "x", 1.5, np.ones((4, 5), bool), [[0]], (0, 0, 0)]:
            with pytest.raises(IndexError):
                z.lazy[selection]

    def test_an_array_that_has_shrunk(self):
        store = {}
        z = zarrc.create(store=store, shape=(10, 10), chunks=(5, 5), dtype="i4")
        views = [z.lazy[...], z.lazy[9], z.lazy[:, ::-1], z.lazy[[8]]]
        z.resize(5, 5)
        for view in views:
            with pytest.raises(BoundsCheckError, match="out of bounds"):
                view[...]
            with pytest.raises(BoundsCheckError, match="out of bounds"):
                view[...] = 1
        assert list(store) == [".zarray"]

    def test_the_rest(self):
        a, z = some_array((4, 5), (2, 2))
        view = z.lazy[1:, 2]
        assert (len(view), view.array, view.shape) == (3, z, (3,))
        assert "LazyView (3,) int32 of <zarrc.core.Array" in repr(view)
        assert view.lazy.oindex[[0, 2]].shape == (2,)
        assert_same(np.asarray(view, dtype="f8"), a[1:, 2].astype("f8"))
        assert_same(np.array(z.lazy[2, 3]), np.array(a[2, 3]))
        with pytest.raises(TypeError, match="unsized"):
            len(z.lazy[0, 0])
        with pytest.raises(ValueError, match="without a copy"):
            view.__array__(copy=False)
        view[1:] = [7, 8]
        assert z[2:, 2].tolist() == [7, 8]


class TestIteration:
    @pytest.mark.parametrize(
        "steps", [(5, 2**62), (5, 2**62, 2**62), (5, 2**70, -1), (-1, -(2**62), -(2**63))]
    )
    def test_steps_that_are_longer_than_any_axis(self, steps):
        a = np.arange(20)
        view = zarrc.array(a, chunks=3).lazy[...]
        for step in steps:
            view, a = view[::step], a[::step]
        assert_same(view[...], a)
        assert_same(view[[0, 0]], a[[0, 0]])

    @given(shapes_and_chunks(3), st.data())
    def test_islice(self, shape_and_chunks, data):
        shape, chunks = shape_and_chunks
        a, z = some_array(shape, chunks)
        if not shape:
            return
        start, end = (data.draw(st.none() | st.integers(0, shape[0] + 2)) for _ in range(2))
        for got, expected in [(z.islice(start, end), a[start:end]), (z, a)]:
            rows = list(got)
            assert len(rows) == len(expected)
            for row, other in zip(rows, expected, strict=True):
                assert_same(row, other)
        assert len(z) == len(a)

    def test_each_chunk_is_fetched_once(self):
        store = CountingMapping()
        z = zarrc.create(store=store, shape=(10, 4), chunks=(3, 2), dtype="i4")
        z[...] = 1
        store.counts.clear()
        assert len(list(z.islice(2, 9))) == 7
        assert store.counts == {("get", f"{i}.{j}"): 1 for i in range(3) for j in range(2)}
        store.counts.clear()
        next(iter(z))
        assert len(store.counts) == 2

    def test_wrong(self):
        z = zarrc.array(5)
        for use in [iter, len, lambda z: z.islice()]:
            with pytest.raises(TypeError, match=r"0-d|unsized"):
                use(z)
        for given_ in [(-1,), (0, -1)]:
            with pytest.raises(ValueError, match="negative"):
                zarrc.zeros(3).islice(*given_)

    def test_membership_and_unpacking(self):
        z = zarrc.array([1, 2, 3], chunks=2)
        assert 2 in z and 5 not in z
        assert [*z] == [1, 2, 3]


def test_array():
    a, z = some_array((3, 4), (2, 2))
    assert_same(np.asarray(z), a)
    assert_same(np.array(z, copy=True), a)
    assert_same(np.asarray(z, dtype="f8"), a.astype("f8"))
    assert_same(z.__array__(np.dtype("i4")), a)
    assert_same(np.asarray(zarrc.array(3)), np.array(3))
    assert_same(np.add(z, 1), a + 1)
    with pytest.raises(ValueError, match="without a copy"):
        z.__array__(copy=False)
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        with pytest.raises(ValueError, match="without a copy"):
            np.asarray(z, copy=False)


class TestChunkMap:
    @given(shapes_and_chunks(4), st.data())
    def test_iter_chunks(self, shape_and_chunks, data):
        shape, chunks = shape_and_chunks
        _, z = some_array(shape, chunks)
        times = np.zeros(shape, int)
        found = list(z.iter_chunks())
        for selection in found:
            times[selection] += 1
        assert (times == 1).all()
        assert len(found) == z.nchunks
        region = tuple(
            slice(*sorted(data.draw(st.tuples(st.integers(0, n), st.integers(0, n))))) for n in shape
        )
        wanted, times = np.zeros(shape, int), np.zeros(shape, int)
        wanted[region] = 1
        grid = dict(chunk_regions(shape, chunks))
        for selection in z.iter_chunks(region):
            times[selection] += 1
            coords = tuple(s.start // c for s, c in zip(selection, chunks, strict=True))
            inside = np.zeros(shape, bool)
            inside[grid[coords]] = True
            assert inside[selection].all()
        assert (times == wanted).all()

    def test_order_and_regions(self):
        z = zarrc.zeros((5, 4), chunks=(2, 3))
        assert list(z.iter_chunks())[:3] == [
            (slice(0, 2), slice(0, 3)),
            (slice(0, 2), slice(3, 4)),
            (slice(2, 4), slice(0, 3)),
        ]
        assert list(z.iter_chunks(4)) == [(slice(4, 5), slice(0, 3)), (slice(4, 5), slice(3, 4))]
        assert list(z.iter_chunks((..., -1))) == [
            (slice(a, b), slice(3, 4)) for a, b in [(0, 2), (2, 4), (4, 5)]
        ]
        assert list(z.iter_chunks(slice(2, 2))) == []
        for region, message in [
            (slice(None, None, 2), "steps of 1"),
            ([0], "basic indexing"),
            (7, "out of bounds"),
        ]:
            with pytest.raises(IndexError, match=message):
                z.iter_chunks(region)

    def test_many_chunks_are_not_listed_ahead(self):
        z = zarrc.create(store={}, shape=(2**20, 2**20), chunks=(2**10, 2**10), dtype="u1")
        assert next(z.iter_chunks()) == (slice(0, 1024), slice(0, 1024))

    @given(shapes_and_chunks(3))
    def test_read_and_write(self, shape_and_chunks):
        shape, chunks = shape_and_chunks
        a, z = some_array(shape, chunks)
        other = zarrc.zeros_like(z)
        for coords, where in chunk_regions(shape, chunks):
            block = z.read_chunk(coords)
            assert_same(np.asarray(block), np.asarray(a[where]))
            other.write_chunk(np.array(coords, int), block)
        assert_same(other[...], a)

    def test_wrong(self):
        z = zarrc.zeros((5, 4), chunks=(2, 3))
        for coords in [(3, 0), (0, 2), (-1, 0), (0,), (0, 0, 0)]:
            with pytest.raises(IndexError, match=r"there is no chunk .* in a grid of \(3, 2\)"):
                z.read_chunk(coords)
            with pytest.raises(IndexError, match="there is no chunk"):
                z.write_chunk(coords, 1)
        with pytest.raises(TypeError):
            z.read_chunk((0.5, 0))
        with pytest.raises(ValueError, match="broadcast"):
            z.write_chunk((2, 1), np.ones((2, 3)))
        z.write_chunk((2, 1), 9)
        assert z[4, 3] == 9 and z[:].sum() == 9
