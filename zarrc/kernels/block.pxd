from .chain cimport Scratch
from .copying cimport MAX_DIMS, Axis
from .projection cimport Factor, Row
from .types cimport Status, index_t


# How a decoded chunk lies in memory.
ctypedef struct Geometry:
    int ndim
    size_t itemsize
    size_t nbytes                       # of a decoded chunk
    size_t n_items
    index_t extents[MAX_DIMS]           # of a chunk
    index_t strides[MAX_DIMS]           # of its elements, in bytes


# Which bytes of each item move: all of them, or those of a field.
ctypedef struct Part:
    index_t chunk_offset
    index_t user_offset
    size_t nbytes


# A plan and the user's memory that belongs to it.
ctypedef struct Transfer:
    const Geometry* geometry
    const Factor* factors
    int n_factors
    char* user
    index_t user_strides[MAX_DIMS]      # per factor, in bytes; 0 where it has no place in the result
    const Part* parts
    int n_parts


# What one chunk contributes to a transfer.
ctypedef struct Block:
    const Row* rows[MAX_DIMS]           # per factor
    index_t coords[MAX_DIMS]            # per axis of the array


# The axes of a block, ready to be copied, and where its first element is.
ctypedef struct Layout:
    Axis axes[MAX_DIMS]                 # source: the chunk, destination: the user
    int n
    index_t chunk_offset
    char* user
    index_t pitch[MAX_DIMS]             # longest stride in the chunk of each axis


cdef void pick(const Transfer* t, index_t task, Block* block) noexcept nogil
cdef index_t number(const Transfer* t, const Block* block) noexcept nogil

# Note where in the grid a row of a factor is.
cdef void locate(const Factor* f, const Row* row, index_t* coords) noexcept nogil
cdef bint is_whole(const Transfer* t, const Block* block) noexcept nogil
cdef bint is_full(const Transfer* t, const Block* block) noexcept nogil
cdef bint is_laid_out_alike(const Transfer* t) noexcept nogil
cdef char* first_place(const Transfer* t, const Block* block) noexcept nogil

# Write the axes of a block whose lists are short; false when one is long, or there is a mask.
cdef bint lay_out(const Transfer* t, const Block* block, Layout* out, Scratch* s, Status* status) noexcept nogil

# Copy the block from a decoded chunk to the user, or back.
cdef Status to_user(const Transfer* t, const Block* block, const char* chunk, Scratch* s) noexcept nogil
cdef Status to_chunk(const Transfer* t, const Block* block, char* chunk, Scratch* s) noexcept nogil

# Give the user the item `fill` for all elements of the block.
cdef Status fill_user(const Transfer* t, const Block* block, const char* fill, Scratch* s) noexcept nogil

# Lowest and highest byte offset that an axis adds to the chunk's side.
cdef void axis_extent(const Axis* axis, index_t* low, index_t* high) noexcept nogil
