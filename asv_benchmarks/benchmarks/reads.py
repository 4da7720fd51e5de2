"""How fast are whole arrays read from local files?"""

from __future__ import annotations

import numpy as np

import zarrc

from .common import CODECS, SIZES, InFolder, create, volume


class FullRead(InFolder):
    """A volume, all of it."""

    params = (list(CODECS), list(SIZES.chunk_sides))
    param_names = ("codec", "chunk side")

    def setup(self, codec, side):
        data = volume()
        create(self.make_folder(), data, (side,) * 3, codec)[...] = data
        self.array = zarrc.open_array(self.folder, mode="r")
        self.out = np.empty_like(data)

    def time_new(self, codec, side):
        self.array[...]

    def time_into_out(self, codec, side):
        self.array.get_basic_selection(..., out=self.out)

    def time_one_thread(self, codec, side):
        with zarrc.config.set({"threading.max_workers": 1}):
            self.array[...]

    def peakmem_new(self, codec, side):
        self.array[...]


class ManySmallChunks(InFolder):
    """Chunks of 4 kB, where files cost more than bytes."""

    params = (["none", "blosc-lz4"],)
    param_names = ("codec",)

    def setup(self, codec):
        data = np.arange(SIZES.n_small_chunks * 1024, dtype="i4")
        create(self.make_folder(), data, 1024, codec)[...] = data
        self.array = zarrc.open_array(self.folder, mode="r")

    def time_read(self, codec):
        self.array[...]


class MissingChunks(InFolder):
    """An array of which nothing was ever written."""

    def setup(self):
        self.array = create(self.make_folder(), volume(), (SIZES.chunk_sides[0],) * 3)

    def time_read(self):
        self.array[...]


class FortranOrder(InFolder):
    """Chunks in one order read into arrays of the other."""

    params = (["C", "F"], ["C", "F"])
    param_names = ("stored", "result")

    def setup(self, stored, result):
        data = volume()
        create(self.make_folder(), data, (SIZES.chunk_sides[1],) * 3, order=stored)[...] = data
        self.array = zarrc.open_array(self.folder, mode="r")
        self.out = np.empty(data.shape, data.dtype, order=result)

    def time_read(self, stored, result):
        self.array.get_basic_selection(..., out=self.out)
