"""When a lazy value must be carried out: before anything that is not elementwise reads it.

Layers are made in the order in which the model computes, whatever is lazy: a value is carried
out where it is made if any reader needs its nodes, or reads it together with other nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

from cntgraph.adapters.jax.movement import EXACT, REARRANGING, data_arguments
from cntgraph.adapters.jax.numeric import ELEMENTWISE, LINEAR, REDUCTIONS, axes_of
from cntgraph.adapters.jax.program import Op, Program, Var
from cntgraph.adapters.jax.values import Weight, has_nodes, is_choice, scalar_of

#: Sums over windows, which an average divides by their number.
WINDOW_SUMS = frozenset(["reduce_window_sum"])
_AFFINE = frozenset(["dot_general", "conv_general_dilated"])
#: A function of one neuron of more steps than this is carried out in parts.
_MAX_STEPS = 200


@dataclass
class _State:
    """What is known of a value that depends on nodes: whose function it is, and of which kind."""

    base: object
    lazy: bool = False
    reduced: bool = False
    learned: bool = False
    choice: bool = False
    steps: int = 0


@dataclass
class Plan:
    """What stays lazy.

    Parameters
    ----------
    lazy : set of Op
        Operations whose result is a lazy value of the same nodes as their arguments.
    forced : set of Var
        Values that are carried out as soon as they are made.
    """

    lazy: set[Op] = field(default_factory=set)
    forced: set[Var] = field(default_factory=set)


def make_plan(program: Program, known: Mapping[Var, Any]) -> Plan:
    """Return what stays lazy in a program.

    Parameters
    ----------
    known : mapping of Var to value
        Inputs and constants; what is missing depends on nodes.
    """
    return _Planner(program, known).run()


class _Planner:
    def __init__(self, program: Program, known: Mapping[Var, Any]) -> None:
        self.program, self.known, self.plan = program, known, Plan()
        self.states: dict[Var, _State] = {}
        self.awaiting: set[Var] = set()
        self.readers: dict[Var, list[Op]] = {}
        for op in program.ops:
            for value in op.inputs:
                if isinstance(value, Var):
                    self.readers.setdefault(value, []).append(op)

    def run(self) -> Plan:
        for value in self.program.inputs:
            if has_nodes(self.known.get(value)):
                self.states[value] = _State(object(), choice=is_choice(self.known[value]))
        for op in self.program.ops:
            self._operation(op)
        return self.plan

    def _operation(self, op: Op) -> None:
        ours = [v for v in op.inputs if self._follows(v)]
        if not ours:
            return
        state = None if self._is_bias(op) else self._lazily(op, ours)
        if state is None:
            self._note_affine(op)
            self.plan.forced.update(ours)
            base = self.states[ours[0]].base if _rearranges(op) else None
            for output in op.outputs:
                self.states[output] = _State(base or object())
            return
        self.plan.lazy.add(op)
        (output,) = op.outputs
        if self._is_needed(output, state):
            self.plan.forced.add(output)
            state = _State(object())
        self.states[output] = state

    def _lazily(self, op: Op, ours: list[Var]) -> _State | None:
        """Return what the result is a function of, if the operation need not be carried out."""
        states = [self.states[v] for v in ours]
        choice = all(state.choice for state in states)
        if any(state.base is not states[0].base for state in states) and not choice:
            return None
        merged = _State(
            states[0].base,
            True,
            any(state.reduced for state in states),
            any(state.learned for state in states),
            choice,
            1 + sum(state.steps for state in states),
        )
        if choice:  # tokens and masks are followed where they choose something
            known = op.name in ELEMENTWISE | REDUCTIONS or self._only_moves(op)
            return merged if known else None
        if merged.steps > _MAX_STEPS:
            return None
        if op.name in ELEMENTWISE:
            return self._of_one(op, merged)
        if op.name in REDUCTIONS | WINDOW_SUMS:
            batch = ours[0].batch
            mixes = op.name in REDUCTIONS and batch in axes_of(op.params)
            merged.reduced = True
            return None if merged.learned or mixes else merged
        if not op.outputs[0].is_float and self._only_moves(op):
            return merged  # what comparisons yield
        return merged if merged.reduced and op.name in REARRANGING else None

    def _of_one(self, op: Op, merged: _State) -> _State | None:
        """Return what an elementwise operation is a function of, if it can wait."""
        if op.name == "select_n" and not self._follows(op.inputs[0]):
            if scalar_of(self._value(op.inputs[0])) is None:
                return None  # a mask moves nodes
        if merged.learned and op.name not in LINEAR:
            return None
        merged.learned |= any(self._varies(v) for v in op.inputs if not self._follows(v))
        return merged if op.name in LINEAR or not merged.learned else None

    def _note_affine(self, op: Op) -> None:
        """Note what an affine operation yields, and what has a bias as soon as it is made."""
        (output, *others) = op.outputs
        moved = op.name in REARRANGING and op.inputs[0] in self.awaiting
        if not others and (op.name in _AFFINE or moved) and len(self.readers.get(output, [])) == 1:
            self.awaiting.add(output)
        if self._is_bias(op):
            self.plan.forced.add(output)

    def _is_bias(self, op: Op) -> bool:
        """Whether an operation adds a weight to what an affine operation yields."""
        x = [v for v in op.inputs if isinstance(v, Var) and v in self.awaiting]
        others = [self._value(v) for v in op.inputs if not self._follows(v)]
        return (
            op.name == "add" and len(x) == 1 and len(others) == 1 and isinstance(others[0], Weight)
        )

    def _only_moves(self, op: Op) -> bool:
        """Whether an operation moves tokens or masks, to places that are known."""
        if op.name not in EXACT or len(op.outputs) != 1:
            return False
        places = range(len(op.inputs))[data_arguments(op.name)]
        moved = [v for k, v in enumerate(op.inputs) if k in places]
        others = [v for k, v in enumerate(op.inputs) if k not in places]
        mixed = any(isinstance(self._value(v), Weight) for v in moved if not self._follows(v))
        return not mixed and not any(self._follows(v) for v in others)

    def _follows(self, value: Any) -> bool:
        return isinstance(value, Var) and value in self.states

    def _value(self, value: Any) -> Any:
        return self.known.get(value) if isinstance(value, Var) else value

    def _varies(self, value: Any) -> bool:
        """Whether an operand is more than one number: a weight, or an array."""
        found = self._value(value)
        if isinstance(found, Weight):
            return prod(found.shape) != 1
        return scalar_of(found) is None

    def _is_needed(self, output: Var, state: _State) -> bool:
        """Whether a lazy value has to be carried out where it is made."""
        if state.choice or not output.is_float:
            return False
        if any(value is output for value in self.program.outputs):
            return True
        readers = self.readers.get(output, [])
        if state.learned and len(readers) > 1:
            return True
        for reader in readers:
            soft = reader.name in ELEMENTWISE or reader.name in REDUCTIONS | WINDOW_SUMS
            if not soft and not (state.reduced and reader.name in REARRANGING):
                return True
            if state.learned and reader.name not in LINEAR:
                return True
        return False


def _rearranges(op: Op) -> bool:
    return op.name in REARRANGING
