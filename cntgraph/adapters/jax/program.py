"""A jaxpr as one list of operations: calls inlined, what nothing reads left out.

JAX describes a function as a jaxpr, whose calls (`jit`, custom derivatives, checkpoints) have
jaxprs of their own. Here they are flattened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

#: Operations that stand for the jaxpr they carry.
_CALLS = frozenset(
    "jit pjit closed_call core_call core_closed_call custom_jvp_call custom_vjp_call "
    "custom_vjp_call_jaxpr remat remat2 checkpoint xla_call named_call custom_transpose".split()
)
#: Operations whose results are their arguments, value by value.
_HANDS_ON = frozenset(
    "stop_gradient copy copy_p reduce_precision optimization_barrier sharding_constraint "
    "pvary pbroadcast device_put mesh_cast layout_constraint name".split()
)


@dataclass(frozen=True, eq=False)
class Var:
    """A value of a program, before it is known.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype
        As JAX has it.
    """

    shape: tuple[int, ...]
    dtype: Any

    @property
    def is_float(self) -> bool:
        """Whether it holds real numbers, rather than integers or truth values."""
        return bool(jax.dtypes.issubdtype(self.dtype, np.floating))

    @property
    def is_complex(self) -> bool:
        """Whether it holds complex numbers."""
        return bool(jax.dtypes.issubdtype(self.dtype, np.complexfloating))


@dataclass(frozen=True, eq=False)
class Op:
    """One operation.

    Parameters
    ----------
    name : str
        Name of the primitive.
    place : str
        Path of the module it belongs to, as far as it is known.
    caller : tuple of str
        Names of the functions that it was inlined from, the outermost first.
    number : int, default -1
        Which operation of the whole program it is, those that nothing reads included.
    """

    name: str
    params: Mapping[str, Any]
    inputs: tuple[Var, ...]
    outputs: tuple[Var, ...]
    primitive: Any
    place: str = ""
    caller: tuple[str, ...] = ()
    number: int = -1


@dataclass(eq=False)
class Program:
    """Operations in the order in which they are carried out.

    Parameters
    ----------
    constants : dict of Var to array
        What the function has closed over, and the numbers that are written in it.
    """

    inputs: list[Var] = field(default_factory=list)
    outputs: list[Var] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)
    constants: dict[Var, Any] = field(default_factory=dict)


def flatten(closed: Any) -> Program:
    """Return the program of a jaxpr, closed or not."""
    work = Flattening()
    inputs = [_variable(v.aval) for v in _open(closed)[0].invars]
    outputs = work.inline(closed, inputs, ())
    program = Program(inputs, outputs, work.ops, work.constants)
    program.ops = _read(program)
    return program


def _open(closed: Any) -> tuple[Any, Sequence[Any]]:
    """Return a jaxpr and its constants, whether it is closed or not."""
    return (closed.jaxpr, closed.consts) if hasattr(closed, "consts") else (closed, ())


class Flattening:
    """Collects the operations of a jaxpr and of those it calls."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.constants: dict[Var, Any] = {}
        self._closed: dict[int, Var] = {}

    def closed_over(self, value: Any) -> Var:
        """Return the variable of a constant that a function has closed over."""
        if id(value) not in self._closed:
            self._closed[id(value)] = _variable(value)
            self.constants[self._closed[id(value)]] = value
        return self._closed[id(value)]

    def literal(self, value: Any) -> Any:
        """Return the variable of what is written in the program."""
        return self.closed_over(value if np.ndim(value) else as_numpy(value))

    def inline(self, closed: Any, inputs: Sequence[Any], caller: tuple[str, ...]) -> list[Any]:
        """Append the operations of a jaxpr; return what it yields."""
        jaxpr, constants = _open(closed)
        known: dict[Any, Any] = dict(zip(jaxpr.invars, inputs, strict=True))
        known |= {v: self.closed_over(c) for v, c in zip(jaxpr.constvars, constants, strict=True)}

        def lookup(atom: Any) -> Any:
            if not hasattr(atom, "val"):
                return known[atom]
            return self.literal(atom.val)

        for eqn in jaxpr.eqns:
            arguments = [lookup(atom) for atom in eqn.invars]
            made = self._equation(eqn, arguments, caller)
            known.update(zip(eqn.outvars, made, strict=True))
        return [lookup(atom) for atom in jaxpr.outvars]

    def _equation(self, eqn: Any, arguments: list[Any], caller: tuple[str, ...]) -> list[Any]:
        name, inner = eqn.primitive.name, _inner(eqn.params)
        if name in _HANDS_ON or _is_cast(eqn):
            return self.handed_on(eqn, arguments)
        if name in _CALLS and inner is not None:
            return self.inline(inner, arguments, (*caller, str(eqn.params.get("name", ""))))
        return self.operation(eqn, arguments, caller)

    def handed_on(self, eqn: Any, arguments: list[Any]) -> list[Any]:
        """Return what an operation yields whose results are its arguments."""
        return arguments[: len(eqn.outvars)]

    def operation(self, eqn: Any, arguments: list[Any], caller: tuple[str, ...]) -> list[Any]:
        """Append an operation; return what it yields."""
        name = eqn.primitive.name
        outputs = [_variable(v.aval) for v in eqn.outvars]
        _, *modules = str(eqn.source_info.name_stack).split("/")
        place = ".".join(module for module in modules if module.isidentifier())
        self.ops.append(
            Op(
                name,
                eqn.params,
                tuple(arguments),
                tuple(outputs),
                eqn.primitive,
                place,
                caller,
                len(self.ops),
            )
        )
        return outputs


def as_numpy(value: Any) -> np.ndarray[Any, Any]:
    """Return an array in a type that NumPy has: float32 for bfloat16 and the like."""
    array = np.asarray(value)
    real = jax.dtypes.issubdtype(array.dtype, np.floating)
    return array.astype(np.float32) if real and array.dtype.kind != "f" else array


def _variable(aval: Any) -> Var:
    shape = tuple(int(n) for n in getattr(aval, "shape", ()))
    return Var(shape, getattr(aval, "dtype", np.dtype(bool)))


def _inner(params: Mapping[str, Any]) -> Any:
    """Return the jaxpr that an operation carries, if it is one."""
    found = (params.get(key) for key in ("jaxpr", "call_jaxpr", "fun_jaxpr"))
    return next(
        (jaxpr for jaxpr in found if hasattr(jaxpr, "eqns") or hasattr(jaxpr, "jaxpr")), None
    )


def _is_cast(eqn: Any) -> bool:
    """Whether an operation only changes the precision of real numbers, or the size of integers."""
    if eqn.primitive.name != "convert_element_type":
        return False
    kinds = [next(kind for kind in (np.floating, np.integer, np.generic)
                  if jax.dtypes.issubdtype(v.aval.dtype, kind))
             for v in (eqn.invars[0], eqn.outvars[0])]  # fmt: skip
    return kinds[0] is kinds[1] and kinds[0] is not np.generic


def _read(program: Program) -> list[Op]:
    """Return the operations whose results are read, directly or not."""
    needed = set(program.outputs)
    kept = []
    for op in reversed(program.ops):
        if needed.intersection(op.outputs):
            needed.update(op.inputs)
            kept.append(op)
    return kept[::-1]
