"""Zarr core specification, version 3.1: one test for each point, named after its section."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from documents import ABSENT, ARRAY, BIG, GROUP, LITTLE, document, grid, named, opened, refused, written

import zarrc
from zarrc.errors import MetadataError, NodeNotFoundError, UnknownCodecError, UnknownDataTypeError, ZarrcError


class TestStoredRepresentation:
    """Sections "Stored representation" and "Operations"."""

    def test_documents_and_chunks_are_under_the_nodes_path(self):
        store = {}
        root = zarrc.create_group(store)
        array = root.create_array("foo/baz", shape=(4, 6), chunks=(2, 3), dtype="int16")
        array[2:, :3] = 1
        assert set(store) == {"zarr.json", "foo/zarr.json", "foo/baz/zarr.json", "foo/baz/c/1/0"}

    def test_creating_an_array_makes_the_groups_above_it(self):
        store = {}
        zarrc.create_array(store, name="a/b/c", shape=1, dtype="int8")
        assert json.loads(store["zarr.json"])["node_type"] == "group"
        assert json.loads(store["a/zarr.json"])["node_type"] == "group"
        assert json.loads(store["a/b/zarr.json"])["node_type"] == "group"

    def test_groups_are_not_implicit(self):
        store = {"zarr.json": document(GROUP), "a/b/zarr.json": document(GROUP)}
        root = zarrc.open_group(store, mode="r")
        assert "a/b" in root
        assert "a" not in root
        with pytest.raises((KeyError, NodeNotFoundError)):
            root["a"]

    def test_children_are_found_by_their_documents(self):
        store = {"zarr.json": document(GROUP), "b/zarr.json": document(), "a/zarr.json": document(GROUP)}
        store |= {"nothing/c/0": b"x", "c": b"x"}
        root = zarrc.open_group(store, mode="r")
        assert sorted(root) == ["a", "b"]
        assert isinstance(root["a"], zarrc.Group)
        assert isinstance(root["b"], zarrc.Array)

    def test_erasing_a_group_erases_everything_under_it(self):
        store = {"zarr.json": document(GROUP), "a/zarr.json": document(GROUP), "a/b/zarr.json": document()}
        store |= {"a/b/c/0/0": bytes(12), "ab/zarr.json": document(GROUP)}
        del zarrc.open_group(store, mode="r+")["a"]
        assert set(store) == {"zarr.json", "ab/zarr.json"}


class TestArrayMetadata:
    """Section "Array metadata"."""

    def test_the_example_of_the_specification(self):
        array = opened(
            shape=[10000, 1000],
            dimension_names=["rows", "columns"],
            data_type="float64",
            chunk_grid=grid(1000, 100),
            fill_value="NaN",
            attributes={"foo": 42, "bar": "apples", "baz": [1, 2, 3, 4]},
        )
        assert array.shape == (10000, 1000)
        assert array.chunks == (1000, 100)
        assert array.nchunks == 100
        assert array.dtype == np.float64
        assert math.isnan(array.fill_value)
        assert dict(array.attrs) == {"foo": 42, "bar": "apples", "baz": [1, 2, 3, 4]}
        assert array.metadata.dimension_names == ("rows", "columns")

    @pytest.mark.parametrize("key", sorted(ARRAY))
    def test_mandatory_names(self, key):
        refused(**{key: ABSENT})

    @pytest.mark.parametrize("value", [2, 4, "3", None, 3.5])
    def test_zarr_format_is_3(self, value):
        refused(zarr_format=value)

    @pytest.mark.parametrize("value", ["Array", "dataset", None, 3])
    def test_node_type(self, value):
        refused(node_type=value)

    @pytest.mark.parametrize("value", [4, [4, -1], [4, 2.5], [4, "6"], [4, None], [4, True], {"0": 4}])
    def test_shape_is_a_list_of_integers(self, value):
        refused(shape=value)

    def test_shape_may_be_empty_and_have_zeros(self):
        assert opened(shape=[], chunk_grid=grid()).shape == ()
        assert opened(shape=[0, 6]).shape == (0, 6)

    @pytest.mark.parametrize("value", ["int7", "INT16", "<i2", "i2", 16, None, ["int16"], "float128"])
    def test_data_type_is_known(self, value):
        refused(data_type=value)

    def test_unknown_data_type_is_named(self):
        with pytest.raises(UnknownDataTypeError, match="urn:example:datetime"):
            opened(data_type=named("urn:example:datetime", unit="ns"))

    @pytest.mark.parametrize("value", [[2], [2, 3, 1], [2, 0], [2, -3], [2, 1.5], [2, None], 2, None])
    def test_chunk_grid_of_the_shape(self, value):
        refused(chunk_grid={"name": "regular", "configuration": {"chunk_shape": value}})

    def test_other_chunk_grids_are_refused_by_name(self):
        refused("hexagonal", chunk_grid=named("hexagonal"))

    def test_other_chunk_key_encodings_are_refused_by_name(self):
        refused("spiral", chunk_key_encoding=named("spiral"))

    def test_fill_value_of_absent_chunks(self):
        array = opened({"c/0/1": np.arange(6, dtype="<i2").tobytes()}, fill_value=-7)
        expected = np.full((4, 6), -7)
        expected[:2, 3:] = np.arange(6).reshape(2, 3)
        np.testing.assert_array_equal(array[...], expected)

    def test_a_default_fill_value_is_recorded(self):
        assert written(zarrc.create_array({}, shape=3, dtype="float32"))["fill_value"] == 0.0
        assert written(zarrc.create_array({}, shape=3, dtype="bool"))["fill_value"] is False

    @pytest.mark.parametrize("value", [[], None, {}, "bytes", [None], [3], [{}], [{"name": 3}]])
    def test_codecs_are_a_list_of_extensions(self, value):
        refused(codecs=value)

    @pytest.mark.parametrize("value", [None, [], "text", 3])
    def test_attributes_are_an_object(self, value):
        refused(attributes=value)

    def test_attributes_are_any_json(self):
        attributes = {"": {"deep": [None, True, 1e300, "数"]}, "b": []}
        assert dict(opened(attributes=attributes).attrs) == attributes

    def test_storage_transformers_may_be_empty(self):
        assert opened(storage_transformers=[]).shape == (4, 6)

    def test_storage_transformers_are_refused_by_name(self):
        refused("upside_down", storage_transformers=[named("upside_down")])

    @pytest.mark.parametrize("value", [["x"], ["x", "y", "z"], "xy", [1, 2], {"x": 0}])
    def test_dimension_names_of_the_shape(self, value):
        refused(dimension_names=value)

    @pytest.mark.parametrize("value", [["x", "y"], ["x", None], [None, None], ["", "x"], ["x", "x"]])
    def test_dimension_names(self, value):
        array = opened(dimension_names=value)
        assert array.metadata.dimension_names == tuple(value)
        array.attrs["a"] = 1
        assert written(array)["dimension_names"] == value

    def test_a_document_is_one_object(self):
        for text in (b"[]", b"3", b'"text"', b"", b"{", b"\xff\xfe", b"null"):
            with pytest.raises(MetadataError):
                zarrc.open_array({"zarr.json": text}, mode="r")


class TestGroupMetadata:
    """Section "Group metadata"."""

    def test_the_example_of_the_specification(self):
        group = zarrc.open_group(
            {"zarr.json": document(GROUP, attributes={"spam": "ham", "eggs": 42})}, mode="r"
        )
        assert dict(group.attrs) == {"spam": "ham", "eggs": 42}

    @pytest.mark.parametrize("key", sorted(GROUP))
    def test_mandatory_names(self, key):
        with pytest.raises(ZarrcError):
            zarrc.open_group({"zarr.json": document(GROUP, **{key: ABSENT})}, mode="r")

    def test_unknown_names(self):
        with pytest.raises(MetadataError, match="novelty"):
            zarrc.open_group({"zarr.json": document(GROUP, novelty={"a": 1})}, mode="r")
        kept = {"must_understand": False, "a": 1}
        group = zarrc.open_group({"zarr.json": document(GROUP, novelty=kept)}, mode="r+")
        group.attrs["b"] = 2
        assert json.loads(group.store["zarr.json"])["novelty"] == kept


class TestExtensions:
    """Section "Extensions"."""

    def test_short_hand_names(self):
        array = opened(chunk_key_encoding="default", codecs=["bytes"], data_type="uint8")
        array[...] = 3
        assert set(array.store) == {"zarr.json", "c/0/0", "c/0/1", "c/1/0", "c/1/1"}
        assert opened(codecs=[LITTLE, "crc32c"]).compressors[0].name == "crc32c"

    @pytest.mark.parametrize("value", [[], "text", 3])
    def test_a_configuration_is_an_object(self, value):
        refused(codecs=[{"name": "bytes", "configuration": value}])
        refused(chunk_key_encoding={"name": "default", "configuration": value})

    @pytest.mark.parametrize("value", [3, "text", None, [], {}, {"a": 1}, {"must_understand": True}])
    def test_unknown_fields_must_be_understood(self, value):
        refused("novelty", novelty=value)

    def test_unknown_fields_that_need_not_be_understood_are_kept(self):
        kept = {"must_understand": False, "name": "x", "configuration": {"a": [1]}}
        array = opened(novelty=kept)
        array.attrs["b"] = 2
        assert written(array)["novelty"] == kept

    def test_unknown_codecs_must_be_understood(self):
        with pytest.raises(UnknownCodecError, match="magic"):
            opened(codecs=[LITTLE, named("magic")])

    def test_unknown_codecs_that_need_not_be_understood(self):
        chunk = np.arange(6, dtype="<i2").tobytes()
        array = opened({"c/0/0": chunk}, codecs=[LITTLE, named("magic") | {"must_understand": False}])
        np.testing.assert_array_equal(array[:2, :3].ravel(), np.arange(6))

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("data_type", "int99"),
            ("chunk_grid", "hexagonal"),
            ("chunk_key_encoding", "spiral"),
        ],
    )
    def test_some_extensions_must_always_be_understood(self, field, value):
        refused(value, **{field: named(value) | {"must_understand": False}})


class TestNodeNames:
    """Section "Node names"."""

    @pytest.mark.parametrize("name", [".", "..", "...", "__a", "a/__b", "a/../b"])
    def test_names_that_are_reserved(self, name):
        root = zarrc.create_group({})
        with pytest.raises(ValueError, match=r"reserved|segment"):
            root.create_group(name)
        with pytest.raises(ValueError, match=r"reserved|segment"):
            root.create_array(name, shape=1, dtype="int8")

    @pytest.mark.parametrize("name", ["a", "A", "a.b", ".a", "_a", "a__", "0", "c", "数", "a b", "zarr"])
    def test_names_that_are_not(self, name):
        root = zarrc.create_group({})
        root.create_group(name)
        assert list(root) == [name]

    def test_names_are_case_sensitive(self):
        root = zarrc.create_group({})
        root.create_group("foo")
        root.create_group("FOO")
        assert sorted(root) == ["FOO", "foo"]

    def test_the_root_has_no_name(self):
        root = zarrc.create_group({})
        assert root.path == ""
        assert root.basename == ""


class TestDataTypes:
    """Section "Data types": names, and bytes as the codec `bytes` has them."""

    @pytest.mark.parametrize(
        ("name", "dtype", "value"),
        [
            ("bool", "?", True),
            *(
                (f"{sign}int{8 * n}", f"{sign or 'i'}{n}", 100 + n)
                for sign in ("", "u")
                for n in (1, 2, 4, 8)
            ),
            *((f"float{8 * n}", f"f{n}", 1.5) for n in (2, 4, 8)),
            *((f"complex{16 * n}", f"c{2 * n}", 1.5 - 2j) for n in (4, 8)),
        ],
    )
    @pytest.mark.parametrize("codec", [LITTLE, BIG])
    def test_core(self, name, dtype, value, codec):
        fill = False if name == "bool" else [0, 0] if name.startswith("c") else 0
        stored = np.dtype(dtype).newbyteorder("<" if codec is LITTLE else ">")
        chunk = np.array([value] * 3, stored).tobytes()
        array = opened(
            {"c/0": chunk},
            shape=[3],
            data_type=name,
            chunk_grid=grid(3),
            codecs=[codec],
            fill_value=fill,
        )
        assert array.dtype == np.dtype(dtype)
        assert array.dtype.isnative
        assert array[...].tolist() == [value] * 3
        array[...] = value
        assert array.store["c/0"] == chunk

    @pytest.mark.parametrize("bits", [8, 16, 24, 128])
    def test_raw_bits(self, bits):
        size = bits // 8
        array = opened(
            {"c/0": bytes(range(3 * size))},
            shape=[4],
            data_type=f"r{bits}",
            chunk_grid=grid(3),
            codecs=["bytes"],
            fill_value=[7] * size,
        )
        assert array.dtype == np.dtype(f"V{size}")
        assert array[1].tobytes() == bytes(range(size, 2 * size))
        assert array[3].tobytes() == bytes([7] * size)
        array.attrs["a"] = 1
        assert written(array)["data_type"] == f"r{bits}"

    @pytest.mark.parametrize("name", ["r", "r0", "r7", "r12", "r-8", "r8.0", "r08"])
    def test_raw_bits_are_whole_bytes(self, name):
        refused(data_type=name, codecs=["bytes"], fill_value=[0])


def filled(data_type, value):
    return opened(shape=[1], chunk_grid=grid(1), data_type=data_type, fill_value=value)


def fill_bits(data_type, value):
    return filled(data_type, value)[0].tobytes()


class TestPermittedFillValues:
    """Section "Permitted fill values" of the data types."""

    @pytest.mark.parametrize("value", [True, False])
    def test_bool(self, value):
        assert filled("bool", value)[0] == value

    @pytest.mark.parametrize("value", ["true", None, 0.5, 2, [True]])
    def test_bool_refused(self, value):
        refused(data_type="bool", fill_value=value)

    @pytest.mark.parametrize("name", [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)])
    def test_integers(self, name):
        limits = np.iinfo(name)
        for value in (limits.min, limits.max, 0):
            assert int(filled(name, value)[0]) == value
        for value in (limits.min - 1, limits.max + 1, 0.5, "x", None, "NaN", [1], True):
            refused(data_type=name, fill_value=value)

    @pytest.mark.parametrize("name", ["float16", "float32", "float64"])
    def test_floats(self, name):
        dtype = np.dtype(name)
        for value in (0, 1.5, -0.0, 0.1):
            assert fill_bits(name, value) == np.array(value, dtype).tobytes()
        assert filled(name, "Infinity")[0] == math.inf
        assert filled(name, "-Infinity")[0] == -math.inf
        for value in ("inf", "nan", "Inf", None, [1], True, "", "0x", "infinity"):
            refused(data_type=name, fill_value=value)

    def test_floats_are_rounded_to_the_nearest(self):
        for value in (2049, 0.1, 65519, 1e-8):
            assert fill_bits("float16", value) == np.float16(value).tobytes()
        assert fill_bits("float32", 16777217) == np.float32(16777216).tobytes()

    @pytest.mark.parametrize(
        ("name", "bits"), [("float16", 0x7E00), ("float32", 0x7FC00000), ("float64", 0x7FF8000000000000)]
    )
    def test_nan_is_one_nan(self, name, bits):
        size = np.dtype(name).itemsize
        assert int.from_bytes(fill_bits(name, "NaN"), "little") == bits
        assert int.from_bytes(fill_bits(name, f"0x{bits:0{2 * size}x}"), "little") == bits

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("float16", "0x7e01"),
            ("float32", "0x7fc12345"),
            ("float32", "0xffc00000"),
            ("float32", "0x7f800001"),
            ("float32", "0x3f800000"),
            ("float32", "0x3F800000"),
            ("float64", "0xfff8000000000001"),
        ],
    )
    def test_bits_of_floats(self, name, text):
        array = filled(name, text)
        assert int.from_bytes(array[0].tobytes(), "little") == int(text, 16)
        array.attrs["a"] = 1
        assert fill_bits(name, written(array)["fill_value"]) == array[0].tobytes()

    @pytest.mark.parametrize("text", ["0x7fc0000", "0x7fc000000", "0x7fc0000g", "7fc00000", "0x-fc00000"])
    def test_bits_of_floats_refused(self, text):
        refused(data_type="float32", fill_value=text)

    @pytest.mark.parametrize("name", ["complex64", "complex128"])
    def test_complex_numbers(self, name):
        assert filled(name, [1, 2])[0] == 1 + 2j
        found = filled(name, ["-Infinity", "NaN"])[0]
        assert found.real == -math.inf
        assert math.isnan(found.imag)
        for value in (1, [1], [1, 2, 3], ["1", 2], None, {"re": 1}):
            refused(data_type=name, fill_value=value)

    def test_bits_of_complex_numbers(self):
        found = fill_bits("complex64", ["0x7fc12345", "-Infinity"])
        assert found == np.array([0x7FC12345, 0xFF800000], "<u4").tobytes()

    @pytest.mark.parametrize("value", [[1], [1, 2, 3], [256, 0], [-1, 0], [0.5, 0], None, 0])
    def test_raw_bits_refused(self, value):
        refused(data_type="r16", codecs=["bytes"], fill_value=value)


class TestCodecs:
    """Section "Chunk encoding"."""

    @pytest.mark.parametrize(
        "codecs",
        [
            [named("gzip", level=1)],
            [named("transpose", order=[0, 1])],
            [named("gzip", level=1), LITTLE],
            [LITTLE, LITTLE],
            [LITTLE, named("transpose", order=[1, 0])],
            [LITTLE, named("gzip", level=1), named("transpose", order=[1, 0])],
            [named("crc32c"), named("transpose", order=[1, 0]), LITTLE],
        ],
    )
    def test_the_order_of_kinds(self, codecs):
        refused(codecs=codecs)

    def test_each_kind_may_come_several_times(self):
        swap = named("transpose", order=[1, 0])
        array = opened(codecs=[swap, swap, swap, LITTLE, named("gzip", level=1), named("crc32c"), "crc32c"])
        array[...] = np.arange(24).reshape(4, 6)
        again = zarrc.open_array(array.store, mode="r")
        np.testing.assert_array_equal(again[...], np.arange(24).reshape(4, 6))
