from .types cimport Buffer, Stage, Status, index_t

# The memory that one thread works in, kept between chunks; see scratch.hpp.
cdef extern from "scratch.hpp" namespace "zarrc" nogil:
    ctypedef struct Scratch:
        Buffer encoded
        Buffer chunk
        Buffer first
        Buffer second
        Buffer offsets
        Buffer piece


cdef Scratch* scratch() noexcept nogil
cdef void trim_scratch() noexcept nogil

# Around calls of Python code, which may use zarrc again in this thread: other buffers meanwhile.
cdef void enter() noexcept nogil
cdef void leave() noexcept nogil


# A codec chain as C data, in encode order.
ctypedef struct Stages:
    int n
    Stage* stages
    size_t* limits          # most bytes that decoding each stage may give
    int n_in_place          # how many first stages can work in place
    size_t decoded_nbytes
    size_t encoded_nbytes   # when it does not depend on the data; else 0


cdef class Chain:
    cdef readonly tuple codecs
    cdef readonly tuple names
    cdef tuple sizes
    cdef tuple bounds
    cdef Stages c

# Decode src to exactly c.decoded_nbytes at dst. `failed` gets the stage that failed. At least one stage.
cdef Status decode_chain(
    const Stages* c, const char* src, size_t nbytes, char* dst, Scratch* s, int* failed, int* code
) noexcept nogil

# Decode only bytes [start, start + nbytes) of the chunk, to dst.
cdef bint can_decode_range(const Stages* c) noexcept nogil
cdef Status decode_range(
    const Stages* c, const char* src, size_t src_nbytes, size_t start, size_t nbytes, char* dst, int* failed, int* code
) noexcept nogil

# Encode the chunk at src into `out`. At least one stage.
cdef Status encode_chain(
    const Stages* c, const char* src, Buffer* out, Scratch* s, int* failed, int* code
) noexcept nogil
