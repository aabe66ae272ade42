"""Blocks: the edges of one operation, as an operator rather than an array.

Each kind knows in closed form its number of edges, its row and column sums under every
transform, its products with a vector, and its explicit CSR matrix.
"""

from cntgraph.blocks.base import Block, Sums, Survey
from cntgraph.blocks.conv import Conv
from cntgraph.blocks.dense import Dense
from cntgraph.blocks.diagonal import Diagonal
from cntgraph.blocks.identity import Identity
from cntgraph.blocks.pool import Pool
from cntgraph.blocks.sparse import Sparse
from cntgraph.blocks.statistics import WeightStatistics
from cntgraph.blocks.stencil import Stencil
from cntgraph.blocks.transform import TRANSFORMS, Transform
from cntgraph.blocks.window import Window

__all__ = [
    "TRANSFORMS",
    "Block",
    "Conv",
    "Dense",
    "Diagonal",
    "Identity",
    "Pool",
    "Sparse",
    "Stencil",
    "Sums",
    "Survey",
    "Transform",
    "WeightStatistics",
    "Window",
]
