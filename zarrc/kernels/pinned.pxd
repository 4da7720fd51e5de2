cdef class Pinned:
    cdef Py_buffer view
    cdef object owner
