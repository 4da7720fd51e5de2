from libc.stdint cimport int64_t, uint64_t
from libcpp.vector cimport vector

from .chain cimport Chain, Scratch, Stages
from .copying cimport MAX_DIMS
from .files cimport Stamp
from .types cimport Buffer, Status, index_t

cdef enum:
    NOWHERE = 0xFFFFFFFFFFFFFFFF    # offset and size of an inner chunk that is absent

cdef extern from "shards.hpp" namespace "zarrc" nogil:
    cdef cppclass ShardPlan:
        int64_t n_shards
        int64_t n_groups(int factor) const
        int64_t n_rows(int factor, int64_t group) const
        int64_t row(int factor, int64_t group, int64_t k) const
        void add(const vector[int64_t]& shard_of) except +


# How the inner chunks of a shard lie in it. An index is 2 * n numbers: the
# offset and the size of each inner chunk, in C order of their places in the shard.
ctypedef struct Sharding:
    int ndim
    index_t chunks[MAX_DIMS]            # per axis
    index_t n
    const Stages* index_stages
    size_t index_nbytes                 # of the index as it is stored
    bint index_first


cdef class ShardLayout:
    cdef Sharding c
    cdef readonly tuple chunks_per_shard
    cdef readonly Chain index_chain


# The index from its stored bytes. `failed` gets the stage of the index's chain that failed.
cdef Status decode_index(
    const Sharding* c, const char* data, uint64_t* index, Scratch* s, int* failed, int* code
) noexcept nogil
cdef Status encode_index(
    const Sharding* c, const uint64_t* index, Buffer* out, Scratch* s, int* failed, int* code
) noexcept nogil

# Does every inner chunk lie inside the shard's `nbytes`? Not known before it is asked.
cdef bint is_inside(const Sharding* c, const uint64_t* index, uint64_t nbytes) noexcept nogil

# Where the stored index begins in a shard of `nbytes`; false when the shard is too short to have one.
cdef bint place_of_index(const Sharding* c, uint64_t nbytes, uint64_t* start) noexcept nogil

# Indexes that are known from an earlier call, of files that are in the same state.
cdef bint recall_index(const Sharding* c, const char* path, const Stamp* stamp, uint64_t* index) noexcept nogil
cdef void remember_index(const Sharding* c, const char* path, const Stamp* stamp, const uint64_t* index) noexcept nogil
