"""Arrays against NumPy: what is read, what is written, and what is left in the store."""

from __future__ import annotations

import numpy as np
import pytest
from array_strategies import (
    STORE_NAMES,
    array_settings,
    arrays,
    assert_same,
    basic_selections,
    chunk_regions,
    chunk_values,
    native,
    new_store,
    random_array,
    shapes_and_chunks,
    values_for,
)
from fill_value_strategies import dtypes
from hypothesis import given
from hypothesis import strategies as st

import zarrc
from zarrc.core import coords_outside
from zarrc.errors import BoundsCheckError, ReadOnlyError
from zarrc.metadata.chunk_keys import chunk_key
from zarrc.storage import DirectoryStore, LocalStore, MemoryStore

store_names = st.sampled_from(STORE_NAMES)


class TestAgainstNumPy:
    @given(st.data())
    def test_read(self, data):
        settings, a = data.draw(arrays())
        with new_store(data.draw(store_names)) as store:
            z = zarrc.create(store=store, path="foo/bar", **settings)
            z[...] = a
            a = native(a, settings["zarr_format"])
            assert_same(z[...], a)
            for _ in range(5):
                selection = data.draw(basic_selections(a.shape))
                assert_same(z[selection], a[selection])
                assert_same(z.get_basic_selection(selection), a[selection])

    @given(st.data())
    def test_write(self, data):
        settings, a = data.draw(arrays())
        a = native(a, settings["zarr_format"])
        with new_store(data.draw(store_names)) as store:
            z = zarrc.create(store=store, **settings)
            if data.draw(st.booleans()):
                z[...] = a
            else:
                a[...] = np.zeros((), a.dtype) if settings["fill_value"] is None else settings["fill_value"]
            for _ in range(4):
                selection = data.draw(basic_selections(a.shape))
                value = data.draw(values_for(np.shape(a[selection]), a.dtype))
                z[selection] = value
                a[selection] = value
                assert_same(z[...], a)
            again = zarrc.open_array(store, mode="r")
            assert again.fill_value == z.fill_value or again.fill_value is not None
            assert_same(again[...], a)

    @given(st.data())
    def test_out(self, data):
        settings, a = data.draw(arrays(max_dims=3))
        z = zarrc.create(store={}, **settings)
        z[...] = a
        a = native(a, settings["zarr_format"])
        selection = data.draw(basic_selections(a.shape))
        expected = np.empty(np.shape(a[selection]), a.dtype)
        expected[...] = a[selection]
        layout = data.draw(st.sampled_from(["C", "F", "strided"]))
        if layout == "strided":
            memory = np.zeros(tuple(2 * n + 1 for n in expected.shape), a.dtype)
            out = memory[(*[slice(1, None, 2)] * expected.ndim, Ellipsis)]
        else:
            memory = out = np.zeros(expected.shape, a.dtype, order=layout)
        assert z.get_basic_selection(selection, out=out) is out
        assert_same(out.copy(), expected)
        if layout == "strided" and expected.ndim:
            untouched = np.ones(memory.shape, bool)
            untouched[tuple(slice(1, None, 2) for _ in expected.shape)] = False
            assert not any(memory[untouched].tobytes())

    @given(st.data())
    def test_what_is_left_in_the_store(self, data):
        """The same keys and bytes through every road; a key is there unless it is empty and may not be stored."""
        shape, chunks = data.draw(shapes_and_chunks(3, 200))
        dtype = data.draw(dtypes)
        settings = data.draw(array_settings(dtype, shape, chunks))
        fill = settings["fill_value"]
        a = np.zeros(shape, dtype)
        if fill is not None:
            a[...] = fill
        touched = np.zeros(shape, bool)
        writes = []
        for _ in range(data.draw(st.integers(1, 4))):
            selection = data.draw(basic_selections(shape))
            value = data.draw(values_for(np.shape(a[selection]), dtype))
            if data.draw(st.booleans()) and fill is not None:
                value = np.asarray(fill, dtype)
            writes.append((selection, value))
            a[selection] = value
            touched[selection] = True
        left = {}
        for name in STORE_NAMES:
            with new_store(name) as store:
                z = zarrc.create(store=store, path="x", **settings)
                for selection, value in writes:
                    z[selection] = value
                left[name] = chunk_values(store)
                assert z.shards or z.nchunks_initialized == len(left[name])
        encoding = z.metadata.chunk_key_encoding
        item = np.zeros((), dtype)
        if fill is not None:
            item[()] = fill
        expected = set()
        for coords, region in chunk_regions(shape, z.shards or chunks):
            part = a[(*region, Ellipsis)]
            is_empty = part.tobytes() == np.full(part.shape, item).tobytes()
            stored = settings["write_empty_chunks"] or fill is None or not is_empty
            if touched[region].any() and stored:
                expected.add("x/" + chunk_key(coords, encoding))
        for values in left.values():
            assert set(values) == expected
            assert values == left["dict"]

    @given(shapes_and_chunks(), st.data())
    def test_wrong_selections_are_wrong_for_numpy_too(self, shape_and_chunks, data):
        shape, chunks = shape_and_chunks
        z, a = zarrc.zeros(shape, chunks=chunks, store={}), np.zeros(shape)
        too_far = [
            (*[0] * i, n + data.draw(st.integers(0, 3))) for i, n in enumerate(shape) if all(shape[:i])
        ]
        too_near = [(*[0] * i, -n - 1) for i, n in enumerate(shape) if all(shape[:i])]
        for selection in [*too_far, *too_near, (0,) * (len(shape) + 1), (Ellipsis, Ellipsis), 2**80]:
            with pytest.raises(IndexError):
                a[selection]
            with pytest.raises(IndexError):
                z[selection]
            with pytest.raises(IndexError):
                z[selection] = 1

    @pytest.mark.parametrize("selection", ["x", 1.5, None, (0, None), {}], ids=repr)
    def test_other_things_are_no_selections(self, selection):
        z = zarrc.zeros((4, 4), chunks=2)
        with pytest.raises((IndexError, TypeError)):
            z[selection]
        with pytest.raises((IndexError, TypeError)):
            z[selection] = 1
        with pytest.raises((IndexError, TypeError)):
            z.get_basic_selection(selection)

    @given(shapes_and_chunks(3), st.data())
    def test_values_that_do_not_fit(self, shape_and_chunks, data):
        shape, chunks = shape_and_chunks
        z = zarrc.zeros(shape, chunks=chunks, store={})
        wrong = data.draw(st.lists(st.integers(0, 5), max_size=4).map(tuple))
        try:
            np.zeros(shape)[...] = np.ones(wrong)
        except ValueError:
            with pytest.raises(ValueError, match="could not broadcast"):
                z[...] = np.ones(wrong)
            assert not chunk_values(z.store)
        else:
            z[...] = np.ones(wrong)

    def test_messages_of_wrong_indices(self):
        z = zarrc.zeros((3, 4), chunks=2)
        with pytest.raises(BoundsCheckError, match="index 4 is out of bounds for axis 1 with size 4"):
            z[0, 4]
        with pytest.raises(
            IndexError, match="too many indices for array: array is 2-dimensional, but 3 were"
        ):
            z[0, 0, 0]
        with pytest.raises(IndexError, match="single ellipsis"):
            z[..., ...]

    @pytest.mark.parametrize(
        ("dtype", "value"),
        [
            ("i4", [1.9, -1.9, 3.0]),
            ("i4", np.array([1.9, -1.9, 3.0])),
            ("i4", True),
            ("u1", np.array([257, 258, 3])),
            ("f4", 2**60),
            ("f8", None),
            ("f8", "1.5"),
            ("?", [0, 2, -1]),
            ("c8", 1j),
            ("S3", "abcd"),
            ("U3", ["abcd", "e", ""]),
            ("M8[s]", "2020-01-02"),
            ("M8[s]", np.array(["2020-01-02", "NaT", "1960-01-01"], "M8[D]")),
            ("m8[ms]", 5),
            ("V3", b"abc"),
            ([("a", "i4"), ("b", "f8")], (1, 2.5)),
            ([("a", "i4"), ("b", "f8")], [(1, 2.5), (3, 4), (5, 6)]),
            ([("a", "i4"), ("b", "f8", (2,))], np.zeros(3, [("a", "i8"), ("b", "f4", (2,))])),
        ],
        ids=str,
    )
    def test_casts_as_assignment_does(self, dtype, value):
        a = np.zeros(3, dtype)
        z = zarrc.array(a, chunks=2)
        a[...] = value
        z[...] = value
        assert_same(z[...], a)

    @pytest.mark.parametrize(
        ("dtype", "value"),
        [("u1", 256), ("i4", "x"), ("i4", [[1], [2, 3]]), ("f8", object()), ([("a", "i4")], (1, 2))],
        ids=str,
    )
    def test_refuses_what_assignment_refuses(self, dtype, value):
        a = np.ones(3, dtype)
        z = zarrc.array(a, chunks=2)
        with pytest.raises((ValueError, TypeError, OverflowError)):
            a[...] = value
        with pytest.raises((ValueError, TypeError, OverflowError)):
            z[...] = value
        assert_same(z[...], a)

    def test_subclasses_and_masked_arrays_are_read_and_written_plainly(self):
        z = zarrc.zeros((3,), chunks=2)
        z[:] = np.ma.masked_array([1.0, 2.0, 3.0], mask=[0, 1, 0])
        assert_same(z[:], np.array([1.0, 2.0, 3.0]))
        out = np.zeros(3).view(np.recarray)
        assert z.get_basic_selection(out=out) is out

    @pytest.mark.parametrize("order", ["C", "F"])
    @pytest.mark.parametrize("zarr_format", [2, 3])
    def test_memory_layout_of_results(self, order, zarr_format):
        config = {"order": order} if zarr_format == 3 else None
        options = {"order": order} if zarr_format == 2 else {}
        z = zarrc.create((6, 7, 8), chunks=(2, 3, 4), zarr_format=zarr_format, config=config, **options)
        z[...] = np.arange(6 * 7 * 8).reshape(6, 7, 8)
        for found in (z[...], z[1:5, 2, ::-1]):
            assert found.flags.c_contiguous == (order == "C")
            assert found.flags.f_contiguous == (order == "F")

    def test_out_is_checked(self):
        z = zarrc.ones((4, 5), chunks=2)
        with pytest.raises(ValueError, match=r"out has the shape \(4,\), and the selection \(5,\)"):
            z.get_basic_selection(0, out=np.zeros(4))
        read_only = np.zeros((4, 5))
        read_only.flags.writeable = False
        with pytest.raises(ValueError, match="read-only"):
            z.get_basic_selection(out=read_only)
        with pytest.raises(TypeError, match="must be an array"):
            z.get_basic_selection(out=[0] * 4)
        other = np.zeros((4, 5), "i2")
        assert z.get_basic_selection(out=other) is other
        assert (other == 1).all()

    def test_bits_survive(self):
        """-0.0 and payloads of NaN are no fill values and pass unchanged."""
        payload = np.array([0x7FF8DEADBEEF0001], "u8").view("f8")
        a = np.array([0.0, -0.0, payload[0], np.nan])
        for fill_value in (0.0, np.nan):
            z = zarrc.full((4,), fill_value, chunks=1, write_empty_chunks=False)
            z[:] = a
            assert z[:].tobytes() == a.tobytes()
            assert z.nchunks_initialized == 3


class TestIteration:
    def test_rows(self):
        a = np.arange(7 * 3).reshape(7, 3)
        z = zarrc.array(a, chunks=(2, 2))
        for got, expected in zip(z, a, strict=True):
            assert_same(got, expected)
        assert len(z) == 7
        for start, end in [(None, None), (2, None), (None, 3), (3, 6), (5, 100), (6, 2), (7, 7)]:
            rows = list(z.islice(start, end))
            assert [row.tolist() for row in rows] == a[start:end].tolist()

    def test_each_chunk_is_read_once(self):
        with new_store("mapping") as store:
            z = zarrc.array(np.arange(10), chunks=3, store=store)
            store.counts.clear()
            assert list(z) == list(range(10))
            assert store.counts == {("get", str(k)): 1 for k in range(4)}

    def test_refusals(self):
        with pytest.raises(TypeError, match="0-d"):
            iter(zarrc.zeros(()))
        with pytest.raises(TypeError, match="unsized"):
            len(zarrc.zeros(()))
        with pytest.raises(ValueError, match="negative"):
            zarrc.zeros(3).islice(-1)

    def test_as_array(self):
        z = zarrc.array(np.arange(5, dtype="i2"), chunks=2)
        assert_same(np.asarray(z), np.arange(5, dtype="i2"))
        assert_same(np.asarray(z, dtype="f4"), np.arange(5, dtype="f4"))
        assert_same(np.array(zarrc.array(np.float64(3))), np.array(3.0))
        with pytest.raises(ValueError, match="copy"):
            np.asarray(z, copy=False) if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else z.__array__(
                copy=False
            )


class TestShape:
    @given(shapes_and_chunks(3, 300), st.data())
    def test_resize(self, shape_and_chunks, data):
        """What stays is what chunks hold: those outside are deleted, edge chunks keep what was cut off."""
        shape, chunks = shape_and_chunks
        a = random_array(np.dtype("u1"), shape, 1)
        with new_store(data.draw(store_names)) as store:
            z = zarrc.create(shape, chunks=chunks, dtype="u1", fill_value=9, store=store, compressor=None)
            z[...] = a
            # every chunk as it is stored, by its coordinates
            decoded = {}
            for coords, region in chunk_regions(shape, chunks):
                decoded[coords] = np.full(chunks, 9, "u1")
                inside = tuple(slice(n) for n in a[region].shape)
                decoded[coords][inside] = a[region]
            for _ in range(3):
                new = tuple(data.draw(st.integers(0, n + c + 2)) for n, c in zip(shape, chunks, strict=True))
                z.resize(new)
                assert z.shape == new
                assert zarrc.open_array(store).shape == new
                kept = {coords for coords, _ in chunk_regions(new, chunks)}
                decoded = {coords: chunk for coords, chunk in decoded.items() if coords in kept}
                assert set(chunk_values(store)) == {".".join(map(str, c)) or "0" for c in decoded}
                expected = np.full(tuple(n + c for n, c in zip(new, chunks, strict=True)), 9, "u1")
                for coords, chunk in decoded.items():
                    expected[
                        tuple(slice(k * c, (k + 1) * c) for k, c in zip(coords, chunks, strict=True))
                    ] = chunk
                assert_same(z[...], expected[(*map(slice, new), Ellipsis)].copy())

    @given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=4))
    def test_coords_outside(self, lengths):
        old, new = tuple(a for a, _ in lengths), tuple(b for _, b in lengths)
        found = list(coords_outside(old, new))
        assert len(set(found)) == len(found)
        assert set(found) == set(np.ndindex(*old)) - set(np.ndindex(*new))

    @pytest.mark.parametrize("store", ["dict", "directory"])
    @pytest.mark.parametrize("end", [0, 5, 10**9 - 3, 10**6])
    def test_a_huge_sparse_array_shrinks_at_once(self, store, end):
        with new_store(store) as where:
            z = zarrc.zeros((10**9, 4), chunks=(1, 1), dtype="u1", store=where)
            for i in (0, 4, 5, 10**6, 10**9 - 4, 10**9 - 1):
                z[i, 1] = 1
            z.resize(end, 3)
            assert z.nchunks == 3 * end
            assert z.nchunks_initialized == sum(i < end for i in (0, 4, 5, 10**6, 10**9 - 4, 10**9 - 1))
            z.resize(end, 1)
            assert z.nchunks_initialized == 0

    def test_forms_and_refusals(self):
        z = zarrc.zeros((4, 4), chunks=2)
        for shape in [(5, 6), [5, 6], np.array([5, 6])]:
            z.resize(shape)
            assert z.shape == (5, 6)
        z.resize(3, np.int64(2))
        assert z.shape == (3, 2)
        z.shape = (1, 1)
        assert z.shape == (1, 1)
        with pytest.raises(ValueError, match="same number of dimensions: 2, not 1"):
            z.resize(3)
        with pytest.raises(ValueError, match="negative"):
            z.resize(-1, 2)
        with pytest.raises(TypeError):
            z.resize(1.5, 2)
        assert zarrc.open_array(z.store).shape == (1, 1)

    @given(shapes_and_chunks(4, 300).filter(lambda found: found[0]), st.data())
    def test_append(self, shape_and_chunks, data):
        shape, chunks = shape_and_chunks
        axis = data.draw(st.integers(-len(shape), len(shape) - 1))
        a = random_array(np.dtype("i4"), shape, 1)
        z = zarrc.array(a, chunks=chunks)
        for seed in range(2):
            added = list(shape)
            added[axis] = data.draw(st.integers(0, 7))
            more = random_array(np.dtype("i4"), tuple(added), seed)
            a = np.append(a, more, axis=axis)
            assert z.append(more, axis=axis) == a.shape
            assert_same(z[...], a)

    def test_append_refuses(self):
        z = zarrc.zeros((4, 4), chunks=2)
        for wrong in (np.zeros((2, 3)), np.zeros(4), np.zeros((4, 4, 1)), 1.0):
            with pytest.raises(ValueError, match="not compatible"):
                z.append(wrong)
        with pytest.raises(IndexError):
            z.append(np.zeros((4, 4)), axis=2)
        assert z.shape == (4, 4)
        z.append([[1, 2, 3, 4]])
        assert z[4].tolist() == [1, 2, 3, 4]


class TestTwoObjects:
    def test_metadata_are_kept_unless_told_otherwise(self):
        store = MemoryStore()
        z = zarrc.zeros(4, chunks=2, store=store)
        kept, fresh = zarrc.open_array(store), zarrc.open_array(store, cache_metadata=False)
        z.resize(6)
        z[:] = 1
        assert kept.shape == (4,)
        assert kept[:].tolist() == [1] * 4
        assert fresh.shape == (6,)
        assert fresh[:].tolist() == [1] * 6
        assert (fresh.size, fresh.nbytes, fresh.nchunks, len(fresh)) == (6, 48, 3, 6)
        kept.refresh()
        assert kept.shape == (6,)
        fresh[5] = 7
        assert z[5] == 7

    def test_changes_start_from_what_is_stored(self):
        store = {}
        one = zarrc.zeros(4, chunks=2, store=store)
        other = zarrc.open_array(store)
        one.append([1, 1])
        other.append([2, 2])
        assert other[:].tolist() == [0, 0, 0, 0, 1, 1, 2, 2]
        one.attrs["x"] = 1
        other.resize(3)
        assert zarrc.open_array(store).attrs.asdict() == {"x": 1}

    @pytest.mark.parametrize("zarr_format", [2, 3])
    def test_equality(self, zarr_format):
        store = MemoryStore()
        z = zarrc.zeros(4, store=store, path="a", zarr_format=zarr_format)
        other = zarrc.zeros(4, store=store, path="b", zarr_format=zarr_format)
        assert z == zarrc.open_array(store, path="a", mode="r+")
        assert z != other
        assert z != zarrc.open_array(store, path="a", mode="r")
        assert z != 5
        with pytest.raises(TypeError):
            hash(z)


class TestReadOnly:
    def test_refuses_every_change(self):
        store = {}
        zarrc.array([1, 2, 3], chunks=2, store=store)
        z = zarrc.open_array(store, mode="r")
        before = dict(store)
        assert z.read_only
        for change in (
            lambda: z.__setitem__(0, 1),
            lambda: z.set_basic_selection(..., 1),
            lambda: z.resize(2),
            lambda: z.append([1]),
            lambda: z.attrs.put({"a": 1}),
        ):
            with pytest.raises(ReadOnlyError, match="read-only"):
                change()
        assert store == before
        z.read_only = False
        z[0] = 9
        assert z[0] == 9

    def test_of_the_store(self, tmp_path):
        zarrc.array([1, 2, 3], chunks=2, store=DirectoryStore(tmp_path))
        z = zarrc.open_array(LocalStore(tmp_path, read_only=True), mode="r")
        z.read_only = False
        with pytest.raises(PermissionError):
            z[0] = 1
        assert z[:].tolist() == [1, 2, 3]


class TestPickle:
    @pytest.mark.parametrize("zarr_format", [2, 3])
    def test_of_a_directory_sees_the_same_data(self, tmp_path, zarr_format):
        import pickle

        options = {"cache_metadata": False, "cache_attrs": False, "write_empty_chunks": False}
        z = zarrc.create(
            (4, 4), chunks=2, store=DirectoryStore(tmp_path), path="a", zarr_format=zarr_format, **options
        )
        again = pickle.loads(pickle.dumps(z))
        assert again == z
        assert again.config == z.config
        assert again.zarr_format == zarr_format
        z[1] = 5
        assert_same(again[...], z[...])
        again[0, 0] = 3
        assert z[0, 0] == 3
        z.resize(3, 3)
        assert again.shape == (3, 3)

    def test_of_memory_holds_the_data(self):
        import pickle

        z = zarrc.array(np.arange(5), chunks=2, store=MemoryStore())
        z.read_only = True
        again = pickle.loads(pickle.dumps(z))
        assert again.read_only
        assert_same(again[...], np.arange(5))

    def test_opens_the_same_format(self):
        """Where documents of both formats stand, the copy is the array that was pickled."""
        import pickle

        store = MemoryStore()
        zarrc.array([1], store=store, zarr_format=2)
        other = {}
        zarrc.array([2], store=other, zarr_format=3)
        store["zarr.json"] = other["zarr.json"]
        z = zarrc.Array(store, zarr_version=2)
        assert pickle.loads(pickle.dumps(z)).zarr_format == 2


class TestConfig:
    def test_is_checked(self):
        z = zarrc.zeros(4)
        with pytest.raises(TypeError, match="unknown array options"):
            z.with_config({"colour": 1})
        with pytest.raises(ValueError, match="order"):
            z.with_config({"order": "K"})

    def test_changes_one_object(self):
        store = {}
        z = zarrc.zeros(4, chunks=2, store=store)
        sparse = z.with_config({"write_empty_chunks": False})
        assert (z.write_empty_chunks, sparse.write_empty_chunks) == (True, False)
        sparse[:] = 0
        assert z.nchunks_initialized == 0
        z[:] = 0
        assert z.nchunks_initialized == 2
        strict = z.with_config({"read_missing_chunks": False})
        assert not strict.config.fill_missing_chunks

    @pytest.mark.parametrize("store", STORE_NAMES)
    def test_missing_chunks_may_be_errors(self, store):
        with new_store(store) as where:
            z = zarrc.zeros((4, 4), chunks=2, store=where, path="a")
            z[:2] = 1
            strict = z.with_config({"fill_missing_chunks": False})
            assert (strict[:2] == 1).all()
            for selection in [..., 2, (3, 3), (slice(None), 0)]:
                with pytest.raises(
                    zarrc.errors.ChunkNotFoundError, match=r"'a?/?1\.[01]' of array '/a' is absent"
                ):
                    strict[selection]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_nans_of_other_bits_are_not_lost_where_empty_chunks_are_left_out(zarr_format):
    other = np.array(0x7FC12345, "u4").view("f4")[()]
    store = {}
    z = zarrc.create(
        4,
        chunks=2,
        dtype="f4",
        store=store,
        fill_value=other,
        write_empty_chunks=False,
        zarr_format=zarr_format,
    )
    z[:] = other
    assert zarrc.open_array(store, mode="r")[:].tobytes() == np.full(4, other, "f4").tobytes()


@pytest.mark.parametrize(("zarr_format", "name", "basename"), [(2, None, None), (3, "/", "")])
def test_the_name_of_an_array_at_the_root_is_that_of_its_generation(zarr_format, name, basename):
    z = zarrc.create_array({}, shape=2, dtype="i4", zarr_format=zarr_format)
    assert (z.name, z.basename) == (name, basename)
    assert repr(z) == "<zarrc.core.Array (2,) int32>"
    assert "Name" not in dict(z.info_items())
