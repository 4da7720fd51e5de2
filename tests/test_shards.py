"""What is stored in shards: read and written in part, never torn, lost or trusted unchecked."""

import re
import shutil
import struct
import subprocess
import sys
import textwrap
import threading
from collections import Counter

import google_crc32c
import numpy as np
import pytest

import zarrc
from zarrc.codecs import BytesCodec, Crc32cCodec, ShardingCodec, TransposeCodec, ZstdCodec
from zarrc.errors import ChecksumError, ChunkNotFoundError, CodecError

NOWHERE = 2**64 - 1


def make(store, **settings):
    settings = {
        "shape": (8, 12),
        "chunks": (2, 3),
        "shards": (4, 6),
        "dtype": "i4",
        "fill_value": 0,
    } | settings
    return zarrc.create_array(store, **settings)


def numbers(shape=(8, 12)):
    return np.arange(1, 1 + np.prod(shape), dtype="i4").reshape(shape)


def index_of(shard, n=4, *, at_start=False):
    """Offsets and sizes that a shard with a checked index says."""
    nbytes = 16 * n + 4
    stored = shard[:nbytes] if at_start else shard[-nbytes:]
    assert struct.unpack("<I", stored[-4:]) == (google_crc32c.value(stored[:-4]),)
    values = struct.unpack(f"<{2 * n}Q", stored[:-4])
    return list(zip(values[::2], values[1::2], strict=True))


def with_index(shard, entries):
    """The shard with another index, of which the checksum is right."""
    values = struct.pack(f"<{2 * len(entries)}Q", *[number for entry in entries for number in entry])
    return shard[: -len(values) - 4] + values + struct.pack("<I", google_crc32c.value(values))


class Counting(zarrc.MemoryStore):
    """Counts what is asked of it."""

    def __init__(self):
        super().__init__()
        self.asked = Counter()
        self.values = {}

    def __getitem__(self, key):
        self.asked["get", key] += 1
        return self.values[key]

    def __setitem__(self, key, value):
        self.asked["set", key] += 1
        self.values[key] = bytes(value)

    def __delitem__(self, key):
        del self.values[key]

    def __contains__(self, key):
        return key in self.values

    def __iter__(self):
        return iter(list(self.values))

    def __len__(self):
        return len(self.values)

    def get_partial(self, key, start, nbytes=None):
        self.asked["part", key] += 1
        value = self.values[key][start:]
        return value if nbytes is None else value[:nbytes]


class Versioned(Counting):
    """Names the versions of its values."""

    def get_partials(self, ranges, versions=None):
        self.asked["parts"] += len(ranges)
        found = []
        for key, start, nbytes in ranges:
            if key not in self.values:
                found.append(None)
                continue
            version = str(hash(self.values[key]))
            if versions is not None and versions.setdefault(key, version) != version:
                found.append(None)
            else:
                found.append(self.values[key][start:][:nbytes])
        return found


# ----------------------------------------------------------------- the format


def test_a_shard_holds_its_chunks_in_order_and_then_the_index():
    store = {}
    z = make(store, compressors=None)
    z[:] = numbers()
    shard = store["c/0/1"]
    index = index_of(shard)
    assert index == [(24 * k, 24) for k in range(4)]
    found = [np.frombuffer(shard[a : a + n], "<i4").reshape(2, 3) for a, n in index]
    np.testing.assert_array_equal(np.block([found[:2], found[2:]]), numbers()[:4, 6:])


def test_the_index_may_come_first():
    store = {}
    z = make(store, compressors=None, shards={"shape": (4, 6), "index_location": "start"})
    z[:] = numbers()
    assert index_of(store["c/1/0"], at_start=True) == [(68 + 24 * k, 24) for k in range(4)]
    np.testing.assert_array_equal(z[:], numbers())


def test_empty_chunks_take_no_bytes():
    store = {}
    z = make(store, compressors=None)
    z[1, 1] = 5
    assert index_of(store["c/0/0"]) == [(0, 24), *[(NOWHERE, NOWHERE)] * 3]
    assert set(store) == {"zarr.json", "c/0/0"}
    z[1, 1] = 0
    assert set(store) == {"zarr.json"}
    z = make({}, config={"write_empty_chunks": True}, compressors=None)
    z[1, 1] = 0
    assert index_of(z.store["c/0/0"]) == [(0, 24), *[(NOWHERE, NOWHERE)] * 3]  # the others are as they were
    z[:4, :6] = 0
    assert len(z.store["c/0/0"]) == 4 * 24 + 68


def test_chunks_outside_of_the_array_are_empty():
    store = {}
    z = make(store, shape=(5, 7), compressors=None)
    z[:] = numbers((5, 7))
    assert index_of(store["c/1/1"]) == [(0, 24), *[(NOWHERE, NOWHERE)] * 3]
    np.testing.assert_array_equal(z[:], numbers((5, 7)))


def test_a_grown_array_keeps_what_its_last_shards_hold():
    z = make({}, shape=(5, 7))
    z[:] = numbers((5, 7))
    z.resize(8, 12)
    z[7, 11] = -1
    expected = np.zeros((8, 12), "i4")
    expected[:5, :7] = numbers((5, 7))
    expected[7, 11] = -1
    np.testing.assert_array_equal(z[:], expected)


def test_append():
    z = make({}, shape=(0, 12))
    for n in (3, 1, 5, 8):
        z.append(numbers((n, 12)))
    np.testing.assert_array_equal(z[:], np.concatenate([numbers((n, 12)) for n in (3, 1, 5, 8)]))


@pytest.mark.parametrize(
    ("codecs", "chunks"),
    [
        ([ShardingCodec((4, 6), [ShardingCodec((2, 3), [BytesCodec(), ZstdCodec()])])], (4, 6)),
        ([ShardingCodec((2, 3), [BytesCodec("big"), ZstdCodec()]), Crc32cCodec()], (2, 3)),
        ([TransposeCodec((1, 0)), ShardingCodec((3, 2), [TransposeCodec((1, 0)), BytesCodec()])], (2, 3)),
        ([ShardingCodec((2, 3), index_codecs=[BytesCodec("big")])], (2, 3)),
        (
            [ShardingCodec((2, 3), index_codecs=[TransposeCodec((2, 0, 1)), BytesCodec(), Crc32cCodec()])],
            (2, 3),
        ),
    ],
)
def test_shards_in_shards_and_other_codecs_around_them(tmp_path, codecs, chunks):
    z = zarrc.create_array(tmp_path, shape=(13, 17), chunks=(8, 12), codecs=codecs, dtype="i4", fill_value=7)
    assert (z.chunks, z.shards) == (chunks, (8, 12))
    expected = np.full((13, 17), 7, "i4")
    for region in (np.s_[3:9, 2:16], np.s_[12], np.s_[::5, 4:6]):
        expected[region] = z[region] = numbers((13, 17))[region]
    np.testing.assert_array_equal(zarrc.open_array(tmp_path, mode="r")[:], expected)


# -------------------------------------------------------- only what is touched


def test_a_partial_write_carries_the_other_chunks_over():
    store = {}
    z = make(store, compressors=None)
    z[:] = numbers()
    broken = bytearray(store["c/0/0"])
    broken[24:48] = b"?" * 24  # chunk 1: never decoded
    store["c/0/0"] = bytes(broken)
    z[3, 0] = -1
    (a, n), *_ = index_of(store["c/0/0"])[1:]
    assert store["c/0/0"][a : a + n] == b"?" * 24
    expected = numbers()
    expected[3, 0] = -1
    np.testing.assert_array_equal(z[2:4], expected[2:4])


def test_of_a_chunk_that_is_replaced_the_old_one_is_not_read():
    store = {}
    z = make(store)
    z[:] = numbers()
    shard = store["c/0/0"]
    (a, n), *rest = index_of(shard)
    store["c/0/0"] = with_index(b"?" * n + shard[a + n :], [(a, n), *rest])
    with pytest.raises(CodecError, match="zstd"):
        z[0, 0]
    z[:2, :3] = 4
    assert (z[:2, :3] == 4).all()
    np.testing.assert_array_equal(z[2:], numbers()[2:])


def test_requests_are_for_the_index_and_what_is_wanted():
    store = Counting()
    z = make(store, compressors=None)
    z[:] = numbers()
    store.asked.clear()
    assert z[0, 0] == 1
    assert store.asked == {("part", "c/0/0"): 2}
    store.asked.clear()
    np.testing.assert_array_equal(z[:2, :6], numbers()[:2, :6])  # two neighbours, asked for together
    assert store.asked == {("part", "c/0/0"): 2}
    store.asked.clear()
    np.testing.assert_array_equal(z[:4, :6], numbers()[:4, :6])  # all of it
    assert store.asked == {("get", "c/0/0"): 1}
    store.asked.clear()
    assert z[7, 11] == 96
    del store.values["c/1/1"]
    assert z[7, 11] == 0


def test_an_index_is_kept_as_long_as_its_version_is_there():
    store = Versioned()
    z = make(store, compressors=None)
    z[:] = numbers()
    store.asked.clear()
    assert (z[0, 0], store.asked["parts"]) == (1, 2)
    assert (z[0, 3], store.asked["parts"]) == (4, 3)
    other = make({}, compressors=None)
    other[0, 3] = 77  # another place for the same chunk
    store.values["c/0/0"] = other.store["c/0/0"]
    assert (z[0, 3], store.asked["parts"]) == (77, 6)
    assert (z[0, 3], store.asked["parts"]) == (77, 7)


def test_what_changes_all_the_time_is_an_error():
    class Restless(Versioned):
        def get_partials(self, ranges, versions=None):
            found = super().get_partials(ranges, versions)
            return [None] * len(ranges) if all(start >= 0 for _, start, _ in ranges) else found

    z = make(Restless(), compressors=None)
    z[:] = numbers()
    with pytest.raises(CodecError, match=r"c/0/0.*changes faster"):
        z[0, 0]


def test_a_copy_writes_each_shard_once():
    store = Counting()
    z = make(store, shape=(64, 64), chunks=(4, 4), shards=(16, 16))
    source = zarrc.array(numbers((64, 64)), chunks=(7, 7))
    z[:] = source
    np.testing.assert_array_equal(z[:], numbers((64, 64)))
    assert {asked for key, asked in store.asked.items() if key[0] == "set"} == {1}


@pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace counts the calls ('make services' gets it)"
)
def test_system_calls(tmp_path):
    z = make(tmp_path / "x", compressors=None, shape=(64, 64), chunks=(4, 4), shards=(32, 32))
    z[:] = numbers((64, 64))
    code = textwrap.dedent(f"""
        import os, time, zarrc
        z = zarrc.open_array({str(tmp_path / "x")!r}, mode="r")
        time.sleep(0.05)    # older than a tick of the clock
        for step in range(4):
            try:
                os.open("/step", os.O_RDONLY)
            except OSError:
                pass
            assert z[[0, 40, 41, 9][step], 20] == [21, 2581, 2645, 597][step]
        """)
    command = ["strace", "-f", "-e", "trace=pread64,openat", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("tracing is not permitted here")
    assert done.returncode == 0, done.stderr[-2000:]
    steps = done.stderr.split('"/step"')[1:]
    assert [len(re.findall(r"pread64\(", step)) for step in steps] == [2, 2, 1, 1]


# ------------------------------------------------------- indexes kept and dropped


def rewrite(path, code):
    body = f"import os, numpy as np, zarrc\nz = zarrc.open_array({str(path)!r}, mode='r+')\n{code}"
    subprocess.run([sys.executable, "-c", body], check=True, timeout=120)


@pytest.mark.parametrize(
    "code",
    [
        "z[:] = np.arange(96)[::-1].reshape(8, 12) % 7",
        "z[0, 0] = 1000",
        "z[:] = 0\nz[0, 3] = 9",
    ],
)
def test_what_another_process_writes_is_seen_at_once(tmp_path, code):
    z = make(tmp_path, compressors=None)
    z[:] = numbers()
    threading.Event().wait(0.05)
    assert z[0, 3] == 4  # its index is known now
    rewrite(tmp_path, code)
    np.testing.assert_array_equal(z[:], zarrc.open_array(tmp_path, mode="r")[:])
    assert z[0, 3] != 4 or "1000" in code


def test_a_file_changed_in_place_with_its_times_put_back_is_seen(tmp_path):
    z = make(tmp_path, compressors=None)
    z[:] = numbers()
    path = tmp_path / "c/0/0"
    threading.Event().wait(0.05)
    assert z[0, 0] == 1
    entries = index_of(path.read_bytes())
    rewrite(
        tmp_path,
        f"path = {str(path)!r}\ninfo = os.stat(path)\n"
        f"data = {with_index(path.read_bytes(), entries[::-1])!r}\n"
        "open(path, 'r+b').write(data)\nos.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))",
    )
    assert z[0, 0] == numbers()[2, 3]


# ---------------------------------------------------------------- many at once


@pytest.mark.parametrize("kind", ["memory", "files"])
def test_threads_that_write_parts_of_one_shard_lose_nothing(tmp_path, kind):
    store = {} if kind == "memory" else tmp_path
    make(store, shape=(16, 64), chunks=(4, 4), shards=(16, 64))
    start = threading.Barrier(8)

    def work(k):
        z = zarrc.open_array(store, mode="r+")
        start.wait()
        for row in range(16):
            z[row, 8 * k : 8 * k + 8] = 100 * k + row

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = np.arange(16)[:, None] + 100 * np.repeat(np.arange(8), 8)
    np.testing.assert_array_equal(zarrc.open_array(store, mode="r")[:], expected)


def test_one_shard_is_made_by_several_threads_as_by_one(tmp_path):
    data = np.random.default_rng(0).integers(0, 50, (256, 256)).astype("u2")
    stored = []
    for n in (1, 4):
        with zarrc.config.set({"threading.max_workers": n}):
            z = make(tmp_path / str(n), shape=(256, 256), chunks=(16, 32), shards=(256, 256), dtype="u2")
            z[:] = data
            z[3:200, 7:99] = data[3:200, 7:99]
            np.testing.assert_array_equal(z[:], data)
        stored.append((tmp_path / str(n) / "c/0/0").read_bytes())
    assert stored[0] == stored[1]


# --------------------------------------------------------------------- failures


def damaged(shard):
    entries = index_of(shard)
    yield "no bytes", b"", "shard|index"
    yield "no room for an index", shard[-40:], "shard|index"
    yield "another checksum", shard[:-1] + bytes([shard[-1] ^ 1]), "crc32c"
    yield "beyond the end", with_index(shard, [(len(shard), 24), *entries[1:]]), "index|outside|reach"
    yield "an overflow", with_index(shard, [(2**64 - 10, 24), *entries[1:]]), "index|outside"
    yield "a size and no place", with_index(shard, [(NOWHERE, 24), *entries[1:]]), "index|outside"
    yield "a place and no size", with_index(shard, [(0, NOWHERE), *entries[1:]]), "index|outside"
    yield "too short a chunk", with_index(shard, [(0, 23), *entries[1:]]), "bytes long"


CASES = [
    name
    for name, _, _ in damaged(b"\0" * 96 + with_index(b"\0" * 68, [(24 * k, 24) for k in range(4)])[-68:])
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", ["dict", "files", "parts", "whole"])
def test_damage_is_an_error_that_names_the_place(tmp_path, case, kind):
    files = lambda: zarrc.DirectoryStore(tmp_path)  # noqa: E731
    store = {"dict": dict, "files": files, "parts": Counting, "whole": dict}[kind]()
    z = make(store, compressors=None)
    z[:] = numbers()
    [(value, says)] = [(value, says) for name, value, says in damaged(bytes(store["c/0/0"])) if name == case]
    store["c/0/0"] = value
    with pytest.raises(CodecError, match=r"(?s)c/0/0") as caught:
        z[:4, :6] if kind == "whole" else z[0, 0]
    assert re.search(says, str(caught.value)), str(caught.value)
    assert isinstance(caught.value, ChecksumError) == (case == "another checksum")
    with pytest.raises(CodecError):
        z[0, 0] = 3
    assert bytes(store["c/0/0"]) == value  # nothing is lost on top
    np.testing.assert_array_equal(z[4:], numbers()[4:])


def test_a_failed_write_leaves_the_old_shard_and_nothing_else(tmp_path):
    z = make(tmp_path)
    z[:] = numbers()
    before = {path.name: path.read_bytes() for path in (tmp_path / "c/0").iterdir()}
    shard = before["0"]
    entries = index_of(shard)
    (tmp_path / "c/0/0").write_bytes(with_index(b"?" * 30 + shard[30:], entries))
    damage = (tmp_path / "c/0/0").read_bytes()
    with pytest.raises(CodecError, match=r"inner chunk \(0, 0\) of shard 'c/0/0' of array '/'"):
        z[1:3, 1:3] = 5
    assert {path.name: path.read_bytes() for path in (tmp_path / "c/0").iterdir()} == before | {"0": damage}


def test_absent_chunks_may_be_errors():
    z = make({})
    z[0, 0] = 1
    strict = zarrc.open_array(z.store, config={"fill_missing_chunks": False})
    assert strict[0, 0] == 1
    for place, shard in (((3, 0), "c/0/0"), ((7, 7), "c/1/1")):
        with pytest.raises(ChunkNotFoundError, match=f"shard '{shard}'"):
            strict[place]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is looked up in /proc")
def test_peak_memory_of_a_full_write(tmp_path):
    code = textwrap.dedent(f"""
        import re, numpy as np, zarrc
        def peak(name):
            return int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
        data = np.random.default_rng(0).integers(0, 60000, (256, 256, 512)).astype("u2")
        zarrc.config.set({{"threading.max_workers": 2}})
        z = zarrc.create_array({str(tmp_path)!r}, shape=data.shape, dtype="u2", chunks=(32, 32, 32),
                               shards=(128, 256, 256), compressors=None)
        z[:1, :1, :1] = 1
        open("/proc/self/clear_refs", "w").write("5")
        before = peak("VmRSS")
        z[:] = data
        print(peak("VmHWM") - before)
        """)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert float(done.stdout) < 20  # megabytes, where a shard has 16
