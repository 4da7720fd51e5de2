"""zarrc reads what other implementations write, and they read what zarrc writes, in every combination.

The choices that make an array (``cases.py``) meet pair by pair in the default profile, and in threes in the
thorough one. What a peer refuses or gets wrong stands in ``refusals.toml``: nothing else may differ, and every
refusal must still be there.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
from cases import FACTORS, SUITES, Case, expected, same, values, written
from covering import covering
from hypothesis import settings
from peers import FORMATS, PeerProcess, known_refusals

import zarrc

STRENGTH = 3 if settings.get_current_profile_name() == "thorough" else 2
REFUSALS = known_refusals()
OUR_FAULT = "zarrc: "
DTYPES = [(zarr_format, dtype) for zarr_format in (2, 3) for dtype in FACTORS[zarr_format]["dtype"]]
PAIRS = [(peer, *which) for peer, formats in FORMATS.items() for which in DTYPES if which[0] in formats]


@functools.cache
def all_cases(zarr_format: int) -> list[Case]:
    suites = [FACTORS[zarr_format]] if STRENGTH == 3 else SUITES[zarr_format]
    return [Case(zarr_format, levels) for suite in suites for levels in covering(suite, STRENGTH)]


def cases_of(zarr_format: int, dtype: str) -> list[Case]:
    return [case for case in all_cases(zarr_format) if case["dtype"] == dtype]


def create(case: Case, path: Path) -> zarrc.Array:
    said: dict[str, Any] = {"shape": case.shape, "chunks": case.chunks, "fill_value": case.fill_value}
    if case.zarr_format == 2:
        compressor = case.codecs["compressor"]
        filters = [numcodecs.get_codec(dict(each)) for each in case.codecs["filters"] or ()]
        object_codec = filters.pop(0) if np.dtype(case.dtype).hasobject else None
        return zarrc.create(
            **said,
            dtype=case.dtype,
            compressor=compressor and numcodecs.get_codec(dict(compressor)),
            filters=filters or None,
            object_codec=object_codec,
            order=case["order"],
            dimension_separator=case.separator,
            store=str(path),
        )
    return zarrc.create_array(
        str(path),
        **said,
        dtype={"string": "string", "bytes": "variable_length_bytes"}.get(case["dtype"], case.dtype),
        codecs=case.codecs,
        chunk_key_encoding={"name": case.key_encoding, "separator": case.separator},
    )


def write(case: Case, path: Path) -> None:
    array, data = create(case, path), values(case)
    for selection in written(case):
        array[selection if case.shape else ...] = data[selection]


def read(case: Case, path: Path) -> str:
    """Return what is wrong with the array at `path`, read whole and a box of it."""
    array, whole = zarrc.open_array(str(path), mode="r"), expected(case)
    box = tuple(slice(size // 3, size - size // 4) for size in case.shape)
    if array.nchunks != len(list(array.iter_chunks())) or (array.shards or array.chunks) != case.chunks:
        return f"chunks {array.chunks} and shards {array.shards}"
    return same(array[...], whole) or same(array[box], whole[(*box, ...)])


def attempt(function: Callable[[Case, Path], str | None], case: Case, path: Path) -> str:
    try:
        return function(case, path) or ""
    except Exception as error:
        return f"{type(error).__name__}: {error}"


class Encounter:
    """What a peer and zarrc make of each other's arrays: peers' complaints by case, and zarrc's."""

    def __init__(self, peer: str, folder: Path) -> None:
        self.peer = peer
        self.folder = folder
        self.process = PeerProcess(peer)

    @functools.cache  # noqa: B019  both live as long as the module's tests
    def both_ways(self, zarr_format: int, dtype: str) -> dict[str, dict[Case, str]]:
        """Return complaints: of the peer when it ``"writes"`` and ``"reads"``, and of zarrc as ``"zarrc"``."""
        said: dict[str, dict[Case, str]] = {"writes": {}, "reads": {}, "zarrc": {}}
        for case in cases_of(zarr_format, dtype):
            self.their_array(case, said)
            self.our_array(case, said)
        return said

    def their_array(self, case: Case, said: dict[str, dict[Case, str]]) -> None:
        path = self.folder / "theirs"
        said["writes"][case] = self.process.ask_case("write", path, case)
        said["zarrc"][case] = attempt(read, case, path)
        shutil.rmtree(path, ignore_errors=True)

    def our_array(self, case: Case, said: dict[str, dict[Case, str]]) -> None:
        path = self.folder / "ours"
        failure = attempt(write, case, path)
        said["reads"][case] = (failure and f"{OUR_FAULT}{failure}") or self.process.ask_case(
            "read", path, case
        )
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def encounter(tmp_path_factory):
    """What a peer and zarrc make of each other's arrays; its process is there until the last test."""
    processes: list[PeerProcess] = []

    @functools.cache
    def meet(peer: str) -> Encounter:
        found = Encounter(peer, tmp_path_factory.mktemp(peer))
        processes.append(found.process)
        return found

    yield meet
    for process in processes:
        process.close()


def surprises(peer: str, when: str, outcomes: dict[Case, str]) -> list[str]:
    """Return the outcomes that are not recorded: refusals that are new, other words, and none at all."""
    found = []
    for case, outcome in outcomes.items():
        rows = [row for row in REFUSALS if row.concerns(peer, when, case)]
        if outcome.startswith(OUR_FAULT) or (outcome and not any(row.message in outcome for row in rows)):
            found.append(f"{case.name}: {outcome}")
        elif not outcome and not all(row.sometimes for row in rows):
            found.append(f"{case.name}: recorded as {[row.message for row in rows]}, and is right")
    return found


def report(found: list[str]) -> str:
    return f"{len(found)} cases, some of them:\n" + "\n".join(found[:12])


@pytest.mark.parametrize(("zarr_format", "dtype"), DTYPES)
def test_zarrc_reads_its_own(zarr_format, dtype, tmp_path):
    found = []
    for number, case in enumerate(cases_of(zarr_format, dtype)):
        path = tmp_path / str(number)
        failure = attempt(write, case, path) or attempt(read, case, path)
        if failure:
            found.append(f"{case.name}: {failure}")
    assert not found, report(found)


@pytest.mark.peer
@pytest.mark.parametrize(("peer", "zarr_format", "dtype"), PAIRS)
def test_zarrc_reads_the_peers(peer, zarr_format, dtype, encounter):
    said = encounter(peer).both_ways(zarr_format, dtype)
    found = surprises(peer, "writes", said["writes"])
    found += [
        f"{case.name}: {OUR_FAULT}{failure}"
        for case, failure in said["zarrc"].items()
        if failure and not said["writes"][case]
    ]
    assert not found, report(found)


@pytest.mark.peer
@pytest.mark.parametrize(("peer", "zarr_format", "dtype"), PAIRS)
def test_the_peer_reads_zarrcs(peer, zarr_format, dtype, encounter):
    found = surprises(peer, "reads", encounter(peer).both_ways(zarr_format, dtype)["reads"])
    assert not found, report(found)


@pytest.mark.peer
def test_digests_are_those_of_zarr_python_2(encounter, tmp_path):
    process = encounter("zarr2").process
    for number, case in enumerate(all_cases(2)[::25]):
        path = tmp_path / str(number)
        write(case, path)
        array = zarrc.open_array(str(path), mode="r")
        assert array.hexdigest() == process.ask("digest", path), case.name


@pytest.mark.peer
@pytest.mark.parametrize("peer", FORMATS)
def test_every_refusal_is_met(peer, encounter):
    rows = [row for row in REFUSALS if row.peer == peer and (STRENGTH == 3 or not row.rare)]
    for row in rows:
        outcomes = [
            outcome
            for zarr_format, dtype in DTYPES
            if zarr_format == row.zarr_format
            for when in (["writes", "reads"] if row.when == "both" else [row.when])
            for case, outcome in encounter(peer).both_ways(zarr_format, dtype)[when].items()
            if row.concerns(peer, when, case)
        ]
        assert any(outcome and row.message in outcome for outcome in outcomes), row
