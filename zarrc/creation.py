"""Making and opening arrays.

Friendly arguments, in the spelling of either generation of zarr-python or of
h5py, become one complete `ArrayMetadata`; `nodes` writes it, and an `Array`
is opened on it without reading it again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import nodes
from .arguments import is_guess, normalize_shape, refuse_unknown, translate_h5py
from .cautions import find_codec_cautions, warn_of
from .coding import Coding
from .core import Array
from .description import ZERO, array_metadata, memory_order
from .errors import ArrayNotFoundError, ContainsArrayError, ContainsGroupError
from .metadata.model import ArrayMetadata
from .placing import READ_MODES, Place, check_mode, choose_format, place
from .sources import as_source, dtype_of, kept_order, kept_properties, like, source_chunks
from .storage import base

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

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
    order: str | None = None,
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
    storage_transformers: Sequence[Any] = (),
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
    compression, compression_opts, fillvalue, chunk_shape
        Other words for `compressor`, `fill_value` and `chunks`. What else h5py knows is
        ignored with a warning.
    storage_transformers : empty sequence
        There are none.

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
    if "chunk_shape" in h5py_arguments:
        if not is_guess(chunks):
            raise ValueError(
                "Only one of chunk_shape or chunks can be provided. chunk_shape= is another name of chunks="
            )
        chunks = h5py_arguments.pop("chunk_shape")
    refuse_unknown(h5py_arguments, "create")
    if storage_transformers:
        raise ValueError("storage_transformers= must be empty: none are known; shards= makes shards")
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
        config=memory_order(config, order, zarr_format),
    )


def empty(shape: Any, **kwargs: Any) -> Array:
    """Create an array without a fill value (format 2), or filled with zeros (format 3); see `create`.

    Cells that were never written read as zeros.
    """
    kwargs.setdefault("fill_value", None)
    return create(shape=shape, **kwargs)


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
    if kwargs.get("dtype") is None:
        kwargs["dtype"] = dtype_of(data)
    kwargs.setdefault("chunks", source_chunks(data))
    read_only = kwargs.pop("read_only", False)
    result = create(**kwargs)
    result._fill(data)
    result.read_only = read_only
    return result


def empty_like(a: Any, **kwargs: Any) -> Array:
    """Create an array like another one, without a fill value, or with the other's in format 3; see `create`."""
    arguments = like(a, kwargs)
    if isinstance(a, Array) and (arguments.get("zarr_format") or arguments.get("zarr_version")) == 3:
        arguments.setdefault("fill_value", a.fill_value)
    return empty(**arguments)


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
    order: str | None = None,
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
    if mode in ("w-", "x"):
        nodes.refuse_node(where.store, where.path)
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


def _open_existing(where: Place, options: dict[str, Any]) -> Array:
    if isinstance(where.node, ArrayMetadata) and options["zarr_version"] in (None, where.node.zarr_format):
        options = {**options, "metadata": where.node}
    try:
        found = Array(where.store, path=where.path, chunk_store=where.chunk_store, **options)
    except ArrayNotFoundError:
        if nodes.contains_group(where.store, where.path):
            raise ContainsGroupError(where.path, base.naming(where.store)) from None
        raise
    warn_of(find_codec_cautions(found.metadata))
    return found


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
    object_codec: Any = None,
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
        of tens of megabytes. ``{"shape": …, "index_location": "start", "index_codecs": […]}`` says where
        the index is and how it is encoded.
    filters : codec or sequence of codecs
        From arrays to arrays, before bytes are made.
    compressors : codec, sequence of codecs, or None
        From bytes to bytes. Format 3's default is Zstandard at level 0, format 2's Blosc.
    serializer : codec
        Makes the bytes; little endian, or in the byte order of `dtype`, unless given.
    codecs : sequence of codecs
        The whole chain, instead of the three above. One without a serializer gets the usual one.
    object_codec : codec
        Turns objects into bytes; needed where `dtype` is object.
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
        object_codec=object_codec,
        attributes=attributes,
        dimension_names=dimension_names,
        chunk_key_encoding=chunk_key_encoding,
        store=where.store,
    )
    result = _make(where, metadata, overwrite, config=memory_order(config, order, zarr_format), **options)
    if data is not None and write_data:
        result._fill(data)
    result.read_only = read_only
    return result


def _shape_and_dtype(shape: Any, dtype: Any, data: Any) -> tuple[Any, Any, Any]:
    """Return shape and data type, from the data where there are any, and the data as an array."""
    if data is None:
        for name, value in (("shape", shape), ("dtype", dtype)):
            if value is None:
                raise ValueError(f"{name} was not specified: {name}= is needed where there is no data=")
        return shape, dtype, None
    for name, value in (("shape", shape), ("dtype", dtype)):
        if value is not None:
            raise ValueError(
                f"The data parameter was used, but the {name} parameter was also used. "
                f"data= has a {name} of its own: leave {name}= out"
            )
    data = as_source(data)
    return data.shape, dtype_of(data), data


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
    usual: dict[str, Any] = {"chunks": source_chunks(data)}
    if isinstance(data, Array):
        zarr_format = data.zarr_format if zarr_format is None else zarr_format
        attributes = data.attrs.asdict() if attributes is None else attributes
        usual |= kept_properties(data, zarr_format)
        order = kept_order(data, zarr_format) if order is None else order
        if dimension_names is None and zarr_format == 3:
            dimension_names = data.dimension_names
    return create_array(
        store,
        name=name,
        data=data,
        write_data=write_data,
        order=order,
        zarr_format=zarr_format,
        attributes=attributes,
        dimension_names=dimension_names,
        **{**usual, **{key: value for key, value in said.items() if not _is_keep(value)}, **kwargs},
    )


def _is_keep(value: Any) -> bool:
    return isinstance(value, str) and value == KEEP
