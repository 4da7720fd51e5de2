"""Where the documents cannot be taken by the letter, and why: one row for each such place.

Each row names a section by its id, which is that of its test, or a whole document. A row that fits
nothing is an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from extracting import Example, Section


@dataclass(frozen=True)
class Adjustment:
    """A change to some examples.

    Attributes
    ----------
    section : str
        Id of a section, as ``"001-compressors"``, or the number of a document for all of it.
    why : str
    containing : str
        Only the examples of which the code contains this.
    lines : range
        Only the examples that begin in these lines of the document.
    replace : dict
        In the code: texts and what comes in their place.
    want : dict
        The same in the output shown.
    mask : str
        A regular expression of output that does not count.
    before, after : str
        Code that is run around the example: to bind names that the document takes as given, and to check
        what it says in words.
    raises : str
        An error, as ``"ValueError: its message"``, after which the example goes on.
    warns : str
        A regular expression that a warning of the example fits.
    needs : str
        A server (see ``reference_servers``) or a Python module.
    skip : bool
        Leave the examples out.
    """

    section: str
    why: str
    containing: str = ""
    lines: range | None = None
    replace: dict[str, str] = field(default_factory=dict)
    want: dict[str, str] = field(default_factory=dict)
    mask: str = ""
    before: str = ""
    after: str = ""
    raises: str = ""
    warns: str = ""
    needs: str = ""
    skip: bool = False

    def concerns(self, section: Section, example: Example) -> bool:
        """Say whether the row is about an example of a section."""
        return (
            self.section in (section.id, section.document)
            and self.containing in example.source
            and (self.lines is None or example.line in self.lines)
        )


_FRESH = "import shutil; [shutil.rmtree(name, ignore_errors=True) for name in ('a.zarr', 'b.zarr', 'c.zarr')]"

TUTORIAL = [
    Adjustment(
        "001-compressors",
        "numcodecs is no longer built with snappy",
        containing="list_compressors",
        want={"'snappy', ": ""},
    ),
    Adjustment(
        "001-compressors",
        "Python keeps the order of names in a dict",
        lines=range(1831, 1832),
        want={"{'dist': 4, 'id': 3}": "{'id': 3, 'dist': 4}"},
    ),
    Adjustment(
        "001-storage-alternatives",
        "bsddb3 has become berkeleydb",
        containing="import bsddb3",
        replace={"bsddb3": "berkeleydb as bsddb3"},
    ),
    Adjustment(
        "001-storage-alternatives",
        "the database that the module opens",
        lines=range(2343, 2348),
        needs="berkeleydb",
    ),
    Adjustment(
        "001-copying-migrating-data",
        "printed with a lower threshold than NumPy's own",
        lines=range(2666, 2667),
        before="np.set_printoptions(threshold=20)",
        after="np.set_printoptions(threshold=1000)",
    ),
    Adjustment(
        "001-copying-migrating-data",
        "the size of .zarray documents and of compressed chunks",
        containing="copy_store",
        mask=r"1,\d\d\d bytes copied|\(11, 0, 1\d\d\d\)",
    ),
    Adjustment(
        "001-empty-chunks",
        "timings",
        containing="timed_write(write_empty_chunks)",
        mask=r"\d\.\d{4}s",
    ),
    Adjustment(
        "001-changing-chunk-shapes-rechunking",
        "several examples make an array of the same name",
        containing="zarr.zeros",
        before=_FRESH,
    ),
    Adjustment(
        "001-configuring-blosc",
        "how many threads there were depends on the machine",
        containing="set_nthreads",
        mask=r"^\d+$",
    ),
    Adjustment("001-distributed-cloud-storage", "a bucket", lines=range(2405, 2432), needs="s3-server"),
    Adjustment(
        "001-distributed-cloud-storage",
        "the document is older than FSStore, which takes fsspec's mappers now",
        containing="z.info",
        want={"zarr.storage.KVStore": "zarr.storage.FSStore"},
    ),
    Adjustment("001-distributed-cloud-storage", "an account", lines=range(2439, 2445), needs="azure-server"),
    Adjustment(
        "001-distributed-cloud-storage",
        "the client of a container of that account",
        containing="ContainerClient(...)",
        replace={
            "ContainerClient(...)": "ContainerClient.from_connection_string("
            "__import__('os').environ['AZURE_STORAGE_CONNECTION_STRING'], 'zarr-demo')"
        },
    ),
    Adjustment(
        "001-distributed-cloud-storage",
        "timings",
        containing="timeit(",
        mask=r"\d\.\d+(e-\d+)?",
    ),
    Adjustment("001-distributed-cloud-storage", "a bucket", lines=range(2465, 2480), needs="s3-server"),
    Adjustment("001-io-with-fsspec", "a bucket", needs="s3-server"),
    Adjustment(
        "001-io-with-fsspec",
        "a slip of the pen",
        containing="* doctest",
        replace={"  * doctest": "  # doctest"},
    ),
    Adjustment("001-consolidating-metadata", "goes on with the bucket", needs="s3-server"),
    Adjustment(
        "001-consolidating-metadata",
        "the group that it returns, which the document does not show",
        containing="zarr.consolidate_metadata(store)",
        replace={"zarr.consolidate_metadata(store)": "_ = zarr.consolidate_metadata(store)"},
    ),
]

BLOG = [
    Adjustment(
        "002-storing-numpy-arrays",
        "the error that the text speaks of",
        containing="savetxt",
        raises="ValueError: Expected 1D or 2D array, got 3D array instead",
    ),
    Adjustment(
        "002-storing-numpy-arrays",
        "NumPy's random numbers from this seed have other means",
        lines=range(70, 71),
        mask=r"0\.(49|50)\d+",
        before="import numpy as np; assert np.array_equal(zarr_in_3D[:,:,10], array_3D[:,:,10])",
    ),
    Adjustment(
        "002-storing-numpy-arrays",
        "NumPy's random numbers from this seed have other means",
        lines=range(97, 98),
        mask=r"0\.(49|50)\d+",
        after="assert np.array_equal(numpy_in_3d[..., 11:], array_3D[..., 11:])",
    ),
    Adjustment("002-accessing-zarr-arrays-from-the-cloud", "a bucket", needs="s3-server"),
    Adjustment(
        "002-accessing-zarr-arrays-from-the-cloud",
        "the document is older than FSStore, which takes fsspec's mappers now",
        want={"zarr.storage.KVStore": "zarr.storage.FSStore"},
    ),
]

STORAGE_REFERENCE = [
    Adjustment(
        "000-line-114",
        "zarrc warns, as zarr-python does, of codecs that format 3 does not specify",
        containing="import LZMA",
        warns="ZarrUserWarning: Numcodecs codecs",
    ),
    Adjustment(
        "000-line-130",
        "zarrc warns, as zarr-python does, of codecs that format 3 does not specify",
        containing="import Delta",
        warns="ZarrUserWarning: Numcodecs codecs",
    ),
    Adjustment(
        "004-DictStore",
        "the document is older than the tutorial: groups are made in a MemoryStore",
        containing="g.store",
        want={"DictStore": "MemoryStore"},
    ),
    Adjustment(
        "004-DictStore",
        "the document is older than the tutorial: arrays are made in a KVStore",
        containing="z.store",
        want={"<class 'dict'>": "<class 'zarr.storage.KVStore'>"},
    ),
    Adjustment(
        "004-ZipStore",
        "the warnings that the text speaks of",
        containing="generates warnings",
        warns=r"Duplicate name: '\d'",
    ),
    Adjustment(
        "004-DBMStore",
        "bsddb3 has become berkeleydb",
        containing="import bsddb3",
        replace={"bsddb3": "berkeleydb as bsddb3"},
    ),
    Adjustment(
        "004-DBMStore", "the database that the module opens", lines=range(288, 293), needs="berkeleydb"
    ),
    Adjustment("004-LRUStoreCache", "a bucket", needs="s3-server"),
    Adjustment(
        "004-LRUStoreCache",
        "tostring has become tobytes; timings",
        containing="tostring",
        replace={"tostring": "tobytes"},
        mask=r"\d\.\d+(e-\d+)?",
    ),
]

_SMALLER = {"(1000, 1000)": "(100, 100)", "(10000, 10000)": "(1000, 1000)"}
_DASK = """import dask.array as da
dask_z = da.from_zarr('data.zarr')
result = dask_z.mean().compute()  # Processes in chunks
"""
_XARRAY = """import xarray as xr
ds = xr.open_zarr('data.zarr')
ds.to_netcdf('data.nc')
"""
_HDF5 = """
import h5py
import numpy as np
with h5py.File('data.h5', 'w') as file:
    file['dataset_name'] = np.arange(10000).reshape(100, 100)
np.save('data.npy', np.arange(10000).reshape(100, 100))
"""

QUICK_START = [
    Adjustment("003-installation", "commands of a shell", skip=True),
    Adjustment("003-installation-2", "commands of a shell", skip=True),
    Adjustment("003-basic-array-creation", "scaled", replace=_SMALLER),
    Adjustment(
        "003-creating-arrays",
        "two arrays of one path",
        replace={"chunks=(10, 10), store='data.zarr'": "chunks=(10, 10), store='data.zarr', overwrite=True"},
    ),
    Adjustment(
        "003-opening-existing-arrays",
        "the array that there is",
        before="import zarr; zarr.zeros((100, 100), chunks=(10, 10), store='data.zarr')",
    ),
    Adjustment(
        "003-reading-and-writing-data",
        "the array, with 100 columns",
        before="import zarr; z = zarr.zeros((100, 100), chunks=(10, 10))",
        after="assert (data.shape, row.shape) == ((100, 100), (100,)); assert (z[0] == np.arange(100)).all()",
    ),
    Adjustment(
        "003-resizing-and-appending",
        "scaled; rows that are appended are as long as the resized array's",
        before="import zarr; z = zarr.zeros((100, 100), chunks=(10, 10))",
        replace={"15000, 15000": "150, 150", "(1000, 10000)": "(10, 150)"},
        after="assert z.shape == (160, 150)",
    ),
    Adjustment(
        "003-sharding-for-large-scale-storage",
        "what it says in words",
        after="assert (z.chunks, z.shards) == ((100, 100), (1000, 1000))",
    ),
    Adjustment(
        "003-configuring-compression",
        "three arrays of one path",
        replace={"store='data.zarr'": "overwrite=True, store='data.zarr'"},
        after="assert z.compressors == ()",
    ),
    Adjustment(
        "003-cloud-storage-s3-gcs",
        "data",
        needs="s3-server",
        before="import numpy as np, zarr; data = np.arange(1_000_000.0).reshape(1000, 1000)",
        after="assert z.shape == (1000, 1000)",
    ),
    Adjustment("003-cloud-storage-s3-gcs", "a bucket of Google's", needs="gcs-server"),
    Adjustment(
        "003-creating-and-using-groups",
        "what it says in words",
        after="assert array.shape == (365, 720, 1440)",
    ),
    Adjustment(
        "003-attributes-and-metadata",
        "the array was in memory: in the folder is the group",
        replace={"z2.attrs['description']": "z2.attrs['project']"},
    ),
    Adjustment("003-dask-integration", "another library", skip=True),
    Adjustment("003-xarray-integration", "another library", skip=True),
    Adjustment(
        "003-thread-safe-operations",
        "the array that there is",
        before="import zarr; zarr.zeros((10000, 10000), chunks=(1000, 1000), store='data.zarr')",
    ),
    Adjustment(
        "003-process-safe-operations",
        "the array that there is",
        before="import zarr; zarr.zeros((10000, 10000), chunks=(1000, 1000), store='data.zarr')",
    ),
    Adjustment("003-checklist-for-optimal-performance-5", "a length", before="chunk_size = 100"),
    Adjustment("003-checklist-for-optimal-performance-6", "another library", skip=True),
    Adjustment(
        "003-profiling-and-debugging",
        "an array",
        before="import zarr; z = zarr.array(np.arange(1000), chunks=100)",
    ),
    Adjustment(
        "003-pattern-time-series-data", "what it says in words", after="assert z.shape == (1, 720, 1440)"
    ),
    Adjustment("003-pattern-large-matrix-operations", "another library", skip=True),
    Adjustment(
        "003-pattern-cloud-native-workflow",
        "a bucket; scaled; data",
        needs="s3-server",
        replace={"(10000, 10000)": "(1000, 1000)"},
        before="import numpy as np; data = np.arange(1_000_000.0).reshape(1000, 1000)",
        after="assert (subset == data[:100, :100].astype('f4')).all()",
    ),
    Adjustment(
        "003-pattern-format-conversion",
        "the files that there are; two arrays of one path; the last lines are of another library",
        before=_HDF5,
        replace={_XARRAY: "", "chunks='auto', store": "chunks='auto', overwrite=True, store"},
        after="assert (z[:] == data).all()",
    ),
    Adjustment("003-issue-slow-performance", "an array", before="import zarr; z = zarr.zeros(1000)"),
    Adjustment(
        "003-issue-high-memory-usage",
        "an array, and what to do with its parts; the last lines are of another library",
        before="import zarr; z = zarr.zeros((2500, 10)); process = np.sum",
        replace={_DASK: ""},
    ),
    Adjustment(
        "003-issue-cloud-storage-latency",
        "a store with a hierarchy",
        before="import zarr; store = zarr.MemoryStore(); zarr.group(store).zeros('a', shape=10)",
    ),
    Adjustment(
        "003-issue-concurrent-write-conflicts",
        "the array that there is",
        before="import zarr; zarr.zeros(10, store='data.zarr')",
    ),
]

ADJUSTMENTS = [*TUTORIAL, *BLOG, *QUICK_START, *STORAGE_REFERENCE]
