"""Databases and archives that this user may not read, or not write: an error that says so, never a missing key."""

from __future__ import annotations

import dbm.dumb
import errno
import os
import re
import shutil
import tempfile
from pathlib import Path

import processes
import pytest

import zarrc
from zarrc.errors import CodecError
from zarrc.storage import DBMStore, LMDBStore, SQLiteStore, ZipStore

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

OPENERS = {
    "zip": lambda path, **how: ZipStore(path, **({"mode": "r"} if how.get("read_only") else {})),
    "sqlite": SQLiteStore,
    "lmdb": LMDBStore,
    "dbm": lambda path, **how: DBMStore(path, "r" if how.get("read_only") else "c", open=dbm.dumb.open),
}


@pytest.fixture(params=list(OPENERS))
def kind(request):
    if request.param == "lmdb":
        pytest.importorskip("lmdb")
    return request.param


@pytest.fixture
def folder():
    """A folder that others may enter, which pytest's own may not be."""
    folder = Path(tempfile.mkdtemp(prefix="zarrc-test-"))
    folder.chmod(0o755)
    yield folder
    for place in (folder, *folder.rglob("*")):
        place.chmod(0o755)
    shutil.rmtree(folder)


def restrict(folder: Path, files: int, folders: int) -> None:
    for place in folder.rglob("*"):
        place.chmod(folders if place.is_dir() else files)
    folder.chmod(folders)


def as_nobody(work):
    def other_user():
        if os.getuid() == 0:
            os.setgid(65534)
            os.setuid(65534)
        work()

    processes.fork(other_user)


@pytest.fixture
def path(kind, folder):
    path = folder / f"x.{kind}"
    with OPENERS[kind](path) as store:
        store["a"] = b"1"
    return path


def test_may_not_read(kind, path, folder):
    restrict(folder, 0o000, 0o755)

    def work():
        for read_only in (True, False):
            with pytest.raises(PermissionError):
                OPENERS[kind](path, read_only=read_only)["a"]

    as_nobody(work)


def test_may_not_enter(kind, path, folder):
    folder.chmod(0o000)

    def work():
        for read_only in (True, False):
            with pytest.raises(OSError):
                OPENERS[kind](path, read_only=read_only)["a"]

    as_nobody(work)


def test_may_not_write(kind, path, folder):
    restrict(folder, 0o444, 0o555)

    def work():
        with OPENERS[kind](path, read_only=True) as store:
            assert dict(store) == {"a": b"1"}
        with pytest.raises(PermissionError):
            OPENERS[kind](path)["b"] = b"2"

    as_nobody(work)


def test_may_not_make(kind, folder):
    folder.chmod(0o555)

    def work():
        with pytest.raises(PermissionError):
            OPENERS[kind](folder / "new")

    as_nobody(work)


class TestReadErrors:
    """The system fails to read a file that is there."""

    @pytest.fixture
    def unreadable(self, tmp_path):
        """A folder whose file `x` can be opened and not read: nothing is mapped at the first address."""
        os.symlink("/proc/self/mem", tmp_path / "x")
        with open(tmp_path / "x", "rb") as file, pytest.raises(OSError) as caught:
            file.read(1)
        if caught.value.errno != errno.EIO:
            pytest.skip("the system answers in another way")
        return tmp_path

    def test_of_a_value(self, unreadable):
        store = zarrc.DirectoryStore(unreadable)
        for read in (
            lambda: store["x"],
            lambda: store.getitems(["x"]),
            lambda: store.get("x", b"nothing"),
            lambda: zarrc.LRUStoreCache(store, 1000)["x"],
            lambda: zarrc.KVStore(store).getitems(["x"]),
        ):
            with pytest.raises(OSError) as caught:
                read()
            assert caught.value.errno == errno.EIO

    @pytest.mark.parametrize("options", [{}, {"compressor": None}, {"chunk_cache": 2**20}], ids=str)
    def test_of_a_chunk(self, unreadable, options):
        z = zarrc.create(10, chunks=5, dtype="i4", store=zarrc.DirectoryStore(unreadable), **options)
        os.rename(unreadable / "x", unreadable / "1")
        assert (z[:5] == 0).all()
        for read in (lambda: z[:], lambda: z[7], lambda: z.__setitem__(7, 1)):
            with pytest.raises((OSError, CodecError)) as caught:
                read()
            assert "1" in str(caught.value)

    def test_of_a_document(self, unreadable):
        for name in (".zarray", ".zgroup", "zarr.json"):
            (unreadable / "g").mkdir(exist_ok=True)
            os.symlink("/proc/self/mem", unreadable / "g" / name)
            with pytest.raises(OSError) as caught:
                zarrc.open(str(unreadable / "g"), mode="r")
            assert caught.value.errno == errno.EIO
            os.remove(unreadable / "g" / name)

    def test_through_other_stores(self, unreadable):
        for read in (
            lambda: SQLiteStore(unreadable / "x", read_only=True),
            lambda: zarrc.N5Store(unreadable)["x"],
        ):
            with pytest.raises((OSError, ValueError)):
                read()


@pytest.mark.parametrize("suffix", ["zarr", "zip", "sqlite", "lmdb", "n5"])
@pytest.mark.parametrize("function", [zarrc.open, zarrc.open_array, zarrc.open_group])
def test_what_is_not_there_is_named(function, suffix, tmp_path):
    if suffix == "lmdb":
        pytest.importorskip("lmdb")
    for mode in ("r", "r+"):
        with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "no"))):
            function(str(tmp_path / "no" / f"x.{suffix}"), mode=mode)
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("suffix", ["zarr", "zip", "sqlite", "lmdb", "n5"])
def test_a_file_in_the_way_is_named(suffix, tmp_path):
    if suffix == "lmdb":
        pytest.importorskip("lmdb")
    (tmp_path / "file").write_bytes(b"something else")
    with pytest.raises(OSError, match=re.escape(str(tmp_path / "file"))):
        zarrc.open(str(tmp_path / "file" / f"x.{suffix}"), mode="w", shape=3)
