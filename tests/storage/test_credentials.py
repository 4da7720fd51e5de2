"""Credentials are not seen: not in what a store prints, in its errors, in warnings and logs, or in pickles.

What a client library stores and pickles itself is its own affair: here it is left out of the pickles.
"""

from __future__ import annotations

import base64
import datetime as dt
import logging
import pickle
import traceback
import warnings

import numpy as np
import pytest
import servers
import services

import zarrc
from zarrc.errors import StorePermissionError
from zarrc.storage import ABSStore, FSStore, LRUStoreCache, MongoDBStore, ObjectStore, RedisStore

SECRET = "swordfish-of-1234"
KEY = base64.b64encode(SECRET.encode() * 4).decode()
SHOWN_AS = (SECRET, KEY, KEY.rstrip("="), base64.b64encode(f"me:{SECRET}".encode()).decode())
QUICK = {
    "client_options": {"allow_http": True, "timeout": dt.timedelta(seconds=5)},
    "retry_config": {"max_retries": 0, "retry_timeout": dt.timedelta(seconds=5)},
}


def no_server():
    return f"127.0.0.1:{servers.free_port()}"


def redis_password():
    host, _, port = no_server().partition(":")
    return RedisStore(host=host, port=int(port), username="me", password=SECRET, retry=None)


def redis_url():
    return RedisStore(url=f"redis://me:{SECRET}@{no_server()}/0", retry=None)


def mongodb_password():
    host = no_server()
    return MongoDBStore("d", "c", host=host, username="me", password=SECRET, serverSelectionTimeoutMS=20)


def mongodb_url():
    return MongoDBStore("d", "c", host=f"mongodb://me:{SECRET}@{no_server()}/?serverSelectionTimeoutMS=20")


def abs_key():
    more = {"account_url": f"http://{no_server()}/account", "retry_total": 0}
    return ABSStore("container", account_name="account", account_key=KEY, blob_service_kwargs=more)


def abs_signature():
    more = {"account_url": f"http://{no_server()}/account?sv=1&sig={SECRET}", "retry_total": 0}
    return ABSStore("container", blob_service_kwargs=more)


def abs_client():
    blob = services.module("azure.storage.blob")
    return ABSStore(
        client=blob.ContainerClient(
            f"http://{no_server()}/account", "container", credential=KEY, retry_total=0
        )
    )


def s3_options():
    services.module("s3fs")
    quick = {"retries": {"total_max_attempts": 1}}
    return {
        "key": "id",
        "secret": SECRET,
        "token": KEY,
        "client_kwargs": {"endpoint_url": f"http://{no_server()}"},
        "config_kwargs": quick,
    }


def fs_s3():
    return FSStore("s3://bucket/data", **s3_options())


def fs_cached_s3():
    return FSStore("simplecache::s3://bucket/data", s3=s3_options())


def n5_s3():
    return zarrc.N5FSStore("s3://bucket/data.n5", **s3_options())


def lru_s3():
    return LRUStoreCache(fs_s3(), max_size=None)


def fs_azure():
    services.module("adlfs")
    text = (
        "DefaultEndpointsProtocol=http;AccountName=account;"
        f"AccountKey={KEY};BlobEndpoint=http://{no_server()}/account;"
    )
    return FSStore("abfs://container/data", connection_string=text)


def fs_azure_signature():
    services.module("adlfs")
    return FSStore("abfs://container/data", account_name="account.invalid", sas_token=f"sv=1&sig={SECRET}")


def fs_http():
    services.module("aiohttp")
    return FSStore(f"http://me:{SECRET}@{no_server()}/data")


def fs_cached_http():
    services.module("aiohttp")
    return FSStore(f"simplecache::http://me:{SECRET}@{no_server()}/data")


def n5_http():
    services.module("aiohttp")
    return zarrc.N5FSStore(f"http://me:{SECRET}@{no_server()}/data.n5")


def fs_http_header():
    services.module("aiohttp")
    options = {"headers": {"Authorization": f"Bearer {SECRET}"}}
    return FSStore(f"http://{no_server()}/data", client_kwargs=options)


def object_s3():
    stores = services.module("obstore.store")
    return ObjectStore(
        stores.S3Store(
            "bucket",
            endpoint=f"http://{no_server()}",
            access_key_id="id",
            secret_access_key=SECRET,
            session_token=KEY,
            region="r",
            **QUICK,
        )
    )


def object_azure():
    stores = services.module("obstore.store")
    endpoint = f"http://{no_server()}/account"
    return ObjectStore(
        stores.AzureStore("container", account_name="account", account_key=KEY, endpoint=endpoint, **QUICK)
    )


def object_http():
    services.module("obstore.store")
    return ObjectStore(f"http://me:{SECRET}@{no_server()}/data", **QUICK)


MADE = [
    *(redis_password, redis_url, mongodb_password, mongodb_url, abs_key, abs_signature, abs_client),
    *(fs_s3, fs_cached_s3, n5_s3, lru_s3, fs_azure, fs_azure_signature),
    *(fs_http, fs_cached_http, n5_http, fs_http_header, object_s3, object_azure, object_http),
]


def check(*texts):
    for text in texts:
        for secret in SHOWN_AS:
            assert secret not in str(text)


def own_part(store):
    """What zarrc itself puts into a pickle of a store."""
    inner = next((vars(store)[name] for name in ("_inner", "_store") if name in vars(store)), store)
    return {
        name: value for name, value in inner.__getstate__().items() if name not in ("fs", "store", "_given")
    }


def asking(store):
    return [
        lambda: store["a"],
        lambda: "a" in store,
        lambda: store.getitems(["a", "b"]),
        lambda: store.setitems({"a": b"1", "b": b"2"}),
        lambda: store.__setitem__("a", b"1"),
        lambda: store.delitems(["a"]),
        lambda: list(store),
        lambda: store.listdir("a"),
        lambda: zarrc.open(store, mode="r"),
        lambda: zarrc.zeros(4, store=store),
    ]


@pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)
def test_nobody_sees_them(make, caplog):
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as warned, zarrc.config.set({"async.timeout": 0.2}):
        warnings.simplefilter("always")
        store = make()
        check(repr(store), str(store), store.identity(), getattr(store, "url", ""), hash_of(store))
        n_failed = 0
        asks = asking(store)
        for ask in asks[::4] if isinstance(store, MongoDBStore) else asks:  # each waits half a second there
            try:
                ask()
            except Exception as error:
                n_failed += 1
                check(error, repr(error), vars(error), *traceback.format_exception(error))
        assert n_failed >= 2
        z = zarrc.Array({**zarrc.zeros(4, store={}).store}, chunk_store=store)
        check(repr(z), str(z), repr(z.chunk_store))
        with pytest.raises(Exception) as failed:
            z[:] = 1
        check(failed.value, *traceback.format_exception(failed.value))
        try:
            check(pickle.dumps(own_part(store)))
        except TypeError as error:
            check(error)
    check(*(each.message for each in warned))
    check(*(each.getMessage() for each in caplog.records if each.name.split(".")[0] == "zarrc"))
    if hasattr(store, "close"):
        store.close()


def hash_of(store):
    """What locks and caches know a store by."""
    from zarrc.storage import base

    return base.lock_name(store, "a")


def test_mappers_with_a_password_are_not_pickled():
    services.module("aiohttp")
    mapper = services.module("fsspec").get_mapper(f"http://me:{SECRET}@{no_server()}/data")
    store = zarrc.storage.normalize_store(mapper)
    check(repr(store), store.url)
    with pytest.raises(TypeError, match="password"):
        pickle.dumps(store)


@pytest.mark.service
def test_a_site_with_a_password(http_server):
    """Users of URLs get in, and only they; what is opened does not show the password."""
    services.module("aiohttp")
    folder = http_server.folder / "private"
    zarrc.save(str(folder / "data.zarr"), np.arange(10))
    address = f"127.0.0.1:{http_server.port}/private/data.zarr"
    for scheme in ("http://", "simplecache::http://"):
        z = zarrc.open(f"{scheme}{servers.HTTP_USER}:{servers.HTTP_PASSWORD}@{address}", mode="r")
        assert np.array_equal(z[:], np.arange(10))
        assert servers.HTTP_PASSWORD not in f"{z.store} {z.store.path} {z.info} {z.store.url}"
        again = pickle.loads(pickle.dumps(z))
        assert np.array_equal(again[:], np.arange(10))
    with pytest.raises(StorePermissionError, match="401") as failed:
        zarrc.open(f"http://me:wrong-{SECRET}@{address}", mode="r")
    check(failed.value, *traceback.format_exception(failed.value))
    with pytest.raises(StorePermissionError, match="401"):
        zarrc.open(f"http://{address}", mode="r")
