"""Gradients: how an output changes with what every node receives and emits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cntgraph.activity.edge_products import chosen_of
from cntgraph.activity.propagation import Propagation
from cntgraph.core.errors import UndefinedMeasureError
from cntgraph.core.types import Values
from cntgraph.network.blocks import Block, Pool
from cntgraph.network.layer import Layer
from cntgraph.network.node_values import NodeValues


def gradients(
    run: Propagation, values: Mapping[str, NodeValues], layer: Layer, at_output: Values
) -> dict[str, Values]:
    """Return the derivatives of Σ v · z(output) by what each node receives, sample by sample.

    Parameters
    ----------
    run : Propagation
        The network, and its functions.
    values : mapping of str to NodeValues
        What every layer received and emitted.
    layer : Layer
        The output.
    at_output : ndarray of float64, shape (n_nodes of the output,)
        The v above.

    Returns
    -------
    dict of str to ndarray of float64, shape (n_nodes, n_samples)
        By layer name; of those that lead to the output.

    Raises
    ------
    UndefinedMeasureError
        If a layer's function has no derivative that is known, a layer is a product of neurons, or
        layers lead to each other.

    Notes
    -----
    The chain rule, from the output back: ∂y/∂z = Σ A ∂y/∂s over the blocks that read a layer, and
    ∂y/∂s = σ'(s) ∂y/∂z. A max pooling hands the derivative to the candidate that is largest, of
    several to the first in the order of the window, as PyTorch's poolings do (its ``amax`` alone
    hands equal parts to all).
    """
    net = run.net
    first = values[layer.name].strength
    assert first is not None
    received: dict[str, Values] = {}
    emitted = {x.name: np.zeros((x.n_nodes, len(first))) for x in net.layers}
    emitted[layer.name] += at_output[:, None]
    reached = {layer.name}
    for group in reversed(run.groups):
        for own in group:
            if own.name not in reached:
                continue
            if run.is_circle(group):
                raise UndefinedMeasureError(
                    f"layer {own.name!r} leads back to itself; attribution is of networks that "
                    "run forward"
                )
            received[own.name] = _through(run, values[own.name], own, emitted[own.name])
            for one in run.incoming[own.name]:
                if one.gates or one.block.modulatory:
                    raise UndefinedMeasureError(
                        f"layer {own.name!r} ({own.kind}) is a product of neurons; attribution is "
                        "of networks whose layers are sums"
                    )
                reached |= {x.name for x in net.layers_of(one.block.source)}
                _hand_back(run, values, own, one.block, received[own.name], emitted)
    return received


def _through(run: Propagation, own: NodeValues, layer: Layer, emitted: Values) -> Values:
    """Return the derivatives by what a layer receives, from those by what it emits."""
    assert own.strength is not None
    at = np.asarray(own.strength, dtype=np.float64).T
    names = layer.activation.split("+")
    if names == ["softmax"] and layer.shape[:1] == (layer.n_nodes,):
        assert own.activation is not None
        share = np.asarray(own.activation, dtype=np.float64).T
        return np.asarray(share * (emitted - (share * emitted).sum(axis=0)))
    slope = np.ones_like(at)
    for name in names:
        if name not in run.known_functions:
            raise UndefinedMeasureError(
                f"layer {layer.name!r}: the derivative of {name!r} is not known from its name; "
                "pass functions={name: callable}"
            )
        function = run.known_functions[name]
        slope = slope * function.derivative(at)
        at = np.asarray(function.value(at), dtype=np.float64)
    return emitted * slope


def _hand_back(
    run: Propagation, values: Mapping[str, NodeValues], layer: Layer, block: Block,
    received: Values, emitted: dict[str, Values],
) -> None:  # fmt: skip
    """Add what a block hands back to the layers that it reads."""
    at_target = block.target.shifted(-layer.start).gather(received)
    sources = run.net.layers_of(block.source)
    if isinstance(block, Pool) and block.mode in ("max", "min"):
        back = _of_chosen(block, source_of(run, values, block), at_target)
    else:
        back = block.matvec(at_target)
    ids = block.source.as_ids()
    for source in sources:
        here = (ids >= source.start) & (ids < source.slice.stop)
        np.add.at(emitted[source.name], ids[here] - source.start, back[here])


def source_of(run: Propagation, values: Mapping[str, NodeValues], block: Block) -> Values:
    """Return what a block reads, shape (source.size, n_samples); zero where there is no node."""
    read = run.net.layers_of(block.source)
    ids = block.source.as_ids()
    found: Values | None = None
    for layer in read:
        activation = values[layer.name].activation
        assert activation is not None
        if found is None:
            found = np.zeros((block.source.size, len(activation)))
        here = (ids >= layer.start) & (ids < layer.slice.stop)
        found[here] = np.asarray(activation).T[ids[here] - layer.start]
    assert found is not None
    return found


def _of_chosen(block: Pool, source: Values, at_target: Values) -> Values:
    """Return what a max pooling hands back to its candidates."""
    chosen = chosen_of(block, block.to_csr(), source)
    back = np.zeros_like(source)
    samples = np.broadcast_to(np.arange(source.shape[1]), chosen.shape)
    known = chosen >= 0
    np.add.at(back, (chosen[known], samples[known]), at_target[known])
    return back
