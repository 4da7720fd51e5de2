"""Warnings to those who make arrays: of what cannot be written, of what others may not read, of what will be slow."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .errors import UnstableSpecificationWarning, ZarrUserWarning, level_of_user
from .metadata.model import SHARDING

if TYPE_CHECKING:
    from .metadata.model import ArrayMetadata

PREFIX = "numcodecs."

# data types that zarr-python 3 and zarrc write and no specification has, by the kind of NumPy's
_UNSPECIFIED = {"U": "fixed_length_utf32", "S": "null_terminated_bytes", "V": "raw_bytes"}


_BLOSC = {"blosc", "numcodecs.blosc"}

Caution = tuple[str, type[Warning]]


def find_cautions(metadata: ArrayMetadata) -> tuple[Caution, ...]:
    """Return what to warn of in a new array: what cannot be written, has no specification, or will be slow."""
    return (*_too_large(metadata), *(_found(metadata) if metadata.zarr_format == 3 else ()))


def _too_large(metadata: ArrayMetadata) -> Iterator[Caution]:
    nbytes = math.prod(metadata.inner_chunk_shape) * metadata.dtype.itemsize
    if not _BLOSC & set(_codec_names(metadata.codecs)):
        return
    from .kernels.blosc import MAX_NBYTES

    if nbytes > MAX_NBYTES:
        yield (
            f"Chunks of {nbytes} bytes cannot be written: Blosc takes {MAX_NBYTES} at most. Choose smaller "
            "chunks or another compressor",
            UserWarning,
        )


def find_codec_cautions(metadata: ArrayMetadata) -> tuple[Caution, ...]:
    """Return what to warn of: codecs of an array of format 3 that format 3 does not specify."""
    if metadata.zarr_format == 2:
        return ()
    for codec in metadata.codecs:
        if codec.name == SHARDING or codec.name.startswith(PREFIX):
            break
    else:
        return ()
    names = [name for name in _codec_names(metadata.codecs) if name.startswith(PREFIX)]
    if not names:
        return ()
    message = (
        "Numcodecs codecs are not in the Zarr version 3 specification and may not be supported by other "
        f"zarr implementations. Found here: {', '.join(names)}"
    )
    return ((message, ZarrUserWarning),)


def _found(metadata: ArrayMetadata) -> Iterator[Caution]:
    yield from find_codec_cautions(metadata)
    data_type = _unspecified_data_type(metadata)
    if data_type is not None:
        yield (
            f"The data type ({data_type}) does not have a Zarr V3 specification. Other implementations may "
            "not read arrays of it, and how they are stored may change",
            UnstableSpecificationWarning,
        )
    others = [codec.name for codec in metadata.codecs if codec.name != SHARDING]
    if others and len(others) < len(metadata.codecs):
        yield (
            f"Combining a `{SHARDING}` codec with {', '.join(others)} in one chain: each such codec disables "
            "partial reads and writes, which may lead to inefficient performance",
            ZarrUserWarning,
        )


def _unspecified_data_type(metadata: ArrayMetadata) -> str | None:
    """Return the name of a data type without a specification, None of all others."""
    if metadata.dtype.names is not None:
        return "structured"
    if metadata.data_type == "variable_length_bytes":
        return "variable_length_bytes"
    return _UNSPECIFIED.get(metadata.dtype.kind)


def _codec_names(codecs: Iterable[Any]) -> Iterator[str]:
    """Yield the names of codecs, as models or as documents have them, and of those inside of shards."""
    for codec in codecs:
        if isinstance(codec, str):
            yield codec
            continue
        plain = isinstance(codec, dict)
        yield codec["name"] if plain else codec.name
        configuration = codec.get("configuration") if plain else codec.configuration
        yield from _codec_names((configuration or {}).get("codecs", ()))


def warn_of(cautions: Iterable[Caution]) -> None:
    """Warn at the line of the user's that led here."""
    for message, category in cautions:
        warnings.warn(message, category, stacklevel=level_of_user())
