"""Tracer: runs a model once on symbolic tensors, and builds its network on the way.

While a model is traced, every call of a layer and of an operation of ``keras.ops`` comes by
here. A layer that has a handler is turned into calls of the `Builder`; any other is entered: its
own ``call`` runs, and what it calls comes by in turn. So a Functional model, a nested one and
one written as a Python class are all followed alike, on any backend, and no value is computed.
What cannot be followed is cut out of the graph, with the reason.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from math import prod
from typing import Any

import keras

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.keras.handlers import OPERATIONS, handler_of, is_of_keras
from cntgraph.adapters.keras.script import BEFORE, Script
from cntgraph.adapters.keras.values import (
    Arguments,
    Derived,
    Nodes,
    Weights,
    activation_label,
    as_array,
    derived,
    has,
    is_constant,
    with_data,
)
from cntgraph.adapters.keras.watch import unwatched
from cntgraph.adapters.tracing import activations
from cntgraph.adapters.tracing.batch import Samples
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.tracer import Tracer
from cntgraph.adapters.tracing.values import Neurons
from cntgraph.core.errors import CntGraphError, GraphSizeError, TraceError
from cntgraph.core.names import in_snake_case
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array, Ids

#: Calls that a model may make; one that calls itself over and over in a small file is refused.
MAX_CALLS = 200_000


class KerasTracer(Tracer):
    """Turns calls of Keras' layers and operations into calls of a `Builder`.

    Parameters
    ----------
    parameters : dict of int to Parameter
        By the id of the variable; they are registered.
    max_size : int
        Number of values that a tensor of one sample may have.
    """

    def __init__(self, builder: Builder, parameters: dict[int, Parameter], max_size: int) -> None:
        super().__init__(builder)
        self.symbols = {key: Weights(Recipe.of(p), _computed_dtype(p.dtype))
                        for key, p in parameters.items()}  # fmt: skip
        self.max_size = max_size
        self.path: list[Any] = []
        self.calls, self.active = 0, True
        self.script, self._numbers = Script(), list[int]()

    # -- calls ------------------------------------------------------------------------------

    def call_layer(self, layer: Any, args: Any, kwargs: Arguments) -> Any:
        """Return what a layer yields, by its handler or by what it does in turn."""
        self._count()
        args, kwargs = self._known([args, kwargs])
        evaluating(layer, kwargs)
        self.path.append(layer)
        self._numbers.append(self.script.enter(has([args, kwargs], Nodes, Derived)))
        try:
            made = self._call_layer(layer, args, kwargs)
        except (CntGraphError, MemoryError):
            raise
        except Exception as error:  # whatever the code of a layer raises on symbolic tensors
            made = self._cut(layer, args, kwargs, error)
            self.script.entered.discard(self._numbers[-1])
        finally:
            self.path.pop()
            number = self._numbers.pop()
        self.script.end[number] = self.script.calls
        self._see(number, made)
        return made

    def _call_layer(self, layer: Any, args: Any, kwargs: Arguments) -> Any:
        handler = handler_of(layer)
        if handler is not None:
            self._check_size(layer, args, kwargs)
            result = handler(self, layer, _bound(layer.call, args, kwargs))
            if result is not NotImplemented:
                return result
        if layer.quantization_mode is not None:
            raise NotFollowed(f"it is quantized ({layer.quantization_mode})")
        self.script.entered.add(self._numbers[-1])
        return layer.call(*args, **kwargs)

    def call_operation(self, operation: Any, args: Any, kwargs: Arguments) -> Any:
        """Return what an operation of ``keras.ops`` yields."""
        self._count()
        number = self.script.enter(has([args, kwargs], Nodes, Derived))
        made = self._call_operation(operation, args, kwargs)
        self.script.end[number] = self.script.calls
        self._see(number, made)
        return made

    def _call_operation(self, operation: Any, args: Any, kwargs: Arguments) -> Any:
        args, kwargs = self._known([args, kwargs])
        if not is_of_keras(type(operation)):
            return operation.call(*args, **kwargs)
        a = _bound(operation.call, args, kwargs)
        if not has(a, Nodes, Derived):
            try:
                found = self.of_weights(self._computed(operation, a))
            except NotFollowed:
                found = None
            return self._frozen(operation, args, kwargs) if found is None else found
        spec = self._check_size(operation, args, kwargs)
        judged = None if spec is None else derived(
            a, spec, lambda: self._example(operation, args, kwargs)
        )  # fmt: skip
        if judged is not None:
            return judged
        handler = OPERATIONS.get(type(operation).__name__)
        try:
            result = NotImplemented if handler is None else handler(self, operation, with_data(a))
            if result is NotImplemented:
                raise NotFollowed("it is not a known linear or elementwise operation")
            return result if spec is None else _typed(result, spec)
        except NotFollowed as error:
            return self._cut(operation, args, kwargs, error)

    def _example(self, operation: Any, args: Any, kwargs: Arguments) -> Any:
        """Return what an operation on whole numbers and masks yields for the example; or None."""
        leaves = [x for x in keras.tree.flatten([args, kwargs]) if isinstance(x, Nodes | Derived)]
        if not self.examples or any(self.example_of(leaf) is None for leaf in leaves):
            return None
        made = _carried_out(operation, args, kwargs, Nodes | Derived, self.example_of)
        return keras.tree.map_structure(as_array, made)

    def _see(self, number: int, made: Any) -> None:
        """Note which nodes a call yields, if it is one that a run for real makes, too."""
        if self.builder.sightings is None or not self.script.entered.issuperset(self._numbers):
            return  # within a layer that is one operation
        for k, leaf in enumerate(keras.tree.flatten(made)):
            if isinstance(leaf, Nodes):
                self.see((number, k), leaf)

    def _computed(self, operation: Any, a: Arguments) -> Any:
        """Return what an operation on parameters and constants yields; None if it is not known."""
        operands = [leaf for leaf in keras.tree.flatten(a) if isinstance(leaf, Weights)]
        handler = OPERATIONS.get_for_weights(type(operation).__name__, operands)
        found = handler(self, operation, a) if operands and handler is not None else None
        return None if found is NotImplemented else keras.tree.map_structure(
            lambda made: Weights(made, operands[0].dtype) if isinstance(made, Recipe) else made,
            found,
        )  # fmt: skip

    def _check_size(self, operation: Any, args: Any, kwargs: Arguments) -> Any:
        """Refuse what would make a tensor too large, before it is made; return what is yielded."""
        try:
            with unwatched(self):
                spec = operation.compute_output_spec(*args, **kwargs)
        except Exception:  # what is wrong shows when it is carried out
            return None
        for leaf in keras.tree.flatten(spec):
            if prod(n or 1 for n in leaf.shape) > self.max_size:
                raise GraphSizeError(
                    f"{self.name()}: expected at most {self.max_size:,} values in one sample, "
                    f"the model asks for {tuple(leaf.shape)}"
                )
        return spec

    def _count(self) -> None:
        self.calls += 1
        if self.calls > MAX_CALLS:
            raise TraceError(
                f"expected a model of at most {MAX_CALLS:,} calls of layers and operations; it "
                "calls layers that call layers more often than can be followed"
            )

    def _known(self, values: Any) -> Any:
        """Return values with symbols in the place of variables that come from elsewhere."""
        return keras.tree.map_structure(lambda value: self.symbols.get(id(value), value), values)

    def _frozen(self, operation: Any, args: Any, kwargs: Arguments) -> Any:
        """Compute with the present values of parameters; another snapshot would not be followed."""
        operands = keras.tree.flatten([args, kwargs])

        def frozen(made: Any) -> Any:
            recipe = self.frozen(operands, type(operation).__name__, made)
            return made if recipe is None else Weights(recipe, str(made.dtype).rpartition(".")[2])

        made = _carried_out(operation, args, kwargs, Weights, lambda leaf: leaf.recipe.read())
        return keras.tree.map_structure(frozen, made)

    # -- what cannot be followed ------------------------------------------------------------

    def _cut(self, called: Any, args: Any, kwargs: Arguments, error: Exception) -> Any:
        """Return fresh nodes of the shapes that a layer or an operation yields, and say why."""
        kind, weights = type(called).__name__, keras.tree.flatten([args, kwargs])
        reason = str(error) if isinstance(error, NotFollowed) else _first_line(error)
        what = f"the layer {kind}"
        if isinstance(called, keras.Layer):
            weights = self._known(list(called.weights))
            reason = reason if called.built else "it is not built; call the model once before"
        else:
            what = kind = f"keras.ops.{kind}"
        reason = f"{what} cannot be followed: {reason}"
        self.skip(weights, f"{reason}; the graph is cut here")
        name = self.name(called)
        try:
            with unwatched(self):
                plain = keras.tree.map_structure(_plain, [args, kwargs])
                spec = called.compute_output_spec(*plain[0], **plain[1])
        except Exception as unknown:
            raise TraceError(f"{name}: {reason} ({_first_line(unknown)})") from error
        if any(size is None for leaf in keras.tree.flatten(spec) for size in leaf.shape):
            raise TraceError(f"{name}: {reason}; its shape depends on the data")

        return keras.tree.map_structure(
            lambda leaf: self.unknown(name, kind, leaf.shape, reason), spec
        )

    # -- names ------------------------------------------------------------------------------

    def name(self, operation: Any = None) -> str:
        """Return the name of what is being called: the path of layers, then the operation.

        An operation within one of Keras' own layers is called after that layer.
        """
        path = [layer.name for layer in self.path]
        within = bool(self.path) and _is_leaf(self.path[-1])
        if not within and not isinstance(operation, keras.Layer | None):
            path.append(in_snake_case(type(operation).__name__))
        return "/".join(path)

    # -- values -----------------------------------------------------------------------------

    def neurons(
        self, ids: Ids, samples: Samples | None = None, *, like: Neurons | None = None
    ) -> Nodes:
        """Return ids, the batch dimension included, as a symbolic tensor."""
        return Nodes(ids, like.dtype) if isinstance(like, Nodes) else Nodes(ids)

    def example_of(self, value: Any) -> Array | None:
        """Return what masks and whole numbers are for the example given; None if nobody knows."""
        return super().example_of(value.data if isinstance(value, Derived) else value)

    def array(self, value: Any) -> Array | None:
        """Return the values of a number, an array or a tensor; None for anything else."""
        return as_array(value) if is_constant(value) else None

    def stored(self, value: Any) -> tuple[str, Array, str | None]:
        """Return a name for a constant, after the layer that reads it, and its values."""
        return f"{self.name() or 'model'}/constant", as_array(value), None

    def apply(self, function: Any, x: Any) -> Any:
        """Return f(x) for an activation function: by what it does, or just noted by its name."""
        if function is None:
            return x
        if self._numbers and isinstance(x, Nodes) and self.builder.sightings is not None:
            if self.script.entered.issuperset(self._numbers[:-1]):
                self.script.activated.add(self._numbers[-1])
                self.see((self._numbers[-1], BEFORE), x)
        try:
            return function(x)
        except (CntGraphError, MemoryError):
            raise
        except Exception:  # it computes with the backend's own functions
            return activations.activate(self, x, activation_label(function))


def _carried_out(
    operation: Any, args: Any, kwargs: Arguments, kind: Any, value: Callable[[Any], Any]
) -> Any:
    """Carry out an operation on values, in the place of symbols of a kind."""

    def tensor(leaf: Any) -> Any:
        if not isinstance(leaf, kind):
            return leaf
        return keras.ops.convert_to_tensor(value(leaf), dtype=leaf.dtype)

    args, kwargs = keras.tree.map_structure(tensor, [args, kwargs])
    return operation.call(*args, **kwargs)


def _computed_dtype(dtype: str) -> str:
    return dtype if dtype in ("float16", "bfloat16", "float32", "float64") else "float32"


def _typed(made: Any, spec: Any) -> Any:
    """Return nodes of whole numbers, that an operation makes activations of, as these."""
    if not isinstance(made, Nodes) or not made.is_index or spec.dtype == made.dtype:
        return made
    return Nodes(made.ids, spec.dtype)


def _plain(leaf: Any) -> Any:
    return keras.KerasTensor(leaf.shape, leaf.dtype) if has(leaf, keras.KerasTensor) else leaf


def evaluating(layer: Any, kwargs: Arguments) -> None:
    """Say to a layer that asks that this is not training, unless it was made to train always."""
    if "training" not in inspect.signature(layer.call).parameters:
        kwargs.pop("training", None)
    elif kwargs.get("training") is None:
        kwargs["training"] = False


def _is_leaf(layer: Any) -> bool:
    """Whether a layer is one of Keras' own that is no model."""
    return is_of_keras(type(layer)) and not isinstance(layer, keras.Model)


def _bound(function: Any, args: Any, kwargs: Arguments) -> Arguments:
    """Return arguments by name, with defaults; those of a variable number as a tuple."""
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def _first_line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}"[:300]
