"""What each ONNX operation does to node ids; a new one is a function with `tracer.handles`."""

from cntgraph.adapters.onnx.ops import (
    affine,
    arithmetic,
    attention,
    contrib,
    control,
    convolution,
    elementwise,
    movement,
    norms,
    pooling,
    quantised,
    recurrent,
    resize,
    rotary,
    sequences,
)

__all__ = [
    "affine",
    "arithmetic",
    "attention",
    "contrib",
    "control",
    "convolution",
    "elementwise",
    "movement",
    "norms",
    "pooling",
    "quantised",
    "recurrent",
    "resize",
    "rotary",
    "sequences",
]
