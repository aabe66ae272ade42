"""Taking a lazy value apart into gain ⊙ core + shift, gain and shift being no nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cntgraph.adapters.jax import weights
from cntgraph.adapters.jax.numeric import compute
from cntgraph.adapters.jax.values import Lazy, Value, Weight, has_nodes, scalar_of
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array

Coefficient = Weight | Array
AsRecipe = Callable[[Array], Recipe]


@dataclass(frozen=True, eq=False)
class Peeled:
    """A value as gain ⊙ core + shift."""

    core: Value
    gain: Coefficient | None = None
    shift: Coefficient | None = None

    @property
    def is_bare(self) -> bool:
        """Whether nothing was taken off."""
        return self.gain is None and self.shift is None


@dataclass(frozen=True)
class Peeling:
    """Takes gains and shifts off lazy values.

    Parameters
    ----------
    constant : callable
        Turns a constant into a recipe.
    scalars : bool
        Whether single numbers are taken off, too, where no weight or array is.
    """

    constant: AsRecipe
    scalars: bool

    def of(self, value: Value) -> Peeled:
        """Return a value as gain ⊙ core + shift."""
        if not isinstance(value, Lazy):
            return Peeled(value)
        name, args = value.op.name, value.args
        if name == "neg":
            inner = self.of(args[0])
            plain = inner.is_bare and not self.scalars
            return Peeled(value) if plain else self._scaled(inner, np.asarray(-1.0))
        if name not in ("add", "add_any", "sub", "mul", "div"):
            return Peeled(value)
        if all(has_nodes(arg) for arg in args):
            return self._product(value) if name in ("mul", "div") else Peeled(value)
        return self._with_constant(value, name, *args)

    def _with_constant(self, value: Lazy, name: str, left: Value, right: Value) -> Peeled:
        first = has_nodes(left)
        nodes, constant = (left, right) if first else (right, left)
        if name == "div" and not first:
            return Peeled(value)
        assert isinstance(constant, Weight | np.ndarray)
        inner = self.of(nodes)
        if inner.is_bare and not self.scalars and scalar_of(constant) is not None:
            return Peeled(value)
        if name in ("mul", "div"):
            return self._scaled(inner, constant, name)
        if name == "sub" and not first:
            inner, name = self._scaled(inner, np.asarray(-1.0)), "add"
        if inner.shift is None:
            shift = self._compute("neg", constant) if name == "sub" else constant
        else:
            shift = self._compute(name, inner.shift, constant)
        return Peeled(inner.core, inner.gain, shift)

    def _scaled(self, inner: Peeled, by: Coefficient, name: str = "mul") -> Peeled:
        gain, shift = inner.gain, inner.shift
        gain = np.asarray(1.0) if gain is None else gain
        return Peeled(
            inner.core,
            self._compute(name, gain, by),
            None if shift is None else self._compute(name, shift, by),
        )

    def _product(self, value: Lazy) -> Peeled:
        """Take gains off both factors of a product of nodes."""
        left, right = (self.of(arg) for arg in value.args)
        if left.shift is not None or right.shift is not None or (left.is_bare and right.is_bare):
            return Peeled(value)
        shape = np.broadcast_shapes(left.core.shape, right.core.shape)
        core = Lazy(value.op, (left.core, right.core), shape, value.batch)
        one = np.asarray(1.0)
        gains = (one if part.gain is None else part.gain for part in (left, right))
        return Peeled(core, self._compute(value.op.name, *gains))

    def _compute(self, name: str, *operands: Coefficient) -> Coefficient:
        if all(isinstance(operand, np.ndarray) for operand in operands):
            return compute(name, {}, [np.asarray(operand) for operand in operands])
        if name == "mul" and any(scalar_of(operand) == 1.0 for operand in operands):
            return next(operand for operand in operands if scalar_of(operand) != 1.0)
        return weights.arithmetic(name, [weights.as_weight(o, self.constant) for o in operands])
