"""Stores in directories of the local file system: one file per key.

Every write goes to a temporary file in the key's own directory, which then takes
the key's name: a reader finds the old value or the new one, and a writer that
fails or is killed leaves the old one. The compiled kernels write in the same way
and with the same names of temporaries, which no listing ever shows.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from zarrc.errors import FSPathExistNotDir
from zarrc.storage.base import (
    TEMPORARY_PREFIX,
    Store,
    check_key,
    check_rename,
    is_key,
    name_file,
    normalize_storage_path,
    normalize_value,
    unless_overridden,
)

if TYPE_CHECKING:
    from pathlib import Path

# what the system says when a key has no file: nothing there, a key in the way, a directory of that name
_MISSING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR})
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_DURABILITIES = ("rename", "fsync")
_TICK_NS = 20_000_000  # file times are those of the system's clock tick, 10 ms at most
_SMALL = 1 << 14  # bytes of what is read without asking for its size
_MAX_TRANSFER = 1 << 30  # most bytes for one call; the system's own limit is just under 2 GiB
_counter = itertools.count()
_randoms: dict[int, str] = {}  # by process


class DirectoryStore(Store):
    """Keys are files below a directory. Safe to write in many threads and processes.

    Parameters
    ----------
    path : str or os.PathLike
        The directory; made when something is written.
    normalize_keys : bool
        Whether keys are taken in lower case.
    dimension_separator : {".", "/"}, optional
        Separator of the chunk keys of format 2 arrays made in this store.
    durability : {"rename", "fsync"}
        ``"rename"``: a value is whole or not there at all after a crash of the program.
        ``"fsync"``: and it is on the disk when the write returns, so that it outlives a crash of the machine.
    read_only : bool
        Whether writes are refused.

    Raises
    ------
    NotADirectoryError
        The path, or what should be its parent, is a file.

    Notes
    -----
    A key that names a directory is missing. Symbolic links are followed; deleting a
    directory takes away the link and not what it leads to.
    """

    __module__ = "zarrc.storage"

    # the state that is pickled: what differs from these
    path: str
    normalize_keys = False
    durability = "rename"
    _identity: str | None = None

    def __init__(
        self,
        path: str | os.PathLike[str],
        normalize_keys: bool = False,
        dimension_separator: str | None = None,
        *,
        durability: str = "rename",
        read_only: bool = False,
    ) -> None:
        if durability not in _DURABILITIES:
            raise ValueError(f"durability is one of {_DURABILITIES}, not {durability!r}")
        self.path = _directory_path(path)
        self._keep(normalize_keys=normalize_keys, durability=durability, read_only=read_only)
        self._keep(_dimension_separator=dimension_separator)

    def _keep(self, **settings: Any) -> None:
        """Set what differs from the class's own value."""
        for name, value in settings.items():
            if value != getattr(self, name):
                setattr(self, name, value)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_identity"}

    @property
    def root(self) -> Path:
        """The directory as a `pathlib.Path`."""
        from pathlib import Path

        return Path(self.path)

    # keys

    def _file_path(self, key: str) -> str:
        check_key(key)
        if self.normalize_keys:
            key = key.lower()
        if TEMPORARY_PREFIX in key and any(part.startswith(TEMPORARY_PREFIX) for part in key.split("/")):
            raise ValueError(f"invalid key {key!r}: {TEMPORARY_PREFIX!r} starts the names of temporary files")
        return f"{self.path}/{key}"

    def _folder_path(self, path: str | None) -> str:
        path = normalize_storage_path(path)
        if self.normalize_keys:
            path = path.lower()
        return f"{self.path}/{path}" if path else self.path

    # the mapping

    def __getitem__(self, key: str) -> bytes:
        path = self._file_path(key)
        try:
            return _read(path)
        except OSError as error:
            raise _missing(error, key) from None

    @unless_overridden
    def getitems(self, keys: Iterable[str], *, contexts: Mapping[str, Any] | None = None) -> dict[str, bytes]:
        found = {}
        for key in keys:
            try:
                found[key] = _read_small(self._file_path(key))
            except OSError as error:
                if error.errno not in _MISSING:
                    raise
        return found

    @unless_overridden
    def get_partial(self, key: str, start: int, nbytes: int | None = None) -> bytes:
        path = self._file_path(key)
        try:
            return _read(path, start, nbytes)
        except OSError as error:
            raise _missing(error, key) from None

    def __setitem__(self, key: str, value: Any) -> None:
        path = self._file_path(key)
        if self.read_only:
            self.check_writeable()
        _write(path, normalize_value(value), self.durability == "fsync")

    def __delitem__(self, key: str) -> None:
        path = self._file_path(key)
        if self.read_only:
            self.check_writeable()
        try:
            _unlink(path)
        except OSError as error:
            raise _missing(error, key) from None
        if self.durability == "fsync":
            _sync_directory(os.path.dirname(path))

    def __contains__(self, key: object) -> bool:
        try:
            return stat.S_ISREG(os.stat(self._file_path(key)).st_mode)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return False
        except OSError as error:
            if error.errno in _MISSING:
                return False
            raise

    def __iter__(self) -> Iterator[str]:
        return (key for key, _ in _walk(self.path, ""))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.path == other.path

    # what it offers

    def identity(self) -> str:
        if self._identity is None:
            found = os.path.realpath(self.path)
            if not os.path.isdir(found):
                return found
            self._identity = found
        return self._identity

    def token(self, key: str) -> bytes | None:
        """The file's stamp; None while a further change might leave it as it is."""
        try:
            found = os.stat(self._file_path(key))
        except OSError:
            return None
        times = found.st_mtime_ns, found.st_ctime_ns
        if time.time_ns() - max(times) <= _TICK_NS:
            return None
        return b"%d %d %d %d %d" % (found.st_dev, found.st_ino, found.st_size, *times)

    def chunk_directory(self, prefix: str = "") -> tuple[str, str | None] | None:
        return self._folder_path(prefix), None

    def listdir(self, path: str = "") -> list[str]:
        return sorted(entry.name for entry in _entries(self._folder_path(path)))

    def rmdir(self, path: str = "") -> None:
        self.check_writeable()
        folder = self._folder_path(path)
        if folder == self.path:
            for entry in _entries(folder, temporaries=True):
                _remove_tree(entry.path)
        elif os.path.isdir(folder):
            _remove_tree(folder)

    def rename(self, src_path: str, dst_path: str) -> None:
        self.check_writeable()
        src = self._file_path(normalize_storage_path(src_path))
        dst = self._file_path(normalize_storage_path(dst_path))
        check_rename(src, dst)
        if src == dst:
            return
        try:
            os.lstat(src)
        except OSError as error:
            raise _missing(error, src_path) from None
        if os.path.isdir(dst) and not any(True for _ in _walk(dst, "")):
            _remove_tree(dst)
        if os.path.lexists(dst):
            raise FileExistsError(f"cannot rename {src_path!r}: there is something at {dst_path!r}")
        os.makedirs(os.path.dirname(dst), exist_ok=True)
        os.rename(src, dst)
        if self.durability == "fsync":
            _sync_directory(os.path.dirname(src))
            _sync_directory(os.path.dirname(dst))

    def getsize(self, path: str = "") -> int:
        location = self._folder_path(path)
        try:
            found = os.stat(location)
        except (FileNotFoundError, NotADirectoryError):
            return 0
        if stat.S_ISDIR(found.st_mode):
            return sum(_size(entry) for entry in _entries(location) if entry.is_file())
        return found.st_size

    def getsize_prefix(self, path: str = "") -> int:
        return sum(_size(entry) for _, entry in _walk(self._folder_path(path), ""))


class LocalStore(DirectoryStore):
    """`DirectoryStore` under its name of format 3.

    Parameters
    ----------
    root : str or os.PathLike
        The directory; made when something is written.
    read_only : bool
        Whether writes are refused.
    durability : {"rename", "fsync"}
        See `DirectoryStore`.
    """

    __module__ = "zarrc.storage"

    def __init__(
        self, root: str | os.PathLike[str], read_only: bool = False, *, durability: str = "rename"
    ) -> None:
        super().__init__(root, durability=durability, read_only=read_only)


class NestedDirectoryStore(DirectoryStore):
    """A directory store whose arrays keep their chunks in nested folders.

    Arrays of format 2 made here have ``"/"`` between the numbers of their chunk
    keys, so that no folder holds more files than one axis has chunks.

    Parameters
    ----------
    path, normalize_keys, durability, read_only
        See `DirectoryStore`.
    dimension_separator : {"/"}, optional
        For likeness with `DirectoryStore`.
    """

    __module__ = "zarrc.storage"

    _dimension_separator: str | None = "/"

    def __init__(
        self,
        path: str | os.PathLike[str],
        normalize_keys: bool = False,
        dimension_separator: str | None = "/",
        *,
        durability: str = "rename",
        read_only: bool = False,
    ) -> None:
        if dimension_separator not in (None, "/"):
            raise ValueError("NestedDirectoryStore has '/' as dimension_separator")
        super().__init__(path, normalize_keys, "/", durability=durability, read_only=read_only)


class TempStore(DirectoryStore):
    """A directory store in a new temporary directory.

    The directory is removed when the store is no longer referred to, or at the end of
    the program; only by the process that made it, and never through a pickled copy.

    Parameters
    ----------
    suffix, prefix : str
        End and start of the directory's name.
    dir : str, optional
        Where it is made.
    normalize_keys, dimension_separator, durability
        See `DirectoryStore`.
    """

    __module__ = "zarrc.storage"

    def __init__(
        self,
        suffix: str = "",
        prefix: str = "zarr",
        dir: str | os.PathLike[str] | None = None,
        normalize_keys: bool = False,
        dimension_separator: str | None = None,
        *,
        durability: str = "rename",
    ) -> None:
        import tempfile
        import weakref

        path = tempfile.mkdtemp(suffix=suffix, prefix=prefix, dir=dir)
        weakref.finalize(self, _remove_temporary, path, os.getpid())
        super().__init__(path, normalize_keys, dimension_separator, durability=durability)


def _remove_temporary(path: str, pid: int) -> None:
    if os.getpid() == pid:
        import shutil

        shutil.rmtree(path, ignore_errors=True)


def _directory_path(path: str | os.PathLike[str]) -> str:
    """The absolute path of what is, or can become, a directory."""
    path = os.fspath(path)
    if not isinstance(path, str):
        raise TypeError(f"a path is a str, not {type(path).__name__}: {path!r}")
    if not path:
        raise ValueError("an empty path names no directory")
    path = os.path.abspath(path)
    try:
        is_directory = stat.S_ISDIR(os.stat(path).st_mode)
    except FileNotFoundError:
        return path
    if not is_directory:
        raise FSPathExistNotDir(errno.ENOTDIR, "path exists but is not a directory", path)
    return path


def _missing(error: OSError, key: str) -> Exception:
    """KeyError where the system says that there is no such file, else the error itself."""
    return KeyError(key) if error.errno in _MISSING else error


# reading


def _read_small(path: str) -> bytes:
    """Bytes of a file, with one call less where they are few."""
    file = os.open(path, _READ)
    try:
        value = os.read(file, _SMALL)
    finally:
        os.close(file)
    return value if len(value) < _SMALL else _read(path)


def _read(path: str, start: int = 0, nbytes: int | None = None) -> bytes:
    """Bytes of a file, as ``value[start:][:nbytes]`` gives them."""
    file = os.open(path, _READ)
    try:
        size = os.fstat(file).st_size
        if not size:  # there may be more all the same: some file systems do not know it before
            part = _read_to_end(file)[start:]
            return part if nbytes is None else part[:nbytes]
        first = min(start, size) if start >= 0 else max(0, size + start)
        count = size - first if nbytes is None else max(0, min(nbytes, size - first))
        if count <= _MAX_TRANSFER:
            value = os.pread(file, count, first)
            if len(value) == count:
                return value
        return _read_in_parts(file, first, count)
    finally:
        os.close(file)


def _read_to_end(file: int) -> bytes:
    parts = [os.read(file, _SMALL)]
    while parts[-1]:
        parts.append(os.read(file, _SMALL))
    return b"".join(parts)


def _read_in_parts(file: int, first: int, count: int) -> bytes:
    parts, done = [], 0
    while done < count:
        part = os.pread(file, min(count - done, _MAX_TRANSFER), first + done)
        if not part:
            raise OSError(errno.EIO, f"file ended {count - done} bytes before its size")
        parts.append(part)
        done += len(part)
    return b"".join(parts)


# writing


def _write(path: str, value: Any, fsync: bool) -> None:
    """Give ``path`` a new value, in one step."""
    directory = path.rpartition("/")[0]
    temporary = f"{directory}/{_temporary_name()}"
    try:
        file = os.open(temporary, _CREATE, 0o666)
        made = False
    except FileNotFoundError:
        _make_directory(directory)
        file = os.open(temporary, _CREATE, 0o666)
        made = True
    try:
        try:
            _write_all(file, value)
            if fsync:
                os.fsync(file)
        finally:
            os.close(file)
        os.replace(temporary, path)
    except BaseException as error:
        _unlink_if_there(temporary)
        name_file(error, path)
        raise
    if fsync:
        _sync_up(directory, made)


def _temporary_name() -> str:
    """Return a name that no other process or thread uses, on this machine or on another that has the folder too."""
    process = os.getpid()
    random = _randoms.get(process)
    if random is None:
        random = _randoms.setdefault(process, os.urandom(8).hex())
    return f"{TEMPORARY_PREFIX}{process:x}-{next(_counter):x}-{random}"


def _make_directory(path: str) -> None:
    """Make a directory, and those above it that are missing; most often there is one to make."""
    try:
        os.mkdir(path)
    except OSError:
        os.makedirs(path, exist_ok=True)


def _write_all(file: int, value: Any) -> None:
    view = memoryview(value)
    done = os.write(file, view[:_MAX_TRANSFER])
    while done < len(view):
        done += os.write(file, view[done : done + _MAX_TRANSFER])


def _sync_up(directory: str, made: bool) -> None:
    """Put the directory's entries on the disk, and those of its parents if some were made."""
    _sync_directory(directory)
    while made and directory != os.path.dirname(directory):
        directory = os.path.dirname(directory)
        try:
            _sync_directory(directory)
        except PermissionError:  # not ours, so not made by us
            return


def _sync_directory(directory: str) -> None:
    file = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


# deleting


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except PermissionError:
        if os.path.isdir(path):  # how some systems answer for a directory
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path) from None
        raise


def _unlink_if_there(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def _remove_tree(path: str) -> None:
    """Remove a file, a link or a directory with all that it holds."""
    if os.path.islink(path) or not os.path.isdir(path):
        os.unlink(path)
        return
    import shutil

    while os.path.lexists(path):
        with suppress(FileNotFoundError):  # somebody else removed a part of it: go on with the rest
            shutil.rmtree(path)


# listing


def _entries(directory: str, temporaries: bool = False) -> list[os.DirEntry[str]]:
    """What stands in a directory, in order; nothing if there is no such directory."""
    try:
        with os.scandir(directory) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    if temporaries:
        return entries
    return [entry for entry in entries if not entry.name.startswith(TEMPORARY_PREFIX) and is_key(entry.name)]


def _walk(directory: str, prefix: str, links: tuple[str, ...] = ()) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Keys and entries of all files below a directory; links are followed, but not in circles."""
    for entry in _entries(directory):
        if entry.is_file():
            yield prefix + entry.name, entry
        elif entry.is_symlink():
            target = os.path.realpath(entry.path)
            if entry.is_dir() and target not in links and not _is_inside(directory, target):
                yield from _walk(entry.path, f"{prefix}{entry.name}/", (*links, target))
        elif entry.is_dir():
            yield from _walk(entry.path, f"{prefix}{entry.name}/", links)


def _is_inside(directory: str, target: str) -> bool:
    real = os.path.realpath(directory)
    return real == target or real.startswith(f"{target}/")


def _size(entry: os.DirEntry[str]) -> int:
    """Size of a file, 0 if it has just been removed."""
    try:
        return entry.stat().st_size
    except FileNotFoundError:
        return 0
