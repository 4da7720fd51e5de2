"""numcodecs' codecs as codecs of format 3, named ``numcodecs.<id>``.

Those with a kernel run compiled; every other is called through Python. numcodecs
itself is imported when one of these is first needed. Who makes one is warned that format 3
does not specify it; those of arrays that are opened are made without a word.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from zarrc.errors import MetadataError, UnknownCodecError, ZarrUserWarning

from .base import ARRAY_TO_ARRAY, ARRAY_TO_BYTES, BYTE, BYTES_TO_BYTES, ChunkSpec, CodecDescriptor

if TYPE_CHECKING:
    from zarrc.kernels.codec import Codec

_DTYPE_FIELDS = ("dtype", "astype", "encode_dtype", "decode_dtype")


class NumcodecsCodec(CodecDescriptor):
    """A codec of numcodecs' registry; its keyword arguments are its configuration there."""

    codec_id: ClassVar[str]
    # configuration with which `compiled` may be used, and its defaults
    defaults: ClassVar[dict[str, Any]] = {}

    codec_config: dict[str, Any]
    codec_name: ClassVar[str]  # what zarr-python calls the name in format 3

    def __init_subclass__(cls) -> None:
        cls.codec_name = getattr(cls, "name", "")

    def __init__(self, **configuration: Any) -> None:
        warnings.warn(
            "Numcodecs codecs are not in the Zarr version 3 specification and may not be supported by other "
            "zarr implementations.",
            ZarrUserWarning,
            stacklevel=2,
        )
        self._configure(configuration)

    @classmethod
    def of(cls, configuration: Mapping[str, Any]) -> Self:
        """Return the codec with a configuration."""
        codec = cls.__new__(cls)
        codec._configure(configuration)
        return codec

    def _configure(self, configuration: Mapping[str, Any]) -> None:
        self.codec_config = {key: _plain(key, value) for key, value in configuration.items()}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(codec_name={self.name!r}, codec_config={self.codec_config!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NumcodecsCodec):
            return NotImplemented
        return (self.name, self.codec_config) == (other.name, other.codec_config)

    def __hash__(self) -> int:
        return hash((self.name, json.dumps(self.codec_config, sort_keys=True, default=str)))

    def configuration(self) -> dict[str, Any]:
        return dict(self.codec_config)

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "configuration": self.configuration()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        try:
            return cls.of(data.get("configuration") or {})
        except (TypeError, ValueError) as error:
            raise MetadataError(f"codec {cls.name!r}: {error}") from error

    def option(self, name: str) -> Any:
        """Return a parameter, or its default."""
        return self.codec_config.get(name, self.defaults.get(name))

    def kernel(self, spec: ChunkSpec) -> Codec | None:
        full = self.evolve(spec)
        if full.codec_config.keys() <= self.defaults.keys():
            try:
                compiled = full.compiled(spec)
            except (TypeError, ValueError, OverflowError) as error:
                raise MetadataError(f"codec {self.name!r}: {error}") from error
            if compiled is not None:
                return compiled
        return full.python_stage(spec)

    def compiled(self, spec: ChunkSpec) -> Codec | None:
        """Return the kernel that does what numcodecs would, or None where there is none."""
        return None

    def python_stage(self, spec: ChunkSpec) -> Codec:
        """Return the stage that calls numcodecs."""
        from zarrc.kernels.filters import PythonStage

        codec = self.numcodecs_codec()
        return (
            PythonStage(codec) if self.kind == BYTES_TO_BYTES else PythonStage(codec, spec.dtype, spec.shape)
        )

    def numcodecs_codec(self) -> Any:
        """Return numcodecs' own object.

        Raises
        ------
        UnknownCodecError
            numcodecs has no codec of this id, or lacks what it needs.
        MetadataError
            It refuses the configuration.
        """
        from numcodecs.registry import get_codec

        try:
            return get_codec({**self.codec_config, "id": self.codec_id})
        except Exception as error:
            if type(error).__name__ == "UnknownCodecError" or "codec not available" in str(error):
                raise UnknownCodecError(f"unknown codec {self.name!r}: numcodecs does not have it") from error
            raise MetadataError(f"codec {self.name!r}: {error}") from error

    def largest_encoded(self, nbytes: int) -> int:
        # text forms of numbers take many times their size
        return 64 * nbytes + 2**20


def class_of(codec_id: str) -> type[NumcodecsCodec]:
    """Return the descriptor class for an id of numcodecs' registry, made if there is none here."""
    if codec_id not in _classes:
        from .objects import CLASSES, OfUsers

        own = {"codec_id": codec_id, "name": f"numcodecs.{codec_id}"}
        _classes[codec_id] = CLASSES.get(codec_id) or type(codec_id, (OfUsers,), own)
    return _classes[codec_id]


def _plain(field: str, value: Any) -> Any:
    """Return a dtype given as an object or a type as the string that stands for it."""
    if field in _DTYPE_FIELDS and value is not None and not isinstance(value, str):
        return np.dtype(value).str
    return value


def _unless_unknown(nbytes: int | None, extra: int) -> int | None:
    return None if nbytes is None else nbytes + extra


# ---------------------------------------------------------------- elements to elements


class _Elements(NumcodecsCodec):
    """Each element becomes one, of another dtype perhaps."""

    kind = ARRAY_TO_ARRAY
    dtype_field: ClassVar[str | None] = (
        None  # what numcodecs calls the dtype of the array, which it cannot see
    )

    def evolve(self, spec: ChunkSpec) -> Self:
        field = self.dtype_field
        if field is None or self.codec_config.get(field) is not None:
            return self
        return self.of({**self.codec_config, field: spec.dtype.str})

    def dtypes(self, spec: ChunkSpec) -> tuple[np.dtype, np.dtype]:
        """Return the dtypes of decoded and encoded elements."""
        dtype = self._dtype("dtype", spec.dtype)
        return dtype, self._dtype("astype", dtype)

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        decoded, encoded = self.dtypes(spec)
        shape = spec.shape if decoded.itemsize == spec.dtype.itemsize else None
        if spec.nbytes is None:
            return ChunkSpec(shape, encoded, None)
        if spec.nbytes % decoded.itemsize:
            raise ValueError(
                f"codec {self.name!r}: {spec.nbytes} bytes are no whole number of {decoded} elements"
            )
        return ChunkSpec(shape, encoded, spec.nbytes // decoded.itemsize * encoded.itemsize)

    def _dtype(self, field: str, default: np.dtype) -> np.dtype:
        value = self.codec_config.get(field)
        try:
            dtype = default if value is None else np.dtype(value)
        except TypeError as error:
            raise MetadataError(f"codec {self.name!r}: {field} {value!r} is no dtype") from error
        if dtype.itemsize == 0 or dtype.hasobject:
            raise MetadataError(
                f"codec {self.name!r}: {field} must have elements of fixed size, not {value!r}"
            )
        return dtype


class Delta(_Elements):
    """Differences of neighbouring elements."""

    codec_id, name, dtype_field = "delta", "numcodecs.delta", "dtype"
    defaults: ClassVar[dict[str, Any]] = {"dtype": None, "astype": None}

    def compiled(self, spec: ChunkSpec) -> Codec | None:
        from zarrc.kernels.filters import Delta as Kernel
        from zarrc.kernels.filters import delta_is_compiled

        decoded, encoded = self.dtypes(spec)
        return Kernel(decoded, encoded) if delta_is_compiled(decoded, encoded) else None


class FixedScaleOffset(_Elements):
    """Numbers shifted, scaled and rounded."""

    codec_id, name, dtype_field = "fixedscaleoffset", "numcodecs.fixedscaleoffset", "dtype"


class Quantize(_Elements):
    """Floats rounded to decimal digits."""

    codec_id, name, dtype_field = "quantize", "numcodecs.quantize", "dtype"


class BitRound(_Elements):
    """Floats rounded to bits of their mantissa."""

    codec_id, name = "bitround", "numcodecs.bitround"


class AsType(_Elements):
    """Elements of another dtype."""

    codec_id, name, dtype_field = "astype", "numcodecs.astype", "decode_dtype"
    defaults: ClassVar[dict[str, Any]] = {"encode_dtype": None, "decode_dtype": None}

    def dtypes(self, spec: ChunkSpec) -> tuple[np.dtype, np.dtype]:
        return self._dtype("decode_dtype", spec.dtype), self._dtype("encode_dtype", spec.dtype)

    def compiled(self, spec: ChunkSpec) -> Codec | None:
        decoded, encoded = self.dtypes(spec)
        if decoded.kind not in "iufc" or decoded == encoded or decoded != encoded.newbyteorder():
            return None
        from zarrc.kernels.filters import ByteSwap

        from .bytes_ import NATIVE, byte_swaps, other_endian

        endian = NATIVE if encoded.isnative else other_endian(NATIVE)
        return ByteSwap(decoded.itemsize, byte_swaps(decoded, endian))


class PackBits(NumcodecsCodec):
    """Booleans as bits."""

    codec_id, name, kind = "packbits", "numcodecs.packbits", ARRAY_TO_ARRAY

    def evolve(self, spec: ChunkSpec) -> Self:
        if spec.dtype.itemsize != 1:
            raise ValueError(
                f"codec {self.name!r}: requires bool dtype, or another of single bytes, not {spec.dtype}"
            )
        return self

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        if spec.nbytes is None:
            return ChunkSpec.of_bytes(None)
        nbytes = 1 + (spec.nbytes + 7) // 8
        return ChunkSpec((nbytes,), BYTE, nbytes)


class PCodec(NumcodecsCodec):
    """Numbers compressed by pcodec."""

    codec_id, name, kind = "pcodec", "numcodecs.pcodec", ARRAY_TO_BYTES


class ZFPY(NumcodecsCodec):
    """Floats compressed by zfp."""

    codec_id, name, kind = "zfpy", "numcodecs.zfpy", ARRAY_TO_BYTES


# ---------------------------------------------------------------- bytes to bytes


class Shuffle(NumcodecsCodec):
    """Bytes of elements, all first bytes first."""

    codec_id, name = "shuffle", "numcodecs.shuffle"
    defaults: ClassVar[dict[str, Any]] = {"elementsize": 4}

    def evolve(self, spec: ChunkSpec) -> Self:
        if "elementsize" in self.codec_config:
            return self
        return self.of({"elementsize": max(1, spec.dtype.itemsize)})

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        return ChunkSpec.of_bytes(spec.nbytes)

    def compiled(self, spec: ChunkSpec) -> Codec | None:
        from zarrc.kernels.filters import Shuffle as Kernel

        elementsize = self.option("elementsize")
        return Kernel(elementsize) if isinstance(elementsize, int) and elementsize > 1 else None


class LZ4(NumcodecsCodec):
    """LZ4 blocks."""

    codec_id, name = "lz4", "numcodecs.lz4"
    defaults: ClassVar[dict[str, Any]] = {"acceleration": 1}

    def compiled(self, spec: ChunkSpec) -> Codec | None:
        from zarrc.kernels.lz4 import LZ4 as Kernel
        from zarrc.kernels.lz4 import MAX_NBYTES

        if spec.nbytes is not None and spec.nbytes > MAX_NBYTES:
            raise ValueError(f"chunks may have {MAX_NBYTES} bytes at most, not {spec.nbytes}")
        return Kernel(self.option("acceleration"))


class Zlib(NumcodecsCodec):
    """zlib streams."""

    codec_id, name = "zlib", "numcodecs.zlib"
    defaults: ClassVar[dict[str, Any]] = {"level": 1}

    def compiled(self, spec: ChunkSpec) -> Codec | None:
        from zarrc.kernels.deflate import Zlib as Kernel

        return Kernel(self.option("level"))


class GZip(NumcodecsCodec):
    """gzip members."""

    codec_id, name = "gzip", "numcodecs.gzip"
    defaults: ClassVar[dict[str, Any]] = {"level": 1}

    def compiled(self, spec: ChunkSpec) -> Codec | None:
        from zarrc.kernels.deflate import Gzip as Kernel

        return Kernel(self.option("level"))


class Zstd(NumcodecsCodec):
    """Zstandard frames."""

    codec_id, name = "zstd", "numcodecs.zstd"
    defaults: ClassVar[dict[str, Any]] = {"level": 0, "checksum": False}

    def compiled(self, spec: ChunkSpec) -> Codec | None:
        from .zstd import ZstdCodec

        return ZstdCodec(self.option("level"), self.option("checksum")).kernel(spec)


class Blosc(NumcodecsCodec):
    """Blosc frames."""

    codec_id, name = "blosc", "numcodecs.blosc"
    defaults: ClassVar[dict[str, Any]] = {
        "cname": "lz4",
        "clevel": 5,
        "shuffle": 1,
        "blocksize": 0,
        "typesize": None,
    }

    def compiled(self, spec: ChunkSpec) -> Codec | None:
        from .blosc import BloscCodec
        from .registry import normalize

        options = {name: self.option(name) for name in self.defaults}
        _, configuration = normalize({"id": "blosc", **options})
        return BloscCodec(**configuration).kernel(spec)


class BZ2(NumcodecsCodec):
    """bzip2 streams."""

    codec_id, name = "bz2", "numcodecs.bz2"


class LZMA(NumcodecsCodec):
    """xz and lzma streams."""

    codec_id, name = "lzma", "numcodecs.lzma"


class Base64(NumcodecsCodec):
    """Bytes as text."""

    codec_id, name = "base64", "numcodecs.base64"

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        return ChunkSpec.of_bytes(None if spec.nbytes is None else (spec.nbytes + 2) // 3 * 4)


class _Checksum(NumcodecsCodec):
    """4 bytes before or after the data."""

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        return ChunkSpec.of_bytes(_unless_unknown(spec.nbytes, 4))


class CRC32(_Checksum):
    """CRC-32 before the data."""

    codec_id, name = "crc32", "numcodecs.crc32"
    defaults: ClassVar[dict[str, Any]] = {"location": "start"}

    def compiled(self, spec: ChunkSpec) -> Codec | None:
        from zarrc.kernels.checksums import Crc32 as Kernel

        return Kernel(self.option("location"))


class CRC32C(_Checksum):
    """CRC-32C after the data."""

    codec_id, name = "crc32c", "numcodecs.crc32c"
    defaults: ClassVar[dict[str, Any]] = {"location": "end"}

    def compiled(self, spec: ChunkSpec) -> Codec | None:
        from zarrc.kernels.checksums import Crc32c as Kernel

        return Kernel(self.option("location"))


class Adler32(_Checksum):
    """Adler-32 before the data."""

    codec_id, name = "adler32", "numcodecs.adler32"
    defaults: ClassVar[dict[str, Any]] = {"location": "start"}

    def compiled(self, spec: ChunkSpec) -> Codec | None:
        from zarrc.kernels.checksums import Adler32 as Kernel

        return Kernel(self.option("location"))


class Fletcher32(_Checksum):
    """Fletcher-32 after the data, as HDF5 has it."""

    codec_id, name = "fletcher32", "numcodecs.fletcher32"

    def compiled(self, spec: ChunkSpec) -> Codec | None:
        from zarrc.kernels.checksums import Fletcher32 as Kernel

        return Kernel()


class JenkinsLookup3(_Checksum):
    """Jenkins' lookup3 after the data, as HDF5 has it."""

    codec_id, name = "jenkins_lookup3", "numcodecs.jenkins_lookup3"


_classes: dict[str, type[NumcodecsCodec]] = {
    cls.codec_id: cls
    for cls in (
        Delta, FixedScaleOffset, Quantize, BitRound, AsType, PackBits, PCodec, ZFPY,
        Shuffle, LZ4, Zlib, GZip, Zstd, Blosc, BZ2, LZMA, Base64,
        CRC32, CRC32C, Adler32, Fletcher32, JenkinsLookup3,
    )
}  # fmt: skip

__all__ = sorted(cls.__name__ for cls in _classes.values())
