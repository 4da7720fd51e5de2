"""Reading and writing selections of arrays: a plan, then a transfer."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from . import transfer
from .edges import Turn
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
from .located import Located
from .storage import base
from .views import BlockIndex, LazyIndex, OIndex, VIndex, whole_view

if TYPE_CHECKING:
    from .array_config import ArrayConfig
    from .edges import Edges
    from .metadata.model import ArrayMetadata


class Selecting(Located):
    """The part of `Array` that reads and writes selections."""

    _cache_metadata: bool
    _config: ArrayConfig
    _meta: ArrayMetadata

    if TYPE_CHECKING:  # the rest of `Array` that is used here

        def _current(self) -> ArrayMetadata: ...

        @property
        def _grid(self) -> Any: ...

        @property
        def _chunk_grid(self) -> Any: ...

        @property
        def _pipeline(self) -> Any: ...

        @property
        def is_view(self) -> bool: ...

        @property
        def _edges(self) -> Edges: ...

        @property
        def dtype(self) -> np.dtype: ...

        @property
        def shape(self) -> tuple[int, ...]: ...

        @property
        def chunks(self) -> tuple[int, ...]: ...

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
        if fields is None or fields == []:
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
            Of a structured dtype: one field, or several, packed; none are all.

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
        return OIndex(self)  # type: ignore[arg-type]

    @property
    def vindex(self) -> VIndex:
        """Points and masks in square brackets: see `get_coordinate_selection` and `get_mask_selection`."""
        return VIndex(self)  # type: ignore[arg-type]

    @property
    def blocks(self) -> BlockIndex:
        """Whole chunks in square brackets: see `get_block_selection`."""
        return BlockIndex(self)  # type: ignore[arg-type]

    @property
    def lazy(self) -> LazyIndex:
        """Selections in square brackets that are read later: see `views.LazyView`."""
        return LazyIndex(whole_view(self))  # type: ignore[arg-type]

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
        grid = self._chunk_grid.chunks_per_axis
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
        if any(n is not None and n != int(n) for n in (start, end)):
            raise ValueError(f"islice takes whole numbers, not {start} and {end}")
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
        if fields is None or fields == []:
            self._write(plan, value, plan.grid.shape)
            return
        check_fields(fields, self.dtype.names)
        with transfer.hold(self._locks, self._pipeline, plan), self._settled(plan.grid.shape, plan):
            transfer.write_fields(self._pipeline, plan, fields, value)

    def _fill(self, value: Any) -> None:
        """Store the values of an array that was just made."""
        self._write(plan_selection((), self._grid), value, None)

    def _write(self, plan: Any, value: Any, shape: tuple[int, ...] | None) -> None:
        """Store a value where a plan says; the array had a shape then, or (None) nobody else knows of it."""
        pipeline, locks = self._pipeline, self._locks
        if self._holds(value):  # all is read before any is written
            value = value[...]
        if plan.is_even and transfer.is_copied_in_blocks(value, self.dtype, plan.shape):
            transfer.write_blocks(pipeline, plan, value, partial(self._settled, shape), locks)
        elif locks is not None:
            transfer.write_locked(pipeline, plan, value, partial(self._settled, shape), locks)
        elif shape is None or not plan.covers_edge(
            pipeline.chunks_per_key
        ):  # a context takes time in small writes
            transfer.write(pipeline, plan, value)
        else:
            with self._settled(shape, plan):
                transfer.write(pipeline, plan, value)

    def _settled(self, shape: tuple[int, ...] | None, plan: Any) -> AbstractContextManager[None]:
        """Return the context in which a plan is written that was made when the array had a shape: see `edges`."""
        per_key = self._pipeline.chunks_per_key
        if shape is None or not plan.covers_edge(per_key):
            return nullcontext()
        return Turn(self._edges, plan, per_key, None if self.is_view else shape)

    def _holds(self, value: Any) -> bool:
        """Say whether a value is this array itself, though it may be another object."""
        return (
            isinstance(value, Selecting)
            and self._path == value._path
            and base.identity(self.chunk_store) == base.identity(value.chunk_store)
        )

    @property
    def _locks(self) -> transfer.Locks | None:
        """The synchronizer's locks of keys; None where there is no synchronizer."""
        if self._synchronizer is None:
            return None
        return transfer.Locks(self._synchronizer, self._path, self._meta)

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
