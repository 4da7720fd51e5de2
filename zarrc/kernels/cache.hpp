// Decoded chunks in memory: the ones that were used last, up to a number of bytes.
//
// A chunk is found by its name and a token, which says of what state of the stored
// value it was decoded; one of another state is dropped where it is met. Whoever has changed a
// key calls `forget`, which reaches every cache of the process. A generation number per
// stripe of keys tells a reader that this happened while it was decoding: what it has
// is then not kept.
//
// An entry that somebody copies from stays until that is done, though it may have been
// dropped meanwhile. Nothing is freed and no Python object is let go under a cache's lock, so that
// it may be taken with and without the GIL.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include <pthread.h>

namespace zarrc {

// What a decoded chunk is called.
struct Name {
    uint64_t form[2];       // of the array's place and all that decoding depends on
    uint64_t key_hash;      // of the key, by which changes are told
    const char* key;        // inside of the array
    size_t n_key;
    int64_t inner;          // which chunk of a shard; 0
};

struct Entry {
    char* data;             // the decoded chunk
    size_t nbytes;
    void* owner;            // a Python object that is to stay, or nullptr
    Name name;
    std::string key, token;
    std::atomic<int> users{1};
    Entry *older = nullptr, *newer = nullptr;       // by last use
    Entry *previous = nullptr, *next = nullptr;     // of the same key

    bool is_named(const Name& other) const {
        return name.form[0] == other.form[0] && name.form[1] == other.form[1] && name.inner == other.inner &&
               key.size() == other.n_key && std::memcmp(key.data(), other.key, other.n_key) == 0;
    }
};

inline void (*release_owner)(void*) = nullptr;

inline void let_go(Entry* entry) {
    if (entry->users.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
    if (entry->owner) release_owner(entry->owner);
    std::free(entry->data);
    delete entry;
}

inline void let_go_all(Entry* dropped) {
    while (dropped) {
        Entry* entry = dropped;
        dropped = entry->next;
        let_go(entry);
    }
}

// An entry that is not in a cache yet, with memory for the decoded chunk; nullptr where there is none.
inline Entry* make_entry(const Name* name, const char* token, size_t n_token, size_t nbytes) {
    Entry* entry = new (std::nothrow) Entry();
    if (!entry) return nullptr;
    void* data = nullptr;
    try {
        entry->key.assign(name->key, name->n_key);
        entry->token.assign(token, n_token);
        if (posix_memalign(&data, 64, nbytes ? nbytes : 1) != 0) throw std::bad_alloc();
    } catch (const std::bad_alloc&) {
        delete entry;
        return nullptr;
    }
    entry->data = static_cast<char*>(data);
    entry->nbytes = nbytes;
    entry->owner = nullptr;
    entry->name = *name;
    return entry;
}

constexpr int N_GENERATIONS = 1024;
inline std::atomic<uint64_t> generations[N_GENERATIONS];
inline uint64_t generation(uint64_t key_hash) { return generations[key_hash % N_GENERATIONS].load(); }

inline uint64_t mix(const Name& name) {
    uint64_t h = name.key_hash ^ name.form[0] ^ (uint64_t) name.inner * 0x9E3779B97F4A7C15ull;
    return h ^ (h >> 29);
}

class Cache {
    std::mutex mutex;
    std::unordered_map<uint64_t, Entry*> entries;   // by the mixed name
    std::unordered_map<uint64_t, Entry*> of_key;    // the first one of each key hash
    Entry *oldest = nullptr, *newest = nullptr;

    void append(Entry* e) {
        e->older = newest;
        e->newer = nullptr;
        (newest ? newest->newer : oldest) = e;
        newest = e;
    }

    void unlink(Entry* e) {
        (e->older ? e->older->newer : oldest) = e->newer;
        (e->newer ? e->newer->older : newest) = e->older;
    }

    // Take an entry out; it goes to the list of those to be let go without the lock.
    void drop(Entry* e, Entry** dropped) {
        entries.erase(mix(e->name));
        unlink(e);
        if (e->next) e->next->previous = e->previous;
        if (e->previous) e->previous->next = e->next;
        else if (e->next) of_key[e->name.key_hash] = e->next;
        else of_key.erase(e->name.key_hash);
        nbytes -= cost(e);
        --n_entries;
        e->next = *dropped;
        *dropped = e;
    }

  public:
    static constexpr size_t LEAST_COST = 512;       // of an entry, with what it takes to find it
    size_t max_nbytes = 0, nbytes = 0, n_entries = 0;
    uint64_t hits = 0, misses = 0;

    static size_t cost(const Entry* e) { return e->nbytes > LEAST_COST ? e->nbytes : LEAST_COST; }

    // The entry of a name, decoded of the state that the token names; to be let go.
    Entry* find(const Name* name, const char* token, size_t n_token) {
        Entry* dropped = nullptr;
        Entry* found = nullptr;
        {
            std::lock_guard<std::mutex> guard(mutex);
            auto place = entries.find(mix(*name));
            if (place != entries.end() && place->second->is_named(*name)) {
                Entry* e = place->second;
                if (e->token.size() == n_token && std::memcmp(e->token.data(), token, n_token) == 0) {
                    e->users.fetch_add(1, std::memory_order_relaxed);
                    if (e != newest) {
                        unlink(e);
                        append(e);
                    }
                    found = e;
                } else {
                    drop(e, &dropped);
                }
            }
            ++(found ? hits : misses);
        }
        let_go_all(dropped);
        return found;
    }

    // Keep an entry that was decoded of what was read since the generation was asked for; lets it go.
    void keep(Entry* e, uint64_t begun) {
        Entry* dropped = nullptr;
        {
            std::lock_guard<std::mutex> guard(mutex);
            if (cost(e) <= max_nbytes && generation(e->name.key_hash) == begun) insert(e, &dropped);
        }
        let_go_all(dropped);
        let_go(e);
    }

    // Drop what was decoded of a key; for the caller to let go.
    void forget(uint64_t key_hash, Entry** dropped) {
        std::lock_guard<std::mutex> guard(mutex);
        for (auto place = of_key.find(key_hash); place != of_key.end(); place = of_key.find(key_hash))
            drop(place->second, dropped);
    }

    // Drop everything, or what no store's token vouches for; for the caller to let go.
    void clear(bool unproved_only, Entry** dropped) {
        std::lock_guard<std::mutex> guard(mutex);
        for (Entry* e = oldest; e;) {
            Entry* newer = e->newer;
            if (!unproved_only || e->token.empty()) drop(e, dropped);
            e = newer;
        }
    }

    // One moment's numbers: hits, misses, bytes, entries.
    void count(uint64_t* out) {
        std::lock_guard<std::mutex> guard(mutex);
        out[0] = hits;
        out[1] = misses;
        out[2] = nbytes;
        out[3] = n_entries;
    }

    void before_fork() { mutex.lock(); }
    void after_fork() { mutex.unlock(); }

  private:
    void insert(Entry* e, Entry** dropped) {
        auto place = entries.find(mix(e->name));
        if (place != entries.end()) drop(place->second, dropped);
        while (oldest && nbytes + cost(e) > max_nbytes) drop(oldest, dropped);
        try {
            Entry*& first = of_key[e->name.key_hash];
            try {
                entries[mix(e->name)] = e;
            } catch (const std::bad_alloc&) {
                if (!first) of_key.erase(e->name.key_hash);
                throw;
            }
            e->next = first;
            if (first) first->previous = e;
            first = e;
        } catch (const std::bad_alloc&) {
            return;     // no memory to remember it
        }
        append(e);
        nbytes += cost(e);
        ++n_entries;
        e->users.fetch_add(1, std::memory_order_relaxed);
    }
};

// All caches of the process; never destroyed. Its lock is taken before a cache's.
struct Caches {
    std::mutex mutex;
    std::unordered_set<Cache*> all;
    std::atomic<size_t> n{0};
};
inline Caches* caches = nullptr;

inline void before_fork() {
    caches->mutex.lock();
    for (Cache* cache : caches->all) cache->before_fork();
}
inline void after_fork() {
    for (Cache* cache : caches->all) cache->after_fork();
    caches->mutex.unlock();
}
inline void start_caches(void (*release)(void*)) {
    caches = new Caches;
    release_owner = release;
    pthread_atfork(before_fork, after_fork, after_fork);
}

inline Cache* new_cache(size_t max_nbytes) {
    Cache* cache = new (std::nothrow) Cache;
    if (!cache) return nullptr;
    cache->max_nbytes = max_nbytes;
    std::lock_guard<std::mutex> guard(caches->mutex);
    caches->all.insert(cache);
    caches->n.store(caches->all.size());
    return cache;
}

inline void clear(Cache* cache) {
    Entry* dropped = nullptr;
    cache->clear(false, &dropped);
    let_go_all(dropped);
}

inline void delete_cache(Cache* cache) {
    {
        std::lock_guard<std::mutex> guard(caches->mutex);
        caches->all.erase(cache);
        caches->n.store(caches->all.size());
    }
    clear(cache);
    delete cache;
}

// The key was changed, or may have been: no cache is to give what was decoded before.
inline void forget(uint64_t key_hash) {
    if (!caches->n.load()) return;
    ++generations[key_hash % N_GENERATIONS];
    Entry* dropped = nullptr;
    {
        std::lock_guard<std::mutex> guard(caches->mutex);
        for (Cache* cache : caches->all) cache->forget(key_hash, &dropped);
    }
    let_go_all(dropped);
}

// Keys were changed that nobody can name: what only `forget` keeps true is to go.
inline void forget_unproved() {
    if (!caches->n.load()) return;
    for (auto& one : generations) ++one;
    Entry* dropped = nullptr;
    {
        std::lock_guard<std::mutex> guard(caches->mutex);
        for (Cache* cache : caches->all) cache->clear(true, &dropped);
    }
    let_go_all(dropped);
}

}  // namespace zarrc
