"""What is not followed, and why; a branch with a constant condition is followed in `walk`."""

from __future__ import annotations

from cntgraph.adapters.onnx.tracer import HANDLERS

HANDLERS.refuses("which branch is taken depends on the input", "If")
HANDLERS.refuses(
    "what happens inside of a loop is not followed; unroll it on export",
    "Loop", "Scan", "SequenceMap",
)  # fmt: skip
HANDLERS.refuses("a pooling by a norm of its window has no weights", "LpPool", "GlobalLpPool")
HANDLERS.refuses(
    "neurons themselves say which positions are read",
    "MaxUnpool", "MaxRoiPool", "RoiAlign", "GridSample", "DeformConv",
)  # fmt: skip
