"""Every exception that zarrc raises of its own.

Each is also a built-in kind, so that callers can catch either::

    ZarrcError
    ├── MetadataError (ValueError)              a document that cannot be understood
    │   ├── UnknownCodecError                   a codec that nobody registered
    │   └── UnknownDataTypeError                a data type that is not supported
    ├── BadCompressorError (ValueError)
    ├── CodecError (RuntimeError, ValueError)   bytes that cannot be encoded or decoded
    │   └── ChecksumError
    ├── ContainsArrayError, ContainsGroupError (ValueError, FileExistsError)
    ├── NodeNotFoundError (ValueError, FileNotFoundError)
    │   ├── ArrayNotFoundError
    │   ├── GroupNotFoundError
    │   └── PathNotFoundError
    ├── ConsolidatedMetadataNotFoundError (ValueError, KeyError)
    ├── ChunkNotFoundError (LookupError)
    ├── ReadOnlyError (PermissionError, ValueError)
    ├── StoreError (OSError)                    a server that did not answer as it should
    │   ├── StorePermissionError (PermissionError)
    │   ├── StoreTimeoutError (TimeoutError)
    │   └── PartialWriteError                   some keys were written and others were not
    ├── FSPathExistNotDir (NotADirectoryError, ValueError)
    ├── CopyError (RuntimeError)
    └── ArrayIndexError (IndexError)
        └── BoundsCheckError, NegativeStepError, VindexInvalidSelectionError

Only ``KeyError`` from a store means "no such key"; errors of the operating
system are raised as the ``OSError`` they are, with the path.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


class ZarrcError(Exception):
    """Root of zarrc's own exceptions."""


class MetadataError(ZarrcError, ValueError):
    """A metadata document is missing, malformed or contradicts itself."""


# names of version 3
BaseZarrError = ZarrcError
MetadataValidationError = MetadataError
NodeTypeValidationError = MetadataError


class UnknownCodecError(MetadataError):
    """A codec is named that is not registered."""


class UnknownDataTypeError(MetadataError):
    """A data type is named that is not supported."""


class BadCompressorError(ZarrcError, ValueError):
    """An object given as compressor is not a codec."""

    def __init__(self, compressor: object) -> None:
        super().__init__(f"bad compressor; expected Codec object, found {compressor!r}")


class CodecError(ZarrcError, RuntimeError, ValueError):
    """Bytes could not be encoded or decoded.

    Parameters
    ----------
    message : str
        What happened.
    codec, direction, key : str, optional
        The codec's name, ``"encode"`` or ``"decode"``, and the chunk's key.
    """

    def __init__(
        self,
        message: str,
        codec: str | None = None,
        direction: str | None = None,
        key: str | None = None,
    ) -> None:
        super().__init__(message)
        self.codec = codec
        self.direction = direction
        self.key = key


class ChecksumError(CodecError):
    """Stored bytes do not match their checksum."""


class ContainsArrayError(ZarrcError, ValueError, FileExistsError):
    """An array stands where something else was to be made.

    Parameters
    ----------
    path : str
        Of the array.
    below : str, optional
        What was to be made, where the array is above it.
    store : str, optional
        What messages call the store.
    """

    def __init__(self, path: str, below: str | None = None, store: str = "") -> None:
        message = f"path {path!r} contains an array"
        if below is not None:
            message += f". A parent of {below!r} is an array - only groups may have child nodes."
        elif store:
            message += f". An array exists in store {store} at path {path!r}."
        super().__init__(message)
        self.path = path


class ContainsGroupError(ZarrcError, ValueError, FileExistsError):
    """A group stands where something else was to be made.

    Parameters
    ----------
    path : str
        Of the group.
    store : str, optional
        What messages call the store.
    """

    def __init__(self, path: str, store: str = "") -> None:
        where = f". A group exists in store {store} at path {path!r}." if store else ""
        super().__init__(f"path {path!r} contains a group{where}")
        self.path = path


class NodeNotFoundError(ZarrcError, ValueError, FileNotFoundError):
    """Neither an array nor a group was found.

    Parameters
    ----------
    path : str
        In the store.
    store : str
        Where the store is, if it has a name.
    """

    _what = "nothing"

    def __init__(self, path: str, store: str = "") -> None:
        where = f" in {store!r}" if store else ""
        super().__init__(f"{self._what} found at path {path!r}{where}")


class ArrayNotFoundError(NodeNotFoundError):
    """No array was found."""

    _what = "array not"


class GroupNotFoundError(NodeNotFoundError):
    """No group was found."""

    _what = "group not"


class PathNotFoundError(NodeNotFoundError):
    """Nothing was found at a path."""


class ConsolidatedMetadataNotFoundError(ZarrcError, ValueError, KeyError):
    """Consolidated metadata were asked for and are not there."""

    def __str__(self) -> str:
        return str(self.args[0])


class ChunkNotFoundError(ZarrcError, LookupError):
    """A chunk is absent and ``fill_missing_chunks`` is off."""


class ReadOnlyError(ZarrcError, PermissionError, ValueError):
    """A write was asked of a read-only object."""

    def __init__(self, message: str = "object is read-only") -> None:
        super().__init__(message)


class StoreError(ZarrcError, OSError):
    """A store's server or network failed. What was asked for may or may not be there.

    Parameters
    ----------
    message : str
        What happened.
    url : str, optional
        Of the store, without credentials.
    key : str, optional
        What was asked for.
    """

    def __init__(self, message: str, url: str | None = None, key: str | None = None) -> None:
        super().__init__(message)
        self.url = url
        self.key = key


class StorePermissionError(StoreError, PermissionError):
    """A store's server refused what was asked, or does not know who asks."""


class StoreTimeoutError(StoreError, TimeoutError):
    """A store's server did not answer in time."""


class PartialWriteError(StoreError):
    """Several keys were to be written or deleted, and with some of them that failed.

    Parameters
    ----------
    message : str
        What happened.
    url : str, optional
        Of the store, without credentials.
    done : sequence of str
        Keys that were written, or deleted.
    failed : sequence of str
        The others. A request that was not answered may have been carried out all the same.
    """

    def __init__(
        self,
        message: str,
        url: str | None = None,
        done: Sequence[str] = (),
        failed: Sequence[str] = (),
    ) -> None:
        super().__init__(message, url, failed[0] if failed else None)
        self.done = tuple(done)
        self.failed = tuple(failed)


class FSPathExistNotDir(ZarrcError, NotADirectoryError, ValueError):
    """A file is where a store's directory should be."""


class CopyError(ZarrcError, RuntimeError):
    """A copy would overwrite something, or cannot be made."""


class ArrayIndexError(ZarrcError, IndexError):
    """A selection does not fit an array."""


class BoundsCheckError(ArrayIndexError):
    """An index is outside of its axis."""


class NegativeStepError(ArrayIndexError):
    """A slice's step is negative where only positive ones are allowed."""


class VindexInvalidSelectionError(ArrayIndexError):
    """A selection cannot be used with ``vindex``."""


# Warnings of version 3. Of these zarrc gives `ZarrUserWarning` and `UnstableSpecificationWarning`, of what other
# implementations may not read; the others are for programs that name them in filters.


class ZarrDeprecationWarning(DeprecationWarning):
    """Something will go away."""


class ZarrFutureWarning(FutureWarning):
    """Something will change."""


class ZarrRuntimeWarning(RuntimeWarning):
    """Something is doubtful."""


class ZarrUserWarning(UserWarning):
    """Something may not be what was meant."""


class UnstableSpecificationWarning(FutureWarning):
    """A data type has no final specification."""


def level_of_user() -> int:
    """Return how far above the caller the user's line is, as `warnings.warn` counts."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("zarrc."):
        frame, level = frame.f_back, level + 1
    return level
