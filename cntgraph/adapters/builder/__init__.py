"""Building a network from the operations of a model, the same for every adapter.

`Builder` has one method per operation; they are grouped by what they do (`affine`, `elementwise`,
`attention`, `recurrent`) on top of `layout`, which keeps the layers and lays out their nodes.
"""

from cntgraph.adapters.builder.builder import Builder, Norm, Zeros
from cntgraph.core.types import Ids

__all__ = ["Builder", "Ids", "Norm", "Zeros"]
