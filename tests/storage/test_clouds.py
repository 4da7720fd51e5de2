"""What failures do to stores in clouds and on web sites: real servers behind a proxy that fails on purpose."""

from __future__ import annotations

import time

import clouds
import numpy as np
import pytest
import servers
import services

import zarrc
from zarrc.errors import PartialWriteError, StoreError, StorePermissionError

pytestmark = pytest.mark.service

SECONDS = 1.0  # until a client gives up waiting
LONGEST = 15.0  # with all that clients try, on a machine that is busy

FAULTS = {
    "403": {"fault": "status", "status": 403},
    "429": {"fault": "status", "status": 429},
    "500": {"fault": "status", "status": 500},
    "503": {"fault": "status", "status": 503},
    "reset": {"fault": "reset"},
    "truncate": {"fault": "truncate"},
    "stall": {"fault": "stall"},
}
NO_RETRIES = {"http-FSStore"}  # but of a connection that was reset
TRIES_FOR_LONG = {"azure-FSStore", "gcs-FSStore"}  # whatever they are told: async.timeout ends it


@pytest.fixture(scope="module")
def ports(request, tmp_path_factory):
    """Of the servers, by the first word of a store's kind; each is started when it is first asked for."""
    started = {}

    def get(word):
        if word not in started:
            started[word] = getattr(_Ports, word)(request)
        return started[word]

    return get


class _Ports:
    @staticmethod
    def s3(request):
        return request.getfixturevalue("s3_bucket").port

    @staticmethod
    def azure(request):
        return request.getfixturevalue("azure_container").port

    @staticmethod
    def gcs(request):
        return request.getfixturevalue("gcs_bucket").port

    @staticmethod
    def http(request):
        return request.getfixturevalue("http_server").port


@pytest.fixture(scope="module", params=list(clouds.STORES))
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def proxy(kind, ports):
    with servers.proxy(ports(kind.partition("-")[0])) as running:
        yield running


@pytest.fixture
def opened(kind, proxy, request):
    """Open a store of the kind; what takes long is limited."""
    name = "".join(each if each.isalnum() else "-" for each in request.node.name)

    def open_store(**kwargs):
        return clouds.STORES[kind](proxy, f"clouds/{name}", **kwargs)

    limit = 1.5 * SECONDS if kind in TRIES_FOR_LONG else None
    with zarrc.config.set({"async.timeout": limit}):
        yield open_store
    proxy.clear()


def of_key(name):
    """What the requests look like that ask for a key."""
    return rf"(?:/|%2F){name}(?:[? ]|$)"


@pytest.mark.parametrize("fault", list(FAULTS))
def test_failure_is_not_fill(opened, proxy, kind, fault):
    if kind in TRIES_FOR_LONG and fault in ("429", "503"):
        pytest.skip("as 500")
    store = opened(seconds=SECONDS)
    z = zarrc.create(8, chunks=2, dtype="i4", fill_value=7, store=store, compressor=None, overwrite=False)
    z[:] = np.arange(8)
    proxy.tell(clear=True, match="^(GET|HEAD) .*" + of_key("2"), **FAULTS[fault])
    reads = [lambda: z[:], lambda: store["2"], lambda: store.get_partial("2", 4, 4)]
    if fault != "truncate" and not kind.startswith("gcs"):  # there is no body; gcsfs looks at a listing then
        reads.append(lambda: "2" in store)
    takes_long = fault == "stall" or (kind in TRIES_FOR_LONG and fault != "403")
    for read in reads[: 1 if takes_long else None]:
        began = time.monotonic()
        with pytest.raises(StoreError, match=r"://.*clouds/.*: '2'") as failed:
            read()
        assert time.monotonic() - began < LONGEST
        assert isinstance(failed.value, StorePermissionError) == (fault == "403")
        assert failed.value.key == "2"
        for secret in (clouds.SECRET, servers.AZURE_KEY):
            assert secret not in str(failed.value)
    proxy.clear()
    assert np.array_equal(z[:], np.arange(8))


@pytest.mark.parametrize("fault", ["500", "reset", "truncate"])
def test_what_fails_once_is_tried_again(opened, proxy, kind, fault):
    """By the client library: nothing of what failed is seen."""
    if kind in NO_RETRIES or (kind == "azure-FSStore" and fault != "truncate"):
        pytest.skip("its client does not try again, or only after 15 seconds")
    if fault == "truncate" and kind.endswith("-ObjectStore"):
        pytest.skip("its client tries a body again only where it knows the version of the object")
    store = opened(retries=2)
    values = {name: name.encode() * 1000 for name in "abc"}
    store.setitems(values)
    proxy.tell(clear=True, match="^GET .*" + of_key("b"), times=1, **FAULTS[fault])
    with zarrc.config.set({"async.timeout": None}):
        assert store.getitems(values) == values
    assert sum("b" in each.rpartition("/")[2] for each in proxy.requests) >= 1


@pytest.mark.parametrize("fault", ["403", "500", "stall"])
def test_a_write_that_fails_half_way_says_what_is_stored(opened, proxy, kind, fault):
    store = opened(seconds=SECONDS)
    z = zarrc.create(8, chunks=2, dtype="i4", fill_value=7, store=store, compressor=None, overwrite=False)
    proxy.tell(clear=True, match="^(PUT|POST) .*" + of_key("[13]"), **FAULTS[fault])
    with pytest.raises(PartialWriteError, match=r"2 were written .* and 2 were not") as failed:
        z[:] = np.arange(8)
    assert sorted(failed.value.done) == ["0", "2"]
    assert sorted(failed.value.failed) == ["1", "3"]
    assert "'1'" in str(failed.value)
    proxy.clear()
    assert list(z[:]) == [0, 1, 7, 7, 4, 5, 7, 7]


def test_an_array_in_a_folder_of_a_site_that_is_read_only(http_server):
    """Where nothing can be written, an error says so."""
    services.module("aiohttp")
    store = zarrc.FSStore(f"{http_server.url}/files/nowhere")
    with pytest.raises(StoreError, match="405"):
        zarrc.zeros(3, store=store)
