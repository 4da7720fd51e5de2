"""The locks of keys, and jobs that share the process's threads."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest
from processes import run

import zarrc
from zarrc.kernels.pool import KeyLock, usable_cpus

EMPTY = {"shape": (64, 64), "chunks": (8, 8), "dtype": "f8", "compressor": None}


def test_usable_cpus():
    assert 1 <= usable_cpus() <= (os.cpu_count() or 1)


class TestKeyLock:
    def test_lets_one_thread_in(self):
        inside, most, total = 0, 0, 0

        def work():
            nonlocal inside, most, total
            for _ in range(200):
                with KeyLock(5, "a/0.0"):
                    inside += 1
                    most = max(most, inside)
                    before = total
                    threading.Event().wait(0)  # lets others run
                    total = before + 1
                    inside -= 1

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (most, total) == (1, 1200)

    def test_may_be_entered_again_by_its_thread(self):
        lock = KeyLock(5, "key")
        with lock, lock, KeyLock(5, "key"):
            pass

    def test_is_free_after_an_exception(self):
        with pytest.raises(KeyError), KeyLock(5, "key"):
            raise KeyError
        entered = threading.Event()

        def work():
            with KeyLock(5, "key"):
                entered.set()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(10)
        assert entered.is_set()

    def test_waits_without_the_gil(self):
        """A thread that waits does not keep the one that it waits for from leaving."""
        held, done = threading.Event(), []

        def hold():
            with KeyLock(5, "key"):
                held.set()
                sum(range(3_000_000))
                done.append("holder")

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        with KeyLock(5, "key"):
            done.append("waiter")
        thread.join()
        assert done == ["holder", "waiter"]

    def test_goes_by_identity_and_key(self):
        """Different keys are held together, by different threads."""
        barrier = threading.Barrier(4, timeout=20)

        def work(identity, key):
            with KeyLock(identity, key):
                barrier.wait()

        names = [(10**15, "a"), (10**15, "b"), (3 * 10**16, "a"), (-(10**18), "é")]
        threads = [threading.Thread(target=work, args=name) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not barrier.broken

    def test_no_two_keys_share_one(self):
        """While one thread holds a key, another takes ten thousand others."""
        held, leave = threading.Event(), threading.Event()

        def hold():
            with KeyLock(1, "mine"):
                held.set()
                leave.wait(60)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait()

        def take():
            for i in range(10_000):
                with KeyLock(1, f"{i}"):
                    pass
            taken.set()

        taken = threading.Event()
        taker = threading.Thread(target=take, daemon=True)
        taker.start()
        assert taken.wait(30)
        leave.set()
        holder.join()

    def test_taken_again_by_its_holder(self):
        with KeyLock(1, "a"), KeyLock(1, "b"), KeyLock(1, "a"):
            pass

    def test_many_threads_count(self):
        counts = dict.fromkeys("abc", 0)

        def work():
            for i in range(3000):
                key = "abc"[i % 3]
                with KeyLock(9, key):
                    before = counts[key]
                    if i % 50 == 0:
                        time.sleep(0)
                    counts[key] = before + 1

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert counts == dict.fromkeys("abc", 6000)

    def test_a_child_that_was_forked_by_the_holder(self):
        code = """if True:
            import os, warnings
            warnings.simplefilter("ignore", DeprecationWarning)
            from zarrc.kernels.pool import KeyLock
            with KeyLock(1, "a"):
                pid = os.fork()
            if pid == 0:
                with KeyLock(1, "a"):
                    os._exit(7)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """
        assert run(code, timeout=30) == "7"

    def test_is_fresh_in_a_forked_child(self):
        code = """if True:
            import os, threading, warnings
            warnings.simplefilter("ignore", DeprecationWarning)
            from zarrc.kernels.pool import KeyLock
            held, leave = threading.Event(), threading.Event()
            def hold():
                with KeyLock(1, "a"):
                    held.set()
                    leave.wait()
            thread = threading.Thread(target=hold)
            thread.start()
            held.wait()
            pid = os.fork()
            if pid == 0:
                with KeyLock(1, "a"):
                    os._exit(7)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            leave.set()
            thread.join()
        """
        assert run(code, timeout=30) == "7"


class TestJobs:
    def test_many_at_once(self):
        """More callers than processors, each with a job of its own: all end, all right."""
        z = zarrc.create(**EMPTY, store={})
        a = np.random.default_rng(0).random(z.shape)
        z[...] = a
        wrong = []

        def work(seed):
            rng = np.random.default_rng(seed)
            mine = zarrc.create(**EMPTY, store={})
            for _ in range(10):
                i, j = rng.integers(0, 60, 2)
                if not (z[i : i + 40, j:] == a[i : i + 40, j:]).all():
                    wrong.append((i, j))
                mine[...] = a + seed
                if not (mine[...] == a + seed).all():
                    wrong.append(seed)

        with zarrc.config.set({"threading.max_workers": 4}):
            threads = [threading.Thread(target=work, args=(seed,)) for seed in range(12)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert not wrong

    @pytest.mark.parametrize("n", [1, 2, 3, 16])
    def test_any_number_of_threads_gives_the_same(self, n):
        a = np.arange(300 * 300.0).reshape(300, 300)
        with zarrc.config.set({"threading.max_workers": n}):
            z = zarrc.array(a, chunks=(37, 41), store={})
            assert (z[...] == a).all()
            assert (z[5:-7:3, ::-2] == a[5:-7:3, ::-2]).all()

    def test_the_first_failure_ends_a_job(self):
        with zarrc.config.set({"threading.max_workers": 4}):
            z = zarrc.array(np.zeros((1000, 1000)), chunks=(10, 1000), compressor=zarrc.codecs.Zstd())
            for k in range(3, 100):
                z.store[f"{k}.0"] = b"not zstd"
            with pytest.raises(zarrc.errors.CodecError):
                z[...]
            assert (z[:30] == 0).all()

    def test_signals_are_for_the_programs_own_threads(self):
        """The pool's threads have every signal of the process blocked, but for faults."""
        code = """if True:
            import os, signal, time, numpy as np, zarrc
            zarrc.config.set({"threading.max_workers": 4})
            z = zarrc.array(np.zeros(4), chunks=4)
            before = os.listdir("/proc/self/task")  # NumPy has threads of its own
            z = zarrc.array(np.zeros((1000, 1000)), chunks=(10, 1000))
            time.sleep(0.5)  # the C library starts a thread with all signals blocked
            masks = {}
            for task in set(os.listdir("/proc/self/task")) - set(before):
                for line in open(f"/proc/self/task/{task}/status"):
                    if line.startswith("SigBlk"):
                        masks[int(task)] = int(line.split()[1], 16)
            interrupt, fault = 1 << signal.SIGINT - 1, 1 << signal.SIGSEGV - 1
            print(len(masks), all(m & interrupt for m in masks.values()), any(m & fault for m in masks.values()))
        """
        if not os.path.exists("/proc/self/task"):
            pytest.skip("needs /proc")
        assert run(code) == "3 True False"
