"""Groups: a hierarchy of arrays and groups as mappings of names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from functools import cached_property
from typing import Any

import numpy as np

from . import nodes
from .array_config import ArrayConfig, as_chunk_cache
from .cautions import find_codec_cautions, warn_of
from .changing import Changing
from .core import Array
from .errors import (
    ContainsArrayError,
    ContainsGroupError,
    GroupNotFoundError,
    PathNotFoundError,
)
from .info import InfoReporter, group_items
from .layout import plant
from .metadata.model import ArrayMetadata, ConsolidatedMetadata, GroupMetadata
from .placing import READ_MODES, Place, check_mode, choose_format, place, with_consolidated
from .storage import base
from .trees import Branch, Limit, TreeViewer, TreeViewer3

Metadata = ArrayMetadata | GroupMetadata

# a visitor's answer that ends the visit: anything but None
Visitor = Callable[..., Any]


class Group(Changing, MutableMapping):
    """A group of arrays and groups, by name.

    Names may be paths: ``group["a/b"]`` is what ``group["a"]["b"]`` is, and a path
    that begins with a slash starts at the root of the store.

    Parameters
    ----------
    store : MutableMapping, str or os.PathLike
        Where the group is.
    path : str
        Its path in the store.
    read_only : bool
        Refuse changes through this object and what it gives.
    chunk_store : MutableMapping
        A store for the chunks of arrays alone.
    cache_attrs : bool
        Whether attributes are read once or at every use.
    synchronizer : object
        A mapping of keys to locks, taken around changes, and given to arrays.
    zarr_version : {2, 3}
        Look for a group of this format only.
    meta_array : array-like
        Its type is the type of what arrays return.
    metadata : GroupMetadata
        What the group's documents say, where the caller has just read or written them.
    allow_pickle : bool
        Let the pickle codec, which runs code that the data name, decode chunks of arrays.
    chunk_cache : int or ChunkCache
        Kept by the group's arrays together: so many bytes of decoded chunks; see `zarrc.ChunkCache`.

    Raises
    ------
    GroupNotFoundError
        When there is no group.
    ContainsArrayError
        When there is an array.

    Examples
    --------
    >>> import zarrc
    >>> root = zarrc.group()
    >>> root.zeros("foo/bar", shape=(100, 100), chunks=(10, 10), dtype="i4")
    <zarrc.core.Array '/foo/bar' (100, 100) int32>
    >>> root.tree()
    /
     └── foo
         └── bar (100, 100) int32
    """

    def __init__(
        self,
        store: Any,
        path: str | None = None,
        read_only: bool = False,
        chunk_store: Any = None,
        cache_attrs: bool = True,
        synchronizer: Any = None,
        zarr_version: int | None = None,
        meta_array: Any = None,
        *,
        metadata: GroupMetadata | None = None,
        allow_pickle: bool = False,
        chunk_cache: Any = None,
    ) -> None:
        where = place(store, path, chunk_store, "r" if read_only else "r+")
        self._store = where.store
        self._chunk_store = where.chunk_store
        self._path = where.path
        self._read_only = bool(read_only)
        self._synchronizer = synchronizer
        self._meta_array = meta_array
        self._cache_attrs = cache_attrs
        self._allow_pickle = allow_pickle
        self._chunk_cache = None if chunk_cache is None else as_chunk_cache(chunk_cache) or False
        self._meta = metadata or _read_group(self._store, self._path, zarr_version)
        self._attrs = None
        self._state_of_members: dict[str, Any] | None = None
        self._configs: dict[tuple[int, str], ArrayConfig] = {}

    @classmethod
    def open(cls, store: Any) -> Group:
        """Open the group at the root of a store, or at a `StorePath`, to read and to write."""
        return cls(store)

    @classmethod
    def from_store(
        cls,
        store: Any,
        *,
        attributes: Mapping[str, Any] | None = None,
        zarr_format: int = 3,
        overwrite: bool = False,
    ) -> Group:
        """Create a group at the root of a store; see `create_group`."""
        return create_group(store, attributes=attributes, zarr_format=zarr_format, overwrite=overwrite)

    # what it is

    @property
    def name(self) -> str:
        """Path that begins with a slash, as h5py has it."""
        return f"/{self._path}"

    @property
    def basename(self) -> str:
        """Last part of the path."""
        return self._path.rpartition("/")[2]

    @property
    def parent(self) -> Group:
        """The group above; the root's is the root itself, as h5py has it.

        Raises
        ------
        GroupNotFoundError
            There is no group above.
        """
        if not self._path:
            return self
        above = self._path.rpartition("/")[0]
        return self._open_group(above, _read_group(self._store, above, self.zarr_format))

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        return self._read_only

    @property
    def metadata(self) -> GroupMetadata:
        """What the documents say, attributes as they are now; consolidated metadata where these are in use."""
        return GroupMetadata(self.zarr_format, self.attrs.asdict(), self._meta.extra, self._consolidated)

    @cached_property
    def _consolidated(self) -> ConsolidatedMetadata | None:
        """The metadata of all nodes below, where they are known without asking the store."""
        if not hasattr(self._store, "meta_store"):
            return None
        return ConsolidatedMetadata({path: node._meta for path, node in self._walk()})

    @property
    def info(self) -> InfoReporter:
        """A report about the group."""
        return InfoReporter(self)

    def info_items(self) -> list[tuple[str, str]]:
        """Return the rows of the report."""
        return group_items(self)

    def info_complete(self) -> InfoReporter:
        """Return the report about the group."""
        return self.info

    def refresh(self) -> None:
        """Read attributes again if they are cached."""
        self._attrs = self._attributes_read = None

    def __repr__(self) -> str:
        read_only = " read-only" if self._read_only else ""
        return f"<{type(self).__module__}.{type(self).__name__} {self.name!r}{read_only}>"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Group)
            and self._store == other._store
            and self._path == other._path
            and self._read_only == other._read_only
        )

    def __reduce__(self) -> tuple:
        arguments = (
            self._store,
            self._path,
            self._read_only,
            self._chunk_store,
            self._cache_attrs,
            self._synchronizer,
            self.zarr_format,
            self._meta_array,
        )
        return _reopen, (type(self), arguments, self._allow_pickle, self._chunk_cache)

    def __enter__(self) -> Group:
        return self

    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None:
        for store in {id(store): store for store in (self.store, self.chunk_store)}.values():
            if hasattr(store, "close"):
                store.close()

    # members

    def _path_of(self, item: Any) -> str:
        """Return the path in the store of a member's name or path."""
        path = nodes.normalize_path(item)
        if str(item).startswith("/") or not self._path:
            return path
        return f"{self._path}/{path}" if path else self._path

    def _read(self, path: str) -> Metadata:
        """Read the node at a path in the store: of the group's format, else of the other one."""
        try:
            return nodes.read_node(self._store, path, self.zarr_format)
        except PathNotFoundError:
            return nodes.read_node(self._store, path, 5 - self.zarr_format)

    def _kind(self, path: str) -> str | None:
        """Return "array", "group" or None: what is at a path in the store."""
        found = nodes.node_kind(self._store, path, self.zarr_format)
        if found is None:
            found = nodes.node_kind(self._store, path, 5 - self.zarr_format)
        return None if found is None else found[0]

    def _open(self, path: str, metadata: Metadata) -> Array | Group:
        """Open a node without reading its documents again."""
        if isinstance(metadata, ArrayMetadata):
            return self._open_array(path, metadata)
        return self._open_group(path, metadata)

    def _open_array(self, path: str, metadata: ArrayMetadata) -> Array:
        return Array(self._store, path=path, metadata=metadata, **self._inherited())

    def _member(self, path: str, metadata: Metadata) -> Array | Group:
        """Open a node whose documents were read a moment ago, attributes included."""
        if isinstance(metadata, ArrayMetadata):
            return self._member_array(path, metadata)
        return self._member_group(path, metadata)

    def _member_group(self, path: str, metadata: GroupMetadata) -> Group:
        group = self._open_group(path, metadata)
        group._attributes_read = metadata.attributes if self._cache_attrs else None
        return group

    def _member_array(self, path: str, metadata: ArrayMetadata) -> Array:
        if self._state_of_members is None:
            self._state_of_members = Array._state_of_members(self._store, self._inherited())
        key = metadata.zarr_format, metadata.order
        config = self._configs.get(key)
        if config is None:
            config = self._configs[key] = ArrayConfig.make({"chunk_cache": self._chunk_cache}, metadata)
        return Array._member(self._state_of_members, path, metadata, config)

    def _open_group(self, path: str, metadata: GroupMetadata) -> Group:
        return type(self)(self._store, path=path, metadata=metadata, **self._inherited())

    def _inherited(self) -> dict[str, Any]:
        """Return what members get from their group."""
        return {
            "read_only": self._read_only,
            "chunk_store": self._chunk_store,
            "synchronizer": self._synchronizer,
            "cache_attrs": self._cache_attrs,
            "meta_array": self._meta_array,
            "allow_pickle": self._allow_pickle,
            "chunk_cache": self._chunk_cache,
        }

    def _children(self) -> Iterator[tuple[str, str]]:
        """Yield name and kind of each direct member, sorted by name."""
        return nodes.children(self._store, self._path, self.zarr_format, or_other=True)

    def _documents(self) -> Iterator[tuple[str, str, Metadata]]:
        """Yield name, path in the store and metadata of each direct member, sorted by name."""
        self._configs = {}
        return nodes.read_children(self._store, self._path, self.zarr_format)

    def __getitem__(self, item: str) -> Array | Group:
        """Return the array or group at a path, relative to this group unless it begins with a slash.

        Raises
        ------
        KeyError
            When there is nothing.
        """
        path = self._path_of(item)
        try:
            metadata = self._read(path)
        except PathNotFoundError:
            raise KeyError(item) from None
        if isinstance(metadata, ArrayMetadata):
            warn_of(find_codec_cautions(metadata))
        return self._open(path, metadata)

    def __contains__(self, item: object) -> bool:
        return self._kind(self._path_of(item)) is not None

    def __iter__(self) -> Iterator[str]:
        for name, _ in self._children():
            yield name

    def __len__(self) -> int:
        return sum(1 for _ in self._children())

    def items(self) -> Any:
        """Return a view of (name, member) pairs, each read once."""
        return _Items(self)

    def values(self) -> Any:
        """Return a view of members, each read once."""
        return _Values(self)

    def __getattr__(self, item: str) -> Array | Group:
        if item.startswith("_"):
            raise AttributeError(item)
        try:
            return self[item]
        except KeyError:
            raise AttributeError(f"group {self.name!r} has no attribute or member {item!r}") from None

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(name for name in self if name.isidentifier())})

    def _ipython_key_completions_(self) -> list[str]:
        return sorted(self)

    def _no_rich_form(self, *args: Any, **kwargs: Any) -> None:
        """Say to a notebook that a group has no other form than its `repr`."""

    _repr_html_ = _repr_json_ = _repr_javascript_ = _repr_markdown_ = _repr_svg_ = _no_rich_form
    _repr_png_ = _repr_jpeg_ = _repr_latex_ = _repr_pdf_ = _repr_mimebundle_ = _no_rich_form

    def _names_of(self, kind: str) -> Iterator[str]:
        return (name for name, found in self._children() if found == kind)

    def group_keys(self) -> Iterator[str]:
        """Yield the names of groups that are direct members."""
        return self._names_of("group")

    def groups(self) -> Iterator[tuple[str, Group]]:
        """Yield name and group for each direct member that is a group."""
        for name, path, metadata in self._documents():
            if isinstance(metadata, GroupMetadata):
                yield name, self._member_group(path, metadata)

    def array_keys(self, recurse: bool = False) -> Iterator[str]:
        """Yield the names of arrays; with `recurse`, of those in groups below too."""
        if not recurse:
            yield from self._names_of("array")
            return
        for name, _ in self.arrays(recurse=True):
            yield name

    def arrays(self, recurse: bool = False) -> Iterator[tuple[str, Array]]:
        """Yield name and array for each array; with `recurse`, of those in groups below too."""
        for name, path, metadata in self._documents():
            if isinstance(metadata, ArrayMetadata):
                yield name, self._member_array(path, metadata)
            elif recurse:
                yield from self._open_group(path, metadata).arrays(recurse=True)

    def group_values(self) -> Iterator[Group]:
        """Yield each direct member that is a group."""
        return (group for _, group in self.groups())

    def array_values(self, recurse: bool = False) -> Iterator[Array]:
        """Yield each array; with `recurse`, those in groups below too."""
        return (array for _, array in self.arrays(recurse))

    def _walk(self, max_depth: int | None = None, prefix: str = "") -> Iterator[tuple[str, Array | Group]]:
        """Yield path, relative to where the walk began, and node of each member, parents first."""
        for name, path, metadata in self._documents():
            node = self._member(path, metadata)
            yield prefix + name, node
            if isinstance(node, Group) and max_depth != 0:
                deeper = None if max_depth is None else max_depth - 1
                yield from node._walk(deeper, f"{prefix}{name}/")

    def members(self, max_depth: int | None = 0) -> tuple[tuple[str, Array | Group], ...]:
        """Return path and node of each member.

        Parameters
        ----------
        max_depth : int or None
            0: direct members alone; 1: theirs too; None: all.
        """
        _check_depth(max_depth)
        return tuple(self._walk(max_depth))

    def nmembers(self, max_depth: int | None = 0) -> int:
        """Return the number of members; see `members`."""
        _check_depth(max_depth)
        return len(self) if max_depth == 0 else sum(1 for _ in self._walk(max_depth))

    # visits

    def visit(self, func: Visitor) -> Any:
        """Call ``func(path)`` for each member at any depth, until it returns something; return that."""
        return self._visit(lambda path, node: func(path))

    visitkeys = visit

    def visitvalues(self, func: Visitor) -> Any:
        """Call ``func(node)`` for each member at any depth, until it returns something; return that."""
        return self._visit(lambda path, node: func(node))

    def visititems(self, func: Visitor) -> Any:
        """Call ``func(path, node)`` for each member at any depth, until it returns something; return that."""
        return self._visit(func)

    def _visit(self, func: Visitor) -> Any:
        for path, node in self._walk():
            answer = func(path, node)
            if answer is not None:
                return answer
        return None

    def tree(
        self,
        expand: bool = False,
        level: int | None = None,
        *,
        max_nodes: int | None = None,
        plain: bool = False,
    ) -> TreeViewer:
        """Return a view of the hierarchy that prints as a tree.

        Parameters
        ----------
        expand : bool
            Show all levels unfolded in a notebook; those of format 3 always are.
        level : int
            How many levels to show; all unless given. In format 3 the direct members are level 0.
        max_nodes : int
            In format 3: show no more than so many nodes, 500 unless given. Format 2 shows all.
        plain : bool
            In format 3: names are not bold, also where the output is a terminal.
        """
        if self.zarr_format == 2:
            return TreeViewer(lambda limit: self._branch(self.basename or "/", level, limit), expand)
        levels = None if level is None else level + 1
        return TreeViewer3(lambda limit: self._branch(self.name, levels, limit), max_nodes, plain)

    def _branch(self, label: str, level: int | None, limit: Limit) -> Branch:
        branch = Branch(label)
        if level == 0:
            return branch
        deeper = None if level is None else level - 1
        printed: dict[np.dtype, str] = {}  # NumPy takes its time to print one
        for name, path, metadata in self._documents():
            if not limit.admits_one_more():
                break
            if isinstance(metadata, ArrayMetadata):
                dtype = printed.get(metadata.dtype) or printed.setdefault(metadata.dtype, str(metadata.dtype))
                branch.below.append(Branch(name, f"{metadata.shape} {dtype}"))
            else:
                branch.below.append(self._open_group(path, metadata)._branch(name, deeper, limit))
        return branch


def _reopen(
    cls: type[Group], arguments: tuple[Any, ...], allow_pickle: bool, chunk_cache: Any = None
) -> Group:
    return cls(*arguments, allow_pickle=allow_pickle, chunk_cache=chunk_cache)


class _View:
    """A view of a group's members whose iteration reads each document once."""

    def __init__(self, group: Group) -> None:
        self._group = group

    def __len__(self) -> int:
        return len(self._group)

    def _pairs(self) -> Iterator[tuple[str, Array | Group]]:
        for name, path, metadata in self._group._documents():
            yield name, self._group._member(path, metadata)

    def __repr__(self) -> str:
        return f"{type(self).__name__.strip('_')}View({self._group!r})"


class _Items(_View):
    def __iter__(self) -> Iterator[tuple[str, Array | Group]]:
        return self._pairs()

    def __contains__(self, item: object) -> bool:
        return any(pair == item for pair in self._pairs())


class _Values(_View):
    def __iter__(self) -> Iterator[Array | Group]:
        return (node for _, node in self._pairs())

    def __contains__(self, item: object) -> bool:
        return any(node is item or node == item for node in self)


def _read_group(store: MutableMapping, path: str, zarr_format: int | None) -> GroupMetadata:
    try:
        return nodes.read_group(store, path, zarr_format)
    except GroupNotFoundError:
        if nodes.contains_array(store, path):
            raise ContainsArrayError(path, store=base.naming(store)) from None
        raise


def _check_depth(max_depth: int | None) -> None:
    if max_depth is not None and max_depth < 0:
        raise ValueError(f"max_depth must be 0 or more, or None for all levels; found {max_depth}")


# the functions


def group(
    store: Any = None,
    overwrite: bool = False,
    chunk_store: Any = None,
    cache_attrs: bool = True,
    synchronizer: Any = None,
    path: str | None = None,
    *,
    zarr_version: int | None = None,
    zarr_format: int | None = None,
    meta_array: Any = None,
    attributes: Mapping[str, Any] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Group:
    """Open a group, created if it is missing.

    Parameters
    ----------
    store : MutableMapping, str or os.PathLike
        A new `MemoryStore` unless given.
    overwrite : bool
        Delete what is at `path` first.
    chunk_store, cache_attrs, synchronizer, path, meta_array
        See `Group`.
    zarr_format, zarr_version : {2, 3}
        With which format to create: 2, unless the group above or the configuration says otherwise.
    attributes : mapping
        Attributes that a new group starts with.
    storage_options : mapping
        For the file system that a URL names.

    Returns
    -------
    Group

    Raises
    ------
    ContainsArrayError
        When there is an array and `overwrite` is False.

    Examples
    --------
    >>> import zarrc
    >>> zarrc.group()
    <zarrc.hierarchy.Group '/'>
    """
    return open_group(
        _memory() if store is None else store,
        "w" if overwrite else "a",
        cache_attrs,
        synchronizer,
        path,
        chunk_store,
        storage_options,
        zarr_version=zarr_version,
        zarr_format=zarr_format,
        meta_array=meta_array,
        attributes=attributes,
    )


def open_group(
    store: Any = None,
    mode: str = "a",
    cache_attrs: bool = True,
    synchronizer: Any = None,
    path: str | None = None,
    chunk_store: Any = None,
    storage_options: Mapping[str, Any] | None = None,
    *,
    zarr_version: int | None = None,
    zarr_format: int | None = None,
    meta_array: Any = None,
    attributes: Mapping[str, Any] | None = None,
    allow_pickle: bool = False,
    chunk_cache: Any = None,
    use_consolidated: bool | str | None = None,
) -> Group:
    """Open a group, and create it where the mode says so.

    Parameters
    ----------
    store : MutableMapping, str or os.PathLike
    mode : {"r", "r+", "a", "w", "w-", "x"}
        "r" read only, must exist; "r+" read and write, must exist; "a" create if
        there is none; "w" create, deleting what is there; "w-" and "x" create, fail
        if there is anything.
    cache_attrs, synchronizer, path, chunk_store, meta_array, allow_pickle, chunk_cache
        See `Group`.
    storage_options, zarr_version, zarr_format, attributes
        See `group`.
    use_consolidated : bool or str
        True: take all documents from consolidated metadata, as `zarrc.open_consolidated` does; a
        str is the key of format 2's. Otherwise the documents are read where they are.

    Returns
    -------
    Group

    Raises
    ------
    GroupNotFoundError
        When it must exist and does not.
    ConsolidatedMetadataNotFoundError
        When consolidated metadata are asked for and there are none.
    ContainsArrayError, ContainsGroupError
        When something stands in the way.
    """
    check_mode(mode)
    where = place(store if store is not None else _memory(), path, chunk_store, mode, storage_options)
    if mode in ("r", "r+", "a"):
        where = with_consolidated(where, use_consolidated, zarr_format or zarr_version)
    metadata = _open_or_create(where, mode, zarr_format, zarr_version, attributes)
    return Group(
        where.store,
        path=where.path,
        read_only=mode == "r",
        chunk_store=where.chunk_store,
        cache_attrs=cache_attrs,
        synchronizer=synchronizer,
        meta_array=meta_array,
        metadata=metadata,
        allow_pickle=allow_pickle,
        chunk_cache=chunk_cache,
    )


def _open_or_create(
    where: Place,
    mode: str,
    zarr_format: int | None,
    zarr_version: int | None,
    attributes: Mapping[str, Any] | None,
) -> GroupMetadata:
    said = zarr_format or zarr_version
    if isinstance(where.node, GroupMetadata) and said in (None, where.node.zarr_format):
        return where.node
    if mode in READ_MODES:
        return _read_group(where.store, where.path, said)
    if mode == "a":
        try:
            return _read_group(where.store, where.path, said)
        except GroupNotFoundError:
            pass
    try:
        return nodes.init_group(
            where.store,
            where.path,
            choose_format(where, zarr_format, zarr_version, usual=2),
            overwrite=mode == "w",
            attributes=dict(attributes or {}),
            chunk_store=where.chunk_store,
        )
    except ContainsGroupError:
        if mode != "a":
            raise
        return _read_group(where.store, where.path, said)  # another thread made it


def create_group(
    store: Any = None,
    *,
    path: str | None = None,
    zarr_format: int | None = None,
    overwrite: bool = False,
    attributes: Mapping[str, Any] | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> Group:
    """Create a group, in format 3 unless told otherwise.

    Parameters
    ----------
    store : MutableMapping, str or os.PathLike
        A new `MemoryStore` unless given.
    path : str
        Path in the store. Groups above it are created.
    zarr_format : {2, 3}
        3, unless the group above or the configuration says otherwise.
    overwrite : bool
        Delete what is at `path` first.
    attributes : mapping
        Attributes to start with.
    storage_options : mapping
        For the file system that a URL names.

    Returns
    -------
    Group

    Raises
    ------
    ContainsArrayError, ContainsGroupError
        When there is a node and `overwrite` is False.
    """
    store = _memory() if store is None else store
    where = place(store, path, None, "w" if overwrite else "a", storage_options)
    metadata = nodes.init_group(
        where.store,
        where.path,
        choose_format(where, zarr_format, None, usual=3),
        overwrite=overwrite,
        attributes=dict(attributes or {}),
    )
    return Group(where.store, path=where.path, metadata=metadata)


def create_hierarchy(
    store: Any = None,
    nodes: Mapping[str, Any] | None = None,
    *,
    overwrite: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> Iterator[tuple[str, Array | Group]]:
    """Create many arrays and groups.

    Where one of them cannot be, none is made.

    Parameters
    ----------
    store : MutableMapping, str or os.PathLike
    nodes : mapping
        Of paths to what is to be there: metadata, such as ``array.metadata``, or a dict as
        ``array.metadata.to_dict()`` gives it. Groups above that are not named are made where missing.
    overwrite : bool
        Delete what is at these paths first.
    storage_options : mapping
        For the file system that a URL names.

    Returns
    -------
    iterator of (path, Array or Group)
        All that were made, parents first.

    Raises
    ------
    ContainsArrayError, ContainsGroupError
        Something is there, and `overwrite` is False.
    ValueError
        The nodes are of both formats, or there is something below an array.

    Examples
    --------
    >>> import zarrc
    >>> like = zarrc.create_array({}, shape=(4, 4), dtype="f4").metadata
    >>> for path, node in zarrc.create_hierarchy({}, {"x/a": like, "x/b": like}):
    ...     print(repr(path), node)
    '' <zarrc.hierarchy.Group '/'>
    'x' <zarrc.hierarchy.Group '/x'>
    'x/a' <zarrc.core.Array '/x/a' (4, 4) float32>
    'x/b' <zarrc.core.Array '/x/b' (4, 4) float32>
    """
    where = place({} if store is None else store, None, None, "a", storage_options)
    made = plant(where.store, where.path, nodes or {}, overwrite)
    return iter([(path, _open_node(where.store, path, metadata)) for path, metadata in made])


def _open_node(store: MutableMapping, path: str, metadata: Metadata) -> Array | Group:
    if isinstance(metadata, ArrayMetadata):
        return Array(store, path=path, metadata=metadata)
    return Group(store, path=path, metadata=metadata)


def _memory() -> MutableMapping:
    from .storage.memory import MemoryStore

    return MemoryStore()
