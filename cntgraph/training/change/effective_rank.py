"""Effective rank of a change of weights, from a Gram matrix that is added up part by part."""

from __future__ import annotations

from math import nan, prod

import numpy as np

from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Values
from cntgraph.measures.spectra.weight_matrix import gram_eigenvalues, is_matrix
from cntgraph.network.blocks.base import Block

#: How long the shorter side of a matrix may be: its Gram matrix takes 8 MiB, and a second.
MAX_RANK_SIDE = 1024
#: Bytes of a weight that is read whole, where it cannot be read along the longer side.
_WHOLE_BYTES = 1 << 28


class Gram:
    """The products of the rows of a matrix, or of its columns, whichever are fewer.

    Parameters
    ----------
    shape : tuple of int
        Of a weight: its first axis are the rows, the others together the columns.

    Examples
    --------
    >>> gram = Gram((3, 2))
    >>> gram.add(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
    >>> round(gram.effective_rank(), 6)
    2.0
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.rows, self.columns = shape[0], prod(shape[1:])
        #: The axis along which parts of the weight are read.
        self.axis = 0 if self.columns <= self.rows else 1
        self.side = min(self.rows, self.columns)
        self._total: Values = np.zeros((self.side, self.side))

    def add(self, part: Array) -> None:
        """Add some rows of the matrix, or some columns, as the weight has them along `axis`."""
        matrix = part.reshape(len(part), -1)
        with np.errstate(invalid="ignore", over="ignore"):  # of what is not finite, nothing is told
            self._total += matrix.T @ matrix if self.axis == 0 else matrix @ matrix.T

    def effective_rank(self) -> float:
        """Return e to the entropy of the singular values, as shares; NaN of zeros or of NaN.

        References
        ----------
        .. [1] Roy, Vetterli, "The effective rank: a measure of effective dimensionality", 15th
           European Signal Processing Conference (EUSIPCO), 2007.
        """
        if not np.isfinite(self._total).all() or not self._total.any():
            return nan
        scale = float(np.abs(self._total).max())
        found = gram_eigenvalues(self._total[None] / scale, max(self.rows, self.columns))
        singular = np.sqrt(found[found > 0.0])
        shares = singular / singular.sum()
        return float(np.exp(-(shares * np.log(shares)).sum()))


def gram_of(block: Block, other: Recipe, most: int) -> Gram | str:
    """Return what the effective rank of a change is told from, or why it is not.

    Parameters
    ----------
    block : Block
        Before.
    other : Recipe
        The weights after.
    most : int
        How long the shorter side of the matrix may be.
    """
    weight = block.weight
    if weight is None or not is_matrix(block):
        return f"no rank: the weight of a {block.kind} block is no matrix"
    rows, columns = weight.shape[0], prod(weight.shape[1:])
    if min(rows, columns) > most:
        return f"no rank: {rows:,} × {columns:,} is larger than max_rank_side={most:,} both ways"
    axis = 0 if columns <= rows else 1
    if 8 * rows * columns > _WHOLE_BYTES and any(
        len(list(one.chunks(axis=axis))) == 1 for one in (weight, other)
    ):
        return "no rank: the weight cannot be read by parts of its longer side"
    return Gram(weight.shape)
