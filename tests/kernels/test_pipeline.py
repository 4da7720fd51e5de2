"""Damage of every kind for every codec, in every kind of store: an error that names it, and nothing else changes."""

from __future__ import annotations

import warnings

import numcodecs
import numpy as np
import pytest
from array_strategies import COMPRESSORS, CountingMapping, OverridingDict, new_store

import zarrc
from zarrc.codecs import Crc32cCodec, ZstdCodec
from zarrc.errors import CodecError
from zarrc.kernels.chain import Chain
from zarrc.kernels.pipeline import Pipeline
from zarrc.kernels.projection import Grid, project_basic

A = np.cumsum(np.random.default_rng(1).integers(-3, 4, (40, 60)), axis=1).astype("i4")
CODINGS = {
    **{name: {"compressor": make()} for name, make in COMPRESSORS.items()},
    "delta-zstd": {"compressor": numcodecs.Zstd(), "filters": [numcodecs.Delta("i4")]},
    "delta-bz2": {"compressor": numcodecs.BZ2(), "filters": [numcodecs.Delta("i4")]},
    "shuffle-lz4": {"compressor": numcodecs.LZ4(), "filters": [numcodecs.Shuffle(4)]},
    "crc32-none": {"compressor": None, "filters": [numcodecs.CRC32()]},
    "fletcher32-gzip": {"compressor": numcodecs.GZip(), "filters": [numcodecs.Fletcher32()]},
    "zstd-crc32c-3": {"compressors": [ZstdCodec(), Crc32cCodec()], "zarr_format": 3},
    "crc32c-3": {"compressors": [Crc32cCodec()], "zarr_format": 3},
    "none-3": {"compressors": None, "zarr_format": 3},
}
# these say nothing about what follows their end, and these take anything
LENIENT = {"bz2", "delta-bz2", "lzma"}

SELECTIONS = [..., (0, 0), (slice(None), 3), (slice(12, None, -2), slice(3, 50, 7))]

each_coding = pytest.mark.parametrize("coding", CODINGS)
each_store = pytest.mark.parametrize("store_name", ["dict", "directory", "mapping"])


@pytest.fixture
def array(request, coding, store_name):
    with new_store(store_name) as store:
        z = zarrc.create(A.shape, chunks=(20, 30), dtype="i4", store=store, path="foo/bar", **CODINGS[coding])
        z[...] = A
        yield z


def damaged(z, coding, elsewhere):
    """Yield (what, bytes) of one chunk that must not be read."""
    key = first_key(z)
    good = bytes(z.store[key])
    lenient = coding in LENIENT
    yield "empty", b""
    yield "one byte", good[:1]
    yield "half", good[: len(good) // 2]
    yield "all but one", good[:-1]
    if not lenient:
        yield "one more", good + b"\1"
        yield "twice", good + good
    if coding not in ("none", "none-3"):
        yield "garbage", bytes(range(256)) * 40
        yield "zeros", bytes(len(good))
    for name, shape in (("chunk of fewer", (10, 30)), ("chunk of more", (40, 30)), ("much more", (400, 300))):
        other = zarrc.create(shape, chunks=shape, dtype="i4", store={}, path="foo/bar", **CODINGS[coding])
        other[...] = 7
        yield name, bytes(other.store[first_key(other)])


def first_key(z):
    return "foo/bar/" + ("0.0" if z.zarr_format == 2 else "c/0/0")


@each_store
@each_coding
def test_damage(array, coding, store_name):
    z, key = array, first_key(array)
    short = key.removeprefix("foo/bar/") if store_name == "directory" else key
    for what, data in damaged(z, coding, {}):
        z.store[key] = data
        for use in (
            *(lambda s=s: z[s] for s in SELECTIONS),
            lambda: z.__setitem__((0, 0), 1),
            lambda: z.__setitem__((slice(None), 3), 1),
        ):
            with pytest.raises(CodecError) as caught:
                use()
            message = str(caught.value)
            assert f"chunk {short!r} of array '/foo/bar': " in message, what
            assert caught.value.key == short
            assert caught.value.direction == "decode"
            assert caught.value.codec in message or caught.value.codec == "bytes"
        assert bytes(z.store[key]) == data, what
        # others are as they were, and a whole chunk may be written over it
        assert (z[20:] == A[20:]).all()
        z[:20, :30] = A[:20, :30]
        assert (z[...] == A).all()


@each_store
@pytest.mark.parametrize("coding", ["zstd", "bz2"])
def test_nothing_is_written_when_encoding_fails(array, coding, store_name, monkeypatch):
    from zarrc.codecs import register_codec  # noqa: F401  (the name under test is numcodecs' own)

    class Broken(numcodecs.abc.Codec):
        codec_id = "zarrc-test-broken"
        broken = False

        def encode(self, buf):
            if Broken.broken:
                raise RuntimeError("cannot")
            return bytes(buf)

        def decode(self, buf, out=None):
            return bytes(buf)

    numcodecs.register_codec(Broken)
    try:
        z = zarrc.create(
            A.shape,
            chunks=(20, 30),
            dtype="i4",
            store=array.store,
            path="b",
            compressor=Broken(),
            filters=None,
        )
        z[...] = A
        Broken.broken = True
        for selection in [..., (0, 0), (slice(None), 3)]:
            with pytest.raises(
                CodecError, match=r"of array '/b': numcodecs.zarrc-test-broken: encode: Runtime"
            ):
                z[selection] = 1
        Broken.broken = False
        assert (z[...] == A).all()
    finally:
        numcodecs.registry.codec_registry.pop("zarrc-test-broken")


class Failing(CountingMapping):
    """A mapping that raises when it is asked for some keys."""

    def __init__(self):
        super().__init__()
        self.raises = {}

    def __getitem__(self, key):
        if ("get", key) in self.raises:
            raise self.raises["get", key]
        return super().__getitem__(key)

    def __setitem__(self, key, value):
        if ("set", key) in self.raises:
            raise self.raises["set", key]
        super().__setitem__(key, value)

    def __delitem__(self, key):
        if ("delete", key) in self.raises:
            raise self.raises["delete", key]
        super().__delitem__(key)


class TestStoresThatFail:
    @pytest.mark.parametrize(
        "error", [OSError("gone"), RuntimeError(), KeyboardInterrupt(), PermissionError()]
    )
    def test_their_errors_pass(self, error):
        store = Failing()
        z = zarrc.array(np.arange(10), chunks=3, store=store, write_empty_chunks=False)
        store.raises = {("get", "1"): error, ("set", "2"): error, ("delete", "3"): error}
        uses = (
            lambda: z[:],
            lambda: z[4],
            lambda: z.__setitem__(4, 1),
            lambda: z.__setitem__(slice(6, 9), 1),
            lambda: z.__setitem__(7, 1),
            lambda: z.__setitem__(slice(9, None), 0),
        )
        for use in uses:
            with pytest.raises(type(error)) as caught:
                use()
            assert caught.value is error
        store.raises = {}
        assert (z[:] == np.arange(10)).all()

    def test_a_key_error_means_absent(self):
        store = Failing()
        z = zarrc.array(np.arange(10), chunks=3, store=store, fill_value=7)
        store.raises = {("get", "1"): KeyError("no"), ("delete", "1"): KeyError("no")}
        assert z[2:7].tolist() == [2, 7, 7, 7, 6]
        z.with_config({"write_empty_chunks": False})[3:6] = 7

    @pytest.mark.parametrize("value", ["text", 5, [1], object()], ids=repr)
    def test_values_that_are_no_buffers(self, value):
        store = OverridingDict()
        z = zarrc.array(np.arange(10), chunks=3, store=store)
        dict.__setitem__(store, "1", value)
        store = dict(store)
        plain = zarrc.open_array(store)
        for use in (lambda: plain[:], lambda: plain[4], lambda: plain.__setitem__(4, 1)):
            with pytest.raises(TypeError):
                use()
        assert z.shape == (10,)

    def test_values_of_any_buffer_type(self):
        store = {}
        z = zarrc.array(np.arange(12), chunks=3, store=store)
        store["0"] = bytearray(store["0"])
        store["1"] = memoryview(store["1"])
        store["2"] = np.frombuffer(store["2"], "u1")
        assert z[:].tolist() == list(range(12))
        z[1:11] = 1
        assert z[:].tolist() == [0] + [1] * 10 + [11]
        store["3"] = np.frombuffer(store["3"] * 2, "u1")[::2]
        with pytest.raises(ValueError, match="contiguous"):
            z[:]

    def test_each_chunk_is_asked_for_once(self):
        with new_store("mapping") as store:
            z = zarrc.array(np.arange(100).reshape(10, 10), chunks=(5, 5), store=store)
            store.counts.clear()
            z[::-1, ::3]
            assert store.counts == {("get", f"{i}.{j}"): 1 for i in (0, 1) for j in (0, 1)}
            store.counts.clear()
            z[:5, 3:] = 1  # the first chunk in part, the second all of it
            assert store.counts == {("get", "0.0"): 1, ("set", "0.0"): 1, ("set", "0.1"): 1}


class TestArguments:
    """What is passed wrongly by another kernel's caller is an error and no crash."""

    def pipeline(self):
        chain = Chain([], [], 12, [], [])
        return Pipeline("/", np.dtype("u4"), (3,), (0,), chain, bytes(4), True, False, ".", True, True)

    def test_memory_of_another_shape_or_dtype(self):
        plan = project_basic(..., Grid((6,), (3,)))
        for wrong in (np.zeros(5, "u4"), np.zeros((6, 1), "u4"), np.zeros(6, "u2"), np.zeros((), "u4")):
            with pytest.raises(ValueError, match="memory of shape"):
                self.pipeline().read(plan, wrong)
            with pytest.raises(ValueError, match="memory of shape"):
                self.pipeline().write(plan, wrong)

    def test_plans_for_other_chunks(self):
        for grid in (Grid((6,), (4,)), Grid((6, 1), (3, 1))):
            with pytest.raises(ValueError, match="the plan is for chunks"):
                self.pipeline().read(project_basic(..., grid))

    def test_too_many_axes(self):
        chain = Chain([], [], 4, [], [])
        with pytest.raises(ValueError, match="64 dimensions at most, not 65"):
            Pipeline(
                "/",
                np.dtype("u4"),
                (1,) * 65,
                tuple(range(65)),
                chain,
                bytes(4),
                True,
                False,
                ".",
                True,
                True,
            )


def test_sixty_four_axes():
    if np.lib.NumpyVersion(np.__version__) < "2.0.0":
        pytest.skip("NumPy 1 has 32 axes at most")
    shape = (1,) * 60 + (2, 3, 1, 2)
    a = np.arange(12).reshape(shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        z = zarrc.array(a, chunks=(1,) * 61 + (2, 1, 1))
    assert (z[...] == a).all()
    assert z[(0,) * 60 + (1, 2, 0, 1)] == 11
