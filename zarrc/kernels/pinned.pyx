"""Values that a store has in memory already, such as a memory map, kept as they are while somebody uses them."""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer


# Thousands are made at a time. None can be part of a cycle, so that the collector need not look at them.
@cython.final
@cython.no_gc
cdef class Pinned:
    """A read-only buffer that stays what it is as long as it is referred to.

    Parameters
    ----------
    memory : buffer
        Contiguous bytes.
    owner : object
        Whose life ends the promise that the memory stays as it is.
    """

    def __cinit__(self, memory, owner):
        PyObject_GetBuffer(memory, &self.view, PyBUF_SIMPLE)
        self.owner = owner

    def __dealloc__(self):
        PyBuffer_Release(&self.view)

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.view.buf, self.view.len, True, flags)

    def __len__(self):
        return self.view.len
