"""Data types as documents spell them, and NumPy's.

Format 2 spells them as NumPy's array interface does (``"<i4"``, lists of
fields). Format 3 has names: those of its core, and the extensions that
zarr-python writes:

=========================================== =========================================
``bool``, ``int8`` … ``complex128``         the core
``r16``; ``raw_bytes`` {length_bytes}       ``V2``
``null_terminated_bytes`` {length_bytes}    ``S2``
``fixed_length_utf32`` {length_bytes}       ``U2`` has 8 bytes
``numpy.datetime64`` {unit, scale_factor}   ``M8[25s]`` has unit ``s`` and factor 25
``numpy.timedelta64`` {unit, scale_factor}
``structured``, ``struct`` {fields}         pairs of name and data type, or objects
``string``                                  object: str
``variable_length_bytes``, ``bytes``        object: bytes
``zarrc.subarray`` {data_type, shape}       fields that are arrays; zarrc's own
=========================================== =========================================
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from zarrc.errors import MetadataError, UnknownDataTypeError

from .documents import mapping, require, shorten, sizes

KINDS = "biufcmMSUVO"
TYPESTR = re.compile(r"[<>|=]?[A-Za-z]\w*(\[\w+\])?")
OLD_BYTES = re.compile(r"^([<>|=]?)a(\d*)$")  # what NumPy once called S, and now warns of
RAW_BITS = re.compile(r"r([1-9]\d*)")

CORE_NAMES = {
    np.dtype(code): name
    for code, name in {
        "?": "bool",
        "i1": "int8",
        "i2": "int16",
        "i4": "int32",
        "i8": "int64",
        "u1": "uint8",
        "u2": "uint16",
        "u4": "uint32",
        "u8": "uint64",
        "f2": "float16",
        "f4": "float32",
        "f8": "float64",
        "c8": "complex64",
        "c16": "complex128",
    }.items()
}
CORE_DTYPES = {name: dtype for dtype, name in CORE_NAMES.items()}
OBJECT_NAMES = ("string", "variable_length_bytes", "bytes")


# Format 2


def decode_v2(spec: str | list) -> np.dtype:
    """Return the dtype that a format 2 document spells.

    Fields without a name and of kind V are padding, as in NumPy's own
    descriptions.

    Raises
    ------
    UnknownDataTypeError
        NumPy has no such data type of fixed size.
    """
    if isinstance(spec, list):
        return _decode_descr(spec)
    if not isinstance(spec, str) or not TYPESTR.fullmatch(spec):
        raise UnknownDataTypeError(f"unknown data type {shorten(spec)}")
    try:
        dtype = np.dtype(OLD_BYTES.sub(r"\1S\2", spec))
    except (TypeError, ValueError):
        raise UnknownDataTypeError(f"unknown data type {spec!r}") from None
    _check_kind(dtype)
    return dtype


def encode_v2(dtype: np.dtype) -> str | list:
    """Return a dtype as format 2 spells it.

    Raises
    ------
    UnknownDataTypeError
        Format 2 has no spelling for it.
    """
    _check_kind(dtype)
    if dtype.names is None:
        return dtype.str
    try:
        return _as_lists(dtype.descr)
    except ValueError as error:
        raise UnknownDataTypeError(f"data type {dtype}: {error}") from None


def _check_kind(dtype: np.dtype) -> None:
    if dtype.kind not in KINDS:
        raise UnknownDataTypeError(f"unknown data type {dtype.str!r}")


def _decode_descr(fields: list) -> np.dtype:
    names, titles, formats, offsets, end = [], [], [], [], 0
    for number, field in enumerate(fields):
        title, name, dtype = _decode_field(field, number)
        if name or dtype.kind != "V":
            names.append(name or f"f{number}")
            titles.append(title)
            formats.append(dtype)
            offsets.append(end)
        end += dtype.itemsize
    layout = {"names": names, "formats": formats, "offsets": offsets, "itemsize": end}
    if any(titles):
        layout["titles"] = titles
    try:
        return np.dtype(layout)  # type: ignore[call-overload]
    except (TypeError, ValueError) as error:
        raise UnknownDataTypeError(f"unknown data type {shorten(fields)}: {error}") from None


def _decode_field(field: object, number: int) -> tuple[str | None, str, np.dtype]:
    """Return title, name and dtype of one ``[name, spec]`` or ``[name, spec, shape]``."""
    if not isinstance(field, (list, tuple)) or len(field) not in (2, 3):
        raise UnknownDataTypeError(f"a field of a data type must be [name, type], not {shorten(field)}")
    title, name = field[0] if isinstance(field[0], (list, tuple)) and len(field[0]) == 2 else (None, field[0])
    if not isinstance(name, str):
        raise UnknownDataTypeError(f"field {number} of a data type has the name {shorten(name)}")
    dtype = decode_v2(field[1])
    if len(field) == 3:
        dtype = _subarray(dtype, field[2])
    return title, name, dtype


def _subarray(dtype: np.dtype, shape: object) -> np.dtype:
    axes = (shape,) if isinstance(shape, int) else sizes(shape, "shape of a field")
    try:
        return np.dtype((dtype, axes))
    except (TypeError, ValueError) as error:
        raise UnknownDataTypeError(f"field of shape {shorten(shape)}: {error}") from None


def _as_lists(value: Any) -> Any:
    return [_as_lists(item) for item in value] if isinstance(value, (list, tuple)) else value


# Format 3


def native_dtype(dtype: np.dtype) -> np.dtype:
    """Return `dtype` as format 3 has it in memory: native byte order, fields packed."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return np.dtype((native_dtype(base), shape))
    if dtype.names is not None:
        return np.dtype([(name, native_dtype(dtype[name])) for name in dtype.names])
    return dtype.newbyteorder("=")


def decode_v3(data_type: str | dict) -> np.dtype:
    """Return the native dtype that a format 3 document names.

    Raises
    ------
    UnknownDataTypeError
        zarrc does not know the name.
    MetadataError
        Its configuration is wrong.
    """
    name, configuration = _name_and_configuration(data_type)
    if name in CORE_DTYPES:
        return CORE_DTYPES[name]
    if name in OBJECT_NAMES:
        return np.dtype(object)
    if name in _EXTENSIONS:
        return _EXTENSIONS[name](configuration, name)
    if RAW_BITS.fullmatch(name) and int(name[1:]) % 8 == 0:
        return _sized("V", int(name[1:]) // 8, name)
    raise UnknownDataTypeError(f"unknown data type {name!r}")


def encode_v3(dtype: np.dtype) -> str | dict:
    """Return a dtype as format 3 names it, byte order and padding left aside.

    Raises
    ------
    UnknownDataTypeError
        Format 3 has no name for it. An object dtype has none of its own:
        ``"string"`` or ``"variable_length_bytes"`` must be said.
    """
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return _named("zarrc.subarray", data_type=encode_v3(base), shape=list(shape))
    if dtype.names is not None:
        return _named("structured", fields=[[name, encode_v3(dtype[name])] for name in dtype.names])
    native = dtype.newbyteorder("=")
    if native in CORE_NAMES:
        return CORE_NAMES[native]
    if dtype.kind in _LENGTH_NAMES:
        return _named(_LENGTH_NAMES[dtype.kind], length_bytes=dtype.itemsize)
    if dtype.kind in _TIME_NAMES:
        unit, scale_factor = np.datetime_data(dtype)
        return _named(_TIME_NAMES[dtype.kind], unit=unit, scale_factor=scale_factor)
    raise UnknownDataTypeError(f"format 3 has no data type for {dtype.str!r}")


_LENGTH_NAMES = {"S": "null_terminated_bytes", "V": "raw_bytes", "U": "fixed_length_utf32"}
_TIME_NAMES = {"M": "numpy.datetime64", "m": "numpy.timedelta64"}


def field_types(data_type: dict) -> dict[str, str | dict]:
    """Return the format 3 data types of the fields of a ``struct``, by name."""
    return {_field_name(field): _field_type(field) for field in data_type["configuration"]["fields"]}


def data_type_name(data_type: str | dict) -> str:
    """Return the name in a format 3 data type."""
    return data_type if isinstance(data_type, str) else data_type["name"]


def _named(name: str, **configuration: Any) -> dict:
    return {"name": name, "configuration": configuration}


def _name_and_configuration(data_type: object) -> tuple[str, dict]:
    if isinstance(data_type, str):
        return data_type, {}
    content = mapping(data_type, "data_type")
    name = require(content, "name", "data_type")
    if not isinstance(name, str):
        raise MetadataError(f"name of data_type must be a string, not {shorten(name)}")
    return name, mapping(content.get("configuration", {}), f"configuration of data type {name!r}")


def _sized(kind: str, length: int, name: str) -> np.dtype:
    try:
        return np.dtype(f"{kind}{length}")
    except (TypeError, ValueError):
        raise MetadataError(f"data type {name!r} is too long: {length}") from None


def _length(configuration: dict, name: str) -> int:
    length = require(configuration, "length_bytes", f"data type {name!r}")
    if isinstance(length, bool) or not isinstance(length, int) or length < 1:
        raise MetadataError(f"length_bytes of data type {name!r} must be a positive integer, not {length!r}")
    return length


def _null_terminated_bytes(configuration: dict, name: str) -> np.dtype:
    return _sized("S", _length(configuration, name), name)


def _raw_bytes(configuration: dict, name: str) -> np.dtype:
    return _sized("V", _length(configuration, name), name)


def _fixed_length_utf32(configuration: dict, name: str) -> np.dtype:
    length = _length(configuration, name)
    if length % 4:
        raise MetadataError(f"length_bytes of data type {name!r} must be a multiple of 4, not {length}")
    return _sized("U", length // 4, name)


def _time(configuration: dict, name: str) -> np.dtype:
    code = "M8" if name == "numpy.datetime64" else "m8"
    unit = require(configuration, "unit", f"data type {name!r}")
    factor = require(configuration, "scale_factor", f"data type {name!r}")
    if unit == "generic":
        return np.dtype(code)
    try:
        if type(factor) is int and 1 <= factor < 2**31:
            return np.dtype(f"{code}[{factor}{unit}]")
    except (TypeError, ValueError):
        pass
    raise MetadataError(f"data type {name!r} has no unit {unit!r} with scale_factor {factor!r}")


def _structured(configuration: dict, name: str) -> np.dtype:
    fields = require(configuration, "fields", f"data type {name!r}")
    if not isinstance(fields, list):
        raise MetadataError(f"fields of data type {name!r} must be a list, not {shorten(fields)}")
    try:
        return np.dtype([(_field_name(field), decode_v3(_field_type(field))) for field in fields])
    except (TypeError, ValueError) as error:
        if isinstance(error, MetadataError):
            raise
        raise MetadataError(f"fields of data type {name!r}: {error}") from None


def _field_name(field: object) -> str:
    name = None
    if isinstance(field, dict):
        name = field.get("name")
    elif isinstance(field, list) and field:
        name = field[0]
    if not isinstance(name, str):
        raise MetadataError(f"a field of a structured data type lacks its name: {shorten(field)}")
    return name


def _field_type(field: Any) -> str | dict:
    if isinstance(field, dict):
        return require(field, "data_type", f"field {field['name']!r}")
    if len(field) != 2:
        raise MetadataError(f"a field of a structured data type must be [name, type], not {shorten(field)}")
    return field[1]


def _subarray_type(configuration: dict, name: str) -> np.dtype:
    base = decode_v3(require(configuration, "data_type", f"data type {name!r}"))
    return _subarray(base, require(configuration, "shape", f"data type {name!r}"))


_EXTENSIONS: dict[str, Callable[[dict, str], np.dtype]] = {
    "null_terminated_bytes": _null_terminated_bytes,
    "raw_bytes": _raw_bytes,
    "fixed_length_utf32": _fixed_length_utf32,
    "numpy.datetime64": _time,
    "numpy.timedelta64": _time,
    "structured": _structured,
    "struct": _structured,
    "zarrc.subarray": _subarray_type,
}
