from libc.stdint cimport int64_t, uint64_t

from .types cimport Buffer, Status, index_t

cdef enum:
    PATH_CAPACITY = 8192    # longer paths are refused by the system anyway (PATH_MAX is 4096)

# What tells one state of a file from another.
ctypedef struct Stamp:
    uint64_t device
    uint64_t inode
    int64_t nbytes
    int64_t mtime_ns
    int64_t ctime_ns

# The stamp of an open file or of the one at a path; false with `code` set on failure.
# Neither is for folders: false, and `code` is EISDIR.
cdef bint stamp_open_file(int fd, Stamp* out, int* code) noexcept nogil
cdef bint stamp_path(const char* path, Stamp* out, int* code) noexcept nogil
cdef bint is_same(const Stamp* a, const Stamp* b) noexcept nogil

# Is the last change so long ago that a further one would get another time? Only then does an
# equal stamp prove that what was read after it was taken is still what the file holds.
cdef bint is_settled(const Stamp* stamp) noexcept nogil

# Read all of a file into a growable buffer. OK with `absent` set when there is none.
cdef Status read_file(const char* path, Buffer* out, bint* absent, int* code) noexcept nogil

# Open a file to read parts of it; -1 with `absent` or `code` set. `stamp` gets its state.
cdef int open_file(const char* path, Stamp* stamp, bint* absent, int* code) noexcept nogil

# Read exactly `nbytes` from `offset` on; WRONG_SIZE when the file ends before.
cdef Status read_range(int fd, char* out, size_t nbytes, index_t offset, int* code) noexcept nogil

cdef void close_file(int fd) noexcept nogil

# A file in the making: it gets its name, and replaces what had it, when it is published.
ctypedef struct Draft:
    int fd
    char* path              # the name it will get; changed and restored meanwhile
    size_t folder           # so many bytes of `path` name its folder
    int n_made              # folders that were made for it, the innermost ones
    bint is_named           # it has a temporary name
    char temporary[PATH_CAPACITY]

# After a failure to open or to publish there is nothing left of a draft.
cdef Status open_draft(Draft* draft, char* path, int* code) noexcept nogil
cdef Status write_draft(Draft* draft, const char* data, size_t nbytes, index_t offset, int* code) noexcept nogil
cdef Status publish_draft(Draft* draft, bint fsync, int* code) noexcept nogil
cdef void discard_draft(Draft* draft) noexcept nogil

# Replace a file by new contents as a whole.
cdef Status write_file(char* path, const char* data, size_t nbytes, bint fsync, int* code) noexcept nogil

# Remove a file; its absence is no failure.
cdef Status remove_file(char* path, bint fsync, int* code) noexcept nogil
