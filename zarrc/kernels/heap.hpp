// Values of stores come and go in the heap of the C library. That of glibc gives memory at its end back to
// the system as soon as more than 128 kB are free there, and asks for it again bit by bit, zeroed each time:
// storing in memory spends more time so than on copying. It does so no longer once a large block was freed,
// which it takes as a sign of what is to come; the threshold is then twice that block's size.
#pragma once

#include <cstdlib>

namespace zarrc {

constexpr size_t LARGEST_SIGN = (32 << 20) - (64 << 10);  // glibc takes none of blocks of more than 32 MB

inline void keep_heap() {
    static const bool done = [] {
        void* volatile block = std::malloc(LARGEST_SIGN);
        std::free(block);
        return true;
    }();
    (void) done;
}

}  // namespace zarrc
