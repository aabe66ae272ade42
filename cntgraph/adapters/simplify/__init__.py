"""Tidying up a traced network, by exact rewrites that every adapter gets alike.

In order: what leads nowhere is dropped (`dead_ends`); a function of single neurons that was traced
operation by operation becomes one (`functions`), and so does a normalization (`norms`); what reads
the step before in a loop reads the loop (`states`); a function is noted on the nodes it is applied
to, where nothing reads them without it (`forms`); constant scalings of what only modulates are
dropped (`modulators`); what only scales, shifts or joins the output of an operation is folded into
it (`fold`); the gain of a normalization is folded into the operations that read it (`gains`).
Layers that are left without edges are dropped (`draft`).
"""

from __future__ import annotations

from collections.abc import Collection

from cntgraph.adapters.simplify.dead_ends import drop_dead_ends
from cntgraph.adapters.simplify.draft import Draft, finished
from cntgraph.adapters.simplify.fold import fold_backward
from cntgraph.adapters.simplify.forms import merge_forms
from cntgraph.adapters.simplify.functions import collapse_functions
from cntgraph.adapters.simplify.gains import fold_gains
from cntgraph.adapters.simplify.modulators import drop_scalings
from cntgraph.adapters.simplify.norms import collapse_norms
from cntgraph.adapters.simplify.states import tie_states
from cntgraph.network.blocks import Block
from cntgraph.network.layer import Layer

__all__ = ["Draft", "simplify"]


def simplify(
    draft: Draft, gains: Collection[str] = (), kept: Collection[str] | None = None
) -> tuple[list[Layer], list[Block], dict[str, str]]:
    """Tidy up a traced network.

    Parameters
    ----------
    gains : collection of str
        Names of scalings that are gains of normalizations, folded into what reads them.
    kept : collection of str, optional
        Names of normalizations that are not folded into what they follow; nor are gains, then.

    Returns
    -------
    layers : list of Layer
        With the node ids that they now have, activations and outputs noted.
    blocks : list of Block
        In the order of the layers they end in.
    folded : dict of str to str
        For each parameter that was folded, the operation it belonged to.
    """
    drop_dead_ends(draft)
    collapse_functions(draft)
    gains = {*gains, *collapse_norms(draft)}
    tie_states(draft)
    merge_forms(draft)
    drop_scalings(draft)
    folded = fold_backward(draft, {*gains, *(kept or ())})
    if kept is None:
        folded |= fold_gains(draft, gains)
    return *finished(draft), folded
