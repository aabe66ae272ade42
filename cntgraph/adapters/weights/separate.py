"""Named tensors without a graph as a network: every weight is a block of its own.

What leads to a weight and what follows it is not known, so each is a small network by itself: a
source layer ``name.in``, which counts as an input, and a target layer ``name``, which counts as an
output. Its strengths are exact as far as its own edges and its bias go.

* A matrix W of shape (n_out, n_in) is a dense block y = W x + b.
* A convolution kernel of shape (c_out, c_in / groups, *taps) is dense, too: from one window of its
  input, of shape (c_in / groups, *taps), to one position of its output, (c_out,). Each stored
  weight is one edge, and the strength of a target node is the sum of a channel's kernel.
* A gain of one dimension is a diagonal block.
* The outputs come last where the name says so (``kernel``, as Keras and Flax store it), where the
  bias fits no other axis, and in an embedding table, whose entries are the sources.
* Three dimensions of which the name says that they are experts are one matrix per expert.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.options import Options
from cntgraph.adapters.weights.pair_tensors import (
    BUFFERS,
    Companions,
    Weight,
    orientations,
    split_name,
)
from cntgraph.adapters.weights.tensors import Tensors, block_name
from cntgraph.core.errors import FormatError
from cntgraph.network.coverage import CoverageEntry
from cntgraph.network.network import Network

#: The order of the axes of a kernel: outputs, inputs, taps.
Layout = Literal["OIHW", "OHWI", "HWIO"]


def network_of(tensors: Tensors, given: Options, layout: Layout | None = None) -> Network:
    """Return the network in which every weight is a block of its own.

    Parameters
    ----------
    given : Options
        Only `strict` and `zeros` are of use; an input is refused.
    layout : {"OIHW", "OHWI", "HWIO"}, optional
        The order of the axes of kernels of three and more dimensions: outputs, inputs, taps. By
        default as PyTorch has them, unless a name or a bias tells otherwise.

    Raises
    ------
    FormatError
        If there is no weight among the tensors, `layout` is none, or an input is given.
    CoverageError
        If `strict` and something is left out.

    Examples
    --------
    >>> from cntgraph.core.parameter import Parameter
    >>> w = Parameter.from_array("fc.weight", np.ones((2, 3)))
    >>> b = Parameter.from_array("fc.bias", np.ones(2))
    >>> net = network_of(Tensors([w, b]), Options())
    >>> [(layer.name, layer.shape) for layer in net.layers]
    [('fc.in', (3,)), ('fc', (2,))]
    """
    given.refuse_input()
    if layout not in (None, *get_args(Layout)):
        raise FormatError(f"expected layout= as one of {get_args(Layout)}, got {layout!r:.40}")
    found = Companions(tensors.by_name(), dict(tensors.reasons))
    weights = found.in_order()
    if not weights:
        names = ", ".join(sorted(tensors.names())[:4]) or "nothing"
        raise FormatError(
            f"expected tensors of two or more dimensions to make a network of, got none ({names})"
        )
    builder = Builder()
    for parameter in tensors.parameters:
        buffer = parameter.name in found.folded or found.reasons.get(parameter.name) in BUFFERS
        builder.parameter(replace(parameter, trainable=False) if buffer else parameter)
    builder.reasons.update(found.reasons)
    builder.operations += tensors.left_out
    usual = _usual_orientation(weights)
    for weight in weights:
        _add_block(builder, weight, usual, layout)
    net = builder.finish(strict=given.strict, zeros=given.zeros)
    notes = {p.name: w.note for w in found.weights.values() for p in w.value.parameters()}
    notes |= tensors.notes
    entries = {entry.name: _noted(entry, found.folded, notes) for entry in net.entries}
    for name, first in tensors.same.items():
        if first in entries:
            reason = f"the same tensor as {first}"
            entries[name] = replace(entries[first], name=name, reason=reason)
    # The recipes read the parameters as they are registered: buffers among them are known as such.
    return replace(net.bind(net.parameters, tensors.labels), entries=tuple(entries.values()))


def check_separate(description: str | None, source: Any) -> None:
    """Raise where weights are described in another way than as blocks of their own.

    Raises
    ------
    FormatError
    """
    if description not in (None, "separate"):
        raise FormatError(
            f"{source if isinstance(source, str | Path) else 'these weights'}: expected "
            f"description='separate', that each is a block of its own; got {description!r:.40}"
        )


def _noted(
    entry: CoverageEntry, folded: Mapping[str, str], notes: Mapping[str, str]
) -> CoverageEntry:
    """Say what is folded into a weight, and what is remarkable about it."""
    if entry.status != "included":
        return entry
    if entry.name in folded:
        return replace(entry, status="folded", reason=folded[entry.name])
    return replace(entry, reason=notes.get(entry.name, ""))


# -- blocks -----------------------------------------------------------------------------------


def _add_block(builder: Builder, weight: Weight, usual: str, layout: Layout | None) -> None:
    """Add the source layer, the target layer and the edges of one weight."""
    value, name = weight.value, block_name(weight.name)
    if len(value.shape) == 1:
        ids = builder.input(f"{name}.in", value.shape)
        builder.output(builder.scale(name, ids, value, weight.bias, foldable=False))
        return
    orientation = _orientation(weight, usual)
    if len(value.shape) > 2 and orientation != "stacked":
        orientation = _laid_out(weight, orientation, layout)
    if orientation != "stacked":
        _add_dense(builder, name, weight, orientation)
        return
    for k in range(value.shape[0]):
        matrix, bias = (
            None if recipe is None else recipe.take(0, k, k + 1).reshape(recipe.shape[1:])
            for recipe in (value, weight.bias)
        )
        assert matrix is not None
        part = Weight(weight.name, matrix, bias)
        _add_dense(builder, f"{name}.{k}", part, _orientation(part, usual))


def _add_dense(builder: Builder, name: str, weight: Weight, orientation: str) -> None:
    value, bias = weight.value, weight.bias
    shape = value.shape
    if orientation in ("last", "trailing"):
        n_last = 1 if bias is None or orientation == "last" else len(bias.shape)
        before, n_out = shape[:-n_last], int(np.prod(shape[-n_last:]))
        if orientation == "last":
            weight.note = weight.note or "stored with its outputs last"
        # Channels first, as everywhere; the weight is read as it lies.
        ids = builder.input(f"{name}.in", (before[-1], *before[:-1]))
        ids = np.moveaxis(ids, 0, -1)
        value = value.reshape((-1, n_out)).transpose((1, 0))
    else:
        if orientation == "second":
            value = value.transpose((1, 0, *range(2, len(shape))))
        ids = builder.input(f"{name}.in", value.shape[1:])
        value = value.reshape((value.shape[0], -1))
    bias = None if bias is None else bias.reshape((-1,))
    builder.output(builder.linear(name, ids.reshape(-1), value, bias))


def _laid_out(weight: Weight, orientation: str, layout: Layout | None) -> str:
    """Bring a kernel into PyTorch's order, and return where its outputs then are."""
    shape = weight.value.shape
    n = len(shape)
    if layout == "OHWI":
        weight.value = weight.value.transpose((0, n - 1, *range(1, n - 1)))
        weight.note = "stored with its inputs last"
    elif layout is None and n == 4 and shape[1] == shape[2] != shape[3] and orientation == "first":
        weight.note = "taken as (out, in, height, width); if its inputs are last: layout='OHWI'"
    return orientation if layout is None else "last" if layout == "HWIO" else "first"


# -- where the outputs are ------------------------------------------------------------------------


def _orientation(weight: Weight, usual: str) -> str:
    """Return where the outputs of a weight are; see `orientations`."""
    fits, wanted = _fitting(weight), "first"
    if split_name(weight.name)[1].endswith("kernel"):
        wanted = "last"
    elif weight.bias is None:
        wanted = _without_bias(weight)
    elif len(fits) > 1 and len(weight.value.shape) == 2:
        wanted = usual
    return wanted if wanted in fits or not fits else fits[0]


def _fitting(weight: Weight) -> list[str]:
    return [] if weight.bias is None else orientations(weight.value.shape, weight.bias.shape)


def _without_bias(weight: Weight) -> str:
    stem, leaf = split_name(weight.name)
    module = split_name(stem[:-1])[1]
    if len(weight.value.shape) == 3 and re.search("expert|_exps", weight.name):
        return "stacked"
    long_axes = sum(size > 1 for size in weight.value.shape)
    is_table = any(re.search("embe?d|^w[tp]e$", part) for part in (module, leaf))
    return "last" if is_table and long_axes == 2 else "first"


def _usual_orientation(weights: list[Weight]) -> str:
    """Return where the outputs of square matrices are: where they are in most of the others.

    Some models of one framework keep them last throughout, and a square bias does not tell.
    """
    seen = Counter(
        fits[0]
        for weight in weights
        if len(weight.value.shape) == 2 and len(fits := _fitting(weight)) == 1
    )
    return "last" if seen["last"] > seen["first"] else "first"
