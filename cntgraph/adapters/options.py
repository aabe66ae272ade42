"""What every adapter is told besides the model: one record, checked when it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, get_args

from cntgraph.adapters.builder import Builder, Norm, Zeros
from cntgraph.core.errors import FormatError, InputShapeError
from cntgraph.core.names import some_of, unknown_name
from cntgraph.network.network import Network


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options that all adapters take; what they mean is said in `cntgraph.load`.

    Raises
    ------
    FormatError
        If `norm`, `zeros`, `unroll` or `input_shape` is not one.
    """

    input_shape: tuple[int, ...] | None = None
    example_input: Any = None
    norm: Norm = "fold"
    unroll: int | None = None
    strict: bool = False
    batched: bool = True
    zeros: Zeros = "pruned"

    def __post_init__(self) -> None:
        if self.norm not in ("fold", "keep"):
            raise FormatError(f"expected norm to be 'fold' or 'keep', got {self.norm!r}")
        if self.zeros not in get_args(Zeros):
            raise FormatError(f"expected zeros to be 'pruned' or 'edges', got {self.zeros!r}")
        steps = self.unroll
        if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int)
                                  or steps < 1):  # fmt: skip
            raise FormatError(
                f"expected unroll to be a number of time steps or None, got {steps!r}"
            )
        if self.input_shape is not None:
            object.__setattr__(self, "input_shape", _checked(self.input_shape))

    def refuse_input(self) -> None:
        """Raise where an input is described of weights that have no graph, which read none.

        Raises
        ------
        FormatError
        """
        if self.input_shape is not None or self.example_input is not None:
            raise FormatError(
                "these are weights alone, without a graph that an input could go through: leave "
                "out input_shape and example_input, or pass what gives the graph: model=, the "
                "module they belong to, config= of a Keras model, description= of a list of arrays"
            )

    def examples(self, names: Sequence[str]) -> dict[str, Any]:
        """Return what a saved model is called with, by the names of its inputs, where it is given.

        That is an array, several in a tuple or a list, or a dict of them by name.

        Raises
        ------
        UnknownNameError, InputShapeError
            If the model has no input of such a name, or not so many.
        """
        given = self.example_input
        if isinstance(given, Mapping):
            strange = next((name for name in given if name not in names), None)
            if strange is not None:
                raise unknown_name(strange, names, "input")
            return {str(name): value for name, value in given.items()}
        several = isinstance(given, tuple) or (
            isinstance(given, list) and all(hasattr(value, "shape") for value in given)
        )
        values = given if several else () if given is None else (given,)
        if len(values) > len(names):
            raise InputShapeError(
                f"expected an example of {len(names)} inputs ({some_of(names)}), got {len(values)}"
            )
        return dict(zip(names, values, strict=False))

    def builder(self) -> Builder:
        """Return what a network is built with."""
        return Builder(unroll=self.unroll)

    def finish(self, builder: Builder) -> Network:
        """Return the network that was built."""
        return builder.finish(norm=self.norm, strict=self.strict, zeros=self.zeros)


def _checked(shape: Any) -> tuple[int, ...]:
    """Return the shape of a sample, a single number among them, as positive integers."""
    try:
        sizes = tuple(map(index, (shape,) if hasattr(shape, "__index__") else shape))
    except TypeError:
        sizes = (0,)
    if not sizes or min(sizes) < 1:
        raise FormatError(
            f"expected input_shape as positive integers without the batch, such as (1, 28, 28); "
            f"got {shape!r}"
        )
    return sizes
