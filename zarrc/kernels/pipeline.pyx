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
from .chain cimport Chain, enter, leave, trim_scratch
from .copying cimport MAX_DIMS
from .files cimport PATH_CAPACITY
from .pool cimport hash_key, lock, on_idle, run, stripe, try_lock, unlock
from .projection cimport Plan
from .tasks cimport (
    DICT, FILES, KEY_CAPACITY, MAPPING, Failure, Job, Keys, Sink, Source, Target,
    claim, encode_task, read_file_task, read_source_task, update_task, write_file_task, write_key, write_path,
)
from .types cimport index_t, NO_MEMORY, SYSTEM

import os

import numpy as np

from zarrc.errors import ChunkNotFoundError, CodecError
from zarrc.kernels.codec import failure as codec_failure

cdef extern from "numpy/arrayobject.h":
    # takes over a reference to the dtype
    cnp.ndarray PyArray_Empty(int ndim, cnp.npy_intp* dims, cnp.dtype dtype, int fortran)

cnp.import_array()
on_idle(trim_scratch)

cdef enum:
    INLINE_NBYTES = 1 << 16     # a copy of so few bytes is done before the GIL could be passed on
    PARALLEL_NBYTES = 1 << 19   # of decoded chunks: less is not worth waking a thread
    BATCH_NBYTES = 1 << 26      # decoded bytes of the chunks that are held encoded at once


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
    if not PyBytes_CheckExact(value):
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
    cdef Part* parts
    cdef int n_parts

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
        cdef Pipeline found = Pipeline.__new__(Pipeline)
        cdef int i
        cdef size_t offset = 0
        found.t = self.t
        found.name = self.name
        found.chunk_shape = self.chunk_shape
        found.chain = self.chain
        found.fill = self.fill
        found.directory = self.directory
        found.store = self.store
        found.prefix_bytes = self.prefix_bytes
        found.bulk_get = self.bulk_get
        found.bulk_set = self.bulk_set
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

    def use_mapping(self, store, str prefix, uint64_t identity, bint bulk_get=False, bint bulk_set=False):
        """Keep the chunks in a mapping, under keys that begin with `prefix`; a plain dict is used directly.

        `bulk_get` and `bulk_set` say that ``getitems`` and ``setitems`` may be called.

        `identity` is the hash of a name that all have for the mapping's keys with that prefix; locks go by it.
        """
        self.store = store
        self.prefix_bytes = prefix.encode()
        self.t.access = DICT if type(store) is dict else MAPPING
        self.bulk_get = bulk_get
        self.bulk_set = bulk_set
        self.t.identity = identity

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
        job.pipeline = <PyObject*> self
        job.fetch = fetch
        job.put = put
        job.release = release
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
        key = self.key(&block)
        if f.exception != NULL:
            exception = <object> f.exception
            Py_DECREF(exception)
            f.exception = NULL
            return exception
        where = f"chunk {key!r} of array {self.name!r}"
        if f.missing:
            return ChunkNotFoundError(f"{where} is absent, and fill_missing_chunks is off")
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
            if self.t.access == FILES:
                with nogil:
                    stopped = run(read_file_task, &job, plan.n_chunks, n)
                    trim_scratch()
                self.finish(&job, stopped, plan)
            else:
                self.read_sources(&job, plan, n, nbytes, contexts)
        if out is None and plan.is_scalar:
            return result[()]
        return result

    cdef int read_sources(self, Job* job, Plan plan, int threads, size_t nbytes, contexts) except -1:
        """Collect the stored bytes of a batch of chunks, decode them, and so on."""
        cdef Source one
        cdef index_t batch = plan.n_chunks, n, i
        cdef int stopped
        if self.t.access == MAPPING:
            at_once = getattr(self.store, "batch_nbytes", BATCH_NBYTES)
            batch = min(batch, max(2 * threads, at_once // max(1, self.t.geometry.nbytes)))
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

    cdef int collect(self, Job* job, index_t n, contexts) except -1:
        """Look up the values of chunks job.first … job.first + n - 1."""
        cdef Block block
        cdef index_t i
        if self.bulk_get and n > 1:
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
        if self.t.access == FILES:
            with nogil:
                stopped = run(write_file_task, &job, plan.n_chunks, n)
                trim_scratch()
            self.finish(&job, stopped, plan)
        else:
            self.write_whole(&job, plan, n)
            # a mapping of somebody else's is used by this thread alone
            with nogil:
                stopped = run(update_task, &job, plan.n_chunks, n if self.t.access == DICT else 1)
                trim_scratch()
            self.finish(&job, stopped, plan)

    cdef int write_whole(self, Job* job, Plan plan, int threads) except -1:
        """Encode the chunks that are written whole, a batch at a time, and store them."""
        cdef index_t batch = max(2 * threads, BATCH_NBYTES // max(1, self.t.geometry.nbytes)), n
        cdef int stopped
        batch = min(batch, plan.n_chunks)
        job.sinks = <Sink*> PyMem_Malloc(batch * sizeof(Sink))
        if job.sinks == NULL:
            raise MemoryError
        try:
            while job.first < plan.n_chunks:
                n = min(batch, plan.n_chunks - job.first)
                memset(job.sinks, 0, n * sizeof(Sink))
                try:
                    self.prepare_sinks(job, n)
                    with nogil:
                        stopped = run(encode_task, job, n, threads)
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
        if not self.t.stages.encoded_nbytes:
            return 0
        for i in range(n):
            pick(&job.transfer, job.first + i, &block)
            if not is_whole(&job.transfer, &block):
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
        cdef set stripes = set()
        for i in range(n):
            if not job.sinks[i].done:
                continue
            pick(&job.transfer, job.first + i, &block)
            key_hash = hash_key(self.t.identity, text, write_key(&self.t, &block, text))
            if bulk:
                values[self.key(&block)] = sunk_value(&job.sinks[i])
                stripes.add(stripe(key_hash))
            else:
                self.store_one(self.key(&block), sunk_value(&job.sinks[i]), key_hash)
        if bulk:
            self.store_many(values, stripes)
        return 0

    cdef int store_one(self, key, value, uint64_t key_hash) except -1:
        take_lock(key_hash)
        try:
            if value is None:
                self.remove(key)
            else:
                self.store[key] = value
        finally:
            unlock(key_hash)
        return 0

    cdef int store_many(self, dict values, set stripes) except -1:
        """Store values under all of their locks, which are taken in order."""
        held = []
        gone = [key for key, value in values.items() if value is None]
        for key in gone:
            del values[key]
        try:
            for number in sorted(stripes):
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
