"""Format 2: ``.zarray``, ``.zgroup`` and ``.zattrs``.

A codec chain of the model and the two entries of a document are one and the
same: an optional `transpose` for order F, the filters, `bytes`, the compressor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zarrc.errors import MetadataError

from . import dtypes, fill_values
from .alike import Contents, Layouts, content_key
from .documents import dump, load, mapping, require, shorten, sizes
from .model import ArrayMetadata, ChunkKeyEncoding, CodecSpec, GroupMetadata, is_reversal

ARRAY_KEYS = ("zarr_format", "shape", "chunks", "dtype", "compressor", "fill_value", "order", "filters")
SHUFFLES = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2, "autoshuffle": -1}
SHUFFLE_NAMES = {number: name for name, number in SHUFFLES.items()}
SAME_NAMES = ("blosc", "zstd", "gzip")
# format 3's names of codecs that format 2 knows under the same id
FORMAT3_NAMES = ("crc32c", "vlen-utf8", "vlen-bytes")
NAMES = SAME_NAMES + FORMAT3_NAMES
PREFIX = "numcodecs."

INDENT = 4

_contents = Contents()  # what was decoded before


def decode_array(document: bytes | str | Mapping, attributes: dict | None = None) -> ArrayMetadata:
    """Return what a ``.zarray`` document says.

    Parameters
    ----------
    document : bytes-like, str or Mapping
    attributes : dict, optional
        What ``.zattrs`` says.

    Raises
    ------
    MetadataError
        A key is missing or wrong, or the document is not JSON.
    """
    attributes = {} if attributes is None else attributes
    key = document if type(document) is bytes else None
    if type(document) is dict:
        key = content_key(document)
    meta = _contents.find(key, attributes)
    if meta is None:
        meta = _decode_array(document, attributes)
        _contents.remember(key, meta)
    return meta


def _decode_array(document: bytes | str | Mapping, attributes: dict) -> ArrayMetadata:
    content = load(document, ".zarray")
    _check_format(content, ".zarray")
    fields = {key: require(content, key, ".zarray") for key in ARRAY_KEYS}
    shape = sizes(fields["shape"], "shape")
    dtype = dtypes.decode_v2(fields["dtype"])
    codecs = decode_chain(fields["order"], fields["filters"], fields["compressor"], len(shape))
    return ArrayMetadata(
        zarr_format=2,
        shape=shape,
        dtype=dtype,
        chunk_shape=_decode_chunks(fields["chunks"], shape),
        fill_value=_decode_fill_value(fields["fill_value"], dtype, codecs),
        codecs=codecs,
        chunk_key_encoding=_decode_separator(content.get("dimension_separator")),
        attributes=attributes,
        extra={key: value for key, value in content.items() if key not in ARRAY_KEYS},
    )


def encode_array(meta: ArrayMetadata) -> bytes:
    """Return `meta` as a ``.zarray`` document.

    Raises
    ------
    MetadataError
        Format 2 cannot say it.
    """
    return _layouts.dump(meta)


def _encode_array(meta: ArrayMetadata) -> dict:
    filters, compressor = filters_and_compressor(meta)
    content = meta.extra | {
        "zarr_format": 2,
        "shape": list(meta.shape),
        "chunks": list(meta.chunk_shape),
        "dtype": dtypes.encode_v2(meta.dtype),
        "compressor": compressor,
        "fill_value": _encode_fill_value(meta),
        "order": meta.order,
        "filters": filters,
    }
    separator = _separator(meta.chunk_key_encoding)
    if separator == "/" or "dimension_separator" in meta.extra:
        content["dimension_separator"] = separator
    return content


_layouts = Layouts(_encode_array, ("shape",), INDENT, sort_keys=True)


def decode_group(document: bytes | str | Mapping, attributes: dict | None = None) -> GroupMetadata:
    """Return what a ``.zgroup`` document says, and what ``.zattrs`` says beside it.

    Raises
    ------
    MetadataError
        It is not JSON, or of another format.
    """
    content = load(document, ".zgroup")
    _check_format(content, ".zgroup")
    extra = {key: value for key, value in content.items() if key != "zarr_format"}
    return GroupMetadata(2, {} if attributes is None else attributes, extra)


def encode_group(meta: GroupMetadata) -> bytes:
    """Return `meta` as a ``.zgroup`` document."""
    return encode_document(meta.extra | {"zarr_format": 2})


def decode_attributes(document: bytes | str | Mapping) -> dict:
    """Return what a ``.zattrs`` document says; bare NaN tokens are read."""
    return load(document, ".zattrs")


def encode_attributes(attributes: dict) -> bytes:
    """Return attributes as a ``.zattrs`` document.

    Raises
    ------
    TypeError
        A value has no JSON form.
    ValueError
        A number is not finite and the configuration says ``json_strict``.
    """
    return encode_document(attributes)


def encode_document(content: dict) -> bytes:
    """Return the content of a document of format 2 as the bytes that are stored."""
    return dump(content, INDENT, sort_keys=True)


def _check_format(content: dict, what: str) -> None:
    zarr_format = require(content, "zarr_format", what)
    if zarr_format != 2:
        raise MetadataError(f"zarr_format of {what} must be 2, not {shorten(zarr_format)}")


def _decode_fill_value(value: Any, dtype: np.dtype, codecs: tuple[CodecSpec, ...]) -> Any:
    if dtype.kind == "O" and _holds_bytes(codecs):
        return fill_values.decode_v2_bytes(value)
    return fill_values.decode_v2(value, dtype)


def _encode_fill_value(meta: ArrayMetadata) -> Any:
    if isinstance(meta.fill_value, bytes) and meta.dtype.kind == "O" and not _holds_bytes(meta.codecs):
        raise MetadataError(f"fill value {shorten(meta.fill_value)} has no JSON form")
    return fill_values.encode_v2(meta.fill_value, meta.dtype)


def _holds_bytes(codecs: tuple[CodecSpec, ...]) -> bool:
    """Whether the elements of an array of objects are bytes of any length."""
    return any(spec.name.removeprefix(PREFIX) == "vlen-bytes" for spec in codecs)


def _decode_chunks(value: object, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the chunk shape. Older writers gave axes of length 0 chunks of 0, which hold nothing."""
    chunks = sizes(value, "chunks")
    if len(chunks) != len(shape):
        raise MetadataError(f"chunks {chunks} and shape {shape} differ in number of axes")
    return tuple(1 if chunk == size == 0 else chunk for chunk, size in zip(chunks, shape, strict=True))


def _decode_separator(value: Any) -> ChunkKeyEncoding:
    return ChunkKeyEncoding("v2", "." if value is None else value)


def _separator(encoding: ChunkKeyEncoding) -> str:
    if encoding.name != "v2":
        raise MetadataError(f"format 2 has no chunk key encoding {encoding.name!r}")
    return encoding.separator


# Codecs


def decode_chain(order: object, filters: object, compressor: object, ndim: int) -> tuple[CodecSpec, ...]:
    """Return format 2's order, filters and compressor as one chain.

    Parameters
    ----------
    order : "C" or "F"
    filters : list of codec dicts, or None
    compressor : codec dict or None
    ndim : int
    """
    if order not in ("C", "F"):
        raise MetadataError(f"order must be 'C' or 'F', not {shorten(order)}")
    if filters is not None and not isinstance(filters, (list, tuple)):
        raise MetadataError(f"filters must be a list of codecs or null, not {shorten(filters)}")
    chain = [CodecSpec("transpose", {"order": list(range(ndim))[::-1]})] if order == "F" else []
    chain += [decode_filter(item) for item in filters or ()]
    chain.append(CodecSpec("bytes"))  # as in memory: filters may have changed the byte order
    if compressor is not None:
        chain.append(decode_codec(compressor, "compressor"))
    return tuple(chain)


def filters_and_compressor(meta: ArrayMetadata) -> tuple[list[dict] | None, dict | None]:
    """Return the chain of an array as format 2's filters and compressor.

    Returns
    -------
    filters : list of dict, or None
        Codec configurations with their ``id``; None where there are none.
    compressor : dict or None

    Raises
    ------
    MetadataError
        Format 2 cannot say the chain.
    """
    chain = list(meta.codecs)
    if chain and is_reversal(chain[0], meta.ndim):
        del chain[0]
    names = [spec.name for spec in chain]
    if names.count("bytes") != 1:
        raise MetadataError(f"format 2 needs one codec 'bytes' in {names}")
    middle = names.index("bytes")
    filters, compressors = chain[:middle], chain[middle + 1 :]
    if len(compressors) > 1:
        raise MetadataError(f"format 2 has one compressor, not {names[middle + 1 :]}")
    compressor = encode_codec(compressors[0]) if compressors else None
    return [encode_codec(spec) for spec in filters] or None, compressor


def decode_codec(config: object, where: str = "codec") -> CodecSpec:
    """Return a format 2 codec, ``{"id": …, …}``, as format 3 spells it.

    `blosc`, `zstd` and `gzip` are format 3's own; every other is
    ``numcodecs.<id>`` with its configuration as it is.
    """
    name, content = _id_and_configuration(config, where)
    if name == "blosc" and "shuffle" in content:
        content["shuffle"] = _shuffle_name(content["shuffle"])
    return CodecSpec(name if name in SAME_NAMES else PREFIX + name, content)


def decode_filter(config: object) -> CodecSpec:
    """Return a format 2 filter as format 3 spells it: always ``numcodecs.<id>``, as such may stand anywhere."""
    name, content = _id_and_configuration(config, "filters")
    return CodecSpec(PREFIX + name, content)


def _id_and_configuration(config: object, where: str) -> tuple[str, dict]:
    content = mapping(config, where)
    name = content.pop("id", None)
    if not isinstance(name, str):
        raise MetadataError(f"a codec of {where} lacks its 'id': {shorten(config)}")
    return name, content


def encode_codec(spec: CodecSpec) -> dict[str, Any]:
    """Return a codec as format 2 spells it, the inverse of `decode_codec`.

    Raises
    ------
    MetadataError
        Format 2 has no such codec.
    """
    content = dict(spec.configuration)
    if spec.name == "blosc":
        content.pop("typesize", None)  # format 2's is the dtype's itemsize
        if "shuffle" in content:
            content["shuffle"] = _shuffle_number(content["shuffle"])
    if spec.name == "zstd" and content.get("checksum") is False:
        del content["checksum"]  # some readers refuse the key
    return content | {"id": _codec_id(spec.name)}


def _codec_id(name: str) -> str:
    if name in SAME_NAMES or name in FORMAT3_NAMES:
        return name
    if name.startswith(PREFIX):
        return name[len(PREFIX) :]
    raise MetadataError(f"format 2 has no codec {name!r}")


def _shuffle_name(number: object) -> str:
    if isinstance(number, bool) or not isinstance(number, int) or number not in SHUFFLE_NAMES:
        raise MetadataError(f"shuffle of codec 'blosc' must be -1, 0, 1 or 2, not {shorten(number)}")
    return SHUFFLE_NAMES[number]


def _shuffle_number(name: object) -> int:
    if not isinstance(name, str) or name not in SHUFFLES:
        raise MetadataError(f"shuffle of codec 'blosc' must be one of {list(SHUFFLES)}, not {shorten(name)}")
    return SHUFFLES[name]
