// The innermost loops of strided copies, one instance for each common size of item.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace zarrc {

struct Item16 {
    uint64_t low, high;
};

// Items need not be aligned: a memcpy of constant size is one load and one store.
template <typename T>
static inline void move(char* dst, const char* src) {
    T item;
    std::memcpy(&item, src, sizeof(T));
    std::memcpy(dst, &item, sizeof(T));
}

// Call `loop<T>(arguments...)` for the T of the item's size; false when there is none.
#define ZARRC_BY_SIZE(itemsize, loop, ...)                        \
    switch (itemsize) {                                           \
        case 1: loop<uint8_t>(__VA_ARGS__); return;               \
        case 2: loop<uint16_t>(__VA_ARGS__); return;              \
        case 4: loop<uint32_t>(__VA_ARGS__); return;              \
        case 8: loop<uint64_t>(__VA_ARGS__); return;              \
        case 16: loop<Item16>(__VA_ARGS__); return;               \
    }

template <typename T>
static void strided_of(const char* src, char* dst, int64_t n, int64_t s, int64_t d) {
    for (int64_t k = 0; k < n; ++k) move<T>(dst + k * d, src + k * s);
}

// n items, s and d bytes apart.
static inline void strided(const char* src, char* dst, int64_t n, int64_t s, int64_t d, size_t itemsize) {
    ZARRC_BY_SIZE(itemsize, strided_of, src, dst, n, s, d)
    for (int64_t k = 0; k < n; ++k) std::memcpy(dst + k * d, src + k * s, itemsize);
}

template <typename T>
static void gather_of(const char* src, char* dst, int64_t n, const int64_t* at, int64_t s) {
    for (int64_t k = 0; k < n; ++k) move<T>(dst + k * (int64_t) sizeof(T), src + at[k] * s);
}

// n items at positions `at`, s bytes apart, to contiguous memory.
static inline void gather(const char* src, char* dst, int64_t n, const int64_t* at, int64_t s, size_t itemsize) {
    ZARRC_BY_SIZE(itemsize, gather_of, src, dst, n, at, s)
    for (int64_t k = 0; k < n; ++k) std::memcpy(dst + k * itemsize, src + at[k] * s, itemsize);
}

template <size_t N>
static void runs_of(const char* src, char* dst, int64_t n, int64_t s, int64_t d) {
    for (int64_t k = 0; k < n; ++k) std::memcpy(dst + k * d, src + k * s, N);
}

// n runs of bytes. Short rows are the common case of small chunks, and a call of memcpy for each costs more.
static inline void runs(const char* src, char* dst, int64_t n, int64_t s, int64_t d, size_t nbytes) {
    switch (nbytes) {
        case 32: runs_of<32>(src, dst, n, s, d); return;
        case 64: runs_of<64>(src, dst, n, s, d); return;
        case 128: runs_of<128>(src, dst, n, s, d); return;
        case 256: runs_of<256>(src, dst, n, s, d); return;
    }
    for (int64_t k = 0; k < n; ++k) std::memcpy(dst + k * d, src + k * s, nbytes);
}

// n x m items, of which the source is contiguous along n and the destination along m:
// through a square that holds a cache line of either side in each row.
template <typename T>
static void tiles_of(const char* src, char* dst, int64_t n, int64_t m, int64_t src_m, int64_t dst_n) {
    constexpr int64_t SIDE = 64 / sizeof(T), SIZE = sizeof(T);
    T square[SIDE][SIDE];
    for (int64_t j = 0; j < m; j += SIDE) {
        const int64_t mj = m - j < SIDE ? m - j : SIDE;
        for (int64_t i = 0; i < n; i += SIDE) {
            const int64_t ni = n - i < SIDE ? n - i : SIDE;
            const char* from = src + i * SIZE + j * src_m;
            char* to = dst + i * dst_n + j * SIZE;
            if (ni == SIDE && mj == SIDE) {
                for (int64_t b = 0; b < SIDE; ++b) {
                    T row[SIDE];
                    std::memcpy(row, from + b * src_m, sizeof(row));
                    for (int64_t a = 0; a < SIDE; ++a) square[a][b] = row[a];
                }
                for (int64_t a = 0; a < SIDE; ++a) std::memcpy(to + a * dst_n, square[a], sizeof(square[a]));
            } else {
                for (int64_t b = 0; b < mj; ++b)
                    for (int64_t a = 0; a < ni; ++a) move<T>(to + a * dst_n + b * SIZE, from + b * src_m + a * SIZE);
            }
        }
    }
}

static inline void tiles(const char* src, char* dst, int64_t n, int64_t m, int64_t src_m, int64_t dst_n, size_t itemsize) {
    ZARRC_BY_SIZE(itemsize, tiles_of, src, dst, n, m, src_m, dst_n)
}

}  // namespace zarrc
