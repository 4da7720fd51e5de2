"""Bulk reads for transfers: buffers instead of bytes, where a store has a cheaper way to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

_PIECE_NBYTES = 1 << 20


class Transfers:
    """A local store as chunks are moved through it: its bulk reads give buffers.

    Attributes
    ----------
    batch_nbytes : int
        Decoded bytes of the chunks that are asked for at once: few enough to be still in
        the processor's cache when they are decoded.

    Parameters
    ----------
    store : Store
    getbuffers : callable
        Gives a dict of any buffers for keys, as ``getitems`` gives one of bytes.
    """

    batch_nbytes = 1 << 20

    def __init__(self, store: Any, getbuffers: Callable[[Iterable[str]], dict[str, Any]]) -> None:
        self._store = store
        self._getbuffers = getbuffers
        self.setitems = store.setitems
        self.delitems = store.delitems

    def __getitem__(self, key: str) -> Any:
        return self._store[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._store[key] = value

    def __delitem__(self, key: str) -> None:
        del self._store[key]

    def getitems(self, keys: Iterable[str], *, contexts: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._getbuffers(keys)


class Arena:
    """Memory for the values of one bulk read, taken from the system in a few large pieces.

    As many values in memory of their own would be as many visits to the system, which has to clear
    each of their pages: that can take longer than reading them.
    """

    def __init__(self) -> None:
        self._piece = np.empty(0, np.uint8)
        self._used = 0

    def take(self, nbytes: int) -> np.ndarray:
        """Memory for one value, not cleared."""
        if nbytes > len(self._piece) - self._used:
            # what was taken from the last piece keeps it
            self._piece = np.empty(max(nbytes, _PIECE_NBYTES), np.uint8)
            self._used = 0
        start = self._used
        self._used += nbytes
        return self._piece[start : start + nbytes]

    def keep(self, value: bytes) -> np.ndarray:
        """A copy of a value."""
        memory = self.take(len(value))
        memory[:] = np.frombuffer(value, np.uint8) if value else memory
        return memory
