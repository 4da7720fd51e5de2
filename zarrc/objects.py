"""Arrays of Python objects: a pipeline of cells, and objects at its ends.

What travels is described in `kernels.objects`. A transfer has a codec object of its own, the owner of
all that its cells point to: values become cells before a write begins, and cells become
objects after a read has ended.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .codecs.chain import ChunkChain
from .config import config
from .kernels.chain import Chain
from .kernels.pipeline import Pipeline
from .kernels.projection import Plan
from .metadata.fill_values import EncodedFill, normalize_fill_value
from .metadata.model import ArrayMetadata, CodecSpec, inner_codec_names, inner_codecs, with_inner_codecs

CELL = np.dtype(np.intp)
FILL_CELL = bytes(CELL.itemsize)


class ObjectPipeline:
    """Moves the chunks of an array of objects, as `Pipeline` does those of others.

    Parameters
    ----------
    cells : Pipeline
        Of the array's cells; the first of its codecs, in a shard of the inner ones, makes bytes of cells.
    order : tuple of int
        Axes of a chunk in the order in which its decoded bytes hold them.
    dtype : numpy.dtype
        object, or one with fields that are objects.
    fill_value : object
    """

    def __init__(self, cells: Pipeline, order: tuple[int, ...], dtype: np.dtype, fill_value: Any) -> None:
        self._cells = cells
        self._order = order
        self._fill_value = fill_value
        self.dtype = dtype

    @property
    def name(self) -> str:
        """What errors call the array."""
        return self._cells.name

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Shape of a chunk."""
        return self._cells.chunk_shape

    @property
    def chunks_per_key(self) -> tuple[int, ...] | None:
        """How many chunks a key holds along each axis; None where it is one."""
        return self._cells.chunks_per_key

    @property
    def fill_value(self) -> Any:
        """What elements that were never written read as."""
        return self._begin()[0].fill

    def _begin(self) -> tuple[Any, Pipeline]:
        """Return the codec object of a transfer, and the pipeline that it is in."""
        codec, chain = _fresh(self._cells.chain, self._order, self._fill_value)
        return codec, self._cells.with_chain(chain)

    def read(
        self,
        plan: Plan,
        out: np.ndarray | None = None,
        threads: int = 1,
        fortran: bool = False,
        contexts: Any = None,
    ) -> Any:
        """Return what a plan wants: see `Pipeline.read`."""
        codec, pipeline = self._begin()
        cells = np.empty(plan.shape, CELL, order="F" if fortran else "C")
        pipeline.read(plan, cells, threads, contexts=contexts)
        found = codec.objects(cells)
        if out is not None:
            out[...] = found
            return out
        return found[()] if plan.is_scalar else found

    def write(self, plan: Plan, values: np.ndarray, threads: int = 1) -> None:
        """Store values where a plan says: see `Pipeline.write`.

        Raises
        ------
        TypeError, ValueError
            The codec cannot encode a value; nothing is written.
        """
        codec, pipeline = self._begin()
        cells = np.broadcast_to(self._as_cells(codec, _without_repeats(values)), values.shape)
        pipeline.write(plan, cells if plan.takes(cells) else np.ascontiguousarray(cells), threads)

    def _as_cells(self, codec: Any, values: np.ndarray) -> np.ndarray:
        try:
            return codec.cells(values)
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"array {self.name!r}: {error}") from error


def _fresh(chain: Chain, order: tuple[int, ...], fill_value: Any) -> tuple[Any, Chain]:
    """Return a new codec of objects, and the chain with it in its place, perhaps in shards inside of shards."""
    from .kernels.sharding import ShardStage

    first: Any = chain.codecs[0]
    if isinstance(first, ShardStage):
        codec, inner = _fresh(first.chain, order, fill_value)
        return codec, chain.starting_with(first.with_chain(inner))
    if isinstance(fill_value, EncodedFill):
        fill_value = first.record(fill_value.data)
    codec = first.fresh(fill_value, order)
    return codec, chain.starting_with(codec)


def with_limit(chain: ChunkChain) -> ChunkChain:
    """Return a chain whose chunks may not decode to more than the settings allow: no metadata say what they hold."""
    most = config.get("codecs.max_decoded_nbytes")
    if most is None:
        return chain
    return replace(chain, bounds=(chain.bounds[0], *(min(bound, most) for bound in chain.bounds[1:])))


def _without_repeats(values: np.ndarray) -> np.ndarray:
    """Return an array that broadcasts to `values`, in which nothing is there twice."""
    once = (slice(0, 1) if stride == 0 else slice(None) for stride in values.strides)
    return values[(*once, Ellipsis)]  # an array in any case


# ------------------------------------------------------------------- objects seen as other elements


def seen_through(meta: ArrayMetadata) -> ArrayMetadata | None:
    """Return what an array is before the codec `astype`, the first of its chain, makes or unmakes objects; else None.

    Such a codec is in the metadata of views, which show an array with another data type.
    """
    inner = None
    codecs = meta.codecs
    if meta.has_shards_alone:
        if "numcodecs.astype" not in inner_codec_names(meta.codecs[0]):
            return None
        codecs = inner = inner_codecs(meta.codecs[0])
    n = next((n for n, spec in enumerate(codecs) if spec.name != "transpose"), 0)
    stored = codecs[n].configuration.get("encode_dtype")
    if codecs[n].name != "numcodecs.astype" or "O" not in (np.dtype(stored).kind, meta.dtype.kind):
        return None
    # something is to precede a shard still: such shards are chunks
    nothing = CodecSpec("transpose", {"order": list(range(meta.ndim))})
    codecs = (*codecs[:n], nothing, *codecs[n + 1 :])
    dtype = np.dtype(stored)
    fill_value = meta.fill_value.item() if isinstance(meta.fill_value, np.generic) else meta.fill_value
    return replace(
        meta,
        dtype=dtype,
        codecs=codecs if inner is None else (with_inner_codecs(meta.codecs[0], codecs),),
        fill_value=normalize_fill_value(fill_value, dtype),
    )


class Converted:
    """Moves the chunks of an array whose elements are converted between objects and another data type.

    Parameters
    ----------
    pipeline : Pipeline or ObjectPipeline
        Of the array as it is stored.
    dtype : numpy.dtype
        That results have.
    """

    def __init__(self, pipeline: Any, dtype: np.dtype) -> None:
        self._pipeline = pipeline
        self.dtype = dtype
        self.name: str = pipeline.name
        self.chunk_shape: tuple[int, ...] = pipeline.chunk_shape
        self.chunks_per_key: tuple[int, ...] | None = pipeline.chunks_per_key

    def read(
        self,
        plan: Plan,
        out: np.ndarray | None = None,
        threads: int = 1,
        fortran: bool = False,
        contexts: Any = None,
    ) -> Any:
        """Return what a plan wants: see `Pipeline.read`."""
        found = np.empty(plan.shape, self._pipeline.dtype, order="F" if fortran else "C")
        self._pipeline.read(plan, found, threads, contexts=contexts)
        if out is None:
            converted = found.astype(self.dtype)
            return converted[()] if plan.is_scalar else converted
        out[...] = found.astype(self.dtype)
        return out

    def write(self, plan: Plan, values: np.ndarray, threads: int = 1) -> None:
        """Store values where a plan says: see `Pipeline.write`."""
        self._pipeline.write(plan, values.astype(self._pipeline.dtype), threads)


# ------------------------------------------------------------------- values of users


def as_objects(value: Any, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Return what a user assigns as an array of objects that can be broadcast to a shape.

    Where a single element is assigned, the value is that element, whatever it is. Otherwise
    arrays are arrays, and lists are what NumPy makes of them when it assigns them to an array
    of objects: as deep as the shape, so that their elements may be lists and arrays.
    """
    if shape == () and not (isinstance(value, np.ndarray) and value.ndim == 0):
        found = np.empty((), dtype)
        found[()] = value
        return found
    if isinstance(value, np.ndarray):
        return np.asarray(value).astype(dtype, copy=False)
    if hasattr(value, "__array__") or not isinstance(value, list | tuple):
        found = np.asarray(value) if hasattr(value, "__array__") else _single(value)
        return found.astype(dtype, copy=False)
    found = np.empty(shape, dtype)
    found[...] = value
    return found


def as_array(data: Any, dtype: np.dtype, ndim: int) -> np.ndarray:
    """Return data that have no shape as an array of a dtype; of objects on one axis, each item of `data` is one."""
    if dtype.hasobject and ndim == 1:
        return as_objects(data, dtype, (len(data),))
    return np.asarray(data, dtype=dtype)


def _single(value: Any) -> np.ndarray:
    found = np.empty((), object)
    found[()] = value
    return found
