// The process's worker threads; locks.hpp has the locks of chunk keys.
//
// A job is `n` tasks that any thread may take from one counter. The thread that
// brings a job always works on it too, so a job needs no free worker to end, and
// nested or concurrent jobs cannot deadlock. At most `threads` threads
// are at work at a time, callers counted, whatever the number of jobs.
//
// Nothing here is ever destroyed: a forked child, which has none of its
// parent's threads, starts with a fresh pool and fresh locks.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

#include <pthread.h>
#include <signal.h>
#ifdef __linux__
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "locks.hpp"

namespace zarrc {

typedef int (*Task)(void* context, int64_t task);   // 0: go on; else: stop the job
typedef int (*Pause)();                              // polled by the caller between its tasks
typedef void (*Idle)();                              // called by a helper that leaves a job

struct Job {
    Task task;
    void* context;
    int64_t n;
    int threads;
    std::atomic<int64_t> next{0};
    std::atomic<bool> stopped{false};
    int helpers = 0;    // guarded by Pool::mutex
};

inline void work(Job& job, Pause pause) {
    while (!job.stopped.load(std::memory_order_relaxed)) {
        int64_t i = job.next.fetch_add(1, std::memory_order_relaxed);
        if (i >= job.n) break;
        if (job.task(job.context, i) || (pause && pause())) job.stopped.store(true, std::memory_order_relaxed);
    }
}

inline Idle idle = nullptr;

// Whether this thread is among the pool's threads at work: it is counted once, however deep its jobs are nested.
inline thread_local bool at_work = false;

constexpr int HELPER_NICENESS = 4;

// While it lives, this thread takes no signals of the process, nor do threads that it makes:
// they are for the program's own threads. Faults stay as they are.
class NoSignals {
    sigset_t before;

  public:
    NoSignals() {
        sigset_t all;
        sigfillset(&all);
        for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) sigdelset(&all, fault);
        pthread_sigmask(SIG_SETMASK, &all, &before);
    }
    ~NoSignals() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }
};

// A helper gives way to the program's own threads when there are fewer processors than work:
// they keep running at nearly full speed while a long read goes on. It costs nothing else.
inline void yield_to_others() {
#ifdef __linux__
    const id_t self = (id_t) syscall(SYS_gettid);      // on Linux, niceness is a thread's own
    setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + HELPER_NICENESS);
#endif
}

class Pool {
    std::mutex mutex;
    std::condition_variable wake, done;
    std::list<Job*> jobs;
    int active = 0;     // threads at work, callers counted
    int spawned = 0;

    Job* open_job() {
        for (Job* job : jobs)
            if (active < job->threads && !job->stopped.load(std::memory_order_relaxed) &&
                job->next.load(std::memory_order_relaxed) < job->n)
                return job;
        return nullptr;
    }

    void help() {
        yield_to_others();
        std::unique_lock<std::mutex> lock(mutex);
        for (;;) {
            Job* job = open_job();
            if (!job) {
                wake.wait(lock);
                continue;
            }
            ++job->helpers;
            ++active;
            at_work = true;
            lock.unlock();
            work(*job, nullptr);
            at_work = false;
            if (idle) idle();
            lock.lock();
            --active;
            if (--job->helpers == 0) done.notify_all();
        }
    }

    void spawn(int wanted) {
        if (spawned >= wanted) return;
        NoSignals guard;
        for (; spawned < wanted; ++spawned) {
            try {
                std::thread(&Pool::help, this).detach();
            } catch (const std::system_error&) {
                return;     // no more threads to be had: the caller works alone
            }
        }
    }

  public:
    void run(Job& job, Pause pause) {
        const bool is_outermost = !at_work;
        std::unique_lock<std::mutex> lock(mutex);
        if (is_outermost) {
            ++active;
            at_work = true;
        }
        spawn(job.threads - 1);
        auto place = jobs.insert(jobs.end(), &job);
        int64_t wanted = job.n - 1 < job.threads - active ? job.n - 1 : job.threads - active;
        lock.unlock();
        for (int64_t i = 0; i < wanted; ++i) wake.notify_one();
        work(job, pause);
        lock.lock();
        jobs.erase(place);
        if (is_outermost) {
            --active;
            at_work = false;
        }
        if (!jobs.empty()) wake.notify_one();
        done.wait(lock, [&] { return job.helpers == 0; });
    }
};

inline Pool* pool = nullptr;

inline void make_fresh() {
    start_locks();
    pool = new Pool;
    at_work = false;
}

inline void start() {
    make_fresh();
    pthread_atfork(nullptr, nullptr, make_fresh);
}

// Run the tasks; returns true when one of them, or `pause`, stopped the job.
inline bool run(Task task, void* context, int64_t n, int threads, Pause pause) {
    Job job{task, context, n, threads};
    if (threads <= 1 || n <= 1)
        work(job, n > 1 ? pause : nullptr);
    else
        pool->run(job, pause);
    return job.stopped.load();
}

}  // namespace zarrc
