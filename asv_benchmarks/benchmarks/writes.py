"""How fast are arrays written to local files?"""

from __future__ import annotations

import numpy as np

from .common import CODECS, SIZES, InFolder, create, volume


class FullWrite(InFolder):
    """A volume, all of it."""

    params = (list(CODECS), list(SIZES.chunk_sides))
    param_names = ("codec", "chunk side")

    def setup(self, codec, side):
        self.data = volume()
        self.array = create(self.make_folder(), self.data, (side,) * 3, codec)

    def time_write(self, codec, side):
        self.array[...] = self.data

    def time_scalar(self, codec, side):
        self.array[...] = 7

    def peakmem_write(self, codec, side):
        self.array[...] = self.data


class ManySmallChunks(InFolder):
    """Chunks of 4 kB, where files cost more than bytes."""

    params = (["none", "blosc-lz4"],)
    param_names = ("codec",)

    def setup(self, codec):
        self.data = np.arange(SIZES.n_small_chunks * 1024, dtype="i4")
        self.array = create(self.make_folder(), self.data, 1024, codec)

    def time_write(self, codec):
        self.array[...] = self.data


class PartialChunks(InFolder):
    """Regions that cut through chunks: read, change, write."""

    def setup(self):
        self.data = volume()
        self.array = create(self.make_folder(), self.data, (SIZES.chunk_sides[1],) * 3)
        self.array[...] = self.data

    def time_shifted_box(self):
        inner = slice(3, SIZES.side - 3)
        self.array[inner, inner, inner] = self.data[inner, inner, inner]

    def time_last_axis(self):
        """One plane across the last axis touches an element of every row of a face of chunks."""
        self.array[:, :, 5] = self.data[:, :, 5]


class Append(InFolder):
    """Frames appended one at a time."""

    def setup(self):
        self.frame = volume(64)[:1]
        self.array = create(self.make_folder(), self.frame, (16, 64, 64))
        self.array.resize(0, 64, 64)

    def time_frames(self):
        for _ in range(64):
            self.array.append(self.frame)


class EmptyChunks(InFolder):
    """Zeros, which need not be stored."""

    params = ([True, False],)
    param_names = ("write_empty_chunks",)

    def setup(self, write_empty_chunks):
        self.data = np.zeros_like(volume())
        self.array = create(
            self.make_folder(),
            self.data,
            (SIZES.chunk_sides[1],) * 3,
            fill_value=0,
            write_empty_chunks=write_empty_chunks,
        )

    def time_write(self, write_empty_chunks):
        self.array[...] = self.data


class Rechunk(InFolder):
    """From one array to another with other chunks."""

    def setup(self):
        data = volume()
        self.source = create(self.make_folder() + "/source", data, (SIZES.chunk_sides[1],) * 3)
        self.source[...] = data
        self.target = create(self.folder + "/target", data, (SIZES.side, SIZES.side, 8))

    def time_copy(self):
        self.target[...] = self.source
