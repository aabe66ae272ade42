"""Embeddings of integer inputs; those of constant indices are recipes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from cntgraph.adapters.torch.aten.operations import handles
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Arguments, Nodes
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tables import look_up
from cntgraph.network.blocks import AxisOperator, PoolMode

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
    bags = t.first(tokens.tensor.reshape(n_bags, length)).numpy()
    name = t.name_of(weight, name)
    made = t.builder.embed(f"{name}.embedding", bags, weight)
    mode = _MODES[int(a.get("mode", 0))]
    pooled = AxisOperator.adaptive(length, 1, average=mode == "average")
    if len(bags) == 1:
        ids = t.builder.pool(name, made[0].T, (pooled,), mode).reshape(1, -1)
    else:
        operators = (AxisOperator.identity(len(bags)), pooled)
        ids = t.builder.pool(name, np.moveaxis(made, -1, 0), operators, mode)[..., 0].T
    return t.batched(ids, (n_bags, weight.shape[1]))
