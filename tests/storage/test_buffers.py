"""Bulk reads for transfers."""

from __future__ import annotations

import numpy as np
import pytest

import zarrc
from zarrc.storage import KVStore, LMDBStore, SQLiteStore, ZipStore, base, buffers


def test_memory_of_an_arena_is_not_shared_by_values():
    arena = buffers.Arena()
    values = [bytes([i]) * n for i, n in enumerate([0, 1, 1000, 900_000, 300_000, 5_000_000, 0, 7])]
    kept = [arena.keep(value) for value in values]
    assert [bytes(memory) for memory in kept] == values


def test_memory_is_used_again_once_nobody_refers_to_it():
    buffers._pieces.clear()
    with buffers.Arena() as arena:
        kept = arena.keep(b"first" * 5000)
    place = id(kept.obj)
    with buffers.Arena() as arena:
        other = arena.keep(b"other" * 5000)
    assert id(other.obj) != place
    del kept
    with buffers.Arena() as arena:
        again = arena.keep(b"again" * 5000)
    assert id(again.obj) == place
    assert (bytes(other), bytes(again)) == (b"other" * 5000, b"again" * 5000)
    for _ in range(20):
        with buffers.Arena() as arena:
            arena.keep(bytes(3_000_000)), arena.keep(bytes(3_000_000)), arena.keep(bytes(9_000_000))
    assert len(buffers._pieces) <= 4
    assert {len(piece) for piece in buffers._pieces} == {buffers._PIECE_NBYTES}


@pytest.fixture(params=[SQLiteStore, ZipStore, LMDBStore])
def store(request, tmp_path):
    if request.param is LMDBStore:
        pytest.importorskip("lmdb")
    with request.param(tmp_path / "x") as store:
        yield store


def test_transfers_give_the_same_as_the_store(store):
    kind, moved, prefix = base.access(store, "a/")
    assert (kind, type(moved), prefix) == ("mapping", buffers.Transfers, "a/")
    values = {f"a/{i}": bytes([i]) * 1000 * i for i in range(50)}
    moved.setitems(values)
    assert dict(store) == values
    found = moved.getitems([*values, "a/x"])
    assert {key: bytes(value) for key, value in found.items()} == values
    assert moved["a/1"] == store["a/1"]
    del moved["a/1"]
    moved["a/1"] = b"b"
    assert store["a/1"] == b"b"
    del moved["a/1"]
    assert len(store) == 49


def test_chunks_are_stored_together(store, monkeypatch):
    calls = []
    method = type(store).setitems
    monkeypatch.setattr(
        type(store), "setitems", lambda self, values: calls.append(len(values)) or method(self, values)
    )
    array = zarrc.zeros(100, chunks=10, store=store)
    calls.clear()
    array[...] = 42
    assert calls == [10]
    assert (array[...] == 42).all()


def test_a_subclass_is_asked_by_its_own_methods(store):
    class Counting(type(store)):
        n_read = 0

        def __getitem__(self, key):
            self.n_read += 1
            return super().__getitem__(key)

    zarrc.array(np.arange(100), chunks=10, store=store)
    store.__class__ = Counting
    assert base.access(store)[1] is store
    assert (zarrc.open_array(KVStore(store))[...] == np.arange(100)).all()
    assert store.n_read >= 10


def test_more_than_one_batch(store):
    data = np.random.default_rng(0).integers(0, 2**31, 1_000_000, dtype="i4")
    array = zarrc.array(data, chunks=10_000, store=store)
    np.testing.assert_array_equal(array[...], data)
    np.testing.assert_array_equal(array[123:987_654:7], data[123:987_654:7])
