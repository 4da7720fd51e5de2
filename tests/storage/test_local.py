"""What stores in directories promise beyond the suite: nothing torn, nothing let out, errors as they are."""

from __future__ import annotations

import errno
import gc
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import zarrc
from zarrc.storage import DirectoryStore, KVStore, LocalStore, NestedDirectoryStore, TempStore, local

PYTHONPATH = os.pathsep.join(path for path in sys.path if path)


def start(code: str, *args: object) -> subprocess.Popen[str]:
    """Another Python process that can import zarrc."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        env={**os.environ, "PYTHONPATH": PYTHONPATH},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(code: str, *args: object) -> str:
    process = start(code, *args)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip()


def temporaries(path: Path) -> list[str]:
    return [
        name for _, _, names in os.walk(path) for name in names if name.startswith(local.TEMPORARY_PREFIX)
    ]


class TestPath:
    def test_is_absolute(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        store = DirectoryStore("a/../b")
        monkeypatch.chdir("/")
        assert store.path == os.fspath(tmp_path / "b")
        assert store.root == tmp_path / "b"
        store["x"] = b"1"
        assert (tmp_path / "b" / "x").read_bytes() == b"1"

    def test_is_made_when_needed(self, tmp_path):
        store = LocalStore(tmp_path / "new" / "store")
        assert (list(store), len(store), store.listdir(), store.getsize(), "a" in store) == (
            [],
            0,
            [],
            0,
            False,
        )
        store.rmdir()
        store.clear()
        assert not (tmp_path / "new").exists()

    def test_is_a_file(self, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(NotADirectoryError, match="not a directory"):
            DirectoryStore(tmp_path / "file")
        with pytest.raises(NotADirectoryError):
            DirectoryStore(tmp_path / "file" / "below")

    def test_becomes_a_file(self, tmp_path):
        store = DirectoryStore(tmp_path / "store")
        (tmp_path / "store").write_bytes(b"")
        assert "a" not in store
        with pytest.raises(NotADirectoryError):
            store["a"] = b"1"

    @pytest.mark.parametrize("path", [b"bytes", 5, None])
    def test_other_types(self, path):
        with pytest.raises(TypeError):
            DirectoryStore(path)

    def test_durability_is_checked(self, tmp_path):
        with pytest.raises(ValueError, match="durability"):
            DirectoryStore(tmp_path, durability="maybe")


class TestKinds:
    def test_pickles_are_small_and_complete(self, tmp_path):
        plain = DirectoryStore(tmp_path)
        assert len(pickle.dumps(plain)) < 80 + len(os.fspath(tmp_path))
        store = DirectoryStore(tmp_path, True, "/", durability="fsync", read_only=True)
        store.identity()
        copy = pickle.loads(pickle.dumps(store))
        assert copy == store
        assert vars(copy) == {
            "path": os.fspath(tmp_path),
            "normalize_keys": True,
            "durability": "fsync",
            "read_only": True,
            "_dimension_separator": "/",
        }

    def test_equality(self, tmp_path):
        assert DirectoryStore(tmp_path) == DirectoryStore(os.fspath(tmp_path))
        assert DirectoryStore(tmp_path) != DirectoryStore(tmp_path / "a")
        assert DirectoryStore(tmp_path) != NestedDirectoryStore(tmp_path)

    def test_normalize_keys(self, tmp_path):
        store = DirectoryStore(tmp_path, normalize_keys=True)
        store["Foo/BAR"] = b"1"
        assert list(store) == ["foo/bar"]
        assert store["fOO/bar"] == b"1"
        assert store.listdir("FOO") == ["bar"]
        del store["FOO/BAR"]
        assert len(store) == 0

    def test_nested(self, tmp_path):
        store = NestedDirectoryStore(tmp_path)
        store["foo/0/1"] = b"1"
        assert (tmp_path / "foo" / "0" / "1").read_bytes() == b"1"
        # keys are what they are: an array whose document says "." finds its chunks
        store["bar/0.1"] = b"2"
        assert (tmp_path / "bar" / "0.1").read_bytes() == b"2"
        with pytest.raises(ValueError, match="dimension_separator"):
            NestedDirectoryStore(tmp_path, dimension_separator=".")
        assert pickle.loads(pickle.dumps(store)) == store


class TestNestedArrays:
    """Which separator chunk keys have is the document's to say, then the store's."""

    @staticmethod
    def without_separator(store):
        document = json.loads(store[".zarray"])
        document.pop("dimension_separator", None)
        store[".zarray"] = json.dumps(document).encode()

    def test_made_in_a_nested_store(self, tmp_path):
        zarrc.full((4, 4), 7, chunks=(2, 2), store=NestedDirectoryStore(tmp_path), write_empty_chunks=True)[
            :
        ] = 42
        assert json.loads((tmp_path / ".zarray").read_bytes())["dimension_separator"] == "/"
        assert sorted(DirectoryStore(tmp_path)) == [".zarray", "0/0", "0/1", "1/0", "1/1"]
        assert (zarrc.open_array(DirectoryStore(tmp_path))[:] == 42).all()

    def test_document_of_an_older_writer(self, tmp_path):
        store = NestedDirectoryStore(tmp_path)
        zarrc.zeros((4, 4), chunks=(2, 2), store=store)[:] = 42
        self.without_separator(store)
        assert (zarrc.open_array(store, mode="r")[:] == 42).all()

    def test_document_that_says_dot(self, tmp_path):
        flat = DirectoryStore(tmp_path)
        zarrc.zeros((4, 4), chunks=(2, 2), store=flat)[:] = 42
        flat[".zarray"] = json.dumps({**json.loads(flat[".zarray"]), "dimension_separator": "."}).encode()
        assert (zarrc.open_array(NestedDirectoryStore(tmp_path), mode="r")[:] == 42).all()


class TestDirectoriesAreNoKeys:
    @pytest.fixture
    def store(self, tmp_path):
        store = DirectoryStore(tmp_path / "store")
        store["dir/key"] = b"1"
        return store

    def test_missing(self, store):
        assert "dir" not in store
        for ask in (store.__getitem__, store.__delitem__, lambda key: store.get_partial(key, 0, 1)):
            with pytest.raises(KeyError):
                ask("dir")
        assert list(store) == ["dir/key"]

    def test_not_overwritten(self, store):
        with pytest.raises(IsADirectoryError):
            store["dir"] = b"2"
        with pytest.raises(NotADirectoryError):
            store["dir/key/below"] = b"2"
        assert list(store) == ["dir/key"]
        assert temporaries(store.root) == []

    def test_below_a_key(self, store):
        assert "dir/key/below" not in store
        with pytest.raises(KeyError):
            store["dir/key/below"]
        assert store.listdir("dir/key/below") == []
        assert store.getsize("dir/key/below") == 0

    def test_deleting_prunes_nothing(self, store):
        del store["dir/key"]
        assert store.listdir() == ["dir"]
        assert store.root.joinpath("dir").is_dir()

    def test_rmdir_keeps_the_root(self, store):
        inode = os.stat(store.path).st_ino
        (store.root / "dir" / ".zarrc-1-1-1").write_bytes(b"left by a killed writer")
        (store.root / ".zarrc-1-1-1").write_bytes(b"left by a killed writer")
        store.rmdir()
        assert os.listdir(store.path) == []
        assert os.stat(store.path).st_ino == inode

    def test_rename_onto_empty_directories(self, store):
        os.makedirs(store.root / "new" / "empty")
        store.rename("dir", "new")
        assert list(store) == ["new/key"]


class TestTemporaries:
    def test_never_shown(self, tmp_path):
        store = DirectoryStore(tmp_path)
        store["a/b"] = b"123"
        for directory in (tmp_path, tmp_path / "a"):
            (directory / ".zarrc-ff-1-abc").write_bytes(b"0123456789")
        assert (list(store), len(store), store.listdir(), store.listdir("a")) == (["a/b"], 1, ["a"], ["b"])
        assert (store.getsize(), store.getsize("a"), store.getsize_prefix()) == (0, 3, 3)
        assert ".zarrc-ff-1-abc" not in store
        for key in (".zarrc-ff-1-abc", "a/.zarrc-ff-1-abc", ".zarrc-x/y"):
            with pytest.raises(ValueError, match="temporary"):
                store[key] = b"1"
            with pytest.raises(ValueError, match="temporary"):
                store[key]
        store["a.zarrc-b"] = b"1"
        assert store["a.zarrc-b"] == b"1"

    @pytest.mark.parametrize("function", ["write", "fsync", "replace", "close"])
    def test_failure_keeps_the_old_value(self, tmp_path, monkeypatch, function):
        store = DirectoryStore(tmp_path, durability="fsync")
        store["a/b"] = b"old"
        real = getattr(os, function)

        def fail(*args):
            if function == "close":
                real(*args)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(os, function, fail)
            with pytest.raises(OSError, match="No space"):
                store["a/b"] = b"new"
        assert store["a/b"] == b"old"
        assert temporaries(tmp_path) == []

    def test_interrupted(self, tmp_path, monkeypatch):
        store = DirectoryStore(tmp_path)

        def interrupt(*args):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(os, "write", interrupt)
            with pytest.raises(KeyboardInterrupt):
                store["a"] = b"new"
        assert (list(store), temporaries(tmp_path)) == ([], [])

    def test_short_writes_and_reads(self, tmp_path, monkeypatch):
        value = bytes(range(256)) * 10
        store = DirectoryStore(tmp_path)
        write, pread = os.write, os.pread
        monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:100]))
        store["a"] = value
        monkeypatch.setattr(os, "pread", lambda file, count, at: pread(file, min(count, 100), at))
        assert store["a"] == value
        assert store.get_partial("a", 50, 1000) == value[50:1050]

    def test_full_disk(self):
        """A write that does not fit raises, and nothing of it is left."""
        code = """if True:
            import os, resource, signal, sys
            from zarrc.storage import DirectoryStore
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            store = DirectoryStore(sys.argv[1])
            store["a"] = b"old"
            try:
                store["a"] = bytes(200_000)
            except OSError as error:
                print(error.errno, store["a"], os.listdir(sys.argv[1]))
        """
        with TempStore() as store:
            assert run(code, store.path) == f"{errno.EFBIG} b'old' ['a']"

    def test_really_full_disk(self, small_disk):
        store = DirectoryStore(small_disk)
        with pytest.raises(OSError, match="No space left") as caught:
            store["a/b"] = bytes(10_000_000)
        assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, f"{small_disk}/a/b")
        assert list(store) == []

    def test_permissions_follow_umask(self, tmp_path):
        code = """if True:
            import os, sys
            from zarrc.storage import DirectoryStore
            os.umask(0o027)
            DirectoryStore(sys.argv[1])["dir/key"] = b"1"
        """
        run(code, tmp_path)
        assert (tmp_path / "dir" / "key").stat().st_mode & 0o777 == 0o640

    def test_synced(self, tmp_path, monkeypatch):
        """The file is synced before its rename, its directory and the new parents after."""
        calls = []
        fsync, replace = os.fsync, os.replace

        def note_fsync(file):
            calls.append(os.readlink(f"/proc/self/fd/{file}"))
            fsync(file)

        def note_replace(src, dst):
            calls.append("replace")
            replace(src, dst)

        store = DirectoryStore(tmp_path, durability="fsync")
        monkeypatch.setattr(os, "fsync", note_fsync)
        monkeypatch.setattr(os, "replace", note_replace)
        store["a/b/c"] = b"1"
        assert os.path.basename(calls[0]).startswith(local.TEMPORARY_PREFIX)
        assert calls[1] == "replace"
        assert calls[2:5] == [f"{tmp_path}/a/b", f"{tmp_path}/a", f"{tmp_path}"]
        calls.clear()
        store["a/b/c"] = b"2"
        assert calls[1:] == ["replace", f"{tmp_path}/a/b"]
        calls.clear()
        del store["a/b/c"]
        assert calls == [f"{tmp_path}/a/b"]


class TestKilledWriter:
    def test_old_or_new(self, tmp_path):
        """Killed at any moment, a writer leaves a whole value."""
        code = """if True:
            import sys
            from zarrc.storage import DirectoryStore
            store = DirectoryStore(sys.argv[1])
            print("ready", flush=True)
            n = 0
            while True:
                n = (n + 1) % 256
                store["array/0.0"] = bytes([n]) * (200_000 + n)
        """
        store = DirectoryStore(tmp_path)
        for attempt in range(12):
            writer = start(code, tmp_path)
            with writer:
                assert writer.stdout.readline() == "ready\n"
                time.sleep(0.01 + 0.003 * attempt)
                writer.send_signal(signal.SIGKILL)
                writer.wait()
            value = store["array/0.0"]
            assert value == value[:1] * (200_000 + value[0])
            assert list(store) == ["array/0.0"]
        assert store.getsize("array") == len(value)
        store.rmdir("array")
        assert os.listdir(tmp_path) == []

    def test_writers_in_processes(self, tmp_path):
        """Several processes write one key while this one reads it."""
        code = """if True:
            import sys
            from zarrc.storage import DirectoryStore
            store, n = DirectoryStore(sys.argv[1]), int(sys.argv[2])
            for _ in range(300):
                store["dir/key"] = bytes([n]) * (10_000 + n)
        """
        store = DirectoryStore(tmp_path)
        store["dir/key"] = bytes(10_000)
        writers = [start(code, tmp_path, n) for n in (1, 2, 3)]
        while any(writer.poll() is None for writer in writers):
            value = store["dir/key"]
            assert value == value[:1] * (10_000 + value[0])
            assert store.listdir("dir") == ["key"]
        for writer in writers:
            _, err = writer.communicate()
            assert writer.returncode == 0, err
        assert temporaries(tmp_path) == []


class TestErrorsOfTheSystem:
    """Only "no such file" means a missing key."""

    def test_permission_denied(self, tmp_path):
        code = """if True:
            import os, sys
            from zarrc.storage import DirectoryStore
            store = DirectoryStore(sys.argv[1])
            if os.getuid() == 0:
                os.setgid(65534); os.setuid(65534)
            for act in (
                lambda: store["secret/key"],
                lambda: "secret/key" in store,
                lambda: store.getsize("secret/key"),
                lambda: store["file"],
                lambda: store.get_partial("file", 0, 1),
                lambda: store.listdir("secret"),
                lambda: list(store),
                lambda: store.__setitem__("new", b"1"),
                lambda: store.__delitem__("file"),
                lambda: store.rename("file", "file2"),
                lambda: DirectoryStore(store.path + "/secret/below"),
            ):
                try:
                    print("no error", act())
                except Exception as error:
                    print(type(error).__name__)
        """
        store = DirectoryStore(tmp_path / "store")
        store["secret/key"] = b"1"
        store["file"] = b"1"
        # the superuser is refused nothing, so the process becomes nobody, who must get as far as the store
        closed = [path for path in (tmp_path, *tmp_path.parents) if not path.stat().st_mode & 0o001]
        modes = {path: path.stat().st_mode for path in closed if os.getuid() == 0}
        for path in modes:
            path.chmod(0o755)
        try:
            os.chmod(store.root / "file", 0)
            os.chmod(store.root / "secret", 0)
            os.chmod(store.root, 0o555)
            assert run(code, store.path).split() == ["PermissionError"] * 11
        finally:
            os.chmod(store.root, 0o755)
            os.chmod(store.root / "secret", 0o755)
            for path, mode in modes.items():
                path.chmod(mode)

    def test_links_in_a_circle(self, tmp_path):
        (tmp_path / "loop").symlink_to("loop")
        store = DirectoryStore(tmp_path)
        for ask in (store.__getitem__, store.__contains__, lambda key: store.get_partial(key, 0)):
            with pytest.raises(OSError) as caught:
                ask("loop/key")
            assert caught.value.errno == errno.ELOOP

    def test_name_too_long(self, tmp_path):
        store = DirectoryStore(tmp_path)
        for ask in (store.__getitem__, store.__contains__, store.__delitem__):
            with pytest.raises(OSError) as caught:
                ask("k" * 1000)
            assert caught.value.errno == errno.ENAMETOOLONG

    def test_error_names_the_path(self, tmp_path):
        with pytest.raises(OSError, match="kkkk"):
            DirectoryStore(tmp_path)["k" * 1000]

    def test_too_many_open_files(self, tmp_path):
        code = """if True:
            import os, resource, sys
            from zarrc.storage import DirectoryStore
            store = DirectoryStore(sys.argv[1])
            store["a"] = b"1"
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
            try:
                store["a"]
            except OSError as error:
                print(error.errno)
        """
        assert run(code, tmp_path) == str(errno.EMFILE)

    def test_file_shrinks_under_the_reader(self, tmp_path, monkeypatch):
        store = DirectoryStore(tmp_path)
        store["a"] = b"0123456789"
        pread = os.pread

        def shrunk(file, count, offset):
            os.truncate(tmp_path / "a", 4)
            return pread(file, count, offset)

        monkeypatch.setattr(os, "pread", shrunk)
        with pytest.raises(OSError, match="before its size"):
            store["a"]

    def test_no_descriptor_is_left_open(self, tmp_path):
        store = DirectoryStore(tmp_path, durability="fsync")
        before = os.listdir("/proc/self/fd")
        store["a/b"] = b"1"
        for key in ("a", "a/b", "x"):
            store.get(key)
        with pytest.raises(IsADirectoryError):
            store["a"] = b"1"
        assert len(os.listdir("/proc/self/fd")) == len(before)


class TestLinks:
    def test_are_followed(self, tmp_path):
        outside = DirectoryStore(tmp_path / "outside")
        outside["x/y"] = b"123"
        store = DirectoryStore(tmp_path / "store")
        store["a"] = b"1"
        (store.root / "link").symlink_to(outside.root)
        assert sorted(store) == ["a", "link/x/y"]
        assert store["link/x/y"] == b"123"
        assert store.getsize_prefix() == 4

    def test_not_in_circles(self, tmp_path):
        store = DirectoryStore(tmp_path)
        store["a/x"] = b"1"
        store["b/y"] = b"1"
        (tmp_path / "a" / "up").symlink_to("..")
        (tmp_path / "a" / "across").symlink_to("../b")
        (tmp_path / "b" / "back").symlink_to("../a")
        assert {"a/x", "b/y", "a/across/y", "b/back/x"} <= set(store)
        assert len(store) < 12

    def test_removing_takes_the_link_away(self, tmp_path):
        outside = DirectoryStore(tmp_path / "outside")
        outside["x/y"] = b"123"
        store = DirectoryStore(tmp_path / "store")
        store["a/b"] = b"1"
        for name in ("link", "a/link"):
            (store.root / name).symlink_to(outside.root)
        store.rmdir("link")
        store.rmdir("a")
        assert store.listdir() == []
        assert list(outside) == ["x/y"]
        (store.root / "link").symlink_to(outside.root)
        store.rmdir()
        assert list(outside) == ["x/y"]

    def test_other_files_are_not_keys(self, tmp_path):
        store = DirectoryStore(tmp_path)
        store["a"] = b"1"
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "broken").symlink_to("nowhere")
        (tmp_path / "back\\slash").write_bytes(b"")
        assert list(store) == ["a"]
        assert "pipe" not in store
        assert "broken" not in store
        with pytest.raises(KeyError):
            store["broken"]


class TestTempStore:
    def test_name(self, tmp_path):
        store = TempStore(suffix=".end", prefix="start", dir=tmp_path)
        assert os.path.dirname(store.path) == os.fspath(tmp_path)
        assert os.path.basename(store.path).startswith("start")
        assert store.path.endswith(".end")

    def test_removed_with_the_object(self):
        store = TempStore()
        path = store.path
        store["a/b"] = b"1"
        copy = pickle.loads(pickle.dumps(store))
        assert copy["a/b"] == b"1"
        del copy
        gc.collect()
        assert os.path.exists(path)
        wrapped = KVStore(store)
        del store
        gc.collect()
        assert os.path.exists(path)
        del wrapped
        gc.collect()
        assert not os.path.exists(path)

    def test_removed_at_exit(self):
        code = """if True:
            from zarrc.storage import TempStore
            store = TempStore()
            store["a"] = b"1"
            print(store.path)
        """
        assert not os.path.exists(run(code))

    def test_not_removed_by_a_child(self):
        code = """if True:
            import gc, os, sys
            from zarrc.storage import TempStore
            store = TempStore()
            store["a"] = b"1"
            for leave in (lambda: sys.exit(0), lambda: globals().pop("store")):
                pid = os.fork()
                if pid == 0:
                    leave()
                    gc.collect()
                    sys.exit(0)
                assert os.waitpid(pid, 0)[1] == 0
                assert store["a"] == b"1"
            print(store.path)
        """
        assert not os.path.exists(run(code))
