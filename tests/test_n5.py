"""N5 as a view over any store."""

from __future__ import annotations

import json
import pickle
import struct

import numcodecs
import numpy as np
import pytest

import zarrc
from zarrc.errors import CodecError, MetadataError, ReadOnlyError
from zarrc.kernels.checksums import xxh32
from zarrc.n5 import N5FSStore, N5Store, invert_chunk_coords, is_chunk_key, n5_keywords
from zarrc.n5_blocks import frame_lz4, pack_lz4, unpack_lz4

CODECS = {
    "raw": None,
    "gzip": numcodecs.GZip(3),
    "zlib": numcodecs.Zlib(3),
    "bzip2": numcodecs.BZ2(2),
    "xz": numcodecs.LZMA(preset=1),
    "lz4": numcodecs.LZ4(),
    "zstd": numcodecs.Zstd(2),
    "blosc": numcodecs.Blosc("zstd", 3, 2),
}
DATA = np.arange(35, dtype="i4").reshape(5, 7)


@pytest.fixture
def inner():
    return {}


@pytest.fixture
def store(inner):
    return N5Store(inner)


def fill(store, **options):
    array = zarrc.group(store).create("foo/bar", shape=DATA.shape, dtype="i4", chunks=(3, 4), **options)
    array[...] = DATA
    return array


def attributes(inner, path):
    return json.loads(inner[f"{path}/attributes.json" if path else "attributes.json"])


# what is stored


def test_what_is_stored(store, inner):
    array = fill(store, compressor=numcodecs.GZip(5))
    array.attrs["unit"] = "nm"
    assert sorted(inner) == [
        "attributes.json",
        "foo/attributes.json",
        *(f"foo/bar/{x}/{y}" for x in (0, 1) for y in (0, 1)),
        "foo/bar/attributes.json",
    ]
    assert attributes(inner, "") == attributes(inner, "foo") == {"n5": "2.0.0"}
    assert attributes(inner, "foo/bar") == {
        "dimensions": [7, 5],
        "blockSize": [4, 3],
        "dataType": "int32",
        "compression": {"type": "gzip", "level": 5, "useZlib": False},
        "unit": "nm",
    }


def test_a_block(store, inner):
    fill(store, compressor=None)
    # x = 1, y = 0: columns 4 to 6 of rows 0 to 2, padded to a whole block
    block = DATA[:3, 4:].astype(">i4")
    assert (
        inner["foo/bar/1/0"] == struct.pack(">HHII", 0, 2, 4, 3) + np.pad(block, ((0, 0), (0, 1))).tobytes()
    )


def test_what_is_shown(store):
    array = fill(store)
    array.attrs["unit"] = "nm"
    chunks = ["0.0", "0.1", "1.0", "1.1"]
    assert sorted(store) == [
        ".zgroup",
        "foo/.zgroup",
        "foo/bar/.zarray",
        "foo/bar/.zattrs",
        *(f"foo/bar/{name}" for name in chunks),
    ]
    assert all(key in store and type(store[key]) is bytes for key in store)
    assert len(store) == 8
    assert store.listdir() == [".zgroup", "foo"]
    assert store.listdir("foo/bar") == [".zarray", ".zattrs", *chunks]
    assert json.loads(store["foo/bar/.zarray"])["shape"] == [5, 7]
    assert set(store.getitems([*store, "foo/bar/7.7", "x/.zgroup"])) == set(store)
    assert "foo/bar/.zgroup" not in store and "foo/.zarray" not in store and "foo/.zattrs" not in store


def test_shown_data_are_an_array_of_format_2(store):
    """The documents are honest: copied key by key, they are read without any knowledge of N5."""
    fill(store, compressor=numcodecs.GZip(3))
    copy = {key: store[key] for key in store}
    assert np.array_equal(zarrc.open_group(copy, mode="r")["foo/bar"][...], DATA)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_compressors(store, codec):
    data = np.arange(120_000, dtype="f8").reshape(300, 400)
    zarrc.array(data, chunks=(200, 256), compressor=codec, store=store, path="x")
    array = zarrc.open_array(store, path="x")
    assert np.array_equal(array[...], data)
    assert np.array_equal(array[10:250:7, 300], data[10:250:7, 300])
    config = None if codec is None else codec.get_config()
    if config and config["id"] == "lzma":
        assert array.compressor.preset == codec.preset
    else:
        assert (array.compressor and array.compressor.get_config()) == config


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u4", "u8", "i1", "i2", ">i4", "i8", "f4", ">f8", "?", "f2"])
def test_dtypes_are_native(store, dtype):
    data = np.arange(10).astype(dtype)
    array = zarrc.array(data, chunks=3, store=store)
    assert array.dtype == zarrc.open_array(store).dtype == data.dtype.newbyteorder("<")
    assert np.array_equal(array[...], data)
    assert np.array_equal(zarrc.open_array(store)[...], data)


def test_no_axes(store, inner):
    array = zarrc.create((), dtype="i2", store=store)
    array[...] = 7
    assert inner["0"] == b"\0\0\0\0\0\7"
    assert zarrc.open_array(store)[()] == 7


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"fill_value": 5}, ValueError),
        ({"order": "F"}, ValueError),
        ({"filters": [numcodecs.Delta("i4")]}, ValueError),
        ({"dtype": "c8"}, (TypeError, ValueError)),
        ({"dtype": "M8[s]"}, TypeError),
        ({"dtype": "S3", "fill_value": None}, TypeError),
        ({"dtype": [("a", "i4")], "fill_value": None}, TypeError),
        ({"dtype": str, "fill_value": None}, (TypeError, ValueError)),
        ({"zarr_format": 3}, ValueError),
        ({"dimension_separator": "/"}, ValueError),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_n5_cannot_keep_is_refused(store, inner, options, error):
    with pytest.raises(error):
        zarrc.create((5,), **{"dtype": "i4", "store": store, **options})
    assert inner == {}


def test_no_fill_value_becomes_zero(store):
    assert zarrc.create(5, dtype="i4", fill_value=None, store=store).fill_value == 0


def test_functions_of_version_3_make_format_2(store):
    root = zarrc.create_group(store)
    array = root.create_array("x", shape=(4,), dtype="i4")
    assert root.zarr_format == array.zarr_format == 2
    array[...] = 3
    assert zarrc.open(store)["x"][1] == 3


def test_a_codec_that_n5_does_not_know(store):
    with pytest.warns(RuntimeWarning, match="lzma"):
        array = zarrc.array(DATA, compressor=numcodecs.LZMA(format=2), store=store)
    assert np.array_equal(zarrc.open_array(store)[...], DATA)
    assert array.compressor.format == 2


# reading what others write


def dataset(inner, path="x", **more):
    content = {"dimensions": [7, 5], "blockSize": [4, 3], "dataType": "int32", "compression": {"type": "raw"}}
    inner[f"{path}/attributes.json"] = json.dumps({**content, **more}).encode()


def block(values, *head):
    return struct.pack(">HHII", *(head or (0, 2, *values.shape[::-1]))) + values.astype(">i4").tobytes()


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_truncated_blocks_are_padded(inner, store, codec):
    fill(store, compressor=codec)
    for x in range(2):
        for y in range(2):
            part = DATA[3 * y : 3 * y + 3, 4 * x : 4 * x + 4]
            data = part.astype(">i4").tobytes()
            if codec is not None:
                data = pack_lz4(data, 64) if codec.codec_id == "lz4" else codec.encode(data)
            inner[f"foo/bar/{x}/{y}"] = struct.pack(">HHII", 0, 2, *part.shape[::-1]) + bytes(data)
    array = zarrc.open(store, mode="r+")["foo/bar"]
    assert np.array_equal(array[...], DATA)
    assert array[4, 6] == DATA[4, 6]
    array.resize(6, 8)
    assert np.array_equal(array[...], np.pad(DATA, ((0, 1), (0, 1))))
    array[2:, 5:] = 1
    assert np.array_equal(array[2:, 5:], np.ones((4, 3)))


def test_groups_without_attributes(inner, store):
    dataset(inner, "a/b/x")
    root = zarrc.open_group(store, mode="r")
    assert next(iter(root.groups()))[0] == "a"
    assert root["a/b/x"].shape == (5, 7)
    assert [".zgroup" in store, "a/.zgroup" in store, "a/b/x/.zgroup" in store] == [True, True, False]
    assert sorted(store) == [".zgroup", "a/.zgroup", "a/b/.zgroup", "a/b/x/.zarray"]
    inner["a/b/x/0/0"] = block(DATA[:3, :4])
    assert "a/b/x/0/.zgroup" not in store
    assert [kind for kind, _ in root["a/b"].arrays()] == ["x"]


def test_the_first_version_of_compression(inner, store):
    content = {"dimensions": [3], "blockSize": [3], "dataType": "uint8", "compressionType": "gzip"}
    inner["attributes.json"] = json.dumps(content).encode()
    assert zarrc.open_array(store).compressor == numcodecs.GZip(6)


def test_lz4_of_others(inner, store):
    data = DATA[:3, :4].astype(">i4").tobytes()
    header = struct.pack(">HHII", 0, 2, 4, 3)
    framed = bytes(numcodecs.LZ4().encode(data))
    for compression, stored in [
        ({"type": "lz4", "blockSize": 65536}, pack_lz4(data, 64)),
        ({"type": "lz4", "blockSize": 6}, framed[4:]),  # z5
        ({"type": "lz4", "id": "lz4", "acceleration": 1}, framed),  # zarr-python 2
    ]:
        dataset(inner, compression=compression)
        inner["x/0/0"] = header + stored
        array = zarrc.open_array(N5Store(inner), path="x")
        assert np.array_equal(array[:3, :4], DATA[:3, :4])
        array[0, 0] = 99
        assert zarrc.open_array(N5Store(inner), path="x")[0, 0] == 99
        assert json.loads(inner["x/attributes.json"])["compression"] == compression
        starts_as_before = bytes(inner["x/0/0"])[12:20] == b"LZ4Block"
        assert starts_as_before == (stored[:8] == b"LZ4Block")


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (block(DATA[:3, :4], 1, 2, 4, 3), "variable length"),
        (block(DATA[:3, :4], 2, 2, 4, 3), "objects"),
        (block(DATA[:3, :4], 0, 2, 4, 4), "a block of|N5 block of"),
        (block(DATA[:3, :4], 0, 1, 4, 3), "N5 block of"),
        (block(DATA[:3, :4], 0, 2, 4, 2), "bytes"),
        (b"", "no header"),
        (b"\0\0\0\2\0", "header"),
        (block(DATA[:3, :4])[:-1], "x/0.0|0.0"),
    ],
)
def test_bad_blocks(inner, store, stored, message):
    dataset(inner)
    inner["x/0/0"] = stored
    array = zarrc.open_array(store, path="x")
    with pytest.raises(CodecError, match=message):
        array[0, 0]
    with pytest.raises(CodecError, match=r"0\.0"):
        array[...]


@pytest.mark.parametrize("data_type", ["string", "object", "int128", 5])
def test_unknown_data_types(inner, store, data_type):
    dataset(inner, dataType=data_type)
    with pytest.raises(MetadataError, match=r"x/attributes.json"):
        zarrc.open_array(store, path="x")


def test_unknown_compression(inner, store):
    dataset(inner, compression={"type": "jpeg"})
    with pytest.raises(MetadataError, match=r"x/attributes.json: N5 compression 'jpeg'"):
        zarrc.open_array(store, path="x")


def test_what_others_spell_stays_when_the_document_is_written_again(inner, store):
    compression = {"type": "gzip", "level": -1, "useZlib": False}
    dataset(inner, compression=compression, unit="nm", axes=["x", "y"])
    array = zarrc.open_array(store, path="x")
    array.resize(10, 10)
    found = attributes(inner, "x")
    assert found["dimensions"] == [10, 10]
    assert found["compression"] == compression
    assert dict(array.attrs) == {"unit": "nm", "axes": ["x", "y"]}


# attributes


@pytest.mark.parametrize("keyword", n5_keywords)
def test_reserved_attributes_are_left_out(store, inner, keyword):
    array = fill(store)
    before = attributes(inner, "foo/bar")
    with pytest.warns(UserWarning, match=f"Attribute {keyword} is a reserved N5 keyword"):
        array.attrs.put({keyword: "mine", "other": 1})
    assert attributes(inner, "foo/bar") == {**before, "other": 1}
    assert zarrc.open(store)["foo/bar"].attrs.asdict() == {"other": 1}


def test_attributes_of_groups(store, inner):
    root = zarrc.group(store)
    root.attrs["a"] = 1
    assert attributes(inner, "") == {"n5": "2.0.0", "a": 1}
    del root.attrs["a"]
    assert ".zattrs" not in store
    assert zarrc.open_group(store, mode="r").attrs.asdict() == {}


def test_documents_are_written_in_one_step(inner):
    class Counting(dict):
        writes = 0

        def __setitem__(self, key, value):
            Counting.writes += 1
            super().__setitem__(key, value)

    store = N5Store(Counting())
    zarrc.create_array(store, shape=(4,), dtype="i4", attributes={"a": 1})
    assert Counting.writes == 1
    assert zarrc.open_array(store).attrs["a"] == 1


# as a store


def test_other_keys_pass(store, inner):
    store["foo/x"] = b"abc"
    store["readme.txt"] = b"1"
    assert inner == {"foo/x": b"abc", "readme.txt": b"1"}
    assert sorted(store) == ["foo/x", "readme.txt"]
    assert store.listdir() == ["foo", "readme.txt"]
    del store["foo/x"]
    assert "foo/x" not in store
    for key in ("foo/x", "foo/.zarray", ".zgroup", "0.0", "attributes.json"):
        with pytest.raises(KeyError):
            store[key]
        with pytest.raises(KeyError):
            del store[key]


@pytest.mark.parametrize("key", ["zarr.json", "a/zarr.json", "attributes.json"])
def test_keys_that_cannot_be_shown(store, key):
    with pytest.raises(ValueError, match="format 2"):
        store[key] = b"{}"
    assert key not in store


def test_deleting(store, inner):
    array = fill(store)
    array.attrs["a"] = 1
    del store["foo/bar/.zattrs"]
    assert dict(zarrc.open(store)["foo/bar"].attrs) == {}
    del store["foo/bar/0.1"]
    assert "foo/bar/1/0" not in inner
    store.delitems(["foo/bar/0.0", "foo/bar/9.9", "foo/.zattrs"])
    assert "foo/bar/0/0" not in inner
    del store["foo/bar/.zarray"]
    assert "foo/bar/attributes.json" not in inner
    root = zarrc.open(store)
    del root["foo"]
    assert sorted(inner) == ["attributes.json"]


def test_rename_and_sizes(store, inner):
    array = fill(store, compressor=None)
    nbytes = sum(len(inner[key]) for key in inner if key.startswith("foo/bar/"))
    assert array.nbytes_stored == store.getsize("foo/bar") == nbytes
    assert store.getsize("foo/bar/0.1") == len(inner["foo/bar/1/0"])
    assert array.nchunks_initialized == 4
    zarrc.open(store).move("foo", "deep/er")
    assert np.array_equal(zarrc.open(store)["deep/er/bar"][...], DATA)
    assert "foo/.zgroup" not in store


def test_pickle_and_equality(tmp_path):
    store = N5Store(tmp_path / "x.n5")
    fill(store)
    copy = pickle.loads(pickle.dumps(store))
    assert copy == store and copy != N5Store(tmp_path / "y.n5")
    assert copy.identity() == store.identity()
    assert np.array_equal(pickle.loads(pickle.dumps(zarrc.open(store)["foo/bar"]))[...], DATA)
    assert store.path == str(tmp_path / "x.n5")


def test_read_only(tmp_path):
    fill(N5Store(tmp_path / "x.n5"))
    for store in (
        N5Store(tmp_path / "x.n5", read_only=True),
        N5Store(zarrc.storage.LocalStore(tmp_path / "x.n5", read_only=True)),
        N5FSStore(tmp_path / "x.n5", mode="r"),
    ):
        for change in (
            lambda store=store: store.__setitem__("a", b"1"),
            lambda store=store: store.__delitem__("foo/bar/0.0"),
            lambda store=store: store.rmdir("foo"),
            lambda store=store: store.rename("foo", "b"),
            lambda store=store: store.delitems(["foo/bar/0.0"]),
        ):
            with pytest.raises(ReadOnlyError):
                change()
        assert np.array_equal(zarrc.open_group(store, mode="r")["foo/bar"][...], DATA)


def test_separator_is_ignored_with_a_warning(tmp_path):
    with pytest.warns(UserWarning, match="dimension_separator is ignored"):
        store = N5FSStore(tmp_path / "x.n5", dimension_separator=".")
    fill(store)
    assert np.array_equal(zarrc.open(tmp_path / "x.n5", mode="r")["foo/bar"][...], DATA)


def test_open_by_suffix(tmp_path):
    root = zarrc.open(str(tmp_path / "x.n5"), mode="w")
    assert type(root.store) is N5Store
    root["x"] = DATA
    assert (tmp_path / "x.n5" / "x" / "attributes.json").exists()
    assert np.array_equal(zarrc.open(tmp_path / "x.n5", mode="r")["x"][...], DATA)
    assert np.array_equal(zarrc.load(str(tmp_path / "x.n5"), path="x"), DATA)


def test_a_directory_of_somebody_elses_is_not_wiped(tmp_path):
    (tmp_path / "x.n5").mkdir()
    (tmp_path / "x.n5" / "thesis.txt").write_text("dear to somebody")
    with pytest.raises(FileExistsError):
        zarrc.open(str(tmp_path / "x.n5"), mode="w")


def test_a_dataset_made_anew_behind_the_view(inner, store):
    fill(store)
    array = zarrc.open(store)["foo/bar"]
    assert np.array_equal(array[...], DATA)
    other = zarrc.open_group(N5Store(inner))
    other.array("foo/bar", DATA.T.copy(), chunks=(2, 5), overwrite=True)
    assert np.array_equal(zarrc.open(store)["foo/bar"][...], DATA.T)


def test_bulk_reads_pass_through(inner):
    class Bulk(zarrc.MemoryStore):
        asked = ()

        def getitems(self, keys, *, contexts=None):
            self.asked = (*self.asked, sorted(keys))
            return super().getitems(keys, contexts=contexts)

    bulk = Bulk()
    array = fill(N5Store(bulk), compressor=None)
    assert np.array_equal(array[...], DATA)
    assert bulk.asked == (["foo/bar/0/0", "foo/bar/0/1", "foo/bar/1/0", "foo/bar/1/1"],)
    found = array.store.getitems(["foo/bar/0.0"])["foo/bar/0.0"]
    assert isinstance(found, memoryview) and found.obj is bulk["foo/bar/0/0"]


# parts


def test_names_of_zarr_python_2():
    assert is_chunk_key("a/0.1") and is_chunk_key("0") and not is_chunk_key("a/.zarray")
    assert invert_chunk_coords("a/0.1.2") == "a/2/1/0"


@pytest.mark.parametrize(
    ("data", "seed", "expected"),
    [
        (b"", 0, 0x02CC5D05),
        (b"a", 0, 0x550D7456),
        (b"abc", 0, 0x32D153FF),
        (b"Nobody inspects the spammish repetition", 0, 0xE2293B2F),
    ],
)
def test_xxh32(data, seed, expected):
    """Values that xxHash's own documentation and bindings publish."""
    assert xxh32(data, seed) == expected


@pytest.mark.parametrize("nbytes", [0, 1, 14, 15, 16, 269, 270, 271, 70_000])
def test_lz4_frames_of_literals(nbytes):
    data = np.random.default_rng(0).bytes(nbytes)
    assert (numcodecs.LZ4().decode(frame_lz4(data)) if nbytes else b"") == data


@pytest.mark.parametrize("nbytes", [0, 1, 65536, 200_000])
def test_lz4_parts(nbytes):
    for data in (bytes(nbytes), np.random.default_rng(0).bytes(nbytes)):
        packed = pack_lz4(data, 65536)
        assert unpack_lz4(memoryview(packed), nbytes, "k") == data
        assert packed.startswith(b"LZ4Block\x26" if nbytes and not any(data) and nbytes > 20 else b"LZ4Block")
        if nbytes:
            broken = bytearray(packed)
            broken[21] ^= 1  # of the checksum
            with pytest.raises(CodecError):
                unpack_lz4(memoryview(broken), nbytes, "k")
            with pytest.raises(CodecError, match="truncated"):
                unpack_lz4(memoryview(packed)[:-1], nbytes, "k")
            with pytest.raises(CodecError, match="more bytes"):
                unpack_lz4(memoryview(packed), nbytes - 1, "k")
