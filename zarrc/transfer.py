"""Moving a plan's chunks between a store and NumPy memory.

Here an array's metadata, its store and its configuration become a compiled
``Pipeline``, which then reads and writes plans. Values that cannot be handed to it
as they are (another dtype, another chunked array) go block by block.
"""

from __future__ import annotations

import math
import operator
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from .codecs.chain import ChunkChain, build_chain
from .config import config
from .kernels.chain import Chain
from .kernels.pipeline import Pipeline
from .kernels.pool import usable_cpus
from .kernels.projection import Grid, Plan
from .metadata import v2, v3
from .metadata.chunk_keys import chunk_key
from .metadata.model import ArrayMetadata
from .objects import CELL, FILL_CELL, Converted, ObjectPipeline, as_objects, seen_through, with_limit
from .storage import base

if TYPE_CHECKING:
    from .kernels.sharding import ShardLayout

    Settle = Callable[[Plan], AbstractContextManager[None]]

BLOCK_NBYTES = 1 << 27  # most bytes of a block that is copied from another array
OBJECT_NBYTES = 128  # what an object counts for there
MOST_LOCKS = 64  # of a synchronizer that are held at a time, where there is a choice: they may be open files
CONVERTED_NBYTES = 1 << 24  # values of more bytes are converted to the array's dtype block by block

_cpus = usable_cpus()


def n_threads() -> int:
    """Return how many threads a transfer may use, the caller's among them."""
    return config.get("threading.max_workers") or _cpus


def make_pipeline(
    meta: ArrayMetadata,
    store: Any,
    path: str,
    *,
    write_empty: bool,
    fill_missing: bool,
    allow_pickle: bool = False,
    cache: Any = None,
) -> Pipeline | ObjectPipeline | Converted:
    """Return what moves the chunks of an array.

    Parameters
    ----------
    meta : ArrayMetadata
    store : MutableMapping
        Of the chunks.
    path : str
        Of the array in the store, normalized.
    write_empty, fill_missing : bool
        As in ``ArrayConfig``.
    allow_pickle : bool
        Whether the pickle codec may run.
    cache : ChunkCache, optional
        Where decoded chunks are kept.

    Raises
    ------
    MetadataError, ValueError
        The codecs cannot work on such chunks.
    """
    stored = seen_through(meta)
    if stored is not None:
        options = {"write_empty": write_empty, "fill_missing": fill_missing, "allow_pickle": allow_pickle}
        return Converted(make_pipeline(stored, store, path, **options), meta.dtype)
    has_objects = meta.dtype.hasobject
    fill = fill_item(meta)
    chain, layout = compile_codecs(meta, fill, allow_pickle)
    if has_objects:
        chain = with_limit(chain)
    prefix = f"{path}/" if path else ""
    kind, *where = base.access(store, prefix)
    requests, streams = _requests(store, where[0], layout is not None) if kind == "mapping" else (None, False)
    pipeline = (Pipeline if requests is None else _streaming_pipeline())(
        f"/{path}",
        CELL if has_objects else meta.dtype,
        meta.chunk_shape if layout is None else meta.inner_chunk_shape,
        chain.order,
        Chain(chain.stages, chain.names, chain.nbytes, chain.sizes, chain.bounds),
        fill,
        meta.fill_value is not None or has_objects,
        meta.chunk_key_encoding.name == "default",
        meta.chunk_key_encoding.separator,
        write_empty,
        fill_missing,
    )
    if layout is not None:
        pipeline.use_shards(layout)
    identity = hash(base.lock_name(store, prefix)) & 0xFFFFFFFFFFFFFFFF
    if kind == "files":
        directory, separator, fsync = where
        pipeline.use_files(directory, separator, fsync, identity)
    else:
        mapping, prefix = where
        bulk = kind == "mapping"
        pipeline.use_mapping(
            mapping,
            prefix,
            identity,
            bulk and base.has_bulk(mapping, "getitems", "__getitem__"),
            bulk and base.has_bulk(mapping, "setitems", "__setitem__"),
            requests,
            streams,
        )
    if has_objects:
        return ObjectPipeline(pipeline, chain.order, meta.dtype, meta.fill_value)
    if cache is not None:
        form = decoded_form(meta, base.lock_name(store, prefix), allow_pickle)
        pipeline.use_cache(cache, form, base.token_of(store))
    return pipeline


_checked: tuple[Any, ...] = (None,) * 5  # what was found to work last: the next array is often like it


def check_codecs(meta: ArrayMetadata, allow_pickle: bool) -> None:
    """Raise MetadataError or ValueError where the codecs of an array cannot work on its chunks."""
    global _checked
    allow_pickle = bool(allow_pickle or config.get("allow_pickle"))
    said = (meta.codecs, meta.chunk_shape, meta.dtype, meta.fill_value, allow_pickle)
    if not all(map(operator.is_, said, _checked)):
        stored = seen_through(meta) or meta
        compile_codecs(stored, fill_item(stored), allow_pickle)
        _checked = said


def _streaming_pipeline() -> type[Pipeline]:
    from .kernels.streaming import StreamingPipeline

    return StreamingPipeline


def _requests(store: Any, mapping: Any, has_shards: bool) -> tuple[Callable[..., Any] | None, bool]:
    """Return what begins a transfer that may ask for parts of values, and whether it makes many requests at a time.

    Parameters
    ----------
    store : MutableMapping
        Of the chunks.
    mapping : MutableMapping
        What they are moved through: the store itself where it is somebody else's.
    has_shards : bool
    """
    begin = None if mapping is store else getattr(mapping, "requests", None)
    if begin is not None:
        return begin, True
    if has_shards and any(
        base.has_bulk(mapping, name, "__getitem__") for name in ("get_partial", "get_partials")
    ):
        from .storage.requests import BulkRequests

        return partial(BulkRequests, mapping), False
    return None, False


def compile_codecs(
    meta: ArrayMetadata, fill: bytes, allow_pickle: bool
) -> tuple[ChunkChain, ShardLayout | None]:
    """Return the codecs of what is encoded alone, and how these parts lie in a shard, where they do.

    A shard that other codecs precede or follow is encoded as a whole.
    """
    allow_pickle = allow_pickle or config.get("allow_pickle")
    if not meta.has_shards_alone:
        return build_chain(
            meta.codecs, meta.chunk_shape, meta.dtype, fill=fill, allow_pickle=allow_pickle
        ), None
    from .codecs.sharding import build_shards

    return build_shards(meta.codecs[0], meta.chunk_shape, meta.dtype, fill=fill, allow_pickle=allow_pickle)


def decoded_form(meta: ArrayMetadata, *more: Any) -> bytes:
    """Return a digest of all that decoding chunks depends on, and of more: where the array is."""
    from hashlib import blake2b

    encode = v2.encode_array if meta.zarr_format == 2 else v3.encode
    document = encode(replace(meta, shape=(0,) * meta.ndim, attributes={}))
    return blake2b(repr((more, meta.dtype, document)).encode(), digest_size=16).digest()


def fill_item(meta: ArrayMetadata) -> bytes:
    """Return the bytes of one element of an absent chunk, or of its cell where the elements are objects."""
    if meta.dtype.hasobject:
        return FILL_CELL
    item = np.zeros((), meta.dtype)
    if meta.fill_value is not None:
        item[()] = meta.fill_value
    return item.tobytes()


def read(pipeline: Pipeline, plan: Plan, out: Any = None, fortran: bool = False, contexts: Any = None) -> Any:
    """Return what a plan wants: a new array or a scalar, or `out` filled.

    Raises
    ------
    ValueError, TypeError
        `out` cannot take the result.
    CodecError, ChecksumError, OSError, ChunkNotFoundError
        Naming the array, the chunk's key and the codec.
    """
    threads = n_threads() if plan.n_chunks > 1 else 1
    if pipeline.dtype.hasobject and holds_much(pipeline, plan):
        return _read_part_by_part(pipeline, plan, out, threads, fortran, contexts)
    if out is None and not (plan.needs_contiguous and fortran):
        return pipeline.read(plan, None, threads, fortran, contexts)
    if out is None:
        return np.asfortranarray(pipeline.read(plan, None, threads, False, contexts))
    target = as_target(out, plan, pipeline.dtype)
    pipeline.read(plan, target, threads, contexts=contexts)
    if not isinstance(out, np.ndarray) or not np.may_share_memory(target, out):
        out[...] = target
    return out


def holds_much(pipeline: Any, plan: Plan) -> bool:
    """Whether a plan wants few elements of chunks that hold many: all of their texts are in memory meanwhile."""
    n_touched = plan.n_chunks * math.prod(pipeline.chunk_shape)
    n_wanted = math.prod(plan.shape)
    few = plan.n_chunks > 1 and 0 < 4 * n_wanted < n_touched
    return few and plan.is_even and n_touched * OBJECT_NBYTES > 2 * BLOCK_NBYTES


def _read_part_by_part(
    pipeline: Any, plan: Plan, out: Any, threads: int, fortran: bool, contexts: Any
) -> Any:
    if out is None:
        out = np.empty(plan.shape, pipeline.dtype, order="F" if fortran else "C")
    check_out(out, plan.shape)
    chunk_nbytes = math.prod(pipeline.chunk_shape) * OBJECT_NBYTES
    itemsize = plan.n_chunks * chunk_nbytes // math.prod(plan.shape)
    for region in blocks(plan, itemsize, max(BLOCK_NBYTES, threads * chunk_nbytes)):
        out[region] = pipeline.read(plan.part(region), None, threads, False, contexts)
    return out


def as_target(out: Any, plan: Plan, dtype: np.dtype) -> np.ndarray:
    """Return the memory that a result of a plan is written to on its way to `out`: its own, where it fits."""
    check_out(out, plan.shape)
    if not isinstance(out, np.ndarray):
        return np.empty(plan.shape, dtype)
    if not out.flags.writeable:
        raise ValueError("out is read-only")
    if out.dtype == dtype and plan.takes(out):
        return out.view(np.ndarray)
    return np.empty(plan.shape, dtype)


def check_out(out: Any, shape: tuple[int, ...]) -> None:
    """Raise an error unless `out` is an array of that shape."""
    if not hasattr(out, "shape") or not hasattr(out, "dtype"):
        raise TypeError(f"out must be an array, not {type(out).__name__}")
    if tuple(out.shape) != shape:
        raise ValueError(f"out has the shape {tuple(out.shape)}, and the selection {shape}")


def write(pipeline: Pipeline, plan: Plan, value: Any) -> None:
    """Store `value`, broadcast to the plan's shape.

    Raises
    ------
    ValueError
        `value` cannot be broadcast or cast.
    CodecError, ChecksumError, OSError
        Naming the array, the chunk's key and the codec.
    """
    values = broadcast(as_values(value, pipeline.dtype, plan.shape), plan.shape)
    if not plan.takes(values):
        values = np.ascontiguousarray(values)
    pipeline.write(plan, values, n_threads() if plan.n_chunks > 1 else 1)


def as_values(value: Any, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Return `value` as an ndarray of the dtype, as assigning it to an ndarray of that shape would cast it."""
    if dtype.hasobject:
        return as_objects(value, dtype, shape)
    if type(value) is np.ndarray and value.dtype == dtype:
        return value
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value).view(np.ndarray).astype(dtype, copy=False)
    return np.asarray(value, dtype=dtype)


def broadcast(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a view of `values` of a shape, as NumPy's assignment broadcasts.

    Raises
    ------
    ValueError
        It cannot be.
    """
    if values.shape == shape:
        return values
    extra = values.ndim - len(shape)
    if extra > 0 and values.shape[:extra] == (1,) * extra:
        values = values.reshape(values.shape[extra:])
    try:
        return np.broadcast_to(values, shape)
    except ValueError:
        raise ValueError(
            f"could not broadcast input array from shape {values.shape} into shape {shape}"
        ) from None


# ------------------------------------------------------------------- fields


def read_fields(pipeline: Pipeline, plan: Plan, fields: Any, out: Any = None, fortran: bool = False) -> Any:
    """Return some fields of what a plan wants: one by its name, several packed in the order of their names."""
    if pipeline.dtype.hasobject:
        found = read(pipeline, plan, None, fortran)[fields if isinstance(fields, str) else list(fields)]
        return found if out is None else _put(found, out)
    if isinstance(fields, str):
        found = read(pipeline.of_fields([fields]), plan, None, fortran)[fields]
        return found if out is None else _put(found, out)
    return read(pipeline.of_fields(list(fields)), plan, out, fortran)


def _put(found: Any, out: Any) -> Any:
    check_out(out, np.shape(found))
    out[...] = found
    return out


def write_fields(pipeline: Pipeline, plan: Plan, fields: Any, value: Any) -> None:
    """Store `value` in some fields where a plan says, and leave the others as they are."""
    names = [fields] if isinstance(fields, str) else list(fields)
    if pipeline.dtype.hasobject:
        return _write_fields_of_objects(pipeline, plan, names, value)
    part = pipeline.of_fields(names)
    if isinstance(fields, str):
        records = np.empty(plan.shape, part.dtype)
        records[fields] = value
        value = records
    return write(part, plan, value)


_records_lock = threading.Lock()


def _write_fields_of_objects(pipeline: Any, plan: Plan, names: list[str], value: Any) -> None:
    """Read records, change some of their fields and store them: one thread at a time, so that no change is lost."""
    with _records_lock:
        records = np.empty(plan.shape, pipeline.dtype)
        read(pipeline, plan, records)
        if len(names) == 1:
            records[names[0]] = value[names[0]] if getattr(value, "dtype", None) == pipeline.dtype else value
        else:
            records[names] = value
        write(pipeline, plan, records)


# ----------------------------------------------------------- block by block


def is_copied_in_blocks(value: Any, dtype: np.dtype, shape: tuple[int, ...]) -> bool:
    """Say whether a value of the result's shape is to be read or cast a block at a time."""
    if isinstance(value, np.ndarray):
        return value.dtype != dtype and value.nbytes > CONVERTED_NBYTES and value.shape == shape
    return (
        hasattr(value, "chunks") and hasattr(value, "dtype") and tuple(getattr(value, "shape", ())) == shape
    )


def write_blocks(
    pipeline: Pipeline, plan: Plan, value: Any, settle: Settle, locks: Locks | None = None
) -> None:
    """Store a value that is read or cast a block at a time; blocks are what whole keys of the destination hold.

    Parameters
    ----------
    pipeline : Pipeline
    plan : Plan
        Of evenly spaced elements.
    value : array-like of the plan's shape
        Anything that gives an array for a tuple of slices.
    settle : callable
        Given the plan of a block, returns the context in which it is written.
    locks : Locks, optional
        Held while a block is written.
    """
    itemsize = OBJECT_NBYTES if pipeline.dtype.hasobject else pipeline.dtype.itemsize
    most_keys = None if locks is None else MOST_LOCKS
    for region in blocks(plan, itemsize, per_key=pipeline.chunks_per_key, most_keys=most_keys):
        part, values = plan.part(region), value[region]
        with hold(locks, pipeline, part), settle(part):
            write(pipeline, part, values)


def write_locked(pipeline: Pipeline, plan: Plan, value: Any, settle: Settle, locks: Locks) -> None:
    """Store `value` while the locks of its keys are held, those of some keys at a time where that can be.

    Parameters and errors are those of `write`; `settle` is that of `write_blocks`.
    """
    values = broadcast(as_values(value, pipeline.dtype, plan.shape), plan.shape)
    if plan.is_even:
        write_blocks(pipeline, plan, values, settle, locks)
        return
    with hold(locks, pipeline, plan), settle(plan):
        write(pipeline, plan, values)


@dataclass(frozen=True)
class Locks:
    """A synchronizer's locks of the keys of one array.

    Attributes
    ----------
    synchronizer : mapping of key to lock
    path : str
        Of the array in its store, normalized.
    meta : ArrayMetadata
    """

    synchronizer: Any
    path: str
    meta: ArrayMetadata

    def of(self, coords: Iterable[tuple[int, ...]]) -> list[Any]:
        """Return the locks of some places in the grid of keys, in the order in which all writers take them."""
        prefix = f"{self.path}/" if self.path else ""
        keys = {prefix + chunk_key(at, self.meta.chunk_key_encoding) for at in coords}
        return [self.synchronizer[key] for key in sorted(keys)]


@contextmanager
def hold(locks: Locks | None, pipeline: Pipeline, plan: Plan) -> Iterator[None]:
    """Hold the locks of all keys that a plan touches; without locks, nothing."""
    with ExitStack() as held:
        if locks is not None:
            per_key = pipeline.chunks_per_key or (1,) * plan.grid.ndim
            coords = {tuple(map(operator.floordiv, at, per_key)) for at in plan.chunk_coords()}
            for lock in locks.of(coords):
                held.enter_context(lock)
        yield


def blocks(
    plan: Plan,
    itemsize: int,
    most: int = BLOCK_NBYTES,
    *,
    per_key: tuple[int, ...] | None = None,
    most_keys: int | None = None,
) -> Iterator[tuple[slice, ...]]:
    """Cut a plan's result into blocks of whole chunks and at most `most` bytes, but one chunk at least.

    With `per_key`, the number of chunks that a key holds along each axis, of what whole keys hold.
    With `most_keys`, of at most so many of them.
    """
    if not plan.n_chunks:
        return
    cuts = axis_cuts(plan, per_key)
    step = [len(cut) - 1 for cut in cuts]
    for axis in range(len(step)):
        if itemsize * _largest(cuts, step) > most:
            step[axis] = 1
            step[axis] = max(1, most // (itemsize * _largest(cuts, step)))
        if most_keys is not None and math.prod(step) > most_keys:
            step[axis] = max(1, step[axis] * most_keys // math.prod(step))
    yield from _product_blocks(cuts, step)


def _largest(cuts: list[list[int]], step: list[int]) -> int:
    """Return the number of elements of the largest block of `step` chunks along each axis."""
    return math.prod(
        max(b - a for a, b in zip(cut, cut[n:], strict=False)) for cut, n in zip(cuts, step, strict=True)
    )


def axis_cuts(plan: Plan, per_key: tuple[int, ...] | None = None) -> list[list[int]]:
    """Where chunks, or keys, begin along each axis of a plan's result, and where the last one ends."""
    cuts = []
    for axis, out_axis in enumerate(plan.out_axes):
        if out_axis is not None:
            cuts.append([*plan.out_starts(axis, per_key[axis] if per_key else 1), plan.shape[out_axis]])
    return cuts


def _product_blocks(cuts: list[list[int]], step: list[int]) -> Iterator[tuple[slice, ...]]:
    if not cuts:
        yield ()
        return
    edges = cuts[0][:: step[0]] if step[0] else cuts[0][:1]
    if edges[-1] != cuts[0][-1]:
        edges = [*edges, cuts[0][-1]]
    for a, b in pairwise(edges):
        for rest in _product_blocks(cuts[1:], step[1:]):
            yield (slice(a, b), *rest)


def make_grid(meta: ArrayMetadata) -> Grid:
    """Return the grid that plans are made for: of the parts that an array's pipeline reads and writes alone."""
    return make_chunk_grid(meta) if meta.has_shards_alone else make_key_grid(meta)


def make_key_grid(meta: ArrayMetadata) -> Grid:
    """Return the grid of what the keys of an array hold."""
    return Grid(meta.shape, meta.chunk_shape)


def make_chunk_grid(meta: ArrayMetadata) -> Grid:
    """Return the grid of an array's chunks, which are parts of what the keys hold where it is sharded."""
    return Grid(meta.shape, meta.inner_chunk_shape)
