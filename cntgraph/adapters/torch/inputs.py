"""The inputs of a saved program: their shapes, and where in them the samples of a batch are."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.options import Options
from cntgraph.core.errors import GraphSizeError, InputShapeError

#: Operations that have their samples on the second axis, unless they are batch first.
_RECURRENT = ("lstm.input", "gru.input", "rnn_tanh.input", "rnn_relu.input")
#: Values of an input that a file may ask for; a few bytes of a damaged one can ask for more.
_LARGEST = 1 << 26


class Inputs:
    """What a program says of its inputs, together with what was asked for.

    Parameters
    ----------
    graph : mapping
        The program's graph.
    names : list of str
        Its inputs.
    given : Options
        What was asked for.

    Attributes
    ----------
    batch_axis : int
        Axis of the inputs along which samples lie.
    symbols : dict of str to int
        Sizes that the program leaves open.
    """

    def __init__(self, graph: Mapping[str, Any], names: list[str], given: Options) -> None:
        self.graph, self.input_shape, self.batched = graph, given.input_shape, given.batched
        self.examples = given.examples(names)
        self.symbols: dict[str, int] = {}
        self.batch_axis = self._find_batch_axis(names)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return an input's shape; an open batch dimension is one, others are looked up.

        Raises
        ------
        InputShapeError
            If a size is not known, or is not the one asked for.
        GraphSizeError
            If the file alone asks for more values than a file may.
        """
        sizes = self._sizes(name)
        if not self.batched:
            wanted = np.shape(self.examples[name]) if name in self.examples else self.input_shape
            fits = len(wanted or ()) == len(sizes)
            pairs = zip(sizes, wanted if wanted and fits else [None] * len(sizes), strict=True)
            return tuple(self._size(k, size, n) for k, (size, n) in enumerate(pairs))
        if self.input_shape is not None and len(self.input_shape) != len(sizes) - 1:
            raise InputShapeError(
                f"expected input_shape with {len(sizes) - 1} sizes, got {self.input_shape}"
            )
        asked: list[int | None] = [*(self.input_shape or [None] * len(sizes))]
        asked.insert(self.batch_axis, None)
        found = tuple(self._size(k, size, asked[k]) for k, size in enumerate(sizes))
        if self.input_shape is None and prod(found) > _LARGEST:
            raise GraphSizeError(
                f"the input {name!r} has {prod(found):,} values, says the file; if that is so, "
                "pass input_shape"
            )
        return found

    def constants(self) -> dict[str, Any]:
        """Return the inputs whose values are those of the example: whole numbers, unbatched."""
        whole = (k for k, v in self.examples.items() if np.asarray(v).dtype.kind in "iub")
        return {} if self.batched else {name: self.examples[name] for name in whole}

    def whole_numbers(self, name: str) -> NDArray[Any] | None:
        """Return what whole numbers are in the example, without samples those of the first."""
        given = np.asarray(self.examples.get(name))
        if given.dtype.kind not in "iub":
            return None
        batched = self.batched and given.ndim > max(self.batch_axis, 1)
        return given.take(0, self.batch_axis) if batched else given

    def _sizes(self, name: str) -> Any:
        return self.graph["tensor_values"][name]["sizes"]

    def _size(self, axis: int, size: Mapping[str, Any], wanted: int | None) -> int:
        if "as_int" in size:
            if wanted not in (None, size["as_int"]):
                raise InputShapeError(
                    f"axis {axis} of the input: the program was saved for {size['as_int']}, "
                    f"input_shape says {wanted}"
                )
            return int(size["as_int"])
        expression = size["as_expr"]
        if wanted is None:
            hint = (expression.get("hint") or {}).get("as_int")
            wanted = 1 if self.batched and axis == self.batch_axis else hint
        if wanted is None:
            raise InputShapeError(f"axis {axis} of the input has no fixed size; pass input_shape")
        self.symbols[expression["expr_str"]] = wanted
        return int(wanted)

    # -- where the batch is ---------------------------------------------------------------------

    def _find_batch_axis(self, names: list[str]) -> int:
        """Return the axis of the inputs along which samples lie: the second, if time is first.

        That is so if a recurrent layer, which is not batch first, has its samples on an axis of
        that length, or if it is what the input shape that was asked for leaves out.
        """
        sizes = next((s for s in map(self._sizes, names) if len(s) > 1), ())
        first, second = (size.get("as_int") for size in [*sizes[:2], {}, {}][:2])
        if self.input_shape is not None and second == 1 and first != 1:
            rest = [size.get("as_int") for size in sizes]
            return int([first, *rest[2:]] == [*self.input_shape])
        for node in self.graph["nodes"]:
            samples = self._samples_of(node)
            if samples is not None:
                return int(samples == second and samples != first)
        return 0

    def _samples_of(self, node: Mapping[str, Any]) -> int | None:
        """Return how many samples a recurrent layer sees on the second axis of its input."""
        operation = node["target"].removeprefix("torch.ops.aten.")
        given = {a["name"]: a["arg"] for a in node["inputs"]}
        if operation not in _RECURRENT or given["batch_first"].get("as_bool"):
            return None
        sizes = self._sizes(given["input"]["as_tensor"]["name"])
        return sizes[1].get("as_int") if len(sizes) == 3 else None
