"""Diverged networks: not finite, or far beyond the others of their architecture."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cntgraph.core.errors import CntGraphError

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
#: Networks in which all of this is the same are of one architecture.
_ARCHITECTURE: Final = ("layer", "kind", "shape", "n_edges", "n_weights")


def diverged(table: pd.DataFrame, *, network: str = "network") -> pd.DataFrame:
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
    otherwise alike; a factor of 100 alone, one of a population of initialisations that differ as
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
    table = table.reset_index(drop=True)
    reasons: defaultdict[Any, list[str]] = defaultdict(list)
    for number, layers in table[_not_finite(table)].groupby(network, sort=False)["layer"]:
        reasons[number].append(f"weights or strengths of {', '.join(layers)} are not finite")
    architecture = _architectures(table, network)
    for name in _SIZES:
        excess = _excess(table[name], [architecture, table["layer"]])
        for row in excess.index[excess > 0]:
            number, layer, value = table.loc[row, [network, "layer", name]]
            if number not in reasons or not reasons[number][0].endswith("not finite"):
                reasons[number].append(f"{name} of {layer} is {value:.3g}, beyond the bound")
    numbers = [number for number in table[network].unique() if number in reasons]
    rows = {network: numbers, "reason": ["; ".join(reasons[number]) for number in numbers]}
    return pd.DataFrame(rows).astype({network: table[network].dtype, "reason": object})


def _not_finite(table: pd.DataFrame) -> pd.Series:
    """Whether a layer, of those that have nodes, is measured to have what is not finite."""
    nodes = table["status"] != "empty"
    strengths = nodes & ~np.isfinite(table["fluctuation"])
    return (
        (table["status"] == "non-finite weights") | strengths | np.isinf(table["link_weight_std"])
    )


def _architectures(table: pd.DataFrame, network: str) -> pd.Series:
    """Return the number of its architecture for every row."""
    import pandas as pd

    kinds = table.groupby([*_ARCHITECTURE], sort=False, dropna=False).ngroup().to_numpy()
    of_network, _ = pd.factorize(table[network])
    order = np.argsort(of_network, kind="stable")
    ends = np.cumsum(np.bincount(of_network))
    layers = (kinds[order[first:end]] for first, end in pairwise([0, *ends]))
    number, _ = pd.factorize(np.array([own.tobytes() for own in layers], dtype=object))
    return pd.Series(number[of_network], table.index)


def _excess(values: pd.Series, groups: list[pd.Series]) -> pd.Series:
    """Return by how many decades values exceed the bound of their group; NaN where there is none.

    Values that are zero or not finite do not count in it.
    """
    import pandas as pd

    plain = values.to_numpy(dtype=np.float64)
    usable = np.isfinite(plain) & (plain > 0)
    logs = pd.Series(np.log10(plain, where=usable, out=np.full(len(plain), np.nan)), values.index)
    centre = logs.groupby(groups, sort=False).transform("median")
    spread = _SCALE * (logs - centre).abs().groupby(groups, sort=False).transform("median")
    return logs - centre - np.maximum(MAX_DEVIATIONS * spread, MIN_DECADES)
