"""The stores that read S3, as tests open them: in a bucket behind a proxy."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import services

from zarrc.storage import FSStore, ObjectStore

if TYPE_CHECKING:
    from servers import Proxy

BUCKET = "bucket"
SECRET = "hush-hush"  # what no message may show
SECONDS = 30.0  # until a request fails that is not answered


def object_store(proxy: Proxy, prefix: str, retries: int = 0, seconds: float = SECONDS) -> ObjectStore:
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
            client_options={"allow_http": True, "timeout": dt.timedelta(seconds=seconds)},
            retry_config={"max_retries": retries, "retry_timeout": dt.timedelta(seconds=2 * seconds)},
        )
    )


def options(proxy: Proxy, retries: int = 0, seconds: float = SECONDS) -> dict:
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


def fs_store(proxy: Proxy, prefix: str, retries: int = 0, seconds: float = SECONDS) -> FSStore:
    services.module("s3fs")
    return FSStore(f"s3://{BUCKET}/{prefix}", **options(proxy, retries, seconds))


STORES = {"ObjectStore": object_store, "FSStore": fs_store}
