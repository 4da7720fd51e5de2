"""Codec names, what they stand for, and what users may give as a codec."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, Protocol

from zarrc.errors import BadCompressorError, MetadataError, UnknownCodecError

from .base import CodecDescriptor

PREFIX = "numcodecs."
ENTRY_POINTS = "zarrc.codecs"

# Descriptors of format 3's own codecs: module and class, imported when first used.
_BUILT_IN = {
    "bytes": ("bytes_", "BytesCodec"),
    "transpose": ("transpose", "TransposeCodec"),
    "blosc": ("blosc", "BloscCodec"),
    "zstd": ("zstd", "ZstdCodec"),
    "gzip": ("gzip", "GzipCodec"),
    "crc32c": ("crc32c", "Crc32cCodec"),
    "vlen-utf8": ("objects", "VLenUTF8Codec"),
    "vlen-bytes": ("objects", "VLenBytesCodec"),
    "sharding_indexed": ("sharding", "ShardingCodec"),
}

# What numcodecs' codecs are in format 3 where it has the same codec; every other is numcodecs.<id>.
_SHUFFLES = {-1: "autoshuffle", 0: "noshuffle", 1: "shuffle", 2: "bitshuffle"}
_SAME_NAMES = ("blosc", "zstd", "gzip")

_registered: dict[str, type[CodecDescriptor]] = {}
_n_changes = 0


class Spec(Protocol):
    """A codec as plain data, such as the model's ``CodecSpec``."""

    @property
    def name(self) -> str: ...

    @property
    def configuration(self) -> Mapping[str, Any]: ...


def register_codec(codec: Any, name: Any = None) -> None:
    """Make a user's codec known by its name.

    Parameters
    ----------
    codec, name : type and str, in either order
        A subclass of `zarrc.codecs.CodecDescriptor`, or a numcodecs codec class, which
        is registered there under its ``codec_id`` unless `name` gives another one.

    Raises
    ------
    TypeError
        No class was given, or one of neither kind.
    """
    if isinstance(codec, str):
        codec, name = name, codec
    if not isinstance(codec, type):
        raise TypeError(f"a codec is registered by its class, not by {codec!r}")
    if issubclass(codec, CodecDescriptor):
        _register(codec.name if name is None else name, codec)
    elif hasattr(codec, "codec_id"):
        from numcodecs.registry import register_codec as register

        register(codec, None if name is None else name.removeprefix(PREFIX))
    else:
        raise TypeError(f"{codec!r} is neither a CodecDescriptor nor a numcodecs codec")


def _register(name: str, cls: type[CodecDescriptor]) -> type[CodecDescriptor]:
    global _n_changes
    if _registered.get(name) is not cls:
        _registered[name] = cls
        _n_changes += 1
    return cls


def state() -> int:
    """Return a number that is another one whenever names have come to stand for other codecs."""
    return _n_changes


def is_known(name: str) -> bool:
    """Return whether a codec of that name is registered; numcodecs is asked only when it is used."""
    known = name in _registered or name in _BUILT_IN or name.startswith(PREFIX)
    return known or _installed(name) is not None


def get_class(name: str) -> type[CodecDescriptor]:
    """Return the descriptor class of a codec.

    What was registered comes first, then zarrc's own codecs, then what installed packages
    offer under the entry point group ``zarrc.codecs``.

    Raises
    ------
    UnknownCodecError
        There is none.
    """
    if name in _registered:
        return _registered[name]
    if name in _BUILT_IN:
        module, cls = _BUILT_IN[name]
        return getattr(import_module(f".{module}", __package__), cls)
    if name.startswith(PREFIX):
        from .numcodecs import class_of

        return class_of(name.removeprefix(PREFIX))
    installed = _installed(name)
    if installed is None:
        raise UnknownCodecError(f"unknown codec {name!r}")
    return installed


def _installed(name: str) -> type[CodecDescriptor] | None:
    """Return the class that an installed package offers for a name, and register it; None if none does."""
    for entry_point in _entry_points():
        if entry_point.name == name:
            cls = entry_point.load()
            if not (isinstance(cls, type) and issubclass(cls, CodecDescriptor)):
                raise UnknownCodecError(f"codec {name!r}: {entry_point.value} is no CodecDescriptor")
            return _register(name, cls)
    return None


@cache
def _entry_points() -> tuple[Any, ...]:
    from importlib.metadata import entry_points

    return tuple(entry_points(group=ENTRY_POINTS))


def get_codec(codec: Any) -> CodecDescriptor:
    """Return the descriptor of anything that `normalize` takes.

    Raises
    ------
    UnknownCodecError, MetadataError, BadCompressorError
    """
    if isinstance(codec, CodecDescriptor):
        return codec
    name, configuration = normalize(codec)
    return get_class(name).from_dict({"name": name, "configuration": configuration})


def kind(codec: Any) -> str:
    """Return ``"array->array"``, ``"array->bytes"`` or ``"bytes->bytes"``.

    Parameters
    ----------
    codec : object
        Anything that `normalize` takes.
    """
    return get_class(normalize(codec)[0]).kind


def normalize(codec: Any) -> tuple[str, dict[str, Any]]:
    """Return a codec that a user gave as format 3's name and configuration.

    Parameters
    ----------
    codec : object
        A descriptor of `zarrc.codecs`, a numcodecs codec, ``{"name": …,
        "configuration": …}``, ``{"id": …, …}``, a codec's name, or anything with the
        attributes `name` and `configuration`.

    Returns
    -------
    name : str
    configuration : dict of JSON values
        numcodecs' automatic shuffle is ``"autoshuffle"``.

    Raises
    ------
    BadCompressorError
        `codec` is nothing of the kind.
    """
    if isinstance(codec, str):
        return codec, {}
    if isinstance(codec, Mapping):
        return _from_mapping(codec)
    if isinstance(codec, type):
        raise BadCompressorError(codec)
    if isinstance(codec, CodecDescriptor):
        return codec.name, codec.configuration()
    if hasattr(codec, "get_config"):
        _remember(type(codec))
        return _from_numcodecs(codec.get_config())
    if hasattr(codec, "to_dict"):
        return _from_mapping(codec.to_dict())
    if hasattr(codec, "name") and hasattr(codec, "configuration"):
        return codec.name, dict(codec.configuration)
    raise BadCompressorError(codec)


def _from_mapping(codec: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if isinstance(codec.get("name"), str):
        configuration = codec.get("configuration") or {}
        if not isinstance(configuration, Mapping):
            raise MetadataError(
                f"codec {codec['name']!r}: configuration must be an object, not {configuration!r}"
            )
        return codec["name"], dict(configuration)
    if isinstance(codec.get("id"), str):
        return _from_numcodecs(codec)
    raise BadCompressorError(codec)


def _from_numcodecs(config: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    configuration = {key: value for key, value in config.items() if key != "id"}
    name = config["id"]
    if name not in _SAME_NAMES:
        return PREFIX + name, configuration
    if name == "blosc" and "shuffle" in configuration:
        configuration["shuffle"] = _shuffle_name(configuration["shuffle"])
    return name, configuration


def _shuffle_name(number: Any) -> str:
    if isinstance(number, str):
        return number
    if number not in _SHUFFLES:
        raise MetadataError(f"codec 'blosc': shuffle must be -1, 0, 1 or 2, not {number!r}")
    return _SHUFFLES[number]


def _remember(cls: type) -> None:
    """Register the class of a codec object that numcodecs does not know yet: what it wrote can be read."""
    from numcodecs.registry import codec_registry, register_codec

    codec_id = getattr(cls, "codec_id", None)
    if codec_id is not None and codec_id not in codec_registry and not cls.__module__.startswith("numcodecs"):
        register_codec(cls)
