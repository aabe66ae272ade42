"""What every adapter builds with: operations on node ids, in the framework's own order.

An adapter walks through a model once. Every tensor that carries neurons is an integer array
of node ids (-1 where there is no node); any movement of data is the framework's own operator
applied to the ids, and right by construction. An operation that computes is a call of the
`Builder`, which makes a new layer and the block of edges that leads to it, and returns the
new ids. `Builder.finish` then tidies up: normalisations and constants are folded into the
operation they follow, and a branch that only ends in an addition hands its edges to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.coverage import coverage_entries, report_left_out
from cntgraph.adapters.simplify import Draft, simplify
from cntgraph.blocks import Block, Conv, Dense, Diagonal, Identity, Pool, Stencil, Window
from cntgraph.errors import TraceError
from cntgraph.network import CoverageEntry, Layer, Network
from cntgraph.parameter import Parameter
from cntgraph.recipe import Recipe
from cntgraph.view import View

Ids = NDArray[np.int64]
Norm = Literal["fold", "keep"]


@dataclass
class Builder:
    """Collects layers and blocks while an adapter walks through a model.

    Ids are per sample: the batch dimension is dropped. Names are made unique.

    Examples
    --------
    >>> b = Builder()
    >>> w = Recipe.of(b.parameter(Parameter.from_array("fc.weight", np.ones((2, 3)))))
    >>> ids = b.linear("fc", b.input("input", (3,)), w, None)
    >>> b.output(b.activate(ids, "relu"))
    >>> b.finish()
    <Network: 2 layers, 1 blocks, 5 nodes, 6 edges, 6 parameters>
    """

    unroll: int | None = None
    layers: list[Layer] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    operations: list[CoverageEntry] = field(default_factory=list)
    outputs: list[View] = field(default_factory=list)
    activations: dict[str, list[str]] = field(default_factory=dict)
    norms: set[str] = field(default_factory=set)
    unfoldable: set[str] = field(default_factory=set)
    _names: set[str] = field(default_factory=set)

    # -- registering ------------------------------------------------------------------------

    def parameter(self, parameter: Parameter) -> Parameter:
        """Register a stored tensor of the model, whether or not it will be read."""
        self.parameters[parameter.name] = parameter
        return parameter

    def constant(self, name: str, value: NDArray[Any], dtype: str | None = None) -> Recipe:
        """Register a constant tensor of the model under a new name, and return its recipe."""
        name = self._unique(name)
        parameter = Parameter.from_array(name, value, dtype=dtype, trainable=False)
        return Recipe.of(self.parameter(parameter))

    def skip(self, recipe: Recipe, reason: str) -> None:
        """Say why the parameters that a recipe reads will not be found in a block."""
        for parameter in recipe.parameters():
            self.reasons.setdefault(parameter.name, reason)

    def input(self, name: str, shape: Sequence[int]) -> Ids:
        """Add an input layer, and return its ids."""
        return self._layer(name, tuple(shape), "input", is_input=True)

    def output(self, ids: Ids) -> None:
        """Say that the network's output is read from these nodes."""
        self.outputs.append(View.of(ids))

    # -- affine operations ------------------------------------------------------------------

    def linear(self, name: str, ids: Ids, weight: Recipe, bias: Recipe | None) -> Ids:
        """Apply y = W x + b to the last axis; position by position where there are others.

        Parameters
        ----------
        name : str
            Name of the operation.
        ids : ndarray of int64, shape (*positions, n_in)
            What it reads.
        weight : Recipe
            Shape (n_out, n_in).
        bias : Recipe or None
            Shape (n_out,).

        Returns
        -------
        ndarray of int64, shape (*positions, n_out)
        """
        positions, n_out = ids.shape[:-1], weight.shape[0]
        name = self._unique(name)
        if int(np.prod(positions, dtype=np.int64)) == 1:
            made = self._layer(name, (n_out,), "dense", unique=False)
            source, target = View.of(ids.reshape(-1)), View.of(made)
            self._add(Dense(name=name, source=source, target=target, weight=weight, bias=bias))
            return made.reshape(*positions, n_out)
        by_channel = np.moveaxis(ids, -1, 0)
        spatial = self._positions(by_channel)
        windows = tuple(Window(n, n, 1) for n in spatial)
        kernel = weight.reshape((*weight.shape, *(1,) * len(spatial)))
        made = self._conv(name, by_channel.reshape(-1, *spatial), kernel, bias, windows)
        return np.moveaxis(made, 0, -1).reshape(*positions, n_out)

    def _positions(self, ids: Ids) -> tuple[int, ...]:
        """Return the positions of features × positions; those of the layer where it is whole.

        A framework may have flattened the positions before a matrix product.
        """
        view = View.of(ids)
        (layer, *others) = self._layers_of(view) or (None,)
        if layer is not None and not others and view.ids is None:
            if layer.n_nodes == view.size and layer.shape[:1] == ids.shape[:1]:
                return layer.shape[1:]
        return ids.shape[1:]

    def conv(
        self,
        name: str,
        ids: Ids,
        weight: Recipe,
        bias: Recipe | None,
        windows: tuple[Window, ...],
        *,
        groups: int = 1,
        transposed: bool = False,
    ) -> Ids:
        """Apply a convolution to ids of shape (channels, *spatial); see `blocks.Conv`.

        Returns
        -------
        ndarray of int64, shape (channels out, *spatial out)
        """
        name = self._unique(name)
        return self._conv(name, ids, weight, bias, windows, groups=groups, transposed=transposed)

    def _conv(
        self,
        name: str,
        ids: Ids,
        weight: Recipe,
        bias: Recipe | None,
        windows: tuple[Window, ...],
        *,
        groups: int = 1,
        transposed: bool = False,
    ) -> Ids:
        if transposed:
            shape = (weight.shape[1] * groups, *(w.fine for w in windows))
        else:
            shape = (weight.shape[0], *(w.coarse for w in windows))
        made = self._layer(name, shape, "conv", unique=False)
        bias = None if bias is None else bias.reshape((shape[0],) + (1,) * len(windows))
        common: dict[str, Any] = {"name": name, "source": View.of(ids), "target": View.of(made)}
        self._add(
            Conv(**common, weight=weight, bias=bias, windows=windows, groups=groups,
                 transposed=transposed)
        )  # fmt: skip
        return made

    def pool(self, name: str, ids: Ids, stencils: tuple[Stencil, ...], mode: str) -> Ids:
        """Apply a pooling to ids of shape (channels, *spatial); see `blocks.Pool`."""
        name = self._unique(name)
        shape = (ids.shape[0], *(stencil.n_out for stencil in stencils))
        made = self._layer(name, shape, "pool", unique=False)
        source, target = View.of(ids), View.of(made)
        self._add(Pool(name=name, source=source, target=target, stencils=stencils, mode=mode))
        return made

    # -- elementwise operations ---------------------------------------------------------------

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
        name : str
            Name of the operation.
        ids : ndarray of int64
            What it reads.
        weight, bias : Recipe or None
            Without a weight, edges have weight one.
        kind : str, default "scale"
            ``"norm"`` for a normalisation, which ``norm="keep"`` does not fold.
        parametric : bool, default True
            Whether the weight is learned.
        foldable : bool, default True
            False where what is scaled is not the operation's own output (a layer norm).

        Returns
        -------
        ndarray of int64, the shape of `ids`
        """
        by_channel = np.moveaxis(ids, -1, 0) if ids.ndim > 1 else ids
        if View.of(ids).ids is not None and View.of(by_channel).ids is None:
            # A layer seen features last: scale it in its own order, so that it can be folded.
            weight, bias = (_features_first(recipe, ids.ndim) for recipe in (weight, bias))
            kinds: dict[str, Any] = {"kind": kind, "parametric": parametric, "foldable": foldable}
            made = self.scale(name, by_channel, weight, bias, **kinds)
            return np.moveaxis(made, 0, -1)
        name = self._unique(name)
        made = self._like(name, ids, kind)
        common: dict[str, Any] = {"name": name, "source": View.of(ids), "bias": bias}
        common["target"] = View.of(made)
        if weight is None:
            self._add(Identity(**common))
        else:
            self._add(Diagonal(**common, weight=weight, parametric=parametric))
        if kind == "norm":
            self.norms.add(name)
        if not foldable:
            self.unfoldable.add(name)
        return made

    def add(self, name: str, operands: Sequence[Ids], signs: Sequence[float] | None = None) -> Ids:
        """Add branches: one layer that receives the edges of all; ids broadcast together."""
        name = self._unique(name)
        operands = np.broadcast_arrays(*operands)
        made = self._like(name, operands[0], "add")
        for k, ids in enumerate(operands):
            common: dict[str, Any] = {"source": View.of(ids), "target": View.of(made)}
            common["name"] = self._unique(f"{name}.{k}")
            if signs is None or signs[k] == 1.0:
                self._add(Identity(**common))
            else:
                weight = Recipe.constant(signs[k])
                self._add(Diagonal(**common, weight=weight, parametric=False))
        return made

    def multiply(self, name: str, operands: Sequence[Ids]) -> Ids:
        """Multiply branches: the first is handed on, the others only modulate it."""
        name = self._unique(name)
        operands = np.broadcast_arrays(*operands)
        made = self._like(name, operands[0], "multiply")
        for k, ids in enumerate(operands):
            source, target = View.of(ids), View.of(made)
            branch = self._unique(f"{name}.{k}")
            self._add(Identity(name=branch, source=source, target=target, modulatory=k > 0))
        return made

    def activate(self, ids: Ids, activation: str) -> Ids:
        """Note that an activation function is applied to these nodes; the nodes stay the same."""
        for layer in self._layers_of(View.of(ids)):
            applied = self.activations.setdefault(layer.name, [])
            if activation not in applied:
                applied.append(activation)
        return ids

    def opaque(self, name: str, shape: Sequence[int], operation: str, reason: str) -> Ids:
        """Add a layer whose edges are unknown, and say so in the coverage table."""
        name = self._unique(name)
        self.operations.append(CoverageEntry(name, "operation", "skipped", "", reason))
        return self._layer(name, tuple(shape), f"unknown ({operation})", unique=False)

    # -- the end --------------------------------------------------------------------------------

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
        draft = Draft(self.layers, self.blocks, self.activations, self.outputs)
        unfoldable = self.unfoldable | (self.norms if norm == "keep" else set())
        layers, blocks, folded = simplify(draft, unfoldable)
        stored = self.parameters.values()
        entries = coverage_entries(stored, blocks, folded, self.reasons) + self.operations
        net = Network(tuple(layers), tuple(blocks), dict(self.parameters), tuple(entries))
        report_left_out(entries, strict=strict)
        return net

    # -- helpers --------------------------------------------------------------------------------

    def _layer(
        self,
        name: str,
        shape: tuple[int, ...],
        kind: str,
        *,
        unique: bool = True,
        is_input: bool = False,
    ) -> Ids:
        start = self.layers[-1].slice.stop if self.layers else 0
        name = self._unique(name) if unique else name
        self.layers.append(Layer(name, shape, kind, start, is_input=is_input))
        return np.arange(start, self.layers[-1].slice.stop, dtype=np.int64).reshape(shape)

    def _like(self, name: str, ids: Ids, kind: str) -> Ids:
        """Add a layer for an elementwise result, in the order of the layer it is read from.

        Where `ids` shows every node of one layer once, in whatever order, the new layer has
        that layer's shape and order: positions × features stay features × positions.
        """
        view = View.of(ids)
        layers = self._layers_of(view)
        if len(layers) == 1 and view.size == layers[0].n_nodes:
            (source,) = layers
            flat = view.as_ids() - source.start
            whole = flat.size and flat.min() >= 0
            if whole and (np.bincount(flat, minlength=flat.size) == 1).all():
                made = self._layer(name, source.shape, kind, unique=False)
                copied: Ids = flat + made.reshape(-1)[0]
                return copied.reshape(ids.shape)
        return self._layer(name, ids.shape, kind, unique=False)

    def _layers_of(self, view: View) -> tuple[Layer, ...]:
        if not view.size:
            return ()
        starts = np.array([layer.start for layer in self.layers])
        if view.ids is None:
            low, high = np.searchsorted(starts, [view.start, view.start + view.size - 1], "right")
            return tuple(self.layers[low - 1 : high])
        nodes = view.ids[view.ids >= 0]
        return tuple(self.layers[k - 1] for k in np.unique(np.searchsorted(starts, nodes, "right")))

    def _add(self, block: Block) -> None:
        self.blocks.append(block)

    def _unique(self, name: str) -> str:
        candidate, k = name, 1
        while candidate in self._names:
            k += 1
            candidate = f"{name}_{k}"
        self._names.add(candidate)
        return candidate


def _features_first(recipe: Recipe | None, ndim: int) -> Recipe | None:
    """Re-lay a recipe that broadcasts against (*positions, features) as features first."""
    if recipe is None:
        return None
    padded = recipe.reshape((1,) * (ndim - len(recipe.shape)) + recipe.shape)
    return padded.transpose((ndim - 1, *range(ndim - 1)))
