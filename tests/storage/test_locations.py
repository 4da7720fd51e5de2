"""The door where users' stores come in."""

from __future__ import annotations

import os
import pathlib
from collections import UserDict

import pytest

import zarrc
from zarrc.storage import DirectoryStore, KVStore, MemoryStore
from zarrc.storage.locations import normalize_store, refuse_foreign


class TestNormalizeStore:
    def test_stores_and_mappings(self, tmp_path):
        store, data = MemoryStore(), {"a": b"1"}
        assert normalize_store(store) is store
        wrapped = normalize_store(data)
        assert type(wrapped) is KVStore
        wrapped["b"] = b"2"
        assert data == {"a": b"1", "b": b"2"}
        assert normalize_store(None) == KVStore({})
        assert type(normalize_store(UserDict())) is KVStore

    def test_paths(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for arg in ("data/x.zarr", pathlib.Path("data/x.zarr"), tmp_path / "data" / "x.zarr"):
            store = normalize_store(arg)
            assert type(store) is DirectoryStore
            assert store.path == os.fspath(tmp_path / "data" / "x.zarr")
        assert not (tmp_path / "data").exists()

    def test_urls(self, tmp_path):
        store = normalize_store((tmp_path / "a b").as_uri())
        assert store == DirectoryStore(tmp_path / "a b")
        one = normalize_store("memory://test_urls/one")
        one["a"] = b"1"
        assert normalize_store("memory://test_urls/one/")["a"] == b"1"
        assert len(normalize_store("memory://test_urls/two")) == 0

    @pytest.mark.parametrize(
        ("arg", "options"),
        [
            ("s3://bucket/x.zarr", {"anon": True}),
            ("https://host/x.zip", {}),
            ("simplecache::https://host/x", {}),
        ],
    )
    def test_urls_of_file_systems(self, arg, options):
        pytest.importorskip("s3fs" if arg.startswith("s3") else "aiohttp")
        store = normalize_store(arg, "r", options)
        assert type(store) is zarrc.FSStore
        assert store.read_only and store.path.endswith(("bucket/x.zarr", "host/x.zip", "host/x"))

    @pytest.mark.parametrize("arg", [5, b"path", ["list"], object(), ("a",)], ids=repr)
    def test_no_store(self, arg):
        with pytest.raises(TypeError):
            normalize_store(arg)

    def test_of_no_use(self, tmp_path):
        with pytest.raises(ValueError, match="empty"):
            normalize_store("")
        with pytest.raises(ValueError, match="storage_options"):
            normalize_store(tmp_path, storage_options={"anon": True})


class TestRefuseForeign:
    def test_something_else(self, tmp_path):
        (tmp_path / "thesis").mkdir()
        (tmp_path / "thesis" / "chapter1.tex").write_text("...")
        store = DirectoryStore(tmp_path)
        with pytest.raises(FileExistsError, match=r"chapter1\.tex.*overwrite_foreign"):
            refuse_foreign(store)
        with pytest.raises(FileExistsError):
            refuse_foreign(store, "thesis")
        with zarrc.config.set({"storage.overwrite_foreign": True}):
            refuse_foreign(store)
        refuse_foreign(store, "other")

    @pytest.mark.parametrize("name", ["zarr.json", ".zgroup", ".zarray", "attributes.json"])
    def test_zarr(self, tmp_path, name):
        (tmp_path / "notes.txt").write_text("...")
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "notes.txt").write_text("...")
        (tmp_path / name).write_text("{}")
        refuse_foreign(DirectoryStore(tmp_path))
        refuse_foreign(DirectoryStore(tmp_path), "sub")

    def test_zarr_in_a_folder_of_others(self, tmp_path):
        (tmp_path / "notes.txt").write_text("...")
        store = DirectoryStore(tmp_path)
        store["array/.zarray"] = b"{}"
        refuse_foreign(store, "array")
        with pytest.raises(FileExistsError):
            refuse_foreign(store)

    def test_nobodys(self, tmp_path):
        (tmp_path / "a" / "b").mkdir(parents=True)
        (tmp_path / "a" / ".zarrc-1-2-3").write_bytes(b"left by a killed writer")
        refuse_foreign(DirectoryStore(tmp_path))
        refuse_foreign(DirectoryStore(tmp_path / "new"))
        for store in (MemoryStore({"notes.txt": b""}), {"notes.txt": b""}):
            refuse_foreign(store)
