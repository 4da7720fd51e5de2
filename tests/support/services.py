"""What a test needs besides zarrc: found, or the test is skipped saying how to get it.

With ``ZARRC_REQUIRE_SERVICES=1`` a missing one is a failure instead of a skip.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(os.environ.get("ZARRC_PEERS", ROOT / ".peers"))


def missing(what: str, how: str = "make services") -> NoReturn:
    """End the running test because `what` is not there; `how` is the command that gets it."""
    message = f"{what} is not installed: '{how}' gets it"
    if os.environ.get("ZARRC_REQUIRE_SERVICES") == "1":
        pytest.fail(message)
    pytest.skip(message, allow_module_level=True)


def peer_python(name: str) -> Path:
    """Return the interpreter of the peer `name`, a row of ``tools/services.txt``."""
    python = PEERS / name / "bin" / "python"
    if not python.exists():
        missing(f"the peer {name}")
    return python


def module(name: str) -> ModuleType:
    """Return the module `name`, which belongs to an optional package."""
    try:
        return importlib.import_module(name)
    except ImportError:
        missing(f"the Python module {name}", "pip install '.[test]'")
