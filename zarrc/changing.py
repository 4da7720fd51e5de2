"""Making, moving and deleting members of groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from . import creation, nodes
from .arguments import normalize_dtype, normalize_shape
from .core import Array
from .errors import ContainsArrayError, ContainsGroupError, PathNotFoundError, ReadOnlyError
from .layout import plant
from .located import Located
from .metadata.model import ArrayMetadata, GroupMetadata
from .nodes import normalize_path
from .placing import Place
from .storage import base

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .hierarchy import Group

Metadata = ArrayMetadata | GroupMetadata


class Changing(Located):
    """The part of `Group` that changes what is in it."""

    _chunk_cache: Any

    if TYPE_CHECKING:  # the rest of `Group` that is used here

        @property
        def name(self) -> str: ...

        def _path_of(self, item: Any) -> str: ...

        def _kind(self, path: str) -> str | None: ...

        def _read(self, path: str) -> Metadata: ...

        def _open(self, path: str, metadata: Metadata) -> Array | Group: ...

        def _open_group(self, path: str, metadata: GroupMetadata) -> Group: ...

        def __getitem__(self, item: str) -> Array | Group: ...

        def __iter__(self) -> Iterator[str]: ...

    def _changing(self) -> Any:
        """Refuse if read-only; return the lock for changes of the hierarchy."""
        if self._read_only:
            raise ReadOnlyError
        if self._synchronizer is None:
            return nullcontext()
        return self._synchronizer[nodes.document_key(self._path, nodes.GROUP_KEY)]

    def __setitem__(self, item: str, value: Any) -> None:
        """Store array-like data as an array, replacing what has the name."""
        self.array(item, value, overwrite=True)

    def __delitem__(self, item: str) -> None:
        with self._changing():
            path = self._path_of(item)
            if self._kind(path) is None:
                raise KeyError(item)
            base.rmdir(self._store, path)
            if self._chunk_store is not None:
                base.rmdir(self._chunk_store, path)

    def clear(self) -> None:
        """Delete all members."""
        for name in list(self):
            del self[name]

    def create_group(
        self, name: str, overwrite: bool = False, *, attributes: Mapping[str, Any] | None = None
    ) -> Group:
        """Create a group, and those above it that are missing.

        Parameters
        ----------
        name : str
            Name or path.
        overwrite : bool
            Delete what has the name first.
        attributes : mapping
            Attributes to start with.

        Raises
        ------
        ContainsArrayError, ContainsGroupError
            When the name is taken and `overwrite` is False.
        """
        with self._changing():
            path = self._path_of(name)
            metadata = nodes.init_group(
                self._store,
                path,
                self.zarr_format,
                overwrite=overwrite,
                attributes=dict(attributes or {}),
                chunk_store=self._chunk_store,
                parent=self._path,
            )
            return self._open_group(path, metadata)

    def create_hierarchy(
        self, nodes: Mapping[str, Any], *, overwrite: bool = False
    ) -> Iterator[tuple[str, Array | Group]]:
        """Create many arrays and groups below this one; see `zarrc.create_hierarchy`.

        Raises
        ------
        ValueError
            When one has the path of this group.
        """
        if not all(map(normalize_path, nodes)):
            raise ValueError(
                "It is an error to use this method to create a root node. "
                f"The group {self.name!r} is there: name what is to be made below it"
            )
        with self._changing():
            made = plant(self._store, self._path, nodes, overwrite, self._chunk_store)
        start = len(self._path) + 1 if self._path else 0
        return iter([(path[start:], self._open(path, metadata)) for path, metadata in made])

    def create_groups(self, *names: str, **kwargs: Any) -> tuple[Group, ...]:
        """Create several groups; see `create_group`."""
        return tuple(self.create_group(name, **kwargs) for name in names)

    def require_group(self, name: str, overwrite: bool = False) -> Group:
        """Return a group, created if it is missing.

        Raises
        ------
        ContainsArrayError
            When the name is an array's and `overwrite` is False.
        """
        if self._read_only:
            raise ReadOnlyError
        if overwrite:
            return self.create_group(name, overwrite=True)
        found = self._find_group(name)
        if found is not None:
            return found
        try:
            return self.create_group(name)
        except ContainsGroupError:
            return self[name]  # type: ignore[return-value]  # another thread made it

    def _find_group(self, name: str) -> Group | None:
        path = self._path_of(name)
        try:
            metadata = self._read(path)
        except PathNotFoundError:
            return None
        if isinstance(metadata, ArrayMetadata):
            raise ContainsArrayError(path, store=base.naming(self._store))
        return self._open_group(path, metadata)

    def require_groups(self, *names: str) -> tuple[Group, ...]:
        """Return several groups, created where missing."""
        return tuple(self.require_group(name) for name in names)

    def _place(self, name: str) -> Place:
        """Return where an array of a name goes, with the format that it inherits."""
        if str(name).startswith("/"):
            return Place(self._store, self._path_of(name), self._chunk_store)
        return Place(self._store, self._path_of(name), self._chunk_store, self._path, self.zarr_format)

    def _create(self, function: Callable[..., Array], name: str, *args: Any, **kwargs: Any) -> Array:
        """Call one of the functions that create an array, for a name in this group."""
        kwargs.setdefault("synchronizer", self._synchronizer)
        kwargs.setdefault("cache_attrs", self._cache_attrs)
        kwargs.setdefault("meta_array", self._meta_array)
        if self._chunk_cache is not None:
            kwargs.setdefault("chunk_cache", self._chunk_cache)
        with self._changing():
            return function(*args, store=self._place(name), **kwargs)

    def create(self, name: str, **kwargs: Any) -> Array:
        """Create an array; see `zarrc.create`."""
        return self._create(creation.create, name, **kwargs)

    def empty(self, name: str, **kwargs: Any) -> Array:
        """Create an array without a fill value; see `zarrc.empty`."""
        return self._create(creation.empty, name, **kwargs)

    def zeros(self, name: str, **kwargs: Any) -> Array:
        """Create an array of zeros; see `zarrc.zeros`."""
        return self._create(creation.zeros, name, **kwargs)

    def ones(self, name: str, **kwargs: Any) -> Array:
        """Create an array of ones; see `zarrc.ones`."""
        return self._create(creation.ones, name, **kwargs)

    def full(self, name: str, fill_value: Any, **kwargs: Any) -> Array:
        """Create an array filled with a value; see `zarrc.full`."""
        return self._create(creation.full, name, fill_value=fill_value, **kwargs)

    def array(self, name: str, data: Any = None, **kwargs: Any) -> Array:
        """Create an array that holds a copy of some data; see `zarrc.array`. Without data as `create` does."""
        return self.create_dataset(name, data=data, **kwargs)

    def empty_like(self, name: str, data: Any, **kwargs: Any) -> Array:
        """Create an array like another one, without a fill value; see `zarrc.empty_like`."""
        return self._create_like(creation.empty_like, name, data, **kwargs)

    def zeros_like(self, name: str, data: Any, **kwargs: Any) -> Array:
        """Create an array of zeros like another one; see `zarrc.zeros_like`."""
        return self._create_like(creation.zeros_like, name, data, **kwargs)

    def ones_like(self, name: str, data: Any, **kwargs: Any) -> Array:
        """Create an array of ones like another one; see `zarrc.ones_like`."""
        return self._create_like(creation.ones_like, name, data, **kwargs)

    def full_like(self, name: str, data: Any, **kwargs: Any) -> Array:
        """Create an array like another one, filled with a value; see `zarrc.full_like`."""
        return self._create_like(creation.full_like, name, data, **kwargs)

    def _create_like(self, function: Callable[..., Array], name: str, data: Any, **kwargs: Any) -> Array:
        kwargs.setdefault("zarr_format", self.zarr_format)
        return self._create(function, name, data, **kwargs)

    def create_dataset(self, name: str, **kwargs: Any) -> Array:
        """Create an array, from data or from a shape, as h5py does.

        Parameters
        ----------
        name : str
            Name or path.
        data : array-like
            What to copy into the array.
        **kwargs
            See `zarrc.create`; h5py's `compression`, `compression_opts` and `fillvalue` are understood.

        Raises
        ------
        ContainsArrayError, ContainsGroupError
            When the name is taken.
        ValueError
            When `shape` is given and is not that of `data`.
        """
        data = kwargs.pop("data", None)
        if data is None:
            return self.create(name, **kwargs)
        return self._create(creation.array, name, data, **kwargs)

    def require_dataset(
        self, name: str, shape: Any = None, dtype: Any = None, exact: bool = False, **kwargs: Any
    ) -> Array:
        """Return an array, created if it is missing.

        Parameters
        ----------
        name : str
            Name or path.
        shape : int or tuple of int
            What the array's shape is, or must be.
        dtype : data-type
            An array that exists must be able to hold it.
        exact : bool
            The data types must be equal.
        **kwargs
            See `create_dataset`.

        Raises
        ------
        TypeError
            When an array exists, and differs.
        ContainsGroupError
            When the name is a group's.
        """
        return self._require(self.create_dataset, name, shape, dtype, exact, kwargs)

    def create_array(self, name: str, **kwargs: Any) -> Array:
        """Create an array in this group's format; see `zarrc.create_array`."""
        return self._create(creation.create_array, name, **kwargs)

    def require_array(
        self, name: str, *, shape: Any = None, dtype: Any = None, exact: bool = False, **kwargs: Any
    ) -> Array:
        """Return an array, created by `create_array` if it is missing; see `require_dataset`."""
        return self._require(self.create_array, name, shape, dtype, exact, kwargs)

    def _require(
        self,
        function: Callable[..., Array],
        name: str,
        shape: Any,
        dtype: Any,
        exact: bool,
        kwargs: dict[str, Any],
    ) -> Array:
        if self._read_only:
            raise ReadOnlyError
        path = self._path_of(name)
        if self._kind(path) != "array":
            try:
                return function(name, **kwargs, **_given(shape=shape, dtype=dtype))
            except ContainsArrayError as error:
                if error.path != path:
                    raise
                # another thread made it
        found = self[name]
        data = kwargs.get("data")
        _check_same(found, getattr(data, "shape", None) if shape is None else shape, dtype, exact)  # type: ignore[arg-type]
        return found  # type: ignore[return-value]

    def move(self, source: str, dest: str) -> None:
        """Give an array or a group another path.

        Parameters
        ----------
        source, dest : str
            Names or paths. Groups above `dest` are created.

        Raises
        ------
        ValueError
            When there is nothing at `source`, or something at `dest`.
        """
        with self._changing():
            source_path, dest_path = self._path_of(source), self._path_of(dest)
            if self._kind(source_path) is None:
                raise ValueError(f'The source, "{source}", does not exist.')
            if self._kind(dest_path) is not None:
                raise ValueError(f'The dest, "{dest}", already exists.')
            base.check_rename(source_path, dest_path)
            parent = dest_path.rpartition("/")[0]
            if parent and parent != self._path:
                self.require_group(f"/{parent}")
            base.rename(self._store, source_path, dest_path)
            if self._chunk_store is not None and base.listdir(self._chunk_store, source_path):
                base.rename(self._chunk_store, source_path, dest_path)


def _given(**arguments: Any) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}


def _check_same(found: Array, shape: Any, dtype: Any, exact: bool) -> None:
    """Raise TypeError where an array is not what was asked for."""
    if shape is not None and normalize_shape(shape) != found.shape:
        raise TypeError(
            f"shape do not match existing array; expected {found.shape}, got {normalize_shape(shape)}"
        )
    if dtype is None:
        return
    dtype = normalize_dtype(dtype)[0]
    if exact and dtype != found.dtype:
        raise TypeError(f"dtypes do not match exactly; expected {found.dtype}, got {dtype}")
    if not np.can_cast(dtype, found.dtype):
        raise TypeError(f"dtypes ({dtype}, {found.dtype}) cannot be safely cast")
