"""Making and opening arrays: formats, chunks, codecs, fill values, modes, sources of data."""

from __future__ import annotations

import json
import threading

import numcodecs
import numpy as np
import pytest

import zarrc
from zarrc import codecs
from zarrc.codecs import numcodecs as wrapped
from zarrc.errors import (
    ArrayNotFoundError,
    BadCompressorError,
    ContainsArrayError,
    ContainsGroupError,
    MetadataError,
)


def document(store, path=""):
    """Return the metadata document of an array in a store."""
    prefix = f"{path}/" if path else ""
    for name in ("zarr.json", ".zarray"):
        if prefix + name in store:
            return json.loads(bytes(store[prefix + name]))
    raise KeyError(path)


def codec_names(z):
    return [spec.name for spec in z.metadata.codecs]


# which format


@pytest.mark.parametrize(
    "make",
    [
        lambda store, **kw: zarrc.create(5, store=store, **kw),
        lambda store, **kw: zarrc.zeros(5, store=store, **kw),
        lambda store, **kw: zarrc.array([1, 2], store=store, **kw),
        lambda store, **kw: zarrc.open_array(store, shape=5, **kw),
        lambda store, **kw: zarrc.open(store, shape=5, **kw),
    ],
)
def test_version_2_functions_write_format_2(make):
    store = {}
    assert make(store).zarr_format == 2
    assert ".zarray" in store
    store = {}
    assert make(store, zarr_format=3).zarr_format == 3
    assert ".zarray" not in store
    with zarrc.config.set({"default_zarr_format": 3}):
        assert make({}).zarr_format == 3
        assert make({}, zarr_format=2).zarr_format == 2


def test_version_3_functions_write_format_3():
    assert zarrc.create_array({}, shape=5, dtype="i4").zarr_format == 3
    assert zarrc.from_array({}, data=np.arange(5)).zarr_format == 3
    assert zarrc.create_array({}, shape=5, dtype="i4", zarr_format=2).zarr_format == 2
    with zarrc.config.set({"default_zarr_format": 2}):
        assert zarrc.create_array({}, shape=5, dtype="i4").zarr_format == 2


def test_the_group_above_decides_the_format():
    store = {}
    zarrc.group(store, path="a")
    assert zarrc.create_array(store, name="a/b/c", shape=5, dtype="i4").zarr_format == 2
    with pytest.raises(ValueError, match="format 2"):
        zarrc.create_array(store, name="a/x", shape=5, dtype="i4", zarr_format=3)
    store = {}
    zarrc.create_group(store)
    assert zarrc.zeros(5, store=store, path="x").zarr_format == 3


def test_contradictory_and_unknown_formats():
    with pytest.raises(ValueError, match="contradict"):
        zarrc.zeros(5, zarr_format=2, zarr_version=3)
    with pytest.raises(ValueError, match="Expected 2, 3, or None"):
        zarrc.zeros(5, zarr_format=4)


# documents


def test_format_2_document():
    store = {}
    zarrc.create((10, 20), chunks=(5, 20), dtype=">i2", fill_value=7, order="F", store=store)
    assert document(store) == {
        "chunks": [5, 20],
        "compressor": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0},
        "dtype": ">i2",
        "fill_value": 7,
        "filters": None,
        "order": "F",
        "shape": [10, 20],
        "zarr_format": 2,
    }


def test_format_3_document():
    store = {}
    zarrc.create_array(
        store,
        shape=(10, 20),
        chunks=(5, 20),
        dtype=">i2",
        fill_value=7,
        attributes={"unit": "mm"},
        dimension_names=("y", None),
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )
    assert document(store) == {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [10, 20],
        "data_type": "int16",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [5, 20]}},
        "chunk_key_encoding": {"name": "v2", "configuration": {"separator": "/"}},
        "fill_value": 7,
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "big"}},
            {"name": "zstd", "configuration": {"level": 0, "checksum": False}},
        ],
        "attributes": {"unit": "mm"},
        "dimension_names": ["y", None],
        "storage_transformers": [],
    }


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    "dtype", ["<i4", ">i4", "u1", "f8", ">c16", "S3", "<U3", "M8[s]", [("a", "<i2"), ("b", "S1")]]
)
def test_values_survive_reopening(tmp_path, zarr_format, dtype):
    data = np.zeros((7, 5), dtype)
    data.reshape(-1).view("u1")[::3] = 65
    z = zarrc.array(data, chunks=(3, 2), store=tmp_path / "z", zarr_format=zarr_format)
    np.testing.assert_array_equal(z[...], data)
    np.testing.assert_array_equal(zarrc.open_array(tmp_path / "z", mode="r")[...], data)


def test_sub_array_dtype_becomes_axes():
    z = zarrc.zeros(10, dtype=("i4", (2, 3)))
    assert z.shape == (10, 2, 3)
    assert z.dtype == np.dtype("i4")


def test_dimension_separator():
    def kept(**kwargs):
        store = {}
        zarrc.zeros((4, 4), chunks=2, store=store, **kwargs)[:] = 1
        return document(store).get("dimension_separator"), sorted(store)

    keys = [".zarray", "0.0", "0.1", "1.0", "1.1"]
    assert kept() == (None, keys)
    assert kept(dimension_separator=".") == (".", keys)
    assert kept(dimension_separator="/") == (
        "/",
        [key.replace(".", "/") if key != ".zarray" else key for key in keys],
    )
    assert kept(chunk_key_encoding={"name": "v2", "separator": "/"})[0] == "/"


def test_document_says_the_separator_that_the_store_names():
    store = zarrc.MemoryStore(dimension_separator=".")
    zarrc.zeros(4, store=store)
    assert document(store)["dimension_separator"] == "."


def test_nested_directory_store_asks_for_slashes(tmp_path):
    store = zarrc.NestedDirectoryStore(tmp_path / "nested")
    assert zarrc.zeros((4, 4), chunks=2, store=store).metadata.chunk_key_encoding.separator == "/"
    with pytest.raises(ValueError, match="conflicts with the store's own"):
        zarrc.zeros((4, 4), store=store, overwrite=True, dimension_separator=".")


@pytest.mark.parametrize(
    ("encoding", "name", "separator"),
    [
        (None, "default", "/"),
        ("v2", "v2", "."),
        ({"name": "v2"}, "v2", "."),
        ({"name": "default", "separator": "."}, "default", "."),
        ({"name": "v2", "configuration": {"separator": "/"}}, "v2", "/"),
        (("v2", "/"), "v2", "/"),
    ],
)
def test_chunk_key_encoding(encoding, name, separator):
    z = zarrc.create_array({}, shape=5, dtype="i4", chunk_key_encoding=encoding)
    assert (z.metadata.chunk_key_encoding.name, z.metadata.chunk_key_encoding.separator) == (name, separator)


def test_wrong_chunk_key_encodings():
    with pytest.raises(ValueError, match="unknown chunk key encoding"):
        zarrc.create_array({}, shape=5, dtype="i4", chunk_key_encoding="foo")
    with pytest.raises(TypeError, match="chunk_key_encoding must be like"):
        zarrc.create_array({}, shape=5, dtype="i4", chunk_key_encoding=3)
    with pytest.raises(ValueError, match="is for format 3"):
        zarrc.create_array({}, shape=5, dtype="i4", chunk_key_encoding="default", zarr_format=2)


# arguments of the other format, and contradictions


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"zarr_format": 2, "serializer": codecs.BytesCodec()}, ValueError, "object_codec="),
        ({"zarr_format": 2, "dimension_names": ["a"]}, ValueError, "dimension_names= is for format 3"),
        (
            {"zarr_format": 2, "compressors": [codecs.GzipCodec(), codecs.ZstdCodec()]},
            TypeError,
            "single compressor",
        ),
        ({"compressor": None, "compressors": None}, ValueError, "compressor= and compressors="),
        ({"codecs": [codecs.ZstdCodec()], "compressors": None}, ValueError, "leave out compressors="),
        ({"codecs": [codecs.ZstdCodec()], "filters": []}, ValueError, "leave out filters="),
        ({"compressors": codecs.TransposeCodec(order=(0,))}, TypeError, "'transpose' is one array->array"),
        ({"filters": codecs.GzipCodec()}, TypeError, "'gzip' is one bytes->bytes"),
        ({"codecs": [codecs.ZstdCodec(), codecs.BytesCodec()]}, MetadataError, "out of order"),
        ({"codecs": [codecs.BytesCodec(), codecs.BytesCodec()]}, MetadataError, "exactly one"),
        ({"compressors": "zstd"}, BadCompressorError, "expected Codec object"),
        ({"compressors": 1}, BadCompressorError, "expected Codec object"),
        ({"compressors": {"name": "foo"}}, MetadataError, "unknown codec 'foo'"),
        ({"compressors": {"name": "zstd", "configuration": {"level": 99}}}, MetadataError, "level must be"),
        ({"filters": codecs.TransposeCodec(order=(1, 0))}, ValueError, "axes"),
        ({"dimension_names": ["a", "b"]}, MetadataError, "dimension_names"),
        ({"config": {"foo": 1}}, TypeError, "unknown array options"),
        ({"foo": 1}, TypeError, r"create_array\(\) got an unexpected keyword argument 'foo'"),
    ],
)
def test_refused_and_nothing_is_written(arguments, error, match):
    store = {}
    with pytest.raises(error, match=match):
        zarrc.create_array(store, shape=5, dtype="i4", **arguments)
    assert store == {}


def test_dimension_separator_is_not_for_format_3():
    with pytest.raises(ValueError, match="chunk_key_encoding="):
        zarrc.zeros(5, zarr_format=3, dimension_separator=".")


def test_order_of_format_3_is_that_of_results():
    with pytest.warns(RuntimeWarning, match="only the memory layout"):
        z = zarrc.create_array({}, shape=(4, 5), dtype="i4", order="F")
    assert z.order == "F"
    assert z[...].flags.f_contiguous
    assert codec_names(z) == ["bytes", "zstd"]


def test_order_of_format_2_is_that_of_chunks():
    z = zarrc.zeros((4, 5), order="f", compressor=None, dtype="i4")
    z[:] = np.arange(20).reshape(4, 5)
    assert z.order == "F"
    np.testing.assert_array_equal(np.frombuffer(z.store["0.0"], "i4"), np.arange(20).reshape(4, 5).T.ravel())
    with pytest.raises(ValueError, match="order must be either"):
        zarrc.zeros((4, 5), order="A")


# codecs


def test_default_compressors():
    assert zarrc.zeros(10).compressor == numcodecs.Blosc("lz4", 5, 1)
    assert zarrc.zeros(()).compressor is None
    assert zarrc.zeros(10, zarr_format=3).compressors == (codecs.ZstdCodec(),)
    assert zarrc.create_array({}, shape=10, dtype="i4", zarr_format=2).compressor == numcodecs.Blosc(
        "lz4", 5, 1
    )


def test_default_compressor_can_be_reassigned(monkeypatch):
    import zarrc.storage

    monkeypatch.setitem(vars(zarrc.storage), "default_compressor", numcodecs.Zstd(level=1))
    assert zarrc.zeros(10).compressor == numcodecs.Zstd(level=1)
    monkeypatch.setitem(vars(zarrc.storage), "default_compressor", None)
    assert zarrc.zeros(10).compressor is None


@pytest.mark.parametrize("none", [None, "none", [], ()])
def test_no_compressor(none):
    assert zarrc.zeros(10, compressor=none).compressor is None
    assert zarrc.create_array({}, shape=10, dtype="i4", compressors=none).compressors == ()


@pytest.mark.parametrize(
    "given",
    [
        numcodecs.Blosc("zstd", 3, 2),
        {"id": "blosc", "cname": "zstd", "clevel": 3, "shuffle": 2, "blocksize": 0},
        codecs.BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"),
        {"name": "blosc", "configuration": {"cname": "zstd", "clevel": 3, "shuffle": "bitshuffle"}},
    ],
)
def test_codecs_of_both_generations_in_both_formats(given):
    store = {}
    assert zarrc.zeros(10, compressor=given, dtype="i4", store=store).compressor == numcodecs.Blosc(
        "zstd", 3, 2
    )
    assert "typesize" not in document(store)["compressor"]
    z = zarrc.create_array({}, shape=10, dtype="i4", compressors=given)
    assert z.compressors == (codecs.BloscCodec(typesize=4, cname="zstd", clevel=3, shuffle="bitshuffle"),)


def test_automatic_shuffle_is_kept_by_format_2_and_settled_by_format_3():
    automatic = numcodecs.Blosc(shuffle=numcodecs.Blosc.AUTOSHUFFLE)
    store = {}
    zarrc.zeros(10, compressor=automatic, dtype="u1", store=store)
    assert document(store)["compressor"]["shuffle"] == -1
    zarrc.create_array(store, shape=10, dtype="u1", compressors=automatic, overwrite=True)
    assert document(store)["codecs"][-1]["configuration"]["shuffle"] == "bitshuffle"


def test_filters():
    delta = numcodecs.Delta("i4")
    z = zarrc.array(np.arange(100, dtype="i4"), filters=[delta], chunks=30)
    assert z.filters == [delta]
    np.testing.assert_array_equal(z[:], np.arange(100))
    assert codec_names(zarrc.zeros(10, filters=[delta], compressor=None)) == ["numcodecs.delta", "bytes"]
    assert zarrc.zeros(10, filters=[]).filters is None


def test_filters_on_bytes_come_after_the_serializer_in_format_3():
    z = zarrc.create_array({}, shape=10, dtype="i4", filters=[numcodecs.Delta("i4"), numcodecs.Shuffle(4)])
    assert codec_names(z) == ["numcodecs.delta", "bytes", "numcodecs.shuffle", "zstd"]
    z[:] = np.arange(10)
    np.testing.assert_array_equal(z[:], np.arange(10))


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ([codecs.GzipCodec(level=6)], ["bytes", "gzip"]),
        ([codecs.BytesCodec()], ["bytes"]),
        ([], ["bytes"]),
        ([codecs.TransposeCodec(order=(1, 0)), codecs.ZstdCodec()], ["transpose", "bytes", "zstd"]),
        ([{"name": "transpose", "configuration": {"order": [1, 0]}}], ["transpose", "bytes"]),
        ([codecs.BytesCodec(endian="big"), codecs.Crc32cCodec()], ["bytes", "crc32c"]),
    ],
)
def test_whole_chains_get_a_serializer(given, names):
    z = zarrc.create_array({}, shape=(4, 6), dtype="i4", chunks=(2, 4), codecs=given)
    assert codec_names(z) == names
    z[...] = np.arange(24).reshape(4, 6)
    np.testing.assert_array_equal(z[...], np.arange(24).reshape(4, 6))


def test_whole_chain_in_format_2():
    z = zarrc.zeros(10, dtype="i4", codecs=[numcodecs.Delta("i4"), codecs.GzipCodec(level=2)])
    assert z.filters == [numcodecs.Delta("i4")]
    assert z.compressor == numcodecs.GZip(2)
    with pytest.raises(TypeError, match="single compressor"):
        zarrc.zeros(10, codecs=[codecs.BytesCodec(), codecs.GzipCodec(), codecs.ZstdCodec()])


def test_single_bytes_have_no_byte_order():
    z = zarrc.create_array({}, shape=10, dtype="u1", compressors=None)
    assert z.metadata.codecs[0].configuration == {}


def test_h5py_spelling():
    z = zarrc.create(10, compression="gzip", compression_opts=9, fillvalue=3)
    assert z.compressor == numcodecs.GZip(9)
    assert z.fill_value == 3
    with pytest.warns(UserWarning, match="ignoring keyword argument 'shuffle'"):
        zarrc.create(10, shuffle=True)


def test_objects_need_their_codec():
    with pytest.raises(ValueError, match="missing object_codec for object array"):
        zarrc.zeros(10, dtype=object)
    with pytest.warns(UserWarning, match="only needed for object arrays"):
        zarrc.zeros(10, object_codec=numcodecs.JSON())
    with pytest.raises(ValueError, match="dtype=str and dtype=bytes"):
        zarrc.zeros(10, dtype=object, object_codec=numcodecs.JSON(), zarr_format=3)


# fill values


def test_fill_values():
    assert zarrc.zeros(5, dtype="i4").fill_value == 0
    assert zarrc.ones(5, dtype="i4").fill_value == 1
    assert zarrc.full(5, 7.5).fill_value == 7.5
    assert zarrc.empty(5).fill_value is None
    assert zarrc.empty(5, dtype="i4", zarr_format=3).fill_value == 0
    assert zarrc.zeros(5, dtype="S3").fill_value == b""
    assert zarrc.create_array({}, shape=5, dtype="M8[s]").fill_value == np.datetime64(0, "s")
    assert np.isnan(zarrc.full(5, "NaN").fill_value)
    np.testing.assert_array_equal(zarrc.full((3, 3), 9, dtype="u1")[...], np.full((3, 3), 9))
    with pytest.raises(ValueError, match="not valid for dtype int8"):
        zarrc.full(5, 300, dtype="i1")


# sources


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_array_copies_data(zarr_format):
    data = np.arange(35.0).reshape(5, 7)
    z = zarrc.array(data, chunks=(2, 3), zarr_format=zarr_format)
    assert (z.shape, z.dtype, z.chunks) == (data.shape, data.dtype, (2, 3))
    np.testing.assert_array_equal(z[...], data)
    np.testing.assert_array_equal(zarrc.array(z)[...], data)
    assert zarrc.array(z).chunks == (2, 3)
    assert zarrc.array([[1, 2], [3, 4]]).dtype == np.dtype(int)
    assert zarrc.array(5).shape == ()


def test_array_casts_and_checks_its_data():
    assert zarrc.array([1, 2, 3], dtype="f4")[:].dtype == np.dtype("f4")
    assert zarrc.array(["2007-07-13", "2006-01-13"], dtype="M8[D]")[0] == np.datetime64("2007-07-13")
    assert zarrc.array(["a", "bcd"], dtype="U2")[1] == "bc"
    store = {}
    with pytest.raises(ValueError, match="leave shape= out"):
        zarrc.array([1, 2, 3], shape=4, store=store)
    assert store == {}


def test_array_can_be_made_read_only():
    z = zarrc.array([1, 2], read_only=True)
    assert z.read_only
    with pytest.raises(PermissionError):
        z[0] = 3


def test_create_array_with_data():
    z = zarrc.create_array({}, data=np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(z[...], [[0, 1, 2], [3, 4, 5]])
    assert zarrc.create_array({}, data=np.ones(6), write_data=False).nchunks_initialized == 0
    assert zarrc.create_array({}, data=np.ones(6), read_only=True).read_only
    for more in ({"shape": 6}, {"dtype": "i4"}):
        with pytest.raises(ValueError, match="of its own"):
            zarrc.create_array({}, data=np.ones(6), **more)
    for less in ({"shape": 6}, {"dtype": "i4"}, {}):
        with pytest.raises(ValueError, match="is needed"):
            zarrc.create_array({}, **less)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_from_array_keeps_properties(zarr_format):
    source = zarrc.create(
        (6, 7),
        chunks=(2, 3),
        dtype=">i4",
        fill_value=5,
        zarr_format=zarr_format,
        compressor=codecs.GzipCodec(3),
        attributes={"unit": "mm"},
        filters=[numcodecs.Delta(">i4")],
    )
    source[2:4] = 8
    copy = zarrc.from_array({}, data=source)
    np.testing.assert_array_equal(copy[...], source[...])
    assert copy.metadata == source.metadata
    assert zarrc.from_array({}, data=source, write_data=False)[3, 3] == 5
    other = zarrc.from_array({}, data=source, zarr_format=5 - zarr_format, chunks=(3, 3))
    assert (other.zarr_format, other.chunks) == (5 - zarr_format, (3, 3))
    assert [each.name for each in other.metadata.codecs if each.name != "bytes"] == [
        "numcodecs.delta",
        "gzip",
    ]
    np.testing.assert_array_equal(other[...], source[...])


def test_from_array_of_numpy():
    np.testing.assert_array_equal(zarrc.from_array({}, data=np.arange(6))[:], np.arange(6))


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_like(zarr_format):
    source = zarrc.create(
        (6, 7), chunks=(2, 3), dtype="i2", fill_value=5, zarr_format=zarr_format, compressor=None,
        filters=[numcodecs.Delta("i2")],
    )  # fmt: skip
    for make, value in ((zarrc.zeros_like, 0), (zarrc.ones_like, 1), (zarrc.full_like, 5)):
        z = make(source)
        assert (z.shape, z.chunks, z.dtype, z.zarr_format) == ((6, 7), (2, 3), np.dtype("i2"), zarr_format)
        assert codec_names(z) == ["numcodecs.delta", "bytes"]
        assert z.fill_value == value
    assert zarrc.empty_like(source).shape == (6, 7)
    assert zarrc.full_like(source, fill_value=9).fill_value == 9
    assert zarrc.zeros_like(source, dtype="f4", chunks=(6, 7), filters=None).dtype == np.dtype("f4")
    assert zarrc.zeros_like(source, zarr_format=5 - zarr_format).zarr_format == 5 - zarr_format


def test_like_numpy_arrays():
    z = zarrc.zeros_like(np.ones((3, 4), "f4"))
    assert (z.shape, z.dtype, z.zarr_format) == ((3, 4), np.dtype("f4"), 2)
    assert zarrc.ones_like([[1, 2]]).shape == (1, 2)


def test_like_keeps_the_order_of_format_2():
    assert zarrc.zeros_like(zarrc.zeros((3, 4), order="F")).order == "F"


def test_open_like(tmp_path):
    source = zarrc.full((6, 7), 5, chunks=(2, 3), dtype="i2")
    made = zarrc.open_like(source, tmp_path / "z")
    assert (made.shape, made.chunks, made.fill_value) == ((6, 7), (2, 3), 5)
    made[:] = 1
    assert zarrc.open_like(source, tmp_path / "z")[0, 0] == 1


# modes and what stands in the way


@pytest.fixture(params=["nothing", "array", "group"])
def standing(request):
    """A store with one kind of node at path x, or none."""
    store = {}
    if request.param == "array":
        zarrc.zeros(10, store=store, path="x")
    elif request.param == "group":
        zarrc.group(store, path="x")
    return request.param, store


@pytest.mark.parametrize("mode", ["r", "r+", "a", "w", "w-", "x"])
def test_modes(mode, standing):
    kind, store = standing
    expected = {
        ("r", "nothing"): ArrayNotFoundError,
        ("r+", "nothing"): ArrayNotFoundError,
        ("r", "array"): 10,
        ("r+", "array"): 10,
        ("a", "array"): 10,
        ("r", "group"): ContainsGroupError,
        ("r+", "group"): ContainsGroupError,
        ("a", "group"): ContainsGroupError,
        ("w-", "array"): ContainsArrayError,
        ("x", "array"): ContainsArrayError,
        ("w-", "group"): ContainsGroupError,
        ("x", "group"): ContainsGroupError,
    }.get((mode, kind), 20)
    before = dict(store)
    if isinstance(expected, int):
        z = zarrc.open_array(store, mode=mode, path="x", shape=20)
        assert z.shape == (expected,)
        assert z.read_only == (mode == "r")
    else:
        with pytest.raises(expected, match="'x'"):
            zarrc.open_array(store, mode=mode, path="x", shape=20)
        assert store == before


def test_unknown_mode():
    with pytest.raises(ValueError, match="mode must be one of"):
        zarrc.open_array({}, mode="rw", shape=5)


def test_create_and_overwrite(standing):
    kind, store = standing
    if kind == "nothing":
        zarrc.zeros(5, store=store, path="x")
        return
    with pytest.raises(ContainsArrayError if kind == "array" else ContainsGroupError):
        zarrc.zeros(5, store=store, path="x")
    assert zarrc.zeros(5, store=store, path="x", overwrite=True).shape == (5,)
    assert sorted(store) == [".zgroup", "x/.zarray"]


def test_overwriting_removes_both_formats(tmp_path):
    path = tmp_path / "z"
    zarrc.create_array(path, data=np.arange(5))
    zarrc.array(np.arange(3), store=path, overwrite=True)
    assert sorted(each.name for each in path.iterdir()) == [".zarray", "0"]
    zarrc.create_array(path, data=np.arange(4), overwrite=True)
    assert sorted(each.name for each in path.iterdir()) == ["c", "zarr.json"]


def test_nothing_is_made_inside_of_an_array():
    store = {}
    zarrc.zeros(5, store=store, path="x")
    with pytest.raises(ContainsArrayError, match="'x'"):
        zarrc.zeros(5, store=store, path="x/y")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_many_threads_open_the_same(tmp_path, zarr_format):
    start, found, errors = threading.Barrier(8), [], []

    def work():
        start.wait()
        try:
            for n in range(10):
                z = zarrc.open_array(
                    tmp_path / "root", path=f"a{n}/b", shape=8, chunks=1, dtype="i4", zarr_format=zarr_format
                )
                z.attrs[threading.current_thread().name] = n
                found.append(z)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, name=f"t{n}") for n in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert errors == []
    assert len(found) == 80
    root = zarrc.open_group(tmp_path / "root", mode="r")
    assert all(len(root[f"a{n}/b"].attrs) == 8 for n in range(10))


def test_foreign_directories_are_not_wiped(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    for make in (
        lambda: zarrc.open_array(tmp_path, mode="w", shape=5),
        lambda: zarrc.create_array(tmp_path, shape=5, dtype="i4", overwrite=True),
        lambda: zarrc.save(tmp_path, np.arange(5)),
        lambda: zarrc.open_group(tmp_path, mode="w"),
    ):
        with pytest.raises(FileExistsError, match="refusing to overwrite"):
            make()
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_chunk_store():
    store, chunk_store = {}, {}
    z = zarrc.array(np.arange(10), chunks=5, store=store, chunk_store=chunk_store)
    assert sorted(store) == [".zarray"]
    assert sorted(chunk_store) == ["0", "1"]
    np.testing.assert_array_equal(z[:], np.arange(10))
    assert zarrc.open_array(store, mode="r", chunk_store=chunk_store)[3] == 3


def test_init_array():
    from zarrc.storage import init_array

    store = {}
    init_array(store, shape=100000000, chunks=1000000, dtype="i1", path="foo")
    assert sorted(store) == [".zgroup", "foo/.zarray"]
    assert document(store, "foo")["fill_value"] is None


def test_options_reach_the_array():
    z = zarrc.zeros(10, write_empty_chunks=False, chunks=5)
    z[:] = 0
    assert z.nchunks_initialized == 0
    lock = zarrc.ThreadSynchronizer()
    assert zarrc.create_array({}, shape=5, dtype="i4", synchronizer=lock).synchronizer is lock
    assert zarrc.create_array({}, shape=5, dtype="i4", config={"write_empty_chunks": True}).write_empty_chunks


def test_compressors_among_the_filters_of_format_2():
    import numcodecs

    filters = [numcodecs.GZip(), codecs.ZstdCodec(), numcodecs.Blosc(shuffle=2)]
    z = zarrc.create_array({}, shape=100, dtype="i2", zarr_format=2, filters=filters, compressors=None)
    z[:] = np.arange(100)
    assert (z[:] == np.arange(100)).all()
    assert z.filters == [numcodecs.GZip(), numcodecs.Zstd(0), numcodecs.Blosc(shuffle=2)]


def test_other_names_of_arguments():
    assert zarrc.create(10, chunk_shape=(5,)).chunks == (5,)
    with pytest.raises(ValueError, match="chunk_shape="):
        zarrc.create(10, chunks=2, chunk_shape=(5,))
    assert zarrc.empty(10, fill_value=4)[0] == 4


def test_from_array_keeps_the_keys_of_chunks():
    encoding = {"name": "v2", "separator": "/"}
    source = zarrc.create_array({}, shape=10, dtype="i1", chunk_key_encoding=encoding)
    assert zarrc.from_array({}, data=source).metadata.chunk_key_encoding.name == "v2"
    assert zarrc.from_array({}, data=source, zarr_format=2).metadata.chunk_key_encoding.separator == "."


def test_from_array_keeps_shards():
    source = zarrc.create_array({}, shape=(20, 20), chunks=(5, 5), shards=(10, 10), dtype="i1")
    source[:] = 3
    copy = zarrc.from_array({}, data=source)
    assert (copy.metadata, copy.chunks, copy.shards) == (source.metadata, (5, 5), (10, 10))
    assert (copy[:] == 3).all()
    assert zarrc.from_array({}, data=source, shards=None).shards is None
    assert zarrc.zeros_like(source).shards == (10, 10)
    outer = zarrc.create_array(
        {},
        shape=(20, 20),
        chunks=(10, 10),
        dtype="i1",
        serializer=codecs.ShardingCodec((5, 5)),
        compressors=codecs.Crc32cCodec(),
    )
    assert zarrc.from_array({}, data=outer).metadata == outer.metadata


@pytest.mark.parametrize(
    ("codec", "stored"),
    [
        (wrapped.FixedScaleOffset(offset=0, scale=2), {"offset": 0, "scale": 2, "dtype": "<f4"}),
        (wrapped.Quantize(digits=3), {"digits": 3, "dtype": "<f4"}),
        (wrapped.Delta(), {"dtype": "<f4"}),
        (wrapped.AsType(encode_dtype="f8"), {"encode_dtype": "f8", "decode_dtype": "<f4"}),
        (wrapped.Shuffle(), {"elementsize": 4}),
    ],
    ids=lambda item: item.name if hasattr(item, "name") else "",
)
def test_numcodecs_are_told_the_data_type(codec, stored):
    """They do not see the array: its data type is part of what is stored."""
    where = {"compressors": codec} if codec.kind == "bytes->bytes" else {"filters": codec}
    store = {}
    z = zarrc.create_array(store, shape=6, dtype="f4", **where)
    z[:] = np.arange(6) / 2
    [document] = [c for c in json.loads(store["zarr.json"])["codecs"] if c["name"] == codec.name]
    assert document["configuration"] == stored
    assert (zarrc.open_array(store)[:] == np.arange(6) / 2).all()
    with pytest.raises(ValueError, match="requires bool dtype"):
        zarrc.create_array({}, shape=6, dtype="f4", filters=wrapped.PackBits())


def test_array_config_as_dict():
    z = zarrc.create_array({}, shape=6, dtype="f4", config={"order": "F"})
    options = z.config.to_dict()
    assert options == {"order": "F", "write_empty_chunks": False, "fill_missing_chunks": True}
    assert zarrc.create_array({}, shape=6, dtype="f4", config=options).config == z.config
    assert not z.with_config({"read_missing_chunks": False}).config.read_missing_chunks


def test_orders_are_stored_as_numbers():
    z = zarrc.create_array({}, shape=(2, 3, 4), dtype="i1", filters=codecs.TransposeCodec("F"))
    assert z.filters == (codecs.TransposeCodec((2, 1, 0)),)
    z[:] = np.arange(24).reshape(2, 3, 4)
    assert z[1, 2, 3] == 23


def test_open_by_class():
    from zarrc.storage import StorePath

    store = {}
    made = zarrc.create_array(store, name="a/b", shape=3, dtype="i1")
    assert zarrc.Array.open(StorePath(store, "a/b")) == made
    assert zarrc.Group.open(store)["a/b"] == made
    with pytest.raises(ArrayNotFoundError):
        zarrc.Array.open(store)


@pytest.mark.parametrize("options", [{}, {"zarr_format": 3, "compressors": zarrc.codecs.BloscCodec()}])
def test_chunks_that_blosc_cannot_take(options):
    store = {}
    with pytest.warns(
        UserWarning, match="Chunks of 2147483632 bytes cannot be written: Blosc takes 2147483631"
    ):
        zarrc.create(2**31 - 16, chunks=False, dtype="u1", store=store, **options)
    z = zarrc.open_array(store)
    assert (z.shape, z[7]) == ((2**31 - 16,), 0)
    zarrc.create(2**31 - 17, chunks=False, dtype="u1", **options)


class TestDescribedAlike:
    """What is described by the same words is described once; nothing of the one shows in the other."""

    def test_attributes_are_their_own(self):
        one, other = (zarrc.create_array({}, shape=3, dtype="i4", attributes={"a": n}) for n in range(2))
        assert (one.metadata.attributes, other.metadata.attributes) == ({"a": 0}, {"a": 1})
        assert zarrc.create_array({}, shape=3, dtype="i4").metadata.attributes == {}

    @pytest.mark.parametrize("zarr_format", [2, 3])
    def test_words_that_python_takes_for_equal(self, zarr_format):
        def fill(value):
            return zarrc.create(3, dtype="f8", fill_value=value, zarr_format=zarr_format).fill_value

        assert [str(fill(value)) for value in (0.0, -0.0, 0, 0.0)] == ["0.0", "-0.0", "0.0", "0.0"]
        assert zarrc.create(3, dtype="i4", chunks=1).chunks == (1,)
        assert zarrc.create(3, dtype="i4", chunks=True).chunks == (3,)

    def test_the_default_compressor_may_change(self, monkeypatch):
        assert zarrc.create(3, dtype="i4").compressor.codec_id == "blosc"
        monkeypatch.setattr(zarrc.storage, "default_compressor", zarrc.Zlib())
        assert zarrc.create(3, dtype="i4").compressor.codec_id == "zlib"
        monkeypatch.undo()
        assert zarrc.create(3, dtype="i4").compressor.codec_id == "blosc"

    @pytest.mark.parametrize("sizes", [{"shape": 3.0}, {"shape": 3, "chunks": (3.0,)}])
    def test_warnings_come_again(self, sizes):
        for _ in range(2):
            with pytest.warns(UserWarning, match="is taken as"):
                zarrc.create(**sizes, dtype="i4")

    def test_numbers_of_numpy_with_the_same_bits(self):
        one, other = (zarrc.create(3, dtype="f8", fill_value=n) for n in (np.int32(1), np.float32(1.4e-45)))
        assert (one.fill_value, other.fill_value) == (1, np.float32(1.4e-45))

    def test_numbers_of_numpy_in_codecs(self):
        store = {}
        zarrc.create(3, dtype="i4", compressor=zarrc.Zstd(np.int64(3)), store=store)
        assert json.loads(store[".zarray"])["compressor"]["level"] == 3

    def test_documents(self):
        stores = [{}, {}, {}]
        attributes = [{"a": [1, {"b": None}]}, {}, {"\0attributes": "\0attributes"}]
        for store, each in zip(stores, attributes, strict=True):
            zarrc.create_array(store, shape=3, dtype="i4", attributes=each)
        for store, each in zip(stores, attributes, strict=True):
            content = json.loads(store["zarr.json"])
            assert content["attributes"] == each
            assert store["zarr.json"] == json.dumps(content, indent=2).encode()
