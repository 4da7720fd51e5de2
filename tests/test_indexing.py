"""Selections as users write them, in plain terms: ranges, messages, blocks of a plan."""

from __future__ import annotations

import numpy as np
import pytest
from array_strategies import basic_selections, shapes_and_chunks
from hypothesis import given
from hypothesis import strategies as st

from zarrc.indexing import basic_ranges, chunk_selections, plan_basic
from zarrc.kernels.projection import Grid


@given(shapes_and_chunks(), st.data())
def test_basic_ranges(shape_and_chunks, data):
    """Ranges and integers name, axis by axis, what NumPy selects."""
    shape, _ = shape_and_chunks
    a = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    selection = data.draw(basic_selections(shape))
    found = basic_ranges(selection, shape)
    assert len(found) == len(shape)
    expected = np.asarray(a[selection])
    picked = a
    for axis, elements in enumerate(found):
        index = [elements] if isinstance(elements, int) else list(elements)
        picked = picked.take(np.array(index, dtype=int), axis=axis)
    assert picked.reshape(expected.shape).tolist() == expected.tolist()


@given(shapes_and_chunks(3), st.data())
def test_plan_basic(shape_and_chunks, data):
    shape, chunks = shape_and_chunks
    selection = data.draw(basic_selections(shape))
    assert plan_basic(selection, Grid(shape, chunks)).shape == np.shape(np.empty(shape)[selection])


@pytest.mark.parametrize(
    "selection", [[0], (0, [1]), np.array([0]), True, (True, 0), None, (0, None), "x", 1.5, {}], ids=repr
)
def test_what_is_not_basic(selection):
    with pytest.raises(
        IndexError, match="unsupported selection item for basic indexing; expected integer, slice"
    ):
        plan_basic(selection, Grid((4, 4), (2, 2)))
    with pytest.raises(IndexError):
        basic_ranges(selection, (4, 4))


@given(shapes_and_chunks(3), st.data())
def test_chunk_selections(shape_and_chunks, data):
    """The parts of a region that lie in one chunk each: together they are the region."""
    shape, chunks = shape_and_chunks
    region = []
    for n in shape:
        a = data.draw(st.integers(0, n))
        region.append(slice(a, data.draw(st.integers(a, n))))
    region = tuple(region)
    times = np.zeros(shape, int)
    for part in chunk_selections(region, Grid(shape, chunks)):
        assert all(s.start // c == (s.stop - 1) // c for s, c in zip(part, chunks, strict=True))
        times[part] += 1
    expected = np.zeros(shape, int)
    expected[region] = 1
    assert (times == expected).all()
