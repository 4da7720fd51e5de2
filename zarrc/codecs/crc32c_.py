"""The module name of version 3; see `crc32c`."""

from .crc32c import Crc32cCodec

__all__ = ["Crc32cCodec"]
