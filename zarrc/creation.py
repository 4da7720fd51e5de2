"""Making and opening arrays.

Friendly arguments, in the spelling of either generation of zarr-python or of
h5py, become one complete `ArrayMetadata`; `nodes` writes it, and an `Array`
is opened on it without reading it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import nodes
from .arguments import (
    USUAL_SHARD,
    guess_shards,
    is_guess,
    normalize_chunks,
    normalize_dtype,
    normalize_order,
    normalize_shape,
    normalize_shards,
    refuse_unknown,
    translate_h5py,
)
from .coding import Coding, Specs, build_specs, complete, object_data_type, shard
from .config import config as settings
from .core import Array
from .errors import (
    ArrayNotFoundError,
    ConsolidatedMetadataNotFoundError,
    ContainsArrayError,
    ContainsGroupError,
)
from .metadata.dtypes import native_dtype
from .metadata.fill_values import normalize_fill_value, normalize_text
from .metadata.model import SHARDING, ArrayMetadata, ChunkKeyEncoding
from .objects import as_objects
from .storage.base import dimension_separator as separator_of
from .storage.base import normalize_store, only_format
from .storage.store_path import StorePath

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

READ_MODES = ("r", "r+")
MODES = ("r", "r+", "a", "w", "w-", "x")

# The fill value of functions that tell "nothing said" from None.
ZERO = 0

# What `create_array` hands on to the array that it makes.
ARRAY_OPTIONS = frozenset(
    {
        "allow_pickle",
        "cache_attrs",
        "cache_metadata",
        "chunk_cache",
        "meta_array",
        "partial_decompress",
        "synchronizer",
        "write_empty_chunks",
    }
)


@dataclass(frozen=True)
class Place:
    """Where a node is.

    Attributes
    ----------
    store : MutableMapping
    path : str
        Normal.
    chunk_store : MutableMapping or None
        The store of its chunks, if that is another.
    parent : str or None
        Path of a group in the store that the caller has open, and that the node is to be in.
    inherited : int or None
        Its format, which is that of the node.
    """

    store: MutableMapping
    path: str
    chunk_store: MutableMapping | None = None
    parent: str | None = None
    inherited: int | None = None


def place(
    store: Any,
    path: str | None = None,
    chunk_store: Any = None,
    mode: str = "a",
    storage_options: Mapping[str, Any] | None = None,
) -> Place:
    """Return the place that a user's store and path mean; a `Place` given as store is returned as it is."""
    if isinstance(store, Place):
        return store
    if isinstance(store, StorePath):
        store, path = store.store, f"{store.path}/{path or ''}"
    store = normalize_store(store, mode, storage_options)
    if chunk_store is not None:
        chunk_store = normalize_store(chunk_store, mode, storage_options)
    return Place(store, nodes.normalize_path(path), chunk_store)


def with_consolidated(
    where: Place, use_consolidated: bool | str | None, zarr_format: int | None = None
) -> Place:
    """Return a place whose documents come from consolidated metadata, where these are asked for.

    Parameters
    ----------
    where : Place
    use_consolidated : bool, str or None
        True: they must be there; a str is the key of format 2's. None and False: documents are read as they are.
    zarr_format : {2, 3}
        Look for those of one format only.

    Raises
    ------
    ConsolidatedMetadataNotFoundError
        There are none.
    """
    if use_consolidated is None or use_consolidated is False:
        return where
    from .storage.consolidated import CONSOLIDATED_KEY, ConsolidatedMetadataStore

    key = use_consolidated if isinstance(use_consolidated, str) else CONSOLIDATED_KEY
    documents = _consolidated_documents(where, key, zarr_format)
    return Place(
        ConsolidatedMetadataStore(where.store, key, documents=documents),
        where.path,
        where.store if where.chunk_store is None else where.chunk_store,
    )


def _consolidated_documents(where: Place, key: str, zarr_format: int | None) -> dict[str, Any]:
    """Return the documents by key: of format 3 from the group itself, of format 2 from the root or the group."""
    from .storage.consolidated import CONSOLIDATED_KEY, read_v2, read_v3

    if zarr_format != 2 and key == CONSOLIDATED_KEY:
        has_document = nodes.document_key(where.path, nodes.V3_KEY) in where.store
        if zarr_format == 3 or has_document:
            return read_v3(where.store, where.path)
    try:
        return read_v2(where.store, key)
    except ConsolidatedMetadataNotFoundError:
        if not where.path:
            raise
        return read_v2(where.store, key, where.path)


def choose_format(where: Place, said: int | None, also_said: int | None, usual: int) -> int:
    """Return the format of a node that is about to be made.

    Parameters
    ----------
    where : Place
    said, also_said : int or None
        What the user gave as ``zarr_format`` and as ``zarr_version``.
    usual : int
        What the function that the user called writes when nothing is said.

    Raises
    ------
    ValueError
        When a format is unknown, contradicts the other or the ancestor's.
    """
    if said is not None and also_said is not None and said != also_said:
        raise ValueError(f"zarr_format={said} and zarr_version={also_said} contradict each other")
    said = also_said if said is None else said
    if said not in (None, 2, 3):
        raise ValueError(f"zarr_format must be 2 or 3, found {said!r}")
    inherited = where.inherited or only_format(where.store)
    if inherited is None and where.path:
        inherited = nodes.ancestor_format(where.store, where.path)
    if said is not None and inherited not in (None, said):
        raise ValueError(
            f"zarr_format={said} at path {where.path!r}, but the group above it, or the store, "
            f"is of format {inherited}"
        )
    return said or inherited or settings.get("default_zarr_format") or usual


def array_metadata(
    zarr_format: int,
    shape: Any,
    *,
    dtype: Any = None,
    chunks: Any = True,
    shards: Any = None,
    fill_value: Any = ZERO,
    order: str | None = None,
    coding: Coding | None = None,
    object_codec: Any = None,
    attributes: Mapping[str, Any] | None = None,
    dimension_names: Sequence[str | None] | None = None,
    chunk_key_encoding: Any = None,
    dimension_separator: str | None = None,
    store: MutableMapping | None = None,
) -> ArrayMetadata:
    """Return the complete metadata of a new array.

    Parameters
    ----------
    zarr_format : int
    shape, dtype, chunks
        See `arguments`.
    shards : int, tuple of int, "auto", mapping, None or False
        None and False: a chunk is what one key holds.
    fill_value : object
        None is the null of format 2; format 3 takes the zero of the data type.
    order : {"C", "F"}, optional
        Layout of stored chunks in format 2. Format 3 stores in C order.
    coding : Coding
    object_codec : codec
        What turns objects into bytes.
    attributes, dimension_names, chunk_key_encoding, dimension_separator
        As `create_array` and `create` describe them.
    store : MutableMapping
        Asked for the separator of chunk keys that it prefers.

    Raises
    ------
    TypeError, ValueError
        When arguments are wrong, contradict each other or mean nothing for the format.
    """
    dtype, object_codec = normalize_dtype(dtype, object_codec)
    dtype, shape = _without_subarray(dtype, normalize_shape(shape))
    order = "C" if order is None or zarr_format == 3 else normalize_order(order)
    codecs = build_specs(coding or Coding(), object_codec, zarr_format, dtype, len(shape), order)
    object_type = object_data_type(codecs, dtype)
    chunk_shape, codecs = _under_one_key(chunks, shards, codecs, shape, dtype.itemsize, zarr_format)
    metadata = ArrayMetadata(
        zarr_format=zarr_format,
        shape=shape,
        dtype=dtype if zarr_format == 2 else native_dtype(dtype),
        chunk_shape=chunk_shape,
        fill_value=_fill_value(fill_value, dtype, zarr_format, object_type),
        codecs=codecs,
        chunk_key_encoding=_key_encoding(chunk_key_encoding, dimension_separator, zarr_format, store),
        attributes=dict(attributes or {}),
        dimension_names=_dimension_names(dimension_names, zarr_format),
        extra={} if dimension_separator is None else {"dimension_separator": dimension_separator},
        data_type=object_type if zarr_format == 3 else None,
    )
    return complete(metadata)


def _under_one_key(
    chunks: Any, shards: Any, codecs: Specs, shape: tuple[int, ...], itemsize: int, zarr_format: int
) -> tuple[tuple[int, ...], Specs]:
    """Return the shape of what one key holds, and the codecs of that."""
    usual_nbytes = settings.get("array.target_shard_size_bytes") or USUAL_SHARD
    if shards is None or shards is False:
        inner = next((spec.configuration["chunk_shape"] for spec in codecs if spec.name == SHARDING), None)
        if inner is None or not is_guess(chunks):
            return normalize_chunks(chunks, shape, itemsize), codecs
        return guess_shards(shape, tuple(inner), itemsize, usual_nbytes), codecs
    if zarr_format == 2:
        raise ValueError("shards= is for format 3: format 2 keeps each chunk under a key of its own")
    index_location = "end"
    if isinstance(shards, Mapping):
        index_location = shards.get("index_location", index_location)
        shards = shards["shape"]
    inner, outer = normalize_shards(shards, chunks, shape, itemsize, usual_nbytes)
    return outer, shard(codecs, inner, index_location)


def _without_subarray(dtype: np.dtype, shape: tuple[int, ...]) -> tuple[np.dtype, tuple[int, ...]]:
    """Move the axes of a sub-array data type to the end of the shape."""
    if dtype.subdtype is None:
        return dtype, shape
    base, axes = dtype.subdtype
    return base, shape + axes


def _fill_value(fill_value: Any, dtype: np.dtype, zarr_format: int, object_type: str | None) -> Any:
    if zarr_format == 2:
        return normalize_fill_value(fill_value, dtype)
    if object_type is not None:
        return normalize_text(fill_value, object_type)
    return normalize_fill_value(ZERO if fill_value is None else fill_value, native_dtype(dtype))


def _dimension_names(names: Any, zarr_format: int) -> tuple[str | None, ...] | None:
    if names is None:
        return None
    if zarr_format == 2:
        raise ValueError(
            "dimension_names= is for format 3; in format 2 an attribute such as _ARRAY_DIMENSIONS has them"
        )
    return tuple(names)


def _key_encoding(
    encoding: Any, separator: str | None, zarr_format: int, store: MutableMapping | None
) -> ChunkKeyEncoding:
    if zarr_format == 2:
        return ChunkKeyEncoding("v2", _separator(encoding, separator, store))
    if separator is not None:
        raise ValueError(
            f"dimension_separator= is for format 2; say chunk_key_encoding={{'name': 'default', "
            f"'separator': {separator!r}}}"
        )
    name, separator = _name_and_separator(encoding)
    name = name or "default"
    return ChunkKeyEncoding(name, separator or ("." if name == "v2" else "/"))


def _separator(encoding: Any, separator: str | None, store: MutableMapping | None) -> str:
    """Return the separator of format 2's chunk keys: what is said, or what the store's layout asks for."""
    name, other = _name_and_separator(encoding)
    if name not in (None, "v2"):
        raise ValueError(f"chunk key encoding {name!r} is for format 3; format 2 has 'v2' alone")
    separator = separator or other
    of_store = None if store is None else separator_of(store)
    if separator is None:
        return of_store or "."
    if of_store not in (None, separator):
        raise ValueError(
            f"dimension_separator={separator!r} conflicts with the store's own, {of_store!r}: leave it out"
        )
    return separator


def _name_and_separator(encoding: Any) -> tuple[str | None, str | None]:
    """Return both parts of a chunk key encoding: a model, a dict, a pair, a name or None."""
    if encoding is None:
        return None, None
    if isinstance(encoding, str):
        return encoding, None
    if isinstance(encoding, dict):
        inner = encoding.get("configuration", encoding)
        return encoding.get("name"), inner.get("separator")
    if isinstance(encoding, tuple | list) and len(encoding) == 2:
        return encoding[0], encoding[1]
    if hasattr(encoding, "name") and hasattr(encoding, "separator"):
        return encoding.name, encoding.separator
    raise TypeError(
        f"chunk_key_encoding must be like {{'name': 'default', 'separator': '/'}}, found {encoding!r}"
    )


def _make(where: Place, metadata: ArrayMetadata, overwrite: bool, **options: Any) -> Array:
    """Open a new array, which builds its codecs and so checks them, and write its metadata.

    Whoever makes an array with the pickle codec lets that object use it.
    """
    metadata = nodes.as_shown(where.store, metadata)
    if any(spec.name == "numcodecs.pickle" for spec in metadata.codecs):
        options["allow_pickle"] = True
    made = Array(where.store, path=where.path, chunk_store=where.chunk_store, metadata=metadata, **options)
    nodes.init_array(
        where.store,
        where.path,
        metadata,
        overwrite=overwrite,
        chunk_store=where.chunk_store,
        parent=where.parent,
    )
    return made


# the functions of version 2


def create(
    shape: Any,
    chunks: Any = True,
    dtype: Any = None,
    compressor: Any = "default",
    fill_value: Any = 0,
    order: str = "C",
    store: Any = None,
    synchronizer: Any = None,
    overwrite: bool = False,
    path: str | None = None,
    chunk_store: Any = None,
    filters: Any = "auto",
    cache_metadata: bool = True,
    cache_attrs: bool = True,
    read_only: bool = False,
    object_codec: Any = None,
    dimension_separator: str | None = None,
    write_empty_chunks: bool | None = None,
    *,
    zarr_version: int | None = None,
    zarr_format: int | None = None,
    meta_array: Any = None,
    partial_decompress: bool = False,
    allow_pickle: bool = False,
    chunk_cache: Any = None,
    compressors: Any = "auto",
    serializer: Any = "auto",
    codecs: Any = None,
    shards: Any = None,
    attributes: Mapping[str, Any] | None = None,
    dimension_names: Sequence[str | None] | None = None,
    chunk_key_encoding: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    config: Any = None,
    compression: Any = "default",
    compression_opts: Any = None,
    **h5py_arguments: Any,
) -> Array:
    """Create an array.

    Parameters
    ----------
    shape : int or tuple of int
    chunks : int, tuple of int, bool, None or "auto"
        Chunk shape. True, None and "auto" guess it from shape and data type,
        False makes a single chunk; -1 or None for an axis is the whole axis.
    dtype : data-type
        float64 unless given. `str`, `bytes` and ``"array:T"`` make object arrays.
    compressor : codec or None
        Primary compressor. Format 2's default is Blosc (lz4, level 5, shuffle),
        format 3's is Zstandard.
    fill_value : object
        What cells that were never written hold.
    order : {"C", "F"}
        Layout of cells in a stored chunk; with format 3, of the arrays returned.
    store : MutableMapping, str or os.PathLike
        Where to keep the array; a dict in memory unless given.
    synchronizer : object
        A mapping of keys to locks, taken around writes.
    overwrite : bool
        Delete what is at `path` first.
    path : str
        Path in the store.
    chunk_store : MutableMapping
        A store for the chunks alone.
    filters : sequence of codecs
        Applied before the compressor, in this order.
    cache_metadata, cache_attrs : bool
        Whether metadata and attributes are read once or at every use.
    read_only : bool
        Refuse writes through the array that is returned.
    object_codec : codec
        Turns objects into bytes; needed where `dtype` is object.
    dimension_separator : {".", "/"}
        Between the numbers in the chunk keys of format 2.
    write_empty_chunks : bool
        Whether chunks that hold the fill value alone are stored; True for format 2
        and False for format 3 unless given.
    zarr_format, zarr_version : {2, 3}
        2, unless the group above or the configuration says otherwise.
    meta_array : array-like
        Its type is the type of results.
    partial_decompress : bool
        Accepted; what can be decoded in part always is.
    allow_pickle : bool
        Let the pickle codec, which runs code that the data name, decode chunks.
    chunk_cache : int or ChunkCache
        Keep so many bytes of decoded chunks, or keep them in a cache that arrays share.
    compressors, serializer, codecs, shards, attributes, dimension_names, chunk_key_encoding
        See `create_array`.
    storage_options, config
        See `create_array`.
    compression, compression_opts, fillvalue
        h5py's words for `compressor` and `fill_value`. What else h5py knows is
        ignored with a warning.

    Returns
    -------
    Array

    Raises
    ------
    ContainsArrayError, ContainsGroupError
        When there is a node at `path` and `overwrite` is False.
    TypeError, ValueError
        When arguments are wrong or contradict each other.

    Examples
    --------
    >>> import zarrc
    >>> zarrc.create((10000, 10000), chunks=(1000, 1000), dtype="i4")
    <zarrc.core.Array (10000, 10000) int32>
    """
    if "fillvalue" in h5py_arguments:
        fill_value = h5py_arguments.pop("fillvalue")
    refuse_unknown(h5py_arguments, "create")
    where = place(store, path, chunk_store, "w" if overwrite else "a", storage_options)
    zarr_format = choose_format(where, zarr_format, zarr_version, usual=2)
    metadata = array_metadata(
        zarr_format,
        shape,
        dtype=dtype,
        chunks=chunks,
        shards=shards,
        fill_value=fill_value,
        order=order,
        coding=Coding(
            compressor=translate_h5py(compressor, compression, compression_opts),
            compressors=compressors,
            filters=filters,
            serializer=serializer,
            codecs=codecs,
        ),
        object_codec=object_codec,
        attributes=attributes,
        dimension_names=dimension_names,
        chunk_key_encoding=chunk_key_encoding,
        dimension_separator=dimension_separator,
        store=where.store,
    )
    return _make(
        where,
        metadata,
        overwrite,
        read_only=read_only,
        synchronizer=synchronizer,
        cache_metadata=cache_metadata,
        cache_attrs=cache_attrs,
        partial_decompress=partial_decompress,
        allow_pickle=allow_pickle,
        chunk_cache=chunk_cache,
        write_empty_chunks=write_empty_chunks,
        meta_array=meta_array,
        config=memory_order(config, None if order == "C" else order, zarr_format),
    )


def memory_order(config: Any, order: str | None, zarr_format: int) -> Any:
    """Return an array's configuration with the memory order that `order` asks for in format 3.

    A warning says that format 3 stores in C order all the same.
    """
    if order is None or zarr_format == 2:
        return config
    order = normalize_order(order)
    import warnings

    warnings.warn(
        "order= does not change how format 3 arrays are stored, only the memory layout of arrays that are "
        f"returned, as config={{'order': {order!r}}} does; a TransposeCodec as filter changes what is stored",
        RuntimeWarning,
        stacklevel=3,
    )
    given = config if isinstance(config, dict) or config is None else vars(config)
    return {"order": order, **(given or {})}


def empty(shape: Any, **kwargs: Any) -> Array:
    """Create an array without a fill value (format 2), or filled with zeros (format 3); see `create`.

    Cells that were never written read as zeros.
    """
    return create(shape=shape, fill_value=None, **kwargs)


def zeros(shape: Any, **kwargs: Any) -> Array:
    """Create an array of zeros; see `create`.

    >>> import zarrc
    >>> z = zarrc.zeros((4, 4), chunks=(2, 2), dtype="i4")
    >>> z[:2, :2]
    array([[0, 0],
           [0, 0]], dtype=int32)
    """
    return create(shape=shape, fill_value=0, **kwargs)


def ones(shape: Any, **kwargs: Any) -> Array:
    """Create an array of ones; see `create`."""
    return create(shape=shape, fill_value=1, **kwargs)


def full(shape: Any, fill_value: Any, **kwargs: Any) -> Array:
    """Create an array filled with a value; see `create`."""
    return create(shape=shape, fill_value=fill_value, **kwargs)


def array(data: Any, **kwargs: Any) -> Array:
    """Create an array that holds a copy of some data.

    Parameters
    ----------
    data : array-like
        A source with chunks of its own (a zarrc array, an h5py dataset) is copied
        chunk by chunk, so that it may be larger than memory.
    **kwargs
        See `create`. The chunks and the data type are the source's unless given.

    Returns
    -------
    Array

    Raises
    ------
    ValueError
        When `shape` is given and is not that of the data.
    """
    data = as_source(data, kwargs.get("dtype"))
    shape = normalize_shape(kwargs.setdefault("shape", data.shape))
    if shape != tuple(data.shape):
        raise ValueError(f"shape {shape} is not that of the data, {tuple(data.shape)}: leave shape= out")
    kwargs.setdefault("dtype", data.dtype)
    kwargs.setdefault("chunks", source_chunks(data))
    read_only = kwargs.pop("read_only", False)
    result = create(**kwargs)
    result[...] = data
    result.read_only = read_only
    return result


def as_source(data: Any, dtype: Any = None) -> Any:
    """Return data that has a shape and a data type: itself, or an ndarray of it."""
    if hasattr(data, "shape") and hasattr(data, "dtype"):
        return data
    if isinstance(dtype, str) and dtype.startswith("array:"):
        return as_objects(data, np.dtype(object), (len(data),))  # the arrays are elements
    if dtype is not None:
        dtype = normalize_dtype(dtype)[0]
    return np.asarray(data, dtype=dtype if dtype is not None and dtype.kind == "O" else None)


def source_chunks(data: Any) -> Any:
    """Return the chunk shape of an array-like, or True (guess one) where it has none that is regular."""
    chunks = getattr(data, "chunks", None)
    if not isinstance(chunks, tuple) or len(chunks) != len(data.shape):
        return True
    return chunks if all(isinstance(n, int) for n in chunks) else True


def like(other: Any, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of `create` for an array like another, completed from it.

    Parameters
    ----------
    other : array-like
        Gives shape, data type and chunks; a zarrc array also format and codecs.
    arguments : dict
        What the user gave; it wins.
    """
    other = as_source(other)
    found: dict[str, Any] = {"shape": other.shape, "dtype": other.dtype, "chunks": source_chunks(other)}
    if isinstance(other, Array):
        found |= _codecs_of(other, arguments)
    return {**found, **arguments}


def _codecs_of(other: Array, arguments: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"zarr_format": other.zarr_format}
    if arguments.keys() & {"zarr_version", "zarr_format"}:
        del found["zarr_format"]
    if "codecs" in arguments:
        return found
    if other.zarr_format == 2:
        found |= {"filters": other.filters, "order": other.order}
        return found if "compressors" in arguments else found | {"compressor": other.compressor}
    found |= {"filters": other.filters}
    return found if "compressor" in arguments else found | {"compressors": other.compressors}


def empty_like(a: Any, **kwargs: Any) -> Array:
    """Create an array like another one, without a fill value; see `create`."""
    return empty(**like(a, kwargs))


def zeros_like(a: Any, **kwargs: Any) -> Array:
    """Create an array of zeros like another one; see `create`."""
    return zeros(**like(a, kwargs))


def ones_like(a: Any, **kwargs: Any) -> Array:
    """Create an array of ones like another one; see `create`."""
    return ones(**like(a, kwargs))


def full_like(a: Any, **kwargs: Any) -> Array:
    """Create an array like another one, filled with `fill_value` or the other's fill value; see `create`."""
    if isinstance(a, Array):
        kwargs.setdefault("fill_value", a.fill_value)
    return full(**like(a, kwargs))


def open_like(a: Any, path: Any, **kwargs: Any) -> Array:
    """Open an array in the store `path`, created like `a` if there is none; see `open_array`."""
    if isinstance(a, Array):
        kwargs.setdefault("fill_value", a.fill_value)
    return open_array(path, **like(a, kwargs))


def open_array(
    store: Any = None,
    mode: str = "a",
    shape: Any = None,
    chunks: Any = True,
    dtype: Any = None,
    compressor: Any = "default",
    fill_value: Any = 0,
    order: str = "C",
    synchronizer: Any = None,
    filters: Any = "auto",
    cache_metadata: bool = True,
    cache_attrs: bool = True,
    path: str | None = None,
    object_codec: Any = None,
    chunk_store: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    partial_decompress: bool = False,
    write_empty_chunks: bool | None = None,
    *,
    zarr_version: int | None = None,
    zarr_format: int | None = None,
    dimension_separator: str | None = None,
    meta_array: Any = None,
    config: Any = None,
    allow_pickle: bool = False,
    chunk_cache: Any = None,
    **kwargs: Any,
) -> Array:
    """Open an array, and create it where the mode says so.

    Parameters
    ----------
    store : MutableMapping, str or os.PathLike
    mode : {"r", "r+", "a", "w", "w-", "x"}
        "r" read only, must exist; "r+" read and write, must exist; "a" create if
        there is none; "w" create, replacing what is there; "w-" and "x" create,
        fail if there is anything.
    path : str
        Path in the store.
    zarr_format, zarr_version : {2, 3}
        With which format to create; an array that exists must be of it.
    allow_pickle : bool
        Let the pickle codec, which runs code that the data name, decode chunks.
    chunk_cache : int or ChunkCache
        See `create`.
    shape, chunks, dtype, **kwargs
        As for `create`; used only where an array is created.

    Returns
    -------
    Array

    Raises
    ------
    ArrayNotFoundError
        When it must exist and does not.
    ContainsArrayError, ContainsGroupError
        When something stands in the way.

    Examples
    --------
    >>> import zarrc
    >>> store = {}
    >>> z = zarrc.open_array(store, mode="w", shape=10, dtype="i4")
    >>> zarrc.open_array(store, mode="r")
    <zarrc.core.Array (10,) int32 read-only>
    """
    check_mode(mode)
    where = place(store, path, chunk_store, mode, storage_options)
    options = {
        "synchronizer": synchronizer,
        "cache_metadata": cache_metadata,
        "cache_attrs": cache_attrs,
        "partial_decompress": partial_decompress,
        "write_empty_chunks": write_empty_chunks,
        "meta_array": meta_array,
        "config": config,
        "allow_pickle": allow_pickle,
        "chunk_cache": chunk_cache,
    }
    existing = {**options, "read_only": mode == "r", "zarr_version": zarr_format or zarr_version}
    if mode in READ_MODES:
        return _open_existing(where, existing)
    if mode == "a":
        try:
            return _open_existing(where, existing)
        except ArrayNotFoundError:
            pass
    try:
        return create(
            shape=shape,
            chunks=chunks,
            dtype=dtype,
            compressor=compressor,
            fill_value=fill_value,
            order=order,
            store=where,
            overwrite=mode == "w",
            filters=filters,
            object_codec=object_codec,
            zarr_version=zarr_version,
            zarr_format=zarr_format,
            dimension_separator=dimension_separator,
            **options,
            **kwargs,
        )
    except ContainsArrayError as error:
        if mode != "a" or error.path != where.path:
            raise
        return _open_existing(where, existing)  # another thread made it


def check_mode(mode: str) -> None:
    """Raise ValueError if a mode is none of those that openers know."""
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(map(repr, MODES))}; found {mode!r}")


def _open_existing(where: Place, options: dict[str, Any]) -> Array:
    try:
        return Array(where.store, path=where.path, chunk_store=where.chunk_store, **options)
    except ArrayNotFoundError:
        if nodes.contains_group(where.store, where.path):
            raise ContainsGroupError(where.path) from None
        raise


def init_array(
    store: MutableMapping,
    shape: Any,
    chunks: Any = True,
    dtype: Any = None,
    compressor: Any = "default",
    fill_value: Any = None,
    order: str = "C",
    overwrite: bool = False,
    path: str | None = None,
    chunk_store: MutableMapping | None = None,
    filters: Any = "auto",
    object_codec: Any = None,
    dimension_separator: str | None = None,
    **kwargs: Any,
) -> None:
    """Write the metadata of a new array into a store; see `create`.

    The store is used as it is given; a plain dict stays one.
    """
    create(
        shape,
        chunks=chunks,
        dtype=dtype,
        compressor=compressor,
        fill_value=fill_value,
        order=order,
        store=store,
        overwrite=overwrite,
        path=path,
        chunk_store=chunk_store,
        filters=filters,
        object_codec=object_codec,
        dimension_separator=dimension_separator,
        **kwargs,
    )


# the functions of version 3


def create_array(
    store: Any = None,
    *,
    name: str | None = None,
    shape: Any = None,
    dtype: Any = None,
    data: Any = None,
    chunks: Any = "auto",
    shards: Any = None,
    filters: Any = "auto",
    compressors: Any = "auto",
    compressor: Any = "auto",
    serializer: Any = "auto",
    codecs: Any = None,
    fill_value: Any = ZERO,
    order: str | None = None,
    zarr_format: int | None = None,
    attributes: Mapping[str, Any] | None = None,
    chunk_key_encoding: Any = None,
    dimension_names: Sequence[str | None] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    config: Any = None,
    write_data: bool = True,
    read_only: bool = False,
    chunk_store: Any = None,
    **options: Any,
) -> Array:
    """Create an array, in format 3 unless told otherwise.

    Parameters
    ----------
    store : MutableMapping, str or os.PathLike
        Where to keep the array; a dict in memory unless given.
    name : str
        Path in the store. Groups above it are created.
    shape : int or tuple of int
    dtype : data-type
    data : array-like
        Instead of `shape` and `dtype`: what to copy into the array.
    chunks : tuple of int, int or "auto"
        Chunk shape, as for `create`.
    shards : int, tuple of int, "auto", mapping or None
        Shape of what one key holds, where that is more than a chunk; format 3. "auto" makes shards
        of tens of megabytes. ``{"shape": …, "index_location": "start"}`` says where the index is.
    filters : codec or sequence of codecs
        From arrays to arrays, before bytes are made.
    compressors : codec, sequence of codecs, or None
        From bytes to bytes. Format 3's default is Zstandard at level 0, format 2's Blosc.
    serializer : codec
        Makes the bytes; little endian, or in the byte order of `dtype`, unless given.
    codecs : sequence of codecs
        The whole chain, instead of the three above. One without a serializer gets the usual one.
    fill_value : object
        What cells that were never written hold; the zero of the data type unless given.
    order : {"C", "F"}
        Format 2: layout of cells in a stored chunk. Format 3: memory layout of results.
    zarr_format : {2, 3}
        3, unless the group above or the configuration says otherwise.
    attributes : mapping
        Attributes to start with.
    chunk_key_encoding : dict
        ``{"name": "default" or "v2", "separator": "/" or "."}``.
    dimension_names : sequence of str or None
        One for each axis; format 3.
    storage_options : mapping
        For the file system that a URL names.
    overwrite : bool
        Delete what is at `name` first.
    config : dict or ArrayConfig
        ``order``, ``write_empty_chunks`` and ``fill_missing_chunks``.
    write_data : bool
        False: take shape and data type from `data`, but leave its values out.
    read_only : bool
        Refuse writes through the array that is returned.
    chunk_store : MutableMapping
        A store for the chunks alone.
    **options
        What `Array` takes besides: ``synchronizer``, ``cache_attrs``, …

    Returns
    -------
    Array

    Raises
    ------
    ContainsArrayError, ContainsGroupError
        When there is a node and `overwrite` is False.
    TypeError, ValueError
        When arguments are wrong or contradict each other.

    Examples
    --------
    >>> import zarrc
    >>> zarrc.create_array({}, shape=(100, 100), chunks=(10, 10), dtype="f4")
    <zarrc.core.Array (100, 100) float32>
    """
    unknown = options.keys() - ARRAY_OPTIONS
    if unknown:
        raise TypeError(f"create_array() got an unexpected keyword argument {min(unknown)!r}")
    where = place(store, name, chunk_store, "w" if overwrite else "a", storage_options)
    zarr_format = choose_format(where, zarr_format, None, usual=3)
    shape, dtype, data = _shape_and_dtype(shape, dtype, data)
    metadata = array_metadata(
        zarr_format,
        shape,
        dtype=dtype,
        chunks=chunks,
        shards=shards,
        fill_value=fill_value,
        order=order,
        coding=Coding(
            compressor=compressor,
            compressors=compressors,
            filters=filters,
            serializer=serializer,
            codecs=codecs,
        ),
        attributes=attributes,
        dimension_names=dimension_names,
        chunk_key_encoding=chunk_key_encoding,
        store=where.store,
    )
    result = _make(where, metadata, overwrite, config=memory_order(config, order, zarr_format), **options)
    if data is not None and write_data:
        result[...] = data
    result.read_only = read_only
    return result


def _shape_and_dtype(shape: Any, dtype: Any, data: Any) -> tuple[Any, Any, Any]:
    """Return shape and data type, from the data where there are any, and the data as an array."""
    if data is None:
        for name, value in (("shape", shape), ("dtype", dtype)):
            if value is None:
                raise ValueError(f"{name}= is needed where there is no data=")
        return shape, dtype, None
    for name, value in (("shape", shape), ("dtype", dtype)):
        if value is not None:
            raise ValueError(f"data= has a {name} of its own: leave {name}= out")
    data = as_source(data)
    return data.shape, data.dtype, data


KEEP = "keep"


def from_array(
    store: Any = None,
    *,
    data: Any,
    write_data: bool = True,
    name: str | None = None,
    chunks: Any = KEEP,
    shards: Any = KEEP,
    filters: Any = KEEP,
    compressors: Any = KEEP,
    serializer: Any = KEEP,
    fill_value: Any = KEEP,
    order: str | None = None,
    zarr_format: int | None = None,
    attributes: Mapping[str, Any] | None = None,
    dimension_names: Sequence[str | None] | None = None,
    **kwargs: Any,
) -> Array:
    """Create an array from another one, or from array-like data, with the same properties.

    Parameters
    ----------
    store : MutableMapping, str or os.PathLike
    data : array-like
        A zarrc array gives chunks, codecs, fill value, attributes, dimension names and
        format where nothing else is said; other sources give chunks if they have any.
    write_data : bool
        False: leave the values out.
    chunks, shards, filters, compressors, serializer, fill_value : object
        "keep" is the source's; else as for `create_array`.
    name, order, zarr_format, attributes, dimension_names, **kwargs
        As for `create_array`.

    Returns
    -------
    Array
    """
    data = as_source(data)
    said = {
        "chunks": chunks,
        "shards": shards,
        "filters": filters,
        "compressors": compressors,
        "serializer": serializer,
        "fill_value": fill_value,
    }
    usual = {"chunks": source_chunks(data)}
    if isinstance(data, Array):
        zarr_format = data.zarr_format if zarr_format is None else zarr_format
        attributes = data.attrs.asdict() if attributes is None else attributes
        usual |= _properties_of(data, zarr_format)
        if dimension_names is None and zarr_format == 3:
            dimension_names = data.metadata.dimension_names
    return create_array(
        store,
        name=name,
        data=data,
        write_data=write_data,
        order=order,
        zarr_format=zarr_format,
        attributes=attributes,
        dimension_names=dimension_names,
        **{key: value for key, value in usual.items() if _is_keep(said[key])},
        **{key: value for key, value in said.items() if not _is_keep(value)},
        **kwargs,
    )


def _properties_of(source: Array, zarr_format: int) -> dict[str, Any]:
    found = {
        "chunks": source.chunks,
        "shards": source.shards,
        "filters": source.filters,
        "compressors": source.compressors,
        "fill_value": source.fill_value,
    }
    if source.zarr_format == zarr_format == 3:
        found["serializer"] = source.serializer
    return found


def _is_keep(value: Any) -> bool:
    return isinstance(value, str) and value == KEEP
