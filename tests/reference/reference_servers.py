"""Servers in place of those of the public internet that examples name.

An example with an adjustment ``needs="s3-server"`` runs inside of ``SERVERS["s3-server"]()``: a context
manager, entered once for a document, that has a server of this machine hold what the documents expect there,
and makes the example's client find it (by environment variables, say). Where a server is not in the table its
examples are skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

SERVERS: dict[str, Callable[[], AbstractContextManager[object]]] = {}
