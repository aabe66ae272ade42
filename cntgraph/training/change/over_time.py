"""Change over time: how far the weights of each block are from what they were, by snapshot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Literal

from cntgraph.core.errors import CntGraphError
from cntgraph.core.progress import progress
from cntgraph.network.network import Network
from cntgraph.training.change.block_pairs import pair_blocks
from cntgraph.training.change.comparison import WeightsChanged, check_count, weights_changed

if TYPE_CHECKING:
    import pandas as pd

Weights = Literal["change", "cosine", "sign_flips", "effective_rank"]

#: What is told of the weights of a block, by the columns of `compare`.
_MEASURES: Final[dict[str, Callable[[WeightsChanged], float]]] = {
    "change": lambda found: found.sums.relative,
    "cosine": lambda found: found.sums.cosine,
    "sign_flips": lambda found: found.sums.sign_flips,
    "effective_rank": lambda found: found.effective_rank,
}


def change_over_time(
    nets: Sequence[Network],
    measure: Weights,
    reference: int | None,
    *,
    max_rank_side: int,
    show_progress: bool,
) -> pd.DataFrame:
    """Return how far the weights of each block are from what they were.

    Parameters
    ----------
    nets : sequence of Network
        Of one topology, in order.
    measure, max_rank_side, show_progress
        As in `Trajectory.change`.
    reference : int or None
        From which network; None: from the one before each.

    Returns
    -------
    pandas.DataFrame
        One row per network and one column per learned block.

    Raises
    ------
    CntGraphError
        If there is no such measure.
    """
    import pandas as pd

    if measure not in _MEASURES:
        raise CntGraphError(f"expected a measure of {', '.join(_MEASURES)}; got {measure!r}")
    check_count("max_rank_side", max_rank_side)
    most = max_rank_side if measure == "effective_rank" else 0
    first = None if reference is None or not len(nets) else nets[reference]
    rows: list[dict[str, float]] = []
    before = first
    for net in progress(nets, measure, show=show_progress):
        rows.append({} if before is None else _row(before, net, measure, most))
        before = first or net
    index = pd.RangeIndex(len(rows), name="snapshot")
    names = [pair.a.name for pair in pair_blocks(nets[0], nets[0]) if pair.a] if rows else []
    return pd.DataFrame(rows, index=index, columns=pd.Index(names, name="block"), dtype="float64")


def _row(before: Network, after: Network, measure: Weights, max_rank_side: int) -> dict[str, float]:
    pairs = ((pair.a, pair.b) for pair in pair_blocks(before, after))
    told = _MEASURES[measure]
    return {a.name: told(weights_changed(a, b, max_rank_side)) for a, b in pairs if a and b}
