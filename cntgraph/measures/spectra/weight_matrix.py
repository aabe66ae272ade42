"""WeightMatrix: the stored weight of a block as one matrix or several, and their eigenvalues."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cntgraph.core.memory import check_memory
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Values
from cntgraph.network.blocks.base import Block
from cntgraph.network.network import Network

Per = Literal["kernel", "tap"]
#: What reads a weight in several networks: an array of shape (n, *shape of the recipe).
Reader = Callable[[Recipe], Array]

#: The kinds of block whose weight is a matrix from inputs to outputs.
_KINDS = ("dense", "conv")


@dataclass(frozen=True, eq=False)
class WeightMatrix:
    """Matrices of the weight of a block, in several networks of one topology.

    Parameters
    ----------
    name : str
        Of the block.
    values : ndarray of float64, shape (n_networks, n_matrices, n_rows, n_columns)
    """

    name: str
    values: Values

    @classmethod
    def of(cls, block: Block, per: Per, read: Reader) -> WeightMatrix:
        """Return the matrix of a block's weight, or one for each position in its kernel."""
        assert block.weight is not None
        n_rows, inner, *kernel = block.weight.shape
        taps = prod(kernel)
        rest = inner * taps
        check_memory(
            8 * (3 * n_rows * rest + 2 * min(n_rows, rest) ** 2), f"the weight of {block.name!r}"
        )
        stored = np.asarray(read(block.weight), dtype=np.float64)
        if per == "kernel":
            return cls(block.name, stored.reshape(len(stored), 1, n_rows, rest))
        taken = stored.reshape(len(stored), n_rows, inner, taps).transpose(0, 3, 1, 2)
        return cls(block.name, np.ascontiguousarray(taken))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of each."""
        return self.values.shape[2], self.values.shape[3]

    @property
    def n_matrices(self) -> int:
        """Matrices of each network."""
        return int(self.values.shape[1])

    @property
    def are_finite(self) -> NDArray[np.bool_]:
        """Whether all weights of a network are finite, shape (n_networks,)."""
        found: NDArray[np.bool_] = np.logical_and.reduce(np.isfinite(self.values), axis=(1, 2, 3))
        return found

    def only(self, chosen: NDArray[np.bool_]) -> WeightMatrix:
        """Return them with nothing but zeros in the networks that are not chosen."""
        return self if chosen.all() else WeightMatrix(self.name, _only(self.values, chosen))

    def shuffled(self, rng: np.random.Generator) -> WeightMatrix:
        """Return as many matrices of the same entries, each somewhere else in its matrix.

        All networks are shuffled alike.
        """
        n_networks, n_matrices, *own = self.values.shape
        order = np.tile(np.arange(prod(own)), (n_matrices, 1))
        places = rng.permuted(order, axis=1) + prod(own) * np.arange(n_matrices)[:, None]
        flat = self.values.reshape(n_networks, -1)
        return WeightMatrix(self.name, flat[:, places.reshape(-1)].reshape(self.values.shape))

    def eigenvalues(self) -> Values:
        """Return the squared singular values of all matrices of each network, ascending.

        There are as many as the shorter sides have, shape (n_networks, n); they are exact to the
        rounding of the largest of a network; what is below it is zero.
        """
        if not self.values.size:
            return np.zeros((len(self.values), 0))
        scale = np.abs(self.values).max(axis=(1, 2, 3))
        divisor = np.where(scale > 0.0, scale, 1.0)  # so that no square overflows
        scaled = self.values / divisor[:, None, None, None]
        across = scaled.mT if self.shape[0] > self.shape[1] else scaled
        found = gram_eigenvalues(across @ across.mT, max(self.shape))
        known: Values = np.sort(found) * scale[:, None] ** 2
        return known


def gram_eigenvalues(products: Values, longer: int) -> Values:
    """Return the squared singular values of matrices from the products of their shorter sides.

    Parameters
    ----------
    products : ndarray of float64, shape (…, n_matrices, n, n)
        Of rows with rows, or of columns with columns.
    longer : int
        How long these are.

    Returns
    -------
    ndarray of float64, shape (…, n_matrices * n)
        Zero where they are below the rounding of the largest of the matrices.

    Examples
    --------
    >>> gram_eigenvalues(np.diag([4.0, 1.0])[None], 2)
    array([1., 4.])
    """
    n_matrices, n, _ = products.shape[-3:]
    found = np.linalg.eigvalsh(products).reshape(*products.shape[:-3], n_matrices * n)
    rounding = longer * np.finfo(np.float64).eps * found.max(axis=-1, keepdims=True)
    return np.where(found > rounding, found, 0.0)


def is_matrix(block: Block) -> bool:
    """Return whether the weight of a block is a matrix from inputs to outputs."""
    return block.kind in _KINDS and block.weight is not None


def _only(values: Values, chosen: NDArray[np.bool_]) -> Values:
    return np.where(chosen[:, None, None, None], values, 0.0)


def weight_matrices(net: Network, per: Per, read: Reader) -> Iterator[WeightMatrix]:
    """Yield the matrices of every learned block that has some, one block at a time."""
    for block in net.select_blocks("parametric"):
        if is_matrix(block):
            yield WeightMatrix.of(block, per, read)
