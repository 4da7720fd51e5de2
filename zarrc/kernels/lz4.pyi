from .codec import Codec

MAX_NBYTES: int

class LZ4(Codec):
    def __init__(self, acceleration: int = 1) -> None: ...

def version() -> str: ...
