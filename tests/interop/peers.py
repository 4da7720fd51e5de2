"""Peers as seen from pytest: their processes, and what they are known to refuse."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import services
from cases import Case

HERE = Path(__file__).parent
REFUSALS = HERE / "refusals.toml"

# which formats each writes and reads
FORMATS = {"zarr2": (2,), "zarr3": (2, 3), "zarr34": (2, 3), "zarrs": (2, 3), "tensorstore": (2, 3)}
GROUPS = [("zarr2", 2), ("zarr3", 2), ("zarr3", 3), ("zarr34", 2), ("zarr34", 3)]


class PeerProcess:
    """A peer in a process of its own (``peer.py``), which answers one job after the other."""

    def __init__(self, peer: str) -> None:
        self._command = [services.peer_python(peer), HERE / "peer.py", peer]
        self._start()

    def _start(self) -> None:
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        own = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaints, env=own
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._jobs, self._answers = self._process.stdin, self._process.stdout

    def close(self) -> str:
        """End the process, and return the last of what it complained about."""
        self._process.communicate()
        with self._complaints:
            self._complaints.seek(0)
            return self._complaints.read().decode(errors="replace")[-2000:]

    def ask(self, do: str, path: Path, **job: Any) -> str:
        """Return what came of a job: ``""``, or the peer's complaint. One that dies of a job is started again."""
        self._jobs.write(json.dumps({"do": do, "path": str(path), **job}).encode() + b"\n")
        self._jobs.flush()
        answer = self._answers.readline()
        if answer:
            return json.loads(answer)["say"].replace(str(path), "PATH")
        complaint = self.close()
        self._start()
        return f"the process ended: {complaint}"

    def ask_case(self, do: str, path: Path, case: Case) -> str:
        """Have the array of a case written or read."""
        return self.ask(do, path, zarr_format=case.zarr_format, levels=case.levels)


@dataclass(frozen=True)
class Refusal:
    """One row of ``refusals.toml``: what a peer cannot write or read, in its own words.

    ``where`` gives patterns of the levels of some factors; one that begins with "!" must not match.
    ``sometimes`` says that other arrays of the kind are right, ``rare`` that it takes three choices to meet it.
    """

    peer: str
    when: str
    zarr_format: int
    where: Mapping[str, list[str]]
    message: str
    reason: str
    sometimes: bool = False
    rare: bool = False

    def concerns(self, peer: str, when: str, case: Case) -> bool:
        """Say whether a peer is to refuse a case when it ``"writes"`` or ``"reads"``."""
        return (
            peer == self.peer
            and self.when in (when, "both")
            and case.zarr_format == self.zarr_format
            and all(_fits(case[factor], patterns) for factor, patterns in self.where.items())
        )


def _fits(level: str, patterns: list[str]) -> bool:
    unwanted = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")] or ["*"]
    return any(fnmatchcase(level, pattern) for pattern in wanted) and not any(
        fnmatchcase(level, pattern) for pattern in unwanted
    )


def known_refusals() -> list[Refusal]:
    """Return the rows of ``refusals.toml``, one for each peer that a row names."""
    table = tomllib.loads(REFUSALS.read_text())["refusal"]
    return [Refusal(peer, **row) for row in table for peer in row.pop("peers")]
