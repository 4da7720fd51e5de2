"""What lives at a path: finding, reading and making nodes."""

import json
from collections.abc import MutableMapping
from dataclasses import replace

import numpy as np
import pytest

from zarrc import nodes
from zarrc.errors import (
    ArrayNotFoundError,
    ContainsArrayError,
    ContainsGroupError,
    GroupNotFoundError,
    MetadataError,
    PathNotFoundError,
    UnknownDataTypeError,
)
from zarrc.metadata.model import ArrayMetadata, ChunkKeyEncoding, CodecSpec, GroupMetadata
from zarrc.storage import DirectoryStore, MemoryStore


def array_meta(zarr_format=2, **changes):
    meta = ArrayMetadata(
        zarr_format=zarr_format,
        shape=(10,),
        dtype=np.dtype("<i4"),
        chunk_shape=(3,),
        fill_value=np.int32(0),
        codecs=(CodecSpec("bytes", {} if zarr_format == 2 else {"endian": "little"}),),
        chunk_key_encoding=ChunkKeyEncoding("v2", ".")
        if zarr_format == 2
        else ChunkKeyEncoding("default", "/"),
    )
    return replace(meta, **changes)


FORMATS = pytest.mark.parametrize("zarr_format", [2, 3])


class Counting(MutableMapping):
    """A store that notes what is asked of it."""

    def __init__(self, data):
        self.data = data
        self.asked = []

    def __getitem__(self, key):
        self.asked.append(key)
        return self.data[key]

    def __contains__(self, key):
        self.asked.append(key)
        return key in self.data

    def __setitem__(self, key, value):
        self.data[key] = value

    def __delitem__(self, key):
        del self.data[key]

    def __iter__(self):
        return iter(self.data)

    def __len__(self):
        return len(self.data)


# Paths


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (None, ""),
        ("", ""),
        ("/", ""),
        ("foo", "foo"),
        ("/foo/", "foo"),
        ("foo//bar", "foo/bar"),
        ("\\foo\\bar", "foo/bar"),
        (b"foo/bar", "foo/bar"),
        (5, "5"),
        ("...", "..."),
        ("a b/é", "a b/é"),
    ],
)
def test_normalize_path(path, expected):
    assert nodes.normalize_path(path) == expected


@pytest.mark.parametrize("path", [".", "..", "foo/./bar", "foo/../bar", "..\\foo"])
def test_paths_refused(path):
    with pytest.raises(ValueError, match=r"path containing '\.' or '..' segment not allowed"):
        nodes.normalize_path(path)


# Making and finding


@FORMATS
@pytest.mark.parametrize("path", ["", "a", "a/b/c"])
def test_an_array_and_the_groups_above_it(zarr_format, path):
    store = MemoryStore()
    meta = array_meta(zarr_format, attributes={"x": 1})
    nodes.init_array(store, path, meta)
    assert nodes.read_array(store, path) == meta
    assert nodes.read_node(store, path) == meta
    assert nodes.contains_array(store, path)
    assert not nodes.contains_group(store, path)
    parts = path.split("/") if path else []
    for depth in range(len(parts)):
        above = "/".join(parts[:depth])
        assert nodes.contains_group(store, above)
        assert nodes.read_group(store, above) == GroupMetadata(zarr_format)
        assert list(nodes.children(store, above)) == [
            (parts[depth], "array" if depth == len(parts) - 1 else "group")
        ]
    assert nodes.ancestor_format(store, path) == (zarr_format if path else None)
    assert nodes.ancestor_format(store, f"{path}/x") == (zarr_format if path else None)


@FORMATS
def test_a_group(zarr_format):
    store = MemoryStore()
    made = nodes.init_group(store, "a/b", zarr_format, attributes={"x": 1})
    assert made == nodes.read_group(store, "a/b") == nodes.read_node(store, "/a/b/")
    assert made == GroupMetadata(zarr_format, {"x": 1})
    assert nodes.node_kind(store, "a/b") == ("group", zarr_format)
    other = 5 - zarr_format
    assert nodes.node_kind(store, "a/b", other) is None
    assert not nodes.contains_group(store, "a/b", other)


def test_keys_of_format_2():
    store = {}
    nodes.init_array(store, "a/b", array_meta())
    assert sorted(store) == [".zgroup", "a/.zgroup", "a/b/.zarray"]
    nodes.init_group(store, "c", attributes={"x": 1})
    assert json.loads(store["c/.zattrs"]) == {"x": 1}


def test_keys_of_format_3():
    store = {}
    nodes.init_array(store, "a/b", array_meta(3, attributes={"x": 1}))
    assert sorted(store) == ["a/b/zarr.json", "a/zarr.json", "zarr.json"]
    assert json.loads(store["a/b/zarr.json"])["attributes"] == {"x": 1}


@FORMATS
def test_nothing_is_found_where_nothing_is(zarr_format):
    store = MemoryStore()
    nodes.init_group(store, "", zarr_format)
    for read, error, message in [
        (nodes.read_array, ArrayNotFoundError, "array not found at path 'a'"),
        (nodes.read_group, GroupNotFoundError, "group not found at path 'a'"),
        (nodes.read_node, PathNotFoundError, "nothing found at path 'a'"),
    ]:
        with pytest.raises(error, match=message):
            read(store, "a")
    with pytest.raises(ArrayNotFoundError):
        nodes.read_array(store, "")
    nodes.init_array(store, "z", array_meta(zarr_format))
    with pytest.raises(GroupNotFoundError):
        nodes.read_group(store, "z")
    for read in (nodes.read_array, nodes.read_node):
        with pytest.raises(FileNotFoundError):
            read(store, "z", 5 - zarr_format)


@FORMATS
def test_what_is_there_is_not_overwritten(zarr_format):
    store = {}
    nodes.init_array(store, "a/b", array_meta(zarr_format))
    before = dict(store)
    for path, error, message in [
        ("a/b", ContainsArrayError, "path 'a/b' contains an array"),
        ("a", ContainsGroupError, "path 'a' contains a group"),
        ("a/b/c", ContainsArrayError, "path 'a/b' contains an array"),
        ("a/b/c/d", ContainsArrayError, "path 'a/b' contains an array"),
    ]:
        with pytest.raises(error, match=message):
            nodes.init_array(store, path, array_meta(zarr_format))
        with pytest.raises(error, match=message):
            nodes.init_group(store, path, zarr_format)
    assert store == before


@FORMATS
@pytest.mark.parametrize("make_store", [MemoryStore, lambda: None], ids=["memory", "directory"])
def test_overwriting_removes_both_formats(zarr_format, make_store, tmp_path):
    store = make_store()
    if store is None:
        store = DirectoryStore(str(tmp_path / "x"))
    other = 5 - zarr_format
    nodes.write_array(store, "", array_meta(other, attributes={"old": 1}))
    store["0"] = b"chunk"
    nodes.init_array(store, "", array_meta(zarr_format), overwrite=True)
    assert sorted(store) == [".zarray" if zarr_format == 2 else "zarr.json"]
    nodes.init_group(store, "", other, overwrite=True)
    assert nodes.node_kind(store, "") == ("group", other)
    assert len(store) == 1


@FORMATS
def test_overwriting_leaves_neighbours(zarr_format):
    store = MemoryStore()
    nodes.init_array(store, "a/b", array_meta(zarr_format))
    nodes.init_array(store, "a/bc", array_meta(zarr_format))
    store["a/b/0"] = b"chunk"
    nodes.init_group(store, "a/b", zarr_format, overwrite=True)
    assert nodes.contains_group(store, "a/b")
    assert "a/b/0" not in store
    assert list(nodes.children(store, "a")) == [("b", "group"), ("bc", "array")]


@FORMATS
def test_overwriting_makes_arrays_above_groups(zarr_format):
    store = MemoryStore()
    nodes.init_array(store, "a", array_meta(zarr_format, attributes={"old": 1}))
    store["a/0"] = b"chunk"
    nodes.init_array(store, "a/b/c", array_meta(zarr_format), overwrite=True)
    assert nodes.read_group(store, "a") == nodes.read_group(store, "a/b") == GroupMetadata(zarr_format)
    assert nodes.contains_array(store, "a/b/c")
    assert "a/0" not in store


def test_overwriting_clears_the_chunk_store():
    store, chunk_store = MemoryStore(), MemoryStore()
    nodes.init_array(store, "a", array_meta())
    chunk_store["a/0"] = chunk_store["b/0"] = b"chunk"
    nodes.init_array(store, "a", array_meta(), overwrite=True, chunk_store=chunk_store)
    assert list(chunk_store) == ["b/0"]


def test_foreign_directories_are_not_wiped(tmp_path):
    (tmp_path / "thesis.txt").write_text("words")
    store = DirectoryStore(str(tmp_path))
    with pytest.raises(FileExistsError, match="refusing to overwrite"):
        nodes.init_group(store, "", 2, overwrite=True)
    assert (tmp_path / "thesis.txt").exists()


@FORMATS
def test_a_hierarchy_has_one_format(zarr_format):
    store = {}
    other = 5 - zarr_format
    nodes.init_group(store, "a", zarr_format)
    before = dict(store)
    for overwrite in (False, True):
        with pytest.raises(ValueError, match=f"inside of the group 'a' of format {zarr_format}"):
            nodes.init_array(store, "a/b/c", array_meta(other), overwrite=overwrite)
        with pytest.raises(ValueError, match=f"nothing of format {other} can be made there"):
            nodes.init_group(store, "a/b", other, overwrite=overwrite)
    assert store == before


def test_what_cannot_be_written_deletes_nothing():
    store = {}
    nodes.init_array(store, "a", array_meta())
    before = dict(store)
    for wrong in (
        array_meta(codecs=(CodecSpec("vlen-utf8"),)),
        array_meta(attributes={"a": object()}),
        array_meta(3, dtype=np.dtype(">i4")),
    ):
        with pytest.raises((MetadataError, TypeError)):
            nodes.init_array(store, "a", wrong, overwrite=True)
    with pytest.raises(TypeError):
        nodes.init_group(store, "a", 2, overwrite=True, attributes={"a": b""})
    assert store == before


# Both formats at one path


def both():
    store = MemoryStore()
    nodes.write_array(store, "a", array_meta(2, shape=(2,)))
    nodes.write_array(store, "a", array_meta(3, shape=(3,)))
    nodes.write_group(store, "", GroupMetadata(2, {"format": 2}))
    nodes.write_group(store, "", GroupMetadata(3, {"format": 3}))
    return store


def test_format_3_is_read_where_both_stand():
    store = both()
    with pytest.warns(UserWarning, match=r"path 'a' holds zarr.json and .zarray: format 3 is read"):
        assert nodes.read_array(store, "a").shape == (3,)
    with pytest.warns(UserWarning, match="format 3 is read"):
        assert nodes.read_node(store, "a").shape == (3,)
    with pytest.warns(UserWarning, match=r"path '' holds zarr.json and .zgroup"):
        assert nodes.read_group(store, "").attributes == {"format": 3}
    with pytest.warns(UserWarning, match="format 3 is read"):
        assert nodes.read_node(store, "").attributes == {"format": 3}


def test_the_format_that_is_said_is_read():
    store = both()
    for zarr_format in (2, 3):
        assert nodes.read_array(store, "a", zarr_format).shape == (zarr_format,)
        assert nodes.read_node(store, "a", zarr_format).shape == (zarr_format,)
        assert nodes.read_group(store, "", zarr_format).attributes == {"format": zarr_format}


# Writing again


@FORMATS
def test_write_attributes_changes_nothing_else(zarr_format):
    store = {}
    nodes.init_array(store, "a", array_meta(zarr_format, attributes={"x": 1}))
    stored = nodes.read_array(store, "a")
    nodes.write_attributes(store, "a", replace(stored, attributes={"y": 2}, shape=(99,)))
    assert nodes.read_array(store, "a") == replace(stored, attributes={"y": 2})


@FORMATS
def test_attributes_do_not_outlive_their_array(zarr_format):
    store = {}
    nodes.init_array(store, "a", array_meta(zarr_format, attributes={"x": 1}))
    nodes.write_array(store, "a", array_meta(zarr_format))
    assert nodes.read_array(store, "a").attributes == {}


def test_consolidated_metadata_survives_new_attributes():
    store = {}
    consolidated = {"kind": "inline", "must_understand": False, "metadata": {}}
    nodes.write_group(store, "", GroupMetadata(3, {}, {}, consolidated))
    nodes.write_attributes(store, "", GroupMetadata(3, {"x": 1}))
    assert nodes.read_group(store, "") == GroupMetadata(3, {"x": 1}, {}, consolidated)


# Listing


@FORMATS
def test_children_are_nodes_only(zarr_format):
    store = MemoryStore()
    nodes.init_group(store, "g", zarr_format, attributes={"x": 1})
    nodes.init_array(store, "g/z", array_meta(zarr_format))
    nodes.init_group(store, "g/a", zarr_format)
    nodes.init_group(store, "g/a/deep", zarr_format)
    store["g/notes/readme.txt"] = b"not a node"
    store["g/.zmetadata"] = b"{}"
    for said in (None, zarr_format):
        assert list(nodes.children(store, "g", said)) == [("a", "group"), ("z", "array")]
    assert list(nodes.children(store, "g", 5 - zarr_format)) == []


# Errors say where


@pytest.mark.parametrize(
    ("key", "document", "message"),
    [
        ("a/.zarray", b"{", "^a/.zarray: .zarray is not JSON"),
        ("a/.zarray", b"{}", "^a/.zarray: .zarray lacks the key 'zarr_format'"),
        ("a/zarr.json", b'{"zarr_format": 3}', "^a/zarr.json: zarr.json lacks the key 'node_type'"),
        ("a/zarr.json", b"[]", "^a/zarr.json: zarr.json is not a JSON object"),
        ("a/.zattrs", b"[1]", "^a/.zattrs is not a JSON object"),
    ],
)
def test_wrong_documents_are_named(key, document, message):
    store = {}
    nodes.init_array(store, "a", array_meta(2))
    store[key] = document
    for read in (nodes.read_array, nodes.read_node):
        with pytest.raises(MetadataError, match=message):
            read(store, "a")


def test_wrong_node_type_is_named():
    for ask in (nodes.contains_array, nodes.contains_group, nodes.node_kind):
        with pytest.raises(MetadataError, match=r"^a/zarr\.json: node_type must be"):
            ask({"a/zarr.json": b'{"zarr_format": 3}'}, "a")


def test_kind_of_error_is_kept():
    store = {}
    nodes.init_array(store, "", array_meta(2))
    store[".zarray"] = store[".zarray"].replace(b"<i4", b"<i3")
    with pytest.raises(UnknownDataTypeError, match=r"^\.zarray: unknown data type '<i3'"):
        nodes.read_array(store)


class Broken(dict):
    def __getitem__(self, key):
        raise PermissionError(key)


def test_only_keyerror_is_missing():
    for read in (nodes.read_array, nodes.read_group, nodes.read_node, nodes.contains_array):
        with pytest.raises(PermissionError):
            read(Broken(), "a")


class Secret(dict):
    """A dict that stores its values in another form."""

    def __getitem__(self, key):
        return super().__getitem__(key)[::-1]

    def __setitem__(self, key, value):
        super().__setitem__(key, bytes(value)[::-1])


@FORMATS
def test_dicts_with_methods_of_their_own_are_asked_through_them(zarr_format):
    store = Secret()
    nodes.init_array(store, "a", array_meta(zarr_format, attributes={"x": 1}))
    assert nodes.read_array(store, "a").attributes == {"x": 1}
    assert all(value.endswith(b"{") for value in dict.values(store))


# How often a store is asked


def asked(store, read, *arguments):
    counting = Counting(store)
    read(counting, *arguments)
    return counting.asked


def test_opening_asks_for_no_more_than_it_needs():
    store = {}
    nodes.init_array(store, "a", array_meta(2))
    assert asked(store, nodes.read_array, "a") == ["a/zarr.json", "a/.zarray", "a/.zattrs"]
    assert asked(store, nodes.read_node, "a") == ["a/zarr.json", "a/.zarray", "a/.zattrs"]
    assert asked(store, nodes.read_array, "a", 2) == ["a/.zarray", "a/.zattrs"]
    assert asked(store, nodes.read_group, "") == ["zarr.json", ".zgroup", ".zattrs"]
    store = {}
    nodes.init_array(store, "a", array_meta(3))
    assert asked(store, nodes.read_array, "a") == ["a/zarr.json", "a/.zarray"]
    assert asked(store, nodes.read_array, "a", 3) == ["a/zarr.json"]
    assert asked(store, nodes.read_group, "", 3) == ["zarr.json"]
