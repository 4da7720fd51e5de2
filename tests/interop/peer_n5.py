"""Write or read N5 data with one library; run by that library's own Python.

    python peer_n5.py zarr2|tensorstore|z5py write|read FOLDER

Every case is a dataset in its own container. What became of each is printed as JSON: name to ``""``, or
to what went wrong.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

DTYPES = ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64"]
# name: N5's compression, numcodecs' codec
COMPRESSIONS: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] = {
    "raw": ({"type": "raw"}, None),
    "gzip": ({"type": "gzip", "level": 3}, {"id": "gzip", "level": 3}),
    "zlib": ({"type": "gzip", "level": 3, "useZlib": True}, {"id": "zlib", "level": 3}),
    "bzip2": ({"type": "bzip2", "blockSize": 2}, {"id": "bz2", "level": 2}),
    "xz": (
        {"type": "xz", "preset": 2},
        {"id": "lzma", "format": 1, "check": -1, "preset": 2, "filters": None},
    ),
    "blosc": (
        {"type": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
        {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
    ),
    "zstd": ({"type": "zstd", "level": 3}, {"id": "zstd", "level": 3}),
    "lz4": ({"type": "lz4", "blockSize": 65536}, {"id": "lz4", "acceleration": 1}),
}
SHAPES = {
    "1d": ((23,), (5,)),
    "2d": ((7, 10), (3, 4)),
    "one-chunk": ((6, 8), (6, 8)),
    "chunk-larger": ((3, 4), (5, 9)),
    "4d": ((5, 6, 3, 4), (2, 6, 2, 3)),
    "large-chunks": ((300, 400), (200, 256)),
}
Case = tuple[str, str, tuple[int, ...], tuple[int, ...], str]

CASES: list[Case] = [
    *((f"dtype-{dtype}", dtype, *SHAPES["2d"], "gzip") for dtype in DTYPES),
    *((f"shape-{name}", "int32", *shape, "raw") for name, shape in SHAPES.items()),
    *((f"compression-{name}", "int16", *SHAPES["large-chunks"], name) for name in COMPRESSIONS),
    *((f"edges-{name}", "float64", *SHAPES["4d"], name) for name in COMPRESSIONS),
]
ATTRIBUTES = {"scales": [4.0, 4.0, 40.0], "stain": "none", "nested": {"a": None}}


def values(case: Case) -> np.ndarray:
    """What is written and must be read."""
    _, dtype, shape, _, _ = case
    count = np.arange(np.prod(shape)) * 37 % 1009
    return (count - (0 if dtype.startswith("u") else 500)).astype(dtype).reshape(shape)


def expect(found: Any, case: Case) -> str:
    """Return how what was found differs from what was written."""
    found = np.asarray(found)
    if found.dtype != np.dtype(case[1]) or found.shape != case[2]:
        return f"{found.dtype} {found.shape}"
    return "" if (found == values(case)).all() else f"values {found.ravel()[:8]}"


class Zarr2:
    def write(self, case: Case, path: Path) -> None:
        import numcodecs
        import zarr

        configuration = COMPRESSIONS[case[4]][1]
        array = zarr.create(
            case[2],
            chunks=case[3],
            dtype=case[1],
            compressor=configuration and numcodecs.get_codec(dict(configuration)),
            store=zarr.N5Store(str(path)),
            path="group/data",
        )
        array[...] = values(case)
        array.attrs.update(ATTRIBUTES)

    def read(self, case: Case, path: Path) -> str:
        import zarr

        array = zarr.open_group(zarr.N5Store(str(path)), mode="r")["group/data"]
        return expect(array[...], case) or ("" if dict(array.attrs) == ATTRIBUTES else str(dict(array.attrs)))


class TensorStore:
    def _open(self, case: Case, path: Path, **more: Any) -> Any:
        import tensorstore

        kvstore = {"driver": "file", "path": f"{path}/group/data/"}
        return tensorstore.open({"driver": "n5", "kvstore": kvstore, **more}).result()

    def write(self, case: Case, path: Path) -> None:
        metadata = {
            "dimensions": case[2][::-1],
            "blockSize": case[3][::-1],
            "dataType": case[1],
            "compression": COMPRESSIONS[case[4]][0],
            **ATTRIBUTES,
        }
        self._open(case, path, metadata=metadata, create=True)[...].write(values(case).T).result()

    def read(self, case: Case, path: Path) -> str:
        return expect(self._open(case, path).read().result().T, case)


class Z5py:
    def write(self, case: Case, path: Path) -> None:
        import z5py

        options = {key: value for key, value in COMPRESSIONS[case[4]][0].items() if key in ("level",)}
        group = z5py.File(str(path), "w").require_group("group")
        array = group.create_dataset(
            "data", shape=case[2], chunks=case[3], dtype=case[1], compression=case[4], **options
        )
        array[...] = values(case)
        for name, value in ATTRIBUTES.items():
            array.attrs[name] = value

    def read(self, case: Case, path: Path) -> str:
        import z5py

        array = z5py.File(str(path), "r")["group"]["data"]
        found = {name: array.attrs[name] for name in ATTRIBUTES}
        return expect(array[...], case) or ("" if found == ATTRIBUTES else str(found))


PEERS = {"zarr2": Zarr2, "tensorstore": TensorStore, "z5py": Z5py}


def main(library: str, direction: str, folder: Path) -> dict[str, str]:
    """Write or read every case with a library."""
    peer = PEERS[library]()
    report = {}
    for case in CASES:
        try:
            report[case[0]] = getattr(peer, direction)(case, folder / f"{case[0]}.n5") or ""
        except Exception as error:
            report[case[0]] = f"{type(error).__name__}: {error}"
    return report


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
