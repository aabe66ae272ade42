"""What every adapter builds with: operations on node ids, in the framework's own order.

An adapter walks through a model once. Every tensor that carries neurons is an integer array
of node ids (-1 where there is no node); any movement of data is the framework's own operator
applied to the ids, and right by construction. An operation that computes is a call of the
`Builder`, which makes a new layer and the block of edges that leads to it, and returns the
new ids. `Builder.finish` then tidies up: normalizations and constants are folded into the
operation they follow, and a branch that only ends in an addition hands its edges to it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from cntgraph.adapters.builder.affine import Affine
from cntgraph.adapters.builder.attention import Attention
from cntgraph.adapters.builder.elementwise import Elementwise
from cntgraph.adapters.coverage import coverage_entries, report_left_out
from cntgraph.adapters.simplify import Draft, simplify
from cntgraph.adapters.simplify.places import Places
from cntgraph.core.errors import TraceError
from cntgraph.core.recipe.pruned import without_masked
from cntgraph.network.blocks.base import Block
from cntgraph.network.network import Network

Norm = Literal["fold", "keep"]
#: What a weight is that a mask makes zero: no edge, or an edge of weight zero.
Zeros = Literal["pruned", "edges"]


class Builder(Affine, Attention, Elementwise):
    """Collects layers and blocks while an adapter walks through a model.

    Ids are per sample: the batch dimension is dropped. Names are made unique.

    Examples
    --------
    >>> import numpy as np
    >>> from cntgraph.core.parameter import Parameter
    >>> from cntgraph.core.recipe import Recipe
    >>> b = Builder()
    >>> w = Recipe.of(b.parameter(Parameter.from_array("fc.weight", np.ones((2, 3)))))
    >>> ids = b.linear("fc", b.input("input", (3,)), w, None)
    >>> b.output(b.activate(ids, "relu"))
    >>> b.finish()
    <Network: 2 layers, 1 blocks, 5 nodes, 6 edges, 6 parameters>
    """

    #: Where the values of the finished network's nodes are among those built, if that is asked for.
    places: Places | None = None

    def finish(
        self, *, norm: Norm = "fold", strict: bool = False, zeros: Zeros = "edges"
    ) -> Network:  # fmt: skip
        """Return the network, and say what was left out of it.

        Parameters
        ----------
        norm : {"fold", "keep"}, default "fold"
            Whether a batch norm is folded into the operation it follows.
        strict : bool, default False
            Whether to raise where something was left out, rather than to warn.
        zeros : {"edges", "pruned"}, default "edges"
            What weights are that a mask makes zero: edges, or none.

        Raises
        ------
        CoverageError
            If `strict` and a trainable parameter or an operation was left out.
        TraceError
            If the model has no operation at all.
        """
        if not self.layers:
            raise TraceError("expected a model that computes something from its input; got none")
        places = None if self.sightings is None else Places(self.layers[-1].slice.stop)
        blocks, self.blocks = self.blocks, []  # they may be large: nobody keeps what is replaced
        draft = Draft(self.layers, blocks, self.activations, self.outputs, self.tokens, places)
        del blocks
        kept = self.norms if norm == "keep" else None
        layers, blocks, folded = simplify(draft, self.gains, kept)
        stored = self.parameters.values()
        entries = coverage_entries(stored, blocks, folded, self.reasons, self.coefficients)
        entries += self.operations
        if zeros == "pruned":
            blocks = [_without_pruned(block) for block in blocks]
        net = Network(tuple(layers), tuple(blocks), dict(self.parameters), tuple(entries))
        report_left_out(entries, strict=strict)
        self.places = places
        return net


def _without_pruned(block: Block) -> Block:
    """Return a block of which those weights are edges that no mask takes out."""
    if block.weight is None:
        return block
    return replace(block, weight=without_masked(block.weight))
