"""Stores made by hand: ``zarr.json`` documents as the specification has them, and bytes of chunks."""

from __future__ import annotations

import json
from typing import Any

import pytest

import zarrc
from zarrc.errors import ZarrcError

LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
BIG = {"name": "bytes", "configuration": {"endian": "big"}}
ABSENT = object()

ARRAY: dict[str, Any] = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [4, 6],
    "data_type": "int16",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 3]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "codecs": [LITTLE],
    "fill_value": 0,
}
GROUP: dict[str, Any] = {"zarr_format": 3, "node_type": "group"}


def document(base: dict[str, Any] = ARRAY, **changes: Any) -> bytes:
    """Return a document: `base` with some fields changed, or `ABSENT`."""
    content = {key: value for key, value in {**base, **changes}.items() if value is not ABSENT}
    return json.dumps(content).encode()


def grid(*chunk_shape: int) -> dict[str, Any]:
    """Return a regular chunk grid."""
    return {"name": "regular", "configuration": {"chunk_shape": list(chunk_shape)}}


def named(name: str, **configuration: Any) -> dict[str, Any]:
    """Return an extension as an object."""
    return {"name": name, "configuration": configuration}


def opened(chunks: dict[str, bytes] | None = None, **changes: Any) -> zarrc.Array:
    """Return the array of a document and of the bytes under its keys."""
    return zarrc.open_array({"zarr.json": document(**changes), **(chunks or {})}, mode="r+")


def refused(match: str | None = None, **changes: Any) -> None:
    """Assert that an array is refused with an error of zarrc's own when it is opened."""
    with pytest.raises(ZarrcError, match=match):
        opened(**changes)


def written(array: zarrc.Array) -> dict[str, Any]:
    """Return the document of an array as it is stored."""
    return json.loads(array.store["zarr.json"])
