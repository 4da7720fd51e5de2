"""What every codec descriptor is, and the checks that they share.

A descriptor holds the configuration of a codec as format 3 spells it, and
checks it. It says what becomes of a chunk (`resolve`) and which compiled
codec does the work (`kernel`); it holds no running state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np

from zarrc.errors import MetadataError

if TYPE_CHECKING:
    from zarrc.kernels.codec import Codec

ARRAY_TO_ARRAY = "array->array"
ARRAY_TO_BYTES = "array->bytes"
BYTES_TO_BYTES = "bytes->bytes"

BYTE = np.dtype("u1")

E = TypeVar("E", bound=Enum)


@dataclass(frozen=True)
class ChunkSpec:
    """A chunk on its way through a chain.

    Attributes
    ----------
    shape : tuple of int or None
        None once the bytes are no array any more.
    dtype : numpy.dtype
        Of the elements; uint8 once there are none.
    nbytes : int or None
        None where it depends on the data.
    fill : bytes or None
        One element of the fill value, where it is known.
    """

    shape: tuple[int, ...] | None
    dtype: np.dtype
    nbytes: int | None
    fill: bytes | None = None

    @classmethod
    def of_array(cls, shape: tuple[int, ...], dtype: np.dtype, fill: bytes | None = None) -> ChunkSpec:
        """Return the spec of an array of that shape and dtype."""
        return cls(shape, dtype, math.prod(shape) * dtype.itemsize, fill)

    @classmethod
    def of_bytes(cls, nbytes: int | None) -> ChunkSpec:
        """Return the spec of `nbytes` bytes without elements."""
        return cls(None, BYTE, nbytes)


class CodecDescriptor:
    """Base of descriptors, and of codecs that users write.

    A subclass is a frozen dataclass whose fields are its configuration, and
    has a `name` and a `kind`. One that is not compiled has the methods
    ``encode(buffer)`` and ``decode(buffer)`` in place of `kernel`.
    """

    name: ClassVar[str]
    kind: ClassVar[str] = BYTES_TO_BYTES
    takes_objects: ClassVar[bool] = False  # can make bytes of Python objects

    def evolve(self, spec: ChunkSpec) -> Self:
        """Return this descriptor with everything filled in that follows from the chunk's dtype."""
        return self

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        """Return what a chunk is after encoding."""
        return spec if self.kind == ARRAY_TO_ARRAY else ChunkSpec.of_bytes(None)

    def kernel(self, spec: ChunkSpec) -> Codec | None:
        """Return the compiled codec for such chunks, or None when there is nothing to do.

        Raises
        ------
        ValueError
            The codec cannot be used for such chunks.
        """
        from zarrc.kernels.filters import PythonStage

        is_array = self.kind != BYTES_TO_BYTES
        return PythonStage(self, spec.dtype, spec.shape) if is_array else PythonStage(self)

    def largest_encoded(self, nbytes: int) -> int:
        """Return a size that encoded data of `nbytes` decoded bytes never pass: the limit on decoding."""
        return 2 * nbytes + 65536

    def configuration(self) -> dict[str, Any]:
        """Return the configuration as JSON values."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {name: _as_json(value) for name, value in found.items() if value is not None}

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"name": …, "configuration": …}``; no configuration when there is nothing in it."""
        configuration = self.configuration()
        if not configuration:
            return {"name": self.name}
        return {"name": self.name, "configuration": configuration}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the descriptor that ``{"name": …, "configuration": …}`` means.

        Raises
        ------
        MetadataError
            A field is unknown or its value is not allowed.
        """
        configuration = data.get("configuration") or {}
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        for name in configuration:
            if name not in known:
                raise MetadataError(f"codec {cls.name!r} has no field {name!r}")
        try:
            return cls(**configuration)
        except (TypeError, ValueError) as error:
            raise MetadataError(str(error)) from error


def _as_json(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


def integer(codec: str, field: str, value: Any, lowest: int, highest: int | None = None) -> int:
    """Return `value` if it is an integer in a range.

    Raises
    ------
    TypeError, ValueError
        It is not; the message names the codec and the field.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"codec {codec!r}: {field} must be an integer, not {value!r}")
    if value < lowest or (highest is not None and value > highest):
        allowed = f"at least {lowest}" if highest is None else f"from {lowest} to {highest}"
        raise ValueError(f"codec {codec!r}: {field} must be {allowed}, not {value}")
    return int(value)


def boolean(codec: str, field: str, value: Any) -> bool:
    """Return `value` if it is a bool; raise a TypeError that names the codec and the field otherwise."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"codec {codec!r}: {field} must be true or false, not {value!r}")
    return bool(value)


def member(codec: str, field: str, value: Any, choices: type[E]) -> E:
    """Return the member of an enumeration that `value`, or its name, means.

    Raises
    ------
    TypeError, ValueError
        There is none; the message names the codec and the field.
    """
    if isinstance(value, choices):
        return value
    if not isinstance(value, str):
        raise TypeError(f"codec {codec!r}: {field} must be a string, not {value!r}")
    try:
        return choices(value)
    except ValueError:
        allowed = ", ".join(repr(choice.value) for choice in choices)
        raise ValueError(f"codec {codec!r}: {field} must be one of {allowed}, not {value!r}") from None
