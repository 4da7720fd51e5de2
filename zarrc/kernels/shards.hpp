// What shards need beyond plain arrays: rows of a plan grouped by shard, places for pieces that
// several threads make of one shard, and the indexes that are remembered.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>
#include <string>
#include <unordered_map>
#include <vector>

#include <pthread.h>

namespace zarrc {

// Rows of one factor, by the shard that they lie in.
struct RowGroups {
    std::vector<int64_t> starts;    // of each group, and the end of the last
    std::vector<int64_t> order;     // the rows group by group; empty: as they are
};

inline void group_rows(const std::vector<int64_t>& shard_of, RowGroups& out) {
    const int64_t n = (int64_t) shard_of.size();
    out.starts.clear();
    out.order.clear();
    const bool ascends = std::is_sorted(shard_of.begin(), shard_of.end());
    const bool descends = !ascends && std::is_sorted(shard_of.rbegin(), shard_of.rend());
    if (!ascends && !descends) {
        out.order.resize(n);
        std::iota(out.order.begin(), out.order.end(), 0);
        std::stable_sort(out.order.begin(), out.order.end(),
                         [&](int64_t a, int64_t b) { return shard_of[a] < shard_of[b]; });
    }
    auto shard = [&](int64_t k) { return shard_of[out.order.empty() ? k : out.order[k]]; };
    for (int64_t k = 0; k < n; ++k)
        if (k == 0 || shard(k) != shard(k - 1)) out.starts.push_back(k);
    out.starts.push_back(n);
}

// A plan's chunks by shard: of each factor, its rows in groups. A shard is one group of each.
struct ShardPlan {
    std::vector<RowGroups> factors;
    int64_t n_shards = 1;

    int64_t n_groups(int i) const { return (int64_t) factors[i].starts.size() - 1; }
    int64_t n_rows(int i, int64_t group) const { return factors[i].starts[group + 1] - factors[i].starts[group]; }
    int64_t row(int i, int64_t group, int64_t k) const {
        const RowGroups& g = factors[i];
        return g.order.empty() ? g.starts[group] + k : g.order[g.starts[group] + k];
    }
    void add(const std::vector<int64_t>& shard_of) {
        factors.emplace_back();
        group_rows(shard_of, factors.back());
        n_shards *= n_groups((int) factors.size() - 1);
    }
};

// Places in one file for pieces that several threads make: the order of the pieces, whoever is done first.
// A thread that waits has a higher number than those it waits for, which are at work.
class Places {
    std::mutex mutex;
    std::condition_variable moved;
    int64_t next = 0;
    bool failed = false;

  public:
    uint64_t end = 0;       // of what has a place so far

    // Wait for all pieces before this one; false when one of them failed.
    bool wait(int64_t piece) {
        std::unique_lock<std::mutex> lock(mutex);
        moved.wait(lock, [&] { return failed || next == piece; });
        return !failed;
    }
    // After `wait`, by the same thread: the piece takes `nbytes`.
    void take(uint64_t nbytes) {
        std::lock_guard<std::mutex> lock(mutex);
        end += nbytes;
        ++next;
        moved.notify_all();
    }
    void fail() {
        std::lock_guard<std::mutex> lock(mutex);
        failed = true;
        moved.notify_all();
    }
};

// What tells one state of a file from another, as five numbers.
struct Version {
    uint64_t parts[5];
    bool operator==(const Version& other) const { return std::memcmp(parts, other.parts, sizeof(parts)) == 0; }
};

// Indexes of shards that were read lately, least recently used first to go.
class IndexCache {
    struct Entry {
        std::string path;
        Version version;
        std::vector<uint64_t> index;
    };
    static constexpr size_t CAPACITY = 32 << 20;    // bytes
    std::mutex mutex;
    std::list<Entry> entries;                       // most recently used first
    std::unordered_map<std::string, std::list<Entry>::iterator> places;
    size_t nbytes = 0;

    static size_t cost(const Entry& entry) {
        return entry.index.size() * sizeof(uint64_t) + 2 * entry.path.size() + 200;
    }
    void drop(std::list<Entry>::iterator entry) {
        nbytes -= cost(*entry);
        places.erase(entry->path);
        entries.erase(entry);
    }

  public:
    // Copy the index of `n` numbers that was read from the file in this state.
    bool find(const char* path, const Version& version, uint64_t* out, size_t n) {
        std::lock_guard<std::mutex> lock(mutex);
        auto found = places.find(path);
        if (found == places.end()) return false;
        auto entry = found->second;
        if (!(entry->version == version) || entry->index.size() != n) {
            drop(entry);
            return false;
        }
        std::memcpy(out, entry->index.data(), n * sizeof(uint64_t));
        entries.splice(entries.begin(), entries, entry);
        return true;
    }
    void keep(const char* path, const Version& version, const uint64_t* index, size_t n) {
        try {
            Entry fresh{path, version, std::vector<uint64_t>(index, index + n)};
            if (cost(fresh) > CAPACITY / 4) return;
            std::lock_guard<std::mutex> lock(mutex);
            auto found = places.find(fresh.path);
            if (found != places.end()) drop(found->second);
            entries.push_front(std::move(fresh));
            places[entries.front().path] = entries.begin();
            nbytes += cost(entries.front());
            while (nbytes > CAPACITY) drop(std::prev(entries.end()));
        } catch (const std::bad_alloc&) {   // nothing is remembered
        }
    }
};

// A forked child, whose parent's threads may hold the lock, begins with an empty one.
inline IndexCache* index_cache = nullptr;

inline void start_index_cache() {
    index_cache = new IndexCache;
    pthread_atfork(nullptr, nullptr, [] { index_cache = new IndexCache; });
}

}  // namespace zarrc
