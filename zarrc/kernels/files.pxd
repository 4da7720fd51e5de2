from .types cimport Buffer, Status, index_t

cdef enum:
    PATH_CAPACITY = 8192    # longer paths are refused by the system anyway (PATH_MAX is 4096)

# Read all of a file into a growable buffer. OK with `absent` set when there is none.
cdef Status read_file(const char* path, Buffer* out, bint* absent, int* code) noexcept nogil

# Open a file to read parts of it; -1 with `absent` or `code` set. `nbytes` gets its size.
cdef int open_file(const char* path, size_t* nbytes, bint* absent, int* code) noexcept nogil

# Read exactly `nbytes` from `offset` on; WRONG_SIZE when the file ends before.
cdef Status read_range(int fd, char* out, size_t nbytes, index_t offset, int* code) noexcept nogil

cdef void close_file(int fd) noexcept nogil

# Replace a file by new contents as a whole: a temporary name in its folder, then a rename.
cdef Status write_file(char* path, const char* data, size_t nbytes, bint fsync, int* code) noexcept nogil

# Remove a file; its absence is no failure.
cdef Status remove_file(const char* path, int* code) noexcept nogil
