// The buffers that a thread works in, kept between chunks and freed with the thread.
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
};

struct OwnedScratch : Scratch {
    OwnedScratch() {
        for (Buffer* b : {&encoded, &chunk, &first, &second}) *b = {nullptr, 0, 0, (size_t) -1, 1};
    }
    ~OwnedScratch() { trim(0); }
    void trim(size_t kept) {
        for (Buffer* b : {&encoded, &chunk, &first, &second}) {
            if (b->capacity <= kept) continue;
            std::free(b->data);
            b->data = nullptr;
            b->nbytes = b->capacity = 0;
        }
    }
};

inline thread_local OwnedScratch own_scratch;

inline Scratch* scratch() { return &own_scratch; }
inline void trim_scratch(size_t kept) { own_scratch.trim(kept); }

}  // namespace zarrc
