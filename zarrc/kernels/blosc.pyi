from .codec import Codec

CNAMES: tuple[str, ...]
MAX_NBYTES: int

class Blosc(Codec):
    def __init__(
        self, cname: str = "lz4", clevel: int = 5, shuffle: int = 1, typesize: int = 1, blocksize: int = 0
    ) -> None: ...

def version() -> str: ...
