"""Copies: many networks of one topology as a single one, measured by one call.

The disjoint union of n networks of one topology is a network, too: of a convolution, it has n times
the channels, in n times the groups. So whatever measures one network measures a stack of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

import numpy as np

from cntgraph.core.errors import NoCopiesError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.copies import recipe_of_copies
from cntgraph.core.types import Ids
from cntgraph.core.view import View, parts_of
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.conv import Conv
from cntgraph.network.blocks.dense import Dense
from cntgraph.network.blocks.diagonal import Diagonal
from cntgraph.network.blocks.identity import Identity
from cntgraph.network.blocks.pool import Pool
from cntgraph.network.blocks.sparse import Sparse
from cntgraph.network.layer import Layer


@dataclass(frozen=True)
class Copies:
    """How many copies there are of some layers, and what parameters have in each.

    Parameters
    ----------
    of : tuple of Layer
        All layers of one network.
    n : int
        Number of copies.
    parameters : mapping of str to Parameter
        The values of each parameter in every copy, shape (n, *shape of the parameter).
    """

    of: tuple[Layer, ...]
    n: int
    parameters: Mapping[str, Parameter]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of all copies together."""
        return tuple(
            replace(layer, shape=(self.n, *layer.shape), start=self.n * layer.start)
            for layer in self.of
        )

    def view(self, view: View) -> View:
        """Return the view of all copies' nodes, one copy's channels after another's."""
        shape = _repeated_shape(view.shape, self.n)
        if view.ids is None and self._is_layer(view):
            return View(shape, self.n * view.start)
        own = view.as_ids()
        ids = np.full((self.n, own.size), -1, dtype=np.int64)
        starts = np.array([layer.start for layer in self.of], dtype=np.int64)
        for k in parts_of(own, starts):
            layer = self.of[k]
            inside = (own >= layer.start) & (own < layer.slice.stop)
            first = self.n * layer.start + layer.n_nodes * np.arange(self.n)
            ids[:, inside] = first[:, None] + (own[inside] - layer.start)
        return View.of(ids, shape)

    def _is_layer(self, view: View) -> bool:
        return any(own.start == view.start and own.n_nodes == view.size for own in self.of)

    def stacked(self, recipe: Recipe) -> Recipe:
        """Return the values of every copy, shape (n, *shape of the recipe)."""
        return recipe_of_copies(recipe, self.n, self.parameters)

    def joined(self, recipe: Recipe) -> Recipe:
        """Return the values of every copy, one after the other along the first axis."""
        return self.stacked(recipe).reshape(_repeated_shape(recipe.shape, self.n))

    def broadcast(self, recipe: Recipe, shape: tuple[int, ...]) -> Recipe:
        """Return values that broadcast against the positions of all copies.

        Parameters
        ----------
        recipe : Recipe
            Broadcasts against `shape`, as what is returned does copy by copy.
        shape : tuple of int
            Channels first, of one network.
        """
        channels, *positions = (*shape, 1)[: max(len(shape), 1)]
        lacking = 1 + len(positions) - len(recipe.shape)
        first, *rest = (*(1,) * lacking, *recipe.shape)
        found = self.stacked(recipe).reshape((self.n * first, *rest))
        if first < channels:
            found = found.gather(0, np.repeat(np.arange(self.n), channels))
        return found


def _repeated_shape(shape: tuple[int, ...], n: int) -> tuple[int, ...]:
    first, *rest = shape or (1,)
    return (n * first, *rest)


@singledispatch
def block_of_copies(block: Block, copies: Copies) -> Block:
    """Return the block of all copies: n times the channels, without an edge between two copies.

    A third party adds its own kind of block with ``block_of_copies.register(Kind, function)``.

    Parameters
    ----------
    block : Block
        Of one network.
    copies : Copies

    Returns
    -------
    Block

    Raises
    ------
    NoCopiesError
        If nothing is registered for the kind of block.
    """
    raise NoCopiesError(
        f"block {block.name!r}: nothing says what many copies of the kind {block.kind!r} are; "
        "register a function for it with cntgraph.network.copies.block_of_copies.register"
    )


def _with_views(block: Block, copies: Copies) -> dict[str, Any]:
    """Return the fields of all kinds of block, for all copies."""
    bias = block.bias
    return {
        "source": copies.view(block.source),
        "target": copies.view(block.target),
        "bias": None if bias is None else copies.broadcast(bias, block.target.shape),
    }


@block_of_copies.register
def _(block: Conv, copies: Copies) -> Block:
    weight, groups = copies.joined(block.weight), block.groups * copies.n
    return replace(block, weight=weight, groups=groups, **_with_views(block, copies))


@block_of_copies.register
def _(block: Dense, copies: Copies) -> Block:
    """Return a convolution without positions: of matrices, it alone has groups."""
    common = _with_views(block, copies)
    views = {side: common[side].reshape((common[side].size,)) for side in ("source", "target")}
    bias = common["bias"]
    if bias is not None and len(block.target.shape) > 1:
        common["bias"] = _flat(bias, common["target"].shape)
    return Conv(
        name=block.name, weight=copies.joined(block.weight), windows=(), groups=copies.n,
        parametric=block.parametric, modulatory=block.modulatory, **{**common, **views},
    )  # fmt: skip


@block_of_copies.register
def _(block: Diagonal, copies: Copies) -> Block:
    weight = copies.broadcast(block.weight, block.target.shape)
    return replace(block, weight=weight, **_with_views(block, copies))


@block_of_copies.register
def _(block: Identity, copies: Copies) -> Block:
    return replace(block, **_with_views(block, copies))


@block_of_copies.register
def _(block: Pool, copies: Copies) -> Block:
    return replace(block, **_with_views(block, copies))


@block_of_copies.register
def _(block: Sparse, copies: Copies) -> Block:
    weight = copies.joined(block.weight)
    indptr = _ascending(block.indptr[1:], copies.n, len(block.indices))
    return replace(
        block, weight=weight, indptr=np.concatenate([[0], indptr]),
        indices=_ascending(block.indices, copies.n, block.target.size),
        **_with_views(block, copies),
    )  # fmt: skip


def _ascending(places: Ids, n: int, size: int) -> Ids:
    """Return places in n copies of something of that size, one copy behind the other."""
    return np.add.outer(size * np.arange(n), places).reshape(-1)


def _flat(bias: Recipe, shape: tuple[int, ...]) -> Recipe:
    """Return a bias that broadcasts against `shape` with one value for each position, in a row."""
    for axis, length in enumerate(shape):
        if bias.shape[axis] < length:
            bias = bias.gather(axis, np.zeros(length, dtype=np.int64))
    return bias.reshape((-1,))
