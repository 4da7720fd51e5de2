"""What memory stores and wrapped mappings do beyond the suite."""

from __future__ import annotations

import pickle

import pytest

from zarrc.storage import DirectoryStore, KVStore, MemoryStore, base
from zarrc.storage.memory import DictStore


def test_given_dict_is_used():
    data = {"a": b"1"}
    store = MemoryStore(data)
    store["b"] = bytearray(b"2")
    assert data == {"a": b"1", "b": b"2"}
    assert type(data["b"]) is bytes
    assert MemoryStore(store_dict=data) == store
    with pytest.raises(TypeError, match="one thing"):
        MemoryStore(data, store_dict=data)


def test_dict_of_dicts():
    store = MemoryStore({"a": b"1", "b": {"c": b"2", "d": {"e": b"3"}}, "empty": {}})
    assert dict(store.items()) == {"a": b"1", "b/c": b"2", "b/d/e": b"3"}


def test_equality():
    assert MemoryStore({"a": b"1"}) == MemoryStore({"a": b"1"})
    assert MemoryStore({"a": b"1"}) != MemoryStore({"a": b"2"})
    assert KVStore({}) == KVStore({})
    assert KVStore({}) != {}
    with pytest.raises(TypeError):
        hash(MemoryStore())


def test_pickle_is_a_copy():
    store = MemoryStore(dimension_separator="/", read_only=True)
    store.root["a"] = b"1"
    copy = pickle.loads(pickle.dumps(store))
    store.root["b"] = b"2"
    assert list(copy) == ["a"]
    assert (copy.read_only, base.dimension_separator(copy)) == (True, "/")
    assert copy.identity() != store.identity()


def test_iteration_outlives_changes():
    store = MemoryStore({str(i): b"" for i in range(10)})
    for key in store:
        del store[key]
    assert len(store) == 0


def test_old_name():
    with pytest.warns(DeprecationWarning, match="MemoryStore"):
        store = DictStore()
    assert isinstance(store, MemoryStore)
    store["a"] = b"1"
    assert store.listdir() == ["a"]
    with pytest.warns(DeprecationWarning, match="MemoryStore"):
        assert pickle.loads(pickle.dumps(store)) == store


def test_kvstore_passes_values_on():
    data = {}
    store = KVStore(data)
    value = bytearray(b"1")
    store["a"] = value
    assert data["a"] is value
    assert repr(store).startswith("<KVStore: \n{'a': bytearray(b'1')}\n at 0x")


def test_kvstore_closes_and_flushes():
    class Shelf(dict):
        calls = ()

        def close(self):
            self.calls += ("close",)

        def flush(self):
            self.calls += ("flush",)

    shelf = Shelf()
    with KVStore(shelf) as store:
        store.flush()
    assert shelf.calls == ("flush", "close")


def test_kvstore_uses_what_a_store_can_do(tmp_path):
    inner = DirectoryStore(tmp_path)
    store = KVStore(inner)
    store["a/b"] = b"0123456789"
    (tmp_path / "empty").mkdir()
    assert store.listdir() == ["a", "empty"]
    store.rmdir("a")
    assert not (tmp_path / "a").exists()
