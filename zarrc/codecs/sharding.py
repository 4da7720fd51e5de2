"""`sharding_indexed`: many small chunks and an index of them under one key (sharding codec, version 1.0)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrc.errors import MetadataError

from .base import ARRAY_TO_BYTES, ChunkSpec, CodecDescriptor, integer, member
from .bytes_ import BytesCodec, Endian
from .crc32c import Crc32cCodec
from .registry import get_codec, is_known

if TYPE_CHECKING:
    from zarrc.kernels.chain import Chain
    from zarrc.kernels.codec import Codec
    from zarrc.kernels.sharding import ShardLayout

    from .chain import ChunkChain
    from .registry import Spec

INDEX_DTYPE = np.dtype("u8")  # offset and size of a chunk in its shard; 2**64 - 1 twice where there is none


class ShardingCodecIndexLocation(Enum):
    """Where the index of a shard is."""

    start = "start"
    end = "end"


@dataclass(frozen=True)
class ShardingCodec(CodecDescriptor):
    """A shard: its inner chunks, each encoded alone, and an index of where they are.

    Parameters
    ----------
    chunk_shape : int or sequence of int
        Of the inner chunks; must divide the shape of the shard.
    codecs : sequence of codecs
        Of the inner chunks, in the order of encoding.
    index_codecs : sequence of codecs
        Of the index. Their output must have a size that does not depend on the data.
    index_location : {"end", "start"}
    """

    chunk_shape: Any
    codecs: Any = (BytesCodec(),)
    index_codecs: Any = (BytesCodec(Endian.little), Crc32cCodec())
    index_location: Any = ShardingCodecIndexLocation.end

    name = "sharding_indexed"
    kind = ARRAY_TO_BYTES
    takes_objects = True  # as its inner codecs do

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "chunk_shape", _lengths(self.chunk_shape))
        put(self, "codecs", _chain("codecs", self.codecs))
        put(self, "index_codecs", _chain("index_codecs", self.index_codecs))
        put(
            self,
            "index_location",
            member(self.name, "index_location", self.index_location, ShardingCodecIndexLocation),
        )

    def configuration(self) -> dict[str, Any]:
        return {
            "chunk_shape": list(self.chunk_shape),
            "codecs": [codec.to_dict() for codec in self.codecs],
            "index_codecs": [codec.to_dict() for codec in self.index_codecs],
            "index_location": self.index_location.value,
        }

    def evolve(self, spec: ChunkSpec) -> ShardingCodec:
        from .chain import evolve_codecs

        return ShardingCodec(
            self.chunk_shape,
            evolve_codecs(self.codecs, self.chunk_shape, spec.dtype),
            evolve_codecs(self.index_codecs, self.index_shape(spec), INDEX_DTYPE),
            self.index_location,
        )

    def grid_shape(self, spec: ChunkSpec) -> tuple[int, ...]:
        """Return how many inner chunks a shard has along each axis.

        Raises
        ------
        MetadataError
            `spec` is no array any more, or the inner chunks do not divide it.
        """
        if spec.shape is None:
            raise MetadataError("codec 'sharding_indexed' follows a codec that leaves no array")
        if len(spec.shape) != len(self.chunk_shape):
            raise MetadataError(
                f"codec 'sharding_indexed': chunk_shape {self.chunk_shape} and the shard's {spec.shape} "
                "differ in number of axes"
            )
        if any(whole % part for whole, part in zip(spec.shape, self.chunk_shape, strict=True)):
            raise MetadataError(
                f"codec 'sharding_indexed': chunk_shape {self.chunk_shape} does not divide "
                f"the shape of the shard, {spec.shape}"
            )
        return tuple(whole // part for whole, part in zip(spec.shape, self.chunk_shape, strict=True))

    def index_shape(self, spec: ChunkSpec) -> tuple[int, ...]:
        """Return the shape of a shard's index: an offset and a size for each inner chunk."""
        return (*self.grid_shape(spec), 2)

    def index_nbytes(self, spec: ChunkSpec) -> int:
        """Return the bytes of a shard's encoded index.

        Raises
        ------
        MetadataError
            They depend on what is in it.
        """
        index = ChunkSpec.of_array(self.index_shape(spec), INDEX_DTYPE)
        for codec in self.index_codecs:
            index = codec.resolve(index)
        if index.nbytes is None:
            names = [codec.name for codec in self.index_codecs]
            raise MetadataError(f"codec 'sharding_indexed': index_codecs {names} leave no fixed size")
        return index.nbytes

    def kernel(self, spec: ChunkSpec) -> Codec | None:
        """Return the codec of whole shards; inner chunks that hold nothing but the fill value are left out."""
        from zarrc.kernels.sharding import ShardStage

        fill = bytes(spec.dtype.itemsize) if spec.fill is None else spec.fill
        inner = self.chain(spec)
        return ShardStage(self.layout(spec), compile_chain(inner), self.chunk_shape, inner.order, fill)

    def chain(self, spec: ChunkSpec, *, allow_pickle: bool = False) -> ChunkChain:
        """Return the codecs of inner chunks, compiled."""
        from .chain import build_chain

        return build_chain(
            self.codecs, self.chunk_shape, spec.dtype, fill=spec.fill, allow_pickle=allow_pickle
        )

    def layout(self, spec: ChunkSpec) -> ShardLayout:
        """Return how inner chunks lie in a shard.

        Raises
        ------
        ValueError
            The inner chunks do not divide it, or the size of its index is not known before.
        """
        from zarrc.kernels.sharding import ShardLayout

        from .chain import build_chain

        self.index_nbytes(spec)
        index = build_chain(self.index_codecs, self.index_shape(spec), INDEX_DTYPE, in_c_order=True)
        first = self.index_location is ShardingCodecIndexLocation.start
        return ShardLayout(self.grid_shape(spec), compile_chain(index), first)

    def largest_encoded(self, nbytes: int) -> int:
        """Return a size that no shard passes: chunks that do not shrink, and an index."""
        n_chunks = nbytes // math.prod(self.chunk_shape) + 1  # elements have one byte at least
        bound = -(-nbytes // n_chunks)
        for codec in self.codecs:
            bound = codec.largest_encoded(bound)
        return n_chunks * (bound + 64) + 65536


def build_shards(
    codec: Spec, shape: Sequence[int], dtype: np.dtype, *, fill: bytes, allow_pickle: bool = False
) -> tuple[ChunkChain, ShardLayout]:
    """Compile the codecs of an array of which shards are all that its chain makes.

    Parameters
    ----------
    codec : CodecSpec
        ``sharding_indexed``, or anything with a `name` and a `configuration`.
    shape : sequence of int
        Of a shard.
    dtype, fill, allow_pickle
        As for `build_chain`.

    Returns
    -------
    chain : ChunkChain
        Of the inner chunks.
    layout : ShardLayout

    Raises
    ------
    UnknownCodecError, MetadataError, ValueError
        As for `build_chain`.
    """
    from .chain import cache_key, remember, takes_gil

    key = (cache_key([codec]), tuple(shape), dtype, fill, allow_pickle)
    found = _built.get(key)
    if found is None:
        sharding: Any = get_codec(codec)
        spec = ChunkSpec.of_array(tuple(shape), dtype, fill)
        found = sharding.chain(spec, allow_pickle=allow_pickle), sharding.layout(spec)
        if not any(takes_gil(stage) for stage in (*found[0].stages, *found[1].index_chain.codecs)):
            remember(_built, key, found)
    return found


# arrays of one hierarchy are often alike
_built: dict[tuple[Any, ...], tuple[ChunkChain, ShardLayout]] = {}


def compile_chain(chain: ChunkChain) -> Chain:
    """Return a chain as kernels take it."""
    from zarrc.kernels.chain import Chain

    return Chain(chain.stages, chain.names, chain.nbytes, chain.sizes, chain.bounds)


def _lengths(chunk_shape: Any) -> tuple[int, ...]:
    if isinstance(chunk_shape, str) or not isinstance(chunk_shape, Iterable):
        chunk_shape = (chunk_shape,)
    return tuple(integer(ShardingCodec.name, "chunk_shape", length, 1) for length in chunk_shape)


def _chain(field: str, codecs: Any) -> tuple[CodecDescriptor, ...]:
    """Return inner codecs as descriptors, in an order that can be."""
    from .chain import check_order

    if isinstance(codecs, str | Mapping) or not isinstance(codecs, Iterable):
        raise TypeError(f"codec 'sharding_indexed': {field} must be a sequence of codecs, not {codecs!r}")
    chain = tuple(get_codec(codec) for codec in codecs if not _may_be_left_out(codec))
    check_order(chain)
    return chain


def _may_be_left_out(codec: Any) -> bool:
    """Whether a document says that a codec need not be understood, and it is not."""
    return (
        isinstance(codec, Mapping)
        and codec.get("must_understand") is False
        and not is_known(codec.get("name", ""))
    )
