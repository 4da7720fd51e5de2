"""A store in one Zip archive."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED

from zarrc.storage.base import (
    Store,
    check_key,
    is_key,
    normalize_storage_path,
    normalize_value,
    unless_overridden,
)
from zarrc.storage.buffers import Transfers
from zarrc.storage.zip_archive import CLOSED, acquire, recover, release
from zarrc.storage.zip_format import Packed

_MODES = ("r", "r+", "a", "w", "x")
_METHODS = (ZIP_STORED, ZIP_DEFLATED, ZIP_BZIP2, ZIP_LZMA)


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
    to, and at the end of the program. A program that is killed before leaves an archive that has none: see `recover`.

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
        read_only: bool = False,
    ) -> None:
        mode = "r" if read_only else mode
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

    @staticmethod
    def recover(path: str | os.PathLike[str]) -> int:
        """Give an archive a directory whose writer was killed before it wrote one.

        Members are found one after the other from the file's beginning; those that are whole are kept, and
        what follows the last of them is cut off. An archive that has a directory stays as it is.

        Returns
        -------
        int
            How many keys there are.

        Raises
        ------
        zipfile.BadZipFile
            No member was found: it is no Zip archive, or another program has written it in another way.
        BlockingIOError
            A process is writing to it: it has not been killed.
        """
        return recover(os.path.abspath(os.fspath(path)))

    def _open(self) -> None:
        self.read_only = self.mode == "r"
        self._archive = acquire(self.path, self.mode)
        self._finalizer = weakref.finalize(self, release, self._archive)

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
        self._archive.write(
            [Packed(key, value, self.compression) for key, value in contents.items()], self.allowZip64
        )

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

    @unless_overridden
    def get_partial(self, key: str, start: int, nbytes: int | None = None) -> bytes:
        check_key(key)
        return self._archive.read_part(key, start, nbytes)

    def token(self, key: str) -> bytes | None:
        """What every change of the archive changes; what other processes write is not seen anyway."""
        return self._archive.token

    def transfers(self) -> Any:
        return Transfers(self, self._archive.read_several)

    @unless_overridden
    def setitems(self, values: Mapping[str, Any]) -> None:
        """Set several keys: all of them, or none if that fails."""
        self._set(values)

    @unless_overridden
    def delitems(self, keys: Iterable[str]) -> None:
        self.check_writeable()
        self._archive.remove(keys)

    def listdir(self, path: str = "") -> list[str]:
        return sorted(self._archive.children(normalize_storage_path(path)))

    @unless_overridden
    def rmdir(self, path: str = "") -> None:
        """Delete every key under ``path``; without any left, the archive becomes an empty one."""
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
        archive, self._archive = self._archive, CLOSED
        if self._finalizer.detach() is not None:
            release(archive)
