"""Every example of the reference documents runs, and prints what they show.

The documents are not part of the project: ``ZARRC_REFERENCE`` names their folder, ``../shared/reference``
unless set. Where there is none these tests are skipped; in CI (``CI`` or ``ZARRC_REQUIRE_SERVICES`` set)
they fail.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import services
from adjustments import ADJUSTMENTS
from extracting import EXTRACTORS, FOLDER, Section, find, sections
from running import Reader

# in these a path is reused with other contents: each block has a folder of its own
FRESH_FOLDERS = {"003"}


def _sections(document: str) -> list[Section]:
    path = find(document)
    return [] if path is None else sections(document, path.read_text(encoding="utf-8"))


SECTIONS = {document: _sections(document) for document in EXTRACTORS}
IDS = [section.id for found in SECTIONS.values() for section in found]


@pytest.fixture(scope="module")
def readers() -> Iterator[dict[str, Reader]]:
    """One reader for each document."""
    with tempfile.TemporaryDirectory(prefix="zarrc-reference-") as folder:
        made = {}
        for document, found in SECTIONS.items():
            (Path(folder) / document).mkdir()
            rows = [row for row in ADJUSTMENTS if row.section[:3] == document]
            made[document] = Reader(found, rows, Path(folder) / document, document in FRESH_FOLDERS)
        yield made
        for reader in reversed(made.values()):  # what its servers changed is changed back
            reader.close()


@pytest.mark.parametrize("document", EXTRACTORS)
def test_document_is_there(document):
    if SECTIONS[document]:
        return
    message = (
        f"the reference document {document} is not in {FOLDER}: "
        "none of its examples is tested; ZARRC_REFERENCE names the folder"
    )
    if os.environ.get("CI") or os.environ.get("ZARRC_REQUIRE_SERVICES"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.mark.slow
@pytest.mark.parametrize("section", IDS)
def test_section(section, readers):
    outcome = readers[section[:3]].read(section)
    if outcome.failures:
        pytest.fail("\n\n".join(outcome.failures), pytrace=False)
    if outcome.missing:
        services.missing(f"what examples need, {', '.join(sorted(outcome.missing))},")


@pytest.mark.parametrize(
    "row", ADJUSTMENTS, ids=lambda row: f"{row.section}: {row.containing or row.lines or 'all'}"
)
def test_adjustment_fits(row):
    """Each row changes something of the documents that are there."""
    examples = [
        example
        for found in SECTIONS[row.section[:3]]
        for example in found.examples
        if row.concerns(found, example)
    ]
    if not SECTIONS[row.section[:3]]:
        pytest.skip("the document is not there")
    assert examples
    for old in row.replace:
        assert any(old in example.source for example in examples), old
    for old in row.want:
        assert any(old in (example.want or "") for example in examples), old
