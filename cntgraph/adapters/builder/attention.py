"""Products of nodes with nodes: attention, and the scores that go into it.

What mixes tokens is data, not weights. A softmax that is multiplied by values passes every
feature of the values to the same feature of the output, with uniform weight over the positions
that may be attended to (1/T; causal 1/(t+1)), as an average pooling does. Whatever else goes
into a product of nodes only modulates it: query and key into the scores, the scores into the
output. All of these edges are structural, and those that modulate are marked so.

With h a head, t and s positions, d and e features:

* scores[h, t, s] ← query[h, t, d], key[h, s, d]: weight 1, modulatory,
* output[h, t, e] ← value[h, s, e]: weight 1 / |{s kept}|,
* output[h, t, e] ← scores[h, t, s]: weight 1, modulatory.
"""

from __future__ import annotations

from math import prod

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.builder.forms import Forms
from cntgraph.core.types import Ids
from cntgraph.network.blocks import AxisOperator, Pool


class Attention(Forms):
    """The products of nodes with nodes."""

    def matmul(self, name: str, left: Ids, right: Ids) -> Ids:
        """Multiply nodes by nodes over the last axis and the last but one.

        Where one side has passed a softmax this is attention: the features of the other are
        passed on with uniform weight, and the softmax only modulates. Otherwise both modulate.

        Parameters
        ----------
        left : ndarray of int64, shape (..., n, k)
        right : ndarray of int64, shape (..., k, m)

        Returns
        -------
        ndarray of int64, shape (..., n, m)
        """
        if not self.is_softmax(left) and self.is_softmax(right):
            return self.matmul(name, right.swapaxes(-1, -2), left.swapaxes(-1, -2)).swapaxes(-1, -2)
        name, soft = self.unique(name), self.is_softmax(left)
        lead = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        left, right = (np.broadcast_to(x, (*lead, *x.shape[-2:])) for x in (left, right))
        n, k, m = left.shape[-2], left.shape[-1], right.shape[-1]
        if soft:
            heads = [axis for axis, size in enumerate(lead)
                     if size > 1 and (right == right.take([0], axis)).all()]  # fmt: skip
            made = self.fresh(name, right, "attention", (*lead, n, m), heads)
        else:
            shape = (max(prod(lead), 1), n, m)
            made = self.add_layer(name, shape, "scores", unique=False).reshape(*lead, n, m)
        flat = [ids.reshape(prod(lead), *ids.shape[-2:]) for ids in (left, right, made)]
        if soft:
            self._pass_on(name, *flat)
        else:
            self._modulate(f"{name}.right", flat[1], flat[2], n)
        rows, ends = flat[0].reshape(-1, k), flat[2].reshape(-1, m)
        operators = (AxisOperator.ones(k, m),)
        self._add_pool(f"{name}.left", rows, ends, operators, modulatory=True)
        return made

    def is_softmax(self, ids: Ids) -> bool:
        """Whether all nodes have passed a softmax."""
        applied = self.functions_of(ids)
        return bool(applied) and all("softmax" in functions for functions in applied)

    def _pass_on(self, name: str, left: Ids, right: Ids, made: Ids) -> None:
        """Pass features on to every position, uniformly over those that a row of `left` keeps."""
        patterns = _patterns(left >= 0)
        for k, (kind, heads) in enumerate(patterns):
            operators = (AxisOperator.uniform(kind),)
            label = name if len(patterns) == 1 else self.unique(f"{name}.{k}")
            source, target = (ids[heads].swapaxes(1, 2) for ids in (right, made))
            shape = (len(heads) * right.shape[2], -1)
            self._add_pool(label, source.reshape(shape), target.reshape(shape), operators)

    def _modulate(self, name: str, right: Ids, made: Ids, n: int) -> None:
        """Let every entry of a column of `right` modulate the scores of that column."""
        operators = (AxisOperator.ones(right.shape[1], n), AxisOperator.identity(right.shape[2]))
        self._add_pool(name, right, made, operators, modulatory=True)

    def _add_pool(
        self, name: str, source: Ids, target: Ids, operators: tuple[AxisOperator, ...],
        *, modulatory: bool = False,
    ) -> None:  # fmt: skip
        mode = "modulation" if modulatory else "attention"
        name = self.unique(name) if modulatory else name
        self.connect(Pool, name, source, target, operators=operators, mode=mode,
                     modulatory=modulatory)  # fmt: skip


def _patterns(keep: NDArray[np.bool_]) -> list[tuple[NDArray[np.bool_], NDArray[np.int64]]]:
    """Return each pattern of what may be attended to, with the heads that have it."""
    if (keep == keep[:1]).all():
        return [(keep[0], np.arange(len(keep)))] if len(keep) else []
    kinds, which = np.unique(keep.reshape(len(keep), -1), axis=0, return_inverse=True)
    shape = keep.shape[1:]
    return [(kind.reshape(shape), np.flatnonzero(which.reshape(-1) == k))
            for k, kind in enumerate(kinds)]  # fmt: skip
