"""PyTorch's own vocabulary, ATen: following node ids through its operations.

``tracer`` decides what kind of operation a call is; ``affine``, ``convolution``, ``attention``,
``recurrent``, ``tokens``, ``norms``, ``pooling``, ``upsampling``, ``elementwise``, ``choices`` and
``movement`` say what each does to node ids; ``recipes`` and ``arithmetic`` what it does to
parameters alone. A new operation is a function with the decorator `handles`.
"""

from cntgraph.adapters.torch.aten import (
    affine,
    attention,
    choices,
    convolution,
    elementwise,
    movement,
    norms,
    pooling,
    recurrent,
    tokens,
    upsampling,
)
from cntgraph.adapters.torch.aten.operations import IDENTITY, MOVEMENT, handler_of
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Nodes, Place
from cntgraph.adapters.tracing.values import Data

__all__ = [
    "IDENTITY",
    "MOVEMENT",
    "AtenTracer",
    "Data",
    "Nodes",
    "Place",
    "affine",
    "attention",
    "choices",
    "convolution",
    "elementwise",
    "handler_of",
    "movement",
    "norms",
    "pooling",
    "recurrent",
    "tokens",
    "upsampling",
]
