"""Helpers under the module name of version 2; they live in other modules."""

from .arguments import guess_chunks, normalize_chunks, normalize_dtype, normalize_order, normalize_shape
from .info import InfoReporter, human_readable_size
from .meta import json_dumps, json_loads
from .metadata.fill_values import normalize_fill_value
from .storage.base import normalize_storage_path
from .trees import TreeViewer

__all__ = [
    "InfoReporter",
    "TreeViewer",
    "guess_chunks",
    "human_readable_size",
    "json_dumps",
    "json_loads",
    "normalize_chunks",
    "normalize_dtype",
    "normalize_fill_value",
    "normalize_order",
    "normalize_shape",
    "normalize_storage_path",
]
