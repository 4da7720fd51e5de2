"""What stands beside an array: its other square brackets, and selections that are read later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import BoundsCheckError
from .indexing import Elements, orthogonal_elements, plan_elements, plan_points, split_fields

if TYPE_CHECKING:
    from .core import Array


class OIndex:
    """Square brackets for orthogonal selections of an array."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def __getitem__(self, selection: Any) -> Any:
        selection, fields = split_fields(selection, self.array.dtype.names)
        return self.array.get_orthogonal_selection(selection, fields=fields)

    def __setitem__(self, selection: Any, value: Any) -> None:
        selection, fields = split_fields(selection, self.array.dtype.names)
        self.array.set_orthogonal_selection(selection, value, fields=fields)


class VIndex:
    """Square brackets for points, one index array for each axis, and for masks."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def __getitem__(self, selection: Any) -> Any:
        selection, fields = split_fields(selection, self.array.dtype.names)
        return self.array._get(plan_points, selection, None, fields)

    def __setitem__(self, selection: Any, value: Any) -> None:
        selection, fields = split_fields(selection, self.array.dtype.names)
        self.array._set(plan_points, selection, value, fields)


class BlockIndex:
    """Square brackets for whole chunks, by their coordinates."""

    def __init__(self, array: Array) -> None:
        self.array = array

    def __getitem__(self, selection: Any) -> Any:
        selection, fields = split_fields(selection, self.array.dtype.names)
        return self.array.get_block_selection(selection, fields=fields)

    def __setitem__(self, selection: Any, value: Any) -> None:
        selection, fields = split_fields(selection, self.array.dtype.names)
        self.array.set_block_selection(selection, value, fields=fields)


class LazyView:
    """A selection of an array that is read when it is used.

    ``view[...]`` and ``np.asarray(view)`` read, ``view[...] = value`` writes, and ``view.lazy[...]``
    selects further. However often that is done, reading or writing is one plan.

    Attributes
    ----------
    array : Array
        What is selected from.
    shape : tuple of int
    dtype : numpy.dtype
    """

    def __init__(self, array: Array, elements: list[Elements]) -> None:
        self.array = array
        self._elements = elements

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return tuple(len(what) for what in self._elements if not isinstance(what, int))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def dtype(self) -> np.dtype:
        """NumPy data type of the elements."""
        return self.array.dtype

    @property
    def lazy(self) -> LazyIndex:
        """Selections of this view that are read later."""
        return LazyIndex(self)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __getitem__(self, selection: Any) -> Any:
        return self.array._get(plan_elements, self._select(selection), None, None)

    def __setitem__(self, selection: Any, value: Any) -> None:
        self.array._set(plan_elements, self._select(selection), value, None)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("a selection of an array in a store cannot become an ndarray without a copy")
        found = np.asarray(self[...])
        return found if dtype is None else found.astype(dtype, copy=False)

    def _select(self, selection: Any) -> list[Elements]:
        """Return the elements of the array that a selection of the view means."""
        chosen = orthogonal_elements(selection, self.shape)
        found = list(self._elements)
        mine = [axis for axis, what in enumerate(found) if not isinstance(what, int)]
        for n, (axis, inner) in enumerate(zip(mine, chosen, strict=True)):
            found[axis] = compose(found[axis], inner, n)
        return found

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__name__} {self.shape} {self.dtype} of {self.array!r}>"


class LazyIndex:
    """Square brackets that make a `LazyView`."""

    def __init__(self, view: LazyView) -> None:
        self.view = view

    def __getitem__(self, selection: Any) -> LazyView:
        return LazyView(self.view.array, self.view._select(selection))

    @property
    def oindex(self) -> LazyIndex:
        """The same: lazy selections are made along each axis independently."""
        return self


def whole_view(array: Array) -> LazyView:
    """Return the view of all of an array."""
    return LazyView(array, [range(n) for n in array.shape])


def compose(outer: Any, inner: Elements, axis: int) -> Elements:
    """Return the elements that `inner` selects of `outer`.

    Raises
    ------
    BoundsCheckError
        A position is outside; `axis` is what the message calls it.

    Examples
    --------
    >>> compose(range(10, 20, 2), range(1, 3), 0)
    range(12, 16, 2)
    """
    if isinstance(inner, int):
        return int(outer[inner])
    if isinstance(outer, range):
        outer = _with_short_step(outer)
    if isinstance(inner, range):
        if not inner:
            return range(0)
        found = outer[slice(inner.start, inner.stop if inner.stop >= 0 else None, inner.step)]
        return _with_short_step(found) if isinstance(found, range) else found
    positions = as_positions(inner, len(outer), axis)
    return outer.start + positions * outer.step if isinstance(outer, range) else outer[positions]


def _with_short_step(elements: range) -> range:
    """Return the same elements; the step of one element alone may be too large for 64 bits."""
    return elements if len(elements) > 1 else range(elements.start, elements.start + len(elements))


def as_positions(array: np.ndarray, length: int, axis: int) -> np.ndarray:
    """Return an index array as positions counted from the beginning, as an int64 array of their own.

    Raises
    ------
    BoundsCheckError
        One is outside of an axis of that length.
    """
    if array.size and not (-length <= int(array.min()) and int(array.max()) < length):
        bad = next(at for at in array.flat if not -length <= at < length)
        raise BoundsCheckError(f"index {bad} is out of bounds for axis {axis} with size {length}")
    positions = array.astype(np.int64)
    positions[positions < 0] += length
    return positions
