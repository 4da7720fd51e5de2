"""Hierarchies drawn as trees, as each version of zarr-python draws them."""

from __future__ import annotations

import sys

import pytest

import zarrc
from zarrc.trees import Branch, tree_html, tree_text

ROOT = Branch(
    "/",
    below=[
        Branch("a", below=[Branch("b", below=[Branch("c")]), Branch("d")]),
        Branch("e", below=[Branch("f", "(3,) int8")]),
    ],
)


def hierarchy(zarr_format):
    root = zarrc.create_group({}, zarr_format=zarr_format)
    root.create_array("a", shape=(4, 5), dtype="i4")
    root.create_array("b/inner/x", shape=3, dtype="f8")
    root.create_group("c")
    return root


def test_as_text():
    assert tree_text(ROOT) == (
        "/\n"
        " ├── a\n"
        " │   ├── b\n"
        " │   │   └── c\n"
        " │   └── d\n"
        " └── e\n"
        "     └── f (3,) int8"
    )  # fmt: skip
    assert tree_text(Branch("/")) == "/"


def test_as_html():
    assert tree_html(Branch("/", below=[Branch("a")]), True) == (
        "<details open><summary>/</summary><ul><li><div>a</div></li></ul></details>"
    )
    assert tree_html(Branch("<b>"), False) == "<div>&lt;b&gt;</div>"


def test_trees_in_notebooks_and_in_ascii():
    group = zarrc.group()
    group.zeros("a/<b>", shape=3)
    group.zeros("c", shape=3)
    tree = group.tree()
    assert bytes(tree) == b"/\n +-- a\n |   +-- <b> (3,) float64\n +-- c (3,) float64"
    bundle = tree._repr_mimebundle_()
    assert bundle == {"text/plain": repr(tree), "text/html": tree._repr_html_()}
    assert "&lt;b&gt; (3,) float64" in bundle["text/html"]


def test_format_3_is_drawn_from_the_left_edge():
    root = hierarchy(3)
    assert repr(root.tree()) == (
        "/\n"
        "├── a (4, 5) int32\n"
        "├── b\n"
        "│   └── inner\n"
        "│       └── x (3,) float64\n"
        "└── c\n"
    )  # fmt: skip
    assert repr(root.tree(level=0)) == "/\n├── a (4, 5) int32\n├── b\n└── c\n"
    assert repr(root["b/inner"].tree()) == "/b/inner\n└── x (3,) float64\n"
    assert repr(zarrc.tree(root)) == repr(root.tree())


def test_levels_of_format_2_count_the_root():
    assert repr(hierarchy(2).tree(level=1)) == "/\n ├── a (4, 5) int32\n ├── b\n └── c"


@pytest.mark.parametrize(("most", "n_drawn"), [(1, 1), (3, 3), (4, 4), (5, 5), (6, 5)])
def test_format_3_draws_no_more_than_it_is_asked_to(most, n_drawn):
    tree = hierarchy(3).tree(max_nodes=most)
    for drawn in (repr(tree), tree._repr_html_()):
        assert (f"Truncated at max_nodes={most}" in drawn) == (most < 5)
    assert repr(tree).count("──") == n_drawn
    assert repr(hierarchy(2).tree(max_nodes=most)).count("──") == 5


def test_names_are_bold_in_a_terminal_unless_they_shall_be_plain(monkeypatch):
    root = hierarchy(3)
    assert "\x1b" not in repr(root.tree())
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert "├── \x1b[1ma\x1b[0m (4, 5) int32" in repr(root.tree())
    assert "\x1b" not in repr(root.tree(plain=True))
    assert "\x1b" not in repr(hierarchy(2).tree())
    assert b"\x1b" not in bytes(root.tree(plain=True))
