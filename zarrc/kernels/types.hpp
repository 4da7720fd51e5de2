// Types that both C++ and Cython kernels use.
#pragma once

#include <cstddef>

// Memory that a stage writes to. `data` belongs to whoever made the buffer:
// with `growable` it is owned by the buffer and may be replaced by `reserve`,
// else it is somebody's memory of exactly `capacity` bytes.
struct Buffer {
    char* data;
    size_t nbytes;      // how many bytes hold a result
    size_t capacity;
    size_t limit;       // never make it larger than this (decoding)
    int growable;
};
