"""What is done for one chunk: the tasks of which a read or a write is made.

A reading task finds the chunk's bytes (a file that it reads, or memory that was collected
before), decodes them, straight into the result where the layouts agree and else into
scratch, and copies what the plan wants. A writing task goes the other way; where it replaces a
part of a chunk only, it holds the chunk key's lock from reading the old chunk to storing
the new one. Tasks run without the GIL; only `Job.fetch`, `put` and `release` take it.
"""

from libc.stdint cimport uint64_t
from libc.stdlib cimport malloc
from libc.string cimport memcpy

from .block cimport (
    Block, Layout, Transfer,
    axis_extent, fill_user, first_place, is_full, is_laid_out_alike, is_whole, lay_out, pick, to_chunk, to_user,
)
from .cache cimport forget
from .chain cimport Scratch, can_decode_range, decode_chain, decode_range, encode_chain, scratch
from .copying cimport all_equal, fill_items
from .files cimport PATH_CAPACITY, Stamp, close_file, open_file, read_file, remove_file, write_file
from .pool cimport hash_key, lock, unlock
from .ranges cimport read_ranges
from .types cimport Buffer, Status, index_t, reserve, OK, WRONG_SIZE, NO_MEMORY, SYSTEM

cdef extern from *:
    """
    static inline int zarrc_claim(int* flag) {
        int unset = 0;
        return __atomic_compare_exchange_n(flag, &unset, 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    }
    """
    bint zarrc_claim(int* flag) nogil


cdef bint claim(Job* job) noexcept nogil:
    return zarrc_claim(&job.failure.claimed)


# ------------------------------------------------------------- keys of chunks

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


cdef size_t write_key(const Target* t, const Block* block, char* out) noexcept nogil:
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
        n += append_number(out + n, block.coords[d])
    if n == 0:          # no dimensions: the one chunk of the v2 encoding is "0"
        out[0] = c"0"
        n = 1
    out[n] = 0
    return n


cdef size_t write_path(const Target* t, const Block* block, char* out) noexcept nogil:
    memcpy(out, t.directory, t.n_directory)
    return t.n_directory + write_key(t, block, out + t.n_directory)


# ------------------------------------------------------------------- failures

cdef int fail(Job* job, index_t task, Status status, int code, int stage) noexcept nogil:
    """Record the first failure of a job; returns non-zero, which ends it."""
    if claim(job):
        job.failure.status = status
        job.failure.code = code
        job.failure.stage = stage
        job.failure.task = task
    return 1


cdef int fail_encoding(Job* job, index_t task, Status status, int code, int stage) noexcept nogil:
    if claim(job):
        job.failure.status = status
        job.failure.code = code
        job.failure.stage = stage
        job.failure.encoding = True
        job.failure.task = task
    return 1


cdef int fail_missing(Job* job, index_t task) noexcept nogil:
    if claim(job):
        job.failure.missing = True
        job.failure.task = task
    return 1


# -------------------------------------------------------------------- reading

cdef int read_absent(Job* job, index_t task, const Block* block) noexcept nogil:
    cdef Status status
    if not job.target.fill_missing:
        return fail_missing(job, task)
    status = fill_user(&job.transfer, block, job.target.fill, scratch())
    return 0 if status == OK else fail(job, task, status, 0, -1)


cdef bint byte_span(const Layout* layout, size_t itemsize, index_t* start, size_t* nbytes) noexcept nogil:
    """The bytes of a decoded chunk from the first wanted one to the last."""
    cdef index_t low, high
    cdef int i
    start[0] = layout.chunk_offset
    nbytes[0] = itemsize
    for i in range(layout.n):
        axis_extent(&layout.axes[i], &low, &high)
        start[0] += low
        nbytes[0] += high - low
    return True


cdef bint lies_in_part(const Job* job, const Block* block, index_t* start, size_t* nbytes) noexcept nogil:
    cdef Layout layout
    cdef Status status = OK
    if job.target.stages.n or not lay_out(&job.transfer, block, &layout, scratch(), &status):
        return False
    byte_span(&layout, job.target.geometry.itemsize, start, nbytes)
    return 2 * nbytes[0] <= job.target.geometry.nbytes


cdef Status decode_wanted(
    const Target* t, const Transfer* m, const Block* block, const char* data, size_t nbytes,
    int* stage, int* code,
) noexcept nogil:
    """Decode to scratch what holds the wanted elements: a part of the chunk where the codec can and it pays."""
    cdef Scratch* s = scratch()
    cdef Layout layout
    cdef index_t start
    cdef size_t span
    cdef Status status = OK
    if can_decode_range(t.stages) and lay_out(m, block, &layout, s, &status):
        byte_span(&layout, t.geometry.itemsize, &start, &span)
        if span <= t.geometry.nbytes // 2:
            return decode_range(t.stages, data, nbytes, start, span, s.chunk.data + start, stage, code)
    if status != OK:
        return status
    return decode_chain(t.stages, data, nbytes, s.chunk.data, s, stage, code)


cdef int decode_into(Job* job, index_t task, const Block* block, const char* data, size_t nbytes) noexcept nogil:
    """Decode a chunk's stored bytes and give the user what is wanted of it."""
    cdef const Target* t = job.target
    cdef const Transfer* m = &job.transfer
    cdef Scratch* s = scratch()
    cdef int code = 0, stage = -1
    cdef Status status
    if t.stages.n == 0:
        status = to_user(m, block, data, s) if nbytes == t.geometry.nbytes else WRONG_SIZE
    elif is_full(m, block) and is_laid_out_alike(m):
        status = decode_chain(t.stages, data, nbytes, first_place(m, block), s, &stage, &code)
    else:
        status = reserve(&s.chunk, t.geometry.nbytes)
        if status == OK:
            status = decode_wanted(t, m, block, data, nbytes, &stage, &code)
        if status == OK:
            status = to_user(m, block, s.chunk.data, s)
    return 0 if status == OK else fail(job, task, status, code, stage)


cdef int read_plain_file(Job* job, index_t task, const Block* block, const char* path) noexcept nogil:
    """Read an uncompressed chunk by byte ranges."""
    cdef Stamp stamp
    cdef bint absent
    cdef int code = 0
    cdef Status status
    cdef int fd = open_file(path, &stamp, &absent, &code)
    if absent:
        return read_absent(job, task, block)
    if fd < 0:
        return fail(job, task, SYSTEM, code, -1)
    status = WRONG_SIZE
    if <size_t> stamp.nbytes == job.target.geometry.nbytes:
        status = read_ranges(&job.transfer, block, fd, 0, scratch(), &code)
    close_file(fd)
    return 0 if status == OK else fail(job, task, status, code, -1)


cdef int read_file_task(void* context, index_t task) noexcept nogil:
    cdef Job* job = <Job*> context
    cdef const Target* t = job.target
    cdef Block block
    cdef char path[PATH_CAPACITY]
    cdef Scratch* s
    cdef bint absent
    cdef int code = 0
    cdef Status status
    pick(&job.transfer, task, &block)
    write_path(t, &block, path)
    if t.stages.n == 0:
        return read_plain_file(job, task, &block, path)
    s = scratch()
    status = read_file(path, &s.encoded, &absent, &code)
    if status != OK:
        return fail(job, task, status, code, -1)
    if absent:
        return read_absent(job, task, &block)
    return decode_into(job, task, &block, s.encoded.data, s.encoded.nbytes)


cdef int read_source_task(void* context, index_t task) noexcept nogil:
    cdef Job* job = <Job*> context
    cdef Block block
    cdef const Source* source = &job.sources[task]
    cdef index_t chunk = numbered(job, task)
    pick(&job.transfer, chunk, &block)
    if source.owner == NULL:
        return read_absent(job, chunk, &block)
    return decode_into(job, chunk, &block, source.data, source.nbytes)


# -------------------------------------------------------------------- writing

cdef const char* compose_whole(Job* job, const Block* block, char* into, Status* status) noexcept nogil:
    """Return the decoded chunk that the user's values make, built in `into` unless they lie so already."""
    cdef const Target* t = job.target
    cdef bint full = is_full(&job.transfer, block)
    status[0] = OK
    if full and is_laid_out_alike(&job.transfer):
        return first_place(&job.transfer, block)
    if not full:    # an edge chunk, or one that is written in another order
        fill_items(t.fill, into, t.geometry.n_items, t.geometry.itemsize)
    status[0] = to_chunk(&job.transfer, block, into, scratch())
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
        status = remove_file(path, t.fsync, &code)
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
    cdef Scratch* s = scratch()
    cdef bint absent
    cdef int code = 0
    cdef Status status = read_file(path, &s.encoded, &absent, &code)
    if status != OK:
        return fail(job, task, status, code, -1)
    return decode_old(job, task, <const char*> NULL if absent else s.encoded.data, s.encoded.nbytes, s.chunk.data)


cdef int decode_old(Job* job, index_t task, const char* data, size_t nbytes, char* into) noexcept nogil:
    """Decode the old chunk, no data meaning none."""
    cdef const Target* t = job.target
    cdef Scratch* s = scratch()
    cdef int code = 0, stage = -1
    cdef Status status
    if data == NULL:
        fill_items(t.fill, into, t.geometry.n_items, t.geometry.itemsize)
        return 0
    if t.stages.n:
        status = decode_chain(t.stages, data, nbytes, into, s, &stage, &code)
        return 0 if status == OK else fail(job, task, status, code, stage)
    if nbytes != t.geometry.nbytes:
        return fail(job, task, WRONG_SIZE, 0, -1)
    memcpy(into, data, nbytes)
    return 0


cdef int write_file_task(void* context, index_t task) noexcept nogil:
    cdef Job* job = <Job*> context
    cdef const Target* t = job.target
    cdef Block block
    cdef char path[PATH_CAPACITY]
    cdef Scratch* s = scratch()
    cdef const char* chunk = NULL
    cdef uint64_t key
    cdef int failed = 0
    cdef bint whole
    cdef Status status = reserve(&s.chunk, t.geometry.nbytes)
    if status != OK:
        return fail(job, task, status, 0, -1)
    pick(&job.transfer, task, &block)
    key = hash_key(t.identity, path + t.n_directory, write_path(t, &block, path) - t.n_directory)
    whole = is_whole(&job.transfer, &block)
    if whole:       # nothing of the old chunk is needed: only the storing is under the lock
        chunk = compose_whole(job, &block, s.chunk.data, &status)
        if status != OK:
            return fail(job, task, status, 0, -1)
    lock(key)
    if not whole:
        chunk = s.chunk.data
        failed = load_file(job, task, path)
        if not failed:
            status = to_chunk(&job.transfer, &block, s.chunk.data, s)
            failed = 0 if status == OK else fail(job, task, status, 0, -1)
    if not failed:
        failed = store_file(job, task, path, chunk)
    forget(key)
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
    """Encode one chunk for the calling thread to store."""
    cdef Job* job = <Job*> context
    cdef const Target* t = job.target
    cdef Block block
    cdef Scratch* s = scratch()
    cdef Sink* sink = &job.sinks[task]
    cdef index_t number = numbered(job, task)
    cdef char* into
    cdef const char* chunk
    cdef int code = 0, stage = -1
    cdef bint whole
    cdef Status status = OK
    pick(&job.transfer, number, &block)
    whole = is_whole(&job.transfer, &block)
    if not whole and job.sources == NULL:
        return 0
    sink.done = True
    if t.stages.n == 0:     # composed right in the bytes that will be stored
        into = sink.data
    else:
        status = reserve(&s.chunk, t.geometry.nbytes)
        into = s.chunk.data
    if status != OK:
        return fail(job, number, status, 0, -1)
    if whole:
        chunk = compose_whole(job, &block, into, &status)
    else:
        chunk = into
        if decode_old(job, number, job.sources[task].data, job.sources[task].nbytes, into):
            return 1
        status = to_chunk(&job.transfer, &block, into, s)
    if status == OK and is_empty(t, chunk):
        sink.data = NULL
        return 0
    if status == OK:
        status = encode_to_sink(t, chunk, sink, s, &stage, &code)
    return 0 if status == OK else fail_encoding(job, number, status, code, stage)


cdef Status encode_to_sink(
    const Target* t, const char* chunk, Sink* sink, Scratch* s, int* stage, int* code
) noexcept nogil:
    cdef Buffer out
    cdef Status status
    if t.stages.n == 0:
        if chunk != sink.data:
            memcpy(sink.data, chunk, t.geometry.nbytes)
        return OK
    if sink.data != NULL:
        out = Buffer(sink.data, 0, sink.nbytes, sink.nbytes, False)
        status = encode_chain(t.stages, chunk, &out, s, stage, code)
        if status == OK and out.nbytes != sink.nbytes:
            stage[0] = t.stages.n - 1
            return WRONG_SIZE
        return status
    status = encode_chain(t.stages, chunk, &s.encoded, s, stage, code)
    if status != OK:
        return status
    return OK if keep_encoded(sink, s.encoded.data, s.encoded.nbytes) == 0 else NO_MEMORY


cdef int update_task(void* context, index_t task) noexcept nogil:
    """Replace a part of one chunk of a mapping, under the key's lock."""
    cdef Job* job = <Job*> context
    cdef const Target* t = job.target
    cdef Block block
    cdef char key[KEY_CAPACITY]
    cdef Scratch* s = scratch()
    cdef uint64_t key_hash
    cdef int failed
    cdef Status status
    pick(&job.transfer, task, &block)
    if is_whole(&job.transfer, &block):
        return 0
    status = reserve(&s.chunk, t.geometry.nbytes)
    if status != OK:
        return fail(job, task, status, 0, -1)
    key_hash = hash_key(t.identity, key, write_key(t, &block, key))
    lock(key_hash)
    failed = load_value(job, task, &block)
    if not failed:
        status = to_chunk(&job.transfer, &block, s.chunk.data, s)
        failed = store_value(job, task, &block, s.chunk.data) if status == OK else fail(job, task, status, 0, -1)
    forget(key_hash)
    unlock(key_hash)
    return failed


cdef int load_value(Job* job, index_t task, const Block* block) noexcept nogil:
    cdef Source source
    cdef int failed = job.fetch(job, task, block, &source)
    if failed:
        return failed
    failed = decode_old(job, task, source.data, source.nbytes, scratch().chunk.data)
    if source.owner != NULL:
        job.release(source.owner)
    return failed


cdef int store_value(Job* job, index_t task, const Block* block, const char* chunk) noexcept nogil:
    cdef const Target* t = job.target
    cdef Scratch* s = scratch()
    cdef int code = 0, stage = -1
    cdef Status status
    if is_empty(t, chunk):
        return job.put(job, task, block, NULL, 0)
    if t.stages.n == 0:
        return job.put(job, task, block, chunk, t.geometry.nbytes)
    status = encode_chain(t.stages, chunk, &s.encoded, s, &stage, &code)
    if status != OK:
        return fail_encoding(job, task, status, code, stage)
    return job.put(job, task, block, s.encoded.data, s.encoded.nbytes)
