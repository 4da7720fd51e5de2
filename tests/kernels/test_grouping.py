"""Lists of positions and masks as plans: each entry once, in its chunk, in the order in which it came."""

from __future__ import annotations

import numpy as np
import pytest
from array_strategies import chunk_regions, shapes_and_chunks
from hypothesis import given
from hypothesis import strategies as st
from selection_strategies import masks, positions

from zarrc.errors import BoundsCheckError
from zarrc.kernels.projection import Grid, merge_dims, project


def entries_by_chunk(numbers):
    """The entries of each chunk number in order, chunks in order."""
    return {int(c): np.flatnonzero(numbers == c).tolist() for c in np.unique(numbers)}


@given(shapes_and_chunks(3), st.data())
def test_lists(shape_and_chunks, data):
    shape, chunks = shape_and_chunks
    if not shape or 0 in shape:
        return
    form = tuple(data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)))
    arrays = [np.asarray(data.draw(positions(n, form))) for n in shape]
    arrays = [
        array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("=")) for array in arrays
    ]
    grid = Grid(shape, chunks)
    plan = project(grid, [(tuple(range(len(shape))), tuple(arrays), 0)], form)
    at = [array.astype(int) % n for array, n in zip(arrays, shape, strict=True)]
    coords = tuple((p // c).reshape(-1) for p, c in zip(at, chunks, strict=True))
    numbers = np.ravel_multi_index(coords, grid.chunks_per_axis)
    found = plan.entries(0)
    assert {chunk: entries for chunk, entries, _ in found} == entries_by_chunk(numbers)
    assert [chunk for chunk, _, _ in found] == sorted(set(numbers.tolist()))
    assert (plan.n_chunks, plan.shape, plan.is_even) == (len(found), form, False)


@given(st.integers(1, 60), st.integers(1, 70), st.data())
def test_whole_means_each_element_once(n, chunk, data):
    at = np.asarray(data.draw(positions(n, (data.draw(st.integers(0, 2 * n)),)))).astype(int)
    if data.draw(st.booleans()):
        at = np.unique(at % n)
    plan = project(Grid((n,), (chunk,)), [((0,), (at,), 0)], at.shape)
    for number, entries, whole in plan.entries(0):
        inside = list(range(number * chunk, min((number + 1) * chunk, n)))
        if whole:
            assert sorted(at[entries] % n) == inside
        elif (np.diff(at) > 0).all() and (at >= 0).all():
            assert at[entries].tolist() != inside


@given(shapes_and_chunks(4), st.data())
def test_masks(shape_and_chunks, data):
    shape, chunks = shape_and_chunks
    if not shape:
        return
    mask = np.ascontiguousarray(data.draw(masks(shape)), bool).reshape(shape)
    grid = Grid(shape, chunks)
    plan = project(grid, [(tuple(range(len(shape))), mask, 0)], (0,))
    counts = [mask[where].sum() for _, where in chunk_regions(shape, chunks)]
    assert plan.shape == (mask.sum(),)
    assert plan.n_chunks == np.count_nonzero(counts)
    rows = {chunk: (len(entries), whole) for chunk, entries, whole in plan.entries(0)}
    for number, (coords, where) in enumerate(chunk_regions(shape, chunks)):
        del coords
        if counts[number]:
            assert rows[number] == (counts[number], bool(mask[where].all()))
        else:
            assert number not in rows


def test_sorted_lists_need_no_order_and_others_keep_the_order_of_repeats():
    grid = Grid((100,), (10,))
    for at in [np.arange(100), np.repeat(np.arange(50), 2), np.array([9, 0, 5, 19, 10])]:
        assert [
            e for _, entries, _ in project(grid, [((0,), (at,), 0)], at.shape).entries(0) for e in entries
        ] == list(range(len(at)))
    at = np.array([15, 3, 15, 3, 99, 3])
    assert project(grid, [((0,), (at,), 0)], at.shape).entries(0) == [
        (0, [1, 3, 5], False),
        (1, [0, 2], False),
        (9, [4], False),
    ]


@pytest.mark.parametrize("n_chunks", [10, 10**6, 2**31, 2**33, 2**62])
def test_grids_of_all_sizes(n_chunks):
    """Few chunks are counted, many are sorted, and more than 2**32 have longer numbers."""
    grid = Grid((n_chunks,), (1,))
    at = np.array([n_chunks - 1, 0, n_chunks // 2, 0, n_chunks - 1])
    found = project(grid, [((0,), (at,), 0)], at.shape).entries(0)
    assert [(chunk, entries) for chunk, entries, _ in found] == [
        (0, [1, 3]),
        (n_chunks // 2, [2]),
        (n_chunks - 1, [0, 4]),
    ]


def test_two_axes_of_a_grid_with_more_chunks_than_32_bits_can_tell():
    grid = Grid((2**31, 2**31), (1, 1))
    rows, columns = np.array([5, 5 + 2**20, 5]), np.array([7, 7, 7 + 2**30])
    found = project(grid, [((0, 1), (rows, columns), 0)], (3,)).entries(0)
    assert [(chunk, entries) for chunk, entries, _ in found] == [
        (5 * 2**31 + 7, [0]),
        (5 * 2**31 + 7 + 2**30, [2]),
        ((5 + 2**20) * 2**31 + 7, [1]),
    ]


def test_errors_name_axis_and_bound():
    grid = Grid((10, 4), (3, 3))
    for dtype, bad in [("i1", -11), ("i8", -(2**63)), ("u8", 2**64 - 1), ("i4", 10)]:
        with pytest.raises(BoundsCheckError, match=f"index {bad} is out of bounds for axis 0 with size 10"):
            project(grid, [((0, 1), (np.array([0, bad], dtype), np.array([0, 0])), 0)], (2,))
    with pytest.raises(BoundsCheckError, match="index 4 is out of bounds for axis 1 with size 4"):
        project(grid, [((0, 1), (np.array([0, 1]), np.array([3, 4])), 0)], (2,))
    for elements, bad in [(range(8, 12, 3), 11), (range(3, -2, -1), -1), (10, 10)]:
        with pytest.raises(BoundsCheckError, match=f"index {bad} is out of bounds for axis 0 with size 10"):
            project(grid, [(0, elements, 0), (1, range(4), 1)], (2, 4))


def test_too_many_entries():
    at = np.broadcast_to(np.array(0), (2**16, 2**16))
    with pytest.raises(ValueError, match="2\\*\\*32 - 1 entries at most"):
        project(Grid((10,), (3,)), [((0,), (at,), 0)], at.shape)


class TestTakes:
    """Memory in which several axes of the result are evenly spaced, as one."""

    @pytest.fixture
    def plan(self):
        at = np.zeros((3, 1, 4), int)
        return project(Grid((10, 5), (3, 5)), [((0,), (at,), 0), (1, range(5), 3)], (3, 1, 4, 5))

    def test_even(self, plan):
        memory = np.zeros((3, 1, 4, 5))
        for even in [
            memory,
            memory[..., ::-1],
            np.zeros((3, 1, 4, 10))[..., ::2],
            np.zeros((5, 3, 1, 4)).transpose(1, 2, 3, 0),
            np.broadcast_to(1, memory.shape),
            np.lib.stride_tricks.as_strided(memory, memory.shape, (160, 7, 40, 8)),
            memory[::-1, :, ::-1],
        ]:
            assert plan.takes(even)

    def test_uneven(self, plan):
        for uneven in [
            np.zeros((3, 1, 4, 5), order="F"),
            np.zeros((3, 1, 8, 5))[:, :, ::2],
            np.zeros((6, 1, 8, 5))[::2, :, ::2],
            np.zeros((6, 1, 8, 5))[::-2, :, ::-2],
            np.zeros((3, 1, 4, 5))[:, :, ::-1],
        ]:
            assert plan.takes(uneven) == (uneven.strides[0] == 4 * uneven.strides[2])
        assert not plan.takes(np.zeros((3, 1, 4, 5))[:, :, ::-1])

    def test_lists_of_one_dimension_take_all(self):
        at = np.zeros(3, int)
        plan = project(Grid((10, 5), (3, 5)), [((0,), (at,), 0), (1, range(5), 1)], (3, 5))
        assert plan.takes(np.zeros((3, 5), order="F"))


def test_merge_dims():
    assert merge_dims((2, 1, 3), [(24, 5, 8)]) == ([6], [[8]])
    assert merge_dims((1, 1), [(24, 5)]) == ([1], [[0]])
    assert merge_dims((), [()]) == ([1], [[0]])
    assert merge_dims((2, 3), [(24, 8), (8, 16)]) == ([2, 3], [[24, 8], [8, 16]])
    assert merge_dims((4, 2, 3), [(0, 24, 8), (0, 24, 8)]) == ([4, 6], [[0, 8], [0, 8]])
