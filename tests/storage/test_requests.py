"""How many requests are made, in how many rounds: counted at a proxy before S3."""

from __future__ import annotations

import numpy as np
import pytest
import servers
from clouds import S3_STORES as STORES

import zarrc

pytestmark = pytest.mark.service


@pytest.fixture
def proxy(s3_bucket):
    with servers.proxy(s3_bucket.port) as running:
        running.bucket = s3_bucket.name
        yield running


def gets(proxy):
    return [request for request in proxy.requests if request.startswith("GET") and "list-type" not in request]


@pytest.mark.parametrize("kind", list(STORES))
def test_chunks_come_many_at_a_time(proxy, kind):
    store = STORES[kind](proxy, f"many-{kind}")
    z = zarrc.create_array(store, shape=(256, 64), chunks=(1, 64), dtype="i4", compressors=None)
    z[:] = np.arange(256 * 64).reshape(256, 64) + 1
    z[:4]  # connections are there
    proxy.clear()
    proxy.tell(latency=0.05)
    with zarrc.config.set({"async.concurrency": 64}):
        found = z[:]
    np.testing.assert_array_equal(found, np.arange(256 * 64).reshape(256, 64) + 1)
    assert len(gets(proxy)) == 256
    assert 4 <= proxy.tell()["most"] <= 64


@pytest.mark.parametrize("kind", list(STORES))
def test_of_a_shard_the_index_and_what_is_wanted(proxy, kind):
    store = STORES[kind](proxy, f"shard-{kind}")
    z = zarrc.create_array(
        store, shape=(64, 64), chunks=(8, 8), shards=(64, 64), dtype="i4", compressors=None
    )
    z[:] = np.arange(64 * 64).reshape(64, 64)
    proxy.clear()
    assert z[20, 20] == 20 * 64 + 20
    cold = len(gets(proxy))
    proxy.clear()
    assert z[40, 50] == 40 * 64 + 50
    assert cold == 2
    # FSStore has no names of versions, so that the index is read again
    assert len(gets(proxy)) == (1 if kind == "ObjectStore" else 2)
