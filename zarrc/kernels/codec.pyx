"""What every compiled codec is: a ``Stage`` and the Python door to it."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.buffer cimport PyBUF_ANY_CONTIGUOUS, PyBuffer_Release, PyObject_GetBuffer
from libc.stdlib cimport free

from .types cimport Buffer, Status, Transform, OK, CORRUPT, TOO_LARGE, WRONG_SIZE, CHECKSUM, NO_MEMORY, ENCODING

from zarrc.errors import ChecksumError, CodecError

_MESSAGES = {
    CORRUPT: "the data are corrupt or truncated",
    TOO_LARGE: "more bytes than the metadata allow",
    WRONG_SIZE: "another number of bytes than the metadata say",
    CHECKSUM: "stored and computed checksum differ",
    NO_MEMORY: "out of memory",
    ENCODING: "the library could not encode",
}


def describe(int status, int code=0):
    """Say what a kernel's status means, with the library's own code."""
    message = _MESSAGES.get(status, f"status {status}")
    return f"{message} (code {code})" if code else message


cdef object run(Codec codec, Transform transform, data, size_t limit, str direction):
    cdef Py_buffer view
    cdef Buffer out = Buffer(NULL, 0, 0, limit, True)
    cdef int code = 0
    cdef Status status
    PyObject_GetBuffer(data, &view, PyBUF_ANY_CONTIGUOUS)
    try:
        with nogil:
            status = transform(codec.stage.params, <const char*> view.buf, view.len, &out, &code)
        if status == NO_MEMORY:
            raise MemoryError
        if status != OK:
            kind = ChecksumError if status == CHECKSUM else CodecError
            name = type(codec).__name__
            raise kind(f"{name}: {direction}: {describe(status, code)}", name, direction)
        return PyBytes_FromStringAndSize(out.data, out.nbytes)
    finally:
        free(out.data)
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
