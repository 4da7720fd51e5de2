"""Hypothesis strategies for selections with index arrays, and what NumPy makes of them.

What a selection means is told by a map: an array that holds the number of each element. Its
selection says which elements are read, and in which order they are written.
"""

from __future__ import annotations

import numpy as np
from array_strategies import random_array, shapes_and_chunks, slices, values_for
from fill_value_strategies import dtypes
from hypothesis import strategies as st
from numcodecs import Blosc, Zstd

INTEGERS = [
    np.dtype(order + kind) for order in "<>" for kind in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
]

ROADS = {
    "plain": {"compressor": None},
    "plain-F": {"compressor": None, "order": "F"},
    "zstd": {"compressor": Zstd(1)},
    "zstd-F": {"compressor": Zstd(1), "order": "F"},
    "blosc": {"compressor": Blosc("lz4", blocksize=256)},
    "plain-3": {"zarr_format": 3, "compressors": []},
    "zstd-3": {"zarr_format": 3, "compressors": [Zstd(1)]},
}
STORES = ["dict", "directory", "directory", "mapping", "overriding-dict"]


@st.composite
def stored(draw, max_dims=5, dtype=dtypes):
    """Keyword arguments of `create`, and data: compressed or not, in both formats."""
    shape, chunks = draw(shapes_and_chunks(max_dims))
    road = draw(st.sampled_from(list(ROADS)))
    data = random_array(draw(dtype), shape, draw(st.integers(0, 1000)))
    settings = {"shape": shape, "chunks": chunks, "dtype": data.dtype, "fill_value": None, **ROADS[road]}
    if settings.get("zarr_format") == 3:
        from zarrc.metadata.dtypes import native_dtype

        data = data.astype(native_dtype(data.dtype))
        settings["config"] = {"order": draw(st.sampled_from("CF"))}
        del settings["fill_value"]
    return settings, data


# -------------------------------------------------------------- index arrays


@st.composite
def positions(draw, n, shape):
    """An index array of a shape into an axis of length n: any integer type, layout, or a list."""
    size = int(np.prod(shape, dtype=int))
    if n == 0 and size:
        raise AssertionError("no positions in an empty axis")
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    found = rng.integers(-n, n, shape) if size else np.zeros(shape, int)
    kind = draw(st.sampled_from(["any", "any", "sorted", "few", "consecutive"]))
    if kind == "sorted":
        found = np.sort(found.reshape(-1) % max(n, 1)).reshape(shape)
    elif kind == "few":
        found = np.where(rng.random(shape) < 0.5, found[(0,) * len(shape)] if size else 0, found)
    elif kind == "consecutive" and len(shape) == 1 and shape[0] <= n:
        found = np.arange(*shape)
    return draw(as_user_might(found, n))


@st.composite
def as_user_might(draw, found, n):
    """The same positions as another object."""
    fitting = [
        d
        for d in INTEGERS
        if not found.size or (np.iinfo(d).min <= found.min() and found.max() <= np.iinfo(d).max)
    ]
    form = draw(st.sampled_from(["array", "array", "array", "list", "strided", "F", "unsigned", "tuple"]))
    if form == "unsigned" and n:
        found = found % n
        fitting = [d for d in fitting or INTEGERS if d.kind == "u"] or [np.dtype("u8")]
    found = found.astype(draw(st.sampled_from(fitting)))
    if form == "list" and (found.size or found.ndim == 1):
        return found.tolist()
    if form == "tuple" and found.ndim == 1:
        return tuple(found.tolist())
    if form == "strided" and found.ndim:
        return np.repeat(found, 2, axis=-1)[..., ::2]
    if form == "F":
        return np.asfortranarray(found)
    return found


@st.composite
def masks(draw, shape, n_true=None):
    """Booleans of a shape, `n_true` of them true, as an array or a list."""
    size = int(np.prod(shape, dtype=int))
    if n_true is None:
        n_true = draw(st.sampled_from([0, 1, size // 2, size - 1, size]))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    mask = np.zeros(size, bool)
    mask[rng.permutation(size)[: max(n_true, 0)]] = True
    mask = mask.reshape(shape)
    form = draw(st.sampled_from(["array", "array", "list", "F", "strided"]))
    if form == "list" and size:
        return mask.tolist()
    if form == "F":
        return np.asfortranarray(mask)
    if form == "strided":
        return np.repeat(mask, 2, axis=-1)[..., ::2]
    return mask


@st.composite
def _broadcastable(draw, shape):
    """A shape that broadcasts to another."""
    kept = shape[draw(st.integers(0, len(shape))) :] or shape[-1:]
    return tuple(1 if draw(st.integers(0, 3)) == 0 else n for n in kept)


def integers_of(n):
    """Single positions in an axis, also as NumPy has them."""
    found = st.integers(-n, n - 1)
    return found | found.map(np.int16) | found.map(np.array)


@st.composite
def numpy_selections(draw, shape):
    """What NumPy takes: integers, slices, an Ellipsis, arrays of integers that broadcast together, masks."""
    n_dims = draw(st.sampled_from([1, 1, 1, 2, 2, 3]))
    together = tuple(draw(st.lists(st.integers(0 if 0 in shape else 1, 4), min_size=n_dims, max_size=n_dims)))
    items = []
    axis = 0
    while axis < len(shape):
        n = shape[axis]
        kind = draw(st.sampled_from(["slice", "slice", "integer", "array", "array", "mask"]))
        used = 1
        if kind == "mask":
            used = draw(st.integers(1, min(2, len(shape) - axis)))
            size = int(np.prod(shape[axis : axis + used], dtype=int))
            wanted = draw(st.sampled_from([together[-1], 1]))
            if wanted > size:
                kind, used = "slice", 1
            else:
                items.append(draw(masks(shape[axis : axis + used], wanted)))
        if (n == 0 and kind == "integer") or (n == 0 and kind == "array" and 0 not in together):
            kind = "slice"
        if kind == "slice":
            items.append(draw(slices(n)))
        elif kind == "integer":
            items.append(draw(integers_of(n)))
        elif kind == "array":
            part = together if n == 0 else draw(_broadcastable(together))
            items.append(draw(positions(n, part)))
        axis += used
    return draw(_with_ellipsis(items))


@st.composite
def _with_ellipsis(draw, items):
    """Some items left out at the end, or an Ellipsis for some or for none."""
    kind = draw(st.sampled_from(["all", "fewer", "ellipsis", "ellipsis"]))
    if kind == "fewer":
        items = items[: draw(st.integers(0, len(items)))]
    elif kind == "ellipsis":
        a = draw(st.integers(0, len(items)))
        b = draw(st.integers(a, min(len(items), a + 2)))
        items = [*items[:a], Ellipsis, *items[b:]]
    if len(items) == 1 and not isinstance(items[0], tuple) and draw(st.booleans()):
        return items[0]
    return tuple(items)


@st.composite
def orthogonal_selections(draw, shape):
    """An integer, slice, 1-d array or boolean array for each axis."""
    items = []
    for n in shape:
        kind = draw(st.sampled_from(["slice", "integer", "array", "array", "mask"]))
        if kind == "integer" and n:
            items.append(draw(integers_of(n)))
        elif kind == "array":
            items.append(draw(positions(n, (draw(st.integers(0, 6)) if n else 0,))))
        elif kind == "mask":
            items.append(draw(masks((n,))))
        else:
            items.append(draw(slices(n)))
    return draw(_with_ellipsis(items))


@st.composite
def coordinate_selections(draw, shape):
    """One index array or integer for each axis, of shapes that broadcast together."""
    n_dims = draw(st.sampled_from([1, 1, 2, 3]))
    smallest = 0
    together = tuple(draw(st.lists(st.integers(smallest, 5), min_size=n_dims, max_size=n_dims)))
    if 0 in shape:
        together = (0, *together[1:])
    items = []
    for n in shape:
        if n and draw(st.integers(0, 4)) == 0:
            items.append(draw(integers_of(n)))
        else:
            items.append(draw(positions(n, together if n == 0 else draw(_broadcastable(together)))))
    return tuple(items)


# ---------------------------------------------------------- what they mean

KINDS = ["basic", "orthogonal", "points", "mask", "blocks"]


def block_selections(shape, chunks):
    """Strategy of block selections, and of the elements that they mean."""

    def items(n, c):
        count = -(-n // c)
        bound = st.none() | st.integers(-count, count)
        spans = st.builds(
            slice, st.none() | st.integers(-count, max(count - 1, 0)), bound, st.sampled_from([None, 1])
        )
        return spans | st.integers(-count, count - 1) if count else spans

    def elements(selection):
        found = []
        for item, n, c in zip(selection, shape, chunks, strict=True):
            count = -(-n // c)
            blocks = range(count)[item] if isinstance(item, slice) else [range(count)[item]]
            found.append(slice(blocks[0] * c, (blocks[-1] + 1) * c) if len(blocks) else slice(0, 0))
        return tuple(found)

    return st.tuples(*map(items, shape, chunks)).map(lambda selection: (selection, elements(selection)))


def drawn(data, kind, z, a):
    """Draw a selection of a kind; return how it is read, how it is written, and the elements it means."""
    numbers = numbered(a.shape)
    if kind == "basic":
        selection = data.draw(numpy_selections(a.shape))
        return z.__getitem__, z.__setitem__, selection, select(numbers, selection)
    if kind == "orthogonal":
        selection = data.draw(orthogonal_selections(a.shape))
        return z.oindex.__getitem__, z.oindex.__setitem__, selection, select_orthogonally(numbers, selection)
    if kind == "points":
        selection = data.draw(coordinate_selections(a.shape))
        elements = numbers[selection]
        if a.ndim and np.ndim(elements) == 0:
            elements = np.atleast_1d(elements)
        return z.vindex.__getitem__, z.vindex.__setitem__, selection, elements
    if kind == "mask":
        mask = data.draw(masks(a.shape))
        return z.vindex.__getitem__, z.vindex.__setitem__, mask, numbers[np.asarray(mask, bool)]
    selection, elements = data.draw(block_selections(a.shape, z.chunks))
    return (
        z.blocks.__getitem__,
        z.blocks.__setitem__,
        selection,
        numbers[(*elements, ...)] if a.ndim else numbers[()],
    )


def numbered(shape):
    """The map: an array of the numbers of its elements."""
    return np.arange(np.prod(shape, dtype=int)).reshape(shape)


def select_orthogonally(elements, selection):
    """What an orthogonal selection takes of the map: the selection of each axis in turn."""
    items = list(selection) if isinstance(selection, tuple) else [selection]
    if not any(item is Ellipsis for item in items):
        items.append(Ellipsis)
    place = next(i for i, item in enumerate(items) if item is Ellipsis)
    items[place : place + 1] = [slice(None)] * (elements.ndim - len(items) + 1)
    for axis in range(elements.ndim - 1, -1, -1):
        item = items[axis]
        if isinstance(item, list | tuple) and not item:
            item = np.zeros(0, int)
        elements = elements[(slice(None),) * axis + (np.asarray(item) if isinstance(item, tuple) else item,)]
    return elements[()]  # a scalar where no axis is left


def is_orthogonal(selection, ndim):
    """Whether `z[selection]` is orthogonal by the documents: one 1-d array, and other items."""
    items = selection if isinstance(selection, tuple) else (selection,)
    arrays = [np.asarray(item) for item in items if not isinstance(item, slice) and item is not Ellipsis]
    arrays = [array for array in arrays if array.ndim]
    return len(arrays) == 1 and arrays[0].ndim == 1


def select(elements, selection):
    """What ``z[selection]`` takes of the map."""
    if is_orthogonal(selection, elements.ndim):
        return select_orthogonally(elements, selection)
    return elements[selection]


def take(data, elements):
    """Elements of data by their numbers: an array, or a scalar where the map gave one."""
    found = data.reshape(-1)[elements]
    if isinstance(elements, np.ndarray) and elements.ndim == 0:
        return np.array(found, dtype=data.dtype)
    return found


def put(data, elements, value):
    """Assign to elements of C-contiguous data by their numbers; of repeated ones the last value stays."""
    values = np.empty(np.shape(elements), data.dtype)
    values[...] = value
    flat = data.reshape(-1)
    assert flat.base is not None
    flat[np.ravel(elements)] = values.reshape(-1)


@st.composite
def changes(draw, elements, dtype):
    """A value that can be assigned to a selection."""
    return draw(values_for(np.shape(elements), dtype))
