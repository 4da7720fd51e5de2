"""Chunk grids and chunk key encodings of Zarr 3: one test for each point, named after its section."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from documents import grid, named, opened, refused

import zarrc


class TestRegularGrids:
    """Chunk grid specification "Regular grids"."""

    def test_chunks_at_the_border_are_whole(self):
        array = opened(shape=[3, 4], chunk_grid=grid(2, 3), fill_value=-1)
        array[...] = 5
        last = np.frombuffer(array.store["c/1/1"], "<i2").reshape(2, 3)
        assert len(array.store["c/1/1"]) == 2 * 3 * 2
        assert last[0, 0] == 5

    def test_what_is_outside_of_the_array_is_not_seen(self):
        chunk = np.full((2, 3), 9, "<i2")
        chunk[0, 0] = 4
        array = opened({"c/1/1": chunk.tobytes()}, shape=[3, 4], chunk_grid=grid(2, 3))
        assert array[2:, 3:].tolist() == [[4]]

    def test_a_chunk_that_is_not_whole_is_refused(self):
        array = opened({"c/1/1": bytes(2)}, shape=[3, 4], chunk_grid=grid(2, 3))
        with pytest.raises(zarrc.errors.CodecError):
            array[2:, 3:]

    def test_chunks_may_be_larger_than_the_array(self):
        array = opened(shape=[3], chunk_grid=grid(10))
        array[...] = [1, 2, 3]
        assert len(array.store["c/0"]) == 20

    @pytest.mark.parametrize(("shape", "chunks", "cells"), [((5, 7), (2, 3), (3, 3)), ((4,), (4,), (1,))])
    def test_the_grid_covers_the_array(self, shape, chunks, cells):
        array = opened(shape=list(shape), chunk_grid=grid(*chunks), fill_value=-1)
        array[...] = 1
        expected = {"/".join(("c", *map(str, at))) for at in itertools.product(*map(range, cells))}
        assert set(array.store) - {"zarr.json"} == expected

    @pytest.mark.parametrize("configuration", [{}, {"chunk_shape": []}, {"chunk_shape": [1]}])
    def test_chunk_shape_is_required(self, configuration):
        refused(chunk_grid={"name": "regular", "configuration": configuration})
        refused(chunk_grid="regular")


def keys(encoding, shape=(2, 3, 2)):
    array = opened(
        shape=list(shape), chunk_grid=grid(*(1 for _ in shape)), chunk_key_encoding=encoding, fill_value=-1
    )
    array[...] = 1
    return set(array.store) - {"zarr.json"}


class TestDefaultEncoding:
    """Chunk key encoding specification "Default"."""

    @pytest.mark.parametrize("encoding", [named("default"), {"name": "default"}, "default"])
    def test_the_separator_is_a_slash(self, encoding):
        assert "c/1/2/0" in keys(encoding)

    def test_with_dots(self):
        found = keys(named("default", separator="."))
        assert "c.1.2.0" in found
        assert len(found) == 12

    @pytest.mark.parametrize("separator", [".", "/"])
    def test_without_axes(self, separator):
        assert keys(named("default", separator=separator), ()) == {"c"}

    @pytest.mark.parametrize("separator", ["-", "", None, 1, "//"])
    def test_other_separators(self, separator):
        refused(chunk_key_encoding=named("default", separator=separator))


class TestV2Encoding:
    """Chunk key encoding specification "v2"."""

    @pytest.mark.parametrize("encoding", [named("v2"), {"name": "v2"}, "v2"])
    def test_the_separator_is_a_dot(self, encoding):
        assert "1.2.0" in keys(encoding)

    def test_with_slashes(self):
        found = keys(named("v2", separator="/"))
        assert "1/2/0" in found
        assert len(found) == 12

    @pytest.mark.parametrize("separator", [".", "/"])
    def test_without_axes(self, separator):
        assert keys(named("v2", separator=separator), ()) == {"0"}

    @pytest.mark.parametrize("separator", ["-", "", None, 1, "//"])
    def test_other_separators(self, separator):
        refused(chunk_key_encoding=named("v2", separator=separator))
