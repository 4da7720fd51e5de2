"""Arrays: what they are. How selections of them are read and written is said in `selecting`."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from . import nodes, transfer, viewing
from .array_config import ArrayConfig, as_chunk_cache
from .edges import Edges
from .indexing import plan_basic
from .metadata import v2
from .metadata.chunk_keys import chunk_key, parse_chunk_key
from .metadata.fill_values import EncodedFill, normalize_fill_value
from .metadata.model import SHARDING, ArrayMetadata, alike, with_shape
from .objects import as_array
from .selecting import Selecting
from .storage import base
from .storage.locations import normalize_store
from .storage.store_path import StorePath

# what an array is opened with where nobody says anything; pickles leave it out
_USUAL: dict[str, Any] = {
    "read_only": False,
    "chunk_store": None,
    "synchronizer": None,
    "cache_metadata": True,
    "cache_attrs": True,
    "partial_decompress": False,
    "meta_array": None,
    "allow_pickle": False,
    "_see": None,
}

MOST_NAMED = 10_000  # resize deletes so many chunks by name before it looks which there are


class Array(Selecting):
    """A chunked, compressed array in a store.

    Parameters
    ----------
    store : MutableMapping
        Where the array's metadata are.
    path : str, optional
        Of the array in the store.
    read_only : bool
        Refuse changes.
    chunk_store : MutableMapping, optional
        Where the chunks are, if not in `store`.
    synchronizer : mapping of key to lock, optional
        Taken for each chunk that is written, and for changes of the metadata.
    cache_metadata : bool
        Read the metadata once; else before each use.
    cache_attrs : bool
        Read the attributes once; else before each use.
    partial_decompress : bool
        Taken for compatibility: parts of chunks are decoded alone wherever the codec can.
    write_empty_chunks : bool, optional
        As in `ArrayConfig`.
    zarr_version : {2, 3}, optional
        The format to open where both stand.
    meta_array : array-like, optional
        Has the type of arrays that are returned; NumPy's is the one there is.
    metadata : ArrayMetadata, optional
        What the metadata say, where that is known already.
    config : ArrayConfig or mapping, optional
    allow_pickle : bool
        Let the pickle codec, which runs code that the data name, decode chunks.
    chunk_cache : int or ChunkCache, optional
        Keep so many bytes of decoded chunks, or keep them in a cache that arrays share; False: none,
        whatever the settings say.

    Raises
    ------
    ArrayNotFoundError
        There is no array at the path.
    MetadataError
        Its metadata cannot be understood; the message names the key.
    """

    def __init__(
        self,
        store: MutableMapping[str, Any],
        path: str | None = None,
        read_only: bool = False,
        chunk_store: MutableMapping[str, Any] | None = None,
        synchronizer: Any = None,
        cache_metadata: bool = True,
        cache_attrs: bool = True,
        partial_decompress: bool = False,
        write_empty_chunks: bool | None = None,
        zarr_version: int | None = None,
        meta_array: Any = None,
        *,
        metadata: ArrayMetadata | None = None,
        config: Any = None,
        allow_pickle: bool = False,
        chunk_cache: Any = None,
        _see: dict[str, Any] | None = None,
    ) -> None:
        self._store = normalize_store(store)
        self._chunk_store = None if chunk_store is None else normalize_store(chunk_store)
        self._path = nodes.normalize_path(path)
        self._read_only = bool(read_only)
        self._synchronizer = synchronizer
        self._cache_metadata = cache_metadata
        self._cache_attrs = cache_attrs
        self._partial_decompress = partial_decompress
        self._meta_array = meta_array
        self._allow_pickle = allow_pickle
        self._see = _see
        if metadata is None:
            metadata = self._read_metadata(zarr_version)
        self._config = ArrayConfig.make(config, metadata)
        if write_empty_chunks is not None:
            self._config = replace(self._config, write_empty_chunks=bool(write_empty_chunks))
        if chunk_cache is not None:
            self._config = replace(self._config, chunk_cache=as_chunk_cache(chunk_cache))
        self._attrs: Any = None
        self._document: tuple[bytes, ArrayMetadata] | None = None
        self._use(metadata)
        transfer.check_codecs(metadata, allow_pickle)

    @classmethod
    def open(cls, store: Any) -> Array:
        """Open the array at the root of a store, or at a `StorePath`, to read and to write."""
        return cls(store.store, store.path) if isinstance(store, StorePath) else cls(store)

    @classmethod
    def _member(cls, state: dict[str, Any], path: str, metadata: ArrayMetadata, config: ArrayConfig) -> Array:
        """Return an array whose documents were read a moment ago.

        Parameters
        ----------
        state : dict
            What it has in common with others of its group, from `_state_of_members`.
        path : str
            Normal.
        """
        array = cls.__new__(cls)
        own = vars(array)
        own.update(state)
        own["_path"] = path
        own["_meta"] = metadata
        own["_config"] = config
        if array._cache_attrs:
            own["_attributes_read"] = metadata.attributes
        return array

    @staticmethod
    def _state_of_members(store: Any, options: dict[str, Any]) -> dict[str, Any]:
        """Return what arrays of a group have in common; `options` are arguments of `Array`."""
        return {
            "_store": store,
            "_chunk_store": options["chunk_store"],
            "_read_only": options["read_only"],
            "_synchronizer": options["synchronizer"],
            "_cache_metadata": True,
            "_cache_attrs": options["cache_attrs"],
            "_partial_decompress": False,
            "_meta_array": options["meta_array"],
            "_allow_pickle": options["allow_pickle"],
            "_see": None,
            "_attrs": None,
            "_document": None,
        }

    def _use(self, metadata: ArrayMetadata) -> None:
        """Take metadata as the array's own."""
        known = getattr(self, "_meta", None)
        self._meta = metadata
        vars(self).pop("_grid", None)
        if known is None or not alike(known, metadata):
            vars(self).pop("_pipeline", None)

    @cached_property
    def _grid(self) -> Any:
        return transfer.make_grid(self._meta)

    @property
    def _chunk_grid(self) -> Any:
        """The grid of chunks: that of keys, or of inner chunks where the array is sharded."""
        return self._grid if self._meta.sharding is None else transfer.make_chunk_grid(self._meta)

    @cached_property
    def _edges(self) -> Edges:
        name = base.lock_name(self.chunk_store, self._path)
        return Edges(self._store, self._path, self._meta.zarr_format, name)

    @cached_property
    def _pipeline(self) -> Any:
        return transfer.make_pipeline(
            self._meta,
            self.chunk_store,
            self._path,
            write_empty=self._config.write_empty_chunks,
            fill_missing=self._config.fill_missing_chunks,
            allow_pickle=self._allow_pickle,
            cache=self._config.chunk_cache,
        )

    def _read_metadata(self, zarr_format: int | None) -> ArrayMetadata:
        """Return what the documents say now; of a view, as it shows them."""
        metadata = nodes.read_array(self._store, self._path, zarr_format)
        return metadata if self._see is None else viewing.seen_as(metadata, **self._see)

    def refresh(self) -> None:
        """Read the metadata and the attributes again."""
        self._use(self._read_metadata(self._meta.zarr_format))
        self._attrs = self._attributes_read = None

    def _current(self) -> ArrayMetadata:
        if not self._cache_metadata:
            self._use(self._read_metadata(self._meta.zarr_format))
        return self._meta

    # ------------------------------------------------------- where it lives

    @property
    def name(self) -> str | None:
        """Path with a slash at its beginning; at the root ``"/"``, and None in format 2, as zarr-python 2 has it."""
        return f"/{self._path}" if self._path or self._meta.zarr_format == 3 else None

    @property
    def basename(self) -> str | None:
        """Last part of the name; None where there is no name."""
        return self._path.rpartition("/")[2] if self._path or self._meta.zarr_format == 3 else None

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        return self._read_only

    @read_only.setter
    def read_only(self, value: bool) -> None:
        self._read_only = bool(value)

    # ------------------------------------------------------------ what it is

    @property
    def metadata(self) -> ArrayMetadata:
        """All that the metadata say."""
        return self._current()

    @property
    def config(self) -> ArrayConfig:
        """How the array behaves at run time."""
        return self._config

    def with_config(self, config: Any) -> Array:
        """Return the same array with other options; those that are not given stay."""
        options = vars(config) if isinstance(config, ArrayConfig) else {**vars(self._config), **dict(config)}
        return self._again(config=ArrayConfig.make(options, self._meta))

    def _again(self, **options: Any) -> Array:
        """Return another object for this array."""
        kept = {**self._options(), "metadata": self._meta, "config": self._config}
        return type(self)(self._store, self._path, **{**kept, **options})

    def _options(self) -> dict[str, Any]:
        """Return what the array was opened with, as arguments of `Array`."""
        return {
            "read_only": self._read_only,
            "chunk_store": self._chunk_store,
            "synchronizer": self._synchronizer,
            "cache_metadata": self._cache_metadata,
            "cache_attrs": self._cache_attrs,
            "partial_decompress": self._partial_decompress,
            "meta_array": self._meta_array,
            "allow_pickle": self._allow_pickle,
            "_see": self._see,
        }

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self._current().shape

    @shape.setter
    def shape(self, value: Any) -> None:
        self.resize(value)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Shape of a chunk: of what is encoded alone, an inner chunk where the array is sharded."""
        return self._meta.inner_chunk_shape

    @property
    def shards(self) -> tuple[int, ...] | None:
        """Shape of what one key holds where the array is sharded; else None."""
        return None if self._meta.sharding is None else self._meta.chunk_shape

    @property
    def dtype(self) -> np.dtype:
        """NumPy data type of the elements."""
        return self._meta.dtype

    @property
    def order(self) -> str:
        """Memory layout: of stored chunks in format 2, of arrays that are returned in format 3."""
        return self._meta.order if self._meta.zarr_format == 2 else self._config.order

    @property
    def fill_value(self) -> Any:
        """What absent chunks hold; None: it was left open, and they read as zeros."""
        value = self._meta.fill_value
        return self._pipeline.fill_value if isinstance(value, EncodedFill) else value

    @fill_value.setter
    def fill_value(self, value: Any) -> None:
        self._check_writeable()
        value = normalize_fill_value(value, self.dtype)
        self._change(lambda meta: replace(meta, fill_value=value))

    @property
    def dimension_names(self) -> tuple[str | None, ...] | None:
        """Names of the axes, if there are any."""
        return self._meta.axis_names

    @property
    def write_empty_chunks(self) -> bool:
        """Whether chunks that hold nothing but the fill value are stored."""
        return self._config.write_empty_chunks

    @property
    def chunk_cache(self) -> Any:
        """The `ChunkCache` that keeps decoded chunks, or None."""
        return self._config.chunk_cache

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._meta.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._current().size

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self._meta.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements, decoded."""
        return self._current().nbytes

    @property
    def nbytes_stored(self) -> int:
        """Bytes that the array takes in its stores, metadata included; -1 if that is unknown."""
        sizes = [base.getsize_prefix(store, self._path) for store in self._stores()]
        return -1 if min(sizes) < 0 else sum(sizes)

    def _stores(self) -> list[Any]:
        return [self._store] if self._chunk_store is None else [self._store, self._chunk_store]

    @property
    def cdata_shape(self) -> tuple[int, ...]:
        """Number of chunks along each axis; format 2 says ``(1,)`` where there are no axes."""
        shape = self._current().inner_grid_shape
        return shape if shape or self._meta.zarr_format == 3 else (1,)

    @property
    def nchunks(self) -> int:
        """Number of chunks, stored or not."""
        return math.prod(self.cdata_shape)

    @property
    def nchunks_initialized(self) -> int:
        """Number of chunks that are stored; of a shard that is stored, all count."""
        if self._meta.sharding is None:
            return self.nshards_initialized
        stored = (coords for coords in self._stored_chunks() if self._is_in_grid(coords))
        return sum(map(self._chunks_under_key, stored))

    @property
    def nshards(self) -> int:
        """Number of keys that hold chunks, stored or not: of shards, or of chunks where nothing is sharded."""
        return self._current().nchunks

    @property
    def nshards_initialized(self) -> int:
        """Number of these that are stored."""
        return sum(1 for coords in self._stored_chunks() if self._is_in_grid(coords))

    def _chunks_under_key(self, coords: tuple[int, ...]) -> int:
        """Return how many chunks that lie in the array one key holds."""
        return math.prod(
            min(n, -(-(size - at * n * chunk) // chunk))
            for at, size, chunk, n in zip(
                coords, self._meta.shape, self.chunks, self._chunks_per_key, strict=True
            )
        )

    @property
    def _chunks_per_key(self) -> tuple[int, ...]:
        return tuple(map(operator.floordiv, self._meta.chunk_shape, self.chunks))

    def _is_in_grid(self, coords: tuple[int, ...]) -> bool:
        return all(map(operator.lt, coords, self._meta.grid_shape))

    def _stored_chunks(self) -> Iterator[tuple[int, ...]]:
        """Yield the coordinates of the keys that are stored, in no order."""
        encoding = self._meta.chunk_key_encoding
        for key in base.keys_under(self.chunk_store, self._path):
            coords = parse_chunk_key(key, encoding, self.ndim)
            if coords is not None:
                yield coords

    @property
    def is_view(self) -> bool:
        """Whether the array shows another one's chunks in a different way: see `view`."""
        return self._see is not None

    # ---------------------------------------------------------------- codecs

    @property
    def compressor(self) -> Any:
        """The compressor, or None: a numcodecs codec in format 2."""
        compressors = self.compressors
        return compressors[0] if compressors else None

    @property
    def compressors(self) -> tuple[Any, ...]:
        """The codecs that turn bytes into bytes."""
        if self._meta.zarr_format == 2:
            from numcodecs import get_codec

            config = v2.filters_and_compressor(self._meta)[1]
            return () if config is None else (get_codec(config),)
        return self._codecs_of("bytes->bytes")

    @property
    def filters(self) -> Any:
        """The codecs before the bytes are made: a list or None in format 2, else a tuple."""
        if self._meta.zarr_format == 2:
            from numcodecs import get_codec

            configs = v2.filters_and_compressor(self._meta)[0]
            return None if configs is None else [get_codec(config) for config in configs]
        return self._codecs_of("array->array")

    @property
    def serializer(self) -> Any:
        """The codec that makes bytes of a chunk; None in format 2."""
        return None if self._meta.zarr_format == 2 else self._codecs_of("array->bytes")[0]

    def _codecs_of(self, kind: str) -> tuple[Any, ...]:
        """Return codecs of the chain, or of the inner chunks where sharding is all that the chain does."""
        from .codecs.chain import resolve_codecs

        codecs = resolve_codecs(self._meta.codecs)
        if len(codecs) == 1 and codecs[0].name == SHARDING:
            codecs = codecs[0].codecs  # type: ignore[attr-defined]
        return tuple(codec for codec in codecs if codec.kind == kind)

    # -------------------------------------------------------------- its shape

    def resize(self, *shape: Any) -> None:
        """Change the lengths of the axes.

        Chunks that end up outside are deleted; others stay as they are, so that growing
        again shows what edge chunks held.

        Parameters
        ----------
        *shape : int, or one tuple of int

        Raises
        ------
        ReadOnlyError
            The array is read-only.
        ValueError
            The number of axes is another, or a length is negative.
        """
        self._check_writeable()
        wanted = as_shape(shape, self.ndim)
        before, _ = self._change_shape(lambda _: wanted)
        self._delete_outside(before)

    def _change_shape(self, change: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Write the shape that `change` makes of the one that is stored; return the latter and the former."""
        shapes: list[tuple[int, ...]] = []

        def changed(meta: ArrayMetadata) -> ArrayMetadata:
            shapes[:] = meta.shape, change(meta.shape)
            return with_shape(meta, shapes[1])

        self._change(changed)
        self._edges.wait()
        return shapes[0], shapes[1]

    def _change(self, changed: Callable[[ArrayMetadata], ArrayMetadata]) -> None:
        """Write what `changed` makes of the metadata that are stored, and take it as the array's own."""
        if self.is_view:
            raise PermissionError("operation not permitted for views")

        def keep(document: bytes, meta: ArrayMetadata) -> None:
            self._document = document, meta
            self._use(meta)

        nodes.update_array(
            self._store, self._path, self._meta.zarr_format, changed, self._synchronizer, self._document, keep
        )

    def _delete_outside(self, before: tuple[int, ...]) -> None:
        """Delete the chunks of a grid over `before` that are outside of the grid now."""
        old = tuple(-(-n // c) for n, c in zip(before, self._meta.chunk_shape, strict=True))
        new = self._meta.grid_shape
        gone = math.prod(old) - math.prod(map(min, old, new))
        if not gone:
            return
        if gone <= MOST_NAMED:
            coords: Any = coords_outside(old, new)
        else:
            coords = (c for c in list(self._stored_chunks()) if any(map(operator.ge, c, new)))
        prefix = f"{self._path}/" if self._path else ""
        encoding = self._meta.chunk_key_encoding
        base.delitems(self.chunk_store, (prefix + chunk_key(c, encoding) for c in coords))

    def append(self, data: Any, axis: int = 0) -> tuple[int, ...]:
        """Make an axis longer and store data there.

        Parameters
        ----------
        data : array-like
            Of the array's shape but along `axis`.
        axis : int

        Returns
        -------
        tuple of int
            The new shape.

        Raises
        ------
        ReadOnlyError
            The array is read-only.
        ValueError
            `data` have another shape.
        """
        self._check_writeable()
        if not hasattr(data, "shape"):
            data = as_array(data, self.dtype, self.ndim)
        axis = range(self.ndim)[axis]
        added = tuple(data.shape)

        def longer(shape: tuple[int, ...]) -> tuple[int, ...]:
            if len(added) != len(shape) or any(
                a != n for i, (a, n) in enumerate(zip(added, shape, strict=True)) if i != axis
            ):
                raise ValueError(
                    f"shape of data to append {added} is not compatible with the array's {shape} but along axis {axis}"
                )
            return tuple(n + added[axis] * (i == axis) for i, n in enumerate(shape))

        before, after = self._change_shape(longer)
        start, end = before[axis], after[axis]
        # others may append under the last key meanwhile: only a complete one may be written as a whole
        per_key = self._meta.chunk_shape[axis]
        length = -(-end // per_key) * per_key
        grid = transfer.make_grid(with_shape(self._meta, (*added[:axis], length, *added[axis + 1 :])))
        self._write(plan_basic((*[slice(None)] * axis, slice(start, end)), grid), data, after)
        return after

    # ------------------------------------------------------- seen otherwise

    def view(
        self,
        shape: Any = None,
        chunks: Any = None,
        dtype: Any = None,
        fill_value: Any = None,
        filters: Any = None,
        read_only: bool | None = None,
        synchronizer: Any = None,
    ) -> Array:
        """Return an array that takes the same chunks for something else.

        Nothing is stored or copied, and nothing checked: chunks that do not fit fail when they are read.

        Parameters
        ----------
        shape, chunks, dtype, fill_value, filters, read_only, synchronizer
            What the view has of its own; the rest is the array's.

        Returns
        -------
        Array
            Which cannot be resized.

        Raises
        ------
        TypeError, ValueError
            An argument is wrong.

        Examples
        --------
        >>> import zarrc
        >>> z = zarrc.array([0, 1, 2], dtype="u1")
        >>> v = z.view(dtype=bool)
        >>> v[:]
        array([False,  True,  True])
        >>> v[0] = True
        >>> z[:]
        array([1, 1, 2], dtype=uint8)
        """
        see = {
            "shape": shape,
            "chunks": chunks,
            "dtype": dtype,
            "fill_value": fill_value,
            "filters": filters,
        }
        if self._see is not None:
            see = {name: self._see[name] if value is None else value for name, value in see.items()}
        return self._again(
            metadata=viewing.seen_as(self._current(), shape, chunks, dtype, fill_value, filters),
            read_only=self._read_only if read_only is None else read_only,
            synchronizer=self._synchronizer if synchronizer is None else synchronizer,
            _see=see,
        )

    def astype(self, dtype: Any) -> Array:
        """Return a read-only view whose elements are converted when they are read.

        Parameters
        ----------
        dtype : data-type

        Examples
        --------
        >>> import zarrc
        >>> z = zarrc.array([1, 2, 3], dtype="i4")
        >>> z.astype("f4")
        <zarrc.core.Array (3,) float32 read-only>
        >>> z.astype("f4")[:]
        array([1., 2., 3.], dtype=float32)
        """
        filters = viewing.as_type(self._meta, self.filters or (), dtype)
        return self.view(dtype=np.dtype(dtype), filters=filters, read_only=True)

    def digest(self, hashname: str = "sha1") -> bytes:
        """Return a hash of the chunks as they are stored, the metadata and the attributes.

        Parameters
        ----------
        hashname : str
            As `hashlib.new` takes it.
        """
        return self._hash(hashname).digest()

    def hexdigest(self, hashname: str = "sha1") -> str:
        """Return `digest` in hexadecimal.

        Examples
        --------
        >>> import zarrc
        >>> z = zarrc.zeros(shape=(10000, 10000), chunks=(1000, 1000))
        >>> z.hexdigest()
        '7162d416d26a68063b66ed1f30e0a866e4abed60'
        """
        return self._hash(hashname).hexdigest()

    def _hash(self, hashname: str) -> Any:
        meta = self._current()
        stored = (coords for coords in self._stored_chunks() if self._is_in_grid(coords))
        return viewing.digest(self._store, self.chunk_store, self._path, meta, stored, hashname)

    # -------------------------------------------------------------- the rest

    @property
    def info(self) -> Any:
        """A report about the array, to be printed."""
        from .info import InfoReporter

        return InfoReporter(self)

    def info_complete(self) -> Any:
        """Return the report with what is stored, which takes a look at all keys of the array."""
        from .info import InfoReporter, array_items

        return InfoReporter(self, lambda: array_items(self, complete=True))

    def info_items(self) -> list[tuple[str, str]]:
        """Return the rows of the report as (label, value)."""
        from .info import array_items

        return array_items(self)

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self._path else ""
        read_only = " read-only" if self._read_only else ""
        kind = f"{type(self).__module__}.{type(self).__name__}"
        return f"<{kind}{name} {self.shape} {self.dtype}{read_only}>"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Array)
            and self._store == other._store
            and self._read_only == other._read_only
            and self._path == other._path
            and self.is_view == other.is_view
        )

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> Any:
        said = {name: value for name, value in self._options().items() if value is not _USUAL[name]}
        if self._config != ArrayConfig.make(None, self._meta):
            said["config"] = vars(self._config)
        return _reopen, (type(self), self._store, self._path, self._meta.zarr_format, said)


def _reopen(cls: type[Array], store: Any, path: str, zarr_format: int, options: dict[str, Any]) -> Array:
    return cls(store, path, zarr_version=zarr_format, **options)


def coords_outside(old: tuple[int, ...], new: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the coordinates of a grid of shape `old` that one of shape `new` does not have.

    Examples
    --------
    >>> list(coords_outside((3, 2), (2, 1)))
    [(2, 0), (2, 1), (0, 1), (1, 1)]
    """
    for axis in range(len(old)):
        if new[axis] < old[axis]:  # outside along this axis, and inside along those before
            inside = map(range, map(min, old[:axis], new[:axis]))
            yield from product(*inside, range(new[axis], old[axis]), *map(range, old[axis + 1 :]))


def as_shape(given: tuple[Any, ...], ndim: int) -> tuple[int, ...]:
    """Return the shape that is given as integers or as one sequence, checked.

    Raises
    ------
    ValueError
        It has another number of axes, or a negative length.
    """
    if len(given) == 1 and not isinstance(given[0], int | np.integer):
        given = tuple(given[0])
    shape = tuple(operator.index(n) for n in given)
    if len(shape) != ndim:
        raise ValueError(f"new shape must have the same number of dimensions: {ndim}, not {len(shape)}")
    if any(n < 0 for n in shape):
        raise ValueError(f"lengths must not be negative: {shape}")
    return shape
