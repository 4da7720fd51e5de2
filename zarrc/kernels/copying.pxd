from .types cimport index_t

cdef enum:
    MAX_DIMS = 64       # NumPy's own limit


# One axis of a block that is moved. Element k lies at `k * stride` bytes, or at
# `offsets[k] * stride` where there are offsets.
ctypedef struct Axis:
    index_t count
    index_t src_stride
    index_t dst_stride
    const index_t* src_offsets
    const index_t* dst_offsets


# Copy a block of items of `itemsize` bytes. `axes` is scratch: it is reordered.
# Source and destination do not overlap.
cdef void copy_block(
    const char* src, char* dst, Axis* axes, int ndim, size_t itemsize
) noexcept nogil

# Write the item `value` to every element of the destination block.
cdef void fill_block(
    const char* value, char* dst, Axis* axes, int ndim, size_t itemsize
) noexcept nogil

# Fill `n` contiguous items.
cdef void fill_items(const char* value, char* dst, size_t n, size_t itemsize) noexcept nogil

# Are `n` contiguous items all, bit for bit, `value`?
cdef bint all_equal(const char* value, const char* data, size_t n, size_t itemsize) noexcept nogil
