"""Byte order, delta, shuffle, transpose against NumPy and numcodecs; codecs written in Python."""

import threading
import weakref

import numcodecs
import numpy as np
import pytest
from codec_data import data
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zarrc.errors import CodecError
from zarrc.kernels.filters import ByteSwap, Delta, PythonStage, Shuffle, Transpose, delta_is_compiled

INTEGERS = [np.dtype(code) for code in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")]
FLOATS = [np.dtype("f4"), np.dtype("f8")]


# ---------------------------------------------------------------- byte order


@pytest.mark.parametrize("code", ["i2", "u4", "f8", "c8", "c16", "M8[s]", "U5", "f2"])
def test_swapping_is_what_numpy_does(code):
    dtype = np.dtype(code)
    source = np.random.default_rng(1).bytes(dtype.itemsize * 33)
    swapped = np.frombuffer(source, dtype).byteswap().tobytes()
    if dtype.kind == "c":
        codec = ByteSwap(dtype.itemsize, [(0, dtype.itemsize // 2, 2)])
    elif dtype.kind == "U":
        codec = ByteSwap(dtype.itemsize, [(0, 4, 5)])
    else:
        codec = ByteSwap(dtype.itemsize)
    assert codec.encode(source) == swapped
    assert codec.decode(swapped) == source
    assert codec.keeps_size
    assert codec.in_place


def test_odd_sizes_and_gaps():
    assert ByteSwap(3).encode(b"abcdef") == b"cbafed"
    assert ByteSwap(6, [(1, 2, 1), (3, 3, 1)]).encode(b"abcdefuvwxyz") == b"acbfeduwvzyx"
    assert ByteSwap(4, []).encode(b"abcd") == b"abcd"


@pytest.mark.parametrize("swaps", [[(0, 4, 2)], [(6, 2, 1)], [(-1, 2, 1)], [(0, 0, 1)]], ids=str)
def test_swaps_outside_of_the_item(swaps):
    with pytest.raises(ValueError, match="not inside of 7 bytes"):
        ByteSwap(7, swaps)


# ---------------------------------------------------------------- delta


@st.composite
def deltas(draw):
    dtype = draw(st.sampled_from(INTEGERS + FLOATS))
    astype = draw(st.sampled_from([each for each in INTEGERS + FLOATS if delta_is_compiled(dtype, each)]))
    # large and small steps: the narrower dtypes need small ones
    values = hnp.arrays(dtype, st.integers(1, 200), elements=draw(st.sampled_from([None, steps_of(dtype)])))
    return dtype, astype, draw(values)


def steps_of(dtype):
    return st.integers(0, 20) if dtype.kind in "iu" else st.floats(-100, 100, width=32)


@given(deltas())
def test_delta_is_that_of_numcodecs(case):
    dtype, astype, values = case
    ours, theirs = Delta(dtype, astype), numcodecs.Delta(dtype, astype)
    with np.errstate(all="ignore"):
        try:
            expected = theirs.encode(values).tobytes()
        except OverflowError:  # numcodecs refuses a first element that does not fit
            expected = None
        try:
            encoded = ours.encode(values)
        except CodecError:
            # numcodecs may write it, but not read it back
            assert expected is None or theirs.decode(expected).tobytes() != values.tobytes()
            return
        if expected is not None:
            assert encoded == expected
        if dtype.kind in "iu":
            assert ours.decode(encoded) == values.tobytes()
        else:
            assert ours.decode(encoded) == theirs.decode(encoded).tobytes()


@pytest.mark.parametrize("values", [[0, 200], [200, 0], [300]], ids=str)
def test_differences_that_do_not_fit_are_refused(values):
    with pytest.raises(CodecError, match="a difference does not fit 1 bytes"):
        Delta("i2", "i1").encode(np.array(values, "i2"))


@pytest.mark.parametrize(
    ("dtype", "astype"), [("f2", "f2"), ("f4", "f8"), ("i4", "f4"), ("i2", "i4"), (">i4", ">i4"), ("?", "?")]
)
def test_deltas_that_are_not_compiled(dtype, astype):
    assert not delta_is_compiled(np.dtype(dtype), np.dtype(astype))
    with pytest.raises(ValueError, match="not compiled"):
        Delta(dtype, astype)


# ---------------------------------------------------------------- shuffle, transpose


@given(st.integers(1, 20), st.integers(0, 3000), st.randoms(use_true_random=False))
def test_shuffle_is_that_of_numcodecs(elementsize, n, random):
    source = random.randbytes(elementsize * n)
    ours = Shuffle(elementsize)
    encoded = ours.encode(source)
    if n:
        assert encoded == bytes(numcodecs.Shuffle(elementsize).encode(source))
    assert encoded == np.frombuffer(source, "u1").reshape(n, elementsize).T.tobytes()
    assert ours.decode(encoded) == source


@given(st.data())
def test_transpose_is_that_of_numpy(draw):
    shape = draw.draw(hnp.array_shapes(min_dims=0, max_dims=5, max_side=6))
    order = draw.draw(st.permutations(range(len(shape))))
    dtype = draw.draw(st.sampled_from(["u1", "i2", "f4", "f8", "c16", "V3"]))
    itemsize = np.dtype(dtype).itemsize
    array = np.frombuffer(np.random.default_rng(0).bytes(int(np.prod(shape)) * itemsize), dtype).reshape(
        shape
    )
    codec = Transpose(shape, order, itemsize)
    encoded = codec.encode(array)
    assert encoded == array.transpose(order).tobytes()
    assert codec.decode(encoded) == array.tobytes()


def test_transpose_takes_whole_chunks_only():
    codec = Transpose((2, 3), (1, 0), 4)
    for nbytes in (0, 20, 28):
        with pytest.raises(CodecError, match="another number"):
            codec.encode(bytes(nbytes))
    with pytest.raises(ValueError, match="order of the axes"):
        Transpose((2, 3), (0, 0), 4)


# ---------------------------------------------------------------- Python


class Recorder:
    """A codec that keeps what it gets."""

    def __init__(self, result=None):
        self.seen = []
        self.result = result

    def encode(self, buffer):
        self.seen.append(buffer)
        return buffer if self.result is None else self.result

    decode = encode


@given(data)
def test_python_codecs_round_trip(source):
    stage = PythonStage(numcodecs.BZ2())
    assert stage.decode(stage.encode(source), len(source)) == source


def test_what_a_python_codec_gets():
    codec = Recorder()
    PythonStage(codec, "<i4", (2, 3)).encode(np.arange(6, dtype="<i4"))
    PythonStage(codec, "<i4", (2, 3)).encode(np.arange(4, dtype="<i4"))
    PythonStage(codec).encode(b"abc")
    PythonStage(codec, "<i4", (2, 3)).decode(b"abc")
    array, flat, plain, encoded = codec.seen
    assert array.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert array.dtype == "<i4"
    assert array.flags.writeable
    assert array.flags.c_contiguous
    assert flat.tolist() == [0, 1, 2, 3]
    assert plain == encoded == b"abc"


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (b"abc", b"abc"),
        (bytearray(b"abc"), b"abc"),
        (memoryview(b"abc"), b"abc"),
        (np.array([[1, 2], [3, 4]], "u1"), b"\1\2\3\4"),
        (np.array([[1, 2], [3, 4]], "u1", order="F"), b"\1\3\2\4"),
        (np.arange(10, dtype="u1")[::3], b"\0\3\6\x09"),
        (np.array(["1970-01-02"], "M8[D]"), b"\1" + bytes(7)),
    ],
    ids=repr,
)
def test_what_a_python_codec_may_return(result, expected):
    assert PythonStage(Recorder(result)).encode(b"source") == expected


@pytest.mark.parametrize(
    "result", [object(), "text", np.array([None])], ids=["object", "str", "object array"]
)
def test_what_a_python_codec_may_not_return(result):
    with pytest.raises(CodecError, match="TypeError"):
        PythonStage(Recorder(result)).encode(b"source")


def test_python_codecs_are_held_to_the_limit():
    with pytest.raises(CodecError, match="more bytes"):
        PythonStage(Recorder(b"12345")).decode(b"", 4)


class Failing:
    def __init__(self, error):
        self.error = error

    def encode(self, buffer):
        raise self.error

    decode = encode


def test_what_a_python_codec_raises_is_the_cause():
    cause = KeyError("inside")
    with pytest.raises(CodecError, match="PythonStage: decode: KeyError: 'inside'") as caught:
        PythonStage(Failing(cause)).decode(b"")
    assert caught.value.__cause__ is cause


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_what_is_no_error_passes_through(error):
    with pytest.raises(type(error)):
        PythonStage(Failing(error)).encode(b"")


def test_errors_do_not_pile_up():
    stage = PythonStage(Failing(ValueError("again")))
    codes = [stage.set_aside(ValueError(k)) for k in range(10_000)]
    assert stage.take_error(codes[0]) is None
    assert str(stage.take_error(codes[-1])) == "9999"
    assert stage.take_error(codes[-1]) is None


def test_errors_keep_no_chunks():
    class Holding:
        def encode(self, buffer):
            local = np.zeros(1000)
            seen.append(weakref.ref(local))
            raise ValueError("with a large local variable")

    seen = []
    with pytest.raises(CodecError) as caught:
        PythonStage(Holding()).encode(b"")
    assert caught.value.__cause__.__traceback__ is not None
    assert seen[0]() is None


def test_each_thread_gets_its_own_error():
    class Naming:
        def encode(self, buffer):
            raise ValueError(bytes(buffer).decode())

    stage, wrong = PythonStage(Naming()), []

    def work(name):
        for _ in range(200):
            try:
                stage.encode(name.encode())
            except CodecError as error:
                if name not in str(error):
                    wrong.append((name, error))

    threads = [threading.Thread(target=work, args=(f"thread {k}",)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
