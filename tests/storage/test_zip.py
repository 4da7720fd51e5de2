"""What the store in a Zip archive promises beyond the suite."""

from __future__ import annotations

import errno
import gc
import io
import os
import pickle
import stat
import threading
import zipfile

import numpy as np
import processes
import pytest

import zarrc
from zarrc.errors import PathNotFoundError, ReadOnlyError
from zarrc.storage import ZipStore, zip_archive, zip_format
from zarrc.testing import StoreTests


@pytest.mark.filterwarnings("ignore:Duplicate name")
class TestZipStore(StoreTests):
    def create_store(self, tmp_path):
        return ZipStore(f"{tmp_path}.zip")

    def reopen_store(self, store, tmp_path):
        return ZipStore(store.path)

    def read_only_store(self, store, tmp_path):
        return ZipStore(store.path, mode="r")

    def raw_get(self, store, key):
        store.flush()
        with zipfile.ZipFile(store.path) as archive:
            return archive.read(key)

    def test_there_is_read(self, tmp_path):
        """Archives that others made are read."""
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            archive.writestr("bar/", b"")
            archive.writestr("bar/zarr.json", b"1")
            archive.writestr("bar/c/Grüße", b"22", zipfile.ZIP_DEFLATED)
            archive.writestr("../outside", b"3")
            archive.writestr("/absolute", b"3")
        with ZipStore(tmp_path / "x.zip", mode="r") as store:
            assert dict(store) == {"bar/zarr.json": b"1", "bar/c/Grüße": b"22"}
            assert store.listdir("bar") == ["c", "zarr.json"]
            for key in ("../outside", "/absolute"):
                with pytest.raises(ValueError):
                    store[key]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
@pytest.mark.filterwarnings("ignore:Duplicate name")
class TestCompressed(StoreTests):
    n_many = n_bulk = 50
    large_nbytes = 1_000_000  # lzma is slow

    @pytest.fixture(autouse=True)
    def _method(self, method):
        self.method = method

    def create_store(self, tmp_path):
        return ZipStore(f"{tmp_path}.zip", self.method)

    def raw_get(self, store, key):
        store.flush()
        with zipfile.ZipFile(store.path) as archive:
            assert archive.getinfo(key).compress_type == self.method
            return archive.read(key)

    @pytest.mark.parametrize("nbytes", [0, 1, 4096, 1 << 20])  # larger ones take lzma long
    def test_sizes(self, store, nbytes):
        super().test_sizes(store, nbytes)


@pytest.fixture
def store(tmp_path):
    with ZipStore(tmp_path / "data.zip", mode="w") as store:
        yield store


def members(path):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {info.filename: archive.read(info) for info in archive.infolist()}


class TestModes:
    def test_missing(self, tmp_path):
        for mode in ("r", "r+"):
            with pytest.raises(FileNotFoundError):
                ZipStore(tmp_path / "x.zip", mode=mode)
        for mode in ("a", "w", "x"):
            with pytest.raises(FileNotFoundError):
                ZipStore(tmp_path / "no" / "x.zip", mode=mode)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("mode", ["a", "w", "x"])
    def test_made_at_once_and_valid(self, tmp_path, mode):
        with ZipStore(tmp_path / "x.zip", mode=mode):
            assert members(tmp_path / "x.zip") == {}
        assert members(tmp_path / "x.zip") == {}

    def test_there(self, tmp_path):
        with ZipStore(tmp_path / "x.zip", mode="w") as store:
            store["old"] = b"1"
        with pytest.raises(FileExistsError):
            ZipStore(tmp_path / "x.zip", mode="x")
        for mode in ("r+", "a"):
            with ZipStore(tmp_path / "x.zip", mode=mode) as store:
                store[mode] = b"2"
        assert members(tmp_path / "x.zip") == {"old": b"1", "r+": b"2", "a": b"2"}
        with ZipStore(tmp_path / "x.zip", mode="w") as store:
            assert list(store) == []
        assert members(tmp_path / "x.zip") == {}

    def test_wrong(self, tmp_path):
        with pytest.raises(ValueError, match="mode"):
            ZipStore(tmp_path / "x.zip", mode="rw")
        with pytest.raises(ValueError, match="compression"):
            ZipStore(tmp_path / "x.zip", compression=99)

    def test_open_by_suffix(self, tmp_path):
        path = tmp_path / "x.zip"
        for mode in ("r", "r+"):
            with pytest.raises(PathNotFoundError):
                zarrc.open(path, mode=mode)
        for value in (1, 2):  # the second time it replaces the archive, without a warning and without waste
            array = zarrc.open(path, mode="w", shape=(100,), chunks=(10,), dtype="i4")
            assert type(array.store) is ZipStore
            array[...] = value
            array.store.close()
            size = path.stat().st_size
        assert size == sum(2 * len(key) + 76 + len(value) for key, value in members(path).items()) + 22
        again = zarrc.open(path, mode="r")
        assert again.store.read_only
        assert (again[...] == 2).all()
        again.store.close()
        with pytest.raises(ValueError), zarrc.open(path, mode="w-", shape=1).store:
            pass
        gc.collect()


class TestDuplicates:
    def test_warn(self, store):
        store["a"] = b"1"
        with pytest.warns(UserWarning, match="Duplicate name: 'a'"):
            store["a"] = b"2"
        assert store["a"] == b"2"
        assert len(store) == 1
        store.flush()
        assert members(store.path) == {"a": b"2"}

    @pytest.mark.parametrize(
        "replace",
        [
            lambda array: array.store.__setitem__("0", b"2"),
            lambda array: array.store.setitems({"0": b"2"}),
            lambda array: array.__setitem__(..., 43),
            lambda array: array.__setitem__(1, 43),
        ],
    )
    def test_warnings_point_at_the_users_line(self, store, replace):
        array = zarrc.array([1, 2], chunks=1, store=store)
        with pytest.warns(UserWarning, match="Duplicate name") as caught:
            replace(array)
        assert {warning.filename for warning in caught} == {__file__}

    def test_warning_as_an_error_writes_nothing(self, store):
        store["a"] = b"1"
        with pytest.raises(UserWarning):
            store.setitems({"b": b"2", "a": b"2"})
        assert dict(store) == {"a": b"1"}

    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_documented_cases(self, tmp_path):
        with ZipStore(tmp_path / "x.zip", mode="w") as store:
            z = zarrc.zeros(100, chunks=10, store=store)
            z[...] = 42
            with pytest.warns(UserWarning, match="Duplicate name: '0'"):
                z[...] = 42
        with ZipStore(tmp_path / "x.zip", mode="w") as store:
            z = zarrc.zeros(100, chunks=10, store=store)
            z[5:15] = 42
            with pytest.warns(UserWarning, match="Duplicate name: '1'"):
                z[15:25] = 42


class TestDeletingAndCompacting:
    def test_deleted_is_gone(self, store):
        store.setitems({"a": b"1", "b/c": b"2", "b/d": b"3"})
        store.flush()
        del store["a"]
        store.rmdir("b")
        assert list(store) == []
        store["again"] = b"4"
        store.flush()
        assert members(store.path) == {"again": b"4"}

    @pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    @pytest.mark.filterwarnings("ignore:Duplicate name")
    def test_compact(self, tmp_path, method):
        with ZipStore(tmp_path / "x.zip", method, mode="w") as store:
            for i in range(20):
                store["a"] = os.urandom(100_000)
                store[f"{i}"] = b"%d" % i
                store.flush()
            expected = dict(store)
            os.chmod(store.path, 0o640)
            before = os.path.getsize(store.path)
            reader, old = store._archive.state
            store.compact()
            assert os.path.getsize(store.path) < before / 10
            assert stat.S_IMODE(os.stat(store.path).st_mode) == 0o640
            assert dict(store) == expected == members(store.path)
            assert os.pread(reader.number, 4, old["a"].offset) == b"PK\3\4"  # for those who are reading
            store["more"] = b"1"
        assert members(tmp_path / "x.zip") == {**expected, "more": b"1"}
        assert os.listdir(tmp_path) == ["x.zip"]

    def test_archives_of_others(self, tmp_path):
        """Written as streams are, with a prefix, folders and comments."""

        class Stream(io.RawIOBase):
            def __init__(self):
                self.data = bytearray()

            def writable(self):
                return True

            def write(self, data):
                self.data += data
                return len(data)

        stream = Stream()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("dir/", b"")
            archive.writestr("dir/a", b"1" * 1000, zipfile.ZIP_DEFLATED)
            archive.writestr("dir/b", b"2" * 1000)
            archive.comment = b"a comment"
        (tmp_path / "x.zip").write_bytes(b"#!/bin/sh\n" + stream.data)
        expected = {"dir/a": b"1" * 1000, "dir/b": b"2" * 1000}
        with ZipStore(tmp_path / "x.zip") as store:
            assert dict(store) == expected
            store["c"] = b"3"
            store.flush()
            assert members(store.path) == {"dir/": b"", **expected, "c": b"3"}
            store.compact()
            assert dict(store) == {**expected, "c": b"3"}
        assert members(tmp_path / "x.zip") == {"dir/": b"", **expected, "c": b"3"}

    def test_failing_leaves_the_archive(self, store, monkeypatch):
        store["a"] = b"1"
        store.flush()

        def fail(*_):
            raise OSError(errno.ENOSPC, "full")

        monkeypatch.setattr(zip_archive.os, "replace", fail)
        with pytest.raises(OSError, match="full"):
            store.compact()
        assert dict(store) == members(store.path) == {"a": b"1"}
        assert os.listdir(os.path.dirname(store.path)) == ["data.zip"]


class TestClosing:
    def test_when_no_longer_referred_to(self, tmp_path):
        store = ZipStore(tmp_path / "x.zip", mode="w")
        store["a"] = b"1"
        del store
        gc.collect()
        assert members(tmp_path / "x.zip") == {"a": b"1"}

    @pytest.mark.parametrize("end", ["", "raise RuntimeError", "sys.exit(3)"])
    def test_at_the_end_of_the_program(self, tmp_path, end):
        code = (
            "import sys, zarrc\n"
            "store = zarrc.ZipStore(sys.argv[1], mode='w')\n"
            "z = zarrc.zeros(100, chunks=10, store=store)\n"
            "z[...] = 42\n" + end
        )
        process = processes.start(code, tmp_path / "x.zip")
        process.communicate(timeout=60)
        assert process.returncode == {"": 0, "raise RuntimeError": 1, "sys.exit(3)": 3}[end]
        assert len(members(tmp_path / "x.zip")) == 11

    def test_closed(self, store):
        store["a"] = b"1"
        store.close()
        store.close()
        store.flush()
        for act in (
            lambda: store["a"],
            lambda: "a" in store,
            lambda: list(store),
            lambda: store.__setitem__("a", b"1"),
            lambda: store.listdir(),
        ):
            with pytest.raises(ValueError, match="closed"):
                act()

    def test_stores_of_one_path_share_it(self, store):
        store["a"] = b"1"
        other = pickle.loads(pickle.dumps(store))
        other["b"] = b"2"
        assert store["b"] == b"2"
        store.close()
        other["c"] = b"3"
        other.close()
        assert members(store.path) == {"a": b"1", "b": b"2", "c": b"3"}

    def test_opened_anew_for_writing(self, tmp_path):
        old = ZipStore(tmp_path / "x.zip", mode="w")
        old["a"] = b"1"
        with ZipStore(tmp_path / "x.zip", mode="w") as store:
            store["b"] = b"2"
            old.close()
        assert members(tmp_path / "x.zip") == {"b": b"2"}

    def test_replaced_by_another_file(self, store, tmp_path):
        store["a"] = b"1"
        os.unlink(store.path)
        with zipfile.ZipFile(store.path, "w") as archive:
            archive.writestr("b", b"2")
        with ZipStore(store.path) as other:
            assert dict(other) == {"b": b"2"}
        assert store["a"] == b"1"


class TestProcesses:
    def test_one_writes(self, store):
        store["a"] = b"1"
        store.flush()
        code = (
            "import sys; from zarrc.storage import ZipStore\n"
            "store = ZipStore(sys.argv[1]); assert dict(store) == {'a': b'1'}\n"
            "try: store['b'] = b'2'\n"
            "except BlockingIOError as e: print(e)"
        )
        assert "another process is writing" in processes.run(code, store.path)
        store.close()
        assert processes.run(code, store.path) == ""
        assert members(store.path) == {"a": b"1", "b": b"2"}

    @pytest.mark.parametrize("mode", ["r", "r+", "a", "w"])
    def test_opened_while_another_writes(self, store, mode):
        """It has no directory meanwhile, and is not taken for a damaged one."""
        store["a"] = b"1"
        code = (
            "import sys; from zarrc.storage import ZipStore\n"
            "try: ZipStore(sys.argv[1], mode=sys.argv[2])\n"
            "except BlockingIOError as e: print(e)"
        )
        assert "another process is writing" in processes.run(code, store.path, mode)
        store.close()
        assert members(store.path) == {"a": b"1"}

    def test_finds_what_another_has_written_since(self, tmp_path):
        ZipStore(tmp_path / "x.zip").close()
        with ZipStore(tmp_path / "x.zip") as store:
            code = "import sys; from zarrc.storage import ZipStore; ZipStore(sys.argv[1])['a'] = b'1'"
            processes.run(code, store.path)
            store["b"] = b"2"
            assert dict(store) == {"a": b"1", "b": b"2"}

    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_forked_children_read_only(self, store):
        store["a"] = b"1"

        def work():
            assert store["a"] == b"1"
            with pytest.raises(ReadOnlyError, match="parent"):
                store["b"] = b"2"
            store.close()

        processes.fork(work)
        store["c"] = b"3"
        store.close()
        assert members(store.path) == {"a": b"1", "c": b"3"}

    def test_readers_keep_what_they_opened(self, store):
        store.setitems({"a": b"1" * 1000, "b": b"2"})
        store.flush()
        code = (
            "import sys; from zarrc.storage import ZipStore\n"
            "store = ZipStore(sys.argv[1], mode='r'); print(flush=True); input()\n"
            "print({k: v[:3] for k, v in store.items()})"
        )
        process = processes.start(code, store.path)
        process.stdout.readline()
        with pytest.warns(UserWarning, match="Duplicate"):
            store["a"] = b"new"
        del store["b"]
        store.compact()
        out, err = process.communicate("\n", timeout=60)
        assert out.strip() == "{'a': b'111', 'b': b'2'}", err


class TestRecover:
    """An archive whose writer was killed."""

    def test_killed(self, tmp_path):
        code = (
            "import os, sys; from zarrc.storage import ZipStore\n"
            "store = ZipStore(sys.argv[1], mode='w')\n"
            "store.setitems({f'a/{i}': b'%d' % i * 100 for i in range(20)}); del store['a/3']; store.flush()\n"
            "store['é'] = b'new'; store['empty'] = b''; store['late'] = b'x' * 1000\n"
            "os.kill(os.getpid(), 9)"
        )
        path = tmp_path / "x.zip"
        process = processes.start(code, path)
        process.communicate(timeout=60)
        with pytest.raises(zipfile.BadZipFile, match=r"ZipStore\.recover"):
            ZipStore(path)
        os.truncate(path, os.path.getsize(path) - 10)  # in the middle of the last one
        assert ZipStore.recover(path) == 21
        expected = {f"a/{i}": b"%d" % i * 100 for i in range(20) if i != 3} | {"é": b"new", "empty": b""}
        with ZipStore(path) as store:
            assert dict(store) == expected
            store["more"] = b"1"
        assert ZipStore.recover(path) == 22
        with zipfile.ZipFile(path) as others:
            assert others.testzip() is None
            assert {name: others.read(name) for name in others.namelist()} == {**expected, "more": b"1"}

    @pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
    def test_compressed(self, tmp_path, method):
        path = tmp_path / "x.zip"
        with ZipStore(path, compression=method) as store:
            store.setitems({"a": bytes(1000), "b": b"b" * 1000})
            end = store._archive.end
        os.truncate(path, end)
        assert ZipStore.recover(path) == 2
        with ZipStore(path) as store:
            assert dict(store) == {"a": bytes(1000), "b": b"b" * 1000}

    def test_damaged_bytes_are_left_out(self, tmp_path):
        path = tmp_path / "x.zip"
        with ZipStore(path) as store:
            store.setitems({"a": bytes(1000), "b": bytes(1000)})
            end = store._archive.end
        os.truncate(path, end)
        with open(path, "r+b") as file:
            file.seek(end - 1)
            file.write(b"x")
        assert ZipStore.recover(path) == 1

    def test_refused(self, tmp_path, store):
        (tmp_path / "no.zip").write_bytes(b"something else")
        with pytest.raises(zipfile.BadZipFile, match="no Zip members"):
            ZipStore.recover(tmp_path / "no.zip")
        with pytest.raises(FileNotFoundError):
            ZipStore.recover(tmp_path / "missing.zip")
        store["a"] = b"1"
        code = "import sys; from zarrc.storage import ZipStore; ZipStore.recover(sys.argv[1])"
        _, err = processes.start(code, store.path).communicate(timeout=60)
        assert "BlockingIOError" in err


class TestFailures:
    """None of them looks like a missing key."""

    @pytest.mark.parametrize("nbytes", [1, 21, 5000])
    def test_truncated(self, store, nbytes):
        store.setitems({f"{i}": b"%d" % i * 1000 for i in range(10)})
        store.close()
        os.truncate(store.path, os.path.getsize(store.path) - nbytes)
        with pytest.raises(zipfile.BadZipFile, match="truncated"):
            ZipStore(store.path)

    def test_truncated_while_open(self, store):
        store["a"] = bytes(100_000)
        os.truncate(store.path, 50_000)
        for act in (lambda: store["a"], lambda: store.get_partial("a", 90_000)):
            with pytest.raises(zipfile.BadZipFile, match="truncated"):
                act()

    def test_damaged(self, store):
        store.setitems({"a": bytes(1000), "b": bytes(1000)})
        with open(store.path, "r+b") as file:
            file.seek(500)
            file.write(b"x")
            file.seek(store._archive.state[1]["b"].offset)
            file.write(b"x")
        with pytest.raises(zipfile.BadZipFile, match="checksum"):
            store["a"]
        with pytest.raises(zipfile.BadZipFile, match="damaged"):
            store["b"]

    def test_no_archive(self, tmp_path):
        (tmp_path / "x.zip").write_bytes(b"something else" * 1000)
        for mode in ("r", "a"):
            with pytest.raises(zipfile.BadZipFile, match="no archive"):
                ZipStore(tmp_path / "x.zip", mode=mode)
        with pytest.raises(IsADirectoryError):
            ZipStore(tmp_path, mode="r")

    def test_links_and_encrypted_members(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            info = zipfile.ZipInfo("link")
            info.create_system = 3
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, b"/etc/passwd")
        with ZipStore(tmp_path / "x.zip") as store, pytest.raises(zipfile.BadZipFile, match="symbolic link"):
            store["link"]

    def test_full_disk_leaves_a_readable_archive(self, store, monkeypatch):
        store["a"] = b"1"
        store.flush()
        pwrite = os.pwrite

        def fail(file, data, at):
            if len(data) > 10_000:
                pwrite(file, data[:5000], at)
                raise OSError(errno.ENOSPC, "no space left")
            return pwrite(file, data, at)

        monkeypatch.setattr(zip_format.os, "pwrite", fail)
        with pytest.raises(OSError, match="no space left"):
            store["b"] = bytes(20_000)
        assert dict(store) == members(store.path) == {"a": b"1"}
        store["c"] = b"3"
        store.close()
        assert members(store.path) == {"a": b"1", "c": b"3"}

    def test_really_full_disk(self, small_disk):
        with ZipStore(small_disk / "x.zip") as store:
            store["a"] = b"1"
            with pytest.raises(OSError, match="No space") as caught:
                store["b"] = bytes(10_000_000)
            assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, store.path)
        assert members(small_disk / "x.zip") == {"a": b"1"}

    def test_file_too_large(self, tmp_path):
        code = (
            "import resource, signal, sys; from zarrc.storage import ZipStore\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "store = ZipStore(sys.argv[1]); store['a'] = b'1'; store.flush()\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
            "try: store['b'] = bytes(200_000)\n"
            "except OSError as e: print(e.errno)\n"
            "store['c'] = b'3'"
        )
        assert processes.run(code, tmp_path / "x.zip") == str(errno.EFBIG)
        assert members(tmp_path / "x.zip") == {"a": b"1", "c": b"3"}

    def test_needs_zip64(self, store):
        small = ZipStore(store.path, allowZip64=False)
        store._archive.end = zip_format._LIMIT_32 - 100
        with pytest.raises(zipfile.LargeZipFile):
            small["a"] = bytes(1000)
        store._archive.end = 0


@pytest.mark.slow
def test_zip64(tmp_path, monkeypatch):
    """Numbers beyond 32 bits, in a sparse file."""
    with ZipStore(tmp_path / "x.zip", mode="w") as store:
        store["first"] = b"1"
        store._archive.end = 5 << 30
        store["a"] = b"far away"
        monkeypatch.setattr(zip_format, "_LIMIT_32", 10)
        store["b"] = b"large, it says"
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.read("a") == b"far away"
        assert archive.read("b") == b"large, it says"
    monkeypatch.undo()
    with ZipStore(tmp_path / "x.zip") as store:
        expected = {"first": b"1", "a": b"far away", "b": b"large, it says"}
        assert dict(store) == expected
        store.compact()
        assert os.path.getsize(store.path) < 2000
        assert dict(store) == members(store.path) == expected


def test_more_members_than_fit_without_zip64(tmp_path):
    with ZipStore(tmp_path / "x.zip", mode="w") as store:
        store.setitems({f"{i}": b"" for i in range(66_000)})
    with ZipStore(tmp_path / "x.zip", mode="r") as store:
        assert len(store) == 66_000
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert len(archive.namelist()) == 66_000


def test_readers_go_on_while_it_is_compacted(store):
    store.setitems({f"{i}": os.urandom(1000) for i in range(100)})
    expected = dict(store)
    stop = threading.Event()
    failures = []

    def read():
        while not stop.is_set():
            if store.getitems(expected) != expected:
                failures.append("differs")

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        store.compact()
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_arrays(store):
    data = np.arange(10_000).reshape(100, 100)
    root = zarrc.group(store=store)
    root.zeros("foo/bar", shape=(100, 100), chunks=(10, 10), dtype="i8")[...] = data
    store.close()
    with ZipStore(store.path, mode="r") as again:
        np.testing.assert_array_equal(zarrc.group(store=again)["foo/bar"][...], data)
