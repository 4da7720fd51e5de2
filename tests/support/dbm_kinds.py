"""The kinds of DBM databases that can be had here."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ExtensionFileLoader
from pathlib import Path
from typing import Any

import services

KINDS = ("dumb", "gnu", "ndbm", "berkeleydb-btree", "berkeleydb-hash")


def opener(kind: str) -> Callable[..., Any]:
    """Return the function that opens databases of a kind, or skip the test."""
    if kind.startswith("berkeleydb"):
        package = services.module("berkeleydb")
        return package.btopen if kind.endswith("btree") else package.hashopen
    if kind == "gnu":
        _find_extension("_gdbm", "python3-gdbm")
    elif kind == "ndbm":
        _find_extension("_dbm", "python3-gdbm")
    return importlib.import_module(f"dbm.{kind}").open


def _find_extension(name: str, package: str) -> None:
    """Load a module of the standard library that this Python was built without, from Debian's build of it."""
    if name in sys.modules or importlib.util.find_spec(name) is not None:
        return
    folder = Path(f"/usr/lib/python3.{sys.version_info.minor}/lib-dynload")
    found = sorted(folder.glob(f"{name}.cpython-3{sys.version_info.minor}-*.so"))
    if not found:
        services.missing(f"the module {name}", f"make services (Debian's {package})")
    loader = ExtensionFileLoader(name, str(found[0]))
    spec = importlib.util.spec_from_file_location(name, found[0], loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    sys.modules[name] = module
