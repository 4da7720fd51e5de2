"""The groups, attributes and small arrays that zarrc and its peers write for each other; plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Node:
    """A group, or a small array, of the hierarchy that is written."""

    path: str
    attributes: dict[str, Any] = field(default_factory=dict)
    is_array: bool = False


NODES = [
    Node("", {"title": "root", "empty": {}, "none": None, "list": []}),
    Node("a", {"numbers": [1, 2.5, -3, 2**53, 1e-300], "flag": True, "text": 'naïve 数 "\\\n'}),
    Node("a/b", {"nested": {"deep": {"deeper": [[1, 2], [3, 4]]}}}),
    Node("a/b/values", {"units": "mm", "scale": 0.5}, is_array=True),
    Node("c", {}),
    Node("c/plain", {}, is_array=True),
]
VALUES = np.arange(12, dtype="i4").reshape(4, 3)
CHUNKS = (2, 3)


def names_in(path: str) -> list[str]:
    """Return the names of the members of a group."""
    inside = [node.path for node in NODES if node.path and node.path.rpartition("/")[0] == path]
    return sorted(found.rpartition("/")[2] for found in inside)
