"""OnnxTracer: from one ONNX operation after another to calls of a `Builder`.

Whatever only moves data is carried out on the node ids themselves. What computes has a handler in
``ops``: a function of the tracer and the call, with the decorator `handles`. It returns what the
operation yields, None where it does not apply to these inputs, or raises `NotFollowed`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.onnx.derived import derive, is_derived
from cntgraph.adapters.onnx.reference import compute, inferred_shapes, run
from cntgraph.adapters.onnx.values import Call, Nodes, concrete, shape_of
from cntgraph.adapters.onnx.weights import compute_weights, on_recipes
from cntgraph.adapters.tracing.batch import (
    MixedSamplesError,
    Samples,
    find,
    numbered,
)
from cntgraph.adapters.tracing.operations import NotFollowed, OperationTable
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Data, Neurons
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Ids

Handler = Callable[["OnnxTracer", Call], Any]
Shapes = Callable[[], list[tuple[int, ...]]]

#: What each operation does, by its name; those of other domains have theirs in front.
HANDLERS: OperationTable[Handler] = OperationTable("ONNX operation")
handles = HANDLERS.handles


class OnnxTracer(Tracer):
    """Turns ONNX operations into calls of a `Builder`.

    Parameters
    ----------
    n_samples : int, default 1
        Size of the batch that the model was saved for.
    declared : frozenset of str, optional
        Tensors that the model says are parameters, so that they are no masks.
    """

    def __init__(
        self, builder: Builder, n_samples: int = 1, declared: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(builder)
        self._names: dict[int, tuple[Any, str]] = {}
        self._examples: list[tuple[range, Any]] = []
        self.n_samples, self.declared, self.mixes = n_samples, declared, False

    # -- inputs and outputs ---------------------------------------------------------------------

    def input(
        self,
        name: str,
        shape: Sequence[int],
        *,
        axis: int | None = 0,
        is_index: bool = False,
        example: Any = None,
    ) -> Nodes:
        """Return the nodes of an input.

        Parameters
        ----------
        shape : sequence of int
            Its shape, the batch dimension included.
        axis : int or None, default 0
            Where the batch dimension is; None where there is none.
        is_index : bool, default False
            Whether it holds whole numbers (tokens).
        example : ndarray, optional
            What it is for the example that was given.
        """
        if axis is None:
            return Nodes(self.builder.input(name, shape), is_index)
        ids = self.builder.input(name, (*shape[:axis], *shape[axis + 1 :]))
        if example is not None and np.shape(example)[axis:]:
            first = np.asarray(example).take(0, axis)
            if ids.size and first.shape == ids.shape:
                self.note_example(ids, first)
        return Nodes(numbered(ids, axis, self.n_samples), is_index)

    def output(self, value: Any) -> None:
        """Say that the model returns `value`."""
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, Nodes):
                self.builder.output(self.any_sample(item))

    # -- operations -----------------------------------------------------------------------------

    def call(self, call: Call, shapes: Shapes) -> list[Any]:
        """Return what an operation yields, following ids.

        Parameters
        ----------
        shapes : callable
            Returns the shapes of what it yields; called only where they are needed.

        Returns
        -------
        list
            As many values as the operation has outputs.
        """
        try:
            result = self._attempt(call, shapes)
        except NotFollowed as error:
            self.mixes |= isinstance(error, MixedSamplesError)
            return self._cut(call, shapes(), str(error))
        values = result if isinstance(result, list) else [result]
        # Statistics and indices come along; nothing reads them as neurons.
        values = values + [None] * (len(call.node.output) - len(values))
        for name, value in zip(call.node.output, values, strict=False):
            self.remember(name, value)
        return values

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
        part = call.part(operation, inputs, label, attributes)
        made = self._attempt(part, lambda: [s or () for s in inferred_shapes(part, inputs)])
        return made[0] if isinstance(made, list) else made

    def _attempt(self, call: Call, shapes: Shapes) -> Any:
        found = self._found(call, shapes)
        if found is None:
            raise NotFollowed("it is not a known linear or elementwise operation of these inputs")
        return found

    def _found(self, call: Call, shapes: Shapes) -> Any:
        if any(v is None and n for v, n in zip(call.inputs, call.node.input, strict=True)):
            raise NotFollowed("it reads what was not followed")
        if call.operation in ("Shape", "Size"):
            return run(call, [np.broadcast_to(np.int8(0), shape_of(call.inputs[0]))])
        if is_derived(call):
            return derive(call, self.example_of, shapes)
        flows = any(isinstance(value, Nodes | Data | list) for value in call.inputs)
        if flows or call.operation.startswith("Sequence"):
            handler = HANDLERS.get(call.operation)
            return handler(self, call) if handler else None
        return self._on_constants(call)

    def _on_constants(self, call: Call) -> list[Any] | None:
        recipes = [value for value in call.inputs if isinstance(value, Recipe)]
        if call.node.domain not in ("", "ai.onnx"):
            return None
        if not recipes:
            return compute(call)
        found = on_recipes(call, self.recipe)
        if found is None:
            found = compute_weights(call)
            if found is not None:
                self.freeze(recipes, call.operation)
        return found

    def _cut(self, call: Call, shapes: list[tuple[int, ...]], reason: str) -> list[Any]:
        """Cut the graph at an operation, and say why."""
        operation = call.operation
        self.skip(call.inputs, f"read by {operation}, which is not followed: {reason}")
        why = f"{operation}: {reason}; the graph is cut here"
        made: list[Any] = []
        for name, shape in zip(call.node.output, shapes, strict=True):
            if not name:
                made.append(None)
                continue
            sample = shape[1:] if len(shape) > 1 and shape[0] == self.n_samples else shape
            ids = (
                self.builder.add_layer(call.name, sample, f"unknown ({operation})") if any(made)
                else self.builder.opaque(call.name, sample, operation, why)
            )  # fmt: skip
            made.append(Nodes(ids if sample == shape else numbered(ids, 0, self.n_samples)))
        return made

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

    def remember(self, name: str, value: Any) -> None:
        """Note the name of a constant, in case it turns out to be a weight."""
        if isinstance(value, np.ndarray):
            self._names[id(value)] = (value, name)

    def stored(self, value: Any) -> tuple[str, Array, str | None]:
        """Return the name of a constant, and its values."""
        return self._names.get(id(value), (value, "constant"))[1], np.asarray(value), None

    def array(self, value: Any) -> Array | None:
        """Return the values of a constant; None for anything else."""
        other = value is None or isinstance(value, Nodes | Recipe | Data | list)
        return None if other else np.asarray(value)

    def vector(self, value: Any) -> Recipe | None:
        """Return a bias as a recipe, None where there is none or where it is a constant zero."""
        if value is None or (isinstance(value, np.ndarray) and not value.any()):
            return None
        return self.recipe(value)

    def example_of(self, value: Any) -> Any:
        """Return what a value is for the example that was given, None where that is not known."""
        if isinstance(value, Data):
            return value.value
        if not isinstance(value, Nodes):
            return concrete(value)
        ids = Samples().first(value.ids)
        low, high = ids.min(initial=0), ids.max(initial=0)
        for place, numbers in self._examples:
            if place.start <= low and high < place.stop:
                return numbers[ids - place.start]
        return None

    def note_example(self, ids: Ids, values: Any) -> None:
        """Note what an input is for the example that was given."""
        flat = ids.reshape(-1)
        self._examples.append((range(int(flat[0]), int(flat[-1]) + 1), np.ravel(values)))
