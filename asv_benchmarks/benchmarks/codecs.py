"""How fast are the codecs, with storage out of the way?"""

from __future__ import annotations

import numcodecs

import zarrc

from .common import CODECS, volume

CHAINS = {
    **{name: {"compressor": codec} for name, codec in CODECS.items()},
    "lz4": {"compressor": numcodecs.LZ4()},
    "zlib": {"compressor": numcodecs.Zlib(level=1)},
    "delta+zstd": {"compressor": numcodecs.Zstd(level=1), "filters": [numcodecs.Delta("u2")]},
    "bz2": {"compressor": numcodecs.BZ2(level=1)},  # not compiled: called through Python
}


class OneChunk:
    """One chunk of 2 MB, written to and read from a dict."""

    params = (list(CHAINS),)
    param_names = ("codec",)

    def setup(self, codec):
        self.data = volume(100)
        self.array = zarrc.create(self.data.shape, chunks=False, dtype="u2", store={}, **CHAINS[codec])
        self.array[...] = self.data

    def time_encode(self, codec):
        self.array[...] = self.data

    def time_decode(self, codec):
        self.array[...]

    def track_ratio(self, codec):
        return self.array.nbytes / self.array.nbytes_stored
