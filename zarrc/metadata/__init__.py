"""What documents say: both formats become one model, and back.

``model``
    `ArrayMetadata`, `GroupMetadata` and their parts: the only form inside zarrc.
``v2``, ``v3``
    JSON to model and back.
``dtypes``, ``fill_values``
    Data types and fill values as documents spell them, and NumPy's.
``chunk_keys``
    Coordinates to keys and back.
``documents``
    JSON itself.
"""

from .model import ArrayMetadata, ChunkKeyEncoding, CodecSpec, GroupMetadata

__all__ = ["ArrayMetadata", "ChunkKeyEncoding", "CodecSpec", "GroupMetadata"]
