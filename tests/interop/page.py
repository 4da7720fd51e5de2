"""Write the tables of docs/interoperability.md anew from ``refusals.toml``: ``python tests/interop/page.py``."""

from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "interoperability.md"
REFUSALS = Path(__file__).with_name("refusals.toml")
BEGIN, END = "<!-- refusals -->\n", "<!-- end -->\n"

PACKAGES = {"zarr2": "zarr", "zarr3": "zarr", "zarr34": "zarr"}
TITLES = {"zarr": "zarr-python", "zarrs": "zarrs-python", "tensorstore": "TensorStore"}
WHEN = {"both": "writing, reading", "writes": "writing", "reads": "reading"}


def peers() -> dict[str, str]:
    """Return the peers by name, each as title and version."""
    text = (ROOT / "tools" / "services.txt").read_text()
    found = {}
    for name in ("zarr2", "zarr3", "zarr34", "zarrs", "tensorstore"):
        package = PACKAGES.get(name, name)
        version = re.search(rf"^peer\s+{name}\s.*?\b{package}==(\S+)", text, re.MULTILINE)
        assert version is not None, name
        found[name] = f"{TITLES[package]} {version[1]}"
    return found


def table() -> str:
    """Return the tables, one for each peer."""
    rows = tomllib.loads(REFUSALS.read_text())["refusal"]
    lines = []
    for name, title in peers().items():
        lines += ["", f"### {title}", "", "| format | when | what |", "|---|---|---|"]
        lines += [
            f"| {zarr_format} | {when} | {reason} |" for zarr_format, when, reason in merged(name, rows)
        ]
    return "\n".join([*lines[1:], "", ""])


def merged(peer: str, rows: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    """Return format, direction and reason of a peer's rows, each reason once."""
    own = [row for row in rows if peer in row["peers"]]
    own.sort(key=lambda row: (row["zarr_format"], row["reason"]))
    found = []
    for (zarr_format, reason), alike in itertools.groupby(
        own, lambda row: (row["zarr_format"], row["reason"])
    ):
        whens = {row["when"] for row in alike}
        when = WHEN[next(iter(whens)) if len(whens) == 1 else "both"]
        found.append((zarr_format, when, reason))
    return found


def with_table(page: str) -> str:
    """Return the page with the tables as they are to be."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
