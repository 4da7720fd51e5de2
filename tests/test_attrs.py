"""Attributes: a mapping kept in a store, in both formats."""

import json
import threading

import numpy as np
import pytest

from zarrc import nodes
from zarrc.attrs import Attributes
from zarrc.config import config
from zarrc.errors import MetadataError, NodeNotFoundError
from zarrc.storage import MemoryStore


def new(zarr_format, **kwargs):
    """An empty group's attributes and their store."""
    store = MemoryStore()
    nodes.init_group(store, "g", zarr_format)
    return Attributes(store, nodes.attributes_key("g", zarr_format), **kwargs), store


@pytest.fixture(params=[2, 3], ids=["format2", "format3"])
def zarr_format(request):
    return request.param


def stored(store, zarr_format):
    return nodes.read_group(store, "g", zarr_format).attributes


def test_mapping(zarr_format):
    attrs, store = new(zarr_format)
    assert len(attrs) == 0
    assert "a" not in attrs
    attrs["a"] = 1
    attrs["b"] = {"c": [1, 2.5, None, True, "é"]}
    assert (attrs["a"], attrs["b"]) == (1, {"c": [1, 2.5, None, True, "é"]})
    assert sorted(attrs) == ["a", "b"]
    assert (len(attrs), "a" in attrs, attrs.get("z", 5)) == (2, True, 5)
    assert dict(attrs) == attrs.asdict() == stored(store, zarr_format)
    assert attrs == {"a": 1, "b": {"c": [1, 2.5, None, True, "é"]}}
    assert list(attrs.keys()) == list(attrs.asdict())
    assert attrs.pop("a") == 1
    del attrs["b"]
    assert attrs.asdict() == stored(store, zarr_format) == {}
    for use in (attrs.__getitem__, attrs.__delitem__):
        with pytest.raises(KeyError, match="z"):
            use("z")


def test_put_update_clear(zarr_format):
    attrs, store = new(zarr_format)
    attrs.put({"a": 1, "b": 2})
    attrs.put({"c": 3})
    assert stored(store, zarr_format) == {"c": 3}
    attrs.update({"a": 1}, b=2)
    attrs.update(c=4)
    attrs.update([("d", 5)])
    assert stored(store, zarr_format) == attrs.asdict() == {"a": 1, "b": 2, "c": 4, "d": 5}
    attrs.clear()
    assert stored(store, zarr_format) == attrs.asdict() == {}


def test_the_rest_of_the_document_stays():
    attrs, store = new(3)
    content = json.loads(store["g/zarr.json"])
    store["g/zarr.json"] = json.dumps(content | {"x": {"must_understand": False}}).encode()
    attrs["a"] = 1
    expected = content | {"x": {"must_understand": False}, "attributes": {"a": 1}}
    assert json.loads(store["g/zarr.json"]) == expected


def test_numpy_values(zarr_format):
    attrs, store = new(zarr_format)
    attrs.update(
        a=np.int32(3),
        b=np.float32(2.5),
        c=np.True_,
        d=np.arange(3),
        e={"f": np.array([[1.5]])},
        g=(1, 2),
        h=np.array("x"),
        i=np.array(7),
    )
    expected = {
        "a": 3,
        "b": 2.5,
        "c": True,
        "d": [0, 1, 2],
        "e": {"f": [[1.5]]},
        "g": [1, 2],
        "h": "x",
        "i": 7,
    }
    assert stored(store, zarr_format) == attrs.asdict() == expected
    assert type(attrs["a"]) is int


def test_values_are_read_as_they_are_stored(zarr_format):
    attrs, _ = new(zarr_format)
    attrs["a"] = (1, 2)
    assert attrs["a"] == [1, 2]
    copy = attrs.asdict()
    copy["b"] = 1
    assert "b" not in attrs


@pytest.mark.parametrize("value", [object(), b"bytes", 1j, np.complex64(1j), np.datetime64("2001"), {1, 2}])
def test_values_without_a_json_form_change_nothing(zarr_format, value):
    attrs, store = new(zarr_format)
    attrs["a"] = 1
    for change in (lambda: attrs.update(b=value), lambda: attrs.put({"b": value})):
        with pytest.raises(TypeError, match=r"attribute 'b': .* not JSON serializable"):
            change()
    assert stored(store, zarr_format) == attrs.asdict() == {"a": 1}


def test_nan_and_infinities(zarr_format):
    attrs, store = new(zarr_format)
    attrs["a"] = [float("nan"), float("inf"), -np.inf]
    key = nodes.attributes_key("g", zarr_format)
    assert all(token in store[key] for token in (b"NaN", b"Infinity", b"-Infinity"))
    assert np.array_equal(Attributes(store, key)["a"], [np.nan, np.inf, -np.inf], equal_nan=True)
    with config.set({"json_strict": True}), pytest.raises(ValueError, match="Out of range float"):
        attrs["b"] = float("nan")
    assert "b" not in attrs


def test_names_become_strings_with_a_warning(zarr_format):
    attrs, store = new(zarr_format)
    for change in (lambda: attrs.__setitem__(1, 2), lambda: attrs.update({1: 2}), lambda: attrs.put({1: 2})):
        with pytest.warns(DeprecationWarning, match="only attribute keys of type 'string'"):
            change()
        assert stored(store, zarr_format) == {"1": 2}


def test_read_only(zarr_format):
    attrs, store = new(zarr_format)
    attrs["a"] = 1
    frozen = Attributes(store, attrs.key, read_only=True)
    assert frozen["a"] == 1
    for change in (
        lambda: frozen.__setitem__("a", 2),
        lambda: frozen.__delitem__("a"),
        lambda: frozen.update(a=2),
        lambda: frozen.put({}),
        frozen.clear,
    ):
        with pytest.raises(PermissionError, match="attributes are read-only"):
            change()
    assert stored(store, zarr_format) == {"a": 1}


def test_cache_and_refresh(zarr_format):
    attrs, store = new(zarr_format)
    other = Attributes(store, attrs.key)
    uncached = Attributes(store, attrs.key, cache=False)
    assert "a" not in attrs
    other["a"] = 1
    assert "a" not in attrs
    assert uncached["a"] == 1
    attrs.refresh()
    assert attrs["a"] == 1
    other["a"] = 2
    uncached.refresh()
    assert (attrs["a"], uncached["a"]) == (1, 2)


def test_cached_attributes_are_read_once():
    class Counting(dict):
        reads = 0

        def __getitem__(self, key):
            self.reads += 1
            return super().__getitem__(key)

    store = Counting({".zattrs": b'{"a": 1}'})
    attrs = Attributes(store)
    assert (attrs["a"], len(attrs), list(attrs), "b" in attrs) == (1, 1, ["a"], False)
    assert store.reads == 1
    attrs["b"] = 2
    assert (attrs["b"], store.reads) == (2, 2)
    attrs.put({"c": 3})
    assert (attrs["c"], store.reads) == (3, 2)


def test_changes_keep_what_others_wrote(zarr_format):
    attrs, store = new(zarr_format)
    other = Attributes(store, attrs.key)
    assert (len(attrs), len(other)) == (0, 0)
    other["a"] = 1
    attrs["b"] = 2
    del other["b"]
    assert stored(store, zarr_format) == other.asdict() == {"a": 1}


def test_threads_lose_nothing(zarr_format):
    attrs, store = new(zarr_format)
    writers = [Attributes(store, attrs.key) for _ in range(8)]

    def write(number):
        for item in range(25):
            writers[number][f"{number}-{item}"] = item

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stored(store, zarr_format)) == 200


def test_synchronizer_is_taken(zarr_format):
    class Synchronizer(dict):
        def __missing__(self, key):
            return self.setdefault(key, threading.RLock())

    synchronizer = Synchronizer()
    attrs, _ = new(zarr_format, synchronizer=synchronizer)
    attrs["a"] = 1
    assert list(synchronizer) == [attrs.key]


def test_any_key_holds_attributes():
    store = {}
    attrs = Attributes(store, "attrs")
    assert attrs.asdict() == {}
    attrs["a"] = 1
    assert store["attrs"] == b'{\n    "a": 1\n}'


def test_a_node_of_format_3_must_be_there():
    attrs = Attributes({}, "g/zarr.json")
    assert attrs.asdict() == {}
    with pytest.raises(NodeNotFoundError, match="nothing found at path 'g'"):
        attrs["a"] = 1


@pytest.mark.parametrize("document", [b"{", b"[1]"])
def test_wrong_documents_are_named(document):
    for key in ("g/.zattrs", "g/zarr.json"):
        with pytest.raises(MetadataError, match=f"^{key} is not"):
            Attributes({key: document}, key).asdict()


def test_completion_and_repr():
    attrs, _ = new(2)
    attrs.update(b=1, a=2)
    assert attrs._ipython_key_completions_() == ["a", "b"]
    assert repr(attrs).startswith("<zarrc.attrs.Attributes object at ")
