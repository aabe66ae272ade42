"""Dropping constant scalings of what only modulates (queries divided by √d)."""

from __future__ import annotations

from cntgraph.adapters.simplify.draft import Draft
from cntgraph.core.view import View
from cntgraph.network.blocks import Block, Diagonal


def drop_scalings(draft: Draft) -> None:
    """Let what only modulates be read before a constant scaling, which then is no more.

    An edge that only modulates carries no size, so the scaling says nothing; frameworks put it
    on the query, on query and key, or on the scores.
    """
    for k, blocks in draft.by_end().items():
        scales = k >= 0 and draft.layers[k].kind == "scale" and not draft.applied(k)
        if scales and all(map(_is_constant_scaling, blocks)):
            _drop(draft, k)


def _drop(draft: Draft, k: int) -> None:
    """Drop layer k, a constant scaling, if only modulators read it."""
    into, readers = draft.into(k), draft.readers(k)
    if len(into) != 1 or not readers or not all(reader.modulatory for reader in readers):
        return
    if k not in draft.output_layers() and _is_constant_scaling(into[0]):
        draft.bypass(k, View.of(draft.read_by(into[0], k)))


def _is_constant_scaling(block: Block) -> bool:
    if not isinstance(block, Diagonal) or block.bias is not None:
        return False
    return not any(True for _ in block.weight.parameters())
