"""Every store passes the public suite."""

from __future__ import annotations

import os
import sys
from collections import UserDict

from zarrc.n5 import N5Store
from zarrc.storage import DirectoryStore, KVStore, LocalStore, MemoryStore, NestedDirectoryStore, TempStore
from zarrc.testing import KEYS, StoreTests

# its keys are listed by a loop that other threads disturb, where the global lock does not hold them off
USER_DICTS_ARE_THREAD_SAFE = getattr(sys, "_is_gil_enabled", lambda: True)()

# documents of format 2, which N5Store makes of N5's own, and names that it hides
N5_DOCUMENTS = (".zarray", ".zgroup", ".zattrs", "zarr.json", "attributes.json")

# in bulk, of stores that write files as DirectoryStore does, with which it is tried with many
FEWER_FILES = 1000


class TestDict(StoreTests):
    strict_keys = strict_values = False

    def create_store(self, tmp_path):
        return {}

    def raw_get(self, store, key):
        return store[key]


class TestUserDict(TestDict):
    thread_safe = USER_DICTS_ARE_THREAD_SAFE

    def create_store(self, tmp_path):
        return UserDict()


class TestKVStore(StoreTests):
    strict_keys = strict_values = False

    def create_store(self, tmp_path):
        return KVStore({})

    def raw_get(self, store, key):
        return store._mutable_mapping[key]

    def raw_set(self, store, key, value):
        store._mutable_mapping[key] = value


class TestKVStoreOfUserDict(TestKVStore):
    thread_safe = USER_DICTS_ARE_THREAD_SAFE

    def create_store(self, tmp_path):
        return KVStore(UserDict())


class TestKVStoreOfDirectory(TestKVStore):
    strict_keys = strict_values = True
    n_bulk = FEWER_FILES

    def create_store(self, tmp_path):
        return KVStore(DirectoryStore(tmp_path))

    def read_only_store(self, store, tmp_path):
        return KVStore(DirectoryStore(tmp_path, read_only=True))


class TestMemoryStore(StoreTests):
    def create_store(self, tmp_path):
        return MemoryStore()

    def read_only_store(self, store, tmp_path):
        return MemoryStore(store_dict=store.root, read_only=True)

    def raw_get(self, store, key):
        return store.root[key]

    def raw_set(self, store, key, value):
        store.root[key] = value


class TestMemoryStoreOfUserDict(TestMemoryStore):
    thread_safe = USER_DICTS_ARE_THREAD_SAFE

    def create_store(self, tmp_path):
        return MemoryStore(cls=UserDict)


class TestDirectoryStore(StoreTests):
    process_safe = True

    def create_store(self, tmp_path):
        return DirectoryStore(tmp_path)

    def reopen_store(self, store, tmp_path):
        return type(store)(tmp_path)

    def read_only_store(self, store, tmp_path):
        return type(store)(tmp_path, read_only=True)

    def raw_get(self, store, key):
        with open(os.path.join(store.path, *key.split("/")), "rb") as file:
            return file.read()

    def raw_set(self, store, key, value):
        path = os.path.join(store.path, *key.split("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(value)


class TestDirectoryStoreSynced(TestDirectoryStore):
    n_many = n_bulk = 100

    def create_store(self, tmp_path):
        return DirectoryStore(tmp_path, durability="fsync")


class TestLocalStore(TestDirectoryStore):
    n_bulk = FEWER_FILES

    def create_store(self, tmp_path):
        return LocalStore(tmp_path)


class TestNestedDirectoryStore(TestDirectoryStore):
    n_bulk = FEWER_FILES

    def create_store(self, tmp_path):
        return NestedDirectoryStore(tmp_path)


class TestTempStore(TestDirectoryStore):
    n_bulk = FEWER_FILES

    def create_store(self, tmp_path):
        return TempStore(dir=tmp_path.parent)

    def reopen_store(self, store, tmp_path):
        return DirectoryStore(store.path)

    def read_only_store(self, store, tmp_path):
        return DirectoryStore(store.path, read_only=True)


class TestN5Store(StoreTests):
    """A view: its documents are N5's, in other words, so that they must say something; all else is as ever."""

    keys = tuple(key for key in KEYS if key.rpartition("/")[2] not in N5_DOCUMENTS)
    process_safe = True
    n_bulk = FEWER_FILES

    def create_store(self, tmp_path):
        return N5Store(tmp_path)

    def reopen_store(self, store, tmp_path):
        return N5Store(tmp_path)

    def read_only_store(self, store, tmp_path):
        return N5Store(tmp_path, read_only=True)

    def raw_get(self, store, key):
        return store.store[key]

    def raw_set(self, store, key, value):
        store.store[key] = value


class TestN5StoreOverMemory(TestN5Store):
    process_safe = False

    def create_store(self, tmp_path):
        return N5Store(MemoryStore())

    def reopen_store(self, store, tmp_path):
        return N5Store(store.store)

    def read_only_store(self, store, tmp_path):
        return N5Store(store.store, read_only=True)
