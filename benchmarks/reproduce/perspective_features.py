"""The five measures of a network of `perspective.py`, as features of one length for all depths."""

from __future__ import annotations

import numpy as np
import pandas as pd
from perspective_networks import Gray, Kind, as_input
from scipy.stats import skew
from torch import nn

import cntgraph as cg

N_IMAGES = 500
"""Test images that run through a network to be measured: the first ones."""

BASELINE = "weight statistics"
MEASURES = {
    "link weights": "mean, deviation, skewness and kurtosis of the weights of a block",
    "nodes strength": "mean, skewness, 10 % and 90 % quantile over the nodes of a layer",
    "layers fluctuation": "deviation of node strength over the nodes of a layer",
    "neurons strength": "mean, fluctuation over neurons of their mean over images, mean over "
    "neurons of their deviation over images, share above zero",
    "neurons activation": "the same",
    BASELINE: "mean, variance and five quantiles of the weights of a block",
}
POOLED = ("first", "last", "mean", "std")


def features(model: nn.Module, kind: Kind, images: Gray) -> dict[str, float]:
    """Return features named measure/statistic/pool, such as "link weights/skew/last".

    A statistic has a value per layer, or per block of weights. What is kept of these is the first,
    the last, the mean and the deviation, so that the number of layers itself is not seen. Layers of
    input are left out: what they receive is the images.
    """
    x = as_input(kind.architecture, images.test_x[:N_IMAGES]).numpy()
    net = cg.load(model, example_input=x[:1])
    tables = _of_weights(net) | _of_data(model, x, net)
    return {
        f"{measure}/{statistic}/{pool}": value
        for measure, table in tables.items()
        for statistic, column in table.items()
        for pool, value in zip(POOLED, _pooled(column.to_numpy(float)), strict=True)
    }


def _pooled(values: np.ndarray) -> list[float]:
    return [float(x) for x in (values[0], values[-1], values.mean(), values.std())]


def _inner(net: cg.Network) -> list[str]:
    return [layer.name for layer in net.layers if not layer.is_input]


def _of_weights(net: cg.Network) -> dict[str, pd.DataFrame]:
    strength, inner = cg.node_strength(net), _inner(net)
    nodes = {x.name: strength[x.slice] for x in net.layers if not x.is_input}
    return {
        "link weights": cg.link_weights(net)[["mean", "std", "skew", "kurtosis"]],
        "nodes strength": pd.DataFrame(
            {"mean": x.mean(), "skew": skew(x), "q10": np.quantile(x, 0.1),
             "q90": np.quantile(x, 0.9)} for x in nodes.values()
        ),
        "layers fluctuation": cg.layer_fluctuation(net)[inner].to_frame("fluctuation"),
        BASELINE: pd.DataFrame(_baseline(net)),
    }  # fmt: skip


def _baseline(net: cg.Network) -> list[dict[str, float]]:
    """Return plain statistics of every block's weights, in which no graph is needed."""
    rows = []
    for block in net.select_blocks("parametric"):
        weights = np.asarray(block.weight.read()).ravel()
        quantiles = np.quantile(weights, (0.05, 0.25, 0.5, 0.75, 0.95))
        named = dict(zip(("q05", "q25", "q50", "q75", "q95"), quantiles, strict=True))
        rows.append({"mean": weights.mean(), "variance": weights.var()} | named)
    return rows


def _of_data(model: nn.Module, x: np.ndarray, net: cg.Network) -> dict[str, pd.DataFrame]:
    columns, inner = ["mean", "fluctuation", "std", "active"], _inner(net)
    return {
        "neurons strength": cg.neuron_strength(model, x).by_layer().loc[inner, columns],
        "neurons activation": cg.neuron_activation(model, x).by_layer().loc[inner, columns],
    }
