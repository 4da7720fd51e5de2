from .block cimport Block, Transfer
from .chain cimport Scratch
from .types cimport Status, index_t

# Give the user what is wanted of an uncompressed chunk that begins at `start` in the open file `fd`.
cdef Status read_ranges(
    const Transfer* t, const Block* block, int fd, index_t start, Scratch* s, int* code
) noexcept nogil
