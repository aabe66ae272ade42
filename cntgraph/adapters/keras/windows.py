"""From Keras' paddings to windows."""

from __future__ import annotations

from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.network.blocks import Window


def same_or_valid(n: int, kernel: int, stride: int, dilation: int, padding: str) -> Window:
    """Return the window of a convolution or pooling over `n` positions.

    Parameters
    ----------
    n, kernel, stride, dilation : int
        Sizes of the axis and of the window.
    padding : {"valid", "same", "causal"}
        With ``"same"``, ⌈n / stride⌉ positions come out, and an odd padding has one more behind.

    Returns
    -------
    Window
    """
    reach = dilation * (kernel - 1) + 1
    if padding == "same":
        coarse = -(-n // stride)
        before = max((coarse - 1) * stride + reach - n, 0) // 2
    else:
        before = reach - 1 if padding == "causal" else 0
        coarse = (n + before - reach) // stride + 1
    if coarse < 1:
        raise NotFollowed(f"a window of {reach} positions does not fit on {n}")
    return Window(n, coarse, kernel, stride, dilation, before)


def transposed(
    n: int, kernel: int, stride: int, dilation: int, padding: str, extra: int | None
) -> Window:
    """Return the window of a transposed convolution that reads `n` positions.

    Parameters
    ----------
    n, kernel, stride, dilation : int
        Sizes of the axis and of the window.
    padding : {"valid", "same"}
        With ``"same"``, n · stride positions come out.
    extra : int or None
        Keras' ``output_padding``, which then decides the size instead.

    Returns
    -------
    Window

    Notes
    -----
    Position i writes to i · stride + t · dilation, less what is cut off in front: as much as
    lies before what JAX pads the dilated input with.
    """
    reach = dilation * (kernel - 1) + 1
    if padding == "valid":
        total = 2 * (reach - 1) + (max(reach, stride) - reach if extra is None else extra)
        front = reach - 1
    else:
        total = stride + reach - 2 if extra is None else reach + reach % 2 - 2 + extra
        front = min(-(-total // 2), reach - 1)
    fine = (n - 1) * stride + 1 + total - reach + 1
    if fine < 1:
        raise NotFollowed("nothing is left of what it makes")
    return Window(fine, n, kernel, stride, dilation, reach - 1 - front)
