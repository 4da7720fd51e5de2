from .block cimport Block
from .copying cimport MAX_DIMS
from .projection cimport Plan
from .sharding cimport ShardPlan
from .tasks cimport Job, Source
from .types cimport Status, index_t

# What a job touches of one shard.
ctypedef struct Shard:
    index_t groups[MAX_DIMS]        # per factor
    index_t n                       # how many of its chunks
    Block key                       # its place among the shards; no rows


# The plan's chunks by shard. To be deleted by the caller.
cdef ShardPlan* plan_shards(Job* job, Plan plan) except NULL

# Shard number `task`, its chunk number k, and the place of a chunk in its shard.
cdef void pick_shard(const Job* job, index_t task, Shard* shard) noexcept nogil
cdef void pick_chunk(const Job* job, const Shard* shard, index_t k, Block* block) noexcept nogil
cdef index_t place_in_shard(const Job* job, const Block* block) noexcept nogil

# Is all of the shard that lies inside the array replaced?
cdef bint is_whole_shard(const Job* job, const Shard* shard) noexcept nogil

cdef int fail_index(Job* job, const Shard* shard, Status status, int code, int stage) noexcept nogil

# Tasks, one for each shard of a plan, or of a batch.
cdef int read_shard_file_task(void* context, index_t task) noexcept nogil
cdef int read_shard_source_task(void* context, index_t task) noexcept nogil
cdef int write_shard_file_task(void* context, index_t task) noexcept nogil
cdef int encode_shard_task(void* context, index_t task) noexcept nogil
cdef int update_shard_task(void* context, index_t task) noexcept nogil
