"""The store in Redis, on a server."""

from __future__ import annotations

import itertools
import pickle
import time

import pytest
import servers
import services

import zarrc
from zarrc.errors import PartialWriteError, StoreError, StorePermissionError, StoreTimeoutError
from zarrc.storage import RedisStore
from zarrc.testing import StoreTests

redis = services.module("redis")
pytestmark = pytest.mark.service

_numbers = itertools.count()


class TestRedisStore(StoreTests):
    process_safe = True

    @pytest.fixture(autouse=True)
    def _server(self, redis_server):
        self.port = redis_server.port
        yield
        client = redis.Redis(port=self.port)
        client.flushall()
        client.close()

    def create_store(self, tmp_path):
        # what is in the database besides is not the store's
        with redis.Redis(port=self.port) as client:
            client.set("zarr*:foreign", b"1")
        return RedisStore(f"zarr[{next(_numbers)}]", port=self.port)

    def reopen_store(self, store, tmp_path):
        return RedisStore(store._prefix, port=self.port)

    def read_only_store(self, store, tmp_path):
        return RedisStore(store._prefix, port=self.port, read_only=True)

    def raw_get(self, store, key):
        with redis.Redis(port=self.port) as client:
            return client.get(f"{store._prefix}:{key}")

    def raw_set(self, store, key, value):
        with redis.Redis(port=self.port) as client:
            client.set(f"{store._prefix}:{key}", value)


class TestClients:
    def test_a_client_of_the_user(self, redis_server):
        with redis.Redis(port=redis_server.port) as client:
            store = RedisStore("mine", client=client)
            store["a/b"] = b"12"
            store.close()
            assert client.get("mine:a/b") == b"12"
            with pytest.raises(TypeError, match="pickle"):
                pickle.dumps(store)
            with pytest.raises(TypeError, match="port"):
                RedisStore(client=client, port=1)

    def test_decoded_responses_are_refused(self):
        with pytest.raises(ValueError, match="decode_responses"):
            RedisStore(decode_responses=True)

    def test_a_url(self, redis_server):
        with RedisStore("of-url", url=f"redis://127.0.0.1:{redis_server.port}/3") as store:
            store["a"] = b"1"
            assert store.url == f"redis://127.0.0.1:{redis_server.port}/3/of-url"
            assert store != RedisStore("of-url", port=redis_server.port)

    def test_passwords_are_not_pickled(self):
        for kwargs in ({"password": "swordfish"}, {"url": "redis://:swordfish@localhost/0"}):
            store = RedisStore(**kwargs)
            assert "swordfish" not in repr(store)
            with pytest.raises(TypeError, match="credential_provider"):
                pickle.dumps(store)


@pytest.mark.parametrize(("fault", "error"), [("reset", StoreError), ("stall", StoreTimeoutError)])
def test_failures_are_not_missing_keys(redis_server, fault, error):
    once = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    with (
        servers.proxy(redis_server.port, "tcp") as proxy,
        RedisStore(f"faults-{fault}", port=proxy.port, socket_timeout=0.5, retry=once) as store,
    ):
        z = zarrc.zeros(4, chunks=2, store=store)
        z[:] = 7
        proxy.tell(fault=fault)
        for read in (lambda: store["0"], lambda: "0" in store, lambda: z[:], lambda: list(store)):
            with pytest.raises(error, match=f"redis://localhost:{proxy.port}"):
                read()
        with pytest.raises(PartialWriteError) as caught:
            store.setitems({"2": b"1", "3": b"1"})
        assert set(caught.value.failed) == {"2", "3"}
        proxy.clear()
        assert (z[:] == 7).all()


def test_a_server_that_is_dead_ends_soon(redis_server):
    """Without retries of the user's own."""
    with (
        servers.proxy(redis_server.port, "tcp") as proxy,
        RedisStore(port=proxy.port, socket_timeout=0.5) as store,
    ):
        store["a"] = b"1"
        proxy.tell(fault="stall")
        began = time.monotonic()
        with pytest.raises(StoreTimeoutError, match="'a'"):
            store["a"]
        assert time.monotonic() - began < 10
    nobody = RedisStore(port=servers.free_port())
    assert nobody.client.get_connection_kwargs()["socket_timeout"] == 20
    for ask in (lambda: nobody["a"], lambda: nobody.getitems(["a", "b"]), lambda: list(nobody)):
        began = time.monotonic()
        with pytest.raises(StoreError, match="redis://localhost"):
            ask()
        assert time.monotonic() - began < 10


def test_what_fails_once_is_tried_again(redis_server):
    with servers.proxy(redis_server.port, "tcp") as proxy, RedisStore("again", port=proxy.port) as store:
        store.setitems({"a": b"1", "b": b"2"})
        for fault in ("reset", "truncate"):
            proxy.tell(clear=True, fault=fault, times=1)
            assert store.getitems(["a", "b"]) == {"a": b"1", "b": b"2"}


def test_half_of_a_message_is_no_value(redis_server):
    once = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    with (
        servers.proxy(redis_server.port, "tcp") as proxy,
        RedisStore("cut", port=proxy.port, retry=once) as store,
    ):
        store["a"] = bytes(10_000)
        proxy.tell(fault="truncate")
        for read in (
            lambda: store["a"],
            lambda: store.getitems(["a"]),
            lambda: store.get_partial("a", 5, 100),
        ):
            with pytest.raises(StoreError, match="'a'"):
                read()


def test_a_write_that_fails_half_way_says_what_is_stored(redis_server):
    """A message for as many keys as may be asked for at a time: the second one is lost."""
    once = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    with (
        servers.proxy(redis_server.port, "tcp") as proxy,
        RedisStore("half", port=proxy.port, retry=once) as store,
        zarrc.config.set({"async.concurrency": 2}),
    ):
        store["x"] = b"1"
        proxy.tell(fault="reset", match="half:2", times=1)
        with pytest.raises(PartialWriteError, match="of 6 keys 4 were written") as failed:
            store.setitems({str(i): b"%d" % i for i in range(6)})
        assert (failed.value.done, failed.value.failed) == (("0", "1", "4", "5"), ("2", "3"))
        assert sorted(store) == ["0", "1", "4", "5", "x"]


def test_a_refusal_of_the_server(tmp_path):
    """A wrong password, and a server that is full."""
    with servers.redis(tmp_path, "--requirepass", "swordfish", "--maxmemory", "2mb") as server:
        for kwargs in ({}, {"password": "wrong-password"}):
            with RedisStore(port=server.port, **kwargs) as store:
                with pytest.raises(StorePermissionError, match="'a'") as failed:
                    store["a"]
                assert "wrong-password" not in str(failed.value)
        with RedisStore(port=server.port, password="swordfish") as store:
            with pytest.raises(PartialWriteError, match="'b'") as failed:
                store.setitems({"a": b"1", "b": bytes(4_000_000)})
            assert "swordfish" not in str(failed.value)
