"""What the documentation shows runs: code blocks of Markdown files, and doctests of the package."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re

import pytest
import services

import zarrc

PAGES = [services.ROOT / "README.md", *sorted((services.ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MODULES = sorted(module.name for module in pkgutil.walk_packages(zarrc.__path__, "zarrc."))


def blocks(text: str) -> list[tuple[int, str]]:
    """Return the line number and the code of each block."""
    return [(text.count("\n", 0, found.start(1)) + 1, found[1]) for found in BLOCK.finditer(text)]


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.name) for page in PAGES if blocks(page.read_text())]
)
def test_code_blocks(page, tmp_path, monkeypatch):
    """The blocks of a page run one after the other, in one namespace and an empty folder."""
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for line, code in blocks(page.read_text()):
        exec(compile("\n" * (line - 1) + code, str(page), "exec"), namespace)


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert failed == 0
