"""What a store is told when values are asked for, under the module name of version 2."""

from __future__ import annotations

from typing import Any, TypedDict

__all__ = ["Context"]


class Context(TypedDict, total=False):
    """About one key of ``getitems(keys, contexts=...)``.

    Attributes
    ----------
    meta_array : array-like
        Has the type of array that reading gives.
    """

    meta_array: Any
