"""Zstandard against the package ``zstandard``."""

import pytest
import zstandard
from codec_data import data, smooth
from hypothesis import given
from hypothesis import strategies as st

from zarrc.errors import ChecksumError, CodecError
from zarrc.kernels.zstd import Zstd, version

SAMPLE = smooth(300_000)


@given(data, st.integers(-10, 12) | st.sampled_from([-131072, 0]), st.booleans())
def test_each_reads_the_other(source, level, checksum):
    frame = Zstd(level, checksum).encode(source)
    assert zstandard.ZstdDecompressor().decompress(frame) == source
    parameters = zstandard.get_frame_parameters(frame)
    assert parameters.has_checksum == checksum
    assert parameters.content_size == len(source)
    theirs = zstandard.ZstdCompressor(level=level, write_checksum=checksum).compress(source)
    assert Zstd().decode(theirs, len(source)) == source


@pytest.mark.parametrize("level", [13, 19, 22])
def test_high_levels(level):
    frame = Zstd(level).encode(SAMPLE[:50_000])
    assert zstandard.ZstdDecompressor().decompress(frame) == SAMPLE[:50_000]


def of_unknown_size(source):
    """Return a frame written piece by piece, which does not say how long its content is."""
    compressor = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return compressor.compress(source) + compressor.flush()


@given(data)
def test_frames_that_do_not_say_their_size(source):
    frame = of_unknown_size(source)
    if source:
        assert zstandard.get_frame_parameters(frame).content_size == zstandard.CONTENTSIZE_UNKNOWN
    assert Zstd().decode(frame) == source
    assert Zstd().decode(frame, len(source)) == source
    if source:
        with pytest.raises(CodecError, match="more bytes"):
            Zstd().decode(frame, len(source) - 1)


@pytest.mark.parametrize("first", [Zstd().encode, of_unknown_size], ids=["known", "unknown"])
def test_several_frames(first):
    frames = first(SAMPLE) + Zstd().encode(b"") + Zstd(1, True).encode(SAMPLE)
    assert Zstd().decode(frames) == SAMPLE * 2
    assert Zstd().decode(frames, 2 * len(SAMPLE)) == SAMPLE * 2
    with pytest.raises(CodecError, match="more bytes"):
        Zstd().decode(frames, 2 * len(SAMPLE) - 1)


def test_skippable_frames():
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"hello"
    assert Zstd().decode(skippable + Zstd().encode(SAMPLE) + skippable, len(SAMPLE)) == SAMPLE
    assert Zstd().decode(skippable) == b""


def test_a_small_frame_that_claims_much():
    """A million bytes of nothing pack into a few: the limit decides, not the frame."""
    frame = Zstd().encode(bytes(100_000_000))
    assert len(frame) < 10_000
    with pytest.raises(CodecError, match="more bytes"):
        Zstd().decode(frame, 1000)
    with pytest.raises(CodecError, match="more bytes"):
        Zstd().decode(of_unknown_size(bytes(100_000_000)), 1000)


def test_wrong_checksum():
    frame = bytearray(Zstd(0, True).encode(SAMPLE))
    frame[-1] ^= 1
    with pytest.raises(ChecksumError):
        Zstd().decode(frame)


@pytest.mark.parametrize("level", [23, -131073])
def test_wrong_levels(level):
    with pytest.raises(ValueError, match="zstd level must be from -131072 to 22"):
        Zstd(level)


def test_version():
    assert tuple(int(part) for part in version().split(".")) >= (1, 4, 0)
