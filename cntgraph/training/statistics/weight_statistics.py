"""Weight statistics: plain numbers of weights and biases, the baseline that measures must beat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Final

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.order_statistics import order_statistics
from cntgraph.core.parameter import Parameter, widen_kernel_values
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Values
from cntgraph.measures.row_statistics import rows_in_any_order, statistics_of_rows
from cntgraph.network.blocks.statistics import WeightStatistics
from cntgraph.network.network import Network
from cntgraph.network.stack import Stack

if TYPE_CHECKING:
    import pandas as pd

#: Quantiles of `weight_statistics`, in percent.
QUANTILES: Final = (0, 25, 50, 75, 100)
#: What there is of weights, or of biases, in order.
_NAMES: Final = ("mean", "var", *(f"q{q}" for q in QUANTILES))
#: Values that are sorted at once; more are read part by part, several times.
_AT_ONCE = 1 << 22


@takes(Network)
def weight_statistics(net: Network) -> pd.Series:
    """Return mean, variance and quantiles of the weights and biases of every layer.

    What any measure of the graph is to be held against: it tells more only where these tell less.

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
    counted as stored, once each, with the normalization folded in if it was folded. Quantiles are
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
    for what, recipes in _sets(net):
        summary = _summary(recipes).tolist()
        found |= {f"{what}_{name}": x for name, x in zip(_NAMES, summary, strict=True)}
    return pd.Series(found, dtype=np.float64)


def each_weight_statistics(stack: Stack, parameters: Mapping[str, Parameter]) -> pd.DataFrame:
    """Return what `weight_statistics` does of each of many networks of one topology.

    Parameters
    ----------
    stack : Stack
        The topology.
    parameters : mapping of str to Parameter
        The values of each parameter in every network, shape (n, *shape of the parameter).

    Returns
    -------
    pandas.DataFrame
        One row per network.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> some = {name: Parameter.from_array(name, np.stack([p.raw(), -p.raw()]))
    ...         for name, p in net.parameters.items()}
    >>> found = each_weight_statistics(Stack(net), some)
    >>> found["fc1/weight_q75"].tolist() == (-found["fc1/weight_q25"]).tolist()[::-1]
    True
    """
    import pandas as pd

    n, of_all = next(iter(parameters.values())).shape[0], stack.reader(parameters)
    found: dict[str, Values] = {}
    for what, recipes in _sets(stack.net):
        rows = [
            widen_kernel_values(rows_in_any_order(of_all(recipe), n, recipe)) for recipe in recipes
        ]
        columns = _of_rows(rows[0] if len(rows) == 1 else np.concatenate(rows, axis=1)).T
        found |= {f"{what}_{name}": own for name, own in zip(_NAMES, columns, strict=True)}
    return pd.DataFrame(found, index=pd.RangeIndex(n), dtype=np.float64)


def _sets(net: Network) -> Iterator[tuple[str, list[Recipe]]]:
    """Yield what statistics are of, and the values."""
    for layer in net.layers:
        blocks = [block for block in net.blocks_into(layer) if block.parametric]
        weights = [block.weight for block in blocks if block.weight is not None]
        biases = [block.bias for block in blocks if block.bias is not None]
        for what, recipes in (("weight", weights), ("bias", biases)):
            if sum(prod(recipe.shape) for recipe in recipes):
                yield f"{layer.name}/{what}", recipes


def _summary(recipes: Sequence[Recipe]) -> Values:
    """Return the statistics of the values of some recipes together, read part by part."""

    def parts() -> Iterator[Values]:
        for recipe in recipes:
            for bounds in recipe.chunks() if recipe.shape else [(0, None)]:
                yield recipe.read(0, *bounds).astype(np.float64, copy=False).reshape(-1)

    n = sum(prod(recipe.shape) for recipe in recipes)
    if n <= _AT_ONCE:
        return _of_rows(np.concatenate([*parts()])[None]).reshape(-1)
    found = sum((WeightStatistics.of(part) for part in parts()), start=WeightStatistics())
    if found.n < n:
        return np.full(len(_NAMES), np.nan)
    ranks, shares = _ranks(n)
    ends = order_statistics(parts, ranks.reshape(-1).tolist()).reshape(ranks.shape)
    return np.array([found.mean, found.variance, *_between(ends[0], ends[1], shares)])


@np.errstate(invalid="ignore", over="ignore")  # weights that are not finite have no statistics
def _of_rows(rows: Array) -> Values:
    """Return the statistics of each row of values, shape (n, 7)."""
    size, mean, m2 = statistics_of_rows(rows).T[:3]
    ranks, shares = _ranks(rows.shape[1])
    ends = np.sort(rows, axis=1)[:, ranks].astype(np.float64)
    levels = _between(ends[:, 0], ends[:, 1], shares)
    found = np.concatenate([mean[:, None], (m2 / size)[:, None], levels], axis=1)
    return np.where(size[:, None] == rows.shape[1], found, np.nan)


def _ranks(n: int) -> tuple[Array, Values]:
    """Return between which two of n values each quantile lies, shape (2, 5), and how far on."""
    places = (n - 1) * np.divide(QUANTILES, 100)
    ranks = np.stack([np.floor(places), np.ceil(places)]).astype(np.int64)
    return ranks, places - ranks[0]


@np.errstate(invalid="ignore", over="ignore")
def _between(low: Values, high: Values, shares: Values) -> Values:
    """Return what is so far from one value to the other, as NumPy interpolates quantiles."""
    step = high - low
    return np.where(shares < 0.5, low + step * shares, high - step * (1.0 - shares))
