"""`blosc`: blocks shuffled and compressed by C-Blosc.

What else numcodecs' module of this name holds (``Blosc``, ``SHUFFLE``,
``use_threads``, …) is found here too, and loaded from there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from .base import ChunkSpec, CodecDescriptor, integer, member

if TYPE_CHECKING:
    from zarrc.kernels.codec import Codec

AUTOSHUFFLE = "autoshuffle"


class BloscShuffle(Enum):
    """Shuffle filters of Blosc."""

    noshuffle = "noshuffle"
    shuffle = "shuffle"
    bitshuffle = "bitshuffle"


class BloscCname(Enum):
    """Compressors of Blosc. Nothing can be read or written with snappy."""

    lz4 = "lz4"
    lz4hc = "lz4hc"
    blosclz = "blosclz"
    zstd = "zstd"
    snappy = "snappy"
    zlib = "zlib"


_SHUFFLE_NUMBERS = {BloscShuffle.noshuffle: 0, BloscShuffle.shuffle: 1, BloscShuffle.bitshuffle: 2}


@dataclass(frozen=True)
class BloscCodec(CodecDescriptor):
    """Blosc.

    Parameters
    ----------
    typesize : int, optional
        Bytes per element; the dtype's when not given.
    cname : str or BloscCname
    clevel : int
        From 0 (stored) to 9.
    shuffle : str or BloscShuffle, optional
        When not given (or ``"autoshuffle"``): bits for single bytes, bytes for larger elements.
    blocksize : int
        Bytes per block, 0 to let the library choose.
    """

    typesize: int | None = None
    cname: Any = BloscCname.zstd
    clevel: int = 5
    shuffle: Any = None
    blocksize: int = 0

    name = "blosc"

    def __post_init__(self) -> None:
        put = object.__setattr__
        if self.typesize is not None:
            put(self, "typesize", integer(self.name, "typesize", self.typesize, 1, 2**31 - 1))
        put(self, "cname", member(self.name, "cname", self.cname, BloscCname))
        put(self, "clevel", integer(self.name, "clevel", self.clevel, 0, 9))
        if self.shuffle == AUTOSHUFFLE:
            put(self, "shuffle", None)
        if self.shuffle is not None:
            put(self, "shuffle", member(self.name, "shuffle", self.shuffle, BloscShuffle))
        put(self, "blocksize", integer(self.name, "blocksize", self.blocksize, 0, (2**31 - 1 - 255 * 4) // 3))

    def evolve(self, spec: ChunkSpec) -> BloscCodec:
        itemsize = max(1, spec.dtype.itemsize)
        typesize = itemsize if self.typesize is None else self.typesize
        automatic = BloscShuffle.bitshuffle if itemsize == 1 else BloscShuffle.shuffle
        return replace(self, typesize=typesize, shuffle=automatic if self.shuffle is None else self.shuffle)

    def kernel(self, spec: ChunkSpec) -> Codec | None:
        from zarrc.kernels.blosc import Blosc

        full = self.evolve(spec)
        shuffle, typesize = _SHUFFLE_NUMBERS[full.shuffle], full.typesize or 1
        return Blosc(full.cname.value, full.clevel, shuffle, typesize, full.blocksize)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from numcodecs import blosc

    return getattr(blosc, name)
