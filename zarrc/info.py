"""Printed reports about arrays and groups: what ``z.info`` shows.

A report is a list of ``(label, value)`` rows. The labels are those that users
of zarr-python 2 know; arrays of format 3 have rows of their own for what
format 2 cannot say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core import Array
    from .hierarchy import Group

Rows = list[tuple[str, str]]

LINE_WIDTH = 80


class InfoReporter:
    """Shows the rows of an array or a group as aligned text or as an HTML table.

    Parameters
    ----------
    obj : Array or Group
        Anything with a method `info_items` that returns (label, value) rows. It
        is asked each time that the report is shown.
    items : callable, optional
        Returns the rows in its place.
    """

    def __init__(self, obj: Any, items: Callable[[], Rows] | None = None) -> None:
        self.obj = obj
        self._items = obj.info_items if items is None else items

    def __repr__(self) -> str:
        return text_report(self._items())

    def _repr_html_(self) -> str:
        return html_report(self._items())


def text_report(rows: Rows) -> str:
    """Lay out rows as ``label : value`` lines, at most 80 columns wide, labels aligned."""
    from textwrap import wrap

    indent = max(len(label) for label, _ in rows)
    lines = []
    for label, value in rows:
        for part in wrap(str(value), width=LINE_WIDTH - indent - 3) or [""]:
            lines.append(f"{label:<{indent}} : {part}")
            label = ""
    return "\n".join(lines) + "\n"


def html_report(rows: Rows) -> str:
    """Lay out rows as an HTML table."""
    from html import escape

    cells = (
        f'<tr><th style="text-align: left">{escape(label)}</th>'
        f'<td style="text-align: left">{escape(str(value))}</td></tr>'
        for label, value in rows
    )
    return f'<table class="zarr-info"><tbody>{"".join(cells)}</tbody></table>'


def human_readable_size(nbytes: int) -> str:
    """Return a size in bytes in the largest unit of which there is at least one.

    >>> human_readable_size(1000), human_readable_size(2048)
    ('1000', '2.0K')
    """
    if nbytes < 2**10:
        return str(nbytes)
    power = min((nbytes.bit_length() - 1) // 10, 5)
    return f"{nbytes / 2 ** (10 * power):.1f}{'KMGTP'[power - 1]}"


def bytes_report(nbytes: int) -> str:
    """Return a size in bytes, and in a larger unit where one fits.

    >>> bytes_report(400_000_000)
    '400000000 (381.5M)'
    """
    short = human_readable_size(nbytes)
    return short if short == str(nbytes) else f"{nbytes} ({short})"


def type_name(obj: Any) -> str:
    """Return the dotted name of an object's type, as users import it."""
    kind = type(obj)
    module = kind.__module__
    if module.startswith("zarrc.storage."):
        module = "zarrc.storage"
    return f"{module}.{kind.__name__}"


def array_items(array: Array, complete: bool = False) -> Rows:
    """Return the rows of an array.

    Format 2's have always told what is stored, which takes a look at all keys; those of
    format 3 do where `complete` says so.
    """
    rows = [*_identity(array), *_layout(array), *_codecs(array), *_places(array)]
    rows.append(("No. bytes", bytes_report(array.nbytes)))
    return [*rows, *_statistics(array)] if complete or array.zarr_format == 2 else rows


def group_items(group: Group) -> Rows:
    """Return the rows of a group, with the names of its direct members."""
    arrays = sorted(group.array_keys())
    groups = sorted(group.group_keys())
    rows = [*_identity(group), ("Read-only", str(group.read_only)), *_places(group)]
    rows.append(("No. members", str(len(arrays) + len(groups))))
    rows.append(("No. arrays", str(len(arrays))))
    rows.append(("No. groups", str(len(groups))))
    if arrays:
        rows.append(("Arrays", ", ".join(arrays)))
    if groups:
        rows.append(("Groups", ", ".join(groups)))
    return rows


def _identity(node: Array | Group) -> Rows:
    is_nameless = not node.path and hasattr(node, "shape")  # an array at the root
    rows = [] if is_nameless else [("Name", node.name or "")]
    rows.append(("Type", type_name(node)))
    if node.zarr_format == 3:
        rows.append(("Zarr format", "3"))
    return rows


def _layout(array: Array) -> Rows:
    rows = [("Data type", str(array.dtype)), ("Shape", str(array.shape))]
    if array.shards is not None:
        rows.append(("Shard shape", str(array.shards)))
    rows.append(("Chunk shape", str(array.chunks)))
    rows.append(("Order", array.order))
    rows.append(("Read-only", str(array.read_only)))
    return rows


def _codecs(array: Array) -> Rows:
    if array.zarr_format == 3:
        return [
            ("Filters", repr(array.filters)),
            ("Serializer", repr(array.serializer)),
            ("Compressors", repr(array.compressors)),
        ]
    rows = [(f"Filter [{i}]", repr(codec)) for i, codec in enumerate(array.filters or ())]
    rows.append(("Compressor", repr(array.compressor)))
    return rows


def _places(node: Array | Group) -> Rows:
    rows = []
    if node.synchronizer is not None:
        rows.append(("Synchronizer type", type_name(node.synchronizer)))
    rows.append(("Store type", type_name(node.store)))
    if node.chunk_store is not node.store:
        rows.append(("Chunk store type", type_name(node.chunk_store)))
    return rows


def _statistics(array: Array) -> Rows:
    rows = []
    stored = array.nbytes_stored
    if stored > 0:
        rows.append(("No. bytes stored", bytes_report(stored)))
        rows.append(("Storage ratio", f"{array.nbytes / stored:.1f}"))
    if array.shards is not None:
        rows.append(("Shards initialized", f"{array.nshards_initialized}/{array.nshards}"))
    rows.append(("Chunks initialized", f"{array.nchunks_initialized}/{array.nchunks}"))
    return rows
