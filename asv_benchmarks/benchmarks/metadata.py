"""What do importing, creating, opening and counting cost?"""

from __future__ import annotations

import subprocess
import sys

import numpy as np

import zarrc

from .common import SIZES, InFolder, create


class Import:
    """A new Python that imports NumPy, and one that imports zarrc too."""

    params = (["numpy", "zarrc"],)
    param_names = ("module",)

    def time_import(self, module):
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True)


class Documents(InFolder):
    """Arrays made and opened, in a folder and in a dict."""

    params = ([2, 3], ["folder", "dict"])
    param_names = ("format", "store")

    def setup(self, zarr_format, store):
        folder = self.make_folder()
        self.store = {} if store == "dict" else folder
        self.make(zarr_format)

    def make(self, zarr_format):
        zarrc.create(
            (1000, 1000), chunks=(100, 100), store=self.store, overwrite=True, zarr_format=zarr_format
        )

    def time_create(self, zarr_format, store):
        self.make(zarr_format)

    def time_open(self, zarr_format, store):
        zarrc.open_array(self.store, mode="r")


class Counting(InFolder):
    """Questions that look at the keys of a store with many chunks."""

    def setup(self):
        data = np.arange(SIZES.n_small_chunks, dtype="i4")
        create(self.make_folder(), data, 1, "none")[...] = data
        self.array = zarrc.open_array(self.folder, mode="r")

    def time_nchunks_initialized(self):
        self.array.nchunks_initialized  # noqa: B018

    def time_nbytes_stored(self):
        self.array.nbytes_stored  # noqa: B018
