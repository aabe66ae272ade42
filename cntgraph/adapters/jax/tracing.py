"""From a model to its network: traced on shapes, then followed operation by operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import jax
import numpy as np

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.jax import convolution, elementwise, lookup, loops, pooling, products
from cntgraph.adapters.jax.complex_numbers import of_pairs
from cntgraph.adapters.jax.leaves import Leaf, path_name
from cntgraph.adapters.jax.program import Program, Var, flatten
from cntgraph.adapters.jax.scaling import ChannelsElsewhere
from cntgraph.adapters.jax.sources import Model
from cntgraph.adapters.jax.tracer import JaxTracer
from cntgraph.adapters.jax.values import Nodes, Unknown, Value, Weight, has_nodes
from cntgraph.adapters.options import Options
from cntgraph.adapters.tracing.batch import numbered
from cntgraph.adapters.tracing.complex_numbers import Complex, parts_of
from cntgraph.core.errors import CntGraphError, InputShapeError, TraceError
from cntgraph.core.recipe import Recipe
from cntgraph.core.types import Array

# These modules are imported for the handlers that they register.
__all__ = [
    "build", "convolution", "elementwise", "lookup", "loops", "pooling", "products", "trace"
]  # fmt: skip

Shapes = Any
#: How many samples a model is followed with: enough to see where they lie.
_N_SAMPLES = 2


@dataclass(frozen=True)
class Traced:
    """A model and the program it is.

    Parameters
    ----------
    program : Program
        Its inputs are the model's arrays, then the inputs.
    names : list of str
        Of the inputs.
    n_samples : int
        How many samples it takes; 0 if it takes one, without an axis for samples.
    structure : pytree
        How the inputs are nested.
    whole : dict of str to ndarray
        Inputs of whole numbers, with what they are in the example.
    batched : bool
        Whether an axis holds samples; without one, those are constants.
    """

    model: Model
    program: Program
    names: list[str]
    n_samples: int
    structure: Any
    whole: dict[str, Array]
    batched: bool


def trace(model: Model, given: Options) -> Traced:
    """Trace a model on shapes; nothing is computed.

    Parameters
    ----------
    given : Options
        Its `example_input` is an array, a tuple or a pytree of arrays.

    Raises
    ------
    InputShapeError
        If neither is given.
    TraceError
        If the model fails on such an input.
    """
    example_input, input_shape = given.example_input, given.input_shape
    if example_input is not None:
        examples = [tuple(example_input) if isinstance(example_input, tuple | list)
                    else (example_input,)]  # fmt: skip
    elif input_shape is not None:
        last = (*input_shape[1:], input_shape[0])
        shapes = [input_shape, last] if len(input_shape) > 1 else [input_shape]
        lead = (1,) if given.batched else ()
        examples = [(jax.ShapeDtypeStruct((*lead, *s), np.float32),) for s in shapes]
    else:
        raise InputShapeError(
            "expected the size of the model's input, got none; pass example_input=an array with "
            "the batch dimension, or input_shape=(...) of one sample"
        )
    failed: Exception | None = None
    # A model may be made for one size of batch.
    numbers = (_N_SAMPLES, 1) if model.batched and given.batched else (0,)
    for example, n in product(examples, numbers):
        try:
            return _traced(model, example, n, given)
        except CntGraphError:
            raise
        except Exception as error:  # whatever the model raises
            failed = failed or error
    shapes_given = ", ".join(str(np.shape(leaf)) for leaf in jax.tree_util.tree_leaves(examples[0]))
    raise TraceError(
        f"the model could not be traced on an input of shape {shapes_given} (batch first): "
        f"{type(failed).__name__}: {str(failed)[:500]}. Pass the example_input it expects"
    ) from failed


def _traced(model: Model, example: tuple[Any, ...], n_samples: int, given: Options) -> Traced:
    def resized(value: Any) -> Shapes:
        found = _shape(value)
        if not given.batched or (n_samples and len(found.shape) < 2):
            return found
        batch = (n_samples,) if n_samples else ()
        return jax.ShapeDtypeStruct((*batch, *found.shape[1:]), found.dtype)

    arrays = [_shape(leaf.value) for leaf in model.leaves]
    inputs = jax.tree_util.tree_map(resized, example)
    program = flatten(jax.make_jaxpr(model.call)(arrays, *inputs))
    if n_samples > 1 and not all(n_samples in out.shape for out in program.outputs):
        raise ValueError(f"it does not yield {n_samples} samples where it is given as many")
    names, (values, structure) = _input_names(model, example), jax.tree_util.tree_flatten(example)
    given_as = zip(names, values, program.inputs[len(model.leaves) :], strict=True)
    whole = {name: np.asarray(value) for name, value, var in given_as
             if not (isinstance(value, jax.ShapeDtypeStruct) or var.is_float or var.is_complex
                     or jax.dtypes.issubdtype(var.dtype, jax.dtypes.extended))}  # fmt: skip
    return Traced(model, program, names, n_samples, structure, whole, given.batched)


def _shape(value: Any) -> Shapes:
    if not hasattr(value, "dtype"):
        value = np.asarray(value)
    key = jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key)
    dtype = value.dtype if key else jax.dtypes.canonicalize_dtype(value.dtype)
    return jax.ShapeDtypeStruct(tuple(value.shape), dtype)


def _input_names(model: Model, example: tuple[Any, ...]) -> list[str]:
    """Return a name for every array of the inputs."""
    given = model.names[: len(example)]
    names = given + [f"input_{k}" if k else "input" for k in range(len(given), len(example))]
    return [".".join(part for part in (name, path_name(path)) if part)
            for name, value in zip(names, example, strict=True)
            for path, _ in jax.tree_util.tree_leaves_with_path(value)]  # fmt: skip


def build(traced: Traced, new_builder: Callable[[], Builder]) -> Builder:
    """Follow a traced model; return what its network is built with.

    Parameters
    ----------
    new_builder : callable
        Returns a fresh builder: where a convolution turns out to read an input whose channels are
        not first, the input is laid out anew, and the model followed from the beginning.
    """
    channels: dict[int, int] = {}
    while True:
        builder = new_builder()
        try:
            _follow(traced, builder, channels)
        except ChannelsElsewhere as found:
            channels[found.index] = found.axis
        else:
            return builder


def _follow(traced: Traced, builder: Builder, channels: dict[int, int]) -> None:
    model, program = traced.model, traced.program
    values: list[Value] = [_array(builder, leaf) for leaf in model.leaves]
    tracer = JaxTracer(builder, _closed_over(builder, model, program), traced.n_samples)
    for k, (name, var) in enumerate(
        zip(traced.names, program.inputs[len(model.leaves) :], strict=True)
    ):
        whole = traced.whole.get(name)
        if whole is not None and not traced.batched:
            values.append(whole)
            continue
        made = _input(tracer, name, var, k, channels.get(k, 0))
        values.append(made)
        if isinstance(made, Nodes):
            tracer.see(("argument", k), made)
            tracer.note_example(made, whole)
    if builder.sightings is not None:
        tracer.shown = {v: (op.number, k) for op in program.ops for k, v in enumerate(op.outputs)}
    for value in tracer.run(program, values):
        read = value.nodes if isinstance(value, Unknown) else (value,) if has_nodes(value) else ()
        for nodes in read:
            for part in filter(has_nodes, parts_of(nodes)):
                builder.output(tracer.any_sample(tracer.nodes(part)))


def _array(builder: Builder, leaf: Leaf) -> Value:
    """Return an array of a model as a weight; what is no weight has a value, or is not known."""
    shape = tuple(leaf.value.shape)
    if leaf.is_key:
        return Unknown("it draws random numbers; load the model as it is evaluated", shape)
    recipe = Recipe.of(builder.parameter(leaf.parameter()))
    if leaf.is_weight:
        return of_pairs(recipe) if leaf.is_complex else Weight.of(recipe)
    builder.skip(recipe, "a counter or a setting, not a weight")
    if isinstance(leaf.value, jax.ShapeDtypeStruct):
        return Unknown(f"it depends on {leaf.name}, whose value is not given", shape)
    return np.asarray(leaf.value)


def _closed_over(builder: Builder, model: Model, program: Program) -> dict[int, Recipe]:
    """Register the arrays that the function has closed over, with those that belong to them."""
    used = {id(value) for value in program.constants.values()}
    found: dict[int, Recipe] = {}
    for leaves in model.closed_over:
        if not any(id(leaf.value) in used for leaf in leaves):
            continue
        for leaf in leaves:
            if leaf.is_weight and id(leaf.value) not in found:
                name = builder.unique(leaf.name)
                parameter = Leaf(name, leaf.value, leaf.trainable).parameter()
                found[id(leaf.value)] = Recipe.of(builder.parameter(parameter))
    return found


def _input(tracer: JaxTracer, name: str, var: Var, index: int, channels: int) -> Any:
    """Add an input; its layer has the channels first, wherever the model has them."""
    if var.is_complex:
        pairs = _input(tracer, name, Var((*var.shape, 2), np.float32), index, channels)
        return Complex(*(Nodes(pairs.ids[..., k]) for k in (0, 1)))
    n_samples = tracer.n_samples if len(var.shape) > 1 else 0
    shape = var.shape[1:] if n_samples else var.shape
    first = (*shape[channels : channels + 1], *shape[:channels], *shape[channels + 1 :])
    made = tracer.builder.input(name, first)
    ids = np.moveaxis(made, 0, channels) if shape else made
    if not channels:
        tracer.inputs[shape] = index
    return Nodes(numbered(ids, 0, n_samples) if n_samples else ids, is_index=not var.is_float)
