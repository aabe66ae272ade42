"""torch-geometric: every layer of message passing on a small graph, and whole networks of them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch_geometric import nn as gnn
from torch_geometric.nn import conv

from ..audit.of_torch import unlike_start
from ..case import Case, Made

NODES, FEATURES, CLASSES = 6, 5, 3
EDGES = torch.tensor([[0, 1, 2, 3, 4, 5, 0, 2], [1, 2, 3, 4, 5, 0, 3, 5]])
MODELS = (
    "GCN",
    "GraphSAGE",
    "GIN",
    "GAT",
    "EdgeCNN",
    "MLP",
    "LINKX",
    "GraphUNet",
    "DeepGraphInfomax",
)
#: What some layers are made with besides the numbers of features.
OPTIONS: dict[str, dict[str, Any]] = {
    "ChebConv": {"K": 2}, "TAGConv": {"K": 2}, "SGConv": {"K": 2}, "ARMAConv": {},
    "GINConv": {"nn": torch.nn.Linear(FEATURES, 4)}, "EdgeConv": {"nn": torch.nn.Linear(10, 4)},
    "APPNP": {"K": 2, "alpha": 0.1}, "GatedGraphConv": {"out_channels": 6, "num_layers": 2},
    "RGCNConv": {"num_relations": 2}, "GCN2Conv": {"channels": FEATURES, "alpha": 0.1},
    "AGNNConv": {}, "LGConv": {}, "GENConv": {}, "SSGConv": {"alpha": 0.1},
    "GINEConv": {"nn": torch.nn.Linear(FEATURES, 4), "edge_dim": 4}, "DNAConv": {"channels": 8},
    "GMMConv": {"dim": 4, "kernel_size": 2}, "SplineConv": {"dim": 4, "kernel_size": 2},
    "SignedConv": {"first_aggr": True}, "PointNetConv": {"local_nn": torch.nn.Linear(8, 4)},
    "NNConv": {"nn": torch.nn.Linear(4, 4 * FEATURES)}, "CGConv": {"channels": FEATURES},
    "XConv": {"dim": 3, "kernel_size": 2}, "PPFConv": {"local_nn": torch.nn.Linear(9, 4)},
    "DynamicEdgeConv": {"nn": torch.nn.Linear(10, 4), "k": 2}, "HypergraphConv": {},
    "FAConv": {"channels": FEATURES}, "PANConv": {"filter_size": 2}, "PDNConv": {"edge_dim": 4,
    "hidden_channels": 4}, "GPSConv": {"channels": FEATURES, "conv": None}, "WLConvContinuous": {},
    "MixHopConv": {}, "FeaStConv": {}, "EGConv": {"num_heads": 1}, "GeneralConv": {},
}  # fmt: skip


def cases() -> Iterator[Case]:
    """Yield whole networks, then layers."""
    for name in MODELS:
        if hasattr(gnn.models, name):
            yield Case(name, partial(_network, name))
    for name in conv.__all__:
        kind = getattr(conv, name)
        if inspect.isclass(kind) and name.endswith(("Conv", "APPNP")) and "Hetero" not in name:
            yield Case(name, partial(_layer, name))


def _options() -> dict[str, Any]:
    """Return what the graph is loaded with: its nodes are no samples of a batch."""
    import cntgraph as cg

    return {"batched": False} if "batched" in inspect.signature(cg.load).parameters else {}


def _network(name: str) -> Made:
    torch.manual_seed(0)
    kind = getattr(gnn.models, name)
    sizes = {"in_channels": FEATURES, "hidden_channels": 4, "num_layers": 2,
             "out_channels": CLASSES,             "depth": 2, "num_nodes": NODES}  # fmt: skip
    accepted = inspect.signature(kind).parameters
    model = kind(**{key: value for key, value in sizes.items() if key in accepted})
    return _on_graph(model)


def _layer(name: str) -> Made:
    torch.manual_seed(0)
    kind = getattr(conv, name)
    accepted = inspect.signature(kind).parameters
    sizes = {"in_channels": FEATURES, "out_channels": 4}
    made_with = {key: value for key, value in sizes.items() if key in accepted}
    return _on_graph(kind(**{**made_with, **OPTIONS.get(name, {})}))


def _on_graph(model: Any) -> Made:
    """Return a model and the arguments that it takes of a graph."""
    rng = torch.Generator().manual_seed(0)
    values = {"x": torch.rand((NODES, FEATURES), generator=rng), "edge_index": EDGES,
              "x_0": torch.rand((NODES, FEATURES), generator=rng),
              "edge_type": torch.arange(EDGES.shape[1]) % 2,
              "edge_attr": torch.rand((EDGES.shape[1], 4), generator=rng),
              "pos": torch.rand((NODES, 3), generator=rng)}  # fmt: skip
    parameters = inspect.signature(model.forward).parameters
    needed = {
        key: value
        for key, value in values.items()
        if key in parameters
        and (key in ("x", "edge_index") or parameters[key].default is inspect.Parameter.empty)
    }
    unlike_start(model)
    with torch.no_grad():
        model(**needed)
    return Made(model, needed, options=_options())
