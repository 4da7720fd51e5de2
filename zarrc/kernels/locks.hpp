// The locks of chunk keys: one for each key that somebody holds or waits for, by its hash.
//
// Two keys never share one. So a thread that holds one key's lock may wait for another's: where a
// store is itself built on zarrc, the locks of its keys come after those of the arrays in it.
//
// A forked child, whose parent's threads may hold some, starts with none.
#pragma once

#include <cstdint>
#include <new>

#include <pthread.h>
#include <sched.h>

namespace zarrc {

struct KeyMutex {
    uint64_t hash;
    int users;          // who holds it or waits for it
    KeyMutex* next;
    pthread_mutex_t mutex;
};

// Keys whose hashes end alike. It holds its own lock only while it looks.
class KeyMutexes {
    pthread_mutex_t guard;
    KeyMutex* first;
    KeyMutex* spare;    // one is kept for the next key

    KeyMutex* find(uint64_t hash) {
        KeyMutex* found = first;
        while (found && found->hash != hash) found = found->next;
        return found;
    }

    // Recursive: a store may use zarrc for the very key that is being stored.
    KeyMutex* make(uint64_t hash) {
        KeyMutex* made = spare;
        spare = nullptr;
        if (!made) {
            made = new (std::nothrow) KeyMutex;
            if (!made) return nullptr;
            pthread_mutexattr_t recursive;
            pthread_mutexattr_init(&recursive);
            pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
            pthread_mutex_init(&made->mutex, &recursive);
            pthread_mutexattr_destroy(&recursive);
        }
        made->hash = hash;
        made->users = 0;
        made->next = first;
        first = made;
        return made;
    }

    void drop(KeyMutex* one) {
        KeyMutex** place = &first;
        while (*place != one) place = &(*place)->next;
        *place = one->next;
        if (!spare) {
            spare = one;
            return;
        }
        pthread_mutex_destroy(&one->mutex);
        delete one;
    }

    KeyMutex* enter(uint64_t hash) {
        for (;;) {
            pthread_mutex_lock(&guard);
            KeyMutex* found = find(hash);
            if (!found) found = make(hash);
            if (found) {
                ++found->users;
                pthread_mutex_unlock(&guard);
                return found;
            }
            pthread_mutex_unlock(&guard);
            sched_yield();      // no memory: others will give theirs back
        }
    }

  public:
    void start() {
        pthread_mutex_init(&guard, nullptr);
        first = spare = nullptr;
    }
    void lock(uint64_t hash) { pthread_mutex_lock(&enter(hash)->mutex); }
    bool try_lock(uint64_t hash) {
        KeyMutex* found = enter(hash);
        if (pthread_mutex_trylock(&found->mutex) == 0) return true;
        leave(found);
        return false;
    }
    void unlock(uint64_t hash) {
        pthread_mutex_lock(&guard);
        KeyMutex* found = find(hash);
        pthread_mutex_unlock(&guard);
        if (!found) return;     // it was taken before a fork
        pthread_mutex_unlock(&found->mutex);
        leave(found);
    }

  private:
    void leave(KeyMutex* one) {
        pthread_mutex_lock(&guard);
        if (--one->users == 0) drop(one);
        pthread_mutex_unlock(&guard);
    }
};

constexpr int N_KEY_MUTEXES = 256;
inline KeyMutexes key_mutexes[N_KEY_MUTEXES];

inline void start_locks() {
    for (auto& one : key_mutexes) one.start();
}

inline void lock(uint64_t hash) { key_mutexes[hash % N_KEY_MUTEXES].lock(hash); }
inline bool try_lock(uint64_t hash) { return key_mutexes[hash % N_KEY_MUTEXES].try_lock(hash); }
inline void unlock(uint64_t hash) { key_mutexes[hash % N_KEY_MUTEXES].unlock(hash); }

}  // namespace zarrc
