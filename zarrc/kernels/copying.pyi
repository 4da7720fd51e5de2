from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

def copy(
    src: NDArray[Any],
    dst: NDArray[Any],
    src_indices: Sequence[NDArray[np.int64] | None] = (),
    dst_indices: Sequence[NDArray[np.int64] | None] = (),
) -> None: ...
def fill(value: NDArray[Any], dst: NDArray[Any]) -> None: ...
def is_all(value: NDArray[Any], data: NDArray[Any]) -> bool: ...
