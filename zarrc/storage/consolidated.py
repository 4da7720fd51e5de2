"""The metadata of a whole hierarchy in one document, as a read-only store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from zarrc.errors import ConsolidatedMetadataNotFoundError, MetadataError, ReadOnlyError
from zarrc.storage import base
from zarrc.storage.base import Store, normalize_storage_path
from zarrc.storage.locations import normalize_store

CONSOLIDATED_KEY = ".zmetadata"
V3_KEY = "zarr.json"


class ConsolidatedMetadataStore(Store):
    """The metadata documents of a hierarchy, read once from the one that has them all.

    It holds documents and no chunks, cannot be written, and gives each document as the JSON value
    that it is, not as bytes.

    Parameters
    ----------
    store : MutableMapping, str or os.PathLike
        Holds the hierarchy.
    metadata_key : str
        Key of format 2's consolidated metadata.
    documents : mapping, optional
        Documents by key, where they have been read already.

    Raises
    ------
    ConsolidatedMetadataNotFoundError
        There is no such key.
    MetadataError
        It is not consolidated metadata, or of another version.
    """

    __module__ = "zarrc.storage"

    read_only = True
    _erasable = _writeable = False

    def __init__(
        self,
        store: Any,
        metadata_key: str = CONSOLIDATED_KEY,
        *,
        documents: Mapping[str, Any] | None = None,
    ) -> None:
        self.store = normalize_store(store, "r")
        self.metadata_key = metadata_key
        if documents is None:
            documents = read_v2(self.store, metadata_key)
        self.meta_store: dict[str, Any] = dict(documents)
        self._names: dict[str, set[str]] | None = None

    def __getitem__(self, key: str) -> Any:
        return self.meta_store[key]

    def __contains__(self, key: object) -> bool:
        return key in self.meta_store

    def __iter__(self) -> Iterator[str]:
        return iter(self.meta_store)

    def __len__(self) -> int:
        return len(self.meta_store)

    def __setitem__(self, key: str, value: Any) -> None:
        raise ReadOnlyError

    def __delitem__(self, key: str) -> None:
        raise ReadOnlyError

    def check_writeable(self) -> None:
        raise ReadOnlyError

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, ConsolidatedMetadataStore)
            and self.store == other.store
            and self.meta_store == other.meta_store
        )

    def identity(self) -> str:
        return f"consolidated:{base.identity(self.store)}"

    def getitems(self, keys: Iterable[str], *, contexts: Mapping[str, Any] | None = None) -> dict[str, Any]:
        documents = self.meta_store
        return {key: documents[key] for key in keys if key in documents}

    def listdir(self, path: str = "") -> list[str]:
        if self._names is None:
            self._names = _names_by_directory(self.meta_store)
        return sorted(self._names.get(normalize_storage_path(path), ()))

    def rmdir(self, path: str = "") -> None:
        raise ReadOnlyError

    def rename(self, src_path: str, dst_path: str) -> None:
        raise ReadOnlyError

    def getsize(self, path: str = "") -> int:
        """-1: what is stored is one document for all."""
        return -1

    def getsize_prefix(self, path: str = "") -> int:
        """-1: what is stored is one document for all."""
        return -1

    def close(self) -> None:
        self.store.close()


def read_v2(store: Any, metadata_key: str = CONSOLIDATED_KEY, path: str = "") -> dict[str, Any]:
    """Return format 2's documents by key, from its consolidated metadata.

    Parameters
    ----------
    store : MutableMapping
    metadata_key : str
    path : str
        Of the group that has the key; its documents' keys are relative to it.

    Raises
    ------
    ConsolidatedMetadataNotFoundError, MetadataError
        As `ConsolidatedMetadataStore`.
    """
    prefix = f"{path}/" if path else ""
    key = prefix + metadata_key
    try:
        document = store[key]
    except KeyError:
        raise ConsolidatedMetadataNotFoundError(
            f"Consolidated metadata requested. There are none, as there is no key {key!r}"
        ) from None
    content = _load(document, key)
    version = content.get("zarr_consolidated_format")
    if version != 1:
        raise MetadataError(f"{key}: unsupported zarr consolidated metadata format: {version!r}")
    metadata = content.get("metadata")
    if not isinstance(metadata, dict):
        raise MetadataError(f"{key}: 'metadata' is not a JSON object")
    return {prefix + name: value for name, value in metadata.items()} if prefix else metadata


def read_v3(store: Any, path: str = "") -> dict[str, Any]:
    """Return format 3's documents by key, from the document of the group at a path.

    Raises
    ------
    ConsolidatedMetadataNotFoundError, MetadataError
        As `ConsolidatedMetadataStore`; the former also where there is no group.
    """
    prefix = f"{path}/" if path else ""
    key = prefix + V3_KEY
    try:
        content = _load(store[key], key)
    except KeyError:
        raise ConsolidatedMetadataNotFoundError(
            f"Consolidated metadata requested. There are none, as there is no key {key!r}"
        ) from None
    consolidated = content.get("consolidated_metadata")
    if consolidated is None:
        raise ConsolidatedMetadataNotFoundError(f"Consolidated metadata requested. There are none in {key!r}")
    if not isinstance(consolidated, dict) or not isinstance(consolidated.get("metadata"), dict):
        raise MetadataError(f"{key}: consolidated_metadata has no JSON object 'metadata'")
    if consolidated.get("kind") != "inline":
        raise MetadataError(f"{key}: unknown kind of consolidated_metadata: {consolidated.get('kind')!r}")
    documents = {key: content}
    for name, document in consolidated["metadata"].items():
        documents[f"{prefix}{name}/{V3_KEY}"] = document
    return documents


def _load(document: Any, key: str) -> dict[str, Any]:
    try:
        content = json.loads(bytes(document).decode("utf-8"))
    except ValueError as error:
        raise MetadataError(f"{key} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise MetadataError(f"{key} is not a JSON object")
    return content


def _names_by_directory(keys: Iterable[str]) -> dict[str, set[str]]:
    """Return the names in each directory."""
    names: dict[str, set[str]] = {"": set()}
    for key in keys:
        path, _, name = key.rpartition("/")
        while path not in names:
            names[path] = {name}
            path, _, name = path.rpartition("/")
        names[path].add(name)
    return names
