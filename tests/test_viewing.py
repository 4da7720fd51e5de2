"""Views, conversions and digests of arrays."""

from __future__ import annotations

import inspect
import json
import pickle
import subprocess

import numcodecs
import numpy as np
import pytest
import services

import zarrc
from zarrc.errors import ReadOnlyError


@pytest.fixture(params=[2, 3])
def z(request):
    made = zarrc.create((7, 5), chunks=(3, 2), dtype="i4", fill_value=7, zarr_format=request.param)
    made[:6] = np.arange(30).reshape(6, 5)
    return made


class TestView:
    def test_shares_the_chunks(self, z):
        view = z.view()
        assert view.is_view and not z.is_view
        assert view.attrs.asdict() == {}
        view[0] = 9
        assert (z[0] == 9).all()
        assert view != z and view == z.view()

    def test_dtype(self, z):
        view = z.view(dtype="u4")
        assert (view.dtype, view.fill_value) == (np.dtype("u4"), np.uint32(7))
        np.testing.assert_array_equal(view[:], z[:].astype("u4"))
        z[0, 0] = -1
        assert view[0, 0] == 2**32 - 1
        assert (z.view(dtype="S4", fill_value=b"x")[6] == b"x").all()

    def test_shape_and_chunks(self, z):
        assert z.view(shape=(9, 5))[8].tolist() == [7] * 5
        assert z.view(shape=(2, 2))[:].tolist() == z[:2, :2].tolist()
        assert z.view(chunks=(2, 2)).chunks == (2, 2)

    def test_filters(self):
        a = np.arange(100, dtype="i4")
        filters = [numcodecs.Delta("i4")]
        z = zarrc.array(a, chunks=10, filters=filters)
        for order in "CF":
            undone = zarrc.array(a.reshape(10, 10), chunks=(10, 5), order=order, filters=filters)
            np.testing.assert_array_equal(undone.view(filters=undone.filters)[:], a.reshape(10, 10))
        plain = z.view(filters=[])
        assert plain.filters is None
        assert plain[:10].tolist() == [0] + [1] * 9

    def test_of_a_view(self, z):
        view = z.view(dtype="u4").view(fill_value=3)
        assert (view.dtype, view[6, 0]) == (np.dtype("u4"), 3)
        assert view.view(dtype="i4").dtype == np.dtype("i4")
        assert view.with_config({"order": "F"}).dtype == np.dtype("u4")

    def test_does_not_change_the_metadata(self, z):
        view = z.view()
        for change in (lambda: view.resize(3, 3), lambda: view.append(z[:])):
            with pytest.raises(PermissionError, match="not permitted for views"):
                change()
        assert z.shape == (7, 5)

    def test_options(self, z):
        synchronizer = zarrc.ThreadSynchronizer()
        assert z.view(synchronizer=synchronizer).synchronizer is synchronizer
        view = z.view(read_only=True)
        with pytest.raises(ReadOnlyError):
            view[0] = 1
        assert view.view().read_only
        assert not view.view(read_only=False).read_only

    def test_reads_the_metadata_again(self, z):
        seen = zarrc.core.Array(z.store, cache_metadata=False).view(dtype="u4")
        z.resize(3, 5)
        assert (seen.shape, seen.dtype) == ((3, 5), np.dtype("u4"))
        view = z.view(dtype="u4")
        z.resize(2, 5)
        view.refresh()
        assert (view.shape, view.dtype) == ((2, 5), np.dtype("u4"))

    def test_pickle(self, tmp_path):
        z = zarrc.open(tmp_path / "a", mode="w", shape=3, dtype="i4")
        view = pickle.loads(pickle.dumps(z.view(dtype="u4", filters=[])))
        assert view.is_view
        assert view.dtype == np.dtype("u4")

    @pytest.mark.parametrize("wrong", [{"dtype": "nonsense"}, {"shape": (3, -1)}, {"chunks": (1, 2, 3)}])
    def test_bad_arguments(self, z, wrong):
        with pytest.raises((TypeError, ValueError)):
            z.view(**wrong)


class TestAsType:
    @pytest.mark.parametrize("dtype", ["f8", "i2", ">f4", "c8", "S5"])
    def test_converts_when_read(self, z, dtype):
        seen = z.astype(dtype)
        assert (seen.dtype, seen.is_view, seen.read_only) == (np.dtype(dtype), True, True)
        np.testing.assert_array_equal(seen[1:4, 3], z[1:4, 3].astype(dtype))
        np.testing.assert_array_equal(seen[:], z[:].astype(dtype))
        with pytest.raises(ReadOnlyError):
            seen[0] = 1

    def test_with_filters_and_order(self):
        a = np.arange(12, dtype="i4").reshape(3, 4)
        z = zarrc.array(a, order="F", filters=[numcodecs.Delta("i4")])
        assert z.astype("f8").filters == [numcodecs.AsType("i4", "f8"), numcodecs.Delta("i4")]
        np.testing.assert_array_equal(z.astype("f8")[:], a.astype("f8"))

    def test_unknown(self, z):
        with pytest.raises(TypeError):
            z.astype("nonsense")


PEER = """
import sys, zarr
z = zarr.open(sys.argv[1], mode="r")
print(z.hexdigest(), z.hexdigest("md5"))
"""


def write_many(zarr, group):
    """Write arrays of many data types, layouts and codecs; zarr-python 2 runs this, too."""
    data_types = "? i1 u1 <i2 >i2 <u4 >u4 <i8 >f2 <f4 >f8 <c8 >c16 S5 <U4 >U3 <M8[s] <m8[ms]"
    for data_type in [*map(np.dtype, data_types.split()), np.dtype([("a", "<i4"), ("b", "S3")])]:
        values = np.zeros((6, 4), data_type)
        if data_type.names is None:
            values[...] = np.arange(24).reshape(6, 4).astype(data_type)
        for order, compressor in (("C", "default"), ("F", None), ("F", zarr.LZ4()), ("C", zarr.BZ2(1))):
            layout = {"chunks": (3, 4), "order": order, "compressor": compressor, "fill_value": None}
            z = group.create_dataset(f"a{len(group)}", shape=(7, 5), dtype=data_type, **layout)
            z[:6, :4] = values
            z.attrs["order"] = order
    words = np.array(["a", "", "äβ"] * 5, object)
    group.create_dataset("texts", shape=15, chunks=4, dtype=str)[:] = words
    group.create_dataset("json", shape=15, chunks=4, dtype=object, object_codec=zarr.JSON())[:] = words
    group.create_dataset("delta", shape=50, chunks=20, dtype="<i8", filters=[zarr.Delta("<i8")])[:] = range(
        50
    )


WRITER = """
import json, sys, zarr
write_many(zarr, zarr.open_group(sys.argv[1], mode="w"))
groups = [zarr.open_group(path, mode="r") for path in sys.argv[1:]]
print(json.dumps([{name: array.hexdigest() for name, array in group.arrays()} for group in groups]))
"""


class TestDigest:
    def test_of_stored_chunks_metadata_and_attributes(self, z):
        found = {z.hexdigest()}
        assert z.digest().hex() in found
        z[6, 4] = 1
        found.add(z.hexdigest())
        z.attrs["x"] = 1
        found.add(z.hexdigest())
        z.resize(8, 5)
        found.add(z.hexdigest())
        assert len(found) == 4
        assert z.view(read_only=True).hexdigest() in found
        assert len(z.digest("md5")) == 16
        with pytest.raises(ValueError, match="unsupported"):
            z.digest("nonsense")

    def test_of_a_huge_sparse_array(self):
        z = zarrc.zeros((10**6, 10**6), chunks=(1000, 1))
        z[-1, -1] = 1
        assert len(z.hexdigest()) == 40

    def test_through_consolidated_metadata(self):
        root = zarrc.group({})
        z = root.create_dataset("z", data=np.arange(10))
        z.attrs["a"] = 1
        shown = zarrc.consolidate_metadata(root.store)
        assert shown["z"].hexdigest() == z.hexdigest()

    @pytest.mark.peer
    def test_is_that_of_zarr_python_2(self, tmp_path):
        z = zarrc.open(tmp_path / "a", mode="w", shape=(25, 7), chunks=(2, 3), dtype="i4", order="F")
        z[:21] = np.arange(147).reshape(21, 7)
        z.attrs["a"] = [1, "ä"]
        done = subprocess.run(
            [services.peer_python("zarr2"), "-E", "-c", PEER, tmp_path / "a"],
            capture_output=True,
            check=True,
            text=True,
        )
        assert done.stdout.split() == [z.hexdigest(), z.hexdigest("md5")]

    @pytest.mark.peer
    def test_zarr_python_2_agrees_on_what_either_wrote(self, tmp_path):
        write_many(zarrc, zarrc.open_group(tmp_path / "ours", mode="w"))
        code = f"import numpy as np\n{inspect.getsource(write_many)}{WRITER}"
        done = subprocess.run(
            [services.peer_python("zarr2"), "-E", "-c", code, tmp_path / "theirs", tmp_path / "ours"],
            capture_output=True,
            check=True,
            text=True,
        )
        found = [
            {
                name: array.hexdigest()
                for name, array in zarrc.open_group(tmp_path / folder, mode="r").arrays()
            }
            for folder in ("theirs", "ours")
        ]
        assert len(found[0]) == len(found[1]) > 70
        assert found == json.loads(done.stdout)
