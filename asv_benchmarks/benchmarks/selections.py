"""How fast are parts of arrays read?"""

from __future__ import annotations

import numpy as np

import zarrc

from .common import CODECS, SIZES, InFolder, create, volume


class SmallParts(InFolder):
    """Boxes and single elements of an opened array; the calls are the same in every run."""

    params = (list(CODECS),)
    param_names = ("codec",)

    def setup(self, codec):
        data = volume()
        create(self.make_folder(), data, (SIZES.chunk_sides[1],) * 3, codec)[...] = data
        self.array = zarrc.open_array(self.folder, mode="r")
        corners = np.random.default_rng(2).integers(0, SIZES.side - 16, (50, 3))
        self.boxes = [tuple(slice(int(k), int(k) + 16) for k in corner) for corner in corners]
        self.points = [tuple(map(int, corner)) for corner in corners]

    def time_boxes(self, codec):
        for box in self.boxes:
            self.array[box]

    def time_elements(self, codec):
        for point in self.points:
            self.array[point]


class Planes(InFolder):
    """One plane across each axis, and what crosses all chunks for few elements."""

    def setup(self):
        data = volume()
        create(self.make_folder(), data, (SIZES.chunk_sides[0],) * 3)[...] = data
        self.array = zarrc.open_array(self.folder, mode="r")

    def time_first_axis(self):
        self.array[5]

    def time_last_axis(self):
        self.array[:, :, 5]

    def time_one_row(self):
        self.array[:, 5, 5]

    def time_strided(self):
        self.array[::7, ::7, ::7]

    def time_reversed(self):
        self.array[::-1, ::-1, ::-1]


class TinyReadsFromMemory:
    """Rows of an uncompressed array in a dict, one chunk: nothing but the cost of a call."""

    def setup(self):
        data = np.arange(SIZES.n_calls * 16, dtype="f8").reshape(SIZES.n_calls, 16)
        self.array = create({}, data, data.shape, "none")
        self.array[...] = data

    def time_rows(self):
        array = self.array
        for i in range(SIZES.n_calls):
            array[i]

    def time_elements(self):
        array = self.array
        for i in range(SIZES.n_calls):
            array[i, 3]
