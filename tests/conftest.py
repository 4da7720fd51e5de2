"""Hypothesis profiles, and what every test is protected from.

``ZARRC_HYPOTHESIS`` names the profile: ``default`` (few examples), ``ci`` (more, always the same
ones) or ``thorough``. Unset, it is ``ci`` where ``CI`` is set, else ``default``.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}

settings.register_profile("default", max_examples=50, **_COMMON)
settings.register_profile("ci", max_examples=300, derandomize=True, print_blob=True, **_COMMON)
settings.register_profile("thorough", max_examples=20_000, print_blob=True, **_COMMON)
settings.load_profile(os.environ.get("ZARRC_HYPOTHESIS") or ("ci" if os.environ.get("CI") else "default"))
