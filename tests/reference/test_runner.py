"""The runner itself, on documents made up for it."""

from __future__ import annotations

import pytest
from adjustments import Adjustment
from comparing import is_same
from extracting import blog, fenced, glued, sections, storage_reference, tutorial
from running import Reader

TUTORIAL = """\
1
Making things
-------------

Words::

    >>> import zarr
    >>> z = zarr.zeros(3,
    ...                dtype='i4')
    >>> z[:]
    array([0, 0, 0],
          dtype=int32)
    >>> print('a\\n\\nb')
    a

    b

Using things
~~~~~~~~~~~~

    >>> z[0] = 7
    >>> z[0]
    8
    >>> z[9]
    1
"""


def of(text, layout):
    return [(name, [(e.source, e.want, e.kind) for e in found]) for name, found in layout(text.splitlines())]


def reader(text, tmp_path, *adjustments):
    return Reader(sections("001", text), list(adjustments), tmp_path)


class TestExtracting:
    def test_tutorial(self):
        assert of(TUTORIAL, tutorial)[1] == (
            "making-things",
            [
                ("import zarr\n", "", "session"),
                ("z = zarr.zeros(3,\n               dtype='i4')\n", "", "session"),
                ("z[:]\n", "array([0, 0, 0],\n      dtype=int32)", "session"),
                ("print('a\\n\\nb')\n", "a\n\nb", "session"),
            ],
        )

    def test_storage_reference(self):
        text = "class zarr.storage.A(x)\n\n>>> 1\n1\nclass zarr.storage.B()\n>>> 2\n2\n\nWords\n"
        assert of(text, storage_reference)[1:] == [
            ("A", [("1\n", "1", "session")]),
            ("B", [("2\n", "2", "session")]),
        ]

    def test_fenced(self):
        text = "# One\n```python\na = 1\n```\n## Two *words*\n   ```python\n   b = 2\n   ```\n```\nc\n```\n"
        assert of(text, fenced) == [
            ("one", [("a = 1\n", None, "python")]),
            ("two-words", [("b = 2\n", None, "python")]),
        ]

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("print(a)The code", ["print(a)"]),
            ("z[:] = 42Regions can", ["z[:] = 42"]),
            ("z[:] = dataSome words", ["z[:] = data"]),
            ("print(a[0])print(b)More (words)", ["print(a[0])", "print(b)"]),
            ("print(a) # first wordsprint(b)", ["print(a) # first words", "print(b)"]),
            ("print(a) # rows [1, 4]z[0] = 1", ["print(a) # rows [1, 4]", "z[0] = 1"]),
            ("z = make(\na=BloscCodec(1),\n)Words", ["z = make(\na=BloscCodec(1),\n)"]),
            ("words that (are) code\nnot", []),
            ("print(a)\nThe [link][] is", ["print(a)"]),
        ],
    )
    def test_glued(self, text, code):
        found = of(text, glued)
        assert "".join(source for _, each in found for source, _, _ in each).split("\n")[:-1] == (
            "\n".join(code).split("\n") if code else []
        )

    def test_blog(self):
        text = (
            "A title\n\nSome words.\n\nimport os\n\nprint(1)\n  1\n\nls a/b \n  x  y\n"
            "cat a/c\n  {}\n\nOther words and words\n\nprint(2)\n  2\n  \n  3\n"
        )
        assert [found for found in of(text, blog) if found[1]] == [
            (
                "a-title",
                [
                    ("import os\nprint(1)\n", "1", "python"),
                    ("ls a/b\n", "x  y", "shell"),
                    ("cat a/c\n", "{}", "shell"),
                ],
            ),
            ("other-words-and-words", [("print(2)\n", "2\n\n3", "python")]),
        ]


class TestComparing:
    @pytest.mark.parametrize(
        ("want", "got"),
        [
            ("array([  4.2,  12.6])", "array([ 4.2, 12.6])"),
            ("0", "np.int32(0)"),
            ("True", "np.True_"),
            ("<zarr.core.Array (3,) int32>", "<zarrc.core.Array (3,) int32>"),
            ("<class 'zarr.storage.KVStore'>", "<class 'zarrc.storage.memory.KVStore'>"),
            ("array([b'a'],\n      dtype='|S3')", "array([b'a'], dtype='S3')"),
            ("array([0, ..., 9])", "array([0, ..., 9], shape=(2000,))"),
            ("A : B(c,\n  : d)\nStorage ratio : 2.0", "A : B(c, d)\nStorage ratio : 1.9"),
        ],
    )
    def test_same(self, want, got):
        assert is_same(want, got)

    @pytest.mark.parametrize(
        ("want", "got"),
        [
            ("1", "2"),
            ("1", ""),
            ("True", "np.False_"),
            ("array([0, ..., 9])", "array([0, ..., 8])"),
            ("Storage ratio : 5.0", "Storage ratio : 1.9"),
            ("No. bytes : 5", "No. bytes : 6"),
        ],
    )
    def test_other(self, want, got):
        assert not is_same(want, got)

    def test_commands(self):
        assert is_same("0.0  0.1\n1.0", "1.0\n0.0\n0.1\n", "shell")
        assert is_same('{"a": 1,\n"b": [2]}', '{"b": [2], "a": 1}', "shell")
        assert not is_same("0.0  0.1\n1.0", "1.0\n0.0\n", "shell")

    def test_masks(self):
        assert is_same("in 0.25 s", "in 1.5 s", masks=[r"[\d.]+ s"])


class TestReader:
    def test_what_is_not_as_shown(self, tmp_path):
        outcome = reader(TUTORIAL, tmp_path).read("001-using-things")
        assert len(outcome.failures) == 2
        assert "line 22: z[0]\nexpected:\n8\nprinted:\nnp.int32(7)" in outcome.failures[0]
        assert "BoundsCheckError" in outcome.failures[1]

    def test_sections_before_it_are_run_once(self, tmp_path):
        found = reader(
            "A\n---\n    >>> n = [1]\nB\n---\n    >>> n.append(2)\n    >>> n\n    [1, 2]\n", tmp_path
        )
        assert not found.read("001-b").failures
        assert not found.read("001-b").failures
        assert not found.read("001-a").failures

    @pytest.mark.parametrize(
        "row",
        [
            {"replace": {"= 7": "= 8"}},
            {"want": {"8": "7"}},
            {"mask": r"(np\.int32\()?\d\)?"},
            {"skip": True},
            {"containing": "z[0]\n", "want": {"8": "7"}},
            {"lines": range(22, 23), "want": {"8": "7"}},
            {"containing": "z[0]\n", "before": "z[0] = 8"},
        ],
    )
    def test_adjustments(self, row, tmp_path):
        rows = [
            Adjustment("001-using-things", "why", **row),
            Adjustment("001", "why", containing="z[9]", skip=True),
        ]
        assert not reader(TUTORIAL, tmp_path, *rows).read("001-using-things").failures

    def test_warnings_are_failures_unless_expected(self, tmp_path):
        text = "A\n---\n    >>> import warnings; warnings.warn('ouch')\n"
        assert "ouch" in reader(text, tmp_path).read("001-a").failures[0]
        expected = Adjustment("001-a", "why", warns="UserWarning: ouch")
        assert not reader(text, tmp_path, expected).read("001-a").failures
        absent = Adjustment("001-a", "why", warns="UserWarning: other")
        assert "other" in reader(text, tmp_path, absent).read("001-a").failures[0]

    def test_errors_that_a_document_foretells(self, tmp_path):
        text = "A\n\nx = 1\n\nx.y\nprint(2)\n  ... AttributeError: 'int' object has no attribute 'y'\n  2\n"
        assert not Reader(sections("002", text), [], tmp_path).read("002-a").failures
        raises = Adjustment("002-a", "why", raises="AttributeError: 'int' object has no attribute 'y'")
        text = text.replace("  ... AttributeError: 'int' object has no attribute 'y'\n", "")
        assert Reader(sections("002", text), [], tmp_path).read("002-a").failures
        assert not Reader(sections("002", text), [raises], tmp_path).read("002-a").failures

    def test_missing_servers_are_told(self, tmp_path):
        text = "A\n---\n    >>> connect()\n"
        row = Adjustment("001-a", "why", needs="no_such_server")
        outcome = reader(text, tmp_path, row).read("001-a")
        assert outcome.missing == {"no_such_server"}
        assert not outcome.failures

    def test_commands_run_in_the_folder_of_the_examples(self, tmp_path):
        text = "A\n\nopen('f', 'w').close()\n\nls .\n  f\n"
        assert not Reader(sections("002", text), [], tmp_path).read("002-a").failures
