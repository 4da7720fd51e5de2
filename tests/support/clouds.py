"""The stores that read clouds and web sites, as tests open them: behind a proxy, and soon tired of waiting.

=========================  ====================================================
store                      over
=========================  ====================================================
``s3-ObjectStore``         obstore, S3
``s3-FSStore``             s3fs
``azure-ObjectStore``      obstore, Azure Blob Storage
``azure-FSStore``          adlfs
``gcs-FSStore``            gcsfs
``http-ObjectStore``       obstore, nginx with WebDAV
``http-FSStore``           fsspec's own file system of HTTP
=========================  ====================================================
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import servers
import services

from zarrc.storage import FSStore, ObjectStore

if TYPE_CHECKING:
    from servers import Proxy

BUCKET = "bucket"
SECRET = "hush-hush"  # what no message may show
SECONDS = 30.0  # until a request fails that is not answered


def _client(retries: int, seconds: float) -> dict[str, Any]:
    """Options of all stores of obstore."""
    return {
        "client_options": {"allow_http": True, "timeout": dt.timedelta(seconds=seconds)},
        "retry_config": {"max_retries": retries, "retry_timeout": dt.timedelta(seconds=2 * seconds)},
    }


def s3_object_store(proxy: Proxy, prefix: str, retries: int = 0, seconds: float = SECONDS) -> ObjectStore:
    stores = services.module("obstore.store")
    return ObjectStore(
        stores.S3Store(
            BUCKET,
            prefix=prefix,
            endpoint=proxy.url,
            access_key_id="id",
            secret_access_key=SECRET,
            region="us-east-1",
            virtual_hosted_style_request=False,
            **_client(retries, seconds),
        )
    )


def s3_options(proxy: Proxy, retries: int = 0, seconds: float = SECONDS) -> dict[str, Any]:
    """Options of s3fs."""
    return {
        "key": "id",
        "secret": SECRET,
        "client_kwargs": {"endpoint_url": proxy.url},
        "config_kwargs": {
            "retries": {"total_max_attempts": retries + 1},
            "read_timeout": seconds,
            "connect_timeout": seconds,
        },
    }


def s3_fs_store(proxy: Proxy, prefix: str, retries: int = 0, seconds: float = SECONDS) -> FSStore:
    services.module("s3fs")
    return FSStore(f"s3://{BUCKET}/{prefix}", **s3_options(proxy, retries, seconds))


def azure_object_store(proxy: Proxy, prefix: str, retries: int = 0, seconds: float = SECONDS) -> ObjectStore:
    stores = services.module("obstore.store")
    return ObjectStore(
        stores.AzureStore(
            "container",
            prefix=prefix,
            account_name=servers.AZURE_ACCOUNT,
            account_key=servers.AZURE_KEY,
            endpoint=f"{proxy.url}/{servers.AZURE_ACCOUNT}",
            **_client(retries, seconds),
        )
    )


def azure_fs_store(proxy: Proxy, prefix: str, retries: int = 0, seconds: float = SECONDS) -> FSStore:
    """Adlfs tries three times, with 18, 24 and 42 seconds between, whatever it is told."""
    services.module("adlfs")
    text = (
        f"DefaultEndpointsProtocol=http;AccountName={servers.AZURE_ACCOUNT};"
        f"AccountKey={servers.AZURE_KEY};BlobEndpoint={proxy.url}/{servers.AZURE_ACCOUNT};"
    )
    return FSStore(f"abfs://container/{prefix}", connection_string=text)


def gcs_fs_store(proxy: Proxy, prefix: str, retries: int = 0, seconds: float = SECONDS) -> FSStore:
    services.module("gcsfs")
    return FSStore(f"gcs://{BUCKET}/{prefix}", token="anon", endpoint_url=proxy.url, project="p")


def http_object_store(proxy: Proxy, prefix: str, retries: int = 0, seconds: float = SECONDS) -> ObjectStore:
    stores = services.module("obstore.store")
    site = stores.HTTPStore.from_url(proxy.url, **_client(retries, seconds))
    return ObjectStore(site, f"dav/{prefix}")


def http_fs_store(proxy: Proxy, prefix: str, retries: int = 0, seconds: float = SECONDS) -> FSStore:
    timeout = services.module("aiohttp").ClientTimeout(total=None, sock_connect=seconds, sock_read=seconds)
    return FSStore(f"{proxy.url}/dav/{prefix}", client_kwargs={"timeout": timeout})


S3_STORES = {"ObjectStore": s3_object_store, "FSStore": s3_fs_store}

STORES = {
    "s3-ObjectStore": s3_object_store,
    "s3-FSStore": s3_fs_store,
    "azure-ObjectStore": azure_object_store,
    "azure-FSStore": azure_fs_store,
    "gcs-FSStore": gcs_fs_store,
    "http-ObjectStore": http_object_store,
    "http-FSStore": http_fs_store,
}
