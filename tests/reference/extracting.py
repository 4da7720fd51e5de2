"""Examples of the reference documents, taken from the folder that ``ZARRC_REFERENCE`` names.

A document is a dump of a page: text, code and output, in one of four layouts (see `EXTRACTORS`).
Nothing of it is kept here; what is known is how its code looks.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("ZARRC_REFERENCE") or ROOT / ".." / "shared" / "reference")


@dataclass(frozen=True)
class Example:
    """Code, and what it is said to print.

    Attributes
    ----------
    line : int
        Of the document, where the code begins, counting from 1.
    source : str
    want : str or None
        What is printed; None: the document does not say.
    kind : {"session", "python", "shell"}
        A line of an interactive session, whose value is printed; a block of statements; a
        command of a shell.
    """

    line: int
    source: str
    want: str | None
    kind: str


@dataclass(frozen=True)
class Section:
    """The examples below one heading of a document, or one block; they stand or fall together."""

    document: str
    name: str
    examples: tuple[Example, ...]

    @property
    def id(self) -> str:
        """Names the section in tests and adjustments."""
        return f"{self.document}-{self.name}"


def find(document: str) -> Path | None:
    """Return the file of a document by its number, or None."""
    return next(iter(sorted(FOLDER.glob(f"{document}_*.txt"))), None)


def sections(document: str, text: str) -> list[Section]:
    """Return the sections of a document that have examples, in its order."""
    taken: dict[str, int] = {}
    found = []
    for name, examples in EXTRACTORS[document](text.splitlines()):
        if not examples:
            continue
        taken[name] = taken.get(name, 0) + 1
        if taken[name] > 1:
            name = f"{name}-{taken[name]}"
        found.append(Section(document, name, tuple(examples)))
    return found


Sections = Iterator[tuple[str, list[Example]]]


def slug(title: str) -> str:
    """Return a title as it is written in a test's id."""
    return "-".join(re.findall(r"[a-z0-9]+", title.lower()))


# ------------------------------------------------------------------ sessions


def tutorial(lines: list[str]) -> Sections:
    """Sessions with prompts, indented below titles that are underlined; output may have empty lines."""
    name, examples = "top", []
    n = 0
    while n < len(lines):
        if _is_underlined(lines, n):
            yield name, examples
            name, examples = slug(lines[n]), []
        elif _prompt(lines[n]):
            indent = len(lines[n]) - len(lines[n].lstrip())
            example, n = _session(lines, n, lambda line, least=indent: _indent(line) < least)
            examples.append(example)
            continue
        n += 1
    yield name, examples


def storage_reference(lines: list[str]) -> Sections:
    """Sessions with prompts at the margin, below signatures; an empty line or a signature ends output."""
    signature = re.compile(r"(?:class )?zarr\.storage\.(\w+)\(|\w+\(\)$")
    name, examples = "top", []
    n = 0
    while n < len(lines):
        found = signature.match(lines[n])
        if found and found[1]:
            yield name, examples
            name, examples = found[1], []
        elif _prompt(lines[n]):
            example, n = _session(lines, n, lambda line: not line.strip() or bool(signature.match(line)))
            examples.append(example)
            continue
        n += 1
    yield name, examples


def _is_underlined(lines: list[str], n: int) -> bool:
    below = lines[n + 1] if n + 1 < len(lines) else ""
    return bool(lines[n].strip()) and len(below) >= 3 and set(below) in ({"="}, {"-"}, {"~"})


def _prompt(line: str) -> bool:
    return line.lstrip().startswith(">>> ")


def _indent(line: str) -> int:
    """Return how far a line is indented; an empty one ends nothing."""
    return len(line) - len(line.lstrip()) if line.strip() else 1000


def _session(lines: list[str], start: int, ends: Callable[[str], bool]) -> tuple[Example, int]:
    """Return the example at a prompt, and where the lines after its output begin."""
    indent = len(lines[start]) - len(lines[start].lstrip())
    n = start
    source = [lines[n][indent + 4 :]]
    n += 1
    while n < len(lines) and lines[n].lstrip().startswith("..."):
        source.append(lines[n][indent + 4 :])
        n += 1
    want = []
    while n < len(lines) and not _prompt(lines[n]) and not ends(lines[n]):
        want.append(lines[n][indent:])
        n += 1
    return Example(start + 1, "\n".join(source) + "\n", "\n".join(want).strip("\n"), "session"), n


# -------------------------------------------------------------------- blocks


def fenced(lines: list[str]) -> Sections:
    """Blocks between fences, below Markdown headings; each is a section."""
    name, start = "top", None
    for n, line in enumerate(lines):
        text = line.strip()
        if start is None and text.startswith("#"):
            name = slug(text)
        elif start is None and text == "```python":
            start = n + 1
        elif start is not None and text == "```":
            indent = min((_indent(each) for each in lines[start:n]), default=0)
            source = "\n".join(each[indent:] for each in lines[start:n]) + "\n"
            yield name, [Example(start + 1, source, None, "python")]
            start = None


def glued(lines: list[str]) -> Sections:
    """Statements with text that follows them on the same line: what a page dump without marks leaves."""
    n = 0
    while n < len(lines):
        first = n
        code: list[str] = []
        while n < len(lines):
            statements, used, rest = _statements(lines, n)
            code.extend(statements)
            if used == 0:
                break
            n += used
            if rest:
                break
        if code:
            yield f"line-{first + 1}", [Example(first + 1, "\n".join(code) + "\n", None, "python")]
        else:
            n += 1


# where one statement, or text, may have been glued to the end of another
_SEAM = re.compile(r"(?<=[\w)\]'\"])(?=[A-Z!\[])|(?<=[)\]])(?=[a-z])|(?<=\w)(?=print\()")
_BEGINNING = re.compile(r"(import|from)\s+\w|[A-Za-z_][\w.]*(\s*=|\(|\[)|[A-Za-z_]\w*, \w+ =")
_LONGEST_CALL = 12


def _statements(lines: list[str], n: int) -> tuple[list[str], int, str]:
    """Return the statements that begin at a line, how many lines they take, and the text glued to them."""
    if not _BEGINNING.match(lines[n]):
        return [], 0, ""
    for used in range(1, _LONGEST_CALL):
        *before, last = lines[n : n + used]
        for cut in _cuts(last):
            part = "\n".join([*before, last[:cut]])
            if not _is_code(part):
                continue
            rest = last[cut:]
            more, _, left = _statements([rest], 0) if rest else ([], 0, "")
            return [part, *more], used, left if more else rest
    return [], 0, ""


def _cuts(line: str) -> list[int]:
    """Return where the code in a line may end, the likeliest first: a comment hides what is glued to it."""
    seams = [seam.start() for seam in _SEAM.finditer(line)]
    comment = line.find("#")
    inside = [cut for cut in seams if 0 <= comment < cut]
    return [*inside, len(line), *reversed([cut for cut in seams if cut not in inside])]


def _is_code(text: str) -> bool:
    try:
        found = ast.parse(text).body
    except SyntaxError:
        return False
    return bool(found) and not all(map(_is_words, found))


def _is_words(statement: ast.stmt) -> bool:
    """Say whether a statement is but words, as a heading may be: "Chunks and blocks"."""
    plain = ast.Name | ast.Constant | ast.BoolOp | ast.boolop | ast.Compare | ast.cmpop | ast.expr_context
    return isinstance(statement, ast.Expr) and all(isinstance(n, plain) for n in ast.walk(statement.value))


def blog(lines: list[str]) -> Sections:
    """Paragraphs of code or of shell commands, with indented output, below headings without marks."""
    name, examples = "top", []
    pending: Example | None = None
    for start, paragraph in _paragraphs(lines):
        code, output = _code_and_output(paragraph)
        if pending is not None and pending.want is not None and paragraph[0].startswith("  "):
            pending = replace(pending, want=f"{pending.want}\n\n{_dedented(paragraph)}")
            continue
        if code is None:
            if pending is not None:
                examples.append(pending)
                pending = None
            if _is_heading(paragraph):
                yield name, examples
                name, examples = slug(paragraph[0]), []
            continue
        for at, text, kind, want in _split_commands(start, code, output):
            if kind == "python" and pending is not None and pending.want is None:
                pending = Example(pending.line, pending.source + text, want, kind)
            else:
                if pending is not None:
                    examples.append(pending)
                pending = Example(at, text, want, kind)
    if pending is not None:
        examples.append(pending)
    yield name, examples


def _paragraphs(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and lines of each paragraph."""
    found: list[str] = []
    for n, line in enumerate([*lines, ""]):
        if line.strip():
            found.append(line)
        elif found:
            yield n + 1 - len(found), found
            found = []


_COMMAND = re.compile(r"(ls|cat) [\w./-]+")


def _code_and_output(paragraph: list[str]) -> tuple[list[str] | None, list[str]]:
    """Return a paragraph's code, None if it is text, and the output below it."""
    if _COMMAND.match(paragraph[0]):
        return paragraph, []
    if paragraph[0].startswith(" "):
        return None, []
    for n in range(len(paragraph), 0, -1):
        if _is_code("\n".join(paragraph[:n])):
            return paragraph[:n], paragraph[n:]
    return None, []


def _split_commands(
    start: int, code: list[str], output: list[str]
) -> Iterator[tuple[int, str, str, str | None]]:
    """Yield line, source, kind and output: of statements as a whole, of commands one by one."""
    if not _COMMAND.match(code[0]):
        yield start, "\n".join(code) + "\n", "python", _dedented(output)
        return
    at = [n for n, line in enumerate(code) if _COMMAND.match(line)]
    for n, end in zip(at, [*at[1:], len(code)], strict=True):
        yield start + n, code[n].strip() + "\n", "shell", _dedented(code[n + 1 : end])


def _dedented(output: list[str]) -> str | None:
    if not output:
        return None
    indent = min(map(_indent, output))
    return "\n".join(line[indent:] for line in output)


def _is_heading(paragraph: list[str]) -> bool:
    line = paragraph[0]
    return len(paragraph) == 1 and line[0].isupper() and len(line) < 60 and line[-1] not in ".,:;"


EXTRACTORS: dict[str, Callable[[list[str]], Sections]] = {
    "000": glued,
    "001": tutorial,
    "002": blog,
    "003": fenced,
    "004": storage_reference,
}
