"""Basic selections as plans: each element wanted is named once, in its chunk and in its place."""

import numpy as np
import pytest
from array_strategies import basic_selections, chunk_regions, shapes_and_chunks
from hypothesis import given
from hypothesis import strategies as st

from zarrc.errors import BoundsCheckError
from zarrc.kernels.projection import Grid, project_basic


def fill_by_plan(plan, a, chunks):
    """Carry out a plan in Python; returns the result and how often each place was written."""
    out = np.zeros(plan.shape, a.dtype)
    times = np.zeros(plan.shape, int)
    rows = [plan.rows(axis) for axis in range(a.ndim)]
    for index in np.ndindex(*map(len, rows)):
        picked = [rows[axis][r] for axis, r in enumerate(index)]
        elements = [
            np.array(inside, dtype=int) + chunk * c
            for (chunk, inside, _, _), c in zip(picked, chunks, strict=True)
        ]
        for (_, inside, _, _), c in zip(picked, chunks, strict=True):
            assert all(0 <= k < c for k in inside)
        places = tuple(
            np.array(place, dtype=int)
            for (_, _, place, _), out_axis in zip(picked, plan.out_axes, strict=True)
            if out_axis is not None
        )
        where = np.ix_(*places) if places else ()
        block = a[np.ix_(*elements)] if elements else a
        out[where] = block.reshape(np.shape(out[where]))
        times[where] += 1
    return out, times


@given(shapes_and_chunks(), st.data())
def test_plan_is_what_numpy_selects(shape_and_chunks, data):
    shape, chunks = shape_and_chunks
    a = np.arange(1, np.prod(shape, dtype=int) + 1).reshape(shape)
    selection = data.draw(basic_selections(shape))
    expected = a[selection]
    plan = project_basic(selection, Grid(shape, chunks))
    assert plan.shape == np.shape(expected)
    assert plan.is_scalar == isinstance(expected, np.generic)
    assert plan.n_chunks == np.prod(plan.n_rows, dtype=int)
    out, times = fill_by_plan(plan, a, chunks)
    assert (out == expected).all()
    assert (times == 1).all()


@given(shapes_and_chunks(3), st.data())
def test_whole_means_all_of_the_chunk_inside_the_array(shape_and_chunks, data):
    shape, chunks = shape_and_chunks
    selection = data.draw(basic_selections(shape))
    wanted = np.zeros(shape, bool)
    wanted[selection] = True
    grid = Grid(shape, chunks)
    plan = project_basic(selection, grid)
    rows = [plan.rows(axis) for axis in range(len(shape))]
    touched = {}
    for index in np.ndindex(*map(len, rows)):
        picked = [rows[axis][r] for axis, r in enumerate(index)]
        touched[tuple(row[0] for row in picked)] = all(row[3] for row in picked)
    for coords, region in chunk_regions(shape, chunks):
        assert (coords in touched) == wanted[region].any()
        assert touched.get(coords, False) == (wanted[region].all() and wanted[region].size > 0)


def test_grid():
    grid = Grid((10, 0, 7), (3, 2, 7))
    assert (grid.shape, grid.chunk_shape, grid.ndim, grid.chunks_per_axis) == (
        (10, 0, 7),
        (3, 2, 7),
        3,
        (4, 0, 1),
    )
    assert Grid((), ()).chunks_per_axis == ()
    with pytest.raises(ValueError, match="number of dimensions"):
        Grid((10,), (3, 2))
    for chunks in [(0,), (-1,)]:
        with pytest.raises(ValueError, match="at least 1"):
            Grid((10,), chunks)
    with pytest.raises(OverflowError):
        Grid((2**63,), (1,))
    with pytest.raises(ValueError, match="64 dimensions at most"):
        Grid((1,) * 65, (1,) * 65)
    assert project_basic(..., Grid((1,) * 64, (1,) * 64)).n_chunks == 1


def test_huge_axes():
    """Sizes near the largest integers do not overflow."""
    n = 2**63 - 1
    grid = Grid((n,), (2**62,))
    assert project_basic(n - 1, grid).rows(0) == [(1, [n - 1 - 2**62], [0], False)]
    assert project_basic(slice(None, None, 2**62), grid).shape == (2,)
    assert project_basic(slice(None, None, -(2**62)), grid).rows(0)[0][1] == [n - 1 - 2**62]
    assert project_basic(slice(n - 3, None), grid).shape == (3,)
    assert project_basic(slice(-(2**70), 2**70, 2**61), grid).shape == (4,)


def test_nothing_selected_of_a_huge_grid_costs_nothing():
    plan = project_basic((slice(0, 0), ...), Grid((5, 10**15), (1, 1)))
    assert (plan.shape, plan.n_chunks) == ((0, 10**15), 0)


@pytest.mark.parametrize(
    "selection", [True, np.True_, None, "x", 1.0, [0], np.array([0]), (0, [1])], ids=repr
)
def test_what_is_not_basic_has_no_plan_here(selection):
    assert project_basic(selection, Grid((4, 4), (2, 2))) is None


def test_errors():
    grid = Grid((3, 4), (2, 2))
    with pytest.raises(BoundsCheckError, match="index -4 is out of bounds for axis 0 with size 3"):
        project_basic(-4, grid)
    with pytest.raises(IndexError, match="2-dimensional, but 3 were indexed"):
        project_basic((0, 0, 0), grid)
    with pytest.raises(IndexError, match="2-dimensional, but 100 were indexed"):
        project_basic((0,) * 100, grid)
    with pytest.raises(IndexError, match="single ellipsis"):
        project_basic((..., ...), grid)
    with pytest.raises(ValueError, match="zero"):
        project_basic(slice(None, None, 0), grid)
    with pytest.raises(TypeError):
        project_basic(slice("a"), grid)
    with pytest.raises(TypeError):
        project_basic(0, None)


def test_plans_are_made_by_projecting():
    grid = Grid((3,), (2,))
    with pytest.raises(TypeError):
        type(project_basic(0, grid))(grid)
    assert repr(project_basic(slice(1, 3), grid)) == "<Plan 2 chunks of (2,) to (2,)>"
