"""Arrays that others are made from, or like: what is taken over from them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arguments import normalize_dtype
from .coding import shorthand
from .core import Array
from .errors import ZarrUserWarning
from .objects import as_objects


def as_source(data: Any, dtype: Any = None) -> Any:
    """Return data that has a shape and a data type: itself, or an ndarray of it."""
    if hasattr(data, "shape") and hasattr(data, "dtype"):
        return data
    if isinstance(dtype, str) and dtype.startswith("array:"):
        return as_objects(data, np.dtype(object), (len(data),))  # the arrays are elements
    if dtype is not None:
        dtype = normalize_dtype(dtype)[0]
    return np.asarray(data, dtype=dtype if dtype is not None and dtype.kind == "O" else None)


def dtype_of(data: Any) -> Any:
    """Return the data type of an array-like as `create` takes it: of strings, bytes and arrays, the shorthand."""
    if isinstance(data, Array) and data.dtype.kind == "O":
        return shorthand(data.metadata.codecs) or data.dtype
    return data.dtype


def source_chunks(data: Any) -> Any:
    """Return the chunk shape of an array-like, or True (guess one) where it has none that is regular."""
    chunks = getattr(data, "chunks", None)
    if chunks is None and isinstance(getattr(data, "chunklen", None), int):  # as bcolz has it: of rows
        chunks = (data.chunklen, *data.shape[1:])
    if not isinstance(chunks, tuple) or len(chunks) != len(data.shape):
        return True
    return chunks if all(isinstance(n, int) for n in chunks) else True


def like(other: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of `create` for an array like another, completed from it.

    Parameters
    ----------
    other : array-like
        Gives shape, data type and chunks; a zarrc array also format, shards and codecs.
    arguments : dict
        What the user gave; it wins.
    """
    other = as_source(other)
    found: dict[str, Any] = {"shape": other.shape, "dtype": dtype_of(other), "chunks": source_chunks(other)}
    if isinstance(other, Array):
        zarr_format = arguments.get("zarr_format") or arguments.get("zarr_version") or other.zarr_format
        found |= layout_of(other, zarr_format) | codecs_of(other, zarr_format)
        if other.zarr_format == 2 and other.order != "C":
            found["order"] = other.order
        if not arguments.keys() & {"zarr_format", "zarr_version"}:
            found["zarr_format"] = zarr_format
    return completed(found, arguments)


def completed(kept: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return arguments that are given, and of another array's those that do not contradict them."""
    left_out: set[str] = set()
    if "codecs" in given:
        left_out |= {"filters", "object_codec", "serializer", "compressor", "compressors"}
    if given.keys() & {"compressor", "compressors", "compression"}:
        left_out |= {"compressor", "compressors"}
    if "chunks" in given:
        left_out |= {"shards"}
    return {name: value for name, value in kept.items() if name not in left_out} | given


def codecs_of(source: Array, zarr_format: int) -> dict[str, Any]:
    """Return the codecs of an array as arguments for one of a format."""
    found = {**filters_of(source), "compressors": source.compressors}
    if source.zarr_format == zarr_format == 3:
        found["serializer"] = source.serializer
    return found


def filters_of(source: Array) -> dict[str, Any]:
    """Return the filters of an array as arguments of `create`: the first may be format 2's codec of objects."""
    filters = source.filters
    if source.zarr_format == 2 and filters and source.dtype.hasobject:
        return {"object_codec": filters[0], "filters": filters[1:] or None}
    return {"filters": filters}


def kept_properties(source: Array, zarr_format: int) -> dict[str, Any]:
    """Return arguments of `create_array`: the chunks, the codecs and the fill value of an array."""
    found = {
        **layout_of(source, zarr_format),
        **codecs_of(source, zarr_format),
        "fill_value": source.fill_value,
    }
    if source.zarr_format == zarr_format and (zarr_format == 3 or _says_separator(source)):
        found["chunk_key_encoding"] = source.metadata.chunk_key_encoding
    return found


def _says_separator(source: Array) -> bool:
    """Whether the document of an array of format 2 names a separator."""
    metadata = source.metadata
    return "dimension_separator" in metadata.extra or metadata.chunk_key_encoding.separator != "."


def kept_order(source: Array, zarr_format: int) -> str | None:
    """Return the order of stored chunks that a copy of an array keeps; None where there is nothing to keep.

    A warning says that format 3 has no such order.
    """
    if source.zarr_format == 3 or source.order == "C":
        return None
    if zarr_format == 2:
        return "F"
    import warnings

    warnings.warn(
        "The existing order='F' of the source Zarr format 2 array will be ignored. "
        "A TransposeCodec as filter stores the elements of chunks in another order",
        ZarrUserWarning,
        stacklevel=3,
    )
    return None


def layout_of(source: Array, zarr_format: int) -> dict[str, Any]:
    """Return chunks and shards of an array as `create` takes them.

    Shards that have codecs around them are chunks to it: the serializer divides them.
    """
    if zarr_format == 2:
        return {"chunks": source.chunks}
    metadata = source.metadata
    if not metadata.has_shards_alone:
        return {"chunks": metadata.chunk_shape, "shards": None}
    said = metadata.codecs[0].configuration
    index = {name: said[name] for name in ("index_location", "index_codecs") if name in said}
    return {"chunks": source.chunks, "shards": {"shape": source.shards, **index}}
