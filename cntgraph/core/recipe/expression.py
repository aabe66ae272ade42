"""Expression: what a recipe is as data, a tree of operations over parameters and constants."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cntgraph.core.parameter import Parameter
from cntgraph.core.types import Array


@dataclass(frozen=True, eq=False)
class Expression:
    """A node of the tree, with all that is below it (see `Recipe`)."""

    op: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    args: tuple[Expression, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    parameter: Parameter | None = None
    value: Array | None = None
