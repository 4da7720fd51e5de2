"""Documents that are wrong in any way: an error of zarrc's own on opening, and nothing else."""

from __future__ import annotations

import copy
import json

import pytest
from documents import ARRAY, GROUP, LITTLE, grid, named
from hypothesis import example, given
from hypothesis import strategies as st

import zarrc
from zarrc.errors import ZarrcError

SHARDED = ARRAY | {
    "chunk_grid": grid(4, 6),
    "codecs": [
        named(
            "sharding_indexed",
            chunk_shape=[2, 3],
            codecs=[named("transpose", order=[1, 0]), LITTLE, named("zstd", level=1, checksum=False)],
            index_codecs=[LITTLE, "crc32c"],
            index_location="end",
        ),
    ],
    "dimension_names": ["x", None],
    "attributes": {"a": 1},
    "storage_transformers": [],
}
BLOSC = named("blosc", cname="lz4", clevel=5, shuffle="shuffle", typesize=2, blocksize=0)
DOCUMENTS_3 = [
    ARRAY,
    SHARDED,
    ARRAY | {"codecs": [LITTLE, BLOSC, named("gzip", level=1)]},
    ARRAY | {"data_type": "float32", "fill_value": "0x7fc00001"},
    ARRAY | {"data_type": "complex64", "fill_value": ["NaN", 0]},
    ARRAY | {"data_type": named("numpy.datetime64", unit="s", scale_factor=1)},
    ARRAY | {"data_type": named("fixed_length_utf32", length_bytes=8), "fill_value": "a"},
    ARRAY
    | {
        "data_type": named("structured", fields=[["a", "int8"], ["b", "float64"]]),
        "fill_value": "AAAAAAAAAAAA",
    },
    ARRAY | {"data_type": "string", "codecs": ["vlen-utf8"], "fill_value": ""},
    ARRAY | {"codecs": [named("numcodecs.delta", dtype="<i2"), LITTLE, named("numcodecs.zlib", level=1)]},
    GROUP | {"attributes": {"a": 1}},
    GROUP | {"consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": {"a": ARRAY}}},
]
ZARRAY = {
    "zarr_format": 2,
    "shape": [10, 4],
    "chunks": [3, 2],
    "dtype": "<i4",
    "compressor": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
    "fill_value": 0,
    "order": "C",
    "filters": None,
}
DOCUMENTS_2 = [
    ZARRAY,
    ZARRAY
    | {"order": "F", "filters": [{"id": "delta", "dtype": "<i4"}], "compressor": {"id": "zlib", "level": 1}},
    ZARRAY | {"dtype": "|S4", "fill_value": "YWJjZA==", "dimension_separator": "/"},
    ZARRAY | {"dtype": [["a", "<i4"], ["b", "<f8", [2]]], "fill_value": None},
    ZARRAY | {"dtype": "|O", "filters": [{"id": "vlen-utf8"}], "fill_value": ""},
    ZARRAY | {"dtype": "<c16", "fill_value": ["NaN", 1.0], "compressor": {"id": "lz4"}},
    ZARRAY | {"dtype": "<M8[s]", "fill_value": "NaT", "compressor": None},
]

numbers = (
    st.integers(-(2**70), 2**70) | st.floats() | st.sampled_from([0, 1, -1, 2**31, 2**63, 2**64, 10**30])
)
words = st.sampled_from(
    ["", "bytes", "NaN", "0x", "r16", "int16", "|O", "<M8[s]", "<U99999999999", "../..", "\0", "big", "V0"]
)
leaves = st.none() | st.booleans() | numbers | words | st.text(max_size=8)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "configuration", "id", "level", "must_understand", "x"]), inner
        )
    ),
    max_leaves=6,
)


def places(content):
    """Return the paths of everything inside of a JSON value."""
    inside = content.items() if isinstance(content, dict) else enumerate(content)
    found = []
    for key, value in inside:
        found.append((key,))
        if isinstance(value, (dict, list)):
            found += [(key, *rest) for rest in places(value)]
    return found


def changed(data, content):
    """Return a document in which some values are others, or gone, or moved."""
    content = copy.deepcopy(content)
    for _ in range(data.draw(st.integers(1, 3))):
        *parents, last = data.draw(st.sampled_from(places(content)))
        at = content
        for key in parents:
            at = at[key]
        what = data.draw(st.sampled_from(["replace", "replace", "remove", "repeat"]))
        if what == "replace":
            at[last] = data.draw(values)
        elif what == "remove":
            del at[last]
        elif isinstance(at, list):
            at.insert(0, copy.deepcopy(at[last]))
        else:
            at[str(data.draw(st.text(max_size=5)))] = at[last]
        if not places(content):
            break
    return content


def try_out(store):
    """Open what is at the root; read a little of it, print it and write its attributes."""
    try:
        node = zarrc.open(store, mode="r+")
        repr(node)
        if isinstance(node, zarrc.Group):
            list(node.members())
            return
        # without chunks, arrays that are sane in size read as their fill value
        if node.nbytes < 1_000_000 and node.nchunks < 1000:
            node[...]
        node.attrs["new"] = 1
        zarrc.open(store, mode="r")
    except ZarrcError:
        return


@given(st.data())
def test_format_3(data):
    content = changed(data, data.draw(st.sampled_from(DOCUMENTS_3)))
    try_out({"zarr.json": json.dumps(content).encode()})


@given(st.data())
def test_format_2(data):
    content = changed(data, data.draw(st.sampled_from(DOCUMENTS_2)))
    try_out({".zarray": json.dumps(content).encode()})


@given(st.data(), st.sampled_from(["zarr.json", ".zarray", ".zgroup"]))
def test_texts_that_are_cut_or_flipped(data, key):
    content = data.draw(st.sampled_from(DOCUMENTS_3 if key == "zarr.json" else DOCUMENTS_2))
    text = bytearray(json.dumps(content).encode())
    del text[data.draw(st.integers(0, len(text))) :]
    for _ in range(data.draw(st.integers(0, 3))):
        if text:
            text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try_out({key: bytes(text)})


@given(st.binary(max_size=60), st.sampled_from(["zarr.json", ".zarray", ".zgroup", ".zmetadata"]))
@example(b"[" * 100_000, "zarr.json")
@example(b'{"a":' * 100_000, ".zarray")
@example(b"1" * 10_000, "zarr.json")
def test_any_bytes(text, key):
    try_out({key: text})


@given(st.data())
def test_attributes_of_format_2(data):
    text = data.draw(st.binary(max_size=40) | values.map(lambda value: json.dumps(value).encode()))
    store = {".zarray": json.dumps(ZARRAY).encode(), ".zattrs": text}
    try:
        dict(zarrc.open_array(store, mode="r").attrs)
    except ZarrcError:
        return


@pytest.mark.parametrize("content", DOCUMENTS_3 + DOCUMENTS_2)
def test_the_documents_are_right_before_they_are_changed(content):
    key = "zarr.json" if content["zarr_format"] == 3 else ".zarray"
    zarrc.open({key: json.dumps(content).encode()}, mode="r")
