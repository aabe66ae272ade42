"""PyTorch's own vocabulary, ATen: following node ids through its operations.

``tracer`` decides what kind of operation a call is; ``affine``, ``pooling``, ``elementwise`` and
``movement`` say what each does to node ids; ``recipes`` what it does to parameters alone. A new
operation is a function with the decorator `handles`.
"""

from cntgraph.adapters.torch.aten import affine, elementwise, movement, pooling
from cntgraph.adapters.torch.aten.tracer import IDENTITY, MOVEMENT, AtenTracer
from cntgraph.adapters.torch.aten.values import Nodes, Place

__all__ = [
    "IDENTITY",
    "MOVEMENT",
    "AtenTracer",
    "Nodes",
    "Place",
    "affine",
    "elementwise",
    "movement",
    "pooling",
]
