"""`crc32c`: a checksum of 4 bytes after the data (format 3 specification, crc32c codec)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .base import ChunkSpec, CodecDescriptor

if TYPE_CHECKING:
    from zarrc.kernels.codec import Codec


@dataclass(frozen=True)
class Crc32cCodec(CodecDescriptor):
    """CRC-32C (Castagnoli), checked whenever a chunk is read."""

    name = "crc32c"

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        return ChunkSpec.of_bytes(None if spec.nbytes is None else spec.nbytes + 4)

    def kernel(self, spec: ChunkSpec) -> Codec | None:
        from zarrc.kernels.checksums import Crc32c

        return Crc32c("end")
