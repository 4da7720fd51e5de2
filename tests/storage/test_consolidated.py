"""Consolidated metadata: writing them, and hierarchies that are opened by them."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

import zarrc
from zarrc.errors import (
    ConsolidatedMetadataNotFoundError,
    GroupNotFoundError,
    MetadataError,
    ReadOnlyError,
)
from zarrc.storage import ConsolidatedMetadataStore


class Counting(zarrc.MemoryStore):
    """Tells which keys were read."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.read = []

    def __getitem__(self, key):
        self.read.append(key)
        return super().__getitem__(key)


def fill(store, zarr_format):
    root = zarrc.open_group(store, mode="w", zarr_format=zarr_format, attributes={"title": "naïve"})
    root["a"] = np.arange(6)
    root["a"].attrs["unit"] = "mm"
    deep = root.create_group("s/t", attributes={"n": 1})
    deep.create("b", shape=(4, 4), chunks=(2, 2), dtype="f4", fill_value=np.nan)
    deep.create("é", shape=3, dtype="i1")
    return root


@pytest.fixture(params=[2, 3])
def zarr_format(request):
    return request.param


@pytest.fixture
def store(zarr_format):
    store = Counting()
    fill(store, zarr_format)
    return store


def check(root):
    assert [path for path, _ in root.members(max_depth=None)] == ["a", "s", "s/t", "s/t/b", "s/t/é"]
    assert np.array_equal(root["a"][...], np.arange(6))
    assert (root.attrs["title"], root["a"].attrs["unit"], root["s/t"].attrs["n"]) == ("naïve", "mm", 1)
    assert np.isnan(root["s/t/b"].fill_value)
    assert root["s/t/é"].shape == (3,)
    assert "s/t/b" in root and "nothing" not in root
    assert len(root) == 2
    with pytest.raises(KeyError):
        root["nothing"]


def test_a_hierarchy_is_read_from_one_document(store, zarr_format):
    check(zarrc.consolidate_metadata(store))
    key = ".zmetadata" if zarr_format == 2 else "zarr.json"
    chunk = "a/0" if zarr_format == 2 else "a/c/0"
    for open_it in (
        lambda: zarrc.open_consolidated(store),
        lambda: zarrc.open_group(store, mode="r", use_consolidated=True),
        lambda: zarrc.open(store, mode="r", use_consolidated=True),
        lambda: pickle.loads(pickle.dumps(zarrc.open_consolidated(store))),
    ):
        store.read.clear()
        root = open_it()
        check(root)
        if root.chunk_store is store:
            assert set(store.read) == {key, chunk}
    assert "s" in str(root.tree()) and "é" in str(root.tree())


def test_structure_is_frozen_and_values_are_not(store):
    zarrc.consolidate_metadata(store)
    before = {key: store[key] for key in store if key.endswith((".json", "y", "p", "s", "a"))}
    root = zarrc.open_consolidated(store)
    array = root["a"]
    for change in (
        lambda: root.create_group("new"),
        lambda: root.create_array("new", shape=1, dtype="i4"),
        lambda: root.create_dataset("a", shape=1, overwrite=True),
        lambda: root.__delitem__("a"),
        lambda: root.move("a", "z"),
        lambda: root.require_group("new"),
        lambda: root.attrs.update({"a": 1}),
        lambda: array.attrs.update({"a": 1}),
        lambda: array.resize(3),
        lambda: array.append([1]),
    ):
        with pytest.raises(ReadOnlyError):
            change()
    assert {key: store[key] for key in before} == before
    array[2] = 99
    assert zarrc.open(store)["a"][2] == 99
    with pytest.raises(ReadOnlyError):
        zarrc.open_consolidated(store, mode="r")["a"][0] = 1


def test_stale_until_consolidated_again(store):
    zarrc.consolidate_metadata(store)
    zarrc.open_group(store).create_group("late")
    assert "late" not in zarrc.open_consolidated(store)
    assert "late" in zarrc.open_group(store)
    zarrc.consolidate_metadata(store)
    assert "late" in zarrc.open_consolidated(store)
    zarrc.open_group(store).attrs["more"] = 1
    assert zarrc.open_group(store).attrs["title"] == "naïve"
    assert "late" in zarrc.open_consolidated(store)


def test_metadata_of_all_nodes_are_known(store, zarr_format):
    zarrc.consolidate_metadata(store)
    opened = zarrc.open_consolidated(store)
    known = opened.metadata.consolidated_metadata
    plain = zarrc.open_group(store, mode="r")
    assert plain.metadata.consolidated_metadata is None
    assert known.metadata.keys() == dict(plain.members(max_depth=None)).keys()
    for path, node in plain.members(max_depth=None):
        said = known.metadata[path].to_dict()
        assert {key: said[key] for key in node.metadata.to_dict()} == node.metadata.to_dict()
    if zarr_format == 3:
        assert opened.metadata.to_dict()["consolidated_metadata"]["metadata"].keys() == known.metadata.keys()
    copy: dict[str, bytes] = {}
    dict(zarrc.create_hierarchy(copy, {"": opened}))
    assert not any(b"consolidated" in document for document in copy.values())


def test_missing(store):
    for ask in (
        lambda: zarrc.open_consolidated(store),
        lambda: zarrc.open_group(store, mode="r", use_consolidated=True),
        lambda: zarrc.open_consolidated({}),
        lambda: zarrc.open_consolidated(store, metadata_key="other"),
        lambda: zarrc.open_group(store, mode="r", path="s", use_consolidated=True),
    ):
        with pytest.raises(ConsolidatedMetadataNotFoundError, match="Consolidated metadata requested"):
            ask()
        with pytest.raises(KeyError):
            ask()
        with pytest.raises(ValueError):
            ask()
    with pytest.raises(GroupNotFoundError):
        zarrc.consolidate_metadata({})


@pytest.mark.parametrize("mode", ["w", "a", "w-", "x", "q"])
def test_modes(store, mode):
    zarrc.consolidate_metadata(store)
    with pytest.raises(ValueError, match="mode"):
        zarrc.open_consolidated(store, mode=mode)


def test_only_a_missing_key_is_missing(zarr_format):
    class Failing(zarrc.MemoryStore):
        def __getitem__(self, key):
            raise PermissionError(key)

    with pytest.raises(PermissionError):
        zarrc.open_consolidated(Failing({"zarr.json" if zarr_format == 3 else ".zmetadata": b""}))


@pytest.mark.parametrize(
    "document",
    [
        b"{",
        b"[]",
        b'{"zarr_consolidated_format": 2, "metadata": {}}',
        b'{"zarr_consolidated_format": 1}',
        b'{"zarr_consolidated_format": 1, "metadata": []}',
    ],
)
def test_bad_documents_of_format_2(document):
    with pytest.raises(MetadataError, match="zmetadata"):
        zarrc.open_consolidated({".zmetadata": document})


@pytest.mark.parametrize("value", [[], {}, {"kind": "inline"}, {"kind": "elsewhere", "metadata": {}}])
def test_bad_documents_of_format_3(value):
    document = {"zarr_format": 3, "node_type": "group", "consolidated_metadata": value}
    with pytest.raises(MetadataError, match=r"zarr\.json"):
        zarrc.open_consolidated({"zarr.json": json.dumps(document).encode()})


def test_a_bad_document_in_the_hierarchy_is_named(store, zarr_format):
    key = "s/t/b/" + (".zarray" if zarr_format == 2 else "zarr.json")
    store[key] = b'{"zarr_format": 2}' if zarr_format == 2 else b'{"zarr_format": 3}'
    with pytest.raises(MetadataError, match=key):
        zarrc.consolidate_metadata(store)


def test_group_below_the_root(store, zarr_format):
    zarrc.consolidate_metadata(store, path="s")
    sub = zarrc.open_consolidated(store, path="s")
    assert [path for path, _ in sub.members(max_depth=None)] == ["t", "t/b", "t/é"]
    assert sub.name == "/s"


def test_another_key():
    store = {}
    fill(store, 2)
    zarrc.consolidate_metadata(store, metadata_key="meta")
    assert ".zmetadata" not in store
    check(zarrc.open_consolidated(store, metadata_key="meta"))
    check(zarrc.open_group(store, mode="r", use_consolidated="meta"))


def test_layout_of_format_2():
    """The keys and the layout that zarr-python 2 writes."""
    store = {}
    root = zarrc.group(store)
    root.create_group("g").attrs["x"] = 1
    zarrc.consolidate_metadata(store)
    assert (
        store[".zmetadata"].decode()
        == """{
    "metadata": {
        ".zgroup": {
            "zarr_format": 2
        },
        "g/.zattrs": {
            "x": 1
        },
        "g/.zgroup": {
            "zarr_format": 2
        }
    },
    "zarr_consolidated_format": 1
}"""
    )


def test_layout_of_format_3():
    store = {}
    root = fill(store, 3)
    zarrc.consolidate_metadata(store)
    document = json.loads(store["zarr.json"])
    assert list(document) == ["attributes", "zarr_format", "consolidated_metadata", "node_type"]
    consolidated = document["consolidated_metadata"]
    assert (consolidated["kind"], consolidated["must_understand"]) == ("inline", False)
    assert consolidated["metadata"]["s/t/b"] == json.loads(store["s/t/b/zarr.json"])
    empty = {"kind": "inline", "must_understand": False, "metadata": {}}
    assert consolidated["metadata"]["s"] == {
        **json.loads(store["s/zarr.json"]),
        "consolidated_metadata": empty,
    }
    assert root["a"].shape == (6,)


class TestStore:
    @pytest.fixture
    def shown(self):
        store = {}
        fill(store, 2)
        zarrc.consolidate_metadata(store)
        return ConsolidatedMetadataStore(store)

    def test_mapping(self, shown):
        assert shown["a/.zarray"]["shape"] == [6]
        assert "a/.zarray" in shown and "a/0" not in shown
        assert len(shown) == len(list(shown)) == 9
        with pytest.raises(KeyError):
            shown["a/0"]
        assert shown.listdir() == [".zattrs", ".zgroup", "a", "s"]
        assert shown.listdir("s/t") == [".zattrs", ".zgroup", "b", "é"]
        assert shown.listdir("nothing") == []
        assert shown.getsize("a") == -1

    def test_read_only(self, shown):
        assert not shown.is_writeable() and not shown.is_erasable()
        for change in (
            lambda: shown.__setitem__("a", b""),
            lambda: shown.__delitem__("a/.zarray"),
            lambda: shown.rmdir("a"),
            lambda: shown.rename("a", "b"),
            lambda: shown.clear(),
            lambda: shown.setitems({"a": b""}),
        ):
            with pytest.raises(ReadOnlyError):
                change()

    def test_equality_and_pickle(self, shown):
        assert pickle.loads(pickle.dumps(shown)) == shown
        assert shown != ConsolidatedMetadataStore({}, documents={})
