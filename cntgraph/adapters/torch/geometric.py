"""Arrays as data of PyTorch Geometric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from cntgraph.core.errors import require
from cntgraph.core.types import Array

if TYPE_CHECKING:
    from torch_geometric.data import Data


def data_of(arrays: Mapping[str, Array], others: Mapping[str, Any]) -> Data:
    """Return data whose tensors are copies of arrays, with whatever else they are to hold.

    Raises
    ------
    MissingExtraError
        If PyTorch Geometric is not installed.
    """
    geometric = require("torch_geometric.data", "pyg", needed_for="Data of PyTorch Geometric")
    tensors = {name: torch.tensor(values) for name, values in arrays.items()}
    return geometric.Data(**tensors, **others)
