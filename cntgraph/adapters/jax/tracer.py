"""JaxTracer: from one operation of a program after another to calls of a `Builder`.

What depends on parameters and constants alone is computed first, then functions that have a name
are looked for. Then the operations on nodes follow in their order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import jax
import numpy as np

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.jax import complex_numbers, weights
from cntgraph.adapters.jax.complex_numbers import as_typed, is_of_complex, of_pairs
from cntgraph.adapters.jax.movement import MOVEMENTS, data_arguments, move_ids
from cntgraph.adapters.jax.numeric import ELEMENTWISE, LINEAR, REDUCTIONS, computed
from cntgraph.adapters.jax.operations import HANDLERS
from cntgraph.adapters.jax.program import Op, Program, Var, as_numpy
from cntgraph.adapters.jax.recognition import Found, recognize
from cntgraph.adapters.jax.scaling import Scaling
from cntgraph.adapters.jax.values import (
    Choice,
    Nodes,
    Scaled,
    Unknown,
    Value,
    Weight,
    has_nodes,
    is_choice,
    scalar_of,
)
from cntgraph.adapters.tracing.complex_numbers import Complex, parts_of
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.core.errors import ParameterError
from cntgraph.core.recipe import Recipe

#: Operations that carry programs to be carried out several times, or not at all.
_CONTROL = frozenset(["scan", "while", "cond"])
_PRODUCTS = ("conv_general_dilated", "dot_general", "mul")
_RANDOM = (
    "it draws random numbers; load the model as it is evaluated (train=False, "
    "deterministic=True, model.eval())"
)


class JaxTracer(Scaling):
    """Turns the operations of a program into calls of a `Builder`.

    Parameters
    ----------
    weights : mapping of int to Recipe
        Recipes of arrays that a function may have closed over, by their `id`.
    n_samples : int
        How many samples the model is followed with; 0 where it has no axis for them.

    Attributes
    ----------
    shown : dict of Var to (int, int)
        Which result of which operation a variable is, where the model is to be run.
    """

    def __init__(self, builder: Builder, weights: Mapping[int, Recipe], n_samples: int) -> None:
        super().__init__(builder, n_samples)
        self.weights = dict(weights)
        self.shown: dict[Var, tuple[int, int]] = {}
        self._found: Found = {}
        self._carried: WeakKeyDictionary[Scaled | Choice, Nodes] = WeakKeyDictionary()

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
            arguments = [known.get(v) for v in op.inputs]
            if any(value is None or has_nodes(value) for value in arguments):
                waiting.append(op)
            else:
                known.update(zip(op.outputs, self.on_constants(op, arguments), strict=True))
        waiting = recognize(waiting, program.outputs, known, self._found)
        self._follow(Program(program.inputs, program.outputs, waiting), known)
        return [known[v] for v in program.outputs]

    def _follow(self, program: Program, known: dict[Var, Any]) -> None:
        readers = Counter(v for op in program.ops for v in set(op.inputs))
        readers.update(set(program.outputs))
        depend = {v for op in program.ops for v in op.outputs}
        depend.update(v for v, value in known.items() if has_nodes(value))
        scaled_on = {v for op in program.ops if _scales(op, depend) for v in op.inputs}
        for op in program.ops:
            arguments = [known[v] for v in op.inputs]
            for var, value in zip(op.outputs, self.call(op, arguments), strict=True):
                once = readers[var] == 1
                if isinstance(value, Scaled) and not (once and var in scaled_on):
                    value = self.nodes(value)
                elif isinstance(value, Nodes) and value.may_be_joined and not once:
                    value = replace(value, may_be_joined=False)
                known[var] = value
                self._see(var, value)
            readers.subtract(set(op.inputs))
            known.update((var, None) for var in op.inputs if not readers[var])  # ids may be large

    def _see(self, var: Var, value: Any) -> None:
        """Note which nodes a variable shows; those of the bodies of loops are not seen."""
        if var in self.shown and isinstance(value, Nodes):
            self.see(self.shown[var], value)

    def call(self, op: Op, args: list[Any]) -> list[Any]:
        """Return what one operation yields."""
        if not any(has_nodes(value) for value in args):
            return self.on_constants(op, args)
        if is_of_complex(op, args) and not any(isinstance(a, Unknown) for a in args):
            try:
                return complex_numbers.follow(self, op, args)
            except NotFollowed as refusal:
                return self.cut(op, args, f"{op.name}: {refusal}; the graph is cut here")
        if op.name == "select_n" and (chosen := scalar_of(args[0])) is not None:
            return [args[1 + int(chosen)]]
        unknown = next((value for value in args if isinstance(value, Unknown)), None)
        if unknown is not None and not (op.name == "select_n" and args[0] is unknown):
            return self.cut(op, args, unknown.reason)
        if _chooses(op, args):
            return [Choice(op, tuple(args))]
        moved = self._move(op, args) if op.name in MOVEMENTS else None
        if moved is not None:
            return list(moved)
        if not any(jax.dtypes.issubdtype(v.dtype, np.inexact) for v in op.outputs):
            return self._no_neurons(op, args)
        return self._handled(op, args)

    def _handled(self, op: Op, args: list[Any]) -> list[Any]:
        """Return what the handler of an operation yields; cut the graph where there is none."""
        handler = HANDLERS.get(op.name)
        try:
            result = handler(self, op, args) if handler else None
            if result is None:
                raise NotFollowed(f"{op.name} is not a known linear or elementwise operation")
        except NotFollowed as refusal:
            return self.cut(op, args, f"{refusal}; the graph is cut here")
        return result if isinstance(result, list) else [result]

    def _no_neurons(self, op: Op, args: list[Any]) -> list[Any]:
        """Return what is found out from the input but is no neuron, as where the largest is."""
        nodes = tuple(self.nodes(a) for a in args if has_nodes(a) and not is_choice(a))
        if nodes and op.name not in ELEMENTWISE:
            self.note(self.label(op), f"the result of {op.name} is no neuron")
        reason = f"it depends on the input by way of {op.name}"
        return [Unknown(reason, output.shape, nodes) for output in op.outputs]

    # -- what is not carried out at once --------------------------------------------------------

    def nodes(self, value: Value) -> Nodes:
        """Return a value that depends on nodes as nodes."""
        if isinstance(value, Nodes):
            return value
        assert isinstance(value, Scaled | Choice)
        if value not in self._carried:
            made = self.affine(value) if isinstance(value, Scaled) else self._quantity(value)
            self._carried[value] = made
            self._see(value.op.outputs[0], made)
        return self._carried[value]

    def _quantity(self, value: Choice) -> Nodes:
        """Return what is computed of integers that are quantities: the bytes of an image."""
        args = [replace(a, is_index=False) if isinstance(a, Nodes) else
                self.nodes(a) if has_nodes(a) else a for a in value.args]  # fmt: skip
        (made,) = self.call(value.op, args)
        if isinstance(made, Unknown):
            return self.opaque(value.op, value.op.outputs[0], made.reason)
        return self.nodes(made)

    # -- movement -------------------------------------------------------------------------------

    def _move(self, op: Op, args: list[Any]) -> list[Nodes] | None:
        """Carry out a movement on ids; None where nodes themselves say what is moved where."""
        data = data_arguments(op)
        if not any(has_nodes(args[k]) for k in data):
            return None
        others = [a for k, a in enumerate(args) if k not in data]
        if not all(isinstance(a, np.ndarray | np.generic) for a in others):
            return None
        # A weight that moves along with nodes is one, and a constant but for zeros.
        moved = [self.nodes(a) if has_nodes(a) else Nodes(self.as_ids(a, self.label(op)))
                 if k in data else a for k, a in enumerate(args)]  # fmt: skip
        nodes = [a for a in moved if isinstance(a, Nodes)]
        is_index = all(n.is_index for n in nodes if (n.ids >= 0).any())
        ids = move_ids(op, [a.ids if isinstance(a, Nodes) else a for a in moved])
        may_be_joined = len(args) == len(ids) == 1 and nodes[0].may_be_joined
        return [Nodes(i, is_index, may_be_joined) for i in ids]

    # -- constants ------------------------------------------------------------------------------

    def closed_over(self, value: Any) -> Value:
        """Return an array that a function has closed over: a weight, or a mere constant."""
        if id(value) in self.weights:
            recipe = self.weights[id(value)]
            return of_pairs(recipe) if np.iscomplexobj(value) else Weight.of(recipe)
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
            value = unknown or Unknown(_RANDOM)
            if value.nodes:  # where it becomes a number, what neurons decide is no constant
                return self.cut(op, args, value.reason)
            return [replace(value, shape=out.shape) for out in op.outputs]
        if is_of_complex(op, args):
            try:
                return complex_numbers.follow(self, op, args)
            except NotFollowed:
                return self._frozen(op, args)
        if not any(isinstance(a, Weight) for a in args):
            return _computed(op, args)
        handler = HANDLERS.get(op.name) if op.name in (*_CONTROL, "conv_general_dilated") else None
        try:
            found = self._times_zero(op, args)
            if found is None and handler is not None:
                found = handler(self, op, args)
            elif found is None:
                found = self.of_weights(weights.compute(op, args, self.constant))
        except NotFollowed:
            found = None
        return found if isinstance(found, list) else self._frozen(op, args)

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
        try:
            arrays = [_values(a) for a in args]
        except ParameterError as error:  # shapes without values
            self.freeze(args, op.name)
            return [Unknown(str(error), out.shape) for out in op.outputs]
        made, args = [], [part for a in args for part in parts_of(a)]
        for value in _computed(op, arrays):
            recipe = self.frozen(args, op.name, value)
            real = np.ndim(value) and not np.iscomplexobj(value)
            recipe = self.constant(value) if recipe is None and real else recipe
            made.append(value if recipe is None else Weight.of(recipe))
        return made

    # -- what is not known ----------------------------------------------------------------------

    def cut(self, op: Op, args: Sequence[Any], reason: str) -> list[Any]:
        """Cut the graph at an operation, and say why."""
        for value in (part for a in args for part in parts_of(a)):
            if isinstance(value, Weight):
                self.builder.skip(value.recipe, f"read by {op.name}: {reason}")
        nodes = next((value.nodes for value in args if isinstance(value, Unknown)), ())
        return [as_typed(self.opaque(op, out, reason), out)
                if jax.dtypes.issubdtype(out.dtype, np.inexact)
                else Unknown(reason, out.shape, nodes) for out in op.outputs]  # fmt: skip


def _values(value: Any) -> Any:
    """Return the values of weights; a constant as it is."""
    if isinstance(value, Complex):
        return _values(value.real) + 1j * _values(value.imaginary)
    is_weight = isinstance(value, Weight)
    return np.broadcast_to(value.recipe.read(), value.shape) if is_weight else value


def _scales(op: Op, depend: Set[Var]) -> bool:
    """Whether an operation scales or shifts the one of its operands that depends on nodes."""
    ours = [k for k, v in enumerate(op.inputs) if v in depend]
    return op.name in LINEAR and len(ours) == 1 and (op.name, *ours) != ("div", 1)


def _chooses(op: Op, args: Sequence[Any]) -> bool:
    """Whether an operation on integers of the input, or what follows from them, can wait."""
    of_input = [a for a in args if has_nodes(a)]
    if not all(map(is_choice, of_input)):
        return False
    if op.name in ELEMENTWISE | REDUCTIONS:
        return True
    if op.name not in MOVEMENTS or len(op.outputs) != 1:
        return False
    data = data_arguments(op)
    if all(isinstance(args[k], Nodes) for k in data):  # these move as any nodes do
        return False
    return not any(isinstance(a, Weight) if k in data else has_nodes(a) for k, a in enumerate(args))


def _computed(op: Op, args: list[Any]) -> list[Any]:
    """Carry out an operation on constants."""
    return [Unknown(_RANDOM) if jax.dtypes.issubdtype(r.dtype, jax.dtypes.prng_key)
            else as_numpy(r) for r in computed(op, [np.asarray(a) for a in args])]  # fmt: skip
