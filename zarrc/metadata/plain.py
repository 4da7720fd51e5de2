"""What a node is as one dict of JSON values, attributes inside, for both formats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zarrc.errors import MetadataError

from . import v2, v3
from .documents import load, shorten
from .model import ArrayMetadata, GroupMetadata


def to_dict(meta: ArrayMetadata | GroupMetadata) -> dict[str, Any]:
    """Return what the documents of a node say: those of format 2 as one dict, with ``attributes``.

    Raises
    ------
    MetadataError
        The format cannot say it.
    """
    if meta.zarr_format == 3:
        return v3.encode_document(meta)
    encode = v2.encode_array if isinstance(meta, ArrayMetadata) else v2.encode_group
    return load(encode(meta)) | {"attributes": meta.attributes}  # type: ignore[arg-type]


def from_dict(content: Mapping[str, Any]) -> ArrayMetadata | GroupMetadata:
    """Return the node that such a dict describes.

    Raises
    ------
    MetadataError
        A key is missing or wrong.
    """
    zarr_format = content.get("zarr_format")
    if zarr_format == 3:
        return v3.decode(content)
    if zarr_format != 2:
        raise MetadataError(f"zarr_format must be 2 or 3, not {shorten(zarr_format)}")
    document = {key: value for key, value in content.items() if key not in ("attributes", "node_type")}
    attributes = dict(content.get("attributes") or {})
    decode = v2.decode_array if "shape" in document else v2.decode_group
    return decode(document, attributes)
