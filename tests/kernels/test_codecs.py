"""What holds for every compiled codec: round trips, limits, refusal of bad data, no GIL."""

import threading
import time

import pytest
from codec_data import CHECKED, PLAIN, data, smooth
from hypothesis import given
from hypothesis import strategies as st

from zarrc.errors import ChecksumError, CodecError
from zarrc.kernels.codec import describe, failure

ALL = CHECKED | PLAIN
SAMPLE = smooth(40_000)

each_checked = pytest.mark.parametrize("codec", CHECKED.values(), ids=CHECKED)
each = pytest.mark.parametrize("codec", ALL.values(), ids=ALL)


@each
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview], ids=lambda kind: kind.__name__)
def test_round_trip_of_any_buffer(codec, kind):
    encoded = codec.encode(kind(SAMPLE))
    assert codec.decode(kind(encoded)) == SAMPLE


@each
def test_nothing_becomes_nothing(codec):
    assert codec.decode(codec.encode(b"")) == b""
    assert codec.decode(codec.encode(b""), 0) == b""


@each_checked
@given(data=data)
def test_round_trip(codec, data):
    assert codec.decode(codec.encode(data)) == data
    assert codec.decode(codec.encode(data), len(data)) == data


@each
def test_limit_is_exact(codec):
    encoded = codec.encode(SAMPLE)
    assert codec.decode(encoded, len(SAMPLE)) == SAMPLE
    for limit in (0, 1, len(SAMPLE) - 1):
        with pytest.raises(CodecError) as caught:
            codec.decode(encoded, limit)
        assert caught.value.direction == "decode"


@each_checked
def test_truncated(codec):
    encoded = codec.encode(SAMPLE)
    for keep in (*range(25), len(encoded) // 2, len(encoded) - 5, len(encoded) - 1):
        with pytest.raises(CodecError):
            codec.decode(encoded[:keep], len(SAMPLE))


@each_checked
def test_bytes_after_the_end(codec):
    with pytest.raises(CodecError):
        codec.decode(codec.encode(SAMPLE) + b"more", len(SAMPLE))


@each_checked
@pytest.mark.parametrize(
    "garbage",
    [b"", b"\0", b"\0\1" * 50, b"\xff\xfe" * 50, b"not encoded at all, but long enough"],
    ids=["empty", "one", "small", "large", "text"],
)
def test_garbage(codec, garbage):
    with pytest.raises(CodecError):
        codec.decode(garbage, 1 << 20)


@each_checked
@given(changes=st.lists(st.tuples(st.integers(0, 2**31), st.integers(1, 255)), min_size=1, max_size=4))
def test_flipped_bits_never_pass_the_limit(codec, changes):
    """Decoding damaged data fails, or gives some bytes; it never gives too many or crashes."""
    encoded = bytearray(codec.encode(SAMPLE))
    for position, change in changes:
        # the header, where sizes are, is hit half of the time
        span = 24 if position % 2 else len(encoded)
        encoded[position % min(span, len(encoded))] ^= change
    try:
        decoded = codec.decode(encoded, len(SAMPLE))
    except CodecError:
        return
    assert len(decoded) <= len(SAMPLE)


@pytest.mark.parametrize("name", ["zstd-checksum", "crc32c", "crc32", "adler32", "fletcher32"])
def test_wrong_checksums_say_so(name):
    codec = ALL[name]
    encoded = bytearray(codec.encode(b"\1\2\3\4" * 10))
    encoded[-1 if name == "zstd-checksum" else 10] ^= 1
    with pytest.raises(ChecksumError, match="checksum"):
        codec.decode(encoded)


@pytest.mark.parametrize("name", ["byteswap", "byteswap-record", "delta", "shuffle"])
def test_parts_of_elements_are_refused(name):
    with pytest.raises(CodecError, match="another number of bytes"):
        ALL[name].encode(b"abc")
    with pytest.raises(CodecError, match="another number of bytes"):
        ALL[name].decode(b"abc")


@each
def test_only_bytes_come_out_of_a_range(codec):
    if not codec.has_decode_range:
        with pytest.raises(TypeError, match="part"):
            codec.decode_range(codec.encode(SAMPLE), 0, 2)
        return
    assert codec.decode_range(codec.encode(SAMPLE), 10, 6) == SAMPLE[10:16]


def test_a_failure_names_codec_direction_key_and_cause():
    codec = CHECKED["lz4"]
    error = failure(codec, 1, 7, "decode", name="numcodecs.lz4", key="foo/0.0")
    assert str(error) == "chunk 'foo/0.0': numcodecs.lz4: decode: the data are corrupt or truncated (code 7)"
    assert (error.codec, error.direction, error.key) == ("numcodecs.lz4", "decode", "foo/0.0")
    assert isinstance(failure(codec, 5, 0, "decode"), MemoryError)


def test_operating_system_errors_are_described():
    assert describe(6, 2) == "No such file or directory"


@pytest.mark.parametrize("name", ["blosc-zstd", "zstd", "gzip", "gzip-by-zlib", "zlib", "lz4", "crc32"])
def test_other_python_threads_run_while_a_kernel_works(name):
    """One long call is made in another thread; this one keeps on running Python meanwhile."""
    codec, source = ALL[name], smooth(24 << 20)
    span: list[float] = []

    def work() -> None:
        span.append(time.perf_counter())
        codec.encode(source)
        span.append(time.perf_counter())

    thread = threading.Thread(target=work)
    ticks: list[float] = []
    thread.start()
    while thread.is_alive():
        ticks.append(time.perf_counter())
        time.sleep(0.0001)
    thread.join()
    start, end = span
    # with the GIL held, nothing is seen of the time between
    seen = [tick for tick in ticks if start + 0.1 * (end - start) < tick < end - 0.1 * (end - start)]
    assert len(seen) >= 3


def test_threads_share_a_codec():
    errors = []

    def work(seed: int) -> None:
        source = smooth(50_000 + 2 * seed)
        for codec in CHECKED.values():
            if codec.decode(codec.encode(source), len(source)) != source:
                errors.append(codec)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
