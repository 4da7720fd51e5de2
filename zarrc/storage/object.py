"""A store in a cloud's object storage, through the package obstore."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from zarrc.storage.base import (
    is_key,
    normalize_storage_path,
    unless_overridden,
)
from zarrc.storage.remote import (
    RemoteStore,
    batched,
    hidden,
    is_no_place,
    secrets_in,
)

_LISTED_AT_ONCE = 1000  # objects that one answer of a listing has
_DELETED_AT_ONCE = 1000
_MULTIPART_NBYTES = 1 << 28  # values of more bytes are uploaded in parts
_MISSING = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
_NO_FILE = re.compile("Content-Length Header missing|Range request not supported")
_PLACES = {"S3Store": "s3", "GCSStore": "gs", "AzureStore": "az", "HTTPStore": "http", "LocalStore": "file"}


class ObjectStore(RemoteStore):
    """Keys are objects of S3, Google Cloud Storage, Azure, an HTTP server or a local folder: the fast road to clouds.

    Safe to write in many threads and processes.

    Parameters
    ----------
    store : obstore.store.ObjectStore or str
        What obstore has opened, or a URL for ``obstore.store.from_url``.
    prefix : str
        Of the keys in the store.
    read_only : bool
        Whether writes are refused.
    dimension_separator : {".", "/"}, optional
        Separator of the chunk keys of format 2 arrays made in this store.
    **options
        Of a URL: passed to ``obstore.store.from_url``, such as ``region``, ``endpoint``,
        ``client_options`` and ``retry_config``.

    Raises
    ------
    StoreError, StoreTimeoutError, StorePermissionError
        The server did not answer as it should; not the constructor, but what asks it.

    Notes
    -----
    A value that has been written is there whole or not at all. Requests are tried again as obstore's
    ``retry_config`` says: by default for three minutes, each for 30 seconds at most. Parts of values are
    those of one version where the server names versions (with ETags).

    Examples
    --------
    >>> from obstore.store import MemoryStore
    >>> store = ObjectStore(MemoryStore(), "experiment")
    >>> store["a/b"] = b"12345"
    >>> store.get_partial("a/b", -2), store.listdir("a")
    (b'45', ['b'])
    """

    __module__ = "zarrc.storage"

    def __init__(
        self,
        store: Any,
        prefix: str = "",
        *,
        read_only: bool = False,
        dimension_separator: str | None = None,
        **options: Any,
    ) -> None:
        if isinstance(store, str):
            from obstore.store import from_url

            if store.startswith("file://"):
                options = {"mkdir": True, "automatic_cleanup": True, **options}
            store = from_url(store, **options)
        elif options:
            raise TypeError(f"{', '.join(options)}: options are for a URL, and a store is given")
        self.store = store
        self.prefix = normalize_storage_path(prefix)
        self.read_only = read_only
        self._dimension_separator = dimension_separator
        self._open()

    def _open(self) -> None:
        self._root = f"{self.prefix}/" if self.prefix else ""
        self._is_azure = type(self.store).__name__ == "AzureStore"
        self._is_web = type(self.store).__name__ == "HTTPStore"
        self._keeps_buffers = type(self.store).__name__ == "MemoryStore"
        config = getattr(self.store, "config", None) or {}
        self._secrets = secrets_in(config)
        kind = type(self.store).__name__
        places = [config.get("bucket") or config.get("container") or getattr(self.store, "url", None)]
        places += [getattr(self.store, "prefix", None), self.prefix]
        path = "/".join(str(place).strip("/") for place in places if place)
        self.url = hidden(path if "://" in path else f"{_PLACES.get(kind, kind)}://{path}")
        where = [config.get(name) for name in ("endpoint", "region", "account_name")]
        self._identity = f"{self.url} {where}" if kind in _PLACES else f"{self.url} {id(self.store)}"

    def __getstate__(self) -> dict[str, Any]:
        return {
            name: getattr(self, name) for name in ("store", "prefix", "read_only", "_dimension_separator")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def identity(self) -> str:
        return self._identity

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectStore) and self._identity == other._identity

    # single keys

    def _get(self, key: str, start: int = 0, nbytes: int | None = None, versions: Any = None) -> bytes:
        return bytes(self._get_any(key, start, nbytes, versions))

    def _get_any(self, key: str, start: int = 0, nbytes: int | None = None, versions: Any = None) -> Any:
        if nbytes == 0:
            self._get_size(key)
            return b""
        if start < 0 and self._is_azure:
            return self._get_end(key, start, nbytes, versions)
        options: dict[str, Any] = {}
        if start or nbytes is not None:
            options["range"] = _range(start, nbytes)
        if versions:
            options["if_match"] = versions[key]
        try:
            value, meta = self._answer(key, options)
        except Exception as error:
            missing = _is_missing(error) or _is_other_version(error, options)
            if not (missing or self._is_page_of_folder(key, error)):
                return self._nothing(error, key, start, options)
        else:
            # a web site makes its names of versions of times in seconds: too coarse
            if versions is not None and not self._is_web:
                _keep_version(versions, key, meta)
            return value if start >= 0 or nbytes is None else bytes(memoryview(value)[:nbytes])
        raise KeyError(key)

    def _answer(self, key: str, options: dict[str, Any]) -> tuple[Any, Any]:
        """A value or part as obstore gives it, and what it says of the object."""
        import obstore

        result = obstore.get(self.store, self._root + key, options=options)  # type: ignore[arg-type]
        value = result.bytes()
        first, last = result.range
        if len(value) != last - first:
            raise OSError(f"{len(value)} bytes came, and {last - first} were announced")
        return value, result.meta

    def _get_end(self, key: str, start: int, nbytes: int | None, versions: Any) -> Any:
        """The end of a value, of a server that must be told where that begins."""
        while True:
            meta = self._head(key)
            known = dict(versions) if versions else {}
            known.setdefault(key, meta["e_tag"])
            first = max(0, meta["size"] + start)
            if first == meta["size"]:
                return b""
            try:
                part = self._get_any(key, first, nbytes, known)
            except KeyError:
                if versions:
                    raise
                continue  # it has been changed in between
            if versions is not None:
                versions.update(known)
            return part

    def _nothing(self, error: Exception, key: str, start: int, options: dict[str, Any]) -> bytes:
        """What a request that failed means: a part after the value's end, or an error."""
        if "range" in options and type(error).__name__ in ("GenericError", "ValueError", "OSError"):
            # each server says in its own way that there is no such part
            nbytes = self._get_size(key)
            if start >= nbytes or nbytes == 0:
                return b""
        raise error

    def _put(self, key: str, value: Any) -> None:
        import obstore

        if self._keeps_buffers:
            value = bytes(value)
        multipart = len(value) > _MULTIPART_NBYTES
        obstore.put(self.store, self._root + key, value, use_multipart=multipart)

    def _remove(self, key: str) -> None:
        self._get_size(key)
        self._discard(key)

    def _discard(self, key: str) -> None:
        import obstore

        try:
            obstore.delete(self.store, self._root + key)
        except _MISSING as error:
            if is_no_place(error):
                raise

    def _get_size(self, key: str) -> int:
        return self._head(key)["size"]

    def _head(self, key: str) -> Any:
        import obstore

        try:
            return obstore.head(self.store, self._root + key)
        except Exception as error:
            if not (_is_missing(error) or self._is_page_of_folder(key, error)):
                raise
        raise KeyError(key)

    def _is_page_of_folder(self, key: str, error: Exception) -> bool:
        """Whether a web site gave the page that shows a folder, which has neither a length nor parts, for a key."""
        if not (self._is_web and _NO_FILE.search(str(error))):
            return False
        objects, folders = self._folder(key)
        return bool(objects or folders)

    # many

    @unless_overridden
    def delitems(self, keys: Iterable[str]) -> None:
        self.check_writeable()
        import obstore

        for batch in batched([key for key in keys if is_key(key)], _DELETED_AT_ONCE):
            try:
                obstore.delete(self.store, [self._root + key for key in batch])
                continue
            except Exception:
                pass  # it does not say which are gone, and asking once more does no harm
            super().delitems(batch)

    # structure

    def _under(self, path: str) -> str:
        return f"{self._root}{path}".rstrip("/")

    def _list(self, path: str) -> Iterator[tuple[str, int]]:
        import obstore

        if self._is_web:
            yield from self._list_folders(path)
            return
        start = len(self._root)
        try:
            for objects in obstore.list(self.store, self._under(path) or None, chunk_size=_LISTED_AT_ONCE):
                for each in objects:
                    yield each["path"][start:], each["size"]
        except Exception as error:
            if not _is_no_folder(error):
                raise

    def listdir(self, path: str = "") -> list[str]:
        path = normalize_storage_path(path)
        return self._ask(path, self._names, path)

    def _list_folders(self, path: str) -> Iterator[tuple[str, int]]:
        """All keys under a path, asked for folder by folder: few web sites list all at once."""
        objects, folders = self._folder(path)
        prefix = f"{path}/" if path else ""
        for name, nbytes in objects.items():
            yield prefix + name, nbytes
        for name in folders:
            yield from self._list_folders(prefix + name)

    def _names(self, path: str) -> list[str]:
        objects, folders = self._folder(path)
        return sorted({*objects, *folders})

    def _folder(self, path: str) -> tuple[dict[str, int], list[str]]:
        """Names and sizes of the objects directly under a path, and the names of folders there."""
        import obstore

        under = self._under(path)
        try:
            found = obstore.list_with_delimiter(self.store, under or None)
        except Exception as error:
            if not _is_no_folder(error):
                raise
            return {}, []
        start = len(under) + 1 if under else 0
        if self._is_web:  # obstore gives paths on the whole site, and the folder itself
            site = urlsplit(self.store.url).path.strip("/")
            start += len(site) + 1 if site else 0
        objects = {each["path"][start:]: each["size"] for each in found["objects"]}
        folders = [each.rstrip("/")[start:] for each in found["common_prefixes"]]
        objects.pop("", None)
        return objects, [name for name in folders if name]


def _range(start: int, nbytes: int | None) -> Any:
    if start < 0:
        return {"suffix": -start}
    return {"offset": start} if nbytes is None else (start, start + nbytes)


def _keep_version(versions: MutableMapping[str, str], key: str, meta: Any) -> None:
    """Note the name of the version that was read, if it is one that a server will compare."""
    tag = meta.get("e_tag")
    if tag and not tag.startswith("W/"):
        versions[key] = tag


def _is_missing(error: Exception) -> bool:
    if isinstance(error, _MISSING):
        return not is_no_place(error)
    return _is_no_folder(error)


def _is_no_folder(error: Exception) -> bool:
    """Whether a local file was taken for a folder."""
    return "LocalFileSystem" in str(error) and "Not a directory" in str(error)


def _is_other_version(error: Exception, options: dict[str, Any]) -> bool:
    return "if_match" in options and type(error).__name__ == "PreconditionError"
