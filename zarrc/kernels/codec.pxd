from .types cimport Stage


cdef class Codec:
    """A compiled codec: owns the parameters that its stage points to."""
    cdef Stage stage
