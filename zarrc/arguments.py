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

from .metadata.dtypes import RAW_BITS, decode_v3

Shape = tuple[int, ...]

# Chunk guesses aim between these sizes in bytes, and at the middle one for an array of 1 MiB.
SMALLEST_GUESS = 128 * 2**10
MIDDLE_GUESS = 256 * 2**10
LARGEST_GUESS = 64 * 2**20

# Guesses for arrays with shards: chunks that are read alone are small, what a key holds is large.
LARGEST_INNER_GUESS = 2**20
USUAL_SHARD = 32 * 2**20

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
    lengths = (shape,) if _is_integer(shape) or isinstance(shape, float) else _as_tuple(shape, "shape")
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
    if is_guess(chunks):
        return guess_chunks(shape, itemsize)
    return _lengths("chunk", chunks, shape)


def is_guess(chunks: Any) -> bool:
    """Whether a chunk shape is left to be guessed."""
    return chunks is None or chunks is True or (isinstance(chunks, str) and chunks == "auto")


def _lengths(what: str, given: Any, shape: Shape) -> Shape:
    """Return the lengths of a chunk or a shard that are given; those of whole axes are the axes' own."""
    return tuple(
        _length(what, length, n) for length, n in zip(_per_axis(what, given, shape), shape, strict=True)
    )


def _per_axis(what: str, given: Any, shape: Shape) -> tuple[Any, ...]:
    """Return what is given for each axis; None where nothing is."""
    if given is False:
        given = -1
    if _is_integer(given):
        return (given,) * len(shape)
    lengths = _as_tuple(given, f"{what}s")
    if len(lengths) > len(shape):
        raise ValueError(f"too many dimensions in {what}s: {lengths} for an array of shape {shape}")
    return lengths + (None,) * (len(shape) - len(lengths))


def _length(what: str, length: Any, axis_length: int) -> int:
    if length is None:
        return max(axis_length, 1)
    length = _as_int(length, f"{what}s")
    if length == -1:
        return max(axis_length, 1)
    if length == 0 and axis_length == 0:
        return 1
    if length <= 0:
        raise ValueError(f"a {what}'s length must be positive, or -1 for the whole axis; found {length}")
    return length


def normalize_shards(
    shards: Any, chunks: Any, shape: Shape, itemsize: int, usual_nbytes: int = USUAL_SHARD
) -> tuple[Shape, Shape]:
    """Return the chunk shape and the shard shape of an array that has both.

    Parameters
    ----------
    shards : True, "auto", int or sequence
        True and "auto" guess; -1 and None are the whole axis, up to the end of its last chunk.
    chunks, shape, itemsize
        As for `normalize_chunks`.
    usual_nbytes : int
        Bytes of a decoded shard that guesses aim at.

    Returns
    -------
    chunk_shape, shard_shape : tuple of int
        The first divides the second.

    Raises
    ------
    TypeError, ValueError
        As `normalize_chunks` does, and where the chunks do not divide the shards.
    """
    if is_guess(shards):
        guess = is_guess(chunks)
        inner = _small_chunks(shape, itemsize) if guess else normalize_chunks(chunks, shape, itemsize)
        return inner, guess_shards(shape, inner, itemsize, usual_nbytes)
    outer = _lengths("shard", shards, shape)
    if is_guess(chunks):
        inner = tuple(map(_divisor, _small_chunks(outer, itemsize), outer))
    else:
        inner = normalize_chunks(chunks, shape, itemsize)
    given = _per_axis("shard", shards, shape)
    outer = tuple(
        -(-n // c) * c if said in (None, -1) else n for said, n, c in zip(given, outer, inner, strict=True)
    )
    if any(n % c for n, c in zip(outer, inner, strict=True)):
        raise ValueError(f"chunks {inner} must divide shards {outer} along every axis")
    return inner, outer


def guess_shards(shape: Shape, chunk_shape: Shape, itemsize: int, usual_nbytes: int = USUAL_SHARD) -> Shape:
    """Guess a shard shape of whole chunks, of `usual_nbytes` or somewhat less.

    The number of chunks is doubled along one axis after the other, the last one first, up to the array's own.

    >>> guess_shards((10000, 10000), (100, 100), 4)
    (1600, 3200)
    """
    most = [max(1, -(-n // c)) for n, c in zip(shape, chunk_shape, strict=True)]
    counts = [1] * len(shape)
    n_chunks = usual_nbytes // max(1, math.prod(chunk_shape) * itemsize)
    while True:
        growing = [axis for axis, n in enumerate(counts) if n < most[axis]]
        if not growing:
            break
        axis = min(reversed(growing), key=counts.__getitem__)
        longer = min(2 * counts[axis], most[axis])
        if math.prod(counts) // counts[axis] * longer > n_chunks:
            break
        counts[axis] = longer
    return tuple(n * c for n, c in zip(counts, chunk_shape, strict=True))


def _small_chunks(shape: Shape, itemsize: int) -> Shape:
    return guess_chunks(shape, itemsize, LARGEST_INNER_GUESS)


def _divisor(length: int, whole: int) -> int:
    """Return the divisor of `whole` that is the nearest to a length, by ratio."""
    candidates = [n for n in range(1, math.isqrt(whole) + 1) if whole % n == 0]
    candidates += [whole // n for n in candidates]
    return min(candidates, key=lambda n: max(n / length, length / n))


def guess_chunks(shape: Shape, itemsize: int, largest: int = LARGEST_GUESS) -> Shape:
    """Guess a chunk shape for an array that nobody chose one for.

    The size aimed at grows with the array's own, from 128 KiB to 64 MiB or what `largest`
    says. The axes are halved in turn, the first one first, until a chunk is about that large.

    >>> guess_chunks((10000, 10000), 4)
    (625, 625)
    """
    lengths = [max(n, 1) for n in shape]
    nbytes = math.prod(lengths) * itemsize
    if nbytes == 0:
        return tuple(lengths)
    wanted = MIDDLE_GUESS * 2.0 ** math.log10(nbytes / 2**20)
    wanted = min(max(wanted, SMALLEST_GUESS), largest)
    axis = 0
    while math.prod(lengths) > 1 and not _is_near(math.prod(lengths) * itemsize, wanted, largest):
        lengths[axis] = (lengths[axis] + 1) // 2
        axis = (axis + 1) % len(lengths)
    return tuple(lengths)


def _is_near(nbytes: int, wanted: float, largest: int) -> bool:
    return nbytes < 1.5 * wanted and nbytes < largest


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
        Anything that NumPy takes, None for float64, a data type as format 3 spells it,
        or a shorthand for an object array: `str`, ``"string"`` or NumPy's StringDType for
        strings, `bytes` or ``"variable_length_bytes"``, ``"array:T"`` for arrays of type T;
        h5py's data types for these.
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
    dtype = _numpy_dtype(dtype)
    if dtype.kind in "mM" and np.datetime_data(dtype)[0] == "generic":
        raise ValueError(
            "datetime64 and timedelta64 dtypes with generic units are not supported, "
            f'please specify units (e.g., "{dtype.kind}8[ns]")'
        )
    return dtype, object_codec


STRINGS = ("str", "string")
BYTES = ("bytes", "variable_length_bytes")


def _object_shorthand(dtype: Any) -> dict[str, Any] | None:
    dtype = getattr(dtype, "python_type", dtype)  # zarrc.dtype's strings and bytes
    if dtype is str or getattr(dtype, "kind", None) == "T":
        return {"id": "vlen-utf8"}
    if dtype is bytes:
        return {"id": "vlen-bytes"}
    if getattr(dtype, "kind", None) == "O" and dtype.metadata:
        return _of_h5py(dtype.metadata.get("vlen"))
    if isinstance(dtype, dict):
        dtype = dtype.get("name")
    if not isinstance(dtype, str):
        return None
    if dtype in STRINGS or dtype == "T":
        return {"id": "vlen-utf8"}
    if dtype in BYTES:
        return {"id": "vlen-bytes"}
    if dtype.startswith("array:"):
        return {"id": "vlen-array", "dtype": np.dtype(dtype.removeprefix("array:")).str}
    return None


def _of_h5py(items: Any) -> dict[str, Any] | None:
    """Return what h5py's data types for strings and arrays of any length mean; their metadata say what these hold."""
    if items in (str, bytes):
        return {"id": "vlen-utf8" if items is str else "vlen-bytes"}
    return None if items is None else {"id": "vlen-array", "dtype": np.dtype(items).str}


def _numpy_dtype(dtype: Any) -> np.dtype:
    """Return NumPy's dtype of anything that it takes, or of a format 3 data type."""
    if isinstance(dtype, dict) and "name" in dtype and "names" not in dtype:
        return decode_v3(dtype)
    try:
        return np.dtype(dtype)
    except TypeError:
        if not isinstance(dtype, str) or not RAW_BITS.fullmatch(dtype):
            raise
        return decode_v3(dtype)


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
        if isinstance(value, float) and value.is_integer():
            return _as_int_with_warning(value, what)
        raise TypeError(f"{what} must be made of integers, found {value!r}") from None


def _as_int_with_warning(value: float, what: str) -> int:
    """Return a float that is a whole number as the integer that version 2 took it for."""
    import warnings

    warnings.warn(
        f"{what} must be made of integers: {value!r} is taken as {int(value)}", UserWarning, stacklevel=5
    )
    return int(value)


def _as_tuple(value: Any, what: str) -> tuple[Any, ...]:
    if isinstance(value, str | bytes):
        raise ValueError(f"{what} must be an integer or a sequence of integers, found {value!r}")
    try:
        return tuple(value)
    except TypeError:
        raise TypeError(f"{what} must be an integer or a sequence of integers, found {value!r}") from None
