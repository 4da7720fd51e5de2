"""Copies of arrays, groups and stores: between zarrc and zarrc, zarrc and h5py, store and store."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from itertools import product
from typing import Any

import numpy as np

from . import nodes
from .core import Array
from .errors import CopyError
from .hierarchy import Group
from .sources import completed, dtype_of, filters_of, kept_properties
from .storage import base
from .storage.locations import normalize_store

IF_EXISTS = ("raise", "replace", "skip", "skip_initialized")
IF_KEY_EXISTS = ("raise", "replace", "skip")
BATCH_NBYTES = 1 << 24  # values of stores that are copied at a time
BATCH_KEYS = 256

Counts = tuple[int, int, int]


def copy(
    source: Any,
    dest: Any,
    name: str | None = None,
    shallow: bool = False,
    without_attrs: bool = False,
    log: Any = None,
    if_exists: str = "raise",
    dry_run: bool = False,
    **create_kws: Any,
) -> Counts:
    """Copy an array or a group into a group; either side may be h5py's.

    Parameters
    ----------
    source : Array, Group, or h5py's Dataset or Group
    dest : Group, or h5py's
        The group that the copy will be in.
    name : str
        The copy's name or path in `dest`; the source's own name unless given.
    shallow : bool
        Copy a group with its arrays alone, and no groups.
    without_attrs : bool
        Leave attributes out.
    log : callable, str, os.PathLike or file
        Gets a line for each node: a function of one argument, a file's path, or a text stream.
    if_exists : {"raise", "replace", "skip", "skip_initialized"}
        What to do about an array that is there already, or about an array where a group is to be. With
        "skip_initialized" an array stays if all of its chunks are stored; h5py's do not say.
    dry_run : bool
        Log what would be done, and do nothing.
    **create_kws
        For `create_dataset`, in place of what the source has: ``chunks``, ``compressor``, ….

    Returns
    -------
    n_copied, n_skipped, n_bytes_copied : int
        Nodes copied and skipped; size of the data.

    Raises
    ------
    CopyError
        When something is there already and `if_exists` is "raise".
    TypeError
        When the source is a root and no name is given.

    Examples
    --------
    >>> import zarrc
    >>> source, dest = zarrc.group(), zarrc.group()
    >>> source.array("foo/bar", [1, 2, 3])
    <zarrc.core.Array '/foo/bar' (3,) int64>
    >>> zarrc.copy(source["foo"], dest, log=print)
    copy /foo
    copy /foo/bar (3,) int64
    all done: 2 copied, 0 skipped, 24 bytes copied
    (2, 0, 24)
    """
    _check_group(dest)
    _check_skipping(if_exists, dest)
    with _Work.of(log, if_exists, dry_run, shallow, without_attrs, create_kws) as work:
        name = _name_of(source) if name is None else name
        if not name:
            raise TypeError(
                "source has no name, please provide the `name` parameter to indicate a name to copy to"
            )
        work.copy(source, dest, name, dest)
        return work.done()


def copy_all(
    source: Any,
    dest: Any,
    shallow: bool = False,
    without_attrs: bool = False,
    log: Any = None,
    if_exists: str = "raise",
    dry_run: bool = False,
    **create_kws: Any,
) -> Counts:
    """Copy all that is in a group, and its attributes, into another group; either may be h5py's.

    Parameters
    ----------
    source, dest : Group, or h5py's
    shallow : bool
        Copy arrays alone, and no groups.
    without_attrs, log, if_exists, dry_run, **create_kws
        See `copy`.

    Returns
    -------
    n_copied, n_skipped, n_bytes_copied : int

    Raises
    ------
    CopyError
        See `copy`.
    """
    _check_group(dest)
    _check_group(source, "source")
    _check_skipping(if_exists, dest)
    with _Work.of(log, if_exists, dry_run, shallow, without_attrs, create_kws) as work:
        for name in sorted(source):
            node = _child(source, name)
            if not shallow or _is_array(node):
                work.copy(node, dest, name, dest)
        work.copy_attributes(source, dest)
        return work.done()


def copy_store(
    source: MutableMapping[str, Any],
    dest: MutableMapping[str, Any],
    source_path: str = "",
    dest_path: str = "",
    excludes: str | Iterable[str] | None = None,
    includes: str | Iterable[str] | None = None,
    flags: int = 0,
    if_exists: str = "raise",
    dry_run: bool = False,
    log: Any = None,
) -> Counts:
    """Copy keys and values from one store to another as they are, without decoding anything.

    Parameters
    ----------
    source, dest : MutableMapping, str or os.PathLike
    source_path : str
        Copy the keys under this path.
    dest_path : str
        To the same keys under this path.
    excludes : str or sequence of str
        Regular expressions: keys in which one is found are left out,
    includes : str or sequence of str
        unless one of these is found in them too.
    flags : int
        For the regular expressions, such as ``re.IGNORECASE``.
    if_exists : {"raise", "replace", "skip"}
        What to do about a key that is there already.
    dry_run : bool
        Log what would be done, and do nothing.
    log : callable, str, os.PathLike or file
        As in `copy`.

    Returns
    -------
    n_copied, n_skipped, n_bytes_copied : int
        Keys copied and skipped; size of the values.

    Raises
    ------
    CopyError
        When a key is there already and `if_exists` is "raise".

    Examples
    --------
    >>> import zarrc
    >>> source, dest = {}, {}
    >>> z = zarrc.zeros(3, chunks=2, store=source, path="a")
    >>> zarrc.copy_store(source, dest, source_path="a", dest_path="b", log=print)[:2]
    copy a/.zarray -> b/.zarray
    all done: 1 copied, 0 skipped, 311 bytes copied
    (1, 0)
    """
    _check_choice(if_exists, IF_KEY_EXISTS)
    source, dest = normalize_store(source, "r"), normalize_store(dest)
    is_wanted = _filter(excludes, includes, flags)
    source_prefix, dest_prefix = (
        f"{path}/" if path else "" for path in map(nodes.normalize_path, (source_path, dest_path))
    )
    copied = skipped = nbytes = 0
    with _logging(log) as say:
        moves: list[tuple[str, str]] = []
        for key in sorted(source):
            if not key.startswith(source_prefix) or not is_wanted(key):
                continue
            target = dest_prefix + key[len(source_prefix) :]
            arrow = key if key == target else f"{key} -> {target}"
            if if_exists != "replace" and target in dest:
                if if_exists == "raise":
                    if not dry_run:
                        _copy_values(source, dest, moves)
                    raise CopyError(f"key {target!r} exists in destination")
                say(f"skip {arrow}")
                skipped += 1
                continue
            say(f"copy {arrow}")
            copied += 1
            moves.append((key, target))
            if len(moves) >= BATCH_KEYS and not dry_run:
                nbytes += _copy_values(source, dest, moves)
        if not dry_run:
            nbytes += _copy_values(source, dest, moves)
        say(_summary(copied, skipped, nbytes, dry_run))
    return copied, skipped, nbytes


def _copy_values(source: Any, dest: Any, moves: list[tuple[str, str]]) -> int:
    """Copy values to their new keys, a few at a time; empty the list; return their size."""
    nbytes = 0
    batch: dict[str, Any] = {}
    batch_nbytes = 0
    for key, target in moves:
        value = source[key]
        size = len(value) if isinstance(value, bytes) else memoryview(value).nbytes
        batch[target] = value
        batch_nbytes += size
        nbytes += size
        if batch_nbytes >= BATCH_NBYTES:
            base.setitems(dest, batch)
            batch, batch_nbytes = {}, 0
    base.setitems(dest, batch)
    moves.clear()
    return nbytes


def _filter(excludes: Any, includes: Any, flags: int) -> Callable[[str], bool]:
    out, back = ([re.compile(each, flags) for each in _several(given)] for given in (excludes, includes))

    def is_wanted(key: str) -> bool:
        return not any(each.search(key) for each in out) or any(each.search(key) for each in back)

    return is_wanted


def _several(given: Any) -> Iterable[str]:
    return () if given is None else (given,) if isinstance(given, str) else given


# nodes


class _Work:
    """A copy of nodes as it goes on: what was asked for, and the counts so far."""

    def __init__(
        self,
        say: Callable[[str], None],
        if_exists: str,
        dry_run: bool,
        shallow: bool,
        without_attrs: bool,
        create_kws: dict[str, Any],
    ) -> None:
        self.say = say
        self.if_exists = if_exists
        self.dry_run = dry_run
        self.shallow = shallow
        self.without_attrs = without_attrs
        self.create_kws = create_kws
        self.copied = self.skipped = self.nbytes = 0

    @classmethod
    @contextmanager
    def of(cls, log: Any, if_exists: str, *options: Any) -> Iterator[_Work]:
        _check_choice(if_exists, IF_EXISTS)
        with _logging(log) as say:
            yield cls(say, if_exists, *options)

    def done(self) -> Counts:
        """Log and return the counts."""
        self.say(_summary(self.copied, self.skipped, self.nbytes, self.dry_run))
        return self.copied, self.skipped, self.nbytes

    def copy(self, source: Any, dest: Any, name: str, there: Any) -> None:
        """Copy a node; `there` is the group, or None, that would hold the name if this were not a dry run."""
        if _is_array(source):
            self._copy_array(source, dest, name, there)
        else:
            self._copy_group(source, dest, name, there)

    def _is_skipped(self, what: str, found: Any, kind: str, name: str, there: Any) -> bool:
        """Count and log a node; say whether it is to be left as it is.

        `found` is what stands in its way, or None.
        """
        exists = found is not None
        if exists and self.if_exists == "raise":
            raise CopyError(f"{kind} {name!r} already exists in destination {there.name!r}")
        stays = exists and (
            self.if_exists == "skip" or (self.if_exists == "skip_initialized" and _is_initialized(found))
        )
        self.say(f"{'skip' if stays else 'copy'} {what}")
        if stays:
            self.skipped += 1
        else:
            self.copied += 1
        return stays

    def _copy_array(self, source: Any, dest: Any, name: str, there: Any) -> None:
        found = _member(there, name)
        what = f"{source.name} {source.shape} {source.dtype}"
        if self._is_skipped(what, found, "an object", name, there) or self.dry_run:
            return
        if found is not None:
            del dest[name]
        made = _create_array(source, dest, name, self.create_kws)
        self.nbytes += made.size * made.dtype.itemsize
        self.copy_attributes(source, made)

    def _copy_group(self, source: Any, dest: Any, name: str, there: Any) -> None:
        found = _member(there, name)
        in_the_way = found if found is not None and _is_array(found) else None
        if self._is_skipped(source.name, in_the_way, "an array", name, there):
            return
        if self.dry_run:
            group, inside = dest, found if in_the_way is None else None
        else:
            if in_the_way is not None:
                del dest[name]
            group = inside = dest.require_group(name)
            self.copy_attributes(source, group)
        for child in sorted(source):
            node = _child(source, child)
            if not self.shallow or _is_array(node):
                self.copy(node, group, child, inside)

    def copy_attributes(self, source: Any, dest: Any) -> None:
        if self.without_attrs or self.dry_run:
            return
        attributes = {name: source.attrs[name] for name in source.attrs}
        if _is_h5py(dest):
            _set_h5py_attributes(attributes, dest)
        elif attributes:
            dest.attrs.update({name: _json_value(value) for name, value in attributes.items()})


def _create_array(source: Any, dest: Any, name: str, create_kws: dict[str, Any]) -> Any:
    """Make an array like `source`, but for what is given, and copy its values."""
    if source.shape is None:
        raise CopyError(f"{source.name!r} is empty, without a shape: arrays are not")
    arguments = {"shape": source.shape, "dtype": dtype_of(source), **_layout(source, dest)}
    values = source
    if source.dtype.kind == "O" and not create_kws.keys() & {"dtype", "object_codec"}:
        if _is_h5py(source):
            values = _from_h5py(source, arguments)
        elif _is_h5py(dest):
            arguments["dtype"] = _h5py_dtype(arguments["dtype"])
            arguments["fillvalue"] = None
    made = dest.create_dataset(name, **completed(arguments, create_kws))
    if made.size == 0:
        return made
    if isinstance(made, Array):
        made._fill(values)
    else:
        for region in _regions(made.shape, made.chunks or source.chunks or made.shape):
            made[region] = source[region]
    return made


def _layout(source: Any, dest: Any) -> dict[str, Any]:
    """Return what a copy has in common with its source besides shape and dtype."""
    chunks = {} if source.chunks is None else {"chunks": source.chunks}
    if not _is_h5py(source):
        if _is_h5py(dest):
            chunks = chunks if 0 not in source.shape and source.shape else {}
            packed = {"compression": "gzip", "compression_opts": 1, "shuffle": False} if chunks else {}
            return {**chunks, **packed, **_growing(source, chunks), "fillvalue": source.fill_value}
        return chunks | _zarrc_layout(source, dest)
    if _is_h5py(dest):
        names = ("compression", "compression_opts", "shuffle", "fletcher32", "fillvalue")
        return chunks | {name: getattr(source, name) for name in names}
    return chunks | {"fill_value": source.fillvalue}


def _growing(source: Array, chunks: dict[str, Any]) -> dict[str, Any]:
    """Return h5py's word for axes without an end where a chunk is longer than its axis, which it asks for."""
    if not chunks or all(c <= n for c, n in zip(source.chunks, source.shape, strict=True)):
        return {}
    return {"maxshape": (None,) * source.ndim}


def _zarrc_layout(source: Array, dest: Group) -> dict[str, Any]:
    fill_value = {"fill_value": source.fill_value}
    if source.zarr_format != dest.zarr_format:
        return fill_value
    if source.zarr_format == 2:
        return {
            **fill_value,
            "compressor": source.compressor,
            **filters_of(source),
            "order": source.order,
        }
    return kept_properties(source, 3) | {"dimension_names": source.dimension_names}


def _from_h5py(source: Any, arguments: dict[str, Any]) -> Any:
    """Return h5py's view of strings as `str`, or its arrays; change the data type to what they are here."""
    import h5py  # type: ignore[import-untyped]

    items = h5py.check_vlen_dtype(source.dtype)
    if h5py.check_string_dtype(source.dtype) is not None:
        arguments |= {"dtype": str, "fill_value": None}
        return source.asstr()[...]
    if items is not None:
        arguments |= {"dtype": f"array:{items.str}", "fill_value": None}
        return source
    raise CopyError(f"{source.name!r} has elements that only HDF5 knows, such as references")


def _h5py_dtype(dtype: Any) -> Any:
    """Return h5py's data type for strings, bytes and arrays of any length."""
    import h5py

    if dtype in (str, bytes):
        return h5py.string_dtype("utf-8" if dtype is str else "ascii")
    return h5py.vlen_dtype(np.dtype(dtype.removeprefix("array:"))) if isinstance(dtype, str) else dtype


def _regions(shape: tuple[int, ...], chunks: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    """Yield the parts of an array that are a chunk each."""
    starts = (range(0, n, c) for n, c in zip(shape, chunks, strict=True))
    for corner in product(*starts):
        yield tuple(slice(a, min(a + c, n)) for a, c, n in zip(corner, chunks, shape, strict=True))


def _json_value(value: Any) -> Any:
    """Return an attribute of h5py's as JSON can have it: bytes are text, and an empty one is None."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if type(value).__name__ == "Empty":
        return None
    if isinstance(value, np.ndarray) and value.dtype.kind in "SO":
        return [_json_value(each) for each in value.tolist()]
    return value


def _set_h5py_attributes(attributes: dict[str, Any], dest: Any) -> None:
    """Set attributes of h5py's: None is an empty one, as the other way round.

    Raises
    ------
    CopyError
        HDF5 has no attributes of such values; the message says which one.
    """
    import h5py

    for name, value in attributes.items():
        try:
            dest.attrs[name] = h5py.Empty("f4") if value is None else value
        except (TypeError, ValueError) as error:
            raise CopyError(f"attribute {name!r} cannot be copied to {dest.name!r}: {error}") from error


# what things are


def _is_h5py(node: Any) -> bool:
    return type(node).__module__.split(".")[0] == "h5py"


def _is_array(node: Any) -> bool:
    return hasattr(node, "shape")


def _is_initialized(found: Any) -> bool:
    """Say whether all chunks of an array are stored; h5py cannot tell."""
    return isinstance(found, Array) and found.nchunks_initialized == found.nchunks


def _check_group(node: Any, what: str = "dest") -> None:
    if _is_array(node) or not hasattr(node, "require_group"):
        raise ValueError(f"{what} must be a group, got {node!r}")


def _name_of(source: Any) -> str:
    return (source.name or "").rstrip("/").rpartition("/")[2]


def _child(group: Any, name: str) -> Any:
    try:
        return group[name]
    except KeyError:
        raise CopyError(
            f"'{group.name.rstrip('/')}/{name}' is a link that leads nowhere: delete it first"
        ) from None


def _member(group: Any, name: str) -> Any:
    if group is None or name not in group:
        return None
    return group[name]


def _check_skipping(if_exists: str, dest: Any) -> None:
    if if_exists == "skip_initialized" and _is_h5py(dest):
        raise ValueError(f"if_exists={if_exists!r} is not available where the destination is h5py's")


def _check_choice(if_exists: str, choices: tuple[str, ...]) -> None:
    if if_exists not in choices:
        raise ValueError(f"if_exists must be one of {list(choices)!r}; found {if_exists!r}")


# the log


@contextmanager
def _logging(log: Any) -> Iterator[Callable[[str], None]]:
    """Give a function that logs a line."""
    if log is None:
        yield lambda line: None
    elif callable(log):
        yield log
    elif isinstance(log, (str, os.PathLike)):
        with open(log, "w", encoding="utf-8") as file:
            yield lambda line: print(line, file=file)
    elif hasattr(log, "write"):
        yield lambda line: print(line, file=log, flush=hasattr(log, "flush"))
    else:
        raise TypeError(f"log must be a callable function, file path or file-like object, found {log!r}")


def _summary(copied: int, skipped: int, nbytes: int, dry_run: bool) -> str:
    if dry_run:
        return f"dry run: {copied} copied, {skipped} skipped"
    return f"all done: {copied:,} copied, {skipped:,} skipped, {nbytes:,} bytes copied"
