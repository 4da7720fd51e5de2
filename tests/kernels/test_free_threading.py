"""Kernels leave a free-threaded Python free-threaded."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
import sysconfig

import pytest

import zarrc.kernels

MODULES = [f"zarrc.kernels.{module.name}" for module in pkgutil.iter_modules(zarrc.kernels.__path__)]


@pytest.mark.skipif(not sysconfig.get_config_var("Py_GIL_DISABLED"), reason="this Python has a global lock")
def test_importing_kernels_does_not_bring_the_lock_back():
    code = f"import {', '.join(MODULES)}, sys; sys.exit(sys._is_gil_enabled())"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHON_GIL"}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=environment)
