"""What arrays and groups have in common: a place in a store, and attributes."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, TypeVar

import numpy as np

from . import nodes
from .attrs import Attributes
from .storage.store_path import StorePath

Self = TypeVar("Self", bound="Located")


class Located:
    """A node of a hierarchy, of either kind and format."""

    _store: MutableMapping[str, Any]
    _chunk_store: MutableMapping[str, Any] | None
    _path: str
    _meta: Any
    _read_only: bool
    _synchronizer: Any
    _cache_attrs: bool
    _meta_array: Any
    _attrs: Attributes | None
    _attributes_read: dict[str, Any] | None = None  # those that were just read, until attrs is first used

    @property
    def zarr_format(self) -> int:
        """2 or 3."""
        return self._meta.zarr_format

    @property
    def store(self) -> Any:
        """The store of the documents."""
        return self._store

    @property
    def chunk_store(self) -> Any:
        """The store of the chunks."""
        return self._store if self._chunk_store is None else self._chunk_store

    @property
    def path(self) -> str:
        """Path in the store, without slashes at its ends."""
        return self._path

    @property
    def store_path(self) -> StorePath:
        """Store and path as one."""
        return StorePath(self._store, self._path)

    @property
    def synchronizer(self) -> Any:
        """The locks that writers take, a mapping by key, or None."""
        return self._synchronizer

    @property
    def meta_array(self) -> Any:
        """An empty array of the type that reading gives."""
        return np.empty(()) if self._meta_array is None else self._meta_array

    @property
    def attrs(self) -> Attributes:
        """The attributes, a mapping of names to JSON values."""
        if self._attrs is None:
            key = nodes.attributes_key(self._path, self.zarr_format)
            self._attrs = Attributes(self._store, key, self._read_only, self._cache_attrs, self._synchronizer)
            self._attrs._cached_asdict, self._attributes_read = self._attributes_read, None
        return self._attrs

    def update_attributes(self: Self, new_attributes: Mapping[str, Any]) -> Self:
        """Set several attributes in one write; return the array or group."""
        self.attrs.update(new_attributes)
        return self
