"""Test suites for those who extend zarrc. They need pytest.

`StoreTests` is the contract of stores. A store of your own is tested by a subclass::

    from zarrc.testing import StoreTests

    class TestMyStore(StoreTests):
        def create_store(self, tmp_path):
            return MyStore(tmp_path / "data")

and by as many of the other hooks and flags as apply to it.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zarrc.errors import ReadOnlyError
from zarrc.storage import base
from zarrc.storage.base import Store

AnyStore = Any  # a MutableMapping of str to bytes, mostly a Store

# keys as both formats and their users have them
KEYS = (
    ".zgroup",
    ".zmetadata",
    "zarr.json",
    "foo/.zarray",
    "foo/.zattrs",
    "foo/0.0",
    "foo/10.3.7",
    "bar/zarr.json",
    "bar/c/0/1",
    "bar/c/10/0",
    "baz/0/0",
    "with space/x-y_z.1",
    "Grüße/日本/🦓",
    "...",
    "a..b/.hidden",
)

# what is no key: most of these would leave a directory, or name no file
BAD_KEYS = (
    "",
    "/",
    "/x",
    "x/",
    "a//b",
    ".",
    "..",
    "./x",
    "../x",
    "a/..",
    "a/../x",
    "a/../../x",
    "a/./x",
    "/etc/passwd",
    "a\\b",
    "..\\x",
    "x\0",
    "\0",
)


class StoreTests:
    """The contract of stores, as tests.

    Attributes
    ----------
    keys : sequence of str
        Keys of both formats that the store takes with any bytes. A view of another format, which knows what
        its documents say, leaves their names out.
    strict_keys : bool
        The store refuses what is no key. Only wrappers of mappings that are not zarrc's may leave it out.
    strict_values : bool
        The store keeps bytes, whatever buffer it is given, and refuses everything else.
    thread_safe : bool
        Threads may read, write and list at the same time.
    process_safe : bool
        Processes may write at the same time, each to a copy of the store that it has unpickled.
    picklable : bool
        The store can be pickled: a copy has the same contents.
    pickles_to_processes : bool
        Another Python process can load the pickle (it can import the store's class).
    keeps_empty_values : bool
        A value may have no bytes.
    keeps_forms : bool
        Keys that differ only in case or Unicode normal form are different.
    n_many : int
        How many are many keys, set one by one.
    n_bulk : int
        How many keys are set at once.
    large_nbytes : int
        Size of a large value.
    """

    keys: Sequence[str] = KEYS
    strict_keys = True
    strict_values = True
    thread_safe = True
    process_safe = False
    picklable = True
    pickles_to_processes = True
    keeps_empty_values = True
    keeps_forms = sys.platform == "linux"
    n_many = 1000
    n_bulk = 10_000
    large_nbytes = 100_000_000

    # Hooks

    def create_store(self, tmp_path: Path) -> AnyStore:
        """A new, empty store. What it keeps on disk is to be below ``tmp_path``."""
        raise NotImplementedError("a subclass of StoreTests defines create_store(self, tmp_path)")

    def reopen_store(self, store: AnyStore, tmp_path: Path) -> AnyStore:
        """The same data in a new store, after ``store`` was closed. For persistent stores."""
        pytest.skip("not persistent (reopen_store is not defined)")

    def read_only_store(self, store: AnyStore, tmp_path: Path) -> AnyStore:
        """A read-only store with the data of ``store``, which has been closed."""
        pytest.skip("cannot be read-only (read_only_store is not defined)")

    def raw_get(self, store: AnyStore, key: str) -> bytes:
        """The value of a key, read behind the store's back."""
        pytest.skip("no way behind the store (raw_get is not defined)")

    def raw_set(self, store: AnyStore, key: str, value: bytes) -> None:
        """Give a key its value behind the store's back."""
        pytest.skip("no way behind the store (raw_set is not defined)")

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[AnyStore]:
        store = self.create_store(tmp_path / "store")
        yield store
        _close(store)

    # The mapping

    def test_is_a_mapping(self, store: AnyStore) -> None:
        assert isinstance(store, MutableMapping)

    def test_starts_empty(self, store: AnyStore) -> None:
        assert (len(store), list(store), "foo" in store) == (0, [], False)
        assert _listdir(store) == []

    @pytest.mark.parametrize("key", KEYS)
    def test_set_get_delete(self, store: AnyStore, key: str) -> None:
        if key not in self.keys:
            pytest.skip("a document of the format that the store is a view of")
        store[key] = b"value"
        assert bytes(store[key]) == b"value"
        assert key in store
        assert (list(store), len(store)) == ([key], 1)
        del store[key]
        assert key not in store
        assert (list(store), len(store)) == ([], 0)
        with pytest.raises(KeyError):
            store[key]

    def test_overwrite(self, store: AnyStore) -> None:
        for value in (b"a longer value", b"short", b"", b"another"):
            if not value and not self.keeps_empty_values:
                continue
            store["foo"] = value
            assert bytes(store["foo"]) == value
        assert len(store) == 1

    def test_missing(self, store: AnyStore) -> None:
        store["foo/bar"] = b"1"
        for key in ("foo", "bar", "foo/ba", "foo/bar2", "foo/baz/qux"):
            assert key not in store
            assert store.get(key) is None
            with pytest.raises(KeyError):
                store[key]
            with pytest.raises(KeyError):
                del store[key]
        assert store.pop("bar", "nothing") == "nothing"

    def test_keys_values_items(self, store: AnyStore) -> None:
        values = _fill(store, *self.keys)
        assert sorted(store) == sorted(store.keys()) == sorted(values)
        assert sorted(bytes(value) for value in store.values()) == sorted(values.values())
        assert {key: bytes(value) for key, value in store.items()} == values
        assert len(store) == len(values)

    def test_mapping_methods(self, store: AnyStore) -> None:
        store.update({"a": b"1", "b": b"2"}, c=b"3")
        assert bytes(store.pop("a")) == b"1"
        assert bytes(store.setdefault("b", b"9")) == b"2"
        store.setdefault("d", b"4")
        key, value = store.popitem()
        assert (key, bytes(value)) in {("b", b"2"), ("c", b"3"), ("d", b"4")}
        assert key not in store
        store.clear()
        assert (len(store), list(store)) == (0, [])
        store["again"] = b"5"
        assert list(store) == ["again"]

    def test_many_keys(self, store: AnyStore) -> None:
        values = {f"array/{i // 100}.{i % 100}": f"chunk {i}".encode() for i in range(self.n_many)}
        for key, value in values.items():
            store[key] = value
        assert len(store) == self.n_many
        assert set(store) == set(values)
        assert len(_listdir(store, "array")) == self.n_many
        assert {key: bytes(store[key]) for key in values} == values

    def test_forms_of_keys(self, store: AnyStore) -> None:
        if not self.keeps_forms:
            pytest.skip("names that differ only in case or Unicode form are one here")
        keys = ["Foo", "foo", "FOO", "é", "e\u0301"]
        for key in keys:
            store[key] = key.encode()
        assert {key: bytes(store[key]) for key in store} == {key: key.encode() for key in keys}

    # Values

    @pytest.mark.parametrize("nbytes", [0, 1, 4095, 4096, 1 << 20, 20_000_003])
    def test_sizes(self, store: AnyStore, nbytes: int) -> None:
        if not nbytes and not self.keeps_empty_values:
            pytest.skip("cannot keep empty values")
        value = np.random.default_rng(nbytes).bytes(nbytes)
        store["foo/bar"] = value
        assert bytes(store["foo/bar"]) == value
        assert base.getsize(store, "foo/bar") == nbytes

    def test_large_value(self, store: AnyStore) -> None:
        value = np.random.default_rng(0).bytes(1_000_000) * (self.large_nbytes // 1_000_000) + b"end"
        store["foo/bar"] = value
        assert store["foo/bar"] == value
        assert base.get_partial(store, "foo/bar", -6) == value[-6:]
        assert base.get_partial(store, "foo/bar", len(value) // 2, 1000) == value[len(value) // 2 :][:1000]
        assert base.getsize_prefix(store, "foo") == len(value)

    @pytest.mark.parametrize(
        "value",
        [
            bytearray(b"12345678"),
            memoryview(b"12345678"),
            np.frombuffer(b"12345678", "u1"),
            np.frombuffer(b"12345678", ">i4"),
            np.frombuffer(b"12345678", "<M8[s]"),
            np.frombuffer(b"12345678", "u1").reshape(2, 4).T,
        ],
        ids=["bytearray", "memoryview", "array", "big-endian", "datetime", "fortran"],
    )
    def test_buffers(self, store: AnyStore, value: Any) -> None:
        if not self.strict_values:
            pytest.skip("keeps whatever it is given")
        store["foo"] = value
        assert store["foo"] == b"12345678"

    def test_empty_buffers(self, store: AnyStore) -> None:
        if not self.strict_values:
            pytest.skip("keeps whatever it is given")
        if not self.keeps_empty_values:
            pytest.skip("cannot keep empty values")
        for value in (bytearray(), memoryview(b""), np.empty((0, 3), "f8")):
            store["foo"] = value
            assert store["foo"] == b""

    @pytest.mark.parametrize("value", ["text", 5, None, np.array([{}], object), ["list"]], ids=repr)
    def test_refuses_other_values(self, store: AnyStore, value: Any) -> None:
        if not self.strict_values:
            pytest.skip("keeps whatever it is given")
        store["old"] = b"value"
        for key in ("new", "old"):
            with pytest.raises(TypeError):
                store[key] = value
        assert {key: bytes(store[key]) for key in store} == {"old": b"value"}

    def test_keeps_its_own_copy(self, store: AnyStore) -> None:
        if not self.strict_values:
            pytest.skip("keeps whatever it is given")
        value = bytearray(b"before")
        store["foo"] = value
        value[:] = b"after!"
        assert store["foo"] == b"before"

    # Keys that are none

    @pytest.mark.parametrize("key", BAD_KEYS, ids=repr)
    def test_bad_keys(self, store: AnyStore, tmp_path: Path, key: str) -> None:
        if not self.strict_keys:
            pytest.skip("passes every key on")
        store["a/b"] = b"1"
        before = _files(tmp_path)
        assert key not in store
        with pytest.raises(ValueError):
            store[key] = b"escaped"
        with pytest.raises((KeyError, ValueError)):
            store[key]
        with pytest.raises((KeyError, ValueError)):
            del store[key]
        assert list(store) == ["a/b"]
        assert _files(tmp_path) == before

    @pytest.mark.parametrize("key", [None, 1, b"foo", ("foo",)], ids=repr)
    def test_keys_of_other_types(self, store: AnyStore, key: Any) -> None:
        if not self.strict_keys:
            pytest.skip("passes every key on")
        assert key not in store
        with pytest.raises(TypeError):
            store[key] = b"value"
        with pytest.raises((KeyError, TypeError)):
            store[key]

    def test_long_key(self, store: AnyStore) -> None:
        """A key that is too long is refused, not cut off or taken for missing."""
        key = "k" * 5000
        try:
            store[key] = b"value"
        except (OSError, ValueError):
            assert list(store) == []
        else:
            assert bytes(store[key]) == b"value"
            assert list(store) == [key]

    @pytest.mark.parametrize("path", ["..", "a/../b", "../store", "."])
    def test_bad_paths(self, store: AnyStore, path: str) -> None:
        store["a/b"] = b"1"
        for ask in (base.rmdir, base.getsize, _listdir):
            with pytest.raises(ValueError):
                ask(store, path)
        with pytest.raises(ValueError):
            base.rename(store, "a", path)
        assert list(store) == ["a/b"]

    # Structure

    def test_listdir(self, store: AnyStore) -> None:
        _fill(store, "a", "b", "c/d", "c/e/f", "c/e/g", "cc/h")
        assert _listdir(store) == ["a", "b", "c", "cc"]
        assert _listdir(store, None) == _listdir(store, "/") == _listdir(store, "")
        assert _listdir(store, "c") == _listdir(store, "/c/") == ["d", "e"]
        assert _listdir(store, "c/e") == ["f", "g"]
        for path in ("a", "c/e/f", "x", "a/x", "c/x"):
            assert _listdir(store, path) == []

    def test_rmdir(self, store: AnyStore) -> None:
        _fill(store, "a", "b", "c/d", "c/e/f", "c/e/g", "cc/h")
        for path in ("x", "x/y", "a/x"):
            base.rmdir(store, path)
        assert len(store) == 6
        base.rmdir(store, "c/e")
        assert sorted(store) == ["a", "b", "c/d", "cc/h"]
        assert _listdir(store, "c") == ["d"]
        base.rmdir(store, "a")
        assert "a" in store
        base.rmdir(store, "c/")
        assert sorted(store) == ["a", "b", "cc/h"]
        assert _listdir(store) == ["a", "b", "cc"]
        base.rmdir(store, "")
        assert (sorted(store), _listdir(store)) == ([], [])
        store["c/e/f"] = b"again"
        assert list(store) == ["c/e/f"]

    def test_rename(self, store: AnyStore) -> None:
        values = _fill(store, "a", "c/d", "c/e/f", "c/e/g", "cc/h")
        base.rename(store, "c/e", "new/place")
        assert sorted(store) == ["a", "c/d", "cc/h", "new/place/f", "new/place/g"]
        assert bytes(store["new/place/g"]) == values["c/e/g"]
        base.rename(store, "a", "c/a")
        assert bytes(store["c/a"]) == values["a"]
        base.rename(store, "c", "c")
        assert sorted(store) == ["c/a", "c/d", "cc/h", "new/place/f", "new/place/g"]

    def test_rename_refuses(self, store: AnyStore) -> None:
        values = _fill(store, "a", "c/d", "e/f")
        for missing in ("x", "c/x"):
            with pytest.raises(KeyError):
                base.rename(store, missing, "y")
        for src, dst in (("a", "c"), ("c", "e"), ("c", "a"), ("a", "c/d")):
            with pytest.raises(FileExistsError):
                base.rename(store, src, dst)
        for src, dst in (("c", "c/x"), ("", "x"), ("c", "")):
            with pytest.raises(ValueError):
                base.rename(store, src, dst)
        assert {key: bytes(store[key]) for key in store} == values

    def test_getsize(self, store: AnyStore) -> None:
        for key, nbytes in {"a": 1, "b": 2, "c/d": 4, "c/e/f": 8, "c/e/g": 16, "c/h": 32}.items():
            store[key] = b"x" * nbytes
        sizes = {"": 3, "a": 1, "c": 36, "c/d": 4, "c/e": 24, "c/e/f": 8, "c/h": 32, "x": 0, "a/x": 0}
        assert {path: base.getsize(store, path) for path in sizes} == sizes
        below = {"": 63, "c": 60, "c/e": 24, "x": 0}
        assert {path: base.getsize_prefix(store, path) for path in below} == below

    # Ranges and bulk

    @pytest.mark.parametrize("start", [0, 1, 9, 10, 11, -1, -9, -10, -11])
    @pytest.mark.parametrize("nbytes", [0, 1, 5, 10, 99, None])
    def test_get_partial(self, store: AnyStore, start: int, nbytes: int | None) -> None:
        store["foo/bar"] = b"0123456789"
        part = base.get_partial(store, "foo/bar", start, nbytes)
        assert type(part) is bytes
        assert part == (b"0123456789"[start:] if nbytes is None else b"0123456789"[start:][:nbytes])

    def test_get_partial_missing(self, store: AnyStore) -> None:
        store["foo/bar"] = b"0123456789"
        for key in ("x", "foo", "foo/bar/x"):
            with pytest.raises(KeyError):
                base.get_partial(store, key, 0, 1)

    def test_get_partials(self, store: AnyStore) -> None:
        store["a"], store["b/c"] = b"0123456789", b"abc"
        ranges = [("b/c", 1, 1), ("x", 0, 1), ("a", -3, None), ("a", 2, 4), ("b", 0, 1), ("a", 8, 99)]
        assert base.get_partials(store, ranges) == [b"b", None, b"789", b"2345", None, b"89"]
        assert base.get_partials(store, []) == []

    def test_get_partials_of_a_version(self, store: AnyStore) -> None:
        """Where a store names versions, parts are of the one that is asked for or there are none."""
        store["a"], store["b"] = b"0123456789", b"abc"
        versions: dict[str, str] = {}
        assert base.get_partials(store, [("a", -2, None), ("b", 0, 1), ("x", 0, 1)], versions) == [
            b"89",
            b"a",
            None,
        ]
        if not versions:
            pytest.skip("no versions have names here")
        assert set(versions) == {"a", "b"}
        store["a"] = b"abcdefghij"
        assert base.get_partials(store, [("a", 0, 1), ("b", 1, 1), ("a", 1, 1)], versions) == [
            None,
            b"b",
            None,
        ]
        del store["b"]
        assert base.get_partials(store, [("b", 1, 1)], versions) == [None]

    def test_bulk(self, store: AnyStore) -> None:
        values = {"a": b"1", "b/c": b"2", "b/d": b"3"}
        base.setitems(store, values)
        found = base.getitems(store, ["a", "x", "b/d", "b", "b/c"])
        assert {key: bytes(value) for key, value in found.items()} == values
        base.delitems(store, ["x", "a", "b/c"])
        assert list(store) == ["b/d"]
        assert base.getitems(store, []) == {}

    def test_bulk_of_many(self, store: AnyStore) -> None:
        values = {f"a/{i // 100}/{i % 100}": b"%d" % i for i in range(self.n_bulk)}
        base.setitems(store, values)
        assert len(store) == self.n_bulk
        assert len(_listdir(store, "a")) == -(-self.n_bulk // 100)
        found = base.getitems(store, [*values, "missing"])
        assert {key: bytes(value) for key, value in found.items()} == values
        base.rmdir(store, "a/0")
        assert len(store) == self.n_bulk - min(100, self.n_bulk)
        base.delitems(store, list(values))
        assert list(store) == []

    # Behind the store's back

    def test_written_is_there(self, store: AnyStore) -> None:
        for key in self.keys:
            store[key] = key.encode()
            assert self.raw_get(store, key) == key.encode()

    def test_there_is_read(self, store: AnyStore) -> None:
        for key in self.keys:
            self.raw_set(store, key, key.encode())
        assert {key: bytes(store[key]) for key in store} == {key: key.encode() for key in self.keys}
        there = {key.split("/")[1] for key in self.keys if key.startswith("bar/")}
        assert _listdir(store, "bar") == sorted(there)

    # Life

    def test_says_what_it_can_do(self, store: AnyStore) -> None:
        _only_for_stores(store)
        asked = ("is_readable", "is_writeable", "is_erasable", "is_listable")
        assert [getattr(store, name)() for name in asked] == [True] * 4

    def test_context_manager(self, store: AnyStore) -> None:
        _only_for_stores(store)
        with store as entered:
            assert entered is store
            store["foo"] = b"1"
            store.flush()
            assert bytes(store["foo"]) == b"1"

    def test_reopen(self, tmp_path: Path) -> None:
        store = self.create_store(tmp_path / "store")
        values = _fill(store, *self.keys)
        _close(store)
        again = self.reopen_store(store, tmp_path / "store")
        assert {key: bytes(again[key]) for key in again} == values
        again["more"] = b"1"
        assert len(again) == len(values) + 1
        _close(again)

    def test_read_only(self, tmp_path: Path) -> None:
        store = self.create_store(tmp_path / "store")
        values = _fill(store, *self.keys)
        _close(store)
        locked = self.read_only_store(store, tmp_path / "store")
        for change in _changes(next(iter(values))):
            with pytest.raises(ReadOnlyError):
                change(locked)
        assert {key: bytes(locked[key]) for key in locked} == values
        assert (base.is_writeable(locked), locked.is_erasable()) == (False, False)
        with pytest.raises(ReadOnlyError):
            base.access(locked, "", writing=True)
        _close(locked)

    def test_pickle(self, store: AnyStore) -> None:
        if not self.picklable:
            pytest.skip("cannot be pickled")
        values = _fill(store, *self.keys)
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            copy = pickle.loads(pickle.dumps(store, protocol))
            assert type(copy) is type(store)
            assert copy == store
            assert {key: bytes(copy[key]) for key in copy} == values
            copy["foo/0.0"] = values["foo/0.0"]
            _close(copy)

    def test_pickle_to_another_process(self, store: AnyStore) -> None:
        if not (self.picklable and self.pickles_to_processes):
            pytest.skip("cannot be pickled to another process")
        values = _fill(store, *self.keys)
        if hasattr(store, "flush"):
            store.flush()
        process = _start(
            "import pickle, sys; store = pickle.load(sys.stdin.buffer); "
            "pickle.dump({key: bytes(store[key]) for key in store}, sys.stdout.buffer)"
        )
        answer, _ = process.communicate(pickle.dumps(store))
        assert process.returncode == 0
        assert pickle.loads(answer) == values

    def test_equality(self, store: AnyStore) -> None:
        assert store == store
        assert store != "something else"

    def test_identity(self, store: AnyStore) -> None:
        store["foo"] = b"1"
        name = base.identity(store)
        assert type(name) is str
        assert name == base.identity(store)
        assert name != base.identity({})
        assert base.lock_name(store, "a") != base.lock_name(store, "b")

    # Threads

    def test_threads_write_their_own_keys(self, store: AnyStore) -> None:
        self._only_for_threads()

        def write(thread: int) -> None:
            for i in range(50):
                store[f"dir/{i}/{thread}"] = bytes([thread]) * (i + 1)
                assert bytes(store[f"dir/{i}/{thread}"]) == bytes([thread]) * (i + 1)

        _in_threads(write)
        assert len(store) == 8 * 50
        assert all(bytes(store[f"dir/{i}/{n}"]) == bytes([n]) * (i + 1) for i in range(50) for n in range(8))

    def test_threads_share_a_key(self, store: AnyStore) -> None:
        """A reader sees one of the values that were written, whole."""
        self._only_for_threads()
        store["shared/key"] = bytes(10_000)

        def work(thread: int) -> None:
            for _ in range(50):
                if thread % 2:
                    store["shared/key"] = bytes([thread]) * (10_000 + thread)
                else:
                    value = bytes(store["shared/key"])
                    assert value == value[:1] * (10_000 + value[0])
                    assert list(store) == ["shared/key"]
                    assert _listdir(store, "shared") == ["key"]

        _in_threads(work)

    def test_threads_list_and_delete(self, store: AnyStore) -> None:
        self._only_for_threads()
        store["keep"] = b"1"

        def work(thread: int) -> None:
            for i in range(20):
                store[f"{thread}/{i}"] = b"1"
                assert "keep" in set(store)
                assert f"{i}" in _listdir(store, f"{thread}")
                assert base.getsize_prefix(store, f"{thread}") == 1
                del store[f"{thread}/{i}"]

        _in_threads(work)
        assert list(store) == ["keep"]

    def _only_for_threads(self) -> None:
        if not self.thread_safe:
            pytest.skip("not for many threads at once")

    # Processes

    def test_processes_write_together(self, store: AnyStore) -> None:
        """Each its own keys, and all of them one: whose value is there is whole."""
        if not self.process_safe:
            pytest.skip("not for many processes at once")
        store["shared"] = b"0" * 1000
        code = (
            "import pickle, sys; store = pickle.load(sys.stdin.buffer); name = sys.argv[1]\n"
            "for i in range(50):\n"
            "    store[f'{name}/{i}'] = name.encode() * i + b'.'\n"
            "    store['shared'] = name.encode() * 1000\n"
            "    value = bytes(store['shared']); assert value == value[:1] * 1000, value[:10]"
        )
        running = [_start(code, str(n)) for n in range(3)]
        for process in running:
            assert process.stdin is not None
            process.stdin.write(pickle.dumps(store))
            process.stdin.close()
        for process in running:
            assert process.wait(120) == 0
            assert process.stdout is not None
            process.stdout.close()
        value = bytes(store["shared"])
        assert value == value[:1] * 1000
        del store["shared"]
        expected = {f"{n}/{i}": b"%d" % n * i + b"." for n in range(3) for i in range(50)}
        assert {key: bytes(store[key]) for key in store} == expected

    # Subclasses

    def test_overridden_methods_are_always_asked(self, store: AnyStore) -> None:
        """A subclass that changes the bytes sees every one of them."""
        _only_for_stores(store)
        own_class = type(store)
        store.__class__ = _encrypting(own_class)
        assert not base.own_mapping(store)
        assert base.access(store, "a/")[0] == "mapping"
        base.setitems(store, {"a/b": b"abc", "a/c": b"def"})
        plain = base.getitems(store, ["a/b"]), base.get_partial(store, "a/c", 1, 1)
        base.rename(store, "a", "z")
        assert (plain, bytes(store["z/c"])) == (({"a/b": b"abc"}, b"e"), b"def")
        store.__class__ = own_class
        assert bytes(store["z/b"]) == bytes(x ^ 1 for x in b"abc")


def _encrypting(cls: Any) -> type:
    """A subclass that changes the bytes on their way."""

    def get(self: Any, key: str) -> bytes:
        return bytes(x ^ 1 for x in cls.__getitem__(self, key))

    def put(self: Any, key: str, value: Any) -> None:
        cls.__setitem__(self, key, bytes(x ^ 1 for x in value))

    return type("Encrypting", (cls,), {"__getitem__": get, "__setitem__": put})


def _only_for_stores(store: AnyStore) -> None:
    if not isinstance(store, Store):
        pytest.skip("a plain mapping")


def _listdir(store: AnyStore, path: str | None = "") -> list[str]:
    if hasattr(store, "listdir"):
        return base.listdir(store, path)
    # base.listdir would warn, and which warnings are ignored is not a thread's own affair
    return base._listdir_from_keys(store, path or "")


def _fill(store: AnyStore, *keys: str) -> dict[str, bytes]:
    """Set keys, each to a value of its own, and tell what was set."""
    values = {key: f"value of {key}".encode() for key in keys}
    for key, value in values.items():
        store[key] = value
    return values


def _changes(key: str) -> list[Callable[[Any], None]]:
    """Everything that would change a store that has ``key``."""
    return [
        lambda store: store.__setitem__("new", b"1"),
        lambda store: store.__setitem__(key, b"1"),
        lambda store: store.__delitem__(key),
        lambda store: store.pop(key),
        lambda store: store.clear(),
        lambda store: store.setitems({"new": b"1"}),
        lambda store: store.delitems([key]),
        lambda store: base.rmdir(store, "foo"),
        lambda store: base.rename(store, "foo", "new"),
    ]


def _start(code: str, *args: str) -> subprocess.Popen[bytes]:
    """Another Python process with the same import path."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )


def _close(store: AnyStore) -> None:
    if hasattr(store, "close"):
        store.close()


def _files(directory: Path) -> list[str]:
    return sorted(os.path.join(top, name) for top, _, names in os.walk(directory) for name in names)


def _in_threads(work: Callable[[int], None], n_threads: int = 8) -> None:
    """Run ``work(0)``, ``work(1)``, … at the same time, and raise what any of them raised."""
    failures: list[BaseException] = []
    start = threading.Barrier(n_threads)

    def run(thread: int) -> None:
        try:
            start.wait()
            work(thread)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(thread,)) for thread in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
