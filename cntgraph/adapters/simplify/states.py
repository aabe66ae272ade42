"""The states of loops: what reads the step before reads the nodes of the loop itself.

While the body of a loop is traced, what it reads of the step before, and of a sequence at each
step, are nodes of their own, of kind ``"state"``, to which edges of weight one lead: from what the
body hands on, from an initial state, from every step of the sequence. Here these nodes are taken
away, and what reads them reads what leads to them: a layer that hands itself on leads to itself.
They stay where that would not say the same: where a function or a pooling reads what several nodes
lead to, where a function reads what is a function itself, and where a state leads to itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from cntgraph.adapters.simplify.draft import Draft
from cntgraph.core.types import Ids
from cntgraph.core.view import View
from cntgraph.network.blocks import Block, Conv, Dense, Diagonal, Identity, Sparse, Window

#: Kinds of block whose edges from several sources are those from each of them.
_SEPARABLE = (Dense, Conv, Diagonal, Identity)


def tie_states(draft: Draft) -> None:
    """Let what reads the states of loops read what leads to them."""
    for k, layer in enumerate(draft.layers):
        into = draft.into(k) if layer.kind == "state" else []
        one = len(into) == 1 and into[0].source.size == layer.n_nodes
        if not into or not _may_go(draft, k, one):
            continue
        if one:
            draft.bypass(k)
        else:
            for reader in draft.readers(k):
                draft.rename(reader, *_of_each_source(draft, k, reader))
            draft.drop_unread([k])


def _may_go(draft: Draft, k: int, one: bool) -> bool:
    """Whether everything that reads a state may read what leads to it, one node each or several."""
    readers = draft.readers(k)
    sources = {source for block in draft.into(k) for source in draft.layers_of(block.source)}
    ends = {end for reader in readers for end in draft.layers_of(reader.target)}
    forms = any(draft.layers[end].kind == "activation" for end in ends)
    if k in sources:
        return False
    if one:  # a form of a form comes after it
        return not forms or all(draft.layers[source].kind != "activation" for source in sources)
    separable = all(isinstance(reader, _SEPARABLE) for reader in readers)
    return separable and not forms and k not in draft.output_layers()


def _of_each_source(draft: Draft, k: int, reader: Block) -> list[Block]:
    """Return what reads all that leads to a state in the place of what reads the state."""
    layer, ids = draft.layers[k], reader.source.as_ids()
    own = (ids >= layer.start) & (ids < layer.slice.stop)
    sources = [] if (ids[~own] < 0).all() else [np.where(own, -1, ids)[:, None]]
    for block in reversed(draft.into(k)):  # an initial state led to it first
        order = np.argsort(block.target.as_ids(), kind="stable")
        nodes = block.source.as_ids()[order].reshape(layer.n_nodes, -1)
        sources.append(np.where(own[:, None], nodes[np.where(own, ids - layer.start, 0)], -1))
    made = [_at_steps(reader, source) for source in sources]
    if reader.bias is not None:
        made.append(Sparse.without_edges(reader.name, reader.target, reader.bias))
    return [replace(b, name=f"{reader.name}.{n}") if n else b for n, b in enumerate(made)]


def _at_steps(reader: Block, source: Ids) -> Block:
    """Return a block without a bias that leads from the nodes of several steps to the same targets.

    Parameters
    ----------
    source : ndarray of int64, shape (places, steps)
        What is read at each place of the block's source.
    """
    steps, kind, ends = source.shape[1], type(reader), reader.target
    if steps == 1:
        return replace(reader, source=View.of(source, reader.source.shape), bias=None)
    fields: dict[str, Any] = vars(reader) | {
        "source": View.of(source, (*reader.source.shape, steps)), "bias": None,
        "target": View.of(np.repeat(ends.as_ids(), steps), (*ends.shape, steps)),
    }  # fmt: skip
    if reader.weight is not None:
        fields["weight"] = reader.weight.reshape((*reader.weight.shape, 1))
    if isinstance(reader, Dense | Conv):
        kind, window = Conv, Window(steps, steps, 1)
        fields["windows"] = (*fields.get("windows", ()), window)
    return kind(**fields)
