"""The key of a chunk, and the chunk of a key."""

from __future__ import annotations

from .model import ChunkKeyEncoding


def chunk_key(chunk_coords: tuple[int, ...], encoding: ChunkKeyEncoding) -> str:
    """Return the key of a chunk, relative to its array.

    Examples
    --------
    >>> chunk_key((0, 1), ChunkKeyEncoding("default", "/"))
    'c/0/1'
    >>> chunk_key((), ChunkKeyEncoding("v2", "."))
    '0'
    """
    if encoding.name == "default":
        return encoding.separator.join(["c", *map(str, chunk_coords)])
    return encoding.separator.join(map(str, chunk_coords)) or "0"


def parse_chunk_key(key: str, encoding: ChunkKeyEncoding, ndim: int) -> tuple[int, ...] | None:
    """Return the coordinates of the chunk that `key` names, or None if it names none.

    Parameters
    ----------
    key : str
        Relative to the array.
    encoding : ChunkKeyEncoding
    ndim : int
        Number of axes of the array.
    """
    parts = key.split(encoding.separator)
    if encoding.name == "default":
        if parts.pop(0) != "c":
            return None
    elif ndim == 0:
        return () if key == "0" else None
    if len(parts) != ndim or not all(map(_is_coordinate, parts)):
        return None
    return tuple(map(int, parts))


def _is_coordinate(text: str) -> bool:
    """Say whether `text` is a number as `str` writes it: ASCII digits, no leading zeros."""
    return text.isascii() and text.isdigit() and (text == "0" or text[0] != "0")
