"""Sums over all paths from the network's input to its output, by one product with each block."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cntgraph.core.errors import UndefinedMeasureError
from cntgraph.core.progress import progress
from cntgraph.core.types import Values
from cntgraph.graph.ends import ends_of
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import check_weights
from cntgraph.measures.matrix_free.operator import (
    AdjacencyOperator,
    Operator,
    adjacency_operator,
)
from cntgraph.measures.matrix_free.part import Part
from cntgraph.measures.matrix_free.scaled import Scaled
from cntgraph.measures.strength import node_bias
from cntgraph.network.blocks.transform import Transform, apply_transform
from cntgraph.network.network import Edges, Network


class PathSum(NamedTuple):
    """A sum over all paths from input to output, and its share of each output node.

    ``log10_total`` and ``log10_by_output`` are the decimal logarithms of their sizes: a deep
    network has more paths than a float can count, and then `total` is infinite. ``by_output``
    has shape (n_output_nodes,), in node order.
    """

    total: float
    log10_total: float
    by_output: Values
    log10_by_output: Values


def path_sum(
    net_or_graph: Network | Graph,
    transform: Transform,
    edges: Edges,
    *,
    noun: str,
    bias: bool = False,
    show_progress: bool = True,
) -> PathSum:
    """Return Σ over paths Π over edges f(w), from the nodes of input layers to those of output.

    Parameters
    ----------
    net_or_graph : Network or Graph
    transform : str
        The f above.
    edges : {"all", "parametric"}
    noun : str
        For errors.
    bias : bool, default False
        Whether paths begin at biases, too: each is an edge f(b) from a node of value one.
    show_progress : bool, default True

    Returns
    -------
    PathSum

    Raises
    ------
    NonFiniteWeightError, UndefinedMeasureError
    """
    if transform != "count":
        check_weights(net_or_graph, edges=edges, noun=noun)
    # Before anything of one value per node: it is held against the memory there is.
    operator = adjacency_operator(net_or_graph, transform=transform, edges=edges)
    sources, outputs = ends_of(net_or_graph, noun)
    start = np.zeros(net_or_graph.n_nodes)
    if bias:
        start += apply_transform(node_bias(net_or_graph, edges), transform)
    start[sources] += 1.0
    check_dag(operator, noun)
    at_nodes = Scaled(start)
    sweep(operator, at_nodes, noun, show_progress)
    total = at_nodes.sum(outputs)
    return PathSum(
        float(total.values()[0]),
        float(total.log10()[0]),
        at_nodes.values()[outputs],
        at_nodes.log10()[outputs],
    )


def check_dag(operator: AdjacencyOperator, noun: str) -> None:
    """Raise if there are loops, round which there are infinitely many paths.

    Raises
    ------
    UndefinedMeasureError
    """
    if not operator.is_dag:
        raise UndefinedMeasureError(
            f"{noun} is about paths from input to output, and round a loop there are infinitely "
            "many: load the network with unroll=T time steps"
        )


def sweep(operator: AdjacencyOperator, at_nodes: Scaled, noun: str, show_progress: bool) -> None:
    """Add to every node, in place, what comes to it along all paths; there must be no loop."""
    for stage in progress(operator.stages, noun, show=show_progress):
        if not stage.is_strongly_connected:
            pushed(operator.parts[stage.parts[0]], at_nodes, at_nodes)
            continue
        component, nodes = operator.among(stage.parts)
        step = at_nodes.part(nodes)
        while step.any():
            step = _step(component, step)
            at_nodes.add(nodes, step)


def _step(component: Operator, values: Scaled) -> Scaled:
    following = Scaled(np.zeros(len(values.mantissa)))
    for part in component.parts:
        pushed(part, values, following)
    return following


def pushed(part: Part, values: Scaled, into: Scaled) -> None:
    """Add to the targets of a part what they receive from values of its sources."""
    seen, exponent = values.gather(part.source)
    if seen.any():
        into.scatter_add(part.target, part.transposed(seen), exponent)
