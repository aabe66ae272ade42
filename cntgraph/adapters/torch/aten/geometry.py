"""From PyTorch's arguments (stride, padding, ceil_mode, …) to windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.torch.aten.values import Arguments
from cntgraph.network.blocks import Window


def per_axis(value: Any, rank: int) -> tuple[int, ...]:
    """Return one integer an axis; a single one stands for all."""
    values = [value] if isinstance(value, int) else list(value)
    return tuple(values * rank) if len(values) == 1 else tuple(values)


def convolution_windows(
    a: Arguments, spatial: Sequence[int], kernel: Sequence[int], transposed: bool
) -> tuple[Window, ...]:
    """Return the windows of a convolution.

    Parameters
    ----------
    a : dict
        ``stride``, ``padding`` (numbers, ``"same"`` or ``"valid"``), ``dilation``,
        ``output_padding``.
    spatial : sequence of int
        Sizes of the input's spatial axes.
    kernel : sequence of int
        Sizes of the kernel.
    transposed : bool
        Whether the input is the coarse side.

    Returns
    -------
    tuple of Window
    """
    rank = len(kernel)
    stride, dilation = (per_axis(a.get(key, 1), rank) for key in ("stride", "dilation"))
    extra = per_axis(a.get("output_padding", 0), rank)
    reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    padding = a.get("padding", 0)
    if isinstance(padding, str):
        total = [r if padding == "same" else 0 for r in reach]
    else:
        total = [2 * p for p in per_axis(padding, rank)]
    windows = []
    for k in range(rank):
        # An odd total ("same" with an even kernel) has one more behind than in front.
        before, n, s = total[k] // 2, spatial[k], stride[k]
        if transposed:
            fine = (n - 1) * s - total[k] + reach[k] + 1 + extra[k]
            windows.append(Window(fine, n, kernel[k], s, dilation[k], before))
        else:
            coarse = (n + total[k] - reach[k] - 1) // s + 1
            windows.append(Window(n, coarse, kernel[k], s, dilation[k], before))
    return tuple(windows)


def paddings(a: Arguments, rank: int) -> tuple[int, ...]:
    """Return the padding of a pooling, the same on both sides of an axis."""
    return per_axis(a.get("padding") or 0, rank)


def pool_windows(a: Arguments, spatial: Sequence[int]) -> list[Window]:
    """Return the windows of a pooling over axes of sizes `spatial`."""
    rank = len(spatial)
    kernel = per_axis(a["kernel_size"], rank)
    stride = per_axis(a.get("stride") or kernel, rank)
    dilation = per_axis(a.get("dilation") or 1, rank)
    windows = []
    for n, k, s, d, p in zip(spatial, kernel, stride, dilation, paddings(a, rank), strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        coarse = room // s + 1
        if a.get("ceil_mode"):
            coarse = -(-room // s) + 1
            # PyTorch drops a last window that would start in the padding behind.
            coarse -= (coarse - 1) * s >= n + p
        windows.append(Window(n, coarse, k, s, d, p))
    return windows


def average_divisor(window: Window, padding: int, include_padding: bool) -> NDArray[np.float64]:
    """Return what an average divides by: the window, less what lies beyond the padding."""
    if not include_padding:
        return np.asarray(window.coarse_cover.sum(axis=0), dtype=np.float64)
    first = np.arange(window.coarse) * window.stride - window.before
    last = np.minimum(first + window.kernel, window.fine + padding)
    return np.subtract(last, first, dtype=np.float64)
