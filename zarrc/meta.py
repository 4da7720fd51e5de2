"""Documents of format 2 as plain dicts, under the module name of version 2.

Inside, documents become models: see `zarrc.metadata`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .metadata import dtypes, fill_values, v2
from .metadata.documents import load

ZARR_FORMAT = 2

__all__ = [
    "ZARR_FORMAT",
    "decode_array_metadata",
    "decode_dtype",
    "decode_fill_value",
    "decode_group_metadata",
    "encode_array_metadata",
    "encode_dtype",
    "encode_fill_value",
    "encode_group_metadata",
    "json_dumps",
    "json_loads",
    "parse_metadata",
]


def json_dumps(o: dict) -> bytes:
    """Return a dict as JSON bytes, laid out as documents of format 2 are."""
    return v2.encode_document(o)


def json_loads(s: bytes | str) -> dict[str, Any]:
    """Return a JSON document as a dict.

    Raises
    ------
    MetadataError
        It is not JSON, or not an object.
    """
    return load(s)


def parse_metadata(s: Mapping | bytes | str) -> Mapping[str, Any]:
    """Return a document as a mapping; one that is a mapping is returned as it is."""
    return s if isinstance(s, Mapping) else load(s)


def decode_array_metadata(s: Mapping | bytes | str) -> dict[str, Any]:
    """Return what a ``.zarray`` document says, its data type and fill value as NumPy's.

    Raises
    ------
    MetadataError
        The document cannot be understood.
    """
    meta = v2.decode_array(s)
    filters, compressor = v2.filters_and_compressor(meta)
    found = {
        "zarr_format": ZARR_FORMAT,
        "shape": meta.shape,
        "chunks": meta.chunk_shape,
        "dtype": meta.dtype,
        "compressor": compressor,
        "fill_value": meta.fill_value,
        "order": meta.order,
        "filters": filters,
    }
    return found | meta.extra


def encode_array_metadata(meta: Mapping[str, Any]) -> bytes:
    """Return a ``.zarray`` document; the inverse of `decode_array_metadata`.

    The axes of a sub-array data type are put at the end of the shape; `chunks` has them already.

    Raises
    ------
    MetadataError
        Something is missing or wrong.
    """
    whole = np.dtype(meta["dtype"])
    dtype = whole.base
    document = {
        **meta,
        "zarr_format": ZARR_FORMAT,
        "shape": [*meta["shape"], *whole.shape],
        "chunks": list(meta["chunks"]),
        "dtype": encode_dtype(dtype),
        "fill_value": encode_fill_value(meta["fill_value"], dtype),
    }
    v2.decode_array(document)
    return json_dumps(document)


def decode_group_metadata(s: Mapping | bytes | str) -> dict[str, Any]:
    """Return what a ``.zgroup`` document says.

    Raises
    ------
    MetadataError
        The document cannot be understood.
    """
    return {"zarr_format": ZARR_FORMAT, **v2.decode_group(s).extra}


def encode_group_metadata(meta: Mapping[str, Any] | None = None) -> bytes:
    """Return a ``.zgroup`` document."""
    return json_dumps({"zarr_format": ZARR_FORMAT})


def decode_dtype(d: Any) -> np.dtype:
    """Return the data type that a document names."""
    return dtypes.decode_v2(d)


def encode_dtype(d: np.dtype) -> Any:
    """Return a data type as documents name it."""
    return dtypes.encode_v2(np.dtype(d))


def decode_fill_value(v: Any, dtype: np.dtype, object_codec: Any = None) -> Any:
    """Return the fill value that a document has for arrays of a data type."""
    return fill_values.decode_v2(v, np.dtype(dtype))


def encode_fill_value(v: Any, dtype: np.dtype, object_codec: Any = None) -> Any:
    """Return a fill value as documents have it."""
    dtype = np.dtype(dtype)
    return fill_values.encode_v2(fill_values.normalize_fill_value(v, dtype), dtype)
