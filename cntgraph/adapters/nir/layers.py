"""What each kind of layer of the format means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from cntgraph.adapters.nir.description import NirNode
from cntgraph.adapters.tracing import activations, arithmetic, contraction, pooling
from cntgraph.adapters.tracing.batch import Samples
from cntgraph.adapters.tracing.convolution import convolve
from cntgraph.adapters.tracing.operations import NotFollowed, OperationTable
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Neurons
from cntgraph.adapters.tracing.windows import Sliding
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Ids
from cntgraph.network.blocks import AxisOperator

#: Populations of neurons with a state, and what the function of their input is called.
NEURONS = {"I": "integrator", "IF": "integrate_and_fire", "LI": "leaky_integrator",
           "LIF": "leaky_integrate_and_fire", "CubaLI": "leaky_integrator",
           "CubaLIF": "leaky_integrate_and_fire"}  # fmt: skip
Handler = Callable[[Any, NirNode, Any, str], Any]
HANDLERS: OperationTable[Handler] = OperationTable("layer of NIR")
handles = HANDLERS.handles


@dataclass(frozen=True, eq=False)
class Nodes(Neurons):
    """Node ids, in the shape of a layer; there is no axis of samples."""

    ids: Ids


class NirTracer(Tracer):
    """Turns layers of the format into calls of a `Builder`."""

    n_samples = 0

    def neurons(
        self, ids: Ids, samples: Samples | None = None, *, like: Neurons | None = None
    ) -> Nodes:
        """Return ids as nodes."""
        return Nodes(ids)

    def array(self, value: Any) -> Array | None:
        """Return the values of a constant; None for anything else."""
        return None if isinstance(value, Nodes | Recipe) or value is None else np.asarray(value)

    def register(self, node: NirNode) -> None:
        """Make the arrays of a node parameters of the network."""
        for parameter in node.arrays.values():
            self.builder.parameter(parameter)


def _weights(node: NirNode) -> list[Recipe]:
    return [*map(Recipe.of, node.arrays.values())]


def _affine_weights(node: NirNode) -> tuple[Recipe, Recipe | None]:
    bias = node.arrays.get("bias")
    return Recipe.of(node.arrays["weight"]), None if bias is None else Recipe.of(bias)


@handles("Affine", "Linear")
def affine(t: NirTracer, node: NirNode, x: Nodes, name: str) -> Any:
    """Apply y = W x + b to the last axis."""
    weight, bias = _affine_weights(node)
    if weight.shape[1:] != x.shape[-1:]:
        raise ValueError(f"a weight of shape {weight.shape} for {x.shape}")
    return contraction.linear(t, x, weight, bias, name)


def _convolution(t: NirTracer, node: NirNode, x: Nodes, name: str, rank: int) -> Any:
    weight, bias = _affine_weights(node)
    sliding, (groups,) = _sliding(node, weight.shape[2:], rank), node.sizes("groups", 1)
    return convolve(t, x, weight, bias, sliding, name, groups=groups)


def _sliding(node: NirNode, kernel: Any, rank: int) -> Sliding:
    rule = node.settings.get("padding")
    padding: Any = rule if isinstance(rule, str) else [(n, n) for n in node.sizes("padding", rank)]
    return Sliding(kernel, node.sizes("stride", rank), padding, node.sizes("dilation", rank, 1))


for _rank in (1, 2):
    handles(f"Conv{_rank}d")(partial(_convolution, rank=_rank))


@handles("SumPool2d", "AvgPool2d")
def pool(t: NirTracer, node: NirNode, x: Nodes, name: str) -> Any:
    """Sum or average over windows, the padding counted."""
    sliding = _sliding(node, node.sizes("kernel_size", 2), 2)
    if node.kind == "AvgPool2d":
        return pooling.average_pool(t, x, sliding, name, count_padding=True)
    windows = sliding.windows(x.shape[-2:])
    return pooling.pool(t, x, [AxisOperator.of_window(w) for w in windows], "sum", name)


@handles("Flatten")
def flatten(t: NirTracer, node: NirNode, x: Nodes, name: str) -> Any:
    """Make one axis of several."""
    (first,), (last,) = (node.sizes(key, 1) for key in ("start_dim", "end_dim"))
    rank = len(x.shape)
    first, last = (axis % rank for axis in (first, last))
    shape = (*x.shape[:first], -1, *x.shape[last + 1 :])
    return Nodes(x.ids.reshape(shape))


@handles("Scale")
def scale(t: NirTracer, node: NirNode, x: Nodes, name: str) -> Any:
    """Multiply by one value per neuron."""
    return arithmetic.multiply(t, x, Recipe.of(node.arrays["scale"]), name)


@handles("Input", "Output")
def hand_on(t: NirTracer, node: NirNode, x: Nodes, name: str) -> Any:
    """Hand neurons on: the ends of a graph within a graph, and the output."""
    return x


def _function(t: NirTracer, node: NirNode, x: Nodes, name: str, activation: str) -> Any:
    shape = np.broadcast_shapes(x.shape, *(p.shape for p in node.arrays.values()))
    if shape != x.shape:
        raise NotFollowed(f"neurons of shape {shape} receive what has shape {x.shape}")
    return activations.activate(t, x, activation, _weights(node))


for _kind, _activation in (NEURONS | {"Delay": "delay", "Threshold": "step"}).items():
    handles(_kind)(partial(_function, activation=_activation))
