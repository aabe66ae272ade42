"""Embeddings of integer inputs; those of constant indices are recipes."""

from __future__ import annotations

from typing import Any

import torch

from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Nodes
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.reductions import reduce_axes
from cntgraph.adapters.tracing.tables import look_up
from cntgraph.network.blocks import PoolMode

#: Modes of an embedding bag, by the numbers that ATen gives them, as modes of a pooling.
_MODES: tuple[PoolMode, ...] = ("sum", "average", "max")


@handles("embedding")
def embedding(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Look up the rows that the input names."""
    weight, tokens = t.recipe(a["weight"]), a["indices"]
    if not isinstance(tokens, Nodes):
        return None
    return look_up(t, weight, tokens, name)


@handles("embedding_bag", "embedding_bag_forward_only")
def embedding_bag(t: AtenTracer, a: Arguments, name: str) -> Any:
    """Look up rows and pool those of a bag; the bags of a sample must be equally long."""
    weight, tokens, offsets = t.recipe(a["weight"]), a["indices"], a["offsets"]
    if a.get("per_sample_weights") is not None:
        raise NotFollowed("the weights of a bag's entries are data")
    if not isinstance(tokens, Nodes) or not isinstance(offsets, torch.Tensor):
        return None
    starts = offsets[:-1] if a.get("include_last_offset") else offsets
    n_bags = len(starts)
    length, rest = divmod(tokens.shape[0], max(n_bags, 1))
    if rest or not length or not torch.equal(starts.cpu(), torch.arange(n_bags) * length):
        raise NotFollowed("bags of different lengths")
    bags = Nodes(tokens.tensor.reshape(n_bags, length))
    name = t.name_of(weight, name)
    rows = look_up(t, weight, bags, name)
    return reduce_axes(t, rows, 1, _MODES[int(a.get("mode", 0))], f"{name}.pool")
