"""Stores: where the keys and bytes of arrays and groups live.

Names are loaded when they are first used. ``default_compressor`` is the codec of
format 2 arrays for which none is chosen; assigning to it chooses another.
"""

from __future__ import annotations

from functools import cache
from typing import Any

_HOMES = {
    "zarrc.storage.abs": ("ABSStore",),
    "zarrc.storage.base": (
        "BaseStore",
        "Store",
        "getsize",
        "listdir",
        "normalize_storage_path",
        "rename",
        "rmdir",
    ),
    "zarrc.storage.consolidated": ("ConsolidatedMetadataStore",),
    "zarrc.storage.memory": ("DictStore", "KVStore", "MemoryStore"),
    "zarrc.storage.local": ("DirectoryStore", "LocalStore", "NestedDirectoryStore", "TempStore"),
    "zarrc.n5": ("N5FSStore", "N5Store"),
    "zarrc.kernels.cache": ("ChunkCache",),
    "zarrc.storage.cache": ("LRUStoreCache",),
    "zarrc.storage.dbm": ("DBMStore",),
    "zarrc.storage.fsspec": ("FSStore",),
    "zarrc.storage.lmdb": ("LMDBStore",),
    "zarrc.storage.mongodb": ("MongoDBStore",),
    "zarrc.storage.object": ("ObjectStore",),
    "zarrc.storage.locations": ("normalize_store",),
    "zarrc.storage.redis": ("RedisStore",),
    "zarrc.storage.sqlite": ("SQLiteStore",),
    "zarrc.storage.store_path": ("StorePath",),
    "zarrc.storage.zip": ("ZipStore",),
    "zarrc.nodes": ("contains_array", "contains_group", "init_group"),
    "zarrc.creation": ("init_array",),
    "zarrc.migration": ("migrate_1to2",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

array_meta_key = ".zarray"
group_meta_key = ".zgroup"
attrs_key = ".zattrs"

_DEFAULT_COMPRESSOR = {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}

__all__ = sorted([*_HOME, "array_meta_key", "attrs_key", "default_compressor", "group_meta_key"])


def default_compressor_config() -> dict[str, Any] | None:
    """Configuration of the default compressor as plain data; None if it is None."""
    if "default_compressor" not in globals():
        return dict(_DEFAULT_COMPRESSOR)
    chosen = globals()["default_compressor"]
    return None if chosen is None else dict(chosen.get_config())


def __getattr__(name: str) -> Any:
    if name == "default_compressor":
        return _untouched_compressor()
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


@cache
def _untouched_compressor() -> Any:
    from numcodecs import get_codec

    return get_codec(dict(_DEFAULT_COMPRESSOR))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
