"""`transpose`: the axes of a chunk in another order (format 3 specification, transpose codec)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .base import ARRAY_TO_ARRAY, ChunkSpec, CodecDescriptor, integer

if TYPE_CHECKING:
    from zarrc.kernels.codec import Codec


@dataclass(frozen=True)
class TransposeCodec(CodecDescriptor):
    """Axis k of the encoded chunk is axis ``order[k]`` of the decoded one.

    Parameters
    ----------
    order : sequence of int
        A permutation of the axes. Old documents say ``"C"`` or ``"F"``.
    """

    order: Any

    name = "transpose"
    kind = ARRAY_TO_ARRAY

    def __post_init__(self) -> None:
        if isinstance(self.order, str) and self.order in ("C", "F"):
            return
        if isinstance(self.order, str) or not isinstance(self.order, Iterable):
            raise TypeError(f"codec 'transpose': order must be a sequence of integers, not {self.order!r}")
        order = tuple(integer(self.name, "order", axis, 0) for axis in self.order)
        if sorted(order) != list(range(len(order))):
            raise ValueError(f"codec 'transpose': order must be a permutation of the axes, not {order}")
        object.__setattr__(self, "order", order)

    def axes(self, ndim: int) -> tuple[int, ...]:
        """Return the order as numbers of `ndim` axes.

        Raises
        ------
        ValueError
            It is an order of another number of axes.
        """
        if isinstance(self.order, str):
            return tuple(range(ndim)) if self.order == "C" else tuple(reversed(range(ndim)))
        if len(self.order) != ndim:
            raise ValueError(f"codec 'transpose': order {self.order} is not for {ndim} axes")
        return self.order

    def evolve(self, spec: ChunkSpec) -> TransposeCodec:
        return TransposeCodec(self.axes(len(self._shape(spec))))

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        shape = self._shape(spec)
        return replace(spec, shape=tuple(shape[axis] for axis in self.axes(len(shape))))

    def kernel(self, spec: ChunkSpec) -> Codec | None:
        shape = self._shape(spec)
        axes = self.axes(len(shape))
        if axes == tuple(range(len(shape))):
            return None
        from zarrc.kernels.filters import Transpose

        return Transpose(shape, axes, spec.dtype.itemsize)

    def largest_encoded(self, nbytes: int) -> int:
        return nbytes

    def _shape(self, spec: ChunkSpec) -> tuple[int, ...]:
        if spec.shape is None:
            raise ValueError("codec 'transpose' follows a codec that leaves no array")
        return spec.shape
