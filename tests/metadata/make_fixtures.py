"""Write the documents of another implementation to ``fixtures/<peer>.json``.

Run it with that implementation's Python, naming it::

    .venvs/zarr2/bin/python tests/metadata/make_fixtures.py zarr2        # zarr 2.18
    .venvs/zarr3/bin/python tests/metadata/make_fixtures.py zarr3        # zarr 3.1
    .venvs/zarr34/bin/python tests/metadata/make_fixtures.py zarr34      # zarr 3.4
    .venvs/tensorstore/bin/python tests/metadata/make_fixtures.py tensorstore

Each fixture has the document as it was stored, and the dtype and the bytes of
the fill value as the implementation itself reads them back.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np

STRUCT = [("a", "<i4"), ("b", "S3")]
NESTED = [("x", "u1"), ("y", [("c", "<f8"), ("d", "<i2")])]

# dtype, fill value
PLAIN = [
    ("?", True),
    ("i1", -128),
    ("<i2", 7),
    ("<i4", 0),
    ("<i8", -(2**63)),
    ("u1", 255),
    ("<u8", 2**64 - 1),
    ("<f2", 0.1),
    ("<f4", 0.1),
    ("<f4", np.nan),
    ("<f8", np.inf),
    ("<f8", -np.inf),
    ("<f8", 0.1),
    ("<c8", 1 + 2j),
    ("<c16", complex("nan+infj")),
    ("S5", b"abc"),
    ("<U3", "abé"),
    ("V4", b"ab\0\xff"),
    ("<M8[ns]", 0),
    ("<M8[D]", np.datetime64("2001-01-01")),
    ("<M8[us]", np.datetime64("NaT")),
    ("<m8[25s]", 7),
]
V2_ONLY = [
    (">i4", 5),
    (">f8", -1.5),
    (">c16", 1 - 2j),
    (">U2", "ß"),
    (">M8[h]", 3),
    ("<f8", None),
    ("S5", None),
    (STRUCT, (1, b"xyz")),
    (NESTED, (1, (2.5, -1))),
    ([("a", "<i4", (2, 3)), ("b", ">f8")], 0),
    (STRUCT, None),
]
V3_ONLY = [
    ("<f4", -0.0),
    (STRUCT, np.array((1, b"xyz"), STRUCT)[()]),
    (NESTED, np.array((1, (2.5, -1)), NESTED)[()]),
    ("string", "ab"),
    ("variable_length_bytes", b"\0ab"),
]


def spelled(dtype):
    """Return a dtype as format 2 spells it; strings of any length are objects here."""
    if not isinstance(dtype, np.dtype) or dtype.kind == "T":
        return "|O"
    return dtype.str if dtype.names is None else dtype.descr


def bits(fill_value, dtype):
    """Return the bytes of a fill value in hexadecimal; objects as they are."""
    if fill_value is None:
        return None
    if spelled(dtype) == "|O":
        return fill_value.hex() if isinstance(fill_value, bytes) else fill_value
    return np.array(fill_value, dtype).tobytes().hex()


def zarr2():
    import numcodecs
    import zarr

    cases = [{"dtype": np.dtype(d), "fill_value": f, "compressor": None} for d, f in PLAIN + V2_ONLY]
    cases += [
        {"shape": (), "chunks": ()},
        {"order": "F", "dimension_separator": "/", "shape": (4, 6), "chunks": (3, 2)},
        {"order": "F", "dimension_separator": "."},
        {"dtype": ">f8", "filters": [numcodecs.Delta(">f8"), numcodecs.Shuffle(8)], "compressor": None},
        {"compressor": numcodecs.Blosc("zstd", 3, -1)},
        {"compressor": numcodecs.Zstd(3, checksum=True)},
        {"compressor": numcodecs.GZip(2)},
        {"compressor": numcodecs.LZMA()},
        {"dtype": str, "fill_value": ""},
        {"dtype": object, "object_codec": numcodecs.JSON(), "fill_value": None},
        {"dtype": "array:<i4", "fill_value": None},
        {"shape": (0, 3), "chunks": False},
    ]
    for case in cases:
        store = {}
        zarr.create(store=store, **{"shape": (10,), "chunks": (3,), "dtype": "<i4"} | case)
        array = zarr.open_array(store)
        yield store[".zarray"].decode(), array.dtype, array.fill_value


def zarr3():
    import zarr
    from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, TransposeCodec
    from zarr.storage import MemoryStore

    cases = [{"dtype": d, "fill_value": f, "compressors": None} for d, f in PLAIN + V3_ONLY]
    cases += [
        {"shape": (), "chunks": ()},
        {"shape": (4, 6), "chunks": (2, 3), "shards": (4, 6), "dimension_names": ["x", None]},
        {"chunk_key_encoding": {"name": "v2", "separator": "/"}, "attributes": {"b": 1, "a": [np.nan, "é"]}},
        {"serializer": BytesCodec(endian="big"), "compressors": [GzipCodec(level=1), Crc32cCodec()]},
        {"compressors": BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle", typesize=4)},
        {"shape": (4, 6), "chunks": (2, 3), "filters": TransposeCodec(order=(1, 0))},
    ]
    for case in cases:
        data = {}
        zarr.create_array(MemoryStore(data), **{"shape": (10,), "chunks": (3,), "dtype": "<i4"} | case)
        array = zarr.open_array(MemoryStore(data))
        yield data["zarr.json"].to_bytes().decode(), array.dtype, array.fill_value


def tensorstore():
    import tensorstore as ts

    array3 = {"shape": [3, 4], "data_type": "int32"}
    chain = [
        {"name": "transpose", "configuration": {"order": [1, 0]}},
        {"name": "bytes", "configuration": {"endian": "big"}},
        {
            "name": "blosc",
            "configuration": {"cname": "zstd", "clevel": 3, "shuffle": "shuffle", "typesize": 4},
        },
        "crc32c",
    ]
    array2 = {"shape": [3, 4], "chunks": [2, 2], "dtype": "<f4"}
    cases = [
        ("zarr3", array3 | {"data_type": name}) for name in ("bool", "int8", "uint64", "float16", "complex64")
    ]
    cases += [
        ("zarr3", array3 | {"data_type": "float32", "fill_value": "0x7fc00001"}),
        ("zarr3", array3 | {"data_type": "float32", "fill_value": "-Infinity"}),
        ("zarr3", array3 | {"data_type": "complex128", "fill_value": ["NaN", -0.0]}),
        ("zarr3", array3 | {"codecs": chain, "dimension_names": ["x", None], "attributes": {"a": 1}}),
        ("zarr3", array3 | {"chunk_key_encoding": {"name": "v2"}}),
        ("zarr", array2 | {"fill_value": "NaN", "compressor": {"id": "zstd", "level": 3}}),
        ("zarr", array2 | {"dtype": ">c8", "order": "F", "dimension_separator": "/", "compressor": None}),
        ("zarr", array2 | {"dtype": "|b1", "fill_value": True, "compressor": {"id": "gzip", "level": 2}}),
        ("zarr", array2 | {"fill_value": -0.0, "compressor": {"id": "blosc", "cname": "lz4", "clevel": 5}}),
    ]
    for driver, metadata in cases:
        spec = {"driver": driver, "kvstore": "memory://", "metadata": metadata}
        array = ts.open(spec, create=True).result()
        document = array.kvstore.read("zarr.json" if driver == "zarr3" else ".zarray").result().value
        fill_value = array.fill_value if array.fill_value is None else array.fill_value[()]
        yield document.decode(), np.dtype(metadata.get("dtype", array.dtype.numpy_dtype)), fill_value


def main(peer):
    warnings.simplefilter("ignore")
    make = {"zarr2": zarr2, "zarr3": zarr3, "zarr34": zarr3, "tensorstore": tensorstore}[peer]
    fixtures = [
        {"document": document, "dtype": spelled(dtype), "fill_value": bits(fill_value, dtype)}
        for document, dtype, fill_value in make()
    ]
    target = Path(__file__).parent / "fixtures" / f"{peer}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(fixtures, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
