"""Features: what a network's accuracy is predicted from, one row per network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.errors import CntGraphError
from cntgraph.measures.layer_values import layer_values
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
    counted as stored, once each, with the normalisation folded in if it was folded.

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
        weights = layer_values(net, "link_weights", layer.name)
        blocks = (block for block in net.blocks_into(layer) if block.parametric)
        biases = [block.bias.read().reshape(-1) for block in blocks if block.bias is not None]
        for what, values in (("weight", weights), ("bias", np.concatenate([*biases, _NOTHING]))):
            if values.size:
                summary = _summary(np.asarray(values, dtype=np.float64))
                found |= {f"{layer.name}/{what}_{name}": x for name, x in summary.items()}
    return pd.Series(found, dtype=np.float64)


_NOTHING = np.empty(0)


def _summary(values: NDArray[np.float64]) -> dict[str, float]:
    levels = np.quantile(values, np.divide(QUANTILES, 100))
    if not np.isfinite(values).all():
        levels = np.full(levels.shape, np.nan)
    quantiles = {f"q{q}": float(level) for q, level in zip(QUANTILES, levels, strict=True)}
    return {"mean": float(values.mean()), "var": float(values.var()), **quantiles}


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
