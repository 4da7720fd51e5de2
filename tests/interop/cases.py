"""The arrays and groups that zarrc and its peers write for each other.

Plain data and NumPy only: this file is imported by pytest and, as it stands, by every
peer's own Python. What an array holds follows from its case alone, so that
nobody has to be told what to expect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """One array.

    ``codecs`` is spelled as in the metadata: for format 2 a dict with ``compressor`` and ``filters``, each
    a numcodecs configuration; for format 3 the list of codecs. ``separator`` is that of the chunk keys,
    ``key_encoding`` the name of format 3's encoding. With ``partial`` only the first row of
    chunks is written, and the rest must read as the fill value.
    """

    name: str
    zarr_format: int
    dtype: Any = "<i4"
    shape: tuple[int, ...] = (7, 10)
    chunks: tuple[int, ...] = (3, 4)
    codecs: Any = None
    order: str = "C"
    separator: str = "."
    key_encoding: str = "default"
    fill_value: Any = 0
    partial: bool = False


@dataclass(frozen=True)
class Node:
    """A group, or a small array, of the hierarchy that is written."""

    path: str
    attributes: dict[str, Any] = field(default_factory=dict)
    is_array: bool = False


HIERARCHY = [
    Node("", {"title": "root", "empty": {}, "none": None}),
    Node("a", {"numbers": [1, 2.5, -3], "flag": True, "text": "naïve 数"}),
    Node("a/b", {"nested": {"deep": {"deeper": [[1, 2], [3, 4]]}}}),
    Node("a/b/values", {"units": "mm", "scale": 0.5}, is_array=True),
    Node("c", {}),
]

BLOSC = {"cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}
BLOSC2 = {"compressor": {"id": "blosc", **BLOSC}, "filters": None}
LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}
BIG = {"name": "bytes", "configuration": {"endian": "big"}}
PLAIN = {"name": "bytes"}
ZSTD = {"name": "zstd", "configuration": {"level": 3, "checksum": False}}

SHAPES = {
    "0d": ((), ()),
    "1d": ((23,), (5,)),
    "one-chunk": ((6, 8), (6, 8)),
    "chunk-larger": ((3, 4), (5, 9)),
    "ragged-3d": ((5, 6, 7), (2, 6, 3)),
    "5d": ((3, 2, 4, 2, 3), (2, 1, 3, 2, 2)),
    "empty": ((0, 4), (2, 2)),
    "ones": ((3, 4), (1, 1)),
}

BLOSC_NAMES = ("blosclz", "lz4", "lz4hc", "zlib", "zstd")
BLOSC_SHUFFLES = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}


def values(case: Case) -> np.ndarray:
    """Return what is written, of `case.shape` and `case.dtype`: a pattern without long repeats."""
    n = math.prod(case.shape)
    dtype = np.dtype(case.dtype)
    return _pattern(n, dtype).reshape(case.shape)


def expected(case: Case) -> np.ndarray:
    """Return what reading `case` must give, bit by bit."""
    result = values(case).copy()
    if case.partial:
        rest = written(case)[0].stop
        result[rest:] = np.zeros((), case.dtype) if case.fill_value is None else case.fill_value
    return result


def written(case: Case) -> tuple[slice, ...]:
    """Return the selection that is written."""
    everything = [slice(None)] * len(case.shape)
    if case.partial:
        everything[0] = slice(0, case.chunks[0])
    return tuple(everything)


def same(one: np.ndarray, other: np.ndarray) -> str:
    """Return how two arrays differ, `""` where they do not: shapes, and bits in native byte order."""
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape:
        return f"shape {one.shape} and {other.shape}"
    if one.dtype.newbyteorder("=") != other.dtype.newbyteorder("="):
        return f"dtype {one.dtype} and {other.dtype}"
    native = one.dtype.newbyteorder("=")
    if one.astype(native).tobytes() != other.astype(native).tobytes():
        return f"values {one.ravel()[:8]!r}... and {other.ravel()[:8]!r}..."
    return ""


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
        return np.frombuffer(
            b"".join(bytes((i + k) % 251 for k in range(dtype.itemsize)) for i in index), dtype
        )
    if dtype.kind in "mM":
        return (index - 300).view(dtype.newbyteorder("=")).astype(dtype)
    if dtype.kind == "c":
        return ((index - 500) / 8 + 1j * (index % 77)).astype(dtype)
    if dtype.kind == "f":
        return ((index - 500) / 8).astype(dtype)
    return (index - 500 * (dtype.kind == "i")).astype(dtype)


def _fields(n: int, dtype: np.dtype) -> np.ndarray:
    result = np.zeros(n, dtype)
    for name in dtype.names:
        part = dtype[name]
        result[name] = _pattern(n * math.prod(part.shape), part.base).reshape(n, *part.shape)
    return result


def _numbers() -> list[str]:
    sizes = {"i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8), "c": (8, 16)}
    return [f"{kind}{size}" for kind, those in sizes.items() for size in those]


def _word(dtype: str) -> str:
    """Return the name of a dtype without the characters that shells and pytest mind."""
    return {"<": "le-", ">": "be-", "|": ""}[dtype[0]] + dtype[1:].replace("[", "-").rstrip("]")


def _with_byte_orders(name: str) -> list[str]:
    return [f"|{name}"] if name.endswith("1") else [f"<{name}", f">{name}"]


STRUCTURED = [("id", "<i4"), ("name", "S5"), ("weight", ">f8")]
NESTED = [("point", [("x", "<f4"), ("y", "<f4")]), ("label", "<U3"), ("matrix", "<i2", (2, 3))]


def format2() -> list[Case]:
    """Return the arrays of format 2."""

    def case(name: str, **facts: Any) -> Case:
        return Case(f"v2-{name}", 2, **{"codecs": BLOSC2, **facts})

    def compressed(name: str, compressor: Any, filters: Any = None, **facts: Any) -> Case:
        return case(f"codec-{name}", codecs={"compressor": compressor, "filters": filters}, **facts)

    numbers = [dtype for name in _numbers() for dtype in _with_byte_orders(name)]
    others = ["|b1", "|S5", "<U5", ">U5", "|V6", "<M8[ns]", ">M8[D]", "<m8[s]", "<m8[25us]"]
    cases = [
        case(f"dtype-{_word(dtype)}", dtype=dtype, fill_value=_zero(dtype)) for dtype in numbers + others
    ]
    cases += [
        case("dtype-structured", dtype=STRUCTURED, fill_value=None),
        case("dtype-nested", dtype=NESTED, fill_value=None),
        case("dtype-structured-F", dtype=STRUCTURED, fill_value=None, order="F"),
    ]
    cases += [
        case(f"shape-{name}-{order}", shape=shape, chunks=chunks, order=order, separator=separator)
        for name, (shape, chunks) in SHAPES.items()
        for order, separator in (("C", "."), ("F", "/"))
    ]
    cases += [
        compressed(
            f"blosc-{cname}-{word}", {"id": "blosc", **BLOSC, "cname": cname, "shuffle": shuffle}, dtype="<f4"
        )
        for cname in BLOSC_NAMES
        for word, shuffle in BLOSC_SHUFFLES.items()
    ]
    delta = {"id": "delta", "dtype": "<i4", "astype": "<i4"}
    cases += [
        compressed("none", None),
        compressed("none-F", None, order="F"),
        compressed(
            "blosc-blocksize", {"id": "blosc", **BLOSC, "blocksize": 256}, shape=(50, 60), chunks=(40, 50)
        ),
        compressed("blosc-autoshuffle", {"id": "blosc", **BLOSC, "shuffle": -1}),
        *[compressed(f"zstd-{level}", {"id": "zstd", "level": level}) for level in (1, 9, -3)],
        *[
            compressed(f"{name}-{level}", {"id": name, "level": level})
            for name in ("zlib", "gzip", "bz2")
            for level in (1, 9)
        ],
        compressed("lz4", {"id": "lz4", "acceleration": 1}),
        compressed("lzma", {"id": "lzma", "format": 1, "check": -1, "preset": None, "filters": None}),
        compressed("delta", {"id": "zstd", "level": 1}, [delta]),
        compressed("delta-smaller", None, [{**delta, "astype": "<i2"}]),
        compressed("shuffle", {"id": "zlib", "level": 1}, [{"id": "shuffle", "elementsize": 4}]),
        compressed(
            "fixedscaleoffset",
            {"id": "zlib", "level": 1},
            [{"id": "fixedscaleoffset", "scale": 8, "offset": -63, "dtype": "<f8", "astype": "<u2"}],
            dtype="<f8",
        ),
        compressed(
            "packbits", {"id": "zlib", "level": 1}, [{"id": "packbits"}], dtype="|b1", fill_value=False
        ),
        compressed("crc32", None, [{"id": "crc32"}]),
        compressed("delta-F", {"id": "blosc", **BLOSC}, [delta], order="F"),
    ]
    return (
        cases
        + [case(f"fill-{name}", dtype=dtype, fill_value=fill, partial=True) for name, dtype, fill in _fills()]
        + [
            case("fill-null", fill_value=None, partial=True),
            case("fill-S", dtype="|S5", fill_value=b"ab\xff", partial=True),
            case("fill-S-whole", dtype="|S5", fill_value=b"abcd\xff", partial=True),
            case("fill-U", dtype="<U5", fill_value="né数", partial=True),
            case("fill-V", dtype="|V6", fill_value=np.void(b"abcdef"), partial=True),
            case(
                "fill-structured",
                dtype=STRUCTURED,
                fill_value=np.array((7, b"ab", 1.5), STRUCTURED)[()],
                partial=True,
            ),
        ]
    )


def format3() -> list[Case]:
    """Return the arrays of format 3."""

    def case(name: str, **facts: Any) -> Case:
        return Case(f"v3-{name}", 3, **{"separator": "/", "codecs": [LITTLE, ZSTD], **facts})

    def coded(name: str, *codecs: Any, **facts: Any) -> Case:
        return case(f"codec-{name}", codecs=list(codecs), **facts)

    def bytes_of(dtype: str) -> Any:
        return PLAIN if dtype.endswith("1") else LITTLE

    numbers = [
        "|b1",
        *("|" * name.endswith("1") + "<" * (not name.endswith("1")) + name for name in _numbers()),
    ]
    cases = [
        case(f"dtype-{dtype[1:]}", dtype=dtype, fill_value=_zero(dtype), codecs=[bytes_of(dtype), ZSTD])
        for dtype in numbers
    ]
    cases += [
        coded(f"big-endian-{name}", BIG, ZSTD, dtype=f"<{name}", fill_value=_zero(name))
        for name in _numbers()
        if not name.endswith("1")
    ]
    cases += [
        case(
            f"shape-{name}-{encoding}-{word}",
            shape=shape,
            chunks=chunks,
            key_encoding=encoding,
            separator=separator,
        )
        for name, (shape, chunks) in SHAPES.items()
        for encoding in ("default", "v2")
        for word, separator in (("dot", "."), ("slash", "/"))
    ]
    cases += [
        coded(f"blosc-{cname}-{word}", LITTLE, _blosc3(cname, word), dtype="<f4")
        for cname in BLOSC_NAMES
        for word in BLOSC_SHUFFLES
    ]
    permutation = {"name": "transpose", "configuration": {"order": [2, 0, 1]}}
    crc32c = {"name": "crc32c"}
    cases += [
        coded("none", LITTLE),
        coded("zstd-checksum", LITTLE, {"name": "zstd", "configuration": {"level": 1, "checksum": True}}),
        *[
            coded(f"gzip-{level}", LITTLE, {"name": "gzip", "configuration": {"level": level}})
            for level in (1, 9)
        ],
        coded("crc32c", LITTLE, crc32c),
        coded("zstd-crc32c", LITTLE, ZSTD, crc32c),
        coded("transpose", permutation, LITTLE, ZSTD, shape=(5, 6, 7), chunks=(2, 6, 3)),
        coded("transpose-big", permutation, BIG, shape=(5, 6, 7), chunks=(2, 6, 3), dtype="<f8"),
        coded("transpose-twice", permutation, permutation, LITTLE, shape=(5, 6, 7), chunks=(2, 6, 3)),
    ]
    return cases + [
        case(f"fill-{name}", dtype=dtype, fill_value=fill, partial=True, codecs=[bytes_of(dtype), ZSTD])
        for name, dtype, fill in _fills()
    ]


def _blosc3(cname: str, shuffle: str) -> Any:
    configuration = {"cname": cname, "clevel": 5, "shuffle": shuffle, "typesize": 4, "blocksize": 0}
    return {"name": "blosc", "configuration": configuration}


def _zero(dtype: str) -> Any:
    return np.zeros((), dtype)[()]


def _fills() -> list[tuple[str, str, Any]]:
    """Return name, dtype and value of the fill values that both formats can say."""
    return [
        ("int", "<i4", -7),
        ("int64-max", "<i8", 2**63 - 1),
        ("int64-min", "<i8", -(2**63)),
        ("uint64-max", "<u8", 2**64 - 1),
        ("bool", "|b1", True),
        ("float", "<f4", 0.1),
        ("nan", "<f8", math.nan),
        ("inf", "<f4", math.inf),
        ("minus-inf", "<f8", -math.inf),
        ("minus-zero", "<f8", -0.0),
        ("half", "<f2", 65504.0),
        ("complex", "<c16", complex(1.5, -2)),
        ("complex-nan", "<c8", complex(math.nan, math.inf)),
    ]


CASES = format2() + format3()
