"""Sums over walks: what all nodes send along all edges, in one sweep through the blocks."""

from __future__ import annotations

import numpy as np

from cntgraph.core.errors import ConvergenceError
from cntgraph.core.progress import progress
from cntgraph.core.types import Values
from cntgraph.measures.matrix_free.operator import AdjacencyOperator
from cntgraph.measures.matrix_free.order import Stage


def walk_sums(
    operator: AdjacencyOperator,
    start: Values,
    scale: Values | float,
    *,
    tol: float,
    max_iter: int,
    noun: str,
    advice: str,
    show_progress: bool = True,
) -> Values:
    """Return y = (I − Mᵀ)⁻¹ b with M = diag(scale) A: b summed over the walks to each node.

    Parameters
    ----------
    operator : AdjacencyOperator
    start : ndarray of float64, shape (n_nodes,)
        The b above. It is overwritten with the result.
    scale : float or ndarray of float64, shape (n_nodes,)
        What each node multiplies by what it sends.
    tol : float
        Steps round a loop end when one changes its nodes by less than this part of them.
    max_iter : int
        Number of steps round a loop.
    noun, advice : str
        For the error.
    show_progress : bool, default True

    Returns
    -------
    ndarray of float64, shape (n_nodes,)

    Raises
    ------
    ConvergenceError
        If a loop did not come to rest.

    Notes
    -----
    Block by block in topological order, y[targets] += Mᵀ y[sources]: one product per block is
    exact, for y of the sources is complete. Where blocks depend on each other,
    y = b + Mᵀ b + Mᵀ² b + … is summed: until nothing is left to hand on if their nodes make no
    cycle (an unrolled recurrent layer), round a loop until it changes no more.
    """
    for stage in progress(operator.stages, noun, show=show_progress):
        if stage.is_strongly_connected:
            _round(operator, stage, start, scale, tol, max_iter, noun, advice)
        else:
            operator.parts[stage.parts[0]].push(start, start, scale)
    return start


def _round(
    operator: AdjacencyOperator,
    stage: Stage,
    y: Values,
    scale: Values | float,
    tol: float,
    max_iter: int,
    noun: str,
    advice: str,
) -> None:
    """Add to `y` what goes through a component, step by step: to the end, if it has no loop."""
    loop, nodes = operator.among(stage.parts)
    if not loop.on_cycles().any():
        tol, max_iter = 0.0, len(nodes)
    own = scale[nodes] if isinstance(scale, np.ndarray) else scale
    total, change = y[nodes], np.inf
    step = total.copy()
    for _ in range(max_iter):
        with np.errstate(over="ignore", invalid="ignore"):
            step = loop.rmatvec(step * own)
            total += step
            size = float(np.abs(total).sum())
        if not np.isfinite(size):
            break
        change = float(np.abs(step).sum()) / size if size else 0.0
        if change <= tol:
            y[nodes] = total
            return
    raise ConvergenceError(noun, max_iter, change, advice)
