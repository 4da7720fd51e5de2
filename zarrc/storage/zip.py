"""A store in one Zip archive.

A member is never written over, nor is a directory that readers may be using:
members and each new directory go after what is there, and the archive's size is
what makes a new directory the valid one. So an archive that somebody else has open
for reading stays readable, and stays as it was when they opened it. What is no
longer reached is left out by `ZipStore.compact`.

One process may write an archive at a time; its stores of one path share an `_Archive`.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import threading
import time
import weakref
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, BadZipFile, LargeZipFile

from zarrc.errors import ReadOnlyError
from zarrc.storage.base import (
    TEMPORARY_PREFIX,
    Store,
    check_key,
    is_key,
    new_token,
    normalize_storage_path,
    normalize_value,
    own_mapping,
)
from zarrc.storage.buffers import Arena, Transfers

_MODES = ("r", "r+", "a", "w", "x")
_METHODS = (ZIP_STORED, ZIP_DEFLATED, ZIP_BZIP2, ZIP_LZMA)

# the records of the format (APPNOTE.TXT, section 4.3)
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_LARGE = 0xFFFFFFFF  # stands for a number that is in the ZIP64 field
_LIMIT_32 = (1 << 31) - 1  # what fits without ZIP64, as other programs see it
_MAX_COMMENT = 0xFFFF
_ENCRYPTED, _DESCRIPTOR, _UTF8 = 0x1, 0x8, 0x800
_MAX_TRANSFER = 1 << 30
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
_WRITE = os.O_RDWR | getattr(os, "O_CLOEXEC", 0)


class ZipStore(Store):
    """Keys are members of a Zip archive. Safe to write in many threads, in one process at a time.

    Parameters
    ----------
    path : str or os.PathLike
        The archive.
    compression : int
        Method of new members, a constant of `zipfile`. The default stores chunks as they are:
        they are compressed already, and parts of them can be read.
    allowZip64 : bool
        Whether the archive may need the ZIP64 extensions, for more than 2 GiB or 65,535 members.
    mode : {"a", "r", "r+", "w", "x"}
        "r" reads an archive that exists; "r+" also writes it; "a" makes it if it is not there; "w"
        makes it anew; "x" makes it and fails if it is there.

    Raises
    ------
    FileNotFoundError, FileExistsError, IsADirectoryError, PermissionError
        The archive cannot be opened, and why.
    zipfile.BadZipFile
        It is no Zip archive, or is truncated.
    BlockingIOError
        On writing: another process is writing to it.

    Notes
    -----
    The archive's directory is written by `flush` and `close`, when the store is no longer referred
    to, and at the end of the program. A program that is killed before leaves an archive that has none.

    Replacing a value warns of a duplicate name, since the old one's space is lost; so is that of
    deleted keys and of old directories. `compact` wins it back.

    Other processes that read the archive find what it held when they opened it.

    Examples
    --------
    >>> with ZipStore("data.zip", mode="w") as store:
    ...     store["a/b"] = b"12345"
    ...     store.get_partial("a/b", 1, 3)
    b'234'
    """

    __module__ = "zarrc.storage"

    def __init__(
        self,
        path: str | os.PathLike[str],
        compression: int = ZIP_STORED,
        allowZip64: bool = True,
        mode: str = "a",
        dimension_separator: str | None = None,
    ) -> None:
        if mode not in _MODES:
            raise ValueError(f"mode is one of {_MODES}, not {mode!r}")
        if compression not in _METHODS:
            raise ValueError(f"compression is one of {_METHODS}, not {compression!r}")
        self.path = os.path.abspath(os.fspath(path))
        self.compression = compression
        self.allowZip64 = allowZip64
        self.mode = mode
        self._dimension_separator = dimension_separator
        self._open()

    def _open(self) -> None:
        self.read_only = self.mode == "r"
        self._archive = _acquire(self.path, self.mode)
        self._finalizer = weakref.finalize(self, _release, self._archive)

    def __getstate__(self) -> dict[str, Any]:
        self.flush()
        mode = self.mode if self.mode == "r" else "r+"
        names = ("path", "compression", "allowZip64", "_dimension_separator")
        return {**{name: getattr(self, name) for name in names}, "mode": mode}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    # the mapping

    def __getitem__(self, key: str) -> bytes:
        check_key(key)
        return self._archive.read(key)

    def __setitem__(self, key: str, value: Any) -> None:
        self._set({key: value})

    def _set(self, values: Mapping[str, Any]) -> None:
        for key in values:
            check_key(key)
        contents = {key: normalize_value(value) for key, value in values.items()}
        if self.read_only:
            self.check_writeable()
        self._archive.write([_Packed(key, value, self.compression) for key, value in contents.items()], self)

    def __delitem__(self, key: str) -> None:
        check_key(key)
        if self.read_only:
            self.check_writeable()
        if not self._archive.remove([key]):
            raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return is_key(key) and key in self._archive.members()

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._archive.members()))

    def __len__(self) -> int:
        return len(self._archive.members())

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ZipStore)
            and type(self) is type(other)
            and (self.path, self.compression, self.allowZip64)
            == (other.path, other.compression, other.allowZip64)
        )

    # what it offers

    def identity(self) -> str:
        return os.path.realpath(self.path)

    def get_partial(self, key: str, start: int, nbytes: int | None = None) -> bytes:
        if not own_mapping(self):
            return super().get_partial(key, start, nbytes)
        check_key(key)
        return self._archive.read_part(key, start, nbytes)

    def token(self, key: str) -> bytes | None:
        """What every change of the archive changes; what other processes write is not seen anyway."""
        return self._archive.token

    def transfers(self) -> Any:
        return Transfers(self, self._archive.read_several)

    def setitems(self, values: Mapping[str, Any]) -> None:
        """Set several keys: all of them, or none if that fails."""
        if own_mapping(self):
            self._set(values)
        else:
            super().setitems(values)

    def delitems(self, keys: Iterable[str]) -> None:
        if not own_mapping(self):
            super().delitems(keys)
            return
        self.check_writeable()
        self._archive.remove(keys)

    def listdir(self, path: str = "") -> list[str]:
        return sorted(self._archive.children(normalize_storage_path(path)))

    def rmdir(self, path: str = "") -> None:
        """Delete every key under ``path``; without any left, the archive becomes an empty one."""
        if not own_mapping(self):
            super().rmdir(path)
            return
        self.check_writeable()
        path = normalize_storage_path(path)
        prefix = f"{path}/" if path else ""
        self._archive.remove([key for key in self if key.startswith(prefix)])
        if not path:
            self.compact()

    def rename(self, src_path: str, dst_path: str) -> None:
        self.check_writeable()
        super().rename(src_path, dst_path)

    def getsize(self, path: str = "") -> int:
        path = normalize_storage_path(path)
        members = self._archive.members()
        if path in members:
            return members[path].nbytes
        prefix = f"{path}/" if path else ""
        found = [members.get(prefix + name) for name in self.listdir(path)]
        return sum(member.nbytes for member in found if member is not None)

    def getsize_prefix(self, path: str = "") -> int:
        path = normalize_storage_path(path)
        prefix = f"{path}/" if path else ""
        members = list(self._archive.members().items())
        return sum(member.nbytes for key, member in members if key.startswith(prefix))

    def compact(self) -> None:
        """Rewrite the archive without replaced and deleted members and old directories.

        The new archive takes the old one's name in one step. Processes that have
        the old one open go on reading that one.
        """
        self.check_writeable()
        self._archive.compact()

    def flush(self) -> None:
        """Write the archive's directory, so that others find what was written."""
        self._archive.flush()

    def close(self) -> None:
        """Write the archive's directory and close it; nothing can be read or written afterwards."""
        archive, self._archive = self._archive, _CLOSED
        if self._finalizer.detach() is not None:
            _release(archive)


# members


class _Member:
    """Where the bytes of a value are, and what they are to be."""

    __slots__ = (
        "checked",
        "crc",
        "flags",
        "is_link",
        "method",
        "nbytes",
        "offset",
        "record",
        "start",
        "stored_nbytes",
    )

    def __init__(
        self, offset: int, stored_nbytes: int, nbytes: int, method: int, crc: int, flags: int, record: bytes
    ) -> None:
        self.offset = offset  # of the local header in the file
        self.start = -1  # of the bytes in the file, once it is known
        self.stored_nbytes = stored_nbytes
        self.nbytes = nbytes
        self.method = method
        self.crc = crc
        self.flags = flags
        self.record = record  # in the directory
        self.checked = False  # the checksum was right when all of it was read
        self.is_link = False

    def at(self, offset: int) -> _Member:
        """The same member, with its sizes in the local header, at a smaller offset."""
        flags = self.flags & ~_DESCRIPTOR
        record = self.record[:8] + struct.pack("<H", flags) + self.record[10:]
        member = _Member(
            offset, self.stored_nbytes, self.nbytes, self.method, self.crc, flags, _at(record, offset)
        )
        member.is_link = self.is_link
        return member


class _Packed:
    """A value as a new member."""

    __slots__ = ("crc", "data", "key", "method", "name", "nbytes")

    def __init__(self, key: str, value: Any, method: int) -> None:
        self.key = key
        self.name = key.encode()
        if len(self.name) > 0xFFFF:
            raise ValueError(f"a key in a Zip archive has at most 65535 bytes, this one {len(self.name)}")
        self.nbytes = len(value)
        self.crc = zlib.crc32(value)
        self.method = method
        self.data = value if method == ZIP_STORED else _compress(method, value)

    def local_header(self) -> bytes:
        """The header that stands before the bytes (section 4.3.7)."""
        large = self._is_large()
        extra = struct.pack("<2H2Q", 1, 16, self.nbytes, len(self.data)) if large else b""
        sizes = (_LARGE, _LARGE) if large else (len(self.data), self.nbytes)
        return (
            _LOCAL.pack(
                b"PK\3\4", self._version(large), self._flags(), self.method, *_dos_time(), self.crc, *sizes,
                len(self.name), len(extra),
            )
            + self.name
            + extra
        )  # fmt: skip

    def member(self, offset: int, shift: int) -> _Member:
        """The member that it becomes at an offset, with its record of the directory (section 4.3.12)."""
        at = offset - shift
        large = self._is_large()
        numbers = [self.nbytes, len(self.data)] if large else []
        numbers += [at] if at >= _LIMIT_32 else []
        extra = struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers) if numbers else b""
        sizes = (_LARGE, _LARGE) if large else (len(self.data), self.nbytes)
        version = self._version(bool(numbers))
        record = (
            _CENTRAL.pack(
                b"PK\1\2", 3 << 8 | version, version, self._flags(), self.method, *_dos_time(), self.crc, *sizes,
                len(self.name), len(extra), 0, 0, 0, (stat.S_IFREG | 0o644) << 16,
                _LARGE if at >= _LIMIT_32 else at,
            )
            + self.name
            + extra
        )  # fmt: skip
        return _Member(offset, len(self.data), self.nbytes, self.method, self.crc, self._flags(), record)

    def _is_large(self) -> bool:
        return max(self.nbytes, len(self.data)) >= _LIMIT_32

    def _flags(self) -> int:
        return 0 if self.name.isascii() else _UTF8

    def _version(self, large: bool) -> int:
        return {ZIP_LZMA: 63, ZIP_BZIP2: 46}.get(self.method, 45 if large else 20)


def _dos_time() -> tuple[int, int]:
    year, month, day, hour, minute, second = time.localtime()[:6]
    return hour << 11 | minute << 5 | second // 2, max(0, year - 1980) << 9 | month << 5 | day


def _compress(method: int, value: Any) -> bytes:
    compressor: Any
    if method == ZIP_DEFLATED:
        compressor = zlib.compressobj(-1, zlib.DEFLATED, -15)
    elif method == ZIP_BZIP2:
        import bz2

        compressor = bz2.BZ2Compressor()
    else:
        from zipfile import LZMACompressor  # type: ignore[attr-defined]

        compressor = LZMACompressor()
    return compressor.compress(value) + compressor.flush()


def _decompress(member: _Member, data: bytes) -> bytes:
    if member.method == ZIP_DEFLATED:
        return zlib.decompressobj(-15).decompress(data, member.nbytes + 1)
    if member.method == ZIP_BZIP2:
        import bz2

        return bz2.BZ2Decompressor().decompress(data, member.nbytes + 1)
    if member.method == ZIP_LZMA:
        from zipfile import LZMADecompressor  # type: ignore[attr-defined]

        return LZMADecompressor().decompress(data)
    raise NotImplementedError(f"compression method {member.method} of a Zip archive")


# archives


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


class _Archive:
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
        members, others, self.end, self.shift = _read_directory(reader.number, self.path)
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

    def members(self) -> dict[str, _Member]:
        self._check_open()
        return self.state[1]

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("the store is closed")

    def _find(self, key: str) -> tuple[int, _Member, _Descriptor]:
        """Where a value's bytes start, its member, and the file."""
        self._check_open()
        reader, members = self.state
        member = members[key]
        if member.start < 0:
            self._locate(key, member, reader)
        return member.start, member, reader

    def _locate(self, key: str, member: _Member, reader: _Descriptor) -> None:
        if member.flags & _ENCRYPTED or member.is_link:
            kind = "a symbolic link" if member.is_link else "encrypted"
            raise BadZipFile(f"the member {key!r} of {self.path!r} is {kind}")
        header = os.pread(reader.number, _LOCAL.size, member.offset)
        if len(header) < _LOCAL.size or header[:4] != b"PK\3\4":
            raise self._damaged(key)
        n_name, n_extra = _LOCAL.unpack(header)[-2:]
        member.start = member.offset + _LOCAL.size + n_name + n_extra

    def _damaged(self, key: str, what: str = "is truncated or damaged") -> BadZipFile:
        return BadZipFile(f"the member {key!r} of {self.path!r} {what}")

    def read(self, key: str) -> bytes:
        start, member, reader = self._find(key)
        value = _pread(reader.number, member.stored_nbytes, start)
        if len(value) != member.stored_nbytes:
            raise self._damaged(key)
        if member.method != ZIP_STORED:
            value = _decompress(member, value)
        if len(value) != member.nbytes:
            raise self._damaged(key)
        self._check(key, member, value)
        return value

    def read_several(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values of those keys that are there, in memory that they share."""
        arena = Arena()
        found: dict[str, Any] = {}
        for key in keys:
            try:
                start, member, reader = self._find(key)
            except KeyError:
                continue
            if member.method != ZIP_STORED or member.nbytes > _MAX_TRANSFER:
                found[key] = self.read(key)
                continue
            memory: Any = arena.take(member.nbytes)
            if os.preadv(reader.number, [memory], start) != member.nbytes:
                raise self._damaged(key)
            self._check(key, member, memory)
            found[key] = memory
        return found

    def _check(self, key: str, member: _Member, value: Any) -> None:
        """Check a value's checksum, once for each member."""
        if not member.checked:
            if zlib.crc32(value) != member.crc:
                raise self._damaged(key, "has a wrong checksum")
            member.checked = True

    def read_part(self, key: str, start: int, nbytes: int | None) -> bytes:
        first, member, reader = self._find(key)
        if member.method != ZIP_STORED:
            value = self.read(key)[start:]
            return value if nbytes is None else value[:nbytes]
        skip = min(start, member.nbytes) if start >= 0 else max(0, member.nbytes + start)
        count = member.nbytes - skip if nbytes is None else max(0, min(nbytes, member.nbytes - skip))
        value = _pread(reader.number, count, first + skip)
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

    def write(self, values: list[_Packed], store: ZipStore) -> None:
        """Add members; they are found once all of them are there."""
        with self.lock:
            writer = self._begin()
            members = self.state[1]
            for value in values:
                if value.key in members:
                    _warn_of_duplicate(value.key)
            try:
                added, end = self._append(writer, values, store.allowZip64)
            except BaseException:
                with suppress(OSError):
                    os.ftruncate(writer, self.end)  # nothing may follow the directory, if that is there
                raise
            self.dirty = True
            self.end = end
            if self.listing is not None and not all(key in members for key in added):
                self.listing = None
            members.update(added)
            self.token = new_token()

    def _append(self, writer: int, values: list[_Packed], large: bool) -> tuple[dict[str, _Member], int]:
        """Write members at the end; return them, and the new end."""
        added, at = {}, self.end
        for value in values:
            added[value.key] = value.member(at, self.shift)
            header = value.local_header()
            if not large and at + len(header) + len(value.data) > _LIMIT_32:
                raise LargeZipFile("the archive would need ZIP64 extensions, and allowZip64 is off")
            at = _pwrite(writer, (header, value.data), at)
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

    def _write_directory(self, file: int, at: int, shift: int, members: Iterable[_Member]) -> int:
        records = [member.record for member in members]
        directory = b"".join(records)
        end = _pwrite(file, (directory, _end_records(len(records), len(directory), at, shift)), at)
        os.ftruncate(file, end)
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
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary)
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
_CLOSED: Any = object.__new__(_Archive)
_CLOSED.closed, _CLOSED.pid, _CLOSED.lock, _CLOSED.dirty = True, -1, threading.RLock(), False
_CLOSED.token = None

# archives that this process has open, by their real paths
_archives: dict[str, _Archive] = {}
_registry_lock = threading.RLock()


def _acquire(path: str, mode: str) -> _Archive:
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
            archive = _archives[real] = _Archive(real)
            if mode in ("w", "x", "a") and not archive.state[1] and archive.end == _END.size:
                archive.end = 0  # the directory of nothing need not be kept
        archive.n_stores += 1
        return archive


def _release(archive: _Archive) -> None:
    """Take back what `_acquire` gave; the last one closes the archive."""
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
    _pwrite(file.number, (_end_records(0, 0, 0, 0),), 0)


def _lock(path: str, flags: int = 0) -> _Descriptor:
    """A descriptor for writing, which no other process has meanwhile."""
    import fcntl

    file = _Descriptor.__new__(_Descriptor)
    file.number = -1
    file.number = os.open(path, _WRITE | flags, 0o666)
    if path in _archives and _archives[path].writer is not None:
        return file  # it is this process that has the lock
    try:
        fcntl.flock(file.number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BlockingIOError(errno.EWOULDBLOCK, "another process is writing to the archive", path) from None
    return file


def _version(file: int) -> tuple[int, ...]:
    found = os.fstat(file)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _warn_of_duplicate(key: str) -> None:
    import warnings

    warnings.warn(f"Duplicate name: {key!r}", UserWarning, stacklevel=5)


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
    old: int, new: int, members: Mapping[Any, _Member], damaged: Any, end: int = 0
) -> tuple[dict[Any, _Member], int]:
    """Copy local headers and bytes one after the other; return the members there, and where they end."""
    moved: dict[Any, _Member] = {}
    for key, member in sorted(members.items(), key=lambda item: item[1].offset):
        header = os.pread(old, _LOCAL.size, member.offset)
        if len(header) < _LOCAL.size or header[:4] != b"PK\3\4":
            raise damaged(key)
        nbytes = _LOCAL.size + sum(_LOCAL.unpack(header)[-2:]) + member.stored_nbytes
        for done in range(0, nbytes, _MAX_TRANSFER):
            count = min(_MAX_TRANSFER, nbytes - done)
            part = _pread(old, count, member.offset + done)
            if len(part) != count:
                raise damaged(key)
            _pwrite(new, (part,), end + done)
        if member.flags & _DESCRIPTOR:
            _pwrite(new, (_with_sizes(header, member),), end)
        moved[key] = member.at(end)
        end += nbytes
    return {key: moved[key] for key in members}, end


def _with_sizes(header: bytes, member: _Member) -> bytes:
    """A local header that has the sizes itself, where they followed the bytes."""
    fields = list(_LOCAL.unpack(header))
    fields[2] &= ~_DESCRIPTOR
    fields[6:9] = member.crc, min(member.stored_nbytes, _LARGE), min(member.nbytes, _LARGE)
    return _LOCAL.pack(*fields)


def _at(record: bytes, offset: int) -> bytes:
    """A directory record of the same member at a smaller offset."""
    fields = _CENTRAL.unpack_from(record)
    if fields[-1] != _LARGE:
        return record[: _CENTRAL.size - 4] + struct.pack("<L", offset) + record[_CENTRAL.size :]
    place = next(place for number, place in _large_fields(record, fields) if number == 16)
    return record[:place] + struct.pack("<Q", offset) + record[place + 8 :]


# the format


def _read_directory(file: int, path: str) -> tuple[dict[str, _Member], list[_Member], int, int]:
    """The members that are keys, the others, where to write next, and how far offsets are shifted."""
    size = os.fstat(file).st_size
    if size == 0:
        return {}, [], 0, 0
    n_tail = min(size, _END.size + _MAX_COMMENT)
    tail = _pread(file, n_tail, size - n_tail)
    place = tail.rfind(b"PK\5\6")
    while (
        place >= 0 and place + _END.size + int.from_bytes(tail[place + 20 : place + 22], "little") != n_tail
    ):
        place = tail.rfind(b"PK\5\6", 0, place)
    if place < 0:
        raise BadZipFile(
            f"{path!r} has no Zip directory at its end: it is no archive, is truncated, or its writer was killed"
        )
    end_at = size - n_tail + place
    n, nbytes, offset, end_at = _read_end(file, tail[place:], end_at)
    shift = end_at - nbytes - offset
    directory = _pread(file, nbytes, offset + shift) if nbytes and shift >= 0 else b""
    if shift < 0 or len(directory) != nbytes:
        raise BadZipFile(f"the directory of {path!r} is damaged")
    members: dict[str, _Member] = {}
    others = []
    for name, member in _parse_directory(directory, n, shift, path):
        if is_key(name):
            members[name] = member
        else:
            others.append(member)
    return members, others, size, shift


def _read_end(file: int, record: bytes, at: int) -> tuple[int, int, int, int]:
    """Number of members, size and offset of the directory, and where it ends."""
    _, _, _, _, n, nbytes, offset, _ = _END.unpack_from(record)
    if at < _LOCATOR_64.size or (n != 0xFFFF and _LARGE not in (nbytes, offset)):
        return n, nbytes, offset, at
    sign, _, _, _ = _LOCATOR_64.unpack(os.pread(file, _LOCATOR_64.size, at - _LOCATOR_64.size))
    if sign != b"PK\6\7":
        return n, nbytes, offset, at
    at -= _LOCATOR_64.size + _END_64.size
    found = os.pread(file, _END_64.size, max(0, at))
    if at < 0 or found[:4] != b"PK\6\6":
        raise BadZipFile("the ZIP64 end record is damaged")
    n, nbytes, offset = _END_64.unpack(found)[-3:]
    return n, nbytes, offset, at


def _parse_directory(data: bytes, n: int, shift: int, path: str) -> Iterator[tuple[str, _Member]]:
    at = 0
    for _ in range(n):
        fields = _CENTRAL.unpack_from(data, at) if at + _CENTRAL.size <= len(data) else (b"",)
        if fields[0] != b"PK\1\2":
            raise BadZipFile(f"the directory of {path!r} is damaged")
        flags, method, crc, stored, nbytes, n_name, n_extra, n_comment = (
            fields[i] for i in (3, 4, 7, 8, 9, 10, 11, 12)
        )
        end = at + _CENTRAL.size + n_name + n_extra + n_comment
        record = data[at:end]
        raw = record[_CENTRAL.size : _CENTRAL.size + n_name]
        name = raw.decode("utf-8" if flags & _UTF8 or raw.isascii() else "cp437")
        offset = fields[16]
        if _LARGE in (stored, nbytes, offset):
            large = {
                i: struct.unpack_from("<Q", record, place)[0] for i, place in _large_fields(record, fields)
            }
            stored, nbytes, offset = large.get(8, stored), large.get(9, nbytes), large.get(16, offset)
        member = _Member(offset + shift, stored, nbytes, method, crc, flags, record)
        member.is_link = fields[1] >> 8 == 3 and stat.S_ISLNK(fields[15] >> 16)
        yield name, member
        at = end


def _large_fields(record: bytes, fields: Any) -> Iterator[tuple[int, int]]:
    """Which fields of a directory record are in its ZIP64 field, and where (section 4.5.3)."""
    wanted = [i for i in (9, 8, 16) if fields[i] == _LARGE]
    at = _CENTRAL.size + fields[10]
    end = at + fields[11]
    while at + 4 <= end:
        kind, nbytes = struct.unpack_from("<2H", record, at)
        if kind == 1:
            for place, i in enumerate(wanted[: nbytes // 8]):
                yield i, at + 4 + 8 * place
            return
        at += 4 + nbytes


def _end_records(n: int, nbytes: int, at: int, shift: int) -> bytes:
    """What follows the directory (sections 4.3.14 to 4.3.16)."""
    offset = at - shift
    end = _END.pack(
        b"PK\5\6", 0, 0, min(n, 0xFFFF), min(n, 0xFFFF), min(nbytes, _LARGE), min(offset, _LARGE), 0
    )
    if n < 0xFFFF and max(nbytes, offset) < _LIMIT_32:
        return end
    large = _END_64.pack(b"PK\6\6", _END_64.size - 12, 45, 45, 0, 0, n, n, nbytes, offset)
    return large + _LOCATOR_64.pack(b"PK\6\7", 0, offset + nbytes, 1) + end


def _pread(file: int, nbytes: int, at: int) -> bytes:
    """Bytes of a file; fewer where it ends."""
    if nbytes <= _MAX_TRANSFER:
        return os.pread(file, nbytes, at)
    parts = []
    while nbytes > 0:
        part = os.pread(file, min(nbytes, _MAX_TRANSFER), at)
        if not part:
            break
        parts.append(part)
        at += len(part)
        nbytes -= len(part)
    return b"".join(parts)


def _pwrite(file: int, values: Iterable[Any], at: int) -> int:
    """Write values one after the other; return where they end."""
    for value in values:
        view = memoryview(value)
        done = 0
        while done < len(view):
            done += os.pwrite(file, view[done : done + _MAX_TRANSFER], at + done)
        at += len(view)
    return at
