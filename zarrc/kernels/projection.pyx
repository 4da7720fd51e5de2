"""Selections to plans: which part of which chunk is read or written.

A plan is a product: each axis has a row for every chunk that the selection touches along
it, and the chunks touched are all combinations of rows, the last axis fastest. For ::

    z[5:12, 3]      of shape (20, 20) in chunks of (10, 10)

axis 0 has two rows (chunk 0: elements 5 … 9 to 0 … 4; chunk 1: elements 0 … 1 to 5 … 6)
and axis 1 one row (chunk 0: element 3), without a place in the result.
"""

from cpython.bool cimport PyBool_Check
from cpython.long cimport PyLong_Check
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.slice cimport PySlice_Check
from cpython.tuple cimport PyTuple_Check, PyTuple_GET_ITEM, PyTuple_GET_SIZE, PyTuple_New, PyTuple_SET_ITEM
from cpython.ref cimport Py_INCREF, PyObject
cimport cython

from .types cimport index_t

from zarrc.errors import BoundsCheckError

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

    @property
    def chunks_per_axis(self):
        """Number of chunks along each axis."""
        return tuple([-(-n // c) for n, c in zip(self.shape, self.chunk_shape)])


cdef inline index_t inside(Grid grid, int axis, index_t chunk) noexcept:
    """How much of a chunk lies inside the array along an axis."""
    cdef index_t left = grid.extents[axis] - chunk * grid.chunk_extents[axis]
    return left if left < grid.chunk_extents[axis] else grid.chunk_extents[axis]


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
    """

    def __cinit__(self, Grid grid not None):
        self.grid = grid
        self.n_chunks = 1

    def __dealloc__(self):
        if self.axes != self.small_axes:
            PyMem_Free(self.axes)
        if self.rows != self.small_rows:
            PyMem_Free(self.rows)

    cdef int allocate(self, index_t n_rows) except -1:
        """Make room for the axes and for `n_rows` rows in all."""
        if self.grid.ndim <= 4:
            self.axes = self.small_axes
        else:
            self.axes = <AxisPlan*> PyMem_Malloc(self.grid.ndim * sizeof(AxisPlan))
        if n_rows <= 4:
            self.rows = self.small_rows
        else:
            self.rows = <Row*> PyMem_Malloc(n_rows * sizeof(Row))
        if self.axes == NULL or self.rows == NULL:
            raise MemoryError
        return 0

    @property
    def n_rows(self):
        """Number of rows of each axis."""
        return tuple([self.axes[i].n_rows for i in range(self.grid.ndim)])

    @property
    def out_axes(self):
        """For each axis of the array its place in the result, None when an integer took it away."""
        return tuple([self.axes[i].out_axis if self.axes[i].out_axis >= 0 else None for i in range(self.grid.ndim)])

    def out_starts(self, int axis):
        """Where the rows of one axis begin in the result."""
        cdef index_t r
        return [self.axes[axis].rows[r].out_start for r in range(self.axes[axis].n_rows)]

    def axis(self, int axis):
        """Return the rows of one axis as tuples (chunk, elements, positions in the result, whole)."""
        cdef index_t r, k
        cdef Row* row
        rows = []
        for r in range(self.axes[axis].n_rows):
            row = &self.axes[axis].rows[r]
            if row.offsets != NULL:
                elements = [row.offsets[k] for k in range(row.count)]
            else:
                elements = [row.start + k * row.step for k in range(row.count)]
            if row.out_offsets != NULL:
                places = [row.out_offsets[k] for k in range(row.count)]
            else:
                places = [row.out_start + k for k in range(row.count)]
            rows.append((row.chunk, elements, places, row.whole))
        return rows

    def __repr__(self):
        return f"<Plan {self.n_chunks} chunks of {self.grid.chunk_shape} to {self.shape}>"


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
        rows.offsets = NULL
        rows.out_offsets = NULL
        rows.whole = rows.count == inside(grid, axis, rows.chunk)
        k += rows.count
        rows += 1
        n += 1
    return n


cdef Plan plan_ranges(Grid grid, const Range* spans, bint is_scalar):
    cdef Plan plan = Plan.__new__(Plan, grid)
    cdef index_t n_rows = 0
    cdef int i, out_ndim = 0
    cdef Row* rows
    cdef object extent
    for i in range(grid.ndim):
        n_rows += most_rows(grid, i, &spans[i])
        out_ndim += not spans[i].is_integer
    plan.allocate(n_rows)
    plan.is_scalar = is_scalar
    plan.shape = PyTuple_New(out_ndim)
    rows = plan.rows
    out_ndim = 0
    for i in range(grid.ndim):
        plan.axes[i].rows = rows
        plan.axes[i].n_rows = project_range(grid, i, &spans[i], rows)
        plan.n_chunks *= plan.axes[i].n_rows
        rows += plan.axes[i].n_rows
        if spans[i].is_integer:
            plan.axes[i].out_axis = -1
        else:
            plan.axes[i].out_axis = out_ndim
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
