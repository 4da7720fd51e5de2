"""Data for tests of codecs: as Hypothesis strategies, and a fixed sample of a realistic chunk."""

import numpy as np
from hypothesis import strategies as st

from zarrc.kernels import blosc, checksums, deflate, filters, lz4, zstd

# every kind of compressed or checked data: name -> codec whose decoder looks at what it gets
CHECKED = {
    **{f"blosc-{cname}": blosc.Blosc(cname, typesize=2) for cname in blosc.CNAMES},
    "blosc-stored": blosc.Blosc("lz4", clevel=0),
    "zstd": zstd.Zstd(),
    "zstd-checksum": zstd.Zstd(checksum=True),
    "lz4": lz4.LZ4(),
    "gzip": deflate.Gzip(),
    "zlib": deflate.Zlib(),
    "gzip-by-zlib": deflate.Gzip(5, "zlib"),
    "zlib-by-zlib": deflate.Zlib(1, "zlib"),
    "crc32c": checksums.Crc32c(),
    "crc32": checksums.Crc32(),
    "adler32": checksums.Adler32(),
    "fletcher32": checksums.Fletcher32(),
}

# and those that only rearrange
PLAIN = {
    "byteswap": filters.ByteSwap(2),
    "byteswap-record": filters.ByteSwap(8, [(0, 2, 1), (4, 4, 1)]),
    "delta": filters.Delta("i2"),
    "shuffle": filters.Shuffle(4),
}


def smooth(nbytes: int) -> bytes:
    """Return `nbytes` bytes of uint16 that packs as instruments' data do: smooth, with noise."""
    rng = np.random.default_rng(12345)
    n = (nbytes + 1) // 2
    values = 1000 + 800 * np.sin(np.linspace(0, 20, n)) + rng.normal(0, 8, n)
    return values.astype("<u2").tobytes()[:nbytes]


# bytes that pack well, badly and not at all
data = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda piece, times: piece * times, st.binary(min_size=1, max_size=20), st.integers(0, 3000)),
    st.integers(0, 70_000).map(smooth),
)
