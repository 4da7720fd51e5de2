"""The store in MongoDB, on a server.

That is the one of ``ZARRC_TEST_MONGODB_URL`` where it is given, and else a process that speaks MongoDB's protocol.
"""

from __future__ import annotations

import itertools
import os
import pickle
import uuid

import numpy as np
import pytest
import servers
import services

import zarrc
from zarrc.errors import PartialWriteError, StoreError, StoreTimeoutError
from zarrc.storage import MongoDBStore
from zarrc.testing import StoreTests

pymongo = services.module("pymongo")
pytestmark = pytest.mark.service

_numbers = itertools.count()
_DATABASE = f"zarrc-test-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def url(request):
    real = os.environ.get("ZARRC_TEST_MONGODB_URL")
    if not real:
        real = f"mongodb://127.0.0.1:{request.getfixturevalue('mongodb_server').port}"
    return real


@pytest.fixture
def collection(url):
    """A new collection, looked at behind the store's back."""
    with pymongo.MongoClient(url) as client:
        made = client[_DATABASE][f"collection-{next(_numbers)}"]
        yield made
        made.drop()


class TestMongoDBStore(StoreTests):
    process_safe = True
    large_nbytes = 15_000_000

    @pytest.fixture(autouse=True)
    def _collection(self, url, collection):
        self.url, self.collection = url, collection
        # what is in the collection besides is not the store's
        collection.insert_one({"kind": "foreign"})

    def create_store(self, tmp_path, **kwargs):
        return MongoDBStore(_DATABASE, self.collection.name, host=self.url, **kwargs)

    def reopen_store(self, store, tmp_path):
        return self.create_store(tmp_path)

    def read_only_store(self, store, tmp_path):
        return self.create_store(tmp_path, read_only=True)

    def raw_get(self, store, key):
        return self.collection.find_one({"key": key})["value"]

    def raw_set(self, store, key, value):
        self.collection.replace_one({"key": key}, {"key": key, "value": value}, upsert=True)

    @pytest.mark.parametrize("nbytes", [0, 1, 4095, 4096, 1 << 20, 16_776_000])
    def test_sizes(self, store, nbytes):
        super().test_sizes(store, nbytes)

    def test_too_long(self, store):
        value = bytes(16 * 1024 * 1024)
        for write in (lambda: store.__setitem__("a/b", value), lambda: store.setitems({"a/b": value})):
            with pytest.raises(ValueError, match=r"'a/b'.*16777216 bytes.*smaller chunks"):
                write()
        assert list(store) == []


class TestData:
    def test_an_array(self, url, collection):
        with MongoDBStore(_DATABASE, collection.name, "/", host=url) as store:
            data = np.arange(10_000).reshape(100, 100)
            zarrc.array(data, chunks=(10, 10), store=store, path="a/b")
            assert len(store) == 103
        with MongoDBStore(_DATABASE, collection.name, host=url, read_only=True) as store:
            assert (zarrc.open(store, mode="r")["a/b"][:] == data).all()
            assert store.listdir("a") == [".zgroup", "b"]
            assert "0/0" in {key.partition("b/")[2] for key in store}

    def test_documents_made_elsewhere(self, url, collection):
        collection.insert_many([{"key": "a/0", "value": b"12"}, {"key": "a/1", "value": b"345"}])
        with MongoDBStore(_DATABASE, collection.name, host=url) as store:
            assert store.getitems(["a/0", "a/1", "a/2"]) == {"a/0": b"12", "a/1": b"345"}
            assert (store.getsize("a"), store.getsize("a/1"), store.getsize_prefix()) == (5, 3, 5)

    def test_more_than_one_message(self, url, collection):
        values = {f"a/{i}": np.random.default_rng(i).bytes(12_000_000) for i in range(5)}
        with MongoDBStore(_DATABASE, collection.name, host=url) as store:
            store.setitems(values)
            assert store.getitems(values) == values


class TestClients:
    def test_passwords_are_not_seen(self):
        for kwargs in (
            {"host": "mongodb://me:swordfish@localhost:27017/?tls=false"},
            {"username": "me", "password": "swordfish"},
        ):
            with MongoDBStore("d", "c", connect=False, **kwargs) as store:
                assert store.url == "mongodb://localhost:27017/d/c"
                assert "swordfish" not in repr(store)
                with pytest.raises(TypeError, match="password"):
                    pickle.dumps(store)

    def test_names_of_servers(self):
        for kwargs, url in (
            ({}, "mongodb://localhost:27017/d/c"),
            ({"host": "here", "port": 5}, "mongodb://here:5/d/c"),
            ({"host": ["a:1", "b:2"]}, "mongodb://a:1,b:2/d/c"),
        ):
            with MongoDBStore("d", "c", connect=False, **kwargs) as store:
                assert store.url == url


class TestFaults:
    @pytest.fixture
    def store(self, mongodb_server, collection):
        with servers.proxy(mongodb_server.port, "tcp") as self.proxy:
            settings = {"socketTimeoutMS": 1000, "serverSelectionTimeoutMS": 1000}
            settings |= {"retryReads": False, "retryWrites": False}
            store = MongoDBStore(
                _DATABASE, collection.name, host="127.0.0.1", port=self.proxy.port, **settings
            )
            yield store
            store.close()

    @pytest.mark.skipif("ZARRC_TEST_MONGODB_URL" in os.environ, reason="needs the server that tests start")
    @pytest.mark.parametrize(
        ("fault", "error"), [("reset", StoreError), ("stall", StoreTimeoutError), ("truncate", StoreError)]
    )
    def test_failures_are_not_missing_keys(self, store, fault, error):
        z = zarrc.zeros(4, chunks=2, store=store)
        z[:] = 7
        self.proxy.tell(fault=fault)
        for read in (
            lambda: store["0"],
            lambda: "0" in store,
            lambda: z[:],
            lambda: store.getitems(["0", "1"]),
            lambda: list(store),
        ):
            with pytest.raises(error, match=f"mongodb://127.0.0.1:{self.proxy.port}"):
                read()
        with pytest.raises(PartialWriteError) as caught:
            store.setitems({"2": b"1", "3": b"1"})
        assert set(caught.value.failed) == {"2", "3"}
        self.proxy.clear()
        assert (z[:] == 7).all()

    def test_no_server(self):
        port = servers.free_port()
        with (
            MongoDBStore(host="127.0.0.1", port=port, serverSelectionTimeoutMS=200) as store,
            pytest.raises(StoreTimeoutError, match=f"127.0.0.1:{port}.*'a/b'"),
        ):
            store["a/b"]

    def test_not_everything_can_be_written(self, url, collection):
        """Of a bulk write that the server refuses in part, the error says which."""
        collection.create_index("value", unique=True)
        with MongoDBStore(_DATABASE, collection.name, host=url) as store:
            with pytest.raises(PartialWriteError, match="of 3 keys 2 were written") as caught:
                store.setitems({"a": b"1", "b": b"1", "c": b"2"})
            assert (set(caught.value.done), caught.value.failed) == ({"a", "c"}, ("b",))
            assert sorted(store) == ["a", "c"]
