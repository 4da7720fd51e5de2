from collections.abc import Sequence

from typing_extensions import disjoint_base, Self

from .codec import Codec

@disjoint_base
class Chain:
    @property
    def codecs(self) -> tuple[Codec, ...]: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    def __new__(
        cls,
        codecs: Sequence[Codec],
        names: Sequence[str],
        nbytes: int,
        sizes: Sequence[int | None],
        bounds: Sequence[int],
    ) -> Self: ...
    def starting_with(self, first: Codec) -> Chain: ...
