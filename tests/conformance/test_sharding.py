"""Sharding codec, version 1.0: one test for each point, named after its section; and shards that are wrong."""

from __future__ import annotations

import itertools
import os
import struct

import google_crc32c
import numpy as np
import pytest
from documents import BIG, LITTLE, grid, named, opened, refused
from hypothesis import given
from hypothesis import strategies as st

import zarrc
from zarrc.errors import CodecError, ZarrcError

EMPTY = 2**64 - 1
CRC32C = {"name": "crc32c"}
CHUNKS = {at: np.full((2, 3), 10 * at[0] + at[1] + 1, "<i2") for at in itertools.product(range(2), range(2))}


def sharding(**changes):
    facts = {
        "chunk_shape": [2, 3],
        "codecs": [LITTLE],
        "index_codecs": [LITTLE, CRC32C],
        "index_location": "end",
    }
    facts |= changes
    return named("sharding_indexed", **{key: value for key, value in facts.items() if value is not ...})


def index_bytes(entries, endian="<", checksum=True):
    """Return an encoded index of (offset, nbytes) pairs, in C order."""
    flat = list(itertools.chain.from_iterable(entries))
    data = struct.pack(f"{endian}{len(flat)}Q", *flat)
    return data + google_crc32c.value(data).to_bytes(4, "little") if checksum else data


def shard(order=tuple(CHUNKS), gap=0, location="end", absent=(), **index):
    """Return a shard of `CHUNKS` in some order, with unused bytes between them."""
    n = len(index_bytes([(0, 0)] * 4, **index)) if location == "start" else 0
    data, entries = b"", dict.fromkeys(CHUNKS, (EMPTY, EMPTY))
    for at in order:
        if at not in absent:
            data += b"\xaa" * gap
            entries[at] = (n + len(data), CHUNKS[at].nbytes)
            data += CHUNKS[at].tobytes()
    encoded = index_bytes(entries.values(), **index)
    return encoded + data if location == "start" else data + encoded


def array_of(chunk, **changes):
    """Return an array of 2 by 2 shards of 2 by 2 inner chunks, of which one is stored."""
    chunks = {} if chunk is None else {"c/0/1": chunk}
    return opened(chunks, shape=[8, 12], chunk_grid=grid(4, 6), codecs=[sharding(**changes)], fill_value=-1)


def expected(absent=()):
    result = np.full((8, 12), -1, "i2")
    for (i, j), chunk in CHUNKS.items():
        if (i, j) not in absent:
            result[2 * i : 2 * i + 2, 6 + 3 * j : 9 + 3 * j] = chunk
    return result


def read_back(array):
    """Return the entries of the index of a shard that was written, checksum checked."""
    data = array.store["c/0/1"]
    assert google_crc32c.value(data[-68:-4]).to_bytes(4, "little") == data[-4:]
    flat = struct.unpack("<8Q", data[-68:-4])
    return list(zip(flat[::2], flat[1::2], strict=True))


class TestConfigurationParameters:
    @pytest.mark.parametrize(
        "value", [[2], [2, 3, 1], [3, 3], [2, 4], [0, 3], [-2, 3], [8, 6], [2.0, 3.5], None]
    )
    def test_chunk_shape_divides_the_shard(self, value):
        refused(chunk_grid=grid(4, 6), codecs=[sharding(chunk_shape=value)])

    @pytest.mark.parametrize("name", ["chunk_shape", "codecs", "index_codecs"])
    def test_what_is_required(self, name):
        refused(chunk_grid=grid(4, 6), codecs=[sharding(**{name: ...})])

    @pytest.mark.parametrize(
        "value", [[], None, [LITTLE, LITTLE], [CRC32C], [CRC32C, LITTLE], ["bytes"], "bytes"]
    )
    @pytest.mark.parametrize("name", ["codecs", "index_codecs"])
    def test_codecs_are_chains(self, name, value):
        refused(chunk_grid=grid(4, 6), codecs=[sharding(**{name: value})])

    @pytest.mark.parametrize(
        "compressor",
        [
            named("gzip", level=1),
            named("zstd", level=1, checksum=False),
            named("blosc", cname="lz4", clevel=1, shuffle="noshuffle", typesize=8, blocksize=0),
        ],
        ids=lambda codec: codec["name"],
    )
    def test_index_codecs_have_a_fixed_size(self, compressor):
        refused(chunk_grid=grid(4, 6), codecs=[sharding(index_codecs=[LITTLE, compressor])])

    def test_index_location_is_the_end_where_nothing_is_said(self):
        np.testing.assert_array_equal(array_of(shard(), index_location=...)[...], expected())

    @pytest.mark.parametrize("value", ["middle", "End", None, 0, True])
    def test_index_location(self, value):
        refused(chunk_grid=grid(4, 6), codecs=[sharding(index_location=value)])


class TestBinaryShardFormat:
    @pytest.mark.parametrize("location", ["start", "end"])
    @pytest.mark.parametrize("endian", ["<", ">"])
    @pytest.mark.parametrize("checksum", [True, False])
    def test_the_index(self, location, endian, checksum):
        codecs = [LITTLE if endian == "<" else BIG, *([CRC32C] if checksum else [])]
        chunk = shard(location=location, endian=endian, checksum=checksum)
        array = array_of(chunk, index_location=location, index_codecs=codecs)
        np.testing.assert_array_equal(array[...], expected())
        for i, j in itertools.product(range(8), range(12)):
            assert array[i, j] == expected()[i, j]

    def test_the_index_may_be_transposed(self):
        data, plain = b"".join(chunk.tobytes() for chunk in CHUNKS.values()), np.zeros((2, 2, 2), "<u8")
        plain[..., 0] = np.arange(0, 48, 12).reshape(2, 2)
        plain[..., 1] = 12
        index = plain.transpose(2, 1, 0).tobytes()
        codecs = [named("transpose", order=[2, 1, 0]), LITTLE]
        array = array_of(data + index, index_codecs=codecs)
        np.testing.assert_array_equal(array[...], expected())
        again = array_of(None, index_codecs=codecs)
        again[...] = expected()
        assert again.store["c/0/1"] == data + index

    @pytest.mark.parametrize("order", list(itertools.permutations(CHUNKS))[::5])
    def test_inner_chunks_in_any_order(self, order):
        np.testing.assert_array_equal(array_of(shard(order))[...], expected())

    def test_unused_space_between_them(self):
        np.testing.assert_array_equal(array_of(shard(gap=7))[...], expected())
        chunk = shard(gap=3, location="start") + b"unused"
        np.testing.assert_array_equal(array_of(chunk, index_location="start")[...], expected())

    def test_empty_inner_chunks(self):
        absent = [(0, 1), (1, 0)]
        array = array_of(shard(absent=absent))
        np.testing.assert_array_equal(array[...], expected(absent))

    def test_a_shard_of_empty_inner_chunks(self):
        np.testing.assert_array_equal(array_of(shard(absent=list(CHUNKS)))[...], expected(list(CHUNKS)))

    def test_what_is_written_is_such_a_shard(self):
        array = array_of(None)
        array[...] = expected()
        entries, data = read_back(array), array.store["c/0/1"]
        for (offset, nbytes), chunk in zip(entries, CHUNKS.values(), strict=True):
            assert data[offset : offset + nbytes] == chunk.tobytes()

    def test_the_index_has_an_entry_for_each_chunk_also_outside_of_the_array(self):
        array = opened(shape=[3, 4], chunk_grid=grid(4, 6), codecs=[sharding()], fill_value=-1)
        array[...] = 5
        data = array.store["c/0/0"]
        flat = struct.unpack("<8Q", data[-68:-4])
        assert len(data) >= 68
        assert all(
            (offset == EMPTY) == (nbytes == EMPTY)
            for offset, nbytes in zip(flat[::2], flat[1::2], strict=True)
        )

    def test_inner_chunks_at_the_border_are_whole(self):
        array = opened(shape=[3, 4], chunk_grid=grid(4, 6), codecs=[sharding()], fill_value=-1)
        array[...] = 5
        sizes = struct.unpack("<8Q", array.store["c/0/0"][-68:-4])[1::2]
        assert {size for size in sizes if size != EMPTY} == {12}

    def test_what_holds_the_fill_value_alone_is_empty(self):
        array = array_of(None)
        array[:4, 6:] = 9
        array[:2, 6:9] = -1
        assert read_back(array)[0] == (EMPTY, EMPTY)
        assert (EMPTY, EMPTY) not in read_back(array)[1:]

    def test_partial_writes_keep_what_is_there(self):
        array = array_of(shard((((1, 1)), (0, 0), (0, 1), (1, 0)), gap=5))
        array[0, 6] = 99
        result = expected()
        result[0, 6] = 99
        np.testing.assert_array_equal(zarrc.open_array(array.store, mode="r")[...], result)

    def test_inner_codecs(self):
        inner = [named("transpose", order=[1, 0]), BIG, named("gzip", level=1), CRC32C]
        array = array_of(None, codecs=inner)
        array[...] = expected()
        (offset, nbytes), *_ = read_back(array)
        data = array.store["c/0/1"][offset : offset + nbytes]
        assert google_crc32c.value(data[:-4]).to_bytes(4, "little") == data[-4:]
        np.testing.assert_array_equal(zarrc.open_array(array.store, mode="r")[...], expected())


ENTRIES = [(12 * k, 12) for k in range(4)]
DATA = b"".join(chunk.tobytes() for chunk in CHUNKS.values())


def stored_in(kind, chunk, tmp_path, **changes):
    """Return an array over a shard in memory, or in a file."""
    array = array_of(chunk, **changes)
    if kind == "memory":
        return array
    for key, value in array.store.items():
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(value)
    return zarrc.open_array(str(tmp_path), mode="r+")


@pytest.mark.parametrize("kind", ["memory", "file"])
class TestMalformed:
    """Every range is checked against the shard's size: an error of zarrc's own, and nothing else is read."""

    @pytest.mark.parametrize(
        "entry",
        [
            (10_000, 12),
            (0, 10_000),
            (48 + 68, 12),
            (EMPTY, 12),
            (0, EMPTY),
            (EMPTY - 5, 12),  # the end overflows
            (12, EMPTY - 6),
            (2**63, 2**63),
            (2**63 - 1, 12),
            (0, 11),
            (0, 13),
            (0, 0),
        ],
    )
    def test_ranges_that_cannot_be(self, kind, entry, tmp_path):
        chunk = DATA + index_bytes([entry, *ENTRIES[1:]])
        array = stored_in(kind, chunk, tmp_path)
        with pytest.raises(CodecError, match=r"index is corrupt|not 12 bytes"):
            array[:2, 6:9]
        with pytest.raises(CodecError):
            array[...]
        with pytest.raises(CodecError):
            array[0, 6] = 1
        assert array.store["c/0/1"] == chunk

    def test_ranges_that_overlap_are_read(self, kind, tmp_path):
        array = stored_in(kind, DATA + index_bytes([ENTRIES[0]] * 4), tmp_path)
        assert (array[:4, 6:] == 1).all()

    @pytest.mark.parametrize("location", ["start", "end"])
    @pytest.mark.parametrize("bit", range(0, 68 * 8, 37))
    def test_a_flipped_bit_of_the_index(self, kind, location, bit, tmp_path):
        chunk = bytearray(shard(location=location))
        at = bit // 8 if location == "start" else len(chunk) - 68 + bit // 8
        chunk[at] ^= 1 << bit % 8
        array = stored_in(kind, bytes(chunk), tmp_path, index_location=location)
        with pytest.raises(CodecError):
            array[0, 6]
        with pytest.raises(CodecError):
            array[0, 6] = 1
        assert array.store["c/0/1"] == bytes(chunk)

    @pytest.mark.parametrize("location", ["start", "end"])
    @pytest.mark.parametrize("size", [0, 1, 3, 4, 67, 68, 69, 79, 100, 115])
    def test_truncated(self, kind, location, size, tmp_path):
        chunk = shard(location=location)[:size]
        array = stored_in(kind, chunk, tmp_path, index_location=location)
        with pytest.raises(CodecError):
            array[...]

    def test_many_inner_chunks_in_a_short_file(self, kind, tmp_path):
        chunk = b"\0" * 100
        array = opened(
            {"c/0": chunk}, shape=[2**40], chunk_grid=grid(2**40), codecs=[sharding(chunk_shape=[1])]
        )
        needed = f"no memory for the index of its {2**40} chunks, {2**44} bytes|than the metadata say"
        with pytest.raises((ZarrcError, MemoryError), match=f"shard 'c/0' .*({needed})"):
            array[5]


@given(chunk=st.binary(max_size=200), location=st.sampled_from(["start", "end"]), checksum=st.booleans())
def test_any_bytes_as_a_shard(chunk, location, checksum):
    array = array_of(chunk, index_location=location, index_codecs=[LITTLE, CRC32C] if checksum else [LITTLE])
    try:
        array[...]
    except ZarrcError:
        return


@given(
    entries=st.lists(st.tuples(*[st.integers(0, 130) | st.integers(0, EMPTY)] * 2), min_size=4, max_size=4)
)
def test_any_index_of_a_shard(entries):
    chunk = os.urandom(48) + index_bytes(entries)
    array = array_of(chunk)
    for (i, j), (offset, nbytes) in zip(CHUNKS, entries, strict=True):
        box = array_box = (slice(2 * i, 2 * i + 2), slice(6 + 3 * j, 9 + 3 * j))
        if (offset, nbytes) == (EMPTY, EMPTY):
            assert (array[array_box] == -1).all()
        elif nbytes == 12 and offset + 12 <= len(chunk):
            pass  # it may lie in the index: what is read are bytes of this shard
        else:
            with pytest.raises(CodecError):
                array[box]
