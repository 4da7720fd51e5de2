"""Verbs over arrays and groups: open, save, load, tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from . import nodes
from .copies import copy as copy
from .copies import copy_all as copy_all
from .copies import copy_store as copy_store
from .core import Array
from .creation import array, open_array
from .errors import GroupNotFoundError, PathNotFoundError, ZarrUserWarning
from .hierarchy import Group, open_group
from .metadata.model import ArrayMetadata
from .placing import READ_MODES, Place, check_mode, place, with_consolidated
from .storage.consolidated import CONSOLIDATED_KEY, ConsolidatedMetadataStore
from .trees import Branch, TreeViewer


def open(
    store: Any = None,
    mode: str = "a",
    *,
    zarr_version: int | None = None,
    zarr_format: int | None = None,
    path: str | None = None,
    **kwargs: Any,
) -> Array | Group:
    """Open an array or a group, whichever there is, and create one where the mode says so.

    Parameters
    ----------
    store : MutableMapping, str or os.PathLike
    mode : {"r", "r+", "a", "w", "w-", "x"}
        "r" read only, must exist; "r+" read and write, must exist; "a" create if
        there is none; "w" create, replacing what is there; "w-" and "x" create, fail
        if there is anything. With `shape` an array is created, else a group.
    zarr_format, zarr_version : {2, 3}
        With which format to create: 2, unless the group above or the configuration says otherwise.
    path : str
        Path in the store.
    **kwargs
        See `open_array` and `open_group`.

    Returns
    -------
    Array or Group

    Raises
    ------
    PathNotFoundError
        When it must exist and there is nothing.

    Examples
    --------
    >>> import zarrc
    >>> store = {}
    >>> zarrc.open(store, mode="w", shape=100, dtype="i4")
    <zarrc.core.Array (100,) int32>
    >>> zarrc.open(store, mode="r")
    <zarrc.core.Array (100,) int32 read-only>
    """
    check_mode(mode)
    where = place(store, path, kwargs.pop("chunk_store", None), mode, kwargs.pop("storage_options", None))
    use_consolidated = kwargs.pop("use_consolidated", None)
    if mode in ("r", "r+", "a"):
        where = with_consolidated(where, use_consolidated, zarr_format or zarr_version)
    kwargs |= {"zarr_format": zarr_format, "zarr_version": zarr_version}
    if mode not in ("w", "w-", "x"):
        where = _with_node(where, mode, zarr_format or zarr_version)
    if "shape" in kwargs or isinstance(where.node, ArrayMetadata):
        return open_array(where, mode, **kwargs)
    return open_group(where, mode, **kwargs)


def _with_node(where: Place, mode: str, zarr_format: int | None) -> Place:
    """Return a place with what its documents say; without documents it can only be written."""
    try:
        return replace(where, node=nodes.read_node(where.store, where.path, zarr_format))
    except PathNotFoundError:
        if mode in READ_MODES:
            raise
        return where


def consolidate_metadata(
    store: Any,
    metadata_key: str = CONSOLIDATED_KEY,
    path: str | None = "",
    *,
    zarr_format: int | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Group:
    """Write the metadata of a hierarchy into one document, and open the hierarchy by it.

    Parameters
    ----------
    store : MutableMapping, str or os.PathLike
    metadata_key : str
        Format 2: the key of the document, at the root of the store, which has all nodes of the store.
        Format 3 keeps the metadata of what is in a group in the group's own document.
    path : str
        Of the group that is opened; format 3: that is consolidated.
    zarr_format : {2, 3}
        Consolidate this format, where both stand.
    storage_options : mapping
        For the file system that a URL names.

    Returns
    -------
    Group or Array
        As `open_consolidated` returns it.

    Raises
    ------
    GroupNotFoundError
        When there is no group.
    MetadataError
        When a document in the hierarchy cannot be understood.

    Examples
    --------
    >>> import zarrc
    >>> store = {}
    >>> zarrc.group(store).zeros("foo/bar", shape=10)
    <zarrc.core.Array '/foo/bar' (10,) float64>
    >>> zarrc.consolidate_metadata(store)
    <zarrc.hierarchy.Group '/'>
    >>> zarrc.open_consolidated(store)["foo/bar"]
    <zarrc.core.Array '/foo/bar' (10,) float64>
    """
    where = place(store, path, None, "r+", storage_options)
    if zarr_format != 2 and nodes.document_key(where.path, nodes.V3_KEY) in where.store:
        _warn_of_consolidated()
        documents = nodes.consolidate_v3(where.store, where.path)
    elif zarr_format == 3:
        raise GroupNotFoundError(where.path)
    else:
        documents = nodes.consolidate_v2(where.store, metadata_key)
    shown = ConsolidatedMetadataStore(where.store, metadata_key, documents=documents)
    return open(Place(shown, where.path, where.store), "r+")  # type: ignore[return-value]


def _warn_of_consolidated() -> None:
    import warnings

    warnings.warn(
        "Consolidated metadata is currently not part in the Zarr format 3 specification. "
        "Other implementations may not use it; they read the nodes' own documents",
        ZarrUserWarning,
        stacklevel=3,
    )


def open_consolidated(
    store: Any,
    metadata_key: str = CONSOLIDATED_KEY,
    mode: str = "r+",
    *,
    zarr_format: int | None = None,
    **kwargs: Any,
) -> Array | Group:
    """Open a hierarchy by the one document that `consolidate_metadata` wrote.

    No other document is read. Nothing can be added, resized or given other attributes, so that the
    document stays true; the values of arrays can be changed.

    Parameters
    ----------
    store : MutableMapping, str or os.PathLike
    metadata_key : str
        Key of the document in format 2.
    mode : {"r", "r+"}
        "r": nothing can be written; "r+": values of arrays can be.
    zarr_format : {2, 3}
        Look for this format only.
    **kwargs
        See `open_group`: ``path``, ``chunk_store``, ``cache_attrs``, ``synchronizer``, ….

    Returns
    -------
    Group or Array

    Raises
    ------
    ConsolidatedMetadataNotFoundError
        When there is no such document.
    ValueError
        When the mode is another.
    """
    if mode not in READ_MODES:
        raise ValueError(f"invalid mode, expected either 'r' or 'r+'; found {mode!r}")
    return open(store, mode, zarr_format=zarr_format, use_consolidated=metadata_key or True, **kwargs)


def save_array(
    store: Any,
    arr: Any,
    *,
    zarr_version: int | None = None,
    zarr_format: int | None = None,
    path: str | None = None,
    **kwargs: Any,
) -> None:
    """Save an array-like, replacing what is there.

    Parameters
    ----------
    store : MutableMapping, str or os.PathLike
    arr : array-like
    zarr_format, zarr_version : {2, 3}
        2, unless the group above or the configuration says otherwise.
    path : str
        Path in the store.
    **kwargs
        See `create`.

    Examples
    --------
    >>> import numpy as np
    >>> import zarrc
    >>> store = {}
    >>> zarrc.save_array(store, np.arange(5))
    >>> zarrc.load(store)
    array([0, 1, 2, 3, 4])
    """
    where = place(store, path, kwargs.pop("chunk_store", None), "w", kwargs.pop("storage_options", None))
    array(
        arr,
        store=where,
        overwrite=True,
        zarr_format=zarr_format,
        zarr_version=zarr_version,
        **kwargs,
    )
    _close(store, where)


def save_group(
    store: Any,
    *args: Any,
    zarr_version: int | None = None,
    zarr_format: int | None = None,
    path: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> None:
    """Save several array-likes as a group, replacing what is there.

    Parameters
    ----------
    store : MutableMapping, str or os.PathLike
    *args : array-like
        Saved as ``arr_0``, ``arr_1``, …
    zarr_format, zarr_version : {2, 3}
        2, unless the group above or the configuration says otherwise.
    path : str
        Path in the store.
    storage_options : mapping
        For the file system that a URL names.
    **kwargs : array-like
        Saved by their names.

    Raises
    ------
    ValueError
        When there is nothing to save, or a name is taken twice.
    """
    if not args and not kwargs:
        raise ValueError("at least one array must be provided")
    if isinstance(kwargs.get("mode"), str):
        raise TypeError("there is no mode=: what is there is replaced; as an array it would be saved")
    arrays = {f"arr_{n}": data for n, data in enumerate(args)}
    twice = arrays.keys() & kwargs.keys()
    if twice:
        raise ValueError(f"the names {sorted(twice)} are those of arrays without a name")
    where = place(store, path, None, "w", storage_options)
    saved = open_group(where, "w", zarr_format=zarr_format, zarr_version=zarr_version)
    for name, data in (arrays | kwargs).items():
        saved.create_dataset(name, data=data)
    _close(store, where)


def save(
    store: Any,
    *args: Any,
    zarr_version: int | None = None,
    zarr_format: int | None = None,
    path: str | None = None,
    **kwargs: Any,
) -> None:
    """Save one array-like as an array, or several as a group, replacing what is there.

    Parameters
    ----------
    store : MutableMapping, str or os.PathLike
    *args, **kwargs : array-like
        One without a name becomes an array; see `save_group` for more, or for names.
    zarr_format, zarr_version, path
        See `save_array`.

    Raises
    ------
    ValueError
        When there is nothing to save.

    Examples
    --------
    >>> import numpy as np
    >>> import zarrc
    >>> store = {}
    >>> zarrc.save(store, numbers=np.arange(3), flags=np.ones(2, bool))
    >>> zarrc.open(store).tree()
    /
     ├── flags (2,) bool
     └── numbers (3,) int64
    """
    said: dict[str, Any] = {"zarr_version": zarr_version, "zarr_format": zarr_format, "path": path}
    if len(args) == 1 and not kwargs:
        save_array(store, args[0], **said)
    else:
        save_group(store, *args, **said, **kwargs)


def _close(store: Any, where: Place) -> None:
    """Close a store that was opened here, from what a user gave as its location."""
    if where.store is not store and hasattr(where.store, "close"):
        where.store.close()


def load(
    store: Any,
    path: str | None = None,
    zarr_format: int | None = None,
    zarr_version: int | None = None,
) -> np.ndarray | LazyLoader | None:
    """Read an array into memory, or return a loader for the arrays of a group.

    Parameters
    ----------
    store : MutableMapping, str or os.PathLike
    path : str
        Path in the store.
    zarr_format, zarr_version : {2, 3}
        Look for this format only.

    Returns
    -------
    ndarray, LazyLoader or None
        The loader is a mapping of names to arrays that are read when they are asked
        for. None where there is nothing.
    """
    where = place(store, path, None, "r")
    try:
        found = nodes.read_node(where.store, where.path, zarr_format or zarr_version)
    except PathNotFoundError:
        return None
    if isinstance(found, ArrayMetadata):
        return np.asarray(Array(where.store, path=where.path, read_only=True, metadata=found)[...])
    return LazyLoader(Group(where.store, path=where.path, read_only=True, metadata=found))


class LazyLoader(Mapping):
    """The arrays of a group, each read into memory when it is first asked for; groups become loaders."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self._loaded: dict[str, np.ndarray | LazyLoader] = {}

    def __getitem__(self, item: str) -> np.ndarray | LazyLoader:
        if item not in self._loaded:
            self._loaded[item] = self._load(self.group[item])
        return self._loaded[item]

    def _load(self, node: Array | Group) -> np.ndarray | LazyLoader:
        return LazyLoader(node) if isinstance(node, Group) else np.asarray(node[...])

    def __len__(self) -> int:
        return len(self.group)

    def __iter__(self) -> Iterator[str]:
        return iter(self.group)

    def __contains__(self, item: object) -> bool:
        return item in self.group

    def __repr__(self) -> str:
        return "<LazyLoader: " + ", ".join(self) + ">"


def tree(grp: Any, expand: bool = False, level: int | None = None) -> TreeViewer:
    """Return a view of a hierarchy that prints as a tree.

    Parameters
    ----------
    grp : Group, Array, or h5py's
    expand : bool
        Show all levels unfolded in a notebook.
    level : int
        How many levels to show; all unless given. See `Group.tree`.
    """
    if isinstance(grp, Group):
        return grp.tree(expand, level)
    name = (grp.name or "/").rpartition("/")[2] or "/"
    return TreeViewer(lambda limit: _branch(grp, name, level), expand)


def _branch(node: Any, name: str, level: int | None) -> Branch:
    if hasattr(node, "shape"):
        return Branch(name, f"{node.shape} {node.dtype}")
    if level == 0:
        return Branch(name)
    deeper = None if level is None else level - 1
    return Branch(name, below=[_branch_below(node, key, deeper) for key in sorted(node)])


def _branch_below(node: Any, key: str, level: int | None) -> Branch:
    try:
        child = node[key]
    except KeyError:  # h5py's links may lead nowhere
        return Branch(key, "(broken link)")
    return _branch(child, key, level)
