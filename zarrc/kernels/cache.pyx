"""Decoded chunks kept in memory: the cache that arrays may share.

``cache.hpp`` has the tables and the locks; `cached` the tasks that read through a cache.
"""

from cpython.ref cimport Py_DECREF
from libc.stdint cimport uint64_t

cdef extern from "cache.hpp" namespace "zarrc" nogil:
    cdef cppclass CppCache "zarrc::Cache":
        Entry* find(const Name*, const char*, size_t)
        void keep(Entry*, uint64_t)
        void count(uint64_t*)

    void cpp_start "zarrc::start_caches"(void (*release)(void*) noexcept nogil)
    Cache* cpp_new "zarrc::new_cache"(size_t)
    void cpp_delete "zarrc::delete_cache"(Cache*)
    void cpp_clear "zarrc::clear"(Cache*)
    uint64_t cpp_generation "zarrc::generation"(uint64_t)
    void cpp_forget "zarrc::forget"(uint64_t)
    void cpp_forget_unproved "zarrc::forget_unproved"()
    Entry* cpp_make_entry "zarrc::make_entry"(const Name*, const char*, size_t, size_t)
    void cpp_let_go "zarrc::let_go"(Entry*)


cdef void release(void* owner) noexcept nogil:
    with gil:
        Py_DECREF(<object> owner)


cdef uint64_t generation(uint64_t key_hash) noexcept nogil:
    return cpp_generation(key_hash)


cdef void forget(uint64_t key_hash) noexcept nogil:
    cpp_forget(key_hash)


cdef Entry* find(Cache* cache, const Name* name, const char* token, size_t n_token) noexcept nogil:
    return (<CppCache*> cache).find(name, token, n_token)


cdef Entry* make_entry(const Name* name, const char* token, size_t n_token, size_t nbytes) noexcept nogil:
    return cpp_make_entry(name, token, n_token, nbytes)


cdef void keep(Cache* cache, Entry* entry, uint64_t begun) noexcept nogil:
    (<CppCache*> cache).keep(entry, begun)


cdef void let_go(Entry* entry) noexcept nogil:
    cpp_let_go(entry)


cdef uint64_t counted(const Cache* cache, int which):
    cdef uint64_t counts[4]
    with nogil:
        (<CppCache*> cache).count(counts)
    return counts[which]


cdef class ChunkCache:
    """Decoded chunks in memory, for one array or for several.

    It keeps the chunks that were read last. What a chunk was decoded from is compared with
    what the store holds now wherever the store can tell, so that changes are seen whoever makes them.

    Parameters
    ----------
    max_nbytes : int
        Most bytes of decoded chunks to keep. Each counts with 512 bytes at least; a larger one than
        `max_nbytes` is never kept.

    Attributes
    ----------
    max_nbytes : int
    hits, misses : int
        How many chunks were asked for that were kept, and that were not.
    nbytes : int
        Bytes of the chunks that are kept.

    Raises
    ------
    ValueError
        `max_nbytes` is negative.

    Notes
    -----
    Threads may share it. A pickle has the size and not the chunks; a forked child
    has a copy of its own.

    Examples
    --------
    >>> import zarrc
    >>> cache = zarrc.ChunkCache(2**28)
    >>> z = zarrc.zeros((100, 100), chunks=(50, 50), dtype="i4", chunk_cache=cache)
    >>> z[:] = 42
    >>> int(z[0, 0] + z[0, 1]), cache.hits, cache.misses, len(cache), cache.nbytes
    (84, 1, 1, 1, 10000)
    """

    def __cinit__(self, max_nbytes):
        if max_nbytes < 0:
            raise ValueError(f"max_nbytes must not be negative: {max_nbytes}")
        self.c = cpp_new(min(max_nbytes, <size_t> -1))
        if self.c == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.c != NULL:
            cpp_delete(self.c)

    @property
    def max_nbytes(self):
        return self.c.max_nbytes

    @property
    def hits(self):
        return counted(self.c, 0)

    @property
    def misses(self):
        return counted(self.c, 1)

    @property
    def nbytes(self):
        return counted(self.c, 2)

    def __len__(self):
        """Return how many chunks are kept."""
        return counted(self.c, 3)

    def __bool__(self):
        return True

    def clear(self):
        """Forget all chunks; to be called where a store cannot tell that others have changed it."""
        with nogil:
            cpp_clear(self.c)

    def __reduce__(self):
        return ChunkCache, (self.max_nbytes,)

    def __repr__(self):
        return (
            f"<zarrc.ChunkCache of {self.max_nbytes} bytes: {len(self)} chunks, {self.nbytes} bytes, "
            f"{self.hits} hits, {self.misses} misses>"
        )


def forget_unproved():
    """Drop the chunks of stores that cannot tell their states apart; to be called when keys of one were changed."""
    with nogil:
        cpp_forget_unproved()


cpp_start(release)
