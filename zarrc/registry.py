"""The registry of codecs, under the module name of version 3."""

from .codecs.registry import get_class as get_codec_class
from .codecs.registry import register_codec

__all__ = ["get_codec_class", "register_codec"]
