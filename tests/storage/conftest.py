"""What tests of stores share."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import servers
import services


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


@dataclass(frozen=True)
class Bucket:
    """A bucket or container of a server, and how to get in."""

    name: str
    url: str
    account: str = ""
    key: str = ""
    port: int = 0


@pytest.fixture(scope="session")
def s3_bucket(s3_server: servers.Server) -> Bucket:
    request = urllib.request.Request(f"{s3_server.url}/bucket", method="PUT")
    urllib.request.urlopen(request).close()
    return Bucket("bucket", s3_server.url, "id", "secret", s3_server.port)


@pytest.fixture(scope="session")
def azure_container(azure_server: servers.Server) -> Bucket:
    blob = services.module("azure.storage.blob")
    url = f"{azure_server.url}/{servers.AZURE_ACCOUNT}"
    with blob.BlobServiceClient(url, credential=servers.AZURE_KEY) as client:
        client.create_container("container")
    return Bucket("container", url, servers.AZURE_ACCOUNT, servers.AZURE_KEY, azure_server.port)


@pytest.fixture(scope="session")
def gcs_bucket(gcs_server: servers.Server) -> Iterator[Bucket]:
    with pytest.MonkeyPatch.context() as patch:
        # without it each bucket waits a minute for a service that is not there
        patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        gcsfs = services.module("gcsfs")
        fs = gcsfs.GCSFileSystem(token="anon", endpoint_url=gcs_server.url, project="p")
        if not fs.exists("bucket"):
            fs.mkdir("bucket")
        yield Bucket("bucket", gcs_server.url, port=gcs_server.port)
