"""Open Zip archives, which the stores of one path share.

A member is never written over, nor is a directory that readers may be using:
members and each new directory go after what is there, and the archive's size is
what makes a new directory the valid one. So an archive that somebody else has open
for reading stays readable, and stays as it was when they opened it. What is no
longer reached is left out by `Archive.compact`.

One process may write an archive at a time.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, LargeZipFile

from zarrc.errors import ReadOnlyError, level_of_user
from zarrc.storage.base import TEMPORARY_PREFIX, name_file, new_token
from zarrc.storage.buffers import Arena
from zarrc.storage.zip_format import (
    DESCRIPTOR,
    ENCRYPTED,
    END,
    LOCAL,
    MAX_TRANSFER,
    Member,
    Packed,
    checksum,
    decompress,
    end_records,
    find_members,
    needs_zip64,
    pread,
    pwrite,
    read_directory,
    with_sizes,
)

_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
_WRITE = os.O_RDWR | getattr(os, "O_CLOEXEC", 0)


class _Descriptor:
    """A file descriptor that is closed when nobody uses it any more."""

    __slots__ = ("number",)

    def __init__(self, path: str, flags: int) -> None:
        self.number = -1
        self.number = os.open(path, flags)
        if not stat.S_ISREG(os.fstat(self.number).st_mode):
            raise IsADirectoryError(errno.EISDIR, "not a file, so no Zip archive", path)

    def __del__(self) -> None:
        if self.number >= 0:
            with suppress(OSError):
                os.close(self.number)


class Archive:
    """An open archive, which the stores of one path share."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.n_stores = 0
        self.pid = os.getpid()
        self.lock = threading.RLock()
        self.writer: _Descriptor | None = None
        self._load()

    def _load(self) -> None:
        reader = _Descriptor(self.path, _READ)
        members, others, self.end, self.shift = read_directory(reader.number, self.path)
        self.others = others  # members that are no keys; they stay as they are
        self.loaded = _version(reader.number)
        self.dirty = False
        self.closed = False
        self.listing: dict[str, set[str]] | None = None
        self.token = new_token()  # of what can be read
        # Readers take both at once: the members are those of this file.
        self.state = reader, members

    def is_current(self) -> bool:
        """Whether the file is the one that is open, and only this process may have changed it."""
        if self.closed or self.pid != os.getpid():
            return False
        with suppress(FileNotFoundError):
            found = os.stat(self.path)
            if self.writer is not None:
                return os.path.samestat(found, os.fstat(self.writer.number))
            return self.loaded == (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
        return False

    # reading

    def members(self) -> dict[str, Member]:
        self._check_open()
        return self.state[1]

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("the store is closed")

    def _find(self, key: str) -> tuple[int, Member, _Descriptor]:
        """Where a value's bytes start, its member, and the file."""
        self._check_open()
        reader, members = self.state
        member = members[key]
        if member.start < 0:
            self._locate(key, member, reader)
        return member.start, member, reader

    def _locate(self, key: str, member: Member, reader: _Descriptor) -> None:
        if member.flags & ENCRYPTED or member.is_link:
            kind = "a symbolic link" if member.is_link else "encrypted"
            raise BadZipFile(f"the member {key!r} of {self.path!r} is {kind}")
        header = os.pread(reader.number, LOCAL.size, member.offset)
        if len(header) < LOCAL.size or header[:4] != b"PK\3\4":
            raise self._damaged(key)
        n_name, n_extra = LOCAL.unpack(header)[-2:]
        member.start = member.offset + LOCAL.size + n_name + n_extra

    def _damaged(self, key: str, what: str = "is truncated or damaged") -> BadZipFile:
        return BadZipFile(f"the member {key!r} of {self.path!r} {what}")

    def read(self, key: str) -> bytes:
        start, member, reader = self._find(key)
        value = pread(reader.number, member.stored_nbytes, start)
        if len(value) != member.stored_nbytes:
            raise self._damaged(key)
        if member.method != ZIP_STORED:
            value = decompress(member, value)
        if len(value) != member.nbytes:
            raise self._damaged(key)
        self._check(key, member, value)
        return value

    def read_several(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values of those keys that are there, in memory that they share."""
        with Arena() as arena:
            return self._read_several(keys, arena)

    def _read_several(self, keys: Iterable[str], arena: Arena) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key in keys:
            try:
                start, member, reader = self._find(key)
            except KeyError:
                continue
            if member.method != ZIP_STORED or member.nbytes > MAX_TRANSFER:
                found[key] = self.read(key)
                continue
            memory = arena.take(member.nbytes)
            if os.preadv(reader.number, [memory], start) != member.nbytes:
                raise self._damaged(key)
            self._check(key, member, memory)
            found[key] = memory
        return found

    def _check(self, key: str, member: Member, value: Any) -> None:
        """Check a value's checksum, once for each member."""
        if not member.checked:
            if checksum(value) != member.crc:
                raise self._damaged(key, "has a wrong checksum")
            member.checked = True

    def read_part(self, key: str, start: int, nbytes: int | None) -> bytes:
        first, member, reader = self._find(key)
        if member.method != ZIP_STORED:
            value = self.read(key)[start:]
            return value if nbytes is None else value[:nbytes]
        skip = min(start, member.nbytes) if start >= 0 else max(0, member.nbytes + start)
        count = member.nbytes - skip if nbytes is None else max(0, min(nbytes, member.nbytes - skip))
        value = pread(reader.number, count, first + skip)
        if len(value) != count:
            raise self._damaged(key)
        return value

    def children(self, path: str) -> set[str]:
        """Names directly under a path."""
        self._check_open()
        with self.lock:
            if self.listing is None:
                self.listing = _tree(self.state[1])
            return set(self.listing.get(path, ()))

    # writing: with the lock held

    def write(self, values: list[Packed], large: bool) -> None:
        """Add members; they are found once all of them are there."""
        with self.lock:
            writer = self._begin()
            members = self.state[1]
            for value in values:
                if value.key in members:
                    _warn_of_duplicate(value.key)
            try:
                added, end = self._append(writer, values, large)
            except BaseException as error:
                with suppress(OSError):
                    os.ftruncate(writer, self.end)  # nothing may follow the directory, if that is there
                name_file(error, self.path)
                raise
            self.dirty = True
            self.end = end
            if self.listing is not None and not all(key in members for key in added):
                self.listing = None
            members.update(added)
            self.token = new_token()

    def _append(self, writer: int, values: list[Packed], large: bool) -> tuple[dict[str, Member], int]:
        """Write members at the end; return them, and the new end."""
        added, at = {}, self.end
        for value in values:
            added[value.key] = value.member(at, self.shift)
            header = value.local_header()
            if not large and needs_zip64(at + len(header) + len(value.data)):
                raise LargeZipFile("the archive would need ZIP64 extensions, and allowZip64 is off")
            at = pwrite(writer, (header, value.data), at)
        return added, at

    def remove(self, keys: Iterable[str]) -> int:
        """Leave members out of the directory; return how many there were."""
        with self.lock:
            self._begin()
            members = self.state[1]
            n = sum(members.pop(key, None) is not None for key in keys)
            if n:
                self.dirty = True
                self.listing = None
                self.token = new_token()
            return n

    def _begin(self) -> int:
        """Become the one process that writes; return the descriptor."""
        self._check_open()
        if self.pid != os.getpid():
            raise ReadOnlyError(
                f"the archive {self.path!r} was opened by the parent process: open it again to write"
            )
        if self.writer is None:
            self.writer = _lock(self.path)
            if _version(self.writer.number) != self.loaded:  # another process has written since
                self._load()
        return self.writer.number

    def flush(self) -> None:
        with self.lock:
            if self.dirty and not self.closed and self.pid == os.getpid():
                members = [*self.state[1].values(), *self.others]
                self.end = self._write_directory(self._begin(), self.end, self.shift, members)
                self.dirty = False

    def _write_directory(self, file: int, at: int, shift: int, members: Iterable[Member]) -> int:
        records = [member.record for member in members]
        directory = b"".join(records)
        try:
            end = pwrite(file, (directory, end_records(len(records), len(directory), at, shift)), at)
            os.ftruncate(file, end)
        except OSError as error:
            name_file(error, self.path)
            raise
        return end

    def compact(self) -> None:
        with self.lock:
            self._begin()
            old, members = self.state
            temporary = (
                f"{os.path.dirname(self.path)}/{TEMPORARY_PREFIX}{os.getpid():x}-{os.urandom(4).hex()}"
            )
            new = _lock(temporary, os.O_CREAT | os.O_EXCL)
            try:
                os.fchmod(new.number, stat.S_IMODE(os.fstat(old.number).st_mode))
                moved, end = _copy_members(old.number, new.number, members, self._damaged)
                others, end = _copy_members(
                    old.number, new.number, dict(enumerate(self.others)), self._damaged, end
                )
                everything = [*moved.values(), *others.values()]
                end = self._write_directory(new.number, end, 0, everything)
                os.fsync(new.number)
                reader = _Descriptor(temporary, _READ)
                os.replace(temporary, self.path)
            except BaseException as error:
                with suppress(OSError):
                    os.unlink(temporary)
                name_file(error, self.path)
                raise
            self.state, self.others = (reader, moved), list(others.values())
            self.writer, self.end, self.shift, self.dirty = new, end if everything else 0, 0, False

    def close(self) -> None:
        with self.lock:
            try:
                self.flush()
            finally:
                self.closed = True
                self.writer = None
                self.state = _NOTHING


_NOTHING: Any = (None, {})
CLOSED: Any = object.__new__(Archive)
CLOSED.closed, CLOSED.pid, CLOSED.lock, CLOSED.dirty = True, -1, threading.RLock(), False
CLOSED.token = None

# archives that this process has open, by their real paths
_archives: dict[str, Archive] = {}
_registry_lock = threading.RLock()


def acquire(path: str, mode: str) -> Archive:
    """The open archive of a path."""
    real = os.path.realpath(path)
    with _registry_lock:
        if mode in ("w", "x"):
            _make(real, new=mode == "x")
            old = _archives.pop(real, None)
            if old is not None:
                old.dirty = False
                old.close()
        elif mode == "a" and not os.path.lexists(real):
            _make(real, new=True)
        elif mode != "r" and os.path.isfile(real) and not os.access(real, os.W_OK):
            raise PermissionError(errno.EACCES, "the archive cannot be written; mode='r' reads it", path)
        archive = _archives.get(real)
        if archive is None or not archive.is_current():
            archive = _archives[real] = _open(real)
            if mode in ("w", "x", "a") and not archive.state[1] and archive.end == END.size:
                archive.end = 0  # the directory of nothing need not be kept
        archive.n_stores += 1
        return archive


def _open(path: str) -> Archive:
    """Open an archive, which may have no directory while another process writes to it."""
    try:
        return Archive(path)
    except BadZipFile:
        _flock(_Descriptor(path, _READ), path, for_writing=False)
        raise


def release(archive: Archive) -> None:
    """Take back what `acquire` gave; the last one closes the archive."""
    with _registry_lock:
        archive.n_stores -= 1
        if archive.n_stores:
            return
        if _archives.get(archive.path) is archive:
            del _archives[archive.path]
        archive.close()


def _forget_writers() -> None:
    """In a forked child: leave writing, and the lock, to the parent."""
    global _registry_lock
    _registry_lock = threading.RLock()
    for archive in _archives.values():
        archive.lock = threading.RLock()
        archive.writer = None
    _archives.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_writers)


def _make(path: str, new: bool) -> None:
    """Make an empty archive, or an archive empty."""
    file = _lock(path, os.O_CREAT | (os.O_EXCL if new else 0))
    os.ftruncate(file.number, 0)
    pwrite(file.number, (end_records(0, 0, 0, 0),), 0)


def recover(path: str) -> int:
    """Write a directory of the members that are whole at the end of an archive; return how many they are."""
    real = os.path.realpath(path)
    file = _lock(real)
    with suppress(BadZipFile):
        return len(read_directory(file.number, path)[0])
    members, end = find_members(file.number, path)
    if not members:
        raise BadZipFile(f"{path!r} has no Zip members that are whole")
    records = [member.record for member in members.values()]
    directory = b"".join(records)
    end = pwrite(file.number, (directory, end_records(len(records), len(directory), end, 0)), end)
    os.ftruncate(file.number, end)
    return len(members)


def _lock(path: str, flags: int = 0) -> _Descriptor:
    """A descriptor for writing, which no other process has meanwhile."""
    file = _Descriptor.__new__(_Descriptor)
    file.number = -1
    file.number = os.open(path, _WRITE | flags, 0o666)
    if path in _archives and _archives[path].writer is not None:
        return file  # it is this process that has the lock
    _flock(file, path, for_writing=True)
    return file


def _flock(file: _Descriptor, path: str, for_writing: bool) -> None:
    """Take the lock that the process which writes holds, for as long as the descriptor is open."""
    import fcntl

    how = fcntl.LOCK_EX if for_writing else fcntl.LOCK_SH
    try:
        fcntl.flock(file.number, how | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(errno.EWOULDBLOCK, "another process is writing to the archive", path) from None


def _version(file: int) -> tuple[int, ...]:
    found = os.fstat(file)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _warn_of_duplicate(key: str) -> None:
    import warnings

    warnings.warn(f"Duplicate name: {key!r}", UserWarning, stacklevel=level_of_user())


def _tree(keys: Iterable[str]) -> dict[str, set[str]]:
    """The names directly under each path."""
    tree: dict[str, set[str]] = {}
    for key in keys:
        path, _, name = key.rpartition("/")
        while name not in (names := tree.setdefault(path, set())):
            names.add(name)
            if not path:
                break
            path, _, name = path.rpartition("/")
    return tree


def _copy_members(
    old: int, new: int, members: Mapping[Any, Member], damaged: Any, end: int = 0
) -> tuple[dict[Any, Member], int]:
    """Copy local headers and bytes one after the other; return the members there, and where they end."""
    moved: dict[Any, Member] = {}
    for key, member in sorted(members.items(), key=lambda item: item[1].offset):
        header = os.pread(old, LOCAL.size, member.offset)
        if len(header) < LOCAL.size or header[:4] != b"PK\3\4":
            raise damaged(key)
        nbytes = LOCAL.size + sum(LOCAL.unpack(header)[-2:]) + member.stored_nbytes
        for done in range(0, nbytes, MAX_TRANSFER):
            count = min(MAX_TRANSFER, nbytes - done)
            part = pread(old, count, member.offset + done)
            if len(part) != count:
                raise damaged(key)
            pwrite(new, (part,), end + done)
        if member.flags & DESCRIPTOR:
            pwrite(new, (with_sizes(header, member),), end)
        moved[key] = member.at(end)
        end += nbytes
    return {key: moved[key] for key in members}, end
