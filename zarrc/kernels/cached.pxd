from .block cimport Block
from .files cimport Stamp
from .tasks cimport Found, Job
from .types cimport index_t

# Reading tasks that go by `Target.cache`; see tasks.
cdef int read_cached_file_task(void* context, index_t task) noexcept nogil
cdef int read_cached_source_task(void* context, index_t task) noexcept nogil

# Look for a chunk whose token is known, before its bytes are asked for, or after where they are the token.
cdef void look_up(Job* job, index_t task, Found* found) noexcept nogil

# Chunk number `place` of a shard file in the state that a settled stamp tells: give the user what is wanted of it if
# it is there, or decode and keep it.
cdef bint give_from_shard(
    Job* job, index_t chunk, const Block* block, const Block* shard, index_t place, const Stamp* stamp, int* failed
) noexcept nogil
cdef int decode_from_shard(
    Job* job, index_t chunk, const Block* block, const Block* shard, index_t place, const Stamp* stamp,
    const char* data, size_t nbytes
) noexcept nogil
