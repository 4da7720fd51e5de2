"""zarrc and its peers open hierarchies by the consolidated metadata that the other wrote."""

from __future__ import annotations

import json
import os
import subprocess

import numpy as np
import pytest
import services

import zarrc

pytestmark = pytest.mark.peer

WRITE = {
    "zarr2": """
import sys, zarr
root = zarr.open_group(sys.argv[1], mode="w")
root.attrs["title"] = "root"
sub = root.create_group("s/t")
array = sub.create("b", shape=(4, 3), chunks=(2, 2), dtype="f4", fill_value=float("nan"))
array.attrs["unit"] = "mm"
array[:2] = 1
zarr.consolidate_metadata(sys.argv[1])
""",
    "zarr3": """
import sys, zarr
root = zarr.open_group(sys.argv[1], mode="w", zarr_format=int(sys.argv[2]))
root.attrs["title"] = "root"
sub = root.create_group("s/t")
array = sub.create_array("b", shape=(4, 3), chunks=(2, 2), dtype="f4", fill_value=float("nan"))
array.attrs["unit"] = "mm"
array[:2] = 1
zarr.consolidate_metadata(sys.argv[1])
""",
}
READ = """
import json, sys, zarr
root = zarr.open_consolidated(sys.argv[1], mode="r")
array = root["s/t/b"]
print(json.dumps([sorted(root["s/t"]), dict(root.attrs), dict(array.attrs), array[:2].tolist(), str(array.fill_value)]))
"""
EXPECTED = [["b"], {"title": "root"}, {"unit": "mm"}, np.ones((2, 3)).tolist(), "nan"]
PEERS = [("zarr2", 2), ("zarr3", 2), ("zarr3", 3)]


def run(peer: str, code: str, *arguments: str) -> str:
    command = [services.peer_python(peer), "-W", "ignore", "-c", code, *arguments]
    own = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=own)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("peer", "zarr_format"), PEERS)
def test_zarrc_reads_the_peers(peer, zarr_format, tmp_path):
    path = str(tmp_path / "x.zarr")
    run(peer, WRITE[peer], path, str(zarr_format))
    root = zarrc.open_consolidated(path)
    array = root["s/t/b"]
    found = [
        sorted(root["s/t"]),
        dict(root.attrs),
        dict(array.attrs),
        array[:2].tolist(),
        str(array.fill_value),
    ]
    assert found == EXPECTED
    assert [name for name, _ in root.members(max_depth=None)] == ["s", "s/t", "s/t/b"]


@pytest.mark.parametrize(("peer", "zarr_format"), PEERS)
def test_the_peer_reads_zarrcs(peer, zarr_format, tmp_path):
    path = str(tmp_path / "x.zarr")
    root = zarrc.open_group(path, mode="w", zarr_format=zarr_format)
    root.attrs["title"] = "root"
    array = root.create_group("s/t").create("b", shape=(4, 3), chunks=(2, 2), dtype="f4", fill_value=np.nan)
    array.attrs["unit"] = "mm"
    array[:2] = 1
    zarrc.consolidate_metadata(path)
    assert json.loads(run(peer, READ, path)) == EXPECTED
