"""Chunks moved through a store that answers many requests at a time.

What a plan touches is asked for a window at a time. While some of it is decoded, on threads that do not hold
the GIL, the next values are on their way; and while some is encoded, what was encoded before is on its way to
the store. Answers are taken as they come, in any order. `storage.requests` makes the requests; all
that is asked here goes through three methods: ``get``, ``put`` and ``answers``.

==========  ====================================================================
chunk       asked for, or of an uncompressed one a part that holds what is wanted; decoded
shard       the index asked for, if it is not known; then the chunks that are wanted,
            each shard's as soon as its index is there; decoded when the last has come
write       encoded, its key locked, stored, unlocked
in part     its key locked, asked for, changed and encoded, stored, unlocked
==========  ====================================================================

A writer has the locks of all that it has under way. It never waits for one of them while it holds another: it ends
what it has begun before.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.ref cimport Py_XDECREF
from libc.stdint cimport uint64_t
from libc.string cimport memset

from .block cimport Block, is_whole, pick
from .cache cimport forget, let_go
from .cached cimport read_cached_source_task
from .chain cimport scratch, trim_scratch
from .pipeline cimport BATCH_NBYTES, INLINE_NBYTES, PARALLEL_NBYTES, Pipeline, hold, sunk_value
from .pool cimport Task, hash_key, lock, run, try_lock, unlock
from .projection cimport Plan
from .shard_tasks cimport (
    Shard, encode_shard_task, is_whole_shard, pick_chunk, pick_shard, place_in_shard, read_shard_source_task,
)
from .sharding cimport NOWHERE, decode_index
from .tasks cimport (
    KEY_CAPACITY, Found, Job, Sink, Source, encode_task, lies_in_part, read_source_task, write_key,
)
from .types cimport index_t, CORRUPT, OK, WRONG_SIZE

from zarrc.errors import CodecError, PartialWriteError, StoreError

cdef enum:
    GAP_NBYTES = 1 << 15        # bytes between two parts of a value that are asked for as one
    PART_NBYTES = 1 << 23       # most bytes of parts that are asked for as one
    CHANGES = 4                 # so often is a shard read again that changes meanwhile
    INDEXES_NBYTES = 1 << 24    # of shard indexes that are remembered with their versions
    SHOWN = 5                   # keys that a message about many of them names


# ----------------------------------------------------------- what has been asked for

cdef class _Batch:
    """What is decoded or encoded together: the arrays that a job's tasks look into."""
    cdef index_t capacity
    cdef index_t n
    cdef index_t* numbers
    cdef Source* sources
    cdef Source** parts
    cdef Found* found
    cdef Sink* sinks

    def __cinit__(self, index_t capacity):
        self.capacity = max(1, capacity)
        self.numbers = <index_t*> PyMem_Calloc(self.capacity, sizeof(index_t))
        self.sources = <Source*> PyMem_Calloc(self.capacity, sizeof(Source))
        self.parts = <Source**> PyMem_Calloc(self.capacity, sizeof(Source*))
        self.found = <Found*> PyMem_Calloc(self.capacity, sizeof(Found))
        self.sinks = <Sink*> PyMem_Calloc(self.capacity, sizeof(Sink))
        if not (self.numbers and self.sources and self.parts and self.found and self.sinks):
            raise MemoryError

    def __dealloc__(self):
        if self.sources and self.found:
            self.clear()
        PyMem_Free(self.numbers)
        PyMem_Free(self.sources)
        PyMem_Free(self.parts)
        PyMem_Free(self.found)
        PyMem_Free(self.sinks)

    cdef void clear(self) noexcept:
        """Give back the values; what was encoded belongs to whoever encoded it."""
        cdef index_t k
        for k in range(self.n):
            Py_XDECREF(self.sources[k].owner)
            Py_XDECREF(self.found[k].owner)
            if self.found[k].entry != NULL:
                let_go(self.found[k].entry)
        memset(self.sources, 0, self.n * sizeof(Source))
        memset(self.found, 0, self.n * sizeof(Found))
        memset(self.sinks, 0, self.n * sizeof(Sink))
        self.n = 0


cdef class _Chunk:
    """A chunk that was not in the cache, until its value comes."""
    cdef index_t number
    cdef Found found

    def __dealloc__(self):
        Py_XDECREF(self.found.owner)


cdef class _Shard:
    """A shard that is read: what is known of it, and its chunks as far as they have come."""
    cdef index_t number
    cdef index_t n              # how many of its chunks are wanted
    cdef size_t nbytes          # that count as being on their way
    cdef object key
    cdef bytes index
    cdef dict versions
    cdef Source whole
    cdef Source* chunks         # by number in the plan of the shard; NULL: all of the shard is read
    cdef index_t n_parts        # that are still to come
    cdef bint changed           # between the index and its chunks
    cdef int attempt
    cdef list held

    def __dealloc__(self):
        Py_XDECREF(self.whole.owner)
        PyMem_Free(self.chunks)


cdef class _Memory:
    """Owns a reference to a store's value."""
    cdef Source source

    def __dealloc__(self):
        Py_XDECREF(self.source.owner)


cdef class _Write:
    """A chunk or shard that is written."""
    cdef index_t number
    cdef object key
    cdef uint64_t key_hash
    cdef bint is_whole
    cdef bint is_locked
    cdef bint is_encoded
    cdef object value           # once it is encoded; None: there is to be none
    cdef Source old

    def __dealloc__(self):
        Py_XDECREF(self.old.owner)


# ----------------------------------------------------------------------- the pipeline

cdef class StreamingPipeline(Pipeline):
    """A pipeline for stores that take many requests at a time.

    It needs ``use_mapping(..., requests=...)``.
    """

    cdef index_t window(self, requests, size_t nbytes, int threads) except -1:
        """How many values of that many bytes, decoded, may be asked for at a time."""
        cdef index_t most = getattr(self.store, "batch_nbytes", 2 * BATCH_NBYTES) // max(1, nbytes)
        return min(<index_t> requests.width, max(2 * threads, most))

    # -------------------------------------------------------------------- chunks

    cdef int read_sources(self, Job* job, Plan plan, int threads, size_t nbytes, contexts) except -1:
        if not self.streams:
            return Pipeline.read_sources(self, job, plan, threads, nbytes, contexts)
        return self.read_chunks(job, plan, threads, nbytes)

    cdef int read_through_cache(self, Job* job, Plan plan, int threads, size_t nbytes, contexts) except -1:
        if not self.streams:
            return Pipeline.read_through_cache(self, job, plan, threads, nbytes, contexts)
        return self.read_chunks(job, plan, threads, nbytes)

    cdef int read_chunks(self, Job* job, Plan plan, int threads, size_t nbytes) except -1:
        """Read chunks that have keys of their own."""
        requests = self.requests()
        cdef index_t most = min(plan.n_chunks, self.window(requests, self.t.geometry.nbytes, threads))
        cdef _Batch batch = _Batch(2 * most)
        cdef index_t waiting = 0, asked = 0, done = 0
        cdef bint is_small
        try:
            while done < plan.n_chunks:
                while asked < plan.n_chunks and waiting < most and batch.n < batch.capacity:
                    waiting += self.ask_chunk(job, asked, requests, batch)
                    asked += 1
                if batch.n == 0:
                    answers = requests.answers()
                    waiting -= len(answers)
                    for tag, value, error in answers:
                        if error is not None:
                            raise error
                        self.take_chunk(tag, value, batch)
                    del answers
                    continue        # the next ones are on their way while these are decoded
                is_small = nbytes <= INLINE_NBYTES and waiting == 0
                self.decode(job, plan, batch, is_small, threads)
                done += batch.n
                batch.clear()
        finally:
            requests.cancel()
        return 0

    cdef int ask_chunk(self, Job* job, index_t number, requests, _Batch batch) except -1:
        """Ask for a chunk's value; 0 where that was not needed."""
        cdef Block block
        cdef _Chunk chunk
        cdef index_t start = 0
        cdef size_t nbytes = 0
        pick(&job.transfer, number, &block)
        key = self.key(&block)
        if self.t.cache == NULL or self.token_of is None:
            if self.t.geometry.nbytes > GAP_NBYTES and lies_in_part(job, &block, &start, &nbytes):
                requests.get((number, start, nbytes), key, start, nbytes)
            else:
                requests.get(number, key)
            return 1
        chunk = _Chunk.__new__(_Chunk)
        chunk.number = number
        job.numbers = &chunk.number
        if self.find_by_token(job, 0, &chunk.found, self.token_of(key)):
            self.take_chunk(chunk, None, batch)
            return 0
        requests.get(chunk, key)
        return 1

    cdef int take_chunk(self, tag, value, _Batch batch) except -1:
        cdef index_t k = batch.n
        cdef _Chunk chunk
        hold(value, &batch.sources[k])
        batch.n += 1
        if type(tag) is int:
            batch.numbers[k] = tag
            return 0
        if type(tag) is tuple:
            batch.numbers[k], start, nbytes = tag
            if batch.sources[k].nbytes == <size_t> nbytes:      # else it counts as a chunk of another size
                batch.sources[k].data -= <index_t> start        # where the chunk would begin
                batch.sources[k].nbytes = self.t.geometry.nbytes
            return 0
        chunk = tag
        batch.numbers[k] = chunk.number
        batch.found[k] = chunk.found
        memset(&chunk.found, 0, sizeof(Found))
        return 0

    cdef int decode(self, Job* job, Plan plan, _Batch batch, bint is_small, int threads) except -1:
        cdef Task task = read_source_task if self.t.cache == NULL else read_cached_source_task
        cdef index_t k
        cdef int stopped = 0
        job.numbers, job.sources, job.found = batch.numbers, batch.sources, batch.found
        if is_small and (self.t.stages.n == 0 or self.t.cache != NULL):
            for k in range(batch.n):
                stopped = stopped or task(job, k)
        else:
            threads = threads if batch.n * self.t.geometry.nbytes >= PARALLEL_NBYTES else 1
            with nogil:
                stopped = run(task, job, batch.n, threads)
                trim_scratch()
        return self.finish(job, stopped, plan)

    # -------------------------------------------------------------------- shards

    cdef int read_shard_sources(self, Job* job, Plan plan, int threads, contexts) except -1:
        requests = self.requests() if self.streams else self.requests(contexts)
        cdef index_t n_shards = job.shards.n_shards
        cdef index_t most = min(n_shards, <index_t> requests.width)
        cdef _Batch batch = _Batch(most)
        cdef index_t waiting = 0, asked = 0, done = 0
        cdef size_t nbytes = 0, most_nbytes = getattr(self.store, "batch_nbytes", 2 * BATCH_NBYTES)
        cdef _Shard shard
        cdef list ready = []
        try:
            while done < n_shards:
                while asked < n_shards and waiting < most and (nbytes < most_nbytes or waiting < threads):
                    shard = self.ask_shard(job, asked, requests)
                    nbytes += shard.nbytes
                    asked += 1
                    waiting += 1
                    if self.is_complete(shard):
                        ready.append(shard)
                if not ready:
                    for tag, value, error in requests.answers():
                        if error is not None:
                            raise error
                        shard = tag[0]
                        if self.take_part(job, shard, tag[1], value, requests):
                            ready.append(shard)
                    continue
                self.decode_shards(job, plan, batch, ready, threads)
                for shard in ready:
                    nbytes -= shard.nbytes
                waiting -= len(ready)
                done += len(ready)
                ready.clear()
        finally:
            requests.cancel()
        return 0

    cdef bint is_complete(self, _Shard shard) noexcept:
        """Whether nothing of a shard is still to come: it is known to have none of the chunks."""
        return shard.chunks != NULL and shard.index is not None and shard.n_parts == 0

    cdef _Shard ask_shard(self, Job* job, index_t number, requests):
        """Ask for a shard's index, for its chunks if the index is known, or for all of it."""
        cdef _Shard found = _Shard.__new__(_Shard)
        cdef Shard shard
        pick_shard(job, number, &shard)
        found.number = number
        found.n = shard.n
        found.key = self.key(&shard.key)
        if 2 * shard.n > self.t.sharding.n or is_whole_shard(job, &shard):
            found.nbytes = self.t.geometry.nbytes * self.t.sharding.n
            requests.get((found, None), found.key)
            return found
        found.nbytes = self.t.geometry.nbytes * shard.n
        found.held = []
        found.chunks = <Source*> PyMem_Calloc(max(1, shard.n), sizeof(Source))
        if found.chunks == NULL:
            raise MemoryError
        known = self.indexes.get(found.key)
        if known is None:
            self.ask_index(found, requests)
        else:
            found.versions = {found.key: known[0]}
            found.index = known[1]
            self.ask_parts(job, found, requests)
        return found

    cdef int ask_index(self, _Shard shard, requests) except -1:
        cdef Py_ssize_t nbytes = self.t.sharding.index_nbytes
        shard.index = None
        shard.versions = {}
        requests.get((shard, None), shard.key, 0 if self.t.sharding.index_first else -nbytes, nbytes, shard.versions)
        return 0

    cdef bint take_part(self, Job* job, _Shard shard, places, value, requests) except -1:
        """Take what was asked for of a shard; whether that was the last of it."""
        if shard.chunks == NULL:
            hold(value, &shard.whole)
            return True
        if places is not None:
            return self.take_chunks(shard, places, value, requests)
        if value is None:       # there is no such shard
            return True
        shard.index = self.index_from(shard.key, value)
        if shard.key in shard.versions:
            self.remember(shard.key, shard.versions[shard.key], shard.index)
        self.ask_parts(job, shard, requests)
        return shard.n_parts == 0

    cdef bint take_chunks(self, _Shard shard, list places, value, requests) except -1:
        shard.n_parts -= 1
        if value is None:       # it is another shard by now, or none
            shard.changed = True
            self.indexes.pop(shard.key, None)
        elif not shard.changed:
            self.place_part(shard, places, value)
        if shard.n_parts:
            return False
        if not shard.changed:
            return True
        shard.attempt += 1
        if shard.attempt == CHANGES:
            raise CodecError(
                f"shard {shard.key!r} of array {self.name!r} changes faster than it can be read",
                "sharding_indexed", "decode", shard.key,
            )
        shard.changed = False
        shard.held.clear()
        memset(shard.chunks, 0, shard.n * sizeof(Source))
        self.ask_index(shard, requests)
        return False

    cdef int place_part(self, _Shard shard, list places, value) except -1:
        """Say where chunks lie in a part of a shard."""
        cdef _Memory memory = _Memory.__new__(_Memory)
        cdef size_t offset, nbytes
        cdef index_t k
        hold(value, &memory.source)
        for offset, nbytes, k in places:
            if offset + nbytes > memory.source.nbytes:
                self.refuse_index(shard.key)
            shard.chunks[k] = Source(memory.source.data + offset, nbytes, NULL)
        shard.held.append(memory)
        return 0

    cdef int ask_parts(self, Job* job, _Shard shard, requests) except -1:
        """Ask for the wanted chunks of a shard whose index is known; neighbours are asked for together."""
        cdef Shard touched
        cdef Block block
        cdef index_t k, at
        cdef const uint64_t* entries = <const uint64_t*> PyBytes_AS_STRING(shard.index)
        cdef uint64_t start = 0, end = 0
        pick_shard(job, shard.number, &touched)
        wanted = []
        for k in range(touched.n):
            pick_chunk(job, &touched, k, &block)
            at = place_in_shard(job, &block)
            if entries[2 * at] != NOWHERE or entries[2 * at + 1] != NOWHERE:
                wanted.append((entries[2 * at], entries[2 * at + 1], k))
        parts = []
        for offset, nbytes, k in sorted(wanted):
            if offset + nbytes >> 63:
                self.refuse_index(shard.key)
            if parts and offset <= end + GAP_NBYTES and offset + nbytes - start <= PART_NBYTES:
                end = max(end, <uint64_t> (offset + nbytes))
            else:
                start, end = offset, offset + nbytes
                parts.append([start, end, []])
            parts[len(parts) - 1][1] = end
            parts[len(parts) - 1][2].append((offset - start, nbytes, k))
        shard.n_parts = len(parts)
        for first, last, places in parts:
            requests.get((shard, places), shard.key, first, last - first, shard.versions)
        return 0

    cdef int remember(self, key, version, bytes index) except -1:
        if len(self.indexes) * len(index) > INDEXES_NBYTES:
            self.indexes.clear()
        self.indexes[key] = (version, index)
        return 0

    cdef bytes index_from(self, key, part):
        """The decoded index of a shard."""
        cdef bytes found = PyBytes_FromStringAndSize(NULL, 16 * self.layout.c.n)
        cdef bytes data = bytes(part)
        cdef int stage = -1, code = 0, status = WRONG_SIZE
        if <size_t> len(data) == self.layout.c.index_nbytes:
            status = decode_index(
                &self.layout.c, PyBytes_AS_STRING(data), <uint64_t*> PyBytes_AS_STRING(found), scratch(), &stage, &code
            )
        if status != OK:
            raise self.layout.failure(
                status, code, stage, "decode", key, f"shard {key!r} of array {self.name!r}"
            )
        return found

    cdef object refuse_index(self, key):
        """Raise the error of an index that points outside of its shard."""
        raise self.layout.failure(CORRUPT, 0, -1, "decode", key, f"shard {key!r} of array {self.name!r}")

    cdef int decode_shards(self, Job* job, Plan plan, _Batch batch, list shards, int threads) except -1:
        cdef _Shard shard
        cdef int stopped
        for shard in shards:
            batch.numbers[batch.n] = shard.number
            batch.parts[batch.n] = shard.chunks
            batch.sources[batch.n] = Source(shard.whole.data, shard.whole.nbytes, NULL)     # the shard keeps it
            batch.n += 1
        job.numbers, job.sources, job.parts = batch.numbers, batch.sources, batch.parts
        with nogil:
            stopped = run(read_shard_source_task, job, batch.n, threads)
            trim_scratch()
        batch.clear()
        return self.finish(job, stopped, plan)

    # -------------------------------------------------------------------- writing

    cdef int write_values(self, Job* job, Plan plan, int threads) except -1:
        cdef _Writer writer
        if not self.streams:
            return Pipeline.write_values(self, job, plan, threads)
        writer = _Writer.__new__(_Writer)
        writer.pipeline = self
        writer.job = job
        writer.plan = plan
        writer.threads = threads
        writer.requests = self.requests()
        writer.write()
        return 0


cdef class _Writer:
    """One write through a store that takes many requests at a time."""
    cdef StreamingPipeline pipeline
    cdef Job* job
    cdef Plan plan
    cdef int threads
    cdef object requests
    cdef index_t n_keys
    cdef index_t begun          # how many keys have been begun
    cdef set under_way          # of _Write: all that are begun and not done
    cdef list ready             # of these, those to be encoded
    cdef list contended         # of these, those whose lock another thread has
    cdef index_t n_locked
    cdef dict failures          # number: exception of the request

    cdef int write(self) except -1:
        self.under_way = set()
        self.ready = []
        self.contended = []
        self.failures = {}
        self.n_keys = self.plan.n_chunks if self.job.shards == NULL else self.job.shards.n_shards
        try:
            self.write_all()
        except Exception:
            self.requests.settle()
            raise
        except BaseException:
            self.requests.cancel()
            raise
        finally:
            for write in self.under_way:
                self.release(write)
        if self.failures:
            raise self.failure()
        return 0

    cdef int write_all(self) except -1:
        cdef size_t nbytes = self.pipeline.t.geometry.nbytes
        cdef index_t most, group
        cdef _Batch batch
        cdef _Write write
        if self.job.shards != NULL:
            nbytes *= self.pipeline.t.sharding.n
        most = min(self.n_keys, self.pipeline.window(self.requests, nbytes, self.threads))
        # the first ones are on their way while others are encoded
        group = min(most, max(2 * self.threads, most // 4))
        batch = _Batch(most)
        while True:
            while self.begun < self.n_keys and self.may_begin(most, group):
                self.begin()
            if self.ready:
                self.encode(batch)
            elif self.contended and self.n_locked == 0:
                self.take_first_lock()
            elif self.under_way:
                for write, value, error in self.requests.answers():
                    self.take(write, value, error)
            else:
                return 0

    cdef bint may_begin(self, index_t most, index_t group):
        return (
            len(self.under_way) < most and len(self.ready) < group and not self.contended and not self.failures
        )

    cdef int begin(self) except -1:
        """Begin with the next key: one that is changed in part is asked for."""
        cdef _Write write = _Write.__new__(_Write)
        cdef Block block
        cdef Shard shard
        cdef char text[KEY_CAPACITY]
        write.number = self.begun
        if self.job.shards == NULL:
            pick(&self.job.transfer, write.number, &block)
            write.is_whole = is_whole(&self.job.transfer, &block)
        else:
            pick_shard(self.job, write.number, &shard)
            write.is_whole = is_whole_shard(self.job, &shard)
            block = shard.key
        write.key = self.pipeline.key(&block)
        write.key_hash = hash_key(self.pipeline.t.identity, text, write_key(&self.pipeline.t, &block, text))
        self.under_way.add(write)
        self.begun += 1
        if write.is_whole:
            self.ready.append(write)
        else:
            self.ask(write)
        return 0

    cdef int ask(self, _Write write) except -1:
        """Ask for what is changed, or have the store take what was encoded, once the key's lock is there."""
        if not write.is_locked:
            if not try_lock(write.key_hash):
                self.contended.append(write)
                return 0
            write.is_locked = True
            self.n_locked += 1
        if write.is_encoded:
            value, write.value = write.value, None
            self.requests.put(write, write.key, value)
        else:
            self.requests.get(write, write.key)
        return 0

    cdef int take_first_lock(self) except -1:
        """Wait for a lock that another thread has, as none is held."""
        cdef _Write write
        contended, self.contended = self.contended, []
        write = contended[0]
        with nogil:
            lock(write.key_hash)
        write.is_locked = True
        self.n_locked += 1
        for write in contended:
            self.ask(write)
        return 0

    cdef int encode(self, _Batch batch) except -1:
        """Encode what is ready, and have the store take it."""
        cdef StreamingPipeline pipeline = self.pipeline
        cdef Job* job = self.job
        cdef Task task = encode_task if job.shards == NULL else encode_shard_task
        cdef _Write write
        cdef index_t k
        cdef int stopped, threads
        ready, self.ready = self.ready, []
        for write in ready:
            batch.numbers[batch.n] = write.number
            batch.sources[batch.n] = write.old
            write.old = Source(NULL, 0, NULL)
            batch.n += 1
        job.numbers, job.sources, job.sinks = batch.numbers, batch.sources, batch.sinks
        threads = self.threads
        if job.shards == NULL and batch.n * pipeline.t.geometry.nbytes < PARALLEL_NBYTES:
            threads = 1
        try:
            pipeline.prepare_sinks(job, batch.n)
            with nogil:
                stopped = run(task, job, batch.n, threads)
                trim_scratch()
            pipeline.finish(job, stopped, self.plan)
            k = 0
            for write in ready:
                write.value = sunk_value(&batch.sinks[k])
                write.is_encoded = True
                k += 1
        finally:
            pipeline.drop_sinks(job, batch.n)
            batch.clear()
        for write in ready:
            self.ask(write)
        return 0

    cdef int take(self, _Write write, value, error) except -1:
        """Go on with a key of which there is an answer."""
        if error is not None:
            self.failures[write.number] = error
        elif not write.is_encoded:
            hold(value, &write.old)
            self.ready.append(write)
            return 0
        self.release(write)
        self.under_way.discard(write)
        return 0

    cdef int release(self, _Write write) except -1:
        """Let others have a key."""
        if write.is_locked:
            forget(write.key_hash)
            unlock(write.key_hash)
            write.is_locked = False
            self.n_locked -= 1
        return 0

    cdef object failure(self):
        """The exception for requests that failed: which keys were stored, and which were not."""
        first = next(iter(self.failures.values()))
        if self.n_keys == 1 or not isinstance(first, StoreError):
            return first
        done = [self.key_of(k) for k in range(self.begun) if k not in self.failures]
        failed = [self.key_of(k) for k in self.failures]
        failed += [self.key_of(k) for k in range(self.begun, self.n_keys)]
        failure = PartialWriteError(
            f"{first.url}: of {self.n_keys} keys of array {self.pipeline.name!r} {len(done)} were written "
            f"({shown(done)}) and {len(failed)} were not ({shown(failed)}): {first}",
            first.url, done, failed,
        )
        failure.__cause__ = first
        return failure

    cdef object key_of(self, index_t number):
        cdef Block block
        self.job.numbers = NULL
        self.job.first = 0
        self.pipeline.locate(self.job, number, &block)
        return self.pipeline.key(&block)


cdef str shown(list keys):
    """Some of many keys, for a message."""
    text = ", ".join([repr(key) for key in keys[:SHOWN]])
    return (f"{text}, …" if len(keys) > SHOWN else text) or "none"
