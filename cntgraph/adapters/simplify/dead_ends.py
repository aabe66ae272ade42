"""Dropping structural layers that lead nowhere: averages that a model computes and throws away."""

from __future__ import annotations

from cntgraph.adapters.simplify.draft import Draft, is_learned


def drop_dead_ends(draft: Draft) -> None:
    """Drop every layer that nothing reads, that is no output and to which no weight leads.

    Where the graph is cut, what seems to lead nowhere may be read beyond the cut: it is kept.
    """
    cut = any(layer.kind.startswith("unknown") for layer in draft.layers)
    if cut or not draft.output_layers():
        return
    draft.drop_unread(
        k for k, layer in enumerate(draft.layers)
        if not layer.is_input and draft.into(k) and not any(map(is_learned, draft.into(k)))
    )  # fmt: skip
