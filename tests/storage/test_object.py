"""The store on obstore, over servers and what else obstore opens."""

from __future__ import annotations

import itertools
import re

import pytest
import services

from zarrc.storage import ObjectStore
from zarrc.testing import KEYS, StoreTests

obstore = services.module("obstore")
stores = services.module("obstore.store")

_numbers = itertools.count()
QUICK_RETRIES = {"max_retries": 1, "retry_timeout": __import__("datetime").timedelta(seconds=5)}


class ObjectStoreTests(StoreTests):
    n_many, n_bulk, large_nbytes = 100, 300, 10_000_000

    def open(self, prefix):
        raise NotImplementedError

    def create_store(self, tmp_path):
        return ObjectStore(self.open(f"of-tests/{next(_numbers)}"))

    def reopen_store(self, store, tmp_path):
        return ObjectStore(self.open(store.store.prefix))

    def read_only_store(self, store, tmp_path):
        return ObjectStore(self.open(store.store.prefix), read_only=True)

    def raw_get(self, store, key):
        return obstore.get(store.store, key).bytes()

    def raw_set(self, store, key, value):
        obstore.put(store.store, key, value)


@pytest.mark.service
class TestS3(ObjectStoreTests):
    process_safe = True

    @pytest.fixture(autouse=True)
    def _server(self, s3_bucket):
        self.bucket = s3_bucket

    def open(self, prefix):
        return stores.S3Store(
            self.bucket.name,
            prefix=str(prefix),
            endpoint=self.bucket.url,
            access_key_id="id",
            secret_access_key="secret",
            region="us-east-1",
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )


@pytest.mark.service
class TestAzure(ObjectStoreTests):
    @pytest.fixture(autouse=True)
    def _server(self, azure_container):
        self.container = azure_container

    def open(self, prefix):
        return stores.AzureStore(
            self.container.name,
            prefix=str(prefix),
            account_name=self.container.account,
            account_key=self.container.key,
            endpoint=self.container.url,
            client_options={"allow_http": True},
        )


@pytest.mark.service
class TestHTTP(ObjectStoreTests):
    """A folder that nginx lets be written; its listings leave out what begins with a dot."""

    keys = tuple(key for key in KEYS if not re.search(r"(^|/)\.", key))
    process_safe = True

    @pytest.fixture(autouse=True)
    def _server(self, http_server):
        self.server = http_server

    def open(self, url):
        url = url if "://" in url else f"{self.server.url}/dav/{url}"
        return stores.HTTPStore.from_url(url, client_options={"allow_http": True})

    def reopen_store(self, store, tmp_path):
        return ObjectStore(self.open(store.store.url))

    def read_only_store(self, store, tmp_path):
        return ObjectStore(self.open(store.store.url), read_only=True)

    def test_rmdir(self, store):
        """All keys go; over HTTP there is no way to delete the folders, which stay and are empty."""
        store.setitems(dict.fromkeys(("a", "c/d", "c/e/f", "c/e/g"), b"1"))
        store.rmdir("c/e")
        assert sorted(store) == ["a", "c/d"]
        store.rmdir()
        assert (list(store), len(store), "c" in store) == ([], 0, False)


class TestLocal(ObjectStoreTests):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.folder = tmp_path / "objects"

    def open(self, prefix):
        return stores.LocalStore(self.folder / str(prefix), mkdir=True, automatic_cleanup=True)


class TestMemory(ObjectStoreTests):
    picklable = False

    def open(self, prefix):
        return stores.MemoryStore()

    def reopen_store(self, store, tmp_path):
        return ObjectStore(store.store)

    def read_only_store(self, store, tmp_path):
        return ObjectStore(store.store, read_only=True)
