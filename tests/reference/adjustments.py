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
    Adjustment("001-distributed-cloud-storage", "an account", lines=range(2439, 2445), needs="azure-server"),
    Adjustment("001-distributed-cloud-storage", "a bucket", lines=range(2465, 2480), needs="s3-server"),
    Adjustment("001-io-with-fsspec", "a bucket", needs="s3-server"),
    Adjustment(
        "001-io-with-fsspec",
        "a slip of the pen",
        containing="* doctest",
        replace={"  * doctest": "  # doctest"},
    ),
    Adjustment("001-consolidating-metadata", "goes on with the bucket", needs="s3-server"),
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
]

STORAGE_REFERENCE = [
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
        mask=r"0\.\d+",
    ),
]

GUIDE = [
    Adjustment("000-line-102", "the report of format 3", needs="the surface of version 3"),
    Adjustment("000-line-130", "the report of format 3", needs="the surface of version 3"),
    Adjustment("000-line-218", "sharding", needs="the surface of version 3"),
]

QUICK_START = [
    Adjustment("003", "names, sizes and folders are not adjusted yet", needs="the surface of version 3"),
]

ADJUSTMENTS = [*GUIDE, *TUTORIAL, *BLOG, *QUICK_START, *STORAGE_REFERENCE]
