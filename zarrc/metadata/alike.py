"""Documents of arrays that are alike but for their attributes are decoded once.

A hierarchy often has many arrays of the same kind. What a document says besides the attributes
is looked up here: by its JSON text, or by its content where that was parsed already.
"""

from __future__ import annotations

import json
import marshal
import operator
from collections.abc import Callable
from typing import Any

from zarrc.config import config

from .documents import dump, lay_out
from .model import ArrayMetadata, with_attributes

_MOST_TEMPLATES = 8
_MOST_CONTENTS = 256
_NAME = b'"attributes"'


class Templates:
    """Documents that have their attributes inside, as a text before and a text after these.

    If a document is the text before, a whole JSON object, and the text after, then it says what the
    document says that the texts are from, but for that object.
    """

    def __init__(self) -> None:
        self._known: tuple[tuple[bytes, bytes, ArrayMetadata], ...] = ()

    def find(self, document: bytes) -> ArrayMetadata | None:
        """Return what a document says if it is like one that was remembered; else None."""
        for template in self._known:
            before, after, meta = template
            if not (document.startswith(before) and document.endswith(after)):
                continue
            end = len(document) - len(after)
            if end < len(before):
                continue
            try:
                attributes = json.loads(document[len(before) : end].decode())
            except (ValueError, RecursionError):
                continue
            if type(attributes) is dict:
                return with_attributes(meta, attributes)
        return None

    def remember(self, document: bytes, meta: ArrayMetadata) -> None:
        """Remember what a document says; one whose attributes cannot be told from the rest is left out."""
        if document.count(_NAME) != 1 or not document.isascii():
            return
        text = document.decode()
        start = text.index(_NAME.decode()) + len(_NAME)
        colon = text.index(":", start)
        start = colon + 1
        while text[start].isspace():
            start += 1
        attributes, end = json.JSONDecoder().raw_decode(text, start)
        if attributes == meta.attributes:
            known = (text[:start].encode(), text[end:].encode(), meta)
            self._known = (known, *self._known[: _MOST_TEMPLATES - 1])


class Contents:
    """Documents, text or content, without attributes or with these taken out."""

    def __init__(self) -> None:
        self._known: dict[bytes, ArrayMetadata] = {}

    def find(self, key: bytes | None, attributes: dict) -> ArrayMetadata | None:
        """Return what was remembered under a key, with other attributes; else None."""
        meta = self._known.get(key)  # type: ignore[arg-type]
        return None if meta is None else with_attributes(meta, attributes)

    def remember(self, key: bytes | None, meta: ArrayMetadata) -> None:
        """Remember what a document says."""
        if key is None:
            return
        if len(self._known) >= _MOST_CONTENTS:
            self._known.clear()
        self._known[key] = meta


class Layouts:
    """Documents laid out as text, but for the members that differ between arrays that are alike.

    Parameters
    ----------
    encode : callable
        Returns the content of the document of an array.
    names : tuple of str
        Of those members, fields of the model, in the order in which they are written.
    indent : int
    sort_keys : bool
        As `documents.dump` takes them.
    """

    def __init__(
        self,
        encode: Callable[[ArrayMetadata], dict[str, Any]],
        names: tuple[str, ...],
        indent: int,
        sort_keys: bool = False,
    ) -> None:
        self._encode = encode
        self._names = names
        self._indent = indent
        self._sort_keys = sort_keys
        self._marks = {name: f"\0{name}" for name in names}
        self._known: tuple[tuple[bool, list[Any], list[str]], ...] = ()

    def dump(self, meta: ArrayMetadata) -> bytes:
        """Return the document of an array, as `documents.dump` lays it out."""
        strict = bool(config.get("json_strict", False))
        texts = self._texts(meta, strict)
        if len(texts) != len(self._names) + 1:
            return dump(self._encode(meta), self._indent, self._sort_keys)
        parts = [texts[0]]
        for name, after in zip(self._names, texts[1:], strict=True):
            parts += lay_out(vars(meta)[name], self._indent, strict, self._sort_keys), after
        return "".join(parts).encode("ascii")

    def _texts(self, meta: ArrayMetadata, strict: bool) -> list[str]:
        """Return what is before, between and after the members; more parts where the content has a mark by itself."""
        fields = [value for name, value in vars(meta).items() if name not in _VARYING]
        for known_strict, known_fields, texts in self._known:
            if known_strict == strict and all(map(operator.is_, fields, known_fields)):
                return texts
        text = dump(self._encode(meta) | self._marks, self._indent, self._sort_keys).decode()
        for mark in self._marks.values():
            text = text.replace(json.dumps(mark), _CUT)
        texts = text.split(_CUT)
        self._known = ((strict, fields, texts), *self._known[: _MOST_TEMPLATES - 1])
        return texts


_VARYING = frozenset(("shape", "attributes"))
_CUT = "\0"  # which no document has


def is_plain(value: Any) -> bool:
    """Say whether a value and all that it holds are JSON values, or tuples."""
    if type(value) is dict:
        value = value.values()
    elif type(value) not in _LISTS:
        return type(value) in _SCALARS
    return all(is_plain(each) for each in value if type(each) not in _SCALARS)


_SCALARS = frozenset((str, int, float, bool, type(None)))
_LISTS = frozenset((tuple, list))


def content_key(content: Any) -> bytes | None:
    """Return bytes that are equal for equal plain values and nothing else; None where there are others.

    Of others that have a buffer, such as NumPy's numbers, `is_plain` must be asked before.
    """
    try:
        return marshal.dumps(content, 2)
    except ValueError:
        return None
