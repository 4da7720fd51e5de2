"""`gzip`: gzip members (RFC 1952)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .base import ChunkSpec, CodecDescriptor, integer

if TYPE_CHECKING:
    from zarrc.kernels.codec import Codec


@dataclass(frozen=True)
class GzipCodec(CodecDescriptor):
    """gzip.

    Parameters
    ----------
    level : int
        From 0 (stored) to 9 (smallest); -1 stands for 6.
    """

    level: int = 5

    name = "gzip"

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", integer(self.name, "level", self.level, -1, 9))

    def kernel(self, spec: ChunkSpec) -> Codec | None:
        from zarrc.kernels.deflate import Gzip

        return Gzip(self.level)
