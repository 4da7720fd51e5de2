"""Arrays of objects: zarrc and its peers read what the other wrote."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import services

import zarrc

pytestmark = pytest.mark.peer

STRINGS = ["Hello", "", "Grüß dich", "こんにちは", "a\0b", "😀" * 20, "x" * 300]

# What both sides make: run by the peer with its zarr, and here with zarrc.
FORMAT_2 = """
import numcodecs, numpy as np
from numcodecs.msgpacks import MsgPack

def objects(elements):
    found = np.empty(len(elements), object)
    for n, element in enumerate(elements):
        found[n] = element
    return found

strings = objects(STRINGS)
ragged = objects([np.arange(n, dtype="i4") for n in range(7)])
things = objects([1, "a", None, [1, [2]], {"a": {"b": 1}}, 2.5, True])
record = np.array([("a", 1), (None, 2), ([3], 4)], [("name", object), ("n", "<i4")])
common = {"chunks": 3, "fill_value": ""}
table = np.array([[f"{i},{k}" for k in range(5)] for i in range(4)], object)

root = zarr.open_group(path, mode="w", **options)
root.create_dataset("str", data=strings, dtype=str, **common)
root.create_dataset("plain", data=strings, dtype=str, compressor=None, **common)
root.create_dataset("bytes", data=objects([s.encode() for s in STRINGS]), dtype=bytes, chunks=3)
root.create_dataset("ragged", data=ragged, dtype="array:i4", chunks=3)
root.create_dataset("json", data=things, dtype=object, object_codec=numcodecs.JSON(), chunks=3)
root.create_dataset("msgpack", data=things, dtype=object, object_codec=MsgPack(), chunks=3)
root.create_dataset("pickle", data=things, dtype=object, object_codec=numcodecs.Pickle(protocol=4), chunks=3)
pickles = {"object_codec": numcodecs.Pickle(protocol=4), "fill_value": None}
root.create_dataset("record", data=record, dtype=record.dtype, **pickles)
labels = numcodecs.Categorize(["Hello", "x" * 300, "z"], dtype=object)
greetings = objects(["Hello", "z", "", "Hello"])
root.create_dataset("categories", data=greetings, dtype=object, object_codec=labels, chunks=3)
root.create_dataset(
    "filtered", data=strings, dtype=str, filters=[numcodecs.LZ4(3)], compressor=numcodecs.Zlib(2), **common
)
for order in "CF":
    root.create_dataset(f"table-{order}", data=table, dtype=str, chunks=(3, 2), order=order, fill_value="-")
    root.create_dataset(
        f"json-{order}", data=table, dtype=object, object_codec=numcodecs.JSON(), chunks=(3, 2), order=order
    )
absent = root.create_dataset("absent", shape=5, chunks=2, dtype=str, fill_value="none")
absent[1] = "one"
"""
NAMES_2 = [
    "str", "plain", "bytes", "ragged", "json", "msgpack", "pickle", "record", "categories", "filtered",
    "table-C", "json-C", "table-F", "json-F", "absent",
]  # fmt: skip
SHOW_2 = """
import json
def plain(value):
    if isinstance(value, (np.ndarray, list, tuple)):
        return [plain(each) for each in value]
    return value.decode() if isinstance(value, bytes) else value.item() if isinstance(value, np.generic) else value
root = zarr.open_group(path, mode="r", **opening)
print(json.dumps({name: [root[name].hexdigest(), plain(root[name][:].tolist())] for name in NAMES}))
"""


def run(peer: str, code: str, path: Path, **names) -> str:
    head = "import sys, warnings; warnings.simplefilter('ignore'); import zarr, numpy as np; path = sys.argv[1]\n"
    head += "".join(f"{name} = {value!r}\n" for name, value in {"STRINGS": STRINGS, **names}.items())
    own = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    own["NUMCODECS_ALLOW_UNSAFE_PICKLE_DECODE"] = "1"
    command = [services.peer_python(peer), "-c", head + code, path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=own)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_here(code: str, path: Path, capsys, **names) -> str:
    scope = {"zarr": zarrc, "np": np, "path": str(path), "STRINGS": STRINGS, **names}
    exec(code, scope)
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def format_2(tmp_path_factory):
    """Return folders that zarr-python 2 and zarrc wrote."""
    folder = tmp_path_factory.mktemp("objects")
    run("zarr2", FORMAT_2, folder / "theirs", options={})
    scope = {"zarr": zarrc, "path": str(folder / "ours"), "STRINGS": STRINGS, "options": {}}
    exec(FORMAT_2, scope)
    return folder


@pytest.mark.parametrize("name", NAMES_2)
def test_stored_alike(format_2, name):
    """Chunks that no compressor's version changes are the same bytes, and so are the documents."""
    theirs, ours = format_2 / "theirs" / name, format_2 / "ours" / name
    assert sorted(each.name for each in ours.iterdir()) == sorted(each.name for each in theirs.iterdir())
    assert json.loads((ours / ".zarray").read_text()) == json.loads((theirs / ".zarray").read_text())
    if name == "plain":
        for chunk in theirs.iterdir():
            assert (ours / chunk.name).read_bytes() == chunk.read_bytes()


def test_each_reads_the_other(format_2, capsys):
    allowed = {"NAMES": NAMES_2, "opening": {"allow_pickle": True}}
    here = [json.loads(run_here(SHOW_2, format_2 / side, capsys, **allowed)) for side in ("ours", "theirs")]
    there = [
        json.loads(run("zarr2", SHOW_2, format_2 / side, NAMES=NAMES_2, opening={}))
        for side in ("ours", "theirs")
    ]
    for name in NAMES_2:
        # zarr-python 2 mixes up the elements of its own JSON chunks in Fortran order
        values = [found[name][1] for found in (here if name == "json-F" else (*here, *there))]
        assert all(each == values[0] for each in values), (name, values)
        # the digest of a folder is the same whoever computes it
        assert [found[name][0] for found in here] == [found[name][0] for found in there]


FORMAT_3 = """
sharded = {"chunks": (3,), "shards": (6,)}
cases = {
    "string": {"dtype": "string", "chunks": (3,)},
    "filled": {"dtype": "string", "chunks": (3,), "fill_value": "é"},
    "bytes": {"dtype": "variable_length_bytes", "chunks": (3,), "fill_value": b"\\xff"},
    "plain": {"dtype": "string", "chunks": (3,), "compressors": None},
    "shards": {"dtype": "string", **sharded},
    "shards-plain": {"dtype": "string", "compressors": None, **sharded},
    "shards-bytes": {"dtype": "variable_length_bytes", **sharded},
}
root = zarr.open_group(path, mode="w", zarr_format=3)
for name, settings in cases.items():
    array = root.create_array(name, shape=(9,), **settings)
    if array.dtype == object and "bytes" in name:
        array[:7] = np.array([s.encode() for s in STRINGS], object)
    else:
        array[:7] = np.array(STRINGS, object)
"""
NAMES_3 = ["string", "filled", "bytes", "plain", "shards", "shards-plain", "shards-bytes"]
SHOW_3 = """
import json
root = zarr.open_group(path, mode="r")
def plain(values):
    return [each.decode("latin-1") if isinstance(each, bytes) else str(each) for each in values]
print(json.dumps({name: plain(root[name][:]) for name in NAMES}))
"""


@pytest.mark.parametrize("peer", ["zarr3", "zarr34"])
def test_format_3(peer, tmp_path, capsys):
    run(peer, FORMAT_3, tmp_path / "theirs")
    run_here(FORMAT_3, tmp_path / "ours", capsys)
    for name in NAMES_3:
        documents = [
            json.loads((tmp_path / side / name / "zarr.json").read_text()) for side in ("ours", "theirs")
        ]
        for key in ("data_type", "fill_value"):
            assert documents[0][key] == documents[1][key]
        assert [c["name"] for c in documents[0]["codecs"]] == [c["name"] for c in documents[1]["codecs"]]
    shown = [
        json.loads(run_here(SHOW_3, tmp_path / side, capsys, NAMES=NAMES_3)) for side in ("ours", "theirs")
    ]
    shown += [json.loads(run(peer, SHOW_3, tmp_path / side, NAMES=NAMES_3)) for side in ("ours", "theirs")]
    for name in NAMES_3:
        values = [found[name] for found in shown]
        assert all(each == values[0] for each in values), (name, values)
    chunks = [(tmp_path / side / "plain" / "c" / "0").read_bytes() for side in ("ours", "theirs")]
    assert chunks[0] == chunks[1]


def test_strings_of_format_2_in_zarr_3(tmp_path):
    path = tmp_path / "x.zarr"
    zarrc.array(STRINGS, dtype=str, chunks=3, fill_value="", store=str(path))
    code = "print(__import__('json').dumps([str(each) for each in zarr.open_array(path, mode='r')[:]]))"
    assert json.loads(run("zarr3", code, path)) == STRINGS
    code = "array = zarr.create_array(path, shape=(7,), chunks=(3,), dtype=str, zarr_format=2)\n"
    code += "array[:] = np.array(STRINGS)"
    run("zarr3", code, tmp_path / "y.zarr")
    assert list(zarrc.open_array(tmp_path / "y.zarr")[:]) == STRINGS
