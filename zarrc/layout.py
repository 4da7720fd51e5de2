"""Many nodes at once: the documents of a hierarchy, written from what its nodes are."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from typing import Any

from . import nodes as documents
from .codecs.chain import build_chain
from .errors import ContainsArrayError, ContainsGroupError
from .metadata.model import ArrayMetadata, ConsolidatedMetadata, GroupMetadata
from .metadata.plain import from_dict
from .storage.base import naming

Metadata = ArrayMetadata | GroupMetadata


def plant(
    store: MutableMapping,
    above: str,
    nodes: Mapping[str, Any],
    overwrite: bool,
    chunk_store: MutableMapping | None = None,
) -> list[tuple[str, Metadata]]:
    """Write the documents of many nodes, and of the groups above them that are missing.

    Parameters
    ----------
    store : MutableMapping
    above : str
        Normal path that the nodes' own are below.
    nodes : mapping
        Of paths to metadata, to dicts as ``metadata.to_dict()`` gives them, or to anything that has metadata.
    overwrite : bool
        Delete what is at these paths first.
    chunk_store : MutableMapping, optional
        Where chunks are, if not in `store`.

    Returns
    -------
    list of (path, metadata)
        Paths in the store; parents first.

    Raises
    ------
    ContainsArrayError, ContainsGroupError
        Something is there, and `overwrite` is False. Nothing has been written.
    ValueError
        The nodes cannot be, or not together. Nothing has been written.
    """
    wanted = _at_paths(above, nodes)
    if not wanted:
        return []
    implied = _implied(store, wanted)
    if not overwrite:
        _refuse_present(store, wanted)
    every = {**implied, **wanted}
    order = sorted(every, key=lambda path: (path.count("/") + bool(path), path))
    for path in order:
        documents.init_node(store, path, every[path], overwrite and path in wanted, chunk_store)
    return [(path, every[path]) for path in order]


def _at_paths(above: str, nodes: Mapping[str, Any]) -> dict[str, Metadata]:
    """Return metadata by path in the store."""
    found: dict[str, Metadata] = {}
    for name, node in nodes.items():
        path = documents.normalize_path(f"{above}/{name}")
        if path in found:
            raise ValueError(f"two nodes have the path {path!r}")
        found[path] = _metadata_of(node)
    formats = sorted({meta.zarr_format for meta in found.values()})
    if len(formats) > 1:
        raise ValueError(f"nodes of one hierarchy are of one format, not of {formats}")
    for path, meta in found.items():
        if isinstance(meta, ArrayMetadata):
            build_chain(meta.codecs, meta.chunk_shape, meta.dtype)
        for ancestor in documents.ancestors(path):
            if isinstance(found.get(ancestor), ArrayMetadata):
                raise ValueError(
                    f"{path!r} is below {ancestor!r}, which is an array. Only Zarr groups can contain other nodes."
                )
    return found


def _metadata_of(node: Any) -> Metadata:
    if isinstance(node, GroupMetadata) and isinstance(node.consolidated_metadata, ConsolidatedMetadata):
        return replace(node, consolidated_metadata=None)  # they are another hierarchy's
    if isinstance(node, ArrayMetadata | GroupMetadata):
        return node
    if isinstance(getattr(node, "metadata", None), ArrayMetadata | GroupMetadata):
        return _metadata_of(node.metadata)
    if isinstance(node, Mapping):
        return from_dict(node)
    raise TypeError(f"a node is described by its metadata or a dict, not by {node!r}")


def _implied(store: MutableMapping, wanted: Mapping[str, Metadata]) -> dict[str, Metadata]:
    """Return the groups above that are neither named nor there."""
    zarr_format = next(iter(wanted.values())).zarr_format
    above = {ancestor for path in wanted for ancestor in documents.ancestors(path)} - wanted.keys()
    return {path: GroupMetadata(zarr_format) for path in above if documents.node_kind(store, path) is None}


def _refuse_present(store: MutableMapping, wanted: Mapping[str, Metadata]) -> None:
    for path in wanted:
        kind = documents.node_kind(store, path)
        if kind is not None:
            raise (ContainsArrayError if kind[0] == "array" else ContainsGroupError)(
                path, store=naming(store)
            )
