"""Functions that have a name, found in a program before it is followed.

However a library writes a GELU, a softmax or a layer norm, it is known by what it yields on
numbers: a function of one neuron is compared on a grid with those that have a name (`functions`),
one of sums over axes on random numbers (`statistics`). The operations that it is made of become
one, `RECOGNIZED`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import jax
import numpy as np

from cntgraph.adapters.jax.functions import GRID, function_name
from cntgraph.adapters.jax.movement import REARRANGING
from cntgraph.adapters.jax.numeric import ELEMENTWISE, LINEAR, REDUCTIONS, computed
from cntgraph.adapters.jax.program import Op, Var
from cntgraph.adapters.jax.statistics import Meaning, compared, softened
from cntgraph.adapters.jax.values import Unknown, Weight, has_nodes, scalar_of
from cntgraph.core.types import Array
from cntgraph.network.activations import activation_name

#: The name of an operation that stands for a whole function; its settings are a `Meaning`.
RECOGNIZED = "recognized"
#: A function of more steps than this has no name.
_MAX_STEPS = 64
#: Stands for a learned number.
_COEFFICIENT = np.asarray(0.3)
#: What makes numbers of comparisons.
_CHOSEN = ("select_n", "convert_element_type")
#: Functions of several neurons, whose steps may be functions of one.
_NOT_OF_ONE = frozenset(
    "dot_product_attention glu log_softmax logmeanexp logsumexp one_hot softmax standardize".split()
)

#: What was found out before, of functions that are computed alike: layers of a model often are.
Found = dict[Any, Meaning | None]


def recognize(
    ops: Iterable[Op], outputs: Sequence[Var], known: Mapping[Var, Any], found: Found
) -> list[Op]:
    """Return operations in which those of a function that has a name are one.

    Parameters
    ----------
    ops : iterable of Op
        Those that depend on nodes.
    outputs : sequence
        What the program yields.
    known : mapping of Var to value
        Inputs and constants; what is missing depends on nodes.
    """
    program = _Functions(known, found)
    for op in ops:
        program.enter(op)
    needed, kept = set(outputs), []
    for op in reversed(program.ops):
        if not needed.isdisjoint(op.outputs):
            kept.append(program.named(op) or op)
            needed.update(kept[-1].inputs)
    return kept[::-1]


class _Functions:
    """Which values of a program are functions of a single earlier one, and by which steps."""

    def __init__(self, known: Mapping[Var, Any], found: Found) -> None:
        self.known, self.found = known, found
        self.ops: list[Op] = []
        self.made: dict[Var, Op] = {}
        #: The earliest value of which each is a function; itself, where it is none.
        self.base: dict[Var, Var] = {}

    def enter(self, op: Op) -> None:
        """Note what an operation yields."""
        for step in self._gain_last(op) or [op]:
            self.ops.append(step)
            self.made.update((output, step) for output in step.outputs)
            bases = {self.base.get(v, v) for v in step.inputs if self._follows(v)}
            single = len(bases) == 1 and next(iter(bases)).is_float and self._is_plain(step)
            self.base.update((out, next(iter(bases)) if single else out) for out in step.outputs)

    def _gain_last(self, op: Op) -> list[Op] | None:
        """Turn y (r g), where y and r are functions of the same neurons, into (y r) g."""
        for y, gained in (op.inputs, op.inputs[::-1]) if op.name == "mul" else ():
            maker = self.made.get(gained)
            if not self._follows(y) or maker is None or maker.name != "mul":
                continue
            r, g = sorted(maker.inputs, key=self._follows, reverse=True)
            if not self._follows(g) and self.base.get(r, r) is self.base.get(y, y):
                product = replace(op.outputs[0])
                return [replace(op, inputs=(y, r), outputs=(product,)),
                        replace(op, inputs=(product, g))]  # fmt: skip
        return None

    def _follows(self, value: Var) -> bool:
        """Whether a value depends on nodes."""
        return value not in self.known or has_nodes(self.known[value])

    def _is_plain(self, op: Op) -> bool:
        """Whether an operation may be a step of a function: its coefficients are single numbers."""
        if op.name in REDUCTIONS:
            return True
        if op.name not in ELEMENTWISE | REARRANGING:
            return False
        others = [self.known[v] for v in op.inputs if not self._follows(v)]
        return not any(isinstance(value, Unknown) or _varies(value) for value in others)

    # -- naming -------------------------------------------------------------------------------

    def named(self, op: Op) -> Op | None:
        """Return the operation that a value is as a function of an earlier one, if it has a name.

        As early a one as possible.
        """
        value = op.outputs[0]
        first = self.base[value]
        if first is value or not value.is_float:
            return None
        top = softened(self.made, op)
        if top is not None:
            base, over = top
            softmax = Meaning("softmax", mixed=over)
            return replace(op, name=RECOGNIZED, params={"meaning": softmax}, inputs=(base,))
        inside = self._steps(value, first) or []
        for base in (first, *(step.outputs[0] for step in inside[:-1])):
            steps = self._steps(value, base)
            if not steps or len(steps) > _MAX_STEPS or base.shape != value.shape:
                continue
            learned = [v for step in steps for v in step.inputs
                       if not self._follows(v) and isinstance(self.known[v], Weight)]  # fmt: skip
            meaning = self._meaning(steps, base, bool(learned)) if base.is_float else None
            if meaning is not None:
                inputs = (base, *learned)
                return replace(op, name=RECOGNIZED, params={"meaning": meaning}, inputs=inputs)
        return None

    def _steps(self, value: Var, base: Var) -> list[Op] | None:
        """Return the operations from a value to one; None if it is no function of it alone."""
        found: dict[Op, None] = {}
        waiting: list[tuple[Var, bool]] = [(value, False)]
        while waiting:
            item, done = waiting.pop()
            if item is base or self.made.get(item) in found:
                continue
            if item is self.base[value]:
                return None
            if done:
                found[self.made[item]] = None
            else:
                waiting.append((item, True))
                waiting += [(v, False) for v in self.made[item].inputs if self._follows(v)]
        return list(found)

    def _meaning(self, steps: list[Op], base: Var, learns: bool) -> Meaning | None:
        if all(step.name in ELEMENTWISE for step in steps):
            name = self._of_one(steps, base)
            if learns:
                name = "prelu" if name == "leaky_relu" else None
            return None if name is None else Meaning(name)
        if learns or not any(step.name in REDUCTIONS for step in steps):
            return None
        key = base.shape, *self._signature(steps, base)
        if key not in self.found:
            self.found[key] = compared(steps, base, lambda x: self._evaluate(steps, base, x))
        return self.found[key]

    def _of_one(self, steps: list[Op], base: Var) -> str | None:
        """Return the name of a function of one neuron; a scaling and a shift have none."""
        y = np.asarray(self._evaluate(steps, base, GRID), np.float64)
        line = y[0] + (y[-1] - y[0]) * (GRID - GRID[0]) / (GRID[-1] - GRID[0])
        if np.allclose(y, line, rtol=1e-9, atol=1e-9):
            return None
        decided = all(step.name in _CHOSEN or not step.outputs[0].is_float for step in steps)
        return function_name(y) or _own_name(steps) or ("where" if decided else None)

    def _evaluate(self, steps: Sequence[Op], base: Var, numbers: Array) -> Array:
        """Carry out steps on numbers that stand for the neurons."""
        known = {base: numbers}
        readers = Counter(v for step in steps for v in step.inputs)
        for step in steps:
            whole = step.name in REARRANGING
            (known[step.outputs[0]],) = computed(
                step, [known[v] if v in known else self._number(v, whole) for v in step.inputs]
            )
            readers.subtract(step.inputs)
            for v in step.inputs:  # what may be large is kept no longer than it is read
                if v is not base and not readers[v]:
                    known.pop(v, None)
        return known[steps[-1].outputs[0]]

    def _number(self, value: Var, whole: bool) -> Array:
        """Return a constant, which fits any shape if it is one number."""
        found = self.known[value]
        if isinstance(found, Weight):  # any number will do
            return _COEFFICIENT
        return np.asarray(found) if whole else np.asarray(found).reshape(-1)[0]

    def _signature(self, steps: Sequence[Op], base: Var) -> tuple[Any, ...]:
        """Return what two functions have in common that are computed alike."""
        number = {base: 0} | {step.outputs[0]: k for k, step in enumerate(steps, start=1)}

        def of(value: Var) -> Any:
            return number[value] if value in number else scalar_of(self.known[value])

        return tuple(
            (step.name, step.outputs[0].shape, repr(sorted(step.params.items())),
             *map(of, step.inputs))
            for step in steps
        )  # fmt: skip


def _varies(value: Any) -> bool:
    """Whether an operand is more than one number."""
    return prod(value.shape) != 1 if isinstance(value, Weight) else scalar_of(value) is None


def _own_name(steps: Sequence[Op]) -> str | None:
    """Return the name of the library's function that all steps are of, or of a single step."""
    if len(steps) == 1:
        name = steps[0].name
        return None if name in LINEAR else activation_name(name)
    shared = [str(names[0]) for names in zip(*(step.caller for step in steps), strict=False)
              if len(set(names)) == 1]  # fmt: skip
    known = (activation_name(name) for name in shared[::-1]
             if hasattr(jax.nn, name) and name not in _NOT_OF_ONE)  # fmt: skip
    return next(known, None)
