"""Diverged networks: not finite, or far beyond the others of their architecture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import CntGraphError
from cntgraph.core.types import Ids, Values

if TYPE_CHECKING:
    import pandas as pd

#: How many scaled median absolute deviations of log10 are too far above the median …
MAX_DEVIATIONS: Final = 5.0
#: … if they are more than so many powers of ten.
MIN_DECADES: Final = 2.0
#: The median absolute deviation of normal values times this is their standard deviation.
_SCALE: Final = 1.4826
#: What is held against the bound.
_SIZES: Final = ("link_weight_std", "fluctuation")
#: Of fewer, none is far from the others.
_FEWEST: Final = 3
#: Rows of a table that are compared at a time.
_ROWS: Final = 1 << 15
#: Networks in which all of this is the same are of one architecture.
_ARCHITECTURE: Final = ("layer", "kind", "shape", "n_edges", "n_weights")


def diverged(table: pd.DataFrame, *, network: str = "network", alike: bool = False) -> pd.DataFrame:
    """Return which networks diverged, and why.

    A network diverged if a weight, a bias or a strength of it is NaN or infinite; or if the
    standard deviation of the link weights of a layer, or its fluctuation, is so much larger than
    the population's that log10 of it lies above the median by more than 5 scaled median absolute
    deviations (`MAX_DEVIATIONS`) and by more than 2, a factor of 100 (`MIN_DECADES`). The median is
    that of the same layer in all networks of the same architecture.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per network and layer, as `Population.analyze` and `Trajectory.analyze` return it.
    network : str, default "network"
        The column that numbers the networks; ``"snapshot"`` in a table of a trajectory.
    alike : bool, default False
        Whether all networks are known to be of one architecture, so that it need not be compared.

    Returns
    -------
    pandas.DataFrame
        ``network`` (as that column is called) and ``reason``, one row per network that diverged.

    Raises
    ------
    CntGraphError
        If a column is missing.

    Notes
    -----
    The bound is one of scale, as training that blows up multiplies; medians, as the networks to be
    found must not move it. Deviations alone would condemn a network of a population that is
    otherwise alike; a factor of 100 alone, one of a population of initializations that differ as
    much by intent. It is one-sided: weights that shrank, are pruned or died are those of a network
    that is poor, not of one that cannot be measured. Where most networks of an architecture blew
    up, or there are fewer than three, no bound finds them.

    References
    ----------
    .. [1] Leys, Ley, Klein, Bernard, Licata, "Detecting outliers: Do not use standard deviation
       around the mean, use absolute deviation around the median", Journal of Experimental Social
       Psychology 49 (2013) 764–766.

    Examples
    --------
    >>> import pandas as pd, cntgraph as cg
    >>> table = cg.analyze(cg.toy("mlp")).reset_index()
    >>> tables = [table.assign(network=k) for k in range(4)]
    >>> tables[2]["fluctuation"] *= 1e6
    >>> diverged(pd.concat(tables))["network"].tolist()
    [2]
    """
    import pandas as pd

    missing = [c for c in (network, *_ARCHITECTURE, *_SIZES, "status") if c not in table.columns]
    if missing:
        raise CntGraphError(f"expected columns {missing} in the table; it has {[*table.columns]}")
    table, given = table.reset_index(drop=True), table[network]
    if not table[network].is_monotonic_increasing:
        table = table.sort_values(network, kind="stable", ignore_index=True)
    reasons: defaultdict[Any, list[str]] = defaultdict(list)
    for number, layers in table[_not_finite(table)].groupby(network, sort=False)["layer"]:
        reasons[number].append(f"weights or strengths of {', '.join(layers)} are not finite")
    groups = (_layers if alike else _groups)(table, network)
    for name, row in _beyond(table, groups):
        number, layer, value = table.loc[row, [network, "layer", name]]
        if number not in reasons or not reasons[number][0].endswith("not finite"):
            reasons[number].append(f"{name} of {layer} is {value:.3g}, beyond the bound")
    numbers = given[given.isin([*reasons])].unique().tolist()
    rows = {network: numbers, "reason": ["; ".join(reasons[number]) for number in numbers]}
    return pd.DataFrame(rows).astype({network: table[network].dtype, "reason": object})


def _not_finite(table: pd.DataFrame) -> pd.Series:
    """Whether a layer, of those that have nodes, is measured to have what is not finite."""
    nodes = table["status"] != "empty"
    strengths = nodes & ~np.isfinite(table["fluctuation"])
    return (
        (table["status"] == "non-finite weights") | strengths | np.isinf(table["link_weight_std"])
    )


def _beyond(table: pd.DataFrame, groups: Iterable[Ids]) -> list[tuple[str, int]]:
    """Return what is beyond the bound: a size and a row, those of one size together, in order."""
    found: dict[str, list[int]] = {name: [] for name in _SIZES}
    for rows in groups:
        for name, beyond in found.items():
            beyond += _too_large(table[name].to_numpy(dtype=np.float64), rows).tolist()
    return [(name, row) for name, beyond in found.items() for row in sorted(beyond)]


def _layers(table: pd.DataFrame, network: str) -> Iterator[Ids]:
    """Yield the rows of each layer in all networks, which are of one architecture."""
    n_layers = int((table[network] == table[network].iloc[0]).sum()) if len(table) else 0
    for k in range(n_layers):
        yield np.arange(k, len(table), n_layers)


def _groups(table: pd.DataFrame, network: str) -> Iterator[Ids]:
    """Yield the rows of each layer in all networks of an architecture; of fewer than three, none.

    A table may be most of what fits into memory: nothing is made here that is as wide as one of its
    columns.
    """
    names, kinds = table[network].to_numpy(), _numbers(table)
    bounds = np.flatnonzero(names[1:] != names[:-1]) + 1
    starts = np.concatenate([[0], bounds])[: len(names)]
    known: dict[bytes, int] = {}
    own = (known.setdefault(some.tobytes(), len(known)) for some in _split(kinds, bounds))
    numbers = np.fromiter(own, np.int64, len(starts))
    order, ends = np.argsort(numbers, kind="stable"), np.cumsum(np.bincount(numbers))
    for architecture, networks in zip(known, _split(order, ends[:-1]), strict=True):
        for k in range(len(architecture) // kinds.itemsize if len(networks) >= _FEWEST else 0):
            yield starts[networks] + k


def _split(values: NDArray[Any], bounds: Ids) -> Iterator[NDArray[Any]]:
    """Yield the parts of an array between bounds; of an empty one, none."""
    start = 0
    for stop in chain(bounds, [len(values)] if len(values) else []):
        yield values[start:stop]
        start = stop


def _numbers(table: pd.DataFrame) -> NDArray[np.int32]:
    """Return one number for all rows in which `_ARCHITECTURE` is the same, some at a time."""
    known: dict[tuple[Any, ...], int] = {}
    found = np.empty(len(table), dtype=np.int32)
    for first in range(0, len(table), _ROWS):
        rows = table[[*_ARCHITECTURE]].iloc[first : first + _ROWS]
        own = rows.groupby([*_ARCHITECTURE], sort=False, dropna=False).ngroup()
        different = rows[~own.duplicated()].itertuples(index=False, name=None)
        # What is missing does not equal itself.
        keys = [tuple(None if x != x else x for x in row) for row in different]
        numbers = np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int32)
        found[first : first + _ROWS] = numbers[own]
    return found


def _too_large(values: Values, rows: Ids) -> Ids:
    """Return in which rows values exceed the bound of those of all the rows.

    Values that are zero or not finite do not count in it.
    """
    own = values[rows]
    usable = np.isfinite(own) & (own > 0.0)
    if np.count_nonzero(usable) < _FEWEST:
        return rows[:0]
    logs = np.log10(own[usable])
    excess = logs - np.median(logs)
    spread = _SCALE * float(np.median(np.abs(excess)))
    far: Ids = rows[usable][excess > max(MAX_DEVIATIONS * spread, MIN_DECADES)]
    return far
