"""Dropping constant scalings of what only modulates (queries divided by √d)."""

from __future__ import annotations

from cntgraph.adapters.simplify.draft import Draft
from cntgraph.network.blocks import Block, Diagonal


def drop_scalings(draft: Draft) -> None:
    """Let what only modulates be read before a constant scaling, which then is no more.

    An edge that only modulates carries no size, so the scaling says nothing; frameworks put it
    on the query, on query and key, or on the scores.
    """
    for k, into in draft.by_end().items():
        # Whether readers only modulate is looked for last: it is a search among all blocks.
        if k >= 0 and draft.layers[k].kind == "scale" and any(map(_is_constant_scaling, into)):
            _drop(draft, k)


def _drop(draft: Draft, k: int) -> None:
    """Drop layer k if it is a constant scaling that only modulators read."""
    into, readers = draft.into(k), draft.readers(k)
    if len(into) != 1 or draft.applied(k) or k in draft.output_layers():
        return
    if readers and all(reader.modulatory for reader in readers):
        draft.bypass(k, draft.read_by(into[0], k))


def _is_constant_scaling(block: Block) -> bool:
    if not isinstance(block, Diagonal) or block.bias is not None:
        return False
    return not any(True for _ in block.weight.parameters())
