"""PyTorch's own vocabulary, ATen: following node ids through its operations.

``tracer`` decides what kind of operation a call is; the modules that are imported here say what
each does to node ids, ``weights`` what it does to parameters alone. A new operation is a function
with the decorator `handles`.
"""

from cntgraph.adapters.torch.aten import (  # noqa: F401
    elementwise,
    movement,
    products,
    recurrent,
    windows,
)
from cntgraph.adapters.torch.aten.operations import IDENTITY, LAYERS, MOVEMENT, handler_of
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Nodes, Place

__all__ = ["IDENTITY", "LAYERS", "MOVEMENT", "AtenTracer", "Nodes", "Place", "handler_of"]
