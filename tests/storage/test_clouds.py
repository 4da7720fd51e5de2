"""What failures do to a store in a cloud: S3 behind the proxy."""

from __future__ import annotations

import datetime as dt
import time

import numpy as np
import pytest
import servers
import services

import zarrc
from zarrc.errors import StoreError, StorePermissionError
from zarrc.storage import ObjectStore

pytestmark = pytest.mark.service

SECONDS = 2


def _object_store(url, prefix):
    stores = services.module("obstore.store")
    return ObjectStore(
        stores.S3Store(
            "bucket",
            prefix=prefix,
            endpoint=url,
            access_key_id="id",
            secret_access_key="hush-hush",
            region="us-east-1",
            virtual_hosted_style_request=False,
            client_options={"allow_http": True, "timeout": dt.timedelta(seconds=SECONDS)},
            retry_config={"max_retries": 1, "retry_timeout": dt.timedelta(seconds=SECONDS)},
        )
    )


@pytest.fixture
def opened(request, s3_bucket):
    """A store behind a proxy, and the proxy."""
    with servers.proxy(s3_bucket.port) as proxy:
        yield _object_store(proxy.url, f"clouds/{request.node.callspec.id}"), proxy


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "status", "status": 403},
        {"fault": "status", "status": 500},
        {"fault": "reset"},
        {"fault": "truncate"},
        {"fault": "stall"},
    ],
    ids=lambda fault: str(fault.get("status", fault["fault"])),
)
def test_failure_is_not_fill(opened, fault):
    store, proxy = opened
    z = zarrc.create(8, chunks=2, dtype="i4", fill_value=7, store=store, compressor=None)
    z[:] = np.arange(8)
    proxy.tell(clear=True, match=r"^GET /bucket/.*/2( |$)", **fault)
    began = time.monotonic()
    with pytest.raises(StoreError, match=r"s3://bucket/clouds/.*: '2'") as failed:
        z[:]
    assert time.monotonic() - began < 30
    assert "hush-hush" not in str(failed.value)
    assert isinstance(failed.value, StorePermissionError) == (fault.get("status") == 403)
    proxy.clear()
    assert np.array_equal(z[:], np.arange(8))
    del store["2"]
    assert list(z[:]) == [0, 1, 2, 3, 7, 7, 6, 7]
