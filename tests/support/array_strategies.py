"""Hypothesis strategies and helpers for tests of arrays: shapes, chunks, data, codecs, selections, stores."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import MutableMapping
from contextlib import contextmanager
from itertools import product

import numcodecs
import numpy as np
from fill_value_strategies import dtypes, scalars
from hypothesis import strategies as st

from zarrc.codecs import BytesCodec, Crc32cCodec, GzipCodec, ZstdCodec
from zarrc.storage import DirectoryStore, KVStore, MemoryStore

# ------------------------------------------------------------------- arrays


def random_array(dtype, shape, seed=0):
    """An array of a dtype and shape: any bits where any bits are legal, some elements alike."""
    rng = np.random.default_rng(seed)
    found = np.zeros(shape, dtype)
    _fill(found, rng)
    if found.size:
        # neighbours that repeat, so that chunks may be empty or compress well
        flat = found.reshape(-1)
        flat[rng.random(flat.size) < 0.5] = flat[0]
    return found


def _fill(out, rng):
    if out.dtype.names is not None:
        for name in out.dtype.names:
            _fill(out[name], rng)
    elif out.dtype.kind == "b":
        out[...] = rng.integers(0, 2, out.shape)
    elif out.dtype.kind == "U":
        pool = np.array(["", "a", "é", "zürich", "\U0001f600 end"])
        out[...] = pool[rng.integers(0, len(pool), out.shape)]
    else:
        out[...] = np.frombuffer(rng.bytes(out.nbytes), out.dtype).reshape(out.shape)


def assert_same(got, expected):
    """One type, shape, dtype and the same bits."""
    assert type(got) is type(expected)
    assert np.shape(got) == np.shape(expected)
    assert np.asarray(got).dtype == np.asarray(expected).dtype
    assert np.asarray(got).tobytes() == np.asarray(expected).tobytes()


@st.composite
def shapes_and_chunks(draw, max_dims=5, max_elements=1500):
    """A shape of 0 to `max_dims` axes, some perhaps empty, and chunks that need not divide it."""
    ndim = draw(st.integers(0, max_dims))
    longest = {0: 0, 1: 60, 2: 20, 3: 9, 4: 6}.get(ndim, 4)
    shape = tuple(draw(st.lists(st.integers(0, longest), min_size=ndim, max_size=ndim)))
    # long chunks first: 0 stands for all of the axis
    chunks = tuple(max(1, n - draw(st.integers(-2, max(n, 1) - 1))) for n in shape)
    while np.prod(shape, dtype=int) > max_elements:
        shape = tuple(n // 2 for n in shape)
    while np.prod([-(-n // c) for n, c in zip(shape, chunks, strict=True)], dtype=int) > 200:
        chunks = tuple(2 * c for c in chunks)
    return shape, chunks


# ------------------------------------------------------------------- codecs

COMPRESSORS = {
    "none": lambda: None,
    "zstd": numcodecs.Zstd,
    "zstd-checksum": lambda: ZstdCodec(level=1, checksum=True),
    "blosc-lz4": lambda: numcodecs.Blosc("lz4", shuffle=numcodecs.Blosc.SHUFFLE),
    "blosc-zstd": lambda: numcodecs.Blosc("zstd", clevel=1, shuffle=numcodecs.Blosc.BITSHUFFLE),
    "blosc-blosclz": lambda: numcodecs.Blosc("blosclz", shuffle=numcodecs.Blosc.NOSHUFFLE),
    "blosc-small-blocks": lambda: numcodecs.Blosc("lz4", blocksize=256),
    "gzip": numcodecs.GZip,
    "lz4": numcodecs.LZ4,
    "zlib": numcodecs.Zlib,
    "bz2": numcodecs.BZ2,
    "lzma": lambda: numcodecs.LZMA(preset=0),
}


@st.composite
def codings(draw, zarr_format, dtype):
    """Keyword arguments of `create` that say how chunks become bytes."""
    compressor = COMPRESSORS[draw(st.sampled_from(list(COMPRESSORS)))]()
    filters = []
    if dtype.kind in "iu" and draw(st.booleans()):
        filters.append(numcodecs.Delta(dtype.newbyteorder("=") if zarr_format == 3 else dtype))
    if zarr_format == 2:
        if draw(st.integers(0, 3)) == 0:
            filters.append(numcodecs.Shuffle(dtype.itemsize))
        if draw(st.integers(0, 3)) == 0:
            filters.append(numcodecs.CRC32())
        return {"compressor": compressor, "filters": filters or None, "order": draw(st.sampled_from("CF"))}
    compressors = [] if compressor is None else [compressor]
    if draw(st.integers(0, 3)) == 0:
        compressors.append(Crc32cCodec())
    if draw(st.integers(0, 3)) == 0:
        compressors.insert(0, GzipCodec(level=1))
    endian = draw(st.sampled_from(["little", "big"]))
    return {"compressors": compressors, "filters": filters, "serializer": BytesCodec(endian=endian)}


@st.composite
def shards(draw, chunks):
    """What `create` takes as shards: none, or a few chunks along each axis under one key."""
    if draw(st.booleans()):
        return None
    per_key = [draw(st.integers(1, 3 if len(chunks) < 4 else 2)) for _ in chunks]
    shape = tuple(n * c for n, c in zip(per_key, chunks, strict=True))
    return {"shape": shape, "index_location": draw(st.sampled_from(["start", "end"]))}


@st.composite
def array_settings(draw, dtype, shape, chunks):
    """Keyword arguments of `zarrc.create` for an array of a dtype, shape and chunks."""
    zarr_format = draw(st.sampled_from([2, 3]))
    separator = draw(st.sampled_from([".", "/"]))
    if zarr_format == 2:
        keys = {"dimension_separator": separator}
    else:
        keys = {
            "chunk_key_encoding": {"name": draw(st.sampled_from(["default", "v2"])), "separator": separator},
            "shards": draw(shards(chunks)),
        }
    return {
        "shape": shape,
        "chunks": chunks,
        "dtype": dtype,
        "zarr_format": zarr_format,
        **keys,
        "fill_value": draw(st.none() | scalars(dtype)) if zarr_format == 2 else draw(scalars(dtype)),
        "write_empty_chunks": draw(st.booleans()),
        **draw(codings(zarr_format, dtype)),
    }


@st.composite
def arrays(draw, max_dims=5):
    """Settings of an array, and data for it."""
    shape, chunks = draw(shapes_and_chunks(max_dims))
    dtype = draw(dtypes)
    settings = draw(array_settings(dtype, shape, chunks))
    data = random_array(dtype, shape, draw(st.integers(0, 1000)))
    if draw(st.booleans()):
        data = data.reshape(shape, order="F").copy(order="F")
    return settings, data


def native(data, zarr_format):
    """Data as arrays of a format return them: in format 3 the byte order is the machine's."""
    if zarr_format == 2:
        return data
    from zarrc.metadata.dtypes import native_dtype

    return data.astype(native_dtype(data.dtype))


# --------------------------------------------------------------- selections


def slices(n):
    """Slices of an axis of `n` elements, some beyond its ends."""
    bound = st.none() | st.integers(-n - 3, n + 3)
    step = st.none() | st.integers(-n - 2, -1) | st.integers(1, n + 2) | st.sampled_from([2**62, -(2**62)])
    return st.builds(slice, bound, bound, step)


def _items(n):
    if n == 0:
        return slices(n)
    integers = st.integers(-n, n - 1)
    return integers | integers.map(np.int64) | integers.map(np.int8) | slices(n) | slices(n)


@st.composite
def basic_selections(draw, shape):
    """What NumPy takes as a basic selection: integers, slices, at most one Ellipsis; fewer than axes."""
    items = [draw(_items(n)) for n in shape]
    kind = draw(st.sampled_from(["all", "all", "fewer", "ellipsis", "ellipsis"]))
    if kind == "fewer":
        items = items[: draw(st.integers(0, len(items)))]
    elif kind == "ellipsis":
        a = draw(st.integers(0, len(items)))
        b = draw(st.integers(a, len(items)))
        items[a:b] = [Ellipsis]
    if len(items) == 1 and draw(st.booleans()):
        return items[0]
    return tuple(items)


@st.composite
def values_for(draw, shape, dtype):
    """Something that can be assigned to a selection of that shape: broadcast, transposed, strided, read-only."""
    kind = draw(
        st.sampled_from(["same", "same", "fortran", "reversed", "strided", "broadcast", "scalar", "ones"])
    )
    seed = draw(st.integers(0, 1000))
    if kind == "fortran":
        return random_array(dtype, shape, seed).copy(order="F")
    if kind == "reversed":
        return random_array(dtype, shape[::-1], seed).T
    if kind == "strided":
        return random_array(dtype, tuple(2 * n for n in shape), seed)[
            tuple(slice(None, None, -2) for _ in shape)
        ]
    if kind == "scalar":
        return random_array(dtype, (), seed)[()]
    if kind == "broadcast" and shape:
        small = tuple(1 if draw(st.booleans()) else n for n in shape)
        small = small[draw(st.integers(0, len(small))) :]
        return random_array(dtype, small, seed)
    if kind == "ones" and shape:
        return random_array(dtype, (1, *shape), seed)
    value = random_array(dtype, shape, seed)
    value.flags.writeable = False
    return value


# ------------------------------------------------------------------- stores


class OverridingDict(dict):
    """A dict that wants to be asked: through the mapping methods alone are its values right."""

    def __getitem__(self, key):
        value = super().__getitem__(key)
        return value if key.rpartition("/")[2].startswith((".z", "zarr.json")) else value[::-1]

    def __setitem__(self, key, value):
        value = bytes(value)
        super().__setitem__(
            key, value if key.rpartition("/")[2].startswith((".z", "zarr.json")) else value[::-1]
        )


class CountingMapping(MutableMapping):
    """A mapping of its own that counts what is done with each key."""

    def __init__(self):
        self.data = {}
        self.counts = {}

    def _count(self, what, key):
        self.counts[what, key] = self.counts.get((what, key), 0) + 1

    def __getitem__(self, key):
        self._count("get", key)
        return self.data[key]

    def __setitem__(self, key, value):
        self._count("set", key)
        self.data[key] = bytes(value)

    def __delitem__(self, key):
        self._count("delete", key)
        del self.data[key]

    def __iter__(self):
        return iter(self.data)

    def __len__(self):
        return len(self.data)

    def __contains__(self, key):
        return key in self.data


class OverridingMemoryStore(MemoryStore):
    """A store of zarrc with one method between: used as a mapping."""

    def __getitem__(self, key):
        return super().__getitem__(key)


STORES = {
    "dict": dict,
    "memory": MemoryStore,
    "kv": lambda: KVStore({}),
    "overriding-dict": OverridingDict,
    "mapping": CountingMapping,
    "overriding-memory": OverridingMemoryStore,
}
STORE_NAMES = [*STORES, "directory"]


@contextmanager
def new_store(name):
    """A store that is empty, and gone afterwards."""
    if name in STORES:
        yield STORES[name]()
        return
    folder = tempfile.mkdtemp(prefix="zarrc-test-")
    try:
        yield DirectoryStore(folder)
    finally:
        shutil.rmtree(folder)


def chunk_values(store):
    """The keys of chunks and what they hold, as bytes."""
    return {
        key: bytes(store[key]) for key in store if not key.rpartition("/")[2].startswith((".z", "zarr.json"))
    }


def chunk_regions(shape, chunks):
    """Coordinates and the region of each chunk of a grid."""
    counts = [-(-n // c) for n, c in zip(shape, chunks, strict=True)]
    for coords in product(*map(range, counts)):
        yield coords, tuple(slice(k * c, (k + 1) * c) for k, c in zip(coords, chunks, strict=True))
