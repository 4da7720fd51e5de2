"""What a new array is to be: friendly arguments, in the words of either generation, as one complete model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .arguments import (
    USUAL_SHARD,
    guess_shards,
    is_guess,
    normalize_chunks,
    normalize_dtype,
    normalize_order,
    normalize_shape,
    normalize_shards,
)
from .cautions import Caution, find_cautions, warn_of
from .codecs.chain import MOST_REMEMBERED
from .coding import Coding, Specs, build_specs, complete, encoded_fill, object_data_type, shard
from .config import config as settings
from .metadata.alike import content_key, is_plain
from .metadata.dtypes import native_dtype
from .metadata.fill_values import normalize_fill_value, normalize_text
from .metadata.model import SHARDING, ArrayMetadata, ChunkKeyEncoding, with_attributes
from .storage.base import dimension_separator as separator_of

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

# The fill value of functions that tell "nothing said" from None.
ZERO = 0


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
    coding = Coding() if coding is None else coding
    words = (zarr_format, shape, dtype, chunks, shards, fill_value, order, object_codec, dimension_names)
    keys = (chunk_key_encoding, dimension_separator, None if store is None else separator_of(store))
    described = _key_of(words, keys, coding)
    known = _described.get(described)  # type: ignore[arg-type]
    if known is None:
        metadata = _array_metadata(*words, coding, chunk_key_encoding, dimension_separator, store)
        known = metadata, find_cautions(metadata)
        if described is not None:
            _remember(described, known)
    metadata, cautions = known
    warn_of(cautions)
    return with_attributes(metadata, dict(attributes or {}))


# what arrays became that were described by the same plain words: a hierarchy often has many
_Described = tuple[ArrayMetadata, tuple[Caution, ...]]
_described: dict[bytes, _Described] = {}


def _remember(key: bytes, described: _Described) -> None:
    if len(_described) >= MOST_REMEMBERED:
        _described.clear()
    _described[key] = described


def _key_of(words: tuple[Any, ...], keys: tuple[Any, ...], coding: Coding) -> bytes | None:
    """Return bytes that are equal for equal descriptions; None where there is more in them than plain data."""
    zarr_format, shape, dtype, chunks, shards, *others = words
    if any(
        type(n) is float for sizes in (shape, chunks, shards) for n in _listed(sizes)
    ):  # warned of each time
        return None
    usual = _usual_codecs(zarr_format), settings.get("array.target_shard_size_bytes")
    said = (
        zarr_format,
        shape,
        _spelled(dtype),
        chunks,
        shards,
        *others,
        *keys,
        *vars(coding).values(),
        *usual,
    )
    return content_key(said) if is_plain(said) else None


def _listed(sizes: Any) -> Sequence[Any]:
    return sizes if isinstance(sizes, tuple | list) else (sizes,)


def _spelled(dtype: Any) -> Any:
    """Return a data type as a string where that says all of it; else what it is."""
    if isinstance(dtype, type) and (dtype in (bool, int, float, complex) or issubclass(dtype, np.number)):
        dtype = np.dtype(dtype)
    if isinstance(dtype, np.dtype) and dtype.kind in "biufcSUmM" and dtype.metadata is None:
        return dtype.str
    return dtype


def _usual_codecs(zarr_format: int) -> Any:
    from .storage import default_compressor_config

    return default_compressor_config() if zarr_format == 2 else None


def _array_metadata(
    zarr_format: int,
    shape: Any,
    dtype: Any,
    chunks: Any,
    shards: Any,
    fill_value: Any,
    order: str | None,
    object_codec: Any,
    dimension_names: Any,
    coding: Coding,
    chunk_key_encoding: Any,
    dimension_separator: str | None,
    store: MutableMapping | None,
) -> ArrayMetadata:
    dtype, object_codec = normalize_dtype(dtype, object_codec)
    dtype, shape = _without_subarray(dtype, normalize_shape(shape))
    order = "C" if order is None or zarr_format == 3 else normalize_order(order)
    codecs = build_specs(coding, object_codec, zarr_format, dtype, len(shape), order)
    object_type = object_data_type(codecs, dtype)
    chunk_shape, codecs = _under_one_key(chunks, shards, codecs, shape, dtype.itemsize, zarr_format)
    metadata = ArrayMetadata(
        zarr_format=zarr_format,
        shape=shape,
        dtype=dtype if zarr_format == 2 else native_dtype(dtype),
        chunk_shape=chunk_shape,
        fill_value=_fill_value(fill_value, dtype, zarr_format, object_type, codecs),
        codecs=codecs,
        chunk_key_encoding=_key_encoding(chunk_key_encoding, dimension_separator, zarr_format, store),
        attributes={},
        axis_names=_dimension_names(dimension_names, zarr_format),
        extra=_said_separator(chunk_key_encoding, dimension_separator, store) if zarr_format == 2 else {},
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
        raise ValueError(
            "Zarr format 2 arrays can only be created with `shard_shape` set to `None`. Got "
            f"`shard_shape={shards!r}` instead. shards= is for format 3: format 2 keeps each chunk under "
            "a key of its own"
        )
    shards, index = _shards_and_index(shards)
    inner, outer = normalize_shards(shards, chunks, shape, itemsize, usual_nbytes)
    return outer, shard(codecs, inner, **index)


def _shards_and_index(shards: Any) -> tuple[Any, dict[str, Any]]:
    """Return the shape of shards, and what a mapping says about their index."""
    if not isinstance(shards, Mapping):
        return shards, {}
    index = {name: value for name, value in shards.items() if name != "shape"}
    if "shape" not in shards or index.keys() - {"index_location", "index_codecs"}:
        raise ValueError(
            f"shards= as a mapping has 'shape' and may have 'index_location' and 'index_codecs'; found {sorted(shards)}"
        )
    return shards["shape"], index


def _without_subarray(dtype: np.dtype, shape: tuple[int, ...]) -> tuple[np.dtype, tuple[int, ...]]:
    """Move the axes of a sub-array data type to the end of the shape."""
    if dtype.subdtype is None:
        return dtype, shape
    base, axes = dtype.subdtype
    return base, shape + axes


def _fill_value(
    fill_value: Any, dtype: np.dtype, zarr_format: int, object_type: str | None, codecs: Specs
) -> Any:
    if zarr_format == 2:
        found = normalize_fill_value(fill_value, dtype)
        is_record = found is not None and dtype.names is not None and dtype.hasobject
        return encoded_fill(found, codecs) if is_record else found
    if object_type is not None:
        return normalize_text(fill_value, object_type)
    return normalize_fill_value(ZERO if fill_value is None else fill_value, native_dtype(dtype))


def _dimension_names(names: Any, zarr_format: int) -> tuple[str | None, ...] | None:
    if names is None:
        return None
    if zarr_format == 2:
        raise ValueError(
            "dimension_names cannot be used for arrays with zarr_format 2. "
            "Zarr format 2 arrays do not support dimension names. dimension_names= is for format 3; "
            "in format 2 an attribute such as _ARRAY_DIMENSIONS has them"
        )
    return tuple(names)


def _key_encoding(
    encoding: Any, separator: str | None, zarr_format: int, store: MutableMapping | None
) -> ChunkKeyEncoding:
    if zarr_format == 2:
        return ChunkKeyEncoding("v2", _separator(encoding, separator, store))
    if separator is not None:
        raise ValueError(
            "dimension_separator cannot be used for arrays with zarr_format 3. Use chunk_key_encoding instead. "
            f"Say chunk_key_encoding={{'name': 'default', "
            f"'separator': {separator!r}}}"
        )
    name, separator = _name_and_separator(encoding)
    name = name or "default"
    return ChunkKeyEncoding(name, separator or ("." if name == "v2" else "/"))


def _separator(encoding: Any, separator: str | None, store: MutableMapping | None) -> str:
    """Return the separator of format 2's chunk keys: what is said, or what the store's layout asks for."""
    name, other = _name_and_separator(encoding)
    if name not in (None, "v2"):
        raise ValueError(
            "chunk_key_encoding cannot be used for arrays with zarr_format 2. Use dimension_separator instead. "
            f"{name!r} is for format 3; format 2 has 'v2' alone"
        )
    separator = separator or other
    of_store = None if store is None else separator_of(store)
    if separator is None:
        return of_store or "."
    if of_store not in (None, separator):
        raise ValueError(
            f"dimension_separator={separator!r} conflicts with the store's own, {of_store!r}: leave it out"
        )
    return separator


def _said_separator(encoding: Any, separator: str | None, store: MutableMapping | None) -> dict[str, Any]:
    """Return what a document of format 2 says beyond the usual: the separator that the caller or the store names."""
    separator = separator or _name_and_separator(encoding)[1]
    if separator is None and store is not None:
        separator = separator_of(store)
    return {} if separator is None else {"dimension_separator": separator}


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


def memory_order(config: Any, order: str | None, zarr_format: int) -> Any:
    """Return an array's configuration with the memory order that `order` asks for in format 3.

    A warning says that format 3 stores in C order all the same.
    """
    if order is None or zarr_format == 2:
        return config
    order = normalize_order(order)
    import warnings

    warnings.warn(
        "The `order` keyword argument has no effect for Zarr format 3 arrays in storage: it is "
        f"only the memory layout of arrays that are returned, as config={{'order': {order!r}}} does; "
        "a TransposeCodec as filter changes what is stored",
        RuntimeWarning,
        stacklevel=3,
    )
    given = config if isinstance(config, dict) or config is None else vars(config)
    return {"order": order, **(given or {})}
