"""Reading through a cache of decoded chunks.

The tasks are those of `tasks`, with a look into the cache before: a chunk that is there, decoded of
what the store holds now, is copied from there. Another one is decoded into memory of the cache's
and copied from there as well. What tells the states of a value apart, its token, depends on where it is:

=======  =====================================================================
FILES    the file's stamp, if it is settled: one that will change with the next write
DICT     the value, an immutable object, itself; the entry keeps it
MAPPING  what the store's ``token`` says, or the value as in a dict
=======  =====================================================================
"""

from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from .block cimport Block, pick, to_user
from .cache cimport Entry, Name, find, generation, keep, let_go, make_entry
from .chain cimport Scratch, decode_chain, scratch
from .files cimport (
    PATH_CAPACITY, Stamp, close_file, is_settled, open_file, read_range, stamp_path,
)
from .pool cimport hash_key
from .tasks cimport (
    KEY_CAPACITY, Found, Job, Source, Target,
    decode_into, fail, numbered, read_file_task, read_source_task, write_key, write_path,
)
from .types cimport Status, index_t, reserve, OK, WRONG_SIZE


cdef void call(const Target* t, const char* key, size_t n_key, Name* name) noexcept nogil:
    """Fill in the name of a chunk that has a key of its own."""
    name.form[0] = t.form[0]
    name.form[1] = t.form[1]
    name.key_hash = hash_key(t.identity, key, n_key)
    name.key = key
    name.n_key = n_key
    name.inner = 0


cdef void call_inner(const Target* t, const Block* shard, index_t place, char* key, Name* name) noexcept nogil:
    """Fill in the name of chunk number `place` of a shard; `key` has room for the shard's."""
    call(t, key, write_key(t, shard, key), name)
    name.inner = place


cdef int give(Job* job, index_t chunk, const Block* block, Entry* entry) noexcept nogil:
    """Copy what the plan wants of a chunk in the cache, and let go of it."""
    cdef Status status = to_user(&job.transfer, block, entry.data, scratch())
    let_go(entry)
    return 0 if status == OK else fail(job, chunk, status, 0, -1)


cdef int decode_kept(
    Job* job, index_t chunk, const Block* block, Entry* entry, const char* data, size_t nbytes, uint64_t begun
) noexcept nogil:
    """Decode a chunk into a new entry, give the user what is wanted of it, and keep it."""
    cdef const Target* t = job.target
    cdef Scratch* s = scratch()
    cdef int code = 0, stage = -1
    cdef Status status = OK
    if t.stages.n:
        status = decode_chain(t.stages, data, nbytes, entry.data, s, &stage, &code)
    elif nbytes == t.geometry.nbytes:
        memcpy(entry.data, data, nbytes)
    else:
        status = WRONG_SIZE
    if status == OK:
        status = to_user(&job.transfer, block, entry.data, s)
    if status != OK:
        let_go(entry)
        return fail(job, chunk, status, code, stage)
    keep(t.cache, entry, begun)
    return 0


# ---------------------------------------------------------------------- files

cdef bint load_settled(const char* path, Scratch* s, Stamp* stamp) noexcept nogil:
    """Read all of a file and its stamp; false where there is any trouble, or the stamp would prove nothing."""
    cdef bint absent, is_read
    cdef int code = 0
    cdef int fd = open_file(path, stamp, &absent, &code)
    if fd < 0:
        return False
    is_read = (
        is_settled(stamp)
        and reserve(&s.encoded, stamp.nbytes) == OK
        and read_range(fd, s.encoded.data, stamp.nbytes, 0, &code) == OK
    )
    s.encoded.nbytes = stamp.nbytes
    close_file(fd)
    return is_read


cdef int read_cached_file_task(void* context, index_t task) noexcept nogil:
    cdef Job* job = <Job*> context
    cdef const Target* t = job.target
    cdef Block block
    cdef char path[PATH_CAPACITY]
    cdef Name name
    cdef Stamp stamp
    cdef Entry* entry
    cdef uint64_t begun
    cdef int code = 0
    cdef Scratch* s
    pick(&job.transfer, task, &block)
    call(t, path + t.n_directory, write_path(t, &block, path) - t.n_directory, &name)
    if not stamp_path(path, &stamp, &code):
        return read_file_task(context, task)
    entry = find(t.cache, &name, <const char*> &stamp, sizeof(Stamp))
    if entry != NULL:
        return give(job, task, &block, entry)
    begun = generation(name.key_hash)
    s = scratch()
    if not load_settled(path, s, &stamp):
        return read_file_task(context, task)
    entry = make_entry(&name, <const char*> &stamp, sizeof(Stamp), t.geometry.nbytes)
    if entry == NULL:
        return decode_into(job, task, &block, s.encoded.data, s.encoded.nbytes)
    return decode_kept(job, task, &block, entry, s.encoded.data, s.encoded.nbytes, begun)


cdef bint give_from_shard(
    Job* job, index_t chunk, const Block* block, const Block* shard, index_t place, const Stamp* stamp, int* failed
) noexcept nogil:
    cdef char key[KEY_CAPACITY]
    cdef Name name
    cdef Entry* entry
    call_inner(job.target, shard, place, key, &name)
    entry = find(job.target.cache, &name, <const char*> stamp, sizeof(Stamp))
    if entry == NULL:
        return False
    failed[0] = give(job, chunk, block, entry)
    return True


cdef int decode_from_shard(
    Job* job, index_t chunk, const Block* block, const Block* shard, index_t place, const Stamp* stamp,
    const char* data, size_t nbytes
) noexcept nogil:
    cdef const Target* t = job.target
    cdef char key[KEY_CAPACITY]
    cdef Name name
    cdef Entry* entry
    call_inner(t, shard, place, key, &name)
    entry = make_entry(&name, <const char*> stamp, sizeof(Stamp), t.geometry.nbytes)
    if entry == NULL:
        return decode_into(job, chunk, block, data, nbytes)
    return decode_kept(job, chunk, block, entry, data, nbytes, generation(name.key_hash))


# ----------------------------------------------------------------- collected

cdef void look_up(Job* job, index_t task, Found* found) noexcept nogil:
    cdef const Target* t = job.target
    cdef Block block
    cdef char key[KEY_CAPACITY]
    cdef Name name
    pick(&job.transfer, numbered(job, task), &block)
    call(t, key, write_key(t, &block, key), &name)
    found.begun = generation(name.key_hash)
    found.entry = find(t.cache, &name, found.token, found.n_token)


cdef int read_cached_source_task(void* context, index_t task) noexcept nogil:
    cdef Job* job = <Job*> context
    cdef const Target* t = job.target
    cdef Block block
    cdef char key[KEY_CAPACITY]
    cdef Name name
    cdef Found* found = &job.found[task]
    cdef Source* source = &job.sources[task]
    cdef Entry* entry = found.entry
    cdef index_t chunk = numbered(job, task)
    if entry == NULL and (source.owner == NULL or not found.is_kept):
        return read_source_task(context, task)
    pick(&job.transfer, chunk, &block)
    if entry != NULL:
        found.entry = NULL
        return give(job, chunk, &block, entry)
    call(t, key, write_key(t, &block, key), &name)
    entry = make_entry(&name, found.token, found.n_token, t.geometry.nbytes)
    if entry == NULL:
        return read_source_task(context, task)
    if found.stays:
        entry.owner = found.owner
        found.owner = NULL
    return decode_kept(job, chunk, &block, entry, source.data, source.nbytes, found.begun)
