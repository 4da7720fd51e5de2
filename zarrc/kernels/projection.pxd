from .types cimport index_t


# The elements that one chunk contributes along one axis.
ctypedef struct Row:
    index_t chunk               # chunk coordinate along the axis
    index_t start               # first element, counted inside the chunk
    index_t step                # elements are start + k * step …
    index_t count
    index_t out_start           # … and go to out_start + k of the result
    const index_t* offsets      # or: start is 0 and elements are offsets[k]
    const index_t* out_offsets  # or: they go to out_offsets[k]
    bint whole                  # all of the chunk that lies inside the array


# The rows of one axis of the array; `out_axis` is its place in the result, -1 when an integer took it away.
ctypedef struct AxisPlan:
    Row* rows
    index_t n_rows
    int out_axis


cdef class Grid:
    """A regular chunk grid: the shapes of an array and of its chunks."""
    cdef readonly tuple shape
    cdef readonly tuple chunk_shape
    cdef readonly int ndim
    cdef index_t* extents           # shape, as C integers
    cdef index_t* chunk_extents


cdef class Plan:
    """Which part of which chunk a selection means, and where it goes in the result."""
    cdef readonly Grid grid
    cdef readonly tuple shape       # of the result
    cdef readonly bint is_scalar    # NumPy gives a scalar and not an array
    cdef readonly index_t n_chunks
    cdef AxisPlan* axes             # one per axis of the array
    cdef Row* rows                  # all rows, axis by axis
    cdef AxisPlan small_axes[4]
    cdef Row small_rows[4]
    cdef int allocate(self, index_t n_rows) except -1
