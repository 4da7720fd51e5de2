"""Arrays of format 1, which older releases of zarr-python wrote, made arrays of format 2.

Format 1 knows no groups: a store holds one array, its documents under the keys ``meta`` and ``attrs``.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from .errors import ArrayNotFoundError, MetadataError
from .metadata import v2
from .metadata.documents import load, require, shorten
from .nodes import ARRAY_KEY, ATTRS_KEY
from .storage.locations import normalize_store

META_KEY_1 = "meta"
ATTRS_KEY_1 = "attrs"


def migrate_1to2(store: MutableMapping[str, Any] | str) -> None:
    """Replace the documents of an array of format 1 by those of format 2; its chunks stay as they are.

    Parameters
    ----------
    store : MutableMapping, str or os.PathLike
        With an array of format 1 at its root.

    Raises
    ------
    ArrayNotFoundError
        There is none.
    MetadataError
        Its metadata cannot be understood; nothing is changed.

    Examples
    --------
    >>> import zarrc
    >>> store = {
    ...     "meta": b'{"zarr_format": 1, "shape": [3], "chunks": [2], "dtype": "<i4", "fill_value": 7,'
    ...     b' "order": "C", "compression": "none", "compression_opts": null}',
    ...     "attrs": b"{}",
    ... }
    >>> zarrc.storage.migrate_1to2(store)
    >>> zarrc.open_array(store)[:]
    array([7, 7, 7], dtype=int32)
    """
    store = normalize_store(store)
    if META_KEY_1 not in store:
        raise ArrayNotFoundError("")
    meta = v2.decode_array(_document_2(load(store[META_KEY_1], META_KEY_1)))
    attributes = load(store[ATTRS_KEY_1], ATTRS_KEY_1) if ATTRS_KEY_1 in store else {}
    if attributes:
        store[ATTRS_KEY] = v2.encode_attributes(attributes)
    store[ARRAY_KEY] = v2.encode_array(meta)
    for key in (META_KEY_1, ATTRS_KEY_1):
        if key in store:
            del store[key]


def _document_2(document: dict[str, Any]) -> dict[str, Any]:
    """Return what a document of format 1 says as one of format 2."""
    found = dict(document)
    if found.get("zarr_format") != 1:
        raise MetadataError(f"{META_KEY_1}: zarr_format must be 1, not {shorten(found.get('zarr_format'))}")
    compression = require(found, "compression", META_KEY_1)
    options = found.get("compression_opts")
    for name in ("compression", "compression_opts"):
        found.pop(name, None)
    return found | {"zarr_format": 2, "filters": None, "compressor": _compressor(compression, options)}


def _compressor(name: Any, options: Any) -> dict[str, Any] | None:
    """Return the configuration of a codec; a number among the options is its level."""
    if name in (None, "none"):
        return None
    if not isinstance(name, str):
        raise MetadataError(f"{META_KEY_1}: compression must be a name, not {shorten(name)}")
    if isinstance(options, dict):
        return {**options, "id": name}
    return {"id": name} if options is None else {"id": name, "level": options}
