"""The codecs of Zarr 3, without sharding: one test for each point, named after its section."""

from __future__ import annotations

import gzip
import zlib

import blosc
import google_crc32c
import numpy as np
import pytest
import zstandard
from documents import ARRAY, LITTLE, grid, named, opened, refused, written

from zarrc.errors import CodecError

DATA = np.arange(6, dtype="<i2").reshape(2, 3)


def stored(*codecs, data=DATA):
    """Return the bytes of one chunk that holds `data`."""
    array = opened(shape=list(data.shape), chunk_grid=grid(*data.shape), codecs=list(codecs))
    array[...] = data
    return array.store["c/0/0"]


def read(chunk, *codecs, data=DATA):
    """Return what one chunk of bytes holds."""
    array = opened(
        {"c/0/0": chunk}, shape=list(data.shape), chunk_grid=grid(*data.shape), codecs=list(codecs)
    )
    return array[...]


class TestBytes:
    """Bytes codec, version 1.0."""

    def test_elements_are_in_lexicographical_order(self):
        assert stored(LITTLE) == DATA.tobytes()
        assert stored(named("bytes", endian="big")) == DATA.astype(">i2").tobytes()

    @pytest.mark.parametrize("name", ["int16", "uint64", "float16", "float32"])
    def test_endian_is_required_for_several_bytes(self, name):
        refused(data_type=name, codecs=["bytes"])
        refused(data_type=name, codecs=[{"name": "bytes", "configuration": {}}])

    @pytest.mark.parametrize("name", ["int8", "uint8"])
    def test_endian_is_not_for_single_bytes(self, name):
        assert opened(data_type=name, codecs=["bytes"]).dtype == np.dtype(name)
        assert opened(data_type=name, codecs=[LITTLE]).dtype == np.dtype(name)

    @pytest.mark.parametrize("value", ["Little", "native", "<", None, 1])
    def test_endian(self, value):
        refused(codecs=[named("bytes", endian=value)])

    def test_bools_are_0_and_1(self):
        array = opened(data_type="bool", fill_value=False, codecs=["bytes"])
        array[:2, :3] = [[True, False, True], [False, False, True]]
        assert array.store["c/0/0"] == bytes([1, 0, 1, 0, 0, 1])

    def test_complex_numbers_are_real_then_imaginary(self):
        array = opened(
            shape=[1], chunk_grid=grid(1), data_type="complex64", fill_value=[0, 0],
            codecs=[named("bytes", endian="big")],
        )  # fmt: skip
        array[0] = 1 - 2j
        assert array.store["c/0"] == np.array([1, -2], ">f4").tobytes()

    def test_the_former_name_is_another_codec(self):
        refused("endian", codecs=[named("endian", endian="little")])


class TestTranspose:
    """Transpose codec, version 1.0."""

    def test_axes_are_permuted(self):
        data = np.arange(24, dtype="<i2").reshape(2, 3, 4)
        array = opened(
            shape=[2, 3, 4], chunk_grid=grid(2, 3, 4), codecs=[named("transpose", order=[2, 0, 1]), LITTLE]
        )
        array[...] = data
        assert array.store["c/0/0/0"] == data.transpose(2, 0, 1).tobytes()
        np.testing.assert_array_equal(array[...], data)

    @pytest.mark.parametrize(
        "order", [[0], [0, 1, 2], [0, 0], [1, 2], [-1, 0], ["0", "1"], [0, 1.5], None, 1]
    )
    def test_order_is_a_permutation(self, order):
        refused(codecs=[named("transpose", order=order), LITTLE])

    def test_order_is_required(self):
        refused(codecs=["transpose", LITTLE])

    @pytest.mark.parametrize("order", ["K", "", "c", "CF"])
    def test_order_is_no_letter_but_those_of_old_documents(self, order):
        refused(codecs=[named("transpose", order=order), LITTLE])


class TestGzip:
    """Gzip codec, version 1.0."""

    @pytest.mark.parametrize("level", range(10))
    def test_levels(self, level):
        codec = named("gzip", level=level)
        assert gzip.decompress(stored(LITTLE, codec)) == DATA.tobytes()
        np.testing.assert_array_equal(read(gzip.compress(DATA.tobytes()), LITTLE, codec), DATA)

    @pytest.mark.parametrize("level", [-2, 10, 1.5, "1", None, True])
    def test_other_levels(self, level):
        refused(codecs=[LITTLE, named("gzip", level=level)])

    def test_members_follow_each_other(self):
        data = DATA.tobytes()
        chunk = gzip.compress(data[:5]) + gzip.compress(data[5:])
        np.testing.assert_array_equal(read(chunk, LITTLE, named("gzip", level=1)), DATA)

    def test_zlib_is_another_format(self):
        with pytest.raises(CodecError):
            read(zlib.compress(DATA.tobytes()), LITTLE, named("gzip", level=1))


def blosc_codec(**changes):
    facts = {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "typesize": 2, "blocksize": 0} | changes
    return named("blosc", **{key: value for key, value in facts.items() if value is not ...})


class TestBlosc:
    """Blosc codec, version 1.0."""

    @pytest.mark.parametrize("cname", ["lz4", "lz4hc", "blosclz", "zstd", "zlib"])
    @pytest.mark.parametrize("shuffle", ["noshuffle", "shuffle", "bitshuffle"])
    def test_the_container_is_that_of_c_blosc(self, cname, shuffle):
        data = np.arange(4000, dtype="<i2").reshape(50, 80)
        codec = blosc_codec(cname=cname, shuffle=shuffle)
        assert blosc.decompress(stored(LITTLE, codec, data=data)) == data.tobytes()
        chunk = blosc.compress(
            data.tobytes(), typesize=2, cname=cname, shuffle=getattr(blosc, shuffle.upper())
        )
        np.testing.assert_array_equal(read(chunk, LITTLE, codec, data=data), data)

    @pytest.mark.parametrize("level", [-1, 10, 1.5, "5", None])
    def test_clevel_is_from_0_to_9(self, level):
        refused(codecs=[LITTLE, blosc_codec(clevel=level)])

    @pytest.mark.parametrize("cname", ["LZ4", "gzip", None, 1, ""])
    def test_cname_is_known(self, cname):
        refused(codecs=[LITTLE, blosc_codec(cname=cname)])

    @pytest.mark.parametrize("shuffle", [1, "bit", "", True, -1])
    def test_shuffle_is_a_word(self, shuffle):
        refused(codecs=[LITTLE, blosc_codec(shuffle=shuffle)])

    @pytest.mark.parametrize("shuffle", ["noshuffle", "shuffle", "bitshuffle"])
    def test_typesize_where_a_document_lacks_it(self, shuffle):
        """It is required for shuffling; without it the size of elements is meant, and frames say their own."""
        codec = blosc_codec(typesize=..., shuffle=shuffle)
        for typesize in (1, 2, 4):
            chunk = blosc.compress(DATA.tobytes(), typesize=typesize)
            np.testing.assert_array_equal(read(chunk, LITTLE, codec), DATA)
        assert stored(LITTLE, codec)[3] == 2

    @pytest.mark.parametrize("typesize", [0, -1, 1.5, "2"])
    def test_typesize_is_a_positive_integer(self, typesize):
        refused(codecs=[LITTLE, blosc_codec(typesize=typesize)])

    @pytest.mark.parametrize("blocksize", [-1, 1.5, "0", None])
    def test_blocksize_is_an_integer(self, blocksize):
        refused(codecs=[LITTLE, blosc_codec(blocksize=blocksize)])

    def test_what_is_chosen_is_recorded(self):
        import zarrc

        array = zarrc.create_array(
            {}, shape=4, dtype="float64", compressors=zarrc.codecs.BloscCodec(cname="zstd")
        )
        found = written(array)["codecs"][-1]["configuration"]
        assert found["typesize"] == 8
        assert found["shuffle"] in ("shuffle", "bitshuffle", "noshuffle")


class TestCrc32c:
    """CRC32C checksum codec, version 1.0."""

    def test_the_checksum_follows_little_endian(self):
        data = DATA.tobytes()
        expected = data + google_crc32c.value(data).to_bytes(4, "little")
        assert stored(LITTLE, named("crc32c")) == expected
        np.testing.assert_array_equal(read(expected, LITTLE, named("crc32c")), DATA)

    @pytest.mark.parametrize("at", [0, 5, 12, 15])
    def test_a_flipped_bit_is_found(self, at):
        chunk = bytearray(stored(LITTLE, named("crc32c")))
        chunk[at] ^= 4
        with pytest.raises(CodecError, match="crc32c"):
            read(bytes(chunk), LITTLE, named("crc32c"))

    @pytest.mark.parametrize("size", [0, 3, 4, 15])
    def test_too_few_bytes(self, size):
        with pytest.raises(CodecError):
            read(stored(LITTLE, named("crc32c"))[:size], LITTLE, named("crc32c"))


class TestZstd:
    """Zstd codec (registered extension)."""

    @pytest.mark.parametrize("level", [-131072, -1, 0, 1, 22])
    def test_levels(self, level):
        codec = named("zstd", level=level, checksum=False)
        assert zstandard.ZstdDecompressor().decompress(stored(LITTLE, codec), 12) == DATA.tobytes()

    @pytest.mark.parametrize("level", [23, -131073, 1.5, "1", None])
    def test_other_levels(self, level):
        refused(codecs=[LITTLE, named("zstd", level=level, checksum=False)])

    @pytest.mark.parametrize("checksum", [False, True])
    def test_checksum(self, checksum):
        chunk = stored(LITTLE, named("zstd", level=1, checksum=checksum))
        assert zstandard.get_frame_parameters(chunk).has_checksum is checksum

    def test_frames_without_their_size(self):
        writer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
        chunk = writer.compress(DATA.tobytes()) + writer.flush()
        np.testing.assert_array_equal(read(chunk, LITTLE, named("zstd", level=1, checksum=False)), DATA)


class TestConfigurations:
    """Core specification, "Extension definition": what a codec does not know it must not guess."""

    @pytest.mark.parametrize(
        "codec",
        [named("gzip", level=1), blosc_codec(), named("zstd", level=1, checksum=False), named("crc32c")],
    )
    def test_unknown_parameters_are_refused(self, codec):
        other = {**codec, "configuration": {**codec["configuration"], "novelty": 1}}
        refused("novelty", codecs=[*ARRAY["codecs"], other])
