"""Codecs that rearrange or recompute elements, and the stage that calls a codec written in Python."""

from cpython.buffer cimport PyBUF_ANY_CONTIGUOUS, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from libcpp cimport bool as cbool

from .codec cimport Codec
from .types cimport Buffer, Status, copy_bytes, reserve, OK, TOO_LARGE, WRONG_SIZE, PYTHON, ENCODING

from .codec import describe

from threading import Lock

import numpy as np

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define ZARRC_SWAP16 __builtin_bswap16
    #define ZARRC_SWAP32 __builtin_bswap32
    #define ZARRC_SWAP64 __builtin_bswap64
    #else
    #include <stdlib.h>
    #define ZARRC_SWAP16 _byteswap_ushort
    #define ZARRC_SWAP32 _byteswap_ulong
    #define ZARRC_SWAP64 _byteswap_uint64
    #endif
    """
    uint16_t swap16 "ZARRC_SWAP16"(uint16_t) nogil
    uint32_t swap32 "ZARRC_SWAP32"(uint32_t) nogil
    uint64_t swap64 "ZARRC_SWAP64"(uint64_t) nogil


cdef inline Status room_for(size_t nbytes, size_t itemsize, Buffer* out) noexcept nogil:
    """Check that src holds whole items, and make room for as many bytes in out."""
    cdef Status status
    if nbytes % itemsize != 0:
        return WRONG_SIZE
    if nbytes > out.limit:
        return TOO_LARGE
    status = reserve(out, nbytes)
    if status == OK:
        out.nbytes = nbytes
    return status


# ---------------------------------------------------------------- byte order

# `count` neighbouring numbers of `size` bytes each, at `offset` in every item
ctypedef struct Swap:
    size_t offset
    size_t size
    size_t count

ctypedef struct SwapParams:
    size_t itemsize
    size_t n_swaps
    Swap* swaps


cdef void swap_numbers(const char* src, char* dst, size_t size, size_t count) noexcept nogil:
    """Reverse each of `count` numbers; src may be dst. Chunks in memory need no alignment."""
    cdef size_t i
    cdef uint16_t a
    cdef uint32_t b
    cdef uint64_t c
    if size == 2:
        for i in range(count):
            memcpy(&a, src + 2 * i, 2)
            a = swap16(a)
            memcpy(dst + 2 * i, &a, 2)
    elif size == 4:
        for i in range(count):
            memcpy(&b, src + 4 * i, 4)
            b = swap32(b)
            memcpy(dst + 4 * i, &b, 4)
    elif size == 8:
        for i in range(count):
            memcpy(&c, src + 8 * i, 8)
            c = swap64(c)
            memcpy(dst + 8 * i, &c, 8)
    else:
        for i in range(count):
            reverse(src + size * i, dst + size * i, size)


cdef inline void reverse(const char* src, char* dst, size_t size) noexcept nogil:
    cdef size_t k
    cdef char left, right
    for k in range((size + 1) // 2):
        left = src[k]
        right = src[size - 1 - k]
        dst[k] = right
        dst[size - 1 - k] = left


cdef Status swap(const void* params, const char* src, size_t nbytes, Buffer* out, int* code) noexcept nogil:
    cdef const SwapParams* p = <const SwapParams*> params
    cdef Status status = room_for(nbytes, p.itemsize, out)
    cdef const Swap* s
    cdef size_t at, k
    if status != OK:
        return status
    if p.n_swaps == 1 and p.swaps.size * p.swaps.count == p.itemsize:
        swap_numbers(src, out.data, p.swaps.size, nbytes // p.swaps.size)
        return OK
    if src != out.data:
        copy_bytes(out.data, src, nbytes)
    at = 0
    while at < nbytes:
        for k in range(p.n_swaps):
            s = &p.swaps[k]
            swap_numbers(out.data + at + s.offset, out.data + at + s.offset, s.size, s.count)
        at += p.itemsize
    return OK


cdef class ByteSwap(Codec):
    """Reverse the bytes of numbers: both directions do the same.

    Parameters
    ----------
    itemsize : int
        Bytes per item.
    swaps : sequence of (offset, size, count), optional
        The numbers in each item: `count` neighbours of `size` bytes from byte
        `offset` on. By default the item is one number. A complex item is two
        numbers, ``[(0, itemsize // 2, 2)]``; a record has an entry per field.
    """
    cdef SwapParams params

    def __cinit__(self, size_t itemsize, swaps=None):
        swaps = [(0, itemsize, 1)] if swaps is None else list(swaps)
        if itemsize == 0:
            raise ValueError("itemsize must be at least 1")
        self.params.itemsize = itemsize
        self.params.n_swaps = len(swaps)
        self.params.swaps = <Swap*> malloc(max(1, len(swaps)) * sizeof(Swap))
        if self.params.swaps == NULL:
            raise MemoryError
        for k, (offset, size, n) in enumerate(swaps):
            if offset < 0 or size < 1 or n < 0 or offset + size * n > itemsize:
                raise ValueError(
                    f"{n} numbers of {size} bytes at {offset} are not inside of {itemsize} bytes")
            self.params.swaps[k] = Swap(offset, size, n)
        self.stage.encode = swap
        self.stage.decode = swap
        self.stage.params = &self.params
        self.stage.in_place = True
        self.stage.keeps_size = True

    def __dealloc__(self):
        free(self.params.swaps)


# ---------------------------------------------------------------- delta

cdef extern from *:
    """
    #include <cstdint>
    #include <cstring>
    #include <type_traits>
    typedef bool (*ZarrcElements)(const char* src, size_t n, char* dst);

    namespace zarrc_delta {
    /* Chunks in memory need no alignment. Integers wrap around: D is unsigned, or a float. */
    template <class T> inline T load(const char* at, size_t i) {
        T value;
        std::memcpy(&value, at + i * sizeof(T), sizeof(T));
        return value;
    }
    template <class T> inline void store(char* at, size_t i, T value) {
        std::memcpy(at + i * sizeof(T), &value, sizeof(T));
    }

    /* False: a difference does not fit the narrower E, so that decoding would give other numbers. */
    template <class D, class E> bool encode(const char* src, size_t n, char* dst) {
        bool fits = true;
        D last = D();
        for (size_t i = 0; i < n; i++) {
            D value = load<D>(src, i);
            D difference = i ? (D) (value - last) : value;
            E encoded = (E) difference;
            if (sizeof(E) < sizeof(D)) fits &= (D) encoded == difference;
            store<E>(dst, i, encoded);
            last = value;
        }
        return fits;
    }
    template <class D, class E> bool decode(const char* src, size_t n, char* dst) {
        D sum = D();
        for (size_t i = 0; i < n; i++) {
            D encoded = (D) load<E>(src, i);
            store<D>(dst, i, sum = i ? (D) (sum + encoded) : encoded);
        }
        return true;
    }
    template <class D, class E> ZarrcElements pick(bool decoding) {
        return decoding ? decode<D, E> : encode<D, E>;
    }

    template <class D> ZarrcElements pick_encoded(bool decoding, char kind, int size) {
        bool is_signed = kind == 'i';
        if (size > (int) sizeof(D)) return nullptr;
        switch (size) {
            case 1: return is_signed ? pick<D, int8_t>(decoding) : pick<D, uint8_t>(decoding);
            case 2: return is_signed ? pick<D, int16_t>(decoding) : pick<D, uint16_t>(decoding);
            case 4: return is_signed ? pick<D, int32_t>(decoding) : pick<D, uint32_t>(decoding);
            case 8: return is_signed ? pick<D, int64_t>(decoding) : pick<D, uint64_t>(decoding);
        }
        return nullptr;
    }
    }

    /* Kinds are NumPy's: i, u or f. NULL: not compiled. */
    static ZarrcElements zarrc_delta_function(
            int decoding, char kind, int size, char encoded_kind, int encoded_size) {
        using namespace zarrc_delta;
        if (kind == 'f' || encoded_kind == 'f') {
            if (kind != encoded_kind || size != encoded_size) return nullptr;
            if (size == 4) return pick<float, float>(decoding);
            return size == 8 ? pick<double, double>(decoding) : nullptr;
        }
        switch (size) {
            case 1: return pick_encoded<uint8_t>(decoding, encoded_kind, encoded_size);
            case 2: return pick_encoded<uint16_t>(decoding, encoded_kind, encoded_size);
            case 4: return pick_encoded<uint32_t>(decoding, encoded_kind, encoded_size);
            case 8: return pick_encoded<uint64_t>(decoding, encoded_kind, encoded_size);
        }
        return nullptr;
    }
    """
    ctypedef cbool (*Elements "ZarrcElements")(const char*, size_t, char*) noexcept nogil
    Elements zarrc_delta_function(bint, char, int, char, int)

ctypedef struct DeltaParams:
    Elements encode
    Elements decode
    size_t decoded_size
    size_t encoded_size


cdef Status resize(
    Elements elements, const char* src, size_t nbytes, size_t src_size, size_t dst_size, Buffer* out
) noexcept nogil:
    """Apply a function that turns each element of one size into one of another."""
    cdef size_t n = nbytes // src_size
    cdef Status status
    if nbytes % src_size != 0:
        return WRONG_SIZE
    if n > out.limit // dst_size:
        return TOO_LARGE
    status = reserve(out, n * dst_size)
    if status != OK:
        return status
    if not elements(src, n, out.data):
        return ENCODING
    out.nbytes = n * dst_size
    return OK


cdef Status delta_encode(
    const void* params, const char* src, size_t nbytes, Buffer* out, int* code
) noexcept nogil:
    cdef const DeltaParams* p = <const DeltaParams*> params
    return resize(p.encode, src, nbytes, p.decoded_size, p.encoded_size, out)


cdef Status delta_decode(
    const void* params, const char* src, size_t nbytes, Buffer* out, int* code
) noexcept nogil:
    cdef const DeltaParams* p = <const DeltaParams*> params
    return resize(p.decode, src, nbytes, p.encoded_size, p.decoded_size, out)


cdef class Delta(Codec):
    """Differences of neighbouring elements, as numcodecs' ``delta`` makes them.

    Parameters
    ----------
    dtype, astype : dtype-like
        Of the decoded and of the encoded elements; see `delta_is_compiled`.
    """
    cdef DeltaParams params

    def __cinit__(self, dtype, astype=None):
        dtype = np.dtype(dtype)
        astype = dtype if astype is None else np.dtype(astype)
        if not delta_is_compiled(dtype, astype):
            raise ValueError(f"delta from {dtype} to {astype} is not compiled")
        self.params.encode = delta_function(False, dtype, astype)
        self.params.decode = delta_function(True, dtype, astype)
        self.params.decoded_size = dtype.itemsize
        self.params.encoded_size = astype.itemsize
        self.stage.encode = delta_encode
        self.stage.decode = delta_decode
        self.stage.params = &self.params
        self.stage.keeps_size = dtype.itemsize == astype.itemsize
        self.stage.in_place = self.stage.keeps_size  # each element is read before its place is written

    def explain(self, int status, int code):
        if status == ENCODING:
            return f"a difference does not fit {self.params.encoded_size} bytes"
        return describe(status, code)


def delta_is_compiled(dtype, astype):
    """Return whether `Delta` takes this pair of dtypes.

    It takes native integers that are encoded as integers of the same or a smaller size,
    and native single and double precision floats that are encoded as themselves.
    """
    if not (dtype.isnative and astype.isnative) or dtype.kind not in "iuf" or astype.kind not in "iuf":
        return False
    return delta_function(False, dtype, astype) != NULL


cdef Elements delta_function(bint decoding, dtype, astype) except? NULL:
    return zarrc_delta_function(
        decoding, ord(dtype.kind), dtype.itemsize, ord(astype.kind), astype.itemsize)


# ---------------------------------------------------------------- shuffle

ctypedef struct ShuffleParams:
    size_t elementsize


cdef extern from *:
    """
    namespace zarrc_shuffle {
    /* Byte k of element i goes to dst[k * n + i]. With the size known to the compiler, each pass
       over a tile is turned into vector instructions; a tile stays in the first-level cache. */
    template <size_t SIZE>
    void deal(const char* __restrict src, size_t n, size_t size_given, char* __restrict dst) {
        const size_t size = SIZE ? SIZE : size_given;
        for (size_t first = 0; first < n; first += 1024) {
            const size_t last = first + 1024 < n ? first + 1024 : n;
            for (size_t k = 0; k < size; k++)
                for (size_t i = first; i < last; i++) dst[k * n + i] = src[i * size + k];
        }
    }
    template <size_t SIZE>
    void gather(const char* __restrict src, size_t n, size_t size_given, char* __restrict dst) {
        const size_t size = SIZE ? SIZE : size_given;
        for (size_t first = 0; first < n; first += 1024) {
            const size_t last = first + 1024 < n ? first + 1024 : n;
            for (size_t i = first; i < last; i++)
                for (size_t k = 0; k < size; k++) dst[i * size + k] = src[k * n + i];
        }
    }
    }
    typedef void (*ZarrcShuffle)(const char*, size_t, size_t, char*);
    static ZarrcShuffle zarrc_deal(size_t size) {
        using namespace zarrc_shuffle;
        switch (size) {
            case 2: return deal<2>;
            case 4: return deal<4>;
            case 8: return deal<8>;
            case 16: return deal<16>;
        }
        return deal<0>;
    }
    static ZarrcShuffle zarrc_gather(size_t size) {
        using namespace zarrc_shuffle;
        switch (size) {
            case 2: return gather<2>;
            case 4: return gather<4>;
            case 8: return gather<8>;
            case 16: return gather<16>;
        }
        return gather<0>;
    }
    """
    ctypedef void (*Rearrange "ZarrcShuffle")(const char*, size_t, size_t, char*) noexcept nogil
    Rearrange zarrc_deal(size_t) nogil
    Rearrange zarrc_gather(size_t) nogil


cdef Status shuffle(
    const void* params, const char* src, size_t nbytes, Buffer* out, int* code
) noexcept nogil:
    cdef size_t size = (<const ShuffleParams*> params).elementsize
    cdef Status status = room_for(nbytes, size, out)
    if status == OK:
        zarrc_deal(size)(src, nbytes // size, size, out.data)
    return status


cdef Status unshuffle(
    const void* params, const char* src, size_t nbytes, Buffer* out, int* code
) noexcept nogil:
    cdef size_t size = (<const ShuffleParams*> params).elementsize
    cdef Status status = room_for(nbytes, size, out)
    if status == OK:
        zarrc_gather(size)(src, nbytes // size, size, out.data)
    return status


cdef class Shuffle(Codec):
    """Bytes of elements of `elementsize` bytes, all first bytes first (numcodecs' ``shuffle``)."""
    cdef ShuffleParams params

    def __cinit__(self, size_t elementsize=4):
        if elementsize == 0:
            raise ValueError("elementsize must be at least 1")
        self.params.elementsize = elementsize
        self.stage.encode = shuffle
        self.stage.decode = unshuffle
        self.stage.params = &self.params
        self.stage.keeps_size = True


# ---------------------------------------------------------------- transpose

cdef enum:
    MAX_NDIM = 64

ctypedef struct Layout:
    int ndim
    size_t itemsize
    size_t nbytes
    size_t shape[MAX_NDIM]      # of what is written, C-contiguous
    size_t strides[MAX_NDIM]    # in bytes, of what is read

ctypedef struct TransposeParams:
    Layout encode
    Layout decode


cdef void copy_item(const char* src, char* dst, size_t itemsize) noexcept nogil:
    if itemsize == 4:
        memcpy(dst, src, 4)
    elif itemsize == 8:
        memcpy(dst, src, 8)
    elif itemsize == 2:
        memcpy(dst, src, 2)
    else:
        memcpy(dst, src, itemsize)


cdef void copy_strided(const Layout* layout, const char* src, char* dst) noexcept nogil:
    """Write the items in C order; an odometer over all axes but the last says where each row begins."""
    cdef size_t index[MAX_NDIM]
    cdef int axis
    cdef int last = layout.ndim - 1
    cdef size_t i, done = 0
    memset(index, 0, sizeof(index))
    while done < layout.nbytes:
        for i in range(layout.shape[last]):
            copy_item(src + i * layout.strides[last], dst + done, layout.itemsize)
            done += layout.itemsize
        axis = last - 1
        while axis >= 0:
            index[axis] += 1
            src += layout.strides[axis]
            if index[axis] < layout.shape[axis]:
                break
            src -= layout.strides[axis] * layout.shape[axis]
            index[axis] = 0
            axis -= 1


cdef Status rearrange(const Layout* layout, const char* src, size_t nbytes, Buffer* out) noexcept nogil:
    cdef Status status
    if nbytes != layout.nbytes:
        return WRONG_SIZE
    status = room_for(nbytes, 1, out)
    if status == OK:
        copy_strided(layout, src, out.data)
    return status


cdef Status transpose_encode(
    const void* params, const char* src, size_t nbytes, Buffer* out, int* code
) noexcept nogil:
    return rearrange(&(<const TransposeParams*> params).encode, src, nbytes, out)


cdef Status transpose_decode(
    const void* params, const char* src, size_t nbytes, Buffer* out, int* code
) noexcept nogil:
    return rearrange(&(<const TransposeParams*> params).decode, src, nbytes, out)


cdef int set_layout(Layout* layout, shape, order, size_t itemsize) except -1:
    """Describe how a C-contiguous array of `shape` is read with its axes in `order`."""
    cdef size_t stride = itemsize
    strides = []
    for n in reversed(shape):
        strides.append(stride)
        stride *= n
    strides.reverse()
    layout.ndim = max(1, len(shape))
    layout.shape[0] = 1
    layout.strides[0] = itemsize
    layout.itemsize = itemsize
    layout.nbytes = stride
    for k, axis in enumerate(order):
        layout.shape[k] = shape[axis]
        layout.strides[k] = strides[axis]
    return 0


cdef class Transpose(Codec):
    """Rearrange the elements of C-contiguous chunks of one shape.

    Parameters
    ----------
    shape : sequence of int
        Of the decoded chunk.
    order : sequence of int
        Axis k of the encoded chunk is axis ``order[k]`` of the decoded one.
    itemsize : int
        Bytes per element.
    """
    cdef TransposeParams params

    def __cinit__(self, shape, order, size_t itemsize):
        shape, order = tuple(shape), tuple(order)
        if sorted(order) != list(range(len(shape))) or len(shape) > MAX_NDIM:
            raise ValueError(f"{order} is not an order of the axes of {shape}")
        inverse = tuple(order.index(axis) for axis in range(len(order)))
        set_layout(&self.params.encode, shape, order, itemsize)
        set_layout(&self.params.decode, tuple(shape[axis] for axis in order), inverse, itemsize)
        self.stage.encode = transpose_encode
        self.stage.decode = transpose_decode
        self.stage.params = &self.params
        self.stage.keeps_size = True


# ---------------------------------------------------------------- Python

cdef Status take_result(object result, Buffer* out) except *:
    """Copy what a Python codec returned: anything with a buffer, or an array in its own order."""
    cdef Py_buffer view
    cdef Status status
    if isinstance(result, np.ndarray) or not isinstance(result, (bytes, bytearray, memoryview)):
        array = np.asarray(result)
        if array.dtype.hasobject or isinstance(result, str):
            raise TypeError(f"the codec returned {type(result).__name__} of {array.dtype}, not bytes")
        result = np.ascontiguousarray(array.reshape(-1, order="A")).view(np.uint8)
    PyObject_GetBuffer(result, &view, PyBUF_ANY_CONTIGUOUS)
    try:
        if <size_t> view.len > out.limit:
            return TOO_LARGE
        status = reserve(out, view.len)
        if status == OK:
            copy_bytes(out.data, <const char*> view.buf, view.len)
            out.nbytes = view.len
        return status
    finally:
        PyBuffer_Release(&view)


cdef Status call_python(
    PythonStage stage, bint decoding, const char* src, size_t nbytes, Buffer* out, int* code
) noexcept:
    try:
        data = PyBytes_FromStringAndSize(src, nbytes)
        return take_result(stage.call_decode(data) if decoding else stage.call_encode(data), out)
    except BaseException as error:
        code[0] = stage.set_aside(error)
        return PYTHON


cdef Status python_encode(
    const void* params, const char* src, size_t nbytes, Buffer* out, int* code
) noexcept nogil:
    with gil:
        return call_python(<PythonStage> <object> params, False, src, nbytes, out, code)


cdef Status python_decode(
    const void* params, const char* src, size_t nbytes, Buffer* out, int* code
) noexcept nogil:
    with gil:
        return call_python(<PythonStage> <object> params, True, src, nbytes, out, code)


_lock = Lock()

cdef enum:
    KEPT_ERRORS = 4096


cdef class PythonStage(Codec):
    """A codec written in Python, or any that is reached through it, as a stage: it takes the GIL.

    Parameters
    ----------
    codec : object
        With ``encode(buffer)`` and ``decode(buffer)``, as numcodecs' codecs have them:
        they return a buffer or an array.
    dtype : dtype-like, optional
        `encode` gets arrays of this dtype; bytes otherwise. `decode` always gets bytes.
    shape : tuple of int, optional
        And of this shape (C-contiguous) where the number of bytes fits it; one-dimensional otherwise.

    Notes
    -----
    What the codec raises is kept until `take_error` is called with the code that the
    stage reported; of exceptions that nobody asks for, only so many of the last are kept.
    """
    cdef readonly object codec, dtype, shape
    cdef dict errors
    cdef int number

    def __cinit__(self, codec, dtype=None, shape=None):
        self.codec = codec
        self.dtype = None if dtype is None else np.dtype(dtype)
        self.shape = shape
        self.errors = {}
        self.stage.encode = python_encode
        self.stage.decode = python_decode
        self.stage.params = <const void*> self

    def call_encode(self, bytes data):
        """Return what the codec makes of `data`."""
        return self.codec.encode(data if self.dtype is None else self.as_array(data))

    def call_decode(self, bytes data):
        """Return what the codec recovers from `data`."""
        return self.codec.decode(data)

    def as_array(self, bytes data):
        """Return `data` as the array that the codec expects: its own memory, writable."""
        array = np.frombuffer(bytearray(data), dtype=self.dtype)
        if self.shape is not None and array.size == np.prod(self.shape, dtype=object):
            return array.reshape(self.shape)
        return array

    def set_aside(self, error):
        """Keep an exception and return the code to ask for it.

        The local variables of its frames are let go: they hold whole chunks.
        """
        traceback = error.__traceback__
        while traceback is not None:
            try:
                traceback.tb_frame.clear()
            except RuntimeError:  # the frame of a caller, which still runs
                pass
            traceback = traceback.tb_next
        with _lock:
            self.number = self.number % 0x3FFFFFFF + 1
            self.errors[self.number] = error
            self.errors.pop(self.number - KEPT_ERRORS, None)
            return self.number

    def take_error(self, int code):
        return self.errors.pop(code, None)
