"""LZ4 blocks behind their decoded size (4 bytes, little-endian), as numcodecs frames them."""

from libc.stdint cimport uint8_t

from .codec cimport Codec
from .types cimport Buffer, Status, reserve, OK, CORRUPT, TOO_LARGE, ENCODING

# The blosc wheel ships no lz4.h: the few prototypes that are used, from the
# library's stable interface (LZ4 1.9 or later). Its state lives on the stack.
cdef extern from *:
    """
    extern "C" {
    int LZ4_compressBound(int);
    int LZ4_compress_fast(const char*, char*, int, int, int);
    int LZ4_decompress_safe(const char*, char*, int, int);
    const char* LZ4_versionString(void);
    }
    enum { ZARRC_LZ4_MAX_NBYTES = 0x7E000000 };
    """
    int LZ4_compressBound(int) nogil
    int LZ4_compress_fast(const char*, char*, int, int, int) nogil
    int LZ4_decompress_safe(const char*, char*, int, int) nogil
    const char* LZ4_versionString()
    int ZARRC_LZ4_MAX_NBYTES

MAX_NBYTES = ZARRC_LZ4_MAX_NBYTES

cdef enum:
    HEADER = 4

ctypedef struct Params:
    int acceleration


cdef Status encode(const void* params, const char* src, size_t nbytes, Buffer* out, int* code) noexcept nogil:
    cdef const Params* p = <const Params*> params
    cdef Status status
    cdef uint8_t* header
    cdef int bound, n, i
    if nbytes > <size_t> ZARRC_LZ4_MAX_NBYTES:
        return TOO_LARGE
    bound = LZ4_compressBound(<int> nbytes)
    status = reserve(out, HEADER + <size_t> bound)
    if status != OK:
        return status
    header = <uint8_t*> out.data
    for i in range(HEADER):
        header[i] = <uint8_t> (nbytes >> (8 * i))
    n = LZ4_compress_fast(src, out.data + HEADER, <int> nbytes, bound, p.acceleration)
    if n <= 0:
        code[0] = n
        return ENCODING
    out.nbytes = HEADER + <size_t> n
    return OK


cdef Status decode(const void* params, const char* src, size_t nbytes, Buffer* out, int* code) noexcept nogil:
    cdef const uint8_t* header = <const uint8_t*> src
    cdef size_t size = 0
    cdef Status status
    cdef char nothing
    cdef char* dst
    cdef int n, i
    if nbytes <= HEADER or nbytes - HEADER > <size_t> 0x7FFFFFFF:
        return CORRUPT
    for i in range(HEADER):
        size |= <size_t> header[i] << (8 * i)
    if size > <size_t> ZARRC_LZ4_MAX_NBYTES:
        return CORRUPT
    if size > out.limit:
        return TOO_LARGE
    status = reserve(out, size)
    if status != OK:
        return status
    dst = out.data if size else &nothing
    n = LZ4_decompress_safe(src + HEADER, dst, <int> (nbytes - HEADER), <int> size)
    if n < 0 or <size_t> n != size:
        code[0] = n
        return CORRUPT
    out.nbytes = size
    return OK


cdef class LZ4(Codec):
    """LZ4; each step of `acceleration` above 1 is faster and packs less."""
    cdef Params params

    def __cinit__(self, int acceleration=1):
        self.params.acceleration = acceleration
        self.stage.encode = encode
        self.stage.decode = decode
        self.stage.params = &self.params


def version():
    """Return the version of the LZ4 library, such as ``"1.10.0"``."""
    return (<bytes> LZ4_versionString()).decode()
