"""What users of version 2 are used to, and what is easily lost: small things, one test each."""

from __future__ import annotations

import numpy as np
import pytest

import zarrc
from zarrc.errors import ContainsArrayError


class Duck:
    """Works as a mapping, and is not registered as one."""

    def __init__(self):
        self.data = {}

    def __iter__(self):
        return iter(self.data)

    def keys(self):
        return self.data.keys()

    def __getitem__(self, key):
        return self.data[key]

    def __setitem__(self, key, value):
        self.data[key] = bytes(value)

    def __delitem__(self, key):
        del self.data[key]

    def __contains__(self, key):
        return key in self.data


def test_any_object_with_the_methods_of_a_mapping_is_a_store():
    store = Duck()
    group = zarrc.group(store)
    group["a"] = np.arange(10)
    assert sorted(store) == [".zgroup", "a/.zarray", "a/0"]
    assert zarrc.open(store)["a"][:].tolist() == list(range(10))
    assert len(group.store) == 3
    del group["a"]
    assert list(store) == [".zgroup"]


def test_no_axes_have_no_compressor_and_one_chunk():
    z = zarrc.array(5, compressor=zarrc.Zlib())
    assert z.compressor is None
    assert (
        zarrc.create_array({}, shape=(), dtype="i4", zarr_format=2, compressors=zarrc.Zlib()).compressor
        is not None
    )
    assert z.cdata_shape == (1,)
    assert zarrc.create_array({}, shape=(), dtype="i4").cdata_shape == ()


def test_bytes_are_a_record():
    dtype = [("a", "S3"), ("b", "<i2")]
    assert zarrc.create(3, dtype=dtype, fill_value=b"")[0] == np.zeros((), dtype)[()]
    assert zarrc.create(3, dtype=dtype, fill_value=b"xyz\x01")[0].tolist() == (b"xyz", 1)


def test_chunks_of_a_source_that_has_a_chunklen():
    class Rows(np.ndarray):
        chunklen = 10

    assert zarrc.array(np.zeros((100, 7)).view(Rows)).chunks == (10, 7)


def test_exclusive_creation_needs_no_shape_to_refuse():
    store = {}
    zarrc.open_array(store, mode="w", shape=3)
    for mode in ("w-", "x"):
        with pytest.raises(ContainsArrayError):
            zarrc.open_array(store, mode=mode)


def test_islice_takes_whole_numbers():
    for bounds in ((0.5, 1), (0, 0.5)):
        with pytest.raises(ValueError, match="whole numbers"):
            zarrc.zeros(3).islice(*bounds)


def test_append_returns_its_own_shape():
    """Other threads may have appended meanwhile."""
    z = zarrc.zeros(3, chunks=2)
    other = zarrc.open_array(z.store)
    assert z.append(np.zeros(2)) == (5,)
    assert other.append(np.zeros(2)) == (7,)
    assert z.append(np.zeros(2)) == (9,)


def test_attributes_of_a_plain_dict():
    attrs = zarrc.attrs.Attributes({})
    assert isinstance(attrs.store, zarrc.KVStore)


def test_n5_has_no_objects(tmp_path):
    store = zarrc.N5Store(tmp_path / "a.n5")
    with pytest.raises(ValueError, match="not supported by N5"):
        zarrc.create(3, dtype=str, store=store)


def test_no_data_type_is_that_of_the_data():
    assert zarrc.array(np.arange(3, dtype="i2"), dtype=None).dtype == np.dtype("i2")
    assert zarrc.group().create_dataset("a", data=[True], dtype=None).dtype == np.dtype(bool)


def test_the_fill_value_can_be_changed():
    z = zarrc.zeros((10, 10), chunks=5, dtype="i4")
    z[0, 0] = 3
    z.fill_value = 1
    assert (z[0, 0], z[0, 1], z[9, 9]) == (3, 0, 1)
    assert zarrc.open_array(z.store).fill_value == 1
    for array in (z.view(), zarrc.open_array(z.store, mode="r")):
        with pytest.raises(PermissionError):
            array.fill_value = 2


def test_chunks_of_an_overwritten_array_may_be_in_a_directory_of_their_own(tmp_path):
    store, chunk_store = zarrc.DirectoryStore(tmp_path / "a"), zarrc.DirectoryStore(tmp_path / "b")
    for _ in range(2):
        zarrc.ones(3, store=store, chunk_store=chunk_store, overwrite=True)[:] = 1
    assert list(chunk_store) == ["0"]


def test_a_file_where_the_directory_should_be(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(ValueError, match="not a directory"):
        zarrc.DirectoryStore(tmp_path / "a")


def test_sqlite_store_with_a_separator(tmp_path):
    with zarrc.SQLiteStore(tmp_path / "a.sqlite", dimension_separator="/") as store:
        zarrc.zeros((4, 4), chunks=2, store=store)[:] = 1
        assert "1/1" in store


def test_sizes_of_what_has_none_are_unknown():
    assert zarrc.storage.getsize({"a": None}) == -1
    assert zarrc.storage.getsize({"a": None}, "a") == -1
    assert zarrc.storage.getsize(object()) == -1
