"""Elementwise operations: scalings, normalizations, sums and products of branches."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.builder.broadcasting import laid_out
from cntgraph.adapters.builder.forms import HIDDEN_NODE, Forms
from cntgraph.adapters.builder.layout import spread
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.core.view import View
from cntgraph.network.activations import GATES
from cntgraph.network.blocks import Diagonal, Identity


class Elementwise(Forms):
    """The operations that leave every feature where it is."""

    def scale(
        self,
        name: str,
        ids: Ids,
        weight: Recipe | None,
        bias: Recipe | None,
        *,
        kind: str = "scale",
        parametric: bool = True,
        foldable: bool = True,
    ) -> Ids:
        """Apply y = w ⊙ x + b, w and b broadcasting against the ids.

        Parameters
        ----------
        weight, bias : Recipe or None
            Without a weight, edges have weight one.
        kind : str, default "scale"
            ``"norm"`` for a normalization, which ``norm="keep"`` does not fold.
        foldable : bool, default True
            False where what is scaled is normalized by statistics of the data, noted as an
            activation: then it is folded into the affine operations that read it, if all are.

        Returns
        -------
        ndarray of int64, the shape of `ids`
        """
        varying = [ids.ndim - len(r.shape) + axis for r in (weight, bias) if r is not None
                   for axis, size in enumerate(r.shape) if size > 1]  # fmt: skip
        shown = self.once(ids, keep=varying)
        # A layer is scaled in its own order and shape, so that it can be folded.
        order, shape = self._own_order(shown)
        weight, bias = (laid_out(r, shown.shape, order, shape) for r in (weight, bias))
        turned = shown.transpose(order)
        shown = turned.reshape(shape)
        name = self.unique(name)
        made = self.like(name, shown, kind)
        if weight is None:
            self.connect(Identity, name, shown, made, bias=bias)
        else:
            self.connect(Diagonal, name, shown, made, weight=weight, bias=bias,
                         parametric=parametric)  # fmt: skip
        if kind == "norm":
            self.norms.add(name)
        if not foldable:
            self.gains.add(name)
        made = made.reshape(turned.shape).transpose(tuple(np.argsort(order)))
        return self._still_hidden(spread(made, ids.shape), ids)

    def _own_order(self, ids: Ids) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return in which order of their axes nodes follow each other, and in which shape.

        That is the shape of their layer, if they are all of it, and else their own.
        """
        order, view = (*range(ids.ndim),), self.view(ids)
        if view.ids is not None and ids.size:
            corner = ids[(slice(2),) * ids.ndim]
            steps = [corner.flat[0] - corner.take(-1, axis).flat[0] for axis in order]
            by_step = tuple(np.argsort(-np.abs(steps), kind="stable").tolist())
            turned = View.of(ids.transpose(by_step))
            order, view = (by_step, turned) if turned.ids is None else (order, view)
        layers = () if view.ids is not None else self.layers_of(view)
        whole = len(layers) == 1 and view.size == layers[0].n_nodes
        return order, layers[0].shape if whole else view.shape

    def add(self, name: str, operands: Sequence[Ids], signs: Sequence[float] | None = None) -> Ids:
        """Add branches: one layer that receives the edges of all; ids broadcast together."""
        name = self.unique(name)
        wide = np.broadcast_shapes(*(ids.shape for ids in operands))
        operands = self._together(operands)
        made = self.like(name, operands[0], "add")
        target = self.view(made)
        for k, ids in enumerate(operands):
            branch = self.unique(f"{name}.{k}")
            if signs is None or signs[k] == 1.0:
                self.connect(Identity, branch, ids, target)
            else:
                weight = Recipe.constant(signs[k])
                self.connect(Diagonal, branch, ids, target, weight=weight, parametric=False)
        return reduce(self._still_hidden, operands, spread(made, wide))

    def multiply(self, name: str, operands: Sequence[Ids]) -> Ids:
        """Multiply branches: the least of a gate is handed on, the others only modulate it.

        How much of a gate an activation makes of nodes is in `network.activations.GATES`; of
        equals, the first is handed on.
        """
        name = self.unique(name)
        wide = np.broadcast_shapes(*(ids.shape for ids in operands))
        operands = sorted(self._together(operands), key=self.gating)
        made = self.like(name, operands[0], "multiply")
        origin, *others = map(self.origin, operands)
        own = all(np.array_equal(origin, other) for other in others)
        # A product of functions of the same nodes is like a SiLU; a product of gates is one.
        self.rank(made, GATES["silu"] if own else self.gating(operands[0]))
        target = self.view(made)
        for k, ids in enumerate(operands):
            self.connect(Identity, self.unique(f"{name}.{k}"), ids, target, modulatory=k > 0)
        return spread(made, wide)

    def _together(self, operands: Sequence[Ids]) -> list[Ids]:
        """Broadcast operands together; the steps of a loop are one."""
        wide = np.broadcast_arrays(*operands)
        if not self.has_loops:
            return list(wide)
        once = np.broadcast_shapes(*(self.once(ids).shape for ids in wide))
        first = tuple(slice(None) if n > 1 else slice(0, 1) for n in once)
        return [ids[first] for ids in wide]

    def mask(self, ids: Ids, keep: NDArray[np.bool_]) -> Ids:
        """Hide the nodes where `keep` is false, as an additive mask of -∞ does to scores."""
        self.has_hidden = True
        return np.where(keep, ids, HIDDEN_NODE)

    def _still_hidden(self, made: Ids, before: Ids) -> Ids:
        """Return nodes where what they were made of was not hidden: -∞ and a number is -∞."""
        if not self.has_hidden or before.min(initial=0) > HIDDEN_NODE:
            return made
        return np.where(np.broadcast_to(before, made.shape) == HIDDEN_NODE, HIDDEN_NODE, made)
