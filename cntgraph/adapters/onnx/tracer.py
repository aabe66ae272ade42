"""OnnxTracer: from one ONNX operation after another to calls of a `Builder`.

Whatever only moves data is carried out on the node ids themselves. What computes has a handler in
``ops``: a function of the tracer and the call, with the decorator `handles`. It returns what the
operation yields, None where it does not apply to these inputs, or raises `NotFollowed`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.onnx.derived import DRAWN, derive, is_derived
from cntgraph.adapters.onnx.reference import MOVEMENTS, Sizes, compute, inferred_shapes, run
from cntgraph.adapters.onnx.values import UNKNOWN, Call, Nodes, concrete, shape_of
from cntgraph.adapters.onnx.weights import compute_weights
from cntgraph.adapters.tracing.batch import MixedSamplesError, Samples, find
from cntgraph.adapters.tracing.operations import NotFollowed, OperationTable
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Data, Neurons
from cntgraph.core.errors import TraceError
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Ids

Handler = Callable[["OnnxTracer", Call], Any]

#: Operations that are followed of buffers alone, too; otherwise the values of those are taken.
_OF_BUFFERS = MOVEMENTS | frozenset(
    "Abs Add Cast CastLike Concat DequantizeLinear Div Dropout Einsum Gather Gemm Identity MatMul "
    "Mul Neg Pow Reciprocal ReduceL2 ReduceMean ReduceSum ReduceSumSquare Sqrt Sub".split()
)
#: What each operation does, by its name; those of other domains have theirs in front.
HANDLERS: OperationTable[Handler] = OperationTable("ONNX operation", _OF_BUFFERS)
handles = HANDLERS.handles


class OnnxTracer(Tracer):
    """Turns ONNX operations into calls of a `Builder`.

    Parameters
    ----------
    declared : frozenset of str, optional
        Tensors that the model says are parameters, so that they are no masks.

    Attributes
    ----------
    mixes : bool
        Whether an operation was met that reads several samples of the batch.
    values : dict of str to object
        What flows through the model, by name, as long as something reads it.
    noted : dict of str to tuple of int or None
        Shapes that the model notes, by name; None for incomplete ones.
    """

    def __init__(self, builder: Builder, declared: frozenset[str] = frozenset()) -> None:
        super().__init__(builder)
        self.declared, self.n_samples, self.mixes = declared, 1, False
        self.values: dict[str, Any] = {}
        self.noted: dict[str, Sizes | None] = {}

    # -- inputs and outputs ---------------------------------------------------------------------

    def output(self, value: Any) -> None:
        """Say that the model returns `value`."""
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Nodes):
                self.builder.output(self.any_sample(item))

    # -- operations -----------------------------------------------------------------------------

    def call(self, call: Call) -> list[Any]:
        """Return what an operation yields, following ids: a value for each of its outputs."""
        try:
            result = self._found(call)
        except NotFollowed as error:
            self.mixes |= isinstance(error, MixedSamplesError)
            return self._cut(call, str(error))
        values = result if isinstance(result, list) else [result]
        # Statistics and indices come along; nothing reads them as neurons.
        return values + [None] * (len(call.node.output) - len(values))

    def perform(
        self, call: Call, operation: str, *inputs: Any, label: str = "", **attributes: Any
    ) -> Any:
        """Return what one of ONNX's own operations yields, of which another one is made.

        Parameters
        ----------
        call : Call
            The other one, whose attributes it has, too.
        inputs
            What goes into it.
        label : str, optional
            A part of its name, where the other one's name is not enough.
        **attributes
            Attributes of its own.
        """
        names = ["" if value is None else f"i{k}" for k, value in enumerate(inputs)]
        node = onnx.helper.make_node(operation, names, [f"{call.name}.{operation}"], **attributes)
        if onnx.defs.has(operation):  # the reference refuses attributes that it does not know
            known = onnx.defs.get_schema(operation).attributes
            node.attribute.extend(a for a in call.node.attribute if a.name in known)
        name = f"{call.name}.{label}" if label else call.name
        part = Call(node, list(inputs), name, call.opset, call.attributes | attributes)
        made = self._found(part)
        return made[0] if isinstance(made, list) else made

    def _found(self, call: Call) -> Any:
        if any(v is None and n for v, n in zip(call.inputs, call.node.input, strict=True)):
            raise NotFollowed("it reads what was not followed")
        if call.operation in ("Shape", "Size"):
            return run(call, [np.broadcast_to(np.int8(0), shape_of(call.inputs[0]))])
        if call.operation in DRAWN:
            return Data(self._shapes(call)[0], source="noise")
        if is_derived(call):
            return derive(call, self.example_of, lambda: self._shapes(call))
        flows = any(isinstance(value, Nodes | Data | list) for value in call.inputs)
        if flows or call.operation.startswith("Sequence"):
            handler = HANDLERS.get(call.operation)
            found = handler(self, call) if handler else None
        else:
            found = self._on_constants(call)
        if found is None:
            raise NotFollowed(UNKNOWN)
        return found

    def _on_constants(self, call: Call) -> Any:
        recipes = [value for value in call.inputs if isinstance(value, Recipe)]
        if call.node.domain not in ("", "ai.onnx"):
            return None
        if not recipes:
            return compute(call)
        handler = HANDLERS.get_for_weights(call.operation, call.inputs)
        try:
            found = self.of_weights(handler(self, call)) if handler else None
        except NotFollowed:
            found = None
        if found is not None:
            return found
        made = compute_weights(call)
        if made is None:
            return None
        return [self.frozen(recipes, call.operation, value) or value for value in made]

    def _shapes(self, call: Call) -> list[Sizes]:
        """Return the shapes of what an unknown operation makes, as far as they can be known."""
        nodes = [v.shape for v in call.inputs if isinstance(v, Nodes | Data)]
        shapes = []
        for name, shape in zip(call.node.output, inferred_shapes(call, call.inputs), strict=True):
            if shape is None or 0 in shape:
                shape = self.noted.get(name, shape)
            if shape is None and name and not nodes:
                raise TraceError(
                    f"the shape of what {call.name} ({call.operation}) makes is not known; "
                    "save the model with inferred shapes (onnx.shape_inference.infer_shapes)"
                )
            # As a last resort, an operation is taken to be elementwise.
            shapes.append(shape if shape is not None else (nodes or [()])[0])
        return shapes

    def _cut(self, call: Call, reason: str) -> list[Any]:
        """Cut the graph at an operation, and say why."""
        operation = call.operation
        self.skip(call.inputs, f"read by {operation}, which is not followed: {reason}")
        reason, shapes = f"{operation}: {reason}", self._shapes(call)
        return [self.unknown(call.name, operation, shape, reason) if name else None
                for name, shape in zip(call.node.output, shapes, strict=True)]  # fmt: skip

    # -- samples --------------------------------------------------------------------------------

    def neurons(
        self, ids: Ids, samples: Samples | None = None, *, like: Neurons | None = None
    ) -> Nodes:
        """Return ids, the batch dimension included, as nodes."""
        return replace(like, ids=ids) if isinstance(like, Nodes) else Nodes(ids)

    def samples(self, x: Neurons) -> Samples:
        """Return where the samples lie; in a batch of one the first axis of length one is it."""
        if self.n_samples == 1 and 1 in x.shape[:-1]:
            return Samples(x.shape.index(1))
        return find(x.ids, self.n_samples)

    def may_be_mask(self, recipe: Recipe) -> bool:
        """Whether weights are a stored tensor of which nothing says that it is a parameter."""
        return recipe.parameter is not None and recipe.parameter.name not in self.declared

    def use_as_mask(self, value: Any) -> None:
        """Note that a stored tensor is a mask; nothing else tells it from a parameter."""
        if isinstance(value, Recipe) and value.parameter is not None:
            self.builder.parameter(replace(value.parameter, trainable=False))
        super().use_as_mask(value)

    # -- what is known of values that are no nodes ----------------------------------------------

    def name_of(self, recipe: Recipe, default: str) -> str:
        """Name an operation after the module its weight belongs to: ``conv1.weight`` is conv1's."""
        for parameter in recipe.parameters():
            prefix, dot, _ = parameter.name.rpartition(".")
            if (dot and parameter.trainable) or (dot and "running" in parameter.name):
                return prefix.partition(".parametrizations.")[0]
        return default

    def stored(self, value: Any) -> tuple[str, Array, str | None]:
        """Return the name of a constant, and its values."""
        names = (name for name, known in self.values.items() if known is value)
        return next(names, "constant"), np.asarray(value), None

    def array(self, value: Any) -> Array | None:
        """Return the values of a constant; None for anything else."""
        other = value is None or isinstance(value, Nodes | Recipe | Data | list)
        return None if other else np.asarray(value)

    def vector(self, value: Any) -> Recipe | None:
        """Return a bias as a recipe, None where there is none or where it is a constant zero."""
        if value is None or (isinstance(value, np.ndarray) and not value.any()):
            return None
        return self.recipe(value)

    def example_of(self, value: Any) -> Array | None:
        """Return what a value is for the example that was given, None where that is not known."""
        other = value is None or isinstance(value, Nodes | Data)
        return super().example_of(value) if other else concrete(value)
