"""Where a node is to be: its store and path, and the format that follows from these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import nodes
from .config import config as settings
from .errors import ConsolidatedMetadataNotFoundError, MetadataError
from .storage.base import at_hand, only_format
from .storage.locations import normalize_store
from .storage.store_path import StorePath

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

READ_MODES = ("r", "r+")
MODES = ("r", "r+", "a", "w", "w-", "x")


def check_mode(mode: str) -> None:
    """Raise ValueError if a mode is none of those that openers know."""
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(map(repr, MODES))}; found {mode!r}")


@dataclass(frozen=True)
class Place:
    """Where a node is.

    Attributes
    ----------
    store : MutableMapping
    path : str
        Normal.
    chunk_store : MutableMapping or None
        The store of its chunks, if that is another.
    parent : str or None
        Path of a group in the store that the caller has open, and that the node is to be in.
    inherited : int or None
        Its format, which is that of the node.
    node : ArrayMetadata, GroupMetadata or None
        What the documents there say, if the caller has just read them to open what they describe.
    """

    store: MutableMapping
    path: str
    chunk_store: MutableMapping | None = None
    parent: str | None = None
    inherited: int | None = None
    node: nodes.Node | None = None


def place(
    store: Any,
    path: str | None = None,
    chunk_store: Any = None,
    mode: str = "a",
    storage_options: Mapping[str, Any] | None = None,
) -> Place:
    """Return the place that a user's store and path mean; a `Place` given as store is returned as it is."""
    if isinstance(store, Place):
        return store
    if isinstance(store, StorePath):
        store, path = store.store, f"{store.path}/{path or ''}"
    store = normalize_store(store, mode, storage_options)
    if chunk_store is not None:
        chunk_store = normalize_store(chunk_store, mode, storage_options)
    return Place(store, nodes.normalize_path(path), chunk_store)


def with_consolidated(
    where: Place, use_consolidated: bool | str | None, zarr_format: int | None = None
) -> Place:
    """Return a place whose documents come from consolidated metadata, where these are asked for.

    Parameters
    ----------
    where : Place
    use_consolidated : bool, str or None
        True: they must be there; a str is the key of format 2's. None and False: documents are read as they are.
    zarr_format : {2, 3}
        Look for those of one format only.

    Raises
    ------
    ConsolidatedMetadataNotFoundError
        There are none.
    """
    if use_consolidated is None or use_consolidated is False:
        return where
    from .storage.consolidated import CONSOLIDATED_KEY, ConsolidatedMetadataStore

    key = use_consolidated if isinstance(use_consolidated, str) else CONSOLIDATED_KEY
    documents = _consolidated_documents(where, key, zarr_format)
    return Place(
        ConsolidatedMetadataStore(where.store, key, documents=documents),
        where.path,
        where.store if where.chunk_store is None else where.chunk_store,
    )


def _consolidated_documents(where: Place, key: str, zarr_format: int | None) -> dict[str, Any]:
    """Return the documents by key: of format 3 from the group itself, of format 2 from the root or the group."""
    from .storage.consolidated import CONSOLIDATED_KEY, read_v2, read_v3

    documents: Mapping[str, Any] = where.store
    if zarr_format != 2 and key == CONSOLIDATED_KEY:
        at = nodes.document_key(where.path, nodes.V3_KEY)
        if zarr_format is None:
            documents = at_hand(where.store, (at, key))
        if zarr_format == 3 or at in documents:
            return read_v3(documents, where.path)
    try:
        return read_v2(documents, key)
    except ConsolidatedMetadataNotFoundError:
        if not where.path:
            raise
        return read_v2(where.store, key, where.path)


def choose_format(where: Place, said: int | None, also_said: int | None, usual: int) -> int:
    """Return the format of a node that is about to be made.

    Parameters
    ----------
    where : Place
    said, also_said : int or None
        What the user gave as ``zarr_format`` and as ``zarr_version``.
    usual : int
        What the function that the user called writes when nothing is said.

    Raises
    ------
    ValueError
        When a format is unknown, contradicts the other or the ancestor's.
    """
    if said is not None and also_said is not None and said != also_said:
        raise ValueError(f"zarr_format={said} and zarr_version={also_said} contradict each other")
    said = also_said if said is None else said
    if said not in (None, 2, 3):
        raise MetadataError(f"Invalid value for 'zarr_format'. Expected 2, 3, or None. Got {said!r}.")
    inherited = where.inherited or only_format(where.store)
    if inherited is None and where.path:
        inherited = nodes.ancestor_format(where.store, where.path)
    if said is not None and inherited not in (None, said):
        raise ValueError(
            f"zarr_format={said} at path {where.path!r}, but the group above it, or the store, "
            f"is of format {inherited}"
        )
    return said or inherited or settings.get("default_zarr_format") or usual
