"""Functional graphs: the edges of a network, weighted by what data send along them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np

from cntgraph.activity.classes import Classes
from cntgraph.activity.edge_products import EdgeProducts, chosen_of
from cntgraph.activity.functions import Elementwise
from cntgraph.activity.gradients import gradients, source_of
from cntgraph.activity.propagation import Propagation
from cntgraph.activity.recording import Batch, record
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Values
from cntgraph.network.blocks import Block, Dense, Diagonal, Identity, Pool, Scaled, Sparse
from cntgraph.network.layer import Layer
from cntgraph.network.network import Network

Weight = Literal["flow", "absolute_flow", "correlation", "attribution"]


def functional_graph(
    model_or_net: Any,
    inputs: Any,
    *,
    weight: Weight = "flow",
    output: int | tuple[str, int] | None = None,
    by: Any = None,
    n_samples: int | None = None,
    batch_size: int = 64,
    functions: Mapping[str, Elementwise] | None = None,
    show_progress: bool = True,
    **options: Any,
) -> Network | dict[Any, Network]:
    """Return a network with the same edges, weighted by data.

    Edges that data make no use of weigh next to nothing, whatever their own weight; heavy ones are
    the ways that data take.

    Parameters
    ----------
    model_or_net, inputs
        As in `neuron_strength`.
    weight : {"flow", "absolute_flow", "correlation", "attribution"}, default "flow"
        What the weight of an edge from i to j is, E being the mean over the samples:

        * ``"flow"``: E[z_i] w_ij, what is sent along it; biases stay.
        * ``"absolute_flow"``: E|z_i w_ij|.
        * ``"correlation"``: Pearson's, of the activations z_i and z_j; zero where one of them
          does not vary.
        * ``"attribution"``: E[z_i w_ij ∂y/∂s_j], by how much it contributes to the output y.
    output : int or (str, int), optional
        For attribution: which node of the output layer, or of another one by its name, y is. By
        default the sum of the output.
    by : array-like of shape (n_samples,) or "labels", optional
        The class of each sample, or ``"labels"``: those of batches that are pairs of inputs and
        labels. One graph per class is returned.
    n_samples, batch_size, functions, show_progress, **options
        As in `neuron_strength`.

    Returns
    -------
    Network, or dict of Network by class
        Measures, reductions and exports work on it as on any other. With flows it stays a network
        of operators, which is unrolled only where that is asked for; otherwise every edge has a
        weight of its own.

    Raises
    ------
    InputShapeError, UndefinedMeasureError, CntGraphError
        As in `neuron_strength`; and where an activation that a weight needs is not known.
    GraphSizeError
        For correlation and attribution, if the unrolled edges do not fit into memory.

    Notes
    -----
    In a flow graph, a node's in-strength with its bias is the mean of its neuron strength, where
    all edges that lead to it are sums; correlation and attribution have no biases. Edges that only
    modulate say nothing of what is sent, and are left out but in ``"correlation"``. Of equal
    candidates of a max pooling, attribution takes the first, as PyTorch's derivative does.

    References
    ----------
    .. [1] La Malfa, La Malfa, Nicosia, Latora, "Deep Neural Networks via Complex Network Theory: a
       Perspective", IJCAI 2024, arXiv:2404.11172, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cntgraph as cg
    >>> net, x = cg.toy("mlp"), np.random.default_rng(0).normal(size=(50, 6))
    >>> flow = cg.functional_graph(net, x)
    >>> received = cg.node_strength(flow, direction="in", edges="all")
    >>> bool(np.allclose(received[6:], cg.neuron_strength(net, x).mean[6:]))
    True
    """
    if weight not in get_args(Weight):
        raise CntGraphError(
            f"expected weight to be of {', '.join(get_args(Weight))}; got {weight!r}"
        )
    classes = Classes(by)
    recording = record(model_or_net, inputs, labels=classes.given, n_samples=n_samples,
                       batch_size=batch_size, functions=functions, show_progress=show_progress,
                       **options)  # fmt: skip
    run = Propagation(recording.net, functions)
    make: Callable[[], _Weights] = {
        "flow": lambda: _Flow(run), "absolute_flow": lambda: _AbsoluteFlow(run),
        "correlation": lambda: _Correlation(run),
        "attribution": lambda: _Attribution(run, output),
    }[weight]  # fmt: skip
    made: dict[Any, _Weights] = {}
    for batch in recording:
        for label, part in classes.parts(batch):
            if label not in made:
                made[label] = make()
            made[label].add(part)
    return classes.result({label: own.network() for label, own in made.items()})


class _Weights(ABC):
    """Weights of the edges of a network, from batches of values."""

    def __init__(self, run: Propagation) -> None:
        self.run, self.net = run, run.net

    @abstractmethod
    def add(self, batch: Batch) -> None:
        """Add the samples of a batch."""

    def network(self) -> Network:
        blocks = (self.weighted(block) for block in self.net.blocks)
        return replace(self.net, blocks=tuple(b for b in blocks if b is not None))

    @abstractmethod
    def weighted(self, block: Block) -> Block | None:
        """Return a block with its edges weighted; None if it is left out."""


def _known(values: Array | None, layer: Layer) -> Values:
    if values is None:
        raise UndefinedMeasureError(
            f"layer {layer.name!r}: its values are not known, and weights of edges depend on them"
        )
    return np.asarray(values, dtype=np.float64)


# -- flows ----------------------------------------------------------------------------------------


class _Flow(_Weights):
    """E[z_i] w_ij: a factor per source."""

    absolute = False

    def __init__(self, run: Propagation) -> None:
        super().__init__(run)
        self.total, self.n_samples = np.zeros(self.net.n_nodes), 0
        read = (
            x for b in self.net.blocks if not b.modulatory for x in self.net.layers_of(b.source)
        )
        self.read = list(dict.fromkeys(read))

    def add(self, batch: Batch) -> None:
        for layer in self.read:
            found = _known(batch.values[layer.name].activation, layer)
            self.total[layer.slice] += (np.abs(found) if self.absolute else found).sum(axis=0)
        self.n_samples += len(batch)

    def weighted(self, block: Block) -> Block | None:
        if block.modulatory:
            return None
        factors = block.source.gather(self.total / self.n_samples)
        return _scaled(block, factors)


class _AbsoluteFlow(_Flow):
    """E|z_i| |w_ij|."""

    absolute = True

    def weighted(self, block: Block) -> Block | None:
        if block.modulatory:
            return None
        factors = block.source.gather(self.total / self.n_samples)
        if isinstance(block, Dense | Diagonal | Sparse):
            block = replace(block, weight=abs(block.weight))
        return _scaled(replace(block, bias=None), factors, absolute=True)


def _scaled(block: Block, factors: Values, *, absolute: bool = False) -> Block:
    """Return a block whose edges are multiplied by a factor of their source."""
    if isinstance(block, Dense):
        return replace(block, weight=block.weight * Recipe.constant(factors[None]))
    if isinstance(block, Identity | Diagonal):
        by_target = Recipe.constant(factors.reshape(block.target.shape))
        own = by_target if isinstance(block, Identity) else block.weight * by_target
        return Diagonal(name=block.name, source=block.source, target=block.target, weight=own,
                        bias=block.bias, parametric=block.parametric)  # fmt: skip
    if isinstance(block, Sparse):
        of_edges = Recipe.constant(np.repeat(factors, np.diff(block.indptr)))
        return replace(block, weight=block.weight * of_edges)
    return Scaled.of_block(block, factors, absolute=absolute)


# -- a weight for every edge by itself ------------------------------------------------------------


class _OfEdges(_Weights):
    """Weights that are sums over samples, one per edge."""

    def __init__(self, run: Propagation) -> None:
        super().__init__(run)
        self.sums = {b.name: EdgeProducts(b) for b in self.net.blocks if self.counts(b)}

    def counts(self, block: Block) -> bool:
        return block.source.size > 0

    @abstractmethod
    def weights(self, block: Block, sums: EdgeProducts) -> Values:
        """Return one weight per edge of a block."""

    def weighted(self, block: Block) -> Block | None:
        if block.name not in self.sums:
            return None
        sums = self.sums[block.name]
        indptr, indices = (np.asarray(x, dtype=np.int64) for x in
                           (sums.matrix.indptr, sums.matrix.indices))  # fmt: skip
        return Sparse(name=block.name, source=block.source, target=block.target, indptr=indptr,
                      indices=indices, weight=Recipe.constant(self.weights(block, sums)),
                      parametric=block.parametric, modulatory=block.modulatory)  # fmt: skip


class _Correlation(_OfEdges):
    """Pearson's correlation of the activations at both ends."""

    def __init__(self, run: Propagation) -> None:
        super().__init__(run)
        self.mean = np.zeros(self.net.n_nodes)
        self.spread, self.n_samples = np.zeros(self.net.n_nodes), 0

    def add(self, batch: Batch) -> None:
        z = np.empty((self.net.n_nodes, len(batch)))
        for layer in self.net.layers:
            z[layer.slice] = _known(batch.values[layer.name].activation, layer).T
        for block in self.net.blocks:
            if block.name in self.sums:
                self.sums[block.name].add_centered(block.source.gather(z), block.target.gather(z))
        n, mean = len(batch), z.mean(axis=1)
        shift, before = mean - self.mean, self.n_samples
        self.spread += ((z - mean[:, None]) ** 2).sum(axis=1) + shift**2 * before * n / (before + n)
        self.mean += shift * n / (before + n)
        self.n_samples += n

    def weights(self, block: Block, sums: EdgeProducts) -> Values:
        # What varies by rounding alone does not vary.
        least = self.n_samples * (np.finfo(np.float64).eps * self.mean) ** 2 * 16
        size = np.sqrt(np.where(self.spread > least, self.spread, 0.0))
        rows = np.repeat(block.source.gather(size), np.diff(sums.matrix.indptr))
        ends = rows * block.target.gather(size)[sums.matrix.indices]
        varies = ends > 0
        found = np.divide(sums.total, ends, out=np.zeros_like(ends), where=varies)
        return np.asarray(np.clip(found, -1.0, 1.0))


class _Attribution(_OfEdges):
    """E[z_i w_ij ∂y/∂s_j]."""

    def __init__(self, run: Propagation, output: int | tuple[str, int] | None) -> None:
        super().__init__(run)
        self.layer, self.at_output = _named_output(self.net, output)

    def counts(self, block: Block) -> bool:
        return super().counts(block) and not block.modulatory

    def add(self, batch: Batch) -> None:
        for layer in self.net.layers:
            _known(batch.values[layer.name].strength, layer)
            _known(batch.values[layer.name].activation, layer)
        received = gradients(self.run, batch.values, self.layer, self.at_output)
        for block in self.net.blocks:
            if block.name in self.sums:
                self._add_to(block, batch, received)

    def _add_to(self, block: Block, batch: Batch, received: Mapping[str, Values]) -> None:
        sums = self.sums[block.name]
        (layer, *_) = self.net.layers_of(block.target)
        source = source_of(self.run, batch.values, block)
        if layer.name not in received:
            sums.n_samples += len(batch)
            return
        slopes = block.target.shifted(-layer.start).gather(received[layer.name])
        if isinstance(block, Pool) and block.mode in ("max", "min"):
            sums.add_chosen(source, chosen_of(block, sums.matrix, source), slopes)
        else:
            sums.add(source, slopes)

    def weights(self, block: Block, sums: EdgeProducts) -> Values:
        return np.asarray(sums.matrix.data * sums.total / sums.n_samples, dtype=np.float64)


def _named_output(net: Network, output: int | tuple[str, int] | None) -> tuple[Layer, Values]:
    """Return the layer that is meant, and a one at the nodes of it that are."""
    outputs = [layer for layer in net.layers if layer.is_output]
    node: int | None
    if isinstance(output, tuple):
        layer, node = net.layer(output[0]), output[1]
    elif len(outputs) == 1:
        layer, node = outputs[0], output
    else:
        names = ", ".join(x.name for x in outputs) or "none"
        raise CntGraphError(f"expected one output layer, or output=(layer, node); found {names}")
    if node is None:
        return layer, np.ones(layer.n_nodes)
    if not 0 <= node < layer.n_nodes:
        raise CntGraphError(
            f"expected a node of {layer.name!r} from 0 to {layer.n_nodes - 1}, got {node}"
        )
    return layer, np.eye(1, layer.n_nodes, node)[0]
