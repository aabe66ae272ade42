"""JaxTracer: from one operation of a program after another to calls of a `Builder`.

What depends on parameters and constants alone is computed first. Then the operations on nodes
follow in their order; what is elementwise stays lazy as long as the plan allows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.jax import convolution, lookup, loops, pooling, products, weights
from cntgraph.adapters.jax.elementwise import Elementwise
from cntgraph.adapters.jax.movement import EXACT, MOVEMENTS, data_arguments, move, move_ids
from cntgraph.adapters.jax.numeric import ELEMENTWISE, REDUCTIONS, compute
from cntgraph.adapters.jax.operations import HANDLERS
from cntgraph.adapters.jax.plan import Plan, make_plan
from cntgraph.adapters.jax.program import Op, Program, Var, as_numpy
from cntgraph.adapters.jax.values import (
    Lazy,
    Nodes,
    Unknown,
    Value,
    Weight,
    has_nodes,
    is_choice,
    parts,
    scalar_of,
    sources_of,
    stays_lazy,
)
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.core.errors import ParameterError
from cntgraph.core.recipe import Recipe

# These modules are imported for the handlers that they register.
__all__ = ["JaxTracer", "convolution", "lookup", "loops", "pooling", "products"]

_PRODUCTS = ("conv_general_dilated", "dot_general", "mul")
_RANDOM = (
    "it draws random numbers; load the model as it is evaluated (train=False, "
    "deterministic=True, model.eval())"
)


class JaxTracer(Elementwise):
    """Turns the operations of a program into calls of a `Builder`.

    Parameters
    ----------
    weights : mapping of int to Recipe
        Recipes of arrays that a function may have closed over, by their `id`.
    """

    def __init__(self, builder: Builder, weights: Mapping[int, Recipe]) -> None:
        super().__init__(builder)
        self.weights = dict(weights)

    def run(self, program: Program, inputs: Sequence[Value]) -> list[Value]:
        """Carry out a program; return what it yields.

        Parameters
        ----------
        inputs : sequence of value
            One for each of its inputs.
        """
        known: dict[Var, Value] = dict(zip(program.inputs, inputs, strict=True))
        known |= {var: self.closed_over(value) for var, value in program.constants.items()}
        waiting = []
        for op in program.ops:
            arguments = [known.get(v) if isinstance(v, Var) else v for v in op.inputs]
            if any(value is None or has_nodes(value) for value in arguments):
                waiting.append(op)
            else:
                known.update(zip(op.outputs, self.on_constants(op, arguments), strict=True))
        rest = Program(program.inputs, program.outputs, waiting)
        self._follow(rest, known, make_plan(rest, known))
        return [known[v] if isinstance(v, Var) else v for v in program.outputs]

    def _follow(self, program: Program, known: dict[Var, Any], plan: Plan) -> None:
        readers = Counter(v for op in program.ops for v in _read_by(op))
        readers.update({v for v in program.outputs if isinstance(v, Var)})
        for op in program.ops:
            arguments = [known[v] if isinstance(v, Var) else v for v in op.inputs]
            results = self.call(op, arguments, lazily=op in plan.lazy)
            for var, value in zip(op.outputs, results, strict=True):
                needed = var in plan.forced and var.is_float and isinstance(value, Lazy)
                known[var] = self.nodes(value) if needed and not is_choice(value) else value
                if isinstance(value, Nodes) and value.awaits_bias and readers[var] != 1:
                    known[var] = replace(value, awaits_bias=False)
            for var in _read_by(op):
                readers[var] -= 1
                if not readers[var]:
                    known[var] = None  # large ids need not be kept

    def call(self, op: Op, args: list[Any], *, lazily: bool) -> list[Any]:
        """Return what one operation yields."""
        if not any(has_nodes(value) for value in args):
            return self.on_constants(op, args)
        unknown = next((value for value in args if isinstance(value, Unknown)), None)
        if unknown is not None:
            return self.cut(op, args, unknown.reason)
        if op.name == "select_n" and (chosen := scalar_of(args[0])) is not None:
            return [args[1 + int(chosen)]]
        biased = self.biased(op, args)
        if biased is not None:
            return [biased]
        if lazily:
            return [Lazy(op, tuple(args), op.outputs[0].shape, op.outputs[0].batch)]
        if op.name in ELEMENTWISE and not (op.name == "select_n" and not has_nodes(args[0])):
            return [self._elementwise(op, args)]
        if not any(jax.dtypes.issubdtype(v.dtype, np.inexact) for v in op.outputs):
            return self._no_neurons(op, args)
        moved = self._move(op, args) if op.name in MOVEMENTS else None
        return self._handled(op, args) if moved is None else list(moved)

    def _elementwise(self, op: Op, args: list[Any]) -> Value:
        """Return an elementwise operation on values that are carried out where they can be."""
        ready = tuple(
            self.nodes(a) if isinstance(a, Lazy) and not stays_lazy(a) else a for a in args
        )
        made = Lazy(op, ready, op.outputs[0].shape, op.outputs[0].batch)
        together = len({id(a) for a in ready if has_nodes(a)}) > 1
        return self.nodes(made) if together and not stays_lazy(made) else made

    def _handled(self, op: Op, args: list[Any]) -> list[Any]:
        """Return what the handler of an operation yields; cut the graph where there is none."""
        handler = HANDLERS.get(op.name)
        try:
            result = handler(self, op, args) if handler else None
        except NotFollowed as refusal:
            result = str(refusal)
        if result is None or isinstance(result, str):
            reason = result or f"{op.name} is not a known linear or elementwise operation"
            return self.cut(op, args, f"{reason}; the graph is cut here")
        return result if isinstance(result, list) else [result]

    def _no_neurons(self, op: Op, args: list[Any]) -> list[Any]:
        """Return what is found out from the input but is no neuron, as where the largest is."""
        reason = f"it depends on the input by way of {op.name}"
        real = [a for a in args if has_nodes(a) and not is_choice(a)]
        nodes = [n for a in real for n in ([a] if isinstance(a, Nodes) else sources_of(parts(a)))]
        if nodes:
            self.note(self.label(op), f"the result of {op.name} is no neuron")
        return [Unknown(reason, output.shape, tuple(nodes)) for output in op.outputs]

    # -- movement -------------------------------------------------------------------------------

    def _move(self, op: Op, args: list[Any]) -> list[Nodes] | None:
        """Carry out a movement on ids; None where nodes themselves say what is moved where."""
        data = range(len(args))[data_arguments(op.name)]
        if not any(has_nodes(args[k]) for k in data):
            return None
        others = [a for k, a in enumerate(args) if k not in data]
        if not all(isinstance(a, np.ndarray | np.generic) for a in others):
            return None
        moved = [self._as_nodes(a, op) if k in data else a for k, a in enumerate(args)]
        nodes = [a for a in moved if isinstance(a, Nodes)]
        fill = next((n.fill for n in nodes if (n.ids < 0).any()), 0.0)
        is_index = all(n.is_index for n in nodes if (n.ids >= 0).any())
        ids = move_ids(op, [a.ids if isinstance(a, Nodes) else a for a in moved])
        awaits_bias = len(args) == len(ids) == 1 and nodes[0].awaits_bias
        return [Nodes(i, out.batch, fill, is_index, awaits_bias)
                for i, out in zip(ids, op.outputs, strict=True)]  # fmt: skip

    def _as_nodes(self, value: Any, op: Op) -> Nodes:
        """Return what moves along with nodes: a weight is one, and a constant but for zeros."""
        if has_nodes(value):
            return self.nodes(value)
        fill = scalar_of(value)
        return Nodes(self.as_ids(value, self.label(op)), None, 0.0 if fill is None else fill)

    # -- constants ------------------------------------------------------------------------------

    def closed_over(self, value: Any) -> Value:
        """Return an array that a function has closed over: a weight, or a mere constant."""
        if id(value) in self.weights:
            return Weight.of(self.weights[id(value)])
        if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
            return Unknown(_RANDOM)
        array = as_numpy(value)
        mask = array.dtype.kind != "f" or bool((array <= -1e4).any())
        if array.ndim < 2 or array.size <= 64 or mask:
            return array
        self.weights[id(value)] = self.builder.constant("constant", array)
        return Weight.of(self.weights[id(value)])

    def on_constants(self, op: Op, args: list[Any]) -> list[Any]:
        """Return what an operation on weights and constants yields."""
        unknown = next((value for value in args if isinstance(value, Unknown)), None)
        if unknown is not None or op.name.startswith(("random_", "threefry", "rng_")):
            reason = _RANDOM if unknown is None else unknown.reason
            return [Unknown(reason, out.shape) for out in op.outputs]
        if op.name in loops.CONTROL and any(isinstance(a, Weight) for a in args):
            found = loops.on_constants(self, op, args)
        elif any(isinstance(a, Weight) for a in args):
            found = self._times_zero(op, args) or weights.compute(op, args, self.constant)
        else:
            return _computed(op, args)
        return self._frozen(op, args) if found is None else found

    def _times_zero(self, op: Op, args: list[Any]) -> list[Any] | None:
        """Return zeros where weights are multiplied by a state that is zero."""
        if op.name not in _PRODUCTS or all(scalar_of(a) != 0.0 for a in args):
            return None
        for value in args:
            if isinstance(value, Weight):
                self.builder.skip(value.recipe, "multiplied by a state that is zero")
        return [np.zeros(out.shape, np.float32) for out in op.outputs]

    def _frozen(self, op: Op, args: list[Any]) -> list[Any]:
        """Compute a function of weights that is no recipe, with their present values."""
        self.freeze(args, op.name)
        try:
            arrays = [np.broadcast_to(a.recipe.read(), a.shape) if isinstance(a, Weight) else a
                      for a in args]  # fmt: skip
        except ParameterError as error:  # shapes without values
            return [Unknown(str(error), out.shape) for out in op.outputs]
        return [Weight.of(self.constant(value)) if np.ndim(value) else value
                for value in _computed(op, arrays)]  # fmt: skip

    # -- what is not known ----------------------------------------------------------------------

    def cut(self, op: Op, args: Sequence[Any], reason: str) -> list[Any]:
        """Cut the graph at an operation, and say why."""
        for value in args:
            if isinstance(value, Weight):
                self.builder.skip(value.recipe, f"read by {op.name}: {reason}")
        made: list[Any] = []
        for out in op.outputs:
            if not jax.dtypes.issubdtype(out.dtype, np.inexact):
                made.append(Unknown(reason, out.shape))
                continue
            shape = tuple(n for k, n in enumerate(out.shape) if k != out.batch)
            ids = self.builder.opaque(self.label(op), shape, op.name, reason)
            made.append(self.batched(ids, out))
        return made


def _read_by(op: Op) -> set[Var]:
    return {v for v in op.inputs if isinstance(v, Var)}


def _computed(op: Op, args: list[Any]) -> list[Any]:
    """Carry out an operation on constants."""
    if op.name in EXACT:
        return move(op, [np.asarray(a) for a in args])
    if op.name in ELEMENTWISE or op.name in REDUCTIONS:
        return [compute(op.name, op.params, [np.asarray(a) for a in args])]
    arrays = [jax.numpy.asarray(a, dtype=v.dtype) if isinstance(v, Var) else a
              for a, v in zip(args, op.inputs, strict=True)]  # fmt: skip
    results = op.primitive.bind(*arrays, **op.params)
    results = results if op.primitive.multiple_results else [results]
    return [Unknown(_RANDOM) if jax.dtypes.issubdtype(r.dtype, jax.dtypes.prng_key)
            else as_numpy(r) for r in results]  # fmt: skip
