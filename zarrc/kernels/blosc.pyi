from typing_extensions import disjoint_base, Self

from .codec import Codec

CNAMES: tuple[str, ...]
MAX_NBYTES: int

@disjoint_base
class Blosc(Codec):
    def __new__(
        cls, cname: str = "lz4", clevel: int = 5, shuffle: int = 1, typesize: int = 1, blocksize: int = 0
    ) -> Self: ...

def version() -> str: ...
