"""Documents of both formats: those of other implementations, those that are wrong, and our own."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fill_value_strategies import bits

from zarrc.config import config
from zarrc.errors import MetadataError, UnknownDataTypeError
from zarrc.metadata import v2, v3
from zarrc.metadata.dtypes import decode_v2
from zarrc.metadata.model import ArrayMetadata, ChunkKeyEncoding, CodecSpec, GroupMetadata

FIXTURES = Path(__file__).parent / "fixtures"


def fixtures(peer):
    found = json.loads((FIXTURES / f"{peer}.json").read_text())
    return [pytest.param(item, id=f"{peer}-{number}") for number, item in enumerate(found)]


def decode(document):
    content = json.loads(document)
    return v2.decode_array(document) if content["zarr_format"] == 2 else v3.decode(document)


def encode(meta):
    return v2.encode_array(meta) if meta.zarr_format == 2 else v3.encode(meta)


ALL = [item for peer in ("zarr2", "zarr3", "zarr34", "tensorstore") for item in fixtures(peer)]


@pytest.mark.parametrize("item", ALL)
def test_others_documents_mean_what_they_say(item):
    meta = decode(item["document"])
    content = json.loads(item["document"])
    assert meta.dtype == decode_v2(item["dtype"])
    assert meta.shape == tuple(content["shape"])
    if meta.dtype.kind == "O":
        value = meta.fill_value
        assert item["fill_value"] == (value.hex() if isinstance(value, bytes) else value)
    elif item["fill_value"] is None:
        assert meta.fill_value is None
    else:
        assert bits(meta.fill_value, meta.dtype).hex() == item["fill_value"]


@pytest.mark.parametrize("item", ALL)
def test_others_documents_keep_their_content(item):
    content = json.loads(item["document"])
    if content["zarr_format"] == 2:
        if content["compressor"] and content["compressor"].get("checksum") is False:
            del content["compressor"]["checksum"]
        if 0 in content["chunks"]:
            content["chunks"] = [max(1, chunk) for chunk in content["chunks"]]
    else:
        encoding = {"default": "/", "v2": "."}[content["chunk_key_encoding"]["name"]]
        content["chunk_key_encoding"].setdefault("configuration", {"separator": encoding})
        content = {"attributes": {}, "storage_transformers": []} | content
        content["codecs"] = [{"name": item} if isinstance(item, str) else item for item in content["codecs"]]
        for codec in content["codecs"]:
            if codec.get("configuration") == {}:
                del codec["configuration"]
    assert json.dumps(json.loads(encode(decode(item["document"]))), sort_keys=True) == json.dumps(
        content, sort_keys=True
    )


def differs_on_purpose(content):
    """Chunks of nothing, a checksum key that is false, and empty configurations are not written."""
    compressor = content.get("compressor") or {}
    empty = any(codec.get("configuration") == {} for codec in content.get("codecs", ()))
    return 0 in content.get("chunks", ()) or compressor.get("checksum") is False or empty


@pytest.mark.parametrize("peer", ["zarr2", "zarr3"])
def test_zarr_python_documents_are_written_as_it_writes_them(peer):
    documents = [item.values[0]["document"] for item in fixtures(peer)]
    same = [document for document in documents if not differs_on_purpose(json.loads(document))]
    assert len(same) > 30
    for document in same:
        assert encode(decode(document)).decode() == document


# Format 2

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
BYTES = CodecSpec("bytes")
BLOSC = CodecSpec("blosc", {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "blocksize": 0})


def test_format_2_to_the_model():
    assert v2.decode_array(json.dumps(ZARRAY).encode(), {"a": 1}) == ArrayMetadata(
        zarr_format=2,
        shape=(10, 4),
        dtype=np.dtype("<i4"),
        chunk_shape=(3, 2),
        fill_value=np.int32(0),
        codecs=(BYTES, BLOSC),
        chunk_key_encoding=ChunkKeyEncoding("v2", "."),
        attributes={"a": 1},
    )


@pytest.mark.parametrize("shape", [[], [4], [4, 5, 6]])
def test_order_f_is_a_transpose(shape):
    content = ZARRAY | {"order": "F", "shape": shape, "chunks": shape}
    meta = v2.decode_array(content)
    assert meta.codecs[0] == CodecSpec("transpose", {"order": list(range(len(shape)))[::-1]})
    assert meta.order == "F"
    assert json.loads(v2.encode_array(meta)) == content


def test_filters_and_compressor():
    delta = {"id": "delta", "dtype": ">f8", "astype": ">f8"}
    content = ZARRAY | {"dtype": ">f8", "filters": [delta, {"id": "zlib", "level": 1}], "order": "F"}
    meta = v2.decode_array(content)
    assert [spec.name for spec in meta.codecs] == [
        "transpose",
        "numcodecs.delta",
        "numcodecs.zlib",
        "bytes",
        "blosc",
    ]
    assert meta.codecs[3] == CodecSpec("bytes")
    assert v2.filters_and_compressor(meta) == (content["filters"], ZARRAY["compressor"])
    bare = v2.decode_array(ZARRAY | {"filters": [], "compressor": None})
    assert v2.filters_and_compressor(bare) == (None, None)


@pytest.mark.parametrize(
    ("number", "name"), [(-1, "autoshuffle"), (0, "noshuffle"), (1, "shuffle"), (2, "bitshuffle")]
)
def test_blosc_shuffles(number, name):
    config = ZARRAY["compressor"] | {"shuffle": number}
    spec = v2.decode_codec(config)
    assert spec.configuration["shuffle"] == name
    assert v2.encode_codec(spec) == config
    typed = replace(spec, configuration=spec.configuration | {"typesize": 4})
    assert v2.encode_codec(typed) == config


def test_zstd_has_no_checksum_key_when_it_is_false():
    assert v2.encode_codec(CodecSpec("zstd", {"level": 3, "checksum": False})) == {"id": "zstd", "level": 3}
    on = {"id": "zstd", "level": 3, "checksum": True}
    assert v2.encode_codec(v2.decode_codec(on)) == on


@pytest.mark.parametrize("name", ["crc32c", "vlen-utf8", "vlen-bytes"])
def test_format_3_codecs_that_format_2_has(name):
    assert v2.encode_codec(CodecSpec(name)) == {"id": name}


def test_unknown_keys_are_kept():
    content = ZARRAY | {"producer": {"name": "x"}, "compressor": ZARRAY["compressor"] | {"nthreads": 4}}
    meta = v2.decode_array(content)
    assert meta.extra == {"producer": {"name": "x"}}
    assert json.loads(v2.encode_array(meta)) == content
    assert json.loads(v2.encode_group(v2.decode_group({"zarr_format": 2, "x": 1}))) == {
        "zarr_format": 2,
        "x": 1,
    }


def test_separator_is_written_where_it_is_needed_or_was_there():
    meta = v2.decode_array(ZARRAY)
    assert "dimension_separator" not in json.loads(v2.encode_array(meta))
    explicit = v2.decode_array(ZARRAY | {"dimension_separator": "."})
    assert json.loads(v2.encode_array(explicit))["dimension_separator"] == "."
    slash = replace(explicit, chunk_key_encoding=ChunkKeyEncoding("v2", "/"))
    assert json.loads(v2.encode_array(slash))["dimension_separator"] == "/"
    assert v2.decode_array(v2.encode_array(slash)).chunk_key_encoding.separator == "/"
    null = v2.decode_array(ZARRAY | {"dimension_separator": None})
    assert null.chunk_key_encoding.separator == "."


def test_layout_of_groups_and_attributes():
    assert v2.encode_group(GroupMetadata(2)) == b'{\n    "zarr_format": 2\n}'
    attributes = {"b": [1, np.int32(2)], "a": "é", "c": np.arange(2.0), "d": (np.True_,)}
    expected = json.dumps({"a": "é", "b": [1, 2], "c": [0.0, 1.0], "d": [True]}, indent=4)
    assert v2.encode_attributes(attributes).decode() == expected


def test_nan_in_attributes():
    for value in (float("nan"), float("inf"), np.float32("-inf")):
        back = v2.decode_attributes(v2.encode_attributes({"a": value}))
        assert np.array_equal(back["a"], value, equal_nan=True)
        with config.set({"json_strict": True}), pytest.raises(ValueError, match="Out of range float"):
            v2.encode_attributes({"a": value})


def without(content, key):
    return {name: value for name, value in content.items() if name != key}


@pytest.mark.parametrize("key", ZARRAY)
def test_missing_keys_of_format_2_are_named(key):
    with pytest.raises(MetadataError, match=f"lacks the key '{key}'"):
        v2.decode_array(without(ZARRAY, key))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"zarr_format": 3}, "zarr_format of .zarray must be 2, not 3"),
        ({"shape": 10}, "shape must be a list of integers"),
        ({"shape": [10, "4"]}, "shape must be a list of integers"),
        ({"shape": [10, -4]}, "shape .* from 0 to"),
        ({"chunks": [3]}, "chunks .* and shape .* differ"),
        ({"chunks": [3, 0]}, "chunk_shape .* from 1 to"),
        ({"chunks": [3, None]}, "chunks must be a list of integers"),
        ({"dtype": "<i3"}, "unknown data type '<i3'"),
        ({"dtype": "|S0", "fill_value": None}, "has no bytes"),
        ({"fill_value": "x"}, "fill value 'x' is not one of dtype int32"),
        ({"order": "A"}, "order must be 'C' or 'F', not 'A'"),
        ({"filters": {"id": "delta"}}, "filters must be a list"),
        ({"filters": [{"level": 1}]}, "a codec of filters lacks its 'id'"),
        ({"compressor": "zstd"}, "compressor must be a JSON object"),
        ({"compressor": {"id": 5}}, "a codec of compressor lacks its 'id'"),
        ({"compressor": {"id": "blosc", "shuffle": 3}}, "shuffle of codec 'blosc'"),
        ({"dimension_separator": "-"}, "separator of chunk keys must be '/' or '.'"),
        ({"dimension_separator": 1}, "separator of chunk keys must be '/' or '.'"),
        ({"shape": [2**62, 4]}, "larger than"),
    ],
)
def test_wrong_format_2(changes, message):
    with pytest.raises(MetadataError, match=message):
        v2.decode_array(ZARRAY | changes)


@pytest.mark.parametrize("document", [b"", b"{", b"\xff\xfe", b"[]", b"7", "nonsense", b"[" * 100_000])
def test_not_json(document):
    for read in (v2.decode_array, v2.decode_group, v2.decode_attributes, v3.decode):
        with pytest.raises(MetadataError, match=r"is not JSON|is not a JSON object"):
            read(document)


@pytest.mark.parametrize(
    ("codecs", "message"),
    [
        ((CodecSpec("vlen-utf8"),), "needs one codec 'bytes'"),
        ((BYTES, CodecSpec("zstd"), CodecSpec("crc32c")), "one compressor, not"),
        ((CodecSpec("transpose", {"order": [0, 1]}), BYTES), "no codec 'transpose'"),
        ((BYTES, CodecSpec("unheard-of")), "no codec 'unheard-of'"),
        ((BYTES, CodecSpec("blosc", {"shuffle": 1})), "shuffle of codec 'blosc'"),
    ],
)
def test_chains_that_format_2_cannot_say(codecs, message):
    with pytest.raises(MetadataError, match=message):
        v2.encode_array(replace(v2.decode_array(ZARRAY), codecs=codecs))


def test_key_encodings_that_format_2_cannot_say():
    meta = replace(v2.decode_array(ZARRAY), chunk_key_encoding=ChunkKeyEncoding("default", "/"))
    with pytest.raises(MetadataError, match="no chunk key encoding 'default'"):
        v2.encode_array(meta)


# Format 3

ZARR_JSON = {
    "zarr_format": 3,
    "node_type": "array",
    "shape": [10, 4],
    "data_type": "int32",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [3, 2]}},
    "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
    "fill_value": 0,
    "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
}
OPTIONAL = {"attributes": {}, "storage_transformers": []}


def test_format_3_to_the_model():
    document = json.dumps(ZARR_JSON | {"attributes": {"a": 1}, "dimension_names": ["x", None]})
    assert v3.decode(document) == ArrayMetadata(
        zarr_format=3,
        shape=(10, 4),
        dtype=np.dtype("i4"),
        chunk_shape=(3, 2),
        fill_value=np.int32(0),
        codecs=(CodecSpec("bytes", {"endian": "little"}),),
        chunk_key_encoding=ChunkKeyEncoding("default", "/"),
        attributes={"a": 1},
        axis_names=("x", None),
    )


@pytest.mark.parametrize("names", [None, ("x", "y"), ("\0shape", None), (None, "\0attributes")])
def test_documents_of_arrays_that_are_alike(names):
    meta = replace(v3.decode(ZARR_JSON), axis_names=names)
    for shape in ((10, 4), (0, 7), (10, 4)):
        for attributes in ({}, {"a": [1, {"b": None}]}, {"shape": "\0shape", "\0attributes": "\0attributes"}):
            meta = replace(meta, shape=shape, attributes=attributes)
            assert v3.encode(meta) == json.dumps(v3.encode_document(meta), indent=2).encode()


def test_strictness_is_that_of_the_moment():
    meta = v3.decode({**ZARR_JSON, "more": {"must_understand": False, "n": float("nan")}})
    assert b'"n": NaN' in v3.encode(meta)
    with config.set({"json_strict": True}), pytest.raises(ValueError, match="JSON"):
        v3.encode(meta)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("default", ("default", "/")),
        ({"name": "default"}, ("default", "/")),
        ({"name": "default", "configuration": {"separator": "."}}, ("default", ".")),
        ("v2", ("v2", ".")),
        ({"name": "v2", "configuration": {}}, ("v2", ".")),
        ({"name": "v2", "configuration": {"separator": "/"}}, ("v2", "/")),
    ],
)
def test_chunk_key_encodings(value, expected):
    meta = v3.decode(ZARR_JSON | {"chunk_key_encoding": value})
    assert meta.chunk_key_encoding == ChunkKeyEncoding(*expected)


def test_codecs_as_names_and_objects():
    codecs = [
        "bytes",
        {"name": "crc32c"},
        {"name": "x.y", "configuration": {"a": 1}, "must_understand": False},
    ]
    meta = v3.decode(ZARR_JSON | {"codecs": codecs, "data_type": "uint8"})
    expected = (CodecSpec("bytes"), CodecSpec("crc32c"), CodecSpec("x.y", {"a": 1}, must_understand=False))
    assert meta.codecs == expected
    assert json.loads(v3.encode(meta))["codecs"] == [{"name": "bytes"}, *codecs[1:]]


def test_what_may_be_ignored_is_kept():
    extension = {"must_understand": False, "name": "x", "configuration": {"a": [1]}}
    for content in (ZARR_JSON, {"zarr_format": 3, "node_type": "group"}):
        meta = v3.decode(content | {"x": extension})
        assert meta.extra == {"x": extension}
        assert json.loads(v3.encode(meta))["x"] == extension


def test_spelling_of_the_data_type_is_kept():
    for data_type, fill_value in [("r16", [1, 2]), ("bytes", "YWI="), ({"name": "int32"}, 3)]:
        content = ZARR_JSON | {"data_type": data_type, "fill_value": fill_value}
        assert json.loads(v3.encode(v3.decode(content))) == content | OPTIONAL
    assert v3.decode(ZARR_JSON).data_type is None


def test_data_type_and_dtype_must_agree():
    for dtype in (">i4", "i8", np.dtype([("a", "i1"), ("b", "i4")], align=True)):
        meta = replace(v3.decode(ZARR_JSON), dtype=np.dtype(dtype), data_type=None, fill_value=None)
        if np.dtype(dtype) == np.dtype("i8"):
            assert json.loads(v3.encode(meta))["data_type"] == "int64"
            continue
        with pytest.raises(MetadataError, match="is not the native, packed dtype"):
            v3.encode(meta)


def test_layout_of_groups():
    consolidated = {"kind": "inline", "must_understand": False, "metadata": {"a": {}}}
    meta = GroupMetadata(3, {"b": 1, "a": 2}, {}, consolidated)
    expected = {
        "attributes": {"b": 1, "a": 2},
        "zarr_format": 3,
        "consolidated_metadata": consolidated,
        "node_type": "group",
    }
    assert v3.encode(meta).decode() == json.dumps(expected, indent=2)
    assert v3.decode(v3.encode(meta)) == meta
    bare = v3.decode({"zarr_format": 3, "node_type": "group", "consolidated_metadata": None})
    assert bare == GroupMetadata(3)


@pytest.mark.parametrize("key", ZARR_JSON)
def test_missing_keys_of_format_3_are_named(key):
    with pytest.raises(MetadataError, match=f"lacks the key '{key}'"):
        v3.decode(without(ZARR_JSON, key))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"zarr_format": 2}, "zarr_format of zarr.json must be 3, not 2"),
        ({"node_type": "table"}, "node_type must be 'array' or 'group', not 'table'"),
        ({"shape": [10.0, 4]}, "shape must be a list of integers"),
        ({"shape": [10]}, "chunk_shape .* and shape .* differ"),
        ({"data_type": "int2"}, "unknown data type 'int2'"),
        ({"chunk_grid": "rectilinear"}, "unknown chunk_grid 'rectilinear'"),
        ({"chunk_grid": {"name": "regular"}}, "chunk_grid lacks the key 'chunk_shape'"),
        ({"chunk_grid": {"configuration": {}}}, "chunk_grid lacks the key 'name'"),
        (
            {"chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [0, 2]}}},
            "chunk_shape .* from 1",
        ),
        ({"chunk_grid": 7}, "chunk_grid must be a JSON object"),
        ({"chunk_key_encoding": "v1"}, "unknown chunk_key_encoding 'v1'"),
        ({"chunk_key_encoding": {"name": "v2", "configuration": {"separator": "-"}}}, "separator"),
        ({"fill_value": None}, "fill value None is not one of dtype int32"),
        ({"fill_value": 2**31}, "fill value 2147483648 is not one of dtype int32"),
        ({"codecs": []}, "codecs must be a list of one codec at least"),
        ({"codecs": "bytes"}, "codecs must be a list of one codec at least"),
        ({"codecs": [{"id": "zstd"}]}, "codec has unknown keys"),
        ({"codecs": [{"configuration": {}}]}, "codec lacks the key 'name'"),
        ({"codecs": [{"name": "zstd", "configuration": 1}]}, "configuration of codec 'zstd'"),
        ({"codecs": [7]}, "codec must be a JSON object"),
        ({"dimension_names": ["x"]}, "dimension_names"),
        ({"dimension_names": [1, 2]}, "dimension_names must be a list"),
        ({"attributes": []}, "attributes must be a JSON object"),
        ({"storage_transformers": [{"name": "mirror"}]}, "unknown storage_transformers .*mirror"),
        ({"colour": "red"}, "unknown field 'colour', which must be understood"),
        ({"colour": {"name": "red"}}, "unknown field 'colour', which must be understood"),
        ({"consolidated_metadata": None}, "unknown field 'consolidated_metadata'"),
    ],
)
def test_wrong_format_3(changes, message):
    with pytest.raises(MetadataError, match=message):
        v3.decode(ZARR_JSON | changes)


def test_unknown_data_type_is_its_own_error():
    with pytest.raises(UnknownDataTypeError):
        v3.decode(ZARR_JSON | {"data_type": "bfloat16"})


@pytest.mark.parametrize("changes", [{"colour": 1}, {"consolidated_metadata": 7}, {"attributes": 1}])
def test_wrong_groups(changes):
    with pytest.raises(MetadataError, match=next(iter(changes))):
        v3.decode({"zarr_format": 3, "node_type": "group"} | changes)


def test_storage_transformers():
    unknown = {"name": "unheard-of", "configuration": {"a": 1}}
    for wrong in ([unknown], ["unheard-of"]):
        with pytest.raises(MetadataError, match="unknown storage_transformers 'unheard-of'"):
            v3.decode(ZARR_JSON | {"storage_transformers": wrong})
    with pytest.raises(MetadataError, match="must be a list"):
        v3.decode(ZARR_JSON | {"storage_transformers": unknown})
    ignored = [unknown | {"must_understand": False}]
    meta = v3.decode(ZARR_JSON | {"storage_transformers": ignored})
    assert v3.encode_document(meta)["storage_transformers"] == ignored


@pytest.mark.parametrize("decode", [v3.decode, v2.decode_array])
def test_nodes_as_dicts(decode):
    meta = decode(ZARR_JSON if decode is v3.decode else ZARRAY)
    again = type(meta).from_dict(meta.to_dict())
    assert again == meta
    meta = replace(meta, attributes={"a": 1})
    assert meta.to_dict()["attributes"] == {"a": 1}
    assert type(meta).from_dict(meta.to_dict()) == meta
    with pytest.raises(MetadataError, match="do not describe a group"):
        GroupMetadata.from_dict(meta.to_dict())
    group = GroupMetadata(meta.zarr_format, {"b": 2})
    assert GroupMetadata.from_dict(group.to_dict()) == group
    with pytest.raises(MetadataError, match="zarr_format must be 2 or 3"):
        GroupMetadata.from_dict({"zarr_format": 4})


def test_compressors_among_the_filters_of_format_2():
    filters = [
        {"id": "gzip", "level": 1},
        {"id": "blosc", "cname": "lz4", "clevel": 1, "shuffle": 2, "blocksize": 0},
    ]
    document = (json.loads(ZARRAY) if not isinstance(ZARRAY, dict) else ZARRAY) | {"filters": filters}
    meta = v2.decode_array(document)
    assert [spec.name for spec in meta.codecs][:2] == ["numcodecs.gzip", "numcodecs.blosc"]
    assert json.loads(v2.encode_array(meta))["filters"] == filters


def test_numcodecs_have_a_configuration_even_if_it_is_empty():
    """zarr-python reads no document in which it is missing."""
    assert v3.encode_codec(CodecSpec("numcodecs.crc32")) == {"name": "numcodecs.crc32", "configuration": {}}
    assert v3.encode_codec(CodecSpec("crc32c")) == {"name": "crc32c"}


@pytest.mark.parametrize("indent", [None, 0, 2, 5])
def test_indent_of_format_3(indent):
    content = v3.encode_document(v3.decode(ZARR_JSON))
    with config.set({"json_indent": indent}):
        assert v3.dump_document(content) == json.dumps(content, indent=indent).encode()
        assert v2.encode_array(v2.decode_array(ZARRAY)).count(b"\n    ") > 5
