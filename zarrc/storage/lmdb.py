"""A store in an LMDB environment: a memory-mapped B+ tree.

LMDB wants its environment opened once in a process, closed by the process that opened
it, and its map grown only while no transaction is under way. An `_Environment` sees to that: the
stores of one path share it, and it counts the transactions.
"""

from __future__ import annotations

import errno
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from zarrc.errors import ReadOnlyError
from zarrc.kernels.pinned import Pinned
from zarrc.storage.base import (
    Store,
    check_key,
    check_rename,
    is_full,
    is_key,
    new_token,
    normalize_storage_path,
    normalize_value,
    unless_overridden,
)
from zarrc.storage.buffers import Transfers

# What py-lmdb says about its types differs between its versions.
Transaction = Any

T = TypeVar("T")

_MAP_NBYTES = 1 << 34  # of address space, where nobody says; the file is only as large as what is in it
_PATIENCE = 60.0  # seconds that a writer waits for readers when the map is full
_COURTESY = 1.0  # seconds that a new reader waits for such a writer
_BATCH_NBYTES = (
    1 << 26
)  # of chunks that are read in one transaction: there is no copy of them to be kept small
_OPTIONS = {
    "sync": False,
    "metasync": False,
    "max_readers": 512,
    # Spare ones share their slots with forked children.
    "max_spare_txns": 0,
}


class LMDBStore(Store):
    """Keys in an LMDB database. Safe to write in many threads and processes. Needs the package ``lmdb``.

    Parameters
    ----------
    path : str or os.PathLike
        A directory, made if it is not there; or a file, if there is one of that name or ``subdir=False`` is given.
    buffers : bool
        Whether chunks are decoded where they are in LMDB's memory map, without a copy.
    read_only : bool
        Whether writes are refused; the database must be there.
    durability : {"rename", "fsync"}
        ``"rename"``: a change is whole or not there at all after a crash of the program; what a crash of the
        machine leaves depends on the file system. ``"fsync"``: it is on the disk when the write returns.
    **kwargs
        Passed to `lmdb.open`. ``map_size`` is only where the map starts: it grows when it is full.

    Raises
    ------
    FileNotFoundError, PermissionError
        The database cannot be opened, and why.
    ValueError
        The file is not an LMDB database; on writing, a key has more than 511 bytes.
    OSError
        The disk is full, or the file is truncated or damaged.

    Notes
    -----
    Users get bytes. A process that was forked from one that has the store open can read it and not write it.

    Examples
    --------
    >>> with LMDBStore("data.lmdb") as store:  # doctest: +SKIP
    ...     store["a/b"] = b"12345"
    """

    __module__ = "zarrc.storage"

    def __init__(
        self,
        path: str | os.PathLike[str],
        buffers: bool = True,
        dimension_separator: str | None = None,
        *,
        read_only: bool = False,
        durability: str = "rename",
        **kwargs: Any,
    ) -> None:
        if durability not in ("rename", "fsync"):
            raise ValueError(f"durability is one of ('rename', 'fsync'), not {durability!r}")
        self.path = os.path.abspath(os.fspath(path))
        self.buffers = buffers
        self.read_only = read_only or bool(kwargs.pop("readonly", False))
        self.durability = durability
        self._dimension_separator = dimension_separator
        if durability == "fsync":
            kwargs = {"sync": True, "metasync": True, **kwargs}
        self.kwargs = kwargs
        self._open()

    def _open(self) -> None:
        self._environment = _acquire(self.path, self.read_only, self.kwargs)
        self._finalizer = weakref.finalize(self, _release, self._environment)

    def __getstate__(self) -> dict[str, Any]:
        names = ("path", "buffers", "read_only", "durability", "_dimension_separator", "kwargs")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def _change(self, act: Callable[[Transaction], T]) -> T:
        """Do something in one transaction; it may be done again in another one."""
        self.check_writeable()
        return self._environment.write(act)

    # the mapping

    def __getitem__(self, key: str) -> bytes:
        name = _name(key)
        value = self._environment.read(lambda transaction: transaction.get(name))
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        name, value = _new_name(key), normalize_value(value)
        self._change(lambda transaction: transaction.put(name, value))

    def __delitem__(self, key: str) -> None:
        name = _name(key)
        if not self._change(lambda transaction: transaction.delete(name)):
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        if not is_key(key):
            return False
        try:
            name = _name(key)  # type: ignore[arg-type]
        except UnicodeEncodeError:
            return False
        return self._environment.read(lambda transaction: transaction.get(name) is not None, buffers=True)

    def __iter__(self) -> Iterator[str]:
        names = self._environment.read(lambda transaction: list(transaction.cursor().iternext(values=False)))
        return iter([name.decode() for name in names])

    def __len__(self) -> int:
        return self._environment.read(lambda transaction: transaction.stat()["entries"])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LMDBStore) and type(self) is type(other) and self.path == other.path

    # what it offers

    def identity(self) -> str:
        return os.path.realpath(self.path)

    def token(self, key: str) -> bytes | None:
        """What every change of the database changes, in any process: the number of the last transaction."""
        return self._environment.token()

    def transfers(self) -> Any:
        return Transfers(self, self._getbuffers, _BATCH_NBYTES) if self.buffers else self

    @unless_overridden
    def get_partial(self, key: str, start: int, nbytes: int | None = None) -> bytes:
        name = _name(key)
        value = self._environment.read(
            lambda transaction: _part(transaction, name, start, nbytes), buffers=True
        )
        if value is None:
            raise KeyError(key)
        return value

    @unless_overridden
    def getitems(self, keys: Iterable[str], *, contexts: Mapping[str, Any] | None = None) -> dict[str, bytes]:
        """The values of those of ``keys`` that are there, all as they were at one moment."""
        names = [(key, _name(key)) for key in keys]

        def get(transaction: Transaction) -> dict[str, bytes]:
            found = ((key, transaction.get(name)) for key, name in names)
            return {key: value for key, value in found if value is not None}

        return self._environment.read(get)

    def _getbuffers(self, keys: Iterable[str]) -> dict[str, Pinned]:
        """The values of those of ``keys`` that are there, in LMDB's own memory, all as they were at one moment.

        Returns
        -------
        dict of str to buffers
            They stay what they are as long as they are referred to. Meanwhile the map cannot
            grow, nor the space of deleted values be used again: let go of them soon.
        """
        snapshot = _Snapshot(self._environment)
        get = snapshot.transaction.get
        found = {}
        for key in keys:
            view = get(key.encode())
            if view is not None:
                found[key] = Pinned(view, snapshot)
        return found

    @unless_overridden
    def setitems(self, values: Mapping[str, Any]) -> None:
        """Set several keys: all of them, or none if that fails."""
        items = [(_new_name(key), normalize_value(value)) for key, value in values.items()]

        def put(transaction: Transaction) -> None:
            for name, value in items:
                transaction.put(name, value)

        self._change(put)

    @unless_overridden
    def delitems(self, keys: Iterable[str]) -> None:
        """Delete those of ``keys`` that are there: all of them, or none if that fails."""
        names = [_name(key) for key in keys]
        self._change(lambda transaction: _delete(transaction, names))

    def listdir(self, path: str = "") -> list[str]:
        prefix = _prefix(path)
        return sorted(self._environment.read(lambda transaction: _children(transaction, prefix)))

    @unless_overridden
    def rmdir(self, path: str = "") -> None:
        prefix = _prefix(path)
        self._change(lambda transaction: _delete(transaction, _names_under(transaction, prefix)))

    @unless_overridden
    def rename(self, src_path: str, dst_path: str) -> None:
        src, dst = normalize_storage_path(src_path), normalize_storage_path(dst_path)
        check_rename(src, dst)
        self._change(lambda transaction: _rename(transaction, src, dst))

    def getsize(self, path: str = "") -> int:
        path = normalize_storage_path(path)
        return self._environment.read(lambda transaction: _getsize(transaction, path), buffers=True)

    def getsize_prefix(self, path: str = "") -> int:
        prefix = _prefix(path)

        def total(transaction: Transaction) -> int:
            return sum(len(transaction.get(name)) for name in _names_under(transaction, prefix))

        return self._environment.read(total, buffers=True)

    def flush(self) -> None:
        """Put what was written on the disk."""
        if not self.read_only:
            self._environment.sync()

    def close(self) -> None:
        """Put what was written on the disk and close the database; nothing can be read or written afterwards."""
        if self._finalizer.detach() is not None:
            environment, self._environment = self._environment, _CLOSED
            _release(environment)


# keys


def _name(key: str) -> bytes:
    check_key(key)
    return key.encode()


def _new_name(key: str) -> bytes:
    name = _name(key)
    if len(name) > 511:
        raise ValueError(f"a key in LMDB has at most 511 bytes, this one has {len(name)}: {key[:50]!r}…")
    return name


def _prefix(path: str) -> bytes:
    path = normalize_storage_path(path)
    return f"{path}/".encode() if path else b""


# buffers for transfers


class _Snapshot:
    """A read transaction that ends when nobody refers to it any more."""

    __slots__ = ("environment", "transaction")

    def __init__(self, environment: _Environment) -> None:
        self.environment = environment
        self.transaction = environment.begin(buffers=True)

    def __del__(self) -> None:
        if hasattr(self, "transaction"):
            self.environment.end(self.transaction)


# environments


class _Environment:
    """An open LMDB environment, which the stores of one path share."""

    def __init__(self, path: str, read_only: bool, options: dict[str, Any]) -> None:
        self.path = path
        self.options = options
        self.n_stores = 0
        self.pid = os.getpid()
        self._start()
        self._open(read_only)

    def _start(self) -> None:
        self._writing = threading.Lock()
        self._turn = threading.Condition()  # of what follows
        self._n_reading = 0
        self._waiting = False  # somebody wants to change the map
        self._closed = False

    def _open(self, read_only: bool) -> None:
        self.read_only = read_only
        self._handle: Any = _open(self.path, read_only, self.options)
        self._opened = new_token()

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("the store is closed")

    # reading

    def begin(self, buffers: bool) -> Transaction:
        """A new read transaction, to be given to `end`."""
        with self._turn:
            self._check_open()
            if self._waiting:
                # Not for ever: this thread may be what is waited for.
                self._turn.wait_for(lambda: not self._waiting, _COURTESY)
            try:
                transaction = self._try_begin(buffers)
            except _lmdb().Error as error:
                raise _explained(error, self.path) from error
            self._n_reading += 1
            return transaction

    def _try_begin(self, buffers: bool) -> Transaction:
        try:
            return self._handle.begin(buffers=buffers)
        except _lmdb().MapResizedError:  # another process has more in the database than fits this map
            self._resize(0)
        except _lmdb().ReadersFullError:
            self._handle.reader_check()
        return self._handle.begin(buffers=buffers)

    def end(self, transaction: Transaction) -> None:
        if self.pid != os.getpid():
            _left_to_parents.append(transaction)
            return
        with self._turn:
            transaction.abort()
            self._n_reading -= 1
            if not self._n_reading:
                if self._closed:
                    self._handle.close()
                if self._waiting:
                    self._turn.notify_all()

    def read(self, act: Callable[[Transaction], T], buffers: bool = False) -> T:
        """Do something in a read transaction."""
        transaction = self.begin(buffers)
        try:
            return act(transaction)
        except _lmdb().Error as error:
            raise _explained(error, self.path) from error
        finally:
            self.end(transaction)

    def token(self) -> bytes:
        """What differs after each change of the database."""
        with self._turn:  # the map, where the number is, stays as it is
            self._check_open()
            return b"%b %d" % (self._opened, self._handle.info()["last_txnid"])

    # writing

    def write(self, act: Callable[[Transaction], T]) -> T:
        """Do something in a write transaction, again if the map had to grow."""
        if self.pid != os.getpid():
            raise ReadOnlyError(
                f"the LMDB database {self.path!r} is open in the process that this one was forked from, "
                "which LMDB allows for reading only: start processes by 'spawn'"
            )
        with self._writing:
            while True:
                self._check_open()
                try:
                    with self._handle.begin(write=True) as transaction:
                        return act(transaction)
                except _lmdb().MapFullError:
                    self._grow()
                except _lmdb().MapResizedError:
                    with self._turn:
                        self._resize(0)
                except _lmdb().Error as error:
                    raise _explained(error, self.path) from error

    def _grow(self) -> None:
        """Double the map."""
        with self._turn:
            self._resize(2 * self._handle.info()["map_size"])

    def _resize(self, nbytes: int) -> None:
        """Give the map another size, 0: that of the database, when nobody is reading; the turn is ours."""
        self._wait_for_readers()
        self._handle.set_mapsize(nbytes)

    def _wait_for_readers(self) -> None:
        self._waiting = True
        try:
            if not self._turn.wait_for(lambda: not self._n_reading, _PATIENCE):
                raise OSError(
                    errno.EBUSY,
                    f"the map is full and was in use for {_PATIENCE} s, so it could not grow",
                    self.path,
                )
        finally:
            self._waiting = False
            self._turn.notify_all()

    def make_writeable(self) -> None:
        """Open again for writing what was opened for reading."""
        with self._writing, self._turn:
            if self.read_only:
                self._wait_for_readers()
                self._handle.close()
                self._open(read_only=False)

    def sync(self) -> None:
        self._check_open()
        if not self.read_only and self.pid == os.getpid():
            self._handle.sync(True)

    def close(self) -> None:
        """Close it, now or when the last reader is done; never in a forked child."""
        if self.pid != os.getpid():
            _left_to_parents.append(self._handle)
            return
        self.sync()
        with self._writing, self._turn:
            self._closed = True
            if not self._n_reading:
                self._handle.close()

    # forking

    def before_fork(self) -> None:
        self._writing.acquire()

    def after_fork_in_parent(self) -> None:
        self._writing.release()

    def after_fork_in_child(self) -> None:
        """The parent's readers and writers are not here."""
        closed = self._closed
        self._start()
        self._closed = closed


_CLOSED: Any = object.__new__(_Environment)
_CLOSED._start()
_CLOSED._closed, _CLOSED.pid, _CLOSED.path = True, os.getpid(), ""

# What a forked child must neither use nor end: transactions and environments of its parent.
_left_to_parents: list[Any] = []

# environments that this process has open, by their real paths
_environments: dict[str, _Environment] = {}
_registry_lock = threading.RLock()


def _acquire(path: str, read_only: bool, options: dict[str, Any]) -> _Environment:
    """The open environment of a path."""
    real = os.path.realpath(path)
    with _registry_lock:
        environment = _environments.get(real)
        if environment is None:
            environment = _environments[real] = _Environment(real, read_only, options)
        elif not read_only and environment.pid == os.getpid():
            environment.make_writeable()
        environment.n_stores += 1
        return environment


def _release(environment: _Environment) -> None:
    """Take back what `_acquire` gave; the last one closes the environment."""
    with _registry_lock:
        environment.n_stores -= 1
        if environment.n_stores or environment.pid != os.getpid():
            return
        if _environments.get(environment.path) is environment:
            del _environments[environment.path]
        environment.close()


_at_rest: list[_Environment] = []  # while a process forks


def _before_fork() -> None:
    _at_rest.extend(_environments.values())
    for environment in _at_rest:
        environment.before_fork()


def _after_fork_in_parent() -> None:
    while _at_rest:
        _at_rest.pop().after_fork_in_parent()


def _after_fork_in_child() -> None:
    global _registry_lock
    _registry_lock = threading.RLock()
    while _at_rest:
        _at_rest.pop().after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )


def _open(path: str, read_only: bool, options: dict[str, Any]) -> Any:
    try:
        import lmdb
    except ImportError as error:
        raise ImportError("LMDBStore needs the package lmdb: pip install lmdb") from error

    if not os.path.lexists(path) and (read_only or not os.path.isdir(os.path.dirname(path))):
        raise FileNotFoundError(errno.ENOENT, "there is no such LMDB database, or directory for it", path)
    subdir = not os.path.isfile(path)
    wanted = {"map_size": _MAP_NBYTES, "subdir": subdir, **_OPTIONS, **options, "readonly": read_only}
    data = os.path.join(path, "data.mdb") if wanted["subdir"] else path
    if read_only and not os.path.exists(data):
        raise FileNotFoundError(errno.ENOENT, "there is no such LMDB database", path)
    if read_only and not os.path.getsize(data):
        raise ValueError(f"{path!r} is not an LMDB database: the file {data!r} is empty")
    if read_only and not os.access(os.path.dirname(data), os.W_OK):
        wanted["lock"] = False
    try:
        handle = lmdb.open(path, **wanted)
    except lmdb.Error as error:
        raise _explained(error, path) from error
    needed = (handle.info()["last_pgno"] + 1) * handle.stat()["psize"]
    if handle.stat()["entries"] and os.path.getsize(data) < needed:
        handle.close()  # to read it would end the program
        raise OSError(errno.EIO, f"the LMDB database is truncated: it needs {needed} bytes", path)
    handle.reader_check()
    return handle


# what is done in a transaction


def _part(transaction: Transaction, name: bytes, start: int, nbytes: int | None) -> bytes | None:
    view = transaction.get(name)
    if view is None:
        return None
    part = view[start:]
    return bytes(part if nbytes is None else part[:nbytes])


def _names_under(transaction: Transaction, prefix: bytes) -> list[bytes]:
    names = []
    cursor = transaction.cursor()
    there = cursor.set_range(prefix)
    while there and bytes(cursor.key()).startswith(prefix):
        names.append(bytes(cursor.key()))
        there = cursor.next()
    return names


def _children(transaction: Transaction, prefix: bytes) -> set[str]:
    """Names directly under a prefix; from each one the search leaps over all that is below it."""
    names = set()
    cursor = transaction.cursor()
    there = cursor.set_range(prefix)
    while there and cursor.key().startswith(prefix):
        name, slash, _ = cursor.key()[len(prefix) :].partition(b"/")
        names.add(name.decode())
        # "0" follows "/"
        there = cursor.set_range(prefix + name + b"0") if slash else cursor.next()
    return names


def _delete(transaction: Transaction, names: Iterable[bytes]) -> None:
    for name in names:
        transaction.delete(name)


def _rename(transaction: Transaction, src: str, dst: str) -> None:
    moving = _names_at(transaction, src)
    if not moving:
        raise KeyError(src)
    if src == dst:
        return
    if _names_at(transaction, dst):
        raise FileExistsError(f"cannot rename {src!r}: there is something at {dst!r}")
    for name in moving:
        transaction.put(_new_name(dst + name.decode()[len(src) :]), transaction.pop(name))


def _names_at(transaction: Transaction, path: str) -> list[bytes]:
    name = path.encode()
    own = [] if transaction.get(name) is None else [name]
    return own + _names_under(transaction, name + b"/")


def _getsize(transaction: Transaction, path: str) -> int:
    value = transaction.get(path.encode()) if path else None
    if value is not None:
        return len(value)
    prefix = f"{path}/".encode() if path else b""
    names = (name for name in _names_under(transaction, prefix) if b"/" not in name[len(prefix) :])
    return sum(len(transaction.get(name)) for name in names)


# errors


def _lmdb() -> Any:
    """The package, when something has gone wrong."""
    import lmdb

    return lmdb


def _explained(error: Exception, path: str) -> Exception:
    """The same failure as an exception of a kind that says what is wrong, with the path."""
    import lmdb

    if isinstance(error, lmdb.InvalidError | lmdb.VersionMismatchError):
        return ValueError(f"{path!r} is not an LMDB database that can be read here: {error}")
    if isinstance(error, lmdb.ReadersFullError):
        return OSError(errno.EAGAIN, "too many readers: give a larger max_readers", path)
    if os.strerror(errno.EIO) in str(error) and is_full(path):  # LMDB's word for a write that was cut short
        return OSError(errno.ENOSPC, "the disk is full", path)
    for number in (
        errno.ENOSPC,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.EFBIG,
        errno.ENOMEM,
        errno.ENOTDIR,
    ):
        if os.strerror(number) in str(error):
            return OSError(number, str(error), path)
    return OSError(errno.EIO, f"LMDB failed: {error}", path)
