"""JSON documents: read into plain data, checked key by key, and written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii
from typing import Any

import numpy as np

from zarrc.config import config
from zarrc.errors import MetadataError


def load(document: bytes | str | Mapping, what: str = "document") -> dict:
    """Return a JSON document as a dict.

    Parameters
    ----------
    document : bytes-like, str or Mapping
        UTF-8 bytes, text, or what was parsed already. NaN and infinities may
        stand as the bare tokens ``NaN``, ``Infinity`` and ``-Infinity``.
    what : str
        How error messages call it.

    Raises
    ------
    MetadataError
        It is not JSON, or not an object.
    """
    if isinstance(document, Mapping):
        return dict(document)
    try:
        text = document if isinstance(document, str) else bytes(document).decode("utf-8")
        content = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise MetadataError(f"{what} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise MetadataError(f"{what} is not a JSON object but {shorten(content)}")
    return content


class Json:
    """A value as JSON text that is known to be right, to be written as a part of another document.

    Parameters
    ----------
    stored : bytes-like
        UTF-8. It has no line breaks inside of strings: JSON allows none.
    """

    def __init__(self, stored: Any) -> None:
        self.stored = stored

    def laid_out(self, line: str) -> str:
        """Return the text with its lines deeper by the indent of `line`; what is not ASCII is escaped."""
        text = bytes(self.stored).decode("utf-8").strip().replace("\r", "").replace("\n", line)
        if text.isascii():
            return text
        return "".join(c if c < "\x80" else encode_basestring_ascii(c)[1:-1] for c in text)


def dump(content: dict, indent: int | None, sort_keys: bool = False) -> bytes:
    """Return `content` as JSON bytes, laid out over several lines, or in one where `indent` is None.

    NumPy scalars and arrays become numbers and lists. NaN and infinities are
    written as bare tokens, unless the configuration says ``json_strict``.

    Raises
    ------
    TypeError
        A value has no JSON form.
    ValueError
        A number is not finite and ``json_strict`` is set.
    """
    strict = config.get("json_strict", False)
    text = _lay_out(content, "\n", " " * (indent or 0), sort_keys, strict)
    return (json.dumps(json.loads(text)) if indent is None else text).encode("ascii")


def lay_out(value: Any, indent: int, strict: bool, sort_keys: bool = False) -> str:
    """Return a member of a document as `dump` lays it out there."""
    return _lay_out(value, "\n" + " " * indent, " " * indent, sort_keys, strict)


def _lay_out(value: Any, line: str, indent: str, sort_keys: bool, strict: bool) -> str:
    """Write a value as ``json.dumps`` lays it out with an indent, which it does several times as slowly.

    Parameters
    ----------
    value : any
    line : str
        A line break and the indent of the line that the value begins in.
    indent : str
        How much deeper a level is.
    sort_keys, strict : bool
        As in `dump`.
    """
    kind = type(value)
    if kind is str:
        return encode_basestring_ascii(value)
    if value is None or kind is bool or kind is int:
        return _CONSTANTS[value] if kind is not int else repr(value)
    if kind is Json:
        return value.laid_out(line)
    if isinstance(value, dict):
        if not value:
            return "{}"
        deeper = line + indent
        items = sorted(value.items()) if sort_keys else value.items()
        parts = [f"{_key(k)}: {_lay_out(v, deeper, indent, sort_keys, strict)}" for k, v in items]
        return "{" + deeper + ("," + deeper).join(parts) + line + "}"
    if isinstance(value, (list, tuple)):
        if not value:
            return "[]"
        deeper = line + indent
        parts = [_lay_out(v, deeper, indent, sort_keys, strict) for v in value]
        return "[" + deeper + ("," + deeper).join(parts) + line + "]"
    if isinstance(value, (str, int, float)):
        return json.dumps(value, allow_nan=not strict)
    return _lay_out(_plain(value), line, indent, sort_keys, strict)


_CONSTANTS = {None: "null", True: "true", False: "false"}


def _key(key: object) -> str:
    """Return the name of a member as JSON: numbers and constants become strings."""
    if isinstance(key, str):
        return encode_basestring_ascii(key)
    if key is None or isinstance(key, (bool, int, float)):
        return f'"{json.dumps(key)}"'
    raise TypeError(f"keys must be str, int, float, bool or None, not {type(key).__name__}")


def _plain(value: object) -> Any:
    """Return NumPy's numbers, strings and arrays of them as Python's."""
    if isinstance(value, (np.bool_, np.number, np.str_)):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufUO":
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def require(content: Mapping, key: str, what: str = "document") -> Any:
    """Return ``content[key]``; a missing key is a MetadataError that names it."""
    try:
        return content[key]
    except KeyError:
        raise MetadataError(f"{what} lacks the key {key!r}") from None


def sizes(value: object, name: str) -> tuple[int, ...]:
    """Return a JSON list of integers as a tuple."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise MetadataError(f"{name} must be a list of integers, not {shorten(value)}")
    for size in value:
        if isinstance(size, bool) or not isinstance(size, int):
            raise MetadataError(f"{name} must be a list of integers, not {shorten(value)}")
    return tuple(value)


def mapping(value: object, name: str) -> dict:
    """Return a JSON object as a dict; anything else is a MetadataError."""
    if not isinstance(value, Mapping):
        raise MetadataError(f"{name} must be a JSON object, not {shorten(value)}")
    return dict(value)


def shorten(value: object) -> str:
    """Return `value` as a message can show it."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
