"""What does each store cost for the same chunks?"""

from __future__ import annotations

import dbm.dumb
import time
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
    "N5Store": lambda folder: zarrc.N5Store(folder),
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


class Chunks64kB(InFolder):
    """Chunks of 64 kB: all at once, into memory that is there, and one by one."""

    params = (
        ["dict", "DirectoryStore", "ZipStore", "SQLiteStore", "LMDBStore"],
        ["none", "blosc-lz4", "zstd"],
    )
    param_names = ("store", "codec")

    def setup(self, store, codec):
        self.n = 2 * SIZES.side
        noise = np.random.default_rng(1).integers(0, 64, (self.n, 16384), dtype="i4")
        data = noise + np.linspace(0, 5000, 16384).astype("i4")
        self.array = create(STORES[store](self.make_folder()), data, (1, 16384), codec)
        self.array[...] = self.data = data
        self.out = np.empty_like(data)

    def time_read(self, store, codec):
        self.array[...]

    def time_read_into(self, store, codec):
        self.array.get_basic_selection(..., out=self.out)

    def time_read_each(self, store, codec):
        for i in range(self.n):
            self.array[i]

    def time_write_each(self, store, codec):
        for i in range(0, self.n, 8):
            self.array[i] = self.data[i]


CACHED = {
    "numpy": None,
    "dict": lambda folder: {},
    "DirectoryStore": lambda folder: zarrc.DirectoryStore(folder),
    "SQLiteStore": lambda folder: zarrc.SQLiteStore(f"{folder}/x.sqlite"),
    "LMDBStore": lambda folder: zarrc.LMDBStore(f"{folder}/x.lmdb"),
}


class SmallBoxes(InFolder):
    """Small boxes of chunks that are kept decoded, beside NumPy's own slice and copy."""

    params = (list(CACHED), [4, 16])
    param_names = ("store", "side")

    def setup(self, store, side):
        folder = self.make_folder()
        data = volume()
        box = tuple(slice(3, 3 + side) for _ in range(3))
        if store == "numpy":
            self.read = lambda: data[box].copy()
            return
        made = CACHED[store](folder)
        create(made, data, (SIZES.chunk_sides[1],) * 3)[...] = data
        array = zarrc.open_array(made, mode="r", chunk_cache=2**28)
        time.sleep(0.05)  # files that have just been written are not trusted
        self.read = lambda: array[box]
        self.read()

    def time_read(self, store, side):
        for _ in range(SIZES.n_calls):
            self.read()
