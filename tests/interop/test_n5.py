"""zarrc reads the N5 data that other implementations write, and they read zarrc's."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path

import numcodecs
import pytest
import services
from peer_n5 import ATTRIBUTES, CASES, COMPRESSIONS, expect, values

import zarrc

pytestmark = pytest.mark.peer

PEERS = ["zarr2", "tensorstore", "z5py"]
# what a peer cannot do, and its own words
KNOWN = {("tensorstore", "lz4"): '"lz4" is not registered'}
KNOWN_WRITE = {("z5py", "zlib"): '"zlib" is unavailable'}
# lz4 as lz4-java has it, which these two do not know
KNOWN_READ = {("zarr2", "lz4"): "", ("z5py", "lz4"): ""}


def run(peer: str, action: str, folder: Path) -> dict[str, str]:
    command = [services.peer_python(peer), Path(__file__).with_name("peer_n5.py"), peer, action, folder]
    own = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=own)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def written_by(tmp_path_factory):
    @functools.cache
    def get(peer):
        folder = tmp_path_factory.mktemp(peer)
        return folder, run(peer, "write", folder)

    return get


@pytest.fixture(scope="module")
def read_by(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zarrc")
    for case in CASES:
        name, dtype, shape, chunks, compression = case
        configuration = COMPRESSIONS[compression][1]
        root = zarrc.open(str(folder / f"{name}.n5"), mode="w")
        array = root.create(
            "group/data",
            shape=shape,
            chunks=chunks,
            dtype=dtype,
            compressor=configuration and numcodecs.get_codec(dict(configuration)),
        )
        array[...] = values(case)
        array.attrs.update(ATTRIBUTES)
    return functools.cache(lambda peer: run(peer, "read", folder))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
@pytest.mark.parametrize("peer", PEERS)
def test_zarrc_reads_the_peers(peer, case, written_by):
    folder, report = written_by(peer)
    known = {**KNOWN, **KNOWN_WRITE}.get((peer, case[4]))
    if known is not None:
        assert report[case[0]] and known in report[case[0]]
        return
    assert report[case[0]] == ""
    array = zarrc.open(str(folder / f"{case[0]}.n5"), mode="r")["group/data"]
    assert expect(array[...], case) == ""
    if (peer, case[0]) != ("z5py", "shape-chunk-larger"):  # z5 makes the chunks smaller
        assert array.chunks == case[3]
    assert dict(array.attrs) == ATTRIBUTES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
@pytest.mark.parametrize("peer", PEERS)
def test_the_peer_reads_zarrcs(peer, case, read_by):
    outcome = read_by(peer)[case[0]]
    known = {**KNOWN, **KNOWN_READ}.get((peer, case[4]))
    if known is None:
        assert outcome == ""
    else:
        assert outcome and known in outcome
