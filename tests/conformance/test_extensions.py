"""Extensions registered with the specification that arrays in common use have: strings, bytes and times."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from documents import LITTLE, named, opened, refused, written

from zarrc.errors import CodecError

TEXTS = ["", "naïve", "数", "a\0b"]


def vlen(items):
    """Return items as the codecs `vlen-utf8` and `vlen-bytes` lay them out."""
    parts = [struct.pack("<I", len(items))]
    for item in items:
        parts += [struct.pack("<I", len(item)), item]
    return b"".join(parts)


def array_of(chunk, data_type="string", codec="vlen-utf8", fill_value="", **changes):
    said = {
        "shape": [4],
        "chunk_grid": named("regular", chunk_shape=[4]),
        "data_type": data_type,
        "codecs": [named(codec)],
        "fill_value": fill_value,
        **changes,
    }
    return opened({} if chunk is None else {"c/0": chunk}, **said)


class TestStrings:
    """Data type `string`, codec `vlen-utf8`."""

    def test_the_layout_of_a_chunk(self):
        chunk = vlen([text.encode() for text in TEXTS])
        array = array_of(chunk)
        assert array[...].tolist() == TEXTS
        again = array_of(None)
        again[...] = np.array(TEXTS, object)
        assert again.store["c/0"] == chunk

    def test_the_codec_may_be_a_bare_name(self):
        chunk = vlen([text.encode() for text in TEXTS])
        assert array_of(chunk, codecs=["vlen-utf8"])[...].tolist() == TEXTS

    @pytest.mark.parametrize("fill_value", ["", "x", "数\0"])
    def test_fill_values_are_strings(self, fill_value):
        array = array_of(None, fill_value=fill_value)
        assert array[...].tolist() == [fill_value] * 4
        array.attrs["a"] = 1
        assert written(array)["fill_value"] == fill_value

    @pytest.mark.parametrize("fill_value", [0, None, True, [], {}])
    def test_other_fill_values(self, fill_value):
        refused(
            shape=[4],
            chunk_grid=named("regular", chunk_shape=[4]),
            data_type="string",
            codecs=[named("vlen-utf8")],
            fill_value=fill_value,
        )

    @pytest.mark.parametrize(
        "chunk",
        [
            b"",
            b"\4\0\0",
            vlen([b"a", b"b", b"c"]),
            vlen([b"a"] * 5),
            vlen([b"a"] * 4)[:-1],
            struct.pack("<5I", 4, 2**31, 0, 0, 0),
            vlen([b"\xff", b"", b"", b""]),
        ],
    )
    def test_chunks_that_cannot_be(self, chunk):
        with pytest.raises(CodecError):
            array_of(chunk)[...]


class TestBytes:
    """Data type `bytes` (`variable_length_bytes`), codec `vlen-bytes`."""

    @pytest.mark.parametrize("data_type", ["bytes", "variable_length_bytes"])
    def test_the_layout_of_a_chunk(self, data_type):
        items = [b"", b"\0", b"\xff" * 300, b"a"]
        array = array_of(vlen(items), data_type, "vlen-bytes")
        assert array[...].tolist() == items
        again = array_of(None, data_type, "vlen-bytes")
        again[...] = np.array(items, object)
        assert again.store["c/0"] == vlen(items)
        again.attrs["a"] = 1
        assert written(again)["data_type"] == data_type

    def test_fill_values_are_base64_texts(self):
        assert array_of(None, "variable_length_bytes", "vlen-bytes", "AP8=")[...].tolist() == [b"\0\xff"] * 4


class TestTimes:
    """Data types `numpy.datetime64` and `numpy.timedelta64`."""

    @pytest.mark.parametrize("kind", ["datetime64", "timedelta64"])
    @pytest.mark.parametrize("unit", ["D", "h", "ms", "ns"])
    @pytest.mark.parametrize("fill_value", ["NaT", -(2**63), -1, 2**63 - 1])
    def test_elements_are_signed_integers_and_the_smallest_is_no_time(self, kind, unit, fill_value):
        data_type = named(f"numpy.{kind}", unit=unit, scale_factor=10)
        stored = np.array([-5, 0, 7, -(2**63)], "<i8").tobytes()
        array = array_of(stored, data_type, codecs=[LITTLE], fill_value=fill_value)
        assert array.dtype == np.dtype(f"{'M8' if kind == 'datetime64' else 'm8'}[10{unit}]")
        assert array[...].tobytes() == stored
        assert np.isnat(array[3])
        absent = array_of(None, data_type, codecs=[LITTLE], fill_value=fill_value)[0].view("i8")
        assert absent == (-(2**63) if fill_value == "NaT" else fill_value)

    @pytest.mark.parametrize("missing", ["unit", "scale_factor"])
    def test_unit_and_factor_are_required(self, missing):
        configuration = {"unit": "s", "scale_factor": 1}
        del configuration[missing]
        refused(missing, data_type=named("numpy.datetime64", **configuration), fill_value=0)

    @pytest.mark.parametrize(
        ("unit", "factor"), [("parsec", 1), ("s", 0), ("s", -1), ("s", 2**31), ("s", True), ("s", 1.5)]
    )
    def test_other_units_and_factors(self, unit, factor):
        refused(
            "scale_factor", data_type=named("numpy.datetime64", unit=unit, scale_factor=factor), fill_value=0
        )
