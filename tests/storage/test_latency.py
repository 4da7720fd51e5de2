"""How many requests a transfer has under way, counted at a proxy that lets every answer wait."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import servers
import services
from clouds import BUCKET
from clouds import S3_STORES as STORES

import zarrc
from zarrc.errors import CodecError, PartialWriteError, StoreError
from zarrc.storage import RedisStore

pytestmark = pytest.mark.service

N_CHUNKS = 96
CONCURRENCY = 32
LATENCY = 0.05


@pytest.fixture(scope="module")
def proxy(s3_bucket):
    with servers.proxy(s3_bucket.port) as running:
        yield running


@pytest.fixture(autouse=True)
def settings(proxy):
    proxy.clear()
    with zarrc.config.set({"async.concurrency": CONCURRENCY}):
        yield
    proxy.clear()


def numbers(n=N_CHUNKS):
    return np.arange(n * 64, dtype="i4").reshape(n, 64) + 1


def chunked(store, n=N_CHUNKS, **options):
    """An array of `n` chunks, whose values are those of `numbers`."""
    z = zarrc.create_array(store, shape=(n, 64), chunks=(1, 64), dtype="i4", **options)
    z[:] = numbers(n)
    return z


def gets(proxy):
    return [request for request in proxy.requests if request.startswith("GET")]


def methods(proxy):
    return sorted(request.split()[0] for request in proxy.requests)


@pytest.mark.parametrize("kind", list(STORES))
def test_256_chunks_in_few_rounds(http_server, kind):
    """nginx, which answers requests for objects as S3 does, takes no time itself."""
    folder = zarrc.DirectoryStore(http_server.folder / "files" / BUCKET / "rounds.zarr")
    zarrc.create_array(folder, shape=(256, 64), chunks=(1, 64), dtype="i4", overwrite=True)[:] = numbers(256)
    with servers.proxy(http_server.port) as proxy, zarrc.config.set({"async.concurrency": 64}):
        z = zarrc.open_array(
            STORES[kind](SimpleNamespace(url=f"{proxy.url}/files"), "rounds.zarr"), mode="r", zarr_format=3
        )
        z[:]  # connections are there
        proxy.clear()
        proxy.tell(latency=LATENCY)
        np.testing.assert_array_equal(z[:], numbers(256))
        seen = proxy.tell()
    assert len(seen["requests"]) == 256
    assert 48 <= seen["most"] <= 64
    assert seen["rounds"] < 32  # 4 where the machine does nothing else


@pytest.mark.parametrize("kind", list(STORES))
class TestRounds:
    def test_reading(self, proxy, kind):
        z = chunked(STORES[kind](proxy, f"read-{kind}"))
        proxy.clear()
        proxy.tell(latency=LATENCY)
        np.testing.assert_array_equal(z[:], numbers())
        seen = proxy.tell()
        assert len(gets(proxy)) == N_CHUNKS == len(seen["requests"])
        assert CONCURRENCY // 2 < seen["most"] <= CONCURRENCY

    def test_writing(self, proxy, kind):
        z = chunked(STORES[kind](proxy, f"write-{kind}"))
        proxy.clear()
        proxy.tell(latency=LATENCY)
        z[:] = numbers() + 1
        seen = proxy.tell()
        assert methods(proxy) == ["PUT"] * N_CHUNKS
        assert CONCURRENCY // 2 < seen["most"] <= CONCURRENCY
        proxy.clear()
        np.testing.assert_array_equal(z[:], numbers() + 1)

    def test_parts_of_chunks(self, proxy, kind):
        z = chunked(STORES[kind](proxy, f"part-{kind}"))
        proxy.clear()
        proxy.tell(latency=LATENCY)
        z[:, 3:7] = 5
        seen = proxy.tell()
        assert methods(proxy) == ["GET"] * N_CHUNKS + ["PUT"] * N_CHUNKS
        assert CONCURRENCY // 2 < seen["most"] <= CONCURRENCY
        proxy.clear()
        expected = numbers()
        expected[:, 3:7] = 5
        np.testing.assert_array_equal(z[:], expected)

    def test_empty_chunks(self, proxy, kind):
        """Deleting takes a request each at most, and nobody asks whether there is something."""
        z = chunked(STORES[kind](proxy, f"empty-{kind}"), config={"write_empty_chunks": False})
        proxy.clear()
        proxy.tell(latency=LATENCY)
        z[:] = 0
        seen = proxy.tell()
        assert len(seen["requests"]) <= N_CHUNKS
        assert not any(request.startswith(("GET", "HEAD", "PUT")) for request in seen["requests"])
        proxy.clear()
        assert z.nchunks_initialized == 0
        assert (z[:] == 0).all()

    def test_one_at_a_time(self, proxy, kind):
        z = chunked(STORES[kind](proxy, f"one-{kind}"), 8)
        proxy.clear()
        proxy.tell(latency=LATENCY)
        with zarrc.config.set({"async.concurrency": 1}):
            z[:, :3] = 9
            assert (z[:, :3] == 9).all()
        assert proxy.tell()["most"] == 1


@pytest.mark.parametrize("kind", list(STORES))
class TestShards:
    def create(self, proxy, kind, n=32):
        store = STORES[kind](proxy, f"shards-{kind}-{n}")
        z = zarrc.create_array(
            store, shape=(n, 64), chunks=(1, 8), shards=(1, 64), dtype="i4", overwrite=True
        )
        z[:] = numbers(n)
        return z

    def test_index_and_chunks(self, proxy, kind):
        """Two requests for each shard; many shards take hardly longer than one."""
        z = self.create(proxy, kind)
        proxy.clear()
        proxy.tell(latency=LATENCY)
        np.testing.assert_array_equal(z[:, 8:16], numbers(32)[:, 8:16])
        seen = proxy.tell()
        assert len(gets(proxy)) == 64
        assert seen["most"] > 16

    def test_chunks_do_not_wait_for_all_indexes(self, proxy, kind):
        """With two requests at a time, a shard's chunks are asked for before the last index is."""
        z = self.create(proxy, kind)
        proxy.clear()
        proxy.tell(latency=LATENCY)
        with zarrc.config.set({"async.concurrency": 2}):
            np.testing.assert_array_equal(z[:8, 8:16], numbers(8)[:, 8:16])
        ranges = [request.split()[-1] for request in gets(proxy)]
        of_index = [k for k, each in enumerate(ranges) if each.startswith("bytes=-")]
        assert len(of_index) == 8
        assert of_index[-1] > 8

    def test_parts_of_shards(self, proxy, kind):
        z = self.create(proxy, kind)
        proxy.clear()
        proxy.tell(latency=LATENCY)
        z[:, 8:12] = 5
        seen = proxy.tell()
        assert methods(proxy) == ["GET"] * 32 + ["PUT"] * 32
        assert seen["most"] > 16
        proxy.clear()
        expected = numbers(32)
        expected[:, 8:12] = 5
        np.testing.assert_array_equal(z[:], expected)


@pytest.mark.parametrize("kind", list(STORES))
class TestWhatElseIsMoved:
    def test_texts(self, proxy, kind):
        texts = np.array([f"text {k}" * (k % 5) for k in range(100)], object)
        z = zarrc.create(100, chunks=7, dtype=str, store=STORES[kind](proxy, f"texts-{kind}"))
        z[:] = texts
        z[3:30] = "other"
        texts[3:30] = "other"
        assert (z[:] == texts).all()

    def test_fields(self, proxy, kind):
        store = STORES[kind](proxy, f"fields-{kind}")
        z = zarrc.zeros(20, chunks=3, dtype=[("a", "i4"), ("b", "f8")], store=store)
        z["a"] = np.arange(20)
        z["b", 5:9] = 1.5
        assert (z["a"] == np.arange(20)).all()
        assert z["b"].sum() == 6

    def test_through_a_cache_of_chunks(self, proxy, kind):
        chunked(STORES[kind](proxy, f"cached-{kind}"), 40)
        z = zarrc.open_array(STORES[kind](proxy, f"cached-{kind}"), mode="r+", chunk_cache=1 << 20)
        z[10:20]
        proxy.clear()
        np.testing.assert_array_equal(z[:], numbers(40))
        assert len(gets(proxy)) == 30
        proxy.clear()
        np.testing.assert_array_equal(z[:], numbers(40))
        assert not proxy.requests
        z[5] = 3
        proxy.clear()
        assert (z[5] == 3).all()
        assert len(gets(proxy)) == 1

    def test_parts_of_uncompressed_chunks(self, proxy, kind):
        """Only the part of a chunk that holds what is wanted is asked for."""
        data = np.arange(4 * 1000 * 64, dtype="i4").reshape(4000, 64)
        z = zarrc.create_array(
            STORES[kind](proxy, f"parts-{kind}"),
            shape=(5000, 64),
            chunks=(1000, 64),
            dtype="i4",
            compressors=None,
        )
        z[:4000] = data
        proxy.clear()
        np.testing.assert_array_equal(z[900:1010], data[900:1010])
        assert sorted(request.split()[-1] for request in gets(proxy)) == [
            "bytes=0-2559",
            "bytes=230400-255999",
        ]
        assert z[2500, 7] == data[2500, 7]
        np.testing.assert_array_equal(z[3:3000:600, 3:9], data[3:3000:600, 3:9])
        np.testing.assert_array_equal(z.oindex[[5, 2100, 2003], ::3], data[[5, 2100, 2003], ::3])
        assert (z[4500:4510] == 0).all()  # there is no such chunk
        z.store["c/1/0"] = data[1000:1500].tobytes()
        with pytest.raises(CodecError, match="c/1/0"):
            z[1700:1710]

    def test_missing_chunks(self, proxy, kind):
        store = STORES[kind](proxy, f"missing-{kind}")
        z = zarrc.create_array(store, shape=(100, 8), chunks=(1, 8), dtype="i4", fill_value=7)
        z[::3] = 1
        assert (z[::3] == 1).all()
        assert (z[1::3] == 7).all()
        z[1::3, :2] = 2
        assert (z[1::3, 2:] == 7).all()


@pytest.mark.parametrize("shards", [None, (4, 64)])
@pytest.mark.parametrize("kind", list(STORES))
def test_writers_of_the_same_chunks(proxy, kind, shards):
    """Each holds many locks and wants those of the others, some in the opposite order: all end, and nothing is lost."""
    z = zarrc.create_array(
        STORES[kind](proxy, f"writers-{kind}-{shards}"),
        shape=(24, 64),
        chunks=(1, 64),
        shards=shards,
        dtype="i4",
    )

    def write(column):
        for value in (1, 2):
            order = slice(None, None, -1) if column % 2 else slice(None)
            z[order, column : column + 1] = value + column
        return column

    with zarrc.config.set({"async.concurrency": 8}), ThreadPoolExecutor(4) as pool:
        assert list(pool.map(write, range(4))) == [0, 1, 2, 3]
    np.testing.assert_array_equal(z[:, :4], np.broadcast_to(np.arange(2, 6), (24, 4)))


@pytest.mark.parametrize("kind", list(STORES))
class TestFailures:
    def test_a_write_says_which_keys_are_stored(self, proxy, kind):
        z = chunked(STORES[kind](proxy, f"half-{kind}"), 100)
        proxy.tell(fault="status", status=403, match="PUT .*c/33/0")
        with zarrc.config.set({"async.concurrency": 4}), pytest.raises(PartialWriteError) as caught:
            z[:] = 3
        proxy.clear()
        done, failed = set(caught.value.done), set(caught.value.failed)
        assert "c/33/0" in failed
        assert done | failed == {f"c/{k}/0" for k in range(100)}
        assert not done & failed
        stored = z[:]
        for key in sorted(done):
            assert (stored[int(key.split("/")[1])] == 3).all(), key

    def test_a_write_that_cannot_read(self, proxy, kind):
        z = chunked(STORES[kind](proxy, f"unread-{kind}"), 20)
        proxy.tell(fault="status", status=403, match="GET .*c/3/0")
        with pytest.raises(PartialWriteError, match="c/3/0"):
            z[:, 0] = 0
        proxy.clear()
        assert z[3, 0] == numbers()[3, 0]
        z[:, 0] = 0  # no lock is left behind
        assert (z[:, 0] == 0).all()

    def test_a_read_ends_with_the_first_failure(self, proxy, kind):
        z = chunked(STORES[kind](proxy, f"fails-{kind}"), 64)
        proxy.tell(fault="status", status=403, match="c/7/0")
        with zarrc.config.set({"async.concurrency": 4}), pytest.raises(StoreError, match="c/7/0"):
            z[:]
        assert len(gets(proxy)) < 32


def test_redis_is_asked_in_few_messages(redis_server):
    services.module("redis")
    with servers.proxy(redis_server.port, "tcp") as proxy, RedisStore("few", port=proxy.port) as store:
        z = chunked(store)
        proxy.clear()
        np.testing.assert_array_equal(z[:], numbers())
        assert len(proxy.requests) < N_CHUNKS // 8  # a message may come in some pieces, which are counted
        z[:, 3:7] = 5
        assert (z[:, 3:7] == 5).all()
        assert (z[:, 7:] == numbers()[:, 7:]).all()
