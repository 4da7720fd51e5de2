"""Selections as users write them, and the plans that they mean.

A selection and a grid go in, a plan comes out; stores and dtypes are not known here.
"""

from __future__ import annotations

from typing import Any

from .kernels.projection import Grid, Plan, project_basic


def plan_basic(selection: Any, grid: Grid) -> Plan:
    """Return the plan of integers, slices and an Ellipsis.

    Raises
    ------
    IndexError
        The selection holds anything else, too much, or an integer outside of its axis.
    """
    plan = project_basic(selection, grid)
    if plan is None:
        raise IndexError(
            "unsupported selection item for basic indexing; expected integer, slice or Ellipsis, "
            f"found {offending_item(selection)!r}"
        )
    return plan


def offending_item(selection: Any) -> Any:
    """Return the first item of a selection that is neither integer nor slice nor Ellipsis."""
    for item in selection if isinstance(selection, tuple) else (selection,):
        if project_basic(item, Grid((1,), (1,))) is None if not isinstance(item, int) else isinstance(item, bool):
            return item
    return selection


def basic_ranges(selection: Any, shape: tuple[int, ...]) -> list[int | range]:
    """Return what a basic selection means along each axis: an integer, or a range of elements.

    Examples
    --------
    >>> basic_ranges((3, slice(None, None, -2)), (5, 4, 2))
    [3, range(3, -1, -2), range(0, 2)]
    """
    items = list(selection) if isinstance(selection, tuple) else [selection]
    missing = len(shape) - sum(item is not Ellipsis for item in items)
    place = next((i for i, item in enumerate(items) if item is Ellipsis), len(items))
    items[place : place + 1] = [slice(None)] * missing
    return [
        range(n)[item] if isinstance(item, slice) else range(n)[int(item)]
        for item, n in zip(items, shape, strict=True)
    ]
