"""Blosc 1 frames by the C-Blosc library, each call with its own context and one thread."""

from libc.limits cimport INT_MAX
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from .codec cimport Codec
from .types cimport (
    Buffer, Status, reserve, OK, CORRUPT, TOO_LARGE, WRONG_SIZE, NO_MEMORY, ENCODING, UNSUPPORTED,
)

from .codec import describe

cdef extern from "blosc.h" nogil:
    int BLOSC_MIN_HEADER_LENGTH
    int BLOSC_MAX_OVERHEAD
    int BLOSC_MAX_BUFFERSIZE
    int BLOSC_MAX_BLOCKSIZE
    int BLOSC_SNAPPY_LIB
    int BLOSC_ZSTD_LIB
    const char* BLOSC_VERSION_STRING
    int blosc_compress_ctx(
        int clevel, int doshuffle, size_t typesize, size_t nbytes, const void* src, void* dest,
        size_t destsize, const char* compressor, size_t blocksize, int numinternalthreads)
    int blosc_decompress_ctx(const void* src, void* dest, size_t destsize, int numinternalthreads)
    int blosc_getitem(const void* src, int start, int nitems, void* dest)
    int blosc_cbuffer_validate(const void* cbuffer, size_t cbytes, size_t* nbytes)
    void blosc_cbuffer_metainfo(const void* cbuffer, size_t* typesize, int* flags)

CNAMES = ("blosclz", "lz4", "lz4hc", "zlib", "zstd")
MAX_NBYTES = BLOSC_MAX_BUFFERSIZE

ctypedef struct Params:
    char cname[8]
    int clevel
    int shuffle
    size_t typesize
    size_t blocksize


cdef Status encode(const void* params, const char* src, size_t nbytes, Buffer* out, int* code) noexcept nogil:
    cdef const Params* p = <const Params*> params
    cdef Status status
    cdef int n
    if nbytes > <size_t> BLOSC_MAX_BUFFERSIZE:
        return TOO_LARGE
    status = reserve(out, nbytes + BLOSC_MAX_OVERHEAD)
    if status != OK:
        return status
    n = blosc_compress_ctx(
        p.clevel, p.shuffle, p.typesize, nbytes, src, out.data, nbytes + BLOSC_MAX_OVERHEAD,
        p.cname, p.blocksize, 1)
    if n <= 0:
        code[0] = n
        return ENCODING
    out.nbytes = n
    return OK


cdef Status check_header(const char* src, size_t src_nbytes, size_t* nbytes, int* code) noexcept nogil:
    """Find the decoded size of a frame; after it, decoding cannot leave `src`."""
    cdef int library
    if src_nbytes < <size_t> BLOSC_MIN_HEADER_LENGTH:
        return CORRUPT
    if blosc_cbuffer_validate(src, src_nbytes, nbytes) != 0 or nbytes[0] > <size_t> BLOSC_MAX_BUFFERSIZE:
        return CORRUPT
    if src[2] & 2:  # stored as it is
        return OK
    library = (<unsigned char> src[2]) >> 5
    if library == BLOSC_SNAPPY_LIB:
        code[0] = library
        return UNSUPPORTED
    if library > BLOSC_ZSTD_LIB:  # the library would complain on stderr
        return CORRUPT
    return OK


cdef Status decode(const void* params, const char* src, size_t nbytes, Buffer* out, int* code) noexcept nogil:
    cdef size_t size = 0
    cdef Status status = check_header(src, nbytes, &size, code)
    cdef int n
    if status != OK:
        return status
    if size > out.limit:
        return TOO_LARGE
    status = reserve(out, size)
    if status != OK:
        return status
    out.nbytes = size
    if size == 0:
        return OK
    n = blosc_decompress_ctx(src, out.data, size, 1)
    if n <= 0 or <size_t> n != size:
        code[0] = n
        return CORRUPT
    return OK


cdef Status get_items(
    const char* src, size_t first, size_t count, size_t itemsize, char* dst, int* code
) noexcept nogil:
    cdef int n = blosc_getitem(src, <int> first, <int> count, dst)
    if n < 0 or <size_t> n != count * itemsize:
        code[0] = n
        return CORRUPT
    return OK


cdef Status decode_range(
    const void* params, const char* src, size_t src_nbytes, size_t total,
    size_t start, size_t nbytes, char* dst, int* code
) noexcept nogil:
    """Decode only the blocks that hold the range.

    The library counts in items of the frame's own size: a range that does not begin and
    end with an item is taken from the items that cover it.
    """
    cdef size_t size = 0, itemsize = 0, first, count
    cdef int flags = 0
    cdef char* items
    cdef Status status = check_header(src, src_nbytes, &size, code)
    if status != OK:
        return status
    if (total != <size_t> -1 and size != total) or start > size or nbytes > size - start:
        return WRONG_SIZE
    if nbytes == 0:
        return OK
    blosc_cbuffer_metainfo(src, &itemsize, &flags)
    if itemsize == 0:
        return CORRUPT
    first = start // itemsize
    count = (start + nbytes + itemsize - 1) // itemsize - first
    if (first + count) * itemsize > size:
        return decode_tail(src, size, start, nbytes, dst, code)
    if count * itemsize == nbytes:
        return get_items(src, first, count, itemsize, dst, code)
    items = <char*> malloc(count * itemsize)
    if items == NULL:
        return NO_MEMORY
    status = get_items(src, first, count, itemsize, items, code)
    if status == OK:
        memcpy(dst, items + (start - first * itemsize), nbytes)
    free(items)
    return status


cdef Status decode_tail(
    const char* src, size_t size, size_t start, size_t nbytes, char* dst, int* code
) noexcept nogil:
    """Decode a range that touches the bytes after the last whole item, which no item covers."""
    cdef char* whole = <char*> malloc(size)
    cdef int n
    if whole == NULL:
        return NO_MEMORY
    n = blosc_decompress_ctx(src, whole, size, 1)
    if n >= 0 and <size_t> n == size:
        memcpy(dst, whole + start, nbytes)
    free(whole)
    code[0] = n
    return OK if n >= 0 and <size_t> n == size else CORRUPT


cdef class Blosc(Codec):
    """Blosc with one of its codecs.

    Parameters
    ----------
    cname : {"blosclz", "lz4", "lz4hc", "zlib", "zstd"}
        Also "snappy", with which nothing can be encoded.
    clevel : int
        From 0 (stored) to 9.
    shuffle : {0, 1, 2}
        No, byte or bit shuffle.
    typesize : int
        Bytes per element; the library shuffles elements of 255 bytes at most.
    blocksize : int
        Bytes per block, 0 to let the library choose.
    """
    cdef Params params

    def __cinit__(self, str cname="lz4", int clevel=5, int shuffle=1, size_t typesize=1, size_t blocksize=0):
        if cname not in CNAMES and cname != "snappy":
            raise ValueError(f"blosc cname must be one of {', '.join(CNAMES)}, not {cname!r}")
        if not 0 <= clevel <= 9:
            raise ValueError(f"blosc clevel must be from 0 to 9, not {clevel}")
        if not 0 <= shuffle <= 2:
            raise ValueError(f"blosc shuffle must be 0, 1 or 2, not {shuffle}")
        if not 1 <= typesize <= <size_t> INT_MAX:
            raise ValueError(f"blosc typesize must be from 1 to {INT_MAX}, not {typesize}")
        if blocksize > <size_t> BLOSC_MAX_BLOCKSIZE:
            raise ValueError(f"blosc blocksize must be at most {BLOSC_MAX_BLOCKSIZE}, not {blocksize}")
        name = cname.encode()
        memcpy(self.params.cname, <const char*> name, len(name) + 1)
        self.params.clevel = clevel
        self.params.shuffle = shuffle
        self.params.typesize = typesize
        self.params.blocksize = blocksize
        self.stage.encode = encode
        self.stage.decode = decode
        self.stage.decode_range = decode_range
        self.stage.params = &self.params

    def explain(self, int status, int code):
        if status == UNSUPPORTED or (status == ENCODING and self.params.cname == b"snappy"):
            return "snappy is not built in (its frames can be neither read nor written)"
        return describe(status, code)


def version():
    """Return the version of the C-Blosc library, such as ``"1.21.7"``."""
    return (<bytes> BLOSC_VERSION_STRING).decode()
