"""Groups, attributes and consolidated metadata that zarrc and its peers write for each other."""

from __future__ import annotations

import dbm.dumb
from pathlib import Path
from typing import Any

import pytest
from cases import same
from hierarchies import CHUNKS, NODES, VALUES, names_in
from peers import GROUPS, PeerProcess

import zarrc

pytestmark = pytest.mark.peer

PEERS = [peer for peer, _ in GROUPS]


@pytest.fixture(scope="module")
def ask():
    """Have a peer do a job."""
    processes: dict[str, PeerProcess] = {}

    def do(peer: str, what: str, path: Path, **job) -> str:
        if peer not in processes:
            processes[peer] = PeerProcess(peer)
        return processes[peer].ask(what, path, **job)

    yield do
    for process in processes.values():
        process.close()


def write(root: zarrc.Group) -> None:
    for node in NODES:
        if node.is_array:
            made = root.create_array(node.path, shape=VALUES.shape, chunks=CHUNKS, dtype=VALUES.dtype)
            made[...] = VALUES
        else:
            made = root.create_group(node.path) if node.path else root
        made.attrs.update(node.attributes)


def check(root: zarrc.Group) -> None:
    for node in NODES:
        found = root[node.path] if node.path else root
        assert dict(found.attrs) == node.attributes
        if node.is_array:
            assert same(found[...], VALUES) == ""
            assert found.chunks == CHUNKS
        else:
            assert sorted(found) == names_in(node.path)


def open_root(store: Any, zarr_format: int, consolidated: bool) -> zarrc.Group:
    if consolidated:
        return zarrc.open_consolidated(store, mode="r", zarr_format=zarr_format)
    return zarrc.open_group(store, mode="r", zarr_format=zarr_format)


def open_store(kind: str, path: Path, mode: str) -> Any:
    if kind == "DBMStore":
        return zarrc.DBMStore(str(path), flag={"w": "n"}.get(mode, mode), open=dbm.dumb.open)
    return getattr(zarrc, kind)(str(path), **({"mode": mode} if kind == "ZipStore" else {}))


# whose, the format, the store
STORES = [
    *(
        ("zarr2", 2, kind)
        for kind in (
            "DirectoryStore",
            "NestedDirectoryStore",
            "ZipStore",
            "DBMStore",
            "SQLiteStore",
            "LMDBStore",
        )
    ),
    *((peer, zarr_format, "ZipStore") for peer in ("zarr3", "zarr34") for zarr_format in (2, 3)),
]


@pytest.mark.parametrize("consolidated", [False, True], ids=["plain", "consolidated"])
@pytest.mark.parametrize(("peer", "zarr_format"), GROUPS)
class TestHierarchies:
    def test_zarrc_reads_the_peers(self, peer, zarr_format, consolidated, ask, tmp_path):
        path = tmp_path / "x.zarr"
        job = {"zarr_format": zarr_format, "consolidated": consolidated, "store": ""}
        assert ask(peer, "write_groups", path, **job) == ""
        check(open_root(str(path), zarr_format, consolidated))

    def test_the_peer_reads_zarrcs(self, peer, zarr_format, consolidated, ask, tmp_path):
        path = tmp_path / "x.zarr"
        write(zarrc.open_group(str(path), mode="w", zarr_format=zarr_format))
        if consolidated:
            zarrc.consolidate_metadata(str(path))
        job = {"zarr_format": zarr_format, "consolidated": consolidated, "store": ""}
        assert ask(peer, "read_groups", path, **job) == ""


@pytest.mark.parametrize(("peer", "zarr_format", "kind"), STORES)
@pytest.mark.filterwarnings("ignore:Duplicate name")  # in an archive, of documents whose attributes change
class TestStores:
    def test_zarrc_reads_the_peers(self, peer, zarr_format, kind, ask, tmp_path):
        path = tmp_path / "store"
        assert ask(peer, "write_groups", path, zarr_format=zarr_format, consolidated=False, store=kind) == ""
        with open_store(kind, path, "r") as store:
            check(open_root(store, zarr_format, False))

    def test_the_peer_reads_zarrcs(self, peer, zarr_format, kind, ask, tmp_path):
        path = tmp_path / "store"
        with open_store(kind, path, "w") as store:
            write(zarrc.open_group(store, mode="w", zarr_format=zarr_format))
        assert ask(peer, "read_groups", path, zarr_format=zarr_format, consolidated=False, store=kind) == ""


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_the_hierarchy_is_its_own(zarr_format, tmp_path):
    write(zarrc.open_group(str(tmp_path / "x"), mode="w", zarr_format=zarr_format))
    check(zarrc.open_group(str(tmp_path / "x"), mode="r"))
