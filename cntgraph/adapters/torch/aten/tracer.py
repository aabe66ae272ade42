"""AtenTracer: from one ATen operation after another to calls of a `Builder`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np
import torch

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.torch.aten import choices, complex_numbers
from cntgraph.adapters.torch.aten.derived import (
    CHOOSING,
    derive,
    is_derived,
    is_number,
)
from cntgraph.adapters.torch.aten.operations import (
    COPYING,
    IDENTITY,
    MOVEMENT,
    OF_A_SHAPE,
    RECURRENT,
    handler_of,
    writes_over,
)
from cntgraph.adapters.torch.aten.random import draw, is_random
from cntgraph.adapters.torch.aten.values import (
    Call,
    Nodes,
    Place,
    leaves,
    map_leaves,
    n_results_of,
    per_result,
)
from cntgraph.adapters.torch.aten.weights import MOVING_WEIGHTS, compute_recipe, move_recipe
from cntgraph.adapters.torch.tensors import stored_array
from cntgraph.adapters.tracing.batch import Samples, numbered
from cntgraph.adapters.tracing.complex_numbers import UNKNOWN, Complex
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tokens import AS_IN_EXAMPLE
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Data, Neurons, is_noise
from cntgraph.core.memory import check_memory
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Ids

#: What may be done to weights and random numbers together.
_MIXED = frozenset("add add_ sub sub_ rsub mul mul_ addcmul".split())


class AtenTracer(Tracer):
    """Turns ATen operations into calls of a `Builder`.

    Attributes
    ----------
    place : Place
        Where the present operation stands.
    shapes : tuple of int, list of them, or None
        The shape of its result, or of each of several.
    has_example : bool
        Whether whole numbers and masks are those of an example, or stand in for any.
    look : callable
        Returns what `Nodes` of whole numbers are for the example at hand, or None.
    """

    def __init__(self, builder: Builder) -> None:
        super().__init__(builder)
        self.place = Place()
        self.shapes: Any = None
        self.has_example = True
        self.look: Callable[[Nodes], Any] = lambda nodes: nodes.look()
        self._indices: list[int] = []
        self._counts: Counter[str] = Counter()

    def input(
        self, name: str, shape: Sequence[int], dtype: torch.dtype, axis: int | None = 0
    ) -> Nodes | Complex:
        """Return the nodes of an input of `shape`, the batch dimension at `axis` included.

        One with another number of entries there has no axis for samples: positions, say. Complex
        numbers are pairs of nodes, along a last axis.
        """
        axis = axis if axis is not None and len(shape) > 1 else None
        batched = axis is not None and 0 < self.n_samples == shape[axis]
        check_memory(2 * 8 * prod(shape), f"the input {name!r} of shape {tuple(shape)}")
        own = [n for k, n in enumerate(shape) if not batched or k != axis]
        sample = self.builder.input(name, [*own, *[2] * dtype.is_complex])
        if not (dtype.is_floating_point or dtype.is_complex):
            self._indices.append(len(self.builder.layers) - 1)
        if batched:
            sample = numbered(sample, axis or 0, self.n_samples)
        ids = torch.from_numpy(sample)
        return complex_numbers.pair_of(ids) if dtype.is_complex else Nodes(ids, dtype)

    def output(self, value: Any) -> None:
        """Say that the model returns nodes, or any nesting of them.

        An input of whole numbers that nothing reads by then is a mask, and no layer.
        """

        def read(nodes: Any) -> None:
            for part in leaves([nodes]):
                self.builder.output(self.any_sample(self.fixed(part)))

        map_leaves(value, read, of=Nodes | Complex)
        self.builder.tokens.update(self.builder.layers[k].name for k in self._indices)

    # -- operations -----------------------------------------------------------------------------

    def attempt(self, call: Call) -> Any:
        """Return what an operation yields, following ids; None if it is not known."""
        self.place, self.shapes = call.place, call.shapes
        if is_random(call.operation) and (drawn := draw(self, call)) is not None:
            return drawn
        if complex_numbers.is_of_complex(call):
            return self._on_complex(call)
        if not call.has(Nodes | Recipe) and choices.are_chosen(call):
            return self._chosen_rows(call)
        derived = is_derived(call) and not is_number(call, self.n_samples)
        if derived or not call.has(Nodes | Recipe):
            if call.name in CHOOSING and call.has(Nodes):
                self.note(
                    call.place.name(call.name), "which neuron it is, is no activation: no edges"
                )
            return choices.step(self, call) or derive(call)
        if call.name in RECURRENT and not call.has(Nodes):
            key = next(iter(call.arguments))
            call.put(key, self.fixed(call.arguments[key]))
        if call.has(Nodes) or call.name in RECURRENT:
            return _in_place(call, self._on_nodes(call))
        return self.of_weights(self._on_recipes(call))

    def give_up(self, call: Call) -> Any:
        """Cut the graph at an operation on nodes; take one on parameters as a constant."""
        if not call.has(Nodes | Data):
            frozen = partial(self.frozen, call.values, f"aten.{call.name}")
            return map_leaves(call.result, frozen, of=torch.Tensor)
        full = call.operation._schema.name.replace("::", ".")
        noise = any(map(is_noise, call.values))
        what = "random numbers" if noise else "positions or masks that depend on the input"
        reason = f"{full} of {what}"
        if call.has(Nodes):
            reason = f"{full} is not a known linear or elementwise operation"
        if complex_numbers.is_of_complex(call):
            return self._cut(call, f"{full}: {UNKNOWN}")
        return _in_place(call, self._cut(call, reason))

    def _on_complex(self, call: Call) -> Any:
        try:
            return complex_numbers.follow(self, call)
        except NotFollowed as refusal:
            traced = call.has(Nodes | Data)
            return self._cut(call, f"aten.{call.name}: {refusal}") if traced else None

    def _on_nodes(self, call: Call) -> Any:
        name, a, handler = call.name, call.arguments, handler_of(call.name)
        n_results, first = n_results_of(call.operation), next(iter(a.values()))
        if isinstance(call.shapes, tuple) and 0 in call.shapes and _is_without_rows(call):
            return Nodes(torch.empty(call.shapes, dtype=torch.int64))  # an expert without tokens
        if name in COPYING and isinstance(first, Nodes):
            return _copied(call)
        if name in IDENTITY and isinstance(first, Nodes):
            first = Nodes(first.tensor.clone(), first.dtype) if name == "_to_copy" else first
            return [first] + [None] * (n_results - 1) if n_results > 1 else first
        try:
            if name in MOVEMENT and handler is None:
                return self._move(call)
            label = call.place.name(name.rpartition(".")[2].strip("_"))
            result = handler(self, a, label) if handler else None
        except NotFollowed as refusal:
            return self._cut(call, f"aten.{name}: {refusal}")
        if isinstance(result, Nodes) and not name.endswith("_"):
            result = _unshared(result, call)
        if n_results > 1 and isinstance(result, Nodes):
            # Statistics come along in a tuple, which nothing reads; places are choices by the data.
            return [result, *(self._beside(call, k) for k in range(1, n_results))]
        return result

    def _beside(self, call: Call, k: int) -> Data | None:
        """Return where an operation found its values, if that is its k-th result."""
        if "indices" not in (call.operation._schema.returns[k].name or call.name):
            return None
        several = call.arguments.get("dim") if call.name == "topk" else None
        return Data(call.shapes[k], None, "neurons", several)

    def _move(self, call: Call) -> Any:
        """Carry out a movement on ids; indices that depend on the input are as in the example."""
        indices = choices.indices_of(call)
        if any(isinstance(value, Nodes) for value in indices):
            return None  # neurons themselves say what is moved where
        if any(isinstance(value, Data) and value.value is None for value in indices):
            return choices.choose(self, call)
        if any(isinstance(value, Data) for value in indices):
            self.note(call.place.name(call.name), AS_IN_EXAMPLE)
        return map_leaves(_moved(call.of(self.moving, object)), Nodes, of=torch.Tensor)

    def _on_recipes(self, call: Call) -> Any:
        """Return the recipe of an operation on parameters alone, or None where there is none.

        Which of its entries are read may depend on the input: then it is as for the example.
        """
        derived, name = [value for value in call.values if isinstance(value, Data)], call.name
        if name in OF_A_SHAPE:
            return call.result
        if any(map(is_noise, derived)):
            return compute_recipe(self, name, call.arguments) if name in _MIXED else None
        if any(value.value is None or value.source != "mask" for value in derived):
            return self._chosen_rows(call) if choices.is_of_rows(call) else None
        if derived:
            self.note(name, "indices that the input's length or mask gives: as for the example")
            call = call.of(lambda data: data.value, Data)
        if name in MOVEMENT or name in IDENTITY or name.strip("_") in MOVING_WEIGHTS:
            return move_recipe(self, call)
        found = None if derived else compute_recipe(self, name, call.arguments)
        n_results = n_results_of(call.operation)
        # Statistics and indices come along in a tuple: constants, if anything reads them.
        alone = n_results > 1 and isinstance(found, Recipe)
        return [found] + [None] * (n_results - 1) if alone else found

    def _chosen_rows(self, call: Call) -> Any:
        """Return rows of a table, of weights or constants, of which the data say which they are."""
        try:
            return choices.choose(self, call.of(self.fixed, Recipe | torch.Tensor))
        except NotFollowed as refusal:
            return self._cut(call, f"aten.{call.name}: {refusal}")

    def _cut(self, call: Call, reason: str) -> Any:
        """Cut the graph at an operation, and say why; where it found its values is no neurons."""
        label, operation = call.place.name(call.name.strip("_")), f"aten.{call.name}"
        returns = call.operation._schema.returns
        indices = [k for k, returned in enumerate(returns) if returned.name == "indices"]
        return self.cut(label, operation, call.values, call.shapes, reason, indices)

    def cut(
        self, label: str, operation: str, values: Sequence[Any], shapes: Any, reason: str,
        indices: Sequence[int] = (),
    ) -> Any:  # fmt: skip
        """Return fresh nodes for each result of an operation, which nothing is known to lead to.

        Parameters
        ----------
        values : sequence
            What it reads.
        shapes : tuple of int, or list of them
            Shape of its result, or of each of them.
        indices : sequence of int
            Which of the results are places, and no neurons.
        """
        self.skip(values, f"read by {operation}, which is not followed")

        def made(k: int, shape: Any) -> Any:
            if k in indices:
                return Data(shape, None, "neurons")
            return self.unknown(label, operation, shape, reason)

        return per_result(shapes, made)

    # -- names and values -----------------------------------------------------------------------

    def name_of(self, recipe: Recipe, default: str) -> str:
        """Name an operation after the module it stands in, or the one its weight belongs to."""
        at_home = self.place.leaf and self.place.path
        if at_home:
            return self.place.path
        for parameter in recipe.parameters():  # ``conv1.weight`` is conv1's
            prefix, _, last = parameter.name.rpartition(".")
            prefix = prefix.partition("parametrizations.")[0].rstrip(".")
            if prefix and (parameter.trainable or last.startswith("running")):
                return prefix
        return default

    def count(self, name: str) -> int:
        """Return how often this was asked for the same name before."""
        self._counts[name] += 1
        return self._counts[name] - 1

    def neurons(
        self, ids: Ids, samples: Samples | None = None, *, like: Neurons | None = None
    ) -> Nodes:
        """Return ids, the batch dimension included, as nodes."""
        return Nodes(torch.from_numpy(np.require(ids, requirements=("C", "W"))))

    def moving(self, value: Any) -> Any:
        """Return what an operation moves as ids, and what says how as it is."""
        numbers = isinstance(value, torch.Tensor) and value.is_floating_point()
        if numbers or is_noise(value) or isinstance(value, Nodes | Recipe):
            return self.fixed(value).tensor
        if isinstance(value, Data):
            return value.value
        return value.cpu() if isinstance(value, torch.Tensor) else value

    def fixed(self, value: Any) -> Nodes:
        """Return nodes as they are, and a parameter or a constant as nodes."""
        if isinstance(value, Nodes):
            return value
        return self.neurons(self.as_ids(value, self.place.name("constant")))

    def stored(self, value: Any) -> tuple[str, Array, str | None]:
        """Return a name for a constant tensor, its stored bits, and their type."""
        tensor = value if isinstance(value, torch.Tensor) else torch.from_numpy(value)
        bits, dtype = stored_array(tensor)
        return "constant", bits.copy(), dtype

    def example_of(self, value: Any) -> Array | None:
        """Return what masks and whole numbers are for the example given; None if nobody knows."""
        if not isinstance(value, Nodes | Data):
            return self.array(value)
        known = self.look(value) if isinstance(value, Nodes) else value.value
        return self.array(known) if self.has_example else None

    def array(self, value: Any) -> Array | None:
        """Return the values of a constant tensor or a number; None for anything else."""
        if isinstance(value, torch.Tensor):
            value = value.dequantize() if value.is_quantized else value
            dtype = torch.float64 if value.is_floating_point() else value.dtype
            # A copy: the model may write over it later.
            array: Array = value.detach().to("cpu", dtype, copy=True).numpy()
            return array
        return np.asarray(value) if isinstance(value, bool | int | float | np.ndarray) else None


def _copied(call: Call) -> Nodes:
    """Carry out a movement of numbers on the places of ids; zero is the place of "no node"."""
    ids = call.args[0].tensor
    places = torch.arange(1, ids.numel() + 1, dtype=torch.float64).reshape(ids.shape)
    moved = call.of(lambda _: places, Nodes).run().long()
    return Nodes(torch.cat([ids.new_tensor([-1]), ids.reshape(-1)])[moved])


def _moved(call: Call) -> Any:
    """Carry out a movement on ids, whose strides may not be those of the values."""
    try:
        return call.run()
    except RuntimeError:
        if call.name not in ("view", "_unsafe_view"):
            raise
        return call.args[0].reshape(call.args[1])


def _unshared(result: Nodes, call: Call) -> Nodes:
    """Give what an operation computes memory of its own, apart from its operands."""
    memory = result.tensor.untyped_storage().data_ptr()
    operands = (value.tensor for value in call.values if isinstance(value, Nodes))
    shared = any(ids.untyped_storage().data_ptr() == memory for ids in operands)
    return Nodes(result.tensor.clone()) if shared else result


def _is_without_rows(call: Call) -> bool:
    """Whether the data have chosen nothing: by now, or before."""
    return call.has(Data) or any(0 in v.shape for v in call.values if isinstance(v, Nodes))


def _in_place(call: Call, result: Any) -> Any:
    """Let an in-place operation change what every alias of its first argument sees."""
    first = next(iter(call.arguments.values()))
    writes = writes_over(call.operation) and isinstance(first, Nodes)
    if writes and isinstance(result, Nodes):
        if result is not first:
            first.tensor.copy_(result.tensor)
        return first
    return result
