"""Checksums of 4 bytes (little-endian) before or after the data they protect.

crc32 (RFC 1952), crc32c (RFC 3720), Adler-32 (RFC 1950) and HDF5's Fletcher-32.
The two CRCs run eight bytes at a time through tables; crc32c uses the
processor's instruction where the running machine has it.
"""

from libc.stdint cimport uint8_t, uint32_t

from .codec cimport Codec
from .types cimport Buffer, Status, copy_bytes, reserve_keeping, OK, CORRUPT, TOO_LARGE, CHECKSUM

cdef extern from *:
    """
    #include <cstddef>
    #include <cstdint>
    #include <cstring>
    #if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
    #include <nmmintrin.h>
    #define ZARRC_CRC32C_X86 1
    #elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
    #include <arm_acle.h>
    #define ZARRC_CRC32C_ARM 1
    #endif

    namespace zarrc_checksums {
    /* table[k][b]: what byte b contributes when k more bytes follow it in the word */
    struct Crc {
        uint32_t table[8][256];
        explicit Crc(uint32_t polynomial) {
            for (uint32_t b = 0; b < 256; b++) {
                uint32_t c = b;
                for (int bit = 0; bit < 8; bit++) c = c & 1 ? (c >> 1) ^ polynomial : c >> 1;
                table[0][b] = c;
            }
            for (uint32_t b = 0; b < 256; b++)
                for (int k = 1; k < 8; k++)
                    table[k][b] = (table[k - 1][b] >> 8) ^ table[0][table[k - 1][b] & 255];
        }
        uint32_t operator()(const uint8_t* p, size_t n) const {
            uint32_t c = ~(uint32_t) 0;
            for (; n >= 8; n -= 8, p += 8) {
                c ^= (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24;
                c = table[7][c & 255] ^ table[6][c >> 8 & 255] ^ table[5][c >> 16 & 255] ^ table[4][c >> 24]
                    ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^ table[0][p[7]];
            }
            for (; n; n--, p++) c = (c >> 8) ^ table[0][(c ^ *p) & 255];
            return ~c;
        }
    };
    static const Crc crc32_tables(0xEDB88320u);
    static const Crc crc32c_tables(0x82F63B78u);

    #if ZARRC_CRC32C_X86
    __attribute__((target("sse4.2"))) static uint32_t crc32c_instruction(const uint8_t* p, size_t n) {
        uint64_t c = 0xFFFFFFFFu, word;
        for (; n >= 8; n -= 8, p += 8) { std::memcpy(&word, p, 8); c = _mm_crc32_u64(c, word); }
        for (; n; n--, p++) c = _mm_crc32_u8((uint32_t) c, *p);
        return ~(uint32_t) c;
    }
    static bool has_instruction() { __builtin_cpu_init(); return __builtin_cpu_supports("sse4.2"); }
    #elif ZARRC_CRC32C_ARM
    static uint32_t crc32c_instruction(const uint8_t* p, size_t n) {
        uint32_t c = 0xFFFFFFFFu; uint64_t word;
        for (; n >= 8; n -= 8, p += 8) { std::memcpy(&word, p, 8); c = __crc32cd(c, word); }
        for (; n; n--, p++) c = __crc32cb(c, *p);
        return ~c;
    }
    static bool has_instruction() { return true; }
    #else
    static uint32_t crc32c_instruction(const uint8_t* p, size_t n) { return crc32c_tables(p, n); }
    static bool has_instruction() { return false; }
    #endif
    static const bool instruction = has_instruction();

    static uint32_t crc32(const uint8_t* p, size_t n) { return crc32_tables(p, n); }
    static uint32_t crc32c_portable(const uint8_t* p, size_t n) { return crc32c_tables(p, n); }
    static uint32_t crc32c(const uint8_t* p, size_t n) {
        return instruction ? crc32c_instruction(p, n) : crc32c_tables(p, n);
    }

    static uint32_t adler32(const uint8_t* p, size_t n) {
        uint32_t a = 1, b = 0;
        while (n) {
            /* the longest run for which neither sum can pass 32 bits */
            size_t run = n < 5552 ? n : 5552;
            for (size_t i = 0; i < run; i++) { a += p[i]; b += a; }
            a %= 65521; b %= 65521; p += run; n -= run;
        }
        return b << 16 | a;
    }

    /* Sums of big-endian 16-bit words in ones' complement; an odd last byte is a word's high byte. */
    static uint32_t fletcher32(const uint8_t* p, size_t n) {
        uint32_t a = 0, b = 0;
        size_t words = n / 2;
        while (words) {
            size_t run = words < 360 ? words : 360;
            words -= run;
            for (; run; run--, p += 2) { a += (uint32_t) p[0] << 8 | p[1]; b += a; }
            a = (a & 0xFFFF) + (a >> 16); b = (b & 0xFFFF) + (b >> 16);
        }
        if (n % 2) {
            a += (uint32_t) *p << 8; b += a;
            a = (a & 0xFFFF) + (a >> 16); b = (b & 0xFFFF) + (b >> 16);
        }
        a = (a & 0xFFFF) + (a >> 16); b = (b & 0xFFFF) + (b >> 16);
        return b << 16 | a;
    }

    /* xxHash of 32 bits: four sums over words of 4 bytes, little-endian, mixed at the end. */
    static inline uint32_t rotate(uint32_t x, int bits) { return x << bits | x >> (32 - bits); }
    static inline uint32_t word(const uint8_t* p) {
        return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24;
    }
    static uint32_t xxh32(const uint8_t* p, size_t n, uint32_t seed) {
        const uint32_t P1 = 2654435761u, P2 = 2246822519u, P3 = 3266489917u, P4 = 668265263u, P5 = 374761393u;
        uint32_t h = seed + P5, size = (uint32_t) n;
        if (n >= 16) {
            uint32_t sum[4] = {seed + P1 + P2, seed + P2, seed, seed - P1};
            for (; n >= 16; n -= 16)
                for (int k = 0; k < 4; k++, p += 4) sum[k] = rotate(sum[k] + word(p) * P2, 13) * P1;
            h = rotate(sum[0], 1) + rotate(sum[1], 7) + rotate(sum[2], 12) + rotate(sum[3], 18);
        }
        h += size;
        for (; n >= 4; n -= 4, p += 4) h = rotate(h + word(p) * P3, 17) * P4;
        for (; n; n--, p++) h = rotate(h + *p * P5, 11) * P1;
        h = (h ^ h >> 15) * P2;
        h = (h ^ h >> 13) * P3;
        return h ^ h >> 16;
    }
    }
    """
    uint32_t xxh32_sum "zarrc_checksums::xxh32"(const uint8_t*, size_t, uint32_t) noexcept nogil
    uint32_t crc32 "zarrc_checksums::crc32"(const uint8_t*, size_t) noexcept nogil
    uint32_t crc32c "zarrc_checksums::crc32c"(const uint8_t*, size_t) noexcept nogil
    uint32_t crc32c_portable "zarrc_checksums::crc32c_portable"(const uint8_t*, size_t) noexcept nogil
    uint32_t adler32 "zarrc_checksums::adler32"(const uint8_t*, size_t) noexcept nogil
    uint32_t fletcher32 "zarrc_checksums::fletcher32"(const uint8_t*, size_t) noexcept nogil
    bint crc32c_instruction "zarrc_checksums::instruction"

cdef enum:
    SIZE = 4

ctypedef uint32_t (*Function)(const uint8_t*, size_t) noexcept nogil

ctypedef struct Params:
    Function function
    bint at_start


cdef inline void put(char* at, uint32_t value) noexcept nogil:
    cdef int i
    for i in range(SIZE):
        at[i] = <char> (value >> (8 * i))


cdef inline uint32_t get(const char* at) noexcept nogil:
    cdef const uint8_t* p = <const uint8_t*> at
    return p[0] | <uint32_t> p[1] << 8 | <uint32_t> p[2] << 16 | <uint32_t> p[3] << 24


cdef Status encode(const void* params, const char* src, size_t nbytes, Buffer* out, int* code) noexcept nogil:
    cdef const Params* p = <const Params*> params
    cdef uint32_t value = p.function(<const uint8_t*> src, nbytes)
    cdef bint in_place = src == out.data
    cdef Status status = reserve_keeping(out, nbytes + SIZE, nbytes if in_place else 0)
    if status != OK:
        return status
    if not in_place:
        copy_bytes(out.data + (SIZE if p.at_start else 0), src, nbytes)
    put(out.data + (0 if p.at_start else nbytes), value)
    out.nbytes = nbytes + SIZE
    return OK


cdef Status decode(const void* params, const char* src, size_t nbytes, Buffer* out, int* code) noexcept nogil:
    cdef const Params* p = <const Params*> params
    cdef const char* data
    cdef const char* stored
    cdef size_t size
    cdef Status status
    if nbytes < SIZE:
        return CORRUPT
    size = nbytes - SIZE
    data = src + SIZE if p.at_start else src
    stored = src if p.at_start else src + size
    if size > out.limit:
        return TOO_LARGE
    if p.function(<const uint8_t*> data, size) != get(stored):
        return CHECKSUM
    if src != out.data:
        status = reserve_keeping(out, size, 0)
        if status != OK:
            return status
        copy_bytes(out.data, data, size)
    out.nbytes = size
    return OK


cdef class Checksum(Codec):
    """A checksum of 4 bytes at one end of the data.

    Parameters
    ----------
    location : {"start", "end"}
    """
    cdef Params params

    cdef int set_up(self, Function function, str location) except -1:
        if location not in ("start", "end"):
            raise ValueError(f"location must be 'start' or 'end', not {location!r}")
        self.params = Params(function, location == "start")
        self.stage.encode = encode
        self.stage.decode = decode
        self.stage.params = &self.params
        self.stage.in_place = location == "end"
        return 0


cdef class Crc32c(Checksum):
    """CRC-32C (Castagnoli), by the processor's instruction unless `portable`."""

    def __cinit__(self, str location="end", bint portable=False):
        self.set_up(crc32c_portable if portable else crc32c, location)


cdef class Crc32(Checksum):
    """CRC-32 as in gzip."""

    def __cinit__(self, str location="start"):
        self.set_up(crc32, location)


cdef class Adler32(Checksum):
    """Adler-32 as in zlib."""

    def __cinit__(self, str location="start"):
        self.set_up(adler32, location)


cdef class Fletcher32(Checksum):
    """Fletcher-32 as in HDF5."""

    def __cinit__(self, str location="end"):
        self.set_up(fletcher32, location)


def has_crc32c_instruction():
    """Return whether crc32c runs on the processor's own instruction."""
    return bool(crc32c_instruction)


def xxh32(data, uint32_t seed=0):
    """Return the xxHash of 32 bits of a contiguous buffer."""
    cdef const uint8_t[::1] view = memoryview(data).cast("B")
    cdef uint32_t result
    cdef uint8_t nothing = 0
    cdef const uint8_t* at = &nothing
    if view.shape[0]:
        at = &view[0]
    with nogil:
        result = xxh32_sum(at, view.shape[0], seed)
    return result
