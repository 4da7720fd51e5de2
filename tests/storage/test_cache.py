"""What the cache of stored values promises beyond the suite."""

from __future__ import annotations

import os
import pickle
import threading

import numpy as np
import pytest

import zarrc
from zarrc.storage import DirectoryStore, KVStore, LRUStoreCache, MemoryStore, base
from zarrc.testing import StoreTests


class TestOverMemory(StoreTests):
    def create_store(self, tmp_path):
        return LRUStoreCache(MemoryStore(), max_size=2**20)

    def raw_get(self, store, key):
        return store._store[key]

    def raw_set(self, store, key, value):
        store._store[key] = value

    def read_only_store(self, store, tmp_path):
        return LRUStoreCache(MemoryStore(store_dict=store._store.root, read_only=True), max_size=2**20)


class TestOverDirectory(StoreTests):
    def create_store(self, tmp_path):
        return LRUStoreCache(DirectoryStore(tmp_path), max_size=None)

    def reopen_store(self, store, tmp_path):
        return self.create_store(tmp_path)


class TestOverDict(StoreTests):
    strict_keys = strict_values = False

    def create_store(self, tmp_path):
        return LRUStoreCache({}, max_size=10)


class Counting(MemoryStore):
    """Counts what it is asked."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.asked = []

    def __getitem__(self, key):
        self.asked.append(key)
        return super().__getitem__(key)

    def __iter__(self):
        self.asked.append("keys")
        return super().__iter__()

    def listdir(self, path=""):
        self.asked.append(f"listdir {path}")
        return super().listdir(path)


@pytest.fixture
def store():
    store = Counting({"a": b"1" * 10, "b": b"2" * 10, "c/d": b"3" * 10})
    store.asked.clear()
    return store


class TestValues:
    def test_are_read_once(self, store):
        cache = LRUStoreCache(store, max_size=100)
        assert [cache["a"], cache["b"], cache["a"], cache["a"]] == [
            b"1" * 10,
            b"2" * 10,
            b"1" * 10,
            b"1" * 10,
        ]
        assert store.asked == ["a", "b"]
        assert (cache.hits, cache.misses, cache.nbytes) == (2, 2, 20)

    def test_read_last_are_kept(self, store):
        cache = LRUStoreCache(store, max_size=25)
        for key in ("a", "b", "a", "c/d", "a", "b"):
            cache[key]
        assert store.asked == ["a", "b", "c/d", "b"]
        assert cache.nbytes == 20

    def test_too_large_is_never_kept(self, store):
        cache = LRUStoreCache(store, max_size=9)
        assert cache["a"] == cache["a"] == b"1" * 10
        assert (cache.hits, cache.misses, cache.nbytes) == (0, 2, 0)

    def test_no_limit(self):
        cache = LRUStoreCache({f"{i}": bytes(1000) for i in range(1000)}, max_size=None)
        for key in cache:
            cache[key]
        assert cache.nbytes == 1_000_000

    def test_in_bulk(self, store):
        cache = LRUStoreCache(store, max_size=100)
        cache["a"]
        assert cache.getitems(["a", "x", "b"]) == {"a": b"1" * 10, "b": b"2" * 10}
        assert cache.getitems(["a", "b"]) == {"a": b"1" * 10, "b": b"2" * 10}
        assert (cache.hits, cache.misses) == (3, 3)
        assert store.asked == ["a", "x", "b"]

    def test_parts(self, store):
        cache = LRUStoreCache(store, max_size=100)
        assert cache.get_partial("a", 2, 3) == b"111"
        assert cache.nbytes == 0
        cache["a"]
        assert cache.get_partial("a", -2) == b"11"
        assert (cache.hits, cache.misses) == (1, 2)

    def test_missing_is_not_kept(self, store):
        cache = LRUStoreCache(store, max_size=100)
        with pytest.raises(KeyError):
            cache["x"]
        store["x"] = b"1"
        assert cache["x"] == b"1"
        assert cache._reading == {}

    def test_are_bytes_that_nobody_changes(self):
        value = np.zeros(3, "u1")
        cache = LRUStoreCache({"a": value}, max_size=100)
        assert cache["a"] == bytes(3)
        value[:] = 1
        assert cache["a"] == bytes(3)


class TestChanges:
    @pytest.mark.parametrize(
        "change",
        [
            lambda cache: cache.__setitem__("a", b"new"),
            lambda cache: cache.setitems({"a": b"new"}),
            lambda cache: (cache.pop("a"), cache.update(a=b"new")),
            lambda cache: (cache.delitems(["a"]), cache.setdefault("a", b"new")),
            lambda cache: (cache.rmdir(), cache.update(a=b"new")),
            lambda cache: (cache.__setitem__("n", b"new"), cache.__delitem__("a"), cache.rename("n", "a")),
        ],
    )
    def test_are_seen(self, store, change):
        cache = LRUStoreCache(store, max_size=100)
        cache["a"], list(cache), cache.listdir()
        change(cache)
        assert cache["a"] == b"new"
        assert sorted(cache) == sorted(store.root)
        assert cache.listdir() == MemoryStore(store.root).listdir()
        assert cache.nbytes == sum(len(value) for value in cache._values.values())

    def test_failed_ones_too(self, store):
        """The store may have changed before it failed."""

        class Failing(Counting):
            def __setitem__(self, key, value):
                super().__setitem__(key, value)
                raise OSError("afterwards")

        cache = LRUStoreCache(Failing(store.root), max_size=100)
        cache["a"]
        with pytest.raises(OSError, match="afterwards"):
            cache["a"] = b"new"
        assert cache["a"] == b"new"

    def test_what_was_read_before_a_change_is_not_kept(self, store):
        """A slow reader has the old value when another thread writes."""
        reading, written = threading.Event(), threading.Event()

        class Slow(MemoryStore):
            def __getitem__(self, key):
                value = super().__getitem__(key)
                if threading.current_thread() is not threading.main_thread():
                    reading.set()
                    assert written.wait(10)
                return value

        for read in (lambda cache: cache["a"], lambda cache: cache.getitems(["a"])):
            reading.clear(), written.clear()
            cache = LRUStoreCache(Slow({"a": b"old"}), max_size=100)
            thread = threading.Thread(target=read, args=(cache,))
            thread.start()
            assert reading.wait(10)
            cache["a"] = b"new"
            written.set()
            thread.join()
            assert cache["a"] == b"new"

    def test_in_many_threads(self):
        cache = LRUStoreCache(MemoryStore(), max_size=50)
        lock = threading.Lock()
        latest = dict.fromkeys("abcdefgh", 0)
        cache.setitems(dict.fromkeys(latest, b"0"))
        failures = []

        def work(n):
            rng = np.random.default_rng(n)
            for _ in range(500):
                key = "abcdefgh"[rng.integers(8)]
                if rng.integers(3):
                    before = latest[key]
                    if int(cache[key]) < before:
                        failures.append(key)
                else:
                    with lock:
                        cache[key] = b"%d" % (latest[key] + 1)
                        latest[key] += 1

        threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert {key: int(cache[key]) for key in latest} == latest
        assert cache.nbytes == sum(len(value) for value in cache._values.values()) <= 50

    def test_behind_it_are_seen_after_invalidate(self, store):
        cache = LRUStoreCache(store, max_size=100)
        cache["a"], list(cache), cache.listdir(), len(cache)
        store["a"] = b"new"
        store["x"] = b"new"
        assert cache["a"] == b"1" * 10
        assert "x" not in list(cache)
        cache.invalidate_values()
        assert cache["a"] == b"new"
        assert "x" not in list(cache)
        cache.invalidate_keys()
        assert "x" in list(cache)
        assert "x" in cache.listdir()
        store["a"] = b"newer"
        cache.invalidate()
        assert cache["a"] == b"newer"


def test_keys_are_listed_once(store):
    cache = LRUStoreCache(store, max_size=100)
    for _ in range(3):
        assert sorted(cache) == sorted(cache.keys()) == ["a", "b", "c/d"]
        assert (len(cache), "a" in cache, "x" in cache) == (3, True, False)
        assert (cache.listdir(), cache.listdir("c")) == (["a", "b", "c"], ["d"])
    assert [asked for asked in store.asked if not asked.startswith("listdir")].count("keys") <= 3
    assert store.asked.count("listdir ") == store.asked.count("listdir c") == 1


def test_failures_are_no_missing_keys(tmp_path):
    """Only KeyError is "no such key", also through the cache."""

    class Refusing(MemoryStore):
        def __getitem__(self, key):
            raise PermissionError(13, "refused", key)

        def __contains__(self, key):
            raise PermissionError(13, "refused", key)

    cache = LRUStoreCache(Refusing(), max_size=100)
    for act in (
        lambda: cache["a"],
        lambda: "a" in cache,
        lambda: cache.getitems(["a"]),
        lambda: cache.get("a"),
    ):
        with pytest.raises(PermissionError):
            act()
    assert cache._reading == {}


def test_is_what_its_store_is(tmp_path):
    store = DirectoryStore(tmp_path, dimension_separator="/", read_only=True)
    cache = LRUStoreCache(store, max_size=100)
    assert base.identity(cache) == base.identity(store)
    assert base.dimension_separator(cache) == "/"
    assert (cache.is_writeable(), cache.is_erasable()) == (False, False)
    assert base.access(cache)[0] == "mapping"


def test_a_pickle_has_no_values(tmp_path):
    cache = LRUStoreCache(DirectoryStore(tmp_path), max_size=None)
    cache["a"] = os.urandom(100_000)
    cache["a"]
    data = pickle.dumps(cache)
    assert len(data) < 1000
    copy = pickle.loads(data)
    assert (copy, copy["a"], copy.misses) == (cache, cache["a"], 1)


def test_arrays(store):
    inner = Counting()
    data = np.arange(1000).reshape(10, 100)
    zarrc.array(data, chunks=(5, 10), store=inner)
    cache = LRUStoreCache(KVStore(inner), max_size=2**20)
    array = zarrc.open_array(cache)
    inner.asked.clear()
    np.testing.assert_array_equal(array[...], data)
    assert len(inner.asked) == 20
    np.testing.assert_array_equal(array[...], data)
    assert len(inner.asked) == 20
    array[0] = 7
    np.testing.assert_array_equal(array[0], np.full(100, 7))
    assert zarrc.open_array(inner)[0, 0] == 7


def test_what_is_written_is_kept():
    store = Counting()
    cache = LRUStoreCache(store, max_size=None)
    cache["a"] = b"1"
    assert (cache["a"], store.asked, cache.hits, cache.misses) == (b"1", [], 1, 0)
    store["a"] = b"2"
    cache.invalidate()
    assert (cache["a"], store.asked) == (b"2", ["a"])


def test_of_writers_of_one_key_none_leaves_another_value_than_the_store_has():
    store = MemoryStore()
    cache = LRUStoreCache(store, max_size=None)

    def write(k):
        for n in range(300):
            cache["a"] = b"%d-%d" % (k, n)

    threads = [threading.Thread(target=write, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cache["a"] == store["a"]
