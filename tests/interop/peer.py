"""Write or read the cases with one library; run by that library's own Python.

    python peer.py zarr2|zarr3|tensorstore write|read FOLDER

Every array is a folder of its case's name in FOLDER, the hierarchy is the folder ``hierarchy-2`` or
``hierarchy-3``. What became of each is printed as JSON: name to ``""``, or to what went wrong.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from cases import CASES, HIERARCHY, Case, expected, same, values, written


class Peer:
    """One library. ``create`` gives something that ``write`` can write to, ``read`` the whole array."""

    formats: tuple[int, ...] = ()
    has_groups = True

    def create(self, case: Case, path: Path) -> Any:
        raise NotImplementedError

    def write(self, array: Any, selection: Any, value: np.ndarray) -> None:
        array[selection] = value

    def read(self, case: Case, path: Path) -> np.ndarray:
        raise NotImplementedError

    def group(self, path: Path, zarr_format: int, mode: str) -> Any:
        raise NotImplementedError

    def create_in(self, group: Any, path: str, value: np.ndarray) -> Any:
        return group.create_array(path, shape=value.shape, chunks=value.shape, dtype=value.dtype)


def numcodecs_of(case: Case) -> tuple[Any, Any]:
    """Return compressor and filters of a format 2 case as numcodecs' objects."""
    import numcodecs

    def codec(configuration: Any) -> Any:
        return configuration and numcodecs.get_codec(dict(configuration))

    filters = case.codecs["filters"]
    return codec(case.codecs["compressor"]), filters and [codec(f) for f in filters]


class Zarr2(Peer):
    formats = (2,)

    def create(self, case: Case, path: Path) -> Any:
        import zarr

        compressor, filters = numcodecs_of(case)
        return zarr.create(
            case.shape,
            chunks=case.chunks,
            dtype=case.dtype,
            compressor=compressor,
            filters=filters,
            order=case.order,
            fill_value=case.fill_value,
            dimension_separator=case.separator,
            store=zarr.DirectoryStore(path, dimension_separator=case.separator),
        )

    def read(self, case: Case, path: Path) -> np.ndarray:
        import zarr

        return zarr.open_array(str(path), mode="r")[...]

    def group(self, path: Path, zarr_format: int, mode: str) -> Any:
        import zarr

        return zarr.open_group(str(path), mode=mode)

    def create_in(self, group: Any, path: str, value: np.ndarray) -> Any:
        return group.create(path, shape=value.shape, chunks=value.shape, dtype=value.dtype)


class Zarr3(Peer):
    formats = (2, 3)

    def create(self, case: Case, path: Path) -> Any:
        import zarr

        return zarr.create_array(
            str(path),
            shape=case.shape,
            chunks=case.chunks,
            dtype=np.dtype(case.dtype),
            fill_value=case.fill_value,
            zarr_format=case.zarr_format,
            chunk_key_encoding={
                "name": case.key_encoding if case.zarr_format == 3 else "v2",
                "separator": case.separator,
            },
            **(self._format2(case) if case.zarr_format == 2 else self._format3(case)),
        )

    def _format2(self, case: Case) -> dict[str, Any]:
        compressor, filters = numcodecs_of(case)
        return {"compressors": compressor, "filters": filters, "order": case.order}

    def _format3(self, case: Case) -> dict[str, Any]:
        at = [codec["name"] for codec in case.codecs].index("bytes")
        filters, serializer, compressors = case.codecs[:at], case.codecs[at], case.codecs[at + 1 :]
        return {"filters": filters or None, "serializer": serializer, "compressors": compressors or None}

    def read(self, case: Case, path: Path) -> np.ndarray:
        import zarr

        return zarr.open_array(str(path), mode="r")[...]

    def group(self, path: Path, zarr_format: int, mode: str) -> Any:
        import zarr

        return zarr.open_group(str(path), mode=mode, zarr_format=zarr_format)


class TensorStore(Peer):
    formats = (2, 3)
    has_groups = False

    def create(self, case: Case, path: Path) -> Any:
        metadata = self._format2(case) if case.zarr_format == 2 else self._format3(case)
        return self._open(case, path, metadata={"shape": list(case.shape), **metadata}, create=True)

    def write(self, array: Any, selection: Any, value: np.ndarray) -> None:
        array[selection].write(value).result()

    def read(self, case: Case, path: Path) -> np.ndarray:
        return np.asarray(self._open(case, path).read().result())

    def _open(self, case: Case, path: Path, metadata: Any = None, create: bool = False) -> Any:
        import tensorstore

        spec = {
            "driver": "zarr" if case.zarr_format == 2 else "zarr3",
            "kvstore": {"driver": "file", "path": f"{path}/"},
        }
        if metadata is not None:
            spec["metadata"] = metadata
        return tensorstore.open(spec, create=create, open=not create).result()

    def _format2(self, case: Case) -> dict[str, Any]:
        return {
            "chunks": list(case.chunks),
            "dtype": self._dtype2(np.dtype(case.dtype)),
            "order": case.order,
            "fill_value": self._fill(case),
            "dimension_separator": case.separator,
            **case.codecs,
        }

    def _format3(self, case: Case) -> dict[str, Any]:
        encoding = {"name": case.key_encoding, "configuration": {"separator": case.separator}}
        return {
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(case.chunks)}},
            "chunk_key_encoding": encoding,
            "data_type": np.dtype(case.dtype).name,
            "fill_value": self._fill(case),
            "codecs": case.codecs,
        }

    def _dtype2(self, dtype: np.dtype) -> Any:
        return dtype.str if dtype.names is None else dtype.descr

    def _fill(self, case: Case) -> Any:
        value = case.fill_value
        if value is None:
            return None
        dtype = np.dtype(case.dtype)
        if dtype.kind in "SV":
            return base64.b64encode(np.array(value, dtype).tobytes()).decode()
        if dtype.kind == "c":
            return [self._number(np.real(value)), self._number(np.imag(value))]
        if dtype.kind == "f":
            return self._number(value)
        return int(np.array(value).astype("i8")) if dtype.kind in "mM" else np.array(value, dtype).item()

    def _number(self, value: Any) -> Any:
        value = float(value)
        if math.isnan(value):
            return "NaN"
        return value if math.isfinite(value) else "-Infinity"[value > 0 :]


PEERS = {"zarr2": Zarr2, "zarr3": Zarr3, "tensorstore": TensorStore}


def write_array(peer: Peer, case: Case, path: Path) -> str:
    array = peer.create(case, path)
    selection = written(case)
    if 0 not in case.shape:
        peer.write(array, selection if case.shape else ..., values(case)[selection])
    # without a fill value a peer may show whatever is in memory
    return "" if case.partial and case.fill_value is None else read_array(peer, case, path)


def read_array(peer: Peer, case: Case, path: Path) -> str:
    return same(peer.read(case, path), expected(case))


def write_groups(peer: Peer, zarr_format: int, path: Path) -> str:
    root = peer.group(path, zarr_format, "w")
    for node in HIERARCHY:
        if node.is_array:
            made = peer.create_in(root, node.path, np.arange(6, dtype="i4"))
            made[...] = np.arange(6, dtype="i4")
        else:
            made = root.create_group(node.path) if node.path else root
        made.attrs.update(node.attributes)
    return ""


def read_groups(peer: Peer, zarr_format: int, path: Path) -> str:
    root = peer.group(path, zarr_format, "r")
    for node in HIERARCHY:
        found = root[node.path] if node.path else root
        if dict(found.attrs) != node.attributes:
            return f"attributes of {node.path!r}: {dict(found.attrs)}"
        if node.is_array and same(found[...], np.arange(6, dtype="i4")):
            return f"values of {node.path!r}: {found[...]}"
    return ""


def attempt(function: Any, *arguments: Any) -> str:
    """Return what `function` says, or its exception as text."""
    try:
        return function(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def main(library: str, direction: str, folder: Path) -> dict[str, str]:
    """Write or read everything that `library` can be asked for."""
    peer = PEERS[library]()
    on_array, on_groups = (write_array, write_groups) if direction == "write" else (read_array, read_groups)
    report = {
        case.name: attempt(on_array, peer, case, folder / case.name)
        for case in CASES
        if case.zarr_format in peer.formats
    }
    if peer.has_groups:
        for zarr_format in peer.formats:
            name = f"hierarchy-{zarr_format}"
            report[name] = attempt(on_groups, peer, zarr_format, folder / name)
    return report


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("ignore")
        report = main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    print(json.dumps(report))
