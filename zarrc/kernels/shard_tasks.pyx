"""What is done for one shard: its index is read, then the inner chunks that a plan touches.

A shard's chunks are gone through in *pieces*, some neighbours each, by as many threads as are free: one shard
is read or made by all of them, many shards by one each. A new shard gets its pieces in
the order of the chunks, whichever thread is done first, and goes to its file as they come,
so that no more than a piece per thread is in memory. Chunks of which nothing is replaced
keep the bytes that they have.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy
from libcpp.vector cimport vector

from .block cimport Block, is_whole, locate, number, to_chunk
from .cache cimport forget
from .cached cimport decode_from_shard, give_from_shard
from .chain cimport Scratch, encode_chain, scratch
from .copying cimport MAX_DIMS
from .files cimport (
    PATH_CAPACITY, Draft, Stamp,
    close_file, discard_draft, is_settled, open_draft, open_file, publish_draft, read_range, remove_file, write_draft,
)
from .pool cimport hash_key, lock, run, unlock
from .projection cimport Factor, Plan, Row
from .ranges cimport read_ranges
from .sharding cimport (
    NOWHERE, Sharding, ShardPlan,
    decode_index, encode_index, is_inside, place_of_index, recall_index, remember_index,
)
from .tasks cimport (
    KEY_CAPACITY, Job, Sink, Source, Target,
    compose_whole, decode_into, decode_old, fail, fail_encoding, is_empty, numbered, read_absent, write_key, write_path,
)
from .types cimport (
    Buffer, Status, append, index_t, reserve, reserve_keeping, OK, CORRUPT, NO_MEMORY, SYSTEM, WRONG_SIZE,
)

cdef extern from "shards.hpp" namespace "zarrc" nogil:
    cdef cppclass Places:
        uint64_t end
        bint wait(int64_t piece)
        void take(uint64_t nbytes)
        void fail()

cdef enum:
    PIECE_CHUNKS = 64
    PIECE_NBYTES = 1 << 20      # decoded: what stays in a processor's cache
    GAP_NBYTES = 1 << 12        # bytes between two chunks that are read with them rather than in two calls
    MERGED_NBYTES = 1 << 22     # most bytes of chunks that are read in one call
    ALONE_NBYTES = 1 << 14      # uncompressed chunks of so many bytes are read by their own ranges
    SMALL_INDEX = 1024          # numbers that are kept on the stack


# --------------------------------------------------------------------- plans

cdef index_t chunks_along(Plan plan, int d) noexcept:
    return (plan.grid.extents[d] + plan.grid.chunk_extents[d] - 1) // plan.grid.chunk_extents[d]


cdef index_t shard_of(const Factor* f, const Row* row, const Sharding* c, const index_t* n_shards) noexcept nogil:
    """Number of the shard that a row lies in, among those along the factor's axes."""
    cdef index_t coords[MAX_DIMS]
    cdef index_t found = 0
    cdef int a, d
    locate(f, row, coords)
    if f.list == NULL:
        return coords[f.axis] // c.chunks[f.axis]
    for a in range(f.list.n_axes):
        d = f.list.axes[a].axis
        found = found * n_shards[d] + coords[d] // c.chunks[d]
    return found


cdef ShardPlan* plan_shards(Job* job, Plan plan) except NULL:
    cdef const Sharding* c = job.target.sharding
    cdef const Factor* f
    cdef ShardPlan* found = new ShardPlan()
    cdef vector[int64_t] numbers
    cdef index_t n_shards[MAX_DIMS]
    cdef index_t k
    cdef int i, d
    try:
        for d in range(c.ndim):
            job.n_chunks[d] = chunks_along(plan, d)
            n_shards[d] = (job.n_chunks[d] + c.chunks[d] - 1) // c.chunks[d]
        for i in range(job.transfer.n_factors):
            f = &job.transfer.factors[i]
            numbers.resize(f.n_rows)
            for k in range(f.n_rows):
                numbers[k] = shard_of(f, &f.rows[k], c, n_shards)
            found.add(numbers)
    except BaseException:
        del found
        raise
    return found


cdef void pick_shard(const Job* job, index_t task, Shard* shard) noexcept nogil:
    cdef const ShardPlan* plan = job.shards
    cdef const Sharding* c = job.target.sharding
    cdef const Factor* f
    cdef index_t n
    cdef int i, d
    shard.n = 1
    for i in range(job.transfer.n_factors - 1, -1, -1):
        f = &job.transfer.factors[i]
        n = plan.n_groups(i)
        shard.groups[i] = task % n
        task = task // n
        shard.n *= plan.n_rows(i, shard.groups[i])
        locate(f, &f.rows[plan.row(i, shard.groups[i], 0)], shard.key.coords)
    for d in range(c.ndim):
        shard.key.coords[d] = shard.key.coords[d] // c.chunks[d]


cdef void pick_chunk(const Job* job, const Shard* shard, index_t k, Block* block) noexcept nogil:
    cdef const ShardPlan* plan = job.shards
    cdef const Factor* f
    cdef index_t n
    cdef int i
    for i in range(job.transfer.n_factors - 1, -1, -1):
        f = &job.transfer.factors[i]
        n = plan.n_rows(i, shard.groups[i])
        block.rows[i] = &f.rows[plan.row(i, shard.groups[i], k % n)]
        k = k // n
        locate(f, block.rows[i], block.coords)


cdef index_t place_in_shard(const Job* job, const Block* block) noexcept nogil:
    cdef const Sharding* c = job.target.sharding
    cdef index_t found = 0
    cdef int d
    for d in range(c.ndim):
        found = found * c.chunks[d] + block.coords[d] % c.chunks[d]
    return found


cdef index_t n_chunks_inside(const Job* job, const Shard* shard) noexcept nogil:
    """How many of the shard's chunks lie inside the array, at least in part."""
    cdef const Sharding* c = job.target.sharding
    cdef index_t found = 1, left
    cdef int d
    for d in range(c.ndim):
        left = job.n_chunks[d] - shard.key.coords[d] * c.chunks[d]
        found *= left if left < c.chunks[d] else c.chunks[d]
    return found


cdef bint is_whole_shard(const Job* job, const Shard* shard) noexcept nogil:
    cdef Block block
    cdef index_t k
    if shard.n != n_chunks_inside(job, shard):
        return False
    for k in range(shard.n):
        pick_chunk(job, shard, k, &block)
        if not is_whole(&job.transfer, &block):
            return False
    return True


cdef int fail_index(Job* job, const Shard* shard, Status status, int code, int stage) noexcept nogil:
    cdef Block block
    cdef index_t task
    pick_chunk(job, shard, 0, &block)
    task = number(&job.transfer, &block)
    if fail(job, task, status, code, stage) and job.failure.task == task:
        job.failure.of_index = status != SYSTEM
    return 1


cdef int fail_shard(Job* job, const Shard* shard, Status status, int code) noexcept nogil:
    """Record a failure that is none of a codec's."""
    cdef Block block
    pick_chunk(job, shard, 0, &block)
    return fail(job, number(&job.transfer, &block), status, code, -1)


# ------------------------------------------------------- the bytes of a shard

# Where the bytes of a shard are: an open file, memory, or chunk by chunk what was collected of it.
ctypedef struct Bytes:
    bint absent
    int fd                      # -1: in memory
    const char* data
    const uint64_t* index
    const Source* chunks        # by number in the plan; NULL: found by the index
    Stamp stamp                 # of the file
    bint is_cached              # decoded chunks are kept, and the stamp tells further changes


cdef Bytes in_memory(const char* data, const uint64_t* index) noexcept nogil:
    """A shard in memory, of which no decoded chunks are kept; no data: it is absent."""
    cdef Bytes found
    found.absent = data == NULL
    found.fd = -1
    found.data = data
    found.index = index
    found.chunks = NULL
    found.is_cached = False
    return found


cdef int open_shard(
    Job* job, const Shard* shard, const char* path, Bytes* out, uint64_t* index
) noexcept nogil:
    """Open a shard's file and know its index, which `index` has room for."""
    cdef const Sharding* c = job.target.sharding
    cdef Scratch* s = scratch()
    cdef Stamp stamp
    cdef uint64_t start = 0
    cdef int code = 0, stage = -1
    cdef bint settled
    cdef Status status
    out[0] = in_memory(NULL, index)
    out.absent = False
    out.fd = open_file(path, &stamp, &out.absent, &code)
    if out.absent:
        return 0
    if out.fd < 0:
        return fail_shard(job, shard, SYSTEM, code)
    settled = is_settled(&stamp)
    out.stamp = stamp
    out.is_cached = job.target.cache != NULL and settled
    if recall_index(c, path, &stamp, index):
        return 0
    status = CORRUPT
    if place_of_index(c, stamp.nbytes, &start):
        status = reserve(&s.encoded, c.index_nbytes)
        if status == OK:
            status = read_range(out.fd, s.encoded.data, c.index_nbytes, start, &code)
        if status == OK:
            status = decode_index(c, s.encoded.data, index, s, &stage, &code)
        if status == OK and not is_inside(c, index, stamp.nbytes):
            status = CORRUPT
            stage = -1
    if status != OK:
        close_file(out.fd)
        return fail_index(job, shard, status, code, stage)
    if settled:
        remember_index(c, path, &stamp, index)
    return 0


cdef int hold_shard(
    Job* job, const Shard* shard, const char* data, size_t nbytes, Bytes* out, uint64_t* index
) noexcept nogil:
    """Know the index of a shard in memory; no data: it is absent."""
    cdef const Sharding* c = job.target.sharding
    cdef uint64_t start = 0
    cdef int code = 0, stage = -1
    cdef Status status = CORRUPT
    out[0] = in_memory(data, index)
    if data == NULL:
        return 0
    if place_of_index(c, nbytes, &start):
        status = decode_index(c, data + start, index, scratch(), &stage, &code)
        if status == OK and not is_inside(c, index, nbytes):
            status = CORRUPT
            stage = -1
    return 0 if status == OK else fail_index(job, shard, status, code, stage)


cdef inline bint has_chunk(const Bytes* b, index_t place) noexcept nogil:
    return not b.absent and b.index[2 * place] != NOWHERE


cdef inline index_t n_pieces(index_t n, index_t per_piece) noexcept nogil:
    return (n + per_piece - 1) // per_piece


cdef index_t chunks_per_piece(const Job* job, index_t n) noexcept nogil:
    """As many chunks as stay in cache, but pieces for all threads."""
    cdef size_t nbytes = job.target.geometry.nbytes
    cdef index_t found = PIECE_NBYTES // nbytes if nbytes else PIECE_CHUNKS
    if found > PIECE_CHUNKS:
        found = PIECE_CHUNKS
    if job.threads > 1 and found > n // (2 * job.threads):
        found = n // (2 * job.threads)
    return found if found > 0 else 1


# ------------------------------------------------------------------- reading

ctypedef struct Reading:
    Job* job
    const Shard* shard
    const Bytes* source
    index_t per_piece

# A chunk that is wanted of a file.
ctypedef struct Wanted:
    uint64_t offset
    uint64_t nbytes
    index_t k           # its number in the plan of the shard


cdef int read_piece(void* context, index_t piece) noexcept nogil:
    """Give the user some chunks of a shard."""
    cdef Reading* r = <Reading*> context
    cdef const Bytes* b = r.source
    cdef Wanted wanted[PIECE_CHUNKS]
    cdef Block block
    cdef index_t k, place, stop = (piece + 1) * r.per_piece
    cdef int n = 0, failed
    if stop > r.shard.n:
        stop = r.shard.n
    for k in range(piece * r.per_piece, stop):
        if b.chunks != NULL:
            failed = read_collected(r, k)
        else:
            pick_chunk(r.job, r.shard, k, &block)
            place = place_in_shard(r.job, &block)
            if has_chunk(b, place):
                if b.is_cached and give_from_shard(
                    r.job, number(&r.job.transfer, &block), &block, &r.shard.key, place, &b.stamp, &failed
                ):
                    if failed:
                        return failed
                    continue
                insert(wanted, n, Wanted(b.index[2 * place], b.index[2 * place + 1], k))
                n += 1
                continue
            failed = read_absent(r.job, number(&r.job.transfer, &block), &block)
        if failed:
            return failed
    return read_from_memory(r, wanted, n) if b.fd < 0 else read_from_file(r, wanted, n)


cdef void insert(Wanted* wanted, int n, Wanted one) noexcept nogil:
    """Add one to `n` that are sorted by their offsets."""
    while n > 0 and wanted[n - 1].offset > one.offset:
        wanted[n] = wanted[n - 1]
        n -= 1
    wanted[n] = one


cdef int read_collected(Reading* r, index_t k) noexcept nogil:
    cdef Block block
    cdef const Source* source = &r.source.chunks[k]
    pick_chunk(r.job, r.shard, k, &block)
    if source.data == NULL:
        return read_absent(r.job, number(&r.job.transfer, &block), &block)
    return decode_into(r.job, number(&r.job.transfer, &block), &block, source.data, source.nbytes)


cdef int decode_one(Reading* r, const Wanted* one, const char* data) noexcept nogil:
    cdef Block block
    pick_chunk(r.job, r.shard, one.k, &block)
    if r.source.is_cached:
        return decode_from_shard(
            r.job, number(&r.job.transfer, &block), &block, &r.shard.key, place_in_shard(r.job, &block),
            &r.source.stamp, data, one.nbytes,
        )
    return decode_into(r.job, number(&r.job.transfer, &block), &block, data, one.nbytes)


cdef int read_from_memory(Reading* r, const Wanted* wanted, int n) noexcept nogil:
    cdef int i, failed
    for i in range(n):
        failed = decode_one(r, &wanted[i], r.source.data + wanted[i].offset)
        if failed:
            return failed
    return 0


cdef int read_from_file(Reading* r, const Wanted* wanted, int n) noexcept nogil:
    """Read chunks, those that are close to each other with one call."""
    cdef Scratch* s = scratch()
    cdef uint64_t start, end, after
    cdef int first = 0, last, i, failed, code = 0
    cdef Status status
    if r.job.target.stages.n == 0 and r.job.target.geometry.nbytes >= ALONE_NBYTES:
        return read_plain(r, wanted, n)
    while first < n:
        start = wanted[first].offset
        end = start + wanted[first].nbytes
        last = first + 1
        while last < n and wanted[last].offset <= end + GAP_NBYTES:
            after = wanted[last].offset + wanted[last].nbytes
            if after - start > MERGED_NBYTES:
                break
            end = max(end, after)
            last += 1
        status = reserve(&s.encoded, end - start)
        if status == OK:
            status = read_range(r.source.fd, s.encoded.data, end - start, start, &code)
        if status != OK:
            return fail_shard(r.job, r.shard, status, code)
        for i in range(first, last):
            failed = decode_one(r, &wanted[i], s.encoded.data + (wanted[i].offset - start))
            if failed:
                return failed
        first = last
    return 0


cdef int read_plain(Reading* r, const Wanted* wanted, int n) noexcept nogil:
    """Read of uncompressed chunks little more than what is wanted."""
    cdef Block block
    cdef int i, code = 0
    cdef Status status
    for i in range(n):
        pick_chunk(r.job, r.shard, wanted[i].k, &block)
        status = WRONG_SIZE
        if wanted[i].nbytes == r.job.target.geometry.nbytes:
            status = read_ranges(&r.job.transfer, &block, r.source.fd, wanted[i].offset, scratch(), &code)
        if status != OK:
            return fail(r.job, number(&r.job.transfer, &block), status, code, -1)
    return 0


cdef int read_pieces(Job* job, const Shard* shard, const Bytes* source) noexcept nogil:
    cdef Reading r = Reading(job, shard, source, chunks_per_piece(job, shard.n))
    return run(read_piece, &r, n_pieces(shard.n, r.per_piece), job.threads)


cdef uint64_t* room_for_index(const Sharding* c, uint64_t* small) noexcept nogil:
    """`small`, which takes SMALL_INDEX numbers, or memory of its own where that is not enough."""
    return small if 2 * c.n <= SMALL_INDEX else <uint64_t*> malloc(16 * c.n)


cdef int read_shard_file_task(void* context, index_t task) noexcept nogil:
    cdef Job* job = <Job*> context
    cdef Shard shard
    cdef Bytes source
    cdef char path[PATH_CAPACITY]
    cdef uint64_t small[SMALL_INDEX]
    cdef uint64_t* index = room_for_index(job.target.sharding, small)
    cdef int failed
    pick_shard(job, task, &shard)
    if index == NULL:
        return fail_index(job, &shard, NO_MEMORY, 0, -1)
    write_path(job.target, &shard.key, path)
    failed = open_shard(job, &shard, path, &source, index)
    if not failed:
        failed = read_pieces(job, &shard, &source)
        if source.fd >= 0:
            close_file(source.fd)
    if index != small:
        free(index)
    return failed


cdef int read_shard_source_task(void* context, index_t task) noexcept nogil:
    cdef Job* job = <Job*> context
    cdef Shard shard
    cdef Bytes source
    cdef uint64_t small[SMALL_INDEX]
    cdef uint64_t* index
    cdef int failed = 0
    pick_shard(job, numbered(job, task), &shard)
    if job.parts != NULL and job.parts[task] != NULL:
        source = in_memory("", NULL)
        source.chunks = job.parts[task]
        return read_pieces(job, &shard, &source)
    index = room_for_index(job.target.sharding, small)
    if index == NULL:
        return fail_index(job, &shard, NO_MEMORY, 0, -1)
    failed = hold_shard(job, &shard, job.sources[task].data, job.sources[task].nbytes, &source, index)
    if not failed:
        failed = read_pieces(job, &shard, &source)
    if index != small:
        free(index)
    return failed


# ------------------------------------------------------------------- writing

ctypedef struct Making:
    Job* job
    const Shard* shard
    const Bytes* old            # what the shard held; all of it is replaced where it is absent
    const index_t* touched      # by place: number in the plan of the shard, or -1
    uint64_t* index             # of the new shard
    index_t per_piece
    Places* places
    Draft* draft                # the file that it goes to; fd -1: not opened yet
    char* path                  # NULL: it goes to `memory`
    Buffer* memory


cdef Status read_old(const Bytes* old, index_t place, Buffer* out, int* code) noexcept nogil:
    """Append the stored bytes of an old chunk."""
    cdef size_t nbytes = old.index[2 * place + 1], before = out.nbytes
    cdef Status status
    if old.fd < 0:
        return append(out, old.data + old.index[2 * place], nbytes)
    status = reserve_keeping(out, before + nbytes, before)
    if status == OK:
        status = read_range(old.fd, out.data + before, nbytes, old.index[2 * place], code)
    out.nbytes = before + nbytes
    return status


cdef int compose_chunk(
    Making* m, const Block* block, index_t place, char* into, const char** chunk
) noexcept nogil:
    """Make the decoded chunk that the user's values and the old one give."""
    cdef Job* job = m.job
    cdef Scratch* s = scratch()
    cdef index_t task = number(&job.transfer, block)
    cdef const char* old = NULL
    cdef int code = 0, failed
    cdef Status status = OK
    if is_whole(&job.transfer, block):
        chunk[0] = compose_whole(job, block, into, &status)
        return 0 if status == OK else fail(job, task, status, 0, -1)
    s.encoded.nbytes = 0
    if has_chunk(m.old, place):
        status = read_old(m.old, place, &s.encoded, &code)
        if status != OK:
            return fail(job, task, status, code, -1)
        old = s.encoded.data
    failed = decode_old(job, task, old, s.encoded.nbytes, into)
    if failed:
        return failed
    chunk[0] = into
    status = to_chunk(&job.transfer, block, into, s)
    return 0 if status == OK else fail(job, task, status, 0, -1)


cdef int make_chunk(Making* m, index_t k, index_t place, Buffer* piece) noexcept nogil:
    """Append the encoded chunk, and note its size; nothing when it is empty."""
    cdef Job* job = m.job
    cdef const Target* t = job.target
    cdef Scratch* s = scratch()
    cdef Block block
    cdef index_t task
    cdef const char* chunk = NULL
    cdef int code = 0, stage = -1
    cdef Status status
    pick_chunk(job, m.shard, k, &block)
    task = number(&job.transfer, &block)
    status = reserve(&s.chunk, t.geometry.nbytes)
    if status != OK:
        return fail(job, task, status, 0, -1)
    if compose_chunk(m, &block, place, s.chunk.data, &chunk):
        return 1
    if is_empty(t, chunk):
        return 0
    if t.stages.n == 0:
        status = append(piece, chunk, t.geometry.nbytes)
        m.index[2 * place + 1] = t.geometry.nbytes
    else:
        status = encode_chain(t.stages, chunk, &s.encoded, s, &stage, &code)
        if status != OK:
            return fail_encoding(job, task, status, code, stage)
        status = append(piece, s.encoded.data, s.encoded.nbytes)
        m.index[2 * place + 1] = s.encoded.nbytes
    return 0 if status == OK else fail(job, task, status, 0, -1)


cdef int fill_piece(Making* m, index_t first, index_t stop, Buffer* piece) noexcept nogil:
    """Put the chunks at some places one after another; the index gets their offsets in the piece."""
    cdef index_t place
    cdef size_t before
    cdef int code = 0
    cdef Status status
    piece.nbytes = 0
    for place in range(first, stop):
        m.index[2 * place] = m.index[2 * place + 1] = NOWHERE
        before = piece.nbytes
        if m.touched[place] >= 0:
            if make_chunk(m, m.touched[place], place, piece):
                return 1
        elif has_chunk(m.old, place):
            status = read_old(m.old, place, piece, &code)
            if status != OK:
                return fail_shard(m.job, m.shard, status, code)
            m.index[2 * place + 1] = m.old.index[2 * place + 1]
        if m.index[2 * place + 1] != NOWHERE:
            m.index[2 * place] = before
    return 0


cdef Status place_piece(Making* m, index_t piece, const Buffer* data, uint64_t* start, int* code) noexcept nogil:
    """Give a piece its place after all before it, and put it there."""
    cdef Status status = OK
    start[0] = m.places.end
    if m.path == NULL:
        status = append(m.memory, data.data, data.nbytes)
    elif data.nbytes and m.draft.fd < 0:
        status = open_draft(m.draft, m.path, code)
    if status != OK:
        return status
    m.places.take(data.nbytes)
    return write_draft(m.draft, data.data, data.nbytes, start[0], code) if m.path != NULL and data.nbytes else OK


cdef int make_piece(void* context, index_t piece) noexcept nogil:
    cdef Making* m = <Making*> context
    cdef Scratch* s = scratch()
    cdef index_t first = piece * m.per_piece, stop = first + m.per_piece, place
    cdef uint64_t start = 0
    cdef int code = 0
    cdef Status status
    if stop > m.job.target.sharding.n:
        stop = m.job.target.sharding.n
    if fill_piece(m, first, stop, &s.piece):
        m.places.fail()
        return 1
    if not m.places.wait(piece):
        return 1
    status = place_piece(m, piece, &s.piece, &start, &code)
    if status != OK:
        m.places.fail()
        return fail_shard(m.job, m.shard, status, code)
    for place in range(first, stop):
        if m.index[2 * place + 1] != NOWHERE:
            m.index[2 * place] += start
    return 0


cdef Status put_index(Making* m, int* stage, int* code) noexcept nogil:
    cdef const Sharding* c = m.job.target.sharding
    cdef Scratch* s = scratch()
    cdef Status status = encode_index(c, m.index, &s.encoded, s, stage, code)
    if status != OK:
        return status
    if m.path != NULL:
        return write_draft(m.draft, s.encoded.data, s.encoded.nbytes, 0 if c.index_first else m.places.end, code)
    if not c.index_first:
        return append(m.memory, s.encoded.data, s.encoded.nbytes)
    memcpy(m.memory.data, s.encoded.data, s.encoded.nbytes)
    return OK


cdef bint has_any(const Sharding* c, const uint64_t* index) noexcept nogil:
    cdef index_t k
    for k in range(c.n):
        if index[2 * k] != NOWHERE:
            return True
    return False


cdef int make_pieces(Making* m, bint* empty) noexcept nogil:
    """Make all pieces of a shard, and its index; `empty` when it holds nothing."""
    cdef Job* job = m.job
    cdef const Sharding* c = job.target.sharding
    cdef int code = 0, stage = -1, stopped
    cdef Status status = OK
    m.per_piece = chunks_per_piece(job, c.n)
    if c.index_first:
        m.places.end = c.index_nbytes
        if m.path == NULL:
            status = reserve(m.memory, c.index_nbytes)
            m.memory.nbytes = c.index_nbytes
    if status != OK:
        return fail_shard(job, m.shard, status, 0)
    stopped = run(make_piece, m, n_pieces(c.n, m.per_piece), job.threads)
    if stopped:
        return 1
    empty[0] = not has_any(c, m.index)
    if empty[0]:
        return 0
    if m.path != NULL and m.draft.fd < 0:       # its chunks take no bytes
        status = open_draft(m.draft, m.path, &code)
    if status == OK:
        status = put_index(m, &stage, &code)
    if status == OK:
        return 0
    fail_index(job, m.shard, status, code, stage)
    job.failure.encoding = True
    return 1


cdef int make_shard(
    Job* job, const Shard* shard, const Bytes* old, Draft* draft, char* path, Buffer* memory, bint* empty
) noexcept nogil:
    """Make a new shard of the user's values and the old one, as a draft or in memory."""
    cdef const Sharding* c = job.target.sharding
    cdef Places places
    cdef Making m = Making(job, shard, old, NULL, NULL, 1, &places, draft, path, memory)
    cdef Block block
    cdef index_t* touched = <index_t*> malloc(c.n * sizeof(index_t))
    cdef index_t k
    cdef int failed = 1
    m.index = <uint64_t*> malloc(16 * c.n)
    m.touched = touched
    if draft != NULL:
        draft.fd = -1
    if touched == NULL or m.index == NULL:
        fail_index(job, shard, NO_MEMORY, 0, -1)
    else:
        for k in range(c.n):
            touched[k] = -1
        for k in range(shard.n):
            pick_chunk(job, shard, k, &block)
            touched[place_in_shard(job, &block)] = k
        failed = make_pieces(&m, empty)
    if failed and draft != NULL and draft.fd >= 0:
        discard_draft(draft)
    free(touched)
    free(m.index)
    return failed


cdef int publish_shard(Job* job, const Shard* shard, Draft* draft, char* path, bint empty) noexcept nogil:
    """Replace a shard's file; remove it when the shard is empty."""
    cdef int code = 0
    cdef Status status
    if empty:
        if draft.fd >= 0:
            discard_draft(draft)
        status = remove_file(path, job.target.fsync, &code)
    else:
        status = publish_draft(draft, job.target.fsync, &code)
    return 0 if status == OK else fail_shard(job, shard, status, code)


cdef int write_shard_file_task(void* context, index_t task) noexcept nogil:
    cdef Job* job = <Job*> context
    cdef const Target* t = job.target
    cdef Shard shard
    cdef Bytes old
    cdef Draft draft
    cdef char path[PATH_CAPACITY]
    cdef uint64_t* index
    cdef uint64_t key
    cdef bint empty = False
    cdef int failed
    pick_shard(job, task, &shard)
    key = hash_key(t.identity, path + t.n_directory, write_path(t, &shard.key, path) - t.n_directory)
    if is_whole_shard(job, &shard):     # nothing of the old one is needed: only its place is taken under the lock
        old = in_memory(NULL, NULL)
        failed = make_shard(job, &shard, &old, &draft, path, NULL, &empty)
        if failed:
            return failed
        lock(key)
        failed = publish_shard(job, &shard, &draft, path, empty)
        forget(key)
        unlock(key)
        return failed
    index = <uint64_t*> malloc(16 * t.sharding.n)
    if index == NULL:
        return fail_index(job, &shard, NO_MEMORY, 0, -1)
    lock(key)
    failed = open_shard(job, &shard, path, &old, index)
    if not failed:
        failed = make_shard(job, &shard, &old, &draft, path, NULL, &empty)
        if not failed:
            failed = publish_shard(job, &shard, &draft, path, empty)
        if old.fd >= 0:
            close_file(old.fd)
    forget(key)
    unlock(key)
    free(index)
    return failed


cdef int encode_shard_task(void* context, index_t task) noexcept nogil:
    """Make a shard for the calling thread to store."""
    cdef Job* job = <Job*> context
    cdef Shard shard
    cdef Bytes old = in_memory(NULL, NULL)
    cdef Sink* sink = &job.sinks[task]
    cdef Buffer memory = Buffer(NULL, 0, 0, <size_t> -1, True)
    cdef uint64_t* index = NULL
    cdef bint empty = False
    cdef int failed = 0
    pick_shard(job, numbered(job, task), &shard)
    if not is_whole_shard(job, &shard):
        if job.sources == NULL:
            return 0
        index = <uint64_t*> malloc(16 * job.target.sharding.n)
        if index == NULL:
            return fail_shard(job, &shard, NO_MEMORY, 0)
        failed = hold_shard(job, &shard, job.sources[task].data, job.sources[task].nbytes, &old, index)
    sink.done = True
    if not failed:
        failed = make_shard(job, &shard, &old, NULL, NULL, &memory, &empty)
    free(index)
    if failed or empty:
        free(memory.data)
        return failed
    sink.data = memory.data
    sink.nbytes = memory.nbytes
    return 0


cdef int update_shard_task(void* context, index_t task) noexcept nogil:
    """Replace a part of one shard of a mapping, under the key's lock."""
    cdef Job* job = <Job*> context
    cdef const Target* t = job.target
    cdef Shard shard
    cdef char key[KEY_CAPACITY]
    cdef uint64_t* index
    cdef uint64_t key_hash
    cdef int failed
    pick_shard(job, task, &shard)
    if is_whole_shard(job, &shard):
        return 0
    index = <uint64_t*> malloc(16 * t.sharding.n)
    if index == NULL:
        return fail_index(job, &shard, NO_MEMORY, 0, -1)
    key_hash = hash_key(t.identity, key, write_key(t, &shard.key, key))
    lock(key_hash)
    failed = update_shard(job, &shard, index)
    forget(key_hash)
    unlock(key_hash)
    free(index)
    return failed


cdef int update_shard(Job* job, const Shard* shard, uint64_t* index) noexcept nogil:
    cdef Block block
    cdef Source source
    cdef Bytes old
    cdef Buffer memory = Buffer(NULL, 0, 0, <size_t> -1, True)
    cdef bint empty = False
    cdef index_t number_of_first
    cdef int failed
    pick_chunk(job, shard, 0, &block)
    number_of_first = number(&job.transfer, &block)
    failed = job.fetch(job, number_of_first, &shard.key, &source)
    if failed:
        return failed
    failed = hold_shard(job, shard, source.data, source.nbytes, &old, index)
    if not failed:
        failed = make_shard(job, shard, &old, NULL, NULL, &memory, &empty)
    if source.owner != NULL:
        job.release(source.owner)
    if not failed:
        failed = job.put(job, number_of_first, &shard.key, <char*> NULL if empty else memory.data, memory.nbytes)
    free(memory.data)
    return failed
