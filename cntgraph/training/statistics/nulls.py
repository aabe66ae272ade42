"""Nulls: what a network's measures would be by chance, drawn or in closed form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice, product
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError, NoCopiesError
from cntgraph.core.memory import check_memory
from cntgraph.core.progress import progress
from cntgraph.core.types import Values
from cntgraph.measures.fluctuation import layer_fluctuation
from cntgraph.measures.stacks import analyze_stack
from cntgraph.measures.strength import node_strength
from cntgraph.network.network import Network
from cntgraph.network.node_sums import BYTES_PER_NODE
from cntgraph.network.stack import FEWEST_TOGETHER, Stack, Stacked, n_together
from cntgraph.training.statistics.randomized import (
    flip_signs,
    redraw_weights,
    shuffle_weights,
    weight_tensors,
)

if TYPE_CHECKING:
    import pandas as pd

    from cntgraph.training.statistics.randomized import Seed

    Null: TypeAlias = Callable[[Network, np.random.Generator], Network]

__all__ = [
    "NULLS",
    "flip_signs",
    "iid_strength_std",
    "redraw_weights",
    "shuffle_weights",
    "z_scores",
]

Measure = Callable[[Network], "pd.Series"]

#: The nulls that have a name.
NULLS: Final[Mapping[str, Null]] = {
    "shuffle": shuffle_weights,
    "redraw": lambda net, rng: redraw_weights(net, "normal", rng),
    "flip": flip_signs,
}
#: Deviations below this part of the values are rounding: the null does not touch the measure.
ROUNDING: Final = 1e-11


@takes(Network)
def z_scores(
    net: Network,
    null: str | Null = "shuffle",
    *,
    n_nulls: int = 100,
    measures: Mapping[str, Measure] | None = None,
    rng: Seed = 0,
    show_progress: bool = True,
) -> pd.DataFrame:
    """Return how far measures of a network are from those of its nulls.

    Beyond about 2 on either side, chance seldom makes it so; about 0, what the null keeps explains
    the measure.

    Parameters
    ----------
    net : Network
        What is measured.
    null : {"shuffle", "redraw", "flip"} or callable, default "shuffle"
        What makes a null: `shuffle_weights`, `redraw_weights` from normal distributions,
        `flip_signs`, or a function of the network and a generator.
    n_nulls : int, default 100
        How many nulls, at least 2.
    measures : mapping of str to callable, optional
        Functions of a network that return a Series by layer; by default ``fluctuation``
        and ``strength_mean``.
    rng : int or numpy.random.Generator, default 0
        What is random, or its seed.
    show_progress : bool, default True
        Whether to show a progress bar on a terminal.

    Returns
    -------
    pandas.DataFrame
        A row per layer and measure: ``layer``, ``measure``, ``value``, ``null_mean``, ``null_std``
        (ddof 1), ``z`` = (value - null_mean) / null_std, and ``p``.

    Raises
    ------
    CntGraphError
        If there is no such null, or there are fewer than two.

    Notes
    -----
    With m nulls, ``p`` is (b + 1)/(m + 1), b of them being as far as the network is from
    the mean of them all; no p is below 1/(m + 1). Where the null does not touch a measure (such as
    shuffling the mean strength of a dense layer), it varies by rounding only, and z is NaN. Of
    small networks, many nulls are measured together, if these are the measures and nulls that come
    along; else one is in memory at a time.

    Examples
    --------
    >>> import cntgraph as cg
    >>> with cg.open(cg.demo_file("training")) as training:
    ...     found = z_scores(training[-1], n_nulls=20)
    >>> found.columns.tolist()
    ['layer', 'measure', 'value', 'null_mean', 'null_std', 'z', 'p']
    """
    import pandas as pd

    make = _null(null)
    if n_nulls < 2:
        raise CntGraphError(f"expected at least 2 nulls, got n_nulls={n_nulls}")
    chosen = measures or {"fluctuation": layer_fluctuation, "strength_mean": strength_mean}
    random = np.random.default_rng(rng)
    draws = progress(range(n_nulls), "nulls", show=show_progress)
    drawn = (make(net, random) for _ in draws)
    stack = _stack_of(net) if measures is None and isinstance(null, str) else None
    value = _measured(net, chosen)
    if stack is None:
        nulls = np.array([_measured(one, chosen) for one in drawn])
    else:
        nulls = np.concatenate([*_measured_together(stack, drawn)])
    rows = product([layer.name for layer in net.layers], chosen)
    table = pd.DataFrame(rows, columns=["layer", "measure"])
    return table.assign(value=value, **_scores(value, nulls))


@np.errstate(invalid="ignore")  # measures that are infinite have no score
def _scores(value: Values, nulls: Values) -> dict[str, Values]:
    mean, std = nulls.mean(axis=0), nulls.std(axis=0, ddof=1)
    rounding = ROUNDING * np.maximum(np.abs(nulls).max(axis=0), np.abs(value))
    std = np.where(std <= rounding, 0.0, std)
    # About the mean of all, the network and its nulls are treated alike: p is exact.
    center = (mean * len(nulls) + value) / (len(nulls) + 1)
    reached = (np.abs(nulls - center) >= np.abs(value - center) - rounding).sum(axis=0)
    known = np.isfinite(value) & np.isfinite(mean)
    return {
        "null_mean": mean,
        "null_std": std,
        "z": np.divide(value - mean, std, out=np.full_like(value, np.nan), where=std > 0),
        "p": np.where(known, (reached + 1) / (len(nulls) + 1), np.nan),
    }


def strength_mean(net: Network) -> pd.Series:
    """Return the mean strength of each layer.

    Parameters
    ----------
    net : Network

    Returns
    -------
    pandas.Series of float64
        By layer; NaN for a layer without nodes.
    """
    import pandas as pd

    parts = net.split(node_strength(net))
    means = {name: float(part.mean()) if part.size else np.nan for name, part in parts.items()}
    return pd.Series(means, name="strength_mean", dtype=np.float64)


@takes(Network)
def iid_strength_std(net: Network) -> pd.Series:
    """Return the standard deviation of strengths if weights were independent of each other.

    What the deviation of strengths would be by chance: one above it says that weights at a node go
    together, one below it that they make up for each other.

    Parameters
    ----------
    net : Network
        What is measured: which edges there are, and the deviation σ of each block's weights.

    Returns
    -------
    pandas.Series of float64
        By layer; 0 for a layer that no learned edge meets, NaN for one without nodes.

    Notes
    -----
    If the weights of all edges are independent, of mean zero and deviation σ, and there are no
    biases, the strength of a node with n_in incoming and n_out outgoing edges has

        std(s) = σ √(n_in + n_out)

    Here each block brings its own σ (of its weights, ddof 0), so that the variance of a node is
    Σ σ_b² n_b over the blocks at it, and of a layer the mean over its nodes.

    In a dense layer of N nodes, that is what the fluctuation would be, but for the mean that it
    is taken about: E[Y²] = (1 - 1/N) std(s)². The mean need not be zero there: all nodes of a
    layer have as many edges.

    In a convolution, the positions of a channel share their weights. The formula holds for each
    node over many draws of the kernels, as no node meets a weight twice from one side, but not
    for the fluctuation of one network: its N nodes bring only as many independent values as the
    kernels have, so that Y is smaller, and differs much from draw to draw. At the borders of an
    unpadded convolution nodes have fewer edges, and a mean that is not zero adds to Y, too.
    Compare trained convolutions with `relative_fluctuation`, whose null shares weights alike, or
    with `z_scores`. Where a block leads from a layer to itself, it is an approximation.

    References
    ----------
    .. [1] La Malfa, La Malfa, Nicosia, Latora, "Characterizing Learning Dynamics of Deep Neural
       Networks via Complex Networks", ICTAI 2021, arXiv:2110.02628, section III, for s and Y.

    Examples
    --------
    >>> import cntgraph as cg
    >>> iid_strength_std(cg.toy("mlp")).round(2).to_dict()
    {'input': 1.24, 'fc1': 1.5, 'fc2': 1.57, 'fc3': 0.78}
    """
    import pandas as pd

    check_memory(BYTES_PER_NODE * net.n_nodes, f"measuring {net.n_nodes:,} nodes")
    variance = np.zeros(net.n_nodes)
    for block in net.select_blocks("parametric"):
        count = block.sums("count")["count"]
        spread = block.statistics().std ** 2
        block.source.scatter_add(variance, spread * count.row)
        block.target.scatter_add(variance, spread * count.column)
    names = pd.Index([layer.name for layer in net.layers], name="layer")
    parts = [variance[layer.slice] for layer in net.layers]
    values = [float(np.sqrt(part.mean())) if part.size else np.nan for part in parts]
    return pd.Series(values, index=names, name="iid_strength_std", dtype=np.float64)


def _null(null: str | Null) -> Null:
    if not isinstance(null, str):
        return null
    if null not in NULLS:
        raise CntGraphError(f"expected a null of {', '.join(NULLS)} or a function, got {null!r}")
    return NULLS[null]


def _measured(net: Network, measures: Mapping[str, Measure]) -> Values:
    """Return all measures of a network, layer after layer."""
    names = [layer.name for layer in net.layers]
    columns = [measure(net).reindex(names).to_numpy(np.float64) for measure in measures.values()]
    return np.stack(columns, axis=1).reshape(-1)


def _stack_of(net: Network) -> Stack | None:
    """Return what measures many nulls of a network together; None where one is at a time."""
    if n_together(net) < FEWEST_TOGETHER or not {*weight_tensors(net)} <= {*net.parameters}:
        return None
    try:
        return Stack(net)
    except NoCopiesError:
        return None


def _measured_together(stack: Stack, nulls: Iterator[Network]) -> Iterator[Values]:
    """Yield the default measures of nulls, a row for each, as `_measured` returns them."""
    n = n_together(stack.net)
    while some := [*islice(nulls, n)]:
        together = Stacked.read(stack.net.parameters, lambda null: null.parameters, some)
        own = analyze_stack(stack, together.parameters).own
        columns = np.stack([own["strength_std"], own["strength_mean"]], axis=2)
        yield columns.reshape(len(some), -1)
