"""Servers in place of those of the public internet that examples name.

An example with an adjustment ``needs="s3-server"`` runs inside of ``SERVERS["s3-server"]()``: a context
manager, entered once for a document, that has a server of this machine hold what the documents expect there,
and makes the example's client find it (by environment variables, say). Where a server is not in the table its
examples are skipped.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import servers
import services

import zarrc

# Azurite's account, which everybody knows
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

MESSAGE = np.frombuffer(b"Hello from the cloud!", "S1")


def _example() -> dict[str, bytes]:
    """What the documents have in the bucket ``zarr-demo``."""
    store: dict[str, bytes] = {}
    zarrc.group(store).array("foo/bar/baz", MESSAGE, chunks=7)
    return store


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _defaults(protocol: str, **settings: str) -> Iterator[None]:
    """Give fsspec's file systems of a protocol settings that they are not told."""
    from fsspec import config

    before = config.conf.get(protocol)
    config.conf[protocol] = settings
    try:
        yield
    finally:
        del config.conf[protocol]
        if before is not None:
            config.conf[protocol] = before


@contextmanager
def s3_server() -> Iterator[None]:
    """Amazon's S3, with the buckets ``zarr-demo``, which holds the example, and ``my-bucket``, which is empty."""
    s3fs = services.module("s3fs")
    keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1"}
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.s3(Path(folder)) as server,
        _environment(**keys),
        _defaults("s3", endpoint_url=server.url),
    ):
        fs = s3fs.S3FileSystem(skip_instance_cache=True)
        for bucket in ("zarr-demo", "my-bucket"):
            fs.call_s3("create_bucket", Bucket=bucket, ACL="public-read-write")
        for key, value in _example().items():
            fs.pipe_file(f"zarr-demo/store/{key}", bytes(value), ACL="public-read")
        yield
        s3fs.S3FileSystem.clear_instance_cache()


@contextmanager
def gcs_server() -> Iterator[None]:
    """Google's Cloud Storage, with the empty bucket ``my-bucket``."""
    # without this the client waits for minutes to learn of what kind a bucket is
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.gcs(Path(folder)) as server,
        _environment(GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT="false"),
        _defaults("gcs", endpoint_url=server.url, token="anon"),
    ):
        gcsfs = services.module("gcsfs")
        gcsfs.GCSFileSystem(project="my-project", skip_instance_cache=True).mkdir("my-bucket")
        yield
        gcsfs.GCSFileSystem.clear_instance_cache()


@contextmanager
def azure_server() -> Iterator[None]:
    """Azure's blobs, with the empty container ``zarr-demo``, named by ``AZURE_STORAGE_CONNECTION_STRING``."""
    blob = services.module("azure.storage.blob")
    with tempfile.TemporaryDirectory() as folder, servers.azure(Path(folder)) as server:
        place = (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
            f"BlobEndpoint={server.url}/{ACCOUNT};"
        )
        with blob.ContainerClient.from_connection_string(place, "zarr-demo") as client:
            client.create_container()
        with _environment(AZURE_STORAGE_CONNECTION_STRING=place):
            yield


SERVERS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "s3-server": s3_server,
    "gcs-server": gcs_server,
    "azure-server": azure_server,
}
