"""A cache of stored values in memory, over another store."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

from zarrc.storage import base
from zarrc.storage.base import Store, normalize_storage_path, normalize_value, unless_overridden
from zarrc.storage.locations import normalize_store


class LRUStoreCache(Store):
    """Keeps the values of another store that were read last. Safe in many threads.

    Meant for stores that are slow to read. The list of keys and what is in
    directories are kept as well.

    Parameters
    ----------
    store : MutableMapping
        Holds the data.
    max_size : int or None
        Most bytes of values to keep; None for no limit. A value of more bytes is never kept.

    Attributes
    ----------
    hits, misses : int
        How many values were asked for that were kept, and that were not.

    Notes
    -----
    What is written through the cache is never read stale through it, whatever threads do. What
    is changed behind it, in the store itself or by another process, is found after `invalidate`.
    That a key is missing is not kept, except while the list of keys is.

    Examples
    --------
    >>> cache = LRUStoreCache({"a": b"123"}, max_size=2**20)
    >>> cache["a"], cache["a"], cache.hits, cache.misses
    (b'123', b'123', 1, 1)
    """

    __module__ = "zarrc.storage"

    def __init__(self, store: MutableMapping[str, Any], max_size: int | None) -> None:
        self._store = normalize_store(store)
        self._max_size = max_size
        self._start()

    def _start(self) -> None:
        self._lock = threading.RLock()
        self._values: OrderedDict[str, bytes] = OrderedDict()
        self._nbytes = 0
        # Who reads a key now. A change takes it out, and what was read is not kept.
        self._reading: dict[str, object] = {}
        self._keys: dict[str, None] | None = None
        self._listings: dict[str, list[str]] = {}
        self._age = 0  # how often keys have changed
        self._token = base.new_token()
        self.hits = self.misses = 0

    def __getstate__(self) -> dict[str, Any]:
        return {"_store": self._store, "_max_size": self._max_size}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    @property
    def read_only(self) -> bool:  # type: ignore[override]
        """Whether the store is read-only."""
        return not base.is_writeable(self._store)

    @property
    def _dimension_separator(self) -> str | None:  # type: ignore[override]
        return base.dimension_separator(self._store)

    @property
    def nbytes(self) -> int:
        """Bytes of the values that are kept."""
        return self._nbytes

    # forgetting

    def invalidate(self) -> None:
        """Forget everything."""
        self.invalidate_values()
        self.invalidate_keys()

    def invalidate_values(self) -> None:
        """Forget the values."""
        with self._lock:
            self._token = base.new_token()
            self._values.clear()
            self._reading.clear()
            self._nbytes = 0

    def invalidate_keys(self) -> None:
        """Forget the list of keys and what is in directories."""
        with self._lock:
            self._age += 1
            self._token = base.new_token()
            self._keys = None
            self._listings.clear()

    def _forget(self, keys: Iterable[str]) -> None:
        with self._lock:
            for key in keys:
                self._reading.pop(key, None)
                value = self._values.pop(key, None)
                if value is not None:
                    self._nbytes -= len(value)
            self.invalidate_keys()

    @contextmanager
    def _changing(self, keys: Iterable[str] | None) -> Iterator[None]:
        """Forget keys, or everything if None, after they have been changed or may have been."""
        try:
            yield
        finally:
            if keys is None:
                self.invalidate()
            else:
                self._forget(keys)

    # remembering

    def _kept(self, key: str) -> bytes | None:
        """The value if it is kept; else this thread is to read it."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
                self.hits += 1
                return value
            self.misses += 1
            return None

    def _announce(self, key: str) -> object:
        token = object()
        with self._lock:
            self._reading[key] = token
        return token

    def _keep(self, key: str, token: object, value: bytes | None) -> None:
        """Keep what was read since the token was announced, unless the key has been changed."""
        with self._lock:
            if self._reading.get(key) is not token:
                return
            del self._reading[key]
            if value is None or (self._max_size is not None and len(value) > self._max_size):
                return
            self._values[key] = value
            self._nbytes += len(value)
            while self._max_size is not None and self._nbytes > self._max_size:
                _, oldest = self._values.popitem(last=False)
                self._nbytes -= len(oldest)

    # the mapping

    def __getitem__(self, key: str) -> Any:
        value = self._kept(key)
        if value is not None:
            return value
        token = self._announce(key)
        found = None
        try:
            value = self._store[key]
            found = _as_bytes(value)
        finally:
            self._keep(key, token, found)
        return value if found is None else found

    def __setitem__(self, key: str, value: Any) -> None:
        kept = bytes(normalize_value(value))
        token = self._announce(key)
        try:
            self._store[key] = value
        except BaseException:
            self._forget([key])
            raise
        with self._lock:
            is_last = self._reading.get(key) is token
            self._forget([key])
            if is_last:  # nobody else has changed or read it meanwhile
                self._reading[key] = token
                self._keep(key, token, kept)

    def __delitem__(self, key: str) -> None:
        with self._changing([key]):
            del self._store[key]

    def __contains__(self, key: object) -> bool:
        with self._lock:
            if key in self._values:
                return True
            if self._keys is not None:
                return key in self._keys
        return key in self._store

    def _all_keys(self) -> dict[str, None]:
        with self._lock:
            if self._keys is not None:
                return self._keys
            age = self._age
        keys = dict.fromkeys(self._store)
        with self._lock:
            if self._age == age:
                self._keys = keys
        return keys

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._all_keys()))

    def __len__(self) -> int:
        return len(self._all_keys())

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, LRUStoreCache)
            and type(self) is type(other)
            and self._max_size == other._max_size
            and self._store == other._store
        )

    # what it offers

    def identity(self) -> str:
        return base.identity(self._store)

    def token(self, key: str) -> bytes | None:
        """What differs after each change that is seen here."""
        return self._token

    @unless_overridden
    def get_partial(self, key: str, start: int, nbytes: int | None = None) -> bytes:
        """Part of a value: of the one that is kept, else read from the store and not kept."""
        value = self._kept(key)
        if value is None:
            return base.get_partial(self._store, key, start, nbytes)
        part = value[start:]
        return part if nbytes is None else part[:nbytes]

    @unless_overridden
    def get_partials(
        self, ranges: Sequence[base.Range], versions: MutableMapping[str, str] | None = None
    ) -> list[bytes | None]:
        """Parts of values that are kept, the others from the store; those of which versions matter all from there."""
        if versions is not None:
            return base.get_partials(self._store, ranges, versions)
        kept = {key: self._kept(key) for key, _, _ in ranges}
        read = iter(base.get_partials(self._store, [each for each in ranges if kept[each[0]] is None]))
        parts: list[bytes | None] = []
        for key, start, nbytes in ranges:
            value = kept[key]
            if value is None:
                parts.append(next(read))
            else:
                parts.append(value[start:] if nbytes is None else value[start:][:nbytes])
        return parts

    @unless_overridden
    def getitems(self, keys: Iterable[str], *, contexts: Mapping[str, Any] | None = None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        tokens = {}
        for key in keys:
            value = self._kept(key)
            if value is None:
                tokens[key] = self._announce(key)
            else:
                found[key] = value
        if tokens:
            read: dict[str, Any] = {}
            try:
                read = base.getitems(self._store, list(tokens), contexts)
            finally:
                for key, token in tokens.items():
                    self._keep(key, token, _as_bytes(read.get(key)))
            found.update(read)
        return found

    @unless_overridden
    def setitems(self, values: Mapping[str, Any]) -> None:
        with self._changing(list(values)):
            base.setitems(self._store, values)

    @unless_overridden
    def delitems(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        with self._changing(keys):
            base.delitems(self._store, keys)

    def listdir(self, path: str = "") -> list[str]:
        path = normalize_storage_path(path)
        with self._lock:
            if path in self._listings:
                return list(self._listings[path])
            age = self._age
        names = base.listdir(self._store, path)
        with self._lock:
            if self._age == age:
                self._listings[path] = names
        return list(names)

    @unless_overridden
    def rmdir(self, path: str = "") -> None:
        with self._changing(None):
            base.rmdir(self._store, path)

    @unless_overridden
    def rename(self, src_path: str, dst_path: str) -> None:
        with self._changing(None):
            base.rename(self._store, src_path, dst_path)

    def getsize(self, path: str = "") -> int:
        return base.getsize(self._store, path)

    def getsize_prefix(self, path: str = "") -> int:
        return base.getsize_prefix(self._store, path)

    def is_erasable(self) -> bool:
        return bool(self._store.is_erasable())

    def flush(self) -> None:
        self._store.flush()

    def close(self) -> None:
        """Close the store and forget everything."""
        self._store.close()
        self.invalidate()


def _as_bytes(value: Any) -> bytes | None:
    """What can be kept of a value: its bytes, if it has any."""
    try:
        return None if value is None else bytes(normalize_value(value))
    except (TypeError, ValueError):
        return None
