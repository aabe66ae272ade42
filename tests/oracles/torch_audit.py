"""What PyTorch computed against the edges that were traced, layer by layer.

While a model is traced on an example, every tensor of neurons has both its ids and its values. So
each layer, as it was traced, can be asked: is what PyTorch computed there the sum over the incoming
blocks of weight times what PyTorch had at their sources, plus the bias?
"""

from bisect import bisect_right
from unittest import mock

import numpy as np
import torch
from torch.utils._pytree import tree_leaves

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.torch import live
from cntgraph.adapters.torch.aten.values import Nodes
from cntgraph.adapters.torch.example import Example
from cntgraph.adapters.torch.watch import Watch
from cntgraph.adapters.tracing.complex_numbers import Complex

#: Layers of a recurrent cell, whose nodes may stand for all time steps.
OF_CELLS = {"recurrent", "hidden", "cell"}
#: Layers whose edges do not add up to their values: products, choices, what is uniform instead of
#: data, and gains of normalizations whose statistics are not seen.
NOT_SUMS = {
    "multiply",
    "activation",
    "max",
    "min",
    "where",
    "attention",
    "scores",
    "input",
    *OF_CELLS,
}
#: The same of poolings.
NO_SUMS = ("max", "min", "choice", "modulation")


class Recording(Watch):
    """Keeps the values of every tensor of neurons, and what each new layer was computed from."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.before, self.sources, self.looked_up = np.full(1024, np.nan), {}, []
        Recording.last = self

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        layers = self.tracer.builder.layers
        known, n_before = list(self.values_of([args, kwargs or {}])), len(layers)
        if "embedding" in str(func):
            self.looked_up += known
        result = super().__torch_dispatch__(func, types, args, kwargs)
        for k in range(n_before, len(layers)):
            self.sources.setdefault(layers[k].start, known)
        return result

    def values_of(self, value):
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list | tuple):
            for item in value:
                yield from self.values_of(item)
        elif isinstance(value, torch.Tensor):
            yield from pairs(self.lookup(value), value)

    def _remember(self, result, yielded):
        super()._remember(result, yielded)
        if isinstance(result, torch.Tensor):
            for ids, values in pairs(yielded, result):
                self._note(ids, values)

    def _note(self, ids, values):
        """Keep the first value that each node was seen to have."""
        missing = self.tracer.builder.layers[-1].slice.stop - len(self.before)
        if missing > 0:  # room for twice as many is made at once
            more = max(missing, len(self.before))
            self.before = np.concatenate([self.before, np.full(more, np.nan)])
        fresh = np.isnan(self.before[ids])
        self.before[ids[fresh]] = values[fresh]


def pairs(known, tensor):
    """Ids of nodes and their values, if a tensor stands for any; of both parts of complex ones."""
    if isinstance(known, Complex):
        parts = torch.view_as_real(tensor.detach().resolve_conj()).unbind(-1)
        both = zip(known.parts, parts, strict=True)
        return [found for part in both for found in pairs(*part)]
    if not isinstance(known, Nodes) or tensor.is_complex():  # cut: nobody knows what they are
        return []
    ids, values = known.ids.reshape(-1), tensor.detach().reshape(-1).resolve_neg()
    if values.dtype in (torch.float16, torch.bfloat16):
        values = values.float()
    return [(ids[ids >= 0], values.numpy()[ids >= 0])]  # copies: the model may write over them


def audit(model, *example, strict=True, norm="fold", **named):
    """Trace a model; check every layer that is a sum; return the network and how many were."""
    builder, found = examine(model, *example, **named)
    for name, total, seen, _ in found:
        assert np.allclose(total, seen, rtol=1e-6, atol=1e-7), name
    return builder.finish(strict=strict, norm=norm), len(found)


def examine(model, *example, unroll=None, batched=True, **named):
    """Trace a model; return what it was built with, and of each layer that is a sum: its name,
    what its edges add up to, what PyTorch computed, and the largest sum of absolute terms."""
    builder = Builder(unroll=unroll)
    with mock.patch.object(live, "Watch", Recording), live.evaluating(model) as kept:
        live.trace_module(model, builder, Example(example, named, batched=batched), kept)
    starts = [layer.start for layer in builder.layers]
    in_cell = np.zeros(builder.layers[-1].slice.stop, bool)
    for layer in builder.layers:
        in_cell[layer.slice] = layer.kind in OF_CELLS
    before = np.full(builder.layers[-1].slice.stop, np.nan)
    seen = Recording.last.before[: len(before)]
    before[: len(seen)] = seen
    given = np.full(len(before), np.nan)
    fill_inputs(builder, given, tree_leaves((example, named)))
    found, sources, ends = [], given.copy(), {}
    for block in builder.blocks:
        ends.setdefault(bisect_right(starts, block.target.span()[0]) - 1, []).append(block)
    for k, layer in enumerate(builder.layers):
        known = Recording.last.sources.get(layer.start, ())
        for ids, values in known:
            put(sources, ids, values, in_cell)
        blocks = [block for block in ends.get(k, ()) if in_layer(block, layer)]
        found += sum_of(builder, layer, blocks, before[layer.slice], sources)
        for ids, _ in known:
            sources[ids] = given[ids]
    return builder, found


def put(values, ids, numbers, in_cell):
    """Put numbers at nodes; of those of several time steps, which differ, none."""
    values[ids] = numbers
    differing = in_cell[ids] & (values[ids] != numbers)
    values[ids[differing]] = np.nan


def fill_inputs(builder, values, tensors):
    """Put the inputs and what is learned at their nodes; indices are one-hot, as the table is read:
    an entry of it may be asked for by another number."""
    inputs = {layer.name: layer for layer in builder.layers if layer.is_input}
    for tensor in (x for x in tensors if torch.is_tensor(x)):
        # Edges, positions and masks are taken as they are.
        for ids, numbers in pairs(Recording.last.lookup(tensor), tensor):
            values[ids] = numbers
    for ids, numbers in Recording.last.looked_up:
        values[ids] = numbers
    for name, layer in inputs.items():
        if f"{name}.index" in inputs:
            numbers = np.arange(layer.shape[0])[:, None]
            values[layer.slice] = (numbers == values[inputs[f"{name}.index"].slice]).reshape(-1)
    for layer in (x for x in builder.layers if x.kind == "learned"):
        (block,) = [b for b in builder.blocks if b.name == layer.name]
        values[layer.slice] = np.broadcast_to(block.bias.read(), layer.shape).reshape(-1)


def sum_of(builder, layer, blocks, seen, sources):
    """Yield the sum of a layer's edges and what PyTorch computed, if it is one of known values."""
    gains = any(b.name in builder.gains for b in blocks)
    seen_at = ~np.isnan(seen)  # what is hidden by a mask is not
    if layer.kind in NOT_SUMS or gains or not blocks or not seen_at.any():
        return
    total, scale = np.zeros(layer.n_nodes), 0.0
    for block in blocks:
        values = block.source.gather(sources)
        if np.isnan(values).any() or getattr(block, "mode", "") in NO_SUMS:
            return
        target = block.target.shifted(-layer.start)
        target.scatter_add(total, block.rmatvec(values))
        scale += block.rmatvec(abs(values), "absolute").max(initial=0)
        if block.bias is not None:
            bias = block.bias.read()
            target.scatter_add(total, bias)
            scale += abs(bias).max(initial=0)
    yield layer.name, total[seen_at], seen[seen_at], scale


def in_layer(block, layer):
    low, high = block.target.span()
    return layer.start <= low < high <= layer.slice.stop
