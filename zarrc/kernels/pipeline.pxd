from libc.stdint cimport uint64_t
cimport numpy as cnp

from .block cimport Block, Part
from .cache cimport ChunkCache
from .chain cimport Chain
from .projection cimport Plan
from .sharding cimport ShardLayout
from .tasks cimport Found, Job, Sink, Source, Target
from .types cimport index_t

cdef enum:
    INLINE_NBYTES = 1 << 16     # a copy of so few bytes is done before the GIL could be passed on
    PARALLEL_NBYTES = 1 << 19   # of decoded chunks: less is not worth waking a thread
    BATCH_NBYTES = 1 << 26      # decoded bytes of the chunks that are held encoded at once

# Hold the memory of a store's value; None is an absent one.
cdef int hold(object value, Source* source) except -1

# The bytes to be stored, None where the chunk is to be absent.
cdef object sunk_value(const Sink* sink)


cdef class Pipeline:
    cdef Target t
    cdef readonly str name
    cdef readonly cnp.dtype dtype
    cdef readonly tuple chunk_shape
    cdef readonly Chain chain
    cdef bytes fill
    cdef bytes directory
    cdef object store
    cdef bytes prefix_bytes
    cdef bint bulk_get
    cdef bint bulk_set
    cdef object requests        # begins a transfer that asks for parts of values; None: whole values only
    cdef bint streams           # the store answers many requests at a time, and takes values so
    cdef ShardLayout layout
    cdef dict indexes           # key: version and index of a shard
    cdef readonly ChunkCache cache
    cdef object token_of
    cdef Part* parts
    cdef int n_parts

    cdef Pipeline copy(self)

    # keys and values
    cdef object key(self, const Block* block)
    cdef object get(self, key)
    cdef int remove(self, key) except -1

    # jobs
    cdef int begin(self, Job* job, Plan plan, cnp.ndarray memory) except -1
    cdef int check(self, Plan plan, cnp.ndarray memory) except -1
    cdef int threads_for(self, index_t n_chunks, size_t nbytes, int most) noexcept
    cdef int finish(self, Job* job, int stopped, Plan plan) except -1
    cdef object failure(self, Job* job, Plan plan)
    cdef void locate(self, Job* job, index_t task, Block* block) noexcept
    cdef tuple coords(self, const Block* block)
    cdef void to_key(self, Block* block) noexcept
    cdef object path(self, const Block* block)

    # reading
    cpdef object read(self, Plan plan, out=*, int threads=*, bint fortran=*, contexts=*)
    cdef int read_sources(self, Job* job, Plan plan, int threads, size_t nbytes, contexts) except -1
    cdef index_t batch_size(self, Plan plan, int threads) except -1
    cdef int read_through_cache(self, Job* job, Plan plan, int threads, size_t nbytes, contexts) except -1
    cdef int read_batch(self, Job* job, Plan plan, index_t n, int threads, size_t nbytes, contexts) except -1
    cdef index_t find_all(self, Job* job, index_t n, contexts) except -1
    cdef object get_all(self, list keys, contexts)
    cdef int find_by_value(self, Job* job, index_t i, value) except -1
    cdef int find_by_token(self, Job* job, index_t i, Found* found, token) except -1
    cdef int collect(self, Job* job, index_t n, contexts) except -1
    cdef int read_shards(self, Job* job, Plan plan, int threads, contexts) except -1
    cdef int read_shard_sources(self, Job* job, Plan plan, int threads, contexts) except -1
    cdef int collect_shards(self, Job* job, index_t n, contexts) except -1

    # writing
    cpdef object write(self, Plan plan, cnp.ndarray values, int threads=*)
    cdef int write_shards(self, Job* job, Plan plan, int threads) except -1
    cdef int write_values(self, Job* job, Plan plan, int threads) except -1
    cdef int write_whole(self, Job* job, Plan plan, int threads) except -1
    cdef int prepare_sinks(self, Job* job, index_t n) except -1
    cdef int store_sinks(self, Job* job, index_t n) except -1
    cdef void forget_sinks(self, Job* job, index_t n) noexcept
    cdef int store_one(self, key, value, uint64_t key_hash) except -1
    cdef int store_many(self, dict values, set hashes) except -1
    cdef void drop_sinks(self, Job* job, index_t n) noexcept
