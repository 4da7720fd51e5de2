"""Types of arguments, for annotations."""

from __future__ import annotations

import os
from typing import Any, Literal, Protocol

__all__ = ["DIMENSION_SEPARATOR", "MEMORY_ORDER", "ZARR_VERSION", "MetaArray", "PathLike", "Synchronizer"]

DIMENSION_SEPARATOR = Literal[".", "/"] | None
MEMORY_ORDER = Literal["C", "F"]
ZARR_VERSION = Literal[2, 3]
PathLike = str | bytes | os.PathLike | None
MetaArray = Any  # an array that has the type of those that are returned


class Synchronizer(Protocol):
    """A mapping of keys to locks."""

    def __getitem__(self, item: str) -> Any:
        """Return the lock of a key, a context manager."""
