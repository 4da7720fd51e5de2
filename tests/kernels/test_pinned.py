"""Memory that is kept as it is while somebody uses it."""

from __future__ import annotations

import gc
import weakref

import pytest

from zarrc.kernels.pinned import Pinned


class Owner:
    pass


def test_is_a_buffer_of_the_same_memory():
    memory = bytearray(b"12345")
    pinned = Pinned(memory, None)
    assert (len(pinned), bytes(pinned), memoryview(pinned).readonly) == (5, b"12345", True)
    memory[0] = ord("x")
    assert bytes(pinned) == b"x2345"
    with pytest.raises(BufferError):
        memory.append(0)
    del pinned
    memory.append(0)


def test_owner_lives_as_long_as_it_is_used():
    owner = Owner()
    gone = weakref.ref(owner)
    pinned = Pinned(b"", owner)
    del owner
    view = memoryview(pinned)
    del pinned
    assert gone() is not None
    assert bytes(view) == b""
    view.release()
    assert gone() is None


def test_is_nothing_for_the_collector():
    assert not gc.is_tracked(Pinned(b"1", None))


@pytest.mark.parametrize("memory", [None, 1, "text", memoryview(b"12345")[::2]])
def test_contiguous_buffers_only(memory):
    with pytest.raises((TypeError, BufferError)):
        Pinned(memory, None)
