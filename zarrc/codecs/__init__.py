"""Codecs of both generations: format 3's classes, and numcodecs' under their own names."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_OWN = {
    "BloscCname": "blosc",
    "BloscCodec": "blosc",
    "BloscShuffle": "blosc",
    "BytesCodec": "bytes_",
    "ChunkSpec": "base",
    "CodecDescriptor": "base",
    "Crc32cCodec": "crc32c",
    "Endian": "bytes_",
    "GzipCodec": "gzip",
    "ShardingCodec": "sharding",
    "ShardingCodecIndexLocation": "sharding",
    "TransposeCodec": "transpose",
    "VLenBytesCodec": "objects",
    "VLenUTF8Codec": "objects",
    "ZstdCodec": "zstd",
    "register_codec": "registry",
}

_MODULES = (
    "base",
    "blosc",
    "bytes",
    "bytes_",
    "chain",
    "crc32c",
    "crc32c_",
    "gzip",
    "numcodecs",
    "objects",
    "registry",
    "sharding",
    "transpose",
    "vlen_utf8",
    "zstd",
)

# what numcodecs is known to have, for `dir` and completion; any other name of its is found too
_NUMCODECS = (
    "Adler32", "AsType", "BZ2", "Base64", "BitRound", "Blosc", "CRC32", "Categorize", "Delta",
    "FixedScaleOffset", "Fletcher32", "GZip", "JSON", "JenkinsLookup3", "LZ4", "LZMA", "MsgPack", "PackBits",
    "Pickle", "Quantize", "Shuffle", "VLenArray", "VLenBytes", "VLenUTF8", "Zlib", "Zstd", "codec_registry",
    "get_codec",
)  # fmt: skip

__all__ = sorted([*_OWN])


def __getattr__(name: str) -> Any:
    if name in _OWN:
        value = getattr(import_module(f".{_OWN[name]}", __name__), name)
    elif name in _MODULES:
        value = import_module(f".{name}", __name__)
    elif name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    else:
        value = _of_numcodecs(name)
    globals()[name] = value
    return value


def _of_numcodecs(name: str) -> Any:
    """Return a name of numcodecs; some codecs are in modules that it does not import by itself."""
    if name == "codec_registry":
        return import_module("numcodecs.registry").codec_registry
    numcodecs = import_module("numcodecs")
    if name == "MsgPack" and not hasattr(numcodecs, name):
        return import_module("numcodecs.msgpacks").MsgPack
    try:
        return getattr(numcodecs, name)
    except AttributeError:
        raise AttributeError(f"neither {__name__!r} nor numcodecs has {name!r}") from None


def __dir__() -> list[str]:
    return sorted({*_OWN, *_MODULES, *_NUMCODECS})
