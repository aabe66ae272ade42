"""Affine operations and poolings: matrices, tables, convolutions, windows."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from cntgraph.adapters.builder.layout import Layout, spread
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids
from cntgraph.network.blocks import AxisOperator, Conv, Dense, Pool, PoolMode, Sparse, Window
from cntgraph.network.layer import Layer


class Affine(Layout):
    """The operations that make new features of the old ones."""

    def linear(self, name: str, ids: Ids, weight: Recipe, bias: Recipe | None) -> Ids:
        """Apply y = W x + b to the last axis; position by position where there are others.

        Parameters
        ----------
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
        shown = self.once(ids, keep=(ids.ndim - 1,))
        made = self._position_wise(name, np.moveaxis(shown, -1, 0), weight, bias)
        return spread(made, (*ids.shape[:-1], weight.shape[0]))

    def _position_wise(
        self, name: str, by_channel: Ids, weight: Recipe, bias: Recipe | None
    ) -> Ids:
        """Apply a matrix to features × positions; return positions × features."""
        name, positions = self.unique(name), by_channel.shape[1:]
        spatial = () if prod(positions) == 1 else self._positions(by_channel)
        made = self.add_layer(name, (weight.shape[0], *spatial), "dense", unique=False)
        self.connect_features(name, by_channel.reshape(-1, *spatial), made, weight, bias)
        return np.moveaxis(made.reshape(-1, *positions), 0, -1)

    def connect_features(
        self, name: str, source: Ids, target: Ids, weight: Recipe, bias: Recipe | None
    ) -> None:
        """Lead from every feature to every feature of the same position, by a matrix.

        Parameters
        ----------
        source, target : ndarray of int64, shape (n_features, *positions)
        weight : Recipe
            Shape (n_out, n_in).
        bias : Recipe or None
            Shape (n_out,).
        """
        spatial = source.shape[1:]
        if prod(spatial) == 1:
            source, target = source.reshape(-1), target.reshape(-1)
            self.connect(Dense, name, source, target, weight=weight, bias=bias)
            return
        windows = tuple(Window(n, n, 1) for n in spatial)
        kernel, bias = (
            None if recipe is None else recipe.reshape((*recipe.shape, *(1,) * len(spatial)))
            for recipe in (weight, bias)
        )
        self.connect(Conv, name, source, target, weight=kernel, bias=bias, windows=windows)

    def _positions(self, ids: Ids) -> tuple[int, ...]:
        """Return the positions of features × positions; those of the layer where it is whole.

        A framework may have flattened the positions before a matrix product.
        """
        view = self.view(ids)
        (layer, *others) = self.layers_of(view) or (None,)
        if layer is not None and not others and view.ids is None:
            if layer.n_nodes == view.size and layer.shape[:1] == ids.shape[:1]:
                return layer.shape[1:]
        return ids.shape[1:]

    def embed(self, name: str, tokens: Ids, weight: Recipe) -> Ids:
        """Look up rows of a table: a linear map of one-hot inputs, which become the input nodes.

        Parameters
        ----------
        tokens : ndarray of int64
            Ids of an integer input.
        weight : Recipe
            Shape (n_entries, n_features).

        Returns
        -------
        ndarray of int64, shape (*tokens.shape, n_features)
        """
        raw = self.layers_of(self.view(tokens))
        if len(raw) != 1 or not raw[0].is_input:
            reason = "an embedding of indices that are computed; the graph is cut here"
            self.skip(weight, reason)
            shape = (weight.shape[1], *tokens.shape)
            return np.moveaxis(self.opaque(name, shape, "embedding", reason), 0, -1)
        whole = self._one_hot_input(raw[0], weight.shape[0])
        one_hot = whole.reshape(len(whole), -1)[:, np.maximum(tokens - raw[0].start, 0)]
        one_hot = np.where(tokens < 0, -1, one_hot) if (tokens < 0).any() else one_hot
        return self._position_wise(name, one_hot, weight.transpose((1, 0)), None)

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
            if self.sightings is not None:
                tokens = np.arange(raw.start, raw.slice.stop, dtype=np.int64)
                self.sightings.note_tokens(self.layers[-1].slice, tokens)
        return self._one_hot[key]

    def learned(self, name: str, recipe: Recipe) -> Ids:
        """Add nodes whose value is learned (a class token, an initial state), features last.

        They have no incoming edges; their bias is the parameter.
        """
        name, rank = self.unique(name), len(recipe.shape)
        bias = recipe.transpose((rank - 1, *range(rank - 1)))
        made = self.add_layer(name, bias.shape, "learned", unique=False)
        self.blocks.append(Sparse.without_edges(name, self.view(made), bias))
        return np.moveaxis(made, 0, -1)

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
        n_out = weight.shape[1] * groups if transposed else weight.shape[0]
        shape = (n_out, *(w.fine if transposed else w.coarse for w in windows))
        made = self.add_layer(name, shape, "conv", unique=False)
        bias = None if bias is None else bias.reshape((n_out,) + (1,) * len(windows))
        self.connect(Conv, name, ids, made, weight=weight, bias=bias, windows=windows,
                     groups=groups, transposed=transposed)  # fmt: skip
        return made

    def pool(self, name: str, ids: Ids, operators: tuple[AxisOperator, ...], mode: PoolMode) -> Ids:
        """Apply a pooling to ids of shape (channels, *spatial); see `blocks.Pool`."""
        name = self.unique(name)
        shape = (ids.shape[0], *(operator.n_out for operator in operators))
        made = self.add_layer(name, shape, "pool", unique=False)
        self.connect(Pool, name, ids, made, operators=operators, mode=mode)
        return made

    def pool_on(self, ids: Ids, operators: tuple[AxisOperator, ...], mode: PoolMode) -> Ids | None:
        """Apply a pooling to all that the last operation made, as one with it.

        Parameters
        ----------
        ids : ndarray of int64, shape (channels, *spatial)
            Nodes that nothing else reads.
        operators, mode
            As of `pool`.

        Returns
        -------
        ndarray of int64, or None
            None if the last operation was no pooling of that mode, or did not make these nodes.
        """
        last = self.blocks[-1] if self.blocks else None
        if not isinstance(last, Pool) or (last.mode, len(last.operators)) != (mode, len(operators)):
            return None
        if not np.array_equal(last.target.as_ids(), ids.reshape(-1)):
            return None
        self.blocks.pop()
        layer = self.layers.pop()
        self._names.discard(layer.name)
        if self.sightings is not None:  # its nodes have other values than those that were seen
            self.sightings.forget(layer.slice)
        both = tuple(one.then(other) for one, other in zip(last.operators, operators, strict=True))
        return self.pool(last.name, last.source.as_ids().reshape(last.source.shape), both, mode)
