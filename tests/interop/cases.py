"""The arrays that zarrc and its peers write for each other.

Plain data and NumPy only: this file is imported by pytest and, as it stands, by every peer's own Python. A case
is a choice of one level for each factor, and everything about it follows from these: metadata, values and
what must be read. So a peer is told the levels and nothing else.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# ------------------------------------------------------------------- levels

STRUCTURED = [("id", "<i4"), ("name", "S5"), ("weight", "<f8")]
NESTED = [("point", [("x", "<f4"), ("y", "<f4")]), ("label", "<U3"), ("matrix", "<i2", (2, 3))]

NUMBERS = ("b1", *(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)), "f2", "f4", "f8", "c8", "c16")
OTHERS: dict[str, Any] = {
    "S5": "S5",
    "U5": "U5",
    "V6": "V6",
    "M8-ns": "M8[ns]",
    "M8-D": "M8[D]",
    "m8-25us": "m8[25us]",
    "structured": STRUCTURED,
}
OBJECTS = ("string", "bytes")
DTYPES: dict[str, Any] = {name: name for name in NUMBERS} | OTHERS | {"nested": NESTED}

BLOSC_NAMES = ("blosclz", "lz4", "lz4hc", "zlib", "zstd")
BLOSC_SHUFFLES = ("noshuffle", "shuffle", "bitshuffle")
BLOSC = tuple(f"blosc-{name}-{shuffle}" for name in BLOSC_NAMES for shuffle in BLOSC_SHUFFLES)

# name: shape, chunks (in a sharded array: inner chunks)
GEOMETRIES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "ragged-2d": ((7, 10), (3, 4)),
    "0d": ((), ()),
    "1d": ((23,), (5,)),
    "one-chunk": ((6, 8), (6, 8)),
    "chunk-larger": ((3, 4), (5, 9)),
    "ragged-3d": ((5, 6, 7), (2, 6, 3)),
    "5d": ((3, 2, 4, 2, 3), (2, 1, 3, 2, 2)),
    "empty": ((0, 4), (2, 2)),
    "ones": ((3, 4), (1, 1)),
}
# what is written: everything, everything in many small pieces, the first row of keys, nothing
EXTENTS = ("whole", "pieces", "part", "untouched")
FILLS = ("zero", "some", "high", "low", "nan", "odd", "odder")

FACTORS_2 = {
    "dtype": (*NUMBERS, *OTHERS, "nested", *OBJECTS),
    "bytes": ("little", "big"),
    "compressor": (
        *("none", "gzip", "zlib", "bz2", "lzma", "lz4", "zstd", "zstd-fast", "zstd-checksum"),
        *BLOSC,
        "blosc-blocksize",
        "blosc-autoshuffle",
    ),
    "filters": ("none", "shuffle", "transform", "checksum"),
    "order": ("C", "F"),
    "keys": ("v2.", "v2/"),
    "geometry": tuple(GEOMETRIES),
    "fill": (*FILLS, "null"),
    "extent": EXTENTS,
}
LAYOUTS = (
    "plain",
    "transpose",
    "transpose-twice",
    "shard",
    "shard-index-at-start",
    "shard-index-bare",
    "shard-index-big",
    "shard-nested",
    "shard-nested-start",
    "shard-transposed",
    "shard-of-transposed",
    "shard-crc32c",
    "shard-zstd",
)
FACTORS_3 = {
    "dtype": (*NUMBERS, *OTHERS, *OBJECTS),
    "bytes": ("little", "big"),
    "compressor": (
        *("none", "gzip", "zstd", "zstd-fast", "zstd-checksum", "crc32c", "zstd+crc32c", "gzip+zstd"),
        *BLOSC,
        "blosc-blocksize",
    ),
    "layout": LAYOUTS,
    "keys": ("default/", "default.", "v2.", "v2/"),
    "geometry": tuple(GEOMETRIES),
    "fill": FILLS,
    "extent": EXTENTS,
}
FACTORS: dict[int, dict[str, tuple[str, ...]]] = {2: FACTORS_2, 3: FACTORS_3}
_FEW = ("none", "zlib", "zstd", "blosc-lz4-shuffle", "blosc-zstd-bitshuffle", "blosc-blosclz-noshuffle")
# what is combined: of all that a factor may be, what most peers take together, then what they often refuse
SUITES: dict[int, list[dict[str, tuple[str, ...]]]] = {
    2: [
        FACTORS_2 | {"dtype": NUMBERS, "filters": ("none",)},
        FACTORS_2 | {"dtype": (*OTHERS, "nested", *OBJECTS), "compressor": _FEW},
        FACTORS_2 | {"filters": FACTORS_2["filters"][1:], "compressor": _FEW},
    ],
    3: [
        FACTORS_3 | {"dtype": NUMBERS},
        FACTORS_3 | {"dtype": (*OTHERS, *OBJECTS), "compressor": (*_FEW[2:], "gzip", "zstd+crc32c")},
    ],
}


# ------------------------------------------------------------------- one case


@dataclass(frozen=True, eq=False)
class Case:
    """One array: its format, and the level of each factor."""

    zarr_format: int
    levels: Mapping[str, str]

    @property
    def name(self) -> str:
        return f"{self.zarr_format}: " + ", ".join(self.levels.values())

    def __getitem__(self, factor: str) -> str:
        return self.levels[factor]

    @functools.cached_property
    def is_object(self) -> bool:
        return self["dtype"] in OBJECTS

    @functools.cached_property
    def dtype(self) -> np.dtype:
        """As it is stored in format 2, native in format 3; object for strings and bytes of any length."""
        if self.is_object:
            return np.dtype(object)
        dtype = np.dtype(DTYPES[self["dtype"]])
        return dtype.newbyteorder(">") if self.zarr_format == 2 and self["bytes"] == "big" else dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return GEOMETRIES[self["geometry"]][0]

    @property
    def inner_chunks(self) -> tuple[int, ...]:
        """The innermost."""
        return GEOMETRIES[self["geometry"]][1]

    @property
    def chunks(self) -> tuple[int, ...]:
        """What one key holds."""
        return tuple(self.times * size for size in self.inner_chunks)

    @property
    def times(self) -> int:
        """How many inner chunks a shard has along each axis."""
        layout = self.levels.get("layout", "")
        return 4 if "nested" in layout else 2 if layout.startswith("shard") else 1

    @property
    def key_encoding(self) -> str:
        return self["keys"][:-1]

    @property
    def separator(self) -> str:
        return self["keys"][-1]

    @functools.cached_property
    def fill_value(self) -> Any:
        """Scalar of `dtype`, str, bytes, or None."""
        if self["fill"] == "null":
            return None
        level = FILLS.index(self["fill"])
        if self.is_lossy:
            return self.dtype.type(level / 8)
        if self.zarr_format == 2 and self["fill"] in ("odd", "odder") and self.dtype.kind in "fc":
            return fills(self.dtype, exact=False)[level]
        if self["dtype"] == "string":
            return ("", "né数", "z" * 9, "a\0b", "NaN", '"', "\\")[level]
        if self["dtype"] == "bytes":
            return (b"", b"ab", b"\xff" * 9, b"a\0b", b"NaN", b"\0", b"\n")[level]
        return fills(self.dtype)[level]

    @property
    def is_lossy(self) -> bool:
        """Whether a filter keeps eighths only, and no special values."""
        return self.levels.get("filters") == "transform" and self.dtype.kind == "f"

    @property
    def codecs(self) -> Any:
        """As metadata spell them: of format 2 a dict of compressor and filters, of format 3 the chain."""
        if self.zarr_format == 2:
            return {"compressor": compressor_2(self["compressor"]), "filters": filters_2(self)}
        return chain_3(self)

    @property
    def data_type(self) -> Any:
        """As format 3 spells it."""
        return data_type_3(self["dtype"])


# ------------------------------------------------------------------- values


def values(case: Case) -> np.ndarray:
    """Return what is written, of `case.shape` and `case.dtype`: a pattern without long repeats."""
    n = math.prod(case.shape)
    if case.is_object:
        words = ["", "a", "naïve", "数" * 3, "x" * 40]
        texts = [words[i * 7 % 5] + str(i) * (i % 3) for i in range(n)]
        return _objects([t if case["dtype"] == "string" else t.encode() for t in texts], case.shape)
    result = _pattern(n, case.dtype).reshape(case.shape)
    if not case.is_lossy:
        _sprinkle(result)
    # the first chunk holds what absent ones do
    if case.fill_value is not None and case["extent"] != "part":
        result[tuple(slice(0, size) for size in case.inner_chunks)] = case.fill_value
    return result


def expected(case: Case) -> np.ndarray:
    """Return what reading `case` must give, bit by bit."""
    if case.is_object:
        rest = ("" if case["dtype"] == "string" else b"") if case.fill_value is None else case.fill_value
        result = _objects([rest] * math.prod(case.shape), case.shape)
    else:
        result = np.zeros(case.shape, case.dtype)
        if case.fill_value is not None:
            result[...] = case.fill_value
    for selection in written(case):
        result[selection] = values(case)[selection]
    return result


def written(case: Case) -> list[tuple[slice, ...]]:
    """Return the selections that are written, one after the other."""
    everything = tuple(slice(0, size) for size in case.shape)
    if case["extent"] == "untouched" or 0 in case.shape:
        return []
    if not case.shape or case["extent"] == "whole":
        return [everything]
    first = slice(0, min(case.chunks[0], case.shape[0]))
    if case["extent"] == "part":
        return [(first, *everything[1:])]
    return [
        (rows, *everything[1:-1], *columns)
        for rows in _pieces(case.shape[0], 2)
        for columns in ([(c,) for c in _pieces(case.shape[-1], 3)] if len(case.shape) > 1 else [()])
    ]


def _pieces(size: int, length: int) -> list[slice]:
    return [slice(start, min(start + length, size)) for start in range(0, size, length)]


def compare(found: Any, case: Case) -> str:
    """Return how what a peer read differs from what `case` promises: nothing of absent chunks without a fill value."""
    is_all_known = case["extent"] in ("whole", "pieces") or (case["extent"] == "part" and not case.shape)
    if case["fill"] != "null" or is_all_known:
        return same(found, expected(case))
    differences = (same(found[selection], expected(case)[selection]) for selection in written(case))
    return next(filter(None, differences), "")


def same(one: Any, other: np.ndarray) -> str:
    """Return how two arrays differ, `""` where they do not: shapes, and bits in native byte order."""
    is_object = isinstance(one, bytes) and other.dtype == object  # as NumPy's bytes it would lose zeros
    one = np.array(one, object) if is_object else np.asarray(one)
    if one.shape == () and one.dtype.kind in "SU" and one.dtype.kind == other.dtype.kind:
        one = one.astype(other.dtype)  # NumPy's scalars are as long as their text
    if one.shape != other.shape:
        return f"shape {one.shape} and {other.shape}"
    if other.dtype == object:
        return "" if one.tolist() == other.tolist() else f"values {one.tolist()} and {other.tolist()}"
    native = other.dtype.newbyteorder("=")
    if one.dtype.newbyteorder("=") != native:
        return f"dtype {one.dtype} and {other.dtype}"
    if one.astype(native).tobytes() != other.astype(native).tobytes():
        return f"values {one.ravel()[:8]!r}... and {other.ravel()[:8]!r}..."
    return ""


def _objects(items: list, shape: tuple[int, ...]) -> np.ndarray:
    result = np.empty(len(items), object)
    result[:] = items
    return result.reshape(shape)


def _sprinkle(result: np.ndarray) -> None:
    """Put the special values of the dtype here and there."""
    flat = result.reshape(-1)
    for number, value in enumerate(fills(result.dtype)):
        flat[number + 20 : number + 21] = value


def _pattern(n: int, dtype: np.dtype) -> np.ndarray:
    """Return `n` items of `dtype`, made from the numbers 0, 37, 74... modulo 1009."""
    if dtype.names is not None:
        return _fields(n, dtype)
    index = np.arange(n, dtype="i8") * 37 % 1009
    if dtype.kind == "b":
        return index % 3 == 0
    if dtype.kind == "S":
        return np.array([b"zarr-0123"[: i % 7] for i in index], dtype)
    if dtype.kind == "U":
        return np.array(["zaré数-0123"[: i % 7] for i in index], dtype)
    if dtype.kind == "V":
        data = b"".join(bytes((i + k) % 251 for k in range(dtype.itemsize)) for i in index)
        return np.frombuffer(data, dtype).copy()
    if dtype.kind in "mM":
        return (index - 300).view(dtype.newbyteorder("=")).astype(dtype)
    if dtype.kind == "c":
        return ((index - 500) / 8 + 1j * (index % 77)).astype(dtype)
    if dtype.kind == "f":
        return ((index - 500) / 8).astype(dtype)
    return (index - 500 * (dtype.kind == "i")).astype(dtype)


def _fields(n: int, dtype: np.dtype) -> np.ndarray:
    result = np.zeros(n, dtype)
    for name in dtype.names or ():
        part = dtype[name]
        result[name] = _pattern(n * math.prod(part.shape), part.base).reshape(n, *part.shape)
    return result


# ------------------------------------------------------------------- fill values


def fills(dtype: np.dtype, exact: bool = True) -> list[Any]:
    """Return scalars of a dtype, one for each of `FILLS`; without `exact`, NaNs are the usual one."""
    zero = np.zeros((), dtype)[()]
    if dtype.names is not None:
        return [zero, *(_pattern(5 * k, dtype)[-1] for k in range(1, 7))]
    if dtype.kind == "c":
        part = np.dtype(f"f{dtype.itemsize // 2}")
        x = fills(part, exact)
        pairs = [(1.5, -2), (x[2], x[3]), (x[3], x[1]), (x[4], x[2]), (x[5], x[6]), (x[6], x[5])]
        # side by side as they are: arithmetic would change NaNs and signs
        native = [np.array(pair, part).view(dtype.newbyteorder("="))[0] for pair in pairs]
        return [zero, *(_cast(value, dtype) for value in native)]
    if dtype.kind == "f":
        bits = {2: 0x7E01, 4: 0x7FC12345, 8: 0xFFF8000000012345}[dtype.itemsize]
        payload = np.array(bits, f"u{dtype.itemsize}").view(dtype.newbyteorder("="))[()] if exact else np.nan
        plain = [zero, 0.1, math.inf, -math.inf, math.nan]
        return [np.array(value, dtype)[()] for value in plain] + [_cast(payload, dtype), _cast(-0.0, dtype)]
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return [np.array(v, dtype)[()] for v in (0, 7, limits.max, limits.min, 1, limits.max - 1, 100)]
    if dtype.kind in "mM":
        lowest = -(2**63)  # NaT
        counts = [0, 5000, 2**63 - 1, lowest + 1, lowest, -1, 1]
        return [np.array(count, "i8").view(dtype.newbyteorder("=")).astype(dtype)[()] for count in counts]
    items: dict[str, list[Any]] = {
        "b": [False, True, True, False, True, False, True],
        "S": [b"", b"ab", b"\xff" * 5, b"a\0b", b"NaN", b"\\", b"12345"],
        "U": ["", "né数", "z" * 5, "a\0b", "NaN", "\\", "\U0001f600"],
        "V": [b"", b"abcdef", b"\xff" * 6, b"a\0b", b"NaN", b"\\", b"\x000000\0"],
    }
    if dtype.kind == "V":
        return [np.frombuffer(item.ljust(dtype.itemsize, b"\0"), dtype)[0] for item in items["V"]]
    return [np.array(item, dtype)[()] for item in items[dtype.kind]]


def _cast(value: Any, dtype: np.dtype) -> Any:
    return np.array(value).astype(dtype)[()]


# ------------------------------------------------------------------- codecs


def compressor_2(level: str) -> dict[str, Any] | None:
    """Return the numcodecs configuration of a compressor of format 2."""
    if level.startswith("blosc"):
        configuration = {"cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}
        if level == "blosc-blocksize":
            configuration["blocksize"] = 256
        elif level == "blosc-autoshuffle":
            configuration["shuffle"] = -1
        else:
            _, configuration["cname"], shuffle = level.split("-")
            configuration["shuffle"] = BLOSC_SHUFFLES.index(shuffle)
        return {"id": "blosc", **configuration}
    return {
        "none": None,
        "gzip": {"id": "gzip", "level": 6},
        "zlib": {"id": "zlib", "level": 1},
        "bz2": {"id": "bz2", "level": 1},
        "lzma": {"id": "lzma", "format": 1, "check": -1, "preset": None, "filters": None},
        "lz4": {"id": "lz4", "acceleration": 1},
        "zstd": {"id": "zstd", "level": 3},
        "zstd-fast": {"id": "zstd", "level": -3},
        "zstd-checksum": {"id": "zstd", "level": 1, "checksum": True},
    }[level]


def filters_2(case: Case) -> list[dict[str, Any]] | None:
    """Return the numcodecs configurations of the filters of format 2."""
    dtype, level = case.dtype, case["filters"]
    if case.is_object:
        objects = {"string": "vlen-utf8", "bytes": "vlen-bytes"}
        return [{"id": objects[case["dtype"]]}, *([{"id": "crc32"}] if level == "checksum" else [])]
    if level == "shuffle":
        return [{"id": "shuffle", "elementsize": dtype.itemsize}]
    if level == "checksum":
        return [{"id": "crc32"}]
    if level == "transform" and dtype.kind == "b":
        return [{"id": "packbits"}]
    if level == "transform" and dtype.kind in "iu":
        return [{"id": "delta", "dtype": dtype.str, "astype": dtype.str}]
    if level == "transform" and dtype.kind == "f":
        return [
            {"id": "fixedscaleoffset", "scale": 8, "offset": -63, "dtype": dtype.str, "astype": "<i4"},
        ]
    return None


def _codec(name: str, **configuration: Any) -> dict[str, Any]:
    return {"name": name, "configuration": configuration} if configuration else {"name": name}


def compressors_3(level: str, itemsize: int) -> list[dict[str, Any]]:
    """Return the codecs from bytes to bytes."""
    if level.startswith("blosc"):
        cname, shuffle = ("lz4", "shuffle") if level == "blosc-blocksize" else level.split("-")[1:]
        blocksize = 256 if level == "blosc-blocksize" else 0
        facts = {
            "cname": cname,
            "clevel": 5,
            "shuffle": shuffle,
            "typesize": itemsize,
            "blocksize": blocksize,
        }
        return [_codec("blosc", **facts)]
    each = {
        "none": [],
        "gzip": [_codec("gzip", level=6)],
        "zstd": [_codec("zstd", level=3, checksum=False)],
        "zstd-fast": [_codec("zstd", level=-3, checksum=False)],
        "zstd-checksum": [_codec("zstd", level=1, checksum=True)],
        "crc32c": [_codec("crc32c")],
    }
    return each[level] if level in each else [codec for part in level.split("+") for codec in each[part]]


def serializer_3(case: Case) -> dict[str, Any]:
    """Return the codec from arrays to bytes of the innermost chunks."""
    if case.is_object:
        return _codec({"string": "vlen-utf8", "bytes": "vlen-bytes"}[case["dtype"]])
    has_order = (case.dtype.itemsize > 1 and case.dtype.kind not in "SV") or case["dtype"] == "structured"
    return _codec("bytes", endian=case["bytes"]) if has_order else _codec("bytes")


def _rotated(ndim: int) -> list[int]:
    return [*range(1, ndim), 0] if ndim else []


def _transposed(sizes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sizes[axis] for axis in _rotated(len(sizes)))


def chain_3(case: Case) -> list[dict[str, Any]]:
    """Return the chain of codecs of format 3."""
    layout, chunks = case["layout"], case.inner_chunks
    transpose = _codec("transpose", order=_rotated(len(chunks)))
    itemsize = 1 if case.is_object else case.dtype.itemsize
    leaf = [serializer_3(case), *compressors_3(case["compressor"], itemsize)]
    if layout.startswith("transpose"):
        return [transpose, *([transpose] if layout == "transpose-twice" else []), *leaf]
    if layout == "plain":
        return leaf
    if "nested" in layout:
        location = "start" if layout.endswith("start") else "end"
        inner = _shard(chunks, leaf, "bare" if location == "start" else "", location)
        return [_shard(tuple(2 * size for size in chunks), [inner], "", location)]
    if layout == "shard-transposed":
        return [transpose, _shard(_transposed(chunks), leaf)]
    if layout == "shard-of-transposed":
        return [_shard(chunks, [transpose, *leaf])]
    after = {"shard-crc32c": [_codec("crc32c")], "shard-zstd": [_codec("zstd", level=1, checksum=False)]}
    location = "start" if layout == "shard-index-at-start" else "end"
    index = layout.removeprefix("shard-index-") if location == "end" else ""
    return [_shard(chunks, leaf, index, location), *after.get(layout, [])]


def _shard(chunks: tuple[int, ...], codecs: list, index: str = "", location: str = "end") -> dict[str, Any]:
    index_codecs = [
        _codec("bytes", endian="big" if index == "big" else "little"),
        *([] if index == "bare" else [_codec("crc32c")]),
    ]
    return _codec(
        "sharding_indexed",
        chunk_shape=list(chunks),
        codecs=codecs,
        index_codecs=index_codecs,
        index_location=location,
    )


# ------------------------------------------------------------------- data types of format 3


def data_type_3(level: str) -> Any:
    """Return a data type as format 3 spells it."""
    if level in NUMBERS:
        return np.dtype(level).name
    if level in OBJECTS:
        return {"string": "string", "bytes": "variable_length_bytes"}[level]
    if level == "structured":
        names = {"<i4": "int32", "S5": data_type_3("S5"), "<f8": "float64"}
        return _codec("structured", fields=[[name, names[spec]] for name, spec in STRUCTURED])
    if level[0] in "SUV":
        names = {"S": "null_terminated_bytes", "U": "fixed_length_utf32", "V": "raw_bytes"}
        return _codec(names[level[0]], length_bytes=np.dtype(level).itemsize)
    unit, factor = np.datetime_data(np.dtype(DTYPES[level]))
    return _codec(
        "numpy.datetime64" if level[0] == "M" else "numpy.timedelta64", unit=unit, scale_factor=factor
    )
