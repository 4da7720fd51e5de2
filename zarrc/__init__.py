"""Chunked, compressed N-dimensional arrays in the Zarr formats.

>>> import zarrc
>>> z = zarrc.zeros((10000, 10000), chunks=(1000, 1000), dtype="i4")
>>> z
<zarrc.core.Array (10000, 10000) int32>

Every name is loaded when it is first used, so that importing the package costs
next to nothing.
"""

from __future__ import annotations

from typing import Any

# not later: the import system would put the submodule of this name in its place
from .config import config  # noqa: F401
from .version import __version__

# module: the public names that it gives to the package
_MODULES = {
    "api": (),
    "arguments": (),
    "attrs": (),
    "codecs": (
        "Adler32",
        "AsType",
        "BZ2",
        "Base64",
        "BitRound",
        "Blosc",
        "CRC32",
        "Categorize",
        "Delta",
        "FixedScaleOffset",
        "Fletcher32",
        "GZip",
        "JSON",
        "JenkinsLookup3",
        "LZ4",
        "LZMA",
        "MsgPack",
        "PackBits",
        "Pickle",
        "Quantize",
        "Shuffle",
        "VLenArray",
        "VLenBytes",
        "VLenUTF8",
        "Zlib",
        "Zstd",
        "blosc",
        "codec_registry",
        "get_codec",
    ),
    "config": ("config",),
    "context": (),
    "convenience": (
        "consolidate_metadata",
        "copy",
        "copy_all",
        "copy_store",
        "load",
        "open",
        "open_consolidated",
        "save",
        "save_array",
        "save_group",
        "tree",
    ),
    "core": ("Array",),
    "creation": (
        "array",
        "create",
        "create_array",
        "empty",
        "empty_like",
        "from_array",
        "full",
        "full_like",
        "ones",
        "ones_like",
        "open_array",
        "open_like",
        "zeros",
        "zeros_like",
    ),
    "dtype": (),
    "errors": ("CopyError", "MetadataError"),
    "hierarchy": ("Group", "create_group", "create_hierarchy", "group", "open_group"),
    "info": (),
    "meta": (),
    "n5": ("N5FSStore", "N5Store"),
    "registry": (),
    "storage": (
        "ABSStore",
        "ChunkCache",
        "ConsolidatedMetadataStore",
        "DBMStore",
        "DictStore",
        "DirectoryStore",
        "FSStore",
        "KVStore",
        "LMDBStore",
        "LRUStoreCache",
        "MemoryStore",
        "MongoDBStore",
        "NestedDirectoryStore",
        "ObjectStore",
        "RedisStore",
        "SQLiteStore",
        "TempStore",
        "ZipStore",
    ),
    "sync": ("ProcessSynchronizer", "ThreadSynchronizer"),
    "types": (),
    "util": (),
}
_NAMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = ["__version__", *sorted(_NAMES)]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _NAMES:
        value = getattr(import_module(f".{_NAMES[name]}", __name__), name)
    elif name in _MODULES:
        value = import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES, *_MODULES})
