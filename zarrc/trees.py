"""Hierarchies drawn as trees: what ``group.tree()`` shows.

Each version of zarr-python has a drawing of its own; groups of format 2 have that of version 2, groups
of format 3 that of version 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

Markup = Callable[[str], str]

LARGE = 500  # nodes: of more, format 3 shows no more unless it is asked to


@dataclass
class Branch:
    """A node of a tree.

    Attributes
    ----------
    name : str
    about : str
        What is said of it beside its name.
    below : list of Branch
    """

    name: str
    about: str = ""
    below: list[Branch] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Name and what is said of it."""
        return f"{self.name} {self.about}" if self.about else self.name


class Limit:
    """How many nodes below the root may still be drawn.

    Parameters
    ----------
    most : int or None
        None: all.
    """

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.n = 0
        self.is_passed = False

    def admits_one_more(self) -> bool:
        """Count a node; False where it is one too many."""
        self.n += 1
        self.is_passed = self.most is not None and self.n > self.most
        return not self.is_passed


class TreeViewer:
    """Shows a hierarchy as text or as nested HTML lists.

    Parameters
    ----------
    root : callable
        Takes a `Limit` and returns the root. It is called each time that the tree is shown.
    expand : bool
        Show all levels unfolded in a notebook.
    """

    def __init__(self, root: Callable[[Limit], Branch], expand: bool = False) -> None:
        self.root = root
        self.expand = expand

    def __repr__(self) -> str:
        return tree_text(self.root(Limit(None)))

    def __bytes__(self) -> bytes:
        return repr(self).replace("├──", "+--").replace("└──", "+--").replace("│", "|").encode()

    def _repr_html_(self) -> str:
        return f'<div class="zarr-tree">{tree_html(self.root(Limit(None)), self.expand)}</div>'

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}


class TreeViewer3(TreeViewer):
    """Shows a hierarchy as version 3 of zarr-python does.

    Parameters
    ----------
    root
        See `TreeViewer`.
    max_nodes : int
        Draw no more than so many, and say so.
    plain : bool
        No bold names, also where the output is a terminal.
    """

    def __init__(
        self,
        root: Callable[[Limit], Branch],
        max_nodes: int | None = None,
        plain: bool = False,
    ) -> None:
        super().__init__(root)
        self.max_nodes = LARGE if max_nodes is None else max_nodes
        self.plain = plain

    def __repr__(self) -> str:
        import sys

        limit = Limit(self.max_nodes)
        root = self.root(limit)
        in_terminal = not self.plain and sys.stdout.isatty()
        text = tree_text(root, indent="", bold=_in_bold_letters if in_terminal else str)
        return f"{self._note(limit)}{text}\n"

    def _repr_html_(self) -> str:
        from html import escape

        limit = Limit(self.max_nodes)
        drawn = tree_text(self.root(limit), indent="", bold=lambda name: f"<b>{name}</b>", escape=escape)
        return f'<pre class="zarr-tree">{self._note(limit)}{drawn}</pre>'

    def _note(self, limit: Limit) -> str:
        return f"Truncated at max_nodes={self.max_nodes}: there are more\n" if limit.is_passed else ""


def tree_text(root: Branch, indent: str = " ", bold: Markup = str, escape: Markup = str) -> str:
    """Draw a hierarchy, one line for each node.

    Parameters
    ----------
    root : Branch
    indent : str
        Before each line but the first.
    bold : callable
        Marks a name as such.
    escape : callable
        Applied to all text before.

    >>> print(tree_text(Branch("/", below=[Branch("a", below=[Branch("b")]), Branch("c", "(4,) int8")])))
    /
     ├── a
     │   └── b
     └── c (4,) int8
    """

    def label(branch: Branch) -> str:
        return replace(branch, name=bold(escape(branch.name)), about=escape(branch.about)).label

    return "\n".join([label(root), *_lines(root.below, indent, label)])


def _lines(branches: list[Branch], indent: str, label: Callable[[Branch], str]) -> Iterator[str]:
    last = len(branches) - 1
    for n, branch in enumerate(branches):
        yield f"{indent}{'└' if n == last else '├'}── {label(branch)}"
        yield from _lines(branch.below, f"{indent}{' ' if n == last else '│'}   ", label)


def _in_bold_letters(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m"


def tree_html(branch: Branch, expand: bool) -> str:
    """Return a hierarchy as nested lists that fold."""
    from html import escape

    label = escape(branch.label)
    if not branch.below:
        return f"<div>{label}</div>"
    items = "".join(f"<li>{tree_html(each, expand)}</li>" for each in branch.below)
    return f"<details{' open' if expand else ''}><summary>{label}</summary><ul>{items}</ul></details>"
