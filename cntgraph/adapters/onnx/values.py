"""What flows through an ONNX graph.

`Nodes` are ids of neurons, a `Recipe` is a function of stored weights, an array is a constant, a
list of them a sequence; `Data` depends on the input without being a neuron.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.values import Neurons
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Ids

#: Why an operation is not followed that nothing more is known of.
UNKNOWN = "it is not a known linear or elementwise operation of these inputs"


@dataclass(frozen=True, eq=False)
class Nodes(Neurons):
    """Node ids, -1 where there is no node, in the shape of the tensor they stand for.

    Parameters
    ----------
    ids : ndarray of int64
        Where the model has a fixed batch, each with the number of its sample; see `samples`.
    is_index : bool, default False
        Whether the tensor holds whole numbers (tokens) rather than activations.
    step : optional
        What a quantized tensor's whole numbers are multiples of.
    """

    ids: Ids
    is_index: bool = False
    step: Any = None


@dataclass(frozen=True)
class Call:
    """One operation of a graph, with what goes into it.

    Parameters
    ----------
    inputs : list
        `Nodes`, `Recipe`, arrays, `Data`, lists of them; None where there is nothing.
    name : str
        A name for what it makes.
    opset : int
        Version of ONNX's own operators.
    attributes : dict
        By name, as `attributes_of` returns them.
    """

    node: onnx.NodeProto
    inputs: list[Any]
    name: str
    opset: int
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def operation(self) -> str:
        """Type of the operation, such as ``"Conv"``, with the domain where it is not ONNX's."""
        domain = "" if self.node.domain in ("", "ai.onnx") else f"{self.node.domain}."
        return f"{domain}{self.node.op_type}"

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute."""
        return self.attributes.get(name, default)

    @property
    def neurons(self) -> Nodes:
        """The first input; NotFollowed, where it is none."""
        if not isinstance(self.inputs[0], Nodes):
            raise NotFollowed(UNKNOWN)
        return self.inputs[0]

    @property
    def values(self) -> Any:
        """The first input, neurons or weights; NotFollowed, where it is neither."""
        first = self.inputs[0]
        return first if isinstance(first, Recipe) else self.neurons

    def input(self, k: int) -> Any:
        """Return an input, None where it is left out."""
        return self.inputs[k] if k < len(self.inputs) else None

    def constant(self, k: int, attribute: str) -> Any:
        """Return what newer operators take as an input and older ones as an attribute."""
        value = self.input(k)
        return self.get(attribute) if value is None else concrete(value)


def attributes_of(node: onnx.NodeProto) -> dict[str, Any]:
    """Return the attributes of an operation, strings decoded."""
    return {a.name: _decoded(helper.get_attribute_value(a)) for a in node.attribute}


def _decoded(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return [*map(_decoded, value)] if isinstance(value, list) else value


def concrete(value: Any) -> NDArray[Any]:
    """Return the values of a constant, or of a function of parameters, as an array."""
    return value.read() if isinstance(value, Recipe) else np.asarray(value)


def shape_of(value: Any) -> tuple[int, ...]:
    """Return the shape of anything that flows through a graph; () for nothing."""
    if value is None or isinstance(value, list):
        return ()
    return tuple(value.shape) if hasattr(value, "shape") else tuple(np.shape(value))
