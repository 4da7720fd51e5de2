"""Copies of arrays, groups and stores."""

from __future__ import annotations

import io
import re

import numcodecs
import numpy as np
import pytest

import zarrc
from zarrc.errors import CopyError

h5py = pytest.importorskip("h5py")


def fill(root):
    foo = root.create_group("foo")
    foo.attrs["a"] = 1
    foo.create_group("bar").create_dataset("baz", data=np.arange(100), chunks=(50,))
    spam = root.create_dataset("spam", data=np.arange(100, 200), chunks=(30,))
    spam.attrs["unit"] = "mm"
    return root


@pytest.fixture
def source():
    return fill(zarrc.group())


@pytest.fixture(params=["zarrc 2", "zarrc 3", "h5py"])
def any_group(request, tmp_path):
    """Makes empty groups of one kind."""
    made = []

    def make():
        if request.param == "h5py":
            made.append(h5py.File(tmp_path / f"{len(made)}.h5", "w"))
        else:
            made.append(zarrc.open_group({}, zarr_format=int(request.param[-1])))
        return made[-1]

    yield make
    for group in made:
        if request.param == "h5py":
            group.close()


@pytest.fixture(params=["zarrc", "h5py"])
def any_source(request, tmp_path):
    if request.param == "zarrc":
        yield fill(zarrc.group())
    else:
        with h5py.File(tmp_path / "source.h5", "w") as file:
            yield fill(file)


def lines(function, *args, **kwargs):
    log = io.StringIO()
    return function(*args, log=log, **kwargs), log.getvalue().splitlines()


def test_copy_of_a_group(any_source, any_group):
    dest = any_group()
    counts, log = lines(zarrc.copy, any_source["foo"], dest)
    assert counts == (3, 0, 800)
    assert log == [
        "copy /foo",
        "copy /foo/bar",
        "copy /foo/bar/baz (100,) int64",
        "all done: 3 copied, 0 skipped, 800 bytes copied",
    ]
    assert np.array_equal(dest["foo/bar/baz"][...], np.arange(100))
    assert dest["foo/bar/baz"].chunks == (50,)
    assert dict(dest["foo"].attrs) == {"a": 1}
    assert "spam" not in dest


def test_copy_of_all(any_source, any_group):
    dest = any_group()
    any_source.attrs["title"] = "root"
    counts, log = lines(zarrc.copy_all, any_source, dest)
    assert counts == (4, 0, 1600)
    assert log[3:] == ["copy /spam (100,) int64", "all done: 4 copied, 0 skipped, 1,600 bytes copied"]
    assert np.array_equal(dest["spam"][...], np.arange(100, 200))
    assert dict(dest["spam"].attrs) == {"unit": "mm"}
    assert dict(dest.attrs) == {"title": "root"}


def test_there_and_back(source, any_group):
    source["f"] = np.linspace(0, 1, 12, dtype="f4").reshape(3, 4)
    source["s"] = np.array([b"a", b"bcd"])
    source.create("scalar", shape=(), dtype="i2")[...] = 7
    source.create("empty", shape=(0, 3), dtype="u1")
    middle, back = any_group(), zarrc.group()
    zarrc.copy_all(source, middle)
    zarrc.copy_all(middle, back)
    for name, array in source.arrays(recurse=True):
        found = next(node for path, node in back.arrays(recurse=True) if path == name)
        assert (found.shape, found.dtype) == (array.shape, array.dtype)
        assert np.array_equal(found[...], array[...])


def test_what_a_copy_keeps(source):
    z = source.create(
        "x",
        shape=(10, 10),
        chunks=(3, 4),
        dtype="i4",
        compressor=numcodecs.Zlib(2),
        filters=[numcodecs.Delta("i4")],
        fill_value=5,
        order="F",
    )
    z[:5] = 7
    dest = zarrc.group()
    zarrc.copy(z, dest)
    copy = dest["x"]
    assert (copy.chunks, copy.compressor, copy.filters) == (z.chunks, z.compressor, z.filters)
    assert (copy.fill_value, copy.order) == (5, "F")
    assert np.array_equal(copy[...], z[...])
    zarrc.copy(z, dest, name="deep/y", chunks=5, compressor=None)
    assert (dest["deep/y"].chunks, dest["deep/y"].compressor) == ((5, 5), None)


def test_codecs_of_format_3_are_kept():
    source, dest = zarrc.create_group({}), zarrc.create_group({})
    z = source.create_array(
        "x", shape=(8,), chunks=(4,), dtype="i4", compressors=zarrc.codecs.GzipCodec(level=2)
    )
    zarrc.copy(z, dest)
    assert dest["x"].compressors == z.compressors


def test_strings_of_h5py(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["text"] = np.array(["a", "bcé"], dtype=h5py.string_dtype())
        dest = zarrc.group()
        zarrc.copy_all(file, dest)
    assert dest["text"][...].tolist() == ["a", "bcé"]


def test_attributes_of_h5py(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs["array"] = np.arange(3)
        file.attrs["number"] = np.float32(0.5)
        file.attrs["bytes"] = np.bytes_(b"abc")
        file.attrs["texts"] = np.array([b"a", b"b"])
        file.attrs["none"] = h5py.Empty("f4")
        dest = zarrc.group()
        zarrc.copy_all(file, dest)
    assert dict(dest.attrs) == {
        "array": [0, 1, 2],
        "number": 0.5,
        "bytes": "abc",
        "texts": ["a", "b"],
        "none": None,
    }


def test_attributes_to_h5py(tmp_path):
    source = zarrc.group()
    source.attrs.update(none=None, text="ä", numbers=[1, 2], texts=["a", "b"], number=0.5)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        zarrc.copy_all(source, file)
        found = dict(file.attrs)
        assert type(found.pop("none")) is h5py.Empty
        assert {name: np.asarray(value).tolist() for name, value in found.items()} == {
            "text": "ä",
            "numbers": [1, 2],
            "texts": ["a", "b"],
            "number": 0.5,
        }
        source.attrs["nested"] = {"a": 1}
        with pytest.raises(CopyError, match="attribute 'nested' cannot be copied to '/'"):
            zarrc.copy_all(source, file)


def test_what_only_h5py_has_is_named(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a/link"] = h5py.SoftLink("/nowhere")
        file["empty"] = h5py.Empty("f4")
        file.create_dataset("refs", data=np.array([file.ref], dtype=h5py.ref_dtype))
        tree = repr(zarrc.tree(file))
        assert " ├── a\n │   └── link (broken link)\n" in tree
        for name, message in [
            ("a", "'/a/link' is a link that leads nowhere"),
            ("empty", "'/empty' is empty"),
            ("refs", "'/refs' has elements that only HDF5 knows"),
        ]:
            with pytest.raises(CopyError, match=message):
                zarrc.copy(file[name], zarrc.group())
        file["link"] = h5py.SoftLink("/nowhere")
        del file["a"], file["empty"]
        with pytest.raises(CopyError, match="'/link' is a link"):
            zarrc.copy_all(file, zarrc.group())


@pytest.mark.parametrize(
    ("if_exists", "counts"),
    [("skip", (2, 1, 0)), ("replace", (3, 0, 800)), ("skip_initialized", (2, 1, 0))],
)
def test_if_exists(source, if_exists, counts):
    dest = zarrc.group()
    zarrc.copy(source["foo"], dest)
    dest["foo/bar/baz"][0] = 99
    assert zarrc.copy(source["foo"], dest, if_exists=if_exists) == counts
    assert dest["foo/bar/baz"][0] == (0 if if_exists == "replace" else 99)


def test_if_something_else_exists(source):
    dest = zarrc.group()
    dest.create_group("spam")
    dest["foo"] = np.zeros(3)
    for node, kind in ((source["spam"], "an object 'spam'"), (source["foo"], "an array 'foo'")):
        with pytest.raises(CopyError, match=f"{kind} already exists in destination '/'"):
            zarrc.copy(node, dest)
        assert zarrc.copy(node, dest, if_exists="skip")[:2] == (0, 1)
    assert zarrc.copy_all(source, dest, if_exists="replace") == (4, 0, 1600)
    assert dest["spam"].shape == (100,) and dest["foo/bar/baz"][1] == 1


def test_skip_initialized_fills_what_is_not(source):
    dest = zarrc.group()
    dest.create("spam", shape=100, chunks=30, dtype="i8")
    assert zarrc.copy(source["spam"], dest, if_exists="skip_initialized") == (1, 0, 800)
    assert dest["spam"][0] == 100


def test_dry_run(source):
    dest = zarrc.group()
    counts, log = lines(zarrc.copy_all, source, dest, dry_run=True)
    assert counts == (4, 0, 0)
    assert log[-1] == "dry run: 4 copied, 0 skipped"
    assert list(dest.store) == [".zgroup"]


def test_shallow_and_without_attributes(source):
    dest = zarrc.group()
    assert zarrc.copy(source["foo"], dest, shallow=True, without_attrs=True) == (1, 0, 0)
    assert (list(dest["foo"]), dict(dest["foo"].attrs)) == ([], {})
    assert zarrc.copy(source["foo/bar"], dest, name="bar", shallow=True) == (2, 0, 800)
    assert zarrc.copy_all(source, zarrc.group(), shallow=True) == (1, 0, 800)


def test_wrong_arguments(source):
    for call, error, message in [
        (lambda: zarrc.copy(source, zarrc.group()), TypeError, "source has no name"),
        (lambda: zarrc.copy(source["spam"], source["spam"]), ValueError, "dest must be a group"),
        (lambda: zarrc.copy_all(source["spam"], zarrc.group()), ValueError, "source must be a group"),
        (lambda: zarrc.copy(source["spam"], zarrc.group(), if_exists="x"), ValueError, "if_exists must be"),
        (lambda: zarrc.copy_store({}, {}, if_exists="skip_initialized"), ValueError, "if_exists must be"),
        (lambda: zarrc.copy(source["spam"], zarrc.group(), log=5), TypeError, "log must be"),
    ]:
        with pytest.raises(error, match=message):
            call()


def test_logs(source, tmp_path):
    zarrc.copy(source["spam"], zarrc.group(), log=tmp_path / "log.txt")
    expected = ["copy /spam (100,) int64", "all done: 1 copied, 0 skipped, 800 bytes copied"]
    assert (tmp_path / "log.txt").read_text().splitlines() == expected
    called = []
    zarrc.copy(source["spam"], zarrc.group(), log=called.append)
    assert called == expected


# stores


@pytest.fixture
def store(source):
    return {key: bytes(source.store[key]) for key in source.store}


def test_copy_store(store):
    dest = {}
    nbytes = sum(map(len, store.values()))
    counts, log = lines(zarrc.copy_store, store, dest)
    assert counts == (13, 0, nbytes)
    assert log == [*(f"copy {key}" for key in sorted(store)), log[-1]]
    assert log[-1] == f"all done: 13 copied, 0 skipped, {nbytes:,} bytes copied"
    assert dest == store
    assert np.array_equal(zarrc.open_group(dest)["spam"][...], np.arange(100, 200))


def test_copy_store_paths(store, tmp_path):
    counts, log = lines(zarrc.copy_store, store, str(tmp_path / "x.zarr"), source_path="foo", dest_path="q/r")
    assert counts[0] == 6
    assert log[0] == "copy foo/.zattrs -> q/r/.zattrs"
    assert sorted(zarrc.DirectoryStore(tmp_path / "x.zarr"))[0] == "q/r/.zattrs"


@pytest.mark.parametrize(
    ("options", "n"),
    [
        ({"excludes": "foo"}, 7),
        ({"excludes": ["bar/baz", "spam"], "includes": r"\.z"}, 7),
        ({"excludes": "FOO", "flags": re.IGNORECASE}, 7),
        ({"source_path": "spam", "excludes": r"/\d"}, 2),
    ],
)
def test_copy_store_filters(store, options, n):
    dest = {}
    assert zarrc.copy_store(store, dest, **options)[0] == len(dest) == n


def test_copy_store_if_exists(store):
    dest = {"spam/0": b"mine"}
    with pytest.raises(CopyError, match="key 'spam/0' exists in destination"):
        zarrc.copy_store(store, dest)
    assert zarrc.copy_store(store, dest, if_exists="skip")[:2] == (3, 10)
    assert dest["spam/0"] == b"mine"
    assert zarrc.copy_store(store, dest, if_exists="replace")[:2] == (13, 0)
    assert dest == store


def test_copy_store_dry_run(store):
    dest = {}
    counts, log = lines(zarrc.copy_store, store, dest, dry_run=True)
    assert (counts, log[-1], dest) == ((13, 0, 0), "dry run: 13 copied, 0 skipped", {})


def test_copy_store_of_n5(source):
    """N5 becomes Zarr and Zarr becomes N5, key by key."""
    inner, dest = {}, {}
    zarrc.copy_all(source, zarrc.group(zarrc.N5Store(inner)))
    zarrc.copy_store(zarrc.N5Store(inner), dest)
    assert np.array_equal(zarrc.open_group(dest)["foo/bar/baz"][...], np.arange(100))
    again = {}
    zarrc.copy_store(dest, zarrc.N5Store(again))
    assert again == inner


def test_parent(source):
    assert source["foo/bar"].parent == source["foo"]
    assert source["foo"].parent.parent == source


def test_chunks_that_are_longer_than_their_axis_go_to_h5py(tmp_path):
    source = zarrc.array(np.arange(12).reshape(3, 4), chunks=(100, 2))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        zarrc.copy(source, file, name="a")
        assert (file["a"].chunks, file["a"].maxshape) == ((100, 2), (None, None))
        np.testing.assert_array_equal(file["a"][:], source[:])


def test_copies_in_format_3_have_all_that_the_source_has():
    from zarrc import codecs

    root = zarrc.create_group({})
    inner = root.create_array(
        "inner",
        shape=(20, 20),
        chunks=(5, 5),
        shards=(10, 10),
        dtype="i2",
        compressors=codecs.GzipCodec(2),
        serializer=codecs.BytesCodec("big"),
        dimension_names=["y", None],
        fill_value=3,
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )
    outer = root.create_array(
        "outer",
        shape=(20, 20),
        chunks=(10, 10),
        dtype="i2",
        serializer=codecs.ShardingCodec((5, 5)),
        compressors=codecs.Crc32cCodec(),
    )
    values = np.arange(400).reshape(20, 20)
    to = zarrc.create_group({})
    for source in (inner, outer):
        source[:] = values
        zarrc.copy(source, to)
        assert to[source.basename].metadata == source.metadata
        assert (to[source.basename][:] == values).all()
    zarrc.copy(inner, to, name="other", chunks=(4, 4), compressor=codecs.ZstdCodec(3))
    other = to["other"]
    assert (other.chunks, other.shards, other.compressors) == ((4, 4), None, (codecs.ZstdCodec(3),))
    zarrc.copy(inner, to, name="whole", codecs=[codecs.BytesCodec()], shards=None)
    assert (to["whole"].compressors, to["whole"].shards) == ((), None)
    older = zarrc.group({})
    zarrc.copy(inner, older)
    assert (older["inner"].chunks, older["inner"].zarr_format) == ((5, 5), 2)
    assert (older["inner"][:] == values).all()
