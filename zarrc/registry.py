"""The registry of codecs, under the module name of version 3.

A codec of a package is found by the entry point group ``zarrc.codecs``: its name there is the codec's
name in documents, its value a subclass of `zarrc.codecs.CodecDescriptor`.
"""

from __future__ import annotations

from typing import Any

from .codecs.registry import get_class as get_codec_class
from .codecs.registry import get_codec as get_codec
from .codecs.registry import register_codec

__all__ = ["get_codec", "get_codec_class", "get_numcodec", "register_codec"]


def get_numcodec(config: dict[str, Any]) -> Any:
    """Return numcodecs' codec of a configuration, as ``{"id": "zlib", "level": 1}``."""
    from numcodecs.registry import get_codec

    return get_codec(config)
