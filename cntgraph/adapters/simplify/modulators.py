"""Dropping constant scalings of what only modulates (queries divided by √d)."""

from __future__ import annotations

from cntgraph.adapters.simplify.draft import Draft
from cntgraph.network.blocks import Block, Diagonal


def drop_scalings(draft: Draft) -> None:
    """Let what only modulates be read before a constant scaling, which then is no more.

    An edge that only modulates carries no size, so the scaling says nothing; frameworks put it
    on the query, on query and key, or on the scores.
    """
    for k, layer in enumerate(draft.layers):
        into, readers = draft.into(k), draft.readers(k)
        if layer.kind != "scale" or draft.applied(k) or k in draft.output_layers():
            continue
        modulates = bool(readers) and all(reader.modulatory for reader in readers)
        if modulates and len(into) == 1 and _is_constant_scaling(into[0]):
            draft.bypass(k)


def _is_constant_scaling(block: Block) -> bool:
    if not isinstance(block, Diagonal) or block.bias is not None:
        return False
    return not any(True for _ in block.weight.parameters())
