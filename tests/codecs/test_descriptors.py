"""Descriptors: what they print, compare, write and refuse."""

import json

import numpy as np
import pytest

import zarrc.codecs
from zarrc.codecs import (
    BloscCname,
    BloscCodec,
    BloscShuffle,
    BytesCodec,
    Crc32cCodec,
    Endian,
    GzipCodec,
    ShardingCodec,
    ShardingCodecIndexLocation,
    TransposeCodec,
    ZstdCodec,
)
from zarrc.codecs import numcodecs as wrapped
from zarrc.codecs.base import ChunkSpec
from zarrc.codecs.bytes_ import byte_swaps
from zarrc.codecs.registry import get_codec
from zarrc.errors import MetadataError

# descriptor, its print, its JSON
KNOWN = [
    (
        BytesCodec(endian="little"),
        "BytesCodec(endian=<Endian.little: 'little'>)",
        {"name": "bytes", "configuration": {"endian": "little"}},
    ),
    (BytesCodec(endian=None), "BytesCodec(endian=None)", {"name": "bytes"}),
    (
        TransposeCodec(order=(1, 0)),
        "TransposeCodec(order=(1, 0))",
        {"name": "transpose", "configuration": {"order": [1, 0]}},
    ),
    (
        BloscCodec(typesize=4, cname="zstd", clevel=3, shuffle="bitshuffle"),
        "BloscCodec(typesize=4, cname=<BloscCname.zstd: 'zstd'>, clevel=3, "
        "shuffle=<BloscShuffle.bitshuffle: 'bitshuffle'>, blocksize=0)",
        {
            "name": "blosc",
            "configuration": {
                "typesize": 4,
                "cname": "zstd",
                "clevel": 3,
                "shuffle": "bitshuffle",
                "blocksize": 0,
            },
        },
    ),
    (
        ZstdCodec(),
        "ZstdCodec(level=0, checksum=False)",
        {"name": "zstd", "configuration": {"level": 0, "checksum": False}},
    ),
    (GzipCodec(), "GzipCodec(level=5)", {"name": "gzip", "configuration": {"level": 5}}),
    (Crc32cCodec(), "Crc32cCodec()", {"name": "crc32c"}),
    (
        ShardingCodec(chunk_shape=(2, 3), codecs=[TransposeCodec((1, 0)), "bytes", {"name": "gzip"}]),
        "ShardingCodec(chunk_shape=(2, 3), codecs=(TransposeCodec(order=(1, 0)), BytesCodec(endian=None), "
        "GzipCodec(level=5)), index_codecs=(BytesCodec(endian=<Endian.little: 'little'>), Crc32cCodec()), "
        "index_location=<ShardingCodecIndexLocation.end: 'end'>)",
        {
            "name": "sharding_indexed",
            "configuration": {
                "chunk_shape": [2, 3],
                "codecs": [
                    {"name": "transpose", "configuration": {"order": [1, 0]}},
                    {"name": "bytes"},
                    {"name": "gzip", "configuration": {"level": 5}},
                ],
                "index_codecs": [
                    {"name": "bytes", "configuration": {"endian": "little"}},
                    {"name": "crc32c"},
                ],
                "index_location": "end",
            },
        },
    ),
    (
        wrapped.Delta(dtype="<i4"),
        "Delta(codec_name='numcodecs.delta', codec_config={'dtype': '<i4'})",
        {"name": "numcodecs.delta", "configuration": {"dtype": "<i4"}},
    ),
    (
        wrapped.CRC32(),
        "CRC32(codec_name='numcodecs.crc32', codec_config={})",
        {"name": "numcodecs.crc32", "configuration": {}},
    ),
]


@pytest.mark.parametrize(("codec", "printed", "document"), KNOWN, ids=lambda item: type(item).__name__)
def test_print_and_json(codec, printed, document):
    assert repr(codec) == printed
    assert codec.to_dict() == document
    again = get_codec(json.loads(json.dumps(document)))
    assert again == codec
    assert hash(again) == hash(codec)
    assert type(codec).from_dict(document) == codec


def test_descriptors_differ():
    assert ZstdCodec(1) != ZstdCodec(2)
    assert ZstdCodec() != GzipCodec()
    assert wrapped.Delta(dtype="i4") != wrapped.Delta(dtype="i8")
    assert wrapped.BZ2() != wrapped.LZMA()
    assert wrapped.BZ2() != 1
    assert len({ZstdCodec(), ZstdCodec(0), ZstdCodec(0, True)}) == 2


@pytest.mark.parametrize(
    "codec", [ZstdCodec(), BloscCodec(), BytesCodec(), TransposeCodec((0,))], ids=lambda codec: codec.name
)
def test_descriptors_are_frozen(codec):
    field = next(iter(vars(codec)))
    with pytest.raises(AttributeError):
        setattr(codec, field, None)


def test_enumerations_are_taken_for_their_names():
    by_name = BloscCodec(cname="lz4", shuffle="noshuffle")
    assert BloscCodec(cname=BloscCname.lz4, shuffle=BloscShuffle.noshuffle) == by_name
    assert BytesCodec(endian=Endian.big) == BytesCodec(endian="big")
    assert BloscCodec(shuffle="autoshuffle") == BloscCodec()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: BytesCodec(endian="middle"), ValueError, "'bytes': endian must be one of 'big', 'little'"),
        (lambda: BytesCodec(endian=1), TypeError, "'bytes': endian must be a string"),
        (lambda: TransposeCodec(order=(0, 0)), ValueError, "'transpose': order must be a permutation"),
        (lambda: TransposeCodec(order=(1, 2)), ValueError, "'transpose': order must be a permutation"),
        (lambda: TransposeCodec(order="K"), TypeError, "'transpose': order must be a sequence"),
        (lambda: TransposeCodec(order=3), TypeError, "'transpose': order must be a sequence"),
        (lambda: TransposeCodec(order=(0.0,)), TypeError, "'transpose': order must be an integer"),
        (lambda: BloscCodec(cname="gzip"), ValueError, "'blosc': cname must be one of"),
        (lambda: BloscCodec(clevel=10), ValueError, "'blosc': clevel must be from 0 to 9, not 10"),
        (lambda: BloscCodec(clevel=True), TypeError, "'blosc': clevel must be an integer"),
        (lambda: BloscCodec(shuffle=1), TypeError, "'blosc': shuffle must be a string"),
        (lambda: BloscCodec(typesize=0), ValueError, "'blosc': typesize must be"),
        (lambda: BloscCodec(blocksize=-1), ValueError, "'blosc': blocksize must be"),
        (lambda: ZstdCodec(level=23), ValueError, "'zstd': level must be from -131072 to 22"),
        (lambda: ZstdCodec(level="1"), TypeError, "'zstd': level must be an integer"),
        (lambda: ZstdCodec(checksum=1), TypeError, "'zstd': checksum must be true or false"),
        (lambda: GzipCodec(level=10), ValueError, "'gzip': level must be from -1 to 9"),
    ],
)
def test_wrong_configuration_names_codec_and_field(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"name": "zstd", "configuration": {"level": 99}}, "'zstd': level"),
        ({"name": "zstd", "configuration": {"level": "high"}}, "'zstd': level"),
        ({"name": "gzip", "configuration": {"levle": 1}}, "'gzip' has no field 'levle'"),
        ({"name": "transpose"}, "order"),
        ({"name": "blosc", "configuration": [1]}, "'blosc': configuration must be an object"),
        ({"name": "crc32c", "configuration": {"location": "end"}}, "'crc32c' has no field 'location'"),
    ],
)
def test_wrong_documents_are_metadata_errors(document, message):
    with pytest.raises(MetadataError, match=message):
        get_codec(document)


# ---------------------------------------------------------------- what follows from the dtype


@pytest.mark.parametrize(
    ("dtype", "typesize", "shuffle"),
    [("u1", 1, "bitshuffle"), ("?", 1, "bitshuffle"), ("<i4", 4, "shuffle"), ("c16", 16, "shuffle")],
)
def test_blosc_fills_in_what_is_not_said(dtype, typesize, shuffle):
    spec = ChunkSpec.of_array((10,), np.dtype(dtype))
    assert BloscCodec().evolve(spec) == BloscCodec(typesize=typesize, shuffle=shuffle)
    said = BloscCodec(typesize=7, shuffle="noshuffle")
    assert said.evolve(spec) == said


@pytest.mark.parametrize(
    ("dtype", "given", "evolved"),
    [
        ("u1", "little", None),
        ("S4", "big", None),
        ("<i4", "big", "big"),
        ("<i4", None, "little"),
        (">i4", None, "big"),
        ([("a", "u1"), ("b", "S3")], "little", None),
        ([("a", "<i2"), ("b", ">i4")], None, None),
    ],
)
def test_bytes_fills_in_what_is_not_said(dtype, given, evolved):
    spec = ChunkSpec.of_array((10,), np.dtype(dtype))
    assert BytesCodec(given).evolve(spec) == BytesCodec(evolved)


@pytest.mark.parametrize(
    ("dtype", "swaps"),
    [
        ("<i4", []),
        (">i4", [(0, 4, 1)]),
        (">c16", [(0, 8, 2)]),
        (">U3", [(0, 4, 3)]),
        (">S3", []),
        (">M8[s]", [(0, 8, 1)]),
        ([("a", ">i2"), ("b", "<i2"), ("c", ">i2")], [(0, 2, 1), (4, 2, 1)]),
        ([("a", ">f4"), ("b", ">f4"), ("c", ">u4")], [(0, 4, 3)]),
        ([("a", "u1"), ("b", ">i2", (2, 2))], [(1, 2, 4)]),
        ([("a", [("x", ">i8"), ("y", "u1")], (2,))], [(0, 8, 1), (9, 8, 1)]),
    ],
    ids=str,
)
def test_which_numbers_are_swapped(dtype, swaps):
    assert byte_swaps(np.dtype(dtype), Endian.little) == swaps


def test_transpose_takes_the_letters_of_old_documents():
    assert TransposeCodec("F").axes(3) == (2, 1, 0)
    assert TransposeCodec("C").axes(3) == (0, 1, 2)
    with pytest.raises(ValueError, match="not for 3 axes"):
        TransposeCodec((1, 0)).axes(3)


# ---------------------------------------------------------------- names


def test_names_of_both_generations():
    import numcodecs

    assert zarrc.codecs.Blosc is numcodecs.Blosc
    assert zarrc.codecs.VLenUTF8 is numcodecs.VLenUTF8
    assert zarrc.codecs.get_codec is numcodecs.get_codec
    assert zarrc.codecs.BloscCodec is BloscCodec
    assert zarrc.codecs.numcodecs.Delta is wrapped.Delta
    assert zarrc.codecs.blosc.BloscCodec is BloscCodec
    assert zarrc.codecs.blosc.SHUFFLE == numcodecs.blosc.SHUFFLE
    assert {"Blosc", "BloscCodec", "numcodecs"} <= set(dir(zarrc.codecs))
    with pytest.raises(AttributeError, match="NoSuchCodec"):
        _ = zarrc.codecs.NoSuchCodec


def test_dtypes_in_numcodecs_configurations_become_json():
    codec = wrapped.Delta(dtype=np.dtype("i4"), astype=np.int16)
    assert codec.to_dict()["configuration"] == {"dtype": "<i4", "astype": "<i2"}


def test_shards_are_divided_by_their_chunks():
    codec = ShardingCodec(chunk_shape=(2, 3), index_location="start")
    assert codec.index_location is ShardingCodecIndexLocation.start
    shard = ChunkSpec.of_array((4, 9), np.dtype("f8"))
    assert (codec.grid_shape(shard), codec.index_shape(shard)) == ((2, 3), (2, 3, 2))
    assert codec.index_nbytes(shard) == 2 * 3 * 16 + 4
    with pytest.raises(ValueError, match=r"\(2, 3\) does not divide .* \(4, 8\)"):
        codec.grid_shape(ChunkSpec.of_array((4, 8), np.dtype("f8")))
    with pytest.raises(ValueError, match="number of axes"):
        codec.grid_shape(ChunkSpec.of_array((4,), np.dtype("f8")))
    unsteady = ShardingCodec(chunk_shape=(2, 3), index_codecs=[BytesCodec(), ZstdCodec()])
    with pytest.raises(ValueError, match=r"index_codecs \['bytes', 'zstd'\] leave no fixed size"):
        unsteady.index_nbytes(shard)


def test_shards_evolve_with_their_chunks():
    codec = ShardingCodec(chunk_shape=(2,), codecs=[BytesCodec(), BloscCodec()])
    evolved = codec.evolve(ChunkSpec.of_array((4,), np.dtype("f8")))
    assert evolved.codecs[1].typesize == 8
    nested = ShardingCodec(chunk_shape=(4,), codecs=[codec])
    evolved = nested.evolve(ChunkSpec.of_array((8,), np.dtype("i2")))
    assert evolved.codecs[0].codecs[1].typesize == 2
    with pytest.raises(ValueError, match="does not divide"):
        nested.evolve(ChunkSpec.of_array((6,), np.dtype("i2")))


@pytest.mark.parametrize(
    ("configuration", "says"),
    [
        ({}, "chunk_shape"),
        ({"chunk_shape": [0]}, "at least 1"),
        ({"chunk_shape": [2], "codecs": "bytes"}, "sequence of codecs"),
        ({"chunk_shape": [2], "codecs": []}, "exactly one"),
        ({"chunk_shape": [2], "codecs": [{"name": "nothing_known"}]}, "nothing_known"),
        ({"chunk_shape": [2], "index_location": "middle"}, "index_location must be one of 'start', 'end'"),
    ],
)
def test_shards_refused(configuration, says):
    with pytest.raises(MetadataError, match=says):
        get_codec({"name": "sharding_indexed", "configuration": configuration})


def test_an_inner_codec_that_need_not_be_understood_is_left_out():
    unknown = {"name": "nothing_known", "must_understand": False}
    codec = get_codec(
        {"name": "sharding_indexed", "configuration": {"chunk_shape": [2], "codecs": ["bytes", unknown]}}
    )
    assert [each.name for each in codec.codecs] == ["bytes"]
