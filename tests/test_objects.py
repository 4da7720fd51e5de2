"""Arrays of Python objects: every codec, selection and store, against NumPy's arrays of objects."""

from __future__ import annotations

import base64
import json
import pickle
import threading
import time
import warnings

import numcodecs
import numpy as np
import pytest
from array_strategies import new_store, shapes_and_chunks
from hypothesis import given, settings
from hypothesis import strategies as st
from numcodecs.msgpacks import MsgPack
from selection_strategies import KINDS, STORES, drawn, put

import zarrc
from zarrc.codecs import VLenBytesCodec, VLenUTF8Codec
from zarrc.errors import ChunkNotFoundError, CodecError

enough = settings(max_examples=min(settings.default.max_examples // 2, 500))
GREETINGS = ["Hello", "", "Grüß dich", "こんにちは", "a\0b", "😀" * 20, "x" * 300]
LABELS = ["one", "two", "three"]


def array_of(elements, shape=None):
    found = np.empty(len(elements), object)
    for n, element in enumerate(elements):
        found[n] = element
    return found if shape is None else found.reshape(shape)


def ragged(rng):
    return rng.integers(-100, 100, rng.integers(0, 5))


CODECS = {
    "strings": (numcodecs.VLenUTF8(), lambda rng: str(rng.choice(GREETINGS))),
    "bytes": (numcodecs.VLenBytes(), lambda rng: str(rng.choice(GREETINGS)).encode()),
    "ragged": (numcodecs.VLenArray("<i8"), ragged),
    "json": (numcodecs.JSON(), lambda rng: [None, 1, "text", [1, [2]], {"a": 1.5}][rng.integers(5)]),
    "msgpack": (MsgPack(), lambda rng: [None, 1, "text", [1, [2]], {"a": b"b"}][rng.integers(5)]),
    "pickle": (numcodecs.Pickle(), lambda rng: [None, 1, "text", (1, 2), {3}, 2j][rng.integers(6)]),
    "categories": (numcodecs.Categorize(LABELS, dtype=object), lambda rng: str(rng.choice(LABELS))),
}
ROADS = {
    "default": {},
    "F": {"order": "F"},
    "plain": {"compressor": None},
    "filtered": {"filters": [numcodecs.Zstd(1)], "compressor": numcodecs.Zlib(1)},
    "python": {"compressor": numcodecs.BZ2(1)},
}


@st.composite
def stored(draw, names=tuple(CODECS)):
    """Keyword arguments of `create`, and data."""
    name = draw(st.sampled_from(names))
    codec, element = CODECS[name]
    shape, chunks = draw(shapes_and_chunks(3, max_elements=60))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    data = array_of([element(rng) for _ in range(int(np.prod(shape, dtype=int)))], shape)
    road = ROADS[draw(st.sampled_from(list(ROADS)))]
    return {"shape": shape, "chunks": chunks, "dtype": object, "object_codec": codec, **road}, data


def blank(settings):
    """What an element is that was never written, with a fill value of None."""
    return {"vlen-utf8": "", "vlen-bytes": b"", "vlen-array": np.zeros(0, "<i8"), "categorize": None}.get(
        settings["object_codec"].codec_id
    )


def assert_equal(got, expected):
    """The same objects, of the same types, in arrays of the same shape."""
    if not isinstance(expected, np.ndarray) or expected.dtype != object:
        assert same(got, expected), (got, expected)
        return
    assert isinstance(got, np.ndarray) and got.dtype == object and got.shape == expected.shape
    for a, b in zip(got.ravel(), expected.ravel(), strict=True):
        assert same(a, b), (a, b)


def same(a, b):
    return type(a) is type(b) and (np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b)


class TestAgainstNumPy:
    @pytest.mark.parametrize("kind", KINDS)
    @enough
    @given(data=st.data())
    def test_read(self, kind, data):
        settings, a = data.draw(stored())
        if kind == "mask" and not a.ndim:
            return
        with new_store(data.draw(st.sampled_from(STORES))) as store:
            z = zarrc.create(store=store, **settings)
            z[...] = a
            for _ in range(3):
                get, _, selection, elements = drawn(data, kind, z, a)
                assert_equal(get(selection), taken(a, elements))

    @pytest.mark.parametrize("kind", KINDS)
    @enough
    @given(data=st.data())
    def test_write(self, kind, data):
        settings, a = data.draw(stored([name for name in CODECS if name != "categories"]))
        if kind == "mask" and not a.ndim:
            return
        rng = np.random.default_rng(1)
        element = next(e for c, e in CODECS.values() if c is settings["object_codec"])
        with new_store(data.draw(st.sampled_from(STORES))) as store:
            z = zarrc.create(
                store=store, fill_value=None, write_empty_chunks=data.draw(st.booleans()), **settings
            )
            a = array_of([blank(settings)] * a.size, a.shape)
            for _ in range(3):
                _, set_, selection, elements = drawn(data, kind, z, a)
                count = int(np.prod(np.shape(elements), dtype=int))
                value = array_of([element(rng) for _ in range(count)], np.shape(elements))
                set_(selection, value if value.ndim else value[()])
                put(a, elements, value)
            assert_equal(z[...], a)
            assert_equal(zarrc.open_array(store, mode="r", allow_pickle=True)[...], a)


def taken(data, elements):
    if not isinstance(elements, np.ndarray):
        return data.reshape(-1)[elements]
    return array_of(list(data.reshape(-1)[elements.reshape(-1)]), elements.shape)


class TestCreating:
    @pytest.mark.parametrize(
        ("dtype", "codec", "empty"),
        [
            (str, "vlen-utf8", ""),
            ("str", "vlen-utf8", ""),
            ("string", "vlen-utf8", ""),
            (bytes, "vlen-bytes", b""),
            ("bytes", "vlen-bytes", b""),
            ("array:i4", "vlen-array", np.zeros(0, "i4")),
        ],
        ids=str,
    )
    def test_shorthands(self, dtype, codec, empty):
        store = {}
        z = zarrc.empty(3, dtype=dtype, store=store)
        assert z.dtype == object
        assert [each.codec_id for each in z.filters] == [codec]
        assert json.loads(store[".zarray"])["dtype"] == "|O"
        assert_equal(z[:], array_of([empty] * 3))

    @pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="NumPy 1")
    def test_numpys_strings(self):
        dtype = np.dtypes.StringDType()
        data = np.array(GREETINGS, dtype)
        for z in (zarrc.array(data), zarrc.create_array({}, data=data), zarrc.empty(7, dtype=dtype)):
            z[:] = data
            assert_equal(z[:], array_of(GREETINGS))
        assert (z[:].astype(dtype) == data).all()

    def test_h5pys_data_types(self):
        h5py = pytest.importorskip("h5py")
        for dtype, codec in [
            (h5py.string_dtype(), numcodecs.VLenUTF8()),
            (h5py.string_dtype("ascii"), numcodecs.VLenBytes()),
            (h5py.vlen_dtype("f4"), numcodecs.VLenArray("f4")),
        ]:
            assert zarrc.empty(3, dtype=dtype).filters == [codec]
            assert zarrc.group().create_dataset("x", shape=3, dtype=dtype).filters == [codec]

    def test_serializers_of_format_3(self):
        for arguments in (
            {"dtype": object, "serializer": VLenUTF8Codec()},
            {"dtype": str, "serializer": VLenUTF8Codec()},
            {"dtype": object, "codecs": [VLenUTF8Codec(), numcodecs.Zstd()]},
        ):
            z = zarrc.create_array({}, shape=(2,), **arguments)
            assert z.metadata.data_type == "string" and list(z[:]) == ["", ""]
        z = zarrc.create(2, dtype=object, object_codec=numcodecs.VLenBytes(), zarr_format=3)
        assert z.metadata.data_type == "variable_length_bytes" and list(z[:]) == [b"", b""]

    def test_codecs_of_users(self):
        class Joined(numcodecs.abc.Codec):
            codec_id = "zarrc-test-joined"

            def encode(self, buf):
                return "|".join(np.asarray(buf).ravel()).encode()

            def decode(self, buf, out=None):
                return array_of(bytes(buf).decode().split("|"))

        store = {}
        z = zarrc.array(
            ["a", "b", "c"], dtype=object, object_codec=Joined(), chunks=2, fill_value="", store=store
        )
        z[1] = "new"
        assert list(zarrc.open(store)[:]) == ["a", "new", "c"]
        assert bytes(zarrc.open(store).filters[0].encode(array_of(["x"]))) == b"x"

    def test_missing_codec(self):
        for make in (zarrc.create, zarrc.empty, zarrc.zeros):
            with pytest.raises(ValueError, match="missing object_codec for object array"):
                make(shape=3, dtype=object)
        with pytest.raises(ValueError, match="missing object_codec"):
            zarrc.array(["a", "b"], dtype=object)
        with pytest.raises(ValueError, match="missing object_codec"):
            zarrc.create(3, dtype=[("a", object), ("b", "i4")])

    def test_codec_among_filters(self):
        with pytest.warns(FutureWarning, match="missing object_codec"):
            z = zarrc.create(3, dtype=object, filters=[numcodecs.VLenUTF8(), numcodecs.LZ4()], fill_value="")
        z[1] = "text"
        assert list(z[:]) == ["", "text", ""]
        assert len(z.filters) == 2

    @pytest.mark.parametrize("codec", [VLenUTF8Codec(), {"name": "vlen-utf8"}, {"id": "vlen-utf8"}])
    def test_spellings_of_the_codec(self, codec):
        store = {}
        zarrc.array(GREETINGS, dtype=object, object_codec=codec, store=store)
        assert json.loads(store[".zarray"])["filters"] == [{"id": "vlen-utf8"}]
        assert list(zarrc.open_array(store)[:]) == GREETINGS

    @pytest.mark.filterwarnings("ignore:missing object_codec")
    @pytest.mark.parametrize("filters", [[numcodecs.Zstd()], [numcodecs.Delta("i8")], [numcodecs.Shuffle()]])
    def test_codecs_that_take_no_objects(self, filters):
        with pytest.raises(ValueError, match=r"hold objects, which have no bytes|fixed size"):
            zarrc.create(3, dtype=object, filters=filters)

    def test_codec_without_use(self):
        with pytest.warns(UserWarning, match="object_codec is only needed for object arrays"):
            zarrc.create(3, dtype="i4", object_codec=numcodecs.JSON())

    def test_unusual_shapes(self):
        for shape in [(), (0,), (3, 0), (1, 1, 1)]:
            z = zarrc.create(shape, dtype=str, fill_value="x")
            assert_equal(np.asarray(z[...], object), np.full(shape, "x", object))
        z = zarrc.create((), dtype=str)
        z[...] = "text"
        assert z[()] == z[...] == "text"

    def test_lists_of_arrays(self):
        parts = [np.array([1, 2]), np.array([3, 4])]
        z = zarrc.array(parts, dtype="array:i8")
        assert_equal(z[:], array_of(parts))
        z.append([np.array([5])])
        assert_equal(z[-1], np.array([5]))


class TestAssigning:
    """What lists, tuples and single values mean: what NumPy makes of them."""

    @pytest.mark.parametrize(
        ("selection", "value"),
        [
            (0, "text"),
            (slice(0, 2), "text"),
            (0, [1, 2, 3]),
            (slice(None), [1, 2, 3, 4]),
            (slice(0, 2), [[1, 2], [3, 4]]),
            (slice(0, 2), [[1], [2, 3]]),
            (slice(None), {"a": 1}),
            (1, {"a": 1}),
            (slice(None), None),
            (slice(1, 3), ("x", "y")),
            (slice(1, 3), np.array(["x", "y"])),
            (slice(None), np.array("x")),
            (slice(None), np.arange(4)),
            (slice(None, None, -2), [1, 2]),
        ],
        ids=str,
    )
    def test_as_numpy_does(self, selection, value):
        z = zarrc.empty(4, chunks=3, dtype=object, object_codec=numcodecs.JSON())
        expected = np.empty(4, object)
        z[selection] = value
        expected[selection] = value
        assert_equal(z[:], expected)

    def test_values_that_do_not_fit(self):
        z = zarrc.empty(4, dtype=str)
        with pytest.raises(ValueError, match="broadcast"):
            z[:] = ["a", "b"]
        with pytest.raises(ValueError, match="could not broadcast"):
            z[:] = np.array(["a", "b"])

    def test_wrong_types_write_nothing(self):
        store = {}
        z = zarrc.empty(4, chunks=1, dtype=str, store=store, path="inner/names")
        with pytest.raises(TypeError, match="array '/inner/names': codec 'vlen-utf8' takes str, not int: 5"):
            z[:] = ["a", "b", 5, "c"]
        assert not any(key.endswith("0") for key in store)

    def test_what_json_cannot_say(self):
        z = zarrc.empty(4, chunks=2, dtype=object, object_codec=numcodecs.JSON())
        with pytest.raises(CodecError, match=r"chunk '1' of array '/': numcodecs.json2: encode: .*not JSON"):
            z[3] = {1, 2}

    def test_a_scalar_is_kept_once(self):
        z = zarrc.empty((3000, 1000), chunks=(1000, 1000), dtype=str)
        z[...] = "text"
        assert z[2999, 999] == "text"

    def test_out(self):
        z = zarrc.array(GREETINGS, dtype=str, chunks=2)
        for out in (np.full(7, None), np.full((7, 2), None)[:, 1], np.full(7, "", "U400")):
            assert z.get_basic_selection(slice(None), out=out) is out
            assert list(out) == GREETINGS
        with pytest.raises(ValueError, match="shape"):
            z.get_basic_selection(slice(None), out=np.empty(3, object))

    def test_resize_and_append(self):
        z = zarrc.array(GREETINGS, dtype=str, chunks=3, fill_value="-")
        z.append(["more", "and more"])
        assert list(z[-3:]) == [GREETINGS[-1], "more", "and more"]
        z.resize(20)
        assert list(z[8:11]) == ["and more", "-", "-"]
        z.resize(2)
        assert list(z) == GREETINGS[:2]

    def test_copies_of_other_arrays(self):
        source = zarrc.array(GREETINGS * 10, dtype=str, chunks=7)
        z = zarrc.empty(70, dtype=str, chunks=11)
        z[:] = source
        assert list(z[:]) == list(source[:])
        z[:] = np.array(GREETINGS * 10)
        assert list(z[:]) == list(source[:])


class TestFillValues:
    @pytest.mark.parametrize(
        ("dtype", "fill_value", "stored", "element"),
        [
            (str, None, None, ""),
            (str, 0, 0, ""),
            (str, "", "", ""),
            (str, "é", "é", "é"),
            (str, 5, 5, 5),
            (bytes, None, None, b""),
            (bytes, 0, 0, b""),
            (bytes, b"", "", b""),
            (bytes, b"\xff", base64.b64encode(b"\xff").decode(), b"\xff"),
            ("array:i2", None, None, np.zeros(0, "i2")),
            ("array:i2", 0, 0, np.zeros(1, "i2")),
            ("array:i2", "", "", np.zeros(0, "i2")),
        ],
    )
    def test_of_any_length(self, dtype, fill_value, stored, element):
        store = {}
        z = zarrc.create(4, chunks=2, dtype=dtype, fill_value=fill_value, store=store)
        assert json.loads(store[".zarray"])["fill_value"] == stored
        again = zarrc.open_array(store)
        assert again.fill_value == fill_value and type(again.fill_value) is type(fill_value)
        assert_equal(again[:], array_of([element] * 4))
        if fill_value == 5:
            with pytest.raises(CodecError, match="cannot encode the array's fill value"):
                z[0] = "text"
            return
        z[0] = element
        assert_equal(again[:], array_of([element] * 4))

    @pytest.mark.parametrize("fill_value", [None, 0, "a", [1], {"a": [1]}, 2.5, True], ids=str)
    def test_of_json(self, fill_value):
        store = {}
        z = zarrc.create(
            4, chunks=2, dtype=object, object_codec=numcodecs.JSON(), fill_value=fill_value, store=store
        )
        assert json.loads(store[".zarray"])["fill_value"] == fill_value
        again = zarrc.open_array(store)
        assert again.fill_value == fill_value
        assert_equal(again[:], array_of([fill_value] * 4))
        z[0] = "text"
        assert_equal(again[:], array_of(["text"] + [fill_value] * 3))

    def test_numbers_of_numpy(self):
        z = zarrc.create(2, dtype=object, object_codec=numcodecs.JSON(), fill_value=np.int64(3))
        assert type(z.fill_value) is int

    def test_without_a_json_form(self):
        with pytest.raises((TypeError, ValueError), match="JSON"):
            zarrc.create(2, dtype=object, object_codec=numcodecs.JSON(), fill_value=b"x")

    @pytest.mark.parametrize("fill_value", [None, "", "x"])
    @pytest.mark.parametrize("store", STORES)
    def test_empty_chunks(self, fill_value, store):
        with new_store(store) as store:
            z = zarrc.create(
                6, chunks=2, dtype=str, fill_value=fill_value, write_empty_chunks=False, store=store
            )
            z[:] = fill_value
            assert z.nchunks_initialized == 0
            z[1:3] = "text"
            assert z.nchunks_initialized == 2
            z[1] = fill_value
            assert z.nchunks_initialized == 1
            assert list(z[:]) == [fill_value or "", fill_value or "", "text"] + [fill_value or ""] * 3

    def test_empty_chunks_are_written_on_demand(self):
        z = zarrc.create(6, chunks=2, dtype=str, fill_value="", write_empty_chunks=True)
        z[:] = ""
        assert z.nchunks_initialized == 3

    def test_empty_chunks_of_objects(self):
        z = zarrc.create(
            4, chunks=2, dtype=object, object_codec=numcodecs.JSON(), fill_value=1, write_empty_chunks=False
        )
        z[:] = array_of([True, 1, 1, 1])
        assert z.nchunks_initialized == 1
        assert z[0] is True

    def test_missing_chunks(self):
        z = zarrc.create(4, dtype=str, config={"fill_missing_chunks": False})
        with pytest.raises(ChunkNotFoundError):
            z[:]


class TestStored:
    """The bytes that are stored are numcodecs'."""

    @enough
    @given(stored())
    def test_chunks(self, case):
        settings, data = case
        if data.ndim == 0 or 0 in data.shape:
            return
        settings = {**settings, "compressor": None, "chunks": data.shape, "filters": "auto"}
        store = {}
        zarrc.create(store=store, **settings)[...] = data
        key = ".".join("0" * data.ndim)
        given = np.asarray(data, order=settings.get("order", "C"))
        codec = settings["object_codec"]
        if codec.codec_id != "pickle":
            assert bytes(store[key]) == bytes(
                memoryview(
                    np.asarray(codec.encode(given)) if codec.codec_id == "categorize" else codec.encode(given)
                )
            )
        else:
            assert_equal(pickle.loads(store[key]), data)

    def test_corrupt_chunks_name_all(self, tmp_path):
        z = zarrc.open_array(
            tmp_path / "x.zarr", mode="w", shape=4, chunks=2, dtype=str, compressor=None, path="names"
        )
        z[:] = GREETINGS[:4]
        chunk = tmp_path / "x.zarr" / "names" / "1"
        chunk.write_bytes(chunk.read_bytes()[:-1])
        assert list(z[:2]) == GREETINGS[:2]
        with pytest.raises(
            CodecError, match=r"chunk '1' of array '/names': numcodecs.vlen-utf8: decode: .*truncated"
        ):
            z[:]
        with pytest.raises(CodecError, match="truncated"):
            z[3] = "a"

    def test_another_number_of_elements(self):
        store = {}
        z = zarrc.array([1, 2, 3], dtype=object, object_codec=numcodecs.JSON(), store=store, compressor=None)
        store["0"] = numcodecs.JSON().encode(array_of([1, 2]))
        with pytest.raises(
            CodecError, match=r"numcodecs.json2: decode: .*hold 2 elements, and a chunk has \(3,\)"
        ):
            z[:]

    def test_a_limit_for_what_chunks_decode_to(self):
        store = {}
        zarrc.array(["a" * 10_000], dtype=str, store=store)
        with (
            zarrc.config.set({"codecs.max_decoded_nbytes": 1000}),
            pytest.raises(CodecError, match="more bytes than"),
        ):
            zarrc.open_array(store)[:]
        assert len(zarrc.open_array(store)[0]) == 10_000


class Canary:
    """Says when it is unpickled."""

    seen = 0

    def __reduce__(self):
        return _seen, ()


def _seen():
    Canary.seen += 1
    return "canary"


class TestPickle:
    def make(self, store):
        z = zarrc.empty(2, dtype=object, object_codec=numcodecs.Pickle(), store=store)
        z[0] = Canary()
        return z

    def test_for_those_who_made_it(self):
        z = self.make({})
        assert z[0] == "canary"
        assert pickle.loads(pickle.dumps(z))[0] == "canary"
        assert z.with_config({"order": "F"})[0] == "canary"
        made = zarrc.group().create_dataset("x", shape=2, dtype=object, object_codec=numcodecs.Pickle())
        made[0] = {1}
        assert made[0] == {1}

    def test_refused_by_others(self):
        store = {}
        self.make(store)
        before = Canary.seen
        for opened in (
            lambda: zarrc.open_array(store),
            lambda: zarrc.open_array(store, mode="r")[0],
            lambda: zarrc.open(store)[0],
            lambda: zarrc.Array(store)[0],
        ):
            with pytest.raises(ValueError, match="allow_pickle=True if you trust"):
                opened()
        assert Canary.seen == before
        assert zarrc.open_array(store, allow_pickle=True)[0] == "canary"
        with zarrc.config.set({"allow_pickle": True}):
            assert zarrc.open_array(store)[0] == "canary"

    def test_of_numbers_is_refused_too(self):
        store = {}
        zarrc.array([1, 2], filters=[numcodecs.Pickle()], store=store)
        with pytest.raises(ValueError, match="allow_pickle"):
            zarrc.open_array(store)

    def test_in_groups(self):
        store = {}
        zarrc.group(store).create_dataset(
            "x", data=array_of([1, "a"]), dtype=object, object_codec=numcodecs.Pickle()
        )
        with pytest.raises(ValueError, match="allow_pickle"):
            zarrc.open_group(store)["x"][:]
        assert list(zarrc.open_group(store, allow_pickle=True)["x"][:]) == [1, "a"]


RECORD = np.dtype([("name", object), ("n", "<i4")])


class TestRecords:
    """Records of which some fields are objects; numcodecs' other codecs cannot decode them."""

    def test_round_trip(self):
        store = {}
        z = zarrc.empty((3, 2), chunks=(2, 2), dtype=RECORD, object_codec=numcodecs.Pickle(), store=store)
        assert z[0, 0].tolist() == (None, 0)
        z[1] = [("a", 1), ("b", 2)]
        z[0, 1] = ("c", 3)
        z = zarrc.open_array(store, allow_pickle=True)
        assert z[:].tolist() == [[(None, 0), ("c", 3)], [("a", 1), ("b", 2)], [(None, 0), (None, 0)]]
        assert z["name", 1].tolist() == ["a", "b"]
        assert z["n"].tolist() == [[0, 3], [1, 2], [0, 0]]
        assert z[["n", "name"]].dtype.names == ("n", "name")

    @pytest.mark.parametrize(("fill_value", "record"), [(None, (None, 0)), (0, (0, 0)), (("x", 3), ("x", 3))])
    def test_fill_values(self, fill_value, record):
        store = {}
        pickles = numcodecs.Pickle()
        z = zarrc.create(3, chunks=2, dtype=RECORD, object_codec=pickles, fill_value=fill_value, store=store)
        text = json.loads(store[".zarray"])["fill_value"]
        assert (text is None) == (fill_value is None)
        if text is not None:
            assert pickle.loads(base64.b64decode(text)).tolist() == record
        with pytest.raises(ValueError, match="allow_pickle"):
            zarrc.open_array(store)
        z = zarrc.open_array(store, allow_pickle=True)
        assert z[:].tolist() == [record] * 3
        z[0] = ("a", 1)
        assert z[:].tolist() == [("a", 1), record, record]
        if fill_value is not None:
            assert z.fill_value.tolist() == record
            assert zarrc.zeros_like(z)[0].tolist() == (0, 0)
            assert zarrc.open_like(z, {})[0].tolist() == record

    def test_fields(self):
        z = zarrc.empty(4, chunks=3, dtype=RECORD, object_codec=numcodecs.Pickle())
        z["n"] = 3
        z["name", 1:3] = ["a", "b"]
        z["name", 3] = [1, 2]
        assert z[:].tolist() == [(None, 3), ("a", 3), ("b", 3), ([1, 2], 3)]
        z[["n", "name"], :2] = np.array([(1, "x"), (2, "y")], [("n", "i4"), ("name", object)])
        assert z[:2].tolist() == [("x", 1), ("y", 2)]

    def test_threads_lose_no_fields(self):
        z = zarrc.empty(50, chunks=50, dtype=RECORD, object_codec=numcodecs.Pickle())

        def write(name):
            for n in range(50):
                z[name, n] = n

        threads = [threading.Thread(target=write, args=(name,)) for name in RECORD.names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert z[:].tolist() == [(n, n) for n in range(50)]

    def test_codecs_of_texts_are_refused(self):
        with pytest.raises(ValueError, match="strings, bytes or arrays of any length"):
            zarrc.empty(3, dtype=RECORD, object_codec=numcodecs.VLenUTF8())


class TestFormat3:
    @pytest.mark.parametrize(
        ("dtype", "data_type", "codec", "data"),
        [
            (str, "string", VLenUTF8Codec(), GREETINGS),
            ("string", "string", VLenUTF8Codec(), GREETINGS),
            (bytes, "variable_length_bytes", VLenBytesCodec(), [each.encode() for each in GREETINGS]),
            ("variable_length_bytes", "variable_length_bytes", VLenBytesCodec(), [b"a"] * 7),
        ],
    )
    def test_round_trip(self, dtype, data_type, codec, data):
        store = {}
        z = zarrc.create_array(store, shape=(9,), chunks=(2,), dtype=dtype)
        z[:7] = data
        document = json.loads(store["zarr.json"])
        assert document["data_type"] == data_type and document["fill_value"] == ""
        assert document["codecs"][0] == {"name": codec.name}
        again = zarrc.open_array(store)
        assert again.serializer == codec and again.dtype == object
        assert_equal(again[:], array_of([*data, type(data[0])(), type(data[0])()]))

    @pytest.mark.parametrize(("dtype", "fill_value"), [(str, "é"), (bytes, b"\xff"), (str, ""), (bytes, b"")])
    def test_fill_values(self, dtype, fill_value):
        store = {}
        z = zarrc.create_array(store, shape=(4,), chunks=(2,), dtype=dtype, fill_value=fill_value)
        assert z.fill_value == fill_value == zarrc.open_array(store).fill_value
        z[:] = fill_value
        assert z.nchunks_initialized == 0
        assert list(z[:]) == [fill_value] * 4

    def test_wrong_fill_values(self):
        with pytest.raises(ValueError, match="not valid for data type 'string'"):
            zarrc.create_array({}, shape=(4,), dtype=str, fill_value=b"x")
        with pytest.raises(ValueError, match="not valid for data type 'variable_length_bytes'"):
            zarrc.create_array({}, shape=(4,), dtype=bytes, fill_value="x")

    def test_other_objects(self):
        with pytest.raises(ValueError, match="format 3 has data types for strings and for bytes"):
            zarrc.create_array({}, shape=(4,), dtype="array:i4")
        with pytest.raises(ValueError, match="missing object_codec"):
            zarrc.create_array({}, shape=(4,), dtype=object)

    def test_codecs_around(self):
        z = zarrc.create_array(
            {},
            shape=(3, 4),
            chunks=(2, 3),
            dtype=str,
            codecs=[
                {"name": "transpose", "configuration": {"order": [1, 0]}},
                VLenUTF8Codec(),
                {"name": "crc32c"},
            ],
        )
        data = np.arange(12).astype(str).astype(object).reshape(3, 4)
        z[:] = data
        assert_equal(z[:], data)


def test_threads_lose_nothing():
    z = zarrc.create(400, chunks=400, dtype=str, fill_value="")

    def write(start):
        for n in range(start, 400, 4):
            z[n] = str(n)

    threads = [threading.Thread(target=write, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(z[:]) == [str(n) for n in range(400)]


def test_other_threads_go_on_while_objects_are_made():
    z = zarrc.array([str(n) for n in range(1_000_000)], dtype=str, chunks=100_000)
    ticks = []
    done = threading.Event()

    def tick():
        while not done.wait(0.001):
            ticks.append(1)

    thread = threading.Thread(target=tick)
    thread.start()
    end, n_reads = time.monotonic() + 1, 0
    while time.monotonic() < end:
        z[:]
        n_reads += 1
    done.set()
    thread.join()
    assert len(ticks) > n_reads  # not only between reads


def test_values_may_be_collected_while_arrays_live():
    z = zarrc.array([["a", "b"], ["c", "d"]], dtype=str)
    found = z[:]
    del z
    assert found.tolist() == [["a", "b"], ["c", "d"]]


@pytest.mark.parametrize("name", CODECS)
def test_no_warnings_at_opening(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        store = {}
        zarrc.create(3, dtype=object, object_codec=CODECS[name][0], store=store)
        assert zarrc.open_array(store, allow_pickle=True).filters == [CODECS[name][0]]


SHARDINGS = {
    "shards": {"chunks": (2, 3), "shards": (4, 6)},
    "transposed inside": {
        "chunks": (4, 6),
        "codecs": [
            {
                "name": "sharding_indexed",
                "configuration": {
                    "chunk_shape": [2, 3],
                    "codecs": [
                        {"name": "transpose", "configuration": {"order": [1, 0]}},
                        {"name": "vlen-utf8"},
                        {"name": "zstd", "configuration": {"level": 1}},
                    ],
                    "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
                    "index_location": "start",
                },
            }
        ],
    },
    "in shards and compressed": {
        "chunks": (8, 6),
        "codecs": [
            {"name": "transpose", "configuration": {"order": [1, 0]}},
            {
                "name": "sharding_indexed",
                "configuration": {
                    "chunk_shape": [3, 4],
                    "codecs": [
                        {
                            "name": "sharding_indexed",
                            "configuration": {
                                "chunk_shape": [1, 2],
                                "codecs": [{"name": "vlen-utf8"}],
                                "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
                            },
                        }
                    ],
                    "index_codecs": [
                        {"name": "bytes", "configuration": {"endian": "little"}},
                        {"name": "crc32c"},
                    ],
                },
            },
            {"name": "gzip", "configuration": {"level": 1}},
        ],
    },
}


class TestShards:
    @pytest.mark.parametrize("name", SHARDINGS)
    @enough
    @given(data=st.data())
    def test_against_numpy(self, name, data):
        with new_store(data.draw(st.sampled_from(STORES))) as store:
            z = zarrc.create_array(store, shape=(9, 7), dtype=str, fill_value="-", **SHARDINGS[name])
            a = np.full((9, 7), "-", object)
            for n in range(4):
                get, set_, selection, elements = drawn(data, data.draw(st.sampled_from(KINDS)), z, a)
                value = array_of([f"{n}é{k}" for k in range(np.size(elements))], np.shape(elements))
                set_(selection, value if value.ndim else value[()])
                put(a, elements, value)
                assert_equal(get(selection), taken(a, elements))
            assert_equal(zarrc.open_array(store)[:], a)

    def test_empty_chunks_take_no_bytes(self):
        store = {}
        z = zarrc.create_array(store, shape=(8,), chunks=(2,), shards=(8,), dtype=str)
        z[:] = ""
        assert "c/0" not in store
        z[3] = "text"
        one = len(store["c/0"])
        z[5] = "text"
        assert len(store["c/0"]) > one
        z[:] = ""
        assert "c/0" not in store

    def test_corrupt_parts_are_named(self):
        store = {}
        z = zarrc.create_array(store, shape=(4,), chunks=(2,), shards=(4,), dtype=str, compressors=None)
        z[:] = GREETINGS[:4]
        store["c/0"] = b"\3" + bytes(store["c/0"])[1:]
        with pytest.raises(
            CodecError, match=r"shard 'c/0' of array '/': vlen-utf8: decode: .*another number"
        ):
            z[:]
        assert list(z[2:]) == GREETINGS[2:4]


def test_few_elements_of_many_chunks_take_little_memory(monkeypatch):
    z = zarrc.create((400, 50), chunks=(10, 50), dtype=str, fill_value="")
    z[...] = "x" * 1000
    z[7, 3] = "seven"
    expected = z[:]
    monkeypatch.setattr(zarrc.transfer, "BLOCK_NBYTES", 100_000)
    read = []
    kernel = type(z._pipeline).read

    def counted(self, plan, *arguments, **options):
        read.append(plan.n_chunks)
        return kernel(self, plan, *arguments, **options)

    monkeypatch.setattr(type(z._pipeline), "read", counted)
    assert_equal(z[:, 3], expected[:, 3])
    assert len(read) > 4 and sum(read) == 40
    assert_equal(z.with_config({"order": "F"})[::-7, ::20], expected[::-7, ::20])
    out = np.full((40, 3), None)
    assert z.get_basic_selection((slice(None, None, 10), slice(2, 5)), out=out) is out
    assert_equal(out, expected[::10, 2:5])
    assert z[7, 3] == "seven"


SAME = {"strings": (str, ["a", "é", ""]), "bytes": (bytes, [b"a", b"\xff", b""])}


class TestSeenAsAnotherType:
    @pytest.mark.parametrize("order", "CF")
    @pytest.mark.parametrize("filters", [None, [numcodecs.LZ4()]])
    def test_strings(self, order, filters):
        data = np.array([["1", "22", "3"], ["4", "5", "66"]], object)
        z = zarrc.array(data, dtype=str, chunks=(2, 2), order=order, filters=filters, fill_value="7")
        for dtype in ("U3", "i4", "f8", "S2"):
            seen = z.astype(dtype)
            assert seen.dtype == dtype and seen.read_only
            assert seen[:].dtype == dtype and (seen[:] == data.astype(dtype)).all()
            assert seen[1, ::2].tolist() == data[1, ::2].astype(dtype).tolist()
            assert type(seen[0, 1]) is type(data.astype(dtype)[0, 1])
        z.resize(2, 5)
        assert z.astype("i4")[0, 4] == 7

    @pytest.mark.parametrize("shards", [None, (4,)])
    def test_strings_of_format_3(self, shards):
        z = zarrc.create_array({}, shape=(5,), chunks=(2,), shards=shards, dtype=str, fill_value="7")
        z[:3] = ["1", "22", "3"]
        assert z.astype("i4")[:].tolist() == [1, 22, 3, 7, 7]

    def test_as_objects(self):
        z = zarrc.array(np.array(["a", "bc"]))
        assert_equal(z.astype(object)[:], array_of(["a", "bc"]))
        assert_equal(zarrc.array([1, 2]).astype(object)[:], array_of([1, 2]))


class TestTakenOver:
    """Arrays made from others, or like them, of either format."""

    @pytest.mark.parametrize("name", SAME)
    @pytest.mark.parametrize("source", [2, 3])
    @pytest.mark.parametrize("target", [2, 3])
    def test_copies(self, name, source, target):
        dtype, values = SAME[name]
        group = zarrc.open_group({}, zarr_format=source)
        z = group.create_dataset("x", shape=3, chunks=2, dtype=dtype)
        z[:] = values
        copied = zarrc.open_group({}, zarr_format=target)
        zarrc.copy(z, copied)
        expected = array_of(values)
        for made in (
            copied["x"],
            zarrc.array(z, zarr_format=target),
            zarrc.create_array({}, data=z, zarr_format=target),
            zarrc.from_array({}, data=z, zarr_format=target),
        ):
            assert_equal(made[:], expected)
            assert made.zarr_format == target
            assert len(made.filters or ()) == (target == 2)
        made = zarrc.empty_like(z, zarr_format=target)
        made[:] = values
        assert_equal(made[:], expected)

    @pytest.mark.parametrize("name", ["ragged", "json", "msgpack", "pickle"])
    def test_codecs_of_format_2(self, name):
        codec, element = CODECS[name]
        data = array_of([element(np.random.default_rng(n)) for n in range(5)])
        z = zarrc.array(data, dtype=object, object_codec=codec, chunks=2)
        group = zarrc.group()
        zarrc.copy(z, group, name="x")
        for made in (group["x"] if name != "pickle" else z, zarrc.from_array({}, data=z)):
            assert made.filters == [codec]
            assert_equal(made[:], data)
        assert zarrc.zeros_like(z).filters == [codec]
        if name != "ragged":
            with pytest.raises(ValueError, match=r"format 3 has data types for strings|missing object_codec"):
                zarrc.from_array({}, data=z, zarr_format=3)

    def test_h5py(self, tmp_path):
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / "x.h5", "w") as file:
            for dtype, values in [*SAME.values(), ("array:i4", [np.arange(n, dtype="i4") for n in range(3)])]:
                z = zarrc.group().create_dataset("x", shape=3, dtype=dtype)
                z[:] = array_of(values)
                file.clear()
                zarrc.copy(z, file)
                there = file["x"].asstr()[:] if dtype is str else file["x"][:]
                assert_equal(there, array_of(values))
                if dtype is not bytes:  # h5py does not tell bytes from strings
                    back = zarrc.group()
                    zarrc.copy(file["x"], back)
                    assert_equal(back["x"][:], array_of(values))

    def test_documents_of_groups(self):
        store = {}
        group = zarrc.group(store)
        group.create_dataset("x", data=GREETINGS, dtype=str)
        zarrc.consolidate_metadata(store)
        assert list(zarrc.open_consolidated(store)["x"][:]) == GREETINGS
        assert group.require_dataset("x", shape=7, dtype=str) == group["x"]
