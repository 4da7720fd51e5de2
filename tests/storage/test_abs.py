"""The store in Azure Blob Storage, on Azurite."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import processes
import pytest
import servers
import services

import zarrc
from zarrc.errors import PartialWriteError, StoreError, StorePermissionError, StoreTimeoutError
from zarrc.storage import ABSStore
from zarrc.testing import StoreTests

blob = services.module("azure.storage.blob")
pytestmark = pytest.mark.service

# Azurite's account, which everybody knows
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

_numbers = itertools.count()


def account_url(server) -> str:
    return f"{server.url}/{ACCOUNT}"


def client_of(server, name: str, **kwargs):
    kwargs = {"credential": KEY, "retry_total": 0, **kwargs}
    return blob.ContainerClient(account_url(server), name, **kwargs)


@pytest.fixture
def container(azure_server):
    """A client of a new container."""
    with client_of(azure_server, f"container-{next(_numbers)}") as client:
        client.create_container()
        yield client
        client.delete_container()


class TestABSStore(StoreTests):
    n_many = 200
    n_bulk = 500
    large_nbytes = 80_000_000  # more than a request may hold

    @pytest.fixture(autouse=True)
    def _container(self, container):
        self.container = container
        # what is in the container besides is not the store's
        container.upload_blob("zarr", b"1")
        container.upload_blob("zarr-2/foreign", b"1")

    def create_store(self, tmp_path):
        return ABSStore(client=self.container, prefix="zarr")

    def reopen_store(self, store, tmp_path):
        return ABSStore(client=self.container, prefix="zarr/")

    def read_only_store(self, store, tmp_path):
        return ABSStore(client=self.container, prefix="zarr", read_only=True)

    def raw_get(self, store, key):
        return self.container.download_blob(f"zarr/{key}").readall()

    def raw_set(self, store, key, value):
        self.container.upload_blob(f"zarr/{key}", value, overwrite=True)


class TestClients:
    def test_without_a_prefix(self, container):
        store = ABSStore(client=container)
        z = zarrc.zeros((8, 8), chunks=(4, 4), dtype="i4", store=store, path="a")
        z[:] = np.arange(64).reshape(8, 8)
        assert store.listdir() == [".zgroup", "a"]
        assert store.listdir("a") == [".zarray", "0.0", "0.1", "1.0", "1.1"]
        assert sorted(store) == sorted(each.name for each in container.list_blobs())
        assert (zarrc.open(ABSStore(client=container), mode="r")["a"][:] == z[:]).all()

    def test_the_older_arguments(self, azure_server, container):
        name = container.container_name
        kwargs = {"account_url": account_url(azure_server), "retry_total": 0}
        with ABSStore(name, "below/here", ACCOUNT, KEY, kwargs, "/") as store:
            z = zarrc.zeros(4, chunks=2, store=store)
            z[:] = 1
            assert container.download_blob("below/here/0").readall() == store["0"]
            assert store._dimension_separator == "/"
            assert store == ABSStore(client=container, prefix="below/here")
            assert KEY not in repr(store)
        assert ABSStore("name", account_name="account").url == "https://account.blob.core.windows.net/name"

    def test_arguments_that_do_not_fit(self, container):
        with pytest.raises(TypeError, match="container, account_key"):
            ABSStore("name", account_key=KEY, client=container)
        with pytest.raises(TypeError, match="client or a container"):
            ABSStore()
        with pytest.raises(TypeError, match="account_name"):
            ABSStore("name")
        from azure.storage.blob import aio

        with pytest.raises(TypeError, match="coroutines"):
            ABSStore(client=aio.ContainerClient("https://account.blob.core.windows.net", "name"))

    def test_credentials_are_not_pickled(self, azure_server, container):
        for more in ({"account_key": KEY}, {"blob_service_kwargs": {"credential": KEY}}):
            store = ABSStore("name", account_name=ACCOUNT, **more)
            with pytest.raises(TypeError, match="credential"):
                pickle.dumps(store)

    def test_public_containers_are_pickled(self, azure_server, container):
        container.set_container_access_policy({}, public_access="container")
        ABSStore(client=container)["a/b"] = b"12"
        kwargs = {"account_url": account_url(azure_server), "retry_total": 0}
        with ABSStore(container.container_name, blob_service_kwargs=kwargs, read_only=True) as store:
            again = pickle.loads(pickle.dumps(store))
            assert (again["a/b"], list(again), again == store) == (b"12", ["a/b"], True)
            again.close()


class TestProcesses:
    def test_write_together(self, azure_server, container):
        """Each its own chunks of one array, and a part of one that is all of theirs."""
        code = (
            "import sys, zarrc\n"
            "url, name, key, n = sys.argv[1:]\n"
            "kwargs = {'account_url': url, 'retry_total': 3}\n"
            "store = zarrc.ABSStore(name, 'data', account_key=key, blob_service_kwargs=kwargs)\n"
            "z = zarrc.open_array(store, mode='r+')\n"
            "for i in range(int(n), 30, 3):\n"
            "    z[i] = i + 1\n"
            "    store['shared'] = n.encode() * 1000\n"
            "    value = store['shared']; assert value == value[:1] * 1000\n"
            "store.close()"
        )
        store = ABSStore(client=container, prefix="data")
        z = zarrc.zeros((30, 100), chunks=(1, 40), dtype="i4", store=store)
        place = (account_url(azure_server), container.container_name, KEY)
        running = [processes.start(code, *place, n) for n in range(3)]
        for process in running:
            _, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
        assert (z[:] == np.arange(1, 31)[:, None]).all()
        assert store["shared"] in {b"%d" % n * 1000 for n in range(3)}


class TestErrors:
    def test_a_missing_container_is_no_missing_key(self, azure_server):
        with client_of(azure_server, "not-there") as client:
            store = ABSStore(client=client, prefix="p")
            tries = [
                lambda: store["a"],
                lambda: "a" in store,
                lambda: store.get_partial("a", -2),
                lambda: store.__setitem__("a", b"1"),
                lambda: store.__delitem__("a"),
                lambda: list(store),
                lambda: store.listdir(),
                lambda: store.getitems(["a", "b"]),
            ]
            for attempt in tries:
                with pytest.raises(
                    StoreError, match=r"(?s)devstoreaccount1/not-there/p: .*ContainerNotFound"
                ):
                    attempt()
            with pytest.raises(PartialWriteError) as caught:
                store.setitems({"a": b"1", "b": b"2"})
            assert sorted(caught.value.failed) == ["a", "b"]

    def test_a_wrong_key(self, azure_server, container):
        wrong = "d3Jvbmc="
        with client_of(azure_server, container.container_name, credential=wrong) as client:
            store = ABSStore(client=client)
            with pytest.raises(StorePermissionError, match="'a'") as caught:
                store["a"]
            assert wrong not in str(caught.value)

    def test_no_server(self, azure_server):
        kwargs = {"account_url": f"http://127.0.0.1:{servers.free_port()}/{ACCOUNT}", "retry_total": 0}
        with ABSStore("name", account_key=KEY, blob_service_kwargs=kwargs) as store:
            for attempt in (lambda: store["a/b"], lambda: store.getitems(["a/b"])):
                with pytest.raises(StoreError, match=r"127\.0\.0\.1.*'a/b'"):
                    attempt()


class TestFaults:
    """What goes wrong on the way is raised, never taken for a missing chunk, and no part for the whole."""

    @pytest.fixture
    def store(self, azure_server, container):
        with (
            servers.proxy(azure_server.port) as self.proxy,
            client_of(self.proxy, container.container_name, read_timeout=1) as client,
        ):
            yield ABSStore(client=client)

    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            ({"fault": "reset"}, StoreError),
            ({"fault": "stall"}, StoreTimeoutError),
            ({"fault": "truncate"}, StoreError),
            ({"fault": "status", "status": 403}, StorePermissionError),
            ({"fault": "status", "status": 404}, StoreError),  # of something between, not of the container
            ({"fault": "status", "status": 429}, StoreError),
            ({"fault": "status", "status": 503}, StoreError),
        ],
        ids=["reset", "stall", "truncate", "403", "404", "429", "503"],
    )
    def test_reading(self, store, fault, error):
        z = zarrc.zeros(100_000, chunks=50_000, compressor=None, dtype="i4", store=store, path="z")
        z[:] = 7
        self.proxy.tell(**fault, match=r"z/1")
        for read in (lambda: z[:], lambda: store["z/1"], lambda: store.get_partial("z/1", 10, 1000)):
            with pytest.raises(error, match="'z/1'"):
                read()
        assert (z[:50_000] == 7).all()
        self.proxy.clear()
        assert (z[:] == 7).all()

    def test_the_client_tries_again(self, azure_server, container):
        with servers.proxy(azure_server.port) as proxy:
            retries = {"retry_total": 2, "retry_policy": blob.LinearRetry(backoff=0, random_jitter_range=0)}
            with client_of(proxy, container.container_name, **retries) as client:
                store = ABSStore(client=client)
                store["a"] = b"12"
                proxy.tell(fault="status", status=500, times=1)
                assert store["a"] == b"12"

    def test_a_write_that_fails_half_way(self, store):
        self.proxy.tell(fault="status", status=500, match="/b[?]?")
        with pytest.raises(PartialWriteError) as caught:
            store.setitems({"a": b"1", "b": b"2", "c": b"3"})
        assert (set(caught.value.done), caught.value.failed) == ({"a", "c"}, ("b",))
        self.proxy.clear()
        assert sorted(store) == ["a", "c"]

    def test_latency_is_hidden(self, azure_server, container):
        with servers.proxy(azure_server.port) as proxy, client_of(proxy, container.container_name) as client:
            store = ABSStore(client=client)
            store.setitems({f"{i}": b"%d" % i for i in range(128)})
            proxy.tell(clear=True, latency=0.3)
            with zarrc.config.set({"async.concurrency": 64}):
                assert len(store.getitems([f"{i}" for i in range(128)])) == 128
            seen = proxy.tell()
        assert len(seen["requests"]) == 128
        assert seen["most"] > 32
