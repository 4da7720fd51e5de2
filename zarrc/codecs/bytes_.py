"""`bytes`: the elements of a chunk in C order, in one byte order (format 3 specification, bytes codec)."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import ARRAY_TO_BYTES, ChunkSpec, CodecDescriptor, member

if TYPE_CHECKING:
    from zarrc.kernels.codec import Codec

Swap = tuple[int, int, int]  # offset in the item, bytes per number, how many neighbours


class Endian(Enum):
    """Byte order of numbers."""

    big = "big"
    little = "little"


NATIVE = Endian(sys.byteorder)


@dataclass(frozen=True)
class BytesCodec(CodecDescriptor):
    """Elements as they are in memory.

    Parameters
    ----------
    endian : {"little", "big"} or None
        Byte order of what is stored; None stores elements as they are in memory.
        A document that does not say it means None.
    """

    endian: Any = NATIVE

    name = "bytes"
    kind = ARRAY_TO_BYTES

    def __post_init__(self) -> None:
        if self.endian is not None:
            object.__setattr__(self, "endian", member(self.name, "endian", self.endian, Endian))

    def evolve(self, spec: ChunkSpec) -> BytesCodec:
        has_order = any(True for _ in _numbers(spec.dtype))
        if not has_order:
            return BytesCodec(None)
        if self.endian is None and spec.dtype.names is None:
            return BytesCodec(NATIVE if spec.dtype.isnative else other_endian(NATIVE))
        return self

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        return spec

    def kernel(self, spec: ChunkSpec) -> Codec | None:
        if spec.dtype.hasobject:
            raise ValueError(
                f"codec 'bytes': objects ({spec.dtype}) have no bytes; they need an object codec"
            )
        if self.endian is None:
            return None
        swaps = byte_swaps(spec.dtype, self.endian)
        if not swaps:
            return None
        from zarrc.kernels.filters import ByteSwap

        return ByteSwap(spec.dtype.itemsize, swaps)

    def largest_encoded(self, nbytes: int) -> int:
        return nbytes

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BytesCodec:
        configuration = {"endian": None} | dict(data.get("configuration") or {})
        return super().from_dict({"configuration": configuration})


def byte_swaps(dtype: np.dtype, endian: Endian) -> list[Swap]:
    """Return which numbers of an item to reverse so that they are stored in byte order `endian`.

    Parameters
    ----------
    dtype : numpy.dtype
        Plain or structured; nested records and sub-arrays are followed.
    endian : Endian

    Returns
    -------
    list of (offset, size, count)
        Neighbours of the same size are one entry.
    """
    merged: list[Swap] = []
    for offset, size, count, order in _numbers(dtype):
        if order is endian:
            continue
        if merged and merged[-1][1] == size and merged[-1][0] + size * merged[-1][2] == offset:
            before = merged.pop()
            merged.append((before[0], size, before[2] + count))
        else:
            merged.append((offset, size, count))
    return merged


def _numbers(dtype: np.dtype, offset: int = 0) -> Iterator[tuple[int, int, int, Endian]]:
    """Yield (offset, size, count, byte order) of the numbers of several bytes in an item."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        for k in range(math.prod(shape)):
            yield from _numbers(base, offset + k * base.itemsize)
    elif dtype.names is not None:
        fields = sorted((dtype.fields[name][:2] for name in dtype.names), key=lambda field: field[1])  # type: ignore[index]
        for field_dtype, field_offset in fields:
            yield from _numbers(field_dtype, offset + field_offset)
    else:
        yield from _plain(dtype, offset)


def _plain(dtype: np.dtype, offset: int) -> Iterator[tuple[int, int, int, Endian]]:
    order = NATIVE if dtype.isnative else other_endian(NATIVE)
    if dtype.kind == "c":
        yield offset, dtype.itemsize // 2, 2, order
    elif dtype.kind == "U":
        yield offset, 4, dtype.itemsize // 4, order
    elif dtype.kind not in "SVbO" and dtype.itemsize > 1:
        yield offset, dtype.itemsize, 1, order


def other_endian(endian: Endian) -> Endian:
    """Return the other byte order."""
    return Endian.big if endian is Endian.little else Endian.little
