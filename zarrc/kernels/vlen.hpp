// Chunks of elements of any length, and the memory that their texts are kept in.
//
// Stored: the number of elements (4 bytes, little-endian), then for each its length (4 bytes,
// little-endian) and its bytes. Decoded: for each element where its length and bytes are; null
// where it is the fill value.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <vector>

#include "types.hpp"

namespace zarrc {

constexpr size_t HEADER = 4;

inline uint32_t load_length(const char* at) {
    const unsigned char* b = (const unsigned char*) at;
    return (uint32_t) b[0] | (uint32_t) b[1] << 8 | (uint32_t) b[2] << 16 | (uint32_t) b[3] << 24;
}

inline void store_length(char* at, uint32_t n) {
    for (int i = 0; i < 4; ++i) at[i] = (char) (n >> (8 * i));
}

// Memory that lives as long as this object. Any thread may ask for some; null: there is none.
class Texts {
    static constexpr size_t BLOCK = 1 << 20;
    std::mutex mutex;
    std::vector<char*> blocks;
    char* free_at = nullptr;
    size_t n_free = 0;

    char* new_block(size_t n) {
        char* block = (char*) std::malloc(n ? n : 1);
        if (!block) return nullptr;
        try {
            blocks.push_back(block);
        } catch (const std::bad_alloc&) {
            std::free(block);
            return nullptr;
        }
        return block;
    }

public:
    ~Texts() {
        for (char* block : blocks) std::free(block);
    }

    char* take(size_t n) {
        std::lock_guard<std::mutex> guard(mutex);
        if (n > BLOCK / 4) return new_block(n);
        if (n > n_free || !free_at) {
            char* block = new_block(BLOCK);
            if (!block) return nullptr;
            free_at = block;
            n_free = BLOCK;
        }
        char* found = free_at;
        free_at += n;
        n_free -= n;
        return found;
    }
};

inline bool is_ascii(const char* at, size_t n) {
    uint64_t word, seen = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        std::memcpy(&word, at + i, 8);
        seen |= word;
    }
    for (; i < n; ++i) seen |= (unsigned char) at[i];
    return !(seen & 0x8080808080808080ull);
}

// Bytes of the well-formed UTF-8 sequence at `b`, of which `n` > 0 bytes are left; 0: it is none
// (Unicode 15, table 3-7).
inline int sequence_length(const unsigned char* b, size_t n) {
    auto follows = [&](size_t i) { return i < n && (b[i] & 0xC0) == 0x80; };
    if (b[0] < 0x80) return 1;
    if (b[0] < 0xC2) return 0;
    if (b[0] < 0xE0) return follows(1) ? 2 : 0;
    if (b[0] < 0xF0) {
        if (!follows(1) || !follows(2)) return 0;
        if (b[0] == 0xE0 && b[1] < 0xA0) return 0;      // overlong
        if (b[0] == 0xED && b[1] > 0x9F) return 0;      // surrogates
        return 3;
    }
    if (b[0] > 0xF4 || !follows(1) || !follows(2) || !follows(3)) return 0;
    if (b[0] == 0xF0 && b[1] < 0x90) return 0;
    if (b[0] == 0xF4 && b[1] > 0x8F) return 0;
    return 4;
}

inline bool is_utf8(const char* at, size_t n) {
    if (is_ascii(at, n)) return true;
    const unsigned char* b = (const unsigned char*) at;
    for (size_t i = 0; i < n;) {
        int k = sequence_length(b + i, n - i);
        if (!k) return false;
        i += k;
    }
    return true;
}

// What is wrong with a chunk.
enum Flaw { NO_FLAW = 0, NO_COUNT, OTHER_COUNT, CUT_OFF, NOT_UTF8, PART_OF_ITEM, FILL_REFUSED };

struct VLenParams {
    bool is_text;
    size_t itemsize;    // lengths are multiples of it
    size_t n_items;     // of a chunk
    const char* fill;   // length and bytes of the fill value; null: it has none
    Texts* texts;
};

inline bool equals_fill(const VLenParams& p, const char* at, uint32_t n) {
    return p.fill && load_length(p.fill) == n && std::memcmp(p.fill + HEADER, at, n) == 0;
}

// Find the elements of an encoded chunk: `cells` gets a pointer for each, into `data`.
inline Flaw find_cells(const VLenParams& p, const char* data, size_t nbytes, const char** cells) {
    if (nbytes < HEADER) return NO_COUNT;
    if (load_length(data) != p.n_items) return OTHER_COUNT;
    size_t at = HEADER;
    for (size_t i = 0; i < p.n_items; ++i) {
        if (nbytes - at < HEADER) return CUT_OFF;
        uint32_t n = load_length(data + at);
        const char* bytes = data + at + HEADER;
        if (n > nbytes - at - HEADER) return CUT_OFF;
        if (n % p.itemsize) return PART_OF_ITEM;
        if (p.is_text && !is_utf8(bytes, n)) return NOT_UTF8;
        cells[i] = equals_fill(p, bytes, n) ? nullptr : data + at;
        at += HEADER + n;
    }
    return NO_FLAW;
}

inline size_t element_nbytes(const char* cell) { return HEADER + load_length(cell); }

// Bytes of the encoded chunk.
inline size_t encoded_nbytes(const VLenParams& p, const char* const* cells, size_t n_items) {
    size_t nbytes = HEADER;
    for (size_t i = 0; i < n_items; ++i) nbytes += element_nbytes(cells[i] ? cells[i] : p.fill);
    return nbytes;
}

inline void join_cells(const VLenParams& p, const char* const* cells, size_t n_items, char* out) {
    store_length(out, (uint32_t) n_items);
    out += HEADER;
    for (size_t i = 0; i < n_items; ++i) {
        const char* cell = cells[i] ? cells[i] : p.fill;
        size_t n = element_nbytes(cell);
        std::memcpy(out, cell, n);
        out += n;
    }
}

}  // namespace zarrc
