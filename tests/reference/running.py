"""Runs the examples of a document one after the other, with ``zarr`` meaning zarrc."""

from __future__ import annotations

import ast
import builtins
import io
import re
import subprocess
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from adjustments import Adjustment
from comparing import is_same
from extracting import Example, Section
from reference_servers import SERVERS


@dataclass
class Outcome:
    """What came of a section: what went wrong, and the servers and modules that were missing."""

    failures: list[str] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)


class Reader:
    """Somebody who goes through a document and tries what it shows.

    Parameters
    ----------
    sections : list of Section
        All of the document's.
    adjustments : list of Adjustment
    folder : Path
        An empty one to work in.
    fresh_folders : bool
        Give each section a folder of its own.
    """

    def __init__(
        self,
        sections: list[Section],
        adjustments: list[Adjustment],
        folder: Path,
        fresh_folders: bool = False,
    ) -> None:
        self.sections = sections
        self.adjustments = adjustments
        self.folder = folder
        self.fresh_folders = fresh_folders
        self.outcomes: dict[str, Outcome] = {}
        self._names: dict[str, Any] = {"__name__": "__main__"}
        self._printed = io.StringIO()
        self._servers = ExitStack()
        self._running: set[str] = set()

    def read(self, section_id: str) -> Outcome:
        """Return what comes of a section; those before it are run too, as it builds on them."""
        for section in self.sections:
            if section_id in self.outcomes:
                break
            if section.id not in self.outcomes:
                self.outcomes[section.id] = self._run(section)
        return self.outcomes[section_id]

    def close(self) -> None:
        """Forget all that the examples made, and stop the servers."""
        self._names.clear()
        self._servers.close()

    def _run(self, section: Section) -> Outcome:
        outcome = Outcome()
        folder = self.folder / section.name if self.fresh_folders else self.folder
        folder.mkdir(exist_ok=True)
        with chdir(folder):
            for example in section.examples:
                rules = [row for row in self.adjustments if row.concerns(section, example)]
                if any(rule.skip for rule in rules):
                    continue
                missing = {rule.needs for rule in rules if rule.needs and not self._gets(rule.needs)}
                if missing:
                    outcome.missing |= missing
                    continue
                failure = self._try(example, rules)
                if failure:
                    outcome.failures.append(f"line {example.line}: {example.source}{failure}")
        return outcome

    def _gets(self, name: str) -> bool:
        """Say whether a server, which is started, or a module is there."""
        if name in SERVERS and name not in self._running:
            self._servers.enter_context(SERVERS[name]())
            self._running.add(name)
        return name in SERVERS or find_spec(name) is not None

    def _try(self, example: Example, rules: list[Adjustment]) -> str:
        """Run an example; return what is wrong with it."""
        source, want = example.source, example.want
        for rule in rules:
            source = _replaced(source, rule.replace)
            want = None if want is None else _replaced(want, rule.want)
        start = self._printed.tell()
        try:
            with ExitStack() as stack:
                stack.enter_context(_warnings_but([rule.warns for rule in rules if rule.warns]))
                stack.enter_context(redirect_stdout(self._printed))
                stack.enter_context(_displayhook())
                errors = [want or "", *(rule.raises for rule in rules if rule.raises)]
                for rule in rules:
                    exec(_compiled(rule.before, "python"), self._names)
                self._execute(source, example.kind, errors)
                for rule in rules:
                    exec(_compiled(rule.after, "python"), self._names)
        except Exception:
            return "failed:\n" + traceback.format_exc()
        got = self._printed.getvalue()[start:]
        masks = [rule.mask for rule in rules if rule.mask]
        if want is None or is_same(want, got, example.kind, masks):
            return ""
        return f"expected:\n{want}\nprinted:\n{got}"

    def _execute(self, source: str, kind: str, errors: list[str]) -> None:
        if kind == "shell":
            print(
                subprocess.run(source, shell=True, check=True, capture_output=True, text=True).stdout, end=""
            )
        elif kind == "session":
            exec(_compiled(source, "session"), self._names)
        else:
            for statement in ast.parse(source).body:
                self._execute_one(ast.unparse(statement), errors)

    def _execute_one(self, statement: str, errors: list[str]) -> None:
        """Run a statement; an error that the document foretells is printed as it prints it."""
        try:
            exec(_compiled(statement, "python"), self._names)
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            if not any(message in foretold for foretold in errors):
                raise
            if message in errors[0]:
                print(f"... {message}")


def _replaced(text: str, replacements: dict[str, str]) -> str:
    for old, new in replacements.items():
        text = text.replace(old, new)
    return text


def _compiled(source: str, kind: str) -> Any:
    """Compile code, in which ``zarr`` is zarrc."""
    mode = "single" if kind == "session" else "exec"
    tree = _ZarrcForZarr().visit(ast.parse(source, mode=mode))
    return compile(ast.fix_missing_locations(tree), "<example>", mode)


class _ZarrcForZarr(ast.NodeTransformer):
    """Makes ``import zarr`` and its variants import zarrc."""

    def visit_Import(self, node: ast.Import) -> Any:
        found: list[ast.stmt] = []
        for name in node.names:
            if name.name.partition(".")[0] != "zarr":
                found.append(ast.Import([name]))
                continue
            module = re.sub("^zarr", "zarrc", name.name)
            found.append(ast.Import([ast.alias(module, name.asname or "_zarrc")]))
            if name.asname is None:
                found.append(ast.Import([ast.alias("zarrc", "zarr")]))
        return found

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        if node.module and node.module.partition(".")[0] == "zarr":
            node.module = re.sub("^zarr", "zarrc", node.module)
        return node


@contextmanager
def _displayhook() -> Iterator[None]:
    """Print values of a session to what stdout is now."""

    def show(value: object) -> None:
        if value is not None:
            print(repr(value))

    kept, sys.displayhook = sys.displayhook, show
    try:
        yield
    finally:
        sys.displayhook = kept
        vars(builtins).pop("_", None)


@contextmanager
def _warnings_but(expected: list[str]) -> Iterator[None]:
    """Fail for warnings other than the expected ones, and if these do not come."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    messages = [f"{each.category.__name__}: {each.message}" for each in caught]
    strange = [message for message in messages if not any(re.search(one, message) for one in expected)]
    absent = [one for one in expected if not any(re.search(one, message) for message in messages)]
    if strange or absent:
        raise AssertionError(f"warnings: {strange}; expected but absent: {absent}")
