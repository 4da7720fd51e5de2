"""A store in one SQLite database: a table of keys and values.

The table is ``zarr(k TEXT PRIMARY KEY, v BLOB)``. The database is in SQLite's
write-ahead mode: readers go on while somebody writes, in this process and in
others, and every change is one transaction.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

from zarrc.storage.base import (
    Store,
    check_key,
    check_rename,
    is_key,
    new_token,
    normalize_storage_path,
    normalize_value,
    unless_overridden,
)
from zarrc.storage.buffers import Arena, Transfers

T = TypeVar("T")

_PAGE_NBYTES = 32768  # of new databases: a chunk of 64 kB is then on three pages, not on seventeen
_MAP_NBYTES = (1 << 31) - 1  # of the file that is read through a memory map, which halves the time
_SYNCHRONOUS = {"rename": "NORMAL", "fsync": "FULL"}
_MEMORY = ":memory:"

_CREATE = "CREATE TABLE IF NOT EXISTS zarr(k TEXT PRIMARY KEY, v BLOB)"
_HAS_TABLE = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'zarr'"
_GET = "SELECT v FROM zarr WHERE k = ?"
_HAS = "SELECT 1 FROM zarr WHERE k = ?"
_PUT = "REPLACE INTO zarr VALUES (?, ?)"
_DELETE = "DELETE FROM zarr WHERE k = ?"
_KEYS = "SELECT k FROM zarr"
_TOGETHER = 128  # keys that one statement asks for; more would not be faster
_VERSION = "PRAGMA data_version"
_COUNT = "SELECT count(*) FROM zarr"
_SIZE = "SELECT length(v) FROM zarr WHERE k = ?"

# Keys under a path are those from "path/" up to, but not with, "path0": "0" follows "/".
_UNDER = "k >= :first AND k < :end"
_SIZE_UNDER = f"SELECT total(length(v)) FROM zarr WHERE {_UNDER}"
_SIZE_DIRECTLY_UNDER = f"{_SIZE_UNDER} AND instr(substr(k, :start), '/') = 0"
# From each child the search leaps over all that is below it.
_CHILDREN = f"""
    WITH RECURSIVE child(k) AS (
        SELECT min(k) FROM zarr WHERE {_UNDER}
        UNION ALL
        SELECT (SELECT min(zarr.k) FROM zarr WHERE zarr.k < :end AND zarr.k >= CASE
            WHEN instr(substr(child.k, :start), '/') = 0 THEN child.k || char(1)
            ELSE substr(child.k, 1, :start + instr(substr(child.k, :start), '/') - 2) || '0' END)
        FROM child WHERE child.k IS NOT NULL
    )
    SELECT substr(k, :start) FROM child WHERE k IS NOT NULL
"""
_LAST = "\U0010ffff"  # follows every key


class SQLiteStore(Store):
    """Keys are rows of a SQLite database, which is one file. Safe to write in many threads and processes.

    Parameters
    ----------
    path : str or os.PathLike
        The file; made if it is not there. ``":memory:"`` is a database in memory.
    dimension_separator : {".", "/"}, optional
        Separator of the chunk keys of format 2 arrays made in this store.
    read_only : bool
        Whether writes are refused; the file must be there.
    durability : {"rename", "fsync"}
        ``"rename"``: a change is whole or not there at all after a crash of the program or the machine.
        ``"fsync"``: and it is on the disk when the write returns.
    **kwargs
        Passed to `sqlite3.connect`. ``timeout`` is how many seconds to wait for other
        processes that write (60).

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        The database cannot be opened, and why.
    ValueError
        The file is not a SQLite database.
    TimeoutError
        Another process keeps it locked.
    OSError
        The disk is full, or the file is damaged or cannot be read.

    Notes
    -----
    A value has at most 1,000,000,000 bytes. While it is open there are two files more, ``-wal`` and ``-shm``;
    `close` takes them away, but of a store that only reads. Databases on network file systems are not safe, as
    SQLite says.

    Examples
    --------
    >>> with SQLiteStore("data.sqlite") as store:
    ...     store.setitems({"a/b": b"12", "a/c": b"345"})
    ...     store.listdir("a"), store.get_partial("a/c", 1)
    (['b', 'c'], b'45')
    """

    __module__ = "zarrc.storage"

    def __init__(
        self,
        path: str | os.PathLike[str],
        dimension_separator: str | None = None,
        *,
        read_only: bool = False,
        durability: str = "rename",
        **kwargs: Any,
    ) -> None:
        if durability not in _SYNCHRONOUS:
            raise ValueError(f"durability is one of {tuple(_SYNCHRONOUS)}, not {durability!r}")
        path = os.fspath(path)
        self.path = path if path == _MEMORY else os.path.abspath(path)
        self.read_only = read_only
        self.durability = durability
        self._dimension_separator = dimension_separator
        self.kwargs = {"timeout": 60.0, **kwargs}
        self._open()

    def _open(self) -> None:
        self._connections = _Connections(self._connect, None if self.path == _MEMORY else self.path)
        self._finalizer = weakref.finalize(self, self._connections.close)
        self._run(self._prepare)

    def __getstate__(self) -> dict[str, Any]:
        if self.path == _MEMORY:
            from pickle import PicklingError

            raise PicklingError("a database in memory cannot be pickled")
        names = ("path", "read_only", "durability", "_dimension_separator", "kwargs")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    # connections

    def _connect(self) -> sqlite3.Connection:
        if self.path == _MEMORY:
            return self._connect_to(_MEMORY)
        from urllib.parse import quote

        address = f"file:{quote(self.path)}?mode="
        if not self.read_only:
            return self._connect_to(f"{address}rwc")
        try:
            return self._connect_to(f"{address}ro")
        except sqlite3.OperationalError:
            # Reading takes two files beside the database. Where they cannot be made nobody can write either.
            if not os.path.isfile(self.path) or os.path.exists(f"{self.path}-wal"):
                raise
            return self._connect_to(f"{address}ro&immutable=1")

    def _connect_to(self, address: str) -> sqlite3.Connection:
        options = {"check_same_thread": False, **self.kwargs, "isolation_level": None, "uri": True}
        connection = sqlite3.connect(address, **options)
        try:
            connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[self.durability]}")
            connection.execute(f"PRAGMA mmap_size = {_MAP_NBYTES}")
            connection.execute(_HAS_TABLE)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Make the table if there is none."""
        if not self.read_only:
            connection.execute(f"PRAGMA page_size = {_PAGE_NBYTES}")
            self._write_ahead(connection)
            if connection.execute(_HAS_TABLE).fetchone() == (0,):
                connection.execute(_CREATE)
        elif connection.execute(_HAS_TABLE).fetchone() == (0,):
            raise ValueError(f"the database {self.path!r} has no table 'zarr': it is not a store")

    def _write_ahead(self, connection: sqlite3.Connection) -> None:
        """Choose the write-ahead mode, which others may be doing at the same moment."""
        deadline = time.monotonic() + self.kwargs["timeout"]
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _run(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Do something with a connection that no other thread has meanwhile."""
        try:
            connection = self._connections.take()
            try:
                return act(connection)
            finally:
                self._connections.give(connection)
        except sqlite3.Error as error:
            raise _explained(error, self.path) from error

    def _change(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Do something in one transaction."""
        self.check_writeable()

        def transact(connection: sqlite3.Connection) -> T:
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = act(connection)
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            return result

        with self._connections.writing():
            return self._run(transact)

    def _first(self, statement: str, parameters: Any = ()) -> Any:
        """The first row of an answer, or None."""
        return self._run(lambda connection: connection.execute(statement, parameters).fetchone())

    def _all(self, statement: str, parameters: Any = ()) -> list[Any]:
        """The first column of an answer."""
        rows = self._run(lambda connection: connection.execute(statement, parameters).fetchall())
        return [row[0] for row in rows]

    # the mapping

    def __getitem__(self, key: str) -> bytes:
        check_key(key)
        row = self._first(_GET, (key,))
        if row is None:
            raise KeyError(key)
        return row[0]

    def __setitem__(self, key: str, value: Any) -> None:
        check_key(key)
        value = normalize_value(value)
        self.check_writeable()
        with self._connections.writing():
            self._run(lambda connection: connection.execute(_PUT, (key, value)))

    def __delitem__(self, key: str) -> None:
        check_key(key)
        self.check_writeable()
        with self._connections.writing():
            if self._run(lambda connection: connection.execute(_DELETE, (key,)).rowcount) == 0:
                raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        if not is_key(key):
            return False
        try:
            return self._first(_HAS, (key,)) is not None
        except UnicodeEncodeError:
            return False

    def __iter__(self) -> Iterator[str]:
        return iter(self._all(_KEYS))

    def __len__(self) -> int:
        return self._first(_COUNT)[0]

    def __eq__(self, other: object) -> bool:
        if self.path == _MEMORY:
            return self is other
        return type(self) is type(other) and self.path == other.path

    # what it offers

    def identity(self) -> str:
        return super().identity() if self.path == _MEMORY else os.path.realpath(self.path)

    @unless_overridden
    def get_partial(self, key: str, start: int, nbytes: int | None = None) -> bytes:
        check_key(key)
        row = self._run(lambda connection: _part(connection, key, start, nbytes))
        if row is None:
            raise KeyError(key)
        return row[0]

    @unless_overridden
    def getitems(self, keys: Iterable[str], *, contexts: Mapping[str, Any] | None = None) -> dict[str, bytes]:
        """The values of those of ``keys`` that are there, all as they were at one moment."""
        keys = list(keys)
        for key in keys:
            check_key(key)
        return self._run(lambda connection: _several(connection, keys))

    def token(self, key: str) -> bytes | None:
        """What every change of the database changes, in any process."""
        try:
            return self._connections.token()
        except sqlite3.Error as error:
            raise _explained(error, self.path) from error

    def transfers(self) -> Any:
        return Transfers(self, self._getbuffers)

    def _getbuffers(self, keys: Iterable[str]) -> dict[str, Any]:
        keys = list(keys)
        if len(keys) == 1:
            row = self._first(_GET, keys)
            return {} if row is None else {keys[0]: row[0]}
        with Arena() as arena:
            return self._run(lambda connection: _several(connection, keys, arena.keep))

    @unless_overridden
    def setitems(self, values: Mapping[str, Any]) -> None:
        """Set several keys: all of them, or none if that fails."""
        for key in values:
            check_key(key)
        rows = [(key, normalize_value(value)) for key, value in values.items()]
        self._change(lambda connection: connection.executemany(_PUT, rows))

    @unless_overridden
    def delitems(self, keys: Iterable[str]) -> None:
        """Delete those of ``keys`` that are there: all of them, or none if that fails."""
        rows = [(key,) for key in keys]
        self._change(lambda connection: connection.executemany(_DELETE, rows))

    def listdir(self, path: str = "") -> list[str]:
        found = self._all(_CHILDREN, _under(normalize_storage_path(path)))
        return sorted({key.partition("/")[0] for key in found})

    @unless_overridden
    def rmdir(self, path: str = "") -> None:
        below = _under(normalize_storage_path(path))
        self._change(lambda connection: connection.execute(f"DELETE FROM zarr WHERE {_UNDER}", below))

    @unless_overridden
    def rename(self, src_path: str, dst_path: str) -> None:
        src, dst = normalize_storage_path(src_path), normalize_storage_path(dst_path)
        check_rename(src, dst)
        self._change(lambda connection: _rename(connection, src, dst))

    def getsize(self, path: str = "") -> int:
        path = normalize_storage_path(path)
        row = self._first(_SIZE, (path,))
        return row[0] if row is not None else int(self._first(_SIZE_DIRECTLY_UNDER, _under(path))[0])

    def getsize_prefix(self, path: str = "") -> int:
        return int(self._first(_SIZE_UNDER, _under(normalize_storage_path(path)))[0])

    def flush(self) -> None:
        """Move what was written from the ``-wal`` file to the database, and both to the disk."""
        if not self.read_only and self.path != _MEMORY:
            self._first("PRAGMA wal_checkpoint(FULL)")

    def close(self) -> None:
        """Close the database; nothing can be read or written afterwards."""
        self._finalizer()


class _Connections:
    """Connections to one database that no thread is using just now.

    A connection is used by one thread at a time, and never by a forked child of the
    process that opened it: SQLite forbids that.

    Parameters
    ----------
    connect : callable
        Opens one more.
    path : str or None
        The file; None for a database in memory, of which there may be one connection only.
    """

    _left_to_parents: list[Any] = []  # noqa: RUF012 - of all instances

    def __init__(self, connect: Callable[[], sqlite3.Connection], path: str | None) -> None:
        method = weakref.WeakMethod(connect)
        self._connect: Callable[[], sqlite3.Connection] = lambda: method()()  # type: ignore[misc]
        self._path = path
        self._file_nbytes = 0
        self._turn = threading.Lock() if path is None else None
        self._closed = False
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._free: deque[sqlite3.Connection] = deque()
        self._writing = threading.Lock()
        self._watching = threading.Lock()
        self._watcher: sqlite3.Connection | None = None  # writes nothing, so that it sees all changes
        self._watched = new_token()

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            self._left_to_parents += (self._free, self._watcher)
            self._start()

    def _check_size(self) -> None:
        """Let go of connections whose memory map ends behind the file: reading there would end the program."""
        try:
            nbytes = os.stat(self._path).st_size  # type: ignore[arg-type]
        except OSError:
            return  # it is for SQLite to say what is wrong
        if nbytes < self._file_nbytes:
            self._close_free()
        self._file_nbytes = nbytes

    def writing(self) -> threading.Lock:
        """To be held while something is written: threads then take turns, and do not wait in vain for SQLite's."""
        self._check_process()
        return self._writing

    def take(self) -> sqlite3.Connection:
        if self._closed:
            raise ValueError("the store is closed")
        self._check_process()
        if self._turn is not None:
            self._turn.acquire()
        else:
            self._check_size()
        try:
            return self._free.pop() if self._free else self._connect()
        except IndexError:  # another thread was faster
            return self._connect()
        except BaseException:
            if self._turn is not None:
                self._turn.release()
            raise

    def give(self, connection: sqlite3.Connection) -> None:
        self._free.append(connection)
        if self._turn is not None:
            self._turn.release()
        if self._closed:
            self.close()

    def token(self) -> bytes:
        """What differs after each change of the database."""
        if self._turn is not None:
            connection = self.take()
            try:
                return b"%b %d" % (self._watched, connection.total_changes)
            finally:
                self.give(connection)
        self._check_process()
        with self._watching:
            if self._closed:
                raise ValueError("the store is closed")
            if self._watcher is None:
                self._watcher = self._connect()
                self._watcher.execute("PRAGMA mmap_size = 0")  # it goes on when the file has shrunk
            (version,) = self._watcher.execute(_VERSION).fetchone()
        return b"%b %d" % (self._watched, version)

    def close(self) -> None:
        self._closed = True
        self._close_free()
        with self._watching:
            if self._watcher is not None and self._pid == os.getpid():
                self._watcher.close()
                self._watcher = None

    def _close_free(self) -> None:
        while self._free and self._pid == os.getpid():
            try:
                connection = self._free.pop()
            except IndexError:
                return
            connection.close()


# what is done with a connection


def _several(
    connection: sqlite3.Connection, keys: list[str], keep: Callable[[bytes], Any] = bytes
) -> dict[str, Any]:
    """The values of those keys that are there, at one moment: that of a statement, or of a transaction of several."""
    if len(keys) <= _TOGETHER:
        return _together(connection, keys, keep)
    found = {}
    connection.execute("BEGIN")
    try:
        for some in range(0, len(keys), _TOGETHER):
            found.update(_together(connection, keys[some : some + _TOGETHER], keep))
    finally:
        connection.execute("COMMIT")
    return found


def _together(
    connection: sqlite3.Connection, keys: list[str], keep: Callable[[bytes], Any]
) -> dict[str, Any]:
    if not keys:
        return {}
    n = 1 << (len(keys) - 1).bit_length()  # so that there are few statements, which sqlite3 keeps compiled
    rows = connection.execute(_get_some(n), [*keys, *keys[:1] * (n - len(keys))])
    return {key: keep(value) for key, value in rows}


@cache
def _get_some(n: int) -> str:
    return f"SELECT k, v FROM zarr WHERE k IN ({', '.join('?' * n)})"


def _part(connection: sqlite3.Connection, key: str, start: int, nbytes: int | None) -> Any:
    """A row of ``value[start:][:nbytes]``, or None."""
    if start < 0:
        start = f"max(0, length(v) - {-start})"  # type: ignore[assignment]
    length = "" if nbytes is None else f", {nbytes:d}"
    # some versions make NULL of a part of an empty value
    part = f"ifnull(substr(v, {start} + 1{length}), x'')"
    return connection.execute(f"SELECT {part} FROM zarr WHERE k = ?", (key,)).fetchone()


def _rename(connection: sqlite3.Connection, src: str, dst: str) -> None:
    taken = f"SELECT 1 FROM zarr WHERE k = :path OR {_UNDER} LIMIT 1"
    if connection.execute(taken, {"path": src, **_under(src)}).fetchone() is None:
        raise KeyError(src)
    if src == dst:
        return
    if connection.execute(taken, {"path": dst, **_under(dst)}).fetchone() is not None:
        raise FileExistsError(f"cannot rename {src!r}: there is something at {dst!r}")
    connection.execute(
        f"UPDATE zarr SET k = :dst || substr(k, :after) WHERE k = :path OR {_UNDER}",
        {"path": src, "dst": dst, "after": len(src) + 1, **_under(src)},
    )


def _under(path: str) -> dict[str, Any]:
    """Parameters of `_UNDER`: the keys under a path, and where their names relative to it start."""
    if not path:
        return {"first": "", "end": _LAST, "start": 1}
    return {"first": f"{path}/", "end": f"{path}0", "start": len(path) + 2}


# errors


def _code(error: sqlite3.Error) -> int | None:
    """SQLite's own number of an error, without the details."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _explained(error: sqlite3.Error, path: str) -> Exception:
    """The same failure as an exception of a kind that says what is wrong, with the path."""
    code = _code(error)
    if code == sqlite3.SQLITE_CANTOPEN or os.path.isdir(path):
        return _cannot_open(path)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return TimeoutError(errno.ETIMEDOUT, "the database is locked: another process is writing", path)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return PermissionError(errno.EACCES, f"the database cannot be written ({error})", path)
    if code == sqlite3.SQLITE_FULL:
        return OSError(errno.ENOSPC, "the disk, or the database, is full", path)
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT):
        return OSError(errno.EIO, f"the database cannot be read or written ({error})", path)
    if code == sqlite3.SQLITE_NOTADB:
        return ValueError(f"the file {path!r} is not a SQLite database")
    if code == sqlite3.SQLITE_TOOBIG:
        return ValueError(f"the value is too large for the database {path!r}")
    return OSError(errno.EIO, f"SQLite failed: {error}", path)


def _cannot_open(path: str) -> OSError:
    if os.path.isdir(path):
        return IsADirectoryError(errno.EISDIR, "a directory is no SQLite database", path)
    if not os.path.isdir(os.path.dirname(path)):
        return FileNotFoundError(errno.ENOENT, "there is no such directory for the database", path)
    if not os.path.exists(path) and os.access(os.path.dirname(path), os.W_OK):
        return FileNotFoundError(errno.ENOENT, "there is no such database", path)
    return PermissionError(errno.EACCES, "the database cannot be opened", path)
