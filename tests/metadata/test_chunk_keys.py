"""Keys of chunks and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarrc.errors import MetadataError
from zarrc.metadata.chunk_keys import chunk_key, parse_chunk_key
from zarrc.metadata.model import ChunkKeyEncoding

ENCODINGS = [ChunkKeyEncoding(name, separator) for name in ("default", "v2") for separator in "/."]


@pytest.mark.parametrize(
    ("name", "separator", "coords", "key"),
    [
        ("default", "/", (1, 23, 45), "c/1/23/45"),
        ("default", ".", (1, 23, 45), "c.1.23.45"),
        ("default", "/", (), "c"),
        ("v2", ".", (1, 23, 45), "1.23.45"),
        ("v2", "/", (1, 23, 45), "1/23/45"),
        ("v2", ".", (), "0"),
        ("v2", ".", (0,), "0"),
    ],
)
def test_keys_of_the_specification(name, separator, coords, key):
    encoding = ChunkKeyEncoding(name, separator)
    assert chunk_key(coords, encoding) == key
    assert parse_chunk_key(key, encoding, len(coords)) == coords


@given(st.sampled_from(ENCODINGS), st.lists(st.integers(0, 2**40), max_size=5).map(tuple))
def test_round_trip(encoding, coords):
    assert parse_chunk_key(chunk_key(coords, encoding), encoding, len(coords)) == coords


@given(st.sampled_from(ENCODINGS), st.text("c0123/.-+ _²٣", max_size=8), st.integers(0, 3))
def test_only_keys_that_are_written_are_parsed(encoding, key, ndim):
    coords = parse_chunk_key(key, encoding, ndim)
    assert coords is None or chunk_key(coords, encoding) == key


@pytest.mark.parametrize("key", ["", "0", "0.1.2", "01.0", "0.-1", "a.b", ".zarray", "0.1/", "c/0/1"])
def test_other_keys_name_no_chunk(key):
    assert parse_chunk_key(key, ChunkKeyEncoding("v2", "."), 2) is None


def test_other_encodings_are_refused():
    with pytest.raises(MetadataError, match="chunk key encoding 'v3'"):
        ChunkKeyEncoding("v3", "/")
    with pytest.raises(MetadataError, match="separator"):
        ChunkKeyEncoding("v2", "-")
