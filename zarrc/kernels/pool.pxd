from libc.stdint cimport uint64_t

from .types cimport index_t

ctypedef int (*Task)(void* context, index_t task) noexcept nogil

# Run task(context, 0 … n - 1) on at most `threads` threads, the caller's among them,
# until all are done or one returns non-zero. Returns -1 when a signal handler raised
# (the exception is set), 1 when a task stopped the job, else 0.
cdef int run(Task task, void* context, index_t n, int threads) noexcept nogil

# Have `idle` called by each helping thread when it leaves a job.
cdef void on_idle(void (*idle)() noexcept nogil) noexcept nogil

# The lock of a chunk key, by its hash. Take it without the GIL; who holds several takes them in order.
cdef void lock(uint64_t hash) noexcept nogil
cdef bint try_lock(uint64_t hash) noexcept nogil
cdef void unlock(uint64_t hash) noexcept nogil

cdef uint64_t hash_key(uint64_t identity, const char* key, size_t nbytes) noexcept nogil
