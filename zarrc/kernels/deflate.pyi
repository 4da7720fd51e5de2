from typing_extensions import disjoint_base, Self

from .codec import Codec

@disjoint_base
class Gzip(Codec):
    def __new__(cls, level: int = 5, backend: str | None = None) -> Self: ...

@disjoint_base
class Zlib(Codec):
    def __new__(cls, level: int = 1, backend: str | None = None) -> Self: ...

def backend() -> str: ...
def version() -> str: ...
