# The types that kernels share.

from libc.stdint cimport int64_t
from libc.stdlib cimport free
from libc.string cimport memcpy
from posix.stdlib cimport posix_memalign

ctypedef int64_t index_t

# What an inner function says. Everything but OK ends the chunk's work.
ctypedef enum Status:
    OK = 0
    CORRUPT         # the library refused its input; Failure.code is its code
    TOO_LARGE       # more bytes than the metadata allow
    WRONG_SIZE      # another number of bytes than the metadata say
    CHECKSUM        # stored and computed checksum differ
    NO_MEMORY
    SYSTEM          # Failure.code is an errno
    PYTHON          # a Python exception was set aside
    ENCODING        # the library could not encode
    INTERRUPTED     # a signal handler raised
    UNSUPPORTED     # valid data of a kind that this build cannot decode


# Memory that a stage writes to; see types.hpp.
cdef extern from "types.hpp" nogil:
    ctypedef struct Buffer:
        char* data
        size_t nbytes
        size_t capacity
        size_t limit
        bint growable


cdef inline void copy_bytes(char* dst, const char* src, size_t nbytes) noexcept nogil:
    """Copy bytes; of none, the pointers may be NULL, which memcpy does not allow."""
    if nbytes:
        memcpy(dst, src, nbytes)


cdef inline Status reserve_keeping(Buffer* buffer, size_t nbytes, size_t kept) noexcept nogil:
    """Make room for `nbytes`; the first `kept` bytes stay when the buffer must move."""
    cdef void* fresh = NULL
    cdef size_t rounded
    if nbytes <= buffer.capacity:
        return OK
    if not buffer.growable or nbytes > buffer.limit:
        return TOO_LARGE
    if nbytes > (<size_t> -1) // 4:
        return NO_MEMORY
    # whole pages and a little more: chunks of nearly one size need no second call
    rounded = (nbytes + (nbytes >> 4) + 4095) & ~<size_t> 4095
    if posix_memalign(&fresh, 64, rounded) != 0:
        return NO_MEMORY
    if kept:
        memcpy(fresh, buffer.data, kept)
    free(buffer.data)
    buffer.data = <char*> fresh
    buffer.capacity = rounded
    return OK


cdef inline Status reserve(Buffer* buffer, size_t nbytes) noexcept nogil:
    """Make room for `nbytes`; what the buffer held is lost when it must move."""
    return reserve_keeping(buffer, nbytes, 0)


cdef inline Status append(Buffer* out, const char* data, size_t nbytes) noexcept nogil:
    """Add bytes to a buffer's result; room grows by half at least."""
    cdef size_t wanted = out.nbytes + nbytes
    cdef Status status = OK
    if wanted > out.capacity:
        if out.growable and out.capacity + out.capacity // 2 <= out.limit:
            wanted = max(wanted, out.capacity + out.capacity // 2)
        status = reserve_keeping(out, wanted, out.nbytes)
    if status == OK:
        copy_bytes(out.data + out.nbytes, data, nbytes)
        out.nbytes += nbytes
    return status


# One step of a codec chain. `src` is never `out.data`, but for `in_place` stages.
# It sets `out.nbytes`, and never writes past `out.capacity` or makes more than `out.limit` bytes.
ctypedef Status (*Transform)(
    const void* params, const char* src, size_t nbytes, Buffer* out, int* code
) noexcept nogil

# Decode `nbytes` decoded bytes from byte `start` into dst (blosc can). WRONG_SIZE unless
# there are `total` decoded bytes in all; -1: as many as there are.
ctypedef Status (*DecodeRange)(
    const void* params, const char* src, size_t src_nbytes, size_t total,
    size_t start, size_t nbytes, char* dst, int* code
) noexcept nogil

ctypedef struct Stage:
    Transform encode
    Transform decode
    DecodeRange decode_range    # NULL: a part costs as much as the whole
    const void* params          # belongs to the Codec object
    bint in_place               # may work with src == out.data
    bint keeps_size             # encoded and decoded sizes are equal
