"""A store in a Redis database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from functools import partial
from typing import Any

from zarrc.storage.base import (
    Range,
    check_key,
    check_rename,
    is_key,
    normalize_storage_path,
    normalize_value,
    unless_overridden,
)
from zarrc.storage.remote import (
    RemoteStore,
    at_once,
    batched,
    concurrency,
    hidden,
    secrets_in,
)
from zarrc.storage.requests import Messages, Question

_SCAN_COUNT = 10_000  # keys of the database that one step of a listing looks at
_SECONDS = 20.0  # until an unanswered try fails
_TRIES = 3
_PATTERN_SIGNS = str.maketrans({sign: f"\\{sign}" for sign in "*?[]^\\"})


class RedisStore(RemoteStore):
    """Keys and values in a Redis database, each under ``prefix:key``. Safe to write in many threads and processes.

    Parameters
    ----------
    prefix : str
        Of the keys in the database.
    dimension_separator : {".", "/"}, optional
        Separator of the chunk keys of format 2 arrays made in this store.
    read_only : bool
        Whether writes are refused.
    client : redis.Redis, optional
        A client of yours, instead of ``**kwargs``. It must not decode responses.
    **kwargs
        Passed to `redis.Redis`: ``host``, ``port``, ``unix_socket_path``, …; ``url`` goes to
        ``redis.Redis.from_url``. If nothing else is said, ``socket_timeout`` is 20 seconds, and ``retry``
        tries three times.

    Raises
    ------
    StoreError, StoreTimeoutError, StorePermissionError
        The server did not answer as it should; not the constructor, but what asks it.

    Notes
    -----
    Many keys are asked for in one message, parts of values are read with ``GETRANGE``. A listing looks at
    all keys of the database. Passwords are not put into pickles: to pickle such a store, give
    a ``credential_provider``.

    Examples
    --------
    >>> store = RedisStore("experiment", port=6379)  # doctest: +SKIP
    >>> zarrc.group(store)  # doctest: +SKIP
    """

    __module__ = "zarrc.storage"

    def __init__(
        self,
        prefix: str = "zarr",
        dimension_separator: str | None = None,
        *,
        read_only: bool = False,
        client: Any = None,
        **kwargs: Any,
    ) -> None:
        if client is not None and kwargs:
            raise TypeError(f"{', '.join(kwargs)}: a client is given, which has settings of its own")
        self._prefix = prefix
        self._dimension_separator = dimension_separator
        self.read_only = read_only
        self._kwargs = kwargs
        self._given = client
        self._open()

    def _open(self) -> None:
        self.client = self._connect() if self._given is None else self._given
        settings = self.client.get_connection_kwargs()
        if settings.get("decode_responses"):
            raise ValueError(
                "the client decodes responses, and chunks are not text: decode_responses must be off"
            )
        self._secrets = secrets_in(settings)
        place = settings.get("path") or f"{settings.get('host')}:{settings.get('port')}"
        self.url = hidden(f"redis://{place}/{settings.get('db') or 0}/{self._prefix}")

    def _connect(self) -> Any:
        import redis

        limits = {"socket_timeout": _SECONDS, "socket_connect_timeout": _SECONDS, "retry": _retry()}
        kwargs = {**limits, **self._kwargs}
        url = kwargs.pop("url", None)
        return redis.Redis(**kwargs) if url is None else redis.Redis.from_url(url, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        if self._given is not None:
            raise TypeError(
                "a RedisStore with a client of yours cannot be pickled: give its settings instead"
            )
        if secrets_in(self._kwargs) or "@" in str(self._kwargs.get("url", "")):
            raise TypeError(
                "a RedisStore with a password is not pickled, as the pickle would show it: "
                "give a credential_provider instead"
            )
        names = ("_prefix", "_dimension_separator", "read_only", "_kwargs", "_given")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    # single keys

    def _key(self, key: str) -> str:
        return f"{self._prefix}:{key}"

    def _get(self, key: str, start: int = 0, nbytes: int | None = None, versions: Any = None) -> bytes:
        (part,) = self._parts([(key, start, nbytes)])
        if part is None:
            raise KeyError(key)
        return part

    def _put(self, key: str, value: Any) -> None:
        self.client.set(self._key(key), memoryview(value))

    def _remove(self, key: str) -> None:
        if not self.client.delete(self._key(key)):
            raise KeyError(key)

    def _get_size(self, key: str) -> int:
        with self.client.pipeline(transaction=False) as pipeline:
            pipeline.strlen(self._key(key))
            pipeline.exists(self._key(key))
            nbytes, is_there = pipeline.execute()
        if not is_there:
            raise KeyError(key)
        return nbytes

    # many

    def _parts(self, ranges: Sequence[Range]) -> list[bytes | None]:
        """Parts of values in one message. An empty part may be one of a missing key, which takes another."""
        with self.client.pipeline(transaction=False) as pipeline:
            for key, start, nbytes in ranges:
                if start == 0 and nbytes is None:
                    pipeline.get(self._key(key))
                else:
                    pipeline.getrange(self._key(key), start, _last(start, nbytes))
            parts = pipeline.execute()
        empty = [i for i, part in enumerate(parts) if part == b"" and ranges[i][1:] != (0, None)]
        for i, (_, _, nbytes) in enumerate(ranges):
            if nbytes is not None and parts[i]:
                parts[i] = parts[i][:nbytes]
        if empty:
            with self.client.pipeline(transaction=False) as pipeline:
                for i in empty:
                    pipeline.exists(self._key(ranges[i][0]))
                for i, is_there in zip(empty, pipeline.execute(), strict=True):
                    parts[i] = b"" if is_there else None
        return parts

    @unless_overridden
    def get_partials(
        self, ranges: Sequence[Range], versions: MutableMapping[str, str] | None = None
    ) -> list[bytes | None]:
        for key, _, _ in ranges:
            check_key(key)
        n = at_once([key for key, _, _ in ranges])
        return [part for batch in batched(ranges, n) for part in self._some_parts(batch)]

    def _some_parts(self, ranges: Sequence[Range]) -> list[bytes | None]:
        return self._ask(ranges[0][0], self._parts, ranges)

    @unless_overridden
    def getitems(self, keys: Iterable[str], *, contexts: Mapping[str, Any] | None = None) -> dict[str, bytes]:
        keys = list(keys)
        values = self.get_partials([(key, 0, None) for key in keys])
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

    def requests(self) -> Messages:
        return Messages(self, concurrency(), self._send)

    def _send(self, questions: list[Question]) -> list[Any]:
        """Make many requests of one kind in one message."""
        act = questions[0].act
        if act == self._put:
            return self._batch([question.args for question in questions], _set)
        if act == self._discard:
            return self._batch([question.args for question in questions], _delete)
        return self._parts([(key, start, nbytes) for key, start, nbytes, _ in (q.args for q in questions)])

    @unless_overridden
    def setitems(self, values: Mapping[str, Any]) -> None:
        for key in values:
            check_key(key)
        rows = [(key, normalize_value(value)) for key, value in values.items()]
        self.check_writeable()
        self._in_batches("written", batched(rows, concurrency()), partial(self._failed, _set))

    @unless_overridden
    def delitems(self, keys: Iterable[str]) -> None:
        self.check_writeable()
        rows = [(key,) for key in keys if is_key(key)]
        self._in_batches("deleted", batched(rows, concurrency()), partial(self._failed, _delete))

    def _batch(self, rows: Sequence[Any], act: Callable[..., Any]) -> list[Any]:
        with self.client.pipeline(transaction=False) as pipeline:
            for key, *value in rows:
                act(pipeline, self._key(key), *value)
            return pipeline.execute(raise_on_error=False)

    def _failed(self, act: Callable[..., Any], rows: Sequence[Any]) -> dict[str, Exception]:
        """Do something with many keys in one message; what went wrong with which."""
        answers = zip(rows, self._batch(rows, act), strict=True)
        return {row[0]: answer for row, answer in answers if isinstance(answer, Exception)}

    # structure

    def _keys(self, path: str) -> list[str]:
        below = f"{self._prefix}:{path}/" if path else f"{self._prefix}:"
        start = len(self._prefix) + 1
        found = self.client.scan_iter(below.translate(_PATTERN_SIGNS) + "*", _SCAN_COUNT)
        return list({each.decode()[start:] for each in found})

    def _list(self, path: str) -> list[tuple[str, int]]:
        keys = self._keys(path)
        sizes: list[int] = []
        for batch in batched(keys, 1000):
            with self.client.pipeline(transaction=False) as pipeline:
                for key in batch:
                    pipeline.strlen(self._key(key))
                sizes += pipeline.execute()
        return list(zip(keys, sizes, strict=True))

    @unless_overridden
    def rename(self, src_path: str, dst_path: str) -> None:
        """Rename the keys under ``src_path``, in the database and at one moment."""
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
        self._ask(src_path, self._rename_all, moving, src_path, dst_path)

    def _rename_all(self, keys: list[str], src_path: str, dst_path: str) -> None:
        with self.client.pipeline(transaction=True) as pipeline:
            for key in keys:
                pipeline.rename(self._key(key), self._key(dst_path + key[len(src_path) :]))
            pipeline.execute()

    def close(self) -> None:
        """Give back the connections."""
        if self._given is None:
            self.client.close()


def _retry() -> Any:
    """Redis's own would try eleven times."""
    from redis.backoff import ExponentialBackoff
    from redis.retry import Retry

    return Retry(ExponentialBackoff(cap=1.0, base=0.1), _TRIES - 1)


def _set(pipeline: Any, key: str, value: Any) -> None:
    pipeline.set(key, memoryview(value))


def _delete(pipeline: Any, key: str) -> None:
    pipeline.delete(key)


def _last(start: int, nbytes: int | None) -> int:
    """Redis's number of the last byte of a range; where it cannot be told, more is cut off afterwards."""
    if start < 0 or nbytes is None:
        return -1
    return start + max(nbytes, 1) - 1
