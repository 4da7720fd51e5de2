"""LZ4 in numcodecs' framing, against the packages ``lz4`` and ``numcodecs``."""

import struct

import lz4.block
import numcodecs
import numpy as np
import pytest
from codec_data import data, smooth
from hypothesis import given
from hypothesis import strategies as st

from zarrc.errors import CodecError
from zarrc.kernels.lz4 import LZ4, MAX_NBYTES, version

accelerations = st.integers(-1, 100)


@given(data, accelerations)
def test_each_reads_the_other(source, acceleration):
    encoded = LZ4(acceleration).encode(source)
    # the package ``lz4`` frames blocks in the same way
    assert lz4.block.decompress(encoded) == source
    assert LZ4().decode(lz4.block.compress(source), len(source)) == source
    theirs = numcodecs.LZ4(acceleration)
    assert LZ4().decode(theirs.encode(source), len(source)) == source
    if source:
        assert bytes(theirs.decode(encoded)) == source


@pytest.mark.parametrize("claimed", [0, 1, 9_999, 10_001, 2**31 - 1, 2**31, 2**32 - 1])
def test_wrong_sizes_in_the_header(claimed):
    encoded = struct.pack("<I", claimed) + LZ4().encode(smooth(10_000))[4:]
    with pytest.raises(CodecError):
        LZ4().decode(encoded, 20_000)


def test_version():
    assert version().startswith("1.")


@pytest.mark.slow
def test_buffers_over_the_limit_are_refused():
    too_long = np.zeros(MAX_NBYTES + 1, "u1")  # never touched: no memory is used
    with pytest.raises(CodecError, match="more bytes"):
        LZ4().encode(too_long)
