"""Stored weights: which measures are of them, and not of edges, so that a graph is not enough."""

from __future__ import annotations

from cntgraph.core.errors import UndefinedMeasureError
from cntgraph.network.network import Network


def check_stored_weights(net: object, noun: str) -> None:
    """Raise if what is measured does not say which weights are stored.

    Parameters
    ----------
    net : object
        A network says it.
    noun : str
        The measure.

    Raises
    ------
    UndefinedMeasureError

    Examples
    --------
    >>> import cntgraph as cg
    >>> check_stored_weights(cg.toy("mlp"), "link_weights")
    """
    if not isinstance(net, Network):
        raise UndefinedMeasureError(
            f"{noun} counts each stored weight once, and the edges of a {type(net).__name__} do "
            "not say which of them share one; pass the network it was built of"
        )
