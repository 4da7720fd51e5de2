"""One library at work for the tests, run by that library's own Python.

    python peer.py LIBRARY

Reads jobs from standard input and answers each on standard output, one JSON object per line: ``{"say": ""}``, or
what went wrong. A job is ``{"do": "write", "zarr_format": 3, "levels": {...}, "path": ...}`` for an array
(``cases.py``) or ``{"do": "write_groups", "zarr_format": 3, "path": ..., "store": ..., "consolidated": ...}`` for
a hierarchy (``hierarchies.py``).
"""

from __future__ import annotations

import base64
import json
import math
import os
import sys
import warnings
from typing import Any

import numpy as np
from cases import Case, compare, same, values, written
from hierarchies import CHUNKS, NODES, VALUES, Node, names_in


class Peer:
    """One library. ``create`` gives something that ``write`` can write to, ``read`` the whole array."""

    def create(self, case: Case, path: str) -> Any:
        raise NotImplementedError

    def write(self, array: Any, selection: Any, value: np.ndarray) -> None:
        array[selection] = value

    def read(self, case: Case, path: str) -> Any:
        raise NotImplementedError

    def create_in(self, group: Any, path: str) -> Any:
        return group.create_array(path, shape=VALUES.shape, chunks=CHUNKS, dtype=VALUES.dtype)

    def store(self, kind: str, path: str, mode: str) -> Any:
        """Return what the library is to open: a path, or one of its stores."""
        raise NotImplementedError

    def open_group(self, store: Any, zarr_format: int, mode: str) -> Any:
        raise NotImplementedError

    def open_consolidated(self, store: Any, zarr_format: int) -> Any:
        raise NotImplementedError

    def consolidate(self, store: Any) -> None:
        import zarr

        zarr.consolidate_metadata(store)

    def hexdigest(self, path: str) -> str:
        """Return the digest of an array's stored bytes, where the library has one."""
        raise NotImplementedError


def numcodecs_of(case: Case) -> tuple[Any, list[Any]]:
    """Return compressor and filters of a format 2 case as numcodecs' objects."""
    import numcodecs

    def codec(configuration: Any) -> Any:
        return configuration and numcodecs.get_codec(dict(configuration))

    return codec(case.codecs["compressor"]), [codec(f) for f in case.codecs["filters"] or ()]


class Zarr2(Peer):
    """zarr-python 2."""

    def create(self, case: Case, path: str) -> Any:
        import zarr

        compressor, filters = numcodecs_of(case)
        return zarr.create(
            case.shape,
            chunks=case.chunks,
            dtype=case.dtype,
            compressor=compressor,
            object_codec=filters.pop(0) if case.is_object else None,
            filters=filters or None,
            order=case["order"],
            fill_value=case.fill_value,
            dimension_separator=case.separator,
            store=zarr.DirectoryStore(path, dimension_separator=case.separator),
        )

    def read(self, case: Case, path: str) -> Any:
        import zarr

        return zarr.open_array(path, mode="r")[...]

    def create_in(self, group: Any, path: str) -> Any:
        return group.create(path, shape=VALUES.shape, chunks=CHUNKS, dtype=VALUES.dtype)

    def store(self, kind: str, path: str, mode: str) -> Any:
        import zarr

        if kind == "":
            return path
        options = {"ZipStore": {"mode": mode}, "DBMStore": {"flag": {"w": "n"}.get(mode, mode)}}
        if kind == "DBMStore":
            import dbm.dumb

            options[kind]["open"] = dbm.dumb.open
        return getattr(zarr, kind)(path, **options.get(kind, {}))

    def open_group(self, store: Any, zarr_format: int, mode: str) -> Any:
        import zarr

        return zarr.open_group(store, mode=mode)

    def open_consolidated(self, store: Any, zarr_format: int) -> Any:
        import zarr

        return zarr.open_consolidated(store, mode="r")

    def hexdigest(self, path: str) -> str:
        import zarr

        return zarr.open_array(path, mode="r").hexdigest()


class Zarr3(Peer):
    """zarr-python 3, of any minor version."""

    def create(self, case: Case, path: str) -> Any:
        import zarr

        return zarr.create_array(
            path,
            shape=case.shape,
            chunks=case.chunks,
            dtype=self._dtype(case),
            fill_value=case.fill_value,
            zarr_format=case.zarr_format,
            chunk_key_encoding={"name": case.key_encoding, "separator": case.separator},
            **(self._format2(case) if case.zarr_format == 2 else self._format3(case)),
        )

    def _dtype(self, case: Case) -> Any:
        from zarr.dtype import VariableLengthBytes, VariableLengthUTF8

        return {"string": VariableLengthUTF8(), "bytes": VariableLengthBytes()}.get(case["dtype"], case.dtype)

    def _format2(self, case: Case) -> dict[str, Any]:
        compressor, filters = numcodecs_of(case)
        return {"compressors": compressor, "filters": filters or None, "order": case["order"]}

    def _format3(self, case: Case) -> dict[str, Any]:
        is_serializer = [codec["name"] not in ("transpose", "numcodecs.delta") for codec in case.codecs]
        at = is_serializer.index(True)
        filters, serializer, compressors = case.codecs[:at], case.codecs[at], case.codecs[at + 1 :]
        return {"filters": filters or None, "serializer": serializer, "compressors": compressors or None}

    def read(self, case: Case, path: str) -> Any:
        import zarr

        return zarr.open_array(path, mode="r", zarr_format=case.zarr_format)[...]

    def store(self, kind: str, path: str, mode: str) -> Any:
        import zarr.storage

        return path if kind == "" else getattr(zarr.storage, kind)(path, mode=mode)

    def open_group(self, store: Any, zarr_format: int, mode: str) -> Any:
        import zarr

        return zarr.open_group(store, mode=mode, zarr_format=zarr_format, use_consolidated=False)

    def open_consolidated(self, store: Any, zarr_format: int) -> Any:
        import zarr

        return zarr.open_consolidated(store, mode="r", zarr_format=zarr_format)


class Zarrs(Zarr3):
    """zarrs, as the codec pipeline of zarr-python; what it leaves to zarr-python's own counts as refused."""

    def __init__(self) -> None:
        import zarr

        zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "codec_pipeline.strict": True})


class TensorStore(Peer):
    """TensorStore's drivers zarr and zarr3."""

    def create(self, case: Case, path: str) -> Any:
        metadata = self._format2(case) if case.zarr_format == 2 else self._format3(case)
        return self._open(case, path, metadata={"shape": list(case.shape), **metadata}, create=True)

    def write(self, array: Any, selection: Any, value: np.ndarray) -> None:
        array[selection].write(value).result()

    def read(self, case: Case, path: str) -> Any:
        return np.asarray(self._open(case, path).read().result())

    def _open(self, case: Case, path: str, metadata: Any = None, create: bool = False) -> Any:
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
            "dtype": case.dtype.str if case.dtype.names is None else case.dtype.descr,
            "order": case["order"],
            "fill_value": None if case.fill_value is None else self._fill(case.fill_value, case.dtype),
            "dimension_separator": case.separator,
            **case.codecs,
        }

    def _format3(self, case: Case) -> dict[str, Any]:
        encoding = {"name": case.key_encoding, "configuration": {"separator": case.separator}}
        return {
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(case.chunks)}},
            "chunk_key_encoding": encoding,
            "data_type": case.data_type,
            "fill_value": self._fill(case.fill_value, case.dtype, exact=True),
            "codecs": case.codecs,
        }

    def _fill(self, value: Any, dtype: np.dtype, exact: bool = False) -> Any:
        if dtype.kind in "SV":
            return base64.b64encode(np.array(value, dtype).tobytes()).decode()
        if dtype.kind == "c":
            parts = np.array(value, dtype.newbyteorder("=")).reshape(1).view(f"f{dtype.itemsize // 2}")
            return [self._number(part, exact) for part in parts]
        if dtype.kind == "f":
            return self._number(value, exact)
        return int(np.array(value).astype("i8")) if dtype.kind in "mM" else np.array(value, dtype).item()

    def _number(self, value: Any, exact: bool) -> Any:
        if math.isnan(value):
            native = np.asarray(value).astype(value.dtype.newbyteorder(">"))
            is_usual = native.tobytes() == np.array(np.nan, native.dtype).tobytes()
            return "0x" + native.tobytes().hex() if exact and not is_usual else "NaN"
        value = float(value)
        return value if math.isfinite(value) else "-Infinity"[value > 0 :]


LIBRARIES = {"zarr2": Zarr2, "zarr3": Zarr3, "zarr34": Zarr3, "zarrs": Zarrs, "tensorstore": TensorStore}


def write(peer: Peer, job: dict[str, Any]) -> str:
    case = Case(job["zarr_format"], job["levels"])
    array = peer.create(case, job["path"])
    data = values(case)
    for selection in written(case):
        peer.write(array, selection if case.shape else ..., data[selection])
    return read(peer, job)


def read(peer: Peer, job: dict[str, Any]) -> str:
    case = Case(job["zarr_format"], job["levels"])
    return compare(peer.read(case, job["path"]), case)


def write_groups(peer: Peer, job: dict[str, Any]) -> str:
    store = peer.store(job["store"], job["path"], "w")
    root = peer.open_group(store, job["zarr_format"], "w")
    for node in NODES:
        if node.is_array:
            made = peer.create_in(root, node.path)
            made[...] = VALUES
        else:
            made = root.create_group(node.path) if node.path else root
        if node.attributes:
            made.attrs.update(node.attributes)
    if job["consolidated"]:
        peer.consolidate(store)
    return close(store)


def read_groups(peer: Peer, job: dict[str, Any]) -> str:
    store = peer.store(job["store"], job["path"], "r")
    if job["consolidated"]:
        root = peer.open_consolidated(store, job["zarr_format"])
    else:
        root = peer.open_group(store, job["zarr_format"], "r")
    found = [difference(root[node.path] if node.path else root, node) for node in NODES]
    return next(filter(None, found), "") or close(store)


def difference(found: Any, node: Node) -> str:
    """Return how a group or an array differs from what it is to be."""
    if dict(found.attrs) != node.attributes:
        return f"attributes of {node.path!r}: {dict(found.attrs)}"
    if not node.is_array and sorted(found) != names_in(node.path):
        return f"members of {node.path!r}: {sorted(found)}"
    if node.is_array and same(found[...], VALUES):
        return f"values of {node.path!r}: {found[...]}"
    return ""


def digest(peer: Peer, job: dict[str, Any]) -> str:
    """Return the digest of an array's stored bytes; of no other job the answer is more than a complaint."""
    return peer.hexdigest(job["path"])


def close(store: Any) -> str:
    if hasattr(store, "close"):
        store.close()
    return ""


JOBS = {
    "write": write,
    "read": read,
    "write_groups": write_groups,
    "read_groups": read_groups,
    "digest": digest,
}


def attempt(peer: Peer, job: dict[str, Any]) -> str:
    """Return what came of a job, an exception as text."""
    try:
        return JOBS[job["do"]](peer, job)
    except Exception as error:
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        return f"{type(error).__name__}: {error}{cause}"


def main(library: str) -> None:
    # what libraries print goes to the standard error stream
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    peer = LIBRARIES[library]()
    for line in sys.stdin:
        print(json.dumps({"say": attempt(peer, json.loads(line))}), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
