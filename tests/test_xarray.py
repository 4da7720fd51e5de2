"""xarray and dask with zarrc under the name of zarr, in a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import services

USES = Path(__file__).parent / "support" / "use_xarray.py"


@pytest.fixture(scope="module")
def alias(tmp_path_factory):
    """A folder that makes a program believe that zarr-python 3 is installed, as xarray asks for its version."""
    services.module("xarray")
    services.module("dask")
    folder = tmp_path_factory.mktemp("alias")
    said = folder / "zarr-3.1.6.dist-info"
    said.mkdir()
    (said / "METADATA").write_text("Metadata-Version: 2.1\nName: zarr\nVersion: 3.1.6\n")
    return folder


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_uses(alias, tmp_path, zarr_format):
    paths = [str(alias), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", USES, tmp_path, str(zarr_format)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["append", "chunks", "dask", "groups", "memory", "open_all", "region"]
