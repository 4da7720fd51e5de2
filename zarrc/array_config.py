"""How an array behaves at run time."""

from __future__ import annotations

import operator
import threading
from dataclasses import dataclass
from typing import Any

from .config import config as settings
from .kernels.cache import ChunkCache
from .metadata.model import ArrayMetadata


@dataclass(frozen=True)
class ArrayConfig:
    """How an array behaves at run time; nothing of it is stored.

    Attributes
    ----------
    write_empty_chunks : bool
        Store chunks that hold nothing but the fill value.
    fill_missing_chunks : bool
        Read absent chunks as the fill value; else ``ChunkNotFoundError``.
    order : {"C", "F"}
        Memory layout of arrays that are returned.
    chunk_cache : ChunkCache or None
        Where decoded chunks are kept.
    """

    write_empty_chunks: bool = False
    fill_missing_chunks: bool = True
    order: str = "C"
    chunk_cache: ChunkCache | None = None

    def __post_init__(self) -> None:
        if self.order not in ("C", "F"):
            raise ValueError(f"order must be 'C' or 'F', not {self.order!r}")

    @property
    def read_missing_chunks(self) -> bool:
        """Another name of `fill_missing_chunks`."""
        return self.fill_missing_chunks

    def to_dict(self) -> dict[str, Any]:
        """Return the options by name, but for the cache."""
        return {
            "order": self.order,
            "write_empty_chunks": self.write_empty_chunks,
            "fill_missing_chunks": self.fill_missing_chunks,
        }

    @classmethod
    def make(cls, given: Any, meta: ArrayMetadata) -> ArrayConfig:
        """Complete what is given, an ArrayConfig, a mapping or None, from the settings and the array's format.

        Raises
        ------
        TypeError
            A name is none of the options.
        """
        if isinstance(given, cls):
            return given
        options = dict(given or {})
        if "read_missing_chunks" in options:
            options["fill_missing_chunks"] = options.pop("read_missing_chunks")
        unknown = set(options) - set(cls.__dataclass_fields__)
        if unknown:
            raise TypeError(
                f"unknown array options {sorted(unknown)}; known are {list(cls.__dataclass_fields__)}"
            )
        if options.get("write_empty_chunks") is None:
            said = settings.get("array.write_empty_chunks")
            options["write_empty_chunks"] = meta.zarr_format == 2 if said is None else said
        options.setdefault("fill_missing_chunks", settings.get("array.fill_missing_chunks"))
        options.setdefault("order", meta.order if meta.zarr_format == 2 else settings.get("array.order"))
        options["chunk_cache"] = as_chunk_cache(options.get("chunk_cache"))
        return cls(**options)


def as_chunk_cache(given: Any) -> ChunkCache | None:
    """Return the cache that is meant.

    Parameters
    ----------
    given : ChunkCache, int, False or None
        Bytes of a new one; 0 and False are none; None is the process's own, if there is to be one.

    Raises
    ------
    TypeError, ValueError
        It is something else, or negative.
    """
    if given is None:
        said = settings.get("array.chunk_cache")
        return None if said is None else _process_cache(said)
    if isinstance(given, ChunkCache):
        return given
    nbytes = operator.index(given)
    return ChunkCache(nbytes) if nbytes else None


def _process_cache(said: Any) -> ChunkCache | None:
    """Return the cache of all arrays that have none of their own: one for each size that was ever set."""
    if isinstance(said, ChunkCache):
        return said
    with _lock:
        if said not in _process_caches:
            _process_caches[said] = as_chunk_cache(said)
        return _process_caches[said]


_lock = threading.Lock()
_process_caches: dict[int, ChunkCache | None] = {}
