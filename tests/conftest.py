"""Hypothesis profiles, and the environment of processes that tests start.

``ZARRC_HYPOTHESIS`` names the profile: ``default`` (few examples), ``ci`` (more, always the same
ones) or ``thorough`` (``ZARRC_EXAMPLES`` of them, 2000 unless said). Unset, it is ``ci`` where ``CI`` is
set, else ``default``.
"""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import HealthCheck, settings

import zarrc

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}

settings.register_profile("default", max_examples=50, **_COMMON)
settings.register_profile("ci", max_examples=300, derandomize=True, print_blob=True, **_COMMON)
settings.register_profile(
    "thorough", max_examples=int(os.environ.get("ZARRC_EXAMPLES", 2000)), print_blob=True, **_COMMON
)
settings.load_profile(os.environ.get("ZARRC_HYPOTHESIS") or ("ci" if os.environ.get("CI") else "default"))

# Processes that tests start import the same zarrc, not the sources that happen to be in their folder.
os.environ["PYTHONPATH"] = str(Path(zarrc.__file__).parent.parent)
os.environ["PYTHONSAFEPATH"] = "1"
