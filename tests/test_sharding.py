"""Arrays of which several chunks are kept under one key: what they are made of, and what they count."""

import json

import numpy as np
import pytest

import zarrc
from zarrc.codecs import BloscCodec, BytesCodec, Crc32cCodec, ShardingCodec, TransposeCodec, ZstdCodec
from zarrc.codecs.sharding import build_shards
from zarrc.errors import MetadataError

AS_DICT = {"name": "sharding_indexed", "configuration": {"chunk_shape": [5, 2]}}


def make(store=None, **kwargs):
    kwargs = {"shape": (20, 23), "dtype": "i2", **kwargs}
    return zarrc.create_array({} if store is None else store, **kwargs)


def test_chunks_are_what_is_encoded_alone():
    store = {}
    z = make(store, chunks=(5, 5), shards=(10, 10))
    assert (z.chunks, z.shards) == ((5, 5), (10, 10))
    document = json.loads(store["zarr.json"])
    assert document["chunk_grid"]["configuration"]["chunk_shape"] == [10, 10]
    [sharding] = document["codecs"]
    assert sharding["name"] == "sharding_indexed"
    assert sharding["configuration"]["chunk_shape"] == [5, 5]
    again = zarrc.open_array(store, mode="r")
    assert (again.chunks, again.shards) == (z.chunks, z.shards)
    assert (z.filters, z.serializer, z.compressors) == ((), BytesCodec(), (ZstdCodec(),))


def test_counts():
    store = {}
    z = make(store, chunks=(5, 5), shards=(10, 10))
    assert (z.cdata_shape, z.nchunks, z.nchunks_initialized) == ((4, 5), 20, 0)
    assert len(list(z.iter_chunks())) == 20
    assert len(list(z.iter_shards())) == 6
    assert list(z.iter_shards())[-1] == (slice(10, 20), slice(20, 23))
    store["c/0/0"] = store["c/1/2"] = b""
    assert z.nchunks_initialized == 4 + 2  # the second one reaches over the edge
    plain = make(chunks=(5, 5))
    assert (plain.shards, list(plain.iter_shards())) == (None, list(plain.iter_chunks()))


@pytest.mark.parametrize(
    ("arguments", "chunks", "shards"),
    [
        ({"chunks": (5, 5), "shards": "auto"}, (5, 5), (20, 25)),
        ({"shards": (10, 12)}, (10, 12), (10, 12)),
        ({"chunks": 4, "shards": (8, -1)}, (4, 4), (8, 24)),
        ({"chunks": (5, 5), "shards": {"shape": (10, 5), "index_location": "start"}}, (5, 5), (10, 5)),
        ({"chunks": (10, 10), "serializer": ShardingCodec((5, 2))}, (5, 2), (10, 10)),
        ({"serializer": ShardingCodec((5, 2))}, (5, 2), (20, 24)),
        (
            {"chunks": (10, 6), "filters": TransposeCodec((1, 0)), "serializer": ShardingCodec((2, 5))},
            (5, 2),
            (10, 6),
        ),
        ({"chunks": (10, 6), "codecs": [ShardingCodec((5, 2)), Crc32cCodec()]}, (5, 2), (10, 6)),
        ({"chunks": (10, 6), "codecs": [AS_DICT]}, (5, 2), (10, 6)),
    ],
)
def test_ways_to_say_it(arguments, chunks, shards):
    z = make(**arguments)
    assert (z.chunks, z.shards) == (chunks, shards)


def test_guessed_shards_have_tens_of_megabytes():
    z = make(shape=(100_000, 100_000), dtype="f4", shards="auto")
    assert 2**17 <= 4 * z.chunks[0] * z.chunks[1] <= 2**20
    assert 2**24 <= 4 * z.shards[0] * z.shards[1] <= 2**25
    with zarrc.config.set({"array.target_shard_size_bytes": 2**20}):
        z = make(shape=(100_000, 100_000), dtype="f4", chunks=(64, 64), shards="auto")
    assert z.shards == (512, 512)


def test_codecs_are_those_of_the_chunks():
    z = make(
        chunks=(5, 5), shards=(10, 10), compressors=BloscCodec(cname="lz4"), filters=TransposeCodec((1, 0))
    )
    assert z.filters == (TransposeCodec((1, 0)),)
    assert z.compressors[0].typesize == 2
    z = make(chunks=(10, 10), serializer=ShardingCodec((5, 5)))
    assert (z.serializer, z.compressors) == (BytesCodec(), ())
    z = make(chunks=(10, 10), serializer=ShardingCodec((5, 5)), compressors=ZstdCodec())
    assert (z.serializer, z.compressors) == (ShardingCodec((5, 5)), (ZstdCodec(),))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"chunks": (3, 3), "shards": (10, 10)}, "must divide shards"),
        ({"chunks": (5, 5), "shards": (10, 0)}, "shard's length must be positive"),
        ({"chunks": (5, 5), "shards": (10, 10), "zarr_format": 2}, "shards= is for format 3"),
        (
            {"chunks": (10, 10), "codecs": [ShardingCodec((5, 5))], "zarr_format": 2},
            "shards are for format 3",
        ),
        ({"chunks": (10, 10), "serializer": ShardingCodec((4, 4))}, "does not divide"),
        ({"chunks": (10, 10), "serializer": ShardingCodec((5,))}, "number of axes"),
    ],
)
def test_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        make(**arguments)


@pytest.mark.parametrize("chunk_shape", [None, [5], [0, 5], [3, 5], "55", [5, 5, 5]])
def test_documents_that_cannot_be(chunk_shape):
    store = {}
    make(store, chunks=(5, 5), shards=(10, 10))
    document = json.loads(store["zarr.json"])
    document["codecs"][0]["configuration"]["chunk_shape"] = chunk_shape
    store["zarr.json"] = json.dumps(document).encode()
    with pytest.raises((MetadataError, ValueError), match=r"chunk_shape|divide"):
        zarrc.open_array(store, mode="r")


SHARDED = {
    "plain": {"chunks": (5, 5), "shards": (10, 10)},
    "index at the start": {"chunks": (5, 5), "shards": {"shape": (10, 10), "index_location": "start"}},
    "index of another kind": {
        "chunks": (10, 10),
        "serializer": ShardingCodec((5, 5), index_codecs=[BytesCodec("big")]),
    },
    "filters inside": {"chunks": (5, 2), "shards": (10, 10), "filters": TransposeCodec((1, 0))},
    "filters outside": {
        "chunks": (5, 10),
        "filters": TransposeCodec((1, 0)),
        "serializer": ShardingCodec((5, 1)),
    },
    "compressed as a whole": {
        "chunks": (10, 10),
        "serializer": ShardingCodec((5, 5)),
        "compressors": Crc32cCodec(),
    },
    "shards in shards": {"chunks": (10, 10), "serializer": ShardingCodec((5, 10), [ShardingCodec((5, 5))])},
    "strings": {"chunks": (5, 5), "shards": (10, 10), "dtype": str},
    "bytes": {"chunks": (5, 5), "shards": (10, 10), "dtype": bytes},
}


@pytest.fixture(params=SHARDED)
def sharded(request):
    z = make(**SHARDED[request.param])
    values = np.arange(20 * 23).reshape(20, 23)
    if z.dtype == object:
        values = values.astype("U" if request.param == "strings" else "S").astype(object)
    z[:] = values
    return z


def test_copies_have_the_shards_of_their_source(sharded):
    source = zarrc.create_group({})
    zarrc.copy(sharded, source, name="a")
    target = zarrc.create_group({})
    zarrc.copy_all(source, target)
    for copy in (source["a"], target["a"], zarrc.from_array({}, data=sharded)):
        assert copy.metadata == sharded.metadata
        assert (copy.chunks, copy.shards) == (sharded.chunks, sharded.shards)
        assert (copy[:] == sharded[:]).all()
    assert zarrc.empty_like(sharded).metadata.codecs == sharded.metadata.codecs


def test_views_convert_the_chunks_of_shards(sharded):
    dtype = "f8" if sharded.dtype != object else "U4" if isinstance(sharded[0, 0], str) else "S4"
    view = sharded.astype(dtype)
    assert (view.chunks, view.shards, view.dtype) == (sharded.chunks, sharded.shards, dtype)
    assert (view[:] == sharded[:].astype(dtype)).all()
    assert view[3, 7] == sharded[3, 7]


def test_shards_as_a_mapping_have_known_names():
    with pytest.raises(ValueError, match="'index_location' and 'index_codecs'; found"):
        make(chunks=(5, 5), shards={"shape": (10, 10), "location": "start"})


def test_codecs_of_alike_shards_are_compiled_once_but_for_those_written_in_python():
    def built(*codecs):
        z = make(chunks=(10, 10), serializer=ShardingCodec((5, 5), [BytesCodec(), *codecs]))
        return build_shards(z.metadata.codecs[0], z.shards, z.dtype, fill=b"\0\0")

    assert built(ZstdCodec()) is built(ZstdCodec())
    assert built(ZstdCodec()) is not built(ZstdCodec(3))
    in_python = {"name": "numcodecs.bz2", "configuration": {"level": 1}}
    assert built(in_python) is not built(in_python)
