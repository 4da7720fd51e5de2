"""Decoded chunks that are kept: found again, counted, bounded, and never stale."""

from __future__ import annotations

import gc
import os
import pickle
import sys
import threading
import time
from collections import UserDict

import numpy as np
import processes
import pytest
from numcodecs.abc import Codec
from numcodecs.registry import register_codec

import zarrc
from zarrc.storage import base

MB = 1 << 20


def lmdb_store(path):
    pytest.importorskip("lmdb")
    return zarrc.LMDBStore(path / "x.lmdb")


def dumb(path):
    import dbm.dumb

    return zarrc.DBMStore(path / "x.db", open=dbm.dumb.open)


class Named(zarrc.KVStore):
    """A store as those behind a network are: it has a name, and nothing but our own writes tells of changes."""

    def __init__(self, name):
        super().__init__(UserDict())
        self._name = f"named:{name}"
        self.n_read = 0

    def identity(self):
        return self._name

    def token(self, key):
        return b""


STORES = {
    "dict": lambda path: {},
    "KVStore": lambda path: zarrc.KVStore({}),
    "KVStore of a UserDict": lambda path: zarrc.KVStore(UserDict()),
    "MemoryStore": lambda path: zarrc.MemoryStore(),
    "DirectoryStore": zarrc.DirectoryStore,
    "NestedDirectoryStore": zarrc.NestedDirectoryStore,
    "KVStore of a DirectoryStore": lambda path: zarrc.KVStore(zarrc.DirectoryStore(path)),
    "ZipStore": lambda path: zarrc.ZipStore(path / "x.zip"),
    "SQLiteStore": lambda path: zarrc.SQLiteStore(path / "x.sqlite"),
    "SQLiteStore in memory": lambda path: zarrc.SQLiteStore(":memory:"),
    "LMDBStore": lmdb_store,
    "DBMStore": dumb,
    "LRUStoreCache": lambda path: zarrc.LRUStoreCache(zarrc.DirectoryStore(path), 2**20),
    "N5Store": lambda path: zarrc.N5Store(path),
    "behind a network": Named,
}

pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")


@pytest.fixture(params=list(STORES))
def store(request, tmp_path):
    store = STORES[request.param](tmp_path)
    yield store
    if hasattr(store, "close"):
        store.close()


def settle(store):
    """Wait until the times of files tell further changes."""
    inner = getattr(store, "_mutable_mapping", getattr(store, "_store", getattr(store, "_inner", store)))
    if isinstance(inner, zarrc.DirectoryStore):
        time.sleep(0.03)


def make(store, path="a", cache=MB, **options):
    given = {"shape": (100, 100), "chunks": (30, 40), "dtype": "i4", "fill_value": 0, **options}
    return zarrc.create(store=store, path=path, chunk_cache=cache, overwrite=True, **given)


def warm(z):
    """Read all of an array until nothing more is decoded."""
    settle(z.chunk_store)
    z[:]
    return z[:]


# ------------------------------------------------------------------ found again


@pytest.fixture
def values():
    return np.arange(10_000, dtype="i4").reshape(100, 100)


def test_is_found_again(store, values):
    z = make(store)
    z[:] = values
    settle(store)
    assert (z[:] == values).all()
    assert (z.chunk_cache.hits, len(z.chunk_cache)) == (0, 12)
    assert z.chunk_cache.nbytes == 12 * 30 * 40 * 4
    for _ in range(2):
        assert (z[:] == values).all()
        assert z[7, 11] == values[7, 11]
    assert z.chunk_cache.hits == 2 * 13
    assert z.chunk_cache.misses == 12


SELECTIONS = [
    np.s_[:],
    np.s_[::-3, 5:80:7],
    np.s_[3, ...],
    np.s_[29:31, 39:41],
    np.s_[99, 99],
    np.s_[[3, 1, 99, 1]],
    np.s_[[3, 1, 99, 1], [0, 5, 5, 98]],
    np.s_[np.arange(10_000).reshape(100, 100) % 7 == 0],
]


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compressor", ["default", None])
@pytest.mark.parametrize("kind", ["dict", "DirectoryStore", "SQLiteStore"])
def test_every_selection(kind, compressor, order, tmp_path, values):
    store = STORES[kind](tmp_path)
    z = make(store, order=order, compressor=compressor, cache=4 * 30 * 40 * 4)
    z[:] = values
    settle(store)
    for _ in range(2):
        for selection in SELECTIONS:
            np.testing.assert_array_equal(z[selection], values[selection])
    out = np.empty((100, 100), "i4", order="F")
    np.testing.assert_array_equal(z.get_basic_selection(out=out), values)
    if kind != "dict" or compressor:
        assert z.chunk_cache.hits > 0


def test_fields_share_chunks(tmp_path):
    records = np.zeros(20, [("a", "i2"), ("b", "f8"), ("c", "S3")])
    records["a"], records["b"], records["c"] = np.arange(20), np.arange(20) / 3, b"xyz"
    z = make({}, shape=20, chunks=8, dtype=records.dtype)
    z[:] = records
    assert (z["b"] == records["b"]).all()
    assert (z["c", "a"] == records[["c", "a"]]).all()
    assert (z[:] == records).all()
    assert (z.chunk_cache.misses, z.chunk_cache.hits) == (3, 6)
    z["a", 3:5] = 7
    records["a"][3:5] = 7
    assert (z[:] == records).all()


def test_absent_chunks(store):
    z = make(store)
    z[:30, :40] = 5
    settle(store)
    for _ in range(2):
        assert z[:].sum() == 5 * 30 * 40
    z[99, 99] = 1
    assert z[99, 99] == 1
    strict = make(store, path="b").with_config({"fill_missing_chunks": False})
    for _ in range(2):
        with pytest.raises(zarrc.errors.ChunkNotFoundError):
            strict[:]


def test_objects_are_not_kept():
    z = make({}, dtype=str, fill_value="")
    z[0, :3] = ["a", "b", "c"]
    for _ in range(3):
        assert list(z[0, :3]) == ["a", "b", "c"]
    assert len(z.chunk_cache) == 0


def test_a_damaged_chunk_is_not_kept(tmp_path):
    z = make(str(tmp_path / "x"))
    z[:] = 1
    path = tmp_path / "x" / "a" / "0.0"
    path.write_bytes(path.read_bytes()[:-5])
    settle(z.store)
    for _ in range(3):
        with pytest.raises(zarrc.errors.CodecError):
            z[0, 0]
    assert (len(z.chunk_cache), z[99, 99]) == (0, 1)


def make_sharded(store, **options):
    given = {"shape": (100, 100), "chunks": (10, 10), "shards": (50, 30), "dtype": "i4", "chunk_cache": MB}
    return zarrc.create_array(store, **{**given, **options})


@pytest.mark.parametrize("kind", ["dict", "DirectoryStore", "SQLiteStore"])
def test_inner_chunks_of_shards(kind, tmp_path, values):
    """Those of shard files are kept; others are read as ever."""
    store = STORES[kind](tmp_path)
    z = make_sharded(store)
    other = zarrc.open_array(store, mode="r+")
    z[:] = values
    settle(store)
    for _ in range(2):
        for selection in SELECTIONS:
            np.testing.assert_array_equal(z[selection], values[selection])
    if kind == "DirectoryStore":
        assert len(z.chunk_cache) == 100
        assert z.chunk_cache.misses == 100
    other[35, 35] = 0
    values[35, 35] = 0
    assert (z[:] == values).all()
    z.resize(60, 60)
    z.resize(100, 100)
    assert z[99, 99] == 0
    settle(store)
    assert z[59, 59] == z[59, 59] == values[59, 59]


# ---------------------------------------------------------------- counted, bounded


def test_the_ones_used_last_are_kept():
    z = make({}, shape=8, chunks=1000, dtype="i1")
    z = make({}, shape=8000, chunks=1000, dtype="i1", cache=3000)
    z[:] = 1
    for i in (0, 1, 2):
        z[1000 * i]
    z[0]
    z[3000]  # drops chunk 1
    cache = z.chunk_cache
    assert (len(cache), cache.nbytes, cache.hits, cache.misses) == (3, 3000, 1, 4)
    z[0], z[2000], z[3000]
    assert (cache.hits, cache.misses) == (4, 4)
    z[1000]
    assert cache.misses == 5


def test_never_more_bytes_than_allowed(store, values):
    cache = zarrc.ChunkCache(10_000)
    z = make(store, cache=cache)
    z[:] = values
    settle(store)
    for _ in range(3):
        assert (z[:] == values).all()
        assert cache.nbytes <= 10_000
    assert len(cache) == 2


def test_small_chunks_count_with_what_it_takes_to_find_them():
    z = make({}, shape=1000, chunks=1, dtype="i1", cache=5120)
    z[:] = 1
    z[:]
    assert (len(z.chunk_cache), z.chunk_cache.nbytes) == (10, 5120)


def test_a_larger_chunk_is_never_kept(values):
    z = make({}, cache=30 * 40 * 4 - 1)
    z[:] = values
    assert (z[:] == values).all()
    assert (len(z.chunk_cache), z.chunk_cache.misses) == (0, 0)


def test_one_for_several_arrays(tmp_path, values):
    cache = zarrc.ChunkCache(MB)
    root = zarrc.group(str(tmp_path))
    a, b = (root.create_dataset(name, data=values, chunks=(50, 50), chunk_cache=cache) for name in "ab")
    b[:] = -values
    settle(a.store)
    for _ in range(2):
        assert (a[:] == values).all()
        assert (b[:] == -values).all()
    assert (cache.hits, cache.misses, len(cache)) == (8, 8, 8)
    again = zarrc.open_array(str(tmp_path), path="a", chunk_cache=cache)
    assert (again[:] == values).all()
    assert cache.hits == 12
    cache.clear()
    assert (len(cache), cache.nbytes) == (0, 0)


def test_the_process_may_have_one(values):
    with zarrc.config.set({"array.chunk_cache": 3 * MB}):
        z, other = make({}, cache=None), make({}, cache=None)
        none, own = make({}, cache=False), make({}, cache=MB)
    assert z.chunk_cache is other.chunk_cache
    assert z.chunk_cache.max_nbytes == 3 * MB
    assert none.chunk_cache is None
    assert own.chunk_cache is not z.chunk_cache
    assert make({}, cache=None).chunk_cache is None
    cache = zarrc.ChunkCache(5)
    with zarrc.config.set({"array.chunk_cache": cache}):
        assert zarrc.create_array({}, shape=3, dtype="i1").chunk_cache is cache
        root = zarrc.group()
        root.zeros("x", shape=3)
        assert root["x"].chunk_cache is cache


def test_one_for_a_group(tmp_path, values):
    zarrc.save_group(str(tmp_path), a=values, b=-values)
    root = zarrc.open_group(str(tmp_path), mode="a", chunk_cache=MB)
    new = root.zeros("below/c", shape=(10, 10))
    found = [root["a"], root["b"], root["below"]["c"], next(root.arrays())[1], new]
    assert {id(z.chunk_cache) for z in found} == {id(new.chunk_cache)}
    assert new.chunk_cache.max_nbytes == MB
    assert root.zeros("own", shape=3, chunk_cache=5).chunk_cache.max_nbytes == 5
    copy = pickle.loads(pickle.dumps(root))
    assert copy["a"].chunk_cache is copy["below/c"].chunk_cache is not new.chunk_cache
    with zarrc.config.set({"array.chunk_cache": 7}):
        assert zarrc.open_group(str(tmp_path))["a"].chunk_cache.max_nbytes == 7
        assert zarrc.open_group(str(tmp_path), chunk_cache=False)["a"].chunk_cache is None
    assert zarrc.open(str(tmp_path), mode="r", chunk_cache=5)["a"].chunk_cache.max_nbytes == 5


def test_where_it_can_be_asked_for():
    store = {}
    make(store, path="")
    assert zarrc.open_array(store, chunk_cache=5).chunk_cache.max_nbytes == 5
    assert zarrc.open(store, chunk_cache=5).chunk_cache.max_nbytes == 5
    assert zarrc.Array(store, chunk_cache=5).chunk_cache.max_nbytes == 5
    assert zarrc.create_array({}, shape=3, dtype="i1", chunk_cache=5).chunk_cache.max_nbytes == 5
    assert zarrc.create_array({}, shape=3, dtype="i1", config={"chunk_cache": 5}).chunk_cache.max_nbytes == 5
    z = zarrc.open_array(store).with_config({"chunk_cache": 7})
    assert z.with_config({"order": "F"}).chunk_cache is z.chunk_cache


@pytest.mark.parametrize(("given", "error"), [(-1, ValueError), ("1 GB", TypeError), (1.5, TypeError)])
def test_wrong_sizes(given, error):
    with pytest.raises(error):
        make({}, cache=given)


# ------------------------------------------------------------------- never stale


def all_equal(z, value):
    return bool((z[:] == value).all())


def test_writes_are_seen(store):
    z = make(store)
    z[:] = 1
    other = zarrc.open_array(store, path="a", mode="r+")
    for value in range(2, 6):
        warm(z)
        (other if value % 2 else z)[:] = value
        assert all_equal(z, value)
        warm(z)
        other[10, 10] = 0
        assert z[10, 10] == 0
        other[10, 10] = value
        assert all_equal(z, value)


def test_deletes_are_seen(store):
    z = make(store)
    z[:] = 1
    warm(z)
    base.delitems(store, ["a/0.0", "a/0/0"])
    assert (z[0, 0], z[99, 99]) == (0, 1)
    z[:] = 1
    warm(z)
    z.resize(30, 40)
    z.resize(100, 100)
    assert (z[0, 0], z[99, 99]) == (1, 0)
    z[:] = 1
    warm(z)
    base.rmdir(store, "a")
    again = make(store, cache=z.chunk_cache)
    assert all_equal(again, 0)
    assert all_equal(z, 0)


def test_renaming_is_seen(store):
    cache = zarrc.ChunkCache(MB)
    a, b = make(store, "a", cache), make(store, "b", cache)
    a[:], b[:] = 1, 2
    warm(a), warm(b)
    base.rename(store, "a", "c")
    base.rename(store, "b", "a")
    assert all_equal(zarrc.open_array(store, path="a", chunk_cache=cache), 2)
    assert all_equal(zarrc.open_array(store, path="c", chunk_cache=cache), 1)


def test_values_that_are_set_by_key_are_seen(store):
    """By those that have a way to know."""
    if isinstance(store, Named):
        pytest.skip("it says itself that it cannot tell")
    z = make(store)
    z[:] = 1
    value = bytes(store["a/0.0"]) if "a/0.0" in store else bytes(store["a/0/0"])
    key = "a/0.0" if "a/0.0" in store else "a/0/0"
    z[:] = 2
    warm(z)
    store[key] = value
    assert (z[0, 0], z[99, 99]) == (1, 2)
    warm(z)
    del store[key]
    assert z[0, 0] == 0
    z[:] = 3
    warm(z)
    if hasattr(store, "clear"):
        store.clear()
        assert all_equal(z, 0)


def test_another_array_of_that_name(store):
    cache = zarrc.ChunkCache(MB)
    z = make(store, cache=cache)
    z[:] = 1
    warm(z)
    other = make(store, cache=cache, dtype="f4")
    other[:] = 1
    assert warm(other).dtype == "f4"
    assert all_equal(other, 1)


def test_mutable_values_are_not_kept():
    data = {}
    z = make(data, compressor=None, filters=[zarrc.codecs.numcodecs.Delta(dtype="i4")], shape=10, chunks=10)
    z[:] = np.arange(10)
    data["a/0"] = bytearray(data["a/0"])
    assert (z[:] == np.arange(10)).all()
    data["a/0"][0] += 5
    assert (z[:] == np.arange(10) + 5).all()


def test_a_store_that_is_always_asked():
    class Counting(zarrc.MemoryStore):
        n_read = 0

        def __getitem__(self, key):
            self.n_read += key == "a/0.0"
            return super().__getitem__(key)

    store = Counting()
    z = make(store)
    z[:] = 1
    for n in range(1, 4):
        assert z[0, 0] == 1
        assert store.n_read == n
    assert z.chunk_cache.hits == 2


class TestFiles:
    def test_another_process_writes(self, tmp_path):
        z = make(str(tmp_path), path="")
        z[:] = 1
        warm(z)
        assert z.chunk_cache.hits > 0
        processes.run("import sys, zarrc; zarrc.open_array(sys.argv[1])[40, 40] = 7", tmp_path)
        assert z[40, 40] == 7
        processes.run("import os, sys; os.remove(sys.argv[1])", tmp_path / "0.0")
        assert z[0, 0] == 0

    def test_written_in_place_with_the_same_size_and_time(self, tmp_path):
        z = make(str(tmp_path), path="", compressor=None)
        z[:] = 1
        warm(z)
        path = tmp_path / "0.0"
        before = os.stat(path)
        with open(path, "r+b") as file:
            file.write(b"\2")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert z[0, 0] == 2

    def test_what_was_written_a_moment_ago_is_not_trusted(self, tmp_path):
        z = make(str(tmp_path), path="", compressor=None, shape=10, chunks=10)
        path = tmp_path / "0"
        z[:] = 0
        for value in range(1, 100):
            with open(path, "r+b") as file:  # the same file, many times within one tick
                file.write(value.to_bytes(4, "little"))
            assert z[0] == value

    def test_is_no_longer_kept_once_the_folder_is_another(self, tmp_path):
        for value in (1, 2):
            z = make(str(tmp_path / str(value)), path="", cache=None)
            z[:] = value
        os.symlink("1", tmp_path / "now")
        z = zarrc.open_array(str(tmp_path / "now"), chunk_cache=MB)
        assert (warm(z) == 1).all()
        os.remove(tmp_path / "now")
        os.symlink("2", tmp_path / "now")
        assert all_equal(z, 2)


@pytest.mark.parametrize("kind", ["SQLiteStore", "LMDBStore"])
def test_databases_tell_of_other_processes(kind, tmp_path):
    with STORES[kind](tmp_path) as store:
        z = make(store)
        z[:] = 1
        warm(z)
        hits = z.chunk_cache.hits
        code = f"import sys, zarrc; zarrc.open_array(zarrc.{kind}(sys.argv[1]), path='a')[40, 40] = 7"
        processes.run(code, store.path)
        assert z[40, 40] == 7
        assert z.chunk_cache.hits == hits


def test_a_database_that_is_opened_again(tmp_path):
    cache = zarrc.ChunkCache(MB)
    for value in range(3):
        with zarrc.SQLiteStore(tmp_path / "x.sqlite") as store:
            z = make(store, cache=cache)
            z[:] = value
            warm(z)
            assert all_equal(z, value)


# ------------------------------------------------------------------ at once


class Slow(Codec):
    """Decodes when it is told to."""

    codec_id = "slow_for_tests"
    waiting = threading.Event()
    go_on = threading.Event()
    is_slow = False

    def encode(self, buf):
        return bytes(buf)

    def decode(self, buf, out=None):
        if type(self).is_slow:
            self.waiting.set()
            assert self.go_on.wait(30)
        if out is None:
            return bytes(buf)
        out[:] = np.frombuffer(buf, "u1").view(out.dtype)
        return out


register_codec(Slow)


@pytest.mark.parametrize("kind", ["dict", "DirectoryStore", "SQLiteStore", "behind a network"])
def test_a_change_while_a_chunk_is_decoded(kind, tmp_path):
    store = STORES[kind](tmp_path)
    z = make(store, shape=10, chunks=10, compressor=Slow())
    z[:] = 1
    settle(store)
    found = []
    Slow.waiting.clear(), Slow.go_on.clear()
    Slow.is_slow = True
    reader = threading.Thread(target=lambda: found.append(z[:]))
    reader.start()
    try:
        assert Slow.waiting.wait(30)
        Slow.is_slow = False
        z[:] = 2
    finally:
        Slow.go_on.set()
        reader.join()
    assert (found[0] == 1).all()
    for _ in range(2):
        assert all_equal(z, 2)
        settle(store)


@pytest.mark.parametrize("cache", [MB, 3000])
@pytest.mark.parametrize("kind", ["dict", "DirectoryStore", "SQLiteStore", "ZipStore", "behind a network"])
def test_readers_and_writers(kind, cache, tmp_path):
    """What was written before a read began is what it finds, or something later."""
    store = STORES[kind](tmp_path)
    z = make(store, shape=800, chunks=100, dtype="i8", cache=cache)
    z[:] = 0
    written = [0] * 8
    failures = []
    done = threading.Event()

    def write(n):
        other = zarrc.open_array(store, path="a", mode="r+")
        for value in range(1, 100):
            other[100 * n : 100 * n + (100 if value % 2 else 99)] = value
            written[n] = value

    def read():
        while not done.is_set():
            for n in range(8):
                least = written[n]
                found = z[100 * n : 100 * n + 50]
                if not (found == found[0]).all() or found[0] < least:
                    failures.append((n, least, found))
                    return

    readers = [threading.Thread(target=read) for _ in range(3)]
    writers = [threading.Thread(target=write, args=(n,)) for n in range(0, 8, 2)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    assert not failures
    assert all(all_equal_at(z, n, 99) for n in range(0, 8, 2))
    assert z.chunk_cache.nbytes <= cache


def all_equal_at(z, n, value):
    return bool((z[100 * n : 100 * n + 99] == value).all())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_goes_on(tmp_path):
    z = make(str(tmp_path), path="")
    z[:] = 1
    warm(z)
    stop = threading.Event()

    def read():
        while not stop.is_set():
            z[:]

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()

    def work():
        assert z[0, 0] in (1, 2)
        z[:] = 2
        assert all_equal(z, 2)

    try:
        for _ in range(5):
            processes.fork(work)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert all_equal(z, 2)


# ------------------------------------------------------------------- its life


def test_a_pickle_has_the_size_alone(tmp_path):
    z = make(str(tmp_path))
    z[:] = 1
    warm(z)
    copy = pickle.loads(pickle.dumps(z))
    assert (copy.chunk_cache.max_nbytes, len(copy.chunk_cache)) == (MB, 0)
    assert all_equal(copy, 1)
    a, b = pickle.loads(pickle.dumps([z, make({}, cache=z.chunk_cache)]))
    assert a.chunk_cache is b.chunk_cache


def test_values_are_let_go():
    data = {}
    z = make(data, shape=10, chunks=10)
    z[:] = np.arange(10)
    value = data["a/0"]
    before = sys.getrefcount(value)
    z[:], z[:]
    assert (z.chunk_cache.hits, len(z.chunk_cache)) == (1, 1)
    assert sys.getrefcount(value) == before + 1
    z[:] = 5
    assert sys.getrefcount(value) == before - 1
    value = data["a/0"]
    z[:]
    del z
    gc.collect()
    assert sys.getrefcount(value) == 3


def test_what_it_prints():
    assert repr(zarrc.ChunkCache(10)) == (
        "<zarrc.ChunkCache of 10 bytes: 0 chunks, 0 bytes, 0 hits, 0 misses>"
    )
    assert zarrc.ChunkCache(0)
