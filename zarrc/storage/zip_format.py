"""Zip archives as bytes: members, their headers, and directories (APPNOTE.TXT, section 4)."""

from __future__ import annotations

import os
import stat
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, BadZipFile

from zarrc.storage.base import is_key


def _fastest_crc32() -> Callable[[Any], int]:
    try:
        from deflate import crc32  # ten times as fast
    except ImportError:
        return zlib.crc32
    return crc32


checksum = _fastest_crc32()

# the records of the format (APPNOTE.TXT, section 4.3)
LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_LARGE = 0xFFFFFFFF  # stands for a number that is in the ZIP64 field
_LIMIT_32 = (1 << 31) - 1  # what fits without ZIP64, as other programs see it
_MAX_COMMENT = 0xFFFF
ENCRYPTED, DESCRIPTOR, _UTF8 = 0x1, 0x8, 0x800
MAX_TRANSFER = 1 << 30


class Member:
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

    def at(self, offset: int) -> Member:
        """The same member, with its sizes in the local header, at a smaller offset."""
        flags = self.flags & ~DESCRIPTOR
        record = self.record[:8] + struct.pack("<H", flags) + self.record[10:]
        member = Member(
            offset, self.stored_nbytes, self.nbytes, self.method, self.crc, flags, _at(record, offset)
        )
        member.is_link = self.is_link
        return member


class Packed:
    """A value as a new member."""

    __slots__ = ("crc", "data", "key", "method", "name", "nbytes")

    def __init__(self, key: str, value: Any, method: int) -> None:
        self.key = key
        self.name = key.encode()
        if len(self.name) > 0xFFFF:
            raise ValueError(f"a key in a Zip archive has at most 65535 bytes, this one {len(self.name)}")
        self.nbytes = len(value)
        self.crc = checksum(value)
        self.method = method
        self.data = value if method == ZIP_STORED else _compress(method, value)

    def local_header(self) -> bytes:
        """The header that stands before the bytes (section 4.3.7)."""
        large = self._is_large()
        extra = struct.pack("<2H2Q", 1, 16, self.nbytes, len(self.data)) if large else b""
        sizes = (_LARGE, _LARGE) if large else (len(self.data), self.nbytes)
        return (
            LOCAL.pack(
                b"PK\3\4", self._version(large), self._flags(), self.method, *_dos_time(), self.crc, *sizes,
                len(self.name), len(extra),
            )
            + self.name
            + extra
        )  # fmt: skip

    def member(self, offset: int, shift: int) -> Member:
        """The member that it becomes at an offset, with its record of the directory (section 4.3.12)."""
        flags, stored = self._flags(), len(self.data)
        record = directory_record(
            self.name,
            self._version(False),
            flags,
            self.method,
            _dos_time(),
            self.crc,
            stored,
            self.nbytes,
            offset - shift,
        )
        return Member(offset, stored, self.nbytes, self.method, self.crc, flags, record)

    def _is_large(self) -> bool:
        return max(self.nbytes, len(self.data)) >= _LIMIT_32

    def _flags(self) -> int:
        return 0 if self.name.isascii() else _UTF8

    def _version(self, large: bool) -> int:
        return {ZIP_LZMA: 63, ZIP_BZIP2: 46}.get(self.method, 45 if large else 20)


def directory_record(
    name: bytes,
    version: int,
    flags: int,
    method: int,
    time: tuple[int, int],
    crc: int,
    stored: int,
    nbytes: int,
    at: int,
) -> bytes:
    """A member's record in the directory (section 4.3.12)."""
    large = max(stored, nbytes) >= _LIMIT_32
    numbers = ([nbytes, stored] if large else []) + ([at] if at >= _LIMIT_32 else [])
    extra = struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers) if numbers else b""
    sizes = (_LARGE, _LARGE) if large else (stored, nbytes)
    version = max(version, 45) if numbers else version
    fixed = _CENTRAL.pack(
        b"PK\1\2", 3 << 8 | version, version, flags, method, *time, crc, *sizes, len(name), len(extra), 0, 0, 0,
        (stat.S_IFREG | 0o644) << 16, _LARGE if at >= _LIMIT_32 else at,
    )  # fmt: skip
    return fixed + name + extra


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


def decompress(member: Member, data: bytes) -> bytes:
    if member.method == ZIP_DEFLATED:
        return zlib.decompressobj(-15).decompress(data, member.nbytes + 1)
    if member.method == ZIP_BZIP2:
        import bz2

        return bz2.BZ2Decompressor().decompress(data, member.nbytes + 1)
    if member.method == ZIP_LZMA:
        from zipfile import LZMADecompressor  # type: ignore[attr-defined]

        return LZMADecompressor().decompress(data)
    raise NotImplementedError(f"compression method {member.method} of a Zip archive")


def with_sizes(header: bytes, member: Member) -> bytes:
    """A local header that has the sizes itself, where they followed the bytes."""
    fields = list(LOCAL.unpack(header))
    fields[2] &= ~DESCRIPTOR
    fields[6:9] = member.crc, min(member.stored_nbytes, _LARGE), min(member.nbytes, _LARGE)
    return LOCAL.pack(*fields)


def _at(record: bytes, offset: int) -> bytes:
    """A directory record of the same member at a smaller offset."""
    fields = _CENTRAL.unpack_from(record)
    if fields[-1] != _LARGE:
        return record[: _CENTRAL.size - 4] + struct.pack("<L", offset) + record[_CENTRAL.size :]
    place = next(place for number, place in _large_fields(record, fields) if number == 16)
    return record[:place] + struct.pack("<Q", offset) + record[place + 8 :]


# directories


def read_directory(file: int, path: str) -> tuple[dict[str, Member], list[Member], int, int]:
    """The members that are keys, the others, where to write next, and how far offsets are shifted."""
    size = os.fstat(file).st_size
    if size == 0:
        return {}, [], 0, 0
    n_tail = min(size, END.size + _MAX_COMMENT)
    tail = pread(file, n_tail, size - n_tail)
    place = tail.rfind(b"PK\5\6")
    while place >= 0 and place + END.size + int.from_bytes(tail[place + 20 : place + 22], "little") != n_tail:
        place = tail.rfind(b"PK\5\6", 0, place)
    if place < 0:
        raise BadZipFile(
            f"{path!r} has no Zip directory at its end: it is no archive, is truncated, or its writer was killed; "
            "ZipStore.recover writes a directory of the members that are whole"
        )
    members, others, shift = directory_before(file, tail[place:], size - n_tail + place, path)
    return members, others, size, shift


def directory_before(
    file: int, record: bytes, end_at: int, path: str
) -> tuple[dict[str, Member], list[Member], int]:
    """What the directory lists whose end record is at `end_at`: keys, others, and how far offsets are shifted."""
    n, nbytes, offset, end_at = _read_end(file, record, end_at)
    shift = end_at - nbytes - offset
    directory = pread(file, nbytes, offset + shift) if nbytes and shift >= 0 else b""
    if shift < 0 or len(directory) != nbytes:
        raise BadZipFile(f"the directory of {path!r} is damaged")
    members: dict[str, Member] = {}
    others = []
    for name, member in _parse_directory(directory, n, shift, path):
        if is_key(name):
            members[name] = member
        else:
            others.append(member)
    return members, others, shift


def _read_end(file: int, record: bytes, at: int) -> tuple[int, int, int, int]:
    """Number of members, size and offset of the directory, and where it ends."""
    _, _, _, _, n, nbytes, offset, _ = END.unpack_from(record)
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


def find_members(file: int, path: str) -> tuple[dict[str, Member], int]:
    """What an archive holds whose directory is not there, and where the last whole member ends.

    The last directory that was written counts, and the members that follow it. Only what this module
    writes is understood: members whose sizes are in their local headers, from the file's beginning.
    """
    size = os.fstat(file).st_size
    members: dict[str, Member] = {}
    at = end = 0
    while True:
        head = pread(file, END.size, at)
        kind = head[:4]
        if kind == b"PK\3\4":
            found = _member_at(file, at, size)
            if found is None:
                break
            name, member, at = found
            members.pop(name, None)
            members[name] = member
        elif kind == b"PK\1\2":
            at += _CENTRAL.size + sum(struct.unpack("<3H", pread(file, 6, at + 28).ljust(6, b"\0")))
        elif kind == b"PK\6\6":
            at += _END_64.size
        elif kind == b"PK\6\7":
            at += _LOCATOR_64.size
        elif kind == b"PK\5\6" and len(head) == END.size:
            members = directory_before(file, head, at, path)[0]
            at += END.size
        else:
            break
        end = at if kind in (b"PK\3\4", b"PK\5\6") else end
    return members, end


def _member_at(file: int, at: int, size: int) -> tuple[str, Member, int] | None:
    """The key and member whose local header is at an offset, and where it ends; None if it is not whole."""
    header = pread(file, LOCAL.size, at)
    if len(header) < LOCAL.size:
        return None
    _, version, flags, method, *time, crc, stored, nbytes, n_name, n_extra = LOCAL.unpack(header)
    rest = pread(file, n_name + n_extra, at + LOCAL.size)
    if flags & DESCRIPTOR or len(rest) != n_name + n_extra:
        return None
    if _LARGE in (stored, nbytes):
        if n_extra < 20 or rest[n_name : n_name + 2] != b"\1\0":
            return None
        nbytes, stored = struct.unpack_from("<2Q", rest, n_name + 4)
    start = at + LOCAL.size + len(rest)
    name = rest[:n_name].decode("utf-8", "replace")
    if start + stored > size or not is_key(name):
        return None
    record = directory_record(rest[:n_name], version, flags, method, tuple(time), crc, stored, nbytes, at)
    member = Member(at, stored, nbytes, method, crc, flags, record)
    if method == ZIP_STORED and checksum(pread(file, stored, start)) != crc:
        return None
    return name, member, start + stored


def _parse_directory(data: bytes, n: int, shift: int, path: str) -> Iterator[tuple[str, Member]]:
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
        member = Member(offset + shift, stored, nbytes, method, crc, flags, record)
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


def needs_zip64(end: int) -> bool:
    """Whether an archive that ends there needs the ZIP64 extensions."""
    return end > _LIMIT_32


def end_records(n: int, nbytes: int, at: int, shift: int) -> bytes:
    """What follows the directory (sections 4.3.14 to 4.3.16)."""
    offset = at - shift
    end = END.pack(
        b"PK\5\6", 0, 0, min(n, 0xFFFF), min(n, 0xFFFF), min(nbytes, _LARGE), min(offset, _LARGE), 0
    )
    if n < 0xFFFF and max(nbytes, offset) < _LIMIT_32:
        return end
    large = _END_64.pack(b"PK\6\6", _END_64.size - 12, 45, 45, 0, 0, n, n, nbytes, offset)
    return large + _LOCATOR_64.pack(b"PK\6\7", 0, offset + nbytes, 1) + end


def pread(file: int, nbytes: int, at: int) -> bytes:
    """Bytes of a file; fewer where it ends."""
    if nbytes <= MAX_TRANSFER:
        return os.pread(file, nbytes, at)
    parts = []
    while nbytes > 0:
        part = os.pread(file, min(nbytes, MAX_TRANSFER), at)
        if not part:
            break
        parts.append(part)
        at += len(part)
        nbytes -= len(part)
    return b"".join(parts)


def pwrite(file: int, values: Iterable[Any], at: int) -> int:
    """Write values one after the other; return where they end."""
    for value in values:
        view = memoryview(value)
        done = 0
        while done < len(view):
            done += os.pwrite(file, view[done : done + MAX_TRANSFER], at + done)
        at += len(view)
    return at
