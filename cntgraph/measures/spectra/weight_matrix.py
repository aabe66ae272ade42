"""WeightMatrix: the stored weight of a block as one matrix or several, and their eigenvalues."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from cntgraph.core.memory import check_memory
from cntgraph.core.types import Values
from cntgraph.network.blocks.base import Block
from cntgraph.network.network import Network

Per = Literal["kernel", "tap"]

#: The kinds of block whose weight is a matrix from inputs to outputs.
_KINDS = ("dense", "conv")


@dataclass(frozen=True, eq=False)
class WeightMatrix:
    """Matrices of the weight of a block.

    Parameters
    ----------
    name : str
        Of the block.
    values : ndarray of float64, shape (n_matrices, n_rows, n_columns)
    """

    name: str
    values: Values

    @classmethod
    def of(cls, block: Block, per: Per) -> WeightMatrix:
        """Return the matrix of a block's weight, or one for each position in its kernel."""
        assert block.weight is not None
        n_rows, inner, *kernel = block.weight.shape
        taps = prod(kernel)
        rest = inner * taps
        check_memory(
            8 * (3 * n_rows * rest + 2 * min(n_rows, rest) ** 2), f"the weight of {block.name!r}"
        )
        stored = np.asarray(block.weight.read(), dtype=np.float64).reshape(n_rows, inner, taps)
        if per == "kernel":
            return cls(block.name, stored.reshape(1, n_rows, rest))
        return cls(block.name, np.ascontiguousarray(stored.transpose(2, 0, 1)))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of each."""
        return self.values.shape[1], self.values.shape[2]

    @property
    def is_empty(self) -> bool:
        """Whether there are no weights."""
        return self.values.size == 0

    def shuffled(self, rng: np.random.Generator) -> WeightMatrix:
        """Return as many matrices of the same entries, each somewhere else in its matrix."""
        flat = self.values.reshape(len(self.values), prod(self.shape))
        return WeightMatrix(self.name, rng.permuted(flat, axis=1).reshape(self.values.shape))

    def eigenvalues(self) -> Values:
        """Return the squared singular values of all, ascending, as many as the shorter sides have.

        They are exact to the rounding of the largest; what is below it is zero.
        """
        if self.is_empty:
            return np.zeros(0)
        scale = float(np.abs(self.values).max())
        if scale == 0.0:
            return np.zeros(len(self.values) * min(self.shape))
        scaled = self.values / scale  # so that no square overflows
        across = scaled.mT if self.shape[0] > self.shape[1] else scaled
        return np.sort(gram_eigenvalues(across @ across.mT, max(self.shape))) * scale**2


def gram_eigenvalues(products: Values, longer: int) -> Values:
    """Return the squared singular values of matrices from the products of their shorter sides.

    Parameters
    ----------
    products : ndarray of float64, shape (..., n, n)
        Of rows with rows, or of columns with columns.
    longer : int
        How long these are.

    Returns
    -------
    ndarray of float64, shape (n of all,)
        Zero where they are below the rounding of the largest.

    Examples
    --------
    >>> gram_eigenvalues(np.diag([4.0, 1.0]), 2)
    array([1., 4.])
    """
    found = np.linalg.eigvalsh(products).reshape(-1)
    rounding = longer * np.finfo(np.float64).eps * found.max()
    return np.where(found > rounding, found, 0.0)


def is_matrix(block: Block) -> bool:
    """Return whether the weight of a block is a matrix from inputs to outputs."""
    return block.kind in _KINDS and block.weight is not None


def weight_matrices(net: Network, per: Per) -> Iterator[WeightMatrix]:
    """Yield the matrices of every learned block that has some, one block at a time."""
    for block in net.select_blocks("parametric"):
        if is_matrix(block):
            yield WeightMatrix.of(block, per)
