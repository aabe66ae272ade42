"""Movement of data: carried out on the node ids themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from cntgraph.adapters.onnx.reference import MOVEMENTS, refuse_above, run
from cntgraph.adapters.onnx.tensors import INTEGERS
from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call, Nodes, concrete, shape_of
from cntgraph.adapters.tracing import arithmetic, movement
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.reductions import chosen, put_together
from cntgraph.adapters.tracing.tables import look_up
from cntgraph.adapters.tracing.tokens import AS_IN_EXAMPLE
from cntgraph.adapters.tracing.values import Data, are_weights, is_mask
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.movement import looked_up, moved, moved_together
from cntgraph.network.blocks import PoolMode

_FLOAT_TYPES = (1, 10, 11, 16)


@handles(*MOVEMENTS, of_weights=True)
def move(t: OnnxTracer, call: Call, data: Sequence[int] = (0,)) -> Any:
    """Carry out a movement on the ids of the inputs at `data`; the others say how.

    Parameters
    ----------
    data : sequence of int
        Which inputs are moved.
    """
    first, given = call.inputs[0], [call.inputs[k] for k in data]
    if are_weights(*given) and isinstance(first, Recipe):
        how = [_how(t, value, call.name) for value in call.inputs[1:]]
        return moved(first, lambda array: run(call, [array, *how], 2 * prod(first.shape)))
    nodes = [value for value in given if isinstance(value, Nodes)]
    if call.get("reduction", "none") != "none" or not nodes:
        return None
    is_index = all(x.is_index for x in nodes)
    if is_index and len(nodes) < len(given):
        raise NotFollowed("it joins tokens to what is none")
    inputs = [
        t.as_ids(v, call.name) if k in data else _how(t, v, call.name)
        for k, v in enumerate(call.inputs)
    ]
    like = nodes[0] if len(given) == 1 else Nodes(inputs[data[0]], is_index)
    return [replace(like, ids=ids) for ids in run(call, inputs)]


def _how(t: OnnxTracer, value: Any, name: str) -> Any:
    """Return what says how values are moved; what depends on the input is as in the example."""
    if value is None:
        return None
    if not isinstance(value, Nodes | Data):
        return concrete(value)
    found = t.example_of(value) if isinstance(value, Data) or value.is_index else None
    if found is None:
        raise NotFollowed(
            "which values it moves depends on the input; pass example_input with its values"
        )
    t.note(name, AS_IN_EXAMPLE)
    return found


#: What becomes of values that are put at one place.
_MODES: dict[str, PoolMode] = {"add": "sum", "max": "max", "min": "min"}


@handles("ScatterElements", "ScatterND", of_weights=True)
def scatter(t: OnnxTracer, call: Call) -> Any:
    """Put neurons at constant places, in the place of others or together with them."""
    base, places, x = call.inputs
    if are_weights(base, x):
        return None if call.get("reduction", "none") != "none" else moved_together(
            [t.recipe(base), t.recipe(x)], lambda to: run(call, [to[0], concrete(places), to[1]])[0]
        )  # fmt: skip
    mode, axis = _MODES.get(str(call.get("reduction", "none"))), int(call.get("axis", 0))
    if mode is None or not isinstance(x, Nodes) or not isinstance(places, np.ndarray):
        return move(t, call, (0, 2))
    if call.operation == "ScatterND":
        if places.shape[-1] != 1:
            return None
        places = places.reshape(-1)
        x = replace(x, ids=x.ids.reshape(len(places), *shape_of(base)[1:]))
    return put_together(t, base, x, axis, places, mode, call.name)


@handles("TopK")
def largest(t: OnnxTracer, call: Call) -> Any:
    """Choose the largest or smallest: whichever it is, every neuron may be it."""
    k, axis = int(np.ravel(concrete(call.inputs[1]))[0]), int(call.get("axis", -1))
    made = chosen(t, call.neurons, axis, k, call.name)
    return [made, Data(made.shape, None, "neurons")]


@handles("Identity", "Dropout", of_weights=True)
def unchanged(t: OnnxTracer, call: Call) -> Any:
    """Return the first input as it is."""
    return call.inputs[0] if isinstance(call.inputs[0], Nodes | Recipe | list) else None


@handles("Cast", "CastLike", of_weights=True)
def cast(t: OnnxTracer, call: Call) -> Any:
    """Return the same neurons, as whole numbers tokens; weights stay as they are stored."""
    x, to = call.inputs[0], call.get("to")
    if call.operation == "Cast" and isinstance(x, Recipe):
        return x if to in _FLOAT_TYPES else None
    if call.operation == "Cast":
        return replace(x, is_index=to in INTEGERS) if isinstance(x, Nodes) else None
    like = call.inputs[1]
    whole = like.is_index if isinstance(like, Nodes) else np.asarray(like).dtype.kind in "iub"
    if isinstance(x, Nodes):
        return replace(x, is_index=whole)
    # A constant in the type of neurons, which is a float's.
    return x if isinstance(x, Recipe) else np.asarray(x).astype(np.int64 if whole else np.float32)


@handles("Concat", of_weights=True)
def concatenate(t: OnnxTracer, call: Call) -> Any:
    """Join neurons; a parameter among them (a class token) is neurons, too."""
    if are_weights(*call.inputs):
        return Recipe.concatenate(tuple(map(t.recipe, call.inputs)), call.get("axis"))
    return move(t, call, range(len(call.inputs)))


# -- looking up -----------------------------------------------------------------------------------


@handles("Gather", of_weights=True)
def gather(t: OnnxTracer, call: Call) -> Any:
    """Look up entries: of neurons by constants, or of a table by tokens (an embedding)."""
    data, index = call.inputs[:2]
    if isinstance(data, Nodes):
        return move(t, call, (0,))
    if not isinstance(index, Nodes):
        places = _how(t, index, call.name)
        if isinstance(data, Recipe):
            return looked_up(data, int(call.get("axis", 0)), places)
        return run(call, [data, places])
    if len(shape_of(data)) > 2 or int(call.get("axis", 0)) != 0:
        return None
    return look_up(t, t.recipe(data), index, call.name)


@handles("Where", of_weights=True)
def where(t: OnnxTracer, call: Call) -> Any:
    """Choose between neurons, or between neurons and a constant; a constant choice moves them."""
    choice, *options = call.inputs
    if isinstance(choice, Data) and choice.value is not None and is_mask(choice):
        choice = choice.value
        t.note(call.name, AS_IN_EXAMPLE)
    return arithmetic.select(t, choice, options, call.name)


# -- what brings in positions, or takes them away --------------------------------------------------


@handles("Trilu", of_weights=True)
def triangle(t: OnnxTracer, call: Call) -> Any:
    """Take away what is above or below a diagonal."""
    diagonal = 0 if call.input(1) is None else int(concrete(call.inputs[1]).item())
    upper = bool(call.get("upper", 1))
    return movement.triangle(t, call.values, diagonal, call.name, upper=upper)


@handles("Pad", of_weights=True)
def pad(t: OnnxTracer, call: Call) -> Any:
    """Pad, or crop where a padding is negative; padding by a number is a node of that value."""
    pads = np.asarray(call.constant(1, "pads" if "pads" in call.attributes else "paddings"))
    value = call.get("value", 0.0) if call.input(2) is None else concrete(call.inputs[2])
    return _padded(t, call, call.input(3), pads.reshape(2, -1).T, np.ravel(value)[:1])


@handles("CenterCropPad")
def center(t: OnnxTracer, call: Call) -> Any:
    """Pad or crop on both sides to a given size, an odd one more behind."""
    shape, axes = call.neurons.shape, call.get("axes")
    kept = shape if axes is None else [shape[axis] for axis in axes]
    more = np.asarray(concrete(call.inputs[1])) - kept
    before = np.sign(more) * (abs(more) // 2)
    return _padded(t, call, axes, np.stack([before, more - before], 1), np.zeros(1))


def _padded(t: OnnxTracer, call: Call, axes: Any, pairs: Any, value: Any) -> Any:
    """Pad some axes, all by default."""
    x, widths = call.values, np.zeros((len(call.values.shape), 2), np.int64)
    widths[slice(None) if axes is None else np.ravel(concrete(axes))] = pairs
    refuse_above(prod((widths.clip(0).sum(1) + x.shape).tolist()), call)
    mode = call.get("mode", "constant")
    value = value if value.size else np.zeros(1)
    return movement.pad(t, x, widths.tolist(), value, f"{call.name}.value", mode=mode)
