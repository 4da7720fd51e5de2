"""N5 as a store of format 2: a view over any store.

==============================  =========================================
what N5 keeps                   what the view shows
==============================  =========================================
``a/attributes.json``           ``a/.zarray`` or ``a/.zgroup``, ``a/.zattrs``
``a/2/1/0``, with a header      ``a/0.1.2``, without
a folder above a dataset        ``…/.zgroup``
everything else                 as it is
==============================  =========================================

What a key says is translated when it is read or written; chunks pass through in bulk, and
a whole block's data are not copied on reading.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from .errors import MetadataError
from .metadata import n5 as documents
from .metadata import v2
from .n5_blocks import BlockFormat
from .storage import base
from .storage.base import ARRAY_META_KEY, ATTRS_KEY, GROUP_META_KEY, Store, check_key, normalize_storage_path
from .storage.locations import is_url, normalize_store
from .sync import ThreadSynchronizer

__all__ = ["N5FSStore", "N5Store", "invert_chunk_coords", "is_chunk_key", "n5_keywords"]

n5_keywords = list(documents.KEYWORDS[:5])

_DOCUMENTS = (ARRAY_META_KEY, GROUP_META_KEY, ATTRS_KEY)
_HIDDEN = (documents.KEY, "zarr.json")
_CHUNK = re.compile(r"\d+(?:\.\d+)*", re.ASCII)
_MOST_KNOWN = 10_000  # documents that a store remembers
_N_LOCKS = 64

_locks = ThreadSynchronizer()

Content = dict[str, Any]
Known = tuple[bytes, Content, BlockFormat | None]


class N5Store(Store):
    """A view of N5 data, in any store, as arrays and groups of format 2.

    Parameters
    ----------
    path : str, os.PathLike or MutableMapping
        The directory, or the store, that holds the N5 data.
    normalize_keys : bool
        Whether keys of a directory are taken in lower case.
    read_only : bool
        Whether writes are refused.

    Notes
    -----
    N5 has numbers of 8 to 64 bits, a fill value of 0, no filters, and chunks in order C alone; what it
    cannot keep is refused when an array is made. Attributes with names that N5 uses itself
    (`n5_keywords`) are left out, with a warning.

    Examples
    --------
    >>> import zarrc
    >>> data = {}
    >>> root = zarrc.group(store=zarrc.N5Store(data))
    >>> z = root.zeros("foo/bar", shape=(10, 20), chunks=(5, 5), dtype="i4")
    >>> z[0, 5:10] = 42
    >>> sorted(data)
    ['attributes.json', 'foo/attributes.json', 'foo/bar/1/0', 'foo/bar/attributes.json']
    """

    __module__ = "zarrc.n5"

    _dimension_separator: str | None = "."
    only_format = 2

    def __init__(
        self,
        path: str | os.PathLike[str] | MutableMapping[str, Any],
        normalize_keys: bool = False,
        *,
        read_only: bool = False,
    ) -> None:
        self._inner = _inner_store(path, normalize_keys)
        self._read_only = read_only
        self._known: dict[str, Known] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"_inner": self._inner, "_read_only": self._read_only}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _known={})

    @property
    def store(self) -> Store:
        """The store that holds the N5 data."""
        return self._inner

    @property
    def path(self) -> str:
        """The directory of a local store."""
        return self._inner.path  # type: ignore[attr-defined]

    @property
    def read_only(self) -> bool:  # type: ignore[override]
        """Whether writes are refused."""
        return self._read_only or not self._inner.is_writeable()

    @property
    def is_distant(self) -> bool:  # type: ignore[override]
        return self._inner.is_distant

    def identity(self) -> str:
        return f"n5:{self._inner.identity()}"

    def token(self, key: str) -> bytes | None:
        ask = base.token_of(self._inner)
        return None if ask is None else ask(self._stored_key(key)[0])

    def local_directory(self, path: str = "") -> str | None:
        return self._inner.local_directory(path)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, N5Store) and self._inner == other._inner

    # What the attributes say

    def _content(self, path: str) -> Content | None:
        """Return what the ``attributes.json`` at a path says now; None if it is not there."""
        return self._content_in(path, self._inner.get(_join(path, documents.KEY)))

    def _content_in(self, path: str, document: Any) -> Content | None:
        """Return what a document says that was just read there, if it is."""
        if document is None:
            self._known.pop(path, None)
            return None
        document = bytes(document)
        known = self._known.get(path)
        if known is None or known[0] != document:
            known = self._learn(path, self._parse(path, document))
        return known[1]

    def _parse(self, path: str, document: bytes) -> Known:
        content = documents.decode(document, _join(path, documents.KEY))
        return document, content, self._format_of(path, content)

    def _learn(self, path: str, known: Known) -> Known:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[path] = known
        return known

    def _format_of(self, path: str, content: Content) -> BlockFormat | None:
        if not documents.is_array(content):
            return None
        zarray = self._zarray(path, content)
        return BlockFormat(
            tuple(zarray["chunks"]),
            documents.decode_data_type(content["dataType"]).itemsize,
            zarray["compressor"],
            documents.lz4_part(content),
        )

    def _zarray(self, path: str, content: Content) -> Content:
        try:
            return documents.array_to_zarr(content)
        except MetadataError as error:
            raise type(error)(f"{_join(path, documents.KEY)}: {error}") from error

    def _format(self, path: str) -> BlockFormat | None:
        """Return the format of the blocks of the dataset at a path, as it was last seen; None if it is none."""
        known = self._known.get(path)
        if known is None:
            self._content(path)
            known = self._known.get(path)
        return None if known is None else known[2]

    def _is_group(self, path: str) -> bool:
        """Say whether a path is shown as a group: it says so, or a dataset or group is below."""
        content = self._content(path)
        if content is not None:
            return not documents.is_array(content)
        return self._has_node_below(path) and not self._is_inside_array(path)

    def _is_inside_array(self, path: str) -> bool:
        while path:
            path = path.rpartition("/")[0]
            content = self._content(path)
            if content is not None:
                return documents.is_array(content)
        return False

    def _has_node_below(self, path: str) -> bool:
        below = [_join(path, name) for name in self._inner.listdir(path)]
        keys = [_join(each, documents.KEY) for each in below]
        there = base.at_hand(self._inner, keys)
        if any(key in there for key in keys):
            return True
        return any(self._has_node_below(each) for each in below)

    def _show(self, path: str, name: str) -> bytes | None:
        """Return the document of format 2 with a name at a path; None if there is none."""
        return self._show_of(path, name, self._content(path))

    def _show_of(self, path: str, name: str, content: Content | None) -> bytes | None:
        if name == GROUP_META_KEY:
            group = not documents.is_array(content) if content is not None else self._is_group(path)
            return v2.encode_document({"zarr_format": 2}) if group else None
        if content is None:
            return None
        if name == ARRAY_META_KEY:
            return v2.encode_document(self._zarray(path, content)) if documents.is_array(content) else None
        attributes = documents.attributes_to_zarr(content)
        return v2.encode_document(attributes) if attributes else None

    def as_shown(self, document: bytes) -> bytes:
        """Return how a ``.zarray`` document will be shown once it has been stored."""
        return v2.encode_document(
            documents.array_to_zarr(documents.array_to_n5(documents.decode(document), {}))
        )

    def _change(self, path: str, changes: Mapping[str, Any]) -> None:
        """Write documents of format 2 at a path, in one step; None deletes one."""
        key = _join(path, documents.KEY)
        with _locks[str(hash((self.identity(), key)) % _N_LOCKS)]:
            before = self._content(path)
            content = dict(before or {})
            for name, document in changes.items():
                content = _changed(content, name, document, _join(path, name))
            if not content and None in changes.values():
                if before is not None:
                    del self._inner[key]
                self._known.pop(path, None)
            elif content != before:
                known = self._parse(path, documents.encode(content))
                self._inner[key] = known[0]
                self._learn(path, known)

    # Keys

    def _stored_key(self, key: str) -> tuple[str, BlockFormat | None]:
        """Return where a key that is no document is stored, and the format of its block if it is one.

        Raises
        ------
        KeyError
            It is hidden.
        """
        path, _, name = key.rpartition("/")
        if name in _HIDDEN:
            raise KeyError(key)
        if _CHUNK.fullmatch(name) is None:
            return key, None
        block_format = self._format(path)
        if block_format is None or name.count(".") + 1 != max(1, block_format.ndim):
            return key, None
        return _join(path, invert_chunk_coords(name)), block_format

    def __getitem__(self, key: str) -> bytes:
        check_key(key)
        path, _, name = key.rpartition("/")
        if name in _DOCUMENTS:
            document = self._show(path, name)
            if document is None:
                raise KeyError(key)
            return document
        stored, block_format = self._stored_key(key)
        try:
            value = self._inner[stored]
        except KeyError:
            raise KeyError(key) from None
        return value if block_format is None else bytes(self._show_block(value, key))

    def _show_block(self, block: Any, key: str) -> Any:
        """Return a block as the value of a chunk; where it does not fit, look whether the dataset is another."""
        path = key.rpartition("/")[0]
        block_format = self._format(path)
        if block_format is not None and memoryview(block)[: 4 + 4 * block_format.ndim] != block_format.header:
            self._content(path)
            block_format = self._format(path)
        return block if block_format is None else block_format.show(block, key)

    def __contains__(self, key: object) -> bool:
        if not base.is_key(key):
            return False
        path, _, name = key.rpartition("/")  # type: ignore[attr-defined]
        if name in _DOCUMENTS:
            return self._show(path, name) is not None
        return name not in _HIDDEN and self._stored_key(key)[0] in self._inner  # type: ignore[arg-type]

    def __setitem__(self, key: str, value: Any) -> None:
        self._set({key: value})

    def __delitem__(self, key: str) -> None:
        check_key(key)
        self.check_writeable()
        path, _, name = key.rpartition("/")
        if name in _DOCUMENTS:
            if self._show(path, name) is None:
                raise KeyError(key)
            self._change(path, {name: None})
            return
        try:
            del self._inner[self._stored_key(key)[0]]
        except KeyError:
            raise KeyError(key) from None

    def __iter__(self) -> Iterator[str]:
        keys = list(self._inner)
        paths = [key.rpartition("/")[0] for key in keys if key.rpartition("/")[2] == documents.KEY]
        contents = {path: self._content(path) for path in paths}
        arrays = {path for path, content in contents.items() if content and documents.is_array(content)}
        groups = {above for path in contents for above in (path, *_ancestors(path))} - arrays
        for path in sorted(arrays | groups):
            if not any(above in arrays for above in _ancestors(path)) or path in contents:
                yield _join(path, ARRAY_META_KEY if path in arrays else GROUP_META_KEY)
                if documents.attributes_to_zarr(contents.get(path) or {}):
                    yield _join(path, ATTRS_KEY)
        for key in keys:
            if key.rpartition("/")[2] not in _HIDDEN:
                yield self._shown_key(key, arrays)

    def _shown_key(self, key: str, arrays: set[str]) -> str:
        """Return a stored key as it is shown; that of a block is the chunk's."""
        for path in _ancestors(key):
            if path in arrays:
                coords = key[len(path) + 1 if path else 0 :].split("/")
                block_format = self._format(path)
                if block_format is not None and _is_block(coords, block_format):
                    return _join(path, ".".join(reversed(coords)))
        return key

    def __len__(self) -> int:
        return sum(1 for _ in self)

    # Bulk

    def getitems(self, keys: Iterable[str], *, contexts: Mapping[str, Any] | None = None) -> dict[str, Any]:
        if not base.has_bulk(self, "getitems", "__getitem__"):
            return super().getitems(keys, contexts=contexts)
        found: dict[str, Any] = {}
        stored: dict[str, tuple[str, bool]] = {}
        wanted: dict[str, list[str]] = {}
        for key in keys:
            path, _, name = key.rpartition("/")
            if name in _DOCUMENTS:
                wanted.setdefault(path, []).append(name)
            elif name not in _HIDDEN:
                at, block_format = self._stored_key(key)
                stored[at] = key, block_format is not None
        for at, value in self._inner.getitems(stored, contexts=contexts or {}).items():
            key, is_block = stored[at]
            found[key] = self._show_block(value, key) if is_block else value
        found.update(self._show_several(wanted))
        return found

    def _show_several(self, wanted: Mapping[str, list[str]]) -> Iterator[tuple[str, bytes]]:
        """Yield key and document of format 2, of names at paths; those of N5 are read together."""
        places = {path: _join(path, documents.KEY) for path in wanted}
        read = self._inner.getitems(list(places.values())) if places else {}
        for path, names in wanted.items():
            content = self._content_in(path, read.get(places[path]))
            for name in names:
                document = self._show_of(path, name, content)
                if document is not None:
                    yield _join(path, name), document

    def setitems(self, values: Mapping[str, Any]) -> None:
        if base.has_bulk(self, "setitems", "__setitem__"):
            self._set(values)
        else:
            super().setitems(values)

    def _set(self, values: Mapping[str, Any]) -> None:
        self.check_writeable()
        changes: dict[str, dict[str, Any]] = {}
        rest: dict[str, Any] = {}
        for key, value in values.items():
            check_key(key)
            path, _, name = key.rpartition("/")
            if name in _HIDDEN:
                raise ValueError(
                    f"N5Store shows N5 as format 2: the key {key!r} cannot be written through it"
                )
            if name in _DOCUMENTS:
                changes.setdefault(path, {})[name] = value
            else:
                rest[key] = value
        for path, documents_there in changes.items():
            self._change(path, documents_there)
        if rest:
            self._inner.setitems(dict(self._stored_items(rest)))

    def _stored_items(self, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for key, value in values.items():
            stored, block_format = self._stored_key(key)
            yield stored, value if block_format is None else block_format.store(base.normalize_value(value))

    def delitems(self, keys: Iterable[str]) -> None:
        if not base.has_bulk(self, "delitems", "__delitem__"):
            super().delitems(keys)
            return
        self.check_writeable()
        rest = []
        for key in keys:
            name = key.rpartition("/")[2]
            if name in _DOCUMENTS:
                base._delitems_one_by_one(self, [key])
            elif name not in _HIDDEN:
                rest.append(self._stored_key(key)[0])
        self._inner.delitems(rest)

    # Structure

    def listdir(self, path: str = "") -> list[str]:
        path = normalize_storage_path(path)
        content = self._content(path)
        found = set(self._inner.listdir(path)).difference(_HIDDEN)
        if content is not None and documents.is_array(content):
            found = self._chunk_names(path, found)
            found.add(ARRAY_META_KEY)
        elif content is not None or (found and self._is_group(path)):
            found.add(GROUP_META_KEY)
        if content and documents.attributes_to_zarr(content):
            found.add(ATTRS_KEY)
        return sorted(found)

    def _chunk_names(self, path: str, found: set[str]) -> set[str]:
        """Return names under the path of a dataset, those of blocks as the chunks'."""
        block_format = self._format(path)
        n = 1 if block_format is None else max(1, block_format.ndim)
        names = {name for name in found if _CHUNK.fullmatch(name) is None}
        coords = [[name] for name in found - names]
        for _ in range(n - 1):
            coords = [[*each, name] for each in coords for name in self._inner.listdir(_join(path, *each))]
        return names | {".".join(reversed(each)) for each in coords}

    def rmdir(self, path: str = "") -> None:
        self.check_writeable()
        path = normalize_storage_path(path)
        self._inner.rmdir(path)
        self._forget(path)

    def rename(self, src_path: str, dst_path: str) -> None:
        self.check_writeable()
        src_path, dst_path = normalize_storage_path(src_path), normalize_storage_path(dst_path)
        self._inner.rename(self._stored_key(src_path)[0], self._stored_key(dst_path)[0])
        self._forget(src_path)
        self._forget(dst_path)

    def _forget(self, path: str) -> None:
        """Forget what the documents at and under a path said."""
        for each in list(self._known):
            if not path or each == path or each.startswith(f"{path}/"):
                self._known.pop(each, None)

    def getsize(self, path: str = "") -> int:
        """Bytes that are stored for the key ``path``, or for the node there and its chunks."""
        path = normalize_storage_path(path)
        name = path.rpartition("/")[2]
        if name in _DOCUMENTS:
            return len(self[path]) if path in self else 0
        if name in _HIDDEN:
            return 0
        if self._format(path) is not None:
            return self._inner.getsize_prefix(path)
        return self._inner.getsize(self._stored_key(path)[0])

    def getsize_prefix(self, path: str = "") -> int:
        return self._inner.getsize_prefix(path)

    # Life

    def flush(self) -> None:
        self._inner.flush()

    def close(self) -> None:
        self._inner.close()


class N5FSStore(N5Store):
    """`N5Store` over a file system of fsspec.

    Parameters
    ----------
    url : str
        Such as ``"s3://bucket/data.n5"``.
    mode : str
        "r" refuses writes.
    dimension_separator : str, optional
        Ignored with a warning: the layout of N5 is what it is.
    **storage_options
        For the file system.
    """

    __module__ = "zarrc.n5"

    def __init__(
        self, url: Any, mode: str = "w", dimension_separator: str | None = None, **storage_options: Any
    ) -> None:
        if dimension_separator is not None:
            import warnings

            warnings.warn(
                "dimension_separator is ignored: N5 says how its blocks are named", UserWarning, stacklevel=2
            )
        if isinstance(url, (str, os.PathLike)):
            from .storage.fsspec import FSStore

            url = FSStore(url, mode=mode, **storage_options)
        elif storage_options:
            raise TypeError(f"{', '.join(storage_options)}: options are for a URL, not for {url!r}")
        super().__init__(url, read_only=mode == "r")


def _inner_store(path: Any, normalize_keys: bool) -> Store:
    if isinstance(path, (str, os.PathLike)) and not is_url(path):
        location = os.fspath(path)
        if isinstance(location, str) and (location.endswith(".n5") or normalize_keys):
            from .storage.local import DirectoryStore

            return DirectoryStore(location, normalize_keys)
    found = normalize_store(path)
    return found.store if isinstance(found, N5Store) else found


def _changed(content: Content, name: str, document: Any, key: str) -> Content:
    """Return the content of an ``attributes.json`` after a document of format 2 was written, or deleted (None)."""
    if name == ATTRS_KEY:
        return documents.with_attributes(content, {} if document is None else documents.decode(document, key))
    if document is None:
        kept = documents.without_array(content)
        return kept if name == ARRAY_META_KEY else {k: v for k, v in kept.items() if k != "n5"}
    if name == GROUP_META_KEY:
        return documents.with_group(content)
    return documents.array_to_n5(documents.decode(document, key), content)


def _is_block(coords: list[str], block_format: BlockFormat) -> bool:
    return len(coords) == max(1, block_format.ndim) and all(each.isdecimal() for each in coords)


def _join(*segments: str) -> str:
    return "/".join(segment for segment in segments if segment)


def _ancestors(path: str) -> Iterator[str]:
    """Yield the paths above a path, the nearest first and the root last."""
    while path:
        path = path.rpartition("/")[0]
        yield path


# names of zarr-python 2


def is_chunk_key(key: str) -> bool:
    """Say whether a key's last segment is that of a chunk."""
    return _CHUNK.fullmatch(key.rpartition("/")[2]) is not None


def invert_chunk_coords(key: str) -> str:
    """Return the key of a chunk with its coordinates the other way round, a segment each.

    >>> invert_chunk_coords("a/0.1.2")
    'a/2/1/0'
    """
    path, slash, name = key.rpartition("/")
    return path + slash + "/".join(reversed(name.split(".")))
