// Lists of positions and masks, sorted by the chunk that each entry lies in.
//
// A list holds, for each of its axes, integers of some type and any strides. All work goes
// axis by axis in one typed loop over the entries, never entry by entry over the axes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <numeric>
#include <type_traits>

#include "copying.hpp"

namespace zarrc {

constexpr int MOST_DIMS = 64;
constexpr int64_t RANK_EVERY = 256;     // an index of a 32nd of a mask's size, and so many bytes to count at most

// The positions along one axis, negative ones counted from the end.
struct Positions {
    const char* data;
    char kind;              // 'i' or 'u'
    int itemsize;
    int axis;               // of the array
    int64_t length;         // of the axis
    int64_t chunk;          // length of a chunk along it
    int64_t n_chunks;       // along it
    int64_t strides[MOST_DIMS];
};

struct List {
    int n_axes;
    Positions* axes;
    int n_dims;             // of the list; dimensions that continue each other in all axes are merged
    int64_t dims[MOST_DIMS];
    int64_t n;              // entries
    uint32_t* order;        // the entries chunk by chunk; null: they come so
    bool increasing;        // one axis, each position beyond the one before
    const uint8_t* mask;    // not positions but a C-contiguous array of booleans over all axes
    int64_t* ranks;         // true elements before each RANK_EVERY-th of the mask
};

// Call f(offset, count) for each run of entries along the last dimension, with the byte offset of its first.
template <typename F>
static void for_runs(const List& list, const Positions& p, F f) {
    if (list.n == 0) return;
    const int last = list.n_dims - 1;
    int64_t at[MOST_DIMS] = {0};
    for (;;) {
        int64_t offset = 0;
        for (int d = 0; d < last; ++d) offset += at[d] * p.strides[d];
        f(offset, list.dims[last]);
        int d = last - 1;
        while (d >= 0 && ++at[d] == list.dims[d]) at[d--] = 0;
        if (d < 0) return;
    }
}

static inline int64_t entry_offset(const List& list, const Positions& p, int64_t entry) {
    if (list.n_dims == 1) return entry * p.strides[0];
    int64_t offset = 0;
    for (int d = list.n_dims - 1; d >= 0; --d) {
        offset += entry % list.dims[d] * p.strides[d];
        entry /= list.dims[d];
    }
    return offset;
}

template <typename T>
static inline int64_t load(const char* at, int64_t length) {
    T value;
    std::memcpy(&value, at, sizeof(T));
    if (std::is_unsigned<T>::value) return value > (uint64_t) INT64_MAX ? length : (int64_t) value;
    return (int64_t) value < 0 ? (int64_t) value + length : (int64_t) value;
}

#define ZARRC_BY_TYPE(p, f, ...)                                          \
    switch ((p).kind == 'u' ? -(p).itemsize : (p).itemsize) {             \
        case 1: return f<int8_t>(__VA_ARGS__);                            \
        case 2: return f<int16_t>(__VA_ARGS__);                           \
        case 4: return f<int32_t>(__VA_ARGS__);                           \
        case 8: return f<int64_t>(__VA_ARGS__);                           \
        case -1: return f<uint8_t>(__VA_ARGS__);                          \
        case -2: return f<uint16_t>(__VA_ARGS__);                         \
        case -4: return f<uint32_t>(__VA_ARGS__);                         \
        default: return f<uint64_t>(__VA_ARGS__);                         \
    }

// ---------------------------------------------------------------- chunk numbers

// Add one axis to the chunk numbers; returns the first entry that is out of bounds, or -1.
template <typename T, typename Id>
static int64_t number_axis(const List& list, const Positions& p, Id* ids) {
    int64_t k = 0, bad = -1;
    const int64_t step = p.strides[list.n_dims - 1];
    const bool narrow = p.length <= INT32_MAX;      // 32-bit division is several times as fast
    const bool shifts = (p.chunk & (p.chunk - 1)) == 0;
    const int shift = shifts ? __builtin_ctzll((unsigned long long) p.chunk) : 0;
    for_runs(list, p, [&](int64_t offset, int64_t count) {
        const char* at = p.data + offset;
        for (int64_t i = 0; i < count; ++i, ++k, at += step) {
            const int64_t position = load<T>(at, p.length);
            if ((uint64_t) position >= (uint64_t) p.length) {
                if (bad < 0) bad = k;
                ids[k] = 0;
                continue;
            }
            const int64_t chunk = shifts ? position >> shift
                                  : narrow ? (int64_t) ((uint32_t) position / (uint32_t) p.chunk)
                                           : position / p.chunk;
            ids[k] = ids[k] * (Id) p.n_chunks + (Id) chunk;
        }
    });
    return bad;
}

template <typename Id>
struct Number {
    template <typename T>
    static int64_t axis(const List& list, const Positions& p, Id* ids) { return number_axis<T, Id>(list, p, ids); }
    static int64_t any(const List& list, const Positions& p, Id* ids) { ZARRC_BY_TYPE(p, axis, list, p, ids) }
};

template <typename T>
static bool is_increasing(const List& list, const Positions& p) {
    int64_t before = -1;
    bool so = true;
    for_runs(list, p, [&](int64_t offset, int64_t count) {
        const char* at = p.data + offset;
        for (int64_t i = 0; so && i < count; ++i, at += p.strides[list.n_dims - 1]) {
            const int64_t position = load<T>(at, p.length);
            so = position > before;
            before = position;
        }
    });
    return so;
}

static inline bool increasing(const List& list) {
    const Positions& p = list.axes[0];
    ZARRC_BY_TYPE(p, is_increasing, list, p)
}

// ------------------------------------------------------------------- grouping

// One chunk's entries: [start, start + count) of the order.
struct Group {
    int64_t chunk, start, count;
};

struct Groups {
    Group* rows;
    int64_t n;
    int bad_axis;           // -1, or where an entry is out of bounds
    int64_t bad_entry;
    bool no_memory;
};

template <typename Id>
static void sort_by_counting(const Id* ids, int64_t n, int64_t n_chunks, uint32_t* order) {
    uint32_t* next = (uint32_t*) std::calloc(n_chunks + 1, sizeof(uint32_t));
    if (!next) throw std::bad_alloc();
    for (int64_t k = 0; k < n; ++k) ++next[ids[k] + 1];
    for (int64_t c = 0; c < n_chunks; ++c) next[c + 1] += next[c];
    for (int64_t k = 0; k < n; ++k) order[next[ids[k]]++] = (uint32_t) k;
    std::free(next);
}

template <typename Id>
static Groups group_as(List& list, int64_t n_chunks) {
    Groups found = {nullptr, 0, -1, 0, false};
    const int64_t n = list.n;
    Id* ids = (Id*) std::calloc(n ? n : 1, sizeof(Id));
    if (!ids) throw std::bad_alloc();
    for (int a = 0; a < list.n_axes; ++a) {
        const int64_t bad = Number<Id>::any(list, list.axes[a], ids);
        if (bad >= 0) {
            found.bad_axis = a;
            found.bad_entry = bad;
            std::free(ids);
            return found;
        }
    }
    list.increasing = list.n_axes == 1 && increasing(list);
    if (!std::is_sorted(ids, ids + n)) {
        list.order = (uint32_t*) std::malloc(n * sizeof(uint32_t));
        if (!list.order) { std::free(ids); throw std::bad_alloc(); }
        if (n_chunks <= 4 * n + (1 << 16)) {
            sort_by_counting(ids, n, n_chunks, list.order);
        } else {
            std::iota(list.order, list.order + n, 0u);
            std::stable_sort(list.order, list.order + n, [ids](uint32_t a, uint32_t b) { return ids[a] < ids[b]; });
        }
    }
    auto id_of = [&](int64_t k) { return ids[list.order ? list.order[k] : k]; };
    for (int64_t k = 0; k < n; ++k) found.n += k == 0 || id_of(k) != id_of(k - 1);
    found.rows = (Group*) std::malloc((found.n ? found.n : 1) * sizeof(Group));
    if (!found.rows) { std::free(ids); throw std::bad_alloc(); }
    Group* row = found.rows - 1;
    for (int64_t k = 0; k < n; ++k) {
        if (k == 0 || id_of(k) != id_of(k - 1)) *++row = {(int64_t) id_of(k), k, 0};
        ++row->count;
    }
    std::free(ids);
    return found;
}

// Group a list's entries by chunk, those of one chunk in the order in which they come.
static inline Groups group(List* list) {
    long double n_chunks = 1;
    for (int a = 0; a < list->n_axes; ++a) n_chunks *= (long double) list->axes[a].n_chunks;
    try {
        if (n_chunks < 4294967295.0L) return group_as<uint32_t>(*list, (int64_t) n_chunks);
        return group_as<uint64_t>(*list, n_chunks < 9e18L ? (int64_t) n_chunks : INT64_MAX);
    } catch (const std::bad_alloc&) {
        return {nullptr, 0, -1, 0, true};
    }
}

// ------------------------------------------------------- offsets inside a chunk

struct Span {
    int64_t base, stride;
};

template <typename T>
static void add_offsets(const List& list, const Positions& p, int64_t first, int64_t n, Span span, int64_t* out) {
    const int64_t step = p.strides[0];
    for (int64_t k = 0; k < n; ++k) {
        const int64_t entry = list.order ? (int64_t) list.order[first + k] : first + k;
        const int64_t offset = list.n_dims == 1 ? entry * step : entry_offset(list, p, entry);
        out[k] += (load<T>(p.data + offset, p.length) - span.base) * span.stride;
    }
}

static inline void add_axis(const List& list, const Positions& p, int64_t first, int64_t n, Span span, int64_t* out) {
    ZARRC_BY_TYPE(p, add_offsets, list, p, first, n, span, out)
}

// Byte offsets in the chunk at `coords` (one per axis of the list) of entries [first, first + n) of the order.
static inline void chunk_offsets(const List* list, int64_t first, int64_t n, const int64_t* coords, const int64_t* strides, int64_t* out) {
    std::memset(out, 0, n * sizeof(int64_t));
    for (int a = 0; a < list->n_axes; ++a) {
        const Positions& p = list->axes[a];
        add_axis(*list, p, first, n, {coords[a] * p.chunk, strides[a]}, out);
    }
}

// ---------------------------------------------------------------------- masks

static inline int64_t count_true(const uint8_t* mask, int64_t n) {
    int64_t total = 0;
    while (n > 0) {         // sums of up to 255 ones fit a byte: the compiler adds 16 or 32 of them at once
        const int64_t m = n < 4096 ? n : 4096;
        uint32_t sum = 0;
        for (int64_t i = 0; i < m; ++i) sum += mask[i] != 0;
        total += sum;
        mask += m;
        n -= m;
    }
    return total;
}

// Write the ranks of a mask; return how many elements are true.
static inline int64_t rank_mask(const uint8_t* mask, int64_t n, int64_t* ranks) {
    int64_t rank = 0;
    for (int64_t i = 0; i < n; i += RANK_EVERY) {
        *ranks++ = rank;
        rank += count_true(mask + i, std::min(RANK_EVERY, n - i));
    }
    return rank;
}

// How many elements of a mask are true before one of them.
static inline int64_t rank_at(const List& list, int64_t at) {
    const int64_t known = at / RANK_EVERY;
    return list.ranks[known] + count_true(list.mask + known * RANK_EVERY, at - known * RANK_EVERY);
}

// Add a mask's true elements to the counts of the chunks that they lie in.
static inline void count_by_chunk(const List& list, int64_t lines, int64_t* counts) {
    const int last = list.n_axes - 1;
    const Positions& p = list.axes[last];
    const uint8_t* mask = list.mask;
    int64_t at[MOST_DIMS] = {0};
    for (int64_t line = 0; line < lines; ++line) {
        int64_t chunk = 0;
        for (int a = 0; a < last; ++a) chunk = chunk * list.axes[a].n_chunks + at[a] / list.axes[a].chunk;
        chunk *= p.n_chunks;
        for (int64_t begin = 0; begin < p.length; begin += p.chunk, ++chunk)
            counts[chunk] += count_true(mask + begin, std::min(p.chunk, p.length - begin));
        mask += p.length;
        for (int a = last - 1; a >= 0 && ++at[a] == list.axes[a].length; --a) at[a] = 0;
    }
}

// Count a mask's true elements by chunk, and rank them.
static inline Groups group_mask(List* list) {
    Groups found = {nullptr, 0, -1, 0, false};
    const int last = list->n_axes - 1;
    int64_t lines = 1, n_chunks = 1;
    for (int a = 0; a <= last; ++a) {
        if (a < last) lines *= list->axes[a].length;
        n_chunks *= list->axes[a].n_chunks;
    }
    const int64_t size = lines * list->axes[last].length;
    int64_t* counts = (int64_t*) std::calloc(n_chunks ? n_chunks : 1, sizeof(int64_t));
    list->ranks = (int64_t*) std::malloc((size / RANK_EVERY + 1) * sizeof(int64_t));
    if (counts && list->ranks) {
        list->n = rank_mask(list->mask, size, list->ranks);
        if (list->n) count_by_chunk(*list, lines, counts);
        for (int64_t c = 0; c < n_chunks; ++c) found.n += counts[c] > 0;
        found.rows = (Group*) std::malloc((found.n ? found.n : 1) * sizeof(Group));
    }
    found.no_memory = !found.rows;
    Group* row = found.rows;
    for (int64_t c = 0; row && c < n_chunks; ++c)
        if (counts[c]) *row++ = {c, 0, counts[c]};
    std::free(counts);
    return found;
}

// Eight elements of a mask, the first in the lowest byte.
static inline uint64_t eight_of(const uint8_t* mask) {
    uint64_t eight;
    std::memcpy(&eight, mask, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    eight = __builtin_bswap64(eight);
#endif
    return eight;
}

// Call move(chunk byte offset, rank) for each true element of a mask in the chunk at `coords`.
template <typename F>
static void for_masked(const List& list, const int64_t* coords, const int64_t* strides, F move) {
    const int last = list.n_axes - 1;
    const Positions& p = list.axes[last];
    int64_t begin[MOST_DIMS], end[MOST_DIMS], at[MOST_DIMS];
    for (int a = 0; a <= last; ++a) {
        at[a] = begin[a] = coords[a] * list.axes[a].chunk;
        end[a] = std::min(begin[a] + list.axes[a].chunk, list.axes[a].length);
    }
    for (;;) {
        int64_t line = 0, offset = 0;
        for (int a = 0; a < last; ++a) {
            line = line * list.axes[a].length + at[a];
            offset += (at[a] - begin[a]) * strides[a];
        }
        const int64_t first = line * p.length + begin[last];
        int64_t rank = rank_at(list, first);
        const uint8_t* mask = list.mask + first;
        const int64_t n = end[last] - begin[last];
        int64_t i = 0;
        for (; i + 8 <= n; i += 8)      // from one true element to the next: a test of each is guessed wrong too often
            for (uint64_t eight = eight_of(mask + i); eight;) {
                const int k = __builtin_ctzll(eight) / 8;
                move(offset + (i + k) * strides[last], rank++);
                eight &= ~(0xFFull << 8 * k);
            }
        for (; i < n; ++i)
            if (mask[i]) move(offset + i * strides[last], rank++);
        int a = last - 1;
        while (a >= 0 && ++at[a] == end[a]) {
            at[a] = begin[a];
            --a;
        }
        if (a < 0) return;
    }
}

template <typename T>
static void gather_masked_of(const List& list, const int64_t* coords, const int64_t* strides, const char* chunk, char* user, int64_t step) {
    for_masked(list, coords, strides, [&](int64_t at, int64_t rank) { move<T>(user + rank * step, chunk + at); });
}

template <typename T>
static void scatter_masked_of(const List& list, const int64_t* coords, const int64_t* strides, char* chunk, const char* user, int64_t step) {
    for_masked(list, coords, strides, [&](int64_t at, int64_t rank) { move<T>(chunk + at, user + rank * step); });
}

// Copy the masked elements of a chunk to the user, `step` bytes apart …
static inline void gather_masked(const List* list, const int64_t* coords, const int64_t* strides, const char* chunk, char* user, int64_t step, size_t itemsize) {
    ZARRC_BY_SIZE(itemsize, gather_masked_of, *list, coords, strides, chunk, user, step)
    for_masked(*list, coords, strides, [&](int64_t at, int64_t rank) { std::memcpy(user + rank * step, chunk + at, itemsize); });
}

// … and back.
static inline void scatter_masked(const List* list, const int64_t* coords, const int64_t* strides, char* chunk, const char* user, int64_t step, size_t itemsize) {
    ZARRC_BY_SIZE(itemsize, scatter_masked_of, *list, coords, strides, chunk, user, step)
    for_masked(*list, coords, strides, [&](int64_t at, int64_t rank) { std::memcpy(chunk + at, user + rank * step, itemsize); });
}

}  // namespace zarrc
