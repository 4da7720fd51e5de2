"""Writes at an array's end, where others may have made it longer."""

import os
import signal
import threading

import numpy as np
import pytest
from array_strategies import CountingMapping

import zarrc
from zarrc.kernels.projection import Grid, project_basic

LAYOUTS = {
    "format 2": {"zarr_format": 2, "chunks": 8},
    "format 3": {"zarr_format": 3, "chunks": 8},
    "shards": {"zarr_format": 3, "chunks": 4, "shards": 16},
    "shards of whole chunks": {"zarr_format": 3, "chunks": 5, "shards": 15},
    "objects": {"zarr_format": 2, "chunks": 8, "dtype": str},
}
SELECTIONS = {
    "slice": slice(8, 10),
    "all": slice(None),
    "backwards": slice(None, None, -1),
    "list": np.arange(10),
    "mask": np.ones(10, bool),
}


@pytest.fixture(params=["dict", "mapping", "files", "sqlite", "synchronizer"])
def opening(request, tmp_path):
    """How two who know nothing of each other open the same array."""
    if request.param == "dict":
        store = {}
    elif request.param == "mapping":
        store = CountingMapping()
    else:
        store = str(tmp_path / ("a.sqlite" if request.param == "sqlite" else "a"))
    if request.param == "synchronizer":
        return {"store": store, "synchronizer": zarrc.ProcessSynchronizer(str(tmp_path / "locks"))}
    return {"store": store}


@pytest.mark.parametrize("selection", SELECTIONS.values(), ids=SELECTIONS)
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_what_others_appended_is_kept(opening, layout, selection):
    values = np.arange(14).astype(object if "dtype" in layout else "i4")
    if "dtype" in layout:
        values[:] = [f"{n} says it" for n in range(14)]
    zarrc.create(shape=10, **opening, **{"dtype": "i4", **layout})[:] = values[:10]
    one, other = (zarrc.open_array(mode="r+", **opening) for _ in range(2))
    other.append(values[10:])
    new = values[::-1][:10]
    one[selection] = new[selection]
    expected = values.copy()
    expected[:10][selection] = new[selection]
    assert np.array_equal(other[:], expected)
    assert np.array_equal(zarrc.open_array(mode="r", **opening)[:], expected)


def test_of_several_axes(opening):
    zarrc.create(shape=(5, 7), chunks=(4, 3), dtype="i4", **opening)[:] = 1
    one, other = (zarrc.open_array(mode="r+", **opening) for _ in range(2))
    other.resize(6, 9)
    other[5], other[:, 7:] = 2, 3
    one[:] = 4
    one.oindex[[0, 4], :] = 5
    expected = np.full((6, 9), 4)
    expected[[0, 4]] = 5
    expected[5], expected[:, 7:] = 2, 3
    assert np.array_equal(other[:], expected)
    one.refresh()
    one[:] = 6
    assert (other[:] == 6).all()


def test_from_another_chunked_array(opening):
    zarrc.create(shape=10, chunks=8, dtype="i4", **opening)
    one, other = (zarrc.open_array(mode="r+", **opening) for _ in range(2))
    other.append([1, 2])
    one[:] = zarrc.full(10, 7, chunks=3, dtype="i4")
    assert other[:].tolist() == [7] * 10 + [1, 2]


def test_of_the_only_field(opening):
    zarrc.create(shape=10, chunks=8, dtype=[("a", "i4")], **opening)
    one, other = (zarrc.open_array(mode="r+", **opening) for _ in range(2))
    other.append(np.array([(1,), (2,)], one.dtype))
    one["a"] = np.arange(10)
    assert other["a"].tolist() == [*range(10), 1, 2]


def test_views_end_where_they_say_and_not_where_the_array_does(opening):
    z = zarrc.create(shape=10, chunks=8, dtype="i4", **opening)
    z[:] = 1
    z.view(shape=(9,))[:] = 2
    assert z[:].tolist() == [2] * 9 + [1]


def test_consolidated_metadata_may_be_older(tmp_path):
    root = zarrc.open_group(str(tmp_path), mode="w")
    z = root.zeros("z", shape=10, chunks=8, dtype="i4")
    zarrc.consolidate_metadata(str(tmp_path))
    one = zarrc.open_consolidated(str(tmp_path), mode="r+")["z"]
    z.append([1, 2])
    one[:] = 3
    assert z[:].tolist() == [3] * 10 + [1, 2]


def test_what_it_costs():
    """One look at the document, where a chunk at the end is written whole; and of chunks nothing is read."""
    store = CountingMapping()
    z = zarrc.array(np.arange(10), chunks=4, store=store)
    assert ("get", ".zarray") not in store.counts
    for selection, n_looks in [
        (slice(None), 1),
        (slice(8, 10), 1),
        (slice(0, 8), 0),
        (slice(4, 8), 0),
        ([8, 9], 1),
    ]:
        store.counts.clear()
        z[selection] = 5
        assert store.counts.pop(("get", ".zarray"), 0) == n_looks
        assert {what for what, _ in store.counts} == {"set"}
    store.counts.clear()
    zarrc.zeros(8, chunks=4, store=store, overwrite=True)[:] = 1
    assert not any(what == "get" and key.isdigit() for what, key in store.counts)


def test_an_array_without_its_document_is_written_as_it_was():
    z = zarrc.zeros(10, chunks=8, dtype="i4", store={})
    del z.store[".zarray"]
    z[:] = 1
    assert z[:].tolist() == [1] * 10


class Slow(zarrc.MemoryStore):
    """Waits after the document was read, if it is told to."""

    def __init__(self):
        super().__init__()
        self.arrived, self.go_on = threading.Event(), threading.Event()
        self.waits = False

    def __getitem__(self, key):
        value = super().__getitem__(key)
        if self.waits and key == ".zarray":
            self.waits = False
            self.arrived.set()
            assert self.go_on.wait(30)
        return value


@pytest.fixture
def slow():
    """An array, and a thread that has seen where it ends and is about to store its last chunk."""
    store = Slow()
    z = zarrc.zeros(10, chunks=8, dtype="i4", store=store)
    store.waits = True
    thread = threading.Thread(target=z.__setitem__, args=(slice(8, 10), 1))
    thread.start()
    assert store.arrived.wait(30)
    yield z, store
    store.go_on.set()
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.parametrize("is_same", [True, False])
def test_appending_waits_for_a_writer_that_thinks_the_array_ends(slow, is_same):
    z, store = slow
    other = z if is_same else zarrc.open_array(store, mode="r+")
    appending = threading.Thread(target=other.append, args=([2, 2],))
    appending.start()
    appending.join(0.2)
    assert appending.is_alive()
    store.go_on.set()
    appending.join(30)
    assert other[8:].tolist() == [1, 1, 2, 2]


def test_nobody_waits_for_an_array_of_another_name(slow):
    another = zarrc.zeros(10, chunks=8, store=zarrc.MemoryStore())
    assert another.append([1.0]) == (11,)


def test_forked_child_waits_for_nobody(slow):
    z, _ = slow
    pid = os.fork()
    if pid == 0:
        signal.alarm(10)
        z.resize(12)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_failure_lets_others_go_on():
    class Refusing(zarrc.MemoryStore):
        refused = None

        def __getitem__(self, key):
            if key == self.refused:
                raise OSError("no")
            return super().__getitem__(key)

        def __setitem__(self, key, value):
            if key == self.refused:
                raise OSError("no")
            super().__setitem__(key, value)

    store = Refusing()
    z = zarrc.zeros(10, chunks=8, dtype="i4", store=store)
    for store.refused in ["1", ".zarray"]:
        with pytest.raises(OSError, match="no"):
            z[:] = 1
    store.refused = None
    assert z.append([2]) == (11,)


def test_threads_lose_nothing():
    """Some write what they know of the array again and again, another makes it longer."""
    z = zarrc.zeros(1, chunks=64, dtype="i4", store={})
    done = threading.Event()

    def write():
        one = zarrc.open_array(z.store, mode="r+")
        while not done.is_set():
            one[:] = 1
            one.refresh()

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(300):
            z.append([1])
            assert z[-1] == 1
    finally:
        done.set()
        for writer in writers:
            writer.join(30)
    assert (z[:] == 1).all()


def test_plans_know_of_keys_that_reach_over_the_end():
    def covers(shape, chunks, selection, per_key=None):
        return project_basic(selection, Grid(shape, chunks)).covers_edge(per_key)

    everything = slice(None)
    assert covers((10,), (4,), everything)
    assert not covers((8,), (4,), everything)
    assert not covers((10,), (4,), slice(0, 8))
    assert not covers((10,), (4,), slice(0, 9))
    assert covers((10, 8), (4, 4), everything)
    assert not covers((10, 8), (4, 4), (everything, slice(0, 2)))
    assert not covers((10, 8), (4, 4), slice(0, 4))
    assert not covers((), (), ())
    assert not covers((0,), (4,), everything)
    assert covers((8,), (4,), everything, (3,))
    assert covers((8,), (4,), slice(0, 4), (3,))
    assert not covers((12,), (4,), everything, (3,))
    plan = project_basic(everything, Grid((10,), (4,)))
    plan.use_grid(Grid((12,), (4,)))
    assert [row[3] for row in plan.rows(0)] == [True, True, False]
    with pytest.raises(ValueError, match="chunks of the grid"):
        plan.use_grid(Grid((12,), (3,)))
