"""Each cell of the table of stores in the documentation is backed by a test."""

from __future__ import annotations

import re

import pytest
import services

SUITE = "zarrc/testing.py"
TEXT = services.ROOT / "docs" / "stores.md"

# columns: threads, processes, atomic, ranges, deletes, listing
BACKING = {
    "MemoryStore": (
        f"{SUITE}::test_threads_write_their_own_keys",
        f"{SUITE}::process_safe = False",
        f"{SUITE}::test_threads_share_a_key",
        f"{SUITE}::test_get_partial",
        f"{SUITE}::test_set_get_delete",
        f"{SUITE}::test_listdir",
    ),
    "DirectoryStore": (
        f"{SUITE}::test_threads_write_their_own_keys",
        f"{SUITE}::test_processes_write_together",
        "tests/storage/test_local.py::test_old_or_new",
        f"{SUITE}::test_get_partial",
        f"{SUITE}::test_set_get_delete",
        f"{SUITE}::test_listdir",
    ),
    "SQLiteStore": (
        f"{SUITE}::test_threads_share_a_key",
        "tests/storage/test_sqlite.py::test_processes_write_together",
        "tests/storage/test_sqlite.py::test_a_killed_writer_leaves_what_was_there",
        f"{SUITE}::test_large_value",
        f"{SUITE}::test_rmdir",
        "tests/storage/test_sqlite.py::test_children_are_found_by_leaps",
    ),
    "LMDBStore": (
        "tests/storage/test_lmdb.py::test_with_many_readers",
        "tests/storage/test_lmdb.py::test_write_together",
        "tests/storage/test_lmdb.py::test_a_killed_writer_leaves_what_was_there",
        "tests/storage/test_lmdb.py::test_are_lmdbs_own_memory",
        f"{SUITE}::test_rmdir",
        "tests/storage/test_lmdb.py::test_children_are_found_by_leaps",
    ),
    "ZipStore": (
        "tests/storage/test_zip.py::test_readers_go_on_while_it_is_compacted",
        "tests/storage/test_zip.py::test_one_writes",
        "tests/storage/test_zip.py::test_at_the_end_of_the_program",
        "tests/storage/test_zip.py::test_truncated_while_open",
        "tests/storage/test_zip.py::test_compact",
        f"{SUITE}::test_threads_list_and_delete",
    ),
    "DBMStore": (
        f"{SUITE}::test_threads_share_a_key",
        "tests/storage/test_dbm.py::test_locked_by_another_process",
        "tests/storage/test_dbm.py::test_flush_puts_it_into_the_file",
        f"{SUITE}::test_get_partial",
        f"{SUITE}::test_set_get_delete",
        f"{SUITE}::test_listdir",
    ),
    "RedisStore": (
        f"{SUITE}::test_threads_share_a_key",
        f"{SUITE}::test_processes_write_together",
        f"{SUITE}::test_threads_share_a_key",
        f"{SUITE}::test_get_partial",
        f"{SUITE}::test_rmdir",
        f"{SUITE}::test_listdir",
    ),
    "MongoDBStore": (
        f"{SUITE}::test_threads_share_a_key",
        f"{SUITE}::test_processes_write_together",
        f"{SUITE}::test_threads_share_a_key",
        f"{SUITE}::test_get_partial",
        f"{SUITE}::test_rmdir",
        f"{SUITE}::test_listdir",
    ),
    "ABSStore": (
        f"{SUITE}::test_threads_share_a_key",
        "tests/storage/test_abs.py::test_write_together",
        "tests/storage/test_abs.py::test_a_write_that_fails_half_way",
        "tests/storage/test_abs.py::test_reading",
        f"{SUITE}::test_rmdir",
        f"{SUITE}::test_listdir",
    ),
    "ObjectStore": (
        f"{SUITE}::test_threads_share_a_key",
        f"{SUITE}::test_processes_write_together",
        f"{SUITE}::test_threads_share_a_key",
        "tests/storage/test_requests.py::test_of_a_shard_the_index_and_what_is_wanted",
        f"{SUITE}::test_rmdir",
        f"{SUITE}::test_listdir",
    ),
    "FSStore": (
        f"{SUITE}::test_threads_share_a_key",
        f"{SUITE}::test_processes_write_together",
        f"{SUITE}::test_threads_share_a_key",
        "tests/storage/test_requests.py::test_of_a_shard_the_index_and_what_is_wanted",
        f"{SUITE}::test_rmdir",
        f"{SUITE}::test_listdir",
    ),
    "N5Store": (
        f"{SUITE}::test_threads_share_a_key",
        f"{SUITE}::test_processes_write_together",
        "tests/test_n5.py::test_documents_are_written_in_one_step",
        f"{SUITE}::test_get_partial",
        "tests/test_n5.py::test_deleting",
        "tests/test_n5.py::test_groups_without_attributes",
    ),
    "ConsolidatedMetadataStore": (
        "tests/storage/test_consolidated.py::test_read_only",
        "tests/storage/test_consolidated.py::test_read_only",
        "tests/storage/test_consolidated.py::test_read_only",
        "tests/storage/test_consolidated.py::test_mapping",
        "tests/storage/test_consolidated.py::test_read_only",
        "tests/storage/test_consolidated.py::test_a_hierarchy_is_read_from_one_document",
    ),
    "LRUStoreCache": (
        "tests/storage/test_cache.py::test_in_many_threads",
        "tests/storage/test_cache.py::test_is_what_its_store_is",
        "tests/storage/test_cache.py::test_failed_ones_too",
        "tests/storage/test_cache.py::test_parts",
        "tests/storage/test_cache.py::test_are_seen",
        "tests/storage/test_cache.py::test_keys_are_listed_once",
    ),
}


def rows() -> list[list[str]]:
    """The cells of the table, without its head."""
    section = TEXT.read_text().partition("## Which one")[2].partition("\n\n*")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_row_is_backed():
    names = [re.findall(r"`(\w+)`", cells[0]) for cells in rows()]
    assert len(names) == len(BACKING)
    assert all(any(name in BACKING for name in found) for found in names)
    assert {len(cells) for cells in rows()} == {1 + 6 + 1}


@pytest.mark.parametrize("name", list(BACKING))
def test_every_cell_is_backed(name):
    assert len(BACKING[name]) == 6
    for backing in BACKING[name]:
        file, _, what = backing.partition("::")
        text = (services.ROOT / file).read_text()
        assert f"def {what}(" in text or what in text.splitlines() or f"    {what}" in text.splitlines(), (
            backing
        )
