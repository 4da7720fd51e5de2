"""The module name of version 3; see `bytes_`."""

from .bytes_ import BytesCodec, Endian

__all__ = ["BytesCodec", "Endian"]
