"""Strings, bytes and arrays of any length, against numcodecs; cells."""

import gc
import struct
import sys

import numcodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zarrc.errors import CodecError
from zarrc.kernels.objects import VLen, addresses, objects_at

texts = st.lists(st.one_of(st.text(), st.text("aé€😀\0", max_size=40), st.none()), max_size=30)
contents = st.lists(st.one_of(st.binary(), st.none()), max_size=30)
ITEMS = ["<i8", ">i4", "u1", "<f4", "S3"]


def objects(*elements):
    found = np.empty(len(elements), object)
    for n, element in enumerate(elements):
        found[n] = element
    return found


def encode(name, values, fill=None, dtype=None):
    codec = VLen(name, values.size, dtype).fresh(fill)
    return codec.encode(codec.cells(values))


def decode(name, data, n_items, fill=None, dtype=None):
    codec = VLen(name, n_items, dtype).fresh(fill)
    return codec.objects(np.frombuffer(codec.decode(data), np.intp))


def equal(one, other):
    return len(one) == len(other) and all(
        type(a) is type(b) and np.array_equal(a, b) for a, b in zip(one, other, strict=True)
    )


@given(texts, st.sampled_from([None, "", "a", "é", 0, 5]))
def test_strings_are_stored_as_numcodecs_does(elements, fill):
    values = objects(*elements)
    theirs = bytes(numcodecs.VLenUTF8().encode(values))
    assert encode("vlen-utf8", values, fill) == theirs
    assert equal(decode("vlen-utf8", theirs, values.size, fill), numcodecs.VLenUTF8().decode(theirs))


@given(contents, st.sampled_from([None, b"", b"a", 0]))
def test_bytes_are_stored_as_numcodecs_does(elements, fill):
    values = objects(*elements)
    theirs = bytes(numcodecs.VLenBytes().encode(values))
    assert encode("vlen-bytes", values, fill) == theirs
    assert equal(decode("vlen-bytes", theirs, values.size, fill), numcodecs.VLenBytes().decode(theirs))


@given(st.data(), st.sampled_from(ITEMS))
def test_arrays_are_stored_as_numcodecs_does(data, code):
    dtype = np.dtype(code)
    raw = data.draw(st.lists(st.binary(max_size=50), max_size=10))
    values = objects(
        *(np.frombuffer(each[: len(each) // dtype.itemsize * dtype.itemsize], dtype) for each in raw)
    )
    theirs = bytes(numcodecs.VLenArray(dtype).encode(values))
    assert encode("vlen-array", values, dtype=dtype) == theirs
    found = decode("vlen-array", theirs, values.size, dtype=dtype)
    assert [each.tobytes() for each in found] == [each.tobytes() for each in values]
    assert all(each.dtype == dtype and each.flags.writeable for each in found)


@pytest.mark.parametrize(
    "element",
    [None, 0, 3, [1, 2], (), np.array([1.5]), np.arange(6)[::2], np.array(7), np.array([1, 2], ">i2")],
    ids=repr,
)
def test_what_becomes_an_array(element):
    values = objects(element)
    assert encode("vlen-array", values, dtype="<i8") == bytes(numcodecs.VLenArray("<i8").encode(values))


@pytest.mark.parametrize("element", [None, 0, 0.0, False, np.int64(0), np.bool_(False)], ids=repr)
@pytest.mark.parametrize(("name", "empty"), [("vlen-utf8", ""), ("vlen-bytes", b"")])
def test_nothing_is_empty(name, empty, element):
    assert encode(name, objects(element)) == encode(name, objects(empty))


@pytest.mark.parametrize(
    ("name", "element", "error", "message"),
    [
        ("vlen-utf8", 5, TypeError, "codec 'vlen-utf8' takes str, not int: 5"),
        ("vlen-utf8", b"x", TypeError, "takes str, not bytes"),
        ("vlen-utf8", "\ud800", ValueError, "surrogates not allowed"),
        ("vlen-bytes", "x", TypeError, "takes bytes, not str"),
        ("vlen-array", np.zeros((2, 2)), ValueError, "only 1-dimensional arrays are supported"),
        ("vlen-array", "x", ValueError, "invalid literal"),
    ],
)
def test_wrong_types(name, element, error, message):
    dtype = "<i8" if name == "vlen-array" else None
    with pytest.raises(error, match=message):
        encode(name, objects(element), dtype=dtype)


@pytest.mark.parametrize("element", [np.str_("aé"), type("Text", (str,), {})("text")])
def test_subclasses_of_str(element):
    assert encode("vlen-utf8", objects(element)) == encode("vlen-utf8", objects(str(element)))


def framed(count, *elements):
    return struct.pack("<I", count) + b"".join(struct.pack("<I", len(each)) + each for each in elements)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no number of elements"),
        (b"\2\0\0", "no number of elements"),
        (framed(3, b"a", b"b"), "another number"),
        (framed(1, b"a", b"b"), "another number"),
        (framed(2**32 - 1, b"a", b"b"), "another number"),
        (framed(2, b"a", b"b")[:-1], "truncated"),
        (framed(2, b"a", b"b")[:-2], "truncated"),
        (framed(2, b"a"), "truncated"),
        (framed(2, b"a") + struct.pack("<I", 2**32 - 1) + b"b", "truncated"),
        (framed(2, b"a", b"\xff"), "not UTF-8"),
        (framed(2, b"\xc3", b"\xa9"), "not UTF-8"),
    ],
    ids=range(11),
)
def test_corrupt_data(data, message):
    with pytest.raises(CodecError, match=message):
        decode("vlen-utf8", data, 2)


def test_arrays_of_no_whole_number_of_items():
    with pytest.raises(CodecError, match="no whole number of items"):
        decode("vlen-array", framed(1, b"abc"), 1, dtype="<i4")


def test_bytes_after_the_last_element_are_left_alone():
    data = framed(1, b"a") + b"more"
    assert list(decode("vlen-utf8", data, 1)) == list(numcodecs.VLenUTF8().decode(data)) == ["a"]


@given(st.binary(max_size=6))
def test_utf8_is_what_python_says(content):
    try:
        expected = content.decode()
    except UnicodeDecodeError:
        with pytest.raises(CodecError, match="not UTF-8"):
            decode("vlen-utf8", framed(1, content), 1)
    else:
        assert decode("vlen-utf8", framed(1, content), 1)[0] == expected


@pytest.mark.parametrize("point", [0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF])
def test_ends_of_utf8_ranges(point):
    text = "ab" + chr(point) + "c"
    assert decode("vlen-utf8", framed(1, text.encode()), 1)[0] == text


@pytest.mark.parametrize(
    "content", [b"\xed\xa0\x80", b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80"]
)
def test_what_only_looks_like_utf8(content):
    with pytest.raises(CodecError, match="not UTF-8"):
        decode("vlen-utf8", framed(1, content), 1)


@given(st.binary(max_size=60), st.integers(0, 5), st.sampled_from(["vlen-utf8", "vlen-bytes", "vlen-array"]))
def test_any_data_are_decoded_or_refused(data, n_items, name):
    dtype = "<i2" if name == "vlen-array" else None
    try:
        found = decode(name, data, n_items, dtype=dtype)
    except CodecError:
        return
    assert encode(name, found, dtype=dtype) == data[: len(encode(name, found, dtype=dtype))]


def test_a_cell_of_the_fill_value_is_zero():
    codec = VLen("vlen-utf8", 3).fresh("fill")
    cells = codec.cells(objects("fill", "other", "fill"))
    assert list(cells == 0) == [True, False, True]
    assert list(np.frombuffer(codec.decode(codec.encode(cells)), np.intp) == 0) == [True, False, True]


def test_a_fill_value_that_cannot_be_stored():
    codec = VLen("vlen-utf8", 2).fresh(5)
    cells = codec.cells(objects("a", "b"))
    cells[1] = 0
    assert list(codec.objects(cells)) == ["a", 5]
    with pytest.raises(CodecError, match="cannot encode the array's fill value"):
        codec.encode(cells)


def test_layouts():
    values = np.array([["a", "b", "c"], ["d", "e", "f"]], object)
    codec = VLen("vlen-utf8", 6).fresh()
    assert (codec.objects(codec.cells(values)) == values).all()
    found = codec.objects(np.asfortranarray(codec.cells(values)))
    assert found.flags.f_contiguous and (found == values).all()
    assert (codec.objects(codec.cells(values.T)) == values.T).all()
    with pytest.raises(ValueError, match="contiguous"):
        codec.objects(codec.cells(values)[:, ::2])
    with pytest.raises(ValueError, match="contiguous"):
        codec.objects(codec.cells(values).astype("i2"))


def test_memory_is_given_back():
    element = "text" * 10
    values = objects(element, None, element)
    before = sys.getrefcount(element), sys.getrefcount(values)
    for _ in range(5):
        codec = VLen("vlen-utf8", 3).fresh("x")
        cells = codec.cells(values)
        out = objects(element, element, element)
        codec.objects(cells, out)
        del codec, cells, out
    gc.collect()
    assert (sys.getrefcount(element), sys.getrefcount(values)) == before


def test_large_elements():
    element = "é" * 700_000
    assert decode("vlen-utf8", encode("vlen-utf8", objects(element, "a")), 2)[0] == element


def test_addresses():
    fill = ["mutable"]
    values = objects("a", fill, None, ["mutable"])
    cells = addresses(values, fill)
    assert cells[1] == 0 and all(cells[[0, 2, 3]])
    found = objects_at(cells, fill)
    assert all(a is b for a, b in zip(found, values, strict=True))
    assert list(addresses(objects("x", 0, False, 0.0), 0) == 0) == [False, True, False, False]


def test_wrong_arguments():
    with pytest.raises(KeyError):
        VLen("vlen-other", 3)
    with pytest.raises(ValueError, match="items of fixed size"):
        VLen("vlen-array", 3, object)
    codec = VLen("vlen-utf8", 3).fresh()
    with pytest.raises(ValueError, match="cannot take"):
        codec.objects(codec.cells(objects("a")), np.empty(2, object))
