"""What xarray and dask do with zarrc, which stands under the name of zarr; prints the names of what worked.

Arguments: an empty folder, and the format to write.
"""

import sys

import zarrc

sys.modules["zarr"] = zarrc

import dask.array as da  # noqa: E402
import numpy as np  # noqa: E402
import xarray as xr  # noqa: E402

ROOT, ZARR_FORMAT = sys.argv[1], int(sys.argv[2])
DATA = xr.Dataset(
    {
        "t": (("time", "x"), np.random.default_rng(0).random((10, 20))),
        "names": (("x",), np.array(list("abcdefghijklmnopqrst"), dtype=object)),
    },
    coords={"time": np.datetime64("2020-01-01", "ns") + np.arange(10) * np.timedelta64(1, "D")},
    attrs={"institute": "here"},
)


def written(name):
    path = f"{ROOT}/{name}"
    DATA.to_zarr(path, zarr_format=ZARR_FORMAT, consolidated=True)
    return path


def append():
    path = written("append")
    later = DATA.assign_coords(time=DATA.time + np.timedelta64(10, "D"))
    later.to_zarr(path, append_dim="time")
    xr.testing.assert_identical(xr.open_zarr(path).t.load(), xr.concat([DATA.t, later.t], "time"))


def chunks():
    path = f"{ROOT}/chunks"
    encoding = {"t": {"chunks": (5, 20)}}
    DATA.chunk(time=5).to_zarr(path, zarr_format=ZARR_FORMAT, encoding=encoding)
    assert zarrc.open_group(path)["t"].chunks == (5, 20)
    np.testing.assert_allclose(xr.open_zarr(path, chunks={}).t.sum(), DATA.t.sum())


def dask():
    numbers = da.random.random((100, 100), chunks=(50, 50))
    z = zarrc.create_array({}, shape=(100, 100), chunks=(50, 50), dtype="f8", zarr_format=ZARR_FORMAT)
    numbers.to_zarr(z)
    assert (da.from_zarr(z).compute() == z[:]).all()
    assert z[:].any()
    assert ((da.from_array(z, chunks=z.chunks) + 1).compute() == z[:] + 1).all()
    da.store(numbers + 1, z)
    assert z[:].min() >= 1
    numbers.to_zarr(f"{ROOT}/dask")
    assert zarrc.open_array(f"{ROOT}/dask").shape == (100, 100)


def groups():
    path = f"{ROOT}/groups"
    tree = xr.DataTree.from_dict({"/": DATA, "/below": DATA})
    tree.to_zarr(path, zarr_format=ZARR_FORMAT)
    with xr.open_datatree(path, engine="zarr") as found:
        xr.testing.assert_identical(found.load(), tree)


def memory():
    store = zarrc.storage.MemoryStore()
    DATA.to_zarr(store, zarr_format=ZARR_FORMAT)
    xr.testing.assert_identical(xr.open_zarr(store).load(), DATA)


def open_all():
    path = written("open")
    for consolidated in (True, False):
        xr.testing.assert_identical(xr.open_zarr(path, consolidated=consolidated).load(), DATA)


def region():
    path = written("region")
    part = DATA[["t"]].isel(time=slice(2, 4)).drop_vars("time") + 1
    part.to_zarr(path, region={"time": slice(2, 4)})
    found = xr.open_zarr(path).t.values
    np.testing.assert_array_equal(found[2:4], DATA.t.values[2:4] + 1)
    np.testing.assert_array_equal(found[4:], DATA.t.values[4:])


for use in (append, chunks, dask, groups, memory, open_all, region):
    use()
    print(use.__name__)
