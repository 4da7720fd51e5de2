"""Checksums against google-crc32c, zlib and numcodecs."""

import zlib

import google_crc32c
import numcodecs
import pytest
from codec_data import data
from hypothesis import given

from zarrc.errors import CodecError
from zarrc.kernels.checksums import Adler32, Crc32, Crc32c, Fletcher32, has_crc32c_instruction

FUNCTIONS = [
    (Crc32, zlib.crc32),
    (Adler32, zlib.adler32),
    (Crc32c, google_crc32c.value),
]


@pytest.mark.parametrize(("cls", "function"), FUNCTIONS, ids=lambda item: item.__name__)
@given(data=data)
def test_values_and_places(cls, function, data):
    stored = function(data).to_bytes(4, "little")
    assert cls("start").encode(data) == stored + data
    assert cls("end").encode(data) == data + stored
    assert cls("start").decode(stored + data, len(data)) == data
    assert cls("end").decode(data + stored, len(data)) == data


@given(data)
def test_both_ways_to_crc32c_agree(source):
    assert Crc32c().encode(source) == Crc32c(portable=True).encode(source)


@given(data)
def test_fletcher32_is_that_of_hdf5(source):
    if not source:
        return
    assert Fletcher32().encode(source) == bytes(numcodecs.Fletcher32().encode(source))


def test_fletcher32_of_large_sums():
    """All bits set: both sums are folded again and again."""
    for nbytes in (1, 2, 719, 720, 721, 100_000, 100_001):
        source = b"\xff" * nbytes
        assert Fletcher32().encode(source) == bytes(numcodecs.Fletcher32().encode(source))
        assert Adler32("end").encode(source)[-4:] == zlib.adler32(source).to_bytes(4, "little")


@pytest.mark.parametrize("name", ["CRC32", "CRC32C", "Adler32", "Fletcher32"])
@given(data=data)
def test_numcodecs_frames_them_so(name, data):
    if not data:
        return
    ours = {"CRC32": Crc32(), "CRC32C": Crc32c(), "Adler32": Adler32(), "Fletcher32": Fletcher32()}[name]
    theirs = getattr(numcodecs, name)()
    assert ours.encode(data) == bytes(theirs.encode(data))
    assert bytes(theirs.decode(ours.encode(data))) == data


def test_too_short():
    with pytest.raises(CodecError, match="truncated"):
        Crc32().decode(b"abc")


def test_wrong_location():
    with pytest.raises(ValueError, match="location must be 'start' or 'end'"):
        Crc32("middle")


def test_the_instruction_is_a_fact_of_the_machine():
    assert has_crc32c_instruction() in (True, False)
