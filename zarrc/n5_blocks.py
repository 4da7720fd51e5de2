"""The blocks of N5: a header, and the data as a compressor left them.

=====  ====================================================================
bytes  big-endian
=====  ====================================================================
2      mode: 0; 1 has a number of elements after the sizes, 2 is for objects
2      number of axes
4 n    length of each axis, the fastest first
=====  ====================================================================

A block at the upper edge of a dataset may be cut off there. It is shown whole: padded
with zeros, and compressed again in the way that takes least time.

Compression ``lz4`` is a sequence of parts of 64 kiB, each with its sizes and a checksum, as lz4-java
writes it (``LZ4BlockOutputStream``). z5 writes one block of LZ4 without anything around it, and
zarr-python 2 the frames of numcodecs. It is shown as numcodecs has LZ4: all in one, behind its size.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .errors import CodecError

_QUICK = {
    "gzip": {"level": 1},
    "zlib": {"level": 1},
    "bz2": {"level": 1},
    "lzma": {"preset": 0},
    "blosc": {"clevel": 0},
    "zstd": {"level": 1},
}

_MAGIC = b"LZ4Block"
_PART = struct.Struct("<8sBIII")  # magic, token, encoded and decoded size, checksum
_RAW, _LZ4 = 0x10, 0x20
_CHECKSUM_SEED = 0x9747B28C
_CHECKSUM_BITS = 0x0FFFFFFF


@dataclass(frozen=True)
class BlockFormat:
    """What all blocks of a dataset have in common.

    Attributes
    ----------
    chunk_shape : tuple of int
        Of a whole block, the fastest axis last.
    itemsize : int
        Bytes of an element.
    compressor : mapping or None
        Configuration of numcodecs' codec.
    lz4_part : int or None
        Compression lz4: how many bytes there are in a part; 0: all in one, as z5 has it. None: in numcodecs' frames.
    """

    chunk_shape: tuple[int, ...]
    itemsize: int
    compressor: Mapping[str, Any] | None
    lz4_part: int | None = None

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.chunk_shape)

    @property
    def nbytes(self) -> int:
        """Size of a whole block in bytes, decoded."""
        return math.prod(self.chunk_shape) * self.itemsize

    @property
    def header(self) -> bytes:
        """Header of a whole block."""
        return encode_header(self.chunk_shape)

    def show(self, block: Any, key: str) -> Any:
        """Return a stored block as the value of a chunk; its own memory where nothing is to be changed.

        Raises
        ------
        CodecError
            The block is corrupt, larger than the dataset says, or of variable length.
        """
        view = memoryview(block).cast("B")
        shape, start = decode_header(view, key)
        data = view[start:]
        if shape == self.chunk_shape:
            return data if self.lz4_part is None else self._frame(data, self.nbytes, key)
        if len(shape) != self.ndim or any(n > most for n, most in zip(shape, self.chunk_shape, strict=True)):
            raise CodecError(
                f"chunk {key!r}: an N5 block of {shape} in blocks of {self.chunk_shape}", key=key
            )
        return self._encode_quickly(self._pad(self._decode(data, shape, key), shape))

    def store(self, value: Any) -> bytes:
        """Return the value of a chunk as the block to be stored."""
        if self.lz4_part is not None:
            value = self._unframe(value)
        return b"".join((self.header, value))

    def _frame(self, data: memoryview, nbytes: int, key: str) -> bytes:
        """Return LZ4 data in the frame of numcodecs."""
        if is_lz4_parts(data):
            return frame_lz4(unpack_lz4(data, nbytes, key))
        return b"".join((struct.pack("<I", nbytes), data))

    def _unframe(self, value: Any) -> Any:
        """Return LZ4 data in a frame of numcodecs as they are to be stored."""
        if not self.lz4_part:
            return memoryview(value)[4:]
        return pack_lz4(_codec(self.compressor).decode(value, self.nbytes), self.lz4_part)

    def _decode(self, data: memoryview, shape: tuple[int, ...], key: str) -> bytes:
        nbytes = math.prod(shape) * self.itemsize
        try:
            decoded = self._decode_data(data, nbytes, key)
        except CodecError as error:
            raise CodecError(f"chunk {key!r}: {error}", error.codec, "decode", key) from error
        if len(decoded) != nbytes:
            raise CodecError(
                f"chunk {key!r}: an N5 block of {shape} has {len(decoded)} bytes, not {nbytes}", key=key
            )
        return decoded

    def _decode_data(self, data: memoryview, nbytes: int, key: str) -> bytes:
        if self.compressor is None:
            return bytes(data)
        framed = data if self.lz4_part is None else self._frame(data, nbytes, key)
        return _codec(self.compressor).decode(framed, nbytes)

    def _pad(self, decoded: bytes, shape: tuple[int, ...]) -> bytes:
        whole = np.zeros(self.chunk_shape, f"V{self.itemsize}")
        whole[tuple(map(slice, shape))] = np.frombuffer(decoded, whole.dtype).reshape(shape)
        return whole.tobytes()

    def _encode_quickly(self, decoded: bytes) -> bytes:
        if self.compressor is None:
            return decoded
        codec_id = self.compressor["id"]
        if codec_id == "lz4":
            return frame_lz4(decoded)
        return _codec({**self.compressor, **_QUICK.get(codec_id, {})}).encode(decoded)


def encode_header(shape: tuple[int, ...]) -> bytes:
    """Return the header of a block of a shape, its fastest axis last."""
    return struct.pack(f">HH{len(shape)}I", 0, len(shape), *shape[::-1])


def decode_header(view: memoryview, key: str) -> tuple[tuple[int, ...], int]:
    """Return the shape of a block, its fastest axis last, and where its data begin.

    Raises
    ------
    CodecError
        It is cut off, or of a mode that has elements of variable length.
    """
    if len(view) < 4:
        raise CodecError(f"chunk {key!r}: an N5 block of {len(view)} bytes has no header", key=key)
    mode, ndim = struct.unpack_from(">HH", view)
    if mode != 0:
        kind = {1: "of variable length", 2: "of objects"}.get(mode, "unknown")
        raise CodecError(f"chunk {key!r}: N5 block of mode {mode} ({kind}) is not supported", key=key)
    start = 4 + 4 * ndim
    if len(view) < start:
        raise CodecError(f"chunk {key!r}: an N5 block ends inside of its header", key=key)
    return struct.unpack_from(f">{ndim}I", view, 4)[::-1], start


def _codec(configuration: Any) -> Any:
    from .codecs.base import ChunkSpec
    from .codecs.registry import get_codec

    return get_codec(configuration).kernel(ChunkSpec.of_bytes(None))


# lz4


def is_lz4_parts(data: memoryview) -> bool:
    """Say whether data are parts as lz4-java writes them."""
    return data[: len(_MAGIC)] == _MAGIC


def unpack_lz4(data: memoryview, most: int, key: str) -> bytes:
    """Return what lz4-java's parts hold, `most` bytes or fewer.

    Raises
    ------
    CodecError
        They are corrupt: sizes, checksums, or no end.
    """
    from .kernels.checksums import xxh32
    from .kernels.lz4 import LZ4

    parts: list[bytes] = []
    decoder, at, total = LZ4(), 0, 0

    def corrupt(what: str) -> CodecError:
        return CodecError(f"chunk {key!r}: lz4: decode: {what}", "lz4", "decode", key)

    while True:
        if at + _PART.size > len(data):
            raise corrupt("the data are truncated")
        magic, token, encoded_size, size, checksum = _PART.unpack_from(data, at)
        at += _PART.size
        if magic != _MAGIC or at + encoded_size > len(data):
            raise corrupt("the data are corrupt or truncated")
        if size == 0:
            return b"".join(parts)
        total += size
        if total > most:
            raise corrupt("more bytes than the metadata allow")
        part: Any = data[at : at + encoded_size]
        if token & 0xF0 == _LZ4:
            part = decoder.decode(b"".join((struct.pack("<I", size), part)), size)
        elif token & 0xF0 != _RAW or len(part) != size:
            raise corrupt(f"unknown token {token:#x}")
        if xxh32(part, _CHECKSUM_SEED) & _CHECKSUM_BITS != checksum:
            raise corrupt("stored and computed checksum differ")
        parts.append(part)
        at += encoded_size


def pack_lz4(data: bytes, part_size: int) -> bytes:
    """Return data in parts as lz4-java writes them."""
    from .kernels.checksums import xxh32
    from .kernels.lz4 import LZ4

    encoder = LZ4()
    level = max(0, (part_size - 1).bit_length() - 10)
    out: list[Any] = []
    for start in range(0, len(data), part_size):
        part: Any = memoryview(data)[start : start + part_size]
        checksum = xxh32(part, _CHECKSUM_SEED) & _CHECKSUM_BITS
        encoded = encoder.encode(part)[4:]
        token, body = (_LZ4, encoded) if len(encoded) < len(part) else (_RAW, part)
        out += [_PART.pack(_MAGIC, token | level, len(body), len(part), checksum), body]
    out.append(_PART.pack(_MAGIC, _RAW | level, 0, 0, 0))
    return b"".join(out)


def frame_lz4(data: bytes) -> bytes:
    """Return data as numcodecs frames LZ4, without packing them: one run of literals."""
    rest = len(data) - 15
    if rest < 0:
        token = bytes([len(data) << 4])
    else:
        token = b"\xf0" + b"\xff" * (rest // 255) + bytes([rest % 255])
    return b"".join((struct.pack("<I", len(data)), token, data))
