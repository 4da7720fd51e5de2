"""Arrays: what they are, and reading and writing selections of them."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, MutableMapping
from dataclasses import replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from . import nodes, transfer
from .array_config import ArrayConfig, as_chunk_cache
from .attrs import Attributes
from .errors import ReadOnlyError
from .indexing import (
    block_slices,
    check_fields,
    chunk_selections,
    plan_basic,
    plan_coordinates,
    plan_mask,
    plan_orthogonal,
    plan_selection,
    split_fields,
)
from .kernels.projection import project_basic
from .metadata import v2
from .metadata.chunk_keys import chunk_key, parse_chunk_key
from .metadata.model import SHARDING, ArrayMetadata
from .objects import as_array
from .storage import base
from .views import BlockIndex, LazyIndex, OIndex, VIndex, whole_view

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
}

MOST_NAMED = 10_000  # resize deletes so many chunks by name before it looks which there are


class Array:
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
    ) -> None:
        self._store = base.normalize_store(store)
        self._chunk_store = None if chunk_store is None else base.normalize_store(chunk_store)
        self._path = nodes.normalize_path(path)
        self._read_only = bool(read_only)
        self._synchronizer = synchronizer
        self._cache_metadata = cache_metadata
        self._cache_attrs = cache_attrs
        self._partial_decompress = partial_decompress
        self._meta_array = meta_array
        self._allow_pickle = allow_pickle
        if metadata is None:
            metadata = nodes.read_array(self._store, self._path, zarr_version)
        self._config = ArrayConfig.make(config, metadata)
        if write_empty_chunks is not None:
            self._config = replace(self._config, write_empty_chunks=bool(write_empty_chunks))
        if chunk_cache is not None:
            self._config = replace(self._config, chunk_cache=as_chunk_cache(chunk_cache))
        self._attrs: Any = None
        self._document: tuple[bytes, ArrayMetadata] | None = None
        self._use(metadata)
        self._pipeline  # noqa: B018  codecs that cannot work are found now

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
            "_attrs": None,
            "_document": None,
        }

    _attributes_read: dict[str, Any] | None = None  # those that were just read, until attrs is first used

    def _use(self, metadata: ArrayMetadata) -> None:
        """Take metadata as the array's own."""
        known = getattr(self, "_meta", None)
        self._meta = metadata
        vars(self).pop("_grid", None)
        if known is None or replace(known, shape=metadata.shape, attributes=metadata.attributes) != metadata:
            vars(self).pop("_pipeline", None)

    @cached_property
    def _grid(self) -> Any:
        return transfer.make_grid(self._meta)

    @property
    def _chunk_grid(self) -> Any:
        """The grid of chunks: that of keys, or of inner chunks where the array is sharded."""
        return self._grid if self._meta.sharding is None else transfer.make_chunk_grid(self._meta)

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

    def refresh(self) -> None:
        """Read the metadata and the attributes again."""
        self._use(nodes.read_array(self._store, self._path, self._meta.zarr_format))
        self._attrs = self._attributes_read = None

    def _current(self) -> ArrayMetadata:
        if not self._cache_metadata:
            self._use(nodes.read_array(self._store, self._path, self._meta.zarr_format))
        return self._meta

    # ------------------------------------------------------- where it lives

    @property
    def store(self) -> Any:
        """The store of the metadata."""
        return self._store

    @property
    def chunk_store(self) -> Any:
        """The store of the chunks."""
        return self._store if self._chunk_store is None else self._chunk_store

    @property
    def path(self) -> str:
        """Path in the store, without slashes at its ends."""
        return self._path

    @property
    def name(self) -> str | None:
        """Path with a slash at its beginning; None at the root."""
        return f"/{self._path}" if self._path else None

    @property
    def basename(self) -> str | None:
        """Last part of the name."""
        return self._path.rpartition("/")[2] if self._path else None

    @property
    def read_only(self) -> bool:
        """Whether changes are refused."""
        return self._read_only

    @read_only.setter
    def read_only(self, value: bool) -> None:
        self._read_only = bool(value)

    @property
    def synchronizer(self) -> Any:
        """The locks that writers take, or None."""
        return self._synchronizer

    @property
    def zarr_format(self) -> int:
        """2 or 3."""
        return self._meta.zarr_format

    @property
    def attrs(self) -> Any:
        """The attributes, a mapping of names to JSON values."""
        if self._attrs is None:
            key = nodes.attributes_key(self._path, self._meta.zarr_format)
            self._attrs = Attributes(self._store, key, self._read_only, self._cache_attrs, self._synchronizer)
            self._attrs._cached_asdict, self._attributes_read = self._attributes_read, None
        return self._attrs

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
        return self._meta.fill_value

    @property
    def dimension_names(self) -> tuple[str | None, ...] | None:
        """Names of the axes, if there are any."""
        return self._meta.dimension_names

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
        """Number of chunks along each axis."""
        return self._current().inner_grid_shape

    @property
    def nchunks(self) -> int:
        """Number of chunks, stored or not."""
        return math.prod(self.cdata_shape)

    @property
    def nchunks_initialized(self) -> int:
        """Number of chunks that are stored; of a shard that is stored, all count."""
        stored = (coords for coords in self._stored_chunks() if self._is_in_grid(coords))
        if self._meta.sharding is None:
            return sum(1 for _ in stored)
        return sum(map(self._chunks_under_key, stored))

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
        """Whether the array shows another one's chunks in a different way."""
        return False

    @property
    def meta_array(self) -> Any:
        """An array of the type that reading gives."""
        return np.empty(()) if self._meta_array is None else self._meta_array

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

    # --------------------------------------------------------------- reading

    def __getitem__(self, selection: Any) -> Any:
        if not self._cache_metadata:
            self._current()
        plan = project_basic(selection, self._grid)
        if plan is not None:
            return self._read(plan)
        selection, fields = split_fields(selection, self.dtype.names)
        return self._get(plan_selection, selection, None, fields)

    def _read(self, plan: Any, out: Any = None) -> Any:
        return transfer.read(self._pipeline, plan, out, self._config.order == "F")

    def _get(self, plan_of: Any, selection: Any, out: Any, fields: Any) -> Any:
        """Read what a selection means by one of the plan functions."""
        self._current()
        plan = plan_of(selection, self._grid)
        if fields is None:
            return self._read(plan, out)
        check_fields(fields, self.dtype.names)
        return transfer.read_fields(self._pipeline, plan, fields, out, self._config.order == "F")

    def get_basic_selection(self, selection: Any = Ellipsis, out: Any = None, fields: Any = None) -> Any:
        """Return the elements that integers, slices and an Ellipsis select.

        Parameters
        ----------
        selection : int, slice, Ellipsis or tuple of these
            As NumPy takes it, negative indices and steps included.
        out : ndarray of the selection's shape, optional
            Filled and returned.
        fields : str or sequence of str, optional
            Of a structured dtype: one field, or several, packed.

        Returns
        -------
        ndarray or scalar
            A scalar where NumPy would give one.

        Raises
        ------
        IndexError
            The selection does not fit the array, or there is no such field.
        ValueError
            `out` has another shape.
        CodecError, ChecksumError, OSError, ChunkNotFoundError
            A chunk cannot be read; the message names its key.

        Examples
        --------
        >>> import zarrc
        >>> z = zarrc.array([[1, 2, 3], [4, 5, 6]])
        >>> z.get_basic_selection((slice(None), -1))
        array([3, 6])
        """
        return self._get(plan_basic, selection, out, fields)

    def get_orthogonal_selection(self, selection: Any, out: Any = None, fields: Any = None) -> Any:
        """Return the elements that are selected along each axis independently.

        Parameters
        ----------
        selection : int, slice, 1-d array of integers or booleans, or tuple of these
            One for each axis, in any mixture.
        out, fields
            As for `get_basic_selection`; so are the errors.

        Examples
        --------
        >>> import zarrc
        >>> z = zarrc.array([[1, 2, 3], [4, 5, 6]])
        >>> z.get_orthogonal_selection(([1, 0], [0, 2]))
        array([[4, 6],
               [1, 3]])
        """
        return self._get(plan_orthogonal, selection, out, fields)

    def get_coordinate_selection(self, selection: Any, out: Any = None, fields: Any = None) -> Any:
        """Return the elements at points.

        Parameters
        ----------
        selection : array of integers, or tuple of one for each axis
            Broadcast together; the result has their shape.
        out, fields
            As for `get_basic_selection`; so are the errors.

        Examples
        --------
        >>> import zarrc
        >>> z = zarrc.array([[1, 2, 3], [4, 5, 6]])
        >>> z.get_coordinate_selection(([1, 0], [0, 2]))
        array([4, 3])
        """
        return self._get(plan_coordinates, selection, out, fields)

    def get_mask_selection(self, selection: Any, out: Any = None, fields: Any = None) -> Any:
        """Return the elements where a boolean array of the array's shape is true, in C order.

        Parameters
        ----------
        selection : array of bool
        out, fields
            As for `get_basic_selection`; so are the errors.

        Examples
        --------
        >>> import zarrc
        >>> z = zarrc.array([1, 2, 3, 4])
        >>> z.get_mask_selection([True, False, False, True])
        array([1, 4])
        """
        return self._get(plan_mask, selection, out, fields)

    def get_block_selection(self, selection: Any, out: Any = None, fields: Any = None) -> Any:
        """Return the elements of whole chunks.

        Parameters
        ----------
        selection : int, slice with step 1, Ellipsis or tuple of these
            Of chunk coordinates.
        out, fields
            As for `get_basic_selection`; so are the errors.

        Examples
        --------
        >>> import zarrc
        >>> z = zarrc.array([1, 2, 3, 4, 5], chunks=2)
        >>> z.get_block_selection(1)
        array([3, 4])
        """
        return self._get(self._plan_blocks, selection, out, fields)

    def _plan_blocks(self, selection: Any, grid: Any) -> Any:
        return plan_basic(block_slices(selection, self._chunk_grid), grid)

    @property
    def oindex(self) -> OIndex:
        """Orthogonal selections in square brackets: see `get_orthogonal_selection`."""
        return OIndex(self)

    @property
    def vindex(self) -> VIndex:
        """Points and masks in square brackets: see `get_coordinate_selection` and `get_mask_selection`."""
        return VIndex(self)

    @property
    def blocks(self) -> BlockIndex:
        """Whole chunks in square brackets: see `get_block_selection`."""
        return BlockIndex(self)

    @property
    def lazy(self) -> LazyIndex:
        """Selections in square brackets that are read later: see `views.LazyView`."""
        return LazyIndex(whole_view(self))

    def iter_chunks(self, region: Any = Ellipsis) -> Iterator[tuple[slice, ...]]:
        """Yield the selection of each chunk, the last axis fastest.

        Parameters
        ----------
        region : int, slice with step 1, Ellipsis or tuple of these
            Of elements: only chunks that lie in it, cut off at its edges.

        Raises
        ------
        IndexError
            The region does not fit the array, or has other steps.
        """
        return chunk_selections(region, self._chunk_grid)

    def iter_shards(self, region: Any = Ellipsis) -> Iterator[tuple[slice, ...]]:
        """Yield the selection of what each key holds: shards, or chunks where nothing is sharded.

        Parameters and errors are those of `iter_chunks`.
        """
        return chunk_selections(region, transfer.make_key_grid(self._meta))

    def read_chunk(self, coords: Any) -> np.ndarray:
        """Return the elements of one chunk; at the edge of the array, those inside.

        Parameters
        ----------
        coords : sequence of int
            Place of the chunk in the grid.

        Raises
        ------
        IndexError
            There is no such chunk.
        """
        return self.get_block_selection(self._chunk_at(coords))

    def write_chunk(self, coords: Any, value: Any) -> None:
        """Store the elements of one chunk; at the edge of the array, those inside.

        Parameters
        ----------
        coords : sequence of int
            Place of the chunk in the grid.
        value : array-like
            Broadcast to the chunk's shape.

        Raises
        ------
        IndexError
            There is no such chunk.
        """
        self.set_block_selection(self._chunk_at(coords), value)

    def _chunk_at(self, coords: Any) -> tuple[int, ...]:
        at = tuple(operator.index(n) for n in coords)
        grid = self.cdata_shape
        if len(at) != len(grid) or not all(0 <= n < most for n, most in zip(at, grid, strict=True)):
            raise IndexError(f"there is no chunk {at} in a grid of {grid}")
        return at

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("an array in a store cannot become an ndarray without a copy")
        found = np.asarray(self[...])
        return found if dtype is None else found.astype(dtype, copy=False)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return self.islice()

    def islice(self, start: int | None = None, end: int | None = None) -> Iterator[Any]:
        """Yield ``z[start], z[start + 1], …`` up to `end`; each chunk is decoded once.

        Raises
        ------
        TypeError
            The array has no axes.
        ValueError
            `start` or `end` is negative.
        """
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        if (start or 0) < 0 or (end or 0) < 0:
            raise ValueError("islice takes no negative positions")
        return self._rows(start or 0, self.shape[0] if end is None else min(end, self.shape[0]))

    def _rows(self, start: int, end: int) -> Iterator[Any]:
        length = self.chunks[0]
        while start < end:
            stop = min(end, (start // length + 1) * length)
            yield from self[start:stop]
            start = stop

    # --------------------------------------------------------------- writing

    def __setitem__(self, selection: Any, value: Any) -> None:
        selection, fields = split_fields(selection, self.dtype.names)
        self._set(plan_selection, selection, value, fields)

    def _set(self, plan_of: Any, selection: Any, value: Any, fields: Any) -> None:
        """Write where a selection points by one of the plan functions."""
        self._check_writeable()
        self._current()
        plan = plan_of(selection, self._grid)
        if fields is not None:
            check_fields(fields, self.dtype.names)
            transfer.write_fields(self._pipeline, plan, fields, value)
        else:
            self._write(plan, value)

    def _write(self, plan: Any, value: Any) -> None:
        if self._holds(value):  # all is read before any is written
            transfer.write(self._pipeline, plan, value[...])
        elif plan.is_even and transfer.is_copied_in_blocks(value, self.dtype, plan.shape):
            transfer.write_blocks(self._pipeline, plan, value)
        else:
            transfer.write(self._pipeline, plan, value)

    def _holds(self, value: Any) -> bool:
        """Say whether a value is this array itself, though it may be another object."""
        return (
            isinstance(value, Array) and self._path == value._path and self.chunk_store == value.chunk_store
        )

    def set_basic_selection(self, selection: Any, value: Any, fields: Any = None) -> None:
        """Store a value where integers, slices and an Ellipsis select.

        Parameters
        ----------
        selection : int, slice, Ellipsis or tuple of these
            As NumPy takes it.
        value : array-like
            Broadcast to the selection's shape and cast to the array's dtype. Another chunked
            array (one with ``chunks``) of just that shape is copied block by block.
        fields : str or sequence of str, optional
            Of a structured dtype: only these change.

        Raises
        ------
        ReadOnlyError
            The array is read-only.
        IndexError
            The selection does not fit the array, or there is no such field.
        ValueError
            The value does not fit the selection.
        CodecError, ChecksumError, OSError
            A chunk cannot be read or written; the message names its key.

        Examples
        --------
        >>> import zarrc
        >>> z = zarrc.zeros((2, 3), dtype="i4")
        >>> z.set_basic_selection((slice(None), 0), [1, 2])
        >>> z[:]
        array([[1, 0, 0],
               [2, 0, 0]], dtype=int32)
        """
        self._set(plan_basic, selection, value, fields)

    def set_orthogonal_selection(self, selection: Any, value: Any, fields: Any = None) -> None:
        """Store a value where `get_orthogonal_selection` reads; of repeated positions the last counts.

        Parameters and errors are those of `set_basic_selection`.
        """
        self._set(plan_orthogonal, selection, value, fields)

    def set_coordinate_selection(self, selection: Any, value: Any, fields: Any = None) -> None:
        """Store a value where `get_coordinate_selection` reads; of repeated points the last counts.

        Parameters and errors are those of `set_basic_selection`.
        """
        self._set(plan_coordinates, selection, value, fields)

    def set_mask_selection(self, selection: Any, value: Any, fields: Any = None) -> None:
        """Store a value where `get_mask_selection` reads.

        Parameters and errors are those of `set_basic_selection`.
        """
        self._set(plan_mask, selection, value, fields)

    def set_block_selection(self, selection: Any, value: Any, fields: Any = None) -> None:
        """Store a value where `get_block_selection` reads.

        Parameters and errors are those of `set_basic_selection`.
        """
        self._set(self._plan_blocks, selection, value, fields)

    def _check_writeable(self) -> None:
        if self._read_only or not base.is_writeable(self.chunk_store):
            raise ReadOnlyError

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
        before = self._change_shape(lambda _: wanted)
        self._delete_outside(before)

    def _change_shape(self, change: Any) -> tuple[int, ...]:
        """Write the shape that `change` makes of the one that is stored; return the latter."""
        before: list[tuple[int, ...]] = []

        def changed(meta: ArrayMetadata) -> ArrayMetadata:
            before.append(meta.shape)
            return replace(meta, shape=change(meta.shape))

        def keep(document: bytes, meta: ArrayMetadata) -> None:
            self._document = document, meta
            self._use(meta)

        nodes.update_array(
            self._store, self._path, self._meta.zarr_format, changed, self._synchronizer, self._document, keep
        )
        return before[-1]

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

        start = self._change_shape(longer)[axis]
        end = start + added[axis]
        # others may append under the last key meanwhile: only a complete one may be written as a whole
        per_key = self._meta.chunk_shape[axis]
        length = -(-end // per_key) * per_key
        grid = transfer.make_grid(replace(self._meta, shape=(*added[:axis], length, *added[axis + 1 :])))
        self._write(plan_basic((*[slice(None)] * axis, slice(start, end)), grid), data)
        return self.shape

    # -------------------------------------------------------------- the rest

    @property
    def info(self) -> Any:
        """A report about the array, to be printed."""
        from .info import InfoReporter

        return InfoReporter(self)

    def info_items(self) -> list[tuple[str, str]]:
        """Return the rows of the report as (label, value)."""
        from .info import array_items

        return array_items(self)

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
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
