"""Zstandard frames (RFC 8878) by the zstd library, one context per thread."""

from .codec cimport Codec
from .types cimport Buffer, Status, reserve, OK, CORRUPT, TOO_LARGE, CHECKSUM, NO_MEMORY, ENCODING

# The blosc wheel ships no zstd.h: the few prototypes that are used, from the
# library's stable interface (ZSTD_VERSION 1.4 or later).
cdef extern from *:
    """
    #include <stddef.h>
    extern "C" {
    typedef struct ZSTD_CCtx_s ZSTD_CCtx;
    typedef struct ZSTD_DCtx_s ZSTD_DCtx;
    typedef struct { void* dst; size_t size; size_t pos; } ZSTD_outBuffer;
    typedef struct { const void* src; size_t size; size_t pos; } ZSTD_inBuffer;
    ZSTD_CCtx* ZSTD_createCCtx(void);
    size_t ZSTD_freeCCtx(ZSTD_CCtx*);
    ZSTD_DCtx* ZSTD_createDCtx(void);
    size_t ZSTD_freeDCtx(ZSTD_DCtx*);
    size_t ZSTD_compressBound(size_t);
    unsigned ZSTD_isError(size_t);
    unsigned long long ZSTD_getFrameContentSize(const void*, size_t);
    size_t ZSTD_findFrameCompressedSize(const void*, size_t);
    unsigned long long ZSTD_decompressBound(const void*, size_t);
    size_t ZSTD_CCtx_setParameter(ZSTD_CCtx*, int, int);
    size_t ZSTD_compress2(ZSTD_CCtx*, void*, size_t, const void*, size_t);
    size_t ZSTD_decompressDCtx(ZSTD_DCtx*, void*, size_t, const void*, size_t);
    int ZSTD_minCLevel(void);
    int ZSTD_maxCLevel(void);
    unsigned ZSTD_versionNumber(void);
    }
    enum { ZARRC_ZSTD_LEVEL = 100, ZARRC_ZSTD_CHECKSUM = 201 };
    enum { ZARRC_ZSTD_CHECKSUM_WRONG = 22, ZARRC_ZSTD_DST_TOO_SMALL = 70 };

    struct ZarrcZstdContexts {
        ZSTD_CCtx* compress = nullptr;
        ZSTD_DCtx* decompress = nullptr;
        ~ZarrcZstdContexts() { ZSTD_freeCCtx(compress); ZSTD_freeDCtx(decompress); }
    };
    static thread_local ZarrcZstdContexts zarrc_zstd_contexts;
    static ZSTD_CCtx* zarrc_zstd_cctx(void) {
        if (!zarrc_zstd_contexts.compress) zarrc_zstd_contexts.compress = ZSTD_createCCtx();
        return zarrc_zstd_contexts.compress;
    }
    static ZSTD_DCtx* zarrc_zstd_dctx(void) {
        if (!zarrc_zstd_contexts.decompress) zarrc_zstd_contexts.decompress = ZSTD_createDCtx();
        return zarrc_zstd_contexts.decompress;
    }
    """
    ctypedef struct ZSTD_CCtx:
        pass
    ctypedef struct ZSTD_DCtx:
        pass
    size_t ZSTD_compressBound(size_t) nogil
    unsigned ZSTD_isError(size_t) nogil
    unsigned long long ZSTD_getFrameContentSize(const void*, size_t) nogil
    size_t ZSTD_findFrameCompressedSize(const void*, size_t) nogil
    unsigned long long ZSTD_decompressBound(const void*, size_t) nogil
    size_t ZSTD_CCtx_setParameter(ZSTD_CCtx*, int, int) nogil
    size_t ZSTD_compress2(ZSTD_CCtx*, void*, size_t, const void*, size_t) nogil
    size_t ZSTD_decompressDCtx(ZSTD_DCtx*, void*, size_t, const void*, size_t) nogil
    int ZSTD_minCLevel()
    int ZSTD_maxCLevel()
    unsigned ZSTD_versionNumber()
    int ZARRC_ZSTD_LEVEL
    int ZARRC_ZSTD_CHECKSUM
    int ZARRC_ZSTD_CHECKSUM_WRONG
    int ZARRC_ZSTD_DST_TOO_SMALL
    ZSTD_CCtx* zarrc_zstd_cctx() nogil
    ZSTD_DCtx* zarrc_zstd_dctx() nogil

cdef unsigned long long CONTENTSIZE_UNKNOWN = <unsigned long long> -1
cdef unsigned long long CONTENTSIZE_ERROR = <unsigned long long> -2

ctypedef struct Params:
    int level
    int checksum


cdef Status encode(const void* params, const char* src, size_t nbytes, Buffer* out, int* code) noexcept nogil:
    cdef const Params* p = <const Params*> params
    cdef ZSTD_CCtx* context = zarrc_zstd_cctx()
    cdef Status status = reserve(out, ZSTD_compressBound(nbytes))
    cdef size_t n
    if status != OK:
        return status
    if context == NULL:
        return NO_MEMORY
    ZSTD_CCtx_setParameter(context, ZARRC_ZSTD_LEVEL, p.level)
    ZSTD_CCtx_setParameter(context, ZARRC_ZSTD_CHECKSUM, p.checksum)
    n = ZSTD_compress2(context, out.data, out.capacity, src, nbytes)
    if ZSTD_isError(n):
        code[0] = -<int> n
        return ENCODING
    out.nbytes = n
    return OK


cdef Status decoded_size(const char* src, size_t nbytes, size_t limit, size_t* total) noexcept nogil:
    """Find how much room the frames of src need, `limit` at most where they do not say."""
    cdef unsigned long long size, sum = 0
    cdef bint exact = True
    cdef size_t n, at = 0
    while at < nbytes:
        n = ZSTD_findFrameCompressedSize(src + at, nbytes - at)
        size = ZSTD_getFrameContentSize(src + at, nbytes - at)
        if ZSTD_isError(n) or size == CONTENTSIZE_ERROR:
            return CORRUPT
        if size == CONTENTSIZE_UNKNOWN:
            exact = False
            size = ZSTD_decompressBound(src + at, n)
        if size > <size_t> -1 - sum:
            return TOO_LARGE
        sum += size
        at += n
    if exact and sum > limit:
        return TOO_LARGE
    total[0] = min(sum, limit)
    return OK


cdef Status decode(const void* params, const char* src, size_t nbytes, Buffer* out, int* code) noexcept nogil:
    """Decode all frames of src, whether they say their sizes or not."""
    cdef ZSTD_DCtx* context = zarrc_zstd_dctx()
    cdef size_t n, total = 0
    cdef Status status
    if context == NULL:
        return NO_MEMORY
    if nbytes == 0:
        return CORRUPT
    status = decoded_size(src, nbytes, out.limit, &total)
    if status == OK:
        status = reserve(out, total)
    if status != OK:
        return status
    n = ZSTD_decompressDCtx(context, out.data, total, src, nbytes)
    if ZSTD_isError(n):
        code[0] = -<int> n
        return decoding_error(code[0])
    out.nbytes = n
    return OK


cdef Status decoding_error(int code) noexcept nogil:
    if code == ZARRC_ZSTD_CHECKSUM_WRONG:
        return CHECKSUM
    if code == ZARRC_ZSTD_DST_TOO_SMALL:
        return TOO_LARGE
    return CORRUPT


cdef class Zstd(Codec):
    """Zstandard at `level`, with a checksum of the content in each frame if `checksum`."""
    cdef Params params

    def __cinit__(self, int level=0, bint checksum=False):
        if not ZSTD_minCLevel() <= level <= ZSTD_maxCLevel():
            raise ValueError(
                f"zstd level must be from {ZSTD_minCLevel()} to {ZSTD_maxCLevel()}, not {level}"
            )
        self.params = Params(level, checksum)
        self.stage.encode = encode
        self.stage.decode = decode
        self.stage.params = &self.params


def version():
    """Return the version of the zstd library, such as ``"1.5.6"``."""
    cdef unsigned n = ZSTD_versionNumber()
    return f"{n // 10000}.{n // 100 % 100}.{n % 100}"
