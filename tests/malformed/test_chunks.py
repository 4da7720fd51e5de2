"""Stored bytes that are wrong in any way: an error of zarrc's own, or values; never a crash, or bytes of others.

What a codec reads and writes beyond its memory is for the sanitizers' run to find; here it is asked everything.
"""

from __future__ import annotations

import functools
import warnings

import numcodecs
import numpy as np
import pytest
from documents import BIG, LITTLE, grid, named, opened
from hypothesis import given, settings
from hypothesis import strategies as st

import zarrc
from zarrc.errors import CodecError, ZarrcError

# more than fifty tests of so many: in the thorough profile minutes and not hours
enough = settings(max_examples=min(settings.default.max_examples, 1000))

SHAPE, CHUNKS = (60, 40), (30, 40)
DATA = (np.arange(2400).reshape(SHAPE) * 37 % 251).astype("<i2")


def blosc(cname, shuffle="shuffle", blocksize=0):
    return named("blosc", cname=cname, clevel=5, shuffle=shuffle, typesize=2, blocksize=blocksize)


def sharding(*codecs, **changes):
    facts = {"chunk_shape": [10, 20], "codecs": list(codecs), "index_codecs": [LITTLE, "crc32c"]}
    return named("sharding_indexed", **facts, **changes)


CHAINS_3 = {
    "none": [LITTLE],
    "big": [BIG],
    **{f"blosc-{cname}": [LITTLE, blosc(cname)] for cname in ("blosclz", "lz4", "lz4hc", "zlib", "zstd")},
    "blosc-bitshuffle": [LITTLE, blosc("lz4", "bitshuffle", 512)],
    "zstd": [LITTLE, named("zstd", level=1, checksum=False)],
    "zstd-checksum": [LITTLE, named("zstd", level=1, checksum=True)],
    "gzip": [LITTLE, named("gzip", level=1)],
    "crc32c": [LITTLE, "crc32c"],
    "transpose-gzip-zstd": [
        named("transpose", order=[1, 0]),
        BIG,
        named("gzip", level=1),
        named("zstd", level=1, checksum=False),
    ],
    "numcodecs": [named("numcodecs.delta", dtype="<i2"), LITTLE, named("numcodecs.bz2", level=1)],
    "shard": [sharding(LITTLE)],
    "shard-start": [sharding(LITTLE, blosc("lz4"), index_location="start")],
    "shard-bare": [
        named("sharding_indexed", chunk_shape=[10, 20], codecs=[LITTLE, blosc("zstd")], index_codecs=[LITTLE])
    ],
    "shard-nested": [
        sharding(
            named(
                "sharding_indexed", chunk_shape=[5, 5], codecs=[LITTLE, blosc("lz4")], index_codecs=[LITTLE]
            )
        )
    ],
    "shard-zstd": [sharding(LITTLE, "crc32c"), named("zstd", level=1, checksum=False)],
}
COMPRESSORS_2 = {
    "zlib": numcodecs.Zlib(1),
    "lz4": numcodecs.LZ4(),
    "lzma": numcodecs.LZMA(preset=1),
    "bz2": numcodecs.BZ2(1),
    "blosc": numcodecs.Blosc("lz4"),
    "crc32": numcodecs.CRC32(),
    "adler32": numcodecs.Adler32(),
    "fletcher32": numcodecs.Fletcher32(),
}
FILTERS_2 = {
    "delta": numcodecs.Delta("<i2"),
    "shuffle": numcodecs.Shuffle(2),
    "fixedscaleoffset": numcodecs.FixedScaleOffset(0, 1, "<i2", "<i4"),
}


def made_3(name):
    array = opened(shape=list(SHAPE), chunk_grid=grid(*CHUNKS), codecs=CHAINS_3[name], fill_value=-1)
    array[...] = DATA
    return array.store


def made_2(name):
    store = {}
    array = zarrc.create(
        SHAPE,
        chunks=CHUNKS,
        dtype="<i2",
        store=store,
        compressor=COMPRESSORS_2.get(name),
        filters=[FILTERS_2[name]] if name in FILTERS_2 else None,
    )
    array[...] = DATA
    return store


NAMES = [*(f"v3-{name}" for name in CHAINS_3), *(f"v2-{name}" for name in (*COMPRESSORS_2, *FILTERS_2))]


@functools.cache
def store_of(name):
    """Return the keys and values of an array; not to be changed."""
    return (made_3 if name.startswith("v3") else made_2)(name[3:])


def first_chunk(store):
    return min(key for key in store if key.endswith(("c/0/0", "0.0")))


def read(store, selection=...):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # casts of values that make no sense
        return zarrc.open_array(store, mode="r")[selection]


def outcome(store, selection):
    """Return what is read, or what zarrc's error says."""
    try:
        return read(store, selection)
    except ZarrcError as error:
        return str(error)


def spoiled(data, value):
    """Return bytes of which some are others, gone, doubled or followed by more."""
    value = bytearray(value)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(value)))
        what = data.draw(st.sampled_from(["flip", "flip", "set", "cut", "insert", "remove"]))
        if what == "flip" and at < len(value):
            value[at] ^= 1 << data.draw(st.integers(0, 7))
        elif what == "set":
            value[at : at + 4] = data.draw(st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f"]))
        elif what == "cut":
            del value[at:]
        elif what == "insert":
            value[at:at] = data.draw(st.binary(max_size=20))
        elif what == "remove":
            del value[at : at + data.draw(st.integers(1, 8))]
    return bytes(value)


@pytest.mark.parametrize("name", NAMES)
def test_whole_chunks_are_read(name):
    np.testing.assert_array_equal(read(store_of(name)), DATA)


@pytest.mark.parametrize("name", NAMES)
@enough
@given(data=st.data())
def test_spoiled(name, data):
    store = dict(store_of(name))
    key = first_chunk(store)
    store[key] = spoiled(data, store[key])
    for selection in (..., (slice(3, 7), slice(18, 23))):
        found = outcome(store, selection)
        assert key in found if isinstance(found, str) else found.shape == DATA[selection].shape
    # what another key holds is read as ever
    np.testing.assert_array_equal(read(store, slice(30, 60)), DATA[30:])


@pytest.mark.parametrize("name", NAMES)
@enough
@given(value=st.binary(max_size=120))
def test_any_bytes(name, value):
    store = dict(store_of(name))
    store[first_chunk(store)] = value
    try:
        read(store)
    except ZarrcError:
        return


@pytest.mark.parametrize("kind", ["memory", "file"])
@pytest.mark.parametrize("name", NAMES)
def test_every_cut_is_noticed(name, kind, tmp_path):
    key = first_chunk(store_of(name))
    whole = bytes(store_of(name)[key])
    store = dict(store_of(name)) if kind == "memory" else zarrc.DirectoryStore(str(tmp_path))
    store.update(store_of(name))
    for size in [*range(0, min(len(whole), 40)), *range(40, len(whole), max(1, len(whole) // 60))]:
        store[key] = whole[:size]
        with pytest.raises(CodecError, match=key):
            read(store)


@pytest.mark.parametrize("name", NAMES)
def test_a_part_of_what_is_spoiled_is_not_written(name):
    store = dict(store_of(name))
    key = first_chunk(store)
    store[key] = spoiled_value = store[key][: len(store[key]) // 2]
    array = zarrc.open_array(store, mode="r+")
    with pytest.raises(CodecError, match=key):
        array[3, 4] = 1
    assert store[key] == spoiled_value
