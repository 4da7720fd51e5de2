"""Chunk files: read whole or in part, replaced as a whole, with the GIL released.

A file is written without a name where the system can (Linux's ``O_TMPFILE``) and then linked
to its own; a killed writer leaves nothing. Where there is a file of that name already, or
no such thing, it gets a temporary name in the same folder and is renamed.
"""

import os

from libc.errno cimport EEXIST, EINTR, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR, EOPNOTSUPP, errno
from libc.stdint cimport int64_t, uint64_t
from libc.stdio cimport snprintf
from libc.string cimport memcpy, strrchr
from posix.fcntl cimport O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_WRONLY, open
from posix.stat cimport fstat, mkdir, stat, struct_stat
from posix.unistd cimport close, fsync as fsync_fd, getpid, pread, pwrite, read, unlink

from .types cimport Buffer, Status, index_t, reserve, reserve_keeping, OK, SYSTEM, WRONG_SIZE

cdef extern from "fcntl.h" nogil:
    int O_CLOEXEC

cdef extern from "stdio.h" nogil:
    int rename(const char*, const char*)

cdef extern from *:
    """
    #include <cerrno>
    #include <cstdio>
    #include <fcntl.h>
    #include <unistd.h>
    // A file without a name in a folder; -1 where the system or the file system has no such thing.
    static int zarrc_open_nameless(const char* folder) {
    #ifdef O_TMPFILE
        return open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    #else
        errno = EOPNOTSUPP;
        return -1;
    #endif
    }
    // Give it a name that is free; an errno or 0. Older kernels ask for a privilege, but not by way of /proc.
    static int zarrc_name(int fd, const char* path) {
    #ifdef O_TMPFILE
        if (linkat(fd, "", AT_FDCWD, path, AT_EMPTY_PATH) == 0) return 0;
        if (errno == EEXIST) return errno;
        char link[64];
        std::snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        return linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
    #else
        return EOPNOTSUPP;
    #endif
    }
    """
    int zarrc_open_nameless(const char* folder) nogil
    int zarrc_name(int fd, const char* path) nogil

cdef extern from *:
    """
    #include <cstdint>
    #include <ctime>
    #include <sys/stat.h>
    #ifdef __APPLE__
    #define ZARRC_TIMES(info) (info)->st_mtimespec, (info)->st_ctimespec
    #else
    #define ZARRC_TIMES(info) (info)->st_mtim, (info)->st_ctim
    #endif
    static int64_t zarrc_ns(struct timespec t) { return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec; }
    static void zarrc_times(const struct stat* info, int64_t* mtime_ns, int64_t* ctime_ns) {
        const struct timespec times[2] = {ZARRC_TIMES(info)};
        *mtime_ns = zarrc_ns(times[0]);
        *ctime_ns = zarrc_ns(times[1]);
    }
    static int64_t zarrc_now_ns(void) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        return zarrc_ns(now);
    }
    """
    void zarrc_times(const struct_stat* info, int64_t* mtime_ns, int64_t* ctime_ns) nogil
    int64_t zarrc_now_ns() nogil

cdef extern from *:
    """
    #include <atomic>
    static std::atomic<uint64_t> zarrc_temporaries{0};
    static uint64_t zarrc_next_temporary(void) { return zarrc_temporaries.fetch_add(1); }
    """
    uint64_t zarrc_next_temporary() nogil

# Temporary files are named ".zarrc-<nonce><process>-<count>": `storage.local` hides
# names that begin so. The nonce tells apart processes of one number on two machines.
# Short names are worth it: the kernel hashes them for every file.
cdef uint64_t nonce = int.from_bytes(os.urandom(4), "little")

cdef enum:
    FIRST_READ = 1 << 16    # bytes asked for when nothing is known about a file's size
    TICK_NS = 20_000_000    # file times are those of the system's clock tick, 10 ms at most


cdef inline bint means_absent(int code) noexcept nogil:
    return code == ENOENT or code == ENOTDIR


cdef int open_retrying(const char* path, int flags, int mode) noexcept nogil:
    cdef int fd = open(path, flags | O_CLOEXEC, mode)
    while fd < 0 and errno == EINTR:
        fd = open(path, flags | O_CLOEXEC, mode)
    return fd


cdef Status read_to_end(int fd, Buffer* out, int* code) noexcept nogil:
    cdef struct_stat info
    cdef size_t wanted
    cdef ssize_t n
    cdef Status status = reserve(out, FIRST_READ)
    if status != OK:
        return status
    out.nbytes = 0
    while True:
        n = read(fd, out.data + out.nbytes, out.capacity - out.nbytes)
        if n < 0:
            if errno == EINTR:
                continue
            code[0] = errno
            return SYSTEM
        if n == 0:
            return OK
        out.nbytes += n
        if out.nbytes == out.capacity:      # the buffer was too small: ask how much there is
            if fstat(fd, &info) != 0:
                code[0] = errno
                return SYSTEM
            wanted = info.st_size + 1 if <size_t> info.st_size >= out.nbytes else 2 * out.nbytes
            status = reserve_keeping(out, wanted, out.nbytes)
            if status != OK:
                return status


cdef Status read_file(const char* path, Buffer* out, bint* absent, int* code) noexcept nogil:
    cdef int fd = open_retrying(path, O_RDONLY, 0)
    cdef Status status
    absent[0] = False
    if fd < 0:
        if means_absent(errno):
            absent[0] = True
            return OK
        code[0] = errno
        return SYSTEM
    status = read_to_end(fd, out, code)
    close(fd)
    if status == SYSTEM and code[0] == EISDIR:      # a folder is not a key
        absent[0] = True
        return OK
    return status


cdef int open_file(const char* path, Stamp* stamp, bint* absent, int* code) noexcept nogil:
    cdef int fd = open_retrying(path, O_RDONLY, 0)
    absent[0] = False
    if fd < 0:
        absent[0] = means_absent(errno)
        code[0] = errno
        return -1
    if not stamp_open_file(fd, stamp, code):
        absent[0] = code[0] == EISDIR
        close(fd)
        return -1
    return fd


cdef bint fill_stamp(const struct_stat* info, Stamp* out, int* code) noexcept nogil:
    if info.st_mode & 0o170000 == 0o040000:
        code[0] = EISDIR
        return False
    out.device = info.st_dev
    out.inode = info.st_ino
    out.nbytes = info.st_size
    zarrc_times(info, &out.mtime_ns, &out.ctime_ns)
    return True


cdef bint stamp_open_file(int fd, Stamp* out, int* code) noexcept nogil:
    cdef struct_stat info
    if fstat(fd, &info) != 0:
        code[0] = errno
        return False
    return fill_stamp(&info, out, code)


cdef bint stamp_path(const char* path, Stamp* out, int* code) noexcept nogil:
    cdef struct_stat info
    if stat(path, &info) != 0:
        code[0] = errno
        return False
    return fill_stamp(&info, out, code)


cdef bint is_same(const Stamp* a, const Stamp* b) noexcept nogil:
    return (
        a.device == b.device and a.inode == b.inode and a.nbytes == b.nbytes
        and a.mtime_ns == b.mtime_ns and a.ctime_ns == b.ctime_ns
    )


cdef bint is_settled(const Stamp* stamp) noexcept nogil:
    cdef int64_t last = stamp.mtime_ns if stamp.mtime_ns > stamp.ctime_ns else stamp.ctime_ns
    return zarrc_now_ns() - last > TICK_NS


cdef Status read_range(int fd, char* out, size_t nbytes, index_t offset, int* code) noexcept nogil:
    cdef ssize_t n
    while nbytes > 0:
        n = pread(fd, out, nbytes, offset)
        if n < 0:
            if errno == EINTR:
                continue
            code[0] = errno
            return SYSTEM
        if n == 0:
            return WRONG_SIZE
        out += n
        offset += n
        nbytes -= n
    return OK


cdef void close_file(int fd) noexcept nogil:
    close(fd)


cdef int make_parents(char* path, int* n_made) noexcept nogil:
    """Make the folders that `path`, a file's, lies in; return an errno or 0. `path` is changed and restored.

    `n_made` is increased by their number: they are the innermost ones.
    """
    cdef char* slash = strrchr(path, c"/")
    cdef int code = 0
    if slash == NULL or slash == path:
        return ENOENT
    slash[0] = 0
    if mkdir(path, 0o777) != 0:
        code = errno
        if code == ENOENT:
            code = make_parents(path, n_made)
            if code == 0 and mkdir(path, 0o777) != 0:
                code = errno
    if code == 0:
        n_made[0] += 1
    elif code == EEXIST:
        code = 0
    slash[0] = c"/"
    return code


cdef int name_temporary(char* out, const char* path, size_t folder) noexcept nogil:
    """Write a fresh name in the folder that the first `folder` bytes of `path` name; return an errno or 0."""
    cdef int n
    if folder + 80 > PATH_CAPACITY:
        return ENAMETOOLONG
    memcpy(out, path, folder)
    n = snprintf(
        out + folder, 80, ".zarrc-%llx%x-%llx",
        <unsigned long long> nonce, <unsigned> getpid(), <unsigned long long> zarrc_next_temporary(),
    )
    return 0 if 0 < n < 80 else ENAMETOOLONG


cdef int open_temporary(char* out, char* path, size_t folder, int* n_made, int* code) noexcept nogil:
    """Open a fresh file beside `path`, making folders as needed; -1 and an errno on failure."""
    cdef int fd, _attempt
    for _attempt in range(100):
        code[0] = name_temporary(out, path, folder)
        if code[0] != 0:
            return -1
        fd = open_retrying(out, O_WRONLY | O_CREAT | O_EXCL, 0o666)
        if fd >= 0:
            return fd
        code[0] = errno
        if code[0] == ENOENT:
            code[0] = make_parents(path, n_made)
            if code[0] != 0:
                return -1
        elif code[0] != EEXIST:
            return -1
    if code[0] == 0:    # folders are there and yet are not: a link to nowhere
        code[0] = ENOENT
    return -1


cdef int write_all(int fd, const char* data, size_t nbytes, index_t offset) noexcept nogil:
    """Write everything from `offset` on; return an errno or 0."""
    cdef ssize_t n
    while nbytes > 0:
        n = pwrite(fd, data, nbytes, offset)
        if n < 0:
            if errno == EINTR:
                continue
            return errno
        data += n
        offset += n
        nbytes -= n
    return 0


cdef int sync_folder(char* path, size_t folder) noexcept nogil:
    """Make a rename in the folder of `path` durable; return an errno or 0."""
    cdef char kept = path[folder]
    cdef int fd, code = 0
    path[folder] = 0
    fd = open_retrying(path, O_RDONLY | O_DIRECTORY, 0)
    path[folder] = kept
    if fd < 0:
        return errno
    if fsync_fd(fd) != 0:
        code = errno
    close(fd)
    return code


cdef int sync_folders(char* path, size_t folder, int n_made) noexcept nogil:
    """As `sync_folder`, and make durable that the last `n_made` folders are there; return an errno or 0."""
    cdef int code = sync_folder(path, folder)
    while code == 0 and n_made > 0 and folder > 1:
        folder -= 1
        while folder > 0 and path[folder - 1] != c"/":
            folder -= 1
        if folder > 0:
            code = sync_folder(path, folder)
        n_made -= 1
    return code


cdef int open_nameless(char* path, size_t folder, int* n_made) noexcept nogil:
    """Open a file without a name in the folder of `path`, making folders as needed; -1 where that cannot be."""
    cdef char kept
    cdef int fd
    if folder == 0:
        return -1
    kept = path[folder]
    path[folder] = 0
    fd = zarrc_open_nameless(path)
    path[folder] = kept
    if fd < 0 and errno == ENOENT and make_parents(path, n_made) == 0:
        path[folder] = 0
        fd = zarrc_open_nameless(path)
        path[folder] = kept
    return fd


cdef int name_over(Draft* draft) noexcept nogil:
    """Give a draft without a name that of a file that is there, which it replaces; return an errno or 0."""
    cdef int code = name_temporary(draft.temporary, draft.path, draft.folder)
    if code == 0:
        code = zarrc_name(draft.fd, draft.temporary)
    if code == 0 and rename(draft.temporary, draft.path) != 0:
        code = errno
        unlink(draft.temporary)
    return code


cdef int copy_contents(int source, int fd) noexcept nogil:
    """Copy a whole file; return an errno or 0."""
    cdef char piece[1 << 14]
    cdef index_t offset = 0
    cdef ssize_t n
    cdef int code
    while True:
        n = pread(source, piece, sizeof(piece), offset)
        if n < 0 and errno != EINTR:
            return errno
        if n == 0:
            return 0
        if n > 0:
            code = write_all(fd, piece, n, offset)
            if code != 0:
                return code
            offset += n


cdef int give_temporary_name(Draft* draft, bint fsync) noexcept nogil:
    """Replace a file that cannot get a name by a copy that has one; return an errno or 0."""
    cdef int code = 0
    cdef int fd = open_temporary(draft.temporary, draft.path, draft.folder, &draft.n_made, &code)
    if fd < 0:
        return code
    code = copy_contents(draft.fd, fd)
    close(draft.fd)
    draft.fd = fd
    draft.is_named = True
    if code == 0 and fsync and fsync_fd(fd) != 0:
        code = errno
    return code


cdef Status open_draft(Draft* draft, char* path, int* code) noexcept nogil:
    cdef char* slash = strrchr(path, c"/")
    draft.path = path
    draft.folder = slash - path + 1 if slash != NULL else 0
    draft.is_named = False
    draft.n_made = 0
    draft.fd = open_nameless(path, draft.folder, &draft.n_made)
    if draft.fd < 0:
        draft.fd = open_temporary(draft.temporary, path, draft.folder, &draft.n_made, code)
        draft.is_named = draft.fd >= 0
    return OK if draft.fd >= 0 else SYSTEM


cdef Status write_draft(Draft* draft, const char* data, size_t nbytes, index_t offset, int* code) noexcept nogil:
    code[0] = write_all(draft.fd, data, nbytes, offset)
    return OK if code[0] == 0 else SYSTEM


cdef int name_draft(Draft* draft, bint fsync) noexcept nogil:
    """Give a draft its name; return an errno or 0."""
    cdef int code = 0
    if not draft.is_named:
        code = zarrc_name(draft.fd, draft.path)
        if code == EEXIST:
            code = name_over(draft)
        if code == ENOENT or code == EOPNOTSUPP:    # no /proc, or a file system that cannot link
            code = give_temporary_name(draft, fsync)
    if code == 0 and draft.is_named:
        code = errno if rename(draft.temporary, draft.path) != 0 else 0
        draft.is_named = code != 0
    return code


cdef Status publish_draft(Draft* draft, bint fsync, int* code) noexcept nogil:
    code[0] = errno if fsync and fsync_fd(draft.fd) != 0 else 0
    if code[0] == 0:
        code[0] = name_draft(draft, fsync)
    if draft.is_named:      # it did not get its own
        unlink(draft.temporary)
    if close(draft.fd) != 0 and code[0] == 0:
        code[0] = errno
    if code[0] == 0 and fsync:
        code[0] = sync_folders(draft.path, draft.folder, draft.n_made)
    return OK if code[0] == 0 else SYSTEM


cdef void discard_draft(Draft* draft) noexcept nogil:
    if draft.is_named:
        unlink(draft.temporary)
    close(draft.fd)


cdef Status write_file(char* path, const char* data, size_t nbytes, bint fsync, int* code) noexcept nogil:
    cdef Draft draft
    cdef Status status = open_draft(&draft, path, code)
    if status != OK:
        return status
    status = write_draft(&draft, data, nbytes, 0, code)
    if status != OK:
        discard_draft(&draft)
        return status
    return publish_draft(&draft, fsync, code)


cdef Status remove_file(char* path, bint fsync, int* code) noexcept nogil:
    cdef char* slash = strrchr(path, c"/")
    code[0] = errno if unlink(path) != 0 else 0
    if code[0] == 0 and fsync and slash != NULL:
        code[0] = sync_folder(path, slash - path + 1)
    elif means_absent(code[0]):
        code[0] = 0
    return OK if code[0] == 0 else SYSTEM
