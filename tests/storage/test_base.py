"""Helpers that work on every mapping."""

from __future__ import annotations

import functools
import os
from collections import UserDict

import numpy as np
import pytest

from zarrc.errors import ReadOnlyError
from zarrc.storage import (
    DirectoryStore,
    KVStore,
    LocalStore,
    MemoryStore,
    NestedDirectoryStore,
    Store,
    TempStore,
    base,
)


class CountingDict(dict):
    def __getitem__(self, key):
        return super().__getitem__(key)


class CountingMemory(MemoryStore):
    def __getitem__(self, key):
        return super().__getitem__(key)


class SilentMemory(MemoryStore):
    """Overrides nothing that matters."""

    def note(self):
        return None


class CountingKV(KVStore):
    def __setitem__(self, key, value):
        super().__setitem__(key, value)


class CountingDirectory(DirectoryStore):
    def __getitem__(self, key):
        return super().__getitem__(key)


class DeletingDirectory(DirectoryStore):
    def __delitem__(self, key):
        super().__delitem__(key)


class WrappedDirectory(DirectoryStore):
    @functools.wraps(DirectoryStore.__setitem__)
    def __setitem__(self, key, value):
        super().__setitem__(key, value)


class Outside(UserDict):
    pass


class TestOwnMapping:
    @pytest.mark.parametrize("kind", [dict, MemoryStore, SilentMemory, lambda: KVStore({})])
    def test_memory(self, kind):
        assert base.own_mapping(kind())

    @pytest.mark.parametrize("kind", [DirectoryStore, LocalStore, NestedDirectoryStore])
    def test_local(self, kind, tmp_path):
        assert base.own_mapping(kind(tmp_path))

    @pytest.mark.parametrize("kind", [CountingDict, CountingMemory, Outside, lambda: CountingKV({})])
    def test_overridden_memory(self, kind):
        store = kind()
        assert not base.own_mapping(store)
        assert base.access(store, "a/") == ("mapping", store, "a/")

    @pytest.mark.parametrize("kind", [CountingDirectory, DeletingDirectory, WrappedDirectory])
    def test_overridden_local(self, kind, tmp_path):
        store = kind(tmp_path)
        assert not base.own_mapping(store)
        assert base.access(store)[0] == "mapping"

    def test_replaced_method(self, tmp_path, monkeypatch):
        store = DirectoryStore(tmp_path)
        plain = DirectoryStore.__getitem__
        monkeypatch.setattr(DirectoryStore, "__getitem__", lambda self, key: plain(self, key))
        assert not base.own_mapping(store)


class TestAccess:
    def test_dict(self):
        data = {}
        for store in (data, KVStore(data), MemoryStore(store_dict=data), KVStore(MemoryStore(data))):
            kind, found, prefix = base.access(store, "a/b/", writing=True)
            assert (kind, prefix) == ("dict", "a/b/")
            assert found is data

    def test_inner_that_must_be_asked(self, tmp_path):
        for inner in (CountingDict(), Outside(), CountingMemory(), CountingDirectory(tmp_path)):
            store = KVStore(inner)
            assert base.access(store, "") == ("mapping", store, "")

    def test_files(self, tmp_path):
        root = os.fspath(tmp_path)
        assert base.access(DirectoryStore(tmp_path), "") == ("files", root, None, False)
        assert base.access(LocalStore(tmp_path), "a/b/") == ("files", f"{root}/a/b", None, False)
        synced = DirectoryStore(tmp_path, durability="fsync", normalize_keys=True)
        assert base.access(synced, "A/") == ("files", f"{root}/a", None, True)
        assert base.access(KVStore(synced), "A/") == ("files", f"{root}/a", None, True)

    def test_read_only(self, tmp_path):
        for store in (
            DirectoryStore(tmp_path, read_only=True),
            LocalStore(tmp_path, True),
            MemoryStore(read_only=True),
            KVStore(MemoryStore(read_only=True)),
        ):
            assert base.access(store, "a/")[0] in ("files", "dict")
            assert not base.is_writeable(store)
            with pytest.raises(ReadOnlyError):
                base.access(store, "a/", writing=True)

    def test_prefix_stays_inside(self, tmp_path):
        with pytest.raises(ValueError, match="segment not allowed"):
            base.access(DirectoryStore(tmp_path), "../")


class TestIdentity:
    def test_same_data_same_name(self, tmp_path):
        data = {}
        assert base.identity(data) == KVStore(data).identity() == MemoryStore(data).identity()
        assert base.identity({}) != base.identity(data)
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        name = DirectoryStore(tmp_path / "real").identity()
        assert name == os.path.realpath(tmp_path / "real")
        assert name == LocalStore(tmp_path / "link").identity() == KVStore(DirectoryStore(name)).identity()

    def test_a_link_that_comes_later(self, tmp_path):
        store = DirectoryStore(tmp_path / "link")
        assert store.identity() == os.fspath(tmp_path / "link")
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        assert store.identity() == os.fspath(tmp_path / "real")

    def test_lock_names_of_nested_stores(self, tmp_path):
        outer, inner = DirectoryStore(tmp_path), DirectoryStore(tmp_path / "group")
        inner["x"] = b"1"
        assert base.lock_name(outer, "group/a/0.0") == base.lock_name(inner, "a/0.0")


class TestKeysAndValues:
    @pytest.mark.parametrize("key", ["a", ".zarray", "a/b.c/...", "a..", "日本", "c/0/0", " ", "a:b"])
    def test_good_keys(self, key):
        base.check_key(key)
        assert base.is_key(key)

    def test_normalize_path(self):
        assert base.normalize_storage_path(None) == base.normalize_storage_path("///") == ""
        assert base.normalize_storage_path("/a//b\\c/") == "a/b/c"
        for bad in ("..", "a/./b", "a\0"):
            with pytest.raises(ValueError, match="not allowed"):
                base.normalize_storage_path(bad)
        with pytest.raises(TypeError):
            base.normalize_storage_path(b"a")

    def test_values_with_holes(self):
        with pytest.raises(ValueError, match="contiguous"):
            MemoryStore()["a"] = np.arange(10)[::2]
        with pytest.raises(ValueError, match="contiguous"):
            MemoryStore()["a"] = memoryview(b"0123")[::2]

    def test_subclass_of_bytes(self):
        class Text(bytes):
            pass

        store = MemoryStore()
        store["a"] = Text(b"1")
        assert type(store["a"]) is bytes


class TestAnyMapping:
    def test_listdir_warns(self):
        with pytest.warns(UserWarning, match="has no `listdir`"):
            assert base.listdir({"b/c": b"1", "a": b"2", "b/d/e": b"3"}) == ["a", "b"]

    def test_own_methods_are_used(self):
        class Knowing(UserDict):
            def listdir(self, path):
                return ["z", "a", path]

            def getsize(self, path):
                return 99

        assert base.listdir(Knowing(), "/p/") == ["a", "p", "z"]
        assert KVStore(Knowing()).listdir("p") == ["a", "p", "z"]
        assert base.getsize(Knowing(), "x") == KVStore(Knowing()).getsize("x") == 99

    def test_size_unknown(self):
        assert base.getsize(object()) == base.getsize_prefix(object()) == -1
        for store in (KVStore({}), MemoryStore(), UserDict()):
            data = {"a/x": b"12", "a/y": [1, 2, 3]}
            store = type(store)(data)
            assert base.getsize(store, "a/x") == 2
            assert (
                base.getsize(store, "a/y")
                == base.getsize(store, "a")
                == base.getsize_prefix(store, "a")
                == -1
            )

    def test_size_of_values_that_are_arrays(self):
        assert (
            base.getsize({"a": np.zeros((2, 3), "i4")}, "a")
            == base.getsize_prefix({"a": np.zeros(6, "i4")})
            == 24
        )

    def test_dimension_separator(self, tmp_path):
        assert base.dimension_separator({}) is None
        assert base.dimension_separator(DirectoryStore(tmp_path)) is None
        assert base.dimension_separator(DirectoryStore(tmp_path, dimension_separator="/")) == "/"
        assert base.dimension_separator(NestedDirectoryStore(tmp_path)) == "/"


class TestModule:
    def test_default_compressor(self, monkeypatch):
        import zarrc.storage as storage

        plain = {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}
        assert storage.default_compressor_config() == plain
        looked_at = storage.default_compressor
        assert (looked_at.codec_id, looked_at.cname) == ("blosc", "lz4")
        assert storage.default_compressor is looked_at
        assert storage.default_compressor_config() == plain

        import numcodecs

        monkeypatch.setattr(storage, "default_compressor", numcodecs.Zlib(3))
        assert storage.default_compressor_config() == {"id": "zlib", "level": 3}
        monkeypatch.setattr(storage, "default_compressor", None)
        assert storage.default_compressor_config() is None

    def test_default_compressor_costs_nothing(self):
        import subprocess
        import sys

        code = """if True:
            import sys, numpy
            numpys = set(sys.modules)
            import zarrc.storage as storage
            storage.default_compressor_config(), storage.DirectoryStore("x"), storage.MemoryStore()
            new = {name.split(".")[0] for name in set(sys.modules) - numpys}
            print(sorted(new & {"numcodecs", "fsspec", "asyncio", "tempfile", "shutil", "hashlib"}))
        """
        answer = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        assert answer.stdout.strip() == "[]"

    def test_names(self):
        import zarrc.storage as storage

        assert storage.BaseStore is storage.Store is Store
        assert (storage.array_meta_key, storage.group_meta_key, storage.attrs_key) == (
            ".zarray",
            ".zgroup",
            ".zattrs",
        )
        assert storage.TempStore is TempStore
        with pytest.raises(AttributeError):
            storage.NoSuchStore  # noqa: B018
        assert repr(MemoryStore()).startswith("<zarrc.storage.MemoryStore object at 0x")
