"""What every compiled codec is: a ``Stage`` and the Python door to it."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.buffer cimport PyBUF_ANY_CONTIGUOUS, PyBuffer_Release, PyObject_GetBuffer
from libc.stdlib cimport free

from .types cimport (
    Buffer, Status, Transform, OK, CORRUPT, TOO_LARGE, WRONG_SIZE, CHECKSUM, NO_MEMORY, SYSTEM, PYTHON,
    ENCODING, UNSUPPORTED,
)

from os import strerror

from zarrc.errors import ChecksumError, CodecError

_MESSAGES = {
    CORRUPT: "the data are corrupt or truncated",
    TOO_LARGE: "more bytes than the codec or the metadata allow",
    WRONG_SIZE: "another number of bytes than the metadata say",
    CHECKSUM: "stored and computed checksum differ",
    NO_MEMORY: "out of memory",
    PYTHON: "the codec raised an exception",
    ENCODING: "the library could not encode",
    UNSUPPORTED: "the data are of a kind that this build cannot decode",
}


def describe(int status, int code=0):
    """Say what a kernel's status means, with the library's own code."""
    if status == SYSTEM:
        return strerror(code)
    message = _MESSAGES.get(status, f"status {status}")
    return f"{message} (code {code})" if code else message


def failure(Codec codec not None, int status, int code, str direction, name=None, key=None, where=None):
    """Return the exception for a status other than OK that a stage of `codec` gave.

    Parameters
    ----------
    codec : Codec
        Whose stage failed.
    status, code : int
        What the stage returned, and the code that it set.
    direction : {"encode", "decode"}
    name : str, optional
        What the user calls the codec; the class's name otherwise.
    key : str, optional
        The chunk's key, named in the message.
    where : str, optional
        What the message names instead of the key alone.

    Returns
    -------
    BaseException
        A CodecError or ChecksumError; a MemoryError; or what a Python codec
        raised that is no ordinary exception (KeyboardInterrupt).
    """
    if status == NO_MEMORY:
        return MemoryError()
    cause = codec.take_error(code) if status == PYTHON else None
    if cause is not None and not isinstance(cause, Exception):
        return cause
    name = type(codec).__name__ if name is None else name
    if where is None and key is not None:
        where = f"chunk {key!r}"
    where = f"{where}: " if where else ""
    what = codec.explain(status, code) if cause is None else f"{type(cause).__name__}: {cause}"
    kind = ChecksumError if status == CHECKSUM else CodecError
    error = kind(f"{where}{name}: {direction}: {what}", name, direction, key)
    error.__cause__ = cause
    return error


cdef object run(Codec codec, Transform transform, data, size_t limit, str direction):
    cdef Py_buffer view
    cdef Buffer out = Buffer(NULL, 0, 0, limit, True)
    cdef int code = 0
    cdef Status status
    PyObject_GetBuffer(data, &view, PyBUF_ANY_CONTIGUOUS)
    try:
        with nogil:
            status = transform(codec.stage.params, <const char*> view.buf, view.len, &out, &code)
        if status != OK:
            raise failure(codec, status, code, direction)
        return PyBytes_FromStringAndSize(out.data, out.nbytes)
    finally:
        free(out.data)
        PyBuffer_Release(&view)


cdef object run_range(Codec codec, data, size_t start, size_t nbytes):
    cdef Py_buffer view
    cdef int code = 0
    cdef Status status
    cdef bytes result = PyBytes_FromStringAndSize(NULL, nbytes)
    cdef char* dst = PyBytes_AS_STRING(result)
    PyObject_GetBuffer(data, &view, PyBUF_ANY_CONTIGUOUS)
    try:
        with nogil:
            status = codec.stage.decode_range(
                codec.stage.params, <const char*> view.buf, view.len, <size_t> -1, start, nbytes, dst, &code
            )
        if status != OK:
            raise failure(codec, status, code, "decode")
        return result
    finally:
        PyBuffer_Release(&view)


cdef class Codec:
    """A compiled codec.

    Subclasses take their parameters in ``__init__``, own them, and fill in
    ``stage``. They hold no state between calls; library contexts belong to threads.
    """

    def encode(self, data):
        """Return `data` (any contiguous buffer) encoded, as bytes.

        Raises
        ------
        CodecError
            The library failed.
        """
        return run(self, self.stage.encode, data, <size_t> -1, "encode")

    def decode(self, data, limit=None):
        """Return `data` decoded, as bytes, of which there may be `limit` at most.

        Raises
        ------
        CodecError
            `data` are corrupt, or decode to more than `limit` bytes.
        """
        return run(self, self.stage.decode, data, <size_t> -1 if limit is None else limit, "decode")

    def decode_range(self, data, size_t start, size_t nbytes):
        """Return `nbytes` decoded bytes of `data` from byte `start` on.

        Raises
        ------
        CodecError
            `data` are corrupt, or decode to fewer bytes than that.
        """
        if self.stage.decode_range == NULL:
            raise TypeError(f"{type(self).__name__} cannot decode a part of its data")
        return run_range(self, data, start, nbytes)

    @property
    def keeps_size(self):
        """Whether encoded and decoded sizes are equal."""
        return bool(self.stage.keeps_size)

    @property
    def in_place(self):
        """Whether the stage may work on its output's own memory."""
        return bool(self.stage.in_place)

    @property
    def has_decode_range(self):
        """Whether a part can be decoded for less than the whole costs."""
        return self.stage.decode_range != NULL

    def explain(self, int status, int code):
        """Say what a status that this codec's stage returned means."""
        return describe(status, code)

    def take_error(self, int code):
        """Return (once) the exception that a Python codec set aside under `code`, or None."""
        return None
