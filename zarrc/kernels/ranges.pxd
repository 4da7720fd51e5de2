from .block cimport Block, Transfer
from .chain cimport Scratch
from .types cimport Status

# Give the user what is wanted of an uncompressed chunk in the open file `fd`, which is as long as the chunk.
cdef Status read_ranges(const Transfer* t, const Block* block, int fd, Scratch* s, int* code) noexcept nogil
