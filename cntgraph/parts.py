"""The small records that a network is made of besides its blocks."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Literal

Status = Literal["included", "folded", "skipped"]


@dataclass(frozen=True)
class Layer:
    """A population of nodes with a shape, the batch dimension dropped.

    Parameters
    ----------
    name : str
        Unique in the network.
    shape : tuple of int
        (channels, *spatial), or (units,).
    kind : str
        The operation whose output it is: input, dense, conv, pool, norm, add, ….
    start : int
        Id of its first node.
    activation : str, default ""
        Activation functions applied to its nodes, joined by ``+``.
    is_input, is_output : bool, default False
        Whether the network reads its input into it, or its output from it.

    Examples
    --------
    >>> layer = Layer("conv1", (6, 24, 24), "conv", start=784)
    >>> layer.n_nodes, layer.slice
    (3456, slice(784, 4240, None))
    """

    name: str
    shape: tuple[int, ...]
    kind: str
    start: int = 0
    activation: str = ""
    is_input: bool = False
    is_output: bool = False

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return prod(self.shape)

    @property
    def slice(self) -> slice:
        """Its node ids."""
        return slice(self.start, self.start + self.n_nodes)


@dataclass(frozen=True)
class CoverageEntry:
    """What became of one parameter or operation of the model.

    Parameters
    ----------
    name : str
        Name of the parameter or operation.
    kind : str
        ``"parameter"``, ``"buffer"`` or ``"operation"``.
    status : str
        ``"included"``, ``"folded"`` or ``"skipped"``.
    block : str, default ""
        The blocks it is included in or folded into, joined by a comma.
    reason : str, default ""
        Why it is skipped, or how it is folded.
    shape : tuple of int, default ()
        Shape of the parameter.
    dtype : str, default ""
        Stored type of the parameter.
    """

    name: str
    kind: str
    status: Status
    block: str = ""
    reason: str = ""
    shape: tuple[int, ...] = ()
    dtype: str = ""


@dataclass(frozen=True)
class Estimate:
    """The size of an explicit graph before anything is allocated.

    Parameters
    ----------
    n_nodes, n_edges : int
        Its nodes and edges.
    nbytes : int
        Bytes of its CSR arrays.
    """

    n_nodes: int
    n_edges: int
    nbytes: int

    def __str__(self) -> str:
        size = f"{self.nbytes / 2**30:.3g} GiB"
        return f"{self.n_nodes:,} nodes, {self.n_edges:,} edges, {size} of memory"
