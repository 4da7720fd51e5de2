"""Codec chains as C runs them: order, memory, sizes that must be right, and Python codecs in the middle."""

from __future__ import annotations

import numcodecs
import numpy as np
import pytest
from codec_data import CHECKED, PLAIN
from hypothesis import given
from hypothesis import strategies as st

from zarrc.errors import ChecksumError, CodecError
from zarrc.kernels.chain import Chain
from zarrc.kernels.filters import PythonStage
from zarrc.kernels.pipeline import Pipeline
from zarrc.kernels.projection import Grid, project_basic

ITEMSIZE = 8
CODECS = {
    **{name: codec for name, codec in CHECKED.items() if name != "blosc-snappy"},
    **{name: codec for name, codec in PLAIN.items() if name != "byteswap-record"},
    "python": PythonStage(numcodecs.BZ2()),
}


def pipeline_of(names, n_items, store, sizes=None):
    """A pipeline for chunks of `n_items` 8-byte items, over a dict."""
    codecs = [CODECS[name] for name in names]
    nbytes = n_items * ITEMSIZE
    if sizes is None:
        sizes, size = [], nbytes
        for codec in codecs:
            size = size if size is not None and codec.keeps_size else None
            sizes.append(size)
    bounds = [max(4096, 2 * nbytes)] * len(codecs)
    if bounds:
        bounds[0] = nbytes
    chain = Chain(codecs, names, nbytes, sizes, bounds)
    assert chain.names == tuple(names)
    pipeline = Pipeline(
        "/foo", np.dtype("<i8"), (n_items,), (0,), chain, bytes(ITEMSIZE), True, False, ".", True, True
    )
    pipeline.use_mapping(store, "", 1)
    return pipeline


def plan(n_items, n_chunks=1, selection=...):
    return project_basic(selection, Grid((n_items * n_chunks,), (n_items,)))


# what rearranges elements comes before what makes any number of bytes
chains = st.lists(st.sampled_from(list(CODECS)), max_size=5).map(
    lambda names: sorted(names, key=lambda name: name not in PLAIN)
)


@given(chains, st.integers(1, 500), st.integers(1, 6), st.integers(1, 3))
def test_round_trip_of_any_chain(names, n_items, n_chunks, threads):
    store = {}
    pipeline = pipeline_of(names, n_items, store)
    a = np.cumsum(np.random.default_rng(n_items).integers(0, 5, n_items * n_chunks))
    everything = plan(n_items, n_chunks)
    pipeline.write(everything, a, threads)
    assert (pipeline.read(everything, None, threads) == a).all()
    # stage by stage, in Python
    encoded = a[:n_items].tobytes()
    for name in names:
        encoded = CODECS[name].encode(encoded)
    assert store["0"] == encoded
    # a partial write decodes and encodes again
    part = plan(n_items, n_chunks, slice(n_items // 2, None))
    pipeline.write(part, a[n_items // 2 :] + 1, threads)
    a[n_items // 2 :] += 1
    assert (pipeline.read(everything, None, threads) == a).all()


@pytest.mark.parametrize("names", [[], *([name] for name in CODECS), ["delta", "zstd", "crc32c"]], ids=str)
@pytest.mark.parametrize("other", [0, 1, 9, 11, 100])
def test_decoded_chunks_have_their_size(names, other):
    """Valid data of another size are refused, when all is read, when a part is, and when a part is written."""
    store, elsewhere = {}, {}
    pipeline = pipeline_of(names, 10, store)
    values = np.arange(max(other, 1))
    pipeline_of(names, max(other, 1), elsewhere).write(plan(max(other, 1)), values)
    damaged = elsewhere["0"]
    if other == 0:
        damaged = b""
        for name in names:
            damaged = CODECS[name].encode(damaged)
    store["0"] = damaged
    for use in (
        lambda: pipeline.read(plan(10)),
        lambda: pipeline.read(plan(10, selection=0)),
        lambda: pipeline.read(plan(10, selection=slice(None, None, -3))),
        lambda: pipeline.write(plan(10, selection=0), np.array(5)),
    ):
        with pytest.raises(CodecError, match="chunk '0' of array '/foo'") as caught:
            use()
        assert caught.value.key == "0"
        assert not names or caught.value.codec in names
        assert caught.value.direction == "decode"
    assert store["0"] == damaged


def test_checksum_is_named():
    store = {}
    pipeline = pipeline_of(["delta", "zstd", "crc32c"], 10, store)
    pipeline.write(plan(10), np.arange(10))
    store["0"] = store["0"][:-1] + bytes([store["0"][-1] ^ 1])
    with pytest.raises(ChecksumError, match=r"chunk '0' of array '/foo': crc32c: decode: .*checksum"):
        pipeline.read(plan(10))


class Misbehaving:
    """A Python codec that does what it is told."""

    def __init__(self):
        self.encoded = self.decoded = None

    def encode(self, data):
        return self._give(self.encoded, data)

    def decode(self, data):
        return self._give(self.decoded, data)

    @staticmethod
    def _give(what, data):
        if isinstance(what, BaseException):
            raise what
        return bytes(data) if what is None else what


@pytest.fixture
def codec(monkeypatch):
    codec = Misbehaving()
    monkeypatch.setitem(CODECS, "mine", PythonStage(codec))
    return codec


class TestPythonCodecs:
    def test_too_much_or_too_little(self, codec):
        store = {}
        pipeline = pipeline_of(["mine"], 10, store)
        pipeline.write(plan(10), np.arange(10))
        for nbytes in (0, 79, 81, 10**6):
            codec.decoded = bytes(nbytes)
            with pytest.raises(CodecError, match="chunk '0' of array '/foo': mine: decode"):
                pipeline.read(plan(10))
        codec.decoded = None
        assert (pipeline.read(plan(10)) == np.arange(10)).all()

    def test_its_exceptions_are_the_cause(self, codec):
        store = {"0": b"old"}
        pipeline = pipeline_of(["mine", "zstd"], 10, store)
        codec.encoded = RuntimeError("no luck")
        with pytest.raises(CodecError, match="'/foo': mine: encode: RuntimeError: no luck") as caught:
            pipeline.write(plan(10), np.arange(10))
        assert caught.value.__cause__ is codec.encoded
        assert (caught.value.codec, caught.value.direction, caught.value.key) == ("mine", "encode", "0")
        assert store == {"0": b"old"}
        codec.encoded = None
        pipeline.write(plan(10), np.arange(10))
        codec.decoded = KeyError("x")
        with pytest.raises(CodecError, match="mine: decode: KeyError"):
            pipeline.read(plan(10))
        with pytest.raises(CodecError, match="mine: decode: KeyError"):
            pipeline.write(plan(10, selection=3), np.array(3))

    @pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
    def test_what_is_no_error_passes(self, codec, exception):
        pipeline = pipeline_of(["mine"], 10, {})
        codec.encoded = exception()
        with pytest.raises(exception):
            pipeline.write(plan(10, 3), np.arange(30), 3)

    @pytest.mark.parametrize("result", ["text", None, object(), ["a", None]], ids=repr)
    def test_what_is_no_buffer_is_an_error(self, codec, result):
        store = {}
        pipeline = pipeline_of(["mine"], 10, store)
        codec.encode = lambda data: result
        with pytest.raises(CodecError, match="mine: encode: TypeError"):
            pipeline.write(plan(10), np.arange(10))
        assert not store

    def test_a_size_that_was_promised(self, codec):
        """Where a codec's encoded size is known, nothing else is stored."""
        store = {}
        pipeline = pipeline_of(["mine"], 10, store, sizes=[80])
        pipeline.write(plan(10), np.arange(10))
        before = dict(store)
        for nbytes in (0, 79, 81):
            codec.encoded = bytes(nbytes)
            with pytest.raises(CodecError, match="mine: encode"):
                pipeline.write(plan(10), np.arange(10) + 1)
        assert store == before

    def test_the_memory_it_gets_is_its_own(self, codec):
        """A codec may keep what it was given, and hand it out later."""
        kept = []

        def encode(data):
            kept.append(data)
            return data

        codec.encode = encode
        store = {}
        pipeline = pipeline_of(["mine", "delta"], 10, store)
        a = np.arange(30)
        pipeline.write(plan(10, 3), a, 1)
        assert [np.frombuffer(data, "i8").tolist() for data in kept] == a.reshape(3, 10).tolist()
