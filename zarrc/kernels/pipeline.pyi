from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from .cache import ChunkCache
from .chain import Chain
from .projection import Plan
from .sharding import ShardLayout

@disjoint_base
class Pipeline:
    @property
    def name(self) -> str: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def chunk_shape(self) -> tuple[int, ...]: ...
    @property
    def chain(self) -> Chain: ...
    @property
    def cache(self) -> ChunkCache | None: ...
    def __init__(
        self,
        name: str,
        dtype: np.dtype[Any],
        chunk_shape: tuple[int, ...],
        order: tuple[int, ...],
        chain: Chain,
        fill: bytes,
        has_fill: bool,
        key_prefix: bool,
        separator: str,
        write_empty: bool,
        fill_missing: bool,
    ) -> None: ...
    @property
    def chunks_per_key(self) -> tuple[int, ...] | None: ...
    def use_shards(self, layout: ShardLayout) -> None: ...
    def of_fields(self, names: Sequence[str]) -> Pipeline: ...
    def with_chain(self, chain: Chain) -> Pipeline: ...
    def use_files(self, directory: str, separator: str | None, fsync: bool, identity: int) -> None: ...
    def use_mapping(
        self,
        store: MutableMapping[str, Any],
        prefix: str,
        identity: int,
        bulk_get: bool = False,
        bulk_set: bool = False,
        requests: Callable[..., Any] | None = None,
        streams: bool = False,
    ) -> None: ...
    def use_cache(
        self, cache: ChunkCache, form: bytes, token_of: Callable[[str], bytes | None] | None = None
    ) -> None: ...
    def read(
        self,
        plan: Plan,
        out: NDArray[Any] | None = None,
        threads: int = 1,
        fortran: bool = False,
        contexts: Mapping[str, Any] | None = None,
    ) -> Any: ...
    def write(self, plan: Plan, values: NDArray[Any], threads: int = 1) -> None: ...
