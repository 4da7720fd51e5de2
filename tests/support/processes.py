"""Other Python processes that import the zarrc under test."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from collections.abc import Callable

PATH = os.pathsep.join(path for path in sys.path if path)


def start(code: str, *args: object) -> subprocess.Popen[str]:
    """Start a process that runs `code`, with `args` as ``sys.argv[1:]``."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        env={**os.environ, "PYTHONPATH": PATH},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(code: str, *args: object, timeout: float = 120) -> str:
    """Return what a process prints that runs `code`, which must end well and in time."""
    process = start(code, *args)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, err
    return out.strip()


def fork(work: Callable[[], object]) -> None:
    """Call `work` in a forked child, which must end well."""
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, "the child failed: see its traceback"
