"""Fill values as documents spell them, as NumPy scalars, and as users give them.

What a document can say, by kind of dtype:

======  ============================================  ==================================
kind    format 2                                      format 3
======  ============================================  ==================================
b       ``true``, ``false``, 0, 1                     ``true``, ``false``
i, u    integer                                       integer
f       number, "NaN", "Infinity", "-Infinity"        the same, or "0x7fc00001": the bits
c       [real, imaginary], each as f                  the same
M, m    integer, "NaT"                                the same
S, V    base64                                        base64, or a list of bytes
U       string                                        string
fields  base64 of the bytes; with objects among       the same, or an object of fields
        them, of what their codec makes of them
O       any JSON value; base64 for bytes              string; base64 or list for bytes
any     null
======  ============================================  ==================================

Floats are exact: -0.0 keeps its sign, and in format 3 a NaN its bits.
"""

from __future__ import annotations

import binascii
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from zarrc.errors import MetadataError

from .documents import shorten
from .dtypes import data_type_name, field_types

SPECIAL_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True)
class EncodedFill:
    """The fill value of records that hold objects: base64 of what the array's codec of objects makes of it."""

    text: str

    @classmethod
    def of(cls, data: Any) -> EncodedFill:
        """Return the fill value that a codec encoded."""
        return cls(_base64(bytes(data)))

    @property
    def data(self) -> bytes:
        """What the codec is to decode."""
        return _bytes(self.text)


class _Illegal(ValueError):
    """Why a value is not one of its dtype; the caller adds which."""


# Documents


def decode_v2(value: Any, dtype: np.dtype) -> Any:
    """Return the fill value of a format 2 document.

    Parameters
    ----------
    value : JSON value
    dtype : numpy.dtype

    Returns
    -------
    numpy scalar of `dtype`, None for null, or `value` itself for dtype object

    Raises
    ------
    MetadataError
        `value` is not one that `dtype` can have.
    """
    if value is None or dtype.kind == "O":
        return value
    if dtype.hasobject:
        return _decode({dtype.kind: _decode_encoded}, value, dtype)
    if dtype.kind == "b" and value in (0, 1):
        return np.bool_(value)
    if dtype.kind == "c" and not isinstance(value, list):
        value = [value, 0.0]
    return _decode(_V2_DECODERS, value, dtype)


def decode_v2_bytes(value: Any) -> Any:
    """Return the fill value of a format 2 array of bytes of any length: base64, where it is some."""
    try:
        return _bytes(value) if isinstance(value, str) else value
    except ValueError:
        return value


def decode_v3(value: Any, dtype: np.dtype, data_type: str | dict) -> Any:
    """Return the fill value of a format 3 document.

    Parameters
    ----------
    value : JSON value
    dtype : numpy.dtype
        What `data_type` became.
    data_type : str or dict
        As the document spells it.

    Returns
    -------
    numpy scalar of `dtype`; str or bytes for dtype object

    Raises
    ------
    MetadataError
        `value` is not one that `dtype` can have.
    """
    if dtype.kind == "O":
        string = data_type_name(data_type) == "string"
        return _decode({"O": _decode_text if string else _decode_bytes}, value, dtype)
    return _decode(_V3_DECODERS, value, dtype)


def encode_v2(fill_value: Any, dtype: np.dtype) -> Any:
    """Return a fill value as format 2 spells it; the bits of a NaN are lost."""
    if isinstance(fill_value, EncodedFill):
        return fill_value.text
    if isinstance(fill_value, bytes) and dtype.kind == "O":
        return _base64(fill_value)
    if fill_value is None or dtype.kind == "O":
        return fill_value
    if dtype.kind == "f":
        return _encode_float(fill_value)
    if dtype.kind == "c":
        return [_encode_float(fill_value.real), _encode_float(fill_value.imag)]
    return _encode_exact(fill_value, dtype)


def encode_v3(fill_value: Any, dtype: np.dtype, data_type: str | dict) -> Any:
    """Return a fill value as format 3 spells it for `data_type`; None is the dtype's zero."""
    name = data_type_name(data_type)
    if dtype.kind == "O":
        return _encode_object(fill_value, name)
    if fill_value is None:
        fill_value = np.zeros((), dtype)[()]
    if dtype.kind == "f":
        return _encode_float_bits(fill_value)
    if dtype.kind == "c":
        return [_encode_float_bits(fill_value.real), _encode_float_bits(fill_value.imag)]
    if name == "struct":
        return _encode_fields(fill_value, dtype, data_type)
    if name not in ("raw_bytes", "structured") and dtype.kind == "V":
        return list(_bytes_of(fill_value, dtype))
    return _encode_exact(fill_value, dtype.newbyteorder("<"))


def _decode(decoders: dict[str, Callable[[Any, np.dtype], Any]], value: Any, dtype: np.dtype) -> Any:
    try:
        return decoders[dtype.kind](value, dtype)
    except (ValueError, OverflowError) as error:
        raise MetadataError(f"fill value {shorten(value)} is not one of dtype {dtype}: {error}") from None


# One function per kind: JSON value to scalar


def _decode_bool(value: Any, dtype: np.dtype) -> np.bool_:
    if not isinstance(value, bool):
        raise _Illegal("true or false expected")
    return np.bool_(value)


def _decode_int(value: Any, dtype: np.dtype) -> Any:
    return dtype.type(_in_range(_integer(value), dtype))


def _in_range(value: int, dtype: np.dtype) -> int:
    limits = np.iinfo(dtype)
    if not limits.min <= value <= limits.max:
        raise _Illegal(f"it is not from {limits.min} to {limits.max}")
    return value


def _integer(value: Any) -> int:
    """Return a JSON number without fraction, or a string of digits, as int."""
    if isinstance(value, str):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value // 1:
        raise _Illegal("an integer expected")
    return int(value)


def _decode_float_v2(value: Any, dtype: np.dtype) -> Any:
    if isinstance(value, str):
        value = SPECIAL_FLOATS.get(value, value)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise _Illegal("a number, 'NaN', 'Infinity' or '-Infinity' expected")
    if dtype.itemsize > 8 and not isinstance(value, float):
        return dtype.type(str(value))  # its digits may be more than a double holds
    with np.errstate(over="ignore"):
        return dtype.type(float(value))


def _decode_float_v3(value: Any, dtype: np.dtype) -> Any:
    if not isinstance(value, str) or value in SPECIAL_FLOATS:
        return _decode_float_v2(value, dtype)
    if not value.startswith("0x"):
        raise _Illegal(f"{', '.join(SPECIAL_FLOATS)} or hexadecimal digits after 0x expected")
    if len(value) != 2 + 2 * dtype.itemsize:
        raise _Illegal(f"{2 * dtype.itemsize} hexadecimal digits expected")
    bits = binascii.unhexlify(value[2:])
    return np.frombuffer(bits, dtype.newbyteorder(">")).astype(dtype.newbyteorder("="))[0]


def _decode_complex(decode_part: Callable[[Any, np.dtype], Any]) -> Callable[[Any, np.dtype], Any]:
    def decode(value: Any, dtype: np.dtype) -> Any:
        if not isinstance(value, list) or len(value) != 2:
            raise _Illegal("[real, imaginary] expected")
        part = np.dtype(f"f{dtype.itemsize // 2}")
        # parts are put side by side as they are: arithmetic would change NaNs and signs
        return np.array([decode_part(item, part) for item in value], part).view(dtype.newbyteorder("="))[0]

    return decode


def _decode_time(value: Any, dtype: np.dtype) -> Any:
    count = np.iinfo("i8").min if value == "NaT" else _integer(value)
    return np.array([count], "i8").view(dtype.newbyteorder("="))[0]


def _decode_text(value: Any, dtype: np.dtype) -> Any:
    if not isinstance(value, str):
        raise _Illegal("a string expected")
    if dtype.kind == "O":
        return value
    if len(value) > dtype.itemsize // 4:
        raise _Illegal(f"at most {dtype.itemsize // 4} characters expected")
    return np.array(value, dtype)[()]


def _decode_bytes(value: Any, dtype: np.dtype) -> Any:
    """Bytes as base64 or as a list of numbers; shorter ones are followed by zeros."""
    data = _bytes(value)
    if dtype.kind == "O":
        return data
    if len(data) > dtype.itemsize or (dtype.names is not None and len(data) != dtype.itemsize):
        raise _Illegal(f"{dtype.itemsize} bytes expected, not {len(data)}")
    return np.frombuffer(data.ljust(dtype.itemsize, b"\0"), dtype)[0]


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return binascii.a2b_base64(value, strict_mode=True) if value else b""
    if isinstance(value, list) and all(isinstance(item, int) for item in value):
        return bytes(value)
    raise _Illegal("base64 or a list of bytes expected")


def _decode_encoded(value: Any, dtype: np.dtype) -> EncodedFill:
    if not isinstance(value, str):
        raise _Illegal("base64 expected, or null")
    return EncodedFill.of(_bytes(value))


def _decode_void_v3(value: Any, dtype: np.dtype) -> Any:
    if isinstance(value, dict) and dtype.names is not None:
        return _decode_fields(value, dtype)
    if isinstance(value, list) and len(value) != dtype.itemsize:
        raise _Illegal(f"{dtype.itemsize} bytes expected, not {len(value)}")
    # base64 of fields is little-endian, as chunks are unless they say otherwise
    little = _decode_bytes(value, dtype.newbyteorder("<"))
    return np.array(little).astype(dtype)[()]


def _decode_fields(value: dict, dtype: np.dtype) -> Any:
    """Return a structured scalar from an object of its fields; absent fields are zero."""
    unknown = set(value) - set(dtype.names or ())
    if unknown:
        raise _Illegal(f"no fields {sorted(unknown)}")
    scalar = np.zeros((), dtype)
    for name, item in value.items():
        field = dtype[name]
        if field.subdtype is not None:
            scalar[name] = np.frombuffer(_bytes(item), field.base.newbyteorder("<")).reshape(field.shape)
        else:
            scalar[name] = _V3_DECODERS[field.kind](item, field)
    return scalar[()]


_V2_DECODERS: dict[str, Callable[[Any, np.dtype], Any]] = {
    "b": _decode_bool,
    "i": _decode_int,
    "u": _decode_int,
    "f": _decode_float_v2,
    "c": _decode_complex(_decode_float_v2),
    "M": _decode_time,
    "m": _decode_time,
    "S": _decode_bytes,
    "V": _decode_bytes,
    "U": _decode_text,
}
_V3_DECODERS = _V2_DECODERS | {
    "f": _decode_float_v3,
    "c": _decode_complex(_decode_float_v3),
    "V": _decode_void_v3,
}


# Scalars to JSON values


def _encode_exact(fill_value: Any, dtype: np.dtype) -> Any:
    """Return the scalar of a kind that both formats spell alike."""
    if dtype.kind in "biuU":
        return np.array(fill_value, dtype).item()
    if dtype.kind in "Mm":
        return int(np.array(fill_value, dtype).astype(dtype.newbyteorder("=")).view("i8"))
    if dtype.kind == "S":
        return _base64(bytes(fill_value))
    return _base64(_bytes_of(fill_value, dtype))


def _encode_float(value: Any) -> float | str:
    """Return a float as JSON number or word; one that no double holds as its digits."""
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return float(value) if value == float(value) else str(value)


def _encode_float_bits(value: Any) -> float | str:
    """Return a float so that every bit comes back: NaNs other than the usual one in hexadecimal."""
    value = np.asarray(value)
    bits = value.astype(value.dtype.newbyteorder(">")).tobytes()
    if np.isnan(value) and bits != np.array(np.nan, value.dtype.newbyteorder(">")).tobytes():
        return "0x" + bits.hex()
    return _encode_float(value[()])


def _encode_fields(fill_value: Any, dtype: np.dtype, data_type: Any) -> dict:
    scalar = np.array(fill_value, dtype)
    result = {}
    for name, field_type in field_types(data_type).items():
        field = dtype[name]
        if field.subdtype is not None:
            result[name] = _base64(scalar[name].astype(field.base.newbyteorder("<")).tobytes())
        else:
            result[name] = encode_v3(scalar[name][()], field, field_type)
    return result


def _encode_object(fill_value: Any, name: str) -> str:
    if name == "string":
        return "" if fill_value is None else str(fill_value)
    return "" if fill_value is None else _base64(bytes(fill_value))


def _bytes_of(fill_value: Any, dtype: np.dtype) -> bytes:
    """Return the bytes of a scalar as `dtype`, padding zero."""
    whole = np.zeros((), dtype)
    whole[()] = fill_value
    return whole.tobytes()


def _base64(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode("ascii")


# Users


def normalize_fill_value(value: Any, dtype: np.dtype) -> Any:
    """Return the fill value that a user gives, cast as NumPy casts.

    Parameters
    ----------
    value : object
        A scalar, a 0-d array, a tuple or dict for dtypes with fields, bytes;
        0 is the zero of every dtype; None stays None.
    dtype : numpy.dtype

    Returns
    -------
    numpy scalar of `dtype`, None, or `value` itself for dtype object

    Raises
    ------
    ValueError
        It cannot be cast, or is out of range.

    Examples
    --------
    >>> normalize_fill_value(7, np.dtype("u1")).dtype
    dtype('uint8')
    """
    if value is None:
        return None
    if dtype.kind == "O":
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, (int, np.integer)) and not value and dtype.kind not in "biufcMm":
        return np.zeros((), dtype)[()]
    if isinstance(value, bytes) and dtype.names and not dtype.hasobject:
        return np.array(value, f"V{dtype.itemsize}").view(dtype)[()]  # of the record, zeros at its end
    try:
        scalar = _cast(_plain(value, dtype), dtype)
    except (ValueError, TypeError, KeyError, ArithmeticError) as error:
        raise ValueError(f"fill_value {shorten(value)} is not valid for dtype {dtype}: {error}") from error
    if scalar.shape != ():
        raise ValueError(f"fill_value {shorten(value)} is not valid for dtype {dtype}: it is not a scalar")
    return scalar[()]


def normalize_text(value: Any, data_type: str) -> str | bytes:
    """Return the fill value that a user gives for format 3's ``string`` or ``variable_length_bytes``.

    None and 0 are the empty one.

    Raises
    ------
    ValueError
        It is of another type.
    """
    kind: type = str if data_type == "string" else bytes
    if value is None or (isinstance(value, (int, float, np.generic)) and not value):
        return kind()
    if isinstance(value, kind):
        return kind(value)
    if not value and isinstance(value, (str, bytes)):
        return kind()
    raise ValueError(f"fill_value {shorten(value)} is not valid for data type {data_type!r}")


def _plain(value: Any, dtype: np.dtype) -> Any:
    """Return `value` in the form whose cast NumPy checks best."""
    if isinstance(value, dict) and dtype.names is not None:
        return tuple(value[name] for name in dtype.names)
    if isinstance(value, list) and dtype.names is not None:
        return tuple(value)
    if isinstance(value, (int, float, np.integer, np.floating)) and dtype.kind in "iu":
        return _in_range(int(value), dtype)  # NumPy wraps its own integers round
    if isinstance(value, np.complexfloating) and dtype.kind != "c":
        return complex(value)  # NumPy drops the imaginary part of its own, and refuses Python's
    if isinstance(value, str) and dtype.kind == "f":
        return SPECIAL_FLOATS.get(value, value)
    return value


def _cast(value: Any, dtype: np.dtype) -> np.ndarray:
    if isinstance(value, (bytes, np.void)) and dtype.kind == "V" and dtype.names is None:
        value = value if isinstance(value, bytes) else value.tobytes()
        if len(value) > dtype.itemsize:
            raise ValueError(f"{len(value)} bytes are too many")
        return np.frombuffer(value.ljust(dtype.itemsize, b"\0"), dtype).reshape(())
    if dtype.kind == "U" and not isinstance(value, (str, np.ndarray)):
        raise TypeError("a string expected")
    with np.errstate(over="raise", invalid="raise"):
        return np.array(value, dtype)
