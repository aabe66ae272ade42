"""What every adapter builds with: operations on node ids, in the framework's own order.

An adapter walks through a model once. Every tensor that carries neurons is an integer array
of node ids (-1 where there is no node); any movement of data is the framework's own operator
applied to the ids, and right by construction. An operation that computes is a call of the
`Builder`, which makes a new layer and the block of edges that leads to it, and returns the
new ids. `Builder.finish` then tidies up: normalisations and constants are folded into the
operation they follow, and a branch that only ends in an addition hands its edges to it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.builder.affine import Affine
from cntgraph.adapters.builder.attention import attend, attention
from cntgraph.adapters.builder.elementwise import Elementwise
from cntgraph.adapters.coverage import coverage_entries, report_left_out
from cntgraph.adapters.simplify import Draft, simplify
from cntgraph.core.errors import TraceError
from cntgraph.core.types import Ids
from cntgraph.core.view import View
from cntgraph.network.network import Network

Norm = Literal["fold", "keep"]


class Builder(Affine, Elementwise):
    """Collects layers and blocks while an adapter walks through a model.

    Ids are per sample: the batch dimension is dropped. Names are made unique.

    Examples
    --------
    >>> from cntgraph.core.parameter import Parameter
    >>> from cntgraph.core.recipe import Recipe
    >>> b = Builder()
    >>> w = Recipe.of(b.parameter(Parameter.from_array("fc.weight", np.ones((2, 3)))))
    >>> ids = b.linear("fc", b.input("input", (3,)), w, None)
    >>> b.output(b.activate(ids, "relu"))
    >>> b.finish()
    <Network: 2 layers, 1 blocks, 5 nodes, 6 edges, 6 parameters>
    """

    def matmul(self, name: str, left: Ids, right: Ids) -> Ids:
        """Multiply nodes by nodes over the last axis and the last but one.

        Where one side has passed a softmax this is attention: the features of the other are
        passed on with uniform weight, and the softmax only modulates. Otherwise both modulate.

        Parameters
        ----------
        name : str
            Name of the operation.
        left : ndarray of int64, shape (..., n, k)
        right : ndarray of int64, shape (..., k, m)

        Returns
        -------
        ndarray of int64, shape (..., n, m)
        """
        if not self.is_softmax(left) and self.is_softmax(right):
            turned = attend(self, name, right.swapaxes(-1, -2), left.swapaxes(-1, -2), soft=True)
            return turned.swapaxes(-1, -2)
        return attend(self, name, left, right, soft=self.is_softmax(left))

    def attention(
        self, name: str, query: Ids, key: Ids, value: Ids, keep: NDArray[np.bool_] | None = None
    ) -> Ids:
        """Apply attention: softmax(query keyᵀ) value; see `builder.attention`.

        Parameters
        ----------
        name : str
            Name of the operation; its scores are called ``name.scores``.
        query, key, value : ndarray of int64
            Shapes (..., T, d), (..., S, d), (..., S, e).
        keep : ndarray of bool, broadcasting to (..., T, S), optional
            Which positions may be attended to; all by default.

        Returns
        -------
        ndarray of int64, shape (..., T, e)
        """
        return attention(self, name, query, key, value, keep)

    def is_softmax(self, ids: Ids) -> bool:
        """Whether all nodes have passed a softmax."""
        layers = self.layers_of(View.of(ids))
        return bool(layers) and all(
            "softmax" in self.activations.get(layer.name, ()) for layer in layers
        )

    def finish(self, *, norm: Norm = "fold", strict: bool = False) -> Network:
        """Return the network, and say what was left out of it.

        Parameters
        ----------
        norm : {"fold", "keep"}, default "fold"
            Whether a batch norm is folded into the operation it follows.
        strict : bool, default False
            Whether to raise where something was left out, rather than to warn.

        Returns
        -------
        Network

        Raises
        ------
        CoverageError
            If `strict` and a trainable parameter or an operation was left out.
        TraceError
            If the model has no operation at all.
        """
        if not self.layers:
            raise TraceError("expected a model that computes something from its input; got none")
        draft = Draft(self.layers, self.blocks, self.activations, self.outputs, self.tokens)
        unfoldable = self.unfoldable | (self.norms if norm == "keep" else set())
        gains = self.gains if norm == "fold" else None
        layers, blocks, folded = simplify(draft, unfoldable, gains)
        stored = self.parameters.values()
        entries = coverage_entries(stored, blocks, folded, self.reasons) + self.operations
        net = Network(tuple(layers), tuple(blocks), dict(self.parameters), tuple(entries))
        report_left_out(entries, strict=strict)
        return net
