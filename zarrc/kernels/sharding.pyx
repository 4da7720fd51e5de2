"""Shards: many inner chunks under one key, found by an index at the end or the beginning.

(Sharding codec, version 1.0, "Binary shard format".) What is here knows the index and where inner
chunks lie; reading and writing them is done in ``shard_tasks``. ``ShardStage`` codes a whole
shard as one step of a chain, for shards inside of shards and where other codecs
come before or after.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.buffer cimport PyBUF_ANY_CONTIGUOUS, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from .chain cimport Chain, Scratch, Stages, decode_chain, encode_chain, scratch
from .codec cimport Codec
from .copying cimport MAX_DIMS, Axis, all_equal, copy_block, fill_block
from .files cimport Stamp
from .types cimport (
    Buffer, Status, append, index_t, reserve, OK, CORRUPT, NO_MEMORY, TOO_LARGE, WRONG_SIZE,
)

from zarrc.errors import CodecError

from zarrc.kernels.codec import failure as codec_failure

cdef extern from "shards.hpp" namespace "zarrc" nogil:
    cdef struct Version:
        uint64_t parts[5]
    cdef cppclass IndexCache:
        bint find(const char* path, const Version& version, uint64_t* out, size_t n)
        void keep(const char* path, const Version& version, const uint64_t* index, size_t n)
    IndexCache* index_cache
    void start_index_cache()

start_index_cache()


# ------------------------------------------------------------------ the index

cdef Status decode_index(
    const Sharding* c, const char* data, uint64_t* index, Scratch* s, int* failed, int* code
) noexcept nogil:
    failed[0] = -1
    if c.index_stages.n:
        return decode_chain(c.index_stages, data, c.index_nbytes, <char*> index, s, failed, code)
    memcpy(index, data, c.index_nbytes)
    return OK


cdef Status encode_index(
    const Sharding* c, const uint64_t* index, Buffer* out, Scratch* s, int* failed, int* code
) noexcept nogil:
    cdef Status status
    failed[0] = -1
    if c.index_stages.n:
        status = encode_chain(c.index_stages, <const char*> index, out, s, failed, code)
        return WRONG_SIZE if status == OK and out.nbytes != c.index_nbytes else status
    status = reserve(out, c.index_nbytes)
    if status == OK:
        memcpy(out.data, index, c.index_nbytes)
        out.nbytes = c.index_nbytes
    return status


cdef bint is_inside(const Sharding* c, const uint64_t* index, uint64_t nbytes) noexcept nogil:
    cdef index_t k
    for k in range(c.n):
        if index[2 * k] == NOWHERE and index[2 * k + 1] == NOWHERE:
            continue
        if index[2 * k] > nbytes or index[2 * k + 1] > nbytes - index[2 * k]:
            return False
    return True


cdef bint place_of_index(const Sharding* c, uint64_t nbytes, uint64_t* start) noexcept nogil:
    if nbytes < c.index_nbytes:
        return False
    start[0] = 0 if c.index_first else nbytes - c.index_nbytes
    return True


cdef Version version_of(const Stamp* stamp) noexcept nogil:
    cdef Version version
    version.parts[0] = stamp.device
    version.parts[1] = stamp.inode
    version.parts[2] = stamp.nbytes
    version.parts[3] = stamp.mtime_ns
    version.parts[4] = stamp.ctime_ns
    return version


cdef bint recall_index(const Sharding* c, const char* path, const Stamp* stamp, uint64_t* index) noexcept nogil:
    return index_cache.find(path, version_of(stamp), index, 2 * c.n)


cdef void remember_index(const Sharding* c, const char* path, const Stamp* stamp, const uint64_t* index) noexcept nogil:
    index_cache.keep(path, version_of(stamp), index, 2 * c.n)


cdef class ShardLayout:
    """How inner chunks lie in a shard.

    Parameters
    ----------
    chunks_per_shard : tuple of int
        Inner chunks along each axis.
    index_chain : Chain
        Codecs of the index, an array of unsigned 64-bit integers of shape
        ``(*chunks_per_shard, 2)``.
    index_first : bool
        The index is at the beginning of the shard and not at its end.

    Raises
    ------
    ValueError
        The size of the encoded index depends on what it holds, so that it cannot be found.
    """

    def __cinit__(self, tuple chunks_per_shard, Chain index_chain, bint index_first):
        cdef int d
        if len(chunks_per_shard) > MAX_DIMS:
            raise ValueError(f"arrays have {MAX_DIMS} dimensions at most, not {len(chunks_per_shard)}")
        if not index_chain.c.encoded_nbytes:
            raise ValueError("codec 'sharding_indexed': the index's codecs must give a size that is known before")
        self.chunks_per_shard = chunks_per_shard
        self.index_chain = index_chain
        self.c.ndim = len(chunks_per_shard)
        self.c.n = 1
        for d in range(self.c.ndim):
            self.c.chunks[d] = chunks_per_shard[d]
            self.c.n *= self.c.chunks[d]
        if index_chain.c.decoded_nbytes != 16 * <size_t> self.c.n:
            raise ValueError(f"an index of {self.c.n} chunks has {16 * self.c.n} bytes")
        self.c.index_stages = &index_chain.c
        self.c.index_nbytes = index_chain.c.encoded_nbytes
        self.c.index_first = index_first

    @property
    def index_nbytes(self):
        """Bytes of the index as it is stored."""
        return self.c.index_nbytes

    @property
    def index_first(self):
        """Whether the index is at the beginning of the shard."""
        return bool(self.c.index_first)

    def read_index(self, data):
        """Return the (offset, size) of each inner chunk, None where it is absent, in C order.

        Parameters
        ----------
        data : bytes-like of `index_nbytes`
            The index as it is stored.

        Raises
        ------
        CodecError, ChecksumError
            It is corrupt.
        """
        cdef Py_buffer view
        cdef uint64_t* index = <uint64_t*> malloc(16 * self.c.n)
        cdef int stage = -1, code = 0
        cdef index_t k
        cdef Status status
        if index == NULL:
            raise MemoryError
        try:
            PyObject_GetBuffer(data, &view, PyBUF_ANY_CONTIGUOUS)
            try:
                status = WRONG_SIZE
                if <size_t> view.len == self.c.index_nbytes:
                    status = decode_index(&self.c, <const char*> view.buf, index, scratch(), &stage, &code)
            finally:
                PyBuffer_Release(&view)
            if status != OK:
                raise self.failure(status, code, stage, "decode")
            return [
                None if index[2 * k] == NOWHERE and index[2 * k + 1] == NOWHERE else (index[2 * k], index[2 * k + 1])
                for k in range(self.c.n)
            ]
        finally:
            free(index)

    def split(self, data):
        """Return the stored bytes of each inner chunk of a shard, None where it is absent.

        Parameters
        ----------
        data : bytes-like
            A shard as it is stored.

        Returns
        -------
        list of (memoryview or None)
            In C order of the chunks' places in the shard.

        Raises
        ------
        CodecError, ChecksumError
            The shard is corrupt.
        """
        cdef uint64_t start = 0
        whole = memoryview(data).cast("B")
        if not place_of_index(&self.c, len(whole), &start):
            raise CodecError("the shard is too short for its index", "sharding_indexed", "decode")
        found = []
        for place in self.read_index(whole[start:start + self.c.index_nbytes]):
            if place is not None and sum(place) > len(whole):
                raise CodecError("the index points outside of the shard", "sharding_indexed", "decode")
            found.append(None if place is None else whole[place[0]:sum(place)])
        return found

    def join(self, parts):
        """Return the shard, as bytes, that holds inner chunks.

        Parameters
        ----------
        parts : sequence of (bytes-like or None)
            As `split` gives them.
        """
        cdef uint64_t* index
        cdef uint64_t at = self.c.index_nbytes if self.c.index_first else 0
        cdef Buffer out = Buffer(NULL, 0, 0, <size_t> -1, True)
        cdef int stage = -1, code = 0
        cdef index_t k
        cdef Status status
        parts = list(parts)
        if len(parts) != self.c.n:
            raise ValueError(f"a shard has {self.c.n} chunks, not {len(parts)}")
        index = <uint64_t*> malloc(16 * self.c.n)
        if index == NULL:
            raise MemoryError
        try:
            for k in range(self.c.n):
                index[2 * k] = index[2 * k + 1] = NOWHERE
                if parts[k] is not None:
                    index[2 * k] = at
                    index[2 * k + 1] = len(memoryview(parts[k]).cast("B"))
                    at += index[2 * k + 1]
            status = encode_index(&self.c, index, &out, scratch(), &stage, &code)
            if status != OK:
                raise self.failure(status, code, stage, "encode")
            encoded = PyBytes_FromStringAndSize(out.data, out.nbytes)
        finally:
            free(out.data)
            free(index)
        held = [part for part in parts if part is not None]
        return b"".join([encoded, *held] if self.c.index_first else [*held, encoded])

    def failure(self, int status, int code, int stage, str direction, key=None, where=None):
        """Return the exception for a failure of the index's codecs."""
        if stage < 0:
            where = f"{where}: " if where else ""
            what = "another number of bytes than the metadata say" if status == WRONG_SIZE else "the index is corrupt"
            return CodecError(f"{where}sharding_indexed: {direction}: {what}", "sharding_indexed", direction, key)
        name = f"index codec {self.index_chain.names[stage]}"
        return codec_failure(self.index_chain.codecs[stage], status, code, direction, name, key, where)


# --------------------------------------------------------- a whole shard as a stage

ctypedef struct ShardParams:
    const Sharding* layout
    const Stages* stages
    const char* fill
    size_t itemsize
    size_t chunk_nbytes             # of a decoded inner chunk
    index_t extents[MAX_DIMS]       # of an inner chunk
    index_t strides[MAX_DIMS]       # of its elements
    index_t shard_strides[MAX_DIMS]
    size_t shard_nbytes


cdef index_t place_of_chunk(const ShardParams* p, index_t k) noexcept nogil:
    """Where the first element of inner chunk `k` is in the decoded shard, in bytes."""
    cdef index_t at = 0
    cdef int d
    for d in range(p.layout.ndim - 1, -1, -1):
        at += k % p.layout.chunks[d] * p.extents[d] * p.shard_strides[d]
        k = k // p.layout.chunks[d]
    return at


cdef void lay_out_chunk(const ShardParams* p, Axis* axes, bint to_shard) noexcept nogil:
    cdef int d
    for d in range(p.layout.ndim):
        if to_shard:
            axes[d] = Axis(p.extents[d], p.strides[d], p.shard_strides[d], NULL, NULL)
        else:
            axes[d] = Axis(p.extents[d], p.shard_strides[d], p.strides[d], NULL, NULL)


cdef Status decode_chunk(
    const ShardParams* p, const char* data, size_t nbytes, char* shard, index_t k, Scratch* s, int* code
) noexcept nogil:
    """Decode inner chunk `k` to its place in the shard; no data: it is absent."""
    cdef Axis axes[MAX_DIMS]
    cdef int failed = -1
    cdef Status status = OK
    cdef char* place = shard + place_of_chunk(p, k)
    lay_out_chunk(p, axes, True)
    if data == NULL:
        fill_block(p.fill, place, axes, p.layout.ndim, p.itemsize)
        return OK
    if p.stages.n:
        status = reserve(&s.chunk, p.chunk_nbytes)
        if status == OK:
            status = decode_chain(p.stages, data, nbytes, s.chunk.data, s, &failed, code)
        data = s.chunk.data
    elif nbytes != p.chunk_nbytes:
        status = WRONG_SIZE
    if status == OK:
        copy_block(data, place, axes, p.layout.ndim, p.itemsize)
    return status


cdef Status decode_shard(const void* params, const char* src, size_t nbytes, Buffer* out, int* code) noexcept nogil:
    cdef const ShardParams* p = <const ShardParams*> params
    cdef const Sharding* c = p.layout
    cdef Scratch* s = scratch()
    cdef uint64_t start = 0
    cdef uint64_t* index
    cdef int failed = -1
    cdef index_t k
    cdef const char* chunk
    cdef Status status
    if p.shard_nbytes > out.limit:
        return TOO_LARGE
    if not place_of_index(c, nbytes, &start):
        return CORRUPT
    status = reserve(out, p.shard_nbytes)
    if status != OK:
        return status
    index = <uint64_t*> malloc(16 * c.n)
    if index == NULL:
        return NO_MEMORY
    status = decode_index(c, src + start, index, s, &failed, code)
    if status == OK and not is_inside(c, index, nbytes):
        status = CORRUPT
    for k in range(c.n):
        if status != OK:
            break
        chunk = <const char*> NULL if index[2 * k] == NOWHERE else src + index[2 * k]
        status = decode_chunk(p, chunk, index[2 * k + 1], out.data, k, s, code)
    free(index)
    out.nbytes = p.shard_nbytes
    return status


cdef Status encode_inner(
    const ShardParams* p, const char* shard, Buffer* out, index_t k, uint64_t* entry, Scratch* s, int* code
) noexcept nogil:
    """Append inner chunk `k` to the encoded shard, unless it is empty."""
    cdef Axis axes[MAX_DIMS]
    cdef int failed = -1
    cdef const char* data
    cdef size_t nbytes = p.chunk_nbytes
    cdef Status status = reserve(&s.chunk, p.chunk_nbytes)
    entry[0] = entry[1] = NOWHERE
    if status != OK:
        return status
    lay_out_chunk(p, axes, False)
    copy_block(shard + place_of_chunk(p, k), s.chunk.data, axes, p.layout.ndim, p.itemsize)
    data = s.chunk.data
    if all_equal(p.fill, data, p.chunk_nbytes // p.itemsize, p.itemsize):
        return OK
    if p.stages.n:
        status = encode_chain(p.stages, data, &s.encoded, s, &failed, code)
        data = s.encoded.data
        nbytes = s.encoded.nbytes
    entry[0] = out.nbytes
    entry[1] = nbytes
    return append(out, data, nbytes) if status == OK else status


cdef Status encode_shard(const void* params, const char* src, size_t nbytes, Buffer* out, int* code) noexcept nogil:
    cdef const ShardParams* p = <const ShardParams*> params
    cdef const Sharding* c = p.layout
    cdef Scratch* s = scratch()
    cdef uint64_t* index
    cdef int failed = -1
    cdef index_t k
    cdef Status status = OK
    if nbytes != p.shard_nbytes:
        return WRONG_SIZE
    index = <uint64_t*> malloc(16 * c.n)
    if index == NULL:
        return NO_MEMORY
    out.nbytes = 0
    if c.index_first:
        status = reserve(out, c.index_nbytes)
        out.nbytes = c.index_nbytes
    for k in range(c.n):
        if status == OK:
            status = encode_inner(p, src, out, k, &index[2 * k], s, code)
    if status == OK:
        status = encode_index(c, index, &s.encoded, s, &failed, code)
    if status == OK and c.index_first:
        memcpy(out.data, s.encoded.data, c.index_nbytes)
    elif status == OK:
        status = append(out, s.encoded.data, s.encoded.nbytes)
    free(index)
    return status


cdef class ShardStage(Codec):
    """A whole shard as one step of a chain.

    Parameters
    ----------
    layout : ShardLayout
    chain : Chain
        Codecs of an inner chunk.
    chunk_shape : tuple of int
        Of an inner chunk.
    order : tuple of int
        Axes of the inner chunk in the order in which its decoded bytes hold them.
    fill : bytes
        One item, as it is where the stage gets it: what absent inner chunks hold.
    """
    cdef ShardParams params
    cdef readonly ShardLayout layout
    cdef readonly Chain chain
    cdef readonly bytes fill
    cdef tuple chunk_shape
    cdef tuple order

    def __cinit__(self, ShardLayout layout, Chain chain, tuple chunk_shape, tuple order, bytes fill):
        cdef ShardParams* p = &self.params
        cdef int d, i
        cdef index_t stride = len(fill), shard_stride = len(fill)
        self.layout = layout
        self.chain = chain
        self.fill = fill
        self.chunk_shape = chunk_shape
        self.order = order
        p.layout = &layout.c
        p.stages = &chain.c
        p.fill = self.fill
        p.itemsize = len(fill)
        for d in range(layout.c.ndim - 1, -1, -1):
            p.extents[d] = chunk_shape[d]
            p.shard_strides[d] = shard_stride
            shard_stride *= chunk_shape[d] * layout.c.chunks[d]
        for i in range(layout.c.ndim - 1, -1, -1):
            d = order[i]
            p.strides[d] = stride
            stride *= p.extents[d]
        p.chunk_nbytes = stride
        p.shard_nbytes = shard_stride
        self.stage.encode = encode_shard
        self.stage.decode = decode_shard
        self.stage.params = p

    def with_chain(self, Chain chain not None):
        """Return the same step with other codecs for inner chunks of the same size."""
        cdef ShardStage found = ShardStage.__new__(
            ShardStage, self.layout, chain, self.chunk_shape, self.order, self.fill
        )
        if chain.c.decoded_nbytes != self.params.chunk_nbytes:
            raise ValueError(f"the codecs are for chunks of {chain.c.decoded_nbytes} bytes")
        return found
