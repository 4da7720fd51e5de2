from cpython.ref cimport PyObject
from libc.stdint cimport uint64_t

from .block cimport Block, Geometry, Part, Transfer
from .cache cimport Cache, Entry
from .chain cimport Stages
from .copying cimport MAX_DIMS
from .sharding cimport ShardPlan, Sharding
from .types cimport Status, index_t

cdef enum:
    FILES = 0
    DICT
    MAPPING

cdef enum:
    KEY_CAPACITY = 24 * (MAX_DIMS + 1)

ctypedef struct Keys:
    bint has_prefix                     # "c" before the coordinates
    char separator

# Everything about an array that a task needs, without Python objects.
ctypedef struct Target:
    Geometry geometry
    const Stages* stages
    const char* fill                    # an item
    bint has_fill                       # a chunk may count as empty
    bint write_empty
    bint fill_missing
    Keys keys
    int access
    const char* directory               # FILES: with a slash at the end
    size_t n_directory
    bint fsync
    uint64_t identity
    const Sharding* sharding            # NULL: a key holds one chunk
    Cache* cache                        # of decoded chunks; NULL: none
    uint64_t form[2]                    # what the cache calls the array and the way it is decoded

# The bytes of one chunk that the calling thread collected; no data: absent.
ctypedef struct Source:
    const char* data
    size_t nbytes
    PyObject* owner

# The bytes of one chunk to be stored; no data: the chunk is to be absent.
ctypedef struct Sink:
    char* data
    size_t nbytes
    PyObject* owner                     # bytes that `data` lies in, when the size was known before
    bint done                           # false: not of this pass

# What the cache has to do with one chunk whose bytes the calling thread looks up.
ctypedef struct Found:
    Entry* entry                        # has it, decoded; NULL: it is to be decoded
    bint is_kept                        # and then to be kept
    uint64_t begun                      # generation before its bytes were looked up
    const char* token                   # tells the state of the value
    size_t n_token
    PyObject* owner                     # of the token; or the value, where its place in memory is the token
    bint stays                          # the owner is to live as long as the entry

ctypedef struct Failure:
    int claimed
    Status status
    int code
    int stage                           # -1: not a codec's
    bint encoding
    index_t task
    bint missing
    bint of_index                       # a shard's index
    PyObject* exception

cdef struct Job:
    const Target* target
    Transfer transfer
    Part part                           # all of an item: the one part where no fields are named
    index_t first                       # number of the first chunk, or shard, of this batch
    const index_t* numbers              # of those of this batch, where they do not follow each other; else NULL
    Source* sources
    Sink* sinks
    Found* found                        # what the cache has of them, where there is one
    PyObject* pipeline                  # given back to the functions of a mapping, which take the GIL
    int (*fetch)(Job* job, index_t task, const Block* block, Source* source) noexcept nogil
    int (*put)(Job* job, index_t task, const Block* block, const char* data, size_t nbytes) noexcept nogil
    void (*release)(PyObject* owner) noexcept nogil
    Failure failure
    int threads
    index_t n_chunks[MAX_DIMS]          # of the array, along each axis
    const ShardPlan* shards             # the plan's chunks by shard
    Source** parts                      # of each shard of the batch: its chunks; NULL: `sources` has all of it

# Number in the plan of a chunk, or shard, of the batch.
cdef inline index_t numbered(const Job* job, index_t task) noexcept nogil:
    return job.first + task if job.numbers == NULL else job.numbers[task]

# The first failure of a job is the one that counts: true for whoever comes first.
cdef bint claim(Job* job) noexcept nogil

# Record a failure with chunk number `task` of the plan; non-zero, which ends the job.
cdef int fail(Job* job, index_t task, Status status, int code, int stage) noexcept nogil
cdef int fail_encoding(Job* job, index_t task, Status status, int code, int stage) noexcept nogil

# Steps that tasks are made of.
cdef int read_absent(Job* job, index_t task, const Block* block) noexcept nogil
cdef int decode_into(Job* job, index_t task, const Block* block, const char* data, size_t nbytes) noexcept nogil
# Do the wanted elements of an uncompressed chunk lie in half of it or less? Then from `start`, in `nbytes`.
cdef bint lies_in_part(const Job* job, const Block* block, index_t* start, size_t* nbytes) noexcept nogil
cdef int decode_old(Job* job, index_t task, const char* data, size_t nbytes, char* into) noexcept nogil
cdef const char* compose_whole(Job* job, const Block* block, char* into, Status* status) noexcept nogil
cdef bint is_empty(const Target* t, const char* chunk) noexcept nogil

# Write the chunk's key, as the chunk key encoding spells it, and its length.
cdef size_t write_key(const Target* t, const Block* block, char* out) noexcept nogil
cdef size_t write_path(const Target* t, const Block* block, char* out) noexcept nogil

# Tasks, one for each chunk of a plan, or of a batch. `encode_task` leaves alone what is written in
# part, unless `Job.sources` holds what there was.
cdef int read_file_task(void* context, index_t task) noexcept nogil
cdef int read_source_task(void* context, index_t task) noexcept nogil
cdef int write_file_task(void* context, index_t task) noexcept nogil
cdef int encode_task(void* context, index_t task) noexcept nogil
cdef int update_task(void* context, index_t task) noexcept nogil

# What reading tasks are made of.
cdef int fail(Job* job, index_t chunk, Status status, int code, int stage) noexcept nogil
cdef int decode_into(Job* job, index_t chunk, const Block* block, const char* data, size_t nbytes) noexcept nogil
