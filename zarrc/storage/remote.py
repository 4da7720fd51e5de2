"""What stores on servers share: many requests at a time, and errors that say what happened.

A request that fails raises a `zarrc.errors.StoreError` that names the URL and the key; only an answer
that there is no such key counts as missing. Requests are tried again by the client libraries, in
their own ways; here they are not. How many are under way at a time is ``config["async.concurrency"]``.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

from zarrc.config import config
from zarrc.errors import PartialWriteError, StoreError, StorePermissionError, StoreTimeoutError
from zarrc.storage.base import (
    METADATA_KEYS,
    Range,
    Store,
    check_key,
    check_rename,
    is_key,
    normalize_storage_path,
    normalize_value,
    unless_overridden,
)
from zarrc.storage.requests import Requests

T = TypeVar("T")

SECONDS = 60.0  # until an unanswered request fails, with clients that would wait for ever

_SECRET = re.compile(
    r"key|secret|token|password|passwd|sas|credential|connection_?string|signature|authorization", re.I
)
_USER_IN_URL = re.compile(r"(\w://)[^/\s@'\"]*@")
_QUERY_IN_URL = re.compile(r"(://[^\s?'\"<>]+)\?[^\s'\"<>]+")
_REFUSED = re.compile(r"\b(?:401|403|forbidden|unauthori[sz]ed|access ?denied|permission ?denied)\b", re.I)
_NO_PLACE = re.compile(r"NoSuchBucket|ContainerNotFound|(?:bucket|container) does ?n[o']t exist", re.I)
_LONGEST = 400  # characters of a client's message that are passed on
_DOCUMENTS_AT_ONCE = 4096
_SHOWN = 5  # keys that a message about many of them names


class RemoteStore(Store):
    """Base class of stores on servers.

    A subclass defines `_get`, `_put`, `_remove` and `_list`, which ask the client library
    for one thing each and may be called in several threads at a time, and sets `url`.
    They raise KeyError where there is no such key, and whatever else the client raises.

    Attributes
    ----------
    url : str
        Where the store is, without credentials: for messages.
    """

    url: str
    is_distant = True
    _secrets: tuple[str, ...] = ()

    # what a subclass defines

    def _get(self, key: str, start: int = 0, nbytes: int | None = None, versions: Any = None) -> bytes:
        """A value or a part of it; ``versions`` as for `get_partials`, a KeyError where that version is gone."""
        raise NotImplementedError

    def _get_any(self, key: str, start: int = 0, nbytes: int | None = None, versions: Any = None) -> Any:
        """As `_get`, in any kind of memory."""
        return self._get(key, start, nbytes, versions)

    def _put(self, key: str, value: Any) -> None:
        raise NotImplementedError

    def _remove(self, key: str) -> None:
        raise NotImplementedError

    def _discard(self, key: str) -> None:
        """Delete a key that may be missing."""
        with suppress(KeyError):
            self._remove(key)

    def _list(self, path: str) -> Iterable[tuple[str, int]]:
        """All keys under a path and their sizes."""
        raise NotImplementedError

    def _keys(self, path: str) -> list[str]:
        """All keys under a path; to be defined where they are found with less than their sizes take."""
        return [key for key, _ in self._list(path)]

    def _submit(self, act: Callable[..., Any], *args: Any) -> Future:
        """Begin a request."""
        return executor().submit(act, *args)

    # errors

    def _ask(self, key: str, act: Callable[..., T], *args: Any) -> T:
        """Make a request; what its client raises becomes an error that says what was asked."""
        try:
            return act(*args)
        except Exception as error:
            failure = self._explained(error, key)
        raise failure

    def _explained(self, error: Exception, key: str) -> Exception:
        """The exception to be raised for what a client raised."""
        if isinstance(error, KeyError | StoreError | TypeError | ValueError | MemoryError):
            return KeyError(key) if isinstance(error, KeyError) else error
        text = hidden(_short(str(error)), self._secrets)
        message = f"{self.url}: {key!r}: {type(error).__name__}: {text}"
        failure = _kind(error)(message, self.url, key)
        if _is_clean(error, self._secrets):
            failure.__cause__ = error
        return failure

    # the mapping

    def __getitem__(self, key: str) -> bytes:
        check_key(key)
        return self._ask(key, self._get, key)

    def __setitem__(self, key: str, value: Any) -> None:
        check_key(key)
        value = normalize_value(value)
        self.check_writeable()
        self._ask(key, self._put, key, value)

    def __delitem__(self, key: str) -> None:
        check_key(key)
        self.check_writeable()
        self._ask(key, self._remove, key)

    def __contains__(self, key: object) -> bool:
        if not is_key(key):
            return False
        try:
            self._ask(str(key), self._get_size, key)
        except KeyError:
            return False
        return True

    def _get_size(self, key: str) -> int:
        """Bytes of a value; KeyError if there is none."""
        return len(self._get(key))

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys_under(""))

    def __len__(self) -> int:
        return len(self._keys_under(""))

    def _keys_under(self, path: str) -> list[str]:
        path = normalize_storage_path(path)
        return self._ask(path, self._keys, path)

    def _listed(self, path: str) -> list[tuple[str, int]]:
        path = normalize_storage_path(path)
        return self._ask(path, lambda: list(self._list(path)))

    # ranges and bulk

    @unless_overridden
    def get_partial(self, key: str, start: int, nbytes: int | None = None) -> bytes:
        check_key(key)
        return self._ask(key, self._get, key, start, nbytes)

    @unless_overridden
    def get_partials(
        self, ranges: Sequence[Range], versions: MutableMapping[str, str] | None = None
    ) -> list[bytes | None]:
        for key, _, _ in ranges:
            check_key(key)
        parts: list[bytes | None] = []
        found: list[dict[str, str]] = []
        given = {} if versions is None else dict(versions)
        for key, _, _ in ranges:
            found.append({key: given[key]} if key in given else {})
        asked = (
            (key, start, nbytes, None if versions is None else each)
            for (key, start, nbytes), each in zip(ranges, found, strict=True)
        )
        for part in self._answers(self._get, asked):
            parts.append(part)
        if versions is not None:
            _merge_versions(versions, found, parts)
        return parts

    @unless_overridden
    def getitems(self, keys: Iterable[str], *, contexts: Mapping[str, Any] | None = None) -> dict[str, bytes]:
        keys = list(keys)
        for key in keys:
            check_key(key)
        values = self._answers(self._get, ((key,) for key in keys))
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

    def transfers(self) -> Any:
        return Streams(self) if _has_own_bulk(self) else self

    def requests(self) -> Requests:
        """What a transfer asks for values, and stores them, many at a time."""
        return Requests(self, concurrency())

    @unless_overridden
    def setitems(self, values: Mapping[str, Any]) -> None:
        """Set several keys, many at a time.

        Raises
        ------
        PartialWriteError
            Some were stored and others were not.
        """
        for key in values:
            check_key(key)
        rows = [(key, normalize_value(value)) for key, value in values.items()]
        self.check_writeable()
        if len(rows) == 1:
            self._ask(rows[0][0], self._put, *rows[0])
            return
        self._all_of("written", self._put, rows)

    @unless_overridden
    def delitems(self, keys: Iterable[str]) -> None:
        """Delete those of ``keys`` that are there, many at a time.

        Raises
        ------
        PartialWriteError
            Some were deleted and others were not.
        """
        self.check_writeable()
        self._all_of("deleted", self._discard, [(key,) for key in keys if is_key(key)])

    def _answers(self, act: Callable[..., Any], rows: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Make many requests; answers in order, None where there is no such key. The first failure is raised."""
        for answers in Window(lambda row: self._submit(act, *row), rows, concurrency()):
            for row, future in answers:
                yield self._value(future, row[0])

    def _value(self, future: Future, key: str) -> Any:
        try:
            return self._ask(key, future.result)
        except KeyError:
            return None

    def _all_of(self, done_is: str, act: Callable[..., Any], rows: list[tuple[Any, ...]]) -> None:
        """Make many requests, all of them whatever fails, and tell which did."""
        done, failures = [], {}
        for answers in Window(lambda row: self._submit(act, *row), rows, concurrency()):
            for row, future in answers:
                try:
                    self._value(future, row[0])
                except (CancelledError, KeyboardInterrupt):
                    raise
                except Exception as error:
                    failures[row[0]] = error
                else:
                    done.append(row[0])
        if failures:
            raise partial_failure(self.url, done_is, done, failures)

    def _in_batches(
        self, done_is: str, batches: Iterable[Sequence[Any]], act: Callable[..., dict[str, Exception]]
    ) -> None:
        """Do something with many keys, a message for each batch of rows, whose first items they are.

        `act` returns what went wrong with which. All batches are tried whatever fails.
        """
        done: list[str] = []
        failures: dict[str, Exception] = {}
        for batch in batches:
            keys = [row[0] for row in batch]
            try:
                failed = self._ask(keys[0], act, batch)
            except OSError as error:
                failures.update(dict.fromkeys(keys, error))
                continue
            failures.update({key: self._explained(error, key) for key, error in failed.items()})
            done += [key for key in keys if key not in failed]
        if failures:
            raise partial_failure(self.url, done_is, done, failures)

    # structure

    def listdir(self, path: str = "") -> list[str]:
        path = normalize_storage_path(path)
        start = len(path) + 1 if path else 0
        return sorted({key[start:].partition("/")[0] for key in self._keys_under(path)})

    @unless_overridden
    def rmdir(self, path: str = "") -> None:
        self.check_writeable()
        self.delitems(self._keys_under(path))

    @unless_overridden
    def rename(self, src_path: str, dst_path: str) -> None:
        """Copy the keys and delete the old ones; not at one moment."""
        self.check_writeable()
        src_path, dst_path = normalize_storage_path(src_path), normalize_storage_path(dst_path)
        check_rename(src_path, dst_path)
        if src_path == dst_path:
            return
        moving = self._keys_under(src_path) + ([src_path] if src_path in self else [])
        if not moving:
            raise KeyError(src_path)
        if dst_path in self or self._keys_under(dst_path):
            raise FileExistsError(f"cannot rename {src_path!r}: there is something at {dst_path!r}")
        for batch in batched(moving, concurrency()):
            self.setitems({dst_path + k[len(src_path) :]: v for k, v in self.getitems(batch).items()})
        self.delitems(moving)

    def getsize(self, path: str = "") -> int:
        path = normalize_storage_path(path)
        if path:
            try:
                return self._ask(path, self._get_size, path)
            except KeyError:
                pass
        depth = path.count("/") + 1 if path else 0
        return sum(nbytes for key, nbytes in self._listed(path) if key.count("/") == depth)

    def getsize_prefix(self, path: str = "") -> int:
        return sum(nbytes for _, nbytes in self._listed(path))

    def identity(self) -> str:
        return self.url

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.url == other.url

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} {self.url!r}>"


class Streams:
    """A store on a server as chunks are moved through it: by many requests at a time."""

    def __init__(self, store: RemoteStore) -> None:
        self._store = store
        self.requests = store.requests

    def __getitem__(self, key: str) -> Any:
        return self._store[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._store[key] = value

    def __delitem__(self, key: str) -> None:
        del self._store[key]


def _has_own_bulk(store: RemoteStore) -> bool:
    """Whether the methods for many keys are zarrc's own; a subclass that overrides them is asked through them."""
    methods = (getattr(type(store), name) for name in ("getitems", "setitems", "get_partials"))
    return all(getattr(method, "__module__", "").startswith("zarrc.storage") for method in methods)


# ------------------------------------------------------- many at a time


class Window:
    """Requests of which a few are under way at any time, in order.

    Iterating gives lists of (row, future): those at the front that are done, one at least.
    """

    def __init__(self, begin: Callable[[Any], Future], rows: Iterable[Any], width: int) -> None:
        self._begin = begin
        self._rows = iter(rows)
        self._width = max(1, width)

    def __iter__(self) -> Iterator[list[tuple[Any, Future]]]:
        under_way: deque[tuple[Any, Future]] = deque()
        try:
            while True:
                for row in islice(self._rows, self._width - len(under_way)):
                    under_way.append((row, self._begin(row)))
                if not under_way:
                    return
                _wait(under_way[0][1])
                ready = []
                while under_way and under_way[0][1].done():
                    ready.append(under_way.popleft())
                yield ready
        finally:
            for _, future in under_way:
                future.cancel()


def _wait(future: Future) -> None:
    """Wait for a future; its exception is raised later, by who looks at its result."""
    future.exception()


def concurrency() -> int:
    """How many requests may be under way at a time."""
    return max(1, int(config.get("async.concurrency")))


def at_once(keys: Sequence[str]) -> int:
    """How many values one message may ask for: many where they are documents, which are short."""
    if all(key.rpartition("/")[2] in METADATA_KEYS for key in keys):
        return _DOCUMENTS_AT_ONCE
    return concurrency()


def batched(items: Sequence[T], n: int) -> Iterator[Sequence[T]]:
    """Consecutive parts of a sequence, of ``n`` items each but the last."""
    for start in range(0, len(items), n):
        yield items[start : start + n]


class _Executor:
    """The threads that wait for answers: of this process, and as many as may be needed."""

    process = -1
    threads = 0
    pool: ThreadPoolExecutor

    def get(self) -> ThreadPoolExecutor:
        wanted = concurrency()
        if self.process != os.getpid() or self.threads < wanted:
            self.pool = ThreadPoolExecutor(wanted, "zarrc-requests")
            self.process, self.threads = os.getpid(), wanted
        return self.pool


_executor = _Executor()


def executor() -> ThreadPoolExecutor:
    """Threads that make requests with clients that block."""
    return _executor.get()


def finished(act: Callable[..., Any], *args: Any) -> Future:
    """A future of what is done right now, by the calling thread."""
    future: Future = Future()
    try:
        future.set_result(act(*args))
    except Exception as error:
        future.set_exception(error)
    return future


def _merge_versions(
    versions: MutableMapping[str, str], found: Sequence[Mapping[str, str]], parts: Sequence[bytes | None]
) -> None:
    """Add the versions of which parts were read to those that were asked for.

    Of a key whose parts are of different versions, none is named.
    """
    new: dict[str, str] = {}
    torn = set()
    for each, part in zip(found, parts, strict=True):
        for key, version in each.items():
            if key in versions or part is None:
                continue
            if new.setdefault(key, version) != version:
                torn.add(key)
    versions.update({key: version for key, version in new.items() if key not in torn})


# --------------------------------------------------------------- errors


def partial_failure(
    url: str, done_is: str, done: Sequence[str], failures: Mapping[str, Exception]
) -> PartialWriteError:
    """The error for requests of which some failed."""
    first = next(iter(failures.values()))
    message = (
        f"{url}: of {len(done) + len(failures)} keys {len(done)} were {done_is} ({_some(done)}) "
        f"and {len(failures)} were not ({_some(list(failures))}): {first}"
    )
    failure = PartialWriteError(message, url, done, list(failures))
    failure.__cause__ = first
    return failure


def _some(keys: Sequence[str]) -> str:
    shown = ", ".join(repr(key) for key in keys[:_SHOWN])
    return (f"{shown}, …" if len(keys) > _SHOWN else shown) or "none"


def _short(text: str) -> str:
    """The first paragraph of a message, on one line."""
    line = " ".join(text.split("\n\n", 1)[0].split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def is_no_place(error: BaseException) -> bool:
    """Whether an answer that something is not there means the bucket or container, not the key."""
    return _NO_PLACE.search(f"{error} {error.__cause__ or ''}") is not None


def _kind(error: BaseException) -> type[StoreError]:
    """The kind of error that a client's exception is."""
    name, status = type(error).__name__, status_of(error)
    if isinstance(error, PermissionError) or status in (401, 403):
        return StorePermissionError
    if isinstance(error, TimeoutError) or "timeout" in name.lower() or "timed out" in str(error).lower():
        return StoreTimeoutError
    if re.search(r"auth|permission|forbidden", name, re.I) or (
        status is None and _REFUSED.search(str(error)) is not None
    ):
        return StorePermissionError
    return StoreError


def status_of(error: BaseException) -> int | None:
    """The HTTP status in a client's exception, where it tells one."""
    for name in ("status", "status_code", "code"):
        value = getattr(error, name, None)
        if isinstance(value, int):
            return value
        if isinstance(value, str) and value.isdecimal():
            return int(value)
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return status if isinstance(status, int) else None
    return None


def secrets_in(options: Any) -> tuple[str, ...]:
    """The texts in options of a client that are not to be seen."""
    found: list[str] = []

    def look(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for inner, each in value.items():
                look(str(inner), each)
        elif isinstance(value, str | bytes) and _SECRET.search(name) and len(value) > 3:
            found.append(value if isinstance(value, str) else value.decode(errors="replace"))

    look("", options)
    return tuple(sorted(found, key=len, reverse=True))


def hidden(text: str, secrets: Iterable[str] = ()) -> str:
    """A text without credentials: neither those, nor users and queries in URLs.

    >>> hidden("GET https://me:word@host/a?sig=abc failed, word", ["word"])
    'GET https://***@host/a?*** failed, ***'
    """
    text = _QUERY_IN_URL.sub(r"\1?***", _USER_IN_URL.sub(r"\1***@", text))
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _is_clean(error: BaseException | None, secrets: Sequence[str]) -> bool:
    """Whether a traceback that shows an exception and those before it shows no credentials."""
    seen = set()
    waiting = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        if any(hidden(text, secrets) != text for text in (str(each), repr(each))):
            return False
        waiting += [each.__cause__, each.__context__]
    return True
