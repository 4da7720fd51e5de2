"""N5's ``attributes.json``, as format 2's documents and back.

N5 keeps all that it knows of a dataset, and its attributes, in one document. Its axes
are the other way round (the first runs fastest), its numbers are big-endian, and it has
neither filters nor fill values. What it says is shown as format 2 says it: a byte order
that is not the dtype's own is the filter ``astype``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zarrc.errors import MetadataError, UnknownDataTypeError

from .documents import dump, load, mapping, require, shorten, sizes

KEY = "attributes.json"
VERSION = "2.0.0"
ARRAY_KEYWORDS = ("dimensions", "blockSize", "dataType", "compression", "compressionType")
KEYWORDS = ("n5", *ARRAY_KEYWORDS)

DATA_TYPES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32", "float64")
# what zarr-python 2 writes beside these, and no other library reads
MORE_DATA_TYPES = ("bool", "float16")

LZ4_BLOCK_SIZE = 65536
_LZ4_SMALLEST = 64  # lz4-java has no smaller parts; z5 says a level in their place

_ZARRAY_KEYS = frozenset(
    {
        "zarr_format",
        "shape",
        "chunks",
        "dtype",
        "compressor",
        "fill_value",
        "order",
        "filters",
        "dimension_separator",
    }
)


def is_array(content: Mapping[str, Any]) -> bool:
    """Say whether an ``attributes.json`` is that of a dataset; else it is a group's."""
    return "dimensions" in content


def decode(document: bytes, what: str = KEY) -> dict[str, Any]:
    """Return what an ``attributes.json`` says; MetadataError where it is no JSON object."""
    return load(document, what)


def encode(content: Mapping[str, Any]) -> bytes:
    """Return the content of an ``attributes.json`` as bytes."""
    return dump(dict(content), indent=4, sort_keys=True)


# Attributes and groups


def attributes_to_zarr(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the user's attributes: all that N5 has no use for itself."""
    return {key: value for key, value in content.items() if key not in KEYWORDS}


def with_attributes(content: Mapping[str, Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `content` with other attributes of the user's; those that have N5's own names are left out.

    Warns
    -----
    UserWarning
        A name is N5's own.
    """
    result = {key: value for key, value in content.items() if key in KEYWORDS}
    for key, value in attributes.items():
        if key in KEYWORDS:
            import warnings

            warnings.warn(
                f"Attribute {key} is a reserved N5 keyword: it is left out", UserWarning, stacklevel=3
            )
        else:
            result[key] = value
    return result


def with_group(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return `content` as that of a group."""
    return {**without_array(content), "n5": content.get("n5", VERSION)}


def without_array(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return `content` without what makes it a dataset's."""
    return {key: value for key, value in content.items() if key not in ARRAY_KEYWORDS}


# Arrays


def array_to_zarr(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what format 2's ``.zarray`` says of a dataset.

    Raises
    ------
    MetadataError
        A key is missing or wrong, or the data type or the compression is not supported.
    """
    shape = sizes(require(content, "dimensions", KEY), "dimensions")[::-1]
    chunks = sizes(require(content, "blockSize", KEY), "blockSize")[::-1]
    dtype = decode_data_type(require(content, "dataType", KEY))
    return {
        "zarr_format": 2,
        "shape": list(shape),
        "chunks": list(chunks),
        "dtype": dtype.str,
        "compressor": compressor_to_zarr(compression_of(content)),
        "fill_value": False if dtype.kind == "b" else 0,
        "order": "C",
        "filters": _swap_filters(dtype),
        "dimension_separator": ".",
    }


def array_to_n5(zarray: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """Return what N5 says of an array of format 2.

    Parameters
    ----------
    zarray : mapping
        What ``.zarray`` says.
    present : mapping
        The ``attributes.json`` there is already, which may spell the same compression in other words.

    Returns
    -------
    dict
        `present` with the keywords of a dataset.

    Raises
    ------
    ValueError
        N5 has no fill value but 0, no order but C, no filters, and no fields that it does not know.
    TypeError
        It has no such data type.
    """
    dtype = _plain_dtype(require(zarray, "dtype", ".zarray"))
    _check_expressible(zarray, dtype)
    compressor = zarray.get("compressor")
    spelled = compression_of(present) if is_array(present) else None
    if spelled is None or compressor_to_zarr(spelled) != compressor:
        spelled = compressor_to_n5(compressor)
    return {
        **without_array(present),
        "dimensions": list(sizes(require(zarray, "shape", ".zarray"), "shape"))[::-1],
        "blockSize": list(sizes(require(zarray, "chunks", ".zarray"), "chunks"))[::-1],
        "dataType": dtype.name,
        "compression": spelled,
    }


def decode_data_type(name: object) -> np.dtype:
    """Return the dtype of N5's data type, little-endian.

    Raises
    ------
    UnknownDataTypeError
        It is another's, or one of elements of variable length.
    """
    if name in DATA_TYPES or name in MORE_DATA_TYPES:
        return np.dtype(name).newbyteorder("<")
    if name in ("string", "object"):
        raise UnknownDataTypeError(f"N5 data type {name!r}, in blocks of variable length, is not supported")
    raise UnknownDataTypeError(f"unknown N5 data type {shorten(name)}")


def _plain_dtype(spelled: object) -> np.dtype:
    """Return the dtype of a ``.zarray``, little-endian."""
    dtype = np.dtype(spelled) if isinstance(spelled, str) else None
    if dtype is not None and dtype.hasobject:
        raise MetadataError("arrays of objects are not supported by N5")
    if dtype is None or dtype.name not in (*DATA_TYPES, *MORE_DATA_TYPES):
        raise TypeError(f"Data type {shorten(spelled)} is not supported by N5")
    return dtype.newbyteorder("<")


def _swap_filters(dtype: np.dtype) -> list[dict[str, str]] | None:
    """Return the filters that make N5's byte order of a little-endian dtype's."""
    if dtype.itemsize == 1:
        return None
    return [{"id": "astype", "encode_dtype": dtype.newbyteorder(">").str, "decode_dtype": dtype.str}]


def _check_expressible(zarray: Mapping[str, Any], dtype: np.dtype) -> None:
    fill_value = zarray.get("fill_value")
    if fill_value is not None and (isinstance(fill_value, (str, list)) or fill_value != 0):
        raise ValueError(f"N5 has no fill_value but 0, not {shorten(fill_value)}")
    if zarray.get("order") not in (None, "C"):
        raise ValueError(f"N5 has no order but 'C', not {shorten(zarray['order'])}")
    if zarray.get("filters") and zarray["filters"] != _swap_filters(dtype):
        raise ValueError(f"N5 has no filters, such as {shorten(zarray['filters'])}")
    unknown = [key for key in zarray if key not in _ZARRAY_KEYS]
    if unknown:
        raise ValueError(f"N5 cannot keep the fields {unknown} of .zarray")


# Compression


def compression_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the compression of a dataset; older versions of N5 give its name alone."""
    if "compression" not in content and "compressionType" in content:
        return {"type": content["compressionType"]}
    return mapping(require(content, "compression", KEY), "compression")


def compressor_to_zarr(compression: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the configuration of numcodecs' codec for a compression of N5, None for ``raw``.

    Raises
    ------
    MetadataError
        It is not supported.
    """
    kind = require(compression, "type", "compression")
    if kind == "raw":
        return None
    if kind == "gzip":
        codec_id = "zlib" if compression.get("useZlib") else "gzip"
        return {"id": codec_id, "level": _level(compression.get("level", -1))}
    if kind == "bzip2":
        return {"id": "bz2", "level": compression.get("blockSize", 9)}
    if kind == "xz":
        preset = compression.get("preset", 6)
        return {"id": "lzma", "format": 1, "check": -1, "preset": preset, "filters": None}
    if kind == "blosc":
        usual = {"cname": "blosclz", "clevel": 6, "shuffle": 0, "blocksize": 0}
        return {"id": "blosc", **{key: compression.get(key, value) for key, value in usual.items()}}
    if kind == "lz4":
        return {"id": "lz4", "acceleration": compression.get("acceleration", 1)}
    if kind == "zstd":
        return {"id": "zstd", "level": compression.get("level", 3)}
    if compression.get("id") == kind:  # as zarr-python 2 spells codecs that N5 does not know
        return {key: value for key, value in compression.items() if key != "type"}
    raise MetadataError(f"N5 compression {shorten(kind)} is not supported")


def compressor_to_n5(compressor: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a codec of numcodecs as N5 spells it.

    Warns
    -----
    RuntimeWarning
        N5 does not know the codec: other libraries will not read the array.
    """
    if compressor is None:
        return {"type": "raw"}
    rest = {key: value for key, value in compressor.items() if key != "id"}
    codec_id = compressor["id"]
    if codec_id in ("gzip", "zlib"):
        return {"type": "gzip", "level": rest.get("level", -1), "useZlib": codec_id == "zlib"}
    if codec_id == "bz2":
        return {"type": "bzip2", "blockSize": rest.get("level", 9)}
    if codec_id == "lzma" and rest.get("format", 1) == 1 and not rest.get("filters"):
        preset = rest.get("preset")
        return {"type": "xz", "preset": 6 if preset is None else preset}
    if codec_id == "blosc":
        usual = {"cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}
        return {"type": "blosc", **{key: rest.get(key, value) for key, value in usual.items()}}
    if codec_id == "lz4":
        return {"type": "lz4", "blockSize": LZ4_BLOCK_SIZE}
    if codec_id == "zstd":
        return {"type": "zstd", "level": rest.get("level", 3)}
    import warnings

    warnings.warn(
        f"N5 does not know the codec {codec_id!r}: only Zarr's libraries will read the array",
        RuntimeWarning,
        stacklevel=2,
    )
    return {**rest, "type": codec_id, "id": codec_id}


def lz4_part(content: Mapping[str, Any]) -> int | None:
    """Return how many bytes a dataset's compression lz4 puts into a part.

    0 is all in one, as z5 has it; None is no part at all: another compression, or zarr-python 2's frames.
    """
    compression = compression_of(content)
    if compression["type"] != "lz4" or "id" in compression:
        return None
    size = compression.get("blockSize", LZ4_BLOCK_SIZE)
    if isinstance(size, bool) or not isinstance(size, int):
        raise MetadataError(f"blockSize of compression 'lz4' must be an integer, not {shorten(size)}")
    return 0 if size < _LZ4_SMALLEST else size


def _level(level: Any) -> Any:
    """Return zlib's level; its -1 means 6."""
    return 6 if level == -1 else level
