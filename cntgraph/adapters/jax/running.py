"""Functions of JAX that run on data, and yield what is between their operations, too."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from functools import partial
from typing import Any

import jax

from cntgraph.adapters.arrangement import OtherRun
from cntgraph.adapters.execution import Batching, Execution, Observed
from cntgraph.adapters.jax.program import Flattening, as_numpy
from cntgraph.adapters.jax.tracing import Traced, build
from cntgraph.core.errors import FormatError
from cntgraph.core.types import Array


def execution_of(traced: Traced, given: Observed) -> Execution:
    """Return what runs a model on data.

    Raises
    ------
    FormatError
        If its parameters are shapes without values.
    """
    if any(isinstance(leaf.value, jax.ShapeDtypeStruct) for leaf in traced.model.leaves):
        raise FormatError("expected parameters with values to run the model, got shapes alone")
    alone = given.batched and not traced.n_samples  # it takes one sample, which has no axis
    batching = Batching(0, 1 if alone else None, max(traced.n_samples, 1))
    batching = batching if given.batched else Batching(None)
    builder, runner = build(traced, given.builder), partial(_Runner, traced, alone)
    return Execution(given, builder, runner, len(traced.names), batching)


class _Runner:
    """Runs a model on a batch, and keeps some of its variables.

    Parameters
    ----------
    alone : bool
        Whether the model takes a sample without an axis for it.
    """

    def __init__(self, traced: Traced, alone: bool, keys: Collection[Any]) -> None:
        self.traced, self.alone = traced, alone
        self.names = {op.number: op.name for op in traced.program.ops}
        self.keys = [key for key in keys if key[0] != "argument"]
        self._jitted = jax.jit(self._evaluated)

    def __call__(self, inputs: tuple[Array, ...]) -> Mapping[Hashable, Array]:
        """Return the variables by their keys."""
        own: dict[Hashable, Array] = {
            ("argument", k): values[0] if self.alone else values for k, values in enumerate(inputs)
        }
        variables = self.traced.program.inputs[len(self.traced.model.leaves) :]
        pairs = zip(own.values(), variables, strict=True)
        given = [jax.numpy.asarray(values, variable.dtype) for values, variable in pairs]
        arrays = [leaf.value for leaf in self.traced.model.leaves]
        made = self._jitted(arrays, given)
        return own | {key: as_numpy(x) for key, x in zip(self.keys, made, strict=True)}

    def _evaluated(self, arrays: list[Any], inputs: list[Any]) -> list[Any]:
        """Return the variables that are asked for; traced once for each shape of the inputs."""
        nested = jax.tree_util.tree_unflatten(self.traced.structure, inputs)
        closed = jax.make_jaxpr(self.traced.model.call)(arrays, *nested)
        work = _Evaluation(self.names, set(self.keys))
        work.inline(closed, [*arrays, *inputs], ())
        if missing := set(self.keys) - work.kept.keys():
            raise OtherRun(f"it has no operation {min(missing)[0]}")
        return [work.kept[key] for key in self.keys]


class _Evaluation(Flattening):
    """Carries operations out, in the place of collecting them.

    Parameters
    ----------
    names : dict of int to str
        What operations were when the model was traced.
    keys : set of (int, int)
        What to keep: the number of an operation, and which of its results.
    """

    def __init__(self, names: Mapping[int, str], keys: set[Any]) -> None:
        super().__init__()
        self.names, self.keys, self.number = names, keys, 0
        self.kept: dict[Any, Any] = {}

    def closed_over(self, value: Any) -> Any:
        """Return a constant."""
        return value

    def literal(self, value: Any) -> Any:
        """Return what is written in the program."""
        return value

    def handed_on(self, eqn: Any, arguments: list[Any]) -> list[Any]:
        """Return arguments, in another type at most."""
        return _carried_out(eqn, arguments)

    def operation(self, eqn: Any, arguments: list[Any], caller: tuple[str, ...]) -> list[Any]:
        """Return what an operation yields."""
        number, name = self.number, eqn.primitive.name
        self.number += 1
        if self.names.get(number, name) != name:
            raise OtherRun(f"its operation {number} is {name}, it was {self.names[number]}")
        made = _carried_out(eqn, arguments)
        own = {(number, k): value for k, value in enumerate(made)}
        self.kept |= {key: value for key, value in own.items() if key in self.keys}
        return made


def _carried_out(eqn: Any, arguments: list[Any]) -> list[Any]:
    made = eqn.primitive.bind(*arguments, **eqn.params)
    return list(made) if eqn.primitive.multiple_results else [made]
