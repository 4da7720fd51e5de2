"""Codecs of Python objects: format 3's `vlen-utf8` and `vlen-bytes`, and numcodecs' of format 2.

A chunk of objects has no bytes that one could read: it goes through a pipeline as cells
(`kernels.objects`), and the codec that comes first in its chain makes bytes of these. Strings, bytes
and arrays of any length have a kernel. The other codecs are Python, and see the chunk as an
array of objects.
"""

from __future__ import annotations

import math
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zarrc.errors import MetadataError
from zarrc.kernels.filters import PythonStage
from zarrc.kernels.objects import VLen as VLenKernel
from zarrc.kernels.objects import addresses, objects_at

from .base import ARRAY_TO_ARRAY, ARRAY_TO_BYTES, ChunkSpec, CodecDescriptor
from .numcodecs import NumcodecsCodec

if TYPE_CHECKING:
    from zarrc.kernels.codec import Codec


# ---------------------------------------------------------------- strings, bytes and arrays of any length


def _n_items(spec: ChunkSpec) -> int:
    return 0 if spec.nbytes is None else spec.nbytes // max(1, spec.dtype.itemsize)


def _check_objects(name: str, spec: ChunkSpec) -> None:
    if spec.dtype != np.dtype(object):
        raise ValueError(
            f"codec {name!r} is for strings, bytes or arrays of any length, not for {spec.dtype}"
        )


class _OfObjects(CodecDescriptor):
    """What codecs of objects have in common."""

    takes_objects = True

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        return ChunkSpec.of_bytes(None)


class _VLenCodec(_OfObjects):
    kind = ARRAY_TO_BYTES

    def kernel(self, spec: ChunkSpec) -> Codec:
        _check_objects(self.name, spec)
        return VLenKernel(self.name, _n_items(spec))


@dataclass(frozen=True)
class VLenUTF8Codec(_VLenCodec):
    """Strings of any length, as UTF-8."""

    name = "vlen-utf8"


@dataclass(frozen=True)
class VLenBytesCodec(_VLenCodec):
    """Bytes of any length."""

    name = "vlen-bytes"


class _VLen(_OfObjects, NumcodecsCodec):
    kind = ARRAY_TO_BYTES

    def compiled(self, spec: ChunkSpec) -> Codec | None:
        if not spec.dtype.hasobject:
            return None  # numcodecs takes strings of fixed length, too
        _check_objects(self.name, spec)
        return VLenKernel(self.codec_id, _n_items(spec), self.option("dtype"))


class VLenUTF8(_VLen):
    """Strings of any length, as UTF-8."""

    codec_id, name = "vlen-utf8", "numcodecs.vlen-utf8"


class VLenBytes(_VLen):
    """Bytes of any length."""

    codec_id, name = "vlen-bytes", "numcodecs.vlen-bytes"


class VLenArray(_VLen):
    """One-dimensional arrays of any length."""

    codec_id, name = "vlen-array", "numcodecs.vlen-array"
    defaults: ClassVar[dict[str, Any]] = {"dtype": None}

    def compiled(self, spec: ChunkSpec) -> Codec | None:
        if self.option("dtype") is None:
            raise ValueError("dtype is missing")
        return super().compiled(spec)


# ---------------------------------------------------------------- objects of every kind


class ObjectStage(PythonStage):
    """A codec that is written in Python and takes arrays of objects, as a stage over cells.

    Parameters
    ----------
    codec : object
        With ``encode(array)`` and ``decode(buffer)``.
    dtype : numpy.dtype
        object, or one with fields that are objects.
    shape : tuple of int
        Of a chunk as its elements lie in memory.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    fill: Any = None
    order: tuple[int, ...] = ()

    def __init__(self, codec: Any, dtype: np.dtype, shape: tuple[int, ...]) -> None:
        self._kept: list[np.ndarray] = []

    def fresh(self, fill: Any, order: tuple[int, ...]) -> ObjectStage:
        """Return the same codec for a transfer: axis ``order[k]`` of the chunk is axis k of it in memory."""
        found = ObjectStage(self.codec, self.dtype, self.shape)
        found.fill = zero_record(self.dtype) if fill is None and self.dtype.names else fill
        found.order = order
        return found

    def record(self, data: bytes) -> Any:
        """Return the record that the codec made `data` of."""
        return np.array(self.codec.decode(data), self.dtype)[()]

    def cells(self, values: np.ndarray) -> np.ndarray:
        """Return cells for objects, which are kept as long as this codec object."""
        kept = as_items(values)
        self._kept.append(kept)
        return addresses(kept, self.fill)

    def objects(self, cells: np.ndarray) -> np.ndarray:
        """Return the objects of cells, as an array of the stage's dtype."""
        found = objects_at(cells, self.fill)
        return found if self.dtype == object else as_records(found, self.dtype)

    def call_encode(self, data: bytes) -> Any:
        in_memory = self.objects(np.frombuffer(data, np.intp).reshape(self.shape))
        return self.codec.encode(np.atleast_1d(in_memory.transpose(np.argsort(self.order))))

    def call_decode(self, data: bytes) -> np.ndarray:
        found = np.asarray(self.codec.decode(data))
        if found.size != math.prod(self.shape):
            raise ValueError(f"the data hold {found.size} elements, and a chunk has {self.shape}")
        if found.shape == tuple(self.shape[axis] for axis in np.argsort(self.order)):
            found = found.transpose(self.order)
        return self.cells(found.reshape(self.shape).astype(self.dtype, copy=False))


def as_items(values: np.ndarray) -> np.ndarray:
    """Return a new array of objects, each an element of `values`, C-contiguous."""
    if values.dtype == object:
        return np.array(values, order="C")
    values = values.copy()  # records are views of it
    found = np.empty(values.shape, object)
    for index in np.ndindex(values.shape):
        found[index] = values[index]
    return found


def as_records(items: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return an array of records of their objects."""
    found = np.empty(items.shape, dtype)
    for index in np.ndindex(items.shape):
        found[index] = items[index]
    return found


def zero_record(dtype: np.dtype) -> Any:
    """Return the record of zeros, and of None for objects."""
    record = np.zeros((), dtype)
    for name in dtype.names or ():
        if dtype[name].kind == "O":
            record[name] = None
    return record[()]


class _Objects(_OfObjects, NumcodecsCodec):
    kind = ARRAY_TO_ARRAY

    def python_stage(self, spec: ChunkSpec) -> Codec:
        if not spec.dtype.hasobject:
            return super().python_stage(spec)
        if spec.shape is None:
            raise MetadataError(f"codec {self.name!r} follows a codec that leaves no array")
        return ObjectStage(self.numcodecs_codec(), spec.dtype, spec.shape)


class JSON(_Objects):
    """What JSON can say."""

    codec_id, name = "json2", "numcodecs.json2"


class MsgPack(_Objects):
    """What MessagePack can say."""

    codec_id, name = "msgpack2", "numcodecs.msgpack2"


class Categorize(_Objects):
    """Strings as numbers of categories."""

    codec_id, name = "categorize", "numcodecs.categorize"

    def resolve(self, spec: ChunkSpec) -> ChunkSpec:
        encoded = np.dtype(self.codec_config.get("astype", "u1"))
        return ChunkSpec(spec.shape, encoded, _n_items(spec) * encoded.itemsize)


class Pickle(_Objects):
    """Any object at all; decoding runs what the data name, so that arrays must be allowed to use it."""

    codec_id, name = "pickle", "numcodecs.pickle"
    defaults: ClassVar[dict[str, Any]] = {"protocol": pickle.HIGHEST_PROTOCOL}

    def numcodecs_codec(self) -> Any:
        # numcodecs decodes only where a switch for the whole process says so; here arrays say it
        return _Pickles(self.option("protocol"))


@dataclass(frozen=True)
class _Pickles:
    protocol: int

    def encode(self, array: np.ndarray) -> bytes:
        return pickle.dumps(array, protocol=self.protocol)

    def decode(self, data: bytes) -> Any:
        return pickle.loads(data)


class OfUsers(_Objects):
    """A codec that users registered: it gets the chunk as the array it still is, if it is one."""


CLASSES: dict[str, type[NumcodecsCodec]] = {
    cls.codec_id: cls for cls in (VLenUTF8, VLenBytes, VLenArray, JSON, MsgPack, Categorize, Pickle)
}
