"""What `analyze` finds, of many networks of one topology at once: no node, no object a network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.parameter import Parameter, widen_kernel_values
from cntgraph.core.types import Values
from cntgraph.measures.analyze import ANALYSIS, STRENGTHS, SUMMARY, status_of
from cntgraph.measures.layer_values import DIRECTIONS, Distribution, check_distribution
from cntgraph.measures.link_weights import COLUMNS
from cntgraph.measures.row_statistics import add_sums, no_statistics, rows_in_any_order
from cntgraph.measures.strength import add_boundary
from cntgraph.measures.summary import summarize_each
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.class_values import ClassValues
from cntgraph.network.layer_sums import LayerSums
from cntgraph.network.network import Edges
from cntgraph.network.stack import Stack

if TYPE_CHECKING:
    import pandas as pd


#: The counts of weights that are finite, not a number and infinite.
_SIZES = [0, 8, 9]
#: What is known of a layer itself.
_OF_LAYERS = ("name", "kind", "shape", "activation", "n_nodes")


class LayerColumns(NamedTuple):
    """The columns of `analyze`, in its order.

    `same` are those that all networks share, a value per layer; `own` those of each network,
    shape (n networks, n layers), but for the fluctuation, which is the deviation of the strengths.
    Of the status, which is a word, `own` has the number of a word, and `statuses` the words.
    """

    same: dict[str, list[Any]]
    own: dict[str, NDArray[Any]]
    statuses: list[str]

    def table(self) -> pd.DataFrame:
        """Return all of them, one network below the other, as `analyze` names and types them."""
        import pandas as pd

        columns: dict[str, Any] = {name: values.reshape(-1) for name, values in self.own.items()}
        n, n_layers = self.own["status"].shape
        columns["status"] = _words(self.statuses, columns["status"])
        layers = np.tile(np.arange(n_layers), n)
        columns |= {name: _words(values, layers) for name, values in self.same.items()}
        table = pd.DataFrame(columns, copy=False)
        table["fluctuation"] = table["strength_std"]  # the same numbers, in the same place
        return table[[*ANALYSIS]]


def _words(values: Sequence[Any], numbers: NDArray[Any]) -> Any:
    """Return the values with these numbers, of the type that pandas has for them in a table."""
    import pandas as pd

    if isinstance(values[0], tuple):
        table = np.empty(len(values), dtype=object)
        table[:] = values
        return table[numbers]
    return pd.Series(values).array.take(numbers)


@np.errstate(invalid="ignore", over="ignore")  # infinities that cancel are NaN
def analyze_stack(
    stack: Stack,
    parameters: Mapping[str, Parameter],
    *,
    edges: Edges = "parametric",
    bias: bool = True,
    boundary: float = 0.0,
) -> LayerColumns:
    """Return what `analyze` finds in each of many networks of one topology.

    Parameters
    ----------
    stack : Stack
        The topology.
    parameters : mapping of str to Parameter
        The values of each parameter in every network, shape (n, *shape of the parameter).
    edges, bias, boundary
        As in `analyze`.

    Returns
    -------
    LayerColumns

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("cnn")
    >>> some = {name: Parameter.from_array(name, np.stack([p.raw(), -p.raw()]))
    ...         for name, p in net.parameters.items()}
    >>> analyze_stack(Stack(net), some).own["strength_std"].round(3)
    array([[0.567, 1.77 , 0.887, 1.873],
           [0.567, 1.77 , 0.887, 1.873]])
    """
    names = {block.name for block in stack.net.select_blocks(edges)}
    totals = _StackTotals(stack, next(iter(parameters.values())).shape[0])
    for one, all_ in zip(stack.net.blocks, stack.blocks(parameters), strict=True):
        if one.name in names:
            totals.add(one, all_, bias=bias)
    add_boundary(totals.sums, boundary)
    return totals.columns()


def stacked_values(
    stack: Stack, parameters: Mapping[str, Parameter], measure: Distribution, layer: str
) -> Values:
    """Return the values of a measure of a layer in each of many networks (see `layer_values`).

    Parameters
    ----------
    stack : Stack
        The topology, or what is around the layer of it.
    parameters : mapping of str to Parameter
        As in `analyze_stack`.
    measure, layer
        As in `layer_values`.

    Returns
    -------
    ndarray of float64, shape (n networks, n values)

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("cnn")
    >>> some = {name: Parameter.from_array(name, np.stack([p.raw(), -p.raw()]))
    ...         for name, p in net.parameters.items()}
    >>> stacked_values(Stack(net), some, "strength", "fc").shape
    (2, 3)
    """
    check_distribution(measure)
    n, found = next(iter(parameters.values())).shape[0], stack.net.layer(layer)
    both = zip(stack.net.blocks, stack.blocks(parameters), strict=True)
    blocks = [(one, all_) for one, all_ in both if one.parametric]
    if measure == "link_weights":
        ending = {block.name for block in stack.net.blocks_into(found)}
        parts = [
            widen_kernel_values(rows_in_any_order(all_.weight, n, one.weight))
            for one, all_ in blocks
            if one.name in ending and all_.weight is not None and one.weight is not None
        ]
        return np.concatenate([*parts, np.empty((n, 0))], axis=1, dtype=np.float64)
    totals = _StackTotals(stack, n)
    for one, all_ in blocks:
        totals.add(one, all_, bias=True)
    sums = totals.sums.of_layer(stack.net.layers.index(found), DIRECTIONS[measure])
    return sums.values().reshape(n, -1)


class _StackTotals:
    """What is added up, block by block, of n networks."""

    def __init__(self, stack: Stack, n: int) -> None:
        self.net, self.n = stack.net, n
        self.sums = LayerSums(stack.layers(n))
        self.statistics: dict[str, Values] = {}
        self.n_edges: Counter[str] = Counter()
        self.odd_biases: dict[str, NDArray[np.bool_]] = {}

    def add(self, one: Block, all_: Block, *, bias: bool) -> None:
        """Add a block of one network, and that of all networks."""
        layer = self.net.ends[one.name]
        found = self.statistics.setdefault(layer, no_statistics(self.n))
        self.sums.add_sides(all_.source, all_.target, add_sums(found, one, all_))
        self.n_edges[layer] += one.n_edges
        if bias and all_.bias is not None:
            self.add_bias(layer, all_)

    def add_bias(self, layer: str, block: Block) -> None:
        """Add the biases of each network to what comes in."""
        assert block.bias is not None
        shift = block.bias.read()
        self.sums.add("in", block.target, ClassValues.of_broadcast(shift, block.target.shape))
        if not np.isfinite(shift).all():
            odd = ~np.isfinite(shift.reshape(self.n, -1)).all(axis=1)
            self.odd_biases[layer] = self.odd_biases.get(layer, np.zeros(self.n, np.bool_)) | odd

    # -- as columns -----------------------------------------------------------------------------

    def columns(self) -> LayerColumns:
        """Return the columns of `analyze`."""
        layers, none = self.net.layers, no_statistics(self.n)
        found = np.stack([self.statistics.get(layer.name, none) for layer in layers], axis=1)
        own = self._strength_columns() | _weight_columns(found)
        status, statuses = self._statuses(own["link_weight_n_nan"] + own["link_weight_n_inf"] > 0)
        same = {
            **{name: [getattr(layer, name) for layer in layers] for name in _OF_LAYERS},
            "n_edges": [self.n_edges[layer.name] for layer in layers],
            "n_weights": found[0][:, _SIZES].sum(axis=1).astype(np.int64).tolist(),
        }
        return LayerColumns({"layer": same.pop("name"), **same}, own | {"status": status}, statuses)

    def _statuses(self, odd: NDArray[np.bool_]) -> tuple[NDArray[np.int8], list[str]]:
        """Return the number of each layer's status in every network, and all of them."""
        fed, statuses = set(self.net.ends.values()), list[str]()
        numbers = np.empty(odd.shape, dtype=np.int8)
        for k, layer in enumerate(self.net.layers):
            own = odd[:, k] | self.odd_biases.get(layer.name, np.zeros(self.n, np.bool_))
            for is_odd in (False, True):
                status = status_of(layer, fed=layer.name in fed, odd=is_odd)
                if status not in statuses:
                    statuses.append(status)
                numbers[own == is_odd, k] = statuses.index(status)
        return numbers, statuses

    def _strength_columns(self) -> dict[str, NDArray[Any]]:
        n_layers = len(self.net.layers)
        each = [
            summarize_each(self.sums.of_layer(k, direction), self.n)
            for direction in STRENGTHS.values()
            for k in range(n_layers)
        ]
        found = np.stack(each).reshape(len(STRENGTHS), n_layers, self.n, len(SUMMARY))
        columns = np.ascontiguousarray(found.transpose(0, 3, 2, 1)).reshape(-1, self.n, n_layers)
        names = [f"{name}_{what}" for name in STRENGTHS for what in SUMMARY]
        return dict(zip(names, columns, strict=True))


def _weight_columns(found: Values) -> dict[str, NDArray[Any]]:
    """Return what `weight_columns` does, of statistics in the last axis of an array."""
    n, mean, m2, m3, m4, least, largest, n_zero, n_nan, n_inf = np.moveaxis(found, -1, 0)
    size = n + n_nan + n_inf
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        variance = m2 / n
        std = np.sqrt(np.maximum(variance, 0.0))
        varies = (std > np.abs(mean) * 1e-15) & (variance * variance > 0.0)
        skew = np.where(varies, m3 / n / (variance * std), np.nan)
        kurtosis = np.where(varies, m4 / n / (variance * variance) - 3.0, np.nan)
        zero = n_zero / size
    values = (np.where(n > 0, of, np.nan) for of in (mean, std, skew, kurtosis, least, largest))
    named = dict(zip(COLUMNS, values, strict=True)) | {"zero_fraction": zero}
    named |= {"n_nan": n_nan.astype(np.int64), "n_inf": n_inf.astype(np.int64)}
    return {f"link_weight_{name}": values for name, values in named.items()}
