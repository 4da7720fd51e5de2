"""What the store in a SQLite database promises beyond the suite."""

from __future__ import annotations

import errno
import os
import pickle
import sqlite3
import threading

import numpy as np
import processes
import pytest

import zarrc
from zarrc.errors import PathNotFoundError
from zarrc.storage import SQLiteStore
from zarrc.testing import StoreTests


class TestSQLiteStore(StoreTests):
    process_safe = True

    def create_store(self, tmp_path):
        return SQLiteStore(f"{tmp_path}.sqlite")

    def reopen_store(self, store, tmp_path):
        return SQLiteStore(store.path)

    def read_only_store(self, store, tmp_path):
        return SQLiteStore(store.path, read_only=True)

    def raw_get(self, store, key):
        connection = sqlite3.connect(store.path)
        (value,) = connection.execute("SELECT v FROM zarr WHERE k = ?", (key,)).fetchone()
        connection.close()
        return value

    def raw_set(self, store, key, value):
        connection = sqlite3.connect(store.path)
        connection.execute("REPLACE INTO zarr VALUES (?, ?)", (key, value))
        connection.commit()
        connection.close()


class TestSQLiteStoreSynced(TestSQLiteStore):
    n_many = 20
    large_nbytes = 5_000_000

    def create_store(self, tmp_path):
        return SQLiteStore(f"{tmp_path}.sqlite", durability="fsync")


class TestInMemory(StoreTests):
    picklable = False

    def create_store(self, tmp_path):
        return SQLiteStore(":memory:")


@pytest.fixture
def store(tmp_path):
    with SQLiteStore(tmp_path / "data.sqlite") as store:
        yield store


def test_one_file_when_closed(tmp_path):
    with SQLiteStore(tmp_path / "data.sqlite") as store:
        store["a"] = b"1"
    assert os.listdir(tmp_path) == ["data.sqlite"]


def test_many_values_in_one_transaction(store):
    store["a"] = b"old"

    def values():
        yield "a", b"new"
        raise RuntimeError("stop")

    class Failing(dict):
        def items(self):
            return values()

    with pytest.raises(RuntimeError):
        store.setitems(Failing(a=1))
    with pytest.raises(TypeError):
        store.setitems({"a": b"new", "b": "text"})
    assert dict(store) == {"a": b"old"}


def test_a_failed_transaction_leaves_nothing(store):
    store["a"] = b"old"

    def fail(connection):
        connection.execute("DELETE FROM zarr")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        store._change(fail)
    assert dict(store) == {"a": b"old"}
    store["b"] = b"goes on"


@pytest.mark.parametrize("n_absent", [0, 300])
def test_getitems_are_of_one_moment(store, n_absent):
    """Two keys that are always written together are never seen apart, also where several statements find them."""
    keys = ["a", *(f"absent/{i}" for i in range(n_absent)), "b"]
    store.setitems({"a": b"0", "b": b"0"})
    done = threading.Event()

    def write():
        for i in range(200):
            store.setitems({"a": b"%d" % i, "b": b"%d" % i})
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        found = store.getitems(keys)
        assert found["a"] == found["b"]
    writer.join()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 127, 128, 129, 300, 1000])
def test_bulk_reads_give_each_key_once(store, n):
    values = {f"k{i}": b"%d" % i * (i % 7 * 5000) for i in range(n)}
    store.setitems(values)
    keys = [key for i in range(n) for key in (f"k{i}", f"absent{i}")]
    assert store.getitems([*keys, *keys]) == values
    found = store.transfers().getitems(keys)
    assert {key: bytes(value) for key, value in found.items()} == values
    assert store.getitems(["absent"]) == store.transfers().getitems(["absent"]) == {}


def test_children_are_found_by_leaps(store):
    """Listing a group does not look at the keys of its arrays."""
    values = {f"array/{i}/{j}": b"1" for i in range(50) for j in range(50)}
    store.setitems({**values, "array/.zarray": b"1", "b": b"1", "array.x/c": b"1", "arrayz": b"1"})
    assert store.listdir() == ["array", "array.x", "arrayz", "b"]
    assert store.listdir("array") == sorted([".zarray", *map(str, range(50))])
    steps = []
    connection = store._connections.take()
    connection.set_progress_handler(lambda: steps.append(1), 100)
    store._connections.give(connection)
    store.listdir()
    assert len(steps) < 20  # of a hundred instructions each


def test_surrogates_are_no_key(store):
    assert "\udcff" not in store
    with pytest.raises(ValueError):
        store["\udcff"] = b"1"


def test_processes_write_together(store):
    code = (
        "import sys; from zarrc.storage import SQLiteStore\n"
        "with SQLiteStore(sys.argv[1]) as store:\n"
        "    for i in range(100): store[f'{sys.argv[2]}/{i}'] = sys.argv[2].encode() * i"
    )
    running = [processes.start(code, store.path, n) for n in range(3)]
    for process in running:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert dict(store) == {f"{n}/{i}": b"%d" % n * i for n in range(3) for i in range(100)}


def test_a_killed_writer_leaves_what_was_there(store):
    store["a"] = b"old"
    code = (
        "import os, sys; from zarrc.storage import SQLiteStore\n"
        "store = SQLiteStore(sys.argv[1])\n"
        "connection = store._connections.take()\n"
        "connection.execute('BEGIN IMMEDIATE')\n"
        "connection.execute('REPLACE INTO zarr VALUES (?, ?)', ('a', b'new'))\n"
        "os.kill(os.getpid(), 9)"
    )
    process = processes.start(code, store.path)
    process.communicate(timeout=60)
    assert process.returncode == -9
    assert store["a"] == b"old"
    store["a"] = b"newer"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_children_open_their_own(store):
    store["a"] = b"1"

    def work():
        assert store["a"] == b"1"
        store["b"] = b"2"
        assert store._connections._pid == os.getpid()

    processes.fork(work)
    assert store["b"] == b"2"


def test_databases_of_zarr_2_have_the_same_table(tmp_path):
    connection = sqlite3.connect(tmp_path / "old.sqldb")
    connection.execute("CREATE TABLE zarr(k TEXT PRIMARY KEY, v BLOB)")
    connection.execute("INSERT INTO zarr VALUES ('a/b', x'0102')")
    connection.commit()
    connection.close()
    with SQLiteStore(tmp_path / "old.sqldb") as store:
        assert dict(store) == {"a/b": b"\1\2"}


class TestWhatCannotBeOpened:
    def test_nothing_there(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="no such database"):
            SQLiteStore(tmp_path / "x.sqlite", read_only=True)
        with pytest.raises(FileNotFoundError, match="no such directory"):
            SQLiteStore(tmp_path / "x" / "y.sqlite")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("read_only", [False, True])
    def test_a_directory(self, tmp_path, read_only):
        with pytest.raises(IsADirectoryError):
            SQLiteStore(tmp_path, read_only=read_only)

    @pytest.mark.parametrize("read_only", [False, True])
    def test_another_kind_of_file(self, tmp_path, read_only):
        (tmp_path / "x.sqlite").write_bytes(b"something else" * 1000)
        with pytest.raises(ValueError, match="not a SQLite database"):
            SQLiteStore(tmp_path / "x.sqlite", read_only=read_only)

    def test_another_database(self, tmp_path):
        connection = sqlite3.connect(tmp_path / "x.sqlite")
        connection.execute("CREATE TABLE other(a)")
        connection.close()
        with pytest.raises(ValueError, match="no table"):
            SQLiteStore(tmp_path / "x.sqlite", read_only=True)

    @pytest.mark.parametrize("durability", ["", "sync", None])
    def test_unknown_durability(self, tmp_path, durability):
        with pytest.raises(ValueError):
            SQLiteStore(tmp_path / "x.sqlite", durability=durability)


class TestFailures:
    """None of them looks like a missing key."""

    def test_locked(self, tmp_path):
        with SQLiteStore(tmp_path / "x.sqlite", timeout=0.05) as store:
            store["a"] = b"1"
            other = sqlite3.connect(store.path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            for change in (
                lambda: store.__setitem__("a", b"2"),
                lambda: store.setitems({"a": b"2"}),
                lambda: store.__delitem__("b"),
                lambda: store.rmdir(),
            ):
                with pytest.raises(TimeoutError, match="locked"):
                    change()
            assert store["a"] == b"1"
            other.execute("ROLLBACK")
            other.close()
            store["a"] = b"2"

    def test_truncated(self, tmp_path):
        with SQLiteStore(tmp_path / "x.sqlite") as store:
            store["a"] = os.urandom(1_000_000)
        os.truncate(tmp_path / "x.sqlite", 500_000)
        with pytest.raises(OSError, match="malformed"), SQLiteStore(tmp_path / "x.sqlite") as store:
            store["a"]

    def test_truncated_while_open(self, tmp_path):
        code = (
            "import os, sys; from zarrc.storage import SQLiteStore\n"
            "store = SQLiteStore(sys.argv[1])\n"
            "store['a'] = os.urandom(1_000_000); store.flush(); store['a']\n"
            "os.truncate(store.path, 500_000)\n"
            "try: store['a']\n"
            "except OSError as e: print(type(e).__name__)\n"
            "os._exit(0)"
        )
        assert processes.run(code, tmp_path / "x.sqlite") == "OSError"

    def test_shrunk_by_another_process(self, store):
        store.setitems({f"{i}": os.urandom(100_000) for i in range(20)})
        store.rmdir()
        store["a"] = bytes(100_000)
        store.flush()
        before = os.path.getsize(store.path)
        code = (
            "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
            "c.execute('VACUUM'); c.execute('PRAGMA wal_checkpoint(TRUNCATE)'); c.close()"
        )
        processes.run(code, store.path)
        assert os.path.getsize(store.path) < before / 2
        assert store["a"] == bytes(100_000)
        store["b"] = b"2"
        assert dict(store) == {"a": bytes(100_000), "b": b"2"}

    def test_full(self, store):
        connection = store._connections.take()
        connection.execute("PRAGMA max_page_count = 10")
        store._connections.give(connection)
        with pytest.raises(OSError, match="full") as caught:
            store["a"] = bytes(10_000_000)
        assert caught.value.errno == 28
        assert list(store) == []

    def test_really_full_disk(self, small_disk):
        with SQLiteStore(small_disk / "x.sqlite") as store:
            store["a"] = b"1"
            with pytest.raises(OSError, match="full") as caught:
                store["b"] = bytes(10_000_000)
            assert caught.value.errno == errno.ENOSPC
            assert dict(store) == {"a": b"1"}

    def test_too_large(self, store):
        connection = store._connections.take()
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1000)
        store._connections.give(connection)
        with pytest.raises(ValueError, match="too large"):
            store["a"] = bytes(2000)

    def test_closed(self, tmp_path):
        store = SQLiteStore(tmp_path / "x.sqlite")
        store.close()
        store.close()
        for act in (lambda: store["a"], lambda: "a" in store, lambda: list(store), lambda: store.listdir()):
            with pytest.raises(ValueError, match="closed"):
                act()

    def test_memory_cannot_be_pickled(self):
        with SQLiteStore(":memory:") as store, pytest.raises(pickle.PicklingError):
            pickle.dumps(store)


def test_open_by_suffix(tmp_path):
    path = tmp_path / "x.sqlite"
    for mode in ("r", "r+"):
        with pytest.raises(PathNotFoundError):
            zarrc.open(path, mode=mode)
    array = zarrc.open(path, mode="w", shape=(100, 100), chunks=(10, 10), dtype="i4")
    assert type(array.store) is SQLiteStore
    array[...] = np.arange(10_000).reshape(100, 100)
    array.store.close()
    again = zarrc.open(os.fspath(path), mode="r")
    assert again.store.read_only
    np.testing.assert_array_equal(again[...], np.arange(10_000).reshape(100, 100))
    again.store.close()
    with zarrc.open(tmp_path / "x.sqldb", mode="a").store as store:
        assert list(store) == [".zgroup"]


def test_arrays_from_many_threads(store):
    array = zarrc.zeros((64, 64), chunks=(8, 8), dtype="i4", store=store)

    def write(i):
        array[i::8] = i + 1

    threads = [threading.Thread(target=write, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(array[:, 0], np.tile(np.arange(8) + 1, 8))
