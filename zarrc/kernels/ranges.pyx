"""Uncompressed chunks read by byte ranges: not much more than what is wanted, in not too many calls.

The axes of a block are sorted by their stride in the chunk. Those before some *level* are
gone through one by one; axis *level* is taken in groups; a group is one read from
its first byte to its last, all elements of later axes between them.
"""

from .block cimport Block, Layout, Transfer, axis_extent, is_full, is_laid_out_alike, first_place, lay_out, to_user
from .chain cimport Scratch
from .copying cimport MAX_DIMS, Axis, copy_block
from .files cimport read_range
from .types cimport Status, index_t, reserve, OK

cdef enum:
    CALL_NBYTES = 4096          # a call costs about as much as so many bytes more
    PIECE_NBYTES = 1 << 17      # a piece small enough to stay in cache

ctypedef struct Reads:
    int level
    index_t group               # elements of axis `level` in a read
    index_t low[MAX_DIMS]       # byte offsets that each axis adds, least …
    index_t high[MAX_DIMS]      # … and most
    index_t spans[MAX_DIMS + 1]  # bytes from the first to the last of this axis and all later ones


cdef void sort_axes(Layout* layout) noexcept nogil:
    """Longest stride in the chunk first."""
    cdef Axis axis
    cdef index_t pitch
    cdef int i, j
    for i in range(1, layout.n):
        axis = layout.axes[i]
        pitch = layout.pitch[i]
        j = i
        while j > 0 and layout.pitch[j - 1] < pitch:
            layout.axes[j] = layout.axes[j - 1]
            layout.pitch[j] = layout.pitch[j - 1]
            j -= 1
        layout.axes[j] = axis
        layout.pitch[j] = pitch


cdef void plan_reads(const Layout* layout, size_t itemsize, Reads* reads) noexcept nogil:
    """Choose the level, and how much a read takes."""
    cdef index_t n = 1, cost, least = -1, pitch
    cdef const Axis* axis
    cdef int i
    reads.spans[layout.n] = itemsize
    for i in range(layout.n - 1, -1, -1):
        axis_extent(&layout.axes[i], &reads.low[i], &reads.high[i])
        reads.spans[i] = reads.spans[i + 1] + reads.high[i] - reads.low[i]
    for i in range(layout.n + 1):
        cost = n * (CALL_NBYTES + reads.spans[i])
        if least < 0 or cost < least:
            least = cost
            reads.level = i
        if i < layout.n:
            n *= layout.axes[i].count
    if reads.level == layout.n:     # every element alone
        reads.level -= 1
        reads.group = 1
        return
    axis = &layout.axes[reads.level]
    reads.group = axis.count        # of a list, which may be in any order, all in one read
    if reads.spans[reads.level] > PIECE_NBYTES and axis.src_offsets == NULL:
        pitch = axis.src_stride if axis.src_stride >= 0 else -axis.src_stride
        reads.group = PIECE_NBYTES // pitch if 0 < pitch < PIECE_NBYTES else 1


cdef inline index_t src_at(const Axis* axis, index_t k) noexcept nogil:
    return (axis.src_offsets[k] if axis.src_offsets != NULL else k) * axis.src_stride


cdef inline index_t dst_at(const Axis* axis, index_t k) noexcept nogil:
    return (axis.dst_offsets[k] if axis.dst_offsets != NULL else k) * axis.dst_stride


cdef Status read_group(
    const Transfer* t, const Layout* layout, const Reads* reads, const index_t* at, index_t count,
    int fd, index_t start, Scratch* s, int* code,
) noexcept nogil:
    """Read `count` elements of axis `reads.level` from at[reads.level] on, and copy what is wanted of them."""
    cdef Axis axes[MAX_DIMS]
    cdef Axis copied[MAX_DIMS]
    cdef char* user = layout.user
    cdef index_t origin = layout.chunk_offset, low, high
    cdef size_t nbytes
    cdef int i, p, n = 0
    cdef Axis* group
    cdef Status status
    for i in range(reads.level):
        origin += src_at(&layout.axes[i], at[i])
        user += dst_at(&layout.axes[i], at[i])
    for i in range(reads.level, layout.n):
        axes[n] = layout.axes[i]
        n += 1
    group = &axes[0]
    if count < group.count:     # one element, or some that are evenly spaced
        origin += src_at(group, at[reads.level])
        user += dst_at(group, at[reads.level])
        group.count = count
        group.src_offsets = NULL
        group.dst_offsets = NULL
    axis_extent(group, &low, &high)
    nbytes = high - low + reads.spans[reads.level + 1]
    for i in range(reads.level + 1, layout.n):
        low += reads.low[i]
    status = reserve(&s.encoded, nbytes)
    if status == OK:
        status = read_range(fd, s.encoded.data, nbytes, start + origin + low, code)
    if status != OK:
        return status
    for p in range(t.n_parts):
        for i in range(n):
            copied[i] = axes[i]
        copy_block(
            s.encoded.data - low + t.parts[p].chunk_offset, user + t.parts[p].user_offset, copied, n, t.parts[p].nbytes
        )
    return OK


cdef Status read_groups(
    const Transfer* t, Layout* layout, int fd, index_t start, Scratch* s, int* code
) noexcept nogil:
    cdef Reads reads
    cdef index_t at[MAX_DIMS]
    cdef index_t count, n
    cdef int i
    cdef Status status
    sort_axes(layout)
    plan_reads(layout, t.geometry.itemsize, &reads)
    n = layout.axes[reads.level].count
    for i in range(layout.n):
        at[i] = 0
    while True:
        at[reads.level] = 0
        while at[reads.level] < n:
            count = reads.group if reads.group < n - at[reads.level] else n - at[reads.level]
            status = read_group(t, layout, &reads, at, count, fd, start, s, code)
            if status != OK:
                return status
            at[reads.level] += count
        i = reads.level - 1
        while i >= 0:
            at[i] += 1
            if at[i] < layout.axes[i].count:
                break
            at[i] = 0
            i -= 1
        if i < 0:
            return OK


cdef Status read_ranges(
    const Transfer* t, const Block* block, int fd, index_t start, Scratch* s, int* code
) noexcept nogil:
    cdef Layout layout
    cdef Status status = OK
    if is_full(t, block) and is_laid_out_alike(t):
        return read_range(fd, first_place(t, block), t.geometry.nbytes, start, code)
    if t.n_factors and lay_out(t, block, &layout, s, &status):
        return read_groups(t, &layout, fd, start, s, code)
    if status == OK:
        status = reserve(&s.chunk, t.geometry.nbytes)
    if status == OK:
        status = read_range(fd, s.chunk.data, t.geometry.nbytes, start, code)
    if status == OK:
        status = to_user(t, block, s.chunk.data, s)
    return status
