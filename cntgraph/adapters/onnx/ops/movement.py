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
from cntgraph.adapters.tracing import arithmetic
from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.adapters.tracing.reductions import chosen, put_together
from cntgraph.adapters.tracing.tables import look_up
from cntgraph.adapters.tracing.values import Data, is_mask
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.movement import looked_up
from cntgraph.network.blocks import PoolMode

#: Operations that move or copy values, and which of their inputs are the values.
_MOVEMENT: dict[str, tuple[int, ...]] = {
    **dict.fromkeys(MOVEMENTS, (0,)), "CenterCropPad": (0,), "Trilu": (0,),
}  # fmt: skip
#: Those that fill up with zeros.
_FILLS = ("CenterCropPad", "Trilu")


def move(t: OnnxTracer, call: Call, data: Sequence[int]) -> Any:
    """Carry out a movement on the ids of the inputs at `data`; the others say how.

    Parameters
    ----------
    data : sequence of int
        Which inputs are moved.
    """
    moved = [call.inputs[k] for k in data]
    nodes = [value for value in moved if isinstance(value, Nodes)]
    if call.get("reduction", "none") != "none" or not nodes:
        return None
    is_index = all(x.is_index for x in nodes)
    if is_index and len(nodes) < len(moved):
        raise NotFollowed("it joins tokens to what is none")
    inputs = [
        t.as_ids(v, call.name) if k in data else _how(t, v, call.name)
        for k, v in enumerate(call.inputs)
    ]
    like = nodes[0] if len(moved) == 1 else Nodes(inputs[data[0]], is_index)
    # What it fills up with is zero: one more for every node leaves zero free.
    fills = call.operation in _FILLS
    if fills:
        inputs[0] = inputs[0] + 1
    return [replace(like, ids=ids - 1 if fills else ids) for ids in run(call, inputs)]


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
    t.note(name, "what the input selects is taken as for the example")
    return found


for _name, _data in _MOVEMENT.items():
    handles(_name)(lambda t, call, data=_data: move(t, call, data))


#: What becomes of values that are put at one place.
_MODES: dict[str, PoolMode] = {"add": "sum", "max": "max", "min": "min"}


@handles("ScatterElements", "ScatterND")
def scatter(t: OnnxTracer, call: Call) -> Any:
    """Put neurons at constant places, in the place of others or together with them."""
    base, places, x = call.inputs
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


@handles("Identity", "Dropout")
def unchanged(t: OnnxTracer, call: Call) -> Any:
    """Return the first input as it is."""
    return call.inputs[0] if isinstance(call.inputs[0], Nodes | list) else None


@handles("Cast", "CastLike")
def cast(t: OnnxTracer, call: Call) -> Any:
    """Return the same neurons; as whole numbers they are tokens."""
    x = call.inputs[0]
    if call.operation == "Cast":
        return replace(x, is_index=call.get("to") in INTEGERS) if isinstance(x, Nodes) else None
    like = call.inputs[1]
    whole = like.is_index if isinstance(like, Nodes) else np.asarray(like).dtype.kind in "iub"
    if isinstance(x, Nodes):
        return replace(x, is_index=whole)
    # A constant in the type of neurons, which is a float's.
    return x if isinstance(x, Recipe) else np.asarray(x).astype(np.int64 if whole else np.float32)


@handles("Concat")
def concatenate(t: OnnxTracer, call: Call) -> Any:
    """Join neurons; a parameter among them (a class token) is neurons, too."""
    if not any(isinstance(value, Nodes) for value in call.inputs):
        return None
    return move(t, call, range(len(call.inputs)))


# -- looking up -----------------------------------------------------------------------------------


@handles("Gather")
def gather(t: OnnxTracer, call: Call) -> Any:
    """Look up entries: of neurons by constants, or of a table by tokens (an embedding)."""
    data, index = call.inputs[:2]
    if isinstance(data, Nodes):
        return move(t, call, (0,))
    if isinstance(index, Data):
        places = _how(t, index, call.name)
        if isinstance(data, Recipe):
            return looked_up(data, int(call.get("axis", 0)), places)
        return run(call, [data, places])
    if not isinstance(index, Nodes) or len(shape_of(data)) > 2 or int(call.get("axis", 0)) != 0:
        return None
    return look_up(t, t.recipe(data), index, call.name)


@handles("Where")
def where(t: OnnxTracer, call: Call) -> Any:
    """Choose between neurons, or between neurons and a constant; a constant choice moves them."""
    choice, one, other = call.inputs
    if not isinstance(choice, Nodes | Data):
        return move(t, call, (1, 2))
    if isinstance(choice, Data) and choice.value is not None and is_mask(choice):
        return move(t, replace(call, inputs=[choice.value.astype(bool), one, other]), (1, 2))
    return arithmetic.select(t, choice, (one, other), call.name)


# -- padding --------------------------------------------------------------------------------------


@handles("Pad")
def pad(t: OnnxTracer, call: Call) -> Any:
    """Pad, or crop where a padding is negative; padding by a number is a node of that value."""
    x = call.neurons
    pads = np.asarray(call.constant(1, "pads" if "pads" in call.attributes else "paddings"))
    axes = range(x.ids.ndim) if call.input(3) is None else np.ravel(concrete(call.inputs[3]))
    widths = np.zeros((x.ids.ndim, 2), np.int64)
    widths[list(axes)] = pads.reshape(2, -1).T
    ends = zip((-widths).clip(0).tolist(), x.shape, strict=True)
    x = replace(x, ids=x.ids[tuple(slice(a, max(n - b, 0)) for (a, b), n in ends)])
    widths = widths.clip(0)
    refuse_above(prod((widths.sum(1) + x.shape).tolist()), call)
    mode = call.get("mode", "constant")
    if mode != "constant":
        return replace(x, ids=np.pad(x.ids, widths, mode=mode))
    value = call.get("value", 0.0) if call.input(2) is None else concrete(call.inputs[2])
    needed = np.asarray(value).reshape(-1)[:1] if widths.any() else np.zeros(1)
    (fill,) = t.as_ids(needed, f"{call.name}.value") if needed.size else (-1,)
    return replace(x, ids=np.pad(x.ids, widths, constant_values=fill))
