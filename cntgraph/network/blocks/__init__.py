"""Blocks: the edges of one operation, as an operator rather than an array.

Each kind knows in closed form its number of edges, its row and column sums under every
transform, its products with a vector, and its explicit CSR matrix.
"""

from cntgraph.network.blocks.axis_operator import AxisOperator
from cntgraph.network.blocks.base import Block
from cntgraph.network.blocks.block_sums import BlockSums, ClassSums, Sums
from cntgraph.network.blocks.class_values import ClassValues, Sides
from cntgraph.network.blocks.conv import Conv
from cntgraph.network.blocks.dense import Dense
from cntgraph.network.blocks.diagonal import Diagonal
from cntgraph.network.blocks.identity import Identity
from cntgraph.network.blocks.pool import Pool, PoolMode
from cntgraph.network.blocks.scaled import Scaled
from cntgraph.network.blocks.sparse import Sparse
from cntgraph.network.blocks.statistics import WeightStatistics
from cntgraph.network.blocks.transform import TRANSFORMS, Transform
from cntgraph.network.blocks.window import Window

__all__ = [
    "TRANSFORMS",
    "AxisOperator",
    "Block",
    "BlockSums",
    "ClassSums",
    "ClassValues",
    "Conv",
    "Dense",
    "Diagonal",
    "Identity",
    "Pool",
    "PoolMode",
    "Scaled",
    "Sides",
    "Sparse",
    "Sums",
    "Transform",
    "WeightStatistics",
    "Window",
]
