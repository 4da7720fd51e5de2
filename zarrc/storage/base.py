"""What every store can do, and the same things for mappings that offer less.

A store is a ``MutableMapping`` from ``str`` keys to bytes. The functions here
work on any such mapping, a plain ``dict`` included: they call the store's own
method where it has one and fall back to the mapping's methods where not.
Keys are segments joined by ``"/"``; a path names a "directory" of keys, and
``""`` is the root.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import suppress
from functools import lru_cache, wraps
from types import FunctionType
from typing import Any, TypeVar

import numpy as np

from zarrc.errors import ReadOnlyError

ARRAY_META_KEY = ".zarray"
GROUP_META_KEY = ".zgroup"
ATTRS_KEY = ".zattrs"

# a document with one of these names says that a directory is Zarr's or N5's
METADATA_KEYS = ("zarr.json", ARRAY_META_KEY, GROUP_META_KEY, ATTRS_KEY, ".zmetadata", "attributes.json")

# Names of temporary files: this, then what makes them unique.
# No key of a local store has a segment that starts so.
TEMPORARY_PREFIX = ".zarrc-"

# NUL, a backslash, or a segment that is empty, "." or ".."
_BAD_KEY = re.compile(r"[\0\\]|(?:^|/)\.{0,2}(?:/|$)")

_LITTLE_NBYTES = 1 << 20  # with less than this a disk is full

Method = TypeVar("Method", bound=Callable[..., Any])
Range = tuple[str, int, int | None]  # of a value: key, start and size, as `Store.get_partial` takes them

_serials = itertools.count()
_MAPPING_METHODS = ("__getitem__", "__setitem__", "__delitem__", "__contains__")


class Store(MutableMapping[str, Any]):
    """Base class of stores: a mapping of keys to bytes with optional abilities.

    A subclass defines ``__getitem__``, ``__setitem__``, ``__delitem__``,
    ``__iter__`` and ``__len__``; every other method has a version here that
    works through those, to be replaced where the store knows a better way.
    Only ``KeyError`` means "no such key"; every other failure is raised as it is.
    """

    __module__ = "zarrc.storage"

    _readable = True
    _writeable = True
    _erasable = True
    _listable = True
    _dimension_separator: str | None = None
    read_only = False

    # answers take their time, so that several questions are better asked together than one after the other
    is_distant = False

    # what it may be asked

    def is_readable(self) -> bool:
        """Whether values can be read."""
        return self._readable

    def is_writeable(self) -> bool:
        """Whether values can be written."""
        return self._writeable and not self.read_only

    def is_erasable(self) -> bool:
        """Whether keys can be deleted."""
        return self._erasable and not self.read_only

    def is_listable(self) -> bool:
        """Whether keys can be listed."""
        return self._listable

    def check_writeable(self) -> None:
        """Raise ``ReadOnlyError`` if nothing may be written."""
        if not self.is_writeable():
            raise ReadOnlyError(f"store is read-only: {self!r}")

    def identity(self) -> str:
        """A name that is equal for stores that hold the same data in this process."""
        return f"object:{id(self)}"

    def token(self, key: str) -> bytes | None:
        """What differs when the value of a key has changed, whoever changed it.

        Caches of decoded chunks ask for it before each use. It is to cost less than reading the value.

        Returns
        -------
        bytes or None
            None where only the value can tell.
        """
        return None

    # the fast ways to the bytes; None: through the mapping

    def chunk_directory(self, prefix: str = "") -> tuple[str, str | None] | None:
        """Absolute local folder of the keys under ``prefix``, and the separator its layout forces, if any."""
        return None

    def local_directory(self, path: str = "") -> str | None:
        """Absolute local folder of what is under ``path``, whatever form it has there; None if there is none."""
        found = self.chunk_directory(path)
        return None if found is None else found[0]

    def as_dict(self) -> dict[str, Any] | None:
        """The plain dict of keys to bytes behind this store, if that is all there is."""
        return None

    def transfers(self) -> Any:
        """What chunks are moved through: a mapping whose ``getitems`` may give any buffers instead of bytes."""
        return self

    # ranges and bulk

    def get_partial(self, key: str, start: int, nbytes: int | None = None) -> bytes:
        """Part of a value, as ``value[start:][:nbytes]`` gives it.

        Parameters
        ----------
        key : str
            A key.
        start : int
            First byte; negative counts from the end.
        nbytes : int, optional
            How many bytes at most; all that follow if None.

        Returns
        -------
        bytes
            Shorter than ``nbytes`` where the value ends earlier.

        Raises
        ------
        KeyError
            There is no such key.
        """
        return _cut(self[key], start, nbytes)

    def get_partials(
        self, ranges: Sequence[Range], versions: MutableMapping[str, str] | None = None
    ) -> list[bytes | None]:
        """Parts of values, asked for together.

        Parameters
        ----------
        ranges : sequence of (key, start, nbytes)
            As for `get_partial`, in any order; a key may be there several times.
        versions : dict of str, optional
            Names of versions by key, of stores that have them; others leave it alone. Of a key that is in
            it, parts of that very version are given or none. The others get theirs, if all their parts
            are of one.

        Returns
        -------
        list of bytes or None
            One for each range; None where there is no such key, or not in that version.
        """
        return _get_partials_one_by_one(self, ranges)

    def getitems(self, keys: Iterable[str], *, contexts: Mapping[str, Any] | None = None) -> dict[str, bytes]:
        """The values of those of ``keys`` that are there."""
        return _getitems_one_by_one(self, keys)

    def setitems(self, values: Mapping[str, Any]) -> None:
        """Set several keys."""
        for key, value in values.items():
            self[key] = value

    def delitems(self, keys: Iterable[str]) -> None:
        """Delete those of ``keys`` that are there."""
        _delitems_one_by_one(self, keys)

    def clear(self) -> None:
        """Delete every key."""
        self.rmdir("")

    # structure

    def listdir(self, path: str = "") -> list[str]:
        """Sorted names of the keys and directories directly under ``path``; none if it is missing."""
        return _listdir_from_keys(self, path)

    def rmdir(self, path: str = "") -> None:
        """Delete every key under ``path``; a key named ``path`` itself stays."""
        _rmdir_from_keys(self, path)

    def rename(self, src_path: str, dst_path: str) -> None:
        """Move the key ``src_path`` and every key under it to ``dst_path``.

        Raises
        ------
        KeyError
            There is nothing at ``src_path``.
        FileExistsError
            There is something at ``dst_path``.
        """
        _rename_from_keys(self, src_path, dst_path)

    def getsize(self, path: str = "") -> int:
        """Bytes stored in the key ``path``, or else in the keys directly under it; 0 if there are none."""
        return _getsize_from_keys(self, path)

    def getsize_prefix(self, path: str = "") -> int:
        """Bytes stored in all keys under ``path``, at any depth."""
        return total_nbytes(self[key] for key in _keys_under(self, path))

    # life

    def flush(self) -> None:
        """Make sure that what was written has reached the place that holds it."""

    def close(self) -> None:
        """Give back what the store holds open."""

    def __enter__(self) -> Store:
        return self

    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None:
        self.close()

    # A Mapping would compare every value, and print nothing of use.

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} object at {id(self):#x}>"


BaseStore = Store


# keys, paths and values at the door


def is_key(key: object) -> bool:
    """Whether ``key`` can be a key at all."""
    return isinstance(key, str) and _BAD_KEY.search(key) is None


def check_key(key: object) -> None:
    """Refuse what cannot be a key.

    Raises
    ------
    TypeError
        It is not a string.
    ValueError
        It is empty or absolute, ends in a slash, has an empty, ``"."`` or
        ``".."`` segment, a backslash or a NUL.
    """
    if not isinstance(key, str):
        raise TypeError(f"a key is a str, not {type(key).__name__}: {key!r}")
    if _BAD_KEY.search(key) is not None:
        raise ValueError(
            f"invalid key {key!r}: a key is segments joined by '/', none of them empty, '.' or '..', "
            "without backslash or NUL"
        )


def normalize_storage_path(path: str | None) -> str:
    """A path without slashes at its ends or in a row; None is the root.

    >>> normalize_storage_path("/a//b/")
    'a/b'
    """
    if path is None:
        return ""
    if not isinstance(path, str):
        raise TypeError(f"a path is a str, not {type(path).__name__}: {path!r}")
    return _normal(path)


@lru_cache(4096)
def _normal(path: str) -> str:
    segments = [segment for segment in path.replace("\\", "/").split("/") if segment]
    if any(segment in (".", "..") for segment in segments):
        raise ValueError(f"path containing '.' or '..' segment not allowed: {path!r}")
    if "\0" in path:
        raise ValueError(f"path containing NUL not allowed: {path!r}")
    return "/".join(segments)


def normalize_value(value: Any) -> bytes | np.ndarray:
    """The bytes of a value: itself if it is ``bytes``, else its memory as a 1-d ``uint8`` array.

    Raises
    ------
    TypeError
        It is neither bytes-like nor an array of plain data.
    ValueError
        Its memory is not contiguous.
    """
    if type(value) is bytes:
        return value
    if isinstance(value, str):
        raise TypeError("a value is bytes, not str: encode it first")
    if isinstance(value, np.ndarray):
        return _array_bytes(value)
    try:
        view = memoryview(value)
    except TypeError:
        raise TypeError(f"a value is bytes-like, not {type(value).__name__}") from None
    return _array_bytes(np.asarray(view))


def total_nbytes(values: Iterable[Any]) -> int:
    """How many bytes values have together; -1 if one of them is not bytes-like: a mapping may hold anything."""
    try:
        return sum(len(normalize_value(value)) for value in values)
    except (TypeError, ValueError):
        return -1


def _array_bytes(array: np.ndarray) -> np.ndarray:
    if array.dtype.hasobject:
        raise TypeError("a value is bytes-like, not an array of objects")
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        raise ValueError("a value's memory must be contiguous")
    if array.nbytes == 0:
        return np.empty(0, np.uint8)
    return array.reshape(-1, order="A").view(np.uint8)


# what a store lets the kernels do


def own_mapping(store: Any) -> bool:
    """Whether reading and writing ``store`` by key runs zarrc's own methods only.

    A subclass that overrides them (to count, log, encrypt) is always to be asked
    through them, so its files or dict must not be used directly. What counts
    is where the code stands, which also finds wrapped and replaced methods.
    """
    cls = type(store)
    return cls is dict or _are_own(tuple(getattr(cls, name, None) for name in _MAPPING_METHODS))


@lru_cache(256)
def _are_own(methods: tuple[Any, ...]) -> bool:
    return all(
        type(method) is FunctionType and method.__globals__["__name__"].startswith("zarrc.storage")
        for method in methods
    )


def unless_overridden(method: Method) -> Method:
    """Decorate a store's better way to do something: it is taken where `own_mapping` says so, else that of `Store`."""
    plain = getattr(Store, method.__name__)

    @wraps(method)
    def chosen(self: Any, *args: Any, **options: Any) -> Any:
        return (method if own_mapping(self) else plain)(self, *args, **options)

    return chosen  # type: ignore[return-value]


def has_bulk(store: Any, bulk: str, single: str) -> bool:
    """Whether a store's method for many keys may be called instead of its method for one.

    Not where a subclass overrides the latter alone: it is always to be asked through it.

    Parameters
    ----------
    store : MutableMapping
    bulk, single : str
        Names of methods, such as ``"getitems"`` and ``"__getitem__"``.
    """
    for cls in type(store).__mro__:
        if bulk in vars(cls):
            return True
        if single in vars(cls):
            return False
    return False


def access(store: Any, prefix: str = "", writing: bool = False) -> tuple[Any, ...]:
    """How the keys under ``prefix`` are best reached.

    Parameters
    ----------
    store : MutableMapping
        Any store.
    prefix : str
        ``""``, or a path with a slash at its end.
    writing : bool
        Whether keys are to be written or deleted.

    Returns
    -------
    tuple
        One of ``("files", directory, separator, fsync)``: absolute local folder of those keys,
        the separator its layout forces or None, whether writes are synced to the disk;
        ``("dict", mapping, prefix)``: a plain dict of whole keys to bytes;
        ``("mapping", store, prefix)``: only ``store[prefix + key]``.

    Raises
    ------
    ReadOnlyError
        ``writing``, and the store is read-only.
    """
    if type(store) is dict:
        return ("dict", store, prefix)
    if not isinstance(store, Store):
        return ("mapping", store, prefix)
    if writing:
        store.check_writeable()
    if own_mapping(store):
        folder = store.chunk_directory(prefix)
        if folder is not None:
            return ("files", *folder, getattr(store, "durability", "rename") == "fsync")
        data = store.as_dict()
        if data is not None:
            return ("dict", data, prefix)
        return ("mapping", store.transfers(), prefix)
    return ("mapping", store, prefix)


def is_vacant(store: Any, path: str) -> bool:
    """Whether one look is enough to say that there are no keys under a normal path; False where it is not."""
    kind, *where = access(store, f"{path}/" if path else "")
    return kind == "files" and not os.path.lexists(where[0])


def new_token() -> bytes:
    """A token that this process has not had before."""
    return b"%d" % next(_serials)


def token_of(store: Any) -> Callable[[str], bytes | None] | None:
    """How the states of a store's values are told apart: the bytes for a key differ if its value has changed.

    Returns
    -------
    callable or None
        None where only the value can tell. No bytes for a key say that nobody but this process, through arrays
        and groups, is known to change it: that is all that can be said of stores behind a network.
    """
    if not isinstance(store, Store):
        return None
    if has_bulk(store, "token", "__getitem__"):
        return store.token
    if own_mapping(store) and not store.identity().startswith("object:"):
        return _without_bytes
    return None


def _tell_caches() -> None:
    """Have caches of decoded chunks forget those of stores that cannot tell by themselves that they were changed."""
    caches = sys.modules.get("zarrc.kernels.cache")
    if caches is not None:
        caches.forget_unproved()


def _without_bytes(key: str) -> bytes:
    return b""


def is_writeable(store: Any) -> bool:
    """Whether values can be written."""
    return bool(store.is_writeable()) if hasattr(store, "is_writeable") else True


def identity(store: Any) -> str:
    """A name that is equal for stores that hold the same data in this process."""
    method = getattr(store, "identity", None)
    return method() if method is not None else f"object:{id(store)}"


def location(store: Any) -> str:
    """Where a store is, as messages name it; empty if it has no name."""
    inner = getattr(store, "_mutable_mapping", store)
    found = getattr(inner, "url", None) or getattr(inner, "path", None)
    return found if isinstance(found, str) else ""


def naming(store: Any) -> str:
    """What messages call any store: where it is, or what it is; never what it holds."""
    kind = type(store)
    return (
        repr(location(store))
        if location(store)
        else f"<{kind.__module__}.{kind.__qualname__} object at {id(store):#x}>"
    )


def name_file(error: BaseException, path: str) -> None:
    """Have an error of the system that names no file name this one."""
    if isinstance(error, OSError) and error.filename is None:
        error.filename = path


def is_full(path: str) -> bool:
    """Whether next to no space is left on the disk where a file or folder is."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize < _LITTLE_NBYTES


def lock_name(store: Any, key: str) -> str:
    """What to lock while a key is changed: one name for it, through whichever store it is reached."""
    return f"{identity(store)}/{key}"


def dimension_separator(store: Any) -> str | None:
    """The separator of chunk keys that a store asks for, or None."""
    return getattr(store, "_dimension_separator", None)


def only_format(store: Any) -> int | None:
    """The one format that a store can hold, where it is a view of something else; or None."""
    return getattr(store, "only_format", None)


def as_shown(store: Any, document: bytes) -> bytes:
    """How a store that is a view will show a ``.zarray`` document once it has been stored there."""
    method = getattr(store, "as_shown", None)
    return document if method is None else method(document)


# the abilities, for any mapping


def listdir(store: Any, path: str | None = "") -> list[str]:
    """Sorted names of the keys and directories directly under ``path``; none if it is missing."""
    path = normalize_storage_path(path)
    if hasattr(store, "listdir"):
        return sorted(store.listdir(path))
    import warnings

    warnings.warn(
        f"Store of type {type(store).__name__} has no `listdir` method, so all of its keys are looked at; "
        "a class that inherits from zarrc.storage.Store has one",
        UserWarning,
        stacklevel=2,
    )
    return _listdir_from_keys(store, path)


def rmdir(store: Any, path: str | None = "") -> None:
    """Delete every key under ``path``."""
    path = normalize_storage_path(path)
    if hasattr(store, "rmdir"):
        store.rmdir(path)
    else:
        _rmdir_from_keys(store, path)
    _tell_caches()


def rename(store: Any, src_path: str, dst_path: str) -> None:
    """Move the key ``src_path`` and every key under it to ``dst_path``.

    Raises
    ------
    KeyError
        There is nothing at ``src_path``.
    FileExistsError
        There is something at ``dst_path``.
    """
    src_path, dst_path = normalize_storage_path(src_path), normalize_storage_path(dst_path)
    if hasattr(store, "rename"):
        store.rename(src_path, dst_path)
    else:
        _rename_from_keys(store, src_path, dst_path)
    _tell_caches()


def getsize(store: Any, path: str | None = "") -> int:
    """Bytes stored in the key ``path``, or else in the keys directly under it; -1 if that is unknown."""
    path = normalize_storage_path(path)
    if hasattr(store, "getsize"):
        return int(store.getsize(path))
    return _getsize_from_keys(store, path) if isinstance(store, MutableMapping) else -1


def getsize_prefix(store: Any, path: str | None = "") -> int:
    """Bytes stored in all keys under ``path``, at any depth; -1 if that is unknown."""
    path = normalize_storage_path(path)
    if hasattr(store, "getsize_prefix"):
        return int(store.getsize_prefix(path))
    if isinstance(store, MutableMapping):
        return total_nbytes(store[key] for key in _keys_under(store, path))
    return -1


def at_hand(store: Any, keys: Iterable[str]) -> Mapping[str, Any]:
    """A mapping that has of ``keys`` what the store has.

    Of a distant store they are asked for together. Any other store is such a mapping itself, which is asked
    only for those that turn out to be needed.
    """
    if not (isinstance(store, Store) and store.is_distant):
        return store
    wanted = list(keys)
    return store.getitems(wanted) if len(wanted) > 1 else store


def getitems(store: Any, keys: Iterable[str], contexts: Mapping[str, Any] | None = None) -> dict[str, bytes]:
    """The values of those of ``keys`` that are there."""
    if isinstance(store, Store):
        return store.getitems(keys, contexts=contexts or {})
    return _getitems_one_by_one(store, keys)


def setitems(store: Any, values: Mapping[str, Any]) -> None:
    """Set several keys."""
    if isinstance(store, Store):
        store.setitems(values)
    else:
        for key, value in values.items():
            store[key] = value
    _tell_caches()


def delitems(store: Any, keys: Iterable[str]) -> None:
    """Delete those of ``keys`` that are there."""
    if isinstance(store, Store):
        store.delitems(keys)
    else:
        _delitems_one_by_one(store, keys)
    _tell_caches()


def get_partial(store: Any, key: str, start: int, nbytes: int | None = None) -> bytes:
    """Part of a value, as ``value[start:][:nbytes]`` gives it (see `Store.get_partial`)."""
    if isinstance(store, Store):
        return store.get_partial(key, start, nbytes)
    return _cut(store[key], start, nbytes)


def get_partials(
    store: Any, ranges: Sequence[Range], versions: MutableMapping[str, str] | None = None
) -> list[bytes | None]:
    """Parts of values, asked for together (see `Store.get_partials`)."""
    if isinstance(store, Store):
        return store.get_partials(ranges, versions)
    return _get_partials_one_by_one(store, ranges)


def _get_partials_one_by_one(store: Any, ranges: Sequence[Range]) -> list[bytes | None]:
    parts: list[bytes | None] = []
    for key, start, nbytes in ranges:
        try:
            parts.append(get_partial(store, key, start, nbytes))
        except KeyError:
            parts.append(None)
    return parts


def _cut(value: Any, start: int, nbytes: int | None) -> bytes:
    view: Any = memoryview(normalize_value(value))[start:]  # type: ignore[arg-type]
    return bytes(view if nbytes is None else view[:nbytes])


def _getitems_one_by_one(store: Any, keys: Iterable[str]) -> dict[str, bytes]:
    found = {}
    for key in keys:
        with suppress(KeyError):
            found[key] = store[key]
    return found


def _delitems_one_by_one(store: Any, keys: Iterable[str]) -> None:
    for key in keys:
        with suppress(KeyError):
            del store[key]


def keys_under(store: Any, path: str | None = "") -> Iterator[str]:
    """The keys under ``path`` at any depth, relative to it, in no order."""
    path = normalize_storage_path(path)
    start = len(path) + 1 if path else 0
    for key in _keys_under(store, path):
        yield key[start:]


def _keys_under(store: Any, path: str) -> list[str]:
    """All keys under a directory, as a list that stays valid while keys are changed."""
    prefix = f"{path}/" if path else ""
    return [key for key in list(store) if key.startswith(prefix)]


def _listdir_from_keys(store: Any, path: str) -> list[str]:
    path = normalize_storage_path(path)
    start = len(path) + 1 if path else 0
    return sorted({key[start:].split("/", 1)[0] for key in _keys_under(store, path)})


def _rmdir_from_keys(store: Any, path: str) -> None:
    _delitems_one_by_one(store, _keys_under(store, normalize_storage_path(path)))


def _rename_from_keys(store: Any, src_path: str, dst_path: str) -> None:
    src_path, dst_path = normalize_storage_path(src_path), normalize_storage_path(dst_path)
    check_rename(src_path, dst_path)
    if src_path == dst_path:
        return
    moving = [key for key in list(store) if key == src_path or key.startswith(f"{src_path}/")]
    if not moving:
        raise KeyError(src_path)
    if dst_path in store or _keys_under(store, dst_path):
        raise FileExistsError(f"cannot rename {src_path!r}: there is something at {dst_path!r}")
    for key in moving:
        store[dst_path + key[len(src_path) :]] = store[key]
        del store[key]


def check_rename(src_path: str, dst_path: str) -> None:
    """Refuse to rename the root, or a path to one inside itself."""
    if not src_path or not dst_path or dst_path.startswith(f"{src_path}/"):
        raise ValueError(f"cannot rename {src_path!r} to {dst_path!r}")


def _getsize_from_keys(store: Any, path: str) -> int:
    path = normalize_storage_path(path)
    if path and path in store:
        return total_nbytes([store[path]])
    depth = path.count("/") + 1 if path else 0
    return total_nbytes(store[key] for key in _keys_under(store, path) if key.count("/") == depth)
