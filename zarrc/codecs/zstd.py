"""`zstd`: Zstandard frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .base import ChunkSpec, CodecDescriptor, boolean, integer

if TYPE_CHECKING:
    from zarrc.kernels.codec import Codec


@dataclass(frozen=True)
class ZstdCodec(CodecDescriptor):
    """Zstandard.

    Parameters
    ----------
    level : int
        From -131072 (fastest) to 22 (smallest); 0 is the library's default, 3.
    checksum : bool
        Whether each frame holds a checksum of its content.
    """

    level: int = 0
    checksum: bool = False

    name = "zstd"

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", integer(self.name, "level", self.level, -131072, 22))
        object.__setattr__(self, "checksum", boolean(self.name, "checksum", self.checksum))

    def kernel(self, spec: ChunkSpec) -> Codec | None:
        from zarrc.kernels.zstd import Zstd

        return Zstd(self.level, self.checksum)
