"""A store in a DBM database: dbm.dumb, dbm.gnu, dbm.ndbm, Berkeley DB and what else opens like them.

These databases want to be opened once in a process, and most of them to be used by
one thread at a time. The stores of one path share a `_Database`, which sees to both.
"""

from __future__ import annotations

import errno
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

from zarrc.errors import ReadOnlyError
from zarrc.storage.base import (
    Store,
    check_key,
    is_full,
    is_key,
    new_token,
    normalize_value,
    unless_overridden,
)

_FLAGS = ("r", "w", "c", "n")
# after a write that failed these do not find all that they held
_FORGETFUL = ("berkeleydb", "bsddb3", "_gdbm")


class DBMStore(Store):
    """Keys in a DBM database. Safe to write in many threads, in one process at a time.

    Parameters
    ----------
    path : str or os.PathLike
        The database; some kinds add a suffix, or have several files.
    flag : {"c", "r", "w", "n"}
        "r" reads a database that exists; "w" also writes it; "c" makes it if it is not
        there; "n" makes it anew.
    mode : int
        Permissions of a new file.
    open : callable, optional
        Opens it: ``open(path, flag, mode)``; `dbm.open`, which takes the best kind that there is, if None.
        ``dbm.gnu.open``, ``dbm.ndbm.open``, ``dbm.dumb.open`` and, with the package berkeleydb,
        ``berkeleydb.btopen`` and ``berkeleydb.hashopen`` ask for one kind.
    write_lock : bool
        Whether threads take turns. Only for a database that is safe without.
    **open_kwargs
        Passed to ``open``.

    Raises
    ------
    FileNotFoundError, PermissionError, OSError
        The database cannot be opened, and why: one that another process is writing is
        locked, if its kind has locks.

    Notes
    -----
    What is written is safe in the file after `flush` and `close`. What a killed program leaves
    depends on the kind: with most of them the database may be damaged. `SQLiteStore` and `LMDBStore`
    have no such weakness.

    A process that was forked from one that has the store open can do nothing with it.

    Examples
    --------
    >>> import dbm.dumb
    >>> with DBMStore("data.db", open=dbm.dumb.open) as store:
    ...     store["a/b"] = b"1"
    ...     store.listdir("a")
    ['b']
    """

    __module__ = "zarrc.storage"

    def __init__(
        self,
        path: str | os.PathLike[str],
        flag: str = "c",
        mode: int = 0o666,
        open: Callable[..., Any] | None = None,
        write_lock: bool = True,
        dimension_separator: str | None = None,
        **open_kwargs: Any,
    ) -> None:
        if flag[:1] not in _FLAGS:
            raise ValueError(f"flag starts with one of {_FLAGS}, not {flag!r}")
        self.path = os.path.abspath(os.fspath(path))
        self.flag = flag
        self.mode = mode
        self.open = open
        self.write_lock = write_lock
        self.open_kwargs = open_kwargs
        self._dimension_separator = dimension_separator
        self._open()

    def _open(self) -> None:
        self.read_only = self.flag[:1] == "r"
        self._database = _acquire(self)
        self._finalizer = weakref.finalize(self, _release, self._database)

    def __getstate__(self) -> dict[str, Any]:
        self.flush()
        names = ("path", "mode", "open", "write_lock", "open_kwargs", "_dimension_separator")
        flag = f"c{self.flag[1:]}" if self.flag[:1] == "n" else self.flag
        return {**{name: getattr(self, name) for name in names}, "flag": flag}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    # the mapping

    def __getitem__(self, key: str) -> bytes:
        check_key(key)
        (value,) = self._database.get([key.encode()])
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        check_key(key)
        self._set([(key.encode(), bytes(normalize_value(value)))])

    def _set(self, items: list[tuple[bytes, bytes]]) -> None:
        self.check_writeable()

        def put(db: Any) -> None:
            for name, value in items:
                if not value and type(db).__module__ == "_dbm":
                    raise ValueError("dbm.ndbm cannot keep empty values: it does not find them again")
                db[name] = value

        self._database.change(put)

    def __delitem__(self, key: str) -> None:
        check_key(key)
        self.check_writeable()
        try:
            self._database.change(lambda db: db.__delitem__(key.encode()))
        except KeyError:
            raise KeyError(key) from None

    def __contains__(self, key: object) -> bool:
        if not is_key(key):
            return False
        try:
            name = key.encode()  # type: ignore[attr-defined]
        except UnicodeEncodeError:
            return False
        return self._database.run(lambda db: name in db or _check_health(db))

    def __iter__(self) -> Iterator[str]:
        return iter([name.decode() for name in self._database.run(lambda db: list(db.keys()))])

    def __len__(self) -> int:
        return self._database.run(len)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, DBMStore)
            and type(self) is type(other)
            and (self.path, self.open, self.open_kwargs) == (other.path, other.open, other.open_kwargs)
        )

    # what it offers

    def identity(self) -> str:
        return os.path.realpath(self.path)

    def token(self, key: str) -> bytes | None:
        """What every change of the database changes; it is this process alone that makes one."""
        return self._database.token

    @unless_overridden
    def getitems(self, keys: Iterable[str], *, contexts: Mapping[str, Any] | None = None) -> dict[str, bytes]:
        keys = list(keys)
        for key in keys:
            check_key(key)
        values = self._database.get([key.encode() for key in keys])
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

    @unless_overridden
    def setitems(self, values: Mapping[str, Any]) -> None:
        for key in values:
            check_key(key)
        self._set([(key.encode(), bytes(normalize_value(value))) for key, value in values.items()])

    def rmdir(self, path: str = "") -> None:
        self.check_writeable()
        super().rmdir(path)

    def rename(self, src_path: str, dst_path: str) -> None:
        self.check_writeable()
        super().rename(src_path, dst_path)

    def flush(self) -> None:
        """Put what was written into the file."""
        self._database.flush()

    def close(self) -> None:
        """Put what was written into the file and close it; nothing can be read or written afterwards."""
        if self._finalizer.detach() is not None:
            _release(self._database)
            self._database = _CLOSED


class _Database:
    """An open database, which the stores of one path share."""

    def __init__(self, store: DBMStore) -> None:
        self.key = _key(store)
        self.path = store.path
        self.n_stores = 0
        self.pid = os.getpid()
        self.is_damaged = False
        self.read_only = store.read_only
        self.turn: Any = threading.RLock() if store.write_lock else nullcontext()
        self._how = store.open, store.mode, store.open_kwargs
        self._db: Any = None
        self._open(store.flag)

    def _open(self, flag: str) -> None:
        opener, mode, kwargs = self._how
        opener = opener or _open_best
        if flag[:1] in ("r", "w") and not _is_there(self.path):
            raise FileNotFoundError(errno.ENOENT, "there is no such database", self.path)
        try:
            self._db = opener(self.path, flag, mode, **kwargs)
        except Exception as error:
            raise _explained(error, self.path) from error
        self._flag = flag if flag[:1] == "r" else f"w{flag[1:]}"
        self.token = new_token()

    def run(self, act: Callable[[Any], Any]) -> Any:
        """Do something with the database, in turn."""
        with self.turn:
            if self._db is None:
                raise ValueError("the store is closed")
            if self.pid != os.getpid():
                raise ReadOnlyError(
                    f"the database {self.path!r} was opened by the parent process: open it again"
                )
            if self.is_damaged:
                raise OSError(
                    errno.EIO, "a write has failed, and the database may have lost values", self.path
                )
            try:
                return act(self._db)
            except KeyError:
                raise
            except Exception as error:
                raise _explained(error, self.path) from error

    def change(self, act: Callable[[Any], Any]) -> None:
        """Do something that changes the database, in turn."""
        try:
            self.run(act)
        except (OSError, MemoryError) as error:
            full = is_full(os.path.dirname(self.path))
            self.is_damaged = full or type(self._db).__module__.startswith(_FORGETFUL)
            if full:  # which these databases say in many ways
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path) from error
            raise
        finally:
            self.token = new_token()

    def get(self, names: Iterable[bytes]) -> list[bytes | None]:
        """The values of some keys, None where there is no such key."""

        def get(db: Any) -> list[bytes | None]:
            values = [_get(db, name) for name in names]
            if None in values:
                _check_health(db)
            return values

        return self.run(get)

    def flush(self) -> None:
        with self.turn:
            if self._db is None or self.read_only or self.pid != os.getpid():
                return
            try:
                if hasattr(self._db, "sync"):
                    self._db.sync()
                else:
                    self._db.close()
                    self._db = None
                    self._open(self._flag)
            except OSError:
                raise
            except Exception as error:
                raise _explained(error, self.path) from error

    def make_writeable(self, store: DBMStore) -> None:
        """Open again for writing what was opened for reading."""
        with self.turn:
            if self.read_only:
                self._db.close()
                self._open(store.flag)
                self.read_only = False

    def close(self) -> None:
        if self.pid != os.getpid():
            _left_to_parents.append(self._db)
            return
        with self.turn:
            if self._db is not None:
                db, self._db = self._db, None
                try:
                    db.close()
                except Exception as error:
                    raise _explained(error, self.path) from error


_CLOSED: Any = object.__new__(_Database)
_CLOSED._db, _CLOSED.turn, _CLOSED.token = None, nullcontext(), None

_left_to_parents: list[Any] = []  # databases that a forked child must not close

# databases that this process has open
_databases: dict[Any, _Database] = {}
_registry_lock = threading.RLock()


def _key(store: DBMStore) -> Any:
    return os.path.realpath(store.path)


def _acquire(store: DBMStore) -> _Database:
    """The open database of a store."""
    key = _key(store)
    with _registry_lock:
        database = _databases.get(key)
        if database is not None and store.flag[:1] == "n":
            database.close()
            database = None
        if database is None:
            database = _databases[key] = _Database(store)
        elif not store.read_only:
            database.make_writeable(store)
        database.n_stores += 1
        return database


def _release(database: _Database) -> None:
    """Take back what `_acquire` gave; the last one closes the database."""
    with _registry_lock:
        database.n_stores -= 1
        if database.n_stores:
            return
        if _databases.get(database.key) is database:
            del _databases[database.key]
        database.close()


def _forget() -> None:
    """In a forked child: leave the databases to the parent."""
    global _registry_lock
    _registry_lock = threading.RLock()
    for database in _databases.values():
        database.turn = threading.RLock()
        _left_to_parents.append(database._db)
    _databases.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


_KINDS = ("dbm.gnu", "dbm.ndbm", "dbm.dumb")  # the best first


def _open_best(path: str, flag: Any, mode: int) -> Any:
    """Open the kind of database that is there, or the best kind that this Python has."""
    import dbm
    from importlib import import_module

    found = dbm.whichdb(path)
    if found == "dbm.sqlite3":
        raise ValueError(
            f"{path!r} is a database of dbm.sqlite3, which works in one thread only: use SQLiteStore"
        )
    if found in _KINDS:  # `dbm.open` keeps to the kinds that there were at its first call
        return import_module(found).open(path, flag, mode)
    if found is not None:
        return dbm.open(path, flag, mode)
    for name in _KINDS:
        try:
            module = import_module(name)
        except ImportError:
            continue
        return module.open(path, flag, mode)
    raise AssertionError("dbm.dumb is always there")


def _is_there(path: str) -> bool:
    return any(os.path.exists(path + suffix) for suffix in ("", ".db", ".dat", ".dir", ".pag"))


# what these databases do not say by themselves


def _get(db: Any, name: bytes) -> bytes | None:
    try:
        value = db[name]
    except KeyError:
        return None
    if type(db).__module__ == "dbm.dumb" and len(value) != db._index[name][1]:
        raise OSError("the database is truncated")
    return value


def _check_health(db: Any) -> bool:
    """Raise if a key may not have been found because reading failed; else return False.

    To dbm.gnu a failure is a missing key; counting the keys says that it was one.
    """
    if type(db).__module__ == "_gdbm":
        len(db)
    return False


# errors


def _explained(error: Exception, path: str) -> Exception:
    """The same failure as an OSError that has the path."""
    if isinstance(error, (TypeError, ValueError, MemoryError, ImportError)):
        return error
    numbers = [argument for argument in error.args if type(argument) is int]
    number = getattr(error, "errno", None) or (numbers[0] if numbers else None)
    if number is not None and number > 0:
        message = os.strerror(number)
        if number in (errno.EAGAIN, errno.EACCES) and os.path.exists(path) and os.access(path, os.R_OK):
            message += ": another process has the database open, or it cannot be written"
        return OSError(number, message, path)
    if not _is_there(path):
        return FileNotFoundError(errno.ENOENT, str(error), path)
    return OSError(errno.EIO, f"{type(error).__name__}: {error}", path)
