"""A store in any file system of the package fsspec: S3, Google Cloud Storage, Azure, HTTP, caches of these, …"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from zarrc.config import config
from zarrc.storage import fsspec_http
from zarrc.storage.base import Store, keys_under, normalize_storage_path, own_mapping
from zarrc.storage.fsspec_options import limit_retries, prepared
from zarrc.storage.remote import (
    RemoteStore,
    executor,
    finished,
    hidden,
    is_no_place,
    secrets_in,
)

_MISSING = (KeyError, FileNotFoundError, IsADirectoryError, NotADirectoryError)
_HTTP = {"http", "https"}
_S3 = {"s3", "s3a"}
_SUFFIXES = {
    "s3",
    "s3a",
    "gs",
    "gcs",
    "memory",
    "file",
    "local",
}  # where a negative start costs no question more
_cache_locks = tuple(threading.Lock() for _ in range(64))  # by key: a copy is made by one thread


class FSStore(RemoteStore):
    """Keys are files of a file system of fsspec.

    Safe to write in many threads and processes where the file system is.

    Parameters
    ----------
    url : str
        Where the keys are, such as ``"s3://bucket/data.zarr"`` or ``"simplecache::https://host/data.zarr"``;
        with ``fs``, a path in that file system.
    normalize_keys : bool
        Whether keys are taken in lower case.
    key_separator : {".", "/"}, optional
        Another name of ``dimension_separator``.
    mode : {"w", "r", …}
        ``"r"`` refuses writes.
    exceptions : tuple of exception types
        Those by which the file system says that there is no such key. Every other one is an error.
    dimension_separator : {".", "/"}, optional
        Separator of the chunk keys of format 2 arrays made in this store.
    fs : fsspec.AbstractFileSystem, optional
        A file system that is there already.
    check : bool
        Whether to write a file and to remove it again, to see if that is allowed.
    create : bool
        Whether to make the directory or bucket.
    missing_exceptions : tuple of exception types, optional
        Another name of ``exceptions``.
    **storage_options
        For the file system. Of a local one ``auto_mkdir`` is taken and has no effect: folders are made.

    Raises
    ------
    StoreError, StoreTimeoutError, StorePermissionError
        The server did not answer as it should; not the constructor, but what asks it.
    ValueError
        There is no such file system, or its package is not installed.

    Notes
    -----
    Many keys are asked for at a time where the file system is asynchronous, as those of clouds and HTTP are.
    Paths of the local file system are read and written as `DirectoryStore` does it.

    Where ``storage_options`` do not say it, requests to S3 fail after 15 seconds of silence, those by HTTP and to
    Google Cloud Storage after 60, and are tried again as the file system does it. ``config["async.timeout"]``
    limits a request with all that. User and password in a URL of HTTP become an option of the file system.

    Examples
    --------
    >>> store = FSStore("memory://shown")
    >>> store["a/b"] = b"12345"
    >>> store.get_partial("a/b", -2), store.listdir("a")
    (b'45', ['b'])
    """

    __module__ = "zarrc.storage"

    def __init__(
        self,
        url: str | os.PathLike[str],
        normalize_keys: bool = False,
        key_separator: str | None = None,
        mode: str = "w",
        exceptions: tuple[type[BaseException], ...] = _MISSING,
        dimension_separator: str | None = None,
        fs: Any = None,
        check: bool = False,
        create: bool = False,
        missing_exceptions: tuple[type[BaseException], ...] | None = None,
        **storage_options: Any,
    ) -> None:
        url = os.fspath(url)
        if fs is None:
            fs, path = _open_url(url, storage_options)
        elif storage_options:
            raise ValueError(
                f"{', '.join(storage_options)}: options are for a URL, and a file system is given"
            )
        else:
            fs, path = _blocking(fs), fs._strip_protocol(url)
        self.fs = fs
        self.path = path.rstrip("/") if path != "/" else path
        self.normalize_keys = normalize_keys
        self.key_separator = key_separator if dimension_separator is None else dimension_separator
        self.mode = mode
        self.exceptions = tuple(exceptions if missing_exceptions is None else missing_exceptions)
        self._open()
        if create or check:
            self._ask("", self._prepare, create, check)

    def _open(self) -> None:
        fs = self.fs
        self.read_only = self.mode == "r"
        self._dimension_separator = self.key_separator
        protocol = fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0]
        self._protocols = {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
        self.url = hidden(self.path if "://" in self.path else f"{protocol}://{self.path}")
        self._secrets = secrets_in({**fs.storage_options, "args": dict(enumerate(fs.storage_args))})
        self._process = os.getpid()
        self._is_asynchronous = type(fs).async_impl
        self._is_web = bool(self._protocols & _HTTP) and self._is_asynchronous
        self._is_cache = hasattr(type(fs), "_check_file")
        self._local: Store | None = None
        if self._protocols & {"file", "local"} and not self._is_cache:
            from zarrc.storage.local import DirectoryStore

            self._local = DirectoryStore(self.path, self.normalize_keys, read_only=self.read_only)
        self.is_distant = self._local is None

    def _prepare(self, create: bool, check: bool) -> None:
        if create:
            self.fs.makedirs(self.path, exist_ok=True)
        if check:
            self.check_writeable()
            probe = f"{self.path}/.zarrc-check"
            self.fs.pipe_file(probe, b"")
            self.fs.rm_file(probe)

    def __getstate__(self) -> dict[str, Any]:
        if hidden(self.path) != self.path:
            raise TypeError(
                "an FSStore with a password in its URL is not pickled, as the pickle would show it: "
                "give it to the file system instead"
            )
        names = ("fs", "path", "normalize_keys", "key_separator", "mode", "exceptions")
        return {name: getattr(self, name) for name in names} | {"retries": vars(self.fs).get("retries")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        retries = state.pop("retries")
        self.__dict__.update(state)
        if retries is not None:
            self.fs.retries = retries
        self._open()

    @property
    def map(self) -> Any:
        """The mapper that fsspec makes of the path."""
        return self.fs.get_mapper(self.path)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FSStore) and self.fs == other.fs and self.path == other.path

    def identity(self) -> str:
        if self._local is not None:
            return self._local.identity()
        return f"{self.url} {self.fs.__dask_tokenize__()}"

    def chunk_directory(self, prefix: str = "") -> tuple[str, str | None] | None:
        return None if self._local is None else self._local.chunk_directory(prefix)

    # how the file system is asked

    def _submit(self, act: Callable[..., Any], *args: Any) -> Future:
        if self._local is not None:
            return finished(getattr(_Local(self._local), act.__name__), *args)
        question = getattr(self, f"{act.__name__}_async")(*args)
        if self._process != os.getpid():
            self._after_fork()
        if self._is_asynchronous:
            from asyncio import run_coroutine_threadsafe

            return run_coroutine_threadsafe(_in_time(question, config.get("async.timeout")), self.fs.loop)
        if self._is_cache:
            return executor().submit(_run_locked, args[0], question)
        return finished(_run, question)

    def _after_fork(self) -> None:
        """Ask through a file system of this process: the other one's threads are not here."""
        retries = vars(self.fs).get("retries")
        self.fs = type(self.fs)(*self.fs.storage_args, **self.fs.storage_options)
        if retries is not None:
            self.fs.retries = retries
        self._process = os.getpid()

    async def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        if self._is_asynchronous:
            return await getattr(self.fs, f"_{name}")(*args, **kwargs)
        return getattr(self.fs, name)(*args, **kwargs)

    def _path(self, key: str) -> str:
        if self.normalize_keys:
            key = key.lower()
        return f"{self.path.rstrip('/')}/{key}" if key else self.path

    def _is_missing(self, error: BaseException) -> bool:
        return isinstance(error, self.exceptions) and not is_no_place(error)

    # single keys

    def _get(self, key: str, start: int = 0, nbytes: int | None = None, versions: Any = None) -> bytes:
        return self._submit(self._get, key, start, nbytes).result()

    _get_any = _get  # `_submit` goes by the name

    def _put(self, key: str, value: Any) -> None:
        self._submit(self._put, key, value).result()

    def _remove(self, key: str) -> None:
        self._submit(self._remove, key).result()

    def _discard(self, key: str) -> None:
        self._submit(self._discard, key).result()

    def _get_size(self, key: str) -> int:
        return self._submit(self._get_size, key).result()

    async def _get_async(
        self, key: str, start: int = 0, nbytes: int | None = None, versions: Any = None
    ) -> bytes:
        path = self._path(key)
        try:
            if self._is_web and nbytes != 0:
                return await fsspec_http.get(self.fs, path, start, nbytes)
            if start == 0 and nbytes is None:
                # one request, where s3fs would otherwise ask for the size first
                options = {"max_concurrency": 1} if self._protocols & _S3 else {}
                return bytes(await self._call("cat_file", path, **options))
            if nbytes == 0:
                await self._get_size_async(key)
                return b""
            return await self._get_part(key, start, nbytes)
        except BaseException as error:
            if not self._is_missing(error):
                raise
        raise KeyError(key)

    async def _get_part(self, key: str, start: int, nbytes: int | None) -> bytes:
        if start < 0 and not self._protocols & _SUFFIXES:
            start = max(0, await self._get_size_async(key) + start)
        end = None if start < 0 or nbytes is None else start + nbytes
        try:
            part = bytes(await self._call("cat_file", self._path(key), start=start, end=end))
        except Exception as error:
            # servers and file systems differ in how they say that there is no such part
            if self._is_missing(error) or start >= 0 > start - await self._get_size_async(key):
                raise
            return b""
        if start < 0:  # the last bytes, also of servers that gave the whole value
            part = part[start:]
            return part if nbytes is None else part[:nbytes]
        if nbytes is not None and len(part) > nbytes:
            raise OSError(f"{nbytes} bytes were asked for, and {len(part)} came: the server overlooks ranges")
        return part

    async def _put_async(self, key: str, value: Any) -> None:
        path, value = self._path(key), bytes(value)
        try:
            await self._call("pipe_file", path, value)
        except FileNotFoundError as error:
            if is_no_place(error):
                raise
            # a file system with directories, which have to be there first
            await self._call("makedirs", self.fs._parent(path), exist_ok=True)
            await self._call("pipe_file", path, value)
        finally:
            self._drop_copy(path)

    def _drop_copy(self, path: str) -> None:
        """Remove what a cache has of a file that has been written or deleted."""
        copy = self.fs._check_file(path) if self._is_cache else None
        if copy:
            with suppress(FileNotFoundError):
                os.remove(copy[1] if isinstance(copy, tuple) else copy)

    async def _remove_async(self, key: str) -> None:
        await self._get_size_async(key)
        await self._discard_async(key)

    async def _discard_async(self, key: str) -> None:
        try:
            await self._call("rm_file", self._path(key))
            self._drop_copy(self._path(key))
        except BaseException as error:
            if not self._is_missing(error):
                raise

    async def _get_size_async(self, key: str) -> int:
        path = self._path(key)
        self.fs.invalidate_cache(self.fs._parent(path))
        try:
            if self._is_web:
                return await fsspec_http.get_size(self.fs, path)
            info = await self._call("info", path)
        except BaseException as error:
            if not self._is_missing(error):
                raise
        else:
            if info.get("type", "file") == "file":
                return info.get("size") or 0
        raise KeyError(key)

    # structure

    def _list(self, path: str) -> list[tuple[str, int]]:
        return self._submit(self._list, path).result()

    async def _list_async(self, path: str) -> list[tuple[str, int]]:
        where = self._path(path)
        start = len(self._shown(self.path).rstrip("/")) + 1
        self.fs.invalidate_cache()
        try:
            found = await self._call("find", where, detail=True)
        except BaseException as error:
            if not self._is_no_listing(error):
                raise
            return []
        under = f"{self._shown(where).rstrip('/')}/"
        infos = found if isinstance(found, dict) else {}  # of a path that is a file, adlfs gives a list
        return [
            (name[start:], info.get("size") or 0)
            for name, info in ((self._shown(name), info) for name, info in infos.items())
            if name.startswith(under) and len(name) > len(under) and info.get("type", "file") == "file"
        ]

    def _is_no_listing(self, error: BaseException) -> bool:
        """Whether an exception says that there are no keys; of a web site it says nothing about them."""
        return self._is_missing(error) and not self._is_web

    def _shown(self, name: str) -> str:
        """The name of a file; the links of a web site have it in their own letters, and links that ask for an order."""
        return unquote(name.partition("?")[0]) if self._is_web else name

    def getsize(self, path: str = "") -> int:
        """As for every store; -1 for the folders of a web site."""
        if self._is_web and not (path and path in self):
            return -1
        return super().getsize(path)

    def getsize_prefix(self, path: str = "") -> int:
        """As for every store; -1 for a web site."""
        return -1 if self._is_web else super().getsize_prefix(path)

    def listdir(self, path: str = "") -> list[str]:
        path = normalize_storage_path(path)
        return self._ask(path, self._names, path)

    def rmdir(self, path: str = "") -> None:
        if self._local is not None and own_mapping(self):
            self._local.rmdir(path)
        else:
            super().rmdir(path)

    def rename(self, src_path: str, dst_path: str) -> None:
        if self._local is not None and own_mapping(self):
            self._local.rename(src_path, dst_path)
        else:
            super().rename(src_path, dst_path)

    def _names(self, path: str) -> list[str]:
        return self._submit(self._names, path).result()

    async def _names_async(self, path: str) -> list[str]:
        where = self._path(path)
        self.fs.invalidate_cache()
        try:
            found = await self._call("ls", where, detail=False)
        except BaseException as error:
            if not self._is_no_listing(error):
                raise
            return []
        under = f"{self._shown(where).rstrip('/')}/"
        shown = map(self._shown, found)
        names = {name.rstrip("/")[len(under) :] for name in shown if name.startswith(under)}
        return sorted(name for name in names if name and "/" not in name)


class _Local:
    """The questions of an `FSStore` to a folder of this machine."""

    def __init__(self, store: Store) -> None:
        self._put = store.__setitem__
        self._remove = store.__delitem__
        self._names = store.listdir
        self._store = store

    def _get(self, key: str, start: int = 0, nbytes: int | None = None, versions: Any = None) -> bytes:
        return self._store.get_partial(key, start, nbytes)

    def _discard(self, key: str) -> None:
        self._store.delitems([key])

    def _get_size(self, key: str) -> int:
        if key not in self._store:
            raise KeyError(key)
        return self._store.getsize(key)

    def _list(self, path: str) -> list[tuple[str, int]]:
        keys = [f"{path}/{key}" if path else key for key in keys_under(self._store, path)]
        return [(key, self._store.getsize(key)) for key in keys]


def _open_url(url: str, storage_options: Mapping[str, Any]) -> tuple[Any, str]:
    """The file system of a URL and the path in it."""
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise ValueError(
            f"cannot open {hidden(url)!r}: the package fsspec is not installed (pip install 'zarrc[fsspec]')"
        ) from None
    try:
        url, options = prepared(url, storage_options)
        if re.match(r"(?!.*::)(?:file://|(?!.*://))", url):
            options.pop("auto_mkdir", None)
        fs, path = url_to_fs(url, **options)
    except ImportError as error:
        raise ValueError(f"cannot open {hidden(url)!r}: {error}") from error
    fs = _blocking(fs)
    limit_retries(fs)
    return fs, path


def _blocking(fs: Any) -> Any:
    """A file system that may be asked from any thread; what is made for a loop of its user's is made anew."""
    if not getattr(fs, "asynchronous", False):
        return fs
    return type(fs)(*fs.storage_args, **{**fs.storage_options, "asynchronous": False})


async def _in_time(question: Coroutine[Any, Any, Any], seconds: float | None) -> Any:
    """What a coroutine returns, if that is not too late."""
    if seconds is None:
        return await question
    from asyncio import ensure_future, wait

    task = ensure_future(question)
    # a file system may take its time to notice that it is cancelled: nobody waits for that
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        done, _ = await wait({task}, timeout=seconds)
    finally:
        task.cancel()
    if not done:
        raise TimeoutError(f"no answer within {seconds} seconds")
    return task.result()


def _run(question: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that waits for nothing."""
    try:
        question.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("a file system that is not asynchronous waits")


def _run_locked(key: str, question: Coroutine[Any, Any, Any]) -> Any:
    """As `_run`, while no other thread does so with that key: one would read what the other is writing."""
    with _cache_locks[hash(key) % len(_cache_locks)]:
        return _run(question)


def of_mapper(mapper: Any) -> FSStore:
    """The store of a mapper of fsspec, such as ``s3fs.S3Map`` gives."""
    return FSStore(mapper.root, fs=mapper.fs, missing_exceptions=(KeyError, *mapper.missing_exceptions))
