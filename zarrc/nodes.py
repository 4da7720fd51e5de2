"""What lives at a path of a store: the metadata documents of arrays and groups.

=========  =======================  ====================
format     document of a node       its attributes
=========  =======================  ====================
3          ``zarr.json``            inside
2          ``.zarray``, ``.zgroup`` ``.zattrs``
=========  =======================  ====================

Opening looks for ``zarr.json`` first. Where both formats stand at one path,
format 3 is read, with a warning. A store is any mapping of keys to bytes; only
``KeyError`` means that a document is not there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import nullcontext
from dataclasses import replace
from operator import itemgetter
from typing import Any, Literal

from .errors import (
    ArrayNotFoundError,
    ContainsArrayError,
    ContainsGroupError,
    GroupNotFoundError,
    MetadataError,
    PathNotFoundError,
)
from .kernels.pool import KeyLock
from .metadata import v2, v3
from .metadata.documents import Json, load, mapping, shorten
from .metadata.model import ArrayMetadata, ChunkKeyEncoding, GroupMetadata
from .storage import base
from .storage.locations import refuse_foreign

ARRAY_KEY = base.ARRAY_META_KEY
GROUP_KEY = base.GROUP_META_KEY
ATTRS_KEY = base.ATTRS_KEY
V3_KEY = "zarr.json"
V2_KEYS = (ARRAY_KEY, GROUP_KEY, ATTRS_KEY)
DOCUMENT_NAMES = (V3_KEY, ARRAY_KEY, GROUP_KEY, ATTRS_KEY, ".zmetadata")

BATCH = 1024  # nodes whose documents are read at a time

Store = MutableMapping[str, Any]
Node = ArrayMetadata | GroupMetadata
Kind = Literal["array", "group"]


# Paths and keys


def normalize_path(path: object) -> str:
    """Return a path as stores know it: no slashes at its ends or in a row.

    Parameters
    ----------
    path : str, bytes or None
        None is the root. Backslashes are slashes. Anything else is taken by its ``str``.

    Raises
    ------
    ValueError
        A segment is ``"."`` or ``".."``.

    Examples
    --------
    >>> normalize_path("/foo//bar/")
    'foo/bar'
    """
    if isinstance(path, bytes):
        path = path.decode("ascii")
    return base.normalize_storage_path(path if path is None else str(path))


def document_key(path: str, name: str) -> str:
    """Return the key of the document `name` of the node at a normal path."""
    return f"{path}/{name}" if path else name


def attributes_key(path: str, zarr_format: int) -> str:
    """Return the key of the document that holds the attributes of the node at a normal path."""
    return document_key(path, ATTRS_KEY if zarr_format == 2 else V3_KEY)


def lock(store: Store, key: str) -> KeyLock:
    """Return this process's lock of a document, a context manager; hold one at a time."""
    return KeyLock(0, base.lock_name(store, key))


def _get(store: Mapping[str, Any], key: str) -> Any:
    """Return a value or None, through ``store[key]``: subclasses of dict have their own."""
    try:
        return store[key]
    except KeyError:
        return None


def _names(zarr_format: int | None, *of_format_2: str) -> tuple[str, ...]:
    """Return the names of documents that a node of a format, or of either, may have."""
    if zarr_format == 3:
        return (V3_KEY,)
    return of_format_2 if zarr_format == 2 else (V3_KEY, *of_format_2)


def _at_hand(store: Store, path: str, names: tuple[str, ...]) -> Mapping[str, Any]:
    """Return a mapping that has those documents of a node that are there."""
    return base.at_hand(store, (document_key(path, name) for name in names))


def ancestors(path: str) -> Iterator[str]:
    """Yield the paths above `path`, the nearest first and the root last."""
    while path:
        path = path.rpartition("/")[0]
        yield path


# Asking


def node_kind(store: Store, path: str, zarr_format: int | None = None) -> tuple[Kind, int] | None:
    """Return ``"array"`` or ``"group"`` and the format of what lives at a path, or None.

    Parameters
    ----------
    store : MutableMapping
    path : str
        Normal.
    zarr_format : 2, 3 or None
        None looks for both, format 3 first.
    """
    documents = _at_hand(store, path, _names(zarr_format, ARRAY_KEY, GROUP_KEY))
    return _kind_in(documents, path, zarr_format)


def _kind_in(documents: Mapping[str, Any], path: str, zarr_format: int | None) -> tuple[Kind, int] | None:
    if zarr_format != 2:
        document = _get(documents, document_key(path, V3_KEY))
        if document is not None:
            return _node_type(document, path), 3
    if zarr_format != 3:
        if document_key(path, ARRAY_KEY) in documents:
            return "array", 2
        if document_key(path, GROUP_KEY) in documents:
            return "group", 2
    return None


def _node_type(document: Any, path: str) -> Kind:
    key = document_key(path, V3_KEY)
    node_type = load(document, key).get("node_type")
    if node_type not in ("array", "group"):
        raise MetadataError(f"{key}: node_type must be 'array' or 'group', not {shorten(node_type)}")
    return node_type


def contains_array(store: Store, path: object = None, zarr_format: int | None = None) -> bool:
    """Say whether an array lives at a path."""
    return _is_kind("array", store, path, zarr_format)


def contains_group(store: Store, path: object = None, zarr_format: int | None = None) -> bool:
    """Say whether a group lives at a path."""
    return _is_kind("group", store, path, zarr_format)


def _is_kind(kind: Kind, store: Store, path: object, zarr_format: int | None) -> bool:
    found = node_kind(store, normalize_path(path), zarr_format)
    return found is not None and found[0] == kind


def ancestor_format(store: Store, path: object) -> int | None:
    """Return the format of the nearest group above a path; None where there is none.

    It decides the format of whatever is made at the path.
    """
    for ancestor in ancestors(normalize_path(path)):
        found = node_kind(store, ancestor)
        if found is not None and found[0] == "group":
            return found[1]
    return None


def children(
    store: Store, path: object = None, zarr_format: int | None = None, or_other: bool = False
) -> Iterator[tuple[str, Kind]]:
    """Yield name and kind of each node directly below a path, sorted by name.

    Parameters
    ----------
    store : MutableMapping
    path : str
    zarr_format : 2, 3 or None
        Of the group, where it is known: spares looking for the other.
    or_other : bool
        Look for the other where there is nothing of that format.
    """
    path = normalize_path(path)
    names = _names(zarr_format, ARRAY_KEY, GROUP_KEY)
    for paths in _batches(store, path):
        documents = base.at_hand(store, (document_key(each, name) for each in paths for name in names))
        for each in paths:
            found = _kind_in(documents, each, zarr_format)
            if found is None and or_other and zarr_format is not None:
                found = node_kind(store, each, 5 - zarr_format)
            if found is not None:
                yield each.rpartition("/")[2], found[0]


# Consolidating


def consolidate_v3(store: Store, path: str) -> dict[str, Any]:
    """Write the documents of all nodes below a group into its own.

    Returns
    -------
    dict
        All documents by key, that of the group included.

    Raises
    ------
    GroupNotFoundError, MetadataError
        There is no group of format 3; a document cannot be understood.
    """
    key = document_key(path, V3_KEY)
    with lock(store, key):
        document = _get(store, key)
        if document is None:
            raise GroupNotFoundError(path)
        content = load(document, key)
        if content.get("node_type") != "group":
            raise GroupNotFoundError(path)
        del content["node_type"]
        content.pop("consolidated_metadata", None)
        start = len(path) + 1 if path else 0
        found = sorted(_texts_v3(store, path), key=itemgetter(0))
        members = {at[start:]: text for at, text in found}
        consolidated = {"kind": "inline", "must_understand": False, "metadata": members}
        store[key] = v3.dump_document(
            {**content, "consolidated_metadata": consolidated, "node_type": "group"}
        )
    documents: dict[str, Any] = {key: {**content, "node_type": "group"}}
    documents.update((f"{at}/{V3_KEY}", text.stored if type(text) is Json else text) for at, text in found)
    return documents


def _texts_v3(store: Store, path: str) -> Iterator[tuple[str, Json | dict]]:
    """Yield path and JSON of each node below a group, those of arrays as they are stored."""
    for paths in _batches(store, path):
        documents = base.getitems(store, [f"{each}/{V3_KEY}" for each in paths])
        for each in paths:
            key = f"{each}/{V3_KEY}"
            if key not in documents:
                continue
            document = documents[key]
            meta = _decode(key, v3.decode, document)
            if isinstance(meta, ArrayMetadata):
                yield each, Json(document)
                continue
            empty = {"kind": "inline", "must_understand": False, "metadata": {}}
            yield each, v3.encode_document(replace(meta, consolidated_metadata=empty))
            yield from _texts_v3(store, each)


def consolidate_v2(store: Store, metadata_key: str) -> dict[str, Any]:
    """Write all documents of format 2 in a store into one.

    Returns
    -------
    dict
        All documents by key.

    Raises
    ------
    GroupNotFoundError, MetadataError
        There is no node at the root; a document cannot be understood.
    """
    if node_kind(store, "", 2) is None:
        raise GroupNotFoundError("")
    documents = {}
    for name in V2_KEYS:
        document = _get(store, name)
        if document is not None:
            documents[name] = _checked(name, document)
    if ARRAY_KEY not in documents:
        documents.update(_texts_v2(store, ""))
    content = {"metadata": documents, "zarr_consolidated_format": 1}
    store[metadata_key] = v2.encode_document(content)
    return {key: text.stored for key, text in documents.items()}


def _texts_v2(store: Store, path: str) -> Iterator[tuple[str, Json]]:
    """Yield key and JSON of each document below a path, as they are stored."""
    for paths in _batches(store, path):
        keys = [f"{each}/{name}" for each in paths for name in V2_KEYS]
        documents = base.getitems(store, keys)
        yield from ((key, _checked(key, documents[key])) for key in keys if key in documents)
        for each in paths:
            if f"{each}/{ARRAY_KEY}" not in documents:
                yield from _texts_v2(store, each)


def _checked(key: str, document: Any) -> Json:
    """Return a document of format 2 as JSON text, once it has been understood."""
    decode = {ARRAY_KEY: v2.decode_array, GROUP_KEY: v2.decode_group, ATTRS_KEY: v2.decode_attributes}
    _decode(key, decode[key.rpartition("/")[2]], document)
    return Json(document)


def _batches(store: Store, path: str) -> Iterator[list[str]]:
    """Yield paths of what may be nodes directly below a path, some at a time."""
    names = [name for name in base.listdir(store, path) if name not in DOCUMENT_NAMES]
    for start in range(0, len(names), BATCH):
        yield [document_key(path, name) for name in names[start : start + BATCH]]


# Reading


def read_children(store: Store, path: str, zarr_format: int) -> Iterator[tuple[str, str, Node]]:
    """Yield name, path and metadata of each node directly below a normal path, sorted by name.

    Documents are read many at a time.

    Parameters
    ----------
    store : MutableMapping
    path : str
        Normal.
    zarr_format : 2 or 3
        Of the group; nodes of the other format are found too.
    """
    names = [name for name in base.listdir(store, path) if name not in DOCUMENT_NAMES]
    prefix = f"{path}/" if path else ""
    read = _read_several_v3 if zarr_format == 3 else _read_several_v2
    for start in range(0, len(names), BATCH):
        batch = names[start : start + BATCH]
        found = read(store, [prefix + name for name in batch])
        for name in batch:
            at = prefix + name
            node = found.get(at)
            if node is None:
                try:
                    node = read_node(store, at, 5 - zarr_format)
                except PathNotFoundError:
                    continue
            yield name, at, node


def _read_several_v3(store: Store, paths: list[str]) -> dict[str, Node]:
    documents = base.getitems(store, [f"{path}/{V3_KEY}" for path in paths])
    found = {}
    for path in paths:
        key = f"{path}/{V3_KEY}"
        document = documents.get(key)
        if document is not None:
            found[path] = _decode(key, v3.decode, document)
    return found


def _read_several_v2(store: Store, paths: list[str]) -> dict[str, Node]:
    keys = [f"{path}/{name}" for path in paths for name in (ARRAY_KEY, ATTRS_KEY)]
    documents = base.getitems(store, keys)
    others = [path for path in paths if f"{path}/{ARRAY_KEY}" not in documents]
    documents.update(base.getitems(store, [f"{path}/{GROUP_KEY}" for path in others]))
    separator = base.dimension_separator(store)
    found: dict[str, Node] = {}
    for path in paths:
        attributes = documents.get(f"{path}/{ATTRS_KEY}")
        for name, decode in ((ARRAY_KEY, v2.decode_array), (GROUP_KEY, v2.decode_group)):
            key = f"{path}/{name}"
            if key in documents:
                content = {} if attributes is None else load(attributes, f"{path}/{ATTRS_KEY}")
                node = _decode(key, decode, documents[key], content)
                found[path] = _with_separator(node, separator) if name == ARRAY_KEY else node
                break
    return found


def read_array(store: Store, path: object = None, zarr_format: int | None = None) -> ArrayMetadata:
    """Return what the documents say of the array at a path.

    Parameters
    ----------
    store : MutableMapping
    path : str
    zarr_format : 2, 3 or None
        None detects it.

    Raises
    ------
    ArrayNotFoundError
        No array lives there.
    MetadataError
        A document cannot be understood; the message begins with its key.
    """
    path = normalize_path(path)
    documents = _at_hand(store, path, _names(zarr_format, ARRAY_KEY, ATTRS_KEY))
    node = _read_v3(documents, path) if zarr_format != 2 else None
    if node is None and zarr_format != 3:
        node = _read_v2_array(documents, path, base.dimension_separator(store))
    elif zarr_format is None:
        _warn_of_both(documents, path, ARRAY_KEY)
    if not isinstance(node, ArrayMetadata):
        raise ArrayNotFoundError(path, base.location(store))
    return node


def stored_documents(store: Store, path: str, zarr_format: int, *of_format_2: str) -> Iterator[bytes]:
    """Yield the documents of a node that are there as they are stored now, whatever consolidated metadata say."""
    from .storage.consolidated import ConsolidatedMetadataStore

    inner = store.store if isinstance(store, ConsolidatedMetadataStore) else store
    for name in _names(zarr_format, *of_format_2):
        document = _get(inner, document_key(path, name))
        if document is not None:
            yield bytes(document)


def read_group(store: Store, path: object = None, zarr_format: int | None = None) -> GroupMetadata:
    """Return what the documents say of the group at a path.

    Parameters and MetadataError are those of `read_array`.

    Raises
    ------
    GroupNotFoundError
        No group lives there.
    """
    path = normalize_path(path)
    documents = _at_hand(store, path, _names(zarr_format, GROUP_KEY, ATTRS_KEY))
    node = _read_v3(documents, path) if zarr_format != 2 else None
    if node is None and zarr_format != 3:
        node = _read_v2_group(documents, path)
    elif zarr_format is None:
        _warn_of_both(documents, path, GROUP_KEY)
    if not isinstance(node, GroupMetadata):
        raise GroupNotFoundError(path, base.location(store))
    return node


def read_node(store: Store, path: object = None, zarr_format: int | None = None) -> Node:
    """Return what the documents say of the array or group at a path.

    Parameters and MetadataError are those of `read_array`.

    Raises
    ------
    PathNotFoundError
        Neither lives there.
    """
    path = normalize_path(path)
    documents = _at_hand(store, path, _names(zarr_format, ARRAY_KEY, GROUP_KEY, ATTRS_KEY))
    node = _read_v3(documents, path) if zarr_format != 2 else None
    if node is None and zarr_format != 3:
        separator = base.dimension_separator(store)
        node = _read_v2_array(documents, path, separator) or _read_v2_group(documents, path)
    elif zarr_format is None:
        _warn_of_both(documents, path, ARRAY_KEY, GROUP_KEY)
    if node is None:
        raise PathNotFoundError(path, base.location(store))
    return node


def _read_v3(documents: Mapping[str, Any], path: str) -> Node | None:
    key = document_key(path, V3_KEY)
    document = _get(documents, key)
    return None if document is None else _decode(key, v3.decode, document)


def _read_v2_array(documents: Mapping[str, Any], path: str, separator: str | None) -> ArrayMetadata | None:
    key = document_key(path, ARRAY_KEY)
    document = _get(documents, key)
    if document is None:
        return None
    attributes = read_attributes(documents, document_key(path, ATTRS_KEY))
    return _with_separator(_decode(key, v2.decode_array, document, attributes), separator)


def _with_separator(meta: ArrayMetadata, separator: str | None) -> ArrayMetadata:
    """Give a document that names no separator its store's, as older writers to nested folders meant it."""
    if separator is None or meta.extra.get("dimension_separator") is not None:
        return meta
    return replace(meta, chunk_key_encoding=ChunkKeyEncoding("v2", separator))


def _read_v2_group(documents: Mapping[str, Any], path: str) -> GroupMetadata | None:
    key = document_key(path, GROUP_KEY)
    document = _get(documents, key)
    if document is None:
        return None
    return _decode(key, v2.decode_group, document, read_attributes(documents, document_key(path, ATTRS_KEY)))


def _decode(key: str, decode: Any, *arguments: Any) -> Any:
    """Call `decode`; its MetadataErrors get the document's key."""
    try:
        return decode(*arguments)
    except MetadataError as error:
        raise type(error)(f"{key}: {error}") from error


def _warn_of_both(documents: Mapping[str, Any], path: str, *names: str) -> None:
    for name in names:
        if document_key(path, name) in documents:
            message = f"path {path!r} holds {V3_KEY} and {name}: format 3 is read"
            warnings.warn(message, UserWarning, stacklevel=3)


# Writing


def write_array(store: Store, path: object, meta: ArrayMetadata) -> None:
    """Write the documents of an array; its own comes last."""
    path = normalize_path(path)
    _write(store, path, _documents(path, meta))


def write_group(store: Store, path: object, meta: GroupMetadata) -> None:
    """Write the documents of a group; its own comes last."""
    path = normalize_path(path)
    _write(store, path, _documents(path, meta))


def update_array(
    store: Store,
    path: str,
    zarr_format: int,
    change: Callable[[ArrayMetadata], ArrayMetadata],
    synchronizer: Any = None,
    known: tuple[bytes, ArrayMetadata] | None = None,
    then: Callable[[bytes, ArrayMetadata], None] | None = None,
) -> None:
    """Change an array's document under its lock, from what is stored now; ``.zattrs`` stays untouched.

    Parameters
    ----------
    store : MutableMapping
    path : str
        Normalized.
    zarr_format : {2, 3}
    change : callable
        Returns the new metadata, given the stored ones.
    synchronizer : mapping of key to lock, optional
        Taken too.
    known : tuple of bytes and ArrayMetadata, optional
        What `then` was given before: a document that is still the same is not decoded again.
    then : callable, optional
        Given the document that was written and what it says, under the lock still: a thread that
        comes later has later news.

    Raises
    ------
    ArrayNotFoundError, MetadataError
        As `read_array`.
    """
    key = document_key(path, V3_KEY if zarr_format == 3 else ARRAY_KEY)
    with synchronizer[key] if synchronizer is not None else nullcontext(), lock(store, key):
        stored = _get(store, key)
        same = known is not None and stored is not None and bytes(stored) == known[0]
        meta = change(known[1] if same and known is not None else read_array(store, path, zarr_format))
        document = v3.encode(meta) if zarr_format == 3 else v2.encode_array(meta)
        store[key] = document
        if then is not None:
            then(document, meta)


def as_shown(store: Store, meta: ArrayMetadata) -> ArrayMetadata:
    """Return what a store will say of an array that is about to be made: a view may add codecs of its own."""
    if base.only_format(store) is None:
        return meta
    return v2.decode_array(base.as_shown(store, v2.encode_array(meta)), meta.attributes)


def _documents(path: str, meta: Node) -> dict[str, bytes]:
    """Return the documents of a node by key, in the order of writing."""
    if meta.zarr_format == 3:
        return {document_key(path, V3_KEY): v3.encode(meta)}
    documents = {}
    if meta.attributes:
        documents[document_key(path, ATTRS_KEY)] = v2.encode_attributes(meta.attributes)
    if isinstance(meta, ArrayMetadata):
        documents[document_key(path, ARRAY_KEY)] = v2.encode_array(meta)
    else:
        documents[document_key(path, GROUP_KEY)] = v2.encode_group(meta)
    return documents


def _write(store: Store, path: str, documents: dict[str, bytes]) -> None:
    """Write documents; attributes that were there before do not outlive them."""
    v3_key, attributes_at = document_key(path, V3_KEY), document_key(path, ATTRS_KEY)
    if v3_key not in documents and attributes_at not in documents and attributes_at in store:
        documents = {attributes_at: v2.encode_attributes({})} | documents
    base.setitems(store, documents)


def write_attributes(store: Store, path: object, meta: Node) -> None:
    """Write the attributes of a node where its format keeps them, and nothing else."""
    replace_attributes(store, attributes_key(normalize_path(path), meta.zarr_format), meta.attributes)


def read_attributes(store: Mapping[str, Any], key: str) -> dict:
    """Return the attributes in the document `key`; none where it is absent.

    Parameters
    ----------
    store : mapping
    key : str
        Of a ``zarr.json``, or of a document that holds nothing but attributes.

    Raises
    ------
    MetadataError
        The document is not a JSON object.
    """
    document = _get(store, key)
    if document is None:
        return {}
    content = load(document, key)
    return mapping(content.get("attributes", {}), f"{key}: attributes") if is_v3_key(key) else content


def replace_attributes(store: Store, key: str, attributes: dict) -> dict:
    """Write the attributes in the document `key`; the rest of a ``zarr.json`` stays as it is.

    Returns
    -------
    dict
        The attributes as a reader finds them.

    Raises
    ------
    PathNotFoundError
        `key` names a ``zarr.json`` that is absent.
    TypeError, ValueError
        A value has no JSON form.
    """
    if not is_v3_key(key):
        document = _naming(v2.encode_attributes, attributes)
        store[key] = document
        return v2.decode_attributes(document)
    present = _get(store, key)
    if present is None:
        raise PathNotFoundError(key.removesuffix(V3_KEY).rstrip("/"))
    content = load(present, key)
    document = _naming(lambda new: v3.dump_document(content | {"attributes": new}), attributes)
    store[key] = document
    return load(document, key)["attributes"]


def _naming(encode: Callable[[dict], bytes], attributes: dict) -> bytes:
    """Call `encode`; its errors get the name of the attribute that has no JSON form."""
    try:
        return encode(attributes)
    except (TypeError, ValueError):
        for name, value in attributes.items():
            try:
                encode({name: value})
            except (TypeError, ValueError) as error:
                raise type(error)(f"attribute {name!r}: {error}") from None
        raise


def is_v3_key(key: str) -> bool:
    """Say whether `key` is that of a ``zarr.json``."""
    return key.rpartition("/")[2] == V3_KEY


# Making


def init_array(
    store: Store,
    path: object,
    meta: ArrayMetadata,
    overwrite: bool = False,
    chunk_store: Store | None = None,
    parent: str | None = None,
) -> None:
    """Make an array at a path, and the groups above it that are missing.

    Parameters
    ----------
    store : MutableMapping
    path : str
    meta : ArrayMetadata
    overwrite : bool
        Delete all that is at the path, of either format, and make arrays that
        stand above it groups.
    chunk_store : MutableMapping, optional
        Where the chunks are, if not in `store`; cleared with it.
    parent : str, optional
        Path of a group of this format that the caller has open: it is not read again.

    Raises
    ------
    ContainsArrayError, ContainsGroupError
        Something is there, or an array stands above, and `overwrite` is off.
    ValueError
        The nearest group above is of the other format, or format 3 reserves a name in `path`.
    FileExistsError
        `overwrite` would wipe a local directory that is not Zarr's.
    """
    init_node(store, normalize_path(path), meta, overwrite, chunk_store, parent)


def init_group(
    store: Store,
    path: object = None,
    zarr_format: int = 2,
    overwrite: bool = False,
    attributes: dict | None = None,
    chunk_store: Store | None = None,
    parent: str | None = None,
) -> GroupMetadata:
    """Make a group at a path, and the groups above it that are missing.

    Parameters
    ----------
    zarr_format : 2 or 3
    attributes : dict, optional
    store, path, overwrite, chunk_store, parent
        As for `init_array`, which raises the same.

    Returns
    -------
    GroupMetadata
    """
    meta = GroupMetadata(zarr_format, {} if attributes is None else attributes)
    init_node(store, normalize_path(path), meta, overwrite, chunk_store, parent)
    return meta


def init_node(
    store: Store,
    path: str,
    meta: Node,
    overwrite: bool = False,
    chunk_store: Store | None = None,
    parent: str | None = None,
) -> None:
    """Make an array or a group at a normal path; see `init_array`."""
    _check_names(path, meta.zarr_format)
    documents = _documents(path, meta)  # before room is made: what cannot be written deletes nothing
    if not _is_inside(store, path, parent, meta.zarr_format):
        _make_ancestors(store, path, meta.zarr_format, overwrite, chunk_store)
    _make(store, path, documents, overwrite, chunk_store)


def _check_names(path: str, zarr_format: int) -> None:
    """Refuse names that format 3 reserves (core specification, "Node names")."""
    if zarr_format == 3:
        for name in path.split("/"):
            if name.startswith("__") or (name and not name.strip(".")):
                raise ValueError(
                    f"path {path!r}: the name {name!r} is reserved in format 3, as are all that begin with '__' "
                    "or consist of '.' alone"
                )


def _is_inside(store: Store, path: str, parent: str | None, zarr_format: int) -> bool:
    """Say whether `path` is directly inside of the group `parent`, which still has its document."""
    if parent is None or not path or path.rpartition("/")[0] != parent:
        return False
    return document_key(parent, GROUP_KEY if zarr_format == 2 else V3_KEY) in store


def _make(
    store: Store, path: str, documents: dict[str, bytes], overwrite: bool, chunk_store: Store | None
) -> None:
    """Write the documents of a new node; of several threads that make one, all but one are refused."""
    with _lock_of_node(store, path):
        if overwrite:
            _clear(store, path, chunk_store)
        else:
            refuse_node(store, path)
        _write(store, path, documents)


def _make_ancestors(
    store: Store, path: str, zarr_format: int, overwrite: bool, chunk_store: Store | None
) -> None:
    """Make the groups above `path` that are missing."""
    missing = _missing_groups(store, path, zarr_format, overwrite)
    if missing and not overwrite:
        refuse_node(store, path)
    for ancestor in reversed(missing):
        with _lock_of_node(store, ancestor):
            found = node_kind(store, ancestor)
            if found is not None and found[0] == "group":
                continue  # another thread made it
            if found is not None:
                if not overwrite:
                    raise ContainsArrayError(ancestor, below=path)
                _clear(store, ancestor, chunk_store)
            write_group(store, ancestor, GroupMetadata(zarr_format))


def _lock_of_node(store: Store, path: str) -> KeyLock:
    """Return the lock for making what is at a path; of either format and kind, there is to be one."""
    return lock(store, document_key(path, V3_KEY))


def refuse_node(store: Store, path: str) -> None:
    """Raise ContainsArrayError or ContainsGroupError where there is a node."""
    if base.is_vacant(store, path):
        return
    found = node_kind(store, path)
    if found is not None:
        raise (ContainsArrayError if found[0] == "array" else ContainsGroupError)(
            path, store=base.naming(store)
        )


def _missing_groups(store: Store, path: str, zarr_format: int, overwrite: bool) -> list[str]:
    """Return the ancestors of `path`, nearest first, that are to be made up to the first group.

    Above a group there are groups already.
    """
    missing = []
    for ancestor in ancestors(path):
        found = node_kind(store, ancestor)
        if found is not None and found[0] == "group":
            if found[1] != zarr_format:
                raise ValueError(
                    f"path {path!r} is inside of the group {ancestor!r} of format {found[1]}: "
                    f"nothing of format {zarr_format} can be made there. "
                    "The zarr_format of the nodes must be the same as the parent group."
                )
            break
        if found is not None and not overwrite:
            raise ContainsArrayError(ancestor, below=path)
        missing.append(ancestor)
    return missing


def _clear(store: Store, path: str, chunk_store: Store | None) -> None:
    """Delete all keys under `path`; a store of chunks has no metadata that would say whose they are."""
    refuse_foreign(store, path)
    base.rmdir(store, path)
    if chunk_store is not None and chunk_store is not store:
        base.rmdir(chunk_store, path)
