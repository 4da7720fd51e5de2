from typing_extensions import disjoint_base, Self

from .codec import Codec

MAX_NBYTES: int

@disjoint_base
class LZ4(Codec):
    def __new__(cls, acceleration: int = 1) -> Self: ...

def version() -> str: ...
