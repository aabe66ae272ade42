"""What is not followed, and why; a branch with a constant condition is followed in `walk`."""

from __future__ import annotations

from typing import Any

from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call
from cntgraph.adapters.tracing.operations import NotFollowed

_LOOP = "what happens inside of a loop is not followed; unroll it on export"
_NORM = "a pooling by a norm of its window has no weights"
_PLACES = "neurons themselves say which positions are read"
_REASONS = {
    "If": "which branch is taken depends on the input",
    **dict.fromkeys(("Loop", "Scan", "SequenceMap"), _LOOP),
    **dict.fromkeys(("LpPool", "GlobalLpPool"), _NORM),
    **dict.fromkeys(("MaxUnpool", "MaxRoiPool", "RoiAlign", "GridSample", "DeformConv"), _PLACES),
}


@handles(*_REASONS)
def refuse(t: OnnxTracer, call: Call) -> Any:
    """Refuse to guess."""
    raise NotFollowed(_REASONS[call.operation])
