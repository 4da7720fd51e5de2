"""What tests of stores share."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import servers


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB, for tests to fill. Only root may mount one, and not everywhere."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("may not mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _one_of(name: str) -> Callable[[pytest.TempPathFactory], Iterator[Any]]:
    """A fixture: one server of that kind, for the session."""

    @pytest.fixture(scope="session", name=f"{name}_server")
    def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
        with getattr(servers, name)(tmp_path_factory.mktemp(name)) as running:
            yield running

    return server


redis_server = _one_of("redis")
s3_server = _one_of("s3")
azure_server = _one_of("azure")
gcs_server = _one_of("gcs")
http_server = _one_of("http")
mongodb_server = _one_of("mongodb")
