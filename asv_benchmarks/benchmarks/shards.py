"""How fast are arrays that keep many chunks under one key?"""

from __future__ import annotations

import numpy as np

import zarrc

from .common import CODECS, SIZES, InFolder, volume

SHARD_SIDE = SIZES.side // 2


def create_sharded(store, data, side, codec, *, sharded=True):
    """Return an empty array like `data` of cubic chunks, with shards of half its side or without."""
    return zarrc.create_array(
        store,
        shape=data.shape,
        dtype=data.dtype,
        chunks=(side,) * 3,
        shards=(SHARD_SIDE,) * 3 if sharded else None,
        compressors=CODECS[codec],
        overwrite=True,
    )


class Full(InFolder):
    """A volume, all of it, beside the same chunks in files of their own."""

    params = (["none", "zstd", "blosc-lz4"], [16, 32], [True, False])
    param_names = ("codec", "chunk side", "sharded")

    def setup(self, codec, side, sharded):
        self.data = volume()
        self.array = create_sharded(self.make_folder(), self.data, side, codec, sharded=sharded)
        self.array[...] = self.data
        self.out = np.empty_like(self.data)

    def time_read(self, codec, side, sharded):
        self.array.get_basic_selection(..., out=self.out)

    def time_write(self, codec, side, sharded):
        self.array[...] = self.data

    def peakmem_write(self, codec, side, sharded):
        self.array[...] = self.data


class Parts(InFolder):
    """Small boxes, which touch a chunk or a few of one shard."""

    params = (["none", "zstd", "blosc-lz4"],)
    param_names = ("codec",)

    def setup(self, codec):
        self.data = volume()
        self.array = create_sharded(self.make_folder(), self.data, 16, codec)
        self.array[...] = self.data
        corners = np.random.default_rng(2).integers(0, SIZES.side - 10, (50, 3))
        self.boxes = [tuple(slice(a, a + 10) for a in corner) for corner in corners.tolist()]
        self.positions = tuple(np.random.default_rng(3).integers(0, SIZES.side, (3, 10_000)))

    def time_read_boxes(self, codec):
        for box in self.boxes:
            self.array[box]

    def time_read_opened_anew(self, codec):
        for box in self.boxes[:10]:
            zarrc.open_array(self.folder, mode="r")[box]

    def time_write_boxes(self, codec):
        for box in self.boxes[:10]:
            self.array[box] = 7

    def time_points(self, codec):
        self.array.vindex[self.positions]
