"""Documents of arrays that are alike but for their attributes are decoded once.

A hierarchy often has many arrays of the same kind. What a document says besides the attributes
is looked up here: by its JSON text, or by its content where that was parsed already.
"""

from __future__ import annotations

import json
import marshal
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
    """Contents of documents laid out as text, but for what differs between arrays that are alike."""

    def __init__(self) -> None:
        self._known: dict[tuple[bytes, bool], tuple[str, str, str]] = {}

    def dump(self, content: dict[str, Any], indent: int) -> bytes:
        """Return a content that has a shape and, later, attributes as `documents.dump` does."""
        strict = bool(config.get("json_strict", False))
        rest = content_key({**content, "shape": None, "attributes": None})
        if rest is None:
            return dump(content, indent)
        texts = self._known.get((rest, strict))
        if texts is None:
            marked = {**content, "shape": _SHAPE, "attributes": _ATTRIBUTES}
            texts = _around(dump(marked, indent).decode())
            if texts is None:
                return dump(content, indent)
            if len(self._known) >= _MOST_CONTENTS:
                self._known.clear()
            self._known[rest, strict] = texts
        shape = lay_out(content["shape"], indent, strict)
        attributes = lay_out(content["attributes"], indent, strict)
        return "".join((texts[0], shape, texts[1], attributes, texts[2])).encode("ascii")


_SHAPE, _ATTRIBUTES = "\0shape", "\0attributes"


def _around(text: str) -> tuple[str, str, str] | None:
    """Return what is before, between and after the two marks; None unless each is there once, in order."""
    before, _, rest = text.partition(json.dumps(_SHAPE))
    between, mark, after = rest.partition(json.dumps(_ATTRIBUTES))
    again = any(
        json.dumps(name) in part for name in (_SHAPE, _ATTRIBUTES) for part in (before, between, after)
    )
    return None if again or not mark else (before, between, after)


def content_key(content: Any) -> bytes | None:
    """Return bytes that are equal for equal JSON values and nothing else; None where there are other values."""
    try:
        return marshal.dumps(content, 2)
    except ValueError:
        return None
