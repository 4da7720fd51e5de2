"""Bulk reads for transfers: buffers instead of bytes, where a store has a cheaper way to them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_PIECE_NBYTES = 1 << 22
_MOST_PIECES = 4
_LITTLE_NBYTES = 1 << 14


class Transfers:
    """A local store as chunks are moved through it: its bulk reads give buffers.

    Attributes
    ----------
    batch_nbytes : int
        Decoded bytes of the chunks that are asked for at once: enough for several threads to decode,
        and so few that their values fit into one piece of an `Arena`.

    Parameters
    ----------
    store : Store
    getbuffers : callable
        Gives a dict of any buffers for keys, as ``getitems`` gives one of bytes.
    batch_nbytes : int
    """

    def __init__(
        self,
        store: Any,
        getbuffers: Callable[[Iterable[str]], dict[str, Any]],
        batch_nbytes: int = _PIECE_NBYTES,
    ) -> None:
        self.batch_nbytes = batch_nbytes
        self._store = store
        self._getbuffers = getbuffers

    def __getitem__(self, key: str) -> Any:
        return self._store[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._store[key] = value

    def __delitem__(self, key: str) -> None:
        del self._store[key]

    def getitems(self, keys: Iterable[str], *, contexts: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._getbuffers(keys)

    def setitems(self, values: Mapping[str, Any]) -> None:
        self._store.setitems(values)


class Arena:
    """Memory for the values of one bulk read, in a few large pieces that the next one uses again.

    Fresh memory for each value would be as many visits to the system, which has to clear
    each of its pages: that can take longer than reading them.
    """

    def __init__(self) -> None:
        self._piece = bytearray()
        self._used = 0

    def take(self, nbytes: int) -> memoryview:
        """Memory for one value, not cleared."""
        if nbytes > len(self._piece) - self._used:
            self.give_back()
            self._piece = _borrow(nbytes)
        start = self._used
        self._used += nbytes
        return memoryview(self._piece)[start : start + nbytes]

    def keep(self, value: bytes) -> bytes | memoryview:
        """A copy of a value; a small one costs less as it is."""
        if len(value) < _LITTLE_NBYTES:
            return value
        memory = self.take(len(value))
        memory[:] = value
        return memory

    def give_back(self) -> None:
        """Let others use the memory once nobody refers to what was taken."""
        if len(self._piece) == _PIECE_NBYTES:
            _pieces.append(self._piece)
        self._piece, self._used = bytearray(), 0

    def __enter__(self) -> Arena:
        return self

    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None:
        self.give_back()


# pieces that may be used again, the one that was given back last at the end
_pieces: deque[bytearray] = deque(maxlen=_MOST_PIECES)


def _borrow(nbytes: int) -> bytearray:
    """A piece of at least so many bytes that nobody refers to."""
    if nbytes > _PIECE_NBYTES:
        return bytearray(nbytes)
    for _ in range(len(_pieces)):
        try:
            piece = _pieces.popleft()
        except IndexError:  # another thread was faster
            break
        if _is_free(piece):
            return piece
        _pieces.append(piece)
    return bytearray(_PIECE_NBYTES)


def _is_free(piece: bytearray) -> bool:
    """Whether no view of the memory is left: only then Python lets it change its size."""
    try:
        piece.append(0)
    except BufferError:
        return False
    piece.pop()
    return True
