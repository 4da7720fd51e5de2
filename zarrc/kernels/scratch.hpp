// The buffers that a thread works in, kept between chunks and freed with the thread.
//
// Python code that a task calls (a codec, a store) may use zarrc again in the same thread:
// between `enter` and `leave` the thread has another set of buffers.
#pragma once

#include <cstdlib>
#include <initializer_list>

#include "types.hpp"

namespace zarrc {

struct Scratch {
    Buffer encoded;     // what a file held, or what is to be stored
    Buffer chunk;       // a decoded chunk
    Buffer first;       // between two stages
    Buffer second;
    Buffer offsets;     // of list entries
    Buffer piece;       // encoded neighbours in a shard
};

struct OwnedScratch : Scratch {
    OwnedScratch* inner = nullptr;

    OwnedScratch() {
        for (Buffer* b : {&encoded, &chunk, &first, &second, &offsets, &piece}) *b = {nullptr, 0, 0, (size_t) -1, 1};
    }
    ~OwnedScratch() {
        trim(0);
        delete inner;
    }
    void trim(size_t kept) {
        for (Buffer* b : {&encoded, &chunk, &first, &second, &offsets, &piece}) {
            if (b->capacity <= kept) continue;
            std::free(b->data);
            b->data = nullptr;
            b->nbytes = b->capacity = 0;
        }
    }
};

inline thread_local OwnedScratch own_scratch;

inline thread_local int level = 0;

inline OwnedScratch* scratch() {
    OwnedScratch* s = &own_scratch;
    for (int i = 0; i < level; ++i) {
        if (!s->inner) s->inner = new OwnedScratch;
        s = s->inner;
    }
    return s;
}
inline void enter() { ++level; }
inline void leave() { --level; }
inline void trim_scratch(size_t kept) { scratch()->trim(kept); }

}  // namespace zarrc
