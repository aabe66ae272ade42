"""Features: what a network's accuracy is predicted from, one row per network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Final

import numpy as np

from cntgraph.core.errors import CntGraphError
from cntgraph.core.order_statistics import Parts, order_statistics
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Values
from cntgraph.network.blocks.statistics import WeightStatistics
from cntgraph.network.network import Network

if TYPE_CHECKING:
    import pandas as pd

#: The sets that are made of columns of `analyze`, one feature per layer and column.
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "strength": ("strength_mean", "in_strength_mean", "out_strength_mean"),
    "fluctuation": ("fluctuation",),
    "link_weights": tuple(
        f"link_weight_{name}" for name in ("mean", "std", "skew", "kurtosis", "min", "max")
    ),
}
#: Quantiles of `weight_statistics`, in percent.
QUANTILES: Final = (0, 25, 50, 75, 100)
#: Values that are sorted at once; more are read part by part, several times.
_AT_ONCE = 1 << 22


@np.errstate(invalid="ignore", over="ignore")  # weights that are not finite have no statistics
def weight_statistics(net: Network) -> pd.Series:
    """Return mean, variance and quantiles of the weights and biases of every layer.

    Parameters
    ----------
    net : Network
        What is measured.

    Returns
    -------
    pandas.Series of float64
        ``<layer>/weight_mean``, ``weight_var``, ``weight_q0`` (the least), ``weight_q25``,
        ``weight_q50``, ``weight_q75``, ``weight_q100``, and the same of ``bias``, for every
        layer that learned weights, or biases, lead to. NaN where one of them is not finite.

    Notes
    -----
    The baseline to beat: features known to predict accuracy without any graph. Weights are
    counted as stored, once each, with the normalisation folded in if it was folded. Quantiles are
    exact, and of weights that are larger than memory as well: they are read a few times.

    References
    ----------
    .. [1] T. Unterthiner, D. Keysers, S. Gelly, O. Bousquet, I. Tolstikhin, "Predicting Neural
       Network Accuracy from Weights", 2020, arXiv:2002.11448, section 3.2.

    Examples
    --------
    >>> import cntgraph as cg
    >>> found = weight_statistics(cg.toy("mlp"))
    >>> found.size, found.index[7]
    (42, 'fc1/bias_mean')
    """
    import pandas as pd

    found: dict[str, float] = {}
    for layer in net.layers:
        blocks = [block for block in net.blocks_into(layer) if block.parametric]
        weights = [block.weight for block in blocks if block.weight is not None]
        biases = [block.bias for block in blocks if block.bias is not None]
        for what, recipes in (("weight", weights), ("bias", biases)):
            if sum(prod(recipe.shape) for recipe in recipes):
                summary = _summary(recipes)
                found |= {f"{layer.name}/{what}_{name}": x for name, x in summary.items()}
    return pd.Series(found, dtype=np.float64)


def _summary(recipes: Sequence[Recipe]) -> dict[str, float]:
    """Return the statistics of the values of some recipes together, read part by part."""

    def parts() -> Iterator[Values]:
        for recipe in recipes:
            for bounds in recipe.chunks() if recipe.shape else [(0, None)]:
                yield recipe.read(0, *bounds).astype(np.float64, copy=False).reshape(-1)

    n, names = sum(prod(recipe.shape) for recipe in recipes), [f"q{q}" for q in QUANTILES]
    if n <= _AT_ONCE:
        values = np.concatenate([*parts()])
        mean, var, whole = float(values.mean()), float(values.var()), np.isfinite(values).all()
    else:
        found = sum((WeightStatistics.of(part) for part in parts()), start=WeightStatistics())
        mean, var, whole = found.mean, found.variance, found.n == n
    if not whole:
        return dict.fromkeys(["mean", "var", *names], np.nan)
    shares = np.divide(QUANTILES, 100)
    levels = np.quantile(values, shares) if n <= _AT_ONCE else _quantiles(parts, n)
    return {"mean": mean, "var": var, **dict(zip(names, levels.tolist(), strict=True))}


def _quantiles(parts: Parts, n: int) -> Values:
    """Return the quantiles of many values, as NumPy interpolates between two of them."""
    places = (n - 1) * np.divide(QUANTILES, 100)
    ranks = np.stack([np.floor(places), np.ceil(places)]).astype(np.int64)
    ends = order_statistics(parts, ranks.reshape(-1).tolist()).reshape(2, -1)
    pairs = zip(ends.T, places - ranks[0], strict=True)
    return np.array([np.quantile(pair, share) for pair, share in pairs])


def layer_features(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return columns of `analyze` as features: a row per network, a column per layer and measure.

    Parameters
    ----------
    table : pandas.DataFrame
        One row per network and layer, as `Trajectory.analyze` and `Population.analyze` return it.
    columns : sequence of str
        Its columns.

    Returns
    -------
    pandas.DataFrame
        Columns ``<layer>/<measure>``, rows indexed by network (or snapshot, or both).

    Raises
    ------
    CntGraphError
        If a column is missing, or networks have different layers.

    Examples
    --------
    >>> import cntgraph as cg
    >>> with cg.open(cg.demo_file("training")) as training:
    ...     table = training[:2].analyze()
    >>> layer_features(table, ["fluctuation"]).columns[:2].tolist()
    ['input/fluctuation', 'conv1/fluctuation']
    """
    missing = [name for name in ("layer", *columns) if name not in table.columns]
    if missing:
        raise CntGraphError(f"expected columns {missing} in the table; it has {[*table.columns]}")
    networks = which_network(table)
    wide = table.set_index([*networks, "layer"])[list(columns)]
    if not wide.index.is_unique:
        raise CntGraphError(f"expected one row per network ({', '.join(networks)}) and layer")
    wide = wide.unstack("layer", sort=False)  # noqa: PD010
    sizes = table.groupby(networks, sort=False).size()
    layers = list(dict.fromkeys(table["layer"]))
    if (sizes != len(layers)).any():
        raise CntGraphError(
            f"expected networks of one architecture; of the layers {', '.join(map(str, layers))} "
            f"network {sizes[sizes != len(layers)].index[0]} has only some: predict within one "
            "architecture, or give features of your own"
        )
    wide.columns = [f"{layer}/{measure}" for measure, layer in wide.columns]
    return wide


def which_network(table: pd.DataFrame) -> list[str]:
    """Return the columns that tell networks apart: network, snapshot, or both.

    Raises
    ------
    CntGraphError
        If the table has neither.
    """
    found = [name for name in ("network", "snapshot") if name in table.columns]
    if not found:
        raise CntGraphError(
            f"expected a column 'network' or 'snapshot' in the table; it has {[*table.columns]}"
        )
    return found
