"""Format 3: ``zarr.json`` (Zarr core specification, version 3, "Array metadata")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zarrc.config import config
from zarrc.errors import MetadataError

from . import dtypes, fill_values
from .alike import Contents, Layouts, Templates, content_key
from .documents import dump, load, mapping, require, shorten, sizes
from .model import ArrayMetadata, ChunkKeyEncoding, CodecSpec, ConsolidatedMetadata, GroupMetadata

COMMON_KEYS = ("zarr_format", "node_type", "attributes")
GROUP_KEYS = (*COMMON_KEYS, "consolidated_metadata")
ARRAY_KEYS = (
    *COMMON_KEYS,
    "shape",
    "data_type",
    "chunk_grid",
    "chunk_key_encoding",
    "fill_value",
    "codecs",
    "dimension_names",
    "storage_transformers",
)

# what was decoded before: stored texts, and contents of consolidated metadata
_templates = Templates()
_contents = Contents()

# elements of these kinds have a byte order; those of other kinds none, or one that codecs may leave unsaid
ORDERED_KINDS = "iufcmMU"
KEEP_THE_DTYPE = ("transpose",)

SEPARATORS = {"default": "/", "v2": "."}


def decode(document: bytes | str | Mapping) -> ArrayMetadata | GroupMetadata:
    """Return what a ``zarr.json`` document says.

    Parameters
    ----------
    document : bytes-like, str or Mapping

    Raises
    ------
    MetadataError
        A key is missing, wrong, or names something that must be understood and is not.
    """
    if type(document) is bytes:
        return _templates.find(document) or _decode_template(document)
    content = load(document, "zarr.json")
    attributes = content.pop("attributes", {})
    key = content_key(content)
    alike = _contents.find(key, attributes) if type(attributes) is dict else None
    return alike or _decode_content({**content, "attributes": attributes}, key)


def _decode_template(document: bytes) -> ArrayMetadata | GroupMetadata:
    meta = _decode(load(document, "zarr.json"))
    if isinstance(meta, ArrayMetadata):
        _templates.remember(document, meta)
    return meta


def _decode_content(content: dict, key: bytes | None) -> ArrayMetadata | GroupMetadata:
    meta = _decode(content)
    if isinstance(meta, ArrayMetadata):
        _contents.remember(key, meta)
    return meta


def _decode(content: dict) -> ArrayMetadata | GroupMetadata:
    zarr_format = require(content, "zarr_format", "zarr.json")
    if zarr_format != 3:
        raise MetadataError(f"zarr_format of zarr.json must be 3, not {shorten(zarr_format)}")
    node_type = require(content, "node_type", "zarr.json")
    if node_type == "array":
        return _decode_array(content)
    if node_type == "group":
        return _decode_group(content)
    raise MetadataError(f"node_type must be 'array' or 'group', not {shorten(node_type)}")


def encode(meta: ArrayMetadata | GroupMetadata) -> bytes:
    """Return `meta` as a ``zarr.json`` document.

    Raises
    ------
    MetadataError
        Format 3 cannot say it.
    """
    return _layouts.dump(meta) if isinstance(meta, ArrayMetadata) else dump_document(_encode_group(meta))


def encode_document(meta: ArrayMetadata | GroupMetadata) -> dict:
    """Return `meta` as the content of a ``zarr.json`` document, JSON values."""
    return _encode_array(meta) if isinstance(meta, ArrayMetadata) else _encode_group(meta)


def dump_document(content: dict) -> bytes:
    """Return the content of a ``zarr.json`` document as the bytes that are stored.

    Its lines are indented by as much as ``config["json_indent"]`` says; all is one line where that is None.
    """
    return dump(content, config.get("json_indent"))


# Groups


def _decode_group(content: dict) -> GroupMetadata:
    consolidated = content.get("consolidated_metadata")
    if consolidated is not None:
        consolidated = mapping(consolidated, "consolidated_metadata")
    return GroupMetadata(
        zarr_format=3,
        attributes=_attributes(content),
        extra=_extra(content, GROUP_KEYS),
        consolidated_metadata=consolidated,
    )


def _encode_group(meta: GroupMetadata) -> dict:
    content: dict[str, Any] = {"attributes": meta.attributes, "zarr_format": 3}
    if meta.consolidated_metadata is not None:
        consolidated = meta.consolidated_metadata
        content["consolidated_metadata"] = (
            consolidated.to_dict() if isinstance(consolidated, ConsolidatedMetadata) else consolidated
        )
    return content | {"node_type": "group"} | meta.extra


def _attributes(content: dict) -> dict:
    return mapping(content.get("attributes", {}), "attributes")


def _extra(content: dict, known: tuple[str, ...]) -> dict:
    """Return the fields that may be ignored; refuse those that may not."""
    extra = {key: value for key, value in content.items() if key not in known}
    for key, value in extra.items():
        if not isinstance(value, Mapping) or value.get("must_understand") is not False:
            raise MetadataError(f"zarr.json has the unknown field {key!r}, which must be understood")
    return extra


# Arrays


def _decode_array(content: dict) -> ArrayMetadata:
    extra = _extra(content, ARRAY_KEYS)
    if _ignored_transformers(content.get("storage_transformers")):
        extra["storage_transformers"] = content["storage_transformers"]
    data_type = require(content, "data_type", "zarr.json")
    dtype = dtypes.decode_v3(data_type)
    return ArrayMetadata(
        zarr_format=3,
        shape=sizes(require(content, "shape", "zarr.json"), "shape"),
        dtype=dtype,
        chunk_shape=_decode_grid(require(content, "chunk_grid", "zarr.json")),
        fill_value=fill_values.decode_v3(require(content, "fill_value", "zarr.json"), dtype, data_type),
        codecs=_decode_chain(require(content, "codecs", "zarr.json"), dtype),
        chunk_key_encoding=_decode_key_encoding(require(content, "chunk_key_encoding", "zarr.json")),
        attributes=_attributes(content),
        axis_names=_decode_dimension_names(content.get("dimension_names")),
        extra=extra,
        data_type=own_spelling(data_type, dtype),
    )


def _ignored_transformers(value: object) -> bool:
    """Say whether there are storage transformers, all of which may be ignored.

    Raises
    ------
    MetadataError
        One must be understood; there are none that are.
    """
    if value is None:
        return False
    if not isinstance(value, (list, tuple)):
        raise MetadataError(f"storage_transformers must be a list, not {shorten(value)}")
    for item in value:
        name, _, must_understand = _extension(item, "storage_transformers")
        if must_understand:
            raise MetadataError(f"unknown storage_transformers {name!r}")
    return bool(value)


def _encode_array(meta: ArrayMetadata) -> dict:
    data_type = dtypes.encode_v3(meta.dtype) if meta.data_type is None else meta.data_type
    if dtypes.decode_v3(data_type) != meta.dtype:
        raise MetadataError(f"data_type {shorten(data_type)} is not the native, packed dtype {meta.dtype}")
    content: dict[str, Any] = {
        "shape": list(meta.shape),
        "data_type": data_type,
        "chunk_grid": _named("regular", {"chunk_shape": list(meta.chunk_shape)}),
        "chunk_key_encoding": _named(
            meta.chunk_key_encoding.name, {"separator": meta.chunk_key_encoding.separator}
        ),
        "fill_value": fill_values.encode_v3(meta.fill_value, meta.dtype, data_type),
        "codecs": [encode_codec(spec) for spec in meta.codecs],
        "attributes": meta.attributes,
    }
    if meta.axis_names is not None:
        content["dimension_names"] = list(meta.axis_names)
    return content | {"zarr_format": 3, "node_type": "array", "storage_transformers": []} | meta.extra


_layouts = Layouts(_encode_array, ("shape", "attributes"), indent=2)


def own_spelling(data_type: str | dict, dtype: Any) -> str | dict | None:
    """Return `data_type` for the model: None where it is the one that `dtype` gets anyway."""
    if dtype.kind == "O" or dtypes.encode_v3(dtype) != data_type:
        return data_type
    return None


def _named(name: str, configuration: dict) -> dict:
    return {"name": name, "configuration": configuration}


def _extension(value: object, what: str) -> tuple[str, dict, bool]:
    """Return name, configuration and must_understand of an extension: an object, or its bare name."""
    if isinstance(value, str):
        return value, {}, True
    content = mapping(value, what)
    unknown = set(content) - {"name", "configuration", "must_understand"}
    if unknown:
        raise MetadataError(f"{what} has unknown keys {sorted(unknown)}")
    name = require(content, "name", what)
    if not isinstance(name, str):
        raise MetadataError(f"name of {what} must be a string, not {shorten(name)}")
    configuration = mapping(content.get("configuration", {}), f"configuration of {what} {name!r}")
    return name, configuration, content.get("must_understand") is not False


def _decode_grid(value: object) -> tuple[int, ...]:
    name, configuration, _ = _extension(value, "chunk_grid")
    if name != "regular":
        raise MetadataError(f"unknown chunk_grid {name!r}")
    return sizes(require(configuration, "chunk_shape", "chunk_grid"), "chunk_shape")


def _decode_key_encoding(value: object) -> ChunkKeyEncoding:
    name, configuration, _ = _extension(value, "chunk_key_encoding")
    if name not in SEPARATORS:
        raise MetadataError(f"unknown chunk_key_encoding {name!r}")
    return ChunkKeyEncoding(name, configuration.get("separator", SEPARATORS[name]))


def _decode_dimension_names(value: Any) -> tuple[str | None, ...] | None:
    if value is None:
        return None
    legal = isinstance(value, (list, tuple)) and all(name is None or isinstance(name, str) for name in value)
    if not legal:
        raise MetadataError(f"dimension_names must be a list of strings and nulls, not {shorten(value)}")
    return tuple(value)


def decode_codecs(value: object) -> tuple[CodecSpec, ...]:
    """Return a list of format 3 codecs, objects or bare names, as a chain."""
    if not isinstance(value, (list, tuple)) or not value:
        raise MetadataError(f"codecs must be a list of one codec at least, not {shorten(value)}")
    return tuple(CodecSpec(*_extension(item, "codec")) for item in value)


def _decode_chain(value: object, dtype: np.dtype) -> tuple[CodecSpec, ...]:
    """Return the codecs of an array, whose byte order must be said (bytes codec, "Configuration parameters")."""
    codecs = decode_codecs(value)
    if dtype.kind in ORDERED_KINDS and dtype.itemsize > 1:
        _require_endian(codecs)
    return codecs


def _require_endian(codecs: tuple[CodecSpec, ...]) -> None:
    for codec in codecs:
        if codec.name == "bytes" and codec.configuration.get("endian") is None:
            raise MetadataError("codec 'bytes' lacks endian, which elements of several bytes require")
        if codec.name == "sharding_indexed":
            for chain in ("codecs", "index_codecs"):
                _require_endian(decode_codecs(codec.configuration.get(chain)))
        if codec.name not in KEEP_THE_DTYPE:
            return


def encode_codec(spec: CodecSpec) -> dict:
    """Return a codec as format 3 spells it."""
    content: dict[str, Any] = {"name": spec.name}
    if spec.configuration or spec.name.startswith("numcodecs."):  # of which zarr-python wants one, if empty
        content["configuration"] = spec.configuration
    if not spec.must_understand:
        content["must_understand"] = False
    return content
