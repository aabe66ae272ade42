"""Which operations of ONNX yield `Data`, and what it is then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cntgraph.adapters.onnx.reference import compute
from cntgraph.adapters.onnx.values import Call, Nodes
from cntgraph.adapters.tracing.values import Data, Source, is_mask, is_noise, is_tokens
from cntgraph.core.recipe import Recipe

#: Operations that say something about values: what they yield is no neuron.
_JUDGING = frozenset(
    "And ArgMax ArgMin Equal Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual NonZero Not Or "
    "Xor".split()
)
#: Functions of tokens that are no tokens: masks and positions.
_COUNTING = frozenset(
    "Abs Add CumSum Div Max Min Mod Mul Neg ReduceMax ReduceMin ReduceSum Sign Sub Where".split()
)


def is_derived(call: Call) -> bool:
    """Whether what an operation yields depends on neurons, but is no neuron itself."""
    nodes = [value for value in call.inputs if isinstance(value, Nodes)]
    derived = any(isinstance(value, Data) for value in call.inputs)
    if not nodes and not derived:
        return False
    if call.operation in _JUDGING:
        return True
    if _changes_tokens(call):
        return False
    if any(isinstance(value, Recipe | list) for value in call.inputs):
        return False
    return not nodes or (call.operation in _COUNTING and all(n.is_index for n in nodes))


def _changes_tokens(call: Call) -> bool:
    """Whether some of the tokens become others, by a choice or a factor of zero: tokens still."""
    operation, values = call.operation, call.inputs
    if operation == "Mul":
        masks = [isinstance(value, Data) and is_mask(value) for value in values]
        return any(masks) and any(map(is_tokens, values))
    return operation == "Where" and any(map(is_tokens, values[1:]))


#: Operations that draw numbers.
DRAWN = frozenset("RandomNormal RandomNormalLike RandomUniform RandomUniformLike".split())


def _source(operation: str, flowing: Sequence[Any]) -> Source:
    if any(map(is_noise, flowing)) and all(isinstance(value, Data) for value in flowing):
        return "mask" if operation in _JUDGING else "noise"
    return "mask" if all(map(is_mask, flowing)) else "neurons"


def derive(
    call: Call,
    example_of: Callable[[Any], Any],
    shapes: Callable[[], list[tuple[int, ...]]],
) -> list[Any]:
    """Return what stands for the result of an operation that `is_derived`.

    Parameters
    ----------
    example_of : callable
        Returns what an input is for the example that was given, or None.
    shapes : callable
        Returns the shapes of what it yields.
    """
    flowing = [value for value in call.inputs if isinstance(value, Nodes | Data)]
    source = _source(call.operation, flowing)
    if call.operation in ("IsNaN", "IsInf") and source == "neurons":
        # A neuron is a number. Exporters guard a softmax by such a question.
        return [np.broadcast_to(np.bool_(False), flowing[0].shape)]
    examples = [None if value is None else example_of(value) for value in call.inputs]
    missing = any(e is None and v is not None for e, v in zip(examples, call.inputs, strict=True))
    values = None if missing else compute(replace(call, inputs=examples))
    if values is None:
        return [Data(shape, None, source) for shape in shapes()]
    return [None if v is None else Data(np.shape(v), v, source) for v in values]
