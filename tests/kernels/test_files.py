"""Chunk files: whole or not there, named as the keys say, gone when empty, errors as the system gives them."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import subprocess
import sys
import threading

import numpy as np
import processes
import pytest
from processes import run

import zarrc
from zarrc.errors import CodecError
from zarrc.storage import DirectoryStore


@pytest.fixture
def store(tmp_path):
    return DirectoryStore(tmp_path / "store")


def files(store):
    return sorted(
        os.path.relpath(os.path.join(folder, name), store.path)
        for folder, _, names in os.walk(store.path)
        for name in names
    )


def make(store, **options):
    return zarrc.create(
        (4, 4), chunks=2, dtype="u1", store=store, path="a/b", **{"compressor": None, **options}
    )


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"dimension_separator": "."}, [f"a/b/{i}.{j}" for i in (0, 1) for j in (0, 1)]),
        ({"dimension_separator": "/"}, [f"a/b/{i}/{j}" for i in (0, 1) for j in (0, 1)]),
        ({"zarr_format": 3}, [f"a/b/c/{i}/{j}" for i in (0, 1) for j in (0, 1)]),
        (
            {"zarr_format": 3, "chunk_key_encoding": {"name": "default", "separator": "."}},
            [f"a/b/c.{i}.{j}" for i in (0, 1) for j in (0, 1)],
        ),
    ],
    ids=["dots", "slashes", "format-3", "format-3-dots"],
)
def test_names(store, options, names):
    make(store, **options)[...] = np.arange(16).reshape(4, 4)
    found = [name for name in files(store) if not name.endswith((".zarray", ".zgroup", "zarr.json"))]
    assert found == names
    assert (store.root / names[1]).read_bytes() == bytes([2, 3, 6, 7])


@pytest.mark.parametrize(("zarr_format", "name"), [(2, "a/b/0"), (3, "a/b/c")])
def test_name_without_axes(store, zarr_format, name):
    z = zarrc.create((), dtype="u1", store=store, path="a/b", zarr_format=zarr_format, compressor=None)
    z[...] = 7
    assert (store.root / name).read_bytes() == b"\7"


def test_large_coordinates(store):
    n = 2**62 - 1
    z = zarrc.zeros((n, 2), chunks=1, store=store, dtype="u1", compressor=None)
    z[n - 1, -1] = 5
    z[10**9, 0] = 6
    assert sorted(name for name in files(store) if name != ".zarray") == ["1000000000.0", f"{n - 1}.1"]
    assert (z[-1, 1], z[10**9, 0], z[0, 0]) == (5, 6, 0)


def test_files_are_replaced_and_not_changed(store):
    """Whoever has the old file open keeps on reading the old value."""
    z = make(store)
    z[...] = 1
    with open(store.root / "a/b/0.0", "rb") as old:
        inode = os.fstat(old.fileno()).st_ino
        z[0, 0] = 2
        assert old.read() == b"\1" * 4
    assert os.stat(store.root / "a/b/0.0").st_ino != inode
    assert (store.root / "a/b/0.0").read_bytes() == b"\2\1\1\1"
    assert not [name for name in files(store) if ".zarrc-" in name]


def test_files_obey_the_umask(store):
    before = os.umask(0o027)
    try:
        make(store)[...] = 1
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(store.root / "a/b/0.0").st_mode) == 0o640


def test_empty_chunks_are_removed(store):
    z = make(store, write_empty_chunks=False)
    z[...] = 1
    z[:2] = 0
    assert [name for name in files(store) if name[-1].isdigit()] == ["a/b/1.0", "a/b/1.1"]
    z[:2] = 0
    assert (z[:2] == 0).all()


def test_fsync(tmp_path):
    store = DirectoryStore(tmp_path / "store", durability="fsync")
    z = make(store, dimension_separator="/")
    z[...] = 3
    z[1] = 4
    assert z[:, 0].tolist() == [3, 4, 3, 3]


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_folders_are_synced_too(tmp_path):
    """With fsync: those that were made, the one they are in, and one that a file was removed from."""
    code = (
        "import sys, zarrc; store = zarrc.DirectoryStore(sys.argv[1] + '/store', durability='fsync')\n"
        "z = zarrc.create(store=store, path='a', shape=(4, 4), chunks=(2, 4), dtype='i4', compressor=None,"
        " dimension_separator='/', write_empty_chunks=False)\n"
        "print('write', file=sys.stderr, flush=True); z[0] = 1\n"
        "print('remove', file=sys.stderr, flush=True); z[0] = 0\n"
        "print('end', file=sys.stderr, flush=True)"
    )
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-y", "-e", "trace=fsync,write", "-o", str(trace), sys.executable, "-c", code]
    done = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, env={**os.environ, "PYTHONPATH": processes.PATH}
    )
    if "ptrace" in done.stderr.decode():
        pytest.skip("may not trace a process")
    assert done.returncode == 0, done.stderr
    part, synced = "", {"write": [], "remove": []}
    for line in trace.read_text().splitlines():
        for name in ("write", "remove", "end"):
            if f'"{name}' in line and "write(2" in line:
                part = name
        found = re.search(r"fsync\(\d+<([^>]*)>", line)
        if found and part in synced and os.path.isdir(found[1]):
            synced[part].append(os.path.relpath(found[1], tmp_path))
    assert synced["write"] == ["store/a/0", "store/a"]
    assert synced["remove"] == ["store/a/0"]


@pytest.mark.parametrize("nbytes", [2**16 - 1, 2**16, 2**16 + 1, 10**6, 3 * 10**6])
def test_files_of_any_size(store, nbytes):
    """Below, at and above the size of the first read."""
    from zarrc.codecs import Crc32cCodec

    a = np.random.default_rng(0).integers(0, 256, nbytes, "u1")
    z = zarrc.create_array(store, data=a, chunks=nbytes, compressors=[Crc32cCodec()])
    assert z[...].tobytes() == a.tobytes()
    assert os.path.getsize(store.root / "c/0") == nbytes + 4


class TestAbsent:
    @pytest.mark.parametrize("compressor", [None, zarrc.codecs.Zstd()], ids=["plain", "zstd"])
    def test_a_folder_is_not_a_chunk(self, store, compressor):
        z = make(store, compressor=compressor, fill_value=9)
        z[...] = 1
        (store.root / "a/b/0.0").unlink()
        (store.root / "a/b/0.0/below").mkdir(parents=True)
        assert (z[:2, :2] == 9).all()
        for value in (2, [[1, 2], [3, 4]]):
            with pytest.raises(IsADirectoryError) as caught:
                z[:2, :2] = value
            assert caught.value.filename == os.fspath(store.root / "a/b/0.0")
        with pytest.raises(IsADirectoryError):
            z[0, 0] = 2
        assert not [name for name in files(store) if ".zarrc-" in name]
        assert (z[2:] == 1).all()

    def test_a_file_where_a_folder_should_be(self, store):
        z = make(store, dimension_separator="/", fill_value=9)
        (store.root / "a/b/1").write_bytes(b"")
        assert (z[...] == 9).all()
        with pytest.raises(NotADirectoryError):
            z[3, 3] = 1

    def test_the_folder_is_gone(self, store):
        import shutil

        z = make(store, fill_value=9)
        z[...] = 1
        shutil.rmtree(store.path)
        assert (z[...] == 9).all()
        z[0, 0] = 3
        assert (z[0, 0], z[0, 1]) == (3, 9)

    def test_links(self, store, tmp_path):
        z = make(store, fill_value=9)
        z[...] = 1
        os.unlink(store.root / "a/b/0.0")
        os.symlink(tmp_path / "nowhere", store.root / "a/b/0.0")
        assert z[0, 0] == 9
        z[0, 0] = 2
        assert not (store.root / "a/b/0.0").is_symlink()
        assert (z[0, 0], z[0, 1]) == (2, 9)

    def test_a_folder_that_leads_nowhere(self, store, tmp_path):
        z = make(store, fill_value=9, dimension_separator="/")
        os.symlink(tmp_path / "nowhere", store.root / "a/b/0")
        assert z[0, 0] == 9
        with pytest.raises(OSError, match=os.strerror(errno.ENOENT)):
            z[0, 0] = 1


class TestSizes:
    @pytest.mark.parametrize("size", [0, 3, 5, 4096])
    @pytest.mark.parametrize("selection", [..., (0, 0), (slice(None), 0), (slice(1, None, -1), 1)], ids=str)
    def test_an_uncompressed_file_of_another_size(self, store, size, selection):
        z = make(store)
        z[...] = 1
        (store.root / "a/b/0.0").write_bytes(b"\1" * size)
        with pytest.raises(CodecError, match=r"chunk '0.0' of array '/a/b': not 4 bytes long"):
            z[selection]
        with pytest.raises(CodecError, match="not 4 bytes long"):
            z[0, 0] = 2
        assert (store.root / "a/b/0.0").read_bytes() == b"\1" * size
        z[:2] = 3
        assert (z[:2] == 3).all()

    def test_long_paths(self, tmp_path):
        with pytest.raises((OSError, ValueError)):
            zarrc.zeros(4, store=DirectoryStore(tmp_path), path="/".join(["x" * 200] * 50))
        with pytest.raises(OSError, match="name too long"):
            zarrc.zeros(4, store=DirectoryStore(tmp_path), path="x" * 300)


@pytest.mark.parametrize("order", ["C", "F"])
def test_parts_of_uncompressed_files_are_read_alone(store, order):
    """What is asked of the system is not much more than what is wanted."""
    if not os.path.exists("/proc/self/io"):
        pytest.skip("needs /proc/self/io")
    a = np.arange(128**3, dtype="i8").reshape(128, 128, 128)
    z = zarrc.array(a, chunks=128, store=store, compressor=None, order=order)

    def nbytes_read(selection):
        with open("/proc/self/io") as file:
            before = int(file.read().split()[1])
        assert (z[selection] == a[selection]).all()
        with open("/proc/self/io") as file:
            return int(file.read().split()[1]) - before

    plane = 128 * 128 * 8
    cases = [
        ((5, 6, 7), 8),
        ((3, 4), 1024),
        ((slice(None), 3, 4), 1024),
        ((slice(None, None, -50), -1, slice(2, 9, 3)), 72),
    ]
    for selection, wanted in cases:
        assert wanted <= nbytes_read(selection) < wanted + 128 * 4200
    contiguous = {"C": 3, "F": (..., 3)}[order]
    assert plane <= nbytes_read(contiguous) < plane + 4096


def test_readers_see_old_or_new_values_only(store):
    """One thread replaces a chunk again and again; what others read is never a mixture."""
    z = zarrc.create((1000,), chunks=1000, dtype="u4", store=store, compressor=None, fill_value=0)
    wrong, stop = [], threading.Event()

    def read():
        mine = zarrc.open_array(store, mode="r")
        while not stop.is_set():
            found = mine[:]
            if found.min() != found.max():
                wrong.append(found)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in readers:
        thread.start()
    for value in range(300):
        z[:] = value
    stop.set()
    for thread in readers:
        thread.join()
    assert not wrong


DISK_FULL = """if True:
    import errno, os, resource, signal, sys, numpy as np, zarrc
    folder, compressor, limited = sys.argv[1], sys.argv[2], sys.argv[3] == "limit"
    compressor = None if compressor == "none" else zarrc.codecs.Zstd()
    old = np.random.default_rng(0).integers(0, 256, 400_000, "u1")
    z = zarrc.array(old, chunks=100_000, store=zarrc.DirectoryStore(folder), path="z", compressor=compressor)
    w = zarrc.zeros(2_000_000, chunks=1_000_000, store=zarrc.DirectoryStore(folder), path="w", dtype="u1",
                    compressor=compressor)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    if limited:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        writes = [(z, slice(0, 100_000)), (z, slice(5, 7)), (w, slice(None))]
    else:  # the disk is full for whole chunks of the second array
        writes = [(w, slice(None)), (w, slice(3, 1_000_000))]
    new = np.random.default_rng(1).integers(0, 256, 2_000_000, "u1")
    for array, place in writes:
        try:
            array[place] = new[place][: array[place].size]
        except OSError as error:
            assert error.errno == (errno.EFBIG if limited else errno.ENOSPC), error
            assert error.filename.startswith(folder), error.filename
        else:
            raise AssertionError("written")
    assert z[:].tobytes() == old.tobytes()
    assert not w[:].any()
    left = [name for _, _, names in os.walk(folder) for name in names if name.startswith(".zarrc-")]
    assert not left, left
    print("done")
"""


@pytest.mark.parametrize("compressor", ["none", "zstd"])
def test_a_file_that_may_not_grow(tmp_path, compressor):
    assert run(DISK_FULL, tmp_path, compressor, "limit") == "done"


@pytest.mark.parametrize("compressor", ["none", "zstd"])
def test_a_full_disk(tmp_path, compressor):
    import subprocess

    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tmp_path],
            check=True,
            capture_output=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        pytest.skip("mounting a small tmpfs takes root: run the tests as root in a container")
    try:
        assert run(DISK_FULL, tmp_path, compressor, "disk") == "done"
    finally:
        subprocess.run(["umount", tmp_path], check=True, timeout=10)


PERMISSION = """if True:
    import os, sys, numpy as np, zarrc
    folder = sys.argv[1]
    z = zarrc.array(np.arange(8, dtype="u1"), chunks=4, store=zarrc.DirectoryStore(folder), fill_value=0,
                    compressor=None if sys.argv[2] == "none" else zarrc.codecs.Zstd())
    closed = os.path.join(folder, "1")
    os.chmod(closed, 0)
    os.chmod(folder, 0o755)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
    else:
        os.chmod(folder, 0o555)
    assert z[:4].tolist() == [0, 1, 2, 3]
    def refused(name, action):
        try:
            action()
        except PermissionError as error:
            assert error.filename == os.path.join(folder, name), error.filename
        else:
            raise AssertionError(name)
    refused("1", lambda: z[:])
    refused("1", lambda: z[5])
    refused("1", lambda: z.__setitem__(5, 1))
    refused("0", lambda: z.__setitem__(0, 1))
    refused("0", lambda: z.__setitem__(slice(4), 1))
    refused("0", lambda: z.with_config({"write_empty_chunks": False}).__setitem__(slice(4), 0))
    assert sorted(os.listdir(folder)) == [".zarray", "0", "1"]
    print("done")
"""


@pytest.mark.parametrize("compressor", ["none", "zstd"])
def test_refused_permission_is_no_missing_chunk(compressor):
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix="zarrc-test-")  # pytest's own folders are closed to others
    try:
        os.chmod(folder, 0o755)
        assert run(PERMISSION, folder, compressor) == "done"
    finally:
        os.chmod(folder, 0o755)
        shutil.rmtree(folder)
