"""The store in Redis, on a server."""

from __future__ import annotations

import itertools
import pickle

import pytest
import servers
import services

import zarrc
from zarrc.errors import PartialWriteError, StoreError, StoreTimeoutError
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
