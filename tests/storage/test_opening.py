"""What opening and listing asks of servers: counted at a proxy, in pipelines of Redis and in commands of MongoDB."""

from __future__ import annotations

import pytest
import servers
import services
from clouds import S3_STORES as STORES

import zarrc
from zarrc.storage import ABSStore, MemoryStore, MongoDBStore, RedisStore

pytestmark = pytest.mark.service

N_ARRAYS = 1000
DOCUMENTS = {2: (".zarray", ".zattrs"), 3: ("zarr.json",)}


def hierarchy(zarr_format, n_arrays):
    """Keys and values of a group of arrays."""
    store = MemoryStore()
    zarrc.zeros(10, chunks=5, store=store, zarr_format=zarr_format).attrs["unit"] = "mm"
    documents = {name: store[name] for name in DOCUMENTS[zarr_format]}
    values = {f"a{i}/{name}": value for i in range(n_arrays) for name, value in documents.items()}
    root = MemoryStore()
    zarrc.open_group(root, mode="w", zarr_format=zarr_format)
    return {**values, **root}


def read(group, n_arrays):
    found = dict(group.arrays())
    assert len(found) == n_arrays
    assert all(each.attrs["unit"] == "mm" for each in found.values())


@pytest.fixture(scope="module")
def proxy(s3_bucket):
    with servers.proxy(s3_bucket.port) as running:
        running.bucket = s3_bucket.name
        yield running


@pytest.fixture(scope="module")
def many(proxy):
    """Prefixes of two hierarchies, of format 2 and of format 3."""
    for zarr_format, n_arrays in ((2, 20), (3, N_ARRAYS)):
        store = STORES["ObjectStore"](proxy, f"many-{zarr_format}")
        store.setitems(hierarchy(zarr_format, n_arrays))
    return proxy


def is_listing(request):
    return "list-type" in request or "comp=list" in request


@pytest.mark.parametrize("kind", list(STORES))
@pytest.mark.parametrize(("zarr_format", "n_arrays"), [(2, 20), (3, N_ARRAYS)])
def test_arrays_are_one_listing_and_one_bulk_read(many, kind, zarr_format, n_arrays):
    group = zarrc.open_group(STORES[kind](many, f"many-{zarr_format}"), mode="r", zarr_format=zarr_format)
    looks = [lambda: read(group, n_arrays), lambda: len(group), lambda: list(group.array_keys())]
    for look in looks[: 1 if n_arrays == N_ARRAYS else None]:
        many.clear()
        look()
        listings = [request for request in many.requests if is_listing(request)]
        assert len(listings) == (2 if n_arrays == N_ARRAYS else 1)  # S3 gives a thousand names at a time
        assert sum("continuation-token" not in each for each in listings) == 1
        asked = sorted(each.rpartition("/")[2] for each in many.requests if each not in listings)
        assert len(asked) <= n_arrays * len(DOCUMENTS[zarr_format])
        assert many.tell()["most"] > 8


@pytest.mark.parametrize("kind", list(STORES))
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_consolidated_group_is_one_request(proxy, kind, zarr_format):
    store = STORES[kind](proxy, f"consolidated-{kind}-{zarr_format}")
    store.setitems(hierarchy(zarr_format, 20))
    zarrc.consolidate_metadata(store)
    document = {2: ".zmetadata", 3: "zarr.json"}[zarr_format]
    for said, documents in ((zarr_format, {document}), (None, {".zmetadata", "zarr.json"})):
        for opener in (zarrc.open_consolidated, open_group_consolidated):
            proxy.clear()
            proxy.tell(latency=0.1)
            group = opener(store, mode="r", zarr_format=said)
            read(group, 20)
            assert group["a3"].shape == (10,)
            told = proxy.tell()
            assert [each.split("/")[0] for each in told["requests"]] == ["GET "] * len(documents)
            assert {each.rpartition("/")[2] for each in told["requests"]} == documents
            assert told["most"] == len(documents)  # both at one time


def open_group_consolidated(store, **kwargs):
    return zarrc.open_group(store, use_consolidated=True, **kwargs)


def test_a_consolidated_group_of_a_url_is_one_request(proxy):
    store = STORES["FSStore"](proxy, "consolidated-url")
    store.setitems(hierarchy(2, 5))
    zarrc.consolidate_metadata(store)
    proxy.clear()
    group = zarrc.open_consolidated(
        f"s3://{proxy.bucket}/consolidated-url",
        mode="r",
        zarr_format=2,
        storage_options=store.fs.storage_options,
    )
    read(group, 5)
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("kind", list(STORES))
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_what_there_is_is_found_at_once(many, kind, zarr_format):
    """The documents of a node are asked for together, where it is not said which there are."""
    store = STORES[kind](many, f"many-{zarr_format}")
    both = {"zarr.json", ".zarray", ".zgroup", ".zattrs"}
    asked = {
        (zarrc.open, None): both,
        (zarrc.open, 2): both - {"zarr.json"},
        (zarrc.open, 3): {"zarr.json"},
        (zarrc.open_group, None): both - {".zarray"},
        (zarrc.open_group, zarr_format): {"zarr.json"} if zarr_format == 3 else {".zgroup", ".zattrs"},
    }
    for (opener, said), documents in asked.items():
        if said not in (None, zarr_format):
            continue
        many.clear()
        many.tell(latency=0.1)
        group = opener(store, mode="r", zarr_format=said)
        told = many.tell()
        assert sorted(each.rpartition("/")[2] for each in told["requests"]) == sorted(documents)
        assert told["most"] == len(documents)
    many.clear()
    assert group["a7"].shape == (10,)
    assert len(many.requests) == (3 if zarr_format == 2 else 1)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_redis_is_asked_in_one_pipeline(redis_server, zarr_format, monkeypatch):
    redis = services.module("redis")
    execute, asked = redis.client.Pipeline.execute, []

    def counted(pipeline, *args, **kwargs):
        asked.append(len(pipeline.command_stack))
        return execute(pipeline, *args, **kwargs)

    monkeypatch.setattr(redis.client.Pipeline, "execute", counted)
    with RedisStore(f"opening-{zarr_format}", port=redis_server.port) as store:
        store.setitems(hierarchy(zarr_format, N_ARRAYS))
        asked.clear()
        group = zarrc.open_group(store, mode="r", zarr_format=zarr_format)
        assert len(asked) == 1
        asked.clear()
        read(group, N_ARRAYS)
        assert asked == [N_ARRAYS * len(DOCUMENTS[zarr_format])]
        zarrc.consolidate_metadata(store)
        asked.clear()
        read(zarrc.open_consolidated(store, mode="r"), N_ARRAYS)
        assert len(asked) == 1


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_mongodb_is_asked_in_one_question(mongodb_server, zarr_format):
    monitoring = services.module("pymongo.monitoring")

    class Commands(monitoring.CommandListener):
        def __init__(self):
            self.names = []

        def started(self, event):
            self.names.append(event.command_name)

        def succeeded(self, event):
            pass

        failed = succeeded

    listener = Commands()
    with MongoDBStore(
        "opening", f"of-{zarr_format}", port=mongodb_server.port, event_listeners=[listener]
    ) as store:
        store.setitems(hierarchy(zarr_format, N_ARRAYS))
        group = zarrc.open_group(store, mode="r", zarr_format=zarr_format)
        listener.names.clear()
        read(group, N_ARRAYS)
        assert listener.names.count("find") == 2
        assert set(listener.names) <= {"find", "getMore"}  # the next documents of an answer


def test_n5(proxy):
    """Each dataset is one document, whatever format 2 makes of it."""
    store = STORES["FSStore"](proxy, "n5")
    root = zarrc.open_group(zarrc.N5Store(store), mode="w")
    for i in range(20):
        root.zeros(f"a{i}", shape=10, chunks=5).attrs["unit"] = "mm"
    proxy.clear()
    again = zarrc.open_group(zarrc.N5Store(store), mode="r")
    assert {each.rpartition("/")[2] for each in proxy.requests} == {"attributes.json"}
    proxy.clear()
    read(again, 20)
    assert len([each for each in proxy.requests if is_listing(each)]) == 1
    assert len(proxy.requests) == 1 + 1 + 20  # with the document of the group itself
    assert proxy.tell()["most"] > 8


def test_abs(azure_server, azure_container):
    blob = services.module("azure.storage.blob")
    with (
        servers.proxy(azure_server.port) as proxy,
        blob.ContainerClient(
            f"{proxy.url}/{servers.AZURE_ACCOUNT}", azure_container.name, credential=servers.AZURE_KEY
        ) as client,
    ):
        store = ABSStore(client=client, prefix="opening")
        store.setitems(hierarchy(3, 50))
        proxy.clear()
        read(zarrc.open_group(store, mode="r", zarr_format=3), 50)
        assert len([each for each in proxy.requests if is_listing(each)]) == 1
        assert len(proxy.requests) == 1 + 1 + 50
        zarrc.consolidate_metadata(store)
        proxy.clear()
        read(zarrc.open_consolidated(store, mode="r", zarr_format=3), 50)
        assert len(proxy.requests) == 1


def test_http(http_server):
    """A web site needs no listing where the metadata are consolidated."""
    services.module("aiohttp")
    folder = http_server.folder / "files" / "opening.zarr"
    root = zarrc.open_group(str(folder), mode="w")
    for i in range(5):
        root.zeros(f"a{i}", shape=10, chunks=5).attrs["unit"] = "mm"
    zarrc.consolidate_metadata(str(folder))
    with servers.proxy(http_server.port) as proxy:
        read(zarrc.open_consolidated(f"{proxy.url}/files/opening.zarr", mode="r", zarr_format=2), 5)
        assert proxy.requests == ["GET /files/opening.zarr/.zmetadata"]
