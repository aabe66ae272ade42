"""module_graphs: what the modules of a model did to each other at each moment of its training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cntgraph.activity.module_graph import module_graph
from cntgraph.adapters import registry
from cntgraph.core.errors import CntGraphError
from cntgraph.core.progress import progress
from cntgraph.graph.graph import Graph
from cntgraph.network.network import Network
from cntgraph.training.neurons import check_repeatable


def module_graphs(
    snapshots: Sequence[Network],
    model: Any,
    inputs: Any,
    modules: str | Sequence[str],
    *,
    show_progress: bool = True,
    **options: Any,
) -> list[Any]:
    """Return the `module_graph` of a model with the weights of each of some snapshots.

    Parameters
    ----------
    snapshots : sequence of Network
        Those of a training; their labels become the graphs'.
    model, inputs, modules, show_progress, **options
        As in `Trajectory.module_graphs`.

    Returns
    -------
    list of Graph, or of dict of Graph by class

    Raises
    ------
    CntGraphError
        As in `Trajectory.module_graphs`.
    """
    check_repeatable(inputs)
    holding = getattr(registry.adapter_of(model), "holding", None)
    if holding is None:
        raise CntGraphError("module_graphs takes the live model of PyTorch that was recorded")
    found = []
    for k in progress(range(len(snapshots)), "snapshots", show=show_progress):
        net = snapshots[k]
        with holding(model, net.parameters):
            graph = module_graph(model, inputs, modules, **options)
        found.append(_labeled(graph, net))
    return found


def _labeled(graph: Graph | dict[Any, Graph], net: Network) -> Any:
    if isinstance(graph, dict):
        return {label: replace(own, labels=net.labels) for label, own in graph.items()}
    return replace(graph, labels=net.labels)
