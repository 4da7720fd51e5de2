"""What the store in an LMDB database promises beyond the suite."""

from __future__ import annotations

import errno
import os
import pickle
import threading
import time

import numpy as np
import processes
import pytest
import services

import zarrc
from zarrc.errors import PathNotFoundError, ReadOnlyError
from zarrc.storage import KVStore, LMDBStore, base
from zarrc.storage import lmdb as room
from zarrc.testing import StoreTests

lmdb = services.module("lmdb")


class TestLMDBStore(StoreTests):
    process_safe = True

    def create_store(self, tmp_path):
        return LMDBStore(f"{tmp_path}.lmdb")

    def reopen_store(self, store, tmp_path):
        return type(store)(store.path)

    def read_only_store(self, store, tmp_path):
        return type(store)(store.path, read_only=True)

    def raw_get(self, store, key):
        with store._environment._handle.begin() as transaction:
            return transaction.get(key.encode())

    def raw_set(self, store, key, value):
        with store._environment._handle.begin(write=True) as transaction:
            transaction.put(key.encode(), value)


class TestSynced(TestLMDBStore):
    n_many = 20
    large_nbytes = 5_000_000

    def create_store(self, tmp_path):
        return LMDBStore(f"{tmp_path}.lmdb", durability="fsync")


class TestInOneFile(TestLMDBStore):
    """With a map that is small to begin with."""

    def create_store(self, tmp_path):
        return LMDBStore(f"{tmp_path}.mdb", buffers=False, subdir=False, map_size=1 << 15)

    def raw_set(self, store, key, value):
        store._environment._handle.set_mapsize(1 << 20)
        super().raw_set(store, key, value)


@pytest.fixture
def store(tmp_path):
    with LMDBStore(tmp_path / "data.lmdb") as store:
        yield store


@pytest.fixture
def small(tmp_path):
    """A store whose map is soon full."""
    with LMDBStore(tmp_path / "small.lmdb", map_size=1 << 16) as store:
        yield store


def test_long_keys(store):
    store["k" * 511] = b"1"
    for key in ("k" * 512, "é" * 256):
        with pytest.raises(ValueError, match="511 bytes"):
            store[key] = b"1"
        assert key not in store
    assert "\udcff" not in store
    with pytest.raises(ValueError, match="511 bytes"):
        store.setitems({"a": b"1", "k" * 512: b"2"})
    assert list(store) == ["k" * 511]


def test_directory_or_file(tmp_path):
    with LMDBStore(tmp_path / "a.lmdb") as store:
        store["x"] = b"1"
    assert sorted(os.listdir(tmp_path / "a.lmdb")) == ["data.mdb", "lock.mdb"]
    with LMDBStore(tmp_path / "b.lmdb", subdir=False) as store:
        store["x"] = b"1"
    with LMDBStore(tmp_path / "b.lmdb") as store:
        assert store["x"] == b"1"


class TestGrowth:
    def test_grows(self, small):
        values = {f"{i}": os.urandom(50_000) for i in range(20)}
        small.setitems(values)
        assert dict(small) == values
        small["large"] = bytes(5_000_000)
        assert len(small["large"]) == 5_000_000
        assert small._environment._handle.info()["map_size"] > 5_000_000

    def test_never_under_a_reader(self, small):
        small["a"] = b"1" * 1000
        buffers = small._getbuffers(["a"])
        size = small._environment._handle.info()["map_size"]
        done = threading.Event()
        writer = threading.Thread(target=lambda: (small.__setitem__("b", bytes(1_000_000)), done.set()))
        writer.start()
        assert not done.wait(0.2)
        assert small._environment._handle.info()["map_size"] == size
        assert bytes(buffers["a"]) == b"1" * 1000
        del buffers
        assert done.wait(30)
        writer.join()
        assert len(small["b"]) == 1_000_000

    def test_reader_that_reads_again_is_not_stuck(self, small, monkeypatch):
        small["a"] = b"1" * 1000
        monkeypatch.setattr(room, "_COURTESY", 0.05)
        buffers = small._getbuffers(["a"])
        writer = threading.Thread(target=lambda: small.__setitem__("b", bytes(1_000_000)))
        writer.start()
        time.sleep(0.1)
        assert small["a"] == bytes(buffers["a"])
        del buffers
        writer.join(30)
        assert len(small["b"]) == 1_000_000

    def test_gives_up_in_the_end(self, small, monkeypatch):
        monkeypatch.setattr(room, "_PATIENCE", 0.05)
        small["a"] = b"1"
        buffers = small._getbuffers(["a"])
        with pytest.raises(OSError, match="could not grow"):
            small["b"] = bytes(1_000_000)
        assert bytes(buffers["a"]) == b"1"
        del buffers
        small["b"] = bytes(1_000_000)

    def test_with_many_readers(self, small):
        stop = threading.Event()
        failures = []
        small["0"] = bytes(10_000)

        def read():
            while not stop.is_set():
                for key, value in small._getbuffers([f"{i}" for i in range(20)]).items():
                    if bytes(value) != bytes([int(key)]) * 10_000:
                        failures.append(key)
                del value  # or it would be kept while new ones are asked for
                time.sleep(0.001)

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        for i in range(20):
            small[f"{i}"] = bytes([i]) * 10_000
        stop.set()
        for thread in threads:
            thread.join()
        assert failures == []

    def test_another_process_grew_it(self, small):
        small["a"] = b"1"
        code = (
            "import sys; from zarrc.storage import LMDBStore\n"
            "with LMDBStore(sys.argv[1], map_size=1 << 24) as store: store['b'] = bytes(5_000_000)"
        )
        processes.run(code, small.path)
        assert len(small["b"]) == 5_000_000
        small["c"] = b"3"
        assert dict(small._getbuffers(["a", "c"])).keys() == {"a", "c"}


class TestBuffers:
    def test_are_lmdbs_own_memory(self, store):
        store.setitems({"a": b"1" * 100_000, "b": b""})
        found = store._getbuffers(["a", "x", "b"])
        assert {key: bytes(value) for key, value in found.items()} == {"a": b"1" * 100_000, "b": b""}
        again = store._getbuffers(["a"])
        places = [np.frombuffer(buffers["a"], np.uint8).ctypes.data for buffers in (found, again)]
        assert places[0] == places[1]
        assert memoryview(found["a"]).readonly

    def test_stay_what_they_are(self, store):
        store["a"] = b"old" * 1000
        view = memoryview(store._getbuffers(["a"])["a"])
        for i in range(50):
            store["a"] = b"%3d" % i * 1000
        assert bytes(view) == b"old" * 1000
        view.release()
        assert store._environment._n_reading == 0

    def test_outlive_the_store(self, tmp_path):
        store = LMDBStore(tmp_path / "x.lmdb")
        store["a"] = b"1" * 10_000
        buffers = store._getbuffers(["a"])
        environment = store._environment
        store.close()
        assert bytes(buffers["a"]) == b"1" * 10_000
        del buffers
        with pytest.raises(lmdb.Error):
            environment._handle.begin()

    def test_serve_transfers(self, store, monkeypatch):
        data = np.arange(100_000).reshape(100, 1000)
        zarrc.array(data, chunks=(10, 100), store=store, compressor=None)
        asked = []
        method = LMDBStore._getbuffers
        monkeypatch.setattr(
            LMDBStore, "_getbuffers", lambda self, keys: asked.append(1) or method(self, keys)
        )
        np.testing.assert_array_equal(zarrc.open_array(store)[...], data)
        assert asked
        wrapped = zarrc.open_array(KVStore(store))
        asked.clear()
        np.testing.assert_array_equal(wrapped[5:, 7:], data[5:, 7:])
        assert asked
        assert store._environment._n_reading == 0

    def test_users_get_bytes(self, store):
        store["a"] = b"1"
        assert (
            type(store["a"])
            is type(store.getitems(["a"])["a"])
            is type(base.getitems(store, ["a"])["a"])
            is bytes
        )


class TestProcesses:
    def test_write_together(self, store):
        code = (
            "import sys; from zarrc.storage import LMDBStore\n"
            "with LMDBStore(sys.argv[1]) as store:\n"
            "    for i in range(100): store[f'{sys.argv[2]}/{i}'] = sys.argv[2].encode() * i"
        )
        running = [processes.start(code, store.path, n) for n in range(3)]
        for process in running:
            _, err = process.communicate(timeout=120)
            assert process.returncode == 0, err
        assert dict(store) == {f"{n}/{i}": b"%d" % n * i for n in range(3) for i in range(100)}

    def test_a_killed_writer_leaves_what_was_there(self, store):
        store["a"] = b"old"
        code = (
            "import os, sys; from zarrc.storage import LMDBStore\n"
            "store = LMDBStore(sys.argv[1])\n"
            "def act(transaction):\n"
            "    transaction.put(b'a', b'new')\n"
            "    os.kill(os.getpid(), 9)\n"
            "store._change(act)"
        )
        process = processes.start(code, store.path)
        process.communicate(timeout=60)
        assert process.returncode == -9
        assert store["a"] == b"old"
        store["a"] = b"newer"
        assert store["a"] == b"newer"

    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_forked_children_read_only(self, store):
        store["a"] = b"1"
        buffers = store._getbuffers(["a"])

        def work():
            nonlocal buffers
            assert store["a"] == b"1"
            with pytest.raises(ReadOnlyError, match="spawn"):
                store["b"] = b"2"
            copy = pickle.loads(pickle.dumps(store))
            assert copy["a"] == b"1"
            copy.close()
            store.close()
            buffers = None

        processes.fork(work)
        for i in range(50):
            store["a"] = b"%d" % i
        assert bytes(buffers["a"]) == b"1"
        assert store["a"] == b"49"

    def test_end_of_the_program(self, tmp_path):
        code = (
            "import sys, zarrc\n"
            "store = zarrc.LMDBStore(sys.argv[1])\n"
            "zarrc.zeros(100, chunks=10, store=store)[...] = 42"
        )
        processes.run(code, tmp_path / "x.lmdb")
        with LMDBStore(tmp_path / "x.lmdb", read_only=True) as store:
            assert (zarrc.open_array(store)[...] == 42).all()


class TestFailures:
    """None of them looks like a missing key."""

    def test_nothing_there(self, tmp_path):
        for path in (tmp_path / "x.lmdb", tmp_path):
            with pytest.raises(FileNotFoundError):
                LMDBStore(path, read_only=True)
        with pytest.raises(FileNotFoundError):
            LMDBStore(tmp_path / "x" / "y.lmdb")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("read_only", [False, True])
    def test_another_kind_of_file(self, tmp_path, read_only):
        (tmp_path / "x.lmdb").write_bytes(b"something else" * 1000)
        with pytest.raises(ValueError, match="not an LMDB database"):
            LMDBStore(tmp_path / "x.lmdb", read_only=read_only)

    def test_empty_file(self, tmp_path):
        (tmp_path / "x.lmdb").touch()
        with pytest.raises(ValueError, match="is empty"):
            LMDBStore(tmp_path / "x.lmdb", read_only=True)
        with LMDBStore(tmp_path / "x.lmdb") as store:
            store["a"] = b"1"

    def test_truncated(self, tmp_path):
        with LMDBStore(tmp_path / "x.lmdb") as store:
            store["a"] = bytes(1_000_000)
        os.truncate(tmp_path / "x.lmdb" / "data.mdb", 100_000)
        with pytest.raises(OSError, match="truncated"):
            LMDBStore(tmp_path / "x.lmdb")

    def test_full_disk(self, tmp_path):
        code = (
            "import resource, signal, sys; from zarrc.storage import LMDBStore\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "store = LMDBStore(sys.argv[1]); store['a'] = b'1'\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
            "try: store['b'] = bytes(2_000_000)\n"
            "except OSError as e: print(e.errno)\n"
            "store['c'] = b'3'; assert dict(store) == {'a': b'1', 'c': b'3'}"
        )
        assert processes.run(code, tmp_path / "x.lmdb") in (str(errno.EFBIG), str(errno.EIO))

    def test_really_full_disk(self, small_disk):
        with LMDBStore(small_disk / "x.lmdb") as store:
            store["a"] = b"1"
            with pytest.raises(OSError, match="full") as caught:
                store["b"] = bytes(10_000_000)
            assert caught.value.errno == errno.ENOSPC
            assert dict(store) == {"a": b"1"}
            store["c"] = b"3"

    def test_too_many_readers(self, tmp_path):
        with LMDBStore(tmp_path / "x.lmdb", max_readers=2) as store:
            store["a"] = b"1"
            kept = [store._getbuffers(["a"]) for _ in range(2)]
            with pytest.raises(OSError, match="too many readers"):
                store["a"]
            del kept
            assert store["a"] == b"1"

    def test_closed(self, tmp_path):
        store = LMDBStore(tmp_path / "x.lmdb")
        store.close()
        store.close()
        for act in (
            lambda: store["a"],
            lambda: "a" in store,
            lambda: store.listdir(),
            lambda: store.__setitem__("a", b"1"),
            lambda: store._getbuffers(["a"]),
        ):
            with pytest.raises(ValueError, match="closed"):
                act()

    def test_unknown_durability(self, tmp_path):
        with pytest.raises(ValueError):
            LMDBStore(tmp_path / "x.lmdb", durability="sync")


def test_stores_of_one_path_share_it(tmp_path):
    with LMDBStore(tmp_path / "x.lmdb") as store:
        store["a"] = b"1"
    reader = LMDBStore(tmp_path / "x.lmdb", read_only=True)
    with LMDBStore(tmp_path / "x.lmdb") as writer:
        writer["b"] = b"2"
        assert reader["b"] == b"2"
        with pytest.raises(ReadOnlyError):
            reader["c"] = b"3"
    assert reader["b"] == b"2"
    reader.close()


def test_children_are_found_by_leaps(store):
    store.setitems({f"array/{i}/{j}": b"1" for i in range(50) for j in range(50)})
    store.setitems({"array/.zarray": b"1", "b": b"1", "array.x/c": b"1", "arrayz": b"1"})
    assert store.listdir() == ["array", "array.x", "arrayz", "b"]
    assert store.listdir("array") == sorted([".zarray", *map(str, range(50))])


def test_open_by_suffix(tmp_path):
    for name in ("x.lmdb", "x.mdb"):
        path = tmp_path / name
        with pytest.raises(PathNotFoundError):
            zarrc.open(path, mode="r")
        array = zarrc.open(path, mode="w", shape=(100,), chunks=(10,), dtype="i4")
        assert type(array.store) is LMDBStore
        array[...] = np.arange(100)
        array.store.close()
        again = zarrc.open(path, mode="r")
        assert again.store.read_only
        np.testing.assert_array_equal(again[...], np.arange(100))
        again.store.close()
