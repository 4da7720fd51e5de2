"""The codecs of an array as one chain: order rules, what a chunk is after each step, compiled stages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zarrc.errors import MetadataError, ZarrcError

from .base import ARRAY_TO_ARRAY, ARRAY_TO_BYTES, BYTES_TO_BYTES, ChunkSpec, CodecDescriptor
from .registry import get_codec, is_known, state
from .transpose import TransposeCodec

if TYPE_CHECKING:
    from zarrc.kernels.codec import Codec

    from .registry import Spec

MAX_NBYTES = 2**63 - 1
_KINDS = (ARRAY_TO_ARRAY, ARRAY_TO_BYTES, BYTES_TO_BYTES)


@dataclass(frozen=True)
class ChunkChain:
    """How chunks of one shape and dtype are encoded.

    Attributes
    ----------
    order : tuple of int
        Memory layout of the decoded chunk: its bytes are those of a C-contiguous
        array whose axis k is the chunk's axis ``order[k]``. Transposes at the
        beginning of the chain are absorbed here.
    stages : tuple of kernels.codec.Codec
        In the order of encoding.
    sizes : tuple of (int or None)
        Bytes after each stage has encoded; None where that depends on the data.
    bounds : tuple of int
        Most bytes to accept when each stage decodes.
    names : tuple of str
        The codec of each stage, for messages.
    nbytes : int
        Bytes of a decoded chunk; of objects, of their cells (`kernels.objects`).
    compiled : bool
        Whether no stage takes the GIL.
    """

    order: tuple[int, ...]
    stages: tuple[Codec, ...]
    sizes: tuple[int | None, ...]
    bounds: tuple[int, ...]
    names: tuple[str, ...]
    nbytes: int
    compiled: bool


def build_chain(
    codecs: Sequence[Spec],
    shape: Sequence[int],
    dtype: np.dtype,
    *,
    fill: bytes | None = None,
    allow_pickle: bool = False,
    in_c_order: bool = False,
) -> ChunkChain:
    """Compile the codecs of an array for its chunks.

    Parameters
    ----------
    codecs : sequence of CodecSpec
        Anything with a `name` and a `configuration`, in the order of encoding.
    shape : sequence of int
        Of a decoded chunk.
    dtype : numpy.dtype
        Of its elements, with their byte order in memory.
    fill : bytes, optional
        One element of the fill value, in the dtype's byte order.
    allow_pickle : bool
        Whether the pickle codec, which runs code that the data name, may be used.
    in_c_order : bool
        Decode to C order whatever transposes the chain begins with: they are stages then.

    Raises
    ------
    UnknownCodecError
        A codec is not registered.
    MetadataError
        A configuration or the order of the codecs is wrong, or a codec cannot be used for such chunks.
    """
    key = (cache_key(codecs), tuple(shape), np.dtype(dtype), fill, allow_pickle, in_c_order)
    chain = _chains.get(key)
    if chain is None:
        try:
            chain = _build_chain(codecs, shape, dtype, fill, allow_pickle, in_c_order)
        except ValueError as error:
            if isinstance(error, ZarrcError):
                raise
            raise MetadataError(str(error)) from error
        # what users wrote in Python may keep a state, so that each array has its own
        if chain.compiled:
            remember(_chains, key, chain)
    return chain


# Arrays of one hierarchy are often alike; compiled stages hold parameters alone and can be shared.
_chains: dict[tuple[Any, ...], ChunkChain] = {}
MOST_REMEMBERED = 256


def cache_key(codecs: Sequence[Spec]) -> tuple[Any, ...]:
    """Return something hashable that is equal for chains that are, as codecs are registered now."""
    return state(), *[
        (each.name, repr(each.configuration), getattr(each, "must_understand", True)) for each in codecs
    ]


def remember(cache: dict[tuple[Any, ...], Any], key: tuple[Any, ...], value: Any) -> None:
    """Put a value into a cache, which is emptied when it is full."""
    if len(cache) >= MOST_REMEMBERED:
        cache.clear()
    cache[key] = value


def _build_chain(
    codecs: Sequence[Spec],
    shape: Sequence[int],
    dtype: np.dtype,
    fill: bytes | None,
    allow_pickle: bool,
    in_c_order: bool,
) -> ChunkChain:
    descriptors = resolve_codecs(codecs)
    check_order(descriptors)
    if not allow_pickle:
        _refuse_pickle(descriptors)
    spec = ChunkSpec.of_array(tuple(shape), np.dtype(dtype), fill)
    nbytes = _checked_nbytes(spec)
    order, rest = tuple(range(len(shape))), descriptors
    if not in_c_order:
        order, rest, spec = _absorb_transposes(descriptors, spec)
    stages: list[Codec] = []
    names: list[str] = []
    sizes: list[int | None] = []
    bounds: list[int] = []
    bound = nbytes
    for descriptor in rest:
        _check_objects(descriptor, spec)
        of_objects = spec.dtype.hasobject
        stage = descriptor.kernel(spec)
        spec = descriptor.resolve(spec)
        if stage is None:
            continue
        stages.append(stage)
        names.append(descriptor.name)
        bounds.append(bound)
        sizes.append(spec.nbytes)
        if spec.nbytes is not None:
            bound = spec.nbytes
        else:
            bound = MAX_NBYTES if of_objects else min(MAX_NBYTES, descriptor.largest_encoded(bound))
    compiled = not any(takes_gil(stage) for stage in stages)
    return ChunkChain(order, tuple(stages), tuple(sizes), tuple(bounds), tuple(names), nbytes, compiled)


def resolve_codecs(codecs: Sequence[Spec]) -> tuple[CodecDescriptor, ...]:
    """Return the descriptors of a chain; unknown codecs that need not be understood are left out."""
    return tuple(
        get_codec(spec) for spec in codecs if getattr(spec, "must_understand", True) or is_known(spec.name)
    )


def evolve_codecs(
    codecs: Sequence[Spec], shape: Sequence[int], dtype: np.dtype
) -> tuple[CodecDescriptor, ...]:
    """Return the descriptors of a new array's chain with everything filled in that follows from its chunks.

    Parameters and errors are those of `build_chain`.
    """
    descriptors = resolve_codecs(codecs)
    check_order(descriptors)
    spec = ChunkSpec.of_array(tuple(shape), np.dtype(dtype))
    evolved = []
    for descriptor in descriptors:
        evolved.append(descriptor.evolve(spec))
        spec = evolved[-1].resolve(spec)
    return tuple(evolved)


def check_order(descriptors: Sequence[CodecDescriptor]) -> None:
    """Check that arrays become arrays, then bytes once, then bytes.

    numcodecs' codecs turn buffers into buffers and may stand anywhere; one of
    them may be the one that makes bytes.

    Raises
    ------
    MetadataError
        The order is another one.
    """
    fixed = [each for each in descriptors if not each.name.startswith("numcodecs.")]
    makers = [each for each in fixed if each.kind == ARRAY_TO_BYTES]
    if not makers:
        makers = [each for each in descriptors if each.kind == ARRAY_TO_BYTES]
    names = [each.name for each in descriptors]
    if len(makers) != 1:
        raise MetadataError(
            f"the codecs {names} need exactly one that turns an array into bytes, not {len(makers)}"
        )
    rank = [_KINDS.index(each.kind) for each in fixed]
    if rank != sorted(rank):
        raise MetadataError(f"the codecs {names} are out of order: first {', then '.join(_KINDS)}")


def _refuse_pickle(descriptors: Sequence[CodecDescriptor]) -> None:
    if any(each.name == "numcodecs.pickle" for each in descriptors):
        raise ValueError(
            "codec 'numcodecs.pickle' runs code that the stored data name: "
            "open with allow_pickle=True if you trust where they come from"
        )


def _check_objects(descriptor: CodecDescriptor, spec: ChunkSpec) -> None:
    if spec.dtype.hasobject and not descriptor.takes_objects:
        raise ValueError(
            f"codec {descriptor.name!r}: chunks of {spec.dtype} hold objects, which have no bytes: "
            "they need an object codec"
        )


def _checked_nbytes(spec: ChunkSpec) -> int:
    nbytes = spec.nbytes
    if nbytes is not None and spec.dtype.hasobject:
        nbytes = nbytes // spec.dtype.itemsize * np.dtype(np.intp).itemsize
    if nbytes is None or nbytes > MAX_NBYTES:
        raise ValueError(f"chunks of shape {spec.shape} and {spec.dtype} have too many bytes")
    return nbytes


def _absorb_transposes(
    descriptors: tuple[CodecDescriptor, ...], spec: ChunkSpec
) -> tuple[tuple[int, ...], tuple[CodecDescriptor, ...], ChunkSpec]:
    """Return the layout that leading transposes mean, the codecs after them and what these get."""
    order = tuple(range(len(spec.shape or ())))
    n = 0
    for descriptor in descriptors:
        if not isinstance(descriptor, TransposeCodec):
            break
        order = tuple(order[axis] for axis in descriptor.axes(len(order)))
        spec = descriptor.resolve(spec)
        n += 1
    return order, descriptors[n:], spec


def takes_gil(stage: Codec) -> bool:
    """Whether a stage, or one of the chunks of a shard, calls Python."""
    from zarrc.kernels.filters import PythonStage

    inner = getattr(stage, "chain", None)  # of shards
    if inner is not None:
        return any(map(takes_gil, inner.codecs))
    return isinstance(stage, PythonStage)
