"""The part of one chunk that a plan wants, copied between the chunk and the user.

A block is one row of each factor of a plan. It becomes a list of axes for
``copying``: evenly spaced elements are strides, lists of positions are offsets, which are
computed here, in scratch, a piece at a time where they are many. Masks are gone
through where they are.
"""

from .chain cimport Scratch
from .copying cimport MAX_DIMS, Axis, copy_block, fill_block
from .projection cimport Factor, List, Row
from .types cimport Status, index_t, reserve, OK

cdef extern from "grouping.hpp" namespace "zarrc" nogil:
    void chunk_offsets(
        const List*, index_t first, index_t n, const index_t* coords, const index_t* strides, index_t* out)
    void gather_masked(
        const List*, const index_t* coords, const index_t* strides, const char* chunk,
        char* user, index_t step, size_t itemsize
    )
    void scatter_masked(
        const List*, const index_t* coords, const index_t* strides, char* chunk,
        const char* user, index_t step, size_t itemsize
    )

cdef enum:
    PIECE = 4096        # entries of a list whose offsets are computed at once


cdef void pick(const Transfer* t, index_t task, Block* block) noexcept nogil:
    """Find the rows of chunk number `task` of the plan, the last factor fastest, and its place in the grid."""
    cdef const Factor* f
    cdef int i
    for i in range(t.n_factors - 1, -1, -1):
        f = &t.factors[i]
        block.rows[i] = &f.rows[task % f.n_rows]
        task = task // f.n_rows
        locate(f, block.rows[i], block.coords)


cdef index_t number(const Transfer* t, const Block* block) noexcept nogil:
    """The task that `pick` finds the block for."""
    cdef index_t task = 0
    cdef int i
    for i in range(t.n_factors):
        task = task * t.factors[i].n_rows + (block.rows[i] - t.factors[i].rows)
    return task


cdef void locate(const Factor* f, const Row* row, index_t* coords) noexcept nogil:
    cdef index_t chunk = row.chunk
    cdef int a
    if f.list == NULL:
        coords[f.axis] = chunk
        return
    for a in range(f.list.n_axes - 1, -1, -1):
        coords[f.list.axes[a].axis] = chunk % f.list.axes[a].n_chunks
        chunk = chunk // f.list.axes[a].n_chunks


cdef bint is_whole(const Transfer* t, const Block* block) noexcept nogil:
    """Does the block cover all of the chunk that lies inside the array?"""
    cdef int i
    for i in range(t.n_factors):
        if not block.rows[i].whole:
            return False
    return t.n_parts == 1 and t.parts.nbytes == t.geometry.itemsize


cdef bint is_full(const Transfer* t, const Block* block) noexcept nogil:
    """Does the block hold all elements of the chunk in their own order?"""
    cdef int i
    cdef index_t extent
    for i in range(t.n_factors):
        if t.factors[i].list != NULL:
            return False
        extent = t.geometry.extents[t.factors[i].axis]
        if block.rows[i].count != extent or (block.rows[i].step != 1 and extent != 1):
            return False
    return t.n_parts == 1 and t.parts.nbytes == t.geometry.itemsize


cdef bint is_laid_out_alike(const Transfer* t) noexcept nogil:
    """Do the elements of a full block lie in the user's memory as they do in the decoded chunk?"""
    cdef int i, d
    for i in range(t.n_factors):
        d = t.factors[i].axis
        if t.geometry.extents[d] != 1 and t.user_strides[i] != t.geometry.strides[d]:
            return False
    return True


cdef char* first_place(const Transfer* t, const Block* block) noexcept nogil:
    """Where the first element of a block without lists is in the user's memory."""
    cdef char* at = t.user
    cdef int i
    for i in range(t.n_factors):
        at += block.rows[i].out_start * t.user_strides[i]
    return at


cdef inline void list_strides(
    const Transfer* t, const List* found, const Block* block, index_t* coords, index_t* strides
) noexcept nogil:
    cdef int a, d
    for a in range(found.n_axes):
        d = found.axes[a].axis
        coords[a] = block.coords[d]
        strides[a] = t.geometry.strides[d]


cdef void lay_out_list(
    const Transfer* t, const Block* block, int i, index_t first, index_t n, Layout* out, index_t* room
) noexcept nogil:
    """Write the axis of a list's entries [first, first + n) of this chunk; `room` takes 2 * n offsets."""
    cdef const Row* row = block.rows[i]
    cdef const List* found = t.factors[i].list
    cdef index_t coords[MAX_DIMS]
    cdef index_t strides[MAX_DIMS]
    cdef Axis* axis = &out.axes[out.n]
    cdef index_t k, unit
    cdef int a
    list_strides(t, found, block, coords, strides)
    out.pitch[out.n] = 0
    unit = strides[0]
    for a in range(found.n_axes):
        out.pitch[out.n] = max(out.pitch[out.n], strides[a])
        unit = min(unit, strides[a])
    for a in range(found.n_axes):       # a chunk's strides are multiples of each other
        strides[a] = strides[a] // unit
    chunk_offsets(found, row.start + first, n, coords, strides, room)
    axis[0] = Axis(n, unit, t.user_strides[i], room, NULL)
    if found.order == NULL:
        out.user += (row.start + first) * t.user_strides[i]
    else:
        for k in range(n):
            room[n + k] = found.order[row.start + first + k]
        axis.dst_offsets = room + n


cdef void lay_out_range(const Transfer* t, const Block* block, int i, Layout* out) noexcept nogil:
    cdef const Row* row = block.rows[i]
    cdef index_t stride = t.geometry.strides[t.factors[i].axis]
    out.axes[out.n] = Axis(row.count, stride * row.step, t.user_strides[i], NULL, NULL)
    out.chunk_offset += row.start * stride
    out.user += row.out_start * t.user_strides[i]
    out.pitch[out.n] = stride


cdef Status lay_out_piece(
    const Transfer* t, const Block* block, int long_list, index_t first, index_t n, Layout* out, Scratch* s
) noexcept nogil:
    """Write the axes of a block, of one list only entries [first, first + n)."""
    cdef index_t room = 0
    cdef index_t* offsets
    cdef index_t count
    cdef int i
    cdef Status status
    out.n = 0
    out.chunk_offset = 0
    out.user = t.user
    for i in range(t.n_factors):
        if t.factors[i].list != NULL:
            room += n if i == long_list else block.rows[i].count
    if room:
        status = reserve(&s.offsets, 2 * room * sizeof(index_t))
        if status != OK:
            return status
    offsets = <index_t*> s.offsets.data
    for i in range(t.n_factors):
        if t.factors[i].list == NULL:
            lay_out_range(t, block, i, out)
        else:
            count = n if i == long_list else block.rows[i].count
            lay_out_list(t, block, i, first if i == long_list else 0, count, out, offsets)
            offsets += 2 * count
        out.n += 1
    return OK


cdef inline int find_long_list(const Transfer* t, const Block* block) noexcept nogil:
    """The list with most entries here, when they are more than a piece; -1: none."""
    cdef int i, found = -1
    cdef index_t most = PIECE
    for i in range(t.n_factors):
        if t.factors[i].list != NULL and block.rows[i].count > most:
            found = i
            most = block.rows[i].count
    return found


cdef inline bint has_mask(const Transfer* t) noexcept nogil:
    return t.n_factors > 0 and t.factors[0].list != NULL and t.factors[0].list.mask != NULL


cdef bint lay_out(const Transfer* t, const Block* block, Layout* out, Scratch* s, Status* status) noexcept nogil:
    if has_mask(t) or find_long_list(t, block) >= 0:
        return False
    status[0] = lay_out_piece(t, block, -1, 0, 0, out, s)
    return status[0] == OK


ctypedef enum Direction:
    TO_USER
    TO_CHUNK
    FILL


cdef void move_layout(const Transfer* t, const Layout* layout, char* chunk, Direction direction) noexcept nogil:
    cdef Axis axes[MAX_DIMS]
    cdef const Axis* axis
    cdef const Part* part
    cdef char* user
    cdef int i, p
    for p in range(t.n_parts):
        part = &t.parts[p]
        user = layout.user + part.user_offset
        for i in range(layout.n):
            axis = &layout.axes[i]
            if direction == TO_CHUNK:
                axes[i] = Axis(axis.count, axis.dst_stride, axis.src_stride, axis.dst_offsets, axis.src_offsets)
            else:
                axes[i] = axis[0]
        if direction == TO_USER:
            copy_block(chunk + layout.chunk_offset + part.chunk_offset, user, axes, layout.n, part.nbytes)
        elif direction == TO_CHUNK:
            copy_block(user, chunk + layout.chunk_offset + part.chunk_offset, axes, layout.n, part.nbytes)
        else:
            fill_block(chunk + part.chunk_offset, user, axes, layout.n, part.nbytes)


cdef void move_masked(const Transfer* t, const Block* block, char* chunk, Direction direction) noexcept nogil:
    cdef const List* found = t.factors[0].list
    cdef index_t coords[MAX_DIMS]
    cdef index_t strides[MAX_DIMS]
    cdef const Part* part
    cdef int p, a
    list_strides(t, found, block, coords, strides)
    if direction == FILL:       # the one item for all
        for a in range(found.n_axes):
            strides[a] = 0
    for p in range(t.n_parts):
        part = &t.parts[p]
        if direction == TO_CHUNK:
            scatter_masked(
                found, coords, strides, chunk + part.chunk_offset,
                t.user + part.user_offset, t.user_strides[0], part.nbytes
            )
        else:
            gather_masked(
                found, coords, strides, chunk + part.chunk_offset,
                t.user + part.user_offset, t.user_strides[0], part.nbytes
            )


cdef Status move_block(
    const Transfer* t, const Block* block, char* chunk, Direction direction, Scratch* s
) noexcept nogil:
    cdef Layout layout
    cdef int long_list
    cdef index_t first = 0, n = 0, count
    cdef Status status
    if has_mask(t):
        move_masked(t, block, chunk, direction)
        return OK
    long_list = find_long_list(t, block)
    count = block.rows[long_list].count if long_list >= 0 else 1
    while first < count:
        n = count - first if count - first < PIECE else PIECE
        status = lay_out_piece(t, block, long_list, first, n, &layout, s)
        if status != OK:
            return status
        move_layout(t, &layout, chunk, direction)
        first += n
    return OK


cdef Status to_user(const Transfer* t, const Block* block, const char* chunk, Scratch* s) noexcept nogil:
    return move_block(t, block, <char*> chunk, TO_USER, s)


cdef Status to_chunk(const Transfer* t, const Block* block, char* chunk, Scratch* s) noexcept nogil:
    return move_block(t, block, chunk, TO_CHUNK, s)


cdef Status fill_user(const Transfer* t, const Block* block, const char* fill, Scratch* s) noexcept nogil:
    return move_block(t, block, <char*> fill, FILL, s)


cdef void axis_extent(const Axis* axis, index_t* low, index_t* high) noexcept nogil:
    cdef index_t k, at
    if axis.src_offsets == NULL:
        at = (axis.count - 1) * axis.src_stride
        low[0] = at if at < 0 else 0
        high[0] = at if at > 0 else 0
        return
    low[0] = high[0] = axis.src_offsets[0] * axis.src_stride
    for k in range(1, axis.count):
        at = axis.src_offsets[k] * axis.src_stride
        if at < low[0]:
            low[0] = at
        if at > high[0]:
            high[0] = at
