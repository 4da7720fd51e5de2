"""What does each store cost for the same chunks?"""

from __future__ import annotations

import numpy as np

import zarrc

from .common import SIZES, InFolder, create, volume

STORES = {
    "dict": lambda folder: {},
    "MemoryStore": lambda folder: zarrc.MemoryStore(),
    "DirectoryStore": lambda folder: zarrc.DirectoryStore(folder),
    "NestedDirectoryStore": lambda folder: zarrc.NestedDirectoryStore(folder),
}


class Stores(InFolder):
    """Many small chunks and a few large ones."""

    params = (list(STORES), ["small", "large"])
    param_names = ("store", "chunks")

    def setup(self, store, chunks):
        if chunks == "small":
            self.data = np.arange(SIZES.n_small_chunks * 1024, dtype="i4")
            chunk_shape = 1024
        else:
            self.data = volume()
            chunk_shape = (SIZES.chunk_sides[1],) * 3
        self.array = create(STORES[store](self.make_folder()), self.data, chunk_shape)
        self.array[...] = self.data

    def time_read(self, store, chunks):
        self.array[...]

    def time_write(self, store, chunks):
        self.array[...] = self.data
