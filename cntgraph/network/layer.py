"""Layer: nodes that are the output of one operation, and their shape."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod


@dataclass(frozen=True)
class Layer:
    """A population of nodes with a shape, the batch dimension dropped.

    Parameters
    ----------
    name : str
        Unique in the network.
    shape : tuple of int
        ``(channels, *spatial)``, or ``(units,)``.
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


def unique_name(name: str, taken: set[str]) -> str:
    """Return a name that nothing has yet, which is then taken.

    Examples
    --------
    >>> unique_name("conv", {"conv"})
    'conv_2'
    """
    candidate, k = name, 1
    while candidate in taken:
        k += 1
        candidate = f"{name}_{k}"
    taken.add(candidate)
    return candidate
