"""PyTorch's own vocabulary, ATen: following node ids through its operations.

``tracer`` decides what kind of operation a call is; the modules that are imported here say what
each does to node ids, ``weights`` what it does to parameters alone. A new operation is a function
with the decorator `handles`.
"""

from cntgraph.adapters.torch.aten import (  # noqa: F401
    elementwise,
    movement,
    places,
    products,
    quantized,
    recurrent,
    refusals,
    windows,
)
