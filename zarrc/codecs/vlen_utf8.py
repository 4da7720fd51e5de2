"""The module name of version 3; see `objects`."""

from .objects import VLenBytesCodec, VLenUTF8Codec

__all__ = ["VLenBytesCodec", "VLenUTF8Codec"]
