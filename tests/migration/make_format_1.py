"""Write stores of format 1 as zarr-python 1.1 makes them to ``format_1.json``.

That release is built with Python 3.10 and packages of its time::

    python3.10 -m venv zarr1
    zarr1/bin/pip install "setuptools<60" wheel "numpy<1.24" "cython<3"
    zarr1/bin/pip install --no-build-isolation zarr==1.1.0
    zarr1/bin/python tests/migration/make_format_1.py

Each store is there with its keys and values, and with what its array reads.
"""

import base64
import collections
import collections.abc
import json
import tempfile
from pathlib import Path

import numpy as np

collections.Mapping = collections.abc.Mapping  # the release looks for these where Python had them then
collections.MutableMapping = collections.abc.MutableMapping

import zarr  # noqa: E402

ARRAYS = {
    "default": {"dtype": "i4", "fill_value": 3},
    "blosc": {
        "dtype": "f8",
        "compression": "blosc",
        "compression_opts": {"cname": "zlib", "clevel": 2, "shuffle": 2},
    },
    "zlib": {"dtype": "f8", "compression": "zlib", "compression_opts": 3, "fill_value": np.nan},
    "bz2": {"dtype": ">i2", "compression": "bz2", "compression_opts": 2, "fill_value": -1},
    "lzma": {"dtype": "u1", "compression": "lzma", "fill_value": 9},
    "none": {"dtype": "f4", "compression": None, "fill_value": 0},
}


def make(options):
    """Return the keys and values of a store, and what its array reads."""
    with tempfile.TemporaryDirectory() as folder:
        array = zarr.open(folder, mode="w", shape=(5, 7), chunks=(2, 3), **options)
        array[:4] = np.arange(28).reshape(4, 7)
        array.attrs["name"] = "value"
        return {
            "store": {
                path.name: base64.b64encode(path.read_bytes()).decode()
                for path in sorted(Path(folder).iterdir())
            },
            "dtype": array.dtype.str,
            "values": base64.b64encode(array[:].tobytes()).decode(),
        }


if __name__ == "__main__":
    made = {name: make(options) for name, options in ARRAYS.items()}
    Path(__file__).with_name("format_1.json").write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")
