"""Blosc against the package ``blosc``, byte for byte, and parts of frames."""

import threading

import blosc as oracle
import numpy as np
import pytest
from codec_data import data, smooth
from hypothesis import given
from hypothesis import strategies as st
from numcodecs import Blosc as NumcodecsBlosc

from zarrc.errors import CodecError
from zarrc.kernels.blosc import CNAMES, MAX_NBYTES, Blosc, version

SHUFFLES = (oracle.NOSHUFFLE, oracle.SHUFFLE, oracle.BITSHUFFLE)

cnames = st.sampled_from(CNAMES)
levels = st.integers(0, 9)
shuffles = st.sampled_from(SHUFFLES)
typesizes = st.integers(1, 17) | st.sampled_from([100, 255])
blocksizes = st.sampled_from([0, 0, 0, 16, 1000, 4096, 70_000])


def compress(source, cname, clevel, shuffle, typesize, blocksize=0):
    oracle.set_nthreads(1)
    oracle.set_blocksize(blocksize)
    return oracle.compress(source, typesize, clevel, shuffle, cname)


@given(data, cnames, levels, shuffles, typesizes, blocksizes)
def test_frames_are_those_of_the_library(source, cname, clevel, shuffle, typesize, blocksize):
    codec = Blosc(cname, clevel, shuffle, typesize, blocksize)
    frame = codec.encode(source)
    assert frame == compress(source, cname, clevel, shuffle, typesize, blocksize)
    assert codec.decode(frame, len(source)) == source


@pytest.mark.parametrize("cname", CNAMES)
@pytest.mark.parametrize("shuffle", SHUFFLES)
def test_large_frames_are_those_of_the_library(cname, shuffle):
    source = smooth(3_000_000)
    frame = Blosc(cname, 5, shuffle, 2).encode(source)
    assert frame == compress(source, cname, 5, shuffle, 2)
    assert oracle.decompress(frame) == source


def test_elements_of_more_than_255_bytes():
    source = smooth(20_000)
    assert Blosc("lz4", 5, 1, 1000).encode(source) == NumcodecsBlosc("lz4", 5, 1).encode(
        np.frombuffer(source, "V1000")
    )


@given(data, cnames, levels, shuffles)
def test_numcodecs_and_we_read_each_other(source, cname, clevel, shuffle):
    theirs = NumcodecsBlosc(cname, clevel, shuffle)
    assert Blosc(cname).decode(theirs.encode(source), len(source)) == source
    if source:
        assert bytes(theirs.decode(Blosc(cname, clevel, shuffle).encode(source))) == source


@given(st.data())
def test_any_range_is_a_slice_of_the_whole(draw):
    source = draw.draw(data)
    codec = Blosc(*(draw.draw(each) for each in (cnames, levels, shuffles, typesizes, blocksizes)))
    start = draw.draw(st.integers(0, len(source)))
    nbytes = draw.draw(st.integers(0, len(source) - start))
    assert codec.decode_range(codec.encode(source), start, nbytes) == source[start : start + nbytes]


@pytest.mark.parametrize(
    ("start", "nbytes"), [(0, 10_001), (10_000, 1), (10_001, 0), (2**40, 1), (2**64 - 1, 2)]
)
def test_ranges_outside(start, nbytes):
    codec = Blosc("lz4", typesize=2)
    with pytest.raises(CodecError, match="another number of bytes"):
        codec.decode_range(codec.encode(bytes(10_000)), start, nbytes)


@given(st.lists(st.tuples(st.integers(0, 2**31), st.integers(1, 255)), min_size=1, max_size=4), st.data())
def test_ranges_of_damaged_frames(changes, draw):
    source = smooth(40_000)
    codec = Blosc("lz4", typesize=2)
    frame = bytearray(codec.encode(source))
    for position, change in changes:
        span = 24 if position % 2 else len(frame)
        frame[position % span] ^= change
    start = draw.draw(st.integers(0, 39_000))
    try:
        part = codec.decode_range(frame, start, 1000)
    except CodecError:
        return
    assert len(part) == 1000


def test_ranges_from_many_threads():
    source = smooth(1_000_000)
    frame = Blosc("zstd", typesize=2).encode(source)
    wrong = []

    def work(seed):
        for k in range(200):
            start = (seed * 7919 + k * 104_729) % 990_000
            if Blosc("zstd").decode_range(frame, start, 5001) != source[start : start + 5001]:
                wrong.append(start)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_snappy_is_refused_by_name():
    frame = bytearray(Blosc("lz4", typesize=2).encode(smooth(10_000)))
    frame[2] = frame[2] & 0x1F | 2 << 5  # the codec's number is in the upper bits of the flags
    with pytest.raises(CodecError, match="snappy"):
        Blosc("lz4").decode(frame)
    with pytest.raises(CodecError, match="snappy"):
        Blosc("lz4").decode_range(frame, 0, 2)
    with pytest.raises(CodecError, match="snappy"):
        Blosc("snappy").encode(b"some data" * 100)


@pytest.mark.parametrize("number", [5, 6, 7])
def test_frames_of_unknown_codecs(number, capfd):
    frame = bytearray(Blosc("lz4", typesize=2).encode(smooth(10_000)))
    frame[2] = frame[2] & 0x1F | number << 5
    with pytest.raises(CodecError, match="corrupt"):
        Blosc("lz4").decode(frame)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"cname": "gzip"},
        {"clevel": 10},
        {"clevel": -1},
        {"shuffle": 3},
        {"typesize": 0},
        {"blocksize": 2**31},
    ],
    ids=str,
)
def test_wrong_parameters(wrong):
    with pytest.raises(ValueError, match=f"blosc {next(iter(wrong))} must be"):
        Blosc(**wrong)


def test_facts():
    assert version().startswith("1.21")
    assert oracle.MAX_BUFFERSIZE == MAX_NBYTES


@pytest.mark.slow
def test_buffers_over_the_limit_are_refused():
    too_long = np.zeros(MAX_NBYTES + 1, "u1")  # never touched: no memory is used
    with pytest.raises(CodecError, match="more bytes"):
        Blosc("lz4").encode(too_long)
