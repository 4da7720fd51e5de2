"""What users give as a store, and the store that it becomes: a path or URL by how it looks."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from zarrc.config import config
from zarrc.errors import PathNotFoundError
from zarrc.storage.base import METADATA_KEYS, TEMPORARY_PREFIX, Store, normalize_storage_path

Options = Mapping[str, Any]


def _local(location: str, mode: str, options: Options) -> Store:
    from zarrc.storage.local import DirectoryStore

    return DirectoryStore(location)


def _file_url(location: str, mode: str, options: Options) -> Store:
    from urllib.parse import unquote, urlsplit

    return _local(unquote(urlsplit(location).path), mode, options)


def _memory_url(location: str, mode: str, options: Options) -> Store:
    from zarrc.storage.memory import MemoryStore

    return MemoryStore.named(location.removeprefix("memory://").strip("/"))


def _url(location: str, mode: str, options: Options) -> Store:
    from zarrc.storage.fsspec import FSStore

    return FSStore(location, mode="r" if mode == "r" else "w", **options)


def _n5_url(location: str, mode: str, options: Options) -> Store:
    from zarrc.n5 import N5FSStore

    return N5FSStore(location, mode="r" if mode == "r" else "w", **options)


def _n5(location: str, mode: str, options: Options) -> Store:
    from zarrc.n5 import N5Store

    return N5Store(location)


def _zip(location: str, mode: str, options: Options) -> Store:
    from zarrc.storage.zip import ZipStore

    _check_there(location, mode)
    # What is to be replaced is deleted by whoever asks for it; there may be more in the archive.
    return ZipStore(location, mode=mode if mode in ("r", "r+") else "a")


def _lmdb(location: str, mode: str, options: Options) -> Store:
    from zarrc.storage.lmdb import LMDBStore

    _check_there(location, mode)
    return LMDBStore(location, read_only=mode == "r")


def _sqlite(location: str, mode: str, options: Options) -> Store:
    from zarrc.storage.sqlite import SQLiteStore

    _check_there(location, mode)
    return SQLiteStore(location, read_only=mode == "r")


def _check_there(location: str, mode: str) -> None:
    """Raise FileNotFoundError if a mode only opens what exists, and it does not."""
    if mode in ("r", "r+") and not os.path.lexists(location):
        raise PathNotFoundError(location)


# how a path or URL says which store it wants; the first row that fits is taken
_OPENERS: tuple[tuple[re.Pattern[str], Callable[[str, str, Options], Store]], ...] = (
    (re.compile(r"file://"), _file_url),
    (re.compile(r"memory://"), _memory_url),
    (re.compile(r".*(://|::).*\.n5/?$"), _n5_url),
    (re.compile(r".*(://|::)"), _url),
    (re.compile(r".*\.zip$"), _zip),
    (re.compile(r".*\.n5$"), _n5),
    (re.compile(r".*\.l?mdb$"), _lmdb),
    (re.compile(r".*\.(sqlite|sqldb)$"), _sqlite),
    (re.compile(r""), _local),
)


def is_url(location: object) -> bool:
    """Whether a location is a URL rather than a local path."""
    return isinstance(location, str) and ("://" in location or "::" in location)


_LIKE_A_MAPPING = ("__getitem__", "__setitem__", "__delitem__", "__contains__", "__iter__", "keys")


def _is_mapping(arg: Any) -> bool:
    """Say whether something works as a mutable mapping, though it may not be registered as one."""
    return isinstance(arg, MutableMapping) or all(hasattr(type(arg), name) for name in _LIKE_A_MAPPING)


def normalize_store(arg: Any, mode: str = "a", storage_options: Mapping[str, Any] | None = None) -> Store:
    """The store that a user means.

    Parameters
    ----------
    arg : Store, MutableMapping, str, os.PathLike or None
        A store is taken as it is, another mapping is wrapped; a path or URL opens
        the store that it names; None makes one over a new dict. Mappers of fsspec and stores
        of obstore are taken too.
    mode : {"a", "r", "r+", "w", "w-", "x"}
        What it is opened for.
    storage_options : mapping, optional
        Passed to the file system of a URL.

    Raises
    ------
    TypeError
        It cannot be a store.
    ValueError
        The store that a path or URL names is not available, or ``storage_options`` are of no use to it.
    """
    if storage_options and not is_url(arg):
        raise ValueError("storage_options are for URLs only")
    if isinstance(arg, Store):
        return arg
    if isinstance(arg, (str, os.PathLike)):
        return _open_location(arg, mode, storage_options or {})
    if type(arg).__module__.startswith(("fsspec.mapping", "obstore.store", "_obstore")):
        return _of_client(arg)
    if arg is None or _is_mapping(arg):
        from zarrc.storage.memory import KVStore

        return KVStore({} if arg is None else arg)
    kind = type(arg).__name__
    raise TypeError(f"a store is a path, a URL or a MutableMapping of str to bytes, not {kind}: {arg!r}")


def _of_client(arg: Any) -> Store:
    """The store of a mapper of fsspec, or of a store of obstore."""
    if type(arg).__module__.startswith("fsspec"):
        from zarrc.storage.fsspec import of_mapper

        return of_mapper(arg)
    from zarrc.storage.object import ObjectStore

    return ObjectStore(arg)


def _open_location(arg: str | os.PathLike[str], mode: str, options: Options) -> Store:
    location = os.fspath(arg)
    if not isinstance(location, str):
        raise TypeError(f"a path is a str, not {type(location).__name__}: {location!r}")
    if not location:
        raise ValueError("an empty path names no store")
    for pattern, opener in _OPENERS:
        if pattern.match(location):
            return opener(location, mode, options)
    raise AssertionError("the last row fits everything")


def refuse_foreign(store: Any, path: str | None = "") -> None:
    """Refuse to wipe a local directory that is not Zarr's.

    To be called before everything under ``path`` is deleted to make room. A
    directory is Zarr's if it, or the root of the store, holds a metadata document
    of Zarr or N5; one without any file is nobody's. Stores that are not local are not looked at.

    Raises
    ------
    FileExistsError
        The directory holds something else.
    """
    if not isinstance(store, Store) or config.get("storage.overwrite_foreign"):
        return
    root, folder = store.local_directory(""), store.local_directory(normalize_storage_path(path))
    if root is None or folder is None:
        return
    if _has_metadata(folder) or _has_metadata(root):
        return
    stranger = next(_files_in(folder), None)
    if stranger is not None:
        raise FileExistsError(
            f"refusing to overwrite the directory {folder!r}: it has no Zarr or N5 metadata "
            f"but holds other files, such as {stranger!r}. Remove it first, or allow it with "
            "zarrc.config.set({'storage.overwrite_foreign': True})"
        )


def _has_metadata(directory: str) -> bool:
    return any(os.path.lexists(os.path.join(directory, name)) for name in METADATA_KEYS)


def _files_in(directory: str) -> Iterator[str]:
    for top, _, names in os.walk(directory):
        for name in names:
            if not name.startswith(TEMPORARY_PREFIX):
                yield os.path.relpath(os.path.join(top, name), directory)
