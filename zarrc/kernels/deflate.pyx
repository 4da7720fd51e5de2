"""gzip (RFC 1952) and zlib (RFC 1950), by libdeflate where it is installed, else by zlib.

Both libraries are put behind one small table of functions (``Api``): one call
encodes a buffer, one decodes one member. libdeflate is twice to four times as
fast. It is not linked in: its addresses are looked up when the first codec is
made, in the extension module of the package ``deflate``, which exports the
library's whole interface, or in the system's ``libdeflate``.
"""

from .codec cimport Codec
from .types cimport Buffer, Status, reserve, reserve_keeping, OK, CORRUPT, TOO_LARGE, NO_MEMORY, ENCODING

from threading import Lock

# The blosc wheel ships no zlib.h: the part of the library's stable interface that is used.
cdef extern from *:
    """
    #include <stddef.h>
    extern "C" {
    typedef struct {
        const unsigned char* next_in; unsigned avail_in; unsigned long total_in;
        unsigned char* next_out; unsigned avail_out; unsigned long total_out;
        const char* msg; void* state;
        void* (*zalloc)(void*, unsigned, unsigned); void (*zfree)(void*, void*); void* opaque;
        int data_type; unsigned long adler; unsigned long reserved;
    } zarrc_z_stream;
    int deflateInit2_(zarrc_z_stream*, int, int, int, int, int, const char*, int);
    int deflate(zarrc_z_stream*, int);
    int deflateEnd(zarrc_z_stream*);
    int inflateInit2_(zarrc_z_stream*, int, const char*, int);
    int inflate(zarrc_z_stream*, int);
    int inflateEnd(zarrc_z_stream*);
    const char* zlibVersion(void);
    }

    /* What a library offers: results are statuses below; room for the encoded data is the caller's. */
    enum { ZARRC_DONE, ZARRC_BAD_DATA, ZARRC_NO_ROOM, ZARRC_NO_MEMORY };
    typedef struct {
        int (*encode)(int gzip, int level, const char* src, size_t nbytes,
                      char* dst, size_t room, size_t* made);
        int (*decode)(int gzip, const char* src, size_t nbytes,
                      char* dst, size_t room, size_t* used, size_t* made);
    } ZarrcDeflateApi;

    /* ---- zlib: both directions move through windows of at most 1 GiB, as its counters are 32 bits wide */
    static const size_t ZARRC_WINDOW = (size_t) 1 << 30;

    static unsigned zarrc_refill(size_t* left, unsigned in_window) {
        size_t more = *left < ZARRC_WINDOW - in_window ? *left : ZARRC_WINDOW - in_window;
        *left -= more;
        return (unsigned) more;
    }
    static int zarrc_zlib_run(zarrc_z_stream* z, int (*step)(zarrc_z_stream*, int),
                              const char* src, size_t nbytes,
                              char* dst, size_t room, size_t* used, size_t* made) {
        size_t in_left = nbytes, out_left = room;
        z->next_in = (const unsigned char*) src;
        z->next_out = (unsigned char*) dst;
        z->avail_in = z->avail_out = 0;
        for (;;) {
            z->avail_in += zarrc_refill(&in_left, z->avail_in);
            z->avail_out += zarrc_refill(&out_left, z->avail_out);
            int result = step(z, in_left ? 0 : 4 /* Z_FINISH */);
            if (result == 1 /* Z_STREAM_END */) break;
            if (result == -4 /* Z_MEM_ERROR */) return ZARRC_NO_MEMORY;
            if (result != 0 && result != -5 /* Z_BUF_ERROR */) return ZARRC_BAD_DATA;
            if (z->avail_out == 0 && out_left == 0) return ZARRC_NO_ROOM;
            if (z->avail_in == 0 && in_left == 0 && z->avail_out != 0) return ZARRC_BAD_DATA;
        }
        *used = nbytes - in_left - z->avail_in;
        *made = room - out_left - z->avail_out;
        return ZARRC_DONE;
    }
    static int zarrc_zlib_encode(int gzip, int level, const char* src, size_t nbytes,
                                 char* dst, size_t room, size_t* made) {
        zarrc_z_stream z = {};
        size_t used;
        if (deflateInit2_(&z, level, 8, gzip ? 31 : 15, 8, 0, zlibVersion(), sizeof z) != 0)
            return ZARRC_NO_MEMORY;
        int result = zarrc_zlib_run(&z, deflate, src, nbytes, dst, room, &used, made);
        deflateEnd(&z);
        return result;
    }
    static int zarrc_zlib_decode(int gzip, const char* src, size_t nbytes,
                                 char* dst, size_t room, size_t* used, size_t* made) {
        zarrc_z_stream z = {};
        if (inflateInit2_(&z, gzip ? 31 : 15, zlibVersion(), sizeof z) != 0) return ZARRC_NO_MEMORY;
        int result = zarrc_zlib_run(&z, inflate, src, nbytes, dst, room, used, made);
        inflateEnd(&z);
        return result;
    }

    /* ---- libdeflate: functions found at run time, compressors and decompressors per thread */
    struct ZarrcLibdeflate {
        void* (*alloc_compressor)(int);
        void (*free_compressor)(void*);
        void* (*alloc_decompressor)(void);
        void (*free_decompressor)(void*);
        size_t (*gzip_compress)(void*, const void*, size_t, void*, size_t);
        size_t (*zlib_compress)(void*, const void*, size_t, void*, size_t);
        int (*gzip_decompress)(void*, const void*, size_t, void*, size_t, size_t*, size_t*);
        int (*zlib_decompress)(void*, const void*, size_t, void*, size_t, size_t*, size_t*);
    };
    static ZarrcLibdeflate zarrc_libdeflate;
    static void zarrc_libdeflate_set(const size_t* a) {
        ZarrcLibdeflate& f = zarrc_libdeflate;
        f.alloc_compressor = (decltype(f.alloc_compressor)) a[0];
        f.free_compressor = (decltype(f.free_compressor)) a[1];
        f.alloc_decompressor = (decltype(f.alloc_decompressor)) a[2];
        f.free_decompressor = (decltype(f.free_decompressor)) a[3];
        f.gzip_compress = (decltype(f.gzip_compress)) a[4];
        f.zlib_compress = (decltype(f.zlib_compress)) a[5];
        f.gzip_decompress = (decltype(f.gzip_decompress)) a[6];
        f.zlib_decompress = (decltype(f.zlib_decompress)) a[7];
    }

    struct ZarrcDeflateContexts {
        void* compressors[10] = {};
        void* decompressor = nullptr;
        ~ZarrcDeflateContexts() {
            for (void* each : compressors) if (each) zarrc_libdeflate.free_compressor(each);
            if (decompressor) zarrc_libdeflate.free_decompressor(decompressor);
        }
    };
    static thread_local ZarrcDeflateContexts zarrc_deflate_contexts;

    static int zarrc_libdeflate_encode(int gzip, int level, const char* src, size_t nbytes,
                                       char* dst, size_t room, size_t* made) {
        void*& context = zarrc_deflate_contexts.compressors[level];
        if (!context) context = zarrc_libdeflate.alloc_compressor(level);
        if (!context) return ZARRC_NO_MEMORY;
        *made = (gzip ? zarrc_libdeflate.gzip_compress : zarrc_libdeflate.zlib_compress)(
            context, src, nbytes, dst, room);
        return *made ? ZARRC_DONE : ZARRC_NO_ROOM;
    }
    static int zarrc_libdeflate_decode(int gzip, const char* src, size_t nbytes,
                                       char* dst, size_t room, size_t* used, size_t* made) {
        void*& context = zarrc_deflate_contexts.decompressor;
        if (!context) context = zarrc_libdeflate.alloc_decompressor();
        if (!context) return ZARRC_NO_MEMORY;
        int result = (gzip ? zarrc_libdeflate.gzip_decompress : zarrc_libdeflate.zlib_decompress)(
            context, src, nbytes, dst, room, used, made);
        return result == 0 ? ZARRC_DONE : result == 3 ? ZARRC_NO_ROOM : ZARRC_BAD_DATA;
    }

    static const ZarrcDeflateApi zarrc_zlib_api = {zarrc_zlib_encode, zarrc_zlib_decode};
    static const ZarrcDeflateApi zarrc_libdeflate_api = {zarrc_libdeflate_encode, zarrc_libdeflate_decode};
    """
    int ZARRC_DONE
    int ZARRC_NO_ROOM
    int ZARRC_NO_MEMORY
    ctypedef struct Api "ZarrcDeflateApi":
        int (*encode)(int, int, const char*, size_t, char*, size_t, size_t*) noexcept nogil
        int (*decode)(int, const char*, size_t, char*, size_t, size_t*, size_t*) noexcept nogil
    const Api zarrc_zlib_api
    const Api zarrc_libdeflate_api
    void zarrc_libdeflate_set(const size_t*)
    const char* zlibVersion()

_FUNCTIONS = (
    "libdeflate_alloc_compressor",
    "libdeflate_free_compressor",
    "libdeflate_alloc_decompressor",
    "libdeflate_free_decompressor",
    "libdeflate_gzip_compress",
    "libdeflate_zlib_compress",
    "libdeflate_gzip_decompress_ex",
    "libdeflate_zlib_decompress_ex",
)

ctypedef struct Params:
    const Api* api
    int gzip
    int level


cdef size_t encoded_bound(size_t nbytes) noexcept nogil:
    """Room that either library needs at most: 5 bytes per stored block, header and trailer.

    libdeflate stores blocks of 5,000 bytes or more, zlib of 2,045 (at memLevel 8) or more.
    """
    return nbytes + (nbytes // 2000 + 2) * 5 + 64


cdef Status encode(const void* params, const char* src, size_t nbytes, Buffer* out, int* code) noexcept nogil:
    cdef const Params* p = <const Params*> params
    cdef Status status = reserve(out, encoded_bound(nbytes))
    cdef int result
    cdef size_t made = 0
    if status != OK:
        return status
    result = p.api.encode(p.gzip, p.level, src, nbytes, out.data, out.capacity, &made)
    if result != ZARRC_DONE:
        code[0] = result
        return NO_MEMORY if result == ZARRC_NO_MEMORY else ENCODING
    out.nbytes = made
    return OK


cdef bint only_zeros(const char* src, size_t nbytes) noexcept nogil:
    cdef size_t i
    for i in range(nbytes):
        if src[i] != 0:
            return False
    return True


cdef Status decode_member(
    const Params* p, const char* src, size_t nbytes, size_t* used, Buffer* out, int* code
) noexcept nogil:
    """Append one member to out, with more room for each try."""
    cdef size_t made = 0, room = min(out.capacity, out.limit) - out.nbytes
    cdef Status status
    cdef char nothing = 0
    cdef char* dst
    cdef int result
    while True:
        dst = &nothing if out.data == NULL else out.data + out.nbytes
        result = p.api.decode(p.gzip, src, nbytes, dst, room, used, &made)
        if result == ZARRC_DONE:
            out.nbytes += made
            return OK
        if result != ZARRC_NO_ROOM:
            code[0] = result
            return NO_MEMORY if result == ZARRC_NO_MEMORY else CORRUPT
        if out.nbytes + room >= out.limit:
            return TOO_LARGE
        room = min(4 * room + 4096, out.limit - out.nbytes)
        status = reserve_keeping(out, out.nbytes + room, out.nbytes)
        if status != OK:
            return status


cdef Status decode(const void* params, const char* src, size_t nbytes, Buffer* out, int* code) noexcept nogil:
    """Decode all members of src. As gzip does, ignore zero padding after the last one."""
    cdef const Params* p = <const Params*> params
    cdef size_t at = 0, used = 0
    cdef Status status = OK
    if out.growable:
        # numbers from instruments rarely pack better than this: mostly no second try is needed
        status = reserve(out, min(out.limit, 6 * nbytes + 4096))
    out.nbytes = 0
    while status == OK:
        status = decode_member(p, src + at, nbytes - at, &used, out, code)
        at += used
        if status == OK and at == nbytes:
            return OK
        if status == OK and (not p.gzip or only_zeros(src + at, nbytes - at)):
            return OK if p.gzip else CORRUPT
    return status


# The library of this process: looked for once, kept loaded for ever.
cdef const Api* _api = NULL
_lock = Lock()
_backend = None


def _candidates():
    """Yield the files in which libdeflate may be found, the package's first."""
    from ctypes.util import find_library
    from importlib.util import find_spec
    from os import scandir

    spec = find_spec("deflate")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        yield from sorted(entry.path for entry in scandir(folder) if entry.name.startswith("_deflate."))
    name = find_library("deflate")
    if name is not None:
        yield name


def _addresses():
    """Return the addresses of libdeflate's functions, or None where it is not installed."""
    import ctypes

    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
            functions = [getattr(library, name) for name in _FUNCTIONS]
        except (OSError, AttributeError):  # not a library, or it keeps its functions to itself
            continue
        return [ctypes.cast(function, ctypes.c_void_p).value for function in functions]
    return None


cdef int find_api() except -1:
    cdef size_t addresses[8]
    global _api, _backend
    found = _addresses()
    if found is None:
        _api = &zarrc_zlib_api
        _backend = "zlib"
        return 0
    for i in range(8):
        addresses[i] = found[i]
    zarrc_libdeflate_set(addresses)
    _api = &zarrc_libdeflate_api
    _backend = "libdeflate"
    return 0


cdef const Api* api_named(str name) except NULL:
    if name is not None and name not in ("libdeflate", "zlib"):
        raise ValueError(f"backend must be 'libdeflate' or 'zlib', not {name!r}")
    with _lock:
        if _api == NULL:
            find_api()
    if name == "zlib":
        return &zarrc_zlib_api
    if name == "libdeflate" and _backend != "libdeflate":
        raise ImportError("libdeflate was not found: 'pip install deflate' provides it")
    return _api


def backend():
    """Return the library in use: ``"libdeflate"`` or ``"zlib"``."""
    api_named(None)
    return _backend


cdef int checked_level(str codec, int level) except -1:
    if not -1 <= level <= 9:
        raise ValueError(f"{codec} level must be from -1 to 9, not {level}")
    return 6 if level == -1 else level


cdef class Gzip(Codec):
    """gzip at `level` (0 to 9; -1 for 6); several members are decoded one after the other.

    Parameters
    ----------
    level : int
    backend : {"libdeflate", "zlib"}, optional
        Which library; the fastest that is installed by default.
    """
    cdef Params params

    def __cinit__(self, int level=5, str backend=None):
        self.params = Params(api_named(backend), True, checked_level("gzip", level))
        self.stage.encode = encode
        self.stage.decode = decode
        self.stage.params = &self.params


cdef class Zlib(Codec):
    """zlib at `level` (0 to 9; -1 for 6).

    Parameters
    ----------
    level : int
    backend : {"libdeflate", "zlib"}, optional
        Which library; the fastest that is installed by default.
    """
    cdef Params params

    def __cinit__(self, int level=1, str backend=None):
        self.params = Params(api_named(backend), False, checked_level("zlib", level))
        self.stage.encode = encode
        self.stage.decode = decode
        self.stage.params = &self.params


def version():
    """Return the version of the zlib that is linked in, such as ``"1.3.1"``."""
    return (<bytes> zlibVersion()).decode()
