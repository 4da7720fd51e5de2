"""What users pass when they make an array, brought into one form.

Plain functions of shapes, chunk shapes, data types and spellings. They know
nothing of stores or of metadata documents, and raise before anything is
written.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

Shape = tuple[int, ...]

# Chunk guesses aim between these sizes in bytes, and at the middle one for an array of 1 MiB.
SMALLEST_GUESS = 128 * 2**10
MIDDLE_GUESS = 256 * 2**10
LARGEST_GUESS = 64 * 2**20

# What h5py takes when it creates a dataset and a chunked, compressed array has no use for.
H5PY_ONLY = frozenset(
    {
        "allow_unknown_filter",
        "dapl",
        "dcpl",
        "efile_prefix",
        "external",
        "fill_time",
        "fletcher32",
        "maxshape",
        "rdcc_nbytes",
        "rdcc_nslots",
        "rdcc_w0",
        "scaleoffset",
        "shuffle",
        "track_order",
        "track_times",
        "virtual_prefix",
    }
)


def normalize_shape(shape: Any) -> Shape:
    """Return an array's shape as a tuple of ints.

    Parameters
    ----------
    shape : int or sequence of int

    Raises
    ------
    TypeError
        When the shape is None or something other than integers.
    ValueError
        When a length is negative.
    """
    if shape is None:
        raise TypeError("shape is None: give an integer or a sequence of integers")
    lengths = (shape,) if _is_integer(shape) else _as_tuple(shape, "shape")
    lengths = tuple(_as_int(n, "shape") for n in lengths)
    if any(n < 0 for n in lengths):
        raise ValueError(f"shape {lengths} has a negative length")
    return lengths


def normalize_chunks(chunks: Any, shape: Shape, itemsize: int) -> Shape:
    """Return a chunk shape, one positive length per axis.

    Parameters
    ----------
    chunks : bool, int, sequence, None or "auto"
        True, None and "auto" guess from shape and item size; False and -1 make a
        single chunk; an integer is the length along every axis; in a sequence, None
        and -1 stand for the whole axis, as do axes that are left out at its end.
    shape : tuple of int
        The array's shape.
    itemsize : int
        Bytes per element.

    Raises
    ------
    TypeError, ValueError
        When `chunks` is none of these, or a length is not positive.
    """
    if chunks is None or chunks is True or (isinstance(chunks, str) and chunks == "auto"):
        return guess_chunks(shape, itemsize)
    if chunks is False:
        chunks = -1
    if _is_integer(chunks):
        lengths: tuple[Any, ...] = (chunks,) * len(shape)
    else:
        lengths = _as_tuple(chunks, "chunks")
    if len(lengths) > len(shape):
        raise ValueError(f"too many dimensions in chunks: {lengths} for an array of shape {shape}")
    lengths += (None,) * (len(shape) - len(lengths))
    return tuple(_chunk_length(length, n) for length, n in zip(lengths, shape, strict=True))


def _chunk_length(length: Any, axis_length: int) -> int:
    if length is None:
        return max(axis_length, 1)
    length = _as_int(length, "chunks")
    if length == -1:
        return max(axis_length, 1)
    if length == 0 and axis_length == 0:
        return 1
    if length <= 0:
        raise ValueError(f"a chunk's length must be positive, or -1 for the whole axis; found {length}")
    return length


def guess_chunks(shape: Shape, itemsize: int) -> Shape:
    """Guess a chunk shape for an array that nobody chose one for.

    The size aimed at grows with the array's own, from 128 KiB to 64 MiB. The axes
    are halved in turn, the first one first, until a chunk is about that large.

    >>> guess_chunks((10000, 10000), 4)
    (625, 625)
    """
    lengths = [max(n, 1) for n in shape]
    nbytes = math.prod(lengths) * itemsize
    if nbytes == 0:
        return tuple(lengths)
    wanted = MIDDLE_GUESS * 2.0 ** math.log10(nbytes / 2**20)
    wanted = min(max(wanted, SMALLEST_GUESS), LARGEST_GUESS)
    axis = 0
    while math.prod(lengths) > 1 and not _is_near(math.prod(lengths) * itemsize, wanted):
        lengths[axis] = (lengths[axis] + 1) // 2
        axis = (axis + 1) % len(lengths)
    return tuple(lengths)


def _is_near(nbytes: int, wanted: float) -> bool:
    return nbytes < 1.5 * wanted and nbytes < LARGEST_GUESS


def normalize_order(order: Any) -> str:
    """Return a memory order as "C" or "F"."""
    upper = str(order).upper()
    if upper not in ("C", "F"):
        raise ValueError(f"order must be either 'C' or 'F', found: {order!r}")
    return upper


def normalize_dtype(dtype: Any, object_codec: Any = None) -> tuple[np.dtype, Any]:
    """Return a data type, and the codec for its objects where it has any.

    Parameters
    ----------
    dtype : data-type
        Anything that NumPy takes, None for float64, or a shorthand for an object
        array: `str`, `bytes`, or ``"array:T"`` for arrays of type T.
    object_codec : codec, optional
        The codec that turns objects into bytes; the shorthands bring their own.

    Returns
    -------
    dtype : dtype
    object_codec : codec, dict or None
        A dict holds a numcodecs configuration.

    Raises
    ------
    ValueError
        For datetimes without a unit.
    """
    shorthand = _object_shorthand(dtype)
    if shorthand is not None:
        return np.dtype(object), shorthand if object_codec is None else object_codec
    dtype = np.dtype(dtype)
    if dtype.kind in "mM" and np.datetime_data(dtype)[0] == "generic":
        raise ValueError(
            "datetime64 and timedelta64 dtypes with generic units are not supported, "
            f'please specify units (e.g., "{dtype.kind}8[ns]")'
        )
    return dtype, object_codec


def _object_shorthand(dtype: Any) -> dict[str, Any] | None:
    if dtype is str:
        return {"id": "vlen-utf8"}
    if dtype is bytes:
        return {"id": "vlen-bytes"}
    if isinstance(dtype, str) and dtype.startswith("array:"):
        return {"id": "vlen-array", "dtype": np.dtype(dtype.removeprefix("array:")).str}
    return None


def translate_h5py(compressor: Any, compression: Any, compression_opts: Any) -> Any:
    """Return the compressor that h5py's two arguments mean.

    Parameters
    ----------
    compressor : codec, None or "default"
        Zarr's own argument; it wins, with a warning, over h5py's.
    compression : str, codec, None or "default"
        The name of a codec in numcodecs' registry, or a codec.
    compression_opts : int, dict, sequence or None
        The codec's level, its named or its positional arguments.

    Raises
    ------
    ValueError
        When `compression` is not a name or a codec, or no codec has that name.
    """
    given = not _is_default(compression)
    if not _is_default(compressor):
        _warn_overridden(given, compression_opts)
        return compressor
    if not given:
        if compression_opts is not None:
            _warn("ignoring keyword argument 'compression_opts'")
        return compressor
    if compression is None or (isinstance(compression, str) and compression == "none"):
        return None
    if not isinstance(compression, str):
        if hasattr(compression, "get_config") or hasattr(compression, "to_dict"):
            return compression
        raise ValueError(f"bad value for compression: {compression!r}")
    return _codec_by_name(compression, compression_opts)


def _codec_by_name(name: str, options: Any) -> Any:
    from numcodecs.registry import codec_registry

    codec = codec_registry.get(name)
    if codec is None:
        raise ValueError(f"bad value for compression: no codec is named {name!r}")
    if options is None:
        return codec()
    if isinstance(options, dict):
        return codec(**options)
    return codec(*options) if isinstance(options, tuple | list) else codec(options)


def _warn_overridden(compression_given: bool, compression_opts: Any) -> None:
    if compression_given:
        _warn("'compression' keyword argument overridden by 'compressor'")
    if compression_opts is not None:
        _warn("ignoring keyword argument 'compression_opts'")


def refuse_unknown(arguments: dict[str, Any], function: str) -> None:
    """Warn about arguments that only h5py understands, and refuse all others.

    Raises
    ------
    TypeError
        For a name that neither library knows.
    """
    for name in arguments:
        if name not in H5PY_ONLY:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
        _warn(f"ignoring keyword argument {name!r}")


def _warn(message: str) -> None:
    import warnings

    warnings.warn(message, UserWarning, stacklevel=5)


def _is_default(value: Any) -> bool:
    return isinstance(value, str) and value in ("default", "auto")


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _as_int(value: Any, what: str) -> int:
    if isinstance(value, bool | np.bool_):
        raise TypeError(f"{what} must be made of integers, found {value!r}")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{what} must be made of integers, found {value!r}") from None


def _as_tuple(value: Any, what: str) -> tuple[Any, ...]:
    if isinstance(value, str | bytes):
        raise ValueError(f"{what} must be an integer or a sequence of integers, found {value!r}")
    try:
        return tuple(value)
    except TypeError:
        raise TypeError(f"{what} must be an integer or a sequence of integers, found {value!r}") from None
