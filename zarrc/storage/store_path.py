"""A store and a path in it, as one thing that can be passed on."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from .base import normalize_storage_path
from .locations import normalize_store


class StorePath:
    """A place in a store; ``place / "name"`` is one below it.

    Every function that takes a store takes a `StorePath` too.

    Parameters
    ----------
    store : MutableMapping, str or os.PathLike
    path : str

    Examples
    --------
    >>> place = StorePath({}, "foo") / "bar"
    >>> place.path
    'foo/bar'
    """

    def __init__(self, store: Any, path: str = "") -> None:
        self.store: MutableMapping[str, Any] = normalize_store(store)
        self.path = normalize_storage_path(path)

    def __truediv__(self, name: str) -> StorePath:
        return StorePath(self.store, f"{self.path}/{name}")

    @property
    def basename(self) -> str:
        """Last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def read_only(self) -> bool:
        """Whether the store refuses writes."""
        return bool(getattr(self.store, "read_only", False))

    def __str__(self) -> str:
        return f"{self.store}/{self.path}" if self.path else str(self.store)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.store!r}, {self.path!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StorePath) and self.path == other.path and self.store == other.store

    __hash__ = None  # type: ignore[assignment]
