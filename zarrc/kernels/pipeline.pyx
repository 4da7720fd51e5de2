"""A plan's chunks moved between a store and NumPy memory.

Each chunk that a plan touches is one task of a job. A reading task finds the chunk's bytes (a
file that it reads, or memory that was collected before), decodes them, straight
into the result where the layouts agree and else into scratch, and copies what the plan
wants. A writing task goes the other way; where it replaces a part of a chunk only, it holds
the chunk key's lock from reading the old chunk to storing the new one.

What a store offers decides where the bytes are:

=========  ===================================================================
FILES      the task opens, reads, writes and renames files itself, without the GIL
DICT       the calling thread looks up the values of a plain dict
MAPPING    as DICT, through the mapping's own methods, by the calling thread alone
=========  ===================================================================
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF, PyObject
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
cimport cython
cimport numpy as cnp

from .chain cimport (
    Chain, Scratch, Stages, can_decode_range, decode_chain, decode_range, encode_chain, enter, leave, scratch,
    trim_scratch,
)
from .copying cimport MAX_DIMS, Axis, all_equal, copy_block, fill_block, fill_items
from .files cimport PATH_CAPACITY, close_file, open_file, read_file, read_range, remove_file, write_file
from .pool cimport hash_key, lock, on_idle, run, try_lock, unlock
from .projection cimport AxisPlan, Grid, Plan, Row
from .types cimport Buffer, Status, index_t, reserve, OK, WRONG_SIZE, NO_MEMORY, SYSTEM

import os

from zarrc.errors import ChunkNotFoundError, CodecError
from zarrc.kernels.codec import failure as codec_failure

cdef extern from "numpy/arrayobject.h":
    # takes over a reference to the dtype
    cnp.ndarray PyArray_Empty(int ndim, cnp.npy_intp* dims, cnp.dtype dtype, int fortran)

cnp.import_array()
on_idle(trim_scratch)

cdef extern from *:
    """
    static inline int zarrc_claim(int* flag) {
        int unset = 0;
        return __atomic_compare_exchange_n(flag, &unset, 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    }
    """
    bint zarrc_claim(int* flag) nogil

cdef enum:
    FILES = 0
    DICT
    MAPPING

cdef enum:
    INLINE_NBYTES = 1 << 16     # a copy of so few bytes is done before the GIL could be passed on
    PARALLEL_NBYTES = 1 << 19   # of decoded chunks: less is not worth waking a thread
    BATCH_NBYTES = 1 << 26      # decoded bytes of the chunks that are held encoded at once
    PIECE_NBYTES = 1 << 18      # a piece of an uncompressed file, small enough to stay in cache

ctypedef struct Geometry:
    int ndim
    size_t itemsize
    size_t nbytes                       # of a decoded chunk
    size_t n_items
    index_t extents[MAX_DIMS]           # of a chunk
    index_t strides[MAX_DIMS]           # of a decoded chunk's elements, in bytes
    int by_stride[MAX_DIMS]             # axes from the longest stride to the shortest

ctypedef struct Keys:
    bint has_prefix                     # "c" before the coordinates
    char separator

# Everything about an array that a task needs, without Python objects.
ctypedef struct Target:
    Geometry geometry
    const Stages* stages
    const char* fill                    # an item
    bint has_fill                       # a chunk may count as empty
    bint write_empty
    bint fill_missing
    Keys keys
    int access
    const char* directory               # FILES: with a slash at the end
    size_t n_directory
    bint fsync
    uint64_t identity

# The bytes of one chunk that the calling thread collected; no data: absent.
ctypedef struct Source:
    const char* data
    size_t nbytes
    PyObject* owner

# The bytes of one chunk to be stored; no data: the chunk is to be absent.
ctypedef struct Sink:
    char* data
    size_t nbytes
    PyObject* owner                     # bytes that `data` lies in, when the size was known before
    bint done                           # false: not of this pass

ctypedef struct Failure:
    int claimed
    Status status
    int code
    int stage                           # -1: not a codec's
    bint encoding
    index_t task
    bint missing
    PyObject* exception

ctypedef struct Job:
    const Target* target
    const AxisPlan* axes
    char* memory                        # the result, or the values to be written
    index_t strides[MAX_DIMS]           # of it, per axis of the array; 0 where an integer took the axis away
    index_t first                       # number of the first chunk of this batch
    Source* sources
    Sink* sinks
    PyObject* pipeline
    Failure failure


# ------------------------------------------------------------- the chunk at hand

cdef inline void pick(const Job* job, index_t chunk, const Row** rows) noexcept nogil:
    """Find the rows of chunk number `chunk`, the last axis fastest."""
    cdef int d
    cdef index_t n
    for d in range(job.target.geometry.ndim - 1, -1, -1):
        n = job.axes[d].n_rows
        rows[d] = &job.axes[d].rows[chunk % n]
        chunk = chunk // n


cdef inline bint is_whole(const Target* t, const Row** rows) noexcept nogil:
    cdef int d
    for d in range(t.geometry.ndim):
        if not rows[d].whole:
            return False
    return True


cdef inline bint is_full(const Target* t, const Row** rows) noexcept nogil:
    """Are all elements of the chunk wanted, in their own order?"""
    cdef int d
    for d in range(t.geometry.ndim):
        if rows[d].count != t.geometry.extents[d] or rows[d].offsets != NULL or rows[d].out_offsets != NULL:
            return False
        if rows[d].step != 1 and rows[d].count != 1:
            return False
    return True


cdef inline bint is_laid_out_alike(const Job* job) noexcept nogil:
    """Do the elements of a chunk lie in the user's memory as they do in the decoded chunk?"""
    cdef const Geometry* g = &job.target.geometry
    cdef int d
    for d in range(g.ndim):
        if g.extents[d] != 1 and job.strides[d] != g.strides[d]:
            return False
    return True


cdef inline char* place(const Job* job, const Row** rows) noexcept nogil:
    """Where the chunk's first element is in the user's memory."""
    cdef char* at = job.memory
    cdef int d
    for d in range(job.target.geometry.ndim):
        if rows[d].out_offsets == NULL:
            at += rows[d].out_start * job.strides[d]
    return at


cdef inline index_t chunk_start(const Target* t, const Row** rows) noexcept nogil:
    """Byte offset of the first wanted element inside the decoded chunk."""
    cdef index_t at = 0
    cdef int d
    for d in range(t.geometry.ndim):
        at += rows[d].start * t.geometry.strides[d]
    return at


cdef inline void read_axes(const Job* job, const Row** rows, Axis* axes) noexcept nogil:
    """The block that goes from the chunk to the user."""
    cdef int d
    cdef const Row* row
    for d in range(job.target.geometry.ndim):
        row = rows[d]
        axes[d] = Axis(
            row.count,
            job.target.geometry.strides[d] * (1 if row.offsets != NULL else row.step),
            job.strides[d], row.offsets, row.out_offsets,
        )


cdef inline void write_axes(const Job* job, const Row** rows, Axis* axes) noexcept nogil:
    """The block that goes from the user to the chunk."""
    cdef int d
    cdef const Row* row
    for d in range(job.target.geometry.ndim):
        row = rows[d]
        axes[d] = Axis(
            row.count, job.strides[d],
            job.target.geometry.strides[d] * (1 if row.offsets != NULL else row.step),
            row.out_offsets, row.offsets,
        )


cdef size_t append_number(char* out, index_t n) noexcept nogil:
    cdef char digits[24]
    cdef size_t k = 0, i
    while n >= 10:
        digits[k] = c"0" + <char> (n % 10)
        n = n // 10
        k += 1
    digits[k] = c"0" + <char> n
    for i in range(k + 1):
        out[i] = digits[k - i]
    return k + 1


cdef size_t write_key(const Target* t, const Row** rows, char* out) noexcept nogil:
    """Write the chunk's key, as the chunk key encoding spells it; at most 24 bytes an axis."""
    cdef size_t n = 0
    cdef int d
    if t.keys.has_prefix:
        out[0] = c"c"
        n = 1
    for d in range(t.geometry.ndim):
        if n:
            out[n] = t.keys.separator
            n += 1
        n += append_number(out + n, rows[d].chunk)
    if n == 0:          # no dimensions: the one chunk of the v2 encoding is "0"
        out[0] = c"0"
        n = 1
    out[n] = 0
    return n


cdef inline size_t write_path(const Target* t, const Row** rows, char* out) noexcept nogil:
    memcpy(out, t.directory, t.n_directory)
    return t.n_directory + write_key(t, rows, out + t.n_directory)


# ------------------------------------------------------------------- failures

cdef int fail(Job* job, index_t chunk, Status status, int code, int stage) noexcept nogil:
    """Record the first failure of a job; returns non-zero, which ends it."""
    if zarrc_claim(&job.failure.claimed):
        job.failure.status = status
        job.failure.code = code
        job.failure.stage = stage
        job.failure.task = chunk
    return 1


cdef int fail_encoding(Job* job, index_t chunk, Status status, int code, int stage) noexcept nogil:
    if zarrc_claim(&job.failure.claimed):
        job.failure.status = status
        job.failure.code = code
        job.failure.stage = stage
        job.failure.encoding = True
        job.failure.task = chunk
    return 1


cdef int fail_missing(Job* job, index_t chunk) noexcept nogil:
    if zarrc_claim(&job.failure.claimed):
        job.failure.missing = True
        job.failure.task = chunk
    return 1


# -------------------------------------------------------------------- reading

cdef void read_absent(const Job* job, const Row** rows) noexcept nogil:
    cdef Axis axes[MAX_DIMS]
    read_axes(job, rows, axes)
    fill_block(job.target.fill, place(job, rows), axes, job.target.geometry.ndim, job.target.geometry.itemsize)


cdef void gather(const Job* job, const Row** rows, const char* chunk) noexcept nogil:
    """Copy what is wanted of a decoded chunk to the user."""
    cdef Axis axes[MAX_DIMS]
    read_axes(job, rows, axes)
    copy_block(
        chunk + chunk_start(job.target, rows), place(job, rows), axes,
        job.target.geometry.ndim, job.target.geometry.itemsize,
    )


cdef bint byte_span(const Target* t, const Row** rows, size_t* start, size_t* nbytes) noexcept nogil:
    """The bytes of a decoded chunk from the first wanted one to the last; false where there are index lists."""
    cdef index_t low = 0, high = 0, first, last
    cdef int d
    for d in range(t.geometry.ndim):
        if rows[d].offsets != NULL:
            return False
        first = rows[d].start
        last = first + (rows[d].count - 1) * rows[d].step
        low += (first if first < last else last) * t.geometry.strides[d]
        high += (first if first > last else last) * t.geometry.strides[d]
    start[0] = low
    nbytes[0] = high - low + t.geometry.itemsize
    return True


cdef int decode_into(Job* job, index_t chunk, const Row** rows, const char* data, size_t nbytes) noexcept nogil:
    """Decode a chunk's stored bytes and give the user what is wanted of it."""
    cdef const Target* t = job.target
    cdef Scratch* s = scratch()
    cdef size_t start, span
    cdef int code = 0, stage = -1
    cdef Status status = OK
    if t.stages.n == 0:
        if nbytes != t.geometry.nbytes:
            return fail(job, chunk, WRONG_SIZE, 0, -1)
        gather(job, rows, data)
        return 0
    if is_full(t, rows) and is_laid_out_alike(job):
        status = decode_chain(t.stages, data, nbytes, place(job, rows), s, &stage, &code)
        return 0 if status == OK else fail(job, chunk, status, code, stage)
    if reserve(&s.chunk, t.geometry.nbytes) != OK:
        return fail(job, chunk, NO_MEMORY, 0, -1)
    if can_decode_range(t.stages) and byte_span(t, rows, &start, &span) and span <= t.geometry.nbytes // 2:
        status = decode_range(t.stages, data, nbytes, start, span, s.chunk.data + start, &stage, &code)
    else:
        status = decode_chain(t.stages, data, nbytes, s.chunk.data, s, &stage, &code)
    if status != OK:
        return fail(job, chunk, status, code, stage)
    gather(job, rows, s.chunk.data)
    return 0


# How an uncompressed file is read: the axes before `level`, from the longest stride on, are
# gone through one by one, axis `level` in groups, and a group is one read with all between.
ctypedef struct Reads:
    int level
    index_t group
    size_t span_within      # from the first byte to the last of the axes after `level`


cdef Reads plan_reads(const Target* t, const Row** rows) noexcept nogil:
    """Choose between few long reads and many short ones: a call costs about as much as 4 kB."""
    cdef const Geometry* g = &t.geometry
    cdef size_t spans[MAX_DIMS + 1]
    cdef double cost, least = -1, n = 1
    cdef int i, d
    cdef index_t extent, pitch
    cdef Reads reads = Reads(0, 1, 0)
    spans[g.ndim] = g.itemsize
    for i in range(g.ndim - 1, -1, -1):
        d = g.by_stride[i]
        extent = (rows[d].count - 1) * rows[d].step
        spans[i] = spans[i + 1] + (extent if extent >= 0 else -extent) * g.strides[d]
    for i in range(g.ndim):
        cost = n * (4096 + spans[i])
        if least < 0 or cost < least:
            least = cost
            reads.level = i
        n *= rows[g.by_stride[i]].count
    d = g.by_stride[reads.level]
    pitch = rows[d].step * g.strides[d]
    pitch = pitch if pitch >= 0 else -pitch
    reads.group = rows[d].count
    if spans[reads.level] > PIECE_NBYTES:
        reads.group = PIECE_NBYTES // pitch
        reads.group = 1 if reads.group < 1 else reads.group
    reads.span_within = spans[reads.level + 1]
    return reads


cdef Status read_group(
    const Job* job, const Row** rows, int fd, const Reads* reads, const index_t* at, index_t count, int* code
) noexcept nogil:
    """Read `count` steps of axis `reads.level` from position `at` on, and copy what is wanted of them."""
    cdef const Geometry* g = &job.target.geometry
    cdef Scratch* s = scratch()
    cdef Axis axes[MAX_DIMS]
    cdef char* out = place(job, rows)
    cdef index_t offset = 0, low = 0, last, step
    cdef int i, d
    cdef size_t nbytes
    cdef Status status
    read_axes(job, rows, axes)
    for i in range(reads.level + 1):
        d = g.by_stride[i]
        offset += (rows[d].start + at[i] * rows[d].step) * g.strides[d]
        out += at[i] * job.strides[d]
        axes[d].count = count if i == reads.level else 1
    for i in range(reads.level, g.ndim):    # the lowest byte of the group: negative steps end there
        d = g.by_stride[i]
        step = rows[d].step
        last = (axes[d].count - 1) * step
        if i > reads.level:
            offset += rows[d].start * g.strides[d]
        if step < 0:
            low += last * g.strides[d]
    d = g.by_stride[reads.level]
    last = (count - 1) * rows[d].step
    nbytes = (last if last >= 0 else -last) * g.strides[d] + reads.span_within
    status = reserve(&s.encoded, nbytes)
    if status == OK:
        status = read_range(fd, s.encoded.data, nbytes, offset + low, code)
    if status == OK:
        copy_block(s.encoded.data - low, out, axes, g.ndim, g.itemsize)
    return status


cdef Status read_groups(const Job* job, const Row** rows, int fd, int* code) noexcept nogil:
    """Read what is wanted of an uncompressed file, and not much more."""
    cdef const Geometry* g = &job.target.geometry
    cdef Reads reads = plan_reads(job.target, rows)
    cdef index_t at[MAX_DIMS]
    cdef index_t count, n = rows[g.by_stride[reads.level]].count
    cdef int i
    cdef Status status
    memset(at, 0, sizeof(at))
    while True:
        at[reads.level] = 0
        while at[reads.level] < n:
            count = reads.group if reads.group < n - at[reads.level] else n - at[reads.level]
            status = read_group(job, rows, fd, &reads, at, count, code)
            if status != OK:
                return status
            at[reads.level] += count
        i = reads.level - 1
        while i >= 0:
            at[i] += 1
            if at[i] < rows[g.by_stride[i]].count:
                break
            at[i] = 0
            i -= 1
        if i < 0:
            return OK


cdef bint has_lists(const Target* t, const Row** rows) noexcept nogil:
    cdef int d
    for d in range(t.geometry.ndim):
        if rows[d].offsets != NULL or rows[d].out_offsets != NULL:
            return True
    return False


cdef int read_plain_file(Job* job, index_t chunk, const Row** rows, const char* path) noexcept nogil:
    """Read an uncompressed chunk by byte ranges."""
    cdef const Target* t = job.target
    cdef Scratch* s = scratch()
    cdef size_t nbytes
    cdef bint absent
    cdef int code = 0
    cdef Status status
    cdef int fd = open_file(path, &nbytes, &absent, &code)
    if absent:
        if not t.fill_missing:
            return fail_missing(job, chunk)
        read_absent(job, rows)
        return 0
    if fd < 0:
        return fail(job, chunk, SYSTEM, code, -1)
    if nbytes != t.geometry.nbytes:
        status = WRONG_SIZE
    elif is_full(t, rows) and is_laid_out_alike(job):
        status = read_range(fd, place(job, rows), nbytes, 0, &code)
    elif t.geometry.ndim == 0 or has_lists(t, rows):
        status = reserve(&s.chunk, nbytes)
        if status == OK:
            status = read_range(fd, s.chunk.data, nbytes, 0, &code)
        if status == OK:
            gather(job, rows, s.chunk.data)
    else:
        status = read_groups(job, rows, fd, &code)
    close_file(fd)
    return 0 if status == OK else fail(job, chunk, status, code, -1)


cdef int read_file_task(void* context, index_t task) noexcept nogil:
    cdef Job* job = <Job*> context
    cdef const Target* t = job.target
    cdef const Row* rows[MAX_DIMS]
    cdef char path[PATH_CAPACITY]
    cdef Scratch* s
    cdef bint absent
    cdef int code = 0
    cdef Status status
    pick(job, task, rows)
    write_path(t, rows, path)
    if t.stages.n == 0:
        return read_plain_file(job, task, rows, path)
    s = scratch()
    status = read_file(path, &s.encoded, &absent, &code)
    if status != OK:
        return fail(job, task, status, code, -1)
    if not absent:
        return decode_into(job, task, rows, s.encoded.data, s.encoded.nbytes)
    if not t.fill_missing:
        return fail_missing(job, task)
    read_absent(job, rows)
    return 0


cdef int read_source_task(void* context, index_t task) noexcept nogil:
    cdef Job* job = <Job*> context
    cdef const Row* rows[MAX_DIMS]
    cdef const Source* source = &job.sources[task]
    cdef index_t chunk = job.first + task
    pick(job, chunk, rows)
    if source.owner != NULL:
        return decode_into(job, chunk, rows, source.data, source.nbytes)
    if not job.target.fill_missing:
        return fail_missing(job, chunk)
    read_absent(job, rows)
    return 0


# -------------------------------------------------------------------- writing

cdef void scatter(const Job* job, const Row** rows, char* chunk) noexcept nogil:
    """Copy the user's values to their places in a decoded chunk."""
    cdef Axis axes[MAX_DIMS]
    write_axes(job, rows, axes)
    copy_block(
        place(job, rows), chunk + chunk_start(job.target, rows), axes,
        job.target.geometry.ndim, job.target.geometry.itemsize,
    )


cdef const char* compose_whole(Job* job, const Row** rows, char* into) noexcept nogil:
    """Return the decoded chunk that the user's values make, built in `into` unless they lie so already."""
    cdef const Target* t = job.target
    cdef bint full = is_full(t, rows)
    if full and is_laid_out_alike(job):
        return place(job, rows)
    if not full:    # an edge chunk, or one that is written in another order
        fill_items(t.fill, into, t.geometry.n_items, t.geometry.itemsize)
    scatter(job, rows, into)
    return into


cdef bint is_empty(const Target* t, const char* chunk) noexcept nogil:
    return t.has_fill and not t.write_empty and all_equal(
        t.fill, chunk, t.geometry.n_items, t.geometry.itemsize
    )


cdef int store_file(Job* job, index_t task, char* path, const char* chunk) noexcept nogil:
    """Encode a chunk and replace its file; remove it when the chunk is empty."""
    cdef const Target* t = job.target
    cdef Scratch* s = scratch()
    cdef int code = 0, stage = -1
    cdef Status status
    if is_empty(t, chunk):
        status = remove_file(path, &code)
        return 0 if status == OK else fail(job, task, status, code, -1)
    if t.stages.n == 0:
        status = write_file(path, chunk, t.geometry.nbytes, t.fsync, &code)
        return 0 if status == OK else fail(job, task, status, code, -1)
    status = encode_chain(t.stages, chunk, &s.encoded, s, &stage, &code)
    if status != OK:
        return fail_encoding(job, task, status, code, stage)
    status = write_file(path, s.encoded.data, s.encoded.nbytes, t.fsync, &code)
    return 0 if status == OK else fail(job, task, status, code, -1)


cdef int load_file(Job* job, index_t task, const char* path) noexcept nogil:
    """Decode the chunk that a file holds to scratch; fill values where there is none."""
    cdef const Target* t = job.target
    cdef Scratch* s = scratch()
    cdef bint absent
    cdef int code = 0, stage = -1
    cdef Status status = read_file(path, &s.encoded, &absent, &code)
    if status != OK:
        return fail(job, task, status, code, -1)
    return decode_old(job, task, <const char*> NULL if absent else s.encoded.data, s.encoded.nbytes)


cdef int decode_old(Job* job, index_t task, const char* data, size_t nbytes) noexcept nogil:
    """Decode the old chunk, no data meaning none, to scratch."""
    cdef const Target* t = job.target
    cdef Scratch* s = scratch()
    cdef int code = 0, stage = -1
    cdef Status status
    if data == NULL:
        fill_items(t.fill, s.chunk.data, t.geometry.n_items, t.geometry.itemsize)
        return 0
    if t.stages.n:
        status = decode_chain(t.stages, data, nbytes, s.chunk.data, s, &stage, &code)
        return 0 if status == OK else fail(job, task, status, code, stage)
    if nbytes != t.geometry.nbytes:
        return fail(job, task, WRONG_SIZE, 0, -1)
    memcpy(s.chunk.data, data, nbytes)
    return 0


cdef int write_file_task(void* context, index_t task) noexcept nogil:
    cdef Job* job = <Job*> context
    cdef const Target* t = job.target
    cdef const Row* rows[MAX_DIMS]
    cdef char path[PATH_CAPACITY]
    cdef Scratch* s = scratch()
    cdef const char* chunk
    cdef uint64_t key
    cdef int failed
    pick(job, task, rows)
    key = hash_key(t.identity, path + t.n_directory, write_path(t, rows, path) - t.n_directory)
    if reserve(&s.chunk, t.geometry.nbytes) != OK:
        return fail(job, task, NO_MEMORY, 0, -1)
    if is_whole(t, rows):
        chunk = compose_whole(job, rows, s.chunk.data)
        lock(key)
        failed = store_file(job, task, path, chunk)
    else:
        lock(key)
        failed = load_file(job, task, path)
        if not failed:
            scatter(job, rows, s.chunk.data)
            failed = store_file(job, task, path, s.chunk.data)
    unlock(key)
    return failed


cdef int keep_encoded(Sink* sink, const char* data, size_t nbytes) noexcept nogil:
    sink.data = <char*> malloc(nbytes if nbytes else 1)
    if sink.data == NULL:
        return -1
    memcpy(sink.data, data, nbytes)
    sink.nbytes = nbytes
    return 0


cdef int encode_task(void* context, index_t task) noexcept nogil:
    """Encode one chunk that is written whole, for the calling thread to store."""
    cdef Job* job = <Job*> context
    cdef const Target* t = job.target
    cdef const Row* rows[MAX_DIMS]
    cdef Scratch* s = scratch()
    cdef Sink* sink = &job.sinks[task]
    cdef index_t chunk_number = job.first + task
    cdef const char* chunk
    cdef int code = 0, stage = -1
    cdef Buffer out
    cdef Status status
    pick(job, chunk_number, rows)
    if not is_whole(t, rows):
        return 0
    sink.done = True
    if t.stages.n == 0:     # composed right in the bytes that will be stored
        chunk = compose_whole(job, rows, sink.data)
        if is_empty(t, chunk):
            sink.data = NULL
        elif chunk != sink.data:
            memcpy(sink.data, chunk, t.geometry.nbytes)
        return 0
    if reserve(&s.chunk, t.geometry.nbytes) != OK:
        return fail(job, chunk_number, NO_MEMORY, 0, -1)
    chunk = compose_whole(job, rows, s.chunk.data)
    if is_empty(t, chunk):
        sink.data = NULL
        return 0
    if sink.data != NULL:
        out = Buffer(sink.data, 0, sink.nbytes, sink.nbytes, False)
        status = encode_chain(t.stages, chunk, &out, s, &stage, &code)
        if status == OK and out.nbytes != sink.nbytes:
            status = WRONG_SIZE
            stage = t.stages.n - 1
        return 0 if status == OK else fail_encoding(job, chunk_number, status, code, stage)
    status = encode_chain(t.stages, chunk, &s.encoded, s, &stage, &code)
    if status != OK:
        return fail_encoding(job, chunk_number, status, code, stage)
    if keep_encoded(sink, s.encoded.data, s.encoded.nbytes) != 0:
        return fail(job, chunk_number, NO_MEMORY, 0, -1)
    return 0


cdef int update_task(void* context, index_t task) noexcept nogil:
    """Replace a part of one chunk of a mapping, under the key's lock."""
    cdef Job* job = <Job*> context
    cdef const Target* t = job.target
    cdef const Row* rows[MAX_DIMS]
    cdef char key[24 * MAX_DIMS]
    cdef Scratch* s = scratch()
    cdef uint64_t key_hash
    cdef int failed
    pick(job, task, rows)
    if is_whole(t, rows):
        return 0
    if reserve(&s.chunk, t.geometry.nbytes) != OK:
        return fail(job, task, NO_MEMORY, 0, -1)
    key_hash = hash_key(t.identity, key, write_key(t, rows, key))
    lock(key_hash)
    failed = load_value(job, task, rows)
    if not failed:
        scatter(job, rows, s.chunk.data)
        failed = store_value(job, task, rows, s.chunk.data)
    unlock(key_hash)
    return failed


cdef int load_value(Job* job, index_t task, const Row** rows) noexcept nogil:
    cdef Source source
    cdef int failed = fetch(job, task, rows, &source)
    if failed:
        return failed
    failed = decode_old(job, task, source.data, source.nbytes)
    if source.owner != NULL:
        release(source.owner)
    return failed


cdef int store_value(Job* job, index_t task, const Row** rows, const char* chunk) noexcept nogil:
    cdef const Target* t = job.target
    cdef Scratch* s = scratch()
    cdef int code = 0, stage = -1
    cdef Status status
    if is_empty(t, chunk):
        return put(job, task, rows, NULL, 0)
    if t.stages.n == 0:
        return put(job, task, rows, chunk, t.geometry.nbytes)
    status = encode_chain(t.stages, chunk, &s.encoded, s, &stage, &code)
    if status != OK:
        return fail_encoding(job, task, status, code, stage)
    return put(job, task, rows, s.encoded.data, s.encoded.nbytes)


# ------------------------------------------------- the parts that need the GIL

cdef int set_aside(Job* job, index_t task, object exception) noexcept:
    """Keep an exception as the job's failure."""
    if zarrc_claim(&job.failure.claimed):
        Py_INCREF(exception)
        job.failure.exception = <PyObject*> exception
        job.failure.task = task
    return 1


cdef int fetch(Job* job, index_t task, const Row** rows, Source* source) noexcept with gil:
    """Look up the stored bytes of a chunk."""
    cdef Pipeline pipeline = <Pipeline> job.pipeline
    source[0] = Source(NULL, 0, NULL)
    enter()
    try:
        hold(pipeline.get(pipeline.key(rows)), source)
    except BaseException as e:
        return set_aside(job, task, e)
    finally:
        leave()
    return 0


cdef int put(Job* job, index_t task, const Row** rows, const char* data, size_t nbytes) noexcept with gil:
    """Store the bytes of a chunk; no data: remove it."""
    cdef Pipeline pipeline = <Pipeline> job.pipeline
    enter()
    try:
        if data == NULL:
            pipeline.remove(pipeline.key(rows))
        else:
            pipeline.store[pipeline.key(rows)] = PyBytes_FromStringAndSize(data, nbytes)
    except BaseException as e:
        return set_aside(job, task, e)
    finally:
        leave()
    return 0


cdef void release(PyObject* owner) noexcept with gil:
    enter()
    Py_DECREF(<object> owner)
    leave()


cdef int hold(object value, Source* source) except -1:
    """Hold the memory of a store's value; None is an absent one."""
    cdef Py_buffer* view
    source[0] = Source(NULL, 0, NULL)
    if value is None:
        return 0
    if not PyBytes_CheckExact(value):
        value = memoryview(value)
        view = PyMemoryView_GET_BUFFER(value)
        if not PyBuffer_IsContiguous(view, c"A"):
            raise ValueError("a store's values must be contiguous buffers")
        source.data = <const char*> view.buf
        source.nbytes = view.len
    else:
        source.data = PyBytes_AS_STRING(value)
        source.nbytes = PyBytes_GET_SIZE(value)
    if source.data == NULL:
        source.data = ""
    Py_INCREF(value)
    source.owner = <PyObject*> value
    return 0


cdef extern from "Python.h":
    Py_buffer* PyMemoryView_GET_BUFFER(object)
    bint PyBuffer_IsContiguous(Py_buffer*, char)
    object PyUnicode_New(Py_ssize_t, Py_UCS4)
    void* PyUnicode_DATA(object)


cdef class Pipeline:
    """Moves the chunks of one array.

    Parameters
    ----------
    name : str
        What errors call the array.
    dtype : numpy.dtype
        Of the arrays that users get.
    chunk_shape : tuple of int
    order : tuple of int
        Axes of the chunk in the order in which the decoded bytes hold them, C order being 0, 1, 2, …
    chain : Chain
    fill : bytes
        One item.
    has_fill : bool
        Whether there is a fill value, so that chunks may count as empty.
    key_prefix : bool
        Chunk keys begin with "c".
    separator : str
        Between the parts of a chunk key.
    write_empty, fill_missing : bool
        As in ``ArrayConfig``.
    """
    cdef Target t
    cdef readonly str name
    cdef readonly cnp.dtype dtype
    cdef readonly tuple chunk_shape
    cdef readonly Chain chain
    cdef bytes fill
    cdef bytes directory
    cdef object store
    cdef str prefix
    cdef bytes prefix_bytes

    def __init__(
        self, str name, dtype, tuple chunk_shape, tuple order, Chain chain, bytes fill, bint has_fill,
        bint key_prefix, str separator, bint write_empty, bint fill_missing,
    ):
        cdef Geometry* g = &self.t.geometry
        cdef int i, d
        cdef index_t stride
        if len(chunk_shape) > MAX_DIMS:
            raise ValueError(f"arrays have {MAX_DIMS} dimensions at most, not {len(chunk_shape)}")
        self.name = name
        self.dtype = dtype
        self.chunk_shape = chunk_shape
        self.chain = chain
        self.fill = fill
        g.ndim = len(chunk_shape)
        g.itemsize = dtype.itemsize
        stride = g.itemsize
        for i in range(g.ndim - 1, -1, -1):
            d = order[i]
            g.extents[d] = chunk_shape[d]
            g.strides[d] = stride
            g.by_stride[i] = d
            stride *= g.extents[d]
        g.nbytes = stride
        g.n_items = stride // g.itemsize if g.itemsize else 0
        self.t.stages = &chain.c
        self.t.fill = fill
        self.t.has_fill = has_fill
        self.t.write_empty = write_empty
        self.t.fill_missing = fill_missing
        self.t.keys = Keys(key_prefix, ord(separator))
        self.store = {}
        self.t.access = DICT
        self.prefix_bytes = b""

    def use_files(self, str directory, separator, bint fsync, uint64_t identity):
        """Keep the chunks in files of a folder; a `separator` replaces the keys' own.

        `identity` is the hash of a name that all have for the folder; locks go by it.
        """
        self.directory = os.fsencode(directory.rstrip("/") + "/")
        if len(self.directory) + 24 * (self.t.geometry.ndim + 1) > PATH_CAPACITY:
            raise ValueError(f"the path {directory!r} is too long")
        self.t.access = FILES
        self.t.directory = self.directory
        self.t.n_directory = len(self.directory)
        self.t.identity = identity
        self.t.fsync = fsync
        if separator is not None:
            self.t.keys.separator = ord(separator)

    def use_mapping(self, store, str prefix, uint64_t identity):
        """Keep the chunks in a mapping, under keys that begin with `prefix`; a plain dict is used directly.

        `identity` is the hash of a name that all have for the mapping's keys with that prefix; locks go by it.
        """
        self.store = store
        self.prefix_bytes = prefix.encode()
        self.t.access = DICT if type(store) is dict else MAPPING
        self.t.identity = identity

    # ---------------------------------------------------------------- keys

    cdef object key(self, const Row** rows):
        cdef char text[24 * MAX_DIMS]
        cdef Py_ssize_t n = write_key(&self.t, rows, text), n_prefix = len(self.prefix_bytes)
        cdef object key
        cdef char* data
        if n_prefix and not self.prefix_bytes.isascii():
            return self.prefix_bytes.decode() + text[:n].decode("ascii")
        key = PyUnicode_New(n_prefix + n, 127)
        data = <char*> PyUnicode_DATA(key)
        memcpy(data, PyBytes_AS_STRING(self.prefix_bytes), n_prefix)
        memcpy(data + n_prefix, text, n)
        return key

    cdef object get(self, key):
        """The stored value, or None."""
        if self.t.access == DICT:
            return (<dict> self.store).get(key)
        try:
            return self.store[key]
        except KeyError:
            return None

    cdef int remove(self, key) except -1:
        try:
            del self.store[key]
        except KeyError:
            pass
        return 0

    # ------------------------------------------------------------- jobs

    cdef int begin(self, Job* job, Plan plan, cnp.ndarray memory) except -1:
        cdef int d
        memset(&job.failure, 0, sizeof(Failure))
        self.check(plan, memory)
        job.target = &self.t
        job.axes = plan.axes
        job.memory = <char*> cnp.PyArray_DATA(memory)
        job.first = 0
        job.pipeline = <PyObject*> self
        for d in range(plan.grid.ndim):
            job.strides[d] = cnp.PyArray_STRIDES(memory)[plan.axes[d].out_axis] if plan.axes[d].out_axis >= 0 else 0
        return 0

    cdef int check(self, Plan plan, cnp.ndarray memory) except -1:
        """Raise ValueError unless a plan, its memory and the array's chunks belong together."""
        cdef Geometry* g = &self.t.geometry
        cdef int d
        cdef bint fits = plan.grid.ndim == g.ndim
        for d in range(g.ndim):
            fits = fits and plan.grid.chunk_extents[d] == g.extents[d]
        if not fits:
            raise ValueError(f"the plan is for chunks {plan.grid.chunk_shape}, and the array has {self.chunk_shape}")
        fits = cnp.PyArray_NDIM(memory) == len(plan.shape) and <size_t> cnp.PyArray_ITEMSIZE(memory) == g.itemsize
        for d in range(cnp.PyArray_NDIM(memory) if fits else 0):
            fits = fits and cnp.PyArray_DIM(memory, d) == <cnp.npy_intp> plan.shape[d]
        if not fits:
            raise ValueError(
                f"memory of shape {(<object> memory).shape} and {memory.dtype} "
                f"is not for {plan.shape} and {self.dtype}"
            )
        return 0

    cdef int threads_for(self, index_t n_chunks, size_t nbytes, int most) noexcept:
        """One thread for little work, else as many as there are."""
        cdef size_t work = nbytes if self.t.stages.n == 0 else n_chunks * self.t.geometry.nbytes
        if n_chunks < 2 or work < PARALLEL_NBYTES:
            return 1
        return most

    cdef int finish(self, Job* job, int stopped, Plan plan) except -1:
        """Raise what went wrong."""
        if stopped == 0:
            return 0
        if stopped < 0:     # a signal handler's exception is set
            Py_XDECREF(job.failure.exception)
            return -1
        raise self.failure(job, plan)

    cdef object failure(self, Job* job, Plan plan):
        cdef const Row* rows[MAX_DIMS]
        cdef Failure* f = &job.failure
        cdef object exception
        pick(job, f.task, rows)
        key = self.key(rows)
        if f.exception != NULL:
            exception = <object> f.exception
            Py_DECREF(exception)
            f.exception = NULL
            return exception
        where = f"chunk {key!r} of array {self.name!r}"
        if f.missing:
            return ChunkNotFoundError(f"{where} is absent, and fill_missing_chunks is off")
        if f.status == NO_MEMORY and f.stage < 0:
            return MemoryError(f"{where}: no memory for {self.t.geometry.nbytes} bytes")
        if f.status == SYSTEM and f.stage < 0:
            return OSError(f.code, os.strerror(f.code), self.path(rows))
        if f.stage < 0:
            return CodecError(
                f"{where}: not {self.t.geometry.nbytes} bytes long, as the metadata say", "bytes", "decode", key
            )
        return codec_failure(
            self.chain.codecs[f.stage], f.status, f.code, "encode" if f.encoding else "decode",
            self.chain.names[f.stage], key, where,
        )

    cdef object path(self, const Row** rows):
        cdef char path[PATH_CAPACITY]
        if self.t.access != FILES:
            return self.key(rows)
        return os.fsdecode(path[:write_path(&self.t, rows, path)])

    # ---------------------------------------------------------------- reading

    cpdef object read(self, Plan plan, out=None, int threads=1, bint fortran=False, contexts=None):
        """Return what a plan wants, as an array or scalar.

        Parameters
        ----------
        plan : Plan
        out : ndarray of shape plan.shape and the array's dtype, optional
            Written to, and returned.
        threads : int
            Most threads to use, this one included.
        fortran : bool
            Memory layout of a new array.
        contexts : mapping, optional
            Given to ``getitems``.

        Raises
        ------
        CodecError, ChecksumError, OSError, ChunkNotFoundError
            Naming the array, the chunk's key and the codec.
        """
        cdef Job job
        cdef cnp.ndarray result
        cdef cnp.npy_intp dims[MAX_DIMS]
        cdef int i, n, stopped, ndim = len(plan.shape)
        cdef size_t nbytes
        if out is None:
            for i in range(ndim):
                dims[i] = plan.shape[i]
            Py_INCREF(self.dtype)
            result = PyArray_Empty(ndim, dims, self.dtype, fortran)
        else:
            result = out
        if plan.n_chunks:
            self.begin(&job, plan, result)
            nbytes = cnp.PyArray_NBYTES(result)
            n = self.threads_for(plan.n_chunks, nbytes, threads)
            if self.t.access == FILES:
                with nogil:
                    stopped = run(read_file_task, &job, plan.n_chunks, n)
                    trim_scratch()
                self.finish(&job, stopped, plan)
            else:
                self.read_sources(&job, plan, n, nbytes, contexts)
        if out is None and plan.is_scalar:
            return result[()]
        return result

    cdef int read_sources(self, Job* job, Plan plan, int threads, size_t nbytes, contexts) except -1:
        """Collect the stored bytes of a batch of chunks, decode them, and so on."""
        cdef Source one
        cdef index_t batch = plan.n_chunks, n, i
        cdef int stopped
        if self.t.access == MAPPING:
            batch = min(batch, max(2 * threads, BATCH_NBYTES // max(1, self.t.geometry.nbytes)))
        job.sources = &one
        if batch > 1:
            job.sources = <Source*> PyMem_Malloc(batch * sizeof(Source))
            if job.sources == NULL:
                raise MemoryError
        try:
            while job.first < plan.n_chunks:
                n = min(batch, plan.n_chunks - job.first)
                for i in range(n):
                    job.sources[i] = Source(NULL, 0, NULL)
                try:
                    self.collect(job, n, contexts)
                    if self.t.stages.n == 0 and nbytes <= INLINE_NBYTES:
                        stopped = 0
                        for i in range(n):
                            if not stopped:
                                stopped = read_source_task(job, i)
                    else:
                        with nogil:
                            stopped = run(read_source_task, job, n, threads)
                            trim_scratch()
                    self.finish(job, stopped, plan)
                finally:
                    for i in range(n):
                        Py_XDECREF(job.sources[i].owner)
                job.first += n
        finally:
            if batch > 1:
                PyMem_Free(job.sources)
        return 0

    cdef int collect(self, Job* job, index_t n, contexts) except -1:
        """Look up the values of chunks job.first … job.first + n - 1."""
        cdef const Row* rows[MAX_DIMS]
        cdef index_t i
        if self.t.access == MAPPING and n > 1 and hasattr(self.store, "getitems"):
            keys = []
            for i in range(n):
                pick(job, job.first + i, rows)
                keys.append(self.key(rows))
            values = self.store.getitems(keys, contexts=contexts or {})
            for i in range(n):
                hold(values.get(keys[i]), &job.sources[i])
            return 0
        for i in range(n):
            pick(job, job.first + i, rows)
            hold(self.get(self.key(rows)), &job.sources[i])
        return 0

    # ---------------------------------------------------------------- writing

    cpdef object write(self, Plan plan, cnp.ndarray values, int threads=1):
        """Store values where a plan says.

        Parameters
        ----------
        plan : Plan
        values : ndarray of shape plan.shape and the array's dtype
            Any strides, 0 included.
        threads : int
            Most threads to use, this one included.

        Raises
        ------
        CodecError, ChecksumError, OSError
            Naming the array, the chunk's key and the codec.
        """
        cdef Job job
        cdef int stopped, n
        if not plan.n_chunks:
            return
        self.begin(&job, plan, values)
        n = self.threads_for(plan.n_chunks, plan.n_chunks * self.t.geometry.nbytes, threads)
        if self.t.access == FILES:
            with nogil:
                stopped = run(write_file_task, &job, plan.n_chunks, n)
                trim_scratch()
            self.finish(&job, stopped, plan)
        else:
            self.write_whole(&job, plan, n)
            # a mapping of somebody else's is used by this thread alone
            with nogil:
                stopped = run(update_task, &job, plan.n_chunks, n if self.t.access == DICT else 1)
                trim_scratch()
            self.finish(&job, stopped, plan)

    cdef int write_whole(self, Job* job, Plan plan, int threads) except -1:
        """Encode the chunks that are written whole, a batch at a time, and store them."""
        cdef index_t batch = max(2 * threads, BATCH_NBYTES // max(1, self.t.geometry.nbytes)), n, i
        cdef int stopped
        batch = min(batch, plan.n_chunks)
        job.sinks = <Sink*> PyMem_Malloc(batch * sizeof(Sink))
        if job.sinks == NULL:
            raise MemoryError
        try:
            while job.first < plan.n_chunks:
                n = min(batch, plan.n_chunks - job.first)
                memset(job.sinks, 0, n * sizeof(Sink))
                try:
                    self.prepare_sinks(job, n)
                    with nogil:
                        stopped = run(encode_task, job, n, threads)
                        trim_scratch()
                    self.finish(job, stopped, plan)
                    self.store_sinks(job, n)
                finally:
                    self.drop_sinks(job, n)
                job.first += n
        finally:
            PyMem_Free(job.sinks)
            job.first = 0
        return 0

    cdef int prepare_sinks(self, Job* job, index_t n) except -1:
        """Where the encoded size is known, make the bytes objects that will be stored."""
        cdef const Row* rows[MAX_DIMS]
        cdef index_t i
        cdef object value
        if not self.t.stages.encoded_nbytes:
            return 0
        for i in range(n):
            pick(job, job.first + i, rows)
            if not is_whole(&self.t, rows):
                continue
            value = PyBytes_FromStringAndSize(NULL, self.t.stages.encoded_nbytes)
            Py_INCREF(value)
            job.sinks[i].owner = <PyObject*> value
            job.sinks[i].data = PyBytes_AS_STRING(value)
            job.sinks[i].nbytes = self.t.stages.encoded_nbytes
        return 0

    cdef int store_sinks(self, Job* job, index_t n) except -1:
        """Store the encoded chunks, each under its key's lock."""
        cdef const Row* rows[MAX_DIMS]
        cdef char text[24 * MAX_DIMS]
        cdef Sink* sink
        cdef index_t i
        cdef uint64_t key_hash
        for i in range(n):
            sink = &job.sinks[i]
            if not sink.done:
                continue
            pick(job, job.first + i, rows)
            if sink.data == NULL:
                value = None
            elif sink.owner != NULL:
                value = <object> sink.owner
            else:
                value = PyBytes_FromStringAndSize(sink.data, sink.nbytes)
            key = self.key(rows)
            key_hash = hash_key(self.t.identity, text, write_key(&self.t, rows, text))
            if not try_lock(key_hash):
                with nogil:
                    lock(key_hash)
            try:
                if value is None:
                    self.remove(key)
                else:
                    self.store[key] = value
            finally:
                unlock(key_hash)
        return 0

    cdef void drop_sinks(self, Job* job, index_t n) noexcept:
        cdef index_t i
        for i in range(n):
            if job.sinks[i].owner != NULL:
                Py_DECREF(<object> job.sinks[i].owner)
            else:
                free(job.sinks[i].data)
