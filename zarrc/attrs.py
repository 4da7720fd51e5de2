"""The attributes of an array or a group, as a mapping."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import nullcontext
from typing import Any

from . import nodes
from .errors import ReadOnlyError
from .storage.locations import normalize_store


class Attributes(MutableMapping):
    """A mapping of names to JSON values, kept in a store.

    Every change reads the document anew, under its lock, so that no other
    writer's keys are lost. NumPy scalars and arrays are stored as numbers and
    lists; what is read back are Python's own.

    Parameters
    ----------
    store : MutableMapping
        Where the document is.
    key : str
        The document's key. One that ends in ``zarr.json`` is format 3's, which
        has the attributes among other things; any other holds nothing else.
    read_only : bool
        Refuse changes.
    cache : bool
        Read once, and again after `refresh` or a change made here.
    synchronizer : mapping of key to lock, optional
        Taken for changes, besides the lock that threads of this process share.

    Examples
    --------
    >>> attrs = Attributes({})
    >>> attrs["unit"] = "mm"
    >>> attrs.asdict()
    {'unit': 'mm'}
    """

    def __init__(
        self,
        store: MutableMapping[str, Any],
        key: str = ".zattrs",
        read_only: bool = False,
        cache: bool = True,
        synchronizer: Any = None,
    ) -> None:
        self.store = normalize_store(store)
        self.key = key
        self.read_only = read_only
        self.cache = cache
        self.synchronizer = synchronizer
        self._cached_asdict: dict[str, Any] | None = None

    # Reading

    def asdict(self) -> dict[str, Any]:
        """Return all attributes as a dict."""
        return dict(self._current())

    def refresh(self) -> None:
        """Read the document now, if attributes are cached."""
        if self.cache:
            self._cached_asdict = nodes.read_attributes(self.store, self.key)

    def _current(self) -> dict[str, Any]:
        if self._cached_asdict is not None:
            return self._cached_asdict
        attributes = nodes.read_attributes(self.store, self.key)
        if self.cache:
            self._cached_asdict = attributes
        return attributes

    def __contains__(self, item: object) -> bool:
        return item in self._current()

    def __getitem__(self, item: str) -> Any:
        return self._current()[item]

    def __iter__(self) -> Iterator[str]:
        return iter(self.asdict())

    def __len__(self) -> int:
        return len(self._current())

    def keys(self):  # type: ignore[no-untyped-def]
        """Return the names."""
        return self.asdict().keys()

    # Changing

    def __setitem__(self, item: str, value: Any) -> None:
        self.update({item: value})

    def __delitem__(self, item: str) -> None:
        def rest() -> dict[str, Any]:
            attributes = nodes.read_attributes(self.store, self.key)
            del attributes[item]
            return attributes

        self._write(rest)

    def clear(self) -> None:
        """Delete all attributes."""
        self.put({})

    def put(self, d: Mapping[str, Any]) -> None:
        """Replace all attributes by those of `d`, in one write.

        Parameters
        ----------
        d : mapping of str to JSON values, NumPy scalars or arrays

        Raises
        ------
        ReadOnlyError
            The attributes are read-only.
        TypeError, ValueError
            A value has no JSON form; nothing is changed.
        """
        fresh = _with_string_keys(dict(d))
        self._write(lambda: fresh)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several attributes in one write.

        Parameters
        ----------
        *args, **kwargs
            As for ``dict.update``; values are JSON values, NumPy scalars or arrays.

        Raises
        ------
        ReadOnlyError, TypeError, ValueError
            As for `put`.
        """
        fresh = _with_string_keys(dict(*args, **kwargs))
        self._write(lambda: nodes.read_attributes(self.store, self.key) | fresh)

    def _write(self, attributes: Callable[[], dict[str, Any]]) -> None:
        """Write what `attributes` returns, which is called under the lock."""
        if self.read_only:
            raise ReadOnlyError("attributes are read-only")
        outer = nullcontext() if self.synchronizer is None else self.synchronizer[self.key]
        with outer, nodes.lock(self.store, self.key):
            written = nodes.replace_attributes(self.store, self.key, attributes())
        if self.cache:
            self._cached_asdict = written

    def _ipython_key_completions_(self) -> list[str]:
        return sorted(self)

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} object at {id(self):#x}>"


def _with_string_keys(attributes: dict) -> dict[str, Any]:
    """Return attributes whose names are strings; others become strings, with a warning."""
    strange = [name for name in attributes if not isinstance(name, str)]
    if not strange:
        return attributes
    warnings.warn(
        f"only attribute keys of type 'string' will be allowed in the future; {strange} became strings",
        DeprecationWarning,
        stacklevel=3,
    )
    return {name if isinstance(name, str) else _json_key(name): value for name, value in attributes.items()}


def _json_key(name: object) -> str:
    """Return a name as JSON would have it: ``True`` is ``"true"``."""
    return json.dumps(name) if name is None or isinstance(name, (bool, int, float)) else str(name)
