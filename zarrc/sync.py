"""Locks for writers of the same array: between threads, and between processes.

A synchronizer is a mapping from a key to a lock, which is a context manager that
its thread may enter again. Locks are made anew in forked children.
"""

from __future__ import annotations

import errno
import os
import threading
import time
import weakref
from typing import Any

_RETRY_SECONDS = 0.002
_MAX_NAME_NBYTES = 200  # a file name has at most 255


class ThreadSynchronizer:
    """Locks between the threads of one process.

    A pickled copy has locks of its own.

    Examples
    --------
    >>> synchronizer = ThreadSynchronizer()
    >>> with synchronizer["0.0"]:
    ...     pass
    """

    def __init__(self) -> None:
        self._start()
        _in_this_process.add(self)

    def _start(self) -> None:
        self._locks: dict[str, Any] = {}

    def __getitem__(self, item: str) -> Any:
        """The lock of a key."""
        lock = self._locks.get(item)
        return lock if lock is not None else self._locks.setdefault(item, threading.RLock())

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), ())


class ProcessSynchronizer:
    """Locks between the processes of one machine, and between their threads.

    Parameters
    ----------
    path : str or os.PathLike
        A directory for the lock files, the same for all of the processes; made
        when needed. It should not be inside of the array.

    Notes
    -----
    The locks are the operating system's: they end with the process that holds
    them, however it ends, and forked children do not inherit them. A lock file
    stays when its lock is free.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(os.fspath(path))

    def __getitem__(self, item: str) -> _FileLock:
        """The lock of a key."""
        path = os.path.join(self.path, _file_name(item))
        lock = _file_locks.get(path)
        return lock if lock is not None else _file_locks.setdefault(path, _FileLock(path))


class _FileLock:
    """A lock of one file, held by one thread of one process.

    The system's record locks belong to the process, and closing any descriptor of
    the file ends them. So there is one object for a file in a process, which opens it
    once and lets one thread through at a time.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._thread_lock = threading.RLock()
        self._depth = 0
        self._file = -1

    def __enter__(self) -> _FileLock:
        self._thread_lock.acquire()
        try:
            if self._depth == 0:
                self._file = _lock_file(self.path)
            self._depth += 1
        except BaseException:
            self._thread_lock.release()
            raise
        return self

    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            os.close(self._file)
        self._thread_lock.release()


def _lock_file(path: str) -> int:
    """Open a file and wait until this process has its lock."""
    import fcntl

    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        while True:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX)
                return file
            except OSError as error:
                # The system takes all threads of a process for one, and so sees a
                # deadlock where two processes wait for each other's other threads.
                if error.errno != errno.EDEADLK:
                    raise
            time.sleep(_RETRY_SECONDS)
    except BaseException:
        os.close(file)
        raise


def _file_name(item: str) -> str:
    """The name of a key's lock file: another one for every key."""
    name = item.replace("%", "%25").replace("/", "%2F")
    if len(name.encode("utf-8", "surrogateescape")) > _MAX_NAME_NBYTES:
        import hashlib

        digest = hashlib.sha256(item.encode("utf-8", "surrogateescape")).hexdigest()
        name = f"%long-{digest}"
    return f"{name}.lock"


_in_this_process: weakref.WeakSet[ThreadSynchronizer] = weakref.WeakSet()
_file_locks: dict[str, _FileLock] = {}


def _start_anew() -> None:
    """Forget, in a forked child, locks that threads of the parent may hold."""
    _file_locks.clear()
    for synchronizer in _in_this_process:
        synchronizer._start()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
