"""Reports: rows and labels as zarr-python 2 prints them, sizes, HTML, trees."""

from __future__ import annotations

import numcodecs
import numpy as np
import pytest

import zarrc
from zarrc.info import human_readable_size, text_report


@pytest.mark.parametrize(
    ("nbytes", "expected"),
    [
        (0, "0"),
        (1023, "1023"),
        (1024, "1.0K"),
        (2**20 - 1, "1024.0K"),
        (2**20, "1.0M"),
        (400000000, "381.5M"),
        (2**30, "1.0G"),
        (2**40, "1.0T"),
        (2**50, "1.0P"),
        (2**60, "1024.0P"),
    ],
)
def test_sizes(nbytes, expected):
    assert human_readable_size(nbytes) == expected


def test_array():
    z = zarrc.array(
        np.arange(100000, dtype="i4").reshape(1000, 100),
        chunks=(100, 100),
        compressor=numcodecs.Blosc("zstd", 3, 2),
        filters=[numcodecs.Delta("i4"), numcodecs.Shuffle(4)],
    )
    stored = z.nbytes_stored
    assert repr(z.info) == (
        "Type               : zarrc.core.Array\n"
        "Data type          : int32\n"
        "Shape              : (1000, 100)\n"
        "Chunk shape        : (100, 100)\n"
        "Order              : C\n"
        "Read-only          : False\n"
        "Filter [0]         : Delta(dtype='<i4')\n"
        "Filter [1]         : Shuffle(elementsize=4)\n"
        "Compressor         : Blosc(cname='zstd', clevel=3, shuffle=BITSHUFFLE,\n"
        "                   : blocksize=0)\n"
        "Store type         : zarrc.storage.KVStore\n"
        "No. bytes          : 400000 (390.6K)\n"
        f"No. bytes stored   : {stored} ({stored / 1024:.1f}K)\n"
        f"Storage ratio      : {400000 / stored:.1f}\n"
        "Chunks initialized : 10/10\n"
    )


def test_array_in_a_group(tmp_path):
    root = zarrc.group(tmp_path / "root", synchronizer=zarrc.ThreadSynchronizer(), chunk_store={})
    z = root.zeros("foo/bar", shape=(10, 10), chunks=(5, 10), dtype="i8", order="F", compressor=None)
    assert z.info_items() == [
        ("Name", "/foo/bar"),
        ("Type", "zarrc.core.Array"),
        ("Data type", "int64"),
        ("Shape", "(10, 10)"),
        ("Chunk shape", "(5, 10)"),
        ("Order", "F"),
        ("Read-only", "False"),
        ("Compressor", "None"),
        ("Synchronizer type", "zarrc.sync.ThreadSynchronizer"),
        ("Store type", "zarrc.storage.DirectoryStore"),
        ("Chunk store type", "zarrc.storage.KVStore"),
        ("No. bytes", "800"),
        ("No. bytes stored", str(z.nbytes_stored)),
        ("Storage ratio", f"{800 / z.nbytes_stored:.1f}"),
        ("Chunks initialized", "0/2"),
    ]


def test_array_of_format_3():
    z = zarrc.create_array({}, name="a", shape=(4, 6), chunks=(2, 6), dtype="i2")
    z[:2] = 1
    rows = dict(z.info_items())
    assert list(rows) == [
        "Name",
        "Type",
        "Zarr format",
        "Data type",
        "Shape",
        "Chunk shape",
        "Order",
        "Read-only",
        "Filters",
        "Serializer",
        "Compressors",
        "Store type",
        "No. bytes",
    ]
    assert rows["Zarr format"] == "3"
    assert rows["Filters"] == "()"
    assert rows["Serializer"].startswith("BytesCodec(")
    assert rows["Compressors"] == "(ZstdCodec(level=0, checksum=False),)"
    complete = repr(z.info_complete()).splitlines()
    assert len(complete) == len(rows) + 3
    assert [line.split(":")[0].strip() for line in complete[-3:]] == [
        "No. bytes stored",
        "Storage ratio",
        "Chunks initialized",
    ]
    assert complete[-1].endswith(": 1/2")


def test_array_with_shards():
    z = zarrc.create_array({}, shape=(4, 6), chunks=(2, 2), shards=(2, 6), dtype="i2")
    z[:2] = 1
    complete = repr(z.info_complete())
    assert "Shard shape        : (2, 6)\nChunk shape        : (2, 2)\n" in complete
    assert complete.endswith("Shards initialized : 1/2\nChunks initialized : 3/6\n")


def test_group():
    root = zarrc.group()
    foo = root.create_group("foo")
    foo.zeros("bar", shape=10)
    foo.zeros("baz", shape=10)
    assert repr(root.info) == (
        "Name        : /\n"
        "Type        : zarrc.hierarchy.Group\n"
        "Read-only   : False\n"
        "Store type  : zarrc.storage.MemoryStore\n"
        "No. members : 1\n"
        "No. arrays  : 0\n"
        "No. groups  : 1\n"
        "Groups      : foo\n"
    )
    assert foo.info_items()[4:] == [
        ("No. members", "2"),
        ("No. arrays", "2"),
        ("No. groups", "0"),
        ("Arrays", "bar, baz"),
    ]
    assert dict(zarrc.create_group({}).info_items())["Zarr format"] == "3"
    assert root.info_complete().__repr__() == repr(root.info)


def test_the_report_is_made_when_it_is_shown():
    z = zarrc.zeros(10, chunks=5)
    info = z.info
    assert "Chunks initialized : 0/2" in repr(info)
    z[:5] = 1
    assert "Chunks initialized : 1/2" in repr(info)


def test_long_values_are_wrapped():
    lines = text_report([("Arrays", ", ".join(f"array{n}" for n in range(40))), ("N", "")]).splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert all(line.startswith("       : array") for line in lines[1:-1])
    assert lines[-1] == "N      : "


def test_html_is_escaped():
    z = zarrc.zeros(10, filters=[numcodecs.Delta("<f8")])
    html = z.info._repr_html_()
    assert html.startswith('<table class="zarr-info">')
    assert "Delta(dtype=&#x27;&lt;f8&#x27;)" in html
