"""The mean number of learned edges on the paths between single nodes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cntgraph.graph.ends import ends_of
from cntgraph.graph.graph import Graph
from cntgraph.measures.matrix_free.operator import AdjacencyOperator, adjacency_operator
from cntgraph.measures.matrix_free.part import Part
from cntgraph.measures.matrix_free.paths import check_dag, sweep
from cntgraph.measures.matrix_free.scaled import Scaled
from cntgraph.network.network import Network


def path_depth(net_or_graph: Network | Graph, noun: str) -> tuple[float, float, float]:
    """Return the mean number of learned edges on a path, the paths that have some, and all.

    Parameters
    ----------
    net_or_graph : Network or Graph
    noun : str
        For errors.

    Returns
    -------
    tuple of float
        The mean is NaN if there is no path; numbers of paths are infinite where they are too
        large for a float.

    Raises
    ------
    UndefinedMeasureError

    Examples
    --------
    >>> import cntgraph as cg
    >>> path_depth(cg.toy("mlp"), "the depth")
    (3.0, 384.0, 384.0)
    """
    operator = adjacency_operator(net_or_graph, transform="count")
    sources, outputs = ends_of(net_or_graph, noun)
    check_dag(operator, noun)
    start = np.zeros(net_or_graph.n_nodes)
    start[sources] = 1.0
    paths, depths = Scaled(start), Scaled(np.zeros_like(start))
    for stage in operator.stages:
        if stage.is_strongly_connected:
            _round(operator, stage.parts, paths, depths)
        else:
            _push(operator.parts[stage.parts[0]], (paths, depths), (paths, depths))
    idle = Scaled(start)
    structural = tuple(part for part in operator.parts if not part.parametric)
    sweep(replace(operator, parts=structural), idle, noun, False)
    found = [values.sum(outputs) for values in (paths, depths, idle)]
    share = _ratio(found[2], found[0])
    n_paths = float(found[0].values()[0])
    learned = n_paths * (1.0 - share) if share < 1.0 else 0.0
    return _ratio(found[1], found[0]), learned, n_paths


def _push(part: Part, of: tuple[Scaled, Scaled], into: tuple[Scaled, Scaled]) -> None:
    """Hand on the number of paths, and of the learned edges on them, one more if it is one."""
    paths, exponent = of[0].gather(part.source)
    depths, other = of[1].gather(part.source)
    if not paths.any():
        return
    if part.parametric:
        largest = max(exponent, other if depths.any() else exponent)
        depths = np.ldexp(depths, other - largest) + np.ldexp(paths, exponent - largest)
        other = largest
    into[0].scatter_add(part.target, part.transposed(paths), exponent)
    if depths.any():
        into[1].scatter_add(part.target, part.transposed(depths), other)


def _round(
    operator: AdjacencyOperator, parts: tuple[int, ...], paths: Scaled, depths: Scaled
) -> None:
    """Follow the paths through a component, step by step."""
    component, nodes = operator.among(parts)
    step = paths.part(nodes), depths.part(nodes)
    while step[0].any():
        following = Scaled(np.zeros(len(nodes))), Scaled(np.zeros(len(nodes)))
        for part in component.parts:
            _push(part, step, following)
        step = following
        paths.add(nodes, step[0])
        depths.add(nodes, step[1])


def _ratio(a: Scaled, b: Scaled) -> float:
    if not b.any():
        return float("nan")
    power = int(a.exponent[0]) - int(b.exponent[0])
    return float(np.ldexp(a.mantissa[0] / b.mantissa[0], power))
