"""Selections to plans: which part of which chunk is read or written.

A plan is a product of factors. Each covers an axis, or several axes that share lists of
positions, and has a row for every chunk that the selection touches along it; the chunks
touched are all combinations of rows, the last factor fastest. For ::

    z[5:12, 3]      of shape (20, 20) in chunks of (10, 10)

axis 0 has two rows (chunk 0: elements 5 … 9 to 0 … 4; chunk 1: elements 0 … 1 to 5 … 6)
and axis 1 one row (chunk 0: element 3), without a place in the result. A list of positions is
sorted by chunk, unless it is so already, and a mask is only counted: see ``grouping.hpp``.
"""

from cpython.bool cimport PyBool_Check
from cpython.long cimport PyLong_Check
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.slice cimport PySlice_Check
from cpython.tuple cimport PyTuple_Check, PyTuple_GET_ITEM, PyTuple_GET_SIZE, PyTuple_New, PyTuple_SET_ITEM
from cpython.ref cimport Py_INCREF, PyObject
from libc.stdlib cimport free
from libc.string cimport memset
cimport cython

from .types cimport index_t

from itertools import chain, product

from zarrc.errors import BoundsCheckError

cdef extern from "grouping.hpp" namespace "zarrc" nogil:
    ctypedef struct Group:
        index_t chunk
        index_t start
        index_t count

    ctypedef struct Groups:
        Group* rows
        index_t n
        int bad_axis
        index_t bad_entry
        bint no_memory

    Groups group(List*)
    Groups group_mask(List*)

cdef extern from "Python.h":
    # declared here as working on borrowed references and index_t
    int PySlice_Unpack(object, Py_ssize_t*, Py_ssize_t*, Py_ssize_t*) except -1
    Py_ssize_t PySlice_AdjustIndices(Py_ssize_t, Py_ssize_t*, Py_ssize_t*, Py_ssize_t)
    Py_ssize_t PyLong_AsSsize_t(object) except? -1
    bint PyIndex_Check(object)
    Py_ssize_t PyNumber_AsSsize_t(object, object) except? -1


@cython.freelist(16)
cdef class Grid:
    """A regular chunk grid.

    Parameters
    ----------
    shape, chunk_shape : tuple of int
        Of the array and of a chunk; chunks are at least 1 long, edge chunks may hang over.
    """

    def __cinit__(self, tuple shape, tuple chunk_shape):
        cdef int i
        self.shape = shape
        self.chunk_shape = chunk_shape
        self.ndim = len(shape)
        if len(chunk_shape) != self.ndim:
            raise ValueError(f"chunks {chunk_shape} and shape {shape} differ in number of dimensions")
        if self.ndim > 64:
            raise ValueError(f"arrays have 64 dimensions at most, not {self.ndim}")
        self.extents = <index_t*> PyMem_Malloc(2 * max(1, self.ndim) * sizeof(index_t))
        if self.extents == NULL:
            raise MemoryError
        self.chunk_extents = self.extents + self.ndim
        for i in range(self.ndim):
            self.extents[i] = shape[i]
            self.chunk_extents[i] = chunk_shape[i]
            if self.chunk_extents[i] < 1:
                raise ValueError(f"chunks must be at least 1 long, not {chunk_shape}")

    def __dealloc__(self):
        PyMem_Free(self.extents)

    cdef bint is_ragged(self, tuple per_key) except -1:
        """Whether the last keys reach over the array's end."""
        cdef index_t n
        cdef int i
        for i in range(self.ndim):
            n = 1 if per_key is None else per_key[i]
            if self.extents[i] % (n * self.chunk_extents[i]):
                return True
        return False

    @property
    def chunks_per_axis(self):
        """Number of chunks along each axis."""
        return tuple([-(-n // c) for n, c in zip(self.shape, self.chunk_shape)])


cdef inline index_t inside(Grid grid, int axis, index_t chunk) noexcept:
    """How much of a chunk lies inside the array along an axis."""
    cdef index_t left = grid.extents[axis] - chunk * grid.chunk_extents[axis]
    return left if left < grid.chunk_extents[axis] else grid.chunk_extents[axis]


cdef bint ends_inside(Grid grid, int axis, index_t chunk, tuple per_key) except -1:
    """Does the array end before the last element under a chunk's key, along an axis?"""
    cdef index_t n = 1 if per_key is None else per_key[axis]
    return (chunk // n + 1) * n * grid.chunk_extents[axis] > grid.extents[axis]


cdef bint reaches_over(Grid grid, const Factor* f, index_t chunk, tuple per_key) except -1:
    """Does the key of a row's chunk reach over the array's end along an axis of the factor?"""
    cdef int a
    if f.list == NULL:
        return ends_inside(grid, f.axis, chunk, per_key)
    for a in range(f.list.n_axes - 1, -1, -1):
        if ends_inside(grid, f.list.axes[a].axis, chunk % f.list.axes[a].n_chunks, per_key):
            return True
        chunk = chunk // f.list.axes[a].n_chunks
    return False


@cython.freelist(16)
cdef class Plan:
    """What a selection means for a grid; made by the functions of this module.

    Attributes
    ----------
    grid : Grid
    shape : tuple of int
        Shape of the result.
    is_scalar : bool
        NumPy would give a scalar.
    n_chunks : int
        Number of chunks touched.
    needs_contiguous : bool
        A list fills several axes of the result, and goes through them as through one: see `takes`.
    """

    def __cinit__(self, Grid grid not None):
        self.grid = grid
        self.n_chunks = 1

    def __init__(self, *args):
        raise TypeError("plans are made by the functions of this module")

    def __dealloc__(self):
        cdef int i
        for i in range(self.n_factors):
            if self.factors[i].rows != &self.small_rows[i]:
                PyMem_Free(self.factors[i].rows)
            free_list(self.factors[i].list)
        if self.factors != self.small_factors:
            PyMem_Free(self.factors)

    cdef int allocate(self, int n_factors) except -1:
        """Make room for the factors."""
        cdef int i
        if n_factors <= 4:
            self.factors = self.small_factors
        else:
            self.factors = <Factor*> PyMem_Malloc(n_factors * sizeof(Factor))
            if self.factors == NULL:
                raise MemoryError
        for i in range(n_factors):
            self.factors[i] = Factor(-1, -1, NULL, 0, NULL)
        self.n_factors = n_factors
        return 0

    cdef Row* allocate_rows(self, int factor, index_t n) except NULL:
        """Make room for the rows of a factor, most often a single one."""
        cdef Row* rows = &self.small_rows[factor]
        if n > 1 or factor >= 4:
            rows = <Row*> PyMem_Malloc(max(n, 1) * sizeof(Row))
            if rows == NULL:
                raise MemoryError
        self.factors[factor].rows = rows
        return rows

    @property
    def n_rows(self):
        """Number of rows of each factor."""
        return tuple([self.factors[i].n_rows for i in range(self.n_factors)])

    @property
    def out_axes(self):
        """For each factor its last place in the result, None when it has none."""
        return tuple([
            self.factors[i].out_axis if self.factors[i].out_axis >= 0 else None for i in range(self.n_factors)
        ])

    def out_starts(self, int factor, index_t per_key=1):
        """Where the rows of one factor begin in the result, or of its keys, which hold `per_key` chunks each."""
        cdef const Factor* f = &self.factors[factor]
        cdef index_t r
        return [
            f.rows[r].out_start for r in range(f.n_rows)
            if r == 0 or f.rows[r].chunk // per_key != f.rows[r - 1].chunk // per_key
        ]

    @property
    def is_even(self):
        """Whether no factor is a list or a mask."""
        cdef int i
        for i in range(self.n_factors):
            if self.factors[i].list != NULL:
                return False
        return True

    def takes(self, memory):
        """Whether a list that fills several axes of the result finds them evenly spaced in an ndarray."""
        cdef bint is_first = True
        cdef Py_ssize_t expected = 0
        if not self.needs_contiguous:
            return True
        for d in range(self.spread_stop - 1, self.spread_start - 1, -1):
            if memory.shape[d] == 1:
                continue
            if not is_first and memory.strides[d] != expected:
                return False
            is_first = False
            expected = memory.strides[d] * memory.shape[d]
        return True

    def covers_edge(self, tuple per_key=None):
        """Whether chunks may be whole whose keys reach over the array's end.

        `per_key` says how many chunks a key holds along each axis, where that is more than one.
        """
        cdef Factor* f
        cdef bint any_whole, found = False
        cdef index_t r
        cdef int i
        if not self.grid.is_ragged(per_key):
            return False
        for i in range(self.n_factors):
            f = &self.factors[i]
            any_whole = False
            for r in range(f.n_rows):
                if f.rows[r].whole:
                    any_whole = True
                    if found:
                        break
                    found = reaches_over(self.grid, f, f.rows[r].chunk, per_key)
            if not any_whole:
                return False
        return found

    def use_grid(self, Grid grid not None):
        """Let the chunks be those of another grid, in which the array is longer: fewer of them are whole."""
        cdef Factor* f
        cdef Row* row
        cdef index_t r
        cdef int i
        if grid.chunk_shape != self.grid.chunk_shape:
            raise ValueError(f"chunks of the grid are {grid.chunk_shape}, not {self.grid.chunk_shape}")
        self.grid = grid
        for i in range(self.n_factors):
            f = &self.factors[i]
            for r in range(f.n_rows):
                row = &f.rows[r]
                if f.list == NULL:
                    row.whole = row.whole and row.count == inside(grid, f.axis, row.chunk)
                else:
                    row.whole = row.whole and row.count == inside_all(grid, f.list, row.chunk)

    def part(self, region):
        """Return the plan of a part of the result of a plan of evenly spaced elements.

        Parameters
        ----------
        region : tuple of slice
            Of the result, steps of 1, a slice for each axis.
        """
        cdef Factor* f
        cdef int i
        factors = []
        shape = []
        for i in range(self.n_factors):
            f = &self.factors[i]
            elements = self.elements(i)
            if f.out_axis < 0:
                factors.append((f.axis, elements[0], -1))
            else:
                factors.append((f.axis, elements[region[f.out_axis]], f.out_axis))
                shape.append(len(elements[region[f.out_axis]]))
        return project(self.grid, factors, tuple(shape))

    def elements(self, int factor):
        """The evenly spaced elements of a factor, as a range over its axis."""
        cdef Factor* f = &self.factors[factor]
        cdef index_t r, n = 0, first
        if f.n_rows == 0:
            return range(0)
        for r in range(f.n_rows):
            n += f.rows[r].count
        first = f.rows[0].chunk * self.grid.chunk_extents[f.axis] + f.rows[0].start
        return range(first, first + n * f.rows[0].step, f.rows[0].step)

    def rows(self, int factor):
        """Return the rows of one factor of evenly spaced elements as tuples.

        Returns
        -------
        list of (chunk, elements inside the chunk, places in the result, whole)
        """
        cdef Factor* f = &self.factors[factor]
        cdef index_t r, k
        cdef Row* row
        found = []
        for r in range(f.n_rows):
            row = &f.rows[r]
            elements = [row.start + k * row.step for k in range(row.count)]
            places = [row.out_start + k for k in range(row.count)]
            found.append((row.chunk, elements, places, row.whole))
        return found

    def entries(self, int factor):
        """Return the rows of one list as (chunk number, numbers of the list's entries, whole)."""
        cdef Factor* f = &self.factors[factor]
        cdef index_t r, k
        cdef Row* row
        found = []
        for r in range(f.n_rows):
            row = &f.rows[r]
            entries = [f.list.order[k] if f.list.order != NULL else k for k in range(row.start, row.start + row.count)]
            found.append((row.chunk, entries, row.whole))
        return found

    def chunk_coords(self):
        """Yield the grid coordinates of every chunk touched, the last factor fastest."""
        cdef int i
        cdef index_t r
        cdef Factor* f
        choices = []
        for i in range(self.n_factors):
            f = &self.factors[i]
            choices.append([self.row_coords(i, r) for r in range(f.n_rows)])
        for combination in product(*choices):
            at = [0] * self.grid.ndim
            for axis, coordinate in chain.from_iterable(combination):
                at[axis] = coordinate
            yield tuple(at)

    cdef list row_coords(self, int factor, index_t r):
        """Return pairs of axis and chunk coordinate of one row."""
        cdef Factor* f = &self.factors[factor]
        cdef index_t number = f.rows[r].chunk
        cdef int i
        if f.list == NULL:
            return [(f.axis, number)]
        found = []
        for i in range(f.list.n_axes - 1, -1, -1):
            found.append((f.list.axes[i].axis, number % f.list.axes[i].n_chunks))
            number //= f.list.axes[i].n_chunks
        return found

    def __repr__(self):
        return f"<Plan {self.n_chunks} chunks of {self.grid.chunk_shape} to {self.shape}>"


cdef void free_list(List* list) noexcept:
    if list != NULL:
        free(list.order)
        free(list.ranks)
        PyMem_Free(list.axes)
        PyMem_Free(list)


# One axis's part of a basic selection: the elements start + k * step, k < count.
ctypedef struct Range:
    index_t start
    index_t step
    index_t count
    bint is_integer


cdef inline index_t most_rows(Grid grid, int axis, const Range* span) noexcept:
    cdef index_t c = grid.chunk_extents[axis]
    cdef index_t chunks
    if span.count == 0:
        return 0
    chunks = (span.start + (span.count - 1) * span.step) // c - span.start // c
    if chunks < 0:
        chunks = -chunks
    return chunks + 1 if chunks + 1 < span.count else span.count


cdef inline index_t project_range(Grid grid, int axis, const Range* span, Row* rows) noexcept:
    """Write the rows of a range, and return how many there are."""
    cdef index_t c = grid.chunk_extents[axis]
    cdef index_t at, here, k = 0, n = 0
    while k < span.count:
        at = span.start + k * span.step
        rows.chunk = at // c
        rows.start = at - rows.chunk * c
        rows.step = span.step
        if span.step > 0:
            here = (c - 1 - rows.start) // span.step + 1
        else:
            here = rows.start // -span.step + 1
        rows.count = here if here < span.count - k else span.count - k
        rows.out_start = k
        rows.whole = rows.count == inside(grid, axis, rows.chunk)
        k += rows.count
        rows += 1
        n += 1
    return n


cdef int set_range(Plan plan, int factor, int axis, const Range* span, int out_axis) except -1:
    """Make one factor of a plan the elements of a range."""
    cdef Row* rows = plan.allocate_rows(factor, most_rows(plan.grid, axis, span))
    plan.factors[factor].axis = axis
    plan.factors[factor].out_axis = out_axis
    plan.factors[factor].n_rows = project_range(plan.grid, axis, span, rows)
    plan.n_chunks *= plan.factors[factor].n_rows
    return 0


cdef Plan plan_ranges(Grid grid, const Range* spans, bint is_scalar):
    cdef Plan plan = Plan.__new__(Plan, grid)
    cdef int i, out_ndim = 0
    cdef object extent
    cdef bint nothing = False
    for i in range(grid.ndim):
        out_ndim += not spans[i].is_integer
        nothing = nothing or spans[i].count == 0
    plan.allocate(grid.ndim)
    plan.is_scalar = is_scalar
    plan.shape = PyTuple_New(out_ndim)
    out_ndim = 0
    for i in range(grid.ndim):
        if spans[i].is_integer:
            set_range(plan, i, i, &spans[i], -1)
            continue
        if nothing:     # the other axes may be long: no rows for them
            plan.factors[i].axis = i
            plan.factors[i].out_axis = out_ndim
            plan.n_chunks = 0
        else:
            set_range(plan, i, i, &spans[i], out_ndim)
        extent = spans[i].count
        Py_INCREF(extent)
        PyTuple_SET_ITEM(plan.shape, out_ndim, extent)
        out_ndim += 1
    return plan


cdef int read_integer(Grid grid, int axis, object item, Range* span) except -1:
    cdef Py_ssize_t at = PyNumber_AsSsize_t(item, IndexError)
    cdef index_t n = grid.extents[axis]
    if at < -n or at >= n:
        raise BoundsCheckError(f"index {item} is out of bounds for axis {axis} with size {n}")
    span[0] = Range(at + n if at < 0 else at, 1, 1, True)
    return 0


cdef int read_slice(Grid grid, int axis, object item, Range* span) except -1:
    cdef Py_ssize_t start, stop, step, count
    PySlice_Unpack(item, &start, &stop, &step)
    count = PySlice_AdjustIndices(grid.extents[axis], &start, &stop, step)
    span[0] = Range(start, step, count, False)
    return 0


cdef enum:
    NOT_BASIC = 0
    INTEGER
    SLICE
    ELLIPSIS


cdef inline int kind_of(object item) noexcept:
    if PyLong_Check(item):
        return NOT_BASIC if PyBool_Check(item) else INTEGER
    if PySlice_Check(item):
        return SLICE
    if item is Ellipsis:
        return ELLIPSIS
    # arrays of one element have __index__ too
    if PyIndex_Check(item) and not hasattr(item, "__len__") and getattr(item, "ndim", 0) == 0:
        return NOT_BASIC if type(item).__name__ in ("bool", "bool_") else INTEGER
    return NOT_BASIC


def project_basic(selection, Grid grid not None):
    """Return the plan of a selection of integers, slices and at most one Ellipsis.

    Parameters
    ----------
    selection : int, slice, Ellipsis or tuple of these
        As NumPy takes it; fewer items than axes leave the last axes whole.
    grid : Grid
        Of the array.

    Returns
    -------
    Plan or None
        None when the selection holds anything else, such as an index array.

    Raises
    ------
    IndexError
        Too many indices, more than one Ellipsis, or an integer outside of its axis.
    """
    cdef Range spans[64]
    cdef Range* span = spans
    cdef PyObject* item
    cdef PyObject* alone = <PyObject*> selection
    cdef Py_ssize_t n = 1, i
    cdef int axis = 0, kind, missing, n_ellipses = 0, n_integers = 0
    cdef bint is_tuple = PyTuple_Check(selection)
    if is_tuple:
        n = PyTuple_GET_SIZE(selection)
    if n > 66:
        raise IndexError(f"too many indices for array: array is {grid.ndim}-dimensional, but {n} were indexed")
    for i in range(n):
        item = <PyObject*> PyTuple_GET_ITEM(selection, i) if is_tuple else alone
        kind = kind_of(<object> item)
        if kind == NOT_BASIC:
            return None
        if kind == ELLIPSIS:
            n_ellipses += 1
    if n_ellipses > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    missing = grid.ndim - <int> (n - n_ellipses)
    if missing < 0:
        raise IndexError(
            f"too many indices for array: array is {grid.ndim}-dimensional, but {n - n_ellipses} were indexed"
        )
    for i in range(n):
        item = <PyObject*> PyTuple_GET_ITEM(selection, i) if is_tuple else alone
        kind = kind_of(<object> item)
        if kind == INTEGER:
            read_integer(grid, axis, <object> item, &span[axis])
            n_integers += 1
            axis += 1
        elif kind == SLICE:
            read_slice(grid, axis, <object> item, &span[axis])
            axis += 1
        else:
            while missing:
                span[axis] = Range(0, 1, grid.extents[axis], False)
                axis += 1
                missing -= 1
    while axis < grid.ndim:
        span[axis] = Range(0, 1, grid.extents[axis], False)
        axis += 1
    return plan_ranges(grid, spans, n_integers == grid.ndim and not n_ellipses)


# ---------------------------------------------------------- lists and masks

def project(Grid grid not None, factors, tuple shape, bint is_scalar=False):
    """Return the plan that is the product of some factors.

    Parameters
    ----------
    grid : Grid
    factors : sequence of tuple
        Each axis of the array is in one of them:

        - ``(axis, range or int, out_axis)``: evenly spaced elements, or one that takes the axis away;
        - ``(axes, arrays, out_axis)``: lists of positions, one for each of the tuple `axes`, ndarrays
          of integers of one shape (broadcast views are fine); negative positions count from the end. They
          fill as many axes of the result from `out_axis` on as the lists have;
        - ``(axes, mask, out_axis)``: the true elements of an ndarray of booleans over all axes.
    shape : tuple of int
        Of the result; a mask's length in it may be anything, as `Plan.shape` gets it right.
    is_scalar : bool
        Whether the result is a scalar.

    Raises
    ------
    IndexError
        A position is outside of its axis.
    ValueError
        A list has more than 2**32 - 1 entries.
    """
    cdef Plan plan = Plan.__new__(Plan, grid)
    cdef Range span
    cdef int i
    plan.allocate(len(factors))
    plan.is_scalar = is_scalar
    plan.shape = shape
    plan.kept = []
    for i, (axes, what, out_axis) in enumerate(factors):
        if isinstance(axes, tuple):
            if isinstance(what, tuple):
                add_positions(plan, i, axes, what, out_axis)
            else:
                add_mask(plan, i, axes, what, out_axis)
            continue
        if isinstance(what, range):
            span = Range(what.start, what.step, len(what), False)
        else:
            span = Range(what, 1, 1, True)
        check_range(grid, axes, &span)
        set_range(plan, i, axes, &span, out_axis)
    return plan


cdef int check_range(Grid grid, int axis, const Range* span) except -1:
    """Raise an error when elements are outside of their axis, as of an array that has shrunk."""
    cdef index_t last = span.start + (span.count - 1) * span.step
    if span.count:
        for at in (span.start, last):
            if at < 0 or at >= grid.extents[axis]:
                raise BoundsCheckError(f"index {at} is out of bounds for axis {axis} with size {grid.extents[axis]}")
    return 0


cdef List* make_list(Plan plan, int factor, tuple axes) except NULL:
    """Make an empty list over some axes of the array the factor's own."""
    cdef List* found = <List*> PyMem_Malloc(sizeof(List))
    cdef Positions* p
    cdef int a
    if found == NULL:
        raise MemoryError
    memset(found, 0, sizeof(List))
    plan.factors[factor].list = found
    plan.factors[factor].axis = axes[0]
    found.n_axes = len(axes)
    found.axes = <Positions*> PyMem_Malloc(len(axes) * sizeof(Positions))
    if found.axes == NULL:
        raise MemoryError
    memset(found.axes, 0, len(axes) * sizeof(Positions))
    for a in range(found.n_axes):
        p = &found.axes[a]
        p.axis = axes[a]
        p.length = plan.grid.extents[p.axis]
        p.chunk = plan.grid.chunk_extents[p.axis]
        p.n_chunks = (p.length + p.chunk - 1) // p.chunk
    return found


cdef int add_positions(Plan plan, int factor, tuple axes, tuple arrays, int out_axis) except -1:
    cdef List* found = make_list(plan, factor, axes)
    cdef Groups groups
    cdef int a, d
    shape = arrays[0].shape
    plan.factors[factor].out_axis = out_axis + last_long(shape) if shape else -1
    if len(shape) > 1:
        plan.needs_contiguous = True
        plan.spread_start = out_axis
        plan.spread_stop = out_axis + len(shape)
    strides = [array.strides for array in arrays]
    dims, strides = merge_dims(shape, strides)
    found.n_dims = len(dims)
    found.n = 1
    for d, n in enumerate(dims):
        found.dims[d] = n
        found.n *= n
    if found.n > 0xFFFFFFFF:
        raise ValueError(f"a selection by lists has 2**32 - 1 entries at most, not {found.n}")
    for a, array in enumerate(arrays):
        plan.kept.append(array)
        found.axes[a].data = <const char*> <size_t> array.ctypes.data
        found.axes[a].kind = ord(array.dtype.kind)
        found.axes[a].itemsize = array.dtype.itemsize
        for d in range(found.n_dims):
            found.axes[a].strides[d] = strides[a][d]
    with nogil:
        groups = group(found)
    if groups.bad_axis >= 0:
        entry = arrays[groups.bad_axis].flat[groups.bad_entry]
        raise BoundsCheckError(
            f"index {entry} is out of bounds for axis {axes[groups.bad_axis]} "
            f"with size {found.axes[groups.bad_axis].length}"
        )
    return take_groups(plan, factor, &groups)


cdef int add_mask(Plan plan, int factor, tuple axes, mask, int out_axis) except -1:
    cdef List* found = make_list(plan, factor, axes)
    cdef Groups groups
    plan.kept.append(mask)
    plan.factors[factor].out_axis = out_axis
    found.mask = <const unsigned char*> <size_t> mask.ctypes.data
    with nogil:
        groups = group_mask(found)
    take_groups(plan, factor, &groups)
    plan.shape = plan.shape[:out_axis] + (found.n,) + plan.shape[out_axis + 1:]
    return 0


cdef index_t inside_all(Grid grid, const List* found, index_t chunk) noexcept:
    """How many elements of a chunk, by its number along the axes of a list, lie inside the array."""
    cdef const Positions* p
    cdef index_t n = 1
    cdef int a
    for a in range(found.n_axes - 1, -1, -1):
        p = &found.axes[a]
        n *= inside(grid, p.axis, chunk % p.n_chunks)
        chunk = chunk // p.n_chunks
    return n


cdef int take_groups(Plan plan, int factor, Groups* groups) except -1:
    """Make groups the rows of a factor."""
    cdef Factor* f = &plan.factors[factor]
    cdef Row* rows
    cdef Group* g
    cdef index_t r
    cdef bint is_unique = f.list.increasing or f.list.mask != NULL
    cdef bint whole
    if groups.no_memory:
        raise MemoryError
    try:
        rows = plan.allocate_rows(factor, groups.n)
        f.n_rows = groups.n
        plan.n_chunks *= groups.n
        for r in range(groups.n):
            g = &groups.rows[r]
            # as many elements as there are, and none twice: all of them
            whole = is_unique and g.count == inside_all(plan.grid, f.list, g.chunk)
            rows[r] = Row(g.chunk, g.start, 1, g.count, g.start, whole)
    finally:
        free(groups.rows)
    return 0


cdef int last_long(tuple shape):
    """The last axis of a list that is longer than 1: what strides of other axes are does not matter."""
    cdef int d
    for d in range(len(shape) - 1, 0, -1):
        if shape[d] != 1:
            return d
    return 0


def merge_dims(shape, strides):
    """Merge dimensions that continue each other in all of several arrays; there is one at least.

    >>> merge_dims((2, 3), [(24, 8), (24, 8)])
    ([6], [[8], [8]])
    >>> merge_dims((2, 3), [(0, 8), (8, 0)])
    ([2, 3], [[0, 8], [8, 0]])
    """
    dims, merged = [], [[] for _ in strides]
    for d, n in enumerate(shape):
        if n == 1 and 0 not in shape:
            continue
        if dims and all(m[len(m) - 1] == s[d] * n for m, s in zip(merged, strides)):
            dims[len(dims) - 1] *= n
            for m, s in zip(merged, strides):
                m[len(m) - 1] = s[d]
        else:
            dims.append(n)
            for m, s in zip(merged, strides):
                m.append(s[d])
    if not dims:
        return [1], [[0] for _ in strides]
    return dims, merged
