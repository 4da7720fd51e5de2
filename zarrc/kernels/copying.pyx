"""Strided N-d copies: gather from chunks, scatter into chunks, fill, empty test.

A block is a list of axes, each with a count, a stride in the source and one in the
destination, in bytes; an axis may name its elements by an offset list instead of
counting them. Items are moved as bytes, whatever they mean.

Before anything moves, axes of one element are dropped, the others are ordered so that
the destination is written in address order, and neighbours that
continue each other in both memories are merged. What is left is one of four innermost loops:

- *run*: both sides contiguous: one ``memcpy`` for each run;
- *strided*: one item at a time, a typed loop for items of 1, 2, 4, 8 and 16 bytes;
- *tile*: the source is contiguous along another axis than the destination:
  square tiles go through a block in the first-level cache, so that every cache line of
  either side is touched once;
- *indexed*: offset lists.
"""

from libc.string cimport memcmp, memcpy, memset

from .types cimport index_t

cdef extern from "copying.hpp" namespace "zarrc" nogil:
    void strided(const char* src, char* dst, index_t n, index_t s, index_t d, size_t itemsize)
    void runs(const char* src, char* dst, index_t n, index_t s, index_t d, size_t nbytes)
    void tiles(const char* src, char* dst, index_t n, index_t m, index_t src_m, index_t dst_n, size_t itemsize)
    void gather(const char* src, char* dst, index_t n, const index_t* at, index_t s, size_t itemsize)


cdef inline index_t magnitude(index_t value) noexcept nogil:
    return -value if value < 0 else value


cdef inline bint is_indexed(const Axis* axis) noexcept nogil:
    return axis.src_offsets != NULL or axis.dst_offsets != NULL


cdef inline bint is_outside(const Axis* a, const Axis* b) noexcept nogil:
    """Does `a` belong outside of `b`: longer steps in the destination, then in the source?"""
    if magnitude(a.dst_stride) != magnitude(b.dst_stride):
        return magnitude(a.dst_stride) > magnitude(b.dst_stride)
    return magnitude(a.src_stride) > magnitude(b.src_stride)


cdef int order_axes(Axis* axes, int ndim) noexcept nogil:
    """Drop axes of one element, sort the rest by address of the destination, merge; return how many remain."""
    cdef int n = 0, i, j
    cdef Axis axis
    cdef Axis* outer
    for i in range(ndim):
        axis = axes[i]
        if axis.count == 1 and not is_indexed(&axis):
            continue
        j = n
        while j > 0 and is_outside(&axis, &axes[j - 1]):
            axes[j] = axes[j - 1]
            j -= 1
        axes[j] = axis
        n += 1
    i = 0
    for j in range(1, n):
        outer = &axes[i]
        if (
            not is_indexed(outer) and not is_indexed(&axes[j])
            and outer.src_stride == axes[j].src_stride * axes[j].count
            and outer.dst_stride == axes[j].dst_stride * axes[j].count
        ):
            outer.count *= axes[j].count
            outer.src_stride = axes[j].src_stride
            outer.dst_stride = axes[j].dst_stride
        else:
            i += 1
            axes[i] = axes[j]
    return i + 1 if n else 0


cdef inline index_t src_at(const Axis* axis, index_t k) noexcept nogil:
    return (axis.src_offsets[k] if axis.src_offsets != NULL else k) * axis.src_stride


cdef inline index_t dst_at(const Axis* axis, index_t k) noexcept nogil:
    return (axis.dst_offsets[k] if axis.dst_offsets != NULL else k) * axis.dst_stride


cdef void copy_indexed(const char* src, char* dst, const Axis* axis, size_t nbytes) noexcept nogil:
    """Copy runs of `nbytes` along one axis that has offset lists."""
    cdef index_t k
    if axis.dst_offsets == NULL and axis.dst_stride == <index_t> nbytes:
        gather(src, dst, axis.count, axis.src_offsets, axis.src_stride, nbytes)
        return
    for k in range(axis.count):
        memcpy(dst + dst_at(axis, k), src + src_at(axis, k), nbytes)


cdef void copy_axes(const char* src, char* dst, const Axis* axes, int ndim, size_t nbytes) noexcept nogil:
    """Copy ordered axes; `nbytes` is the run that is contiguous on both sides."""
    cdef index_t k
    cdef const Axis* axis
    if ndim == 0:
        memcpy(dst, src, nbytes)
        return
    axis = axes
    if ndim == 1:
        if is_indexed(axis):
            copy_indexed(src, dst, axis, nbytes)
        elif nbytes > 16:
            runs(src, dst, axis.count, axis.src_stride, axis.dst_stride, nbytes)
        else:
            strided(src, dst, axis.count, axis.src_stride, axis.dst_stride, nbytes)
        return
    if is_indexed(axis):
        for k in range(axis.count):
            copy_axes(src + src_at(axis, k), dst + dst_at(axis, k), axes + 1, ndim - 1, nbytes)
    else:
        for k in range(axis.count):
            copy_axes(src + k * axis.src_stride, dst + k * axis.dst_stride, axes + 1, ndim - 1, nbytes)


cdef int transposed_axis(const Axis* axes, int ndim, size_t itemsize) noexcept nogil:
    """Return the axis along which the source is contiguous when the last one is so in the destination; else -1."""
    cdef int i
    if ndim < 2 or itemsize > 16 or itemsize & (itemsize - 1):
        return -1
    if axes[ndim - 1].dst_stride != <index_t> itemsize or is_indexed(&axes[ndim - 1]):
        return -1
    for i in range(ndim - 1):
        if axes[i].src_stride == <index_t> itemsize and not is_indexed(&axes[i]) and axes[i].count >= 4:
            return i
    return -1


cdef void copy_tiles(
    const char* src, char* dst, const Axis* axes, int ndim, const Axis* across, size_t itemsize
) noexcept nogil:
    """Copy ordered axes, of which the last and `across` (taken out of `axes`) are tiled together."""
    cdef index_t k
    cdef const Axis* last
    if ndim == 1:
        last = axes
        tiles(src, dst, across.count, last.count, last.src_stride, across.dst_stride, itemsize)
        return
    for k in range(axes.count):
        copy_tiles(src + src_at(axes, k), dst + dst_at(axes, k), axes + 1, ndim - 1, across, itemsize)


cdef void copy_block(const char* src, char* dst, Axis* axes, int ndim, size_t itemsize) noexcept nogil:
    cdef int i, n
    cdef size_t nbytes = itemsize
    cdef Axis across
    for i in range(ndim):
        if axes[i].count == 0:
            return
    n = order_axes(axes, ndim)
    if (
        n
        and axes[n - 1].src_stride == <index_t> itemsize
        and axes[n - 1].dst_stride == <index_t> itemsize
        and not is_indexed(&axes[n - 1])
    ):
        nbytes *= axes[n - 1].count
        n -= 1
    else:
        i = transposed_axis(axes, n, itemsize)
        if i >= 0:
            across = axes[i]
            n -= 1
            while i < n:
                axes[i] = axes[i + 1]
                i += 1
            copy_tiles(src, dst, axes, n, &across, itemsize)
            return
    copy_axes(src, dst, axes, n, nbytes)


cdef void fill_items(const char* value, char* dst, size_t n, size_t itemsize) noexcept nogil:
    cdef size_t done, total = n * itemsize
    cdef size_t k
    if total == 0:
        return
    for k in range(1, itemsize):
        if value[k] != value[0]:
            break
    else:
        memset(dst, value[0], total)
        return
    memcpy(dst, value, itemsize)
    done = itemsize
    while done < total:     # double what is there
        k = done if done < total - done else total - done
        memcpy(dst + done, dst, k)
        done += k


cdef void fill_axes(const char* value, char* dst, const Axis* axes, int ndim, size_t n, size_t itemsize) noexcept nogil:
    cdef index_t k
    if ndim == 0:
        fill_items(value, dst, n, itemsize)
        return
    for k in range(axes.count):
        fill_axes(value, dst + dst_at(axes, k), axes + 1, ndim - 1, n, itemsize)


cdef void fill_block(const char* value, char* dst, Axis* axes, int ndim, size_t itemsize) noexcept nogil:
    cdef int i, n
    cdef size_t run = 1
    for i in range(ndim):
        if axes[i].count == 0:
            return
        if axes[i].dst_offsets == NULL:
            axes[i].src_offsets = NULL
        axes[i].src_stride = axes[i].dst_stride     # merge by the destination alone
    n = order_axes(axes, ndim)
    if n and axes[n - 1].dst_stride == <index_t> itemsize and not is_indexed(&axes[n - 1]):
        run = axes[n - 1].count
        n -= 1
    fill_axes(value, dst, axes, n, run, itemsize)


cdef bint all_equal(const char* value, const char* data, size_t n, size_t itemsize) noexcept nogil:
    """The first item is `value`, and the rest repeats it: data shifted by an item equal themselves."""
    if n == 0:
        return True
    return memcmp(data, value, itemsize) == 0 and memcmp(data, data + itemsize, (n - 1) * itemsize) == 0


def copy(src, dst, src_indices=(), dst_indices=()):
    """Copy `src` to `dst` as `copy_block` does (for tests).

    Parameters
    ----------
    src, dst : ndarray
        Of one item size; any strides.
    src_indices, dst_indices : sequence of (int64 ndarray or None)
        Per axis, the positions that are read and written instead of all, in order.
    """
    cdef Axis axes[MAX_DIMS]
    cdef int ndim = src.ndim
    cdef size_t source = src.ctypes.data, destination = dst.ctypes.data, itemsize = src.itemsize
    cdef const index_t[::1] positions
    keep = []
    for i in range(ndim):
        axes[i] = Axis(src.shape[i], src.strides[i], dst.strides[i], NULL, NULL)
        if i < len(src_indices) and src_indices[i] is not None:
            positions = src_indices[i]
            keep.append(positions)
            axes[i].src_offsets = &positions[0]
            axes[i].count = positions.shape[0]
        if i < len(dst_indices) and dst_indices[i] is not None:
            positions = dst_indices[i]
            keep.append(positions)
            axes[i].dst_offsets = &positions[0]
            axes[i].count = positions.shape[0]
    copy_block(<const char*> source, <char*> destination, axes, ndim, itemsize)


def fill(value, dst):
    """Fill `dst` with the item `value`, a 0-d ndarray of the same dtype, as `fill_block` does (for tests)."""
    cdef Axis axes[MAX_DIMS]
    cdef size_t item = value.ctypes.data, destination = dst.ctypes.data
    for i in range(dst.ndim):
        axes[i] = Axis(dst.shape[i], 0, dst.strides[i], NULL, NULL)
    fill_block(<const char*> item, <char*> destination, axes, dst.ndim, dst.itemsize)


def is_all(value, data):
    """Tell whether every item of the contiguous `data` has the bits of `value` (for tests)."""
    cdef size_t item = value.ctypes.data, start = data.ctypes.data
    return all_equal(<const char*> item, <const char*> start, data.size, data.itemsize)
