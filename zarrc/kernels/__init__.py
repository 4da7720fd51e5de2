"""Compiled work on chunks, done with the GIL released.

The layers, from the top::

    pipeline     a plan's chunks between a store and NumPy memory
      ├── projection   selections to plans: which part of which chunk
      ├── shard_tasks  what is done for one shard: its chunks, found by its index
      │     └── sharding  the index, and whole shards as a step of a chain
      ├── tasks        what is done for one chunk
      │     ├── files    chunk files: read, written and renamed
      │     ├── ranges   uncompressed chunks read by byte ranges
      │     ├── chain    a codec chain run over a chunk
      │     └── block    the part of a chunk that a plan wants
      │           └── copying   strided N-d gather and scatter, fill, empty test
      ├── pinned       values in memory that is not ours
      ├── pool         the process's threads, and the locks of chunk keys
      └── codec        what a compiled codec is; one module per C library
            ├── blosc  zstd  lz4  deflate
            └── filters  checksums

Inner functions are ``noexcept nogil``, take C types and return a ``Status``;
functions that Python calls check arguments, hold buffers and raise.
Nothing here knows a Python class of another room, ``errors`` aside.
"""
