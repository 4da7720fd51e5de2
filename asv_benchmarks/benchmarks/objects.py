"""How fast are strings and other objects read and written?"""

from __future__ import annotations

import numcodecs
import numpy as np

import zarrc

from .common import SIZES, InFolder

N = {128: 100_000, 512: 10_000_000}[SIZES.side]


def objects(kind: str) -> np.ndarray:
    """Return an array of objects of one kind."""
    found = np.empty(N, object)
    if kind == "ascii":
        found[:] = [f"value number {n}" for n in range(N)]
    elif kind == "utf-8":
        found[:] = [f"größe {n}" for n in range(N)]
    elif kind == "bytes":
        found[:] = [b"value number %d" % n for n in range(N)]
    elif kind == "ragged":
        numbers = np.arange(10)
        for n in range(N):
            found[n] = numbers[: n % 10]
    else:
        found[:] = [{"n": n} for n in range(N)]
    return found


KINDS = {
    "ascii": {"dtype": str},
    "utf-8": {"dtype": str},
    "bytes": {"dtype": bytes},
    "ragged": {"dtype": "array:i8"},
    "json": {"dtype": object, "object_codec": numcodecs.JSON()},
}


class Objects(InFolder):
    """An array of objects of one kind in chunks of a tenth of it."""

    params = (list(KINDS),)
    param_names = ("kind",)

    def setup(self, kind):
        self.data = objects(kind)
        self.array = zarrc.open_array(
            self.make_folder(), mode="w", shape=N, chunks=N // 10, fill_value=None, **KINDS[kind]
        )
        self.array[:] = self.data
        self.few = np.random.default_rng(1).integers(0, N, 100)

    def time_read(self, kind):
        self.array[:]

    def time_write(self, kind):
        self.array[:] = self.data

    def time_read_few(self, kind):
        self.array.vindex[self.few]

    def time_write_one(self, kind):
        self.array[0] = self.data[0]

    def peakmem_read(self, kind):
        self.array[:]
