"""Whether something printed today is what a document of some years ago shows.

What may differ: spaces, NumPy's way to print scalars, the module in which a class lives, sizes of compressed
data (they depend on the versions of codecs, and are compared within a factor), and what an adjustment says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

SIZES_WITHIN = 2.0

_CLASS = re.compile(r"\bzarrc?(?:\.\w+)*\.([A-Z]\w*)")
_SCALAR = re.compile(r"\bnp\.(?:u?int|float|complex|bool|str|bytes)\d*_?\(([^()]*)\)")
_BOOLEAN = re.compile(r"\bnp\.(True|False)_?")
_SHAPE = re.compile(r",\s*shape=\([\d, ]+\)")  # NumPy 2 adds it to what it shortens
_SIZE_ROW = re.compile(r"^(No\. bytes stored|Storage ratio) *: ([\d.]+).*$", re.MULTILINE)
_CONTINUED_ROW = re.compile(r"\n +: ")


def is_same(want: str, got: str, kind: str = "session", masks: Iterable[str] = ()) -> bool:
    """Say whether the two texts show the same.

    Parameters
    ----------
    want, got : str
    kind : {"session", "python", "shell"}
        The output of a command is compared as JSON, or as words in any order.
    masks : iterable of str
        Regular expressions of what does not count.
    """
    for mask in masks:
        want, got = re.sub(mask, "#", want.strip()), re.sub(mask, "#", got.strip())
    if kind == "shell":
        return _as_json_or_words(want) == _as_json_or_words(got)
    return _plain(want) == _plain(got) and _sizes_agree(want, got)


def _plain(text: str) -> str:
    text = _CONTINUED_ROW.sub("", text)
    text = _SIZE_ROW.sub(r"\1 : #", text)
    text = _SHAPE.sub("", text)
    text = _CLASS.sub(r"zarr.\1", text)
    text = _BOOLEAN.sub(r"\1", _SCALAR.sub(r"\1", text))
    text = text.replace("numpy.datetime64", "np.datetime64").replace("dtype='|S", "dtype='S")
    return "".join(text.split())


def _sizes_agree(want: str, got: str) -> bool:
    pairs = zip(_SIZE_ROW.findall(want), _SIZE_ROW.findall(got), strict=True)
    return all(1 / SIZES_WITHIN <= float(a) / float(b) <= SIZES_WITHIN for (_, a), (_, b) in pairs)


def _as_json_or_words(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return sorted(text.split())
