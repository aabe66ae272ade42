"""Dropping structural layers that lead nowhere: averages that a model computes and throws away."""

from __future__ import annotations

from cntgraph.adapters.simplify.draft import Draft


def drop_dead_ends(draft: Draft) -> None:
    """Drop every layer that nothing reads, that is no output and to which no weight leads.

    Where the graph is cut, what seems to lead nowhere may be read beyond the cut: it is kept.
    """
    cut = any(layer.kind.startswith("unknown") for layer in draft.layers)
    outputs = draft.output_layers()
    if cut or not outputs:
        return
    into, readers = draft.by_end(), draft.by_source()
    unread = {k for k, blocks in readers.items() if not blocks} - outputs - draft.removed
    while unread:
        k = unread.pop()
        learned = any(p.trainable for block in into[k] for p in block.parameters())
        if draft.layers[k].is_input or learned or not into[k]:
            continue
        draft.substitute(into[k], [])
        draft.removed.add(k)
        for source in {s for block in into[k] for s in draft.layers_of(block.source)}:
            readers[source] = [b for b in readers[source] if b not in into[k]]
            if not readers[source] and source not in outputs:
                unread.add(source)
