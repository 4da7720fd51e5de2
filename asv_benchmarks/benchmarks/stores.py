"""What does each store cost for the same chunks?"""

from __future__ import annotations

import dbm.dumb
import warnings

import numpy as np

import zarrc

from .common import SIZES, InFolder, create, volume

STORES = {
    "dict": lambda folder: {},
    "MemoryStore": lambda folder: zarrc.MemoryStore(),
    "DirectoryStore": lambda folder: zarrc.DirectoryStore(folder),
    "NestedDirectoryStore": lambda folder: zarrc.NestedDirectoryStore(folder),
    "ZipStore": lambda folder: zarrc.ZipStore(f"{folder}/x.zip"),
    "SQLiteStore": lambda folder: zarrc.SQLiteStore(f"{folder}/x.sqlite"),
    "LMDBStore": lambda folder: zarrc.LMDBStore(f"{folder}/x.lmdb"),
    "DBMStore(dumb)": lambda folder: zarrc.DBMStore(f"{folder}/x.db", open=dbm.dumb.open),
    "LRUStoreCache": lambda folder: zarrc.LRUStoreCache(zarrc.DirectoryStore(folder), max_size=2**30),
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
        warnings.filterwarnings("ignore", "Duplicate name")
        self.array = create(STORES[store](self.make_folder()), self.data, chunk_shape)
        self.array[...] = self.data

    def time_read(self, store, chunks):
        self.array[...]

    def time_write(self, store, chunks):
        self.array[...] = self.data
