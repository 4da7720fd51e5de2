"""The process's one pool of threads, and the locks of chunk keys.

``pool.hpp`` has the threads. The calling thread works too and looks for
signals between its tasks, so that Ctrl-C ends a long job after the chunks at hand.
"""

import os

from libc.stdint cimport int64_t, uint64_t

from .types cimport index_t

cdef extern from "pool.hpp" namespace "zarrc" nogil:
    ctypedef int (*CppTask "zarrc::Task")(void*, int64_t)
    ctypedef int (*CppPause "zarrc::Pause")()
    ctypedef void (*CppIdle "zarrc::Idle")()
    CppIdle cpp_idle "zarrc::idle"
    void cpp_start "zarrc::start"()
    bint cpp_run "zarrc::run"(CppTask, void*, int64_t, int, CppPause)
    void cpp_lock "zarrc::lock"(uint64_t)
    bint cpp_try_lock "zarrc::try_lock"(uint64_t)
    void cpp_unlock "zarrc::unlock"(uint64_t)

cdef extern from "Python.h":
    int PyErr_CheckSignals()     # leaves its exception set for `run`'s caller

cdef extern from *:
    """
    #include <chrono>
    // When this thread last looked for signals, and whether a handler raised.
    static thread_local int64_t zarrc_last_look = 0;
    static thread_local bool zarrc_interrupted = false;
    static int64_t zarrc_milliseconds(void) {
        using namespace std::chrono;
        return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
    }
    """
    int64_t zarrc_last_look
    bint zarrc_interrupted
    int64_t zarrc_milliseconds() nogil

cdef int64_t LOOK_EVERY = 50     # milliseconds between looks for signals


cdef int look_for_signals() noexcept nogil:
    global zarrc_last_look, zarrc_interrupted
    cdef int64_t now = zarrc_milliseconds()
    if now - zarrc_last_look < LOOK_EVERY:
        return 0
    zarrc_last_look = now
    with gil:
        zarrc_interrupted = PyErr_CheckSignals() != 0
    return zarrc_interrupted


cdef int run(Task task, void* context, index_t n, int threads) noexcept nogil:
    global zarrc_last_look, zarrc_interrupted
    cdef bint stopped
    if n > 1:
        zarrc_last_look = zarrc_milliseconds()
        zarrc_interrupted = False
    stopped = cpp_run(<CppTask> task, context, n, threads, look_for_signals)
    if n > 1 and zarrc_interrupted:
        return -1
    return stopped


cdef void on_idle(void (*idle)() noexcept nogil) noexcept nogil:
    global cpp_idle
    cpp_idle = <CppIdle> idle


cdef void lock(uint64_t hash) noexcept nogil:
    cpp_lock(hash)


cdef bint try_lock(uint64_t hash) noexcept nogil:
    return cpp_try_lock(hash)


cdef void unlock(uint64_t hash) noexcept nogil:
    cpp_unlock(hash)


cdef uint64_t hash_key(uint64_t identity, const char* key, size_t nbytes) noexcept nogil:
    """FNV-1a of the key's bytes, begun with the store's identity."""
    cdef uint64_t h = <uint64_t> 14695981039346656037ULL ^ identity
    cdef size_t i
    for i in range(nbytes):
        h = (h ^ <unsigned char> key[i]) * <uint64_t> 1099511628211ULL
    return h ^ (h >> 32)


cdef class KeyLock:
    """The process-wide lock of one key of one store, as a context manager.

    Parameters
    ----------
    identity : int
        Hash of the store's ``identity()``.
    key : str
        The key. Who holds several takes them in one order.
    """
    cdef uint64_t hash

    def __cinit__(self, identity, str key):
        cdef bytes name = key.encode()
        self.hash = hash_key(<uint64_t> (identity & 0xFFFFFFFFFFFFFFFF), name, len(name))

    def __enter__(self):
        if not cpp_try_lock(self.hash):
            with nogil:
                cpp_lock(self.hash)
        return self

    def __exit__(self, *exc_info):
        cpp_unlock(self.hash)


def usable_cpus():
    """Return how many processors this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


cpp_start()
