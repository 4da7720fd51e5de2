from libc.stdint cimport int64_t, uint64_t

# See cache.hpp.
cdef extern from "cache.hpp" namespace "zarrc" nogil:
    ctypedef struct Name:
        uint64_t form[2]
        uint64_t key_hash
        const char* key
        size_t n_key
        int64_t inner

    cdef cppclass Entry:
        char* data
        size_t nbytes
        void* owner

    cdef cppclass Cache:
        size_t max_nbytes


# A cache of decoded chunks, as users see it.
cdef class ChunkCache:
    cdef Cache* c


# How often keys of this one's stripe have been changed: to be asked for before a value is read.
cdef uint64_t generation(uint64_t key_hash) noexcept nogil

# A key has been changed, or may have been.
cdef void forget(uint64_t key_hash) noexcept nogil

# The entry of a name if it was decoded of the state that the token says, to be let go; or NULL.
cdef Entry* find(Cache* cache, const Name* name, const char* token, size_t n_token) noexcept nogil

# An entry with memory for a decoded chunk; NULL where there is none.
cdef Entry* make_entry(const Name* name, const char* token, size_t n_token, size_t nbytes) noexcept nogil

# Keep it unless the key has been changed since; it is let go. A token without bytes
# says that only `forget` tells of changes.
cdef void keep(Cache* cache, Entry* entry, uint64_t begun) noexcept nogil
cdef void let_go(Entry* entry) noexcept nogil
