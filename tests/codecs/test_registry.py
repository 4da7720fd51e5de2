"""What users may give as a codec, and codecs that they register."""

import subprocess
import sys
from dataclasses import dataclass
from types import SimpleNamespace

import numcodecs
import numpy as np
import pytest
from numcodecs.abc import Codec

from zarrc.codecs import BloscCodec, CodecDescriptor, ZstdCodec, register_codec, registry
from zarrc.codecs import numcodecs as wrapped
from zarrc.codecs.chain import build_chain
from zarrc.codecs.registry import get_codec, kind, normalize
from zarrc.errors import BadCompressorError, MetadataError, UnknownCodecError


class Foreign:
    """An object of another library's format 3 codec."""

    def to_dict(self):
        return {"name": "gzip", "configuration": {"level": 2}}


@pytest.mark.parametrize(
    ("codec", "name", "configuration"),
    [
        (
            numcodecs.Blosc("zstd", 3, numcodecs.Blosc.BITSHUFFLE),
            "blosc",
            {"cname": "zstd", "clevel": 3, "shuffle": "bitshuffle", "blocksize": 0},
        ),
        (
            numcodecs.Blosc(shuffle=numcodecs.Blosc.AUTOSHUFFLE),
            "blosc",
            {"cname": "lz4", "clevel": 5, "shuffle": "autoshuffle", "blocksize": 0},
        ),
        (numcodecs.Zstd(3), "zstd", {"level": 3, "checksum": False}),
        (numcodecs.GZip(4), "gzip", {"level": 4}),
        (numcodecs.LZ4(2), "numcodecs.lz4", {"acceleration": 2}),
        (numcodecs.Delta("i4"), "numcodecs.delta", {"dtype": "<i4", "astype": "<i4"}),
        ({"id": "zlib", "level": 9}, "numcodecs.zlib", {"level": 9}),
        ({"id": "blosc", "shuffle": 0}, "blosc", {"shuffle": "noshuffle"}),
        ({"name": "zstd", "configuration": {"level": 1}}, "zstd", {"level": 1}),
        ({"name": "crc32c"}, "crc32c", {}),
        ("zstd", "zstd", {}),
        (ZstdCodec(5), "zstd", {"level": 5, "checksum": False}),
        (wrapped.LZMA(preset=1), "numcodecs.lzma", {"preset": 1}),
        (BloscCodec(), "blosc", {"cname": "zstd", "clevel": 5, "blocksize": 0}),
        (SimpleNamespace(name="gzip", configuration={"level": 1}), "gzip", {"level": 1}),
        (Foreign(), "gzip", {"level": 2}),
    ],
    ids=lambda item: type(item).__name__,
)
def test_all_spellings(codec, name, configuration):
    assert normalize(codec) == (name, configuration)
    assert get_codec(codec).name == name


@pytest.mark.parametrize("codec", [1, None, object(), {}, {"level": 1}, ZstdCodec, numcodecs.Blosc], ids=repr)
def test_what_is_no_codec(codec):
    with pytest.raises(BadCompressorError, match="bad compressor"):
        normalize(codec)


def test_unknown_codecs_are_named():
    with pytest.raises(UnknownCodecError, match="'lerc'"):
        get_codec({"name": "lerc"})
    with pytest.raises(UnknownCodecError, match=r"'numcodecs\.nothing'"):
        build_chain([get_codec_spec("numcodecs.nothing"), get_codec_spec("bytes")], (4,), np.dtype("u1"))


def test_wrong_shuffles_are_named():
    with pytest.raises(MetadataError, match="shuffle must be -1, 0, 1 or 2, not 7"):
        normalize({"id": "blosc", "shuffle": 7})


def test_kinds():
    assert kind("bytes") == "array->bytes"
    assert kind({"name": "transpose", "configuration": {"order": [0]}}) == "array->array"
    assert kind(numcodecs.Delta("i4")) == "array->array"
    assert kind(numcodecs.BZ2()) == "bytes->bytes"


def get_codec_spec(name, **configuration):
    return SimpleNamespace(name=name, configuration=configuration)


def round_trip(chain, source):
    """Send bytes through all stages and back."""
    encoded = source
    for stage in chain.stages:
        encoded = stage.encode(encoded)
    decoded = encoded
    for stage, bound in zip(reversed(chain.stages), reversed(chain.bounds), strict=True):
        decoded = stage.decode(decoded, bound)
    assert decoded == source
    return encoded


class Xor(Codec):
    """A numcodecs codec of a user."""

    codec_id = "zarrc_test_xor"

    def __init__(self, mask=255):
        self.mask = mask

    def encode(self, buf):
        return (np.frombuffer(buf, "u1") ^ self.mask).tobytes()

    def decode(self, buf, out=None):
        return self.encode(buf)


@pytest.fixture
def clean_registries():
    before = dict(registry._registered)
    yield
    registry._registered.clear()
    registry._registered.update(before)
    numcodecs.registry.codec_registry.pop(Xor.codec_id, None)


@pytest.mark.usefixtures("clean_registries")
def test_a_codec_object_that_nobody_registered_can_be_used():
    name, configuration = normalize(Xor(7))
    assert (name, configuration) == ("numcodecs.zarrc_test_xor", {"mask": 7})
    specs = [get_codec_spec("bytes", endian="little"), get_codec_spec(name, **configuration)]
    chain = build_chain(specs, (5,), np.dtype("u1"))
    assert not chain.compiled
    assert round_trip(chain, bytes(5)) == b"\7" * 5


@pytest.mark.usefixtures("clean_registries")
def test_registering_numcodecs_classes():
    register_codec(Xor)
    assert get_codec({"id": "zarrc_test_xor"}).name == "numcodecs.zarrc_test_xor"
    assert numcodecs.get_codec({"id": "zarrc_test_xor"}) == Xor()


@dataclass(frozen=True)
class Reverse(CodecDescriptor):
    """A format 3 codec of a user."""

    times: int = 1

    name = "zarrc_test_reverse"

    def encode(self, buffer):
        return bytes(buffer)[:: -1 if self.times % 2 else 1]

    decode = encode


@pytest.mark.usefixtures("clean_registries")
@pytest.mark.parametrize(
    "arguments", [(Reverse,), ("zarrc_test_reverse", Reverse)], ids=["class", "name first"]
)
def test_registering_descriptors(arguments):
    register_codec(*arguments)
    codec = get_codec({"name": "zarrc_test_reverse", "configuration": {"times": 3}})
    assert codec == Reverse(3)
    specs = [get_codec_spec("bytes", endian="little"), get_codec_spec("zarrc_test_reverse", times=1)]
    assert round_trip(build_chain(specs, (5,), np.dtype("u1")), b"abcde") == b"edcba"


@pytest.mark.parametrize("wrong", [int, 3, Xor()], ids=repr)
def test_what_cannot_be_registered(wrong):
    with pytest.raises(TypeError):
        register_codec(wrong)


WITHOUT_NUMCODECS = """
import sys
from types import SimpleNamespace
import numpy
from zarrc.codecs.chain import build_chain
from zarrc.codecs import BloscCodec, BytesCodec, ZstdCodec
names = ["bytes", "blosc", "zstd", "gzip", "crc32c"]
specs = [SimpleNamespace(name=name, configuration={}) for name in names]
specs[0].configuration["endian"] = "big"
build_chain(specs, (10, 10), numpy.dtype("f8"))
assert not {"numcodecs", "asyncio", "fsspec"} & set(sys.modules), sorted(sys.modules)
"""


def test_numcodecs_is_not_imported_where_it_is_not_needed():
    result = subprocess.run([sys.executable, "-c", WITHOUT_NUMCODECS], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_codecs_of_installed_packages(monkeypatch):
    from importlib.metadata import EntryPoint

    point = EntryPoint("there", f"{__name__}:Reversed", registry.ENTRY_POINTS)
    broken = EntryPoint("broken", "json:loads", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "_entry_points", lambda: (point, broken))
    monkeypatch.setattr(registry, "_registered", {})
    assert registry.is_known("there")
    assert registry.get_class("there") is Reversed
    with pytest.raises(UnknownCodecError, match="json:loads is no CodecDescriptor"):
        registry.get_class("broken")
    with pytest.raises(UnknownCodecError, match="'nowhere'"):
        registry.get_class("nowhere")


@dataclass(frozen=True)
class Reversed(CodecDescriptor):
    """The bytes from the last to the first."""

    name = "there"

    def encode(self, buffer):
        return bytes(buffer)[::-1]

    decode = encode
