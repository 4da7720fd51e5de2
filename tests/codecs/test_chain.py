"""Chains: order rules, sizes, layouts; chunks through whole chains, and what numcodecs makes of them."""

from types import SimpleNamespace

import numcodecs
import numpy as np
import pytest
from codec_data import smooth
from hypothesis import given
from hypothesis import strategies as st

from zarrc.codecs.base import ChunkSpec
from zarrc.codecs.chain import build_chain, evolve_codecs
from zarrc.errors import CodecError, MetadataError, UnknownCodecError


def spec(name, must_understand=True, **configuration):
    return SimpleNamespace(name=name, configuration=configuration, must_understand=must_understand)


LITTLE = spec("bytes", endian="little")
BIG = spec("bytes", endian="big")


def encode(chain, array):
    """Return `array` encoded, each stage's output being what the chain foretells."""
    data = np.ascontiguousarray(array.transpose(chain.order)).tobytes()
    assert len(data) == chain.nbytes
    for stage, size in zip(chain.stages, chain.sizes, strict=True):
        data = stage.encode(data)
        assert size in (None, len(data))
    return data


def decode(chain, data, shape, dtype):
    for stage, bound in zip(reversed(chain.stages), reversed(chain.bounds), strict=True):
        data = stage.decode(data, bound)
    permuted = np.frombuffer(data, dtype).reshape([shape[axis] for axis in chain.order])
    return permuted.transpose(np.argsort(chain.order).astype(int))


def check(specs, array):
    """Encode and decode; return what was stored."""
    chain = build_chain(specs, array.shape, array.dtype)
    stored = encode(chain, array)
    assert decode(chain, stored, array.shape, array.dtype).tobytes() == array.tobytes()
    return stored


def volume(dtype="<i4", shape=(4, 5, 6)):
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(smooth(count), "u1").view(dtype).reshape(shape)


# ---------------------------------------------------------------- bytes and order


@pytest.mark.parametrize("dtype", ["<i4", ">i4", "<c8", ">f8", "u1", "<U3", "S5", "<M8[s]", "V3"])
@pytest.mark.parametrize("endian", ["little", "big"])
def test_stored_byte_order(dtype, endian):
    array = volume(dtype)
    stored = check([spec("bytes", endian=endian)], array)
    assert stored == array.astype(array.dtype.newbyteorder(endian)).tobytes()


def test_records_are_stored_in_one_order_or_in_their_own():
    dtype = np.dtype([("a", "<i2"), ("b", ">f4", (2,)), ("c", "u1"), ("d", [("x", ">i8"), ("y", "<c8")])])
    array = np.frombuffer(smooth(30 * dtype.itemsize), dtype)
    assert check([spec("bytes")], array) == array.tobytes()
    assert check([BIG], array) == array.astype(dtype.newbyteorder(">")).tobytes()
    assert build_chain([spec("bytes")], (30,), dtype).stages == ()


@pytest.mark.parametrize("dtype", ["<i4", ">i4", "u1"])
def test_without_a_byte_order_elements_are_stored_as_in_memory(dtype):
    assert build_chain([spec("bytes")], (3,), np.dtype(dtype)).stages == ()


def test_nothing_to_do():
    chain = build_chain([LITTLE], (4, 5), np.dtype("<i4"))
    assert (chain.stages, chain.order, chain.nbytes, chain.compiled) == ((), (0, 1), 80, True)


def test_leading_transposes_become_the_layout():
    array = volume()
    chain = build_chain([spec("transpose", order=[2, 0, 1]), LITTLE], array.shape, array.dtype)
    assert (chain.order, chain.stages) == ((2, 0, 1), ())
    assert encode(chain, array) == array.transpose(2, 0, 1).tobytes()
    twice = [spec("transpose", order=[2, 0, 1]), spec("transpose", order=[1, 0, 2]), LITTLE]
    assert check(twice, array) == array.transpose(2, 0, 1).transpose(1, 0, 2).tobytes()
    assert build_chain([spec("transpose", order="F"), LITTLE], array.shape, array.dtype).order == (2, 1, 0)


def test_other_transposes_are_stages():
    array = volume()
    delta = spec("numcodecs.delta", dtype="<i4")
    stored = check([delta, spec("transpose", order=[1, 2, 0]), LITTLE], array)
    expected = numcodecs.Delta("<i4").encode(array).reshape(array.shape).transpose(1, 2, 0)
    assert stored == expected.tobytes()
    same = build_chain([delta, spec("transpose", order=[0, 1, 2]), LITTLE], array.shape, array.dtype)
    assert len(same.stages) == 1


def test_axes_of_transposes_are_counted():
    with pytest.raises(ValueError, match="not for 3 axes"):
        build_chain([spec("transpose", order=[1, 0]), LITTLE], (2, 3, 4), np.dtype("u1"))


# ---------------------------------------------------------------- order rules


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["zstd"],
        ["transpose"],
        ["bytes", "bytes"],
        ["zstd", "bytes"],
        ["bytes", "transpose"],
        ["bytes", "zstd", "transpose"],
        ["crc32c", "bytes", "zstd"],
        ["numcodecs.zlib"],
    ],
    ids=str,
)
def test_wrong_orders(names):
    specs = [spec(name, order=[0]) if name == "transpose" else spec(name) for name in names]
    with pytest.raises(MetadataError, match="the codecs"):
        build_chain(specs, (4,), np.dtype("u1"))


@pytest.mark.parametrize(
    "names",
    [
        ["numcodecs.zlib", "bytes"],
        ["bytes", "numcodecs.packbits"],
        ["numcodecs.shuffle", "numcodecs.bz2", "bytes", "numcodecs.lz4"],
    ],
    ids=str,
)
def test_codecs_of_format_2_may_stand_anywhere(names):
    check([spec(name) for name in names], np.array([True, False] * 16))


def test_unknown_codecs():
    with pytest.raises(UnknownCodecError, match="'nothing'"):
        build_chain([LITTLE, spec("nothing")], (4,), np.dtype("u1"))
    chain = build_chain([LITTLE, spec("nothing", must_understand=False)], (4,), np.dtype("u1"))
    assert chain.stages == ()


def test_pickles_are_opened_only_when_asked():
    specs = [spec("numcodecs.pickle"), LITTLE]
    with pytest.raises(ValueError, match="allow_pickle=True"):
        build_chain(specs, (4,), np.dtype("u1"))
    assert build_chain(specs, (4,), np.dtype("u1"), allow_pickle=True).stages


# ---------------------------------------------------------------- sizes


def test_sizes_and_bounds():
    specs = [
        spec("transpose", order=[1, 0]),
        spec("numcodecs.delta", dtype="<i4", astype="<i2"),
        LITTLE,
        spec("crc32c"),
        spec("zstd"),
        spec("numcodecs.fletcher32"),
    ]
    chain = build_chain(specs, (10, 20), np.dtype("<i4"))
    assert chain.names == ("numcodecs.delta", "crc32c", "zstd", "numcodecs.fletcher32")
    assert chain.sizes == (400, 404, None, None)
    assert chain.bounds[:3] == (800, 400, 404)
    assert chain.bounds[3] >= 404
    assert chain.nbytes == 800


def test_chunks_over_the_limit_of_lz4_are_refused():
    with pytest.raises(ValueError, match=r"'numcodecs\.lz4'.* bytes at most"):
        build_chain([LITTLE, spec("numcodecs.lz4")], (2**31,), np.dtype("u1"))


def test_chunks_beyond_memory_are_refused():
    with pytest.raises(ValueError, match="too many bytes"):
        build_chain([LITTLE], (2**62, 4), np.dtype("<i4"))


def test_objects_are_refused():
    with pytest.raises(ValueError, match="objects"):
        build_chain([LITTLE], (4,), np.dtype(object))


def test_decoding_is_bounded_by_what_the_chunk_can_hold():
    """A stored chunk that holds more than the metadata say does not get far."""
    chain = build_chain([LITTLE, spec("numcodecs.bz2"), spec("zstd")], (10,), np.dtype("u1"))
    bomb = numcodecs.Zstd().encode(numcodecs.BZ2().encode(bytes(10_000_000)))
    with pytest.raises(CodecError, match="more bytes"):
        decode(chain, bytes(bomb), (10,), np.dtype("u1"))


# ---------------------------------------------------------------- numcodecs


# id, configuration, dtype of the chunk
NUMCODECS = [
    ("lz4", {"acceleration": 3}, "<i4"),
    ("zlib", {"level": 4}, "<i4"),
    ("gzip", {"level": 4}, "<i4"),
    ("zstd", {"level": 4}, "<i4"),
    ("blosc", {"cname": "zstd", "clevel": 3, "shuffle": 2, "blocksize": 0}, "<i4"),
    ("blosc", {"shuffle": -1}, "u1"),
    ("bz2", {"level": 1}, "<i4"),
    ("lzma", {"preset": 1}, "<i4"),
    ("base64", {}, "<i4"),
    ("delta", {"dtype": "<i4"}, "<i4"),
    ("delta", {"dtype": ">i4"}, ">i4"),
    ("delta", {"dtype": "<f8", "astype": "<f8"}, "<f8"),
    ("shuffle", {"elementsize": 4}, "<i4"),
    ("shuffle", {}, "<i4"),
    ("astype", {"encode_dtype": "<i8", "decode_dtype": "<i4"}, "<i4"),
    ("packbits", {}, "?"),
    ("crc32", {}, "<i4"),
    ("crc32c", {}, "<i4"),
    ("adler32", {}, "<i4"),
    ("fletcher32", {}, "<i4"),
    ("jenkins_lookup3", {}, "<i4"),
]
LOSSY = [
    ("bitround", {"keepbits": 5}, "<f4"),
    ("quantize", {"digits": 1, "dtype": "<f4"}, "<f4"),
    ("fixedscaleoffset", {"offset": 0, "scale": 10, "dtype": "<f4", "astype": "<i4"}, "<f4"),
]
COMPILED = {
    "lz4",
    "zlib",
    "gzip",
    "zstd",
    "blosc",
    "delta",
    "shuffle",
    "crc32",
    "crc32c",
    "adler32",
    "fletcher32",
}


def sample_of(dtype):
    if dtype == "?":
        return np.arange(33) % 3 == 0
    return np.cumsum(np.arange(600) % 7).astype(dtype).reshape(20, 30)


@pytest.mark.parametrize("where", ["filter", "compressor"])
@pytest.mark.parametrize(("codec_id", "config", "dtype"), NUMCODECS, ids=lambda item: str(item))
def test_numcodecs_reads_what_we_write_and_the_reverse(codec_id, config, dtype, where):
    array, name = sample_of(dtype), f"numcodecs.{codec_id}"
    theirs = numcodecs.get_codec({"id": codec_id, **config})
    endian = spec("bytes", endian="big" if dtype[0] == ">" else "little")
    specs = [spec(name, **config), endian] if where == "filter" else [endian, spec(name, **config)]
    if where == "filter" and codec_id == "delta" and dtype[0] == ">":
        specs[1] = spec("bytes", endian="big")
    chain = build_chain(specs, array.shape, array.dtype)
    assert chain.compiled == (codec_id in COMPILED and dtype[0] != ">")
    stored = check(specs, array)
    assert np.asarray(theirs.decode(stored)).tobytes() == array.tobytes()
    encoded = np.asarray(theirs.encode(array.copy())).tobytes()
    assert decode(chain, encoded, array.shape, array.dtype).tobytes() == array.tobytes()


@pytest.mark.parametrize(("codec_id", "config", "dtype"), LOSSY, ids=lambda item: str(item))
def test_lossy_filters_store_what_numcodecs_stores(codec_id, config, dtype):
    array = np.linspace(-3, 3, 60, dtype=dtype).reshape(6, 10)
    theirs = numcodecs.get_codec({"id": codec_id, **config})
    chain = build_chain([spec(f"numcodecs.{codec_id}", **config), LITTLE], array.shape, array.dtype)
    stored = encode(chain, array)
    assert stored == np.asarray(theirs.encode(array.copy())).tobytes()
    expected = np.asarray(theirs.decode(np.frombuffer(stored, "u1"))).tobytes()
    assert decode(chain, stored, array.shape, array.dtype).tobytes() == expected


@pytest.mark.parametrize(
    ("name", "configuration", "message"),
    [
        ("numcodecs.zlib", {"level": 77}, "level"),
        ("numcodecs.delta", {"dtype": "nonsense"}, "nonsense"),
        ("numcodecs.delta", {"dtype": "O"}, "fixed size"),
        ("numcodecs.crc32", {"location": "middle"}, "location"),
        ("numcodecs.bz2", {"lebel": 3}, "lebel"),
        ("numcodecs.lz4", {"acceleration": "fast"}, "int"),
    ],
)
def test_wrong_configurations_of_numcodecs(name, configuration, message):
    with pytest.raises(MetadataError, match=rf"codec '{name}'.*{message}"):
        build_chain([spec(name, **configuration), LITTLE], (4,), np.dtype("u1"))


def test_elements_must_fit_the_chunk():
    with pytest.raises(ValueError, match="no whole number of int64"):
        build_chain([spec("numcodecs.delta", dtype="<i8"), LITTLE], (3,), np.dtype("<i4"))


# ---------------------------------------------------------------- whole chains


compressors = st.sampled_from(
    [
        [],
        [spec("zstd", level=1, checksum=True)],
        [spec("gzip", level=1)],
        [spec("blosc", cname="lz4", shuffle="autoshuffle")],
        [spec("blosc", cname="zstd", clevel=1, shuffle="bitshuffle"), spec("crc32c")],
        [spec("crc32c"), spec("numcodecs.lz4"), spec("numcodecs.adler32")],
        [spec("numcodecs.shuffle", elementsize=2), spec("numcodecs.zlib")],
        [spec("numcodecs.lzma", preset=0)],
    ]
)


@st.composite
def chunks(draw):
    dtype = np.dtype(draw(st.sampled_from(["<i2", ">i4", "<f8", ">c8", "<u2", "<M8[ns]", ">U2"])))
    shape = tuple(draw(st.lists(st.integers(1, 7), max_size=4)))
    return np.frombuffer(draw(st.randoms()).randbytes(int(np.prod(shape)) * dtype.itemsize), dtype).reshape(
        shape
    )


@given(chunks(), compressors, st.sampled_from(["little", "big"]), st.data())
def test_any_chain_gives_back_the_chunk(array, compressors, endian, draw):
    specs = [spec("bytes", endian=endian), *compressors]
    for _ in range(draw.draw(st.integers(0, 2))):
        specs.insert(0, spec("transpose", order=draw.draw(st.permutations(range(array.ndim)))))
    check(specs, array)


def test_evolving_fills_in_along_the_chain():
    specs = [spec("numcodecs.astype", encode_dtype="<i2", decode_dtype="<i4"), spec("bytes"), spec("blosc")]
    evolved = evolve_codecs(specs, (10,), np.dtype("<i4"))
    assert evolved[1].to_dict() == {"name": "bytes", "configuration": {"endian": "little"}}
    assert (evolved[2].typesize, evolved[2].shuffle.value) == (2, "shuffle")


def test_specs_of_chunks():
    array = ChunkSpec.of_array((2, 3), np.dtype("<i4"))
    assert (array.shape, array.nbytes) == ((2, 3), 24)
    assert ChunkSpec.of_bytes(7).dtype == np.dtype("u1")
