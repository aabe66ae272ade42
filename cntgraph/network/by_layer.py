"""ByLayer: the values of nodes by the name of their layer."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from cntgraph.core.names import unknown_name


class ByLayer(dict[str, NDArray[Any]]):
    """Values of nodes by the name of their layer.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> net.split(cg.node_strength(net))["fc9"]
    Traceback (most recent call last):
    cntgraph.core.errors.UnknownNameError: no layer is called 'fc9'; the layers are: input, fc1, \
fc2, fc3
    """

    def __missing__(self, name: str) -> NDArray[Any]:
        """Raise what names the layers."""
        raise unknown_name(name, self, "layer")
