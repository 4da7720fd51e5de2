"""Databases and archives that this user may not read, or not write: an error that says so, never a missing key."""

from __future__ import annotations

import dbm.dumb
import os
import shutil
import tempfile
from pathlib import Path

import processes
import pytest

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
