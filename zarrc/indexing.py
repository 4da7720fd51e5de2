"""Selections as users write them, and the plans that they mean.

A selection and a grid go in, a plan comes out; stores and dtypes are not known here.

What ``z[...]`` means: integers, slices and an Ellipsis as in NumPy; one index array among them
selects along its own axis (orthogonal, as in zarr-python); everything else that NumPy
accepts, but ``np.newaxis`` and scalar booleans, gives what NumPy gives.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from .errors import BoundsCheckError, VindexInvalidSelectionError
from .kernels.projection import Grid, Plan, project, project_basic

# What a selection means along one axis: an integer, evenly spaced elements, or positions.
Elements = int | range | np.ndarray


# ------------------------------------------------------------------ one item


def is_integer(item: Any) -> bool:
    """Say whether an item is a single integer, and no boolean."""
    if isinstance(item, bool | np.bool_):
        return False
    if isinstance(item, np.ndarray):
        return item.ndim == 0 and item.dtype.kind in "iu"
    return isinstance(item, int | np.integer) or (hasattr(item, "__index__") and not hasattr(item, "__len__"))


def as_item(item: Any) -> Any:
    """Return an item as what it means.

    Returns
    -------
    int, slice, Ellipsis, ndarray or None
        An array is of native integers or booleans, and not 0-d. None: NumPy does not take
        such items either, or it is a newaxis or a scalar boolean.
    """
    if isinstance(item, slice) or item is Ellipsis:
        return item
    if is_integer(item):
        return operator.index(item)
    if isinstance(item, str | bytes) or item is None:
        return None
    array = _as_array(item)
    if array is None or array.ndim == 0 or array.dtype.kind not in "iub":
        return None
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _as_array(item: Any) -> np.ndarray | None:
    if isinstance(item, range):
        return np.arange(item.start, item.stop, item.step)
    try:
        array = np.asarray(item)
    except ValueError:  # a list of lists of several lengths
        return None
    # an empty list is one of integers, but an empty array of floats is not
    return array.astype(np.intp) if array.size == 0 and isinstance(item, list | tuple) else array


def is_index_array(item: Any) -> bool:
    """Say whether what `as_item` returned is an array of integers."""
    return isinstance(item, np.ndarray) and item.dtype.kind != "b"


def is_mask(item: Any) -> bool:
    """Say whether what `as_item` returned is an array of booleans."""
    return isinstance(item, np.ndarray) and item.dtype.kind == "b"


def as_integer(item: Any, axis: int, length: int) -> int:
    """Return an integer item counted from the beginning of its axis.

    Raises
    ------
    BoundsCheckError
        It is outside.
    """
    at = operator.index(item)
    if not -length <= at < length:
        raise BoundsCheckError(f"index {at} is out of bounds for axis {axis} with size {length}")
    return at + length if at < 0 else at


def check_mask(mask: np.ndarray, axis: int, shape: tuple[int, ...]) -> None:
    """Raise an IndexError when a boolean array does not fit the axes from `axis` on."""
    for d, n in enumerate(mask.shape):
        if n != shape[axis + d]:
            raise IndexError(
                f"boolean index did not match indexed array along axis {axis + d}; "
                f"size of axis is {shape[axis + d]} but size of corresponding boolean axis is {n}"
            )


# --------------------------------------------------------------- whole tuples


def as_items(selection: Any, kind: str) -> list[Any]:
    """Return the items of a selection, each as `as_item` does.

    Raises
    ------
    IndexError
        One is not for selections of this kind; the message shows it.
    """
    given = selection if isinstance(selection, tuple) else (selection,)
    items = [as_item(item) for item in given]
    for item, what in zip(items, given, strict=True):
        if item is None:
            raise refuse(what, kind)
    return items


def expand(items: list[Any], ndim: int) -> list[Any]:
    """Put slices in for an Ellipsis and for axes that are left out.

    A boolean array counts for as many axes as it has.

    Raises
    ------
    IndexError
        There are too many items, or more than one Ellipsis.
    """
    places = [i for i, item in enumerate(items) if item is Ellipsis]
    if len(places) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    used = sum(item.ndim if is_mask(item) else 1 for item in items if item is not Ellipsis)
    if used > ndim:
        raise IndexError(f"too many indices for array: array is {ndim}-dimensional, but {used} were indexed")
    place = places[0] if places else len(items)
    return [*items[:place], *[slice(None)] * (ndim - used), *items[place + 1 :]]


EXPECTED = {
    "basic": "integer, slice, Ellipsis, integer array or Boolean array",
    "orthogonal": "integer, slice, Ellipsis, integer array or Boolean array",
    "block": "integer or slice with step=1",
}


def refuse(item: Any, kind: str) -> IndexError:
    """Return the error for an item that a kind of selection does not take."""
    return IndexError(
        f"unsupported selection item for {kind} indexing; expected {EXPECTED[kind]}, got {type(item)}: {item!r}"
    )


def broadcast_arrays(arrays: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    """Return views of index arrays that are broadcast together.

    Raises
    ------
    IndexError
        They cannot be.
    """
    try:
        return np.broadcast_arrays(*arrays)
    except ValueError:
        shapes = " ".join(str(array.shape) for array in arrays)
        raise IndexError(
            f"shape mismatch: indexing arrays could not be broadcast together with shapes {shapes}"
        ) from None


# ----------------------------------------------------------------------- z[...]


def plan_selection(selection: Any, grid: Grid) -> Plan:
    """Return the plan of what ``z[selection]`` means.

    Raises
    ------
    IndexError
        The selection does not fit the array, or holds what NumPy does not take either.
    """
    plan = project_basic(selection, grid)
    if plan is not None:
        return plan
    given = as_items(selection, "basic")
    items = expand(given, grid.ndim)
    arrays = [item for item in items if isinstance(item, np.ndarray)]
    if not arrays:
        return _plan_items(given, grid)
    if len(arrays) == 1 and is_mask(arrays[0]) and arrays[0].ndim == grid.ndim:
        return plan_mask(arrays[0], grid)
    if len(arrays) == 1 and arrays[0].ndim == 1:
        return plan_elements(_orthogonal_elements(items, grid.shape), grid)
    return _plan_as_numpy(items, _are_adjacent(given), grid)


def plan_basic(selection: Any, grid: Grid) -> Plan:
    """Return the plan of integers, slices and an Ellipsis.

    Raises
    ------
    IndexError
        The selection holds anything else, too much, or an integer outside of its axis.
    """
    plan = project_basic(selection, grid)
    if plan is not None:
        return plan
    items = as_items(selection, "basic")
    for item in items:
        if isinstance(item, np.ndarray):
            raise refuse(item, "basic")
    return _plan_items(items, grid)


def _plan_items(items: list[Any], grid: Grid) -> Plan:
    """Return the plan of integers, slices and an Ellipsis, as `as_item` returns them."""
    plan = project_basic(tuple(items), grid)
    assert plan is not None
    return plan


def basic_ranges(selection: Any, shape: tuple[int, ...]) -> list[int | range]:
    """Return what a basic selection means along each axis: an integer, or a range of elements.

    Examples
    --------
    >>> basic_ranges((3, slice(None, None, -2)), (5, 4, 2))
    [3, range(3, -1, -2), range(0, 2)]
    """
    items = expand(as_items(selection, "basic"), len(shape))
    for item in items:
        if isinstance(item, np.ndarray):
            raise refuse(item, "basic")
    return [
        range(n)[item] if isinstance(item, slice) else as_integer(item, axis, n)
        for axis, (item, n) in enumerate(zip(items, shape, strict=True))
    ]


def _plan_as_numpy(items: list[Any], are_adjacent: bool, grid: Grid) -> Plan:
    """Index arrays are broadcast together, integers among them; slices stay.

    The broadcast axes take the place of the first index when all of them stand side by
    side, and come first in the result otherwise.
    """
    indices, ranges, first = _split_axes(items, grid)
    arrays = broadcast_arrays(list(indices.values()))
    shape = arrays[0].shape
    before = sum(1 for axis in ranges if axis < first) if are_adjacent else 0
    out: list[int] = []
    factors: list[Any] = [(tuple(indices), tuple(arrays), before)]
    for n, (axis, elements) in enumerate(ranges.items()):
        factors.append((axis, elements, n if n < before else n + len(shape)))
        out.append(len(elements))
    return project(grid, factors, (*out[:before], *shape, *out[before:]))


def _split_axes(items: list[Any], grid: Grid) -> tuple[dict[int, np.ndarray], dict[int, range], int]:
    """Return per axis the index arrays, per axis the ranges, and the first axis that has no range."""
    indices: dict[int, np.ndarray] = {}
    ranges: dict[int, range] = {}
    first = -1
    axis = 0
    for item in items:
        if isinstance(item, slice):
            ranges[axis] = range(grid.shape[axis])[item]
            axis += 1
            continue
        if first < 0:
            first = axis
        for array in _index_arrays(item, axis, grid.shape):
            indices[axis] = array
            axis += 1
    return indices, ranges, first


def _index_arrays(item: Any, axis: int, shape: tuple[int, ...]) -> Sequence[np.ndarray]:
    if isinstance(item, int):
        return (np.asarray(as_integer(item, axis, shape[axis])),)
    if not is_mask(item):
        return (item,)
    check_mask(item, axis, shape)
    return item.nonzero()


def _are_adjacent(items: list[Any]) -> bool:
    """Say whether all integers and index arrays stand side by side; an Ellipsis parts them, even one of no axes."""
    kinds = "".join("-" if isinstance(item, slice) or item is Ellipsis else "x" for item in items)
    return "-" not in kinds.strip("-")


# -------------------------------------------------------------------- oindex


def orthogonal_elements(selection: Any, shape: tuple[int, ...]) -> list[Elements]:
    """Return what an orthogonal selection means along each axis.

    Raises
    ------
    IndexError
        An item is none of integer, slice, 1-d array of integers or booleans, or does not fit.
    """
    return _orthogonal_elements(expand(as_items(selection, "orthogonal"), len(shape)), shape)


def _orthogonal_elements(items: list[Any], shape: tuple[int, ...]) -> list[Elements]:
    for item in items:
        if isinstance(item, np.ndarray) and item.ndim != 1:
            kind = "Boolean" if is_mask(item) else "integer"
            raise IndexError(f"{kind} arrays in an orthogonal selection must be 1-dimensional only")
    return [_orthogonal_item(item, axis, n) for axis, (item, n) in enumerate(zip(items, shape, strict=True))]


def _orthogonal_item(item: Any, axis: int, length: int) -> Elements:
    if isinstance(item, slice):
        return range(length)[item]
    if isinstance(item, int):
        return as_integer(item, axis, length)
    if not is_mask(item):
        return item
    if len(item) != length:
        raise IndexError(
            f"Boolean array has the wrong length for dimension; expected {length}, got {len(item)} for axis {axis}"
        )
    return item.nonzero()[0]


def plan_orthogonal(selection: Any, grid: Grid) -> Plan:
    """Return the plan of selections that are made along each axis independently.

    Raises
    ------
    IndexError
        An item is none of integer, slice, 1-d array of integers or booleans, or does not fit.
    """
    return plan_elements(orthogonal_elements(selection, grid.shape), grid)


def plan_elements(elements: list[Elements], grid: Grid) -> Plan:
    """Return the plan of elements along each axis; integers take their axes away."""
    factors: list[Any] = []
    shape: list[int] = []
    for axis, what in enumerate(elements):
        if isinstance(what, int):
            factors.append((axis, what, -1))
            continue
        factors.append(
            (axis, what, len(shape)) if isinstance(what, range) else ((axis,), (what,), len(shape))
        )
        shape.append(len(what))
    return project(grid, factors, tuple(shape), is_scalar=not shape)


# -------------------------------------------------------------------- vindex


def plan_points(selection: Any, grid: Grid) -> Plan:
    """Return the plan of what ``z.vindex[selection]`` means: one index array per axis, or a mask.

    Raises
    ------
    VindexInvalidSelectionError
        It is neither.
    IndexError
        A position is outside of its axis, or the arrays cannot be broadcast together.
    """
    items = [as_item(item) for item in (selection if isinstance(selection, tuple) else (selection,))]
    if len(items) == 1 and is_mask(items[0]) and items[0].shape == grid.shape:
        return plan_mask(items[0], grid)
    if not _are_coordinates(items, grid):
        raise VindexInvalidSelectionError(
            "unsupported selection type for vectorized indexing; only coordinate selection (tuple of integer "
            f"arrays, one for each of {grid.ndim} axes) and mask selection (single Boolean array of shape "
            f"{grid.shape}) are supported; got {selection!r}"
        )
    return _plan_coordinates(items, grid)


def plan_coordinates(selection: Any, grid: Grid) -> Plan:
    """Return the plan of points, given by one integer array per axis.

    Raises
    ------
    IndexError
        There is not one array per axis, a position is outside, or they cannot be broadcast together.
    """
    items = [as_item(item) for item in (selection if isinstance(selection, tuple) else (selection,))]
    if not _are_coordinates(items, grid):
        raise IndexError(
            "invalid coordinate selection; expected one integer (coordinate) array per dimension of the "
            f"target array, which has {grid.ndim}, got {selection!r}"
        )
    return _plan_coordinates(items, grid)


def _are_coordinates(items: list[Any], grid: Grid) -> bool:
    return len(items) == grid.ndim and all(isinstance(item, int) or is_index_array(item) for item in items)


def _plan_coordinates(items: list[Any], grid: Grid) -> Plan:
    if not items:
        return _plan_items([], grid)
    arrays = broadcast_arrays([np.atleast_1d(item) for item in items])
    return project(grid, [(tuple(range(grid.ndim)), tuple(arrays), 0)], arrays[0].shape)


def plan_mask(selection: Any, grid: Grid) -> Plan:
    """Return the plan of the true elements of a boolean array of the array's shape.

    Raises
    ------
    IndexError
        It is no such array.
    """
    mask = as_item(selection[0] if isinstance(selection, tuple) and len(selection) == 1 else selection)
    if not is_mask(mask) or mask.ndim != grid.ndim:
        raise IndexError(
            "invalid mask selection; expected one Boolean (mask) array with the same shape as the target array, "
            f"{grid.shape}, got {selection!r}"
        )
    check_mask(mask, 0, grid.shape)
    return project(grid, [(tuple(range(grid.ndim)), np.ascontiguousarray(mask), 0)], (0,))


# -------------------------------------------------------------------- blocks


def block_slices(selection: Any, grid: Grid) -> tuple[slice, ...]:
    """Return the elements of chunks that are selected by their coordinates.

    Parameters
    ----------
    selection : int, slice with step 1, Ellipsis or tuple of these
        Of chunk coordinates; negative ones count from the end.

    Raises
    ------
    IndexError
        An item is something else, or outside of the grid.
    """
    items = expand(as_items(selection, "block"), grid.ndim)
    return tuple(_block_slice(item, axis, grid) for axis, item in enumerate(items))


def _block_slice(item: Any, axis: int, grid: Grid) -> slice:
    length, n = grid.chunk_shape[axis], grid.chunks_per_axis[axis]
    if isinstance(item, int):
        if not -n <= item < n:
            raise BoundsCheckError(f"block {item} is out of bounds for axis {axis} with {n} blocks")
        first = item + n if item < 0 else item
        return slice(first * length, (first + 1) * length)
    if not isinstance(item, slice) or item.step not in (None, 1):
        raise refuse(item, "block")
    first, stop, _ = item.indices(n)
    if item.start is not None and first >= n > 0:
        raise BoundsCheckError(f"block {item.start} is out of bounds for axis {axis} with {n} blocks")
    return slice(first * length, max(first, stop) * length)


def chunk_selections(region: Any, grid: Grid) -> Iterator[tuple[slice, ...]]:
    """Yield the elements of each chunk in a region, the last axis fastest.

    Parameters
    ----------
    region : int, slice with step 1, Ellipsis or tuple of these
        Of elements.

    Raises
    ------
    IndexError
        The region does not fit, or has other steps.
    """
    per_axis = []
    for axis, elements in enumerate(basic_ranges(region, grid.shape)):
        if isinstance(elements, int):
            elements = range(elements, elements + 1)
        if elements.step != 1:
            raise IndexError(f"a region of chunks has steps of 1, not {elements.step} along axis {axis}")
        per_axis.append(list(_chunk_slices(elements, grid.chunk_shape[axis])))
    return product(*per_axis)


def _chunk_slices(elements: range, length: int) -> Iterator[slice]:
    start = elements.start
    while start < elements.stop:
        stop = min((start // length + 1) * length, elements.stop)
        yield slice(start, stop)
        start = stop


# -------------------------------------------------------------------- fields


def split_fields(selection: Any, names: tuple[str, ...] | None) -> tuple[Any, str | list[str] | None]:
    """Take the names of fields out of a selection.

    Parameters
    ----------
    selection : any
        As users write it; names stand among its items, or as a list.
    names : tuple of str or None
        The fields that the dtype has.

    Returns
    -------
    selection
        What is left: all, when there were names only.
    fields : str, list of str or None
        One name, several, or None where there are none.

    Raises
    ------
    IndexError
        The array has no such fields.
    """
    items = selection if isinstance(selection, tuple) else (selection,)
    if not any(isinstance(item, str | list) for item in items):
        return selection, None
    found: list[str] = []
    rest = []
    as_list = False
    for item in items:
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, list) and item and all(isinstance(name, str) for name in item):
            found += item
            as_list = True
        else:
            rest.append(item)
    if not found:
        return selection, None
    fields: str | list[str] = found if as_list or len(found) > 1 else found[0]
    check_fields(fields, names)
    if not rest:
        return Ellipsis, fields
    return tuple(rest), fields


def check_fields(fields: Any, names: tuple[str, ...] | None) -> None:
    """Raise an IndexError when fields are asked for that a dtype does not have."""
    if names is None:
        raise IndexError("invalid 'fields' argument, array does not have any fields")
    if not isinstance(fields, str | list | tuple):
        raise IndexError(f"invalid 'fields' argument; expected str or list of str, got {fields!r}")
    for name in [fields] if isinstance(fields, str) else fields:
        if not isinstance(name, str):
            raise IndexError(f"invalid 'fields' argument; expected str or list of str, got {fields!r}")
        if name not in names:
            raise IndexError(f"there is no field {name!r}; fields are {', '.join(names)}")
