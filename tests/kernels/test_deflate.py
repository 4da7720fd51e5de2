"""gzip and zlib by both libraries, against Python's own modules."""

import gzip
import subprocess
import sys
import zlib

import numcodecs
import pytest
from codec_data import data, smooth
from hypothesis import given
from hypothesis import strategies as st

from zarrc.errors import CodecError
from zarrc.kernels import deflate
from zarrc.kernels.deflate import Gzip, Zlib

SAMPLE = smooth(200_000)
BACKENDS = ["zlib", "libdeflate"] if deflate.backend() == "libdeflate" else ["zlib"]

backends = pytest.mark.parametrize("backend", BACKENDS)
levels = st.integers(-1, 9)


@backends
@given(data, levels, levels)
def test_gzip_and_python_read_each_other(backend, source, level, other):
    encoded = Gzip(level, backend).encode(source)
    assert gzip.decompress(encoded) == source
    theirs = gzip.compress(source, max(0, other))
    assert Gzip(1, backend).decode(theirs, len(source)) == source
    assert Gzip(1, backend).decode(theirs) == source


@backends
@given(data, levels, levels)
def test_zlib_and_python_read_each_other(backend, source, level, other):
    encoded = Zlib(level, backend).encode(source)
    assert zlib.decompress(encoded) == source
    assert Zlib(1, backend).decode(zlib.compress(source, other), len(source)) == source
    assert Zlib(1, backend).decode(zlib.compress(source, other)) == source


@backends
def test_numcodecs_and_we_read_each_other(backend):
    for ours, theirs in ((Gzip(3, backend), numcodecs.GZip(3)), (Zlib(3, backend), numcodecs.Zlib(3))):
        assert bytes(theirs.decode(ours.encode(SAMPLE))) == SAMPLE
        assert ours.decode(theirs.encode(SAMPLE), len(SAMPLE)) == SAMPLE


@backends
def test_levels_mean_something(backend):
    sizes = [len(Gzip(level, backend).encode(SAMPLE)) for level in (0, 1, 9)]
    assert sizes[0] > len(SAMPLE) > sizes[1] > sizes[2]
    assert Gzip(-1, backend).encode(SAMPLE) == Gzip(6, backend).encode(SAMPLE)


@backends
def test_several_gzip_members(backend):
    members = gzip.compress(SAMPLE) + gzip.compress(b"") + Gzip(9, backend).encode(b"tail")
    assert Gzip(1, backend).decode(members) == SAMPLE + b"tail"
    assert Gzip(1, backend).decode(members, len(SAMPLE) + 4) == SAMPLE + b"tail"
    assert Gzip(1, backend).decode(members + bytes(100), len(SAMPLE) + 4) == SAMPLE + b"tail"
    with pytest.raises(CodecError, match="more bytes"):
        Gzip(1, backend).decode(members, len(SAMPLE) + 3)
    with pytest.raises(CodecError, match="corrupt"):
        Gzip(1, backend).decode(members + b"\0\0x")


@backends
def test_gzip_headers_with_names_and_comments(backend, tmp_path):
    with gzip.open(tmp_path / "named.gz", "wb") as file:
        file.write(SAMPLE)
    assert Gzip(1, backend).decode((tmp_path / "named.gz").read_bytes(), len(SAMPLE)) == SAMPLE


@backends
def test_highly_packed_data(backend):
    """Far more than the first guess of the decoded size, in several steps."""
    source = bytes(30_000_000)
    assert Gzip(1, backend).decode(gzip.compress(source), len(source)) == source
    assert Zlib(1, backend).decode(zlib.compress(source)) == source
    with pytest.raises(CodecError, match="more bytes"):
        Zlib(1, backend).decode(zlib.compress(source), 1000)


@pytest.mark.parametrize("cls", [Gzip, Zlib])
def test_wrong_parameters(cls):
    for level in (-2, 10):
        with pytest.raises(ValueError, match="level must be from -1 to 9"):
            cls(level)
    with pytest.raises(ValueError, match="backend"):
        cls(1, "isal")


def test_libdeflate_is_found_where_it_is_installed():
    pytest.importorskip("deflate")
    assert deflate.backend() == "libdeflate"


WITHOUT_LIBDEFLATE = """
import ctypes.util, gzip, sys
sys.modules["deflate"] = None
ctypes.util.find_library = lambda name: None
from zarrc.kernels import deflate
assert deflate.backend() == "zlib", deflate.backend()
assert gzip.decompress(deflate.Gzip(5).encode(b"abc" * 100)) == b"abc" * 100
try:
    deflate.Gzip(5, "libdeflate")
except ImportError as error:
    print(error)
"""


def test_zlib_where_it_is_not():
    result = subprocess.run([sys.executable, "-c", WITHOUT_LIBDEFLATE], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "pip install deflate" in result.stdout


def test_version():
    assert deflate.version().startswith("1.")
