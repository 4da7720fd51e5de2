"""Verbs: open, save, load, tree."""

from __future__ import annotations

import numpy as np
import pytest
import services

import zarrc
from zarrc.errors import ContainsArrayError, ContainsGroupError, PathNotFoundError


@pytest.fixture(params=["nothing", "array", "group"])
def standing(request):
    """A store with one kind of node at path x, or none."""
    store = {}
    if request.param == "array":
        zarrc.zeros(10, store=store, path="x")
    elif request.param == "group":
        zarrc.group(store, path="x").attrs["old"] = True
    return request.param, store


@pytest.mark.parametrize("with_shape", [False, True])
@pytest.mark.parametrize("mode", ["r", "r+", "a", "w", "w-", "x"])
def test_open(mode, with_shape, standing):
    kind, store = standing
    arguments = {"shape": 20} if with_shape else {}
    exclusive, made = mode in ("w-", "x"), "array" if with_shape else "group"
    expected = {
        "nothing": PathNotFoundError if mode in ("r", "r+") else made,
        "array": ContainsArrayError if exclusive else made if mode == "w" else "array",
        "group": ContainsGroupError if exclusive or (with_shape and mode != "w") else made,
    }[kind]
    if not isinstance(expected, str):
        with pytest.raises(expected, match="'x'"):
            zarrc.open(store, mode=mode, path="x", **arguments)
        return
    found = zarrc.open(store, mode=mode, path="x", **arguments)
    assert isinstance(found, zarrc.Array if expected == "array" else zarrc.Group)
    assert found.name == "/x"
    assert found.read_only == (mode == "r")


def test_open_missing_directories_makes_none(tmp_path):
    for mode in ("r", "r+"):
        with pytest.raises(PathNotFoundError):
            zarrc.open(tmp_path / "missing", mode=mode)
    with pytest.raises(FileNotFoundError):
        zarrc.open_array(str(tmp_path / "missing"), mode="r")
    assert zarrc.load(tmp_path / "missing") is None
    assert not (tmp_path / "missing").exists()


def test_open_paths(tmp_path):
    z = zarrc.open(str(tmp_path / "z"), mode="w", shape=5, dtype="i4")
    z[:] = 3
    assert type(z.store) is zarrc.DirectoryStore
    np.testing.assert_array_equal(zarrc.open(tmp_path / "z", mode="r")[:], 3)
    assert zarrc.open(zarr_format=3, shape=4).zarr_format == 3
    with pytest.raises(ValueError, match="mode must be"):
        zarrc.open({}, mode="foo")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_save_and_load_an_array(tmp_path, zarr_format):
    for n in (10, 7):
        zarrc.save(tmp_path / "z", np.arange(n), zarr_format=zarr_format)
        loaded = zarrc.load(tmp_path / "z")
        assert type(loaded) is np.ndarray
        np.testing.assert_array_equal(loaded, np.arange(n))
    assert zarrc.open(tmp_path / "z").zarr_format == zarr_format
    zarrc.save_array(tmp_path / "z", [1.5, 2.5], path="deep/er", chunks=1, zarr_format=zarr_format)
    np.testing.assert_array_equal(zarrc.load(tmp_path / "z", path="deep/er"), [1.5, 2.5])


def test_save_and_load_a_group(tmp_path):
    zarrc.save(tmp_path / "g", np.arange(3), np.arange(4), named=np.arange(5))
    loader = zarrc.load(tmp_path / "g")
    assert "LazyLoader: " in repr(loader)
    assert list(loader) == ["arr_0", "arr_1", "named"]
    assert len(loader) == 3
    assert "named" in loader
    assert "other" not in loader
    np.testing.assert_array_equal(loader["named"], np.arange(5))
    assert loader["named"] is loader["named"]
    zarrc.save(tmp_path / "g", np.arange(2), path="below/deeper")
    np.testing.assert_array_equal(zarrc.load(tmp_path / "g")["below"]["deeper"], [0, 1])
    zarrc.save_group(tmp_path / "g", only=np.ones(2))
    assert list(zarrc.open(tmp_path / "g")) == ["only"]


def test_nothing_to_save():
    store = {}
    with pytest.raises(ValueError, match="at least one array"):
        zarrc.save(store)
    with pytest.raises(ValueError, match="arr_0"):
        zarrc.save(store, [1], arr_0=[2])
    assert store == {}


def test_saving_closes_only_what_it_opened():
    class Store(zarrc.MemoryStore):
        closed = 0

        def close(self):
            self.closed += 1

    store = Store()
    zarrc.save(store, [1, 2])
    zarrc.save(store, a=[1, 2])
    assert store.closed == 0


def test_tree_of_other_libraries_groups(tmp_path):
    h5py = services.module("h5py")
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["foo/bar/baz"] = np.arange(100)
        file["spam"] = np.arange(100)
        expected = (
            "/\n"
            " ├── foo\n"
            " │   └── bar\n"
            " │       └── baz (100,) int64\n"
            " └── spam (100,) int64"
        )  # fmt: skip
        assert repr(zarrc.tree(file)) == expected
        assert repr(zarrc.tree(file, level=1)) == "/\n ├── foo\n └── spam (100,) int64"


def test_a_mode_is_no_array_to_save(tmp_path):
    with pytest.raises(TypeError, match="there is no mode="):
        zarrc.save(tmp_path / "a", [1, 2], mode="w")
    assert not (tmp_path / "a").exists()
