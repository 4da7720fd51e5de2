"""Types of arguments, for annotations; the names of both generations."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, Protocol, TypeAlias

from .array_config import ArrayConfig
from .core import Array

__all__ = [
    "DIMENSION_SEPARATOR",
    "MEMORY_ORDER",
    "ZARR_VERSION",
    "AccessModeLiteral",
    "AnyArray",
    "ArrayConfigLike",
    "CodecsLike",
    "MemoryOrder",
    "MetaArray",
    "PathLike",
    "StoreLike",
    "Synchronizer",
    "ZarrFormat",
]

DIMENSION_SEPARATOR = Literal[".", "/"] | None
MEMORY_ORDER = Literal["C", "F"]
ZARR_VERSION = Literal[2, 3]
PathLike = str | bytes | os.PathLike | None
MetaArray = Any  # an array that has the type of those that are returned

AnyArray: TypeAlias = Array
ArrayConfigLike: TypeAlias = ArrayConfig | Mapping[str, Any]
CodecsLike: TypeAlias = Any
StoreLike: TypeAlias = MutableMapping[str, Any] | str | os.PathLike[str]
AccessModeLiteral: TypeAlias = Literal["r", "r+", "a", "w", "w-", "x"]
MemoryOrder: TypeAlias = MEMORY_ORDER
ZarrFormat: TypeAlias = ZARR_VERSION


class Synchronizer(Protocol):
    """A mapping of keys to locks."""

    def __getitem__(self, item: str) -> Any:
        """Return the lock of a key, a context manager."""
