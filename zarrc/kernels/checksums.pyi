from typing_extensions import disjoint_base, Self

from .codec import Codec

@disjoint_base
class Checksum(Codec): ...

class Crc32c(Checksum):
    def __new__(cls, location: str = "end", portable: bool = False) -> Self: ...

class Crc32(Checksum):
    def __new__(cls, location: str = "start") -> Self: ...

class Adler32(Checksum):
    def __new__(cls, location: str = "start") -> Self: ...

class Fletcher32(Checksum):
    def __new__(cls, location: str = "end") -> Self: ...

def has_crc32c_instruction() -> bool: ...
