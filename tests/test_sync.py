"""Synchronizers keep writers apart, between threads and between processes."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

import zarrc
from zarrc.sync import ProcessSynchronizer, ThreadSynchronizer

# adds 1 to the number in a file, many times, with a pause that invites others in between
COUNT = """if True:
    import sys, threading
    from zarrc.sync import ProcessSynchronizer
    synchronizer = ProcessSynchronizer(sys.argv[1])
    def count():
        for _ in range(30):
            with synchronizer["group/array/0.0"]:
                with open(sys.argv[2]) as file:
                    number = int(file.read())
                with open(sys.argv[2], "w") as file:
                    file.write(str(number + 1))
    threads = [threading.Thread(target=count) for _ in range(2)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
"""

HOLD = """if True:
    import sys, time
    from zarrc.sync import ProcessSynchronizer
    with ProcessSynchronizer(sys.argv[1])["key"]:
        print("held", flush=True)
        time.sleep(float(sys.argv[2]))
"""


def start(code, *args):
    path = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(params=["threads", "processes"])
def synchronizer(request, tmp_path):
    return ThreadSynchronizer() if request.param == "threads" else ProcessSynchronizer(tmp_path / "locks")


def test_threads_take_turns(synchronizer):
    inside, most = 0, 0

    def work():
        nonlocal inside, most
        for _ in range(20):
            with synchronizer["a/0.0"]:
                inside += 1
                most = max(most, inside)
                time.sleep(0.0002)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_keys_are_independent(synchronizer):
    with synchronizer["a"]:
        entered = threading.Event()

        def enter():
            with synchronizer["b"]:
                entered.set()

        thread = threading.Thread(target=enter)
        thread.start()
        assert entered.wait(10)
        thread.join()


def test_may_be_entered_again(synchronizer):
    with synchronizer["a"], synchronizer["a"], synchronizer["b"]:
        pass
    with synchronizer["a"]:
        pass


def test_released_after_an_error(synchronizer):
    with pytest.raises(ZeroDivisionError), synchronizer["a"]:
        1 / 0  # noqa: B018
    done = []
    thread = threading.Thread(target=lambda: done.append(synchronizer["a"].__enter__()))
    thread.start()
    thread.join(10)
    assert done


def test_pickle(synchronizer):
    with synchronizer["a"]:
        copy = pickle.loads(pickle.dumps(synchronizer))
    assert type(copy) is type(synchronizer)
    with copy["a"]:
        pass
    assert vars(copy).get("path") == vars(synchronizer).get("path")


def test_forked_child_does_not_hang(synchronizer):
    """A child has new locks, whatever threads of its parent held."""
    held, done = threading.Event(), threading.Event()

    def hold():
        with synchronizer["thread's"]:
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    kind = type(synchronizer)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(10)
        if kind is ThreadSynchronizer:
            with synchronizer["thread's"]:
                os.write(write, b"entered")
        else:
            with synchronizer["another"]:
                os.write(write, b"entered")
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    done.set()
    thread.join()
    assert os.read(read, 100) == b"entered"
    os.close(read)
    os.close(write)


class TestProcesses:
    def test_count(self, tmp_path):
        (tmp_path / "count").write_text("0")
        processes = [start(COUNT, tmp_path / "locks", tmp_path / "count") for _ in range(3)]
        for process in processes:
            process.communicate(timeout=120)
            assert process.returncode == 0
        assert (tmp_path / "count").read_text() == str(3 * 2 * 30)

    def test_waits_for_another_process(self, tmp_path):
        with start(HOLD, tmp_path, 0.3) as holder:
            assert holder.stdout.readline() == "held\n"
            with ProcessSynchronizer(tmp_path)["other"]:
                assert holder.poll() is None
            with ProcessSynchronizer(tmp_path)["key"]:
                assert holder.wait(10) == 0

    def test_ends_with_its_process(self, tmp_path):
        with start(HOLD, tmp_path, 60) as holder:
            assert holder.stdout.readline() == "held\n"
            holder.kill()
            with ProcessSynchronizer(tmp_path)["key"]:
                pass

    def test_two_objects_are_one_lock(self, tmp_path, monkeypatch):
        """Within a process too, where the system's locks would not keep them apart."""
        monkeypatch.chdir(tmp_path)
        one, two = ProcessSynchronizer("locks"), ProcessSynchronizer(tmp_path / "locks")
        entered = threading.Event()

        def enter():
            with two["a"]:
                entered.set()

        with one["a"]:
            thread = threading.Thread(target=enter)
            thread.start()
            assert not entered.wait(0.1)
        assert entered.wait(10)
        thread.join()

    def test_leaving_another_key_keeps_the_lock(self, tmp_path):
        code = HOLD.replace('["key"]:', '["key"], ProcessSynchronizer(sys.argv[1])["b"]:')
        with ProcessSynchronizer(tmp_path)["key"]:
            with ProcessSynchronizer(tmp_path)["key"]:
                pass
            with start(code, tmp_path, 0) as waiter:
                time.sleep(0.3)
                assert waiter.poll() is None
                waiter.kill()

    def test_not_inherited_by_a_forked_child(self, tmp_path):
        """A child that lives on does not keep the lock of a parent that has left it, nor own it."""
        synchronizer = ProcessSynchronizer(tmp_path)
        read, write = os.pipe()
        with synchronizer["key"]:
            pid = os.fork()
            if pid == 0:
                with synchronizer["key"]:
                    os.write(write, b"in")
                time.sleep(30)
                os._exit(0)
            time.sleep(0.2)
            os.set_blocking(read, False)
            with pytest.raises(BlockingIOError):
                os.read(read, 2)
        os.set_blocking(read, True)
        assert os.read(read, 2) == b"in"
        with start(HOLD, tmp_path, 0) as other:
            assert other.wait(10) == 0
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(read)
        os.close(write)

    @pytest.mark.parametrize(
        "key", ["a/b", "a%2Fb", "..", "../x", "k" * 5000, "k" * 4999 + "/", "日本" * 50, ""]
    )
    def test_any_key(self, tmp_path, key):
        with ProcessSynchronizer(tmp_path / "locks")[key]:
            pass
        assert os.listdir(tmp_path) == ["locks"]
        assert len(os.listdir(tmp_path / "locks")) == 1

    def test_every_key_has_its_own_file(self, tmp_path):
        keys = ["a/b", "a%2Fb", "a%b", "a", "a/", "/a", "k" * 5000, "k" * 4999 + "j"]
        for key in keys:
            with ProcessSynchronizer(tmp_path)[key]:
                pass
        assert len(os.listdir(tmp_path)) == len(keys)

    def test_no_descriptor_is_left_open(self, tmp_path):
        before = len(os.listdir("/proc/self/fd"))
        synchronizer = ProcessSynchronizer(tmp_path)
        for i in range(20):
            with synchronizer[str(i)]:
                pass
        assert len(os.listdir("/proc/self/fd")) == before

    def test_no_place_for_locks(self, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        synchronizer = ProcessSynchronizer(tmp_path / "file")
        for _ in range(2):
            with pytest.raises(NotADirectoryError), synchronizer["a"]:
                pass


class Noting:
    """A synchronizer that notes which keys are locked, and how many at a time."""

    def __init__(self):
        self.keys, self.held, self.most = [], 0, 0

    def __getitem__(self, key):
        return self._lock(key)

    @contextmanager
    def _lock(self, key):
        self.keys.append(key)
        self.held += 1
        self.most = max(self.most, self.held)
        yield
        self.held -= 1


class TestChunksAreLocked:
    """Whoever writes chunks of an array with a synchronizer holds their locks, in one order."""

    @pytest.fixture
    def noting(self):
        return Noting()

    @pytest.mark.parametrize(
        ("change", "keys"),
        [
            (lambda z: z.__setitem__((slice(2, 5), 3), 1), ["a/0.1", "a/1.1"]),
            (lambda z: z.__setitem__((-1, -1), 1), ["a/2.2"]),
            (lambda z: z.set_basic_selection(slice(0, 3), 1, fields="x"), ["a/0.0", "a/0.1", "a/0.2"]),
            (lambda z: z.vindex.__setitem__(([8, 0, 8], [0, 5, 1]), 1), ["a/0.2", "a/2.0"]),
            (lambda z: z.oindex.__setitem__(([8, 0], slice(2, 5)), 1), ["a/0.1", "a/0.2", "a/2.1", "a/2.2"]),
            (lambda z: z.set_mask_selection(np.eye(9, 6, -1) == 1, 1), ["a/0.0", "a/1.1", "a/1.2", "a/2.2"]),
            (lambda z: z.blocks.__setitem__((1, 1), 1), ["a/1.1"]),
            (lambda z: z.write_chunk((2, 0), 1), ["a/2.0"]),
        ],
    )
    def test_keys(self, noting, change, keys):
        z = zarrc.zeros((9, 6), chunks=(3, 2), dtype=[("x", "i4")], path="a", synchronizer=noting)
        noting.keys.clear()
        change(z)
        assert noting.keys == keys
        assert noting.held == 0

    def test_of_shards(self, noting):
        z = zarrc.create_array(
            {}, shape=(8, 8), chunks=(2, 2), shards=(4, 4), dtype="i4", synchronizer=noting
        )
        z[0, 3:5] = 1
        assert noting.keys == ["c/0/0", "c/0/1"]

    def test_some_at_a_time(self, noting):
        z = zarrc.zeros((200, 3), chunks=(1, 1), dtype="i4", synchronizer=noting)
        z[:] = np.arange(600).reshape(200, 3)
        assert len(noting.keys) == 600
        assert noting.most <= 64
        np.testing.assert_array_equal(z[:], np.arange(600).reshape(200, 3))
        z[:] = zarrc.ones((200, 3), chunks=(7, 3), dtype="i4")
        assert noting.most <= 64
        assert (z[:] == 1).all()

    def test_of_no_axes(self, noting):
        z = zarrc.zeros((), dtype="i4", synchronizer=noting)
        z[()] = 3
        assert (z[()], noting.keys) == (3, ["0"])

    def test_reading_takes_none(self, noting):
        z = zarrc.zeros(3, synchronizer=noting)
        z[:]
        assert noting.keys == []


WRITE = """
import sys, zarrc, numpy as np
place, locks, n, step = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
z = zarrc.open(place, mode="r+", synchronizer=zarrc.ProcessSynchronizer(locks))
for i in range(n, z.shape[0], step):
    z[i] = i + 1
"""

APPEND = """
import sys, zarrc, numpy as np
place, locks, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
z = zarrc.open(place, mode="r+", synchronizer=zarrc.ProcessSynchronizer(locks))
for k in range(15):
    z.append(np.full(7, n, "i4"))
    z.attrs[f"{n}-{k}"] = k
"""


class TestBetweenProcesses:
    """Processes that share lock files lose nothing of each other's."""

    def run(self, code, *arguments):
        processes = [start(code, *arguments, n, 3) for n in range(3)]
        for process in processes:
            _, err = process.communicate(timeout=120)
            assert process.returncode == 0, err

    def test_parts_of_the_same_chunks(self, tmp_path):
        z = zarrc.open(tmp_path / "a", mode="w", shape=600, chunks=50, dtype="i4")
        self.run(WRITE, tmp_path / "a", tmp_path / "locks")
        np.testing.assert_array_equal(z[:], np.arange(1, 601))

    def test_appends_and_attributes(self, tmp_path):
        z = zarrc.open(tmp_path / "a", mode="w", shape=0, chunks=11, dtype="i4")
        self.run(APPEND, tmp_path / "a", tmp_path / "locks")
        z.refresh()
        assert np.bincount(z[:]).tolist() == [105, 105, 105]
        assert len(z.attrs) == 45
