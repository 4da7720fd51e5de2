"""The store in DBM databases, with every kind of them that can be had."""

from __future__ import annotations

import errno
import os
import pickle
import stat
import sys
from contextlib import suppress

import dbm_kinds
import numpy as np
import processes
import pytest

import zarrc
from zarrc.errors import ReadOnlyError
from zarrc.storage import DBMStore
from zarrc.testing import StoreTests


@pytest.fixture(params=dbm_kinds.KINDS)
def kind(request):
    return dbm_kinds.opener(request.param)


class OfAKind(StoreTests):
    n_many = 300
    n_bulk = 3000
    kind_name = ""

    @pytest.fixture(autouse=True)
    def _opener(self):
        self.opener = dbm_kinds.opener(self.kind_name)

    def create_store(self, tmp_path):
        return DBMStore(f"{tmp_path}.db", open=self.opener)

    def reopen_store(self, store, tmp_path):
        return DBMStore(store.path, open=self.opener)

    def read_only_store(self, store, tmp_path):
        return DBMStore(store.path, "r", open=self.opener)

    def raw_get(self, store, key):
        return store._database._db[key.encode()]

    def raw_set(self, store, key, value):
        store._database._db[key.encode()] = value


class TestDumb(OfAKind):
    kind_name = "dumb"


class TestGnu(OfAKind):
    kind_name = "gnu"
    pickles_to_processes = False  # one process has the database


class TestNdbm(OfAKind):
    kind_name = "ndbm"
    keeps_empty_values = False
    pickles_to_processes = False  # the other Python may have no such module


class TestBerkeleyTree(OfAKind):
    kind_name = "berkeleydb-btree"


class TestBerkeleyHash(OfAKind):
    kind_name = "berkeleydb-hash"


class TestDefault(OfAKind):
    """`dbm.open` takes the kind that the file is of."""

    kind_name = "dumb"
    pickles_to_processes = False  # the other Python may have other kinds

    def create_store(self, tmp_path):
        return DBMStore(f"{tmp_path}.db", write_lock=True)

    def reopen_store(self, store, tmp_path):
        return DBMStore(store.path)

    def read_only_store(self, store, tmp_path):
        return DBMStore(store.path, "r")


@pytest.fixture
def store(tmp_path, kind):
    with DBMStore(tmp_path / "data.db", open=kind) as store:
        yield store


def test_flush_puts_it_into_the_file(store, tmp_path):
    store["a"] = b"1"
    store.flush()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) > 0
    store["b"] = b"2"
    assert dict(store) == {"a": b"1", "b": b"2"}


def test_end_of_the_program(tmp_path):
    code = (
        "import dbm.dumb, sys, zarrc\n"
        "store = zarrc.DBMStore(sys.argv[1], open=dbm.dumb.open)\n"
        "zarrc.zeros(100, chunks=10, store=store)[...] = 42"
    )
    processes.run(code, tmp_path / "x.db")
    import dbm.dumb

    with DBMStore(tmp_path / "x.db", "r", open=dbm.dumb.open) as store:
        assert (zarrc.open_array(store, mode="r")[...] == 42).all()


def test_flags(tmp_path, kind):
    path = tmp_path / "x.db"
    for flag in ("r", "w"):
        with pytest.raises(OSError):
            DBMStore(path, flag, open=kind)
    with DBMStore(path, "n", open=kind) as store:
        store["a"] = b"1"
    with DBMStore(path, "w", open=kind) as store:
        store["b"] = b"2"
        assert len(store) == 2
    with DBMStore(path, "n", open=kind) as store:
        assert list(store) == []
    with pytest.raises(ValueError, match="flag"):
        DBMStore(path, "x", open=kind)


def test_mode_of_the_file(tmp_path):
    with DBMStore(tmp_path / "x.db", mode=0o600, open=dbm_kinds.opener("dumb")) as store:
        store["a"] = b"1"
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_stores_of_one_path_share_it(store):
    store["a"] = b"1"
    copy = pickle.loads(pickle.dumps(store))
    copy["b"] = b"2"
    assert store["b"] == b"2"
    copy.close()
    store["c"] = b"3"
    assert len(store) == 3


def test_reader_and_writer_share_it(tmp_path, kind):
    with DBMStore(tmp_path / "x.db", open=kind) as store:
        store["a"] = b"1"
    reader = DBMStore(tmp_path / "x.db", "r", open=kind)
    with DBMStore(tmp_path / "x.db", open=kind) as writer:
        writer["b"] = b"2"
        assert reader["b"] == b"2"
        with pytest.raises(ReadOnlyError):
            reader["c"] = b"3"
    reader.close()


def test_pickle_of_a_new_database_does_not_make_it_anew(tmp_path):
    store = DBMStore(tmp_path / "x.db", "n", open=dbm_kinds.opener("dumb"))
    store["a"] = b"1"
    data = pickle.dumps(store)
    store.close()
    with pickle.loads(data) as copy:
        assert copy["a"] == b"1"


def test_locked_by_another_process(tmp_path):
    opener = dbm_kinds.opener("gnu")
    with DBMStore(tmp_path / "x.db", open=opener) as store:
        store["a"] = b"1"

        def work():
            with pytest.raises(OSError, match="another process") as caught:
                DBMStore(store.path, open=opener)
            assert caught.value.filename == store.path

        processes.fork(work)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_children_are_refused(store):
    store["a"] = b"1"

    def work():
        for act in (lambda: store["a"], lambda: store.__setitem__("b", b"2"), lambda: list(store)):
            with pytest.raises(ReadOnlyError, match="parent"):
                act()
        store.close()

    processes.fork(work)
    store["b"] = b"2"
    assert dict(store) == {"a": b"1", "b": b"2"}


class TestFailures:
    """None of them looks like a missing key."""

    def test_no_directory(self, tmp_path, kind):
        with pytest.raises(OSError):
            DBMStore(tmp_path / "no" / "x.db", open=kind)

    def test_truncated_dumb(self, tmp_path):
        opener = dbm_kinds.opener("dumb")
        with DBMStore(tmp_path / "x.db", open=opener) as store:
            store["a"] = os.urandom(10_000)
        (tmp_path / "x.db.dir").write_bytes(b"nonsense")
        with pytest.raises(Exception) as caught:
            DBMStore(tmp_path / "x.db", open=opener)
        assert not isinstance(caught.value, KeyError)

    @pytest.mark.parametrize("name", ["gnu", "berkeleydb-btree"])
    def test_another_kind_of_file(self, tmp_path, name):
        (tmp_path / "x.db").write_bytes(b"something else" * 1000)
        with pytest.raises(OSError):
            DBMStore(tmp_path / "x.db", open=dbm_kinds.opener(name))

    @pytest.mark.parametrize("name", ["gnu", "ndbm", "berkeleydb-btree", "berkeleydb-hash"])
    def test_truncated(self, tmp_path, name):
        opener = dbm_kinds.opener(name)
        if name == "ndbm" and sys.modules["_dbm"].library == "GNU gdbm":
            pytest.skip(
                "Python's dbm.ndbm does not ask GNU's whether a read failed: it says that there is no key"
            )
        with DBMStore(tmp_path / "x.db", open=opener) as store:
            store.setitems({f"{i}": os.urandom(10_000) for i in range(100)})
        (path,) = tmp_path.glob("x.db*")
        os.truncate(path, 200_000)
        with pytest.raises(OSError):  # noqa: PT012
            store = DBMStore(tmp_path / "x.db", "r", open=opener)
            for i in range(100):
                store[f"{i}"]

    def test_really_full_disk(self, small_disk, kind):
        """What was there is found, or an error says that it may be lost."""
        store = DBMStore(small_disk / "x.db", open=kind)
        values = {f"{i}": os.urandom(900) for i in range(100)}
        store.setitems(values)
        store.flush()
        more = {f"{i}": os.urandom(900) for i in range(100, 10_000)}
        with pytest.raises(OSError, match="No space left") as caught:
            store.setitems(more)
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, store.path)
        with suppress(OSError):
            assert store.getitems(values) == values
        with suppress(OSError):
            store.close()

    def test_closed(self, tmp_path, kind):
        store = DBMStore(tmp_path / "x.db", open=kind)
        store.close()
        store.close()
        for act in (lambda: store["a"], lambda: "a" in store, lambda: list(store)):
            with pytest.raises(ValueError, match="closed"):
                act()

    def test_dumb_whose_values_are_cut(self, tmp_path):
        opener = dbm_kinds.opener("dumb")
        with DBMStore(tmp_path / "x.db", open=opener) as store:
            store["a"] = os.urandom(10_000)
            store["b"] = os.urandom(10_000)
        os.truncate(tmp_path / "x.db.dat", 5_000)
        with DBMStore(tmp_path / "x.db", "r", open=opener) as store:
            for key in ("a", "b"):
                with pytest.raises(OSError, match="truncated"):
                    store[key]

    def test_empty_values_in_ndbm(self, tmp_path):
        with DBMStore(tmp_path / "x.db", open=dbm_kinds.opener("ndbm")) as store:
            with pytest.raises(ValueError, match="empty"):
                store["a"] = b""
            assert "a" not in store

    def test_dbm_sqlite3(self, tmp_path, monkeypatch):
        import dbm

        monkeypatch.setattr(dbm, "whichdb", lambda path: "dbm.sqlite3")
        with pytest.raises(ValueError, match="SQLiteStore"):
            DBMStore(tmp_path / "x.db")


def test_arrays(store):
    data = np.arange(10_000).reshape(100, 100)
    root = zarrc.group(store=store, overwrite=True)
    root.zeros("foo/bar", shape=(100, 100), chunks=(10, 10), dtype="i8")[...] = data
    np.testing.assert_array_equal(root["foo/bar"][5:50], data[5:50])
