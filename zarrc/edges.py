"""Where arrays end, while others may make them longer.

A chunk at an array's end can be written without a look at what it held, as everything in it is
given: unless the array has become longer, and others have written there what the writer does not know of. So who
writes such chunks looks up first where the array ends now, and who makes an array longer waits for
those of this process who have looked before.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from . import nodes
from .kernels.projection import Grid, Plan
from .metadata.documents import load

_lock = threading.Lock()
_turns: dict[str, set[Turn]] = {}  # who writes to the end of an array now, by its name


class Edges:
    """What one array object knows of where its array ends.

    Parameters
    ----------
    store : MutableMapping
        Of the array's document.
    path : str
        Normal.
    zarr_format : {2, 3}
    name : str
        One name in this process for the place of the chunks.
    """

    def __init__(self, store: Any, path: str, zarr_format: int, name: str) -> None:
        self._store = store
        self._path = path
        self._zarr_format = zarr_format
        self.name = name
        self._seen: tuple[bytes, tuple[int, ...]] | None = None

    def shape_now(self) -> tuple[int, ...] | None:
        """Return the shape that the document says; None if it cannot be found."""
        found = nodes.stored_documents(self._store, self._path, self._zarr_format, nodes.ARRAY_KEY)
        document = next(found, None)
        if document is None:
            return None
        if self._seen is None or self._seen[0] != document:
            self._seen = document, tuple(load(document)["shape"])
        return self._seen[1]

    def wait(self) -> None:
        """Wait, after the shape has changed, until those have ended who write by the one before."""
        with _lock:
            turns = list(_turns.get(self.name, ()))
        for turn in turns:
            if turn.thread != threading.get_ident():
                with turn.ended:
                    pass


class Turn:
    """The context in which what a plan counts as whole is all that there is under these keys.

    Parameters
    ----------
    edges : Edges
    plan : Plan
        To be written, at the array's end too; changed where that is not where the plan's maker thought.
    per_key : tuple of int, optional
        How many chunks a key holds along each axis.
    shape : tuple of int, optional
        Of the array when the plan was made; None: where it ends is not known.
    """

    __slots__ = ("edges", "ended", "per_key", "plan", "shape", "thread")

    def __init__(
        self, edges: Edges, plan: Plan, per_key: tuple[int, ...] | None, shape: tuple[int, ...] | None
    ) -> None:
        self.edges = edges
        self.plan = plan
        self.per_key = per_key
        self.shape = shape
        self.thread = threading.get_ident()
        self.ended = threading.Lock()

    def __enter__(self) -> None:
        self.ended.acquire()
        with _lock:
            _turns.setdefault(self.edges.name, set()).add(self)
        try:
            if self.shape is None or self.edges.shape_now() not in (None, self.shape):
                self.plan.use_grid(whole_keys(self.plan.grid, self.per_key))
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *error: object) -> None:
        with _lock:
            others = _turns.get(self.edges.name, set())
            others.discard(self)  # a forked child has forgotten it
            if not others:
                _turns.pop(self.edges.name, None)
        self.ended.release()


def whole_keys(grid: Grid, per_key: tuple[int, ...] | None) -> Grid:
    """Return the grid of an array that ends where its last keys do.

    Examples
    --------
    >>> whole_keys(Grid((10, 10), (4, 5)), None).shape, whole_keys(Grid((10, 10), (4, 5)), (2, 4)).shape
    ((12, 10), (16, 20))
    """
    counts = per_key or (1,) * grid.ndim
    lengths = [chunk * n for chunk, n in zip(grid.chunk_shape, counts, strict=True)]
    shape = tuple(-(-size // length) * length for size, length in zip(grid.shape, lengths, strict=True))
    return Grid(shape, grid.chunk_shape)


def _start_anew() -> None:
    """Forget, in a forked child, whom its parent's threads would wait for."""
    global _lock
    _lock = threading.Lock()
    _turns.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
