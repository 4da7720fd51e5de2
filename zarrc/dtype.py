"""Data types as objects, under the module name of version 3: ``dtype=Int16(endianness="big")``.

Everything that takes a NumPy data type takes one of these, too. They are but names: arrays
have NumPy's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np

from .errors import UnknownDataTypeError
from .metadata import dtypes

Endianness = Literal["little", "big"]

_ORDERS = {"little": "<", "big": ">"}


class ZDType:
    """A data type of arrays."""

    @property
    def dtype(self) -> np.dtype:
        """NumPy's; object for strings and bytes of any length."""
        raise NotImplementedError

    @classmethod
    def from_native_dtype(cls, dtype: np.dtype) -> Self:
        """Return the data type of this class that NumPy's is."""
        raise NotImplementedError

    def to_native_dtype(self) -> np.dtype:
        """Return NumPy's."""
        return self.dtype

    def to_json(self, zarr_format: int) -> Any:
        """Return the data type as documents of a format spell it.

        Raises
        ------
        MetadataError
            The format has none such.
        """
        return (
            dtypes.encode_v2(self.dtype)
            if zarr_format == 2
            else dtypes.encode_v3(dtypes.native_dtype(self.dtype))
        )

    def default_scalar(self) -> Any:
        """Return what absent cells are if nobody says it."""
        return np.zeros((), self.dtype)[()]


@dataclass(frozen=True)
class _Fixed(ZDType):
    """A data type of which NumPy has just one size."""

    code: ClassVar[str]

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.code)

    @classmethod
    def from_native_dtype(cls, dtype: np.dtype) -> Self:
        return cls()


@dataclass(frozen=True)
class _Number(ZDType):
    code: ClassVar[str]

    endianness: Endianness = "little"

    def __post_init__(self) -> None:
        _check_endianness(self.endianness)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(_ORDERS[self.endianness] + self.code)

    @classmethod
    def from_native_dtype(cls, dtype: np.dtype) -> Self:
        return cls(_endianness(dtype))


class Bool(_Fixed):
    """True or false."""

    code = "?"


class Int8(_Fixed):
    """Integers of 8 bits."""

    code = "i1"


class UInt8(_Fixed):
    """Unsigned integers of 8 bits."""

    code = "u1"


class Int16(_Number):
    """Integers of 16 bits."""

    code = "i2"


class Int32(_Number):
    """Integers of 32 bits."""

    code = "i4"


class Int64(_Number):
    """Integers of 64 bits."""

    code = "i8"


class UInt16(_Number):
    """Unsigned integers of 16 bits."""

    code = "u2"


class UInt32(_Number):
    """Unsigned integers of 32 bits."""

    code = "u4"


class UInt64(_Number):
    """Unsigned integers of 64 bits."""

    code = "u8"


class Float16(_Number):
    """Floats of 16 bits."""

    code = "f2"


class Float32(_Number):
    """Floats of 32 bits."""

    code = "f4"


class Float64(_Number):
    """Floats of 64 bits."""

    code = "f8"


class Complex64(_Number):
    """Pairs of floats of 32 bits."""

    code = "c8"


class Complex128(_Number):
    """Pairs of floats of 64 bits."""

    code = "c16"


@dataclass(frozen=True)
class _Sized(ZDType):
    """A data type of `length` bytes."""

    kind: ClassVar[str]

    length: int

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(f"{self.kind}{self.length}")

    @classmethod
    def from_native_dtype(cls, dtype: np.dtype) -> Self:
        return cls(dtype.itemsize)


class NullTerminatedBytes(_Sized):
    """Bytes, up to the zeros at their end."""

    kind = "S"


class RawBytes(_Sized):
    """Bytes without a meaning."""

    kind = "V"


@dataclass(frozen=True)
class FixedLengthUTF32(ZDType):
    """Strings of at most `length` characters."""

    length: int
    endianness: Endianness = "little"

    def __post_init__(self) -> None:
        _check_endianness(self.endianness)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(f"{_ORDERS[self.endianness]}U{self.length}")

    @classmethod
    def from_native_dtype(cls, dtype: np.dtype) -> Self:
        return cls(dtype.itemsize // 4, _endianness(dtype))


@dataclass(frozen=True)
class _Time(ZDType):
    kind: ClassVar[str]

    unit: str = "generic"
    scale_factor: int = 1
    endianness: Endianness = "little"

    def __post_init__(self) -> None:
        _check_endianness(self.endianness)

    @property
    def dtype(self) -> np.dtype:
        unit = "" if self.unit == "generic" else f"[{self.scale_factor}{self.unit}]"
        return np.dtype(f"{_ORDERS[self.endianness]}{self.kind}8{unit}")

    @classmethod
    def from_native_dtype(cls, dtype: np.dtype) -> Self:
        unit, factor = np.datetime_data(dtype)
        return cls(unit, factor, _endianness(dtype))

    def default_scalar(self) -> Any:
        return np.array("NaT", self.dtype)[()]


class DateTime64(_Time):
    """Points in time: `scale_factor` units of `unit` since 1970."""

    kind = "M"


class TimeDelta64(_Time):
    """Differences of points in time."""

    kind = "m"


@dataclass(frozen=True)
class Structured(ZDType):
    """Records: pairs of a name and a data type."""

    fields: tuple[tuple[str, Any], ...]

    @property
    def dtype(self) -> np.dtype:
        return np.dtype([(name, np.dtype(field)) for name, field in self.fields])

    @classmethod
    def from_native_dtype(cls, dtype: np.dtype) -> Self:
        return cls(tuple((name, parse_dtype(dtype.fields[name][0])) for name in dtype.names or ()))  # type: ignore[index]


@dataclass(frozen=True)
class _VariableLength(ZDType):
    python_type: ClassVar[type]
    json: ClassVar[str]

    @classmethod
    def from_native_dtype(cls, dtype: np.dtype) -> Self:
        return cls()

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(object)

    def to_json(self, zarr_format: int) -> Any:
        return "|O" if zarr_format == 2 else self.json

    def default_scalar(self) -> Any:
        return self.python_type()


class VariableLengthUTF8(_VariableLength):
    """Strings of any length."""

    python_type, json = str, "string"


class VariableLengthBytes(_VariableLength):
    """Bytes of any length."""

    python_type, json = bytes, "variable_length_bytes"


_NUMBERS: tuple[type[_Fixed | _Number], ...] = (
    Bool, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64,
    Float16, Float32, Float64, Complex64, Complex128,
)  # fmt: skip
_BY_CODE = {np.dtype(cls.code).str[1:]: cls for cls in _NUMBERS}
_BY_KIND: dict[str, Any] = {
    "S": NullTerminatedBytes,
    "U": FixedLengthUTF32,
    "M": DateTime64,
    "m": TimeDelta64,
}


def parse_dtype(dtype: Any, *, zarr_format: int = 3) -> ZDType:
    """Return the data type that anything means which ``dtype=`` takes.

    Parameters
    ----------
    dtype : data-type, ZDType, str or mapping
        Names and mappings may be those of documents of format 3.
    zarr_format : {2, 3}
        Taken for compatibility.

    Raises
    ------
    UnknownDataTypeError
        There is none.

    Examples
    --------
    >>> parse_dtype(">i2")
    Int16(endianness='big')
    """
    if isinstance(dtype, ZDType):
        return dtype
    if dtype is str or (isinstance(dtype, str) and dtype in ("str", "string")):
        return VariableLengthUTF8()
    if dtype is bytes or (isinstance(dtype, str) and dtype in dtypes.OBJECT_NAMES):
        return VariableLengthBytes()
    try:
        native = dtypes.decode_v3(dict(dtype)) if isinstance(dtype, dict) else np.dtype(dtype)
    except TypeError:
        native = dtypes.decode_v3(dtype)
    if native.kind == "T":  # NumPy's StringDType
        return VariableLengthUTF8()
    cls = _BY_CODE.get(native.str[1:]) or _BY_KIND.get(native.kind)
    if cls is None and native.kind == "V":
        cls = RawBytes if native.names is None else Structured
    if cls is None:
        raise UnknownDataTypeError(f"no data type is {dtype!r}: of objects, strings and bytes have one")
    return cls.from_native_dtype(native)


def _endianness(dtype: np.dtype) -> Endianness:
    return "big" if dtype.str[0] == ">" else "little"


def _check_endianness(value: object) -> None:
    if value not in _ORDERS:
        raise ValueError(f"endianness must be 'little' or 'big', not {value!r}")


__all__ = [
    "Bool",
    "Complex64",
    "Complex128",
    "DateTime64",
    "FixedLengthUTF32",
    "Float16",
    "Float32",
    "Float64",
    "Int8",
    "Int16",
    "Int32",
    "Int64",
    "NullTerminatedBytes",
    "RawBytes",
    "Structured",
    "TimeDelta64",
    "UInt8",
    "UInt16",
    "UInt32",
    "UInt64",
    "VariableLengthBytes",
    "VariableLengthUTF8",
    "ZDType",
    "parse_dtype",
]
