"""Warnings of what other implementations may not read or what is slow, and words of errors that programs match on."""

from __future__ import annotations

import functools
import pickle
import warnings

import numcodecs
import pytest

import zarrc
from zarrc.errors import ContainsArrayError, UnstableSpecificationWarning, ZarrUserWarning


def caught(function, *args, **kwargs):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        function(*args, **kwargs)
    return [warning.message for warning in found]


def test_codecs_of_numcodecs_in_format_3_are_warned_of_once():
    found = caught(
        zarrc.create_array,
        {},
        shape=4,
        dtype="i4",
        filters=[numcodecs.Delta("i4")],
        compressors=numcodecs.LZ4(),
    )
    assert [type(warning) for warning in found] == [ZarrUserWarning]
    assert "may not be supported by other" in str(found[0])
    assert "numcodecs.delta, numcodecs.lz4" in str(found[0])


def test_codecs_of_numcodecs_inside_of_shards_are_warned_of():
    with pytest.warns(ZarrUserWarning, match=r"not in the Zarr version 3 specification.*numcodecs\.lz4"):
        zarrc.create_array({}, shape=4, dtype="i4", chunks=2, shards=4, compressors=numcodecs.LZ4())


def test_codecs_that_are_specified_are_not_warned_of():
    assert caught(zarrc.create_array, {}, shape=4, dtype="i4", compressors=numcodecs.Zstd()) == []
    assert caught(zarrc.zeros, 4, compressor=numcodecs.LZ4(), filters=[numcodecs.Delta("f8")]) == []


def test_codecs_of_numcodecs_are_warned_of_when_they_are_made_and_when_arrays_are_opened():
    with pytest.warns(ZarrUserWarning, match="Numcodecs codecs are not in the Zarr version 3") as found:
        codec = zarrc.codecs.numcodecs.Delta(dtype="i4")
    assert found[0].filename == __file__
    z = zarrc.create_array({}, shape=4, dtype="i4", filters=[codec])
    with pytest.warns(ZarrUserWarning, match=r"Numcodecs codecs are not .* numcodecs\.delta") as found:
        opened = zarrc.open_array(z.store)
    assert found[0].filename == __file__
    assert opened.filters == (codec,)
    root = zarrc.create_group({})
    root.create_array("a", shape=4, dtype="i4", filters=[codec])
    with pytest.warns(ZarrUserWarning, match="Numcodecs codecs are not") as found:
        root["a"]
    assert found[0].filename == __file__
    for silent in (root.members, lambda: list(root.arrays()), lambda: pickle.loads(pickle.dumps((codec, z)))):
        assert caught(silent) == []
    assert caught(zarrc.open_array, zarrc.array([1], filters=[numcodecs.Delta("i8")]).store) == []


def test_each_array_is_warned_of_also_where_it_is_described_by_the_same_words():
    compressors = {"name": "numcodecs.lz4", "configuration": {}}
    for _ in range(2):
        found = caught(zarrc.create_array, {}, shape=4, dtype="i4", compressors=compressors)
        assert [type(warning) for warning in found] == [ZarrUserWarning]


@pytest.mark.parametrize(
    ("dtype", "name"),
    [
        ("U4", "fixed_length_utf32"),
        ("S4", "null_terminated_bytes"),
        ("V4", "raw_bytes"),
        ([("a", "i4")], "structured"),
        (bytes, "variable_length_bytes"),
    ],
)
def test_data_types_without_a_specification_are_warned_of(dtype, name):
    with pytest.warns(UnstableSpecificationWarning, match="does not have a Zarr V3 specification") as found:
        z = zarrc.create_array({}, shape=4, dtype=dtype)
    assert name in str(found[0].message)
    assert found[0].filename == __file__
    assert name in str(z.metadata.to_dict()["data_type"])
    assert caught(zarrc.open_array, z.store) == []
    assert caught(zarrc.zeros, 4, dtype=dtype) == []


@pytest.mark.parametrize("dtype", ["i4", "f2", "c8", "bool", "M8[s]", "m8[s]", str])
def test_data_types_with_a_specification_are_not_warned_of(dtype):
    assert caught(zarrc.create_array, {}, shape=4, dtype=dtype) == []


def test_shards_that_are_read_as_a_whole_are_warned_of():
    make = functools.partial(
        zarrc.create_array, {}, shape=4, chunks=4, dtype="i4", serializer=zarrc.codecs.ShardingCodec(2)
    )
    assert caught(make) == []
    with pytest.warns(
        ZarrUserWarning, match=r"with gzip in one chain: each such codec disables partial reads"
    ):
        make(compressors=zarrc.codecs.GzipCodec(), overwrite=True)


def test_consolidating_format_3_is_warned_of_and_format_2_is_not():
    store: dict[str, bytes] = {}
    zarrc.create_group(store)
    found = caught(zarrc.consolidate_metadata, store)
    assert [type(warning) for warning in found] == [ZarrUserWarning]
    assert "not part in the Zarr format 3 specification" in str(found[0])
    assert caught(zarrc.open_consolidated, store) == []
    older: dict[str, bytes] = {}
    zarrc.group(older)
    assert caught(zarrc.consolidate_metadata, older) == []


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_one_cell_keeps_the_compressors_that_are_given(zarr_format):
    z = zarrc.create_array({}, shape=(), dtype="f4", compressors=numcodecs.Zstd(), zarr_format=zarr_format)
    assert len(z.compressors) == 1


def test_one_cell_of_format_2_takes_no_compressor():
    assert zarrc.create(shape=(), dtype="f4", compressor=numcodecs.LZ4()).compressor is None
    assert zarrc.create(shape=(), dtype="f4").compressor is None


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_nodes_below_arrays_are_refused_with_both_paths(zarr_format):
    group = zarrc.create_group({}, zarr_format=zarr_format)
    group.create_array("a", shape=1, dtype="u1")
    with pytest.raises(
        ContainsArrayError, match=r"path 'a' contains an array. A parent of 'a/b/c' is an array"
    ):
        group.create_group("a/b/c")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data": [1], "shape": 1}, r"shape parameter was also used\. data= has a shape of its own"),
        ({"dtype": "i4"}, "shape was not specified: shape= is needed"),
        (
            {"shape": 1, "dtype": "i4", "zarr_format": 2, "dimension_names": ["x"]},
            "do not support dimension names",
        ),
        ({"shape": 1, "dtype": "i4", "zarr_format": 2, "serializer": "bytes"}, "do not support `serializer`"),
        (
            {"shape": 1, "dtype": "i4", "zarr_format": 2, "dimension_names": ["x"]},
            "dimension_names cannot be used for arrays with zarr_format 2",
        ),
        (
            {"shape": 9, "dtype": "i4", "zarr_format": 2, "chunks": 3, "shards": (9,)},
            r"with `shard_shape` set to `None`\. Got `shard_shape=\(9,\)` instead",
        ),
        ({"shape": 1, "dtype": "i4", "zarr_format": "3.0"}, r"Expected 2, 3, or None\. Got '3.0'"),
    ],
)
def test_errors_have_the_words_of_version_3(arguments, message):
    with pytest.raises(ValueError, match=message):
        zarrc.create_array({}, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"chunk_shape": 1, "chunks": 1}, "Only one of chunk_shape or chunks can be provided"),
        (
            {"zarr_format": 3, "dimension_separator": "/"},
            "dimension_separator cannot be used for arrays with zarr_format 3. Use chunk_key_encoding instead",
        ),
        (
            {"zarr_format": 2, "chunk_key_encoding": ("default", "/")},
            "chunk_key_encoding cannot be used for arrays with zarr_format 2. Use dimension_separator instead",
        ),
    ],
)
def test_errors_of_create_have_the_words_of_version_3(arguments, message):
    with pytest.raises(ValueError, match=message):
        zarrc.create(1, dtype="i4", **arguments)


@pytest.mark.parametrize("kind", ["array", "group"])
def test_what_is_in_the_way_is_named_with_its_store(kind, tmp_path):
    for store, name in ((tmp_path, repr(str(tmp_path))), ({}, "MemoryStore|KVStore|dict")):
        root = zarrc.create_group(store)
        root.create_group("a") if kind == "group" else root.create_array("a", shape=1, dtype="u1")
        words = rf"path 'a' contains an? {kind}. An? {kind} exists in store .*({name}).* at path 'a'\."
        with pytest.raises(ValueError, match=words):
            zarrc.create_group(store, path="a")
        with pytest.raises(ValueError, match=words):
            root.create_hierarchy({"a": zarrc.create_group({}).metadata})


def test_an_order_that_is_left_behind_is_warned_of():
    source = zarrc.array([[1, 2], [3, 4]], order="F")
    with pytest.warns(
        ZarrUserWarning, match=r"existing order='F' .* format 2 array will be ignored"
    ) as found:
        copy = zarrc.from_array({}, data=source, zarr_format=3)
    assert found[0].filename == __file__
    assert (copy[:] == source[:]).all()
    same = zarrc.from_array({}, data=source)
    assert (same.order, same.metadata) == ("F", source.metadata)


def test_hierarchies_that_cannot_be_have_the_words_of_version_3():
    group = zarrc.create_group({})
    older = zarrc.create_group({}, zarr_format=2).metadata
    with pytest.raises(ValueError, match="create a root node"):
        group.create_hierarchy({"": group.metadata})
    with pytest.raises(ValueError, match="must be the same as the parent group"):
        group.create_hierarchy({"a": older})
