"""The documentation says what the table of refusals says."""

from __future__ import annotations

from page import PAGE, with_table


def test_the_tables_of_the_page_are_those_of_the_refusals():
    page = PAGE.read_text()
    assert page == with_table(page), "python tests/interop/page.py writes them anew"
