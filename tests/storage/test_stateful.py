"""Stores behave as a dict of keys does, whatever is done in whatever order."""

from __future__ import annotations

import shutil
import tempfile

import pytest
import services
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from zarrc.storage import (
    DirectoryStore,
    KVStore,
    LMDBStore,
    LRUStoreCache,
    MemoryStore,
    SQLiteStore,
    ZipStore,
    base,
)

services.module("lmdb")

# directories and keys have different names, since a directory tree cannot hold both under one
directories = st.lists(st.sampled_from(["d", "e"]), max_size=3).map("/".join)
keys = (
    st.tuples(directories, st.sampled_from(["0.0", ".zarray", "k"]))
    .map("/".join)
    .map(lambda key: key.lstrip("/"))
)
paths = st.one_of(keys, directories)
values = st.binary(max_size=20)


class SameAsADict(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.directory = tempfile.mkdtemp()
        self.model = {}
        self.stores = [
            MemoryStore(),
            KVStore({}),
            DirectoryStore(f"{self.directory}/files"),
            LRUStoreCache(MemoryStore(), max_size=30),
            SQLiteStore(":memory:"),
            ZipStore(f"{self.directory}/x.zip"),
            LMDBStore(f"{self.directory}/x.lmdb", map_size=1 << 16),
        ]

    def teardown(self):
        for store in self.stores:
            store.close()
        shutil.rmtree(self.directory)

    def everywhere(self, act):
        """The answers of all stores, which are to be one."""
        answers = []
        for store in self.stores:
            try:
                answers.append(act(store))
            except (KeyError, FileExistsError, ValueError) as error:
                answers.append(type(error))
        assert all(answer == answers[0] for answer in answers), answers
        return answers[0]

    @rule(key=keys, value=values)
    def put(self, key, value):
        self.model[key] = value
        self.everywhere(lambda store: store.__setitem__(key, value))

    @rule(key=paths)
    def delete(self, key):
        if key:
            expected = None if self.model.pop(key, None) is not None else KeyError
            assert self.everywhere(lambda store: store.__delitem__(key)) is expected

    @rule(path=directories)
    def rmdir(self, path):
        self.model = {k: v for k, v in self.model.items() if path and not k.startswith(f"{path}/")}
        self.everywhere(lambda store: store.rmdir(path))

    @rule(src=paths, dst=paths)
    def rename(self, src, dst):
        # a key stays a key; and only stores with directories have empty ones that could be renamed
        to_a_key = dst.rpartition("/")[2] in ("0.0", ".zarray", "k")
        there = any(key == src or key.startswith(f"{src}/") for key in self.model)
        if there and (src in self.model) == to_a_key:
            self.everywhere(lambda store: store.rename(src, dst))
            self.model = dict(self.stores[0].items())

    @rule(key=paths, start=st.integers(-25, 25), nbytes=st.none() | st.integers(0, 25))
    def part(self, key, start, nbytes):
        if key:
            found = self.everywhere(lambda store: store.get_partial(key, start, nbytes))
            value = self.model.get(key)
            end = None if nbytes is None else nbytes
            assert found == (KeyError if value is None else value[start:][:end])

    @invariant()
    def same_contents(self):
        for store in self.stores:
            assert dict(store.items()) == self.model
            assert len(store) == len(self.model)

    @rule()
    def tidy(self):
        self.stores[5].compact()
        self.everywhere(lambda store: store.flush())

    @rule(path=paths)
    def names(self, path):
        prefix = f"{path}/" if path else ""
        below = {k[len(prefix) :].partition("/")[0] for k in self.model if k.startswith(prefix)}
        for store in self.stores:
            # only a directory tree has directories without any key
            assert set(store.listdir(path)) - {"d", "e"} == below - {"d", "e"}

    @rule(path=paths)
    def sizes(self, path):
        size = self.everywhere(lambda store: base.getsize(store, path))
        if path in self.model:
            assert size == len(self.model[path])
        total = self.everywhere(lambda store: base.getsize_prefix(store, path))
        assert total == sum(len(v) for k, v in self.model.items() if not path or k.startswith(f"{path}/"))


TestSameAsADict = pytest.mark.filterwarnings("ignore:Duplicate name")(SameAsADict.TestCase)
# each is fifty steps with every store: in the thorough profile minutes and not hours
TestSameAsADict.settings = settings(max_examples=min(settings.default.max_examples, 500))
