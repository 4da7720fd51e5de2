"""A codec chain run over one chunk, in the scratch memory of a thread.

Decoding goes through the stages backwards. The last stages to run, when they can work in
place (byte order, delta), work right where the chunk is wanted; every other
result goes to one of two buffers in turn.
"""

from libc.stdlib cimport calloc, free

from .codec cimport Codec
from .types cimport Buffer, Stage, Status, OK, WRONG_SIZE

cdef extern from "scratch.hpp" namespace "zarrc" nogil:
    Scratch* own_scratch "zarrc::scratch"()
    void trim_own_scratch "zarrc::trim_scratch"(size_t kept)
    void enter_own_scratch "zarrc::enter"()
    void leave_own_scratch "zarrc::leave"()

cdef enum:
    KEPT = 8 << 20      # bytes of each buffer that a thread keeps between calls


cdef Scratch* scratch() noexcept nogil:
    return own_scratch()


cdef void trim_scratch() noexcept nogil:
    trim_own_scratch(KEPT)


cdef void enter() noexcept nogil:
    enter_own_scratch()


cdef void leave() noexcept nogil:
    leave_own_scratch()


cdef bint works_in_place(const Stage* stage) noexcept nogil:
    return stage.in_place and stage.keeps_size


cdef class Chain:
    """Compiled codecs in encode order.

    Parameters
    ----------
    codecs : sequence of kernels.codec.Codec
    names : sequence of str
        What errors call them.
    nbytes : int
        Size of a decoded chunk.
    sizes : sequence of (int or None)
        Size after each stage, None where it depends on the data.
    bounds : sequence of int
        Most bytes that decoding each stage may give.
    """

    def __cinit__(self, codecs, names, nbytes, sizes, bounds):
        cdef int i
        cdef Codec codec
        self.codecs = tuple(codecs)
        self.names = tuple(names)
        self.sizes = tuple(sizes)
        self.bounds = tuple(bounds)
        self.c.n = len(self.codecs)
        self.c.decoded_nbytes = nbytes
        self.c.stages = <Stage*> calloc(max(1, self.c.n), sizeof(Stage))
        self.c.limits = <size_t*> calloc(max(1, self.c.n), sizeof(size_t))
        if self.c.stages == NULL or self.c.limits == NULL:
            raise MemoryError
        for i, (codec, bound) in enumerate(zip(self.codecs, self.bounds, strict=True)):
            self.c.stages[i] = codec.stage
            self.c.limits[i] = bound
        # a stage that grows the data (a checksum) does not fit where the chunk is wanted
        while self.c.n_in_place < self.c.n and works_in_place(&self.c.stages[self.c.n_in_place]):
            self.c.n_in_place += 1
        if not self.c.n:
            self.c.encoded_nbytes = nbytes
        elif self.sizes[self.c.n - 1] is not None:
            self.c.encoded_nbytes = self.sizes[self.c.n - 1]

    def starting_with(self, Codec first not None):
        """Return the same chain with another codec of the same sizes at its beginning."""
        return Chain((first, *self.codecs[1:]), self.names, self.c.decoded_nbytes, self.sizes, self.bounds)

    def __dealloc__(self):
        free(self.c.stages)
        free(self.c.limits)


cdef inline Buffer lend(char* data, size_t nbytes) noexcept nogil:
    """A buffer over somebody's memory."""
    return Buffer(data, 0, nbytes, nbytes, False)


cdef Status decode_chain(
    const Stages* c, const char* src, size_t nbytes, char* dst, Scratch* s, int* failed, int* code
) noexcept nogil:
    cdef Buffer target = lend(dst, c.decoded_nbytes)
    cdef Buffer* out
    cdef Status status
    cdef int i
    for i in range(c.n - 1, -1, -1):
        if i <= c.n_in_place:       # only stages that work in place are left after this one
            out = &target
        else:
            out = &s.first if src != s.first.data else &s.second
        out.limit = c.limits[i]
        enter()
        status = c.stages[i].decode(c.stages[i].params, src, nbytes, out, code)
        leave()
        if status != OK:
            failed[0] = i
            return status
        src = out.data
        nbytes = out.nbytes
    failed[0] = 0
    return OK if nbytes == c.decoded_nbytes else WRONG_SIZE


cdef bint can_decode_range(const Stages* c) noexcept nogil:
    return c.n == 1 and c.stages[0].decode_range != NULL


cdef Status decode_range(
    const Stages* c, const char* src, size_t src_nbytes, size_t start, size_t nbytes, char* dst, int* failed, int* code
) noexcept nogil:
    failed[0] = 0
    return c.stages[0].decode_range(
        c.stages[0].params, src, src_nbytes, c.decoded_nbytes, start, nbytes, dst, code
    )


cdef Status encode_chain(
    const Stages* c, const char* src, Buffer* out, Scratch* s, int* failed, int* code
) noexcept nogil:
    cdef size_t nbytes = c.decoded_nbytes
    cdef Buffer* target
    cdef Status status
    cdef int i
    for i in range(c.n):
        if i == c.n - 1:
            target = out
        elif c.stages[i].in_place and src == s.first.data:
            target = &s.first
        else:
            target = &s.first if src != s.first.data else &s.second
        target.limit = <size_t> -1 if target.growable else target.capacity
        enter()
        status = c.stages[i].encode(c.stages[i].params, src, nbytes, target, code)
        leave()
        if status != OK:
            failed[0] = i
            return status
        src = target.data
        nbytes = target.nbytes
    return OK
