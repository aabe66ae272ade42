"""Layout: the layers, blocks and parameters of a network that is being built."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from operator import attrgetter
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.builder.channels import channel_axes
from cntgraph.adapters.builder.sightings import Sightings
from cntgraph.core.errors import FormatError, GraphSizeError
from cntgraph.core.memory import check_memory
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.core.view import View, parts_of
from cntgraph.network.blocks import Block
from cntgraph.network.coverage import CoverageEntry
from cntgraph.network.layer import Layer, unique_name
from cntgraph.network.size import MAX_NODES


@dataclass
class Layout:
    """What has been built so far, and the registering of more.

    Parameters
    ----------
    unroll : int, optional
        Number of time steps over which recurrent layers are unrolled; by default they are loops.
    sightings : Sightings, optional
        Which tensors show which nodes, where that is asked for.
    """

    unroll: int | None = None
    sightings: Sightings | None = None
    layers: list[Layer] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    coefficients: set[str] = field(default_factory=set)
    operations: list[CoverageEntry] = field(default_factory=list)
    outputs: list[View] = field(default_factory=list)
    activations: dict[str, list[str]] = field(default_factory=dict)
    norms: set[str] = field(default_factory=set)
    gains: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    has_loops: bool = False
    has_hidden: bool = False
    _n_form_nodes: int = 0
    #: Arrays of ids that follow each other, as long as something reads them.
    _ranges: WeakValueDictionary[int, Ids] = field(default_factory=WeakValueDictionary)
    _one_hot: dict[tuple[str, int], Ids] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)
    _frozen: set[str] = field(default_factory=set)

    # -- registering ------------------------------------------------------------------------

    def parameter(self, parameter: Parameter) -> Parameter:
        """Register a stored tensor of the model, whether or not it will be read."""
        self.parameters[parameter.name] = parameter
        return parameter

    def constant(self, name: str, value: NDArray[Any], dtype: str | None = None) -> Recipe:
        """Register a constant tensor of the model under a new name, and return its recipe."""
        name = self.unique(name)
        parameter = Parameter.from_array(name, value, dtype=dtype, trainable=False)
        return Recipe.of(self.parameter(parameter))

    def frozen(self, name: str, value: NDArray[Any], dtype: str | None = None) -> Recipe:
        """Register what was computed of parameters once, which edges are not learned by."""
        recipe = self.constant(name, value, dtype)
        self._frozen.update(parameter.name for parameter in recipe.parameters())
        return recipe

    def is_frozen(self, recipe: Recipe | None) -> bool:
        """Whether weights were computed of parameters once, and read no others."""
        if recipe is None or not self._frozen:
            return False
        read = [*recipe.parameters()]
        frozen = any(parameter.name in self._frozen for parameter in read)
        return frozen and not any(parameter.trainable for parameter in read)

    def skip(self, recipe: Recipe, reason: str) -> None:
        """Say why the parameters that a recipe reads will not be found in a block."""
        for parameter in recipe.parameters():
            self.reasons.setdefault(parameter.name, reason)

    def coefficient(self, recipe: Recipe, activation: str) -> None:
        """Say that parameters are no weights, but say which function an activation is."""
        self.coefficients.update(parameter.name for parameter in recipe.parameters())
        self.skip(recipe, f"a coefficient of the activation {activation}, not a weight")

    def input(self, name: str, shape: Sequence[int]) -> Ids:
        """Add an input layer, and return its ids."""
        return self.add_layer(name, tuple(shape), "input", is_input=True)

    def output(self, ids: Ids) -> None:
        """Say that the network's output is read from these nodes."""
        self.outputs.append(self.view(ids))

    def opaque(self, name: str, shape: Sequence[int], operation: str, reason: str) -> Ids:
        """Add a layer whose edges are unknown, and say so in the coverage table."""
        name = self.unique(name)
        self.operations.append(CoverageEntry(name, "operation", "skipped", "", reason))
        return self.add_layer(name, tuple(shape), f"unknown ({operation})", unique=False)

    @contextmanager
    def one_step(self) -> Iterator[None]:
        """Let recurrent layers have one time step, which the model's own loop goes through."""
        unroll, self.unroll = self.unroll, 1
        try:
            yield
        finally:
            self.unroll = unroll

    def connect(
        self, kind: type[Block], name: str, source: Ids, target: Ids | View, **fields: Any
    ) -> None:
        """Add the edges of one operation, a block of that kind with these fields.

        Parameters
        ----------
        name : str
            A name of its own, or that of the layer it leads to.
        target : ndarray of int64 or View
            A view where several operations lead to the same nodes: they share it.
        """
        if self.is_frozen(fields.get("weight")):
            fields["parametric"] = False
        target = target if isinstance(target, View) else self.view(target)
        self.blocks.append(kind(name=name, source=self.view(source), target=target, **fields))

    def consecutive(self, start: int, shape: tuple[int, ...]) -> Ids:
        """Return ids that follow each other; `view` need not look at them to know it.

        Nothing writes into them: what moves ids makes others.
        """
        ids = np.arange(start, start + prod(shape), dtype=np.int64)
        self._ranges[id(ids)] = ids
        return ids.reshape(shape)

    def view(self, ids: Ids) -> View:
        """Return the view of ids (see `View.of`)."""
        whole = self._ranges.get(id(ids.base))
        known = whole is not None and whole is ids.base and ids.dtype == np.int64
        if not known or not ids.flags.c_contiguous or not ids.size:
            return View.of(ids)
        # A part of a range, in its order and without gaps, is one.
        return View(ids.shape, int(ids.flat[0]))

    def unique(self, name: str) -> str:
        """Return a name that nothing has yet, and take it."""
        return unique_name(name, self._names)

    # -- layers -----------------------------------------------------------------------------

    def add_layer(
        self,
        name: str,
        shape: tuple[int, ...],
        kind: str,
        *,
        unique: bool = True,
        is_input: bool = False,
    ) -> Ids:
        """Add a layer of nodes, to which nothing leads yet.

        Parameters
        ----------
        shape : tuple of int
            (channels, *positions).
        unique : bool, default True
            Whether the name may be taken, and is then made unique.
        is_input : bool, default False
            Whether the network reads its input into it.

        Returns
        -------
        ndarray of int64, of that shape

        Raises
        ------
        FormatError
            If a size is negative.
        GraphSizeError
            If there would be too many nodes.
        """
        if min(shape, default=0) < 0:
            raise FormatError(f"{name}: a layer of shape {tuple(shape)}; the file is damaged")
        start = self.layers[-1].slice.stop if self.layers else 0
        n_nodes = start - self._n_form_nodes + prod(shape)  # most forms do not stay
        if n_nodes > MAX_NODES:
            raise GraphSizeError(
                f"{name}: a layer of shape {tuple(shape)} would bring the network to "
                f"{n_nodes:,} nodes; expected at most {MAX_NODES:,}"
            )
        check_memory(2 * 8 * prod(shape), f"{name}: a layer of shape {tuple(shape)}")
        name = self.unique(name) if unique else name
        self.layers.append(Layer(name, shape, kind, start, is_input=is_input))
        return self.consecutive(start, shape)

    def like(self, name: str, ids: Ids, kind: str) -> Ids:
        """Add a layer for an elementwise result, in the order of the layer it is read from.

        Where `ids` shows every node of one layer once, in whatever order, the new layer has
        that layer's shape and order: positions × features stay features × positions. Otherwise
        it is laid out channels first.
        """
        view = self.view(ids)
        layers = self.layers_of(view)
        if len(layers) == 1 and view.size == layers[0].n_nodes:
            (source,) = layers
            if view.ids is None:
                return self.add_layer(name, source.shape, kind, unique=False).reshape(ids.shape)
            flat = view.as_ids() - source.start
            whole = flat.size and flat.min() >= 0
            if whole and (np.bincount(flat, minlength=flat.size) == 1).all():
                made = self.add_layer(name, source.shape, kind, unique=False)
                copied: Ids = flat + made.reshape(-1)[0]
                return copied.reshape(ids.shape)
        return self.fresh(name, ids, kind)

    def fresh(
        self,
        name: str,
        like: Ids,
        kind: str,
        shape: Sequence[int] | None = None,
        heads: Sequence[int] = (),
    ) -> Ids:
        """Add a layer for an array of ids, channels first whatever the order of its axes.

        Parameters
        ----------
        name : str
            A name that is not taken.
        like : ndarray of int64
            Nodes whose axes say which axes are channels.
        shape : sequence of int, optional
            Shape of the ids wanted, if it is not that of `like`.
        heads : sequence of int, optional
            Axes that are channels though `like` is the same along them.

        Returns
        -------
        ndarray of int64, of shape `shape`
        """
        shape = like.shape if shape is None else tuple(shape)
        channels = sorted({*channel_axes(like, self.layers), *heads})
        positions = [axis for axis in range(like.ndim) if axis not in channels]
        n_channels = prod(shape[axis] for axis in channels)
        wanted = (n_channels, *(shape[axis] for axis in positions))
        made = self.add_layer(name, wanted if like.ndim else (), kind, unique=False)
        order = (*channels, *positions)
        made = made.reshape([shape[axis] for axis in order])
        return made.transpose(np.argsort(order)) if order else made

    def layers_of(self, view: View) -> tuple[Layer, ...]:
        """Return the layers whose nodes a view shows, in order."""
        first, end = view.span()
        if first == end:
            return ()
        low, high = (
            bisect_right(self.layers, k, key=attrgetter("start")) for k in (first, end - 1)
        )
        layers = tuple(self.layers[low - 1 : high])
        if view.ids is None or len(layers) == 1:
            return layers
        starts = np.array([layer.start for layer in layers])
        return tuple(layers[k] for k in parts_of(view.ids, starts))

    def once(self, ids: Ids, keep: Sequence[int] = ()) -> Ids:
        """Drop all but one of the positions that show the same nodes: the steps of a loop."""
        if not self.has_loops:
            return ids
        for axis in range(ids.ndim):
            first = ids.take([0], axis) if ids.shape[axis] > 1 and axis not in keep else ids
            ids = first if (ids == first).all() else ids
        return ids


def spread(ids: Ids, shape: tuple[int, ...]) -> Ids:
    """Show the nodes of a loop at every position."""
    return ids if ids.shape == shape else np.broadcast_to(ids, shape).copy()
