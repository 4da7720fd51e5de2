from libc.stdint cimport uint32_t

from .types cimport index_t


# What one chunk contributes to a factor.
ctypedef struct Row:
    index_t chunk       # chunk coordinate along the axis; of several axes: number in their grid, the last fastest
    index_t start       # first element, counted inside the chunk; of a list: first entry of its order
    index_t step        # elements are start + k * step
    index_t count
    index_t out_start   # place of the first element in the result
    bint whole          # all of the chunk that lies inside the array


# Lists of positions and masks; see grouping.hpp.
cdef extern from "grouping.hpp" namespace "zarrc" nogil:
    ctypedef struct Positions:
        const char* data
        char kind
        int itemsize
        int axis
        index_t length
        index_t chunk
        index_t n_chunks
        index_t strides[64]

    ctypedef struct List:
        int n_axes
        Positions* axes
        int n_dims
        index_t dims[64]
        index_t n
        uint32_t* order
        bint increasing
        const unsigned char* mask
        index_t* ranks


# Some axes of the array and what a selection means along them.
ctypedef struct Factor:
    int axis            # of the array; with `list`, see there
    int out_axis        # its last place in the result, which a list's others precede; -1: it has none
    Row* rows
    index_t n_rows
    List* list          # NULL: evenly spaced elements of one axis


cdef class Grid:
    """A regular chunk grid: the shapes of an array and of its chunks."""
    cdef readonly tuple shape
    cdef readonly tuple chunk_shape
    cdef readonly int ndim
    cdef index_t* extents           # shape, as C integers
    cdef index_t* chunk_extents
    cdef bint is_ragged(self, tuple per_key) except -1


cdef class Plan:
    """Which part of which chunk a selection means, and where it goes in the result."""
    cdef readonly Grid grid
    cdef readonly tuple shape       # of the result
    cdef readonly bint is_scalar    # NumPy gives a scalar and not an array
    cdef readonly index_t n_chunks
    cdef readonly bint needs_contiguous     # a list fills several axes of the result: [spread_start, spread_stop)
    cdef int spread_start
    cdef int spread_stop
    cdef int n_factors
    cdef Factor* factors
    cdef list kept                  # index arrays that lists point into
    cdef Factor small_factors[4]
    cdef Row small_rows[4]
    cdef int allocate(self, int n_factors) except -1
    cdef Row* allocate_rows(self, int factor, index_t n) except NULL
    cdef list row_coords(self, int factor, index_t r)
