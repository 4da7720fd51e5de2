"""What an array's metadata say when its chunks are seen in another way; and its digest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from . import nodes
from .arguments import normalize_chunks, normalize_dtype, normalize_shape
from .codecs import registry
from .codecs.base import ARRAY_TO_ARRAY
from .metadata.chunk_keys import chunk_key
from .metadata.fill_values import normalize_fill_value
from .metadata.model import ArrayMetadata, CodecSpec, inner_codecs, is_reversal, with_inner_codecs

See = Callable[[ArrayMetadata], ArrayMetadata]


def seen_as(
    meta: ArrayMetadata, shape: Any, chunks: Any, dtype: Any, fill_value: Any, filters: Any
) -> ArrayMetadata:
    """Return metadata with some of what they say replaced; None keeps it.

    Parameters
    ----------
    meta : ArrayMetadata
    shape, chunks, dtype, fill_value
        As for `zarrc.create`.
    filters : sequence of codecs
        In place of those of the array.

    Raises
    ------
    TypeError, ValueError
        An argument is wrong.
    """
    shape = meta.shape if shape is None else normalize_shape(shape)
    dtype = meta.dtype if dtype is None else normalize_dtype(dtype)[0]
    if fill_value is None and dtype == meta.dtype:
        fill_value = meta.fill_value
    elif fill_value is not None or meta.fill_value is not None:
        fill_value = normalize_fill_value(meta.fill_value if fill_value is None else fill_value, dtype)
    return replace(
        meta,
        shape=shape,
        chunk_shape=meta.chunk_shape if chunks is None else normalize_chunks(chunks, shape, dtype.itemsize),
        dtype=dtype,
        fill_value=fill_value,
        codecs=meta.codecs if filters is None else _with_filters(meta, filters),
        data_type=meta.data_type if dtype == meta.dtype else None,
    )


def _with_filters(meta: ArrayMetadata, filters: Iterable[Any]) -> tuple[CodecSpec, ...]:
    """Return the codecs of an array with other filters: all before the bytes are made but format 2's order.

    Of a sharded array these are the filters of the inner chunks, as `Array.filters` gives them.
    """
    specs = tuple(CodecSpec(*registry.normalize(codec)) for codec in filters)
    if meta.has_shards_alone:
        return (with_inner_codecs(meta.codecs[0], (*specs, *_without_filters(inner_codecs(meta.codecs[0])))),)
    if meta.zarr_format == 3:
        return (*specs, *_without_filters(meta.codecs))
    order = meta.codecs[:1] if is_reversal(meta.codecs[0], meta.ndim) else ()
    n = next(i for i, spec in enumerate(meta.codecs) if spec.name == "bytes")  # filters may be of any kind
    return (*order, *specs, *meta.codecs[n:])


def _without_filters(codecs: tuple[CodecSpec, ...]) -> tuple[CodecSpec, ...]:
    """Return a chain of format 3 from the codec on that makes bytes."""
    kinds = [registry.kind(spec) for spec in codecs]
    return codecs[next((i for i, kind in enumerate(kinds) if kind != ARRAY_TO_ARRAY), len(kinds)) :]


def as_type(meta: ArrayMetadata, filters: Iterable[Any], dtype: Any) -> list[Any]:
    """Return filters that give the elements another data type when they are read."""
    from numcodecs import AsType

    return [AsType(encode_dtype=meta.dtype, decode_dtype=np.dtype(dtype)), *filters]


def digest(
    store: Any,
    chunk_store: Any,
    path: str,
    meta: ArrayMetadata,
    stored: Iterable[tuple[int, ...]],
    hashname: str,
) -> Any:
    """Return a hash of an array's chunks as they are stored, of its metadata and of its attributes.

    Parameters
    ----------
    store, chunk_store : MutableMapping
        Of the metadata and of the chunks.
    path : str
        Normalized.
    meta : ArrayMetadata
    stored : iterable of tuple of int
        Places in the grid of the chunks that are stored.
    hashname : str
        As `hashlib.new` takes it.

    Returns
    -------
    hashlib's object
    """
    import hashlib

    found = hashlib.new(hashname)
    for coords in sorted(stored):
        key = nodes.document_key(path, chunk_key(coords, meta.chunk_key_encoding))
        found.update(chunk_store[key])
    for document in nodes.stored_documents(store, path, meta.zarr_format, nodes.ARRAY_KEY, nodes.ATTRS_KEY):
        found.update(document)
    return found
