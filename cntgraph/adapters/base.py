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
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.attention import attend, attention
from cntgraph.adapters.channels import channel_axes
from cntgraph.adapters.coverage import coverage_entries, report_left_out
from cntgraph.adapters.simplify import Draft, simplify
from cntgraph.blocks import Block, Conv, Dense, Diagonal, Identity, Pool, Sparse, Stencil, Window
from cntgraph.errors import GraphSizeError, TraceError
from cntgraph.network import CoverageEntry, Layer, Network
from cntgraph.parameter import Parameter
from cntgraph.recipe import Recipe
from cntgraph.view import View

Ids = NDArray[np.int64]
Norm = Literal["fold", "keep"]

#: Nodes that a network may have; their ids alone take 8 GiB. A damaged file may ask for more.
MAX_NODES = 1 << 30
#: Activations by how much they make what they are applied to a gate; any other one is 1.
_GATES = {"silu": 2, "gelu": 2, "sigmoid": 3, "hardsigmoid": 3, "softmax": 3}


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
    gains: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=set)
    has_loops: bool = False
    _one_hot: dict[tuple[str, int], Ids] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)

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

    def skip(self, recipe: Recipe, reason: str) -> None:
        """Say why the parameters that a recipe reads will not be found in a block."""
        for parameter in recipe.parameters():
            self.reasons.setdefault(parameter.name, reason)

    def input(self, name: str, shape: Sequence[int]) -> Ids:
        """Add an input layer, and return its ids."""
        return self.add_layer(name, tuple(shape), "input", is_input=True)

    def learned(self, name: str, recipe: Recipe, shape: Sequence[int]) -> Ids:
        """Add nodes whose value is learned (a class token, an initial state), features last.

        They have no incoming edges; their bias is the parameter, which broadcasts to `shape`.
        """
        name = self.unique(name)
        *positions, n_features = shape
        made = self.add_layer(name, (n_features, *positions), "learned", unique=False)
        bias = _features_first(recipe, len(positions) + 1)
        assert bias is not None
        self.add_block(Sparse.without_edges(name, View.of(made), bias))
        return np.moveaxis(made, 0, -1)

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
        shown = self._once(ids, keep=(ids.ndim - 1,))
        positions, n_out = shown.shape[:-1], weight.shape[0]
        name = self.unique(name)
        if prod(positions) == 1:
            made = self.add_layer(name, (n_out,), "dense", unique=False)
            source, target = View.of(shown.reshape(-1)), View.of(made)
            self.add_block(Dense(name=name, source=source, target=target, weight=weight, bias=bias))
            made = made.reshape(*positions, n_out)
        else:
            made = self._position_wise(name, np.moveaxis(shown, -1, 0), weight, bias)
        return _spread(made, (*ids.shape[:-1], n_out))

    def embed(self, name: str, tokens: Ids, weight: Recipe) -> Ids:
        """Look up rows of a table: a linear map of one-hot inputs, which become the input nodes.

        Parameters
        ----------
        name : str
            Name of the operation.
        tokens : ndarray of int64
            Ids of an integer input.
        weight : Recipe
            Shape (n_entries, n_features).

        Returns
        -------
        ndarray of int64, shape (*tokens.shape, n_features)
        """
        raw = self._layers_of(View.of(tokens))
        if len(raw) != 1 or not raw[0].is_input:
            reason = "an embedding of indices that are computed; the graph is cut here"
            self.skip(weight, reason)
            shape = (weight.shape[1], *tokens.shape)
            return np.moveaxis(self.opaque(name, shape, "embedding", reason), 0, -1)
        whole = self._one_hot_input(raw[0], weight.shape[0])
        one_hot = whole.reshape(len(whole), -1)[:, tokens - raw[0].start]
        one_hot = np.where(tokens < 0, -1, one_hot) if (tokens < 0).any() else one_hot
        matrix = weight.transpose((1, 0))
        if tokens.size == 1:
            return self.linear(name, np.moveaxis(one_hot, 0, -1), matrix, None)
        return self._position_wise(self.unique(name), one_hot, matrix, None)

    def _one_hot_input(self, raw: Layer, n_entries: int) -> Ids:
        """Return the nodes that stand for an integer input: one an entry and position."""
        key = (raw.name.removesuffix(".index"), n_entries)
        if key not in self._one_hot:
            if raw.name not in self.tokens:
                at = self.layers.index(raw)
                self.layers[at] = replace(raw, name=self.unique(f"{raw.name}.index"))
                self._names.discard(raw.name)
                self.tokens.add(self.layers[at].name)
            shape = (n_entries, *raw.shape)
            self._one_hot[key] = self.add_layer(key[0], shape, "input", is_input=True)
        return self._one_hot[key]

    def _position_wise(
        self, name: str, by_channel: Ids, weight: Recipe, bias: Recipe | None
    ) -> Ids:
        """Apply a matrix to features × positions; return positions × features."""
        positions = by_channel.shape[1:]
        spatial = self._positions(by_channel)
        windows = tuple(Window(n, n, 1) for n in spatial)
        kernel = weight.reshape((*weight.shape, *(1,) * len(spatial)))
        made = self._conv(name, by_channel.reshape(-1, *spatial), kernel, bias, windows)
        return np.moveaxis(made.reshape(-1, *positions), 0, -1)

    def _once(self, ids: Ids, keep: Sequence[int] = ()) -> Ids:
        """Drop all but one of the positions that show the same nodes: the steps of a loop."""
        if not self.has_loops:
            return ids
        for axis in range(ids.ndim):
            first = ids.take([0], axis) if ids.shape[axis] > 1 and axis not in keep else ids
            ids = first if (ids == first).all() else ids
        return ids

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
        name = self.unique(name)
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
        made = self.add_layer(name, shape, "conv", unique=False)
        bias = None if bias is None else bias.reshape((shape[0],) + (1,) * len(windows))
        common: dict[str, Any] = {"name": name, "source": View.of(ids), "target": View.of(made)}
        self.add_block(
            Conv(**common, weight=weight, bias=bias, windows=windows, groups=groups,
                 transposed=transposed)
        )  # fmt: skip
        return made

    def pool(self, name: str, ids: Ids, stencils: tuple[Stencil, ...], mode: str) -> Ids:
        """Apply a pooling to ids of shape (channels, *spatial); see `blocks.Pool`."""
        name = self.unique(name)
        shape = (ids.shape[0], *(stencil.n_out for stencil in stencils))
        made = self.add_layer(name, shape, "pool", unique=False)
        source, target = View.of(ids), View.of(made)
        self.add_block(Pool(name=name, source=source, target=target, stencils=stencils, mode=mode))
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
        varying = [ids.ndim - len(r.shape) + axis for r in (weight, bias) if r is not None
                   for axis, size in enumerate(r.shape) if size > 1]  # fmt: skip
        shown = self._once(ids, keep=varying)
        if shown.shape != ids.shape:
            options: dict[str, Any] = {"kind": kind, "parametric": parametric, "foldable": foldable}
            return _spread(self.scale(name, shown, weight, bias, **options), ids.shape)
        by_channel = np.moveaxis(ids, -1, 0) if ids.ndim > 1 else ids
        if View.of(ids).ids is not None and View.of(by_channel).ids is None:
            # A layer seen features last: scale it in its own order, so that it can be folded.
            weight, bias = (_features_first(recipe, ids.ndim) for recipe in (weight, bias))
            kinds: dict[str, Any] = {"kind": kind, "parametric": parametric, "foldable": foldable}
            made = self.scale(name, by_channel, weight, bias, **kinds)
            return np.moveaxis(made, 0, -1)
        name = self.unique(name)
        made = self._like(name, ids, kind)
        common: dict[str, Any] = {"name": name, "source": View.of(ids), "bias": bias}
        common["target"] = View.of(made)
        if weight is None:
            self.add_block(Identity(**common))
        else:
            self.add_block(Diagonal(**common, weight=weight, parametric=parametric))
        if kind == "norm":
            self.norms.add(name)
        if not foldable:
            self.unfoldable.add(name)
            self.gains.add(name)
        return made

    def normalise(
        self, name: str, ids: Ids, gain: Recipe | None, shift: Recipe | None, kind: str
    ) -> Ids:
        """Normalise by statistics of the data itself, then apply y = gain ⊙ x + shift.

        Parameters
        ----------
        name : str
            Name of the operation.
        ids : ndarray of int64
            What it reads.
        gain, shift : Recipe or None
            Broadcast against the ids.
        kind : str
            ``"layer_norm"``, ``"rms_norm"``, ``"group_norm"``, …: noted as an activation.

        Returns
        -------
        ndarray of int64, the shape of `ids`

        Notes
        -----
        Gain and shift are folded into the affine operations that read them, where all readers
        are affine; otherwise they are a diagonal block.
        """
        self.activate(ids, kind)
        if gain is None and shift is None:
            return ids
        return self.scale(name, ids, gain, shift, kind="norm", foldable=False)

    def add(self, name: str, operands: Sequence[Ids], signs: Sequence[float] | None = None) -> Ids:
        """Add branches: one layer that receives the edges of all; ids broadcast together."""
        name = self.unique(name)
        wide = np.broadcast_shapes(*(ids.shape for ids in operands))
        operands = self._together(operands)
        made = self._like(name, operands[0], "add")
        for k, ids in enumerate(operands):
            common: dict[str, Any] = {"source": View.of(ids), "target": View.of(made)}
            common["name"] = self.unique(f"{name}.{k}")
            if signs is None or signs[k] == 1.0:
                self.add_block(Identity(**common))
            else:
                weight = Recipe.constant(signs[k])
                self.add_block(Diagonal(**common, weight=weight, parametric=False))
        return _spread(made, wide)

    def multiply(self, name: str, operands: Sequence[Ids]) -> Ids:
        """Multiply branches: the least of a gate is handed on, the others only modulate it.

        A gate is what has passed a sigmoid or a softmax; less so a SiLU or GELU, then any other
        activation. Of equals, the first is handed on.
        """
        name = self.unique(name)
        wide = np.broadcast_shapes(*(ids.shape for ids in operands))
        operands = self._together(operands)
        operands = sorted(operands, key=self._gating)
        made = self._like(name, operands[0], "multiply")
        for k, ids in enumerate(operands):
            source, target = View.of(ids), View.of(made)
            branch = self.unique(f"{name}.{k}")
            self.add_block(Identity(name=branch, source=source, target=target, modulatory=k > 0))
        return _spread(made, wide)

    def _gating(self, ids: Ids) -> int:
        """Return how much of a gate nodes are."""
        (first, *_) = self._layers_of(View.of(ids)) or (None,)
        applied = self.activations.get(first.name, []) if first is not None else []
        return max((_GATES.get(activation, 1) for activation in applied), default=0)

    def _together(self, operands: Sequence[Ids]) -> list[Ids]:
        """Broadcast operands together; the steps of a loop are one."""
        wide = np.broadcast_arrays(*operands)
        if not self.has_loops:
            return list(wide)
        once = np.broadcast_shapes(*(self._once(ids).shape for ids in wide))
        first = tuple(slice(None) if n > 1 else slice(0, 1) for n in once)
        return [ids[first] for ids in wide]

    # -- products of nodes ----------------------------------------------------------------------

    def mask(self, ids: Ids, keep: NDArray[np.bool_]) -> Ids:
        """Take away the nodes where `keep` is false, as an additive mask of -∞ does to scores."""
        return np.where(keep, ids, -1)

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
        if not self._is_softmax(left) and self._is_softmax(right):
            turned = attend(self, name, right.swapaxes(-1, -2), left.swapaxes(-1, -2), soft=True)
            return turned.swapaxes(-1, -2)
        return attend(self, name, left, right, soft=self._is_softmax(left))

    def attention(
        self, name: str, query: Ids, key: Ids, value: Ids, keep: NDArray[np.bool_] | None = None
    ) -> Ids:
        """Apply attention: softmax(query keyᵀ) value; see `adapters.attention`.

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

    def _is_softmax(self, ids: Ids) -> bool:
        layers = self._layers_of(View.of(ids))
        return bool(layers) and all(
            "softmax" in self.activations.get(layer.name, ()) for layer in layers
        )

    def activate(self, ids: Ids, activation: str) -> Ids:
        """Note that an activation function is applied to these nodes; the nodes stay the same."""
        for layer in self._layers_of(View.of(ids)):
            applied = self.activations.setdefault(layer.name, [])
            if activation not in applied:
                applied.append(activation)
        return ids

    def opaque(self, name: str, shape: Sequence[int], operation: str, reason: str) -> Ids:
        """Add a layer whose edges are unknown, and say so in the coverage table."""
        name = self.unique(name)
        self.operations.append(CoverageEntry(name, "operation", "skipped", "", reason))
        return self.add_layer(name, tuple(shape), f"unknown ({operation})", unique=False)

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
        draft = Draft(self.layers, self.blocks, self.activations, self.outputs, self.tokens)
        unfoldable = self.unfoldable | (self.norms if norm == "keep" else set())
        gains = self.gains if norm == "fold" else None
        layers, blocks, folded = simplify(draft, unfoldable, gains)
        stored = self.parameters.values()
        entries = coverage_entries(stored, blocks, folded, self.reasons) + self.operations
        net = Network(tuple(layers), tuple(blocks), dict(self.parameters), tuple(entries))
        report_left_out(entries, strict=strict)
        return net

    # -- helpers --------------------------------------------------------------------------------

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
        name : str
            Its name.
        shape : tuple of int
            (channels, *positions).
        kind : str
            Its kind.
        unique : bool, default True
            Whether the name may be taken, and is then made unique.
        is_input : bool, default False
            Whether the network reads its input into it.

        Returns
        -------
        ndarray of int64, of that shape
        """
        start = self.layers[-1].slice.stop if self.layers else 0
        if start + prod(shape) > MAX_NODES:
            raise GraphSizeError(
                f"{name}: a layer of shape {tuple(shape)} would bring the network to "
                f"{start + prod(shape):,} nodes; expected at most {MAX_NODES:,}"
            )
        name = self.unique(name) if unique else name
        self.layers.append(Layer(name, shape, kind, start, is_input=is_input))
        return np.arange(start, self.layers[-1].slice.stop, dtype=np.int64).reshape(shape)

    def _like(self, name: str, ids: Ids, kind: str) -> Ids:
        """Add a layer for an elementwise result, in the order of the layer it is read from.

        Where `ids` shows every node of one layer once, in whatever order, the new layer has
        that layer's shape and order: positions × features stay features × positions. Otherwise
        it is laid out channels first.
        """
        view = View.of(ids)
        layers = self._layers_of(view)
        if len(layers) == 1 and view.size == layers[0].n_nodes:
            (source,) = layers
            flat = view.as_ids() - source.start
            whole = flat.size and flat.min() >= 0
            if whole and (np.bincount(flat, minlength=flat.size) == 1).all():
                made = self.add_layer(name, source.shape, kind, unique=False)
                copied: Ids = flat + made.reshape(-1)[0]
                return copied.reshape(ids.shape)
        return self.fresh(name, ids, kind)

    def fresh(self, name: str, like: Ids, kind: str, shape: Sequence[int] | None = None) -> Ids:
        """Add a layer for an array of ids, channels first whatever the order of its axes.

        Parameters
        ----------
        name : str
            A name that is not taken.
        like : ndarray of int64
            Nodes whose axes say which axes are channels.
        kind : str
            The layer's kind.
        shape : sequence of int, optional
            Shape of the ids wanted, if it is not that of `like`.

        Returns
        -------
        ndarray of int64, of shape `shape`
        """
        shape = like.shape if shape is None else tuple(shape)
        channels = channel_axes(like, self.layers)
        positions = [axis for axis in range(like.ndim) if axis not in channels]
        n_channels = prod(shape[axis] for axis in channels)
        wanted = (n_channels, *(shape[axis] for axis in positions))
        made = self.add_layer(name, wanted if like.ndim else (), kind, unique=False)
        order = (*channels, *positions)
        made = made.reshape([shape[axis] for axis in order])
        return made.transpose(np.argsort(order)) if order else made

    def _layers_of(self, view: View) -> tuple[Layer, ...]:
        if not view.size:
            return ()
        starts = np.array([layer.start for layer in self.layers])
        if view.ids is None:
            low, high = np.searchsorted(starts, [view.start, view.start + view.size - 1], "right")
            return tuple(self.layers[low - 1 : high])
        nodes = view.ids[view.ids >= 0]
        return tuple(self.layers[k - 1] for k in np.unique(np.searchsorted(starts, nodes, "right")))

    def add_block(self, block: Block) -> None:
        """Add the edges of one operation."""
        self.blocks.append(block)

    def unique(self, name: str) -> str:
        """Return a name that nothing has yet, and take it."""
        candidate, k = name, 1
        while candidate in self._names:
            k += 1
            candidate = f"{name}_{k}"
        self._names.add(candidate)
        return candidate


def _spread(ids: Ids, shape: tuple[int, ...]) -> Ids:
    """Show the nodes of a loop at every position."""
    return ids if ids.shape == shape else np.broadcast_to(ids, shape).copy()


def _features_first(recipe: Recipe | None, ndim: int) -> Recipe | None:
    """Re-lay a recipe that broadcasts against (*positions, features) as features first."""
    if recipe is None:
        return None
    padded = recipe.reshape((1,) * (ndim - len(recipe.shape)) + recipe.shape)
    return padded.transpose((ndim - 1, *range(ndim - 1)))
