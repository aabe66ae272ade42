"""What each ONNX operation does to node ids; a new one is a function with `tracer.handles`."""

from cntgraph.adapters.onnx.ops import (  # noqa: F401  (they register their handlers)
    affine,
    arithmetic,
    attention,
    contrib,
    control,
    convolution,
    elementwise,
    fourier,
    movement,
    norms,
    pooling,
    quantized,
    recurrent,
    resize,
    rotary,
    sequences,
)
