"""What tables of layers and blocks show when they are printed."""

from __future__ import annotations

from typing import Any, Final

from cntgraph.core.table_view import TableView
from cntgraph.core.types import Columns

#: Kinds of layers that are told of where learned edges end in them: others route what they get.
ROUTING: Final = frozenset(("activation", "add", "attention", "multiply", "scale", "scores"))


def _folded(columns: Columns, learned: list[Any]) -> list[bool]:
    """Return which rows are of layers that only route values, if others do more."""
    if not any(learned):
        return [False] * len(learned)
    kinds = zip(columns["kind"], learned, strict=True)
    return [kind in ROUTING and not weights for kind, weights in kinds]


def structural_layers(columns: Columns) -> list[bool]:
    """Return which rows of `analyze` are of layers that only route values, and say nothing odd.

    Examples
    --------
    >>> structural_layers({"kind": ["dense", "add"], "n_weights": [6, 0], "status": ["ok", "ok"]})
    [False, True]
    """
    odd = (status != "ok" for status in columns["status"])
    folded = _folded(columns, columns["n_weights"])
    return [fold and not strange for fold, strange in zip(folded, odd, strict=True)]


def _structural_blocks(columns: Columns) -> list[bool]:
    return _folded(columns, columns["parametric"])


def _structural_modules(columns: Columns) -> list[bool]:
    """Return which rows are of modules that only route values, or of nothing but such."""
    learned = columns["learned"]
    made = zip(columns["kind"], learned, _folded(columns, learned), strict=True)
    return [fold or not (kind or weights) for kind, weights, fold in made]


#: What `describe` shows.
DESCRIPTION_VIEW: Final = TableView(
    ("layer", "kind", "shape", "block", "n_parameters", "n_edges"),
    folded=_structural_blocks,
    what="structural rows",
)
#: What `describe` shows of modules.
TREE_VIEW: Final = TableView(
    ("name", "kind", "shape", "n_parameters", "multiply_adds", "n_bytes"),
    folded=_structural_modules,
    what="structural rows",
)
#: What `analyze` shows.
ANALYSIS_VIEW: Final = TableView(
    ("snapshot", "step", "layer", "kind", "n_nodes", "n_edges", "strength_mean", "fluctuation",
     "link_weight_mean", "link_weight_std", "status"),
    if_any=("link_weight_n_nan", "link_weight_n_inf"),
    folded=structural_layers,
    what="structural layers",
)  # fmt: skip
#: What `link_weights` shows.
LINK_WEIGHT_VIEW: Final = TableView(
    ("block", "n_weights", "mean", "std", "skew", "kurtosis", "min", "max"),
    if_any=("zero_fraction", "n_nan", "n_inf"),
)
