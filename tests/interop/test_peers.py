"""zarrc reads what other implementations write, and they read what zarrc writes.

A peer runs once to write every case and once to read every case (``peer.py``), each case is a test.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import numcodecs
import numpy as np
import pytest
import services
from cases import CASES, HIERARCHY, Case, expected, same, values, written

import zarrc

pytestmark = pytest.mark.peer

FORMATS = {"zarr2": (2,), "zarr3": (2, 3), "tensorstore": (2, 3)}
PAIRS = [
    pytest.param(peer, case, id=f"{peer}-{case.name}")
    for peer, formats in FORMATS.items()
    for case in CASES
    if case.zarr_format in formats
]
GROUPS = [("zarr2", 2), ("zarr3", 2), ("zarr3", 3)]


class Known(NamedTuple):
    """What a peer cannot do: which, when it writes or reads (or both), cases by name, its own words."""

    peer: str
    when: str
    cases: str
    message: str


KNOWN = [
    Known("zarr2", "reads", "v2-fill-null", ""),  # it shows whatever is in memory
    Known("zarr2", "writes", "v2-fill-minus-zero", "values"),  # it loses the sign
    Known("zarr3", "writes", "v2-dtype-nested", "a bytes-like object is required"),
    Known("zarr3", "reads", "v2-dtype-nested", "No Zarr data type found"),
    Known("tensorstore", "both", "v2-dtype-??-U5", "Unsupported zarr dtype"),
    Known("tensorstore", "both", "v2-fill-U", "Unsupported zarr dtype"),
    Known("tensorstore", "both", "v2-dtype-??-[Mm]8-*", "Unsupported zarr dtype"),
    Known("tensorstore", "both", "v2-dtype-structured*", 'Must specify a "field"'),
    Known("tensorstore", "both", "v2-fill-structured", 'Must specify a "field"'),
    Known("tensorstore", "both", "v2-dtype-nested", "Expected string, but received"),
    Known("tensorstore", "both", "v2-codec-lz4", '"lz4" is not registered'),
    Known("tensorstore", "both", "v2-codec-lzma", '"lzma" is not registered'),
    Known("tensorstore", "writes", "v2-*-[SV]*", "Error aligning dimensions"),  # S5 is an axis of 5 for it
    Known("tensorstore", "reads", "v2-dtype-S5", "base64-encoded bytes"),
    Known("tensorstore", "reads", "v2-fill-S", "base64-encoded bytes"),
    Known("tensorstore", "reads", "v2-*-[SV]*", "shape (7, 10, "),
    Known("tensorstore", "writes", "v2-shape-[01]d-F", 'Expected "order" of "F" but received: "C"'),
    *[
        Known("tensorstore", "both", f"v2-codec-{name}", "filters are not supported")
        for name in ("delta*", "shuffle", "fixedscaleoffset", "packbits", "crc32")
    ],
]


def is_known(peer: str, when: str, case: str, outcome: str) -> bool:
    """Return whether `outcome` is the refusal that is recorded; fail where it is another, or none."""
    for known in KNOWN:
        if known.peer == peer and known.when in (when, "both") and fnmatchcase(case, known.cases):
            assert known.message in outcome, (
                f"{peer} is recorded to say {known.message!r}, it said {outcome!r}"
            )
            return True
    return False


def run_peer(peer: str, action: str, folder: Path) -> dict[str, str]:
    """Return what became of each case: `""`, or the peer's complaint."""
    command = [services.peer_python(peer), Path(__file__).with_name("peer.py"), peer, action, folder]
    own = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=own)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def numcodecs_of(configuration: dict[str, Any] | None) -> Any:
    return configuration and numcodecs.get_codec(dict(configuration))


def create(case: Case, path: Path) -> zarrc.Array:
    if case.zarr_format == 2:
        filters = case.codecs["filters"]
        return zarrc.create(
            case.shape,
            chunks=case.chunks,
            dtype=case.dtype,
            compressor=numcodecs_of(case.codecs["compressor"]),
            filters=filters and [numcodecs_of(f) for f in filters],
            order=case.order,
            fill_value=case.fill_value,
            dimension_separator=case.separator,
            store=str(path),
        )
    return zarrc.create_array(
        str(path),
        shape=case.shape,
        chunks=case.chunks,
        dtype=case.dtype,
        codecs=case.codecs,
        fill_value=case.fill_value,
        chunk_key_encoding={"name": case.key_encoding, "separator": case.separator},
    )


def write(case: Case, path: Path) -> None:
    array = create(case, path)
    selection = written(case)
    array[selection if case.shape else ...] = values(case)[selection]


def write_hierarchy(zarr_format: int, path: Path) -> None:
    root = zarrc.open_group(str(path), mode="w", zarr_format=zarr_format)
    for node in HIERARCHY:
        if node.is_array:
            made = root.create_array(node.path, shape=(6,), chunks=(6,), dtype="i4")
            made[...] = np.arange(6)
        else:
            made = root.create_group(node.path) if node.path else root
        made.attrs.update(node.attributes)


@pytest.fixture(scope="module")
def written_by(tmp_path_factory):
    """Folder and report of everything that a peer wrote."""

    @functools.cache
    def get(peer: str) -> tuple[Path, dict[str, str]]:
        folder = tmp_path_factory.mktemp(peer)
        return folder, run_peer(peer, "write", folder)

    return get


@pytest.fixture(scope="module")
def written_by_zarrc(tmp_path_factory):
    """Folder of all that zarrc wrote; and the exceptions, by case."""
    folder = tmp_path_factory.mktemp("zarrc")
    failures: dict[str, Exception] = {}
    work = [(case.name, write, case) for case in CASES]
    work += [(f"hierarchy-{n}", write_hierarchy, n) for n in (2, 3)]
    for name, function, argument in work:
        try:
            function(argument, folder / name)
        except Exception as error:  # the test of this case raises it
            failures[name] = error
    return folder, failures


@pytest.fixture(scope="module")
def read_by(written_by_zarrc):
    """What a peer found in everything that zarrc wrote."""
    folder, failures = written_by_zarrc

    @functools.cache
    def get(peer: str) -> dict[str, str]:
        return run_peer(peer, "read", folder)

    def report(peer: str, name: str) -> str:
        if name in failures:
            raise failures[name]
        return get(peer)[name]

    return report


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_zarrc_reads_its_own(case, tmp_path):
    write(case, tmp_path / "array")
    assert same(zarrc.open_array(str(tmp_path / "array"), mode="r")[...], expected(case)) == ""


@pytest.mark.parametrize(("peer", "case"), PAIRS)
def test_zarrc_reads_the_peers(peer, case, written_by):
    folder, report = written_by(peer)
    if is_known(peer, "writes", case.name, report[case.name]):
        return
    assert report[case.name] == ""
    array = zarrc.open_array(str(folder / case.name), mode="r")
    assert same(array[...], expected(case)) == ""
    assert array.chunks == case.chunks


@pytest.mark.parametrize(("peer", "case"), PAIRS)
def test_the_peer_reads_zarrcs(peer, case, read_by):
    outcome = read_by(peer, case.name)
    if not is_known(peer, "reads", case.name, outcome):
        assert outcome == ""


@pytest.mark.parametrize(("peer", "zarr_format"), GROUPS)
def test_zarrc_reads_the_peers_groups(peer, zarr_format, written_by):
    folder, report = written_by(peer)
    assert report[f"hierarchy-{zarr_format}"] == ""
    root = zarrc.open_group(str(folder / f"hierarchy-{zarr_format}"), mode="r")
    for node in HIERARCHY:
        found = root[node.path] if node.path else root
        assert dict(found.attrs) == node.attributes
        if node.is_array:
            assert same(found[...], np.arange(6, dtype="i4")) == ""


@pytest.mark.parametrize(("peer", "zarr_format"), GROUPS)
def test_the_peer_reads_zarrcs_groups(peer, zarr_format, read_by):
    assert read_by(peer, f"hierarchy-{zarr_format}") == ""
