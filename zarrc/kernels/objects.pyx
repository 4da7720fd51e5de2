"""Chunks of Python objects: strings, bytes and arrays of any length, and objects of every other kind.

On their way through a pipeline, objects are *cells*: integers of a pointer's size, which plans
select and tasks copy like any other numbers, without the GIL. A cell of ``VLen`` says where the length
and the bytes of an element are; a cell of the codecs that are written in Python is an object's
address. A cell of 0 is the fill value, so that absent and empty chunks need nothing of their own.

What cells point to belongs to the codec object (``VLen``) or to those who made the cells, and so each
transfer has a codec object of its own: ``fresh``. Objects are made at its end, with the GIL, and only those
that were selected.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_CheckSignals
from cpython.ref cimport Py_INCREF, Py_XDECREF, PyObject
from cpython.unicode cimport PyUnicode_AsUTF8String, PyUnicode_Check, PyUnicode_DecodeUTF8
from libc.stdint cimport uint32_t
from libc.string cimport memcpy
cimport numpy as cnp

from .codec cimport Codec
from .types cimport Buffer, Status, copy_bytes, reserve, CORRUPT, ENCODING, NO_MEMORY, OK, TOO_LARGE

import numpy as np

from zarrc.kernels.codec import describe

cnp.import_array()

cdef extern from "vlen.hpp" namespace "zarrc" nogil:
    cdef cppclass Texts:
        Texts() except +
        char* take(size_t n)
    ctypedef enum Flaw:
        NO_FLAW
        NO_COUNT
        OTHER_COUNT
        CUT_OFF
        NOT_UTF8
        PART_OF_ITEM
        FILL_REFUSED
    ctypedef struct VLenParams:
        bint is_text
        size_t itemsize
        size_t n_items
        const char* fill
        Texts* texts
    size_t HEADER
    uint32_t load_length(const char* at)
    void store_length(char* at, uint32_t n)
    bint is_ascii(const char* at, size_t n)
    bint equals_fill(const VLenParams&, const char* at, uint32_t n)
    Flaw find_cells(const VLenParams&, const char* data, size_t nbytes, const char** cells)
    size_t encoded_nbytes(const VLenParams&, const char* const* cells, size_t n_items)
    void join_cells(const VLenParams&, const char* const* cells, size_t n_items, char* out)

cdef extern from "Python.h":
    object PyUnicode_New(Py_ssize_t, Py_UCS4)
    void* PyUnicode_DATA(object)
    bint PyUnicode_IS_COMPACT_ASCII(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)

cdef enum:
    BREATH = 1 << 16            # objects between pauses in which other threads may have the GIL
    MOST_NBYTES = 0xFFFFFFFF    # of an element: its length has 32 bits

ctypedef enum Kind:
    TEXT
    BYTES
    ARRAYS

KINDS = {"vlen-utf8": TEXT, "vlen-bytes": BYTES, "vlen-array": ARRAYS}

_FLAWS = {
    NO_COUNT: "the data are corrupt: there is no number of elements",
    OTHER_COUNT: "the data hold another number of elements than a chunk has",
    CUT_OFF: "the data are corrupt or truncated: an element is longer than what is left",
    NOT_UTF8: "the data are corrupt: a string is not UTF-8",
    PART_OF_ITEM: "the data are corrupt: an array's bytes are no whole number of items",
    FILL_REFUSED: "the codec cannot encode the array's fill value, which fills the rest of a chunk",
}


cdef Status encode(const void* params, const char* src, size_t nbytes, Buffer* out, int* code) noexcept nogil:
    cdef const VLenParams* p = <const VLenParams*> params
    cdef const char* const* cells = <const char* const*> src
    cdef size_t n = nbytes // sizeof(char*), i, total
    cdef Status status
    if n > MOST_NBYTES:
        return TOO_LARGE
    if p.fill == NULL:
        for i in range(n):
            if cells[i] == NULL:
                code[0] = FILL_REFUSED
                return ENCODING
    total = encoded_nbytes(p[0], cells, n)
    status = reserve(out, total)
    if status == OK:
        join_cells(p[0], cells, n, out.data)
        out.nbytes = total
    return status


cdef Status decode(const void* params, const char* src, size_t nbytes, Buffer* out, int* code) noexcept nogil:
    cdef const VLenParams* p = <const VLenParams*> params
    cdef size_t cells_nbytes = p.n_items * sizeof(char*)
    cdef char* kept
    cdef Status status
    if cells_nbytes > out.limit:
        return TOO_LARGE
    status = reserve(out, cells_nbytes)
    if status != OK:
        return status
    kept = p.texts.take(nbytes)
    if kept == NULL:
        return NO_MEMORY
    copy_bytes(kept, src, nbytes)
    code[0] = find_cells(p[0], kept, nbytes, <const char**> out.data)
    if code[0] != NO_FLAW:
        return CORRUPT
    out.nbytes = cells_nbytes
    return OK


cdef class VLen(Codec):
    """Strings, bytes or one-dimensional arrays of any length, as numcodecs' codecs of these names store them.

    Parameters
    ----------
    name : {"vlen-utf8", "vlen-bytes", "vlen-array"}
    n_items : int
        Elements of a chunk.
    dtype : dtype-like, optional
        Of the items of arrays.

    Attributes
    ----------
    dtype : numpy.dtype or None
    fill : object
        What a cell of 0 is, other than for arrays that have a fill value of their own.
    """
    cdef VLenParams params
    cdef Kind kind
    cdef readonly str name
    cdef readonly object dtype
    cdef readonly object fill
    cdef bytes fill_bytes       # its length and its bytes

    def __cinit__(self, str name, size_t n_items, dtype=None):
        self.name = name
        self.kind = KINDS[name]
        self.dtype = None
        self.params.itemsize = 1
        if self.kind == ARRAYS:
            self.dtype = np.dtype(dtype)
            if self.dtype.hasobject or self.dtype.itemsize == 0:
                raise ValueError(f"arrays must have items of fixed size, not {dtype!r}")
            self.params.itemsize = self.dtype.itemsize
        self.params.is_text = self.kind == TEXT
        self.params.n_items = n_items
        self.params.texts = new Texts()
        self.stage.encode = encode
        self.stage.decode = decode
        self.stage.params = &self.params

    def __dealloc__(self):
        del self.params.texts

    def fresh(self, fill=None, order=None):
        """Return the same codec for a transfer.

        Parameters
        ----------
        fill : object
            The fill value. Absent elements are read as what the codec gives back for it; one
            that it cannot encode is given as it is.
        order : tuple of int, optional
            Not used: elements are stored as they lie in memory.
        """
        cdef VLen found = VLen.__new__(VLen, self.name, self.params.n_items, self.dtype)
        found.fill = fill
        try:
            # "" is what many write for nothing at all
            found.fill_bytes = self.stored_bytes(None if isinstance(fill, str) and not fill else fill)
        except (TypeError, ValueError):
            return found
        found.params.fill = PyBytes_AS_STRING(found.fill_bytes)
        found.fill = self.made(found.params.fill)
        return found

    def explain(self, int status, int code):
        return _FLAWS.get(code) or describe(status, code)

    # --------------------------------------------------------------- to bytes

    cdef bytes stored_bytes(self, value):
        """The length and the bytes of an element, as they are stored."""
        cdef bytes content = self.content(value)
        cdef char header[4]
        if PyBytes_GET_SIZE(content) > <Py_ssize_t> MOST_NBYTES:
            raise ValueError(f"codec {self.name!r}: an element has {len(content)} bytes, of {MOST_NBYTES} at most")
        store_length(header, <uint32_t> PyBytes_GET_SIZE(content))
        return PyBytes_FromStringAndSize(header, 4) + content

    cdef bytes content(self, value):
        """The bytes of an element, which may be None or a number 0 in place of nothing."""
        if self.kind == ARRAYS:
            return self.array_content(value)
        if self.kind == TEXT and isinstance(value, str):
            return PyUnicode_AsUTF8String(value)
        if self.kind == BYTES and isinstance(value, bytes | bytearray | memoryview):
            return bytes(value)
        if value is None or (isinstance(value, int | float | np.number | np.bool_) and not value):
            return b""
        expected = "str" if self.kind == TEXT else "bytes"
        raise TypeError(f"codec {self.name!r} takes {expected}, not {type(value).__name__}: {shortened(value)}")

    cdef bytes array_content(self, value):
        if value is None:
            return b""
        array = np.asarray(value)
        if array.ndim > 1:
            raise ValueError(f"codec {self.name!r}: only 1-dimensional arrays are supported, not {array.ndim}-d")
        return array.astype(self.dtype, copy=False).tobytes()

    def cells(self, cnp.ndarray values not None):
        """Return cells for objects; what these hold is copied.

        Parameters
        ----------
        values : ndarray of object

        Returns
        -------
        ndarray of intp, of the shape of `values`, C-contiguous

        Raises
        ------
        TypeError, ValueError
            The codec cannot encode an object.
        """
        cdef cnp.ndarray source = np.ascontiguousarray(values, dtype=object)
        cdef cnp.ndarray found = np.empty((<object> values).shape, np.intp)
        cdef PyObject** objects = <PyObject**> cnp.PyArray_DATA(source)
        cdef const char** cells = <const char**> cnp.PyArray_DATA(found)
        cdef Py_ssize_t i, n = cnp.PyArray_SIZE(source)
        for i in range(n):
            if i % BREATH == BREATH - 1:
                breathe()
            cells[i] = self.keep(None if objects[i] == NULL else <object> objects[i])
        return found

    cdef const char* keep(self, value) except? NULL:
        """The cell of a value."""
        cdef bytes content
        if self.kind == TEXT and PyUnicode_Check(value) and PyUnicode_IS_COMPACT_ASCII(value):
            return self.keep_bytes(<const char*> PyUnicode_DATA(value), PyUnicode_GET_LENGTH(value))
        content = self.content(value)
        return self.keep_bytes(PyBytes_AS_STRING(content), PyBytes_GET_SIZE(content))

    cdef const char* keep_bytes(self, const char* data, size_t nbytes) except? NULL:
        cdef char* cell
        if nbytes > MOST_NBYTES:
            raise ValueError(f"codec {self.name!r}: an element has {nbytes} bytes, of {MOST_NBYTES} at most")
        if equals_fill(self.params, data, <uint32_t> nbytes):
            return NULL
        cell = self.params.texts.take(HEADER + nbytes)
        if cell == NULL:
            raise MemoryError
        store_length(cell, <uint32_t> nbytes)
        copy_bytes(cell + HEADER, data, nbytes)
        return cell

    # ------------------------------------------------------------- from bytes

    cdef object made(self, const char* cell):
        """The object of a cell."""
        cdef const char* data = cell + HEADER
        cdef uint32_t nbytes = load_length(cell)
        cdef object found
        if self.kind == BYTES:
            return PyBytes_FromStringAndSize(data, nbytes)
        if self.kind == ARRAYS:
            found = np.empty(nbytes // self.params.itemsize, self.dtype)
            copy_bytes(<char*> cnp.PyArray_DATA(found), data, nbytes)
            return found
        if nbytes > 1 and is_ascii(data, nbytes):
            found = PyUnicode_New(nbytes, 127)
            memcpy(PyUnicode_DATA(found), data, nbytes)
            return found
        return PyUnicode_DecodeUTF8(data, nbytes, NULL)

    def objects(self, cnp.ndarray cells not None, cnp.ndarray out=None):
        """Return the objects of cells that this codec object made or decoded.

        Parameters
        ----------
        cells : ndarray of intp, contiguous in either order
        out : ndarray of object, of the same shape and layout, optional

        Returns
        -------
        ndarray of object
        """
        cdef cnp.ndarray found = alike(cells, out)
        cdef PyObject** objects = <PyObject**> cnp.PyArray_DATA(found)
        cdef const char** at = <const char**> cnp.PyArray_DATA(cells)
        cdef Py_ssize_t i, n = cnp.PyArray_SIZE(cells)
        cdef bint copied = self.kind == ARRAYS and isinstance(self.fill, np.ndarray)
        for i in range(n):
            if i % BREATH == BREATH - 1:
                breathe()
            if at[i] != NULL:
                put(&objects[i], self.made(at[i]))
            else:
                put(&objects[i], self.fill.copy() if copied else self.fill)
        return found


# ---------------------------------------------------------- objects themselves

def addresses(cnp.ndarray values not None, fill=None):
    """Return the cells of objects: their addresses, 0 for the fill value.

    Parameters
    ----------
    values : ndarray of object, C-contiguous
        Must be kept, and not be changed, as long as the cells are used.
    fill : object

    Returns
    -------
    ndarray of intp
    """
    cdef cnp.ndarray found = np.empty((<object> values).shape, np.intp)
    cdef PyObject** objects = <PyObject**> cnp.PyArray_DATA(values)
    cdef PyObject** cells = <PyObject**> cnp.PyArray_DATA(found)
    cdef Py_ssize_t i
    cdef bint comparable = isinstance(fill, str | bytes | int)
    cdef object value
    for i in range(cnp.PyArray_SIZE(values)):
        value = None if objects[i] == NULL else <object> objects[i]
        if value is fill or (comparable and type(value) is type(fill) and value == fill):
            cells[i] = NULL
        else:
            cells[i] = objects[i] if objects[i] != NULL else <PyObject*> None
    return found


def objects_at(cnp.ndarray cells not None, fill=None, cnp.ndarray out=None):
    """Return the objects whose addresses `addresses` gave.

    Parameters
    ----------
    cells : ndarray of intp, contiguous in either order
    fill : object
    out : ndarray of object, of the same shape and layout, optional

    Returns
    -------
    ndarray of object
    """
    cdef cnp.ndarray found = alike(cells, out)
    cdef PyObject** objects = <PyObject**> cnp.PyArray_DATA(found)
    cdef PyObject** at = <PyObject**> cnp.PyArray_DATA(cells)
    cdef Py_ssize_t i
    for i in range(cnp.PyArray_SIZE(cells)):
        put(&objects[i], fill if at[i] == NULL else <object> at[i])
    return found


cdef inline void put(PyObject** place, object value) noexcept:
    """Replace what an array of objects holds in a place."""
    cdef PyObject* before = place[0]
    Py_INCREF(value)
    place[0] = <PyObject*> value
    Py_XDECREF(before)


cdef int breathe() except -1:
    """Look for signals, and let other threads have the GIL."""
    PyErr_CheckSignals()
    with nogil:
        pass
    return 0


cdef cnp.ndarray alike(cnp.ndarray cells, cnp.ndarray out):
    """An array of objects whose memory goes through its elements as that of `cells` does: `out`, if it is given."""
    cdef bint fortran = not cnp.PyArray_IS_C_CONTIGUOUS(cells)
    shape = (<object> cells).shape
    if cells.dtype != np.intp or (fortran and not cnp.PyArray_IS_F_CONTIGUOUS(cells)):
        raise ValueError("cells must be contiguous numbers of a pointer's size")
    if out is None:
        return np.empty(shape, object, order="F" if fortran else "C")
    fits = cnp.PyArray_IS_F_CONTIGUOUS(out) if fortran else cnp.PyArray_IS_C_CONTIGUOUS(out)
    if not fits or out.dtype != object or (<object> out).shape != shape:
        raise ValueError(f"an array of {out.dtype} and shape {(<object> out).shape} cannot take {shape} objects")
    return out


cdef str shortened(value):
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
