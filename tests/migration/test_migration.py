"""Arrays that zarr-python 1.1 wrote become arrays of format 2 (`make_format_1.py` made the stores)."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest

import zarrc
from zarrc.errors import ArrayNotFoundError, MetadataError
from zarrc.storage import migrate_1to2

STORES = json.loads(Path(__file__).with_name("format_1.json").read_text())


def store_of(name):
    return {key: base64.b64decode(value) for key, value in STORES[name]["store"].items()}


@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("on_disk", [False, True])
def test_values_and_attributes(name, on_disk, tmp_path):
    store = zarrc.DirectoryStore(tmp_path) if on_disk else {}
    store.update(store_of(name))
    chunks = {key: value for key, value in store_of(name).items() if key not in ("meta", "attrs")}
    migrate_1to2(str(tmp_path) if on_disk else store)
    z = zarrc.open_array(store, mode="r")
    want = np.frombuffer(base64.b64decode(STORES[name]["values"]), STORES[name]["dtype"]).reshape(5, 7)
    # rows that nobody wrote: format 1 leaves them undefined where there is no fill value
    n = 4 if z.fill_value is None else 5
    np.testing.assert_array_equal(z[:n], want[:n])
    assert z.dtype == want.dtype
    assert z.attrs.asdict() == {"name": "value"}
    assert {key: bytes(store[key]) for key in store if not key.startswith(".")} == chunks
    assert sorted(key for key in store if key.startswith(".")) == [".zarray", ".zattrs"]


def test_what_is_not_of_format_1():
    with pytest.raises(ArrayNotFoundError):
        migrate_1to2({})
    with pytest.raises(ArrayNotFoundError):
        migrate_1to2(zarrc.zeros(3).store)


@pytest.mark.parametrize(
    "change",
    [
        {"zarr_format": 2},
        {"shape": None},
        {"compression": 7},
        {"dtype": "nonsense"},
    ],
)
def test_wrong_documents_change_nothing(change):
    store = store_of("none")
    store["meta"] = json.dumps({**json.loads(store["meta"]), **change}).encode()
    before = dict(store)
    with pytest.raises(MetadataError):
        migrate_1to2(store)
    assert store == before
