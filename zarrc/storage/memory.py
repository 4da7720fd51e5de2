"""Stores in memory, and any other mapping as a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any, ClassVar

from zarrc.storage import base
from zarrc.storage.base import (
    Store,
    check_key,
    normalize_storage_path,
    normalize_value,
    own_mapping,
    unless_overridden,
)


class KVStore(Store):
    """Any mutable mapping as a store: keys and values pass through as they are.

    Parameters
    ----------
    mapping : MutableMapping
        Holds the data. Its own abilities (``listdir``, ``rmdir``, …) are used where it has them.

    Examples
    --------
    >>> store = KVStore({"a/b": b"1"})
    >>> store.listdir("a")
    ['b']
    """

    __module__ = "zarrc.storage"

    def __init__(self, mapping: MutableMapping[str, Any]) -> None:
        self._mutable_mapping = mapping

    @property
    def read_only(self) -> bool:  # type: ignore[override]
        """Whether the mapping says that it is read-only."""
        return bool(getattr(self._mutable_mapping, "read_only", False))

    @property
    def durability(self) -> str:
        """How lasting writes are, if the mapping says so."""
        return getattr(self._mutable_mapping, "durability", "rename")

    def __getitem__(self, key: str) -> Any:
        return self._mutable_mapping[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._mutable_mapping[key] = value

    def __delitem__(self, key: str) -> None:
        del self._mutable_mapping[key]

    def __contains__(self, key: object) -> bool:
        return key in self._mutable_mapping

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._mutable_mapping))  # stays valid while other threads write

    def __len__(self) -> int:
        data = self._mutable_mapping
        return len(data) if hasattr(data, "__len__") else sum(1 for _ in self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KVStore) and self._mutable_mapping == other._mutable_mapping

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: \n{self._mutable_mapping!r}\n at {id(self):#x}>"

    def identity(self) -> str:
        return base.identity(self._mutable_mapping)

    def as_dict(self) -> dict[str, Any] | None:
        data = self._mutable_mapping
        if type(data) is dict:
            return data
        return data.as_dict() if isinstance(data, Store) and own_mapping(data) else None

    @property
    def only_format(self) -> int | None:
        """The one format that the mapping can hold, where it is a view of something else."""
        return base.only_format(self._mutable_mapping)

    def as_shown(self, document: bytes) -> bytes:
        """How the mapping will show a ``.zarray`` document."""
        return base.as_shown(self._mutable_mapping, document)

    def chunk_directory(self, prefix: str = "") -> tuple[str, str | None] | None:
        data = self._mutable_mapping
        return data.chunk_directory(prefix) if isinstance(data, Store) and own_mapping(data) else None

    def token(self, key: str) -> bytes | None:
        ask = base.token_of(self._mutable_mapping)
        return None if ask is None else ask(key)

    def transfers(self) -> Any:
        data = self._mutable_mapping
        return data.transfers() if isinstance(data, Store) and own_mapping(data) else self

    @unless_overridden
    def get_partial(self, key: str, start: int, nbytes: int | None = None) -> bytes:
        return base.get_partial(self._mutable_mapping, key, start, nbytes)

    @unless_overridden
    def get_partials(
        self, ranges: Sequence[base.Range], versions: MutableMapping[str, str] | None = None
    ) -> list[bytes | None]:
        return base.get_partials(self._mutable_mapping, ranges, versions)

    @unless_overridden
    def getitems(self, keys: Iterable[str], *, contexts: Mapping[str, Any] | None = None) -> dict[str, bytes]:
        return base.getitems(self._mutable_mapping, keys, contexts)

    @unless_overridden
    def setitems(self, values: Mapping[str, Any]) -> None:
        base.setitems(self._mutable_mapping, values)

    @unless_overridden
    def delitems(self, keys: Iterable[str]) -> None:
        base.delitems(self._mutable_mapping, keys)

    def listdir(self, path: str = "") -> list[str]:
        if hasattr(self._mutable_mapping, "listdir"):
            return base.listdir(self._mutable_mapping, path)
        return super().listdir(path)

    @unless_overridden
    def rmdir(self, path: str = "") -> None:
        base.rmdir(self._mutable_mapping, path)

    @unless_overridden
    def rename(self, src_path: str, dst_path: str) -> None:
        base.rename(self._mutable_mapping, src_path, dst_path)

    def getsize(self, path: str = "") -> int:
        return base.getsize(self._mutable_mapping, path)

    def getsize_prefix(self, path: str = "") -> int:
        return base.getsize_prefix(self._mutable_mapping, path)

    def flush(self) -> None:
        if hasattr(self._mutable_mapping, "flush"):
            self._mutable_mapping.flush()

    def close(self) -> None:
        if hasattr(self._mutable_mapping, "close"):
            self._mutable_mapping.close()


class MemoryStore(Store):
    """Keys and values in one dict in memory. Safe to write in many threads.

    Parameters
    ----------
    root : dict, optional
        The dict that holds the keys. A dict of dicts is copied into one flat dict.
    cls : type
        What is made when no dict is given.
    dimension_separator : {".", "/"}, optional
        Separator of the chunk keys of format 2 arrays made in this store.
    store_dict : dict, optional
        Another name of ``root``.
    read_only : bool
        Whether writes are refused.

    Notes
    -----
    Values are kept as ``bytes``. A pickle holds all of the data.

    Examples
    --------
    >>> store = MemoryStore()
    >>> store["a/b"] = bytearray(b"12")
    >>> store["a/b"], store.listdir("a"), store.getsize("a")
    (b'12', ['b'], 2)
    """

    __module__ = "zarrc.storage"

    _named: ClassVar[dict[str, MemoryStore]] = {}

    def __init__(
        self,
        root: MutableMapping[str, Any] | None = None,
        cls: type = dict,
        dimension_separator: str | None = None,
        *,
        store_dict: MutableMapping[str, Any] | None = None,
        read_only: bool = False,
    ) -> None:
        if root is not None and store_dict is not None:
            raise TypeError("root and store_dict are one thing: give one of them")
        given = store_dict if root is None else root
        self._data: MutableMapping[str, Any] = cls() if given is None else _flat(given)
        self._dimension_separator = dimension_separator
        self.read_only = read_only

    @classmethod
    def named(cls, name: str) -> MemoryStore:
        """The store of that name in this process, which ``memory://name`` opens."""
        return cls._named.setdefault(name, MemoryStore())

    @property
    def root(self) -> MutableMapping[str, Any]:
        """The dict of keys to bytes."""
        return self._data

    def __getitem__(self, key: str) -> bytes:
        check_key(key)
        return self._data[key]

    def __setitem__(self, key: str, value: Any) -> None:
        check_key(key)
        if self.read_only:
            self.check_writeable()
        self._data[key] = bytes(normalize_value(value))

    def __delitem__(self, key: str) -> None:
        check_key(key)
        if self.read_only:
            self.check_writeable()
        del self._data[key]

    def __contains__(self, key: object) -> bool:
        return key in self._data

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._data))

    def __len__(self) -> int:
        return len(self._data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MemoryStore) and self._data == other._data

    def identity(self) -> str:
        return base.identity(self._data)

    def as_dict(self) -> dict[str, Any] | None:
        return self._data if type(self._data) is dict else None

    def getsize_prefix(self, path: str = "") -> int:
        path = normalize_storage_path(path)
        start = f"{path}/" if path else ""
        return base.total_nbytes(value for key, value in list(self._data.items()) if key.startswith(start))

    def rmdir(self, path: str = "") -> None:
        self.check_writeable()
        if own_mapping(self) and not normalize_storage_path(path):
            self._data.clear()
        else:
            super().rmdir(path)

    def rename(self, src_path: str, dst_path: str) -> None:
        self.check_writeable()
        super().rename(src_path, dst_path)


def _flat(root: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The dict itself, or a flat copy if it has dicts for directories."""
    if not any(isinstance(value, Mapping) for value in root.values()):
        return root
    flat: dict[str, bytes] = {}
    for name, value in root.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}/{key}": inner for key, inner in _flat(dict(value)).items()})
        else:
            flat[name] = value
    return flat


class DictStore(MemoryStore):
    """The old name of `MemoryStore`."""

    __module__ = "zarrc.storage"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _warn_of_name()
        super().__init__(*args, **kwargs)

    def __setstate__(self, state: dict[str, Any]) -> None:
        _warn_of_name()
        self.__dict__.update(state)


def _warn_of_name() -> None:
    import warnings

    warnings.warn("DictStore is the old name of MemoryStore", DeprecationWarning, stacklevel=3)
