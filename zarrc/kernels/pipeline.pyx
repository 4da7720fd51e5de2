"""A plan's chunks moved between a store and NumPy memory.

Each chunk that a plan touches is one task of a job; `tasks` says what is done for it. Here is what
comes before and after: memory for the result, threads, bytes that only Python can look
up or store, and the exception for what went wrong.

What a store offers decides where the bytes are:

=========  ===================================================================
FILES      the task opens, reads, writes and renames files itself, without the GIL
DICT       the calling thread looks up the values of a plain dict
MAPPING    as DICT, through the mapping's own methods, by the calling thread alone
=========  ===================================================================
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF, PyObject
from libc.stdint cimport uint64_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset
cimport numpy as cnp

from .block cimport Block, Geometry, Part, Transfer, is_whole, pick
from .cache cimport ChunkCache, forget, let_go
from .cached cimport look_up, read_cached_file_task, read_cached_source_task
from .chain cimport Chain, enter, leave, trim_scratch
from .copying cimport MAX_DIMS
from .files cimport PATH_CAPACITY
from .shard_tasks cimport (
    Shard,
    encode_shard_task, pick_shard, plan_shards,
    read_shard_file_task, read_shard_source_task, update_shard_task, write_shard_file_task,
)
from .sharding cimport ShardLayout, ShardPlan
from .pinned cimport Pinned
from .pool cimport Task, hash_key, lock, on_idle, run, try_lock, unlock
from .projection cimport Plan
from .tasks cimport (
    DICT, FILES, KEY_CAPACITY, MAPPING, Failure, Found, Job, Keys, Sink, Source,
    claim, encode_task, numbered, read_file_task, read_source_task, update_task, write_file_task, write_key, write_path,
)
from .types cimport index_t, NO_MEMORY, SYSTEM

import os

import numpy as np

from zarrc.errors import ChunkNotFoundError, CodecError
from zarrc.kernels.codec import failure as codec_failure

cdef extern from "numpy/arrayobject.h":
    # takes over a reference to the dtype
    cnp.ndarray PyArray_Empty(int ndim, cnp.npy_intp* dims, cnp.dtype dtype, int fortran)

cdef extern from "heap.hpp" nogil:
    void keep_heap "zarrc::keep_heap"()

cnp.import_array()
on_idle(trim_scratch)


# ------------------------------------------------- the parts that need the GIL

cdef int set_aside(Job* job, index_t task, object exception) noexcept:
    """Keep an exception as the job's failure."""
    if claim(job):
        Py_INCREF(exception)
        job.failure.exception = <PyObject*> exception
        job.failure.task = task
    return 1


cdef int fetch(Job* job, index_t task, const Block* block, Source* source) noexcept with gil:
    """Look up the stored bytes of a chunk."""
    cdef Pipeline pipeline = <Pipeline> job.pipeline
    source[0] = Source(NULL, 0, NULL)
    enter()
    try:
        hold(pipeline.get(pipeline.key(block)), source)
    except BaseException as e:
        return set_aside(job, task, e)
    finally:
        leave()
    return 0


cdef int put(Job* job, index_t task, const Block* block, const char* data, size_t nbytes) noexcept with gil:
    """Store the bytes of a chunk; no data: remove it."""
    cdef Pipeline pipeline = <Pipeline> job.pipeline
    enter()
    try:
        if data == NULL:
            pipeline.remove(pipeline.key(block))
        else:
            pipeline.store[pipeline.key(block)] = PyBytes_FromStringAndSize(data, nbytes)
    except BaseException as e:
        return set_aside(job, task, e)
    finally:
        leave()
    return 0


cdef void release(PyObject* owner) noexcept with gil:
    enter()
    Py_DECREF(<object> owner)
    leave()


cdef int hold(object value, Source* source) except -1:
    """Hold the memory of a store's value; None is an absent one."""
    cdef Py_buffer* view
    source[0] = Source(NULL, 0, NULL)
    if value is None:
        return 0
    if type(value) is Pinned:
        source.data = <const char*> (<Pinned> value).view.buf
        source.nbytes = (<Pinned> value).view.len
    elif not PyBytes_CheckExact(value):
        value = memoryview(value)
        view = PyMemoryView_GET_BUFFER(value)
        if not PyBuffer_IsContiguous(view, c"A"):
            raise ValueError("a store's values must be contiguous buffers")
        source.data = <const char*> view.buf
        source.nbytes = view.len
    else:
        source.data = PyBytes_AS_STRING(value)
        source.nbytes = PyBytes_GET_SIZE(value)
    if source.data == NULL:
        source.data = ""
    Py_INCREF(value)
    source.owner = <PyObject*> value
    return 0


cdef extern from "Python.h":
    Py_buffer* PyMemoryView_GET_BUFFER(object)
    bint PyBuffer_IsContiguous(Py_buffer*, char)
    object PyUnicode_New(Py_ssize_t, Py_UCS4)
    void* PyUnicode_DATA(object)


cdef object sunk_value(const Sink* sink):
    """The bytes to be stored, None where the chunk is to be absent."""
    if sink.data == NULL:
        return None
    if sink.owner != NULL:
        return <object> sink.owner
    return PyBytes_FromStringAndSize(sink.data, sink.nbytes)


cdef int take_lock(uint64_t key_hash) except -1:
    """Take a key's lock; the GIL is let go before waiting."""
    if not try_lock(key_hash):
        with nogil:
            lock(key_hash)
    return 0


cdef class Pipeline:
    """Moves the chunks of one array.

    Parameters
    ----------
    name : str
        What errors call the array.
    dtype : numpy.dtype
        Of the arrays that users get.
    chunk_shape : tuple of int
    order : tuple of int
        Axes of the chunk in the order in which the decoded bytes hold them, C order being 0, 1, 2, …
    chain : Chain
    fill : bytes
        One item.
    has_fill : bool
        Whether there is a fill value, so that chunks may count as empty.
    key_prefix : bool
        Chunk keys begin with "c".
    separator : str
        Between the parts of a chunk key.
    write_empty, fill_missing : bool
        As in ``ArrayConfig``.
    """
    def __init__(
        self, str name, dtype, tuple chunk_shape, tuple order, Chain chain, bytes fill, bint has_fill,
        bint key_prefix, str separator, bint write_empty, bint fill_missing,
    ):
        cdef Geometry* g = &self.t.geometry
        cdef int i, d
        cdef index_t stride
        if len(chunk_shape) > MAX_DIMS:
            raise ValueError(f"arrays have {MAX_DIMS} dimensions at most, not {len(chunk_shape)}")
        self.name = name
        self.dtype = dtype
        self.chunk_shape = chunk_shape
        self.chain = chain
        self.fill = fill
        g.ndim = len(chunk_shape)
        g.itemsize = dtype.itemsize
        stride = g.itemsize
        for i in range(g.ndim - 1, -1, -1):
            d = order[i]
            g.extents[d] = chunk_shape[d]
            g.strides[d] = stride
            stride *= g.extents[d]
        g.nbytes = stride
        g.n_items = stride // g.itemsize if g.itemsize else 0
        self.t.stages = &chain.c
        self.t.fill = fill
        self.t.has_fill = has_fill
        self.t.write_empty = write_empty
        self.t.fill_missing = fill_missing
        self.t.keys = Keys(key_prefix, ord(separator))
        self.store = {}
        self.t.access = DICT
        self.prefix_bytes = b""

    def __dealloc__(self):
        PyMem_Free(self.parts)

    def of_fields(self, names):
        """Return a pipeline that moves some fields of each item alone.

        Parameters
        ----------
        names : sequence of str
            Of fields, each once.

        Returns
        -------
        Pipeline
            Its dtype is packed and holds the fields in the order of their names.
        """
        cdef Pipeline found = self.copy()
        cdef int i
        cdef size_t offset = 0
        found.dtype = np.dtype([(name, self.dtype.fields[name][0]) for name in names])
        found.parts = <Part*> PyMem_Malloc(max(1, len(names)) * sizeof(Part))
        if found.parts == NULL:
            raise MemoryError
        for i, name in enumerate(names):
            field = self.dtype.fields[name]
            found.parts[i] = Part(field[1], offset, field[0].itemsize)
            offset += field[0].itemsize
        found.n_parts = len(names)
        return found

    def with_chain(self, Chain chain not None):
        """Return a pipeline for the same chunks whose codecs are those of `chain`."""
        cdef Pipeline found = self.copy()
        if chain.c.decoded_nbytes != self.t.geometry.nbytes:
            raise ValueError(f"the codecs are for chunks of {chain.c.decoded_nbytes} bytes")
        found.chain = chain
        found.t.stages = &chain.c
        return found

    cdef Pipeline copy(self):
        kind = type(self)
        cdef Pipeline found = kind.__new__(kind)
        found.t = self.t
        found.name = self.name
        found.dtype = self.dtype
        found.chunk_shape = self.chunk_shape
        found.chain = self.chain
        found.fill = self.fill
        found.directory = self.directory
        found.store = self.store
        found.prefix_bytes = self.prefix_bytes
        found.bulk_get = self.bulk_get
        found.bulk_set = self.bulk_set
        found.requests = self.requests
        found.streams = self.streams
        found.layout = self.layout
        found.indexes = self.indexes
        found.cache = self.cache
        found.token_of = self.token_of
        return found

    def use_files(self, str directory, separator, bint fsync, uint64_t identity):
        """Keep the chunks in files of a folder; a `separator` replaces the keys' own.

        `identity` is the hash of a name that all have for the folder; locks go by it.
        """
        self.directory = os.fsencode(directory.rstrip("/") + "/")
        if len(self.directory) + 24 * (self.t.geometry.ndim + 1) > PATH_CAPACITY:
            raise ValueError(f"the path {directory!r} is too long")
        self.t.access = FILES
        self.t.directory = self.directory
        self.t.n_directory = len(self.directory)
        self.t.identity = identity
        self.t.fsync = fsync
        if separator is not None:
            self.t.keys.separator = ord(separator)

    @property
    def chunks_per_key(self):
        """How many chunks a key holds along each axis; None where it is one."""
        return None if self.layout is None else self.layout.chunks_per_shard

    def use_shards(self, ShardLayout layout):
        """Keep many chunks under one key; plans stay those of the chunks."""
        self.layout = layout
        self.indexes = {}
        self.t.sharding = &layout.c

    def use_mapping(
        self, store, str prefix, uint64_t identity, bint bulk_get=False, bint bulk_set=False, requests=None,
        bint streams=False,
    ):
        """Keep the chunks in a mapping, under keys that begin with `prefix`; a plain dict is used directly.

        `bulk_get` and `bulk_set` say that ``getitems`` and ``setitems`` may be called. `requests` begins
        a transfer that asks for parts of values, `streams` says that it can ask for many at a time, and store them:
        both are for a `StreamingPipeline`.

        `identity` is the hash of a name that all have for the mapping's keys with that prefix; locks go by it.
        """
        self.store = store
        self.prefix_bytes = prefix.encode()
        self.t.access = DICT if type(store) is dict else MAPPING
        self.bulk_get = bulk_get
        self.bulk_set = bulk_set
        self.requests = requests
        self.streams = streams
        self.t.identity = identity
        keep_heap()

    def use_cache(self, ChunkCache cache, bytes form, token_of=None):
        """Keep decoded chunks in a cache, after the store was chosen.

        `form` is a digest of 16 bytes: of the array's place, and of all that decoding depends on.
        `token_of` gives bytes for a key that differ when its value has changed, no bytes where nothing
        but the writes of this process tells of that, and None where only the value can tell.
        """
        if len(form) != sizeof(self.t.form):
            raise ValueError("the digest has another length")
        if self.t.geometry.nbytes > cache.c.max_nbytes:
            return
        if self.t.access == DICT and self.t.stages.n == 0:  # it is in memory as it is
            return
        if self.t.access != FILES and self.t.sharding != NULL:
            return
        self.cache = cache
        self.token_of = token_of
        self.t.cache = cache.c
        memcpy(self.t.form, PyBytes_AS_STRING(form), sizeof(self.t.form))

    # ---------------------------------------------------------------- keys

    cdef object key(self, const Block* block):
        cdef char text[KEY_CAPACITY]
        cdef Py_ssize_t n = write_key(&self.t, block, text), n_prefix = len(self.prefix_bytes)
        cdef object key
        cdef char* data
        if n_prefix and not self.prefix_bytes.isascii():
            return self.prefix_bytes.decode() + text[:n].decode("ascii")
        key = PyUnicode_New(n_prefix + n, 127)
        data = <char*> PyUnicode_DATA(key)
        memcpy(data, PyBytes_AS_STRING(self.prefix_bytes), n_prefix)
        memcpy(data + n_prefix, text, n)
        return key

    cdef object get(self, key):
        """The stored value, or None."""
        if self.t.access == DICT:
            return (<dict> self.store).get(key)
        try:
            return self.store[key]
        except KeyError:
            return None

    cdef int remove(self, key) except -1:
        try:
            del self.store[key]
        except KeyError:
            pass
        return 0

    # ------------------------------------------------------------- jobs

    cdef int begin(self, Job* job, Plan plan, cnp.ndarray memory) except -1:
        """Set up a job over the user's memory."""
        cdef Transfer* m = &job.transfer
        cdef int i, place
        self.check(plan, memory)
        memset(&job.failure, 0, sizeof(Failure))
        job.target = &self.t
        job.first = 0
        job.numbers = NULL
        job.sources = NULL
        job.sinks = NULL
        job.found = NULL
        job.parts = NULL
        job.pipeline = <PyObject*> self
        job.fetch = fetch
        job.put = put
        job.release = release
        job.threads = 1
        job.shards = NULL
        job.part = Part(0, 0, self.t.geometry.itemsize)
        m.geometry = &self.t.geometry
        m.factors = plan.factors
        m.n_factors = plan.n_factors
        m.user = <char*> cnp.PyArray_DATA(memory)
        m.parts = self.parts if self.n_parts else &job.part
        m.n_parts = self.n_parts if self.n_parts else 1
        for i in range(m.n_factors):
            place = plan.factors[i].out_axis
            m.user_strides[i] = cnp.PyArray_STRIDES(memory)[place] if place >= 0 else 0
        return 0

    cdef int check(self, Plan plan, cnp.ndarray memory) except -1:
        """Raise ValueError unless a plan, the user's memory and the array's chunks belong together."""
        cdef Geometry* g = &self.t.geometry
        cdef int d
        cdef bint fits = plan.grid.ndim == g.ndim
        for d in range(g.ndim):
            fits = fits and plan.grid.chunk_extents[d] == g.extents[d]
        if not fits:
            raise ValueError(f"the plan is for chunks {plan.grid.chunk_shape}, and the array has {self.chunk_shape}")
        fits = cnp.PyArray_NDIM(memory) == len(plan.shape)
        for d in range(cnp.PyArray_NDIM(memory) if fits else 0):
            fits = fits and cnp.PyArray_DIM(memory, d) == <cnp.npy_intp> plan.shape[d]
        if not self.n_parts:
            fits = fits and <size_t> cnp.PyArray_ITEMSIZE(memory) == g.itemsize
        if not fits:
            raise ValueError(
                f"memory of shape {(<object> memory).shape} and {memory.dtype} "
                f"is not for {plan.shape} and {self.dtype}"
            )
        return 0

    cdef int threads_for(self, index_t n_chunks, size_t nbytes, int most) noexcept:
        """One thread for little work, else as many as there are."""
        cdef size_t work = nbytes if self.t.stages.n == 0 else n_chunks * self.t.geometry.nbytes
        if n_chunks < 2 or work < PARALLEL_NBYTES:
            return 1
        return most

    cdef int finish(self, Job* job, int stopped, Plan plan) except -1:
        """Raise what went wrong."""
        if stopped == 0:
            return 0
        if stopped < 0:     # a signal handler's exception is set
            Py_XDECREF(job.failure.exception)
            return -1
        raise self.failure(job, plan)

    cdef object failure(self, Job* job, Plan plan):
        cdef Block block
        cdef Failure* f = &job.failure
        cdef object exception
        pick(&job.transfer, f.task, &block)
        where = f"inner chunk {self.coords(&block)} of " if self.t.sharding != NULL else ""
        self.to_key(&block)
        key = self.key(&block)
        if f.exception != NULL:
            exception = <object> f.exception
            Py_DECREF(exception)
            f.exception = NULL
            return exception
        where += f"{'chunk' if self.t.sharding == NULL else 'shard'} {key!r} of array {self.name!r}"
        if f.of_index and f.status != NO_MEMORY:
            return self.layout.failure(f.status, f.code, f.stage, "encode" if f.encoding else "decode", key, where)
        if f.missing:
            return ChunkNotFoundError(f"{where} is absent, and fill_missing_chunks is off")
        if f.of_index:
            return MemoryError(
                f"shard {key!r} of array {self.name!r}: no memory for the index of its {self.t.sharding.n} chunks, "
                f"{16 * self.t.sharding.n} bytes"
            )
        if f.status == NO_MEMORY and f.stage < 0:
            return MemoryError(f"{where}: no memory for {self.t.geometry.nbytes} bytes")
        if f.status == SYSTEM and f.stage < 0:
            return OSError(f.code, os.strerror(f.code), self.path(&block))
        if f.stage < 0:
            return CodecError(
                f"{where}: not {self.t.geometry.nbytes} bytes long, as the metadata say", "bytes", "decode", key
            )
        return codec_failure(
            self.chain.codecs[f.stage], f.status, f.code, "encode" if f.encoding else "decode",
            self.chain.names[f.stage], key, where,
        )

    cdef void locate(self, Job* job, index_t task, Block* block) noexcept:
        """Find the place of the key that a task is for."""
        cdef Shard shard
        if self.t.sharding == NULL:
            pick(&job.transfer, task, block)
            return
        pick_shard(job, task, &shard)
        block[0] = shard.key

    cdef tuple coords(self, const Block* block):
        return tuple([block.coords[d] for d in range(self.t.geometry.ndim)])

    cdef void to_key(self, Block* block) noexcept:
        """Turn the place of a chunk into that of its key."""
        cdef int d
        if self.t.sharding != NULL:
            for d in range(self.t.geometry.ndim):
                block.coords[d] = block.coords[d] // self.t.sharding.chunks[d]

    cdef object path(self, const Block* block):
        cdef char path[PATH_CAPACITY]
        if self.t.access != FILES:
            return self.key(block)
        return os.fsdecode(path[:write_path(&self.t, block, path)])

    # ---------------------------------------------------------------- reading

    cpdef object read(self, Plan plan, out=None, int threads=1, bint fortran=False, contexts=None):
        """Return what a plan wants, as an array or scalar.

        Parameters
        ----------
        plan : Plan
        out : ndarray of shape plan.shape and the array's dtype, optional
            Written to, and returned.
        threads : int
            Most threads to use, this one included.
        fortran : bool
            Memory layout of a new array.
        contexts : mapping, optional
            Given to ``getitems``.

        Raises
        ------
        CodecError, ChecksumError, OSError, ChunkNotFoundError
            Naming the array, the chunk's key and the codec.
        """
        cdef Job job
        cdef cnp.ndarray result
        cdef cnp.npy_intp dims[MAX_DIMS]
        cdef int i, n, stopped, ndim = len(plan.shape)
        cdef size_t nbytes
        if out is None:
            for i in range(ndim):
                dims[i] = plan.shape[i]
            Py_INCREF(self.dtype)
            result = PyArray_Empty(ndim, dims, self.dtype, fortran)
        else:
            result = out
        if plan.n_chunks:
            self.begin(&job, plan, result)
            nbytes = cnp.PyArray_NBYTES(result)
            n = self.threads_for(plan.n_chunks, nbytes, threads)
            if self.t.sharding != NULL:
                self.read_shards(&job, plan, n, contexts)
            elif self.t.access == FILES:
                with nogil:
                    stopped = run(
                        read_file_task if self.t.cache == NULL else read_cached_file_task, &job, plan.n_chunks, n
                    )
                    trim_scratch()
                self.finish(&job, stopped, plan)
            elif self.t.cache != NULL:
                self.read_through_cache(&job, plan, n, nbytes, contexts)
            else:
                self.read_sources(&job, plan, n, nbytes, contexts)
        if out is None and plan.is_scalar:
            return result[()]
        return result

    cdef int read_sources(self, Job* job, Plan plan, int threads, size_t nbytes, contexts) except -1:
        """Collect the stored bytes of a batch of chunks, decode them, and so on."""
        cdef Source one
        cdef index_t batch = self.batch_size(plan, threads), n, i
        cdef int stopped
        job.sources = &one
        if batch > 1:
            job.sources = <Source*> PyMem_Malloc(batch * sizeof(Source))
            if job.sources == NULL:
                raise MemoryError
        try:
            while job.first < plan.n_chunks:
                n = min(batch, plan.n_chunks - job.first)
                for i in range(n):
                    job.sources[i] = Source(NULL, 0, NULL)
                try:
                    self.collect(job, n, contexts)
                    if self.t.stages.n == 0 and nbytes <= INLINE_NBYTES:
                        stopped = 0
                        for i in range(n):
                            if not stopped:
                                stopped = read_source_task(job, i)
                    else:
                        with nogil:
                            stopped = run(read_source_task, job, n, threads)
                            trim_scratch()
                    self.finish(job, stopped, plan)
                finally:
                    for i in range(n):
                        Py_XDECREF(job.sources[i].owner)
                job.first += n
        finally:
            if batch > 1:
                PyMem_Free(job.sources)
        return 0

    cdef index_t batch_size(self, Plan plan, int threads) except -1:
        """How many chunks' values are looked up before they are decoded."""
        if self.t.access != MAPPING:
            return plan.n_chunks
        at_once = getattr(self.store, "batch_nbytes", BATCH_NBYTES)
        return min(plan.n_chunks, max(2 * threads, at_once // max(1, self.t.geometry.nbytes)))

    cdef int read_through_cache(self, Job* job, Plan plan, int threads, size_t nbytes, contexts) except -1:
        """As `read_sources`, and look into the cache before."""
        cdef index_t batch = self.batch_size(plan, threads)
        cdef Source one
        cdef Found one_found
        job.sources = &one
        job.found = &one_found
        if batch > 1:
            job.sources = <Source*> PyMem_Malloc(batch * (sizeof(Source) + sizeof(Found)))
            if job.sources == NULL:
                raise MemoryError
            job.found = <Found*> (job.sources + batch)
        try:
            while job.first < plan.n_chunks:
                self.read_batch(job, plan, min(batch, plan.n_chunks - job.first), threads, nbytes, contexts)
                job.first += batch
        finally:
            if batch > 1:
                PyMem_Free(job.sources)
        return 0

    cdef int read_batch(self, Job* job, Plan plan, index_t n, int threads, size_t nbytes, contexts) except -1:
        """Read chunks job.first … job.first + n - 1 through the cache."""
        cdef index_t i
        cdef int stopped = 0
        memset(job.sources, 0, n * sizeof(Source))
        memset(job.found, 0, n * sizeof(Found))
        try:
            if self.find_all(job, n, contexts) == n and nbytes <= INLINE_NBYTES:
                for i in range(n):
                    stopped = stopped or read_cached_source_task(job, i)
            else:
                with nogil:
                    stopped = run(read_cached_source_task, job, n, threads)
                    trim_scratch()
            self.finish(job, stopped, plan)
        finally:
            for i in range(n):
                Py_XDECREF(job.sources[i].owner)
                Py_XDECREF(job.found[i].owner)
                if job.found[i].entry != NULL:
                    let_go(job.found[i].entry)
        return 0

    cdef index_t find_all(self, Job* job, index_t n, contexts) except -1:
        """Look into the cache for a batch of chunks, and look up the values of the others; how many were there."""
        cdef Block block
        cdef index_t i, n_found = 0
        cdef list keys = [], places = []
        for i in range(n):
            pick(&job.transfer, job.first + i, &block)
            key = self.key(&block)
            if self.token_of is not None and self.find_by_token(job, i, &job.found[i], self.token_of(key)):
                n_found += 1
            else:
                keys.append(key)
                places.append(i)
        values = self.get_all(keys, contexts) if keys else []
        for value, i in zip(values, places):
            hold(value, &job.sources[i])
            if not job.found[i].is_kept:
                n_found += self.find_by_value(job, i, value)
        return n_found

    cdef object get_all(self, list keys, contexts):
        """The values of several keys, None where there is none."""
        if self.bulk_get:
            found = self.store.getitems(keys, contexts=contexts or {})
            return [found.get(key) for key in keys]
        return [self.get(key) for key in keys]

    cdef int find_by_value(self, Job* job, index_t i, value) except -1:
        """A chunk in the cache is this value's if it was decoded of the very same object."""
        cdef Found* found = &job.found[i]
        if not PyBytes_CheckExact(value):   # others may be changed
            return False
        found.token = <const char*> &job.sources[i].owner
        found.n_token = sizeof(PyObject*)
        found.is_kept = found.stays = True
        look_up(job, i, found)
        if found.entry == NULL:
            Py_INCREF(value)
            found.owner = <PyObject*> value
        return found.entry != NULL

    cdef int find_by_token(self, Job* job, index_t i, Found* found, token) except -1:
        if token is None:
            return False
        found.token = PyBytes_AS_STRING(token)
        found.n_token = PyBytes_GET_SIZE(token)
        found.is_kept = True
        Py_INCREF(token)
        found.owner = <PyObject*> token
        look_up(job, i, found)
        return found.entry != NULL

    cdef int collect(self, Job* job, index_t n, contexts) except -1:
        """Look up the values of chunks job.first … job.first + n - 1."""
        cdef Block block
        cdef index_t i
        if self.bulk_get:
            keys = []
            for i in range(n):
                pick(&job.transfer, job.first + i, &block)
                keys.append(self.key(&block))
            values = self.store.getitems(keys, contexts=contexts or {})
            for i in range(n):
                hold(values.get(keys[i]), &job.sources[i])
            return 0
        for i in range(n):
            pick(&job.transfer, job.first + i, &block)
            hold(self.get(self.key(&block)), &job.sources[i])
        return 0

    # ---------------------------------------------------- reading from shards

    cdef int read_shards(self, Job* job, Plan plan, int threads, contexts) except -1:
        cdef ShardPlan* shards = plan_shards(job, plan)
        cdef int stopped
        job.shards = shards
        job.threads = threads
        try:
            if self.t.access == FILES:
                with nogil:
                    stopped = run(read_shard_file_task, job, shards.n_shards, threads)
                    trim_scratch()
                self.finish(job, stopped, plan)
            else:
                self.read_shard_sources(job, plan, threads, contexts)
        finally:
            job.shards = NULL
            del shards
        return 0

    cdef int read_shard_sources(self, Job* job, Plan plan, int threads, contexts) except -1:
        """Collect the stored bytes of a batch of shards, decode them, and so on."""
        cdef index_t n_shards = job.shards.n_shards, batch, n, i
        cdef index_t at_once = getattr(self.store, "batch_nbytes", BATCH_NBYTES)
        cdef int stopped
        batch = min(n_shards, max(threads, at_once // max(1, self.t.geometry.nbytes * self.t.sharding.n)))
        job.sources = <Source*> PyMem_Malloc(batch * sizeof(Source))
        try:
            if job.sources == NULL:
                raise MemoryError
            while job.first < n_shards:
                n = min(batch, n_shards - job.first)
                memset(job.sources, 0, n * sizeof(Source))
                try:
                    self.collect_shards(job, n, contexts)
                    with nogil:
                        stopped = run(read_shard_source_task, job, n, threads)
                        trim_scratch()
                    self.finish(job, stopped, plan)
                finally:
                    for i in range(n):
                        Py_XDECREF(job.sources[i].owner)
                job.first += n
        finally:
            PyMem_Free(job.sources)
            job.sources = NULL
        return 0

    cdef int collect_shards(self, Job* job, index_t n, contexts) except -1:
        """Look up shards job.first … job.first + n - 1."""
        cdef Shard shard
        cdef index_t i
        keys = []
        for i in range(n):
            pick_shard(job, job.first + i, &shard)
            keys.append(self.key(&shard.key))
        i = 0
        for value in self.get_all(keys, contexts):
            hold(value, &job.sources[i])
            i += 1
        return 0

    # ---------------------------------------------------------------- writing

    cpdef object write(self, Plan plan, cnp.ndarray values, int threads=1):
        """Store values where a plan says.

        Parameters
        ----------
        plan : Plan
        values : ndarray of shape plan.shape and the array's dtype
            Any strides, 0 included.
        threads : int
            Most threads to use, this one included.

        Raises
        ------
        CodecError, ChecksumError, OSError
            Naming the array, the chunk's key and the codec.
        """
        cdef Job job
        cdef int stopped, n
        if not plan.n_chunks:
            return
        self.begin(&job, plan, values)
        n = self.threads_for(plan.n_chunks, plan.n_chunks * self.t.geometry.nbytes, threads)
        if self.t.sharding != NULL:
            self.write_shards(&job, plan, n)
        elif self.t.access == FILES:
            with nogil:
                stopped = run(write_file_task, &job, plan.n_chunks, n)
                trim_scratch()
            self.finish(&job, stopped, plan)
        else:
            self.write_values(&job, plan, n)

    cdef int write_shards(self, Job* job, Plan plan, int threads) except -1:
        cdef ShardPlan* shards = plan_shards(job, plan)
        cdef int stopped
        job.shards = shards
        job.threads = threads
        try:
            if self.t.access == FILES:
                with nogil:
                    stopped = run(write_shard_file_task, job, shards.n_shards, threads)
                    trim_scratch()
                self.finish(job, stopped, plan)
            else:
                self.write_values(job, plan, threads)
        finally:
            job.shards = NULL
            del shards
        return 0

    cdef int write_values(self, Job* job, Plan plan, int threads) except -1:
        """Store chunks, or shards, in a mapping: first those that are written whole."""
        cdef Task update = update_task
        cdef index_t n_keys = plan.n_chunks
        cdef int stopped
        self.write_whole(job, plan, threads)
        if job.shards != NULL:
            update = update_shard_task
            n_keys = job.shards.n_shards
        # a mapping of somebody else's is used by this thread alone
        with nogil:
            stopped = run(update, job, n_keys, threads if self.t.access == DICT else 1)
            trim_scratch()
        return self.finish(job, stopped, plan)

    cdef int write_whole(self, Job* job, Plan plan, int threads) except -1:
        """Encode the chunks, or shards, that are written whole, a batch at a time, and store them."""
        cdef index_t n_keys = plan.n_chunks, batch, n
        cdef Task task = encode_task
        cdef int stopped
        batch = min(n_keys, max(2 * threads, BATCH_NBYTES // max(1, self.t.geometry.nbytes)))
        if self.t.sharding != NULL:
            n_keys = job.shards.n_shards
            batch = min(n_keys, threads)
            task = encode_shard_task
        job.sinks = <Sink*> PyMem_Malloc(batch * sizeof(Sink))
        if job.sinks == NULL:
            raise MemoryError
        try:
            while job.first < n_keys:
                n = min(batch, n_keys - job.first)
                memset(job.sinks, 0, n * sizeof(Sink))
                try:
                    self.prepare_sinks(job, n)
                    with nogil:
                        stopped = run(task, job, n, threads)
                        trim_scratch()
                    self.finish(job, stopped, plan)
                    self.store_sinks(job, n)
                finally:
                    self.drop_sinks(job, n)
                job.first += n
        finally:
            PyMem_Free(job.sinks)
            job.first = 0
        return 0

    cdef int prepare_sinks(self, Job* job, index_t n) except -1:
        """Where the encoded size is known, make the bytes objects that will be stored."""
        cdef Block block
        cdef index_t i
        cdef object value
        if not self.t.stages.encoded_nbytes or self.t.sharding != NULL:
            return 0
        for i in range(n):
            pick(&job.transfer, numbered(job, i), &block)
            if job.sources == NULL and not is_whole(&job.transfer, &block):
                continue
            value = PyBytes_FromStringAndSize(NULL, self.t.stages.encoded_nbytes)
            Py_INCREF(value)
            job.sinks[i].owner = <PyObject*> value
            job.sinks[i].data = PyBytes_AS_STRING(value)
            job.sinks[i].nbytes = self.t.stages.encoded_nbytes
        return 0

    cdef int store_sinks(self, Job* job, index_t n) except -1:
        """Store the encoded chunks, each under its key's lock; at once where the store can."""
        cdef Block block
        cdef char text[KEY_CAPACITY]
        cdef index_t i
        cdef uint64_t key_hash
        cdef bint bulk = self.bulk_set and n > 1
        cdef dict values = {}
        cdef set hashes = set()
        for i in range(n):
            if not job.sinks[i].done:
                continue
            self.locate(job, job.first + i, &block)
            key_hash = hash_key(self.t.identity, text, write_key(&self.t, &block, text))
            if bulk:
                values[self.key(&block)] = sunk_value(&job.sinks[i])
                hashes.add(key_hash)
            else:
                self.store_one(self.key(&block), sunk_value(&job.sinks[i]), key_hash)
        if bulk:
            try:
                self.store_many(values, hashes)
            finally:
                self.forget_sinks(job, n)
        return 0

    cdef void forget_sinks(self, Job* job, index_t n) noexcept:
        """Have caches know that chunks job.first … job.first + n - 1 were stored."""
        cdef Block block
        cdef char text[KEY_CAPACITY]
        cdef index_t i
        for i in range(n):
            if job.sinks[i].done:
                self.locate(job, job.first + i, &block)
                forget(hash_key(self.t.identity, text, write_key(&self.t, &block, text)))

    cdef int store_one(self, key, value, uint64_t key_hash) except -1:
        take_lock(key_hash)
        try:
            if value is None:
                self.remove(key)
            else:
                self.store[key] = value
        finally:
            forget(key_hash)
            unlock(key_hash)
        return 0

    cdef int store_many(self, dict values, set hashes) except -1:
        """Store values under all of their locks, which are taken in order."""
        held = []
        gone = [key for key, value in values.items() if value is None]
        for key in gone:
            del values[key]
        try:
            for number in sorted(hashes):
                take_lock(number)
                held.append(number)
            if values:
                self.store.setitems(values)
            for key in gone:
                self.remove(key)
        finally:
            for number in held:
                unlock(number)
        return 0

    cdef void drop_sinks(self, Job* job, index_t n) noexcept:
        cdef index_t i
        for i in range(n):
            if job.sinks[i].owner != NULL:
                Py_DECREF(<object> job.sinks[i].owner)
            else:
                free(job.sinks[i].data)
