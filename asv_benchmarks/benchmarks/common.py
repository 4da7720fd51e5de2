"""Sizes and data that the benchmarks share.

``ZARRC_BENCH=full`` chooses the sizes that claims about speed are made with (256 MB volumes,
10,000 chunks); unset, everything is small enough for a quick look.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from typing import Any

import numcodecs
import numpy as np

import zarrc


@dataclass(frozen=True)
class Sizes:
    """The side of the cubic volume, of its chunks, and how many small things there are."""

    side: int
    chunk_sides: tuple[int, ...]
    n_small_chunks: int
    n_calls: int


SIZES = {
    "quick": Sizes(side=128, chunk_sides=(32, 64), n_small_chunks=500, n_calls=200),
    "full": Sizes(side=512, chunk_sides=(64, 128), n_small_chunks=10_000, n_calls=10_000),
}[os.environ.get("ZARRC_BENCH", "quick")]

CODECS = {
    "none": None,
    "zstd": numcodecs.Zstd(level=1),
    "blosc-lz4": numcodecs.Blosc("lz4", clevel=5, shuffle=numcodecs.Blosc.SHUFFLE),
    "blosc-zstd": numcodecs.Blosc("zstd", clevel=1, shuffle=numcodecs.Blosc.SHUFFLE),
    "gzip": numcodecs.GZip(level=1),
}


def volume(side: int = SIZES.side) -> np.ndarray:
    """Return a cube of uint16 that compresses about as a scan does: smooth, with noise."""
    line = np.sin(np.linspace(0, 9, side)) * 3000
    smooth = 8000 + line[:, None, None] + line[None, :, None] * 0.5 + line[None, None, :] * 0.25
    noise = np.random.default_rng(1).integers(0, 64, (side,) * 3, dtype="u2")
    return smooth.astype("u2") + noise


def create(store: Any, data: np.ndarray, chunks: Any, codec: str = "blosc-lz4", **more: Any) -> zarrc.Array:
    """Return an empty array like `data`, made anew in `store`."""
    return zarrc.create(
        data.shape,
        chunks=chunks,
        dtype=data.dtype,
        compressor=CODECS[codec],
        store=store,
        overwrite=True,
        **more,
    )


class InFolder:
    """A benchmark whose ``setup`` calls ``self.make_folder()`` and has it removed afterwards."""

    def make_folder(self) -> str:
        self.folder = tempfile.mkdtemp(prefix="zarrc-asv-", dir=os.environ.get("ZARRC_BENCH_DATA"))
        return self.folder

    def teardown(self, *_: Any) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
