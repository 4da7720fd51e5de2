from typing_extensions import disjoint_base, Self

from .codec import Codec

@disjoint_base
class Zstd(Codec):
    def __new__(cls, level: int = 0, checksum: bool = False) -> Self: ...

def version() -> str: ...
