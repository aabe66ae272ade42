"""How ONNX's windows slide: paddings, automatic paddings, ceiling mode, divisors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.onnx.values import Call
from cntgraph.core.errors import TraceError
from cntgraph.network.blocks import AxisOperator, Window

Sizes = Sequence[int]


#: No axis of a network is longer, and no window has more taps over all its positions; a few bytes
#: of a damaged file can say so.
_LONGEST, _MOST_TAPS = 1 << 24, 1 << 26


def _window(call: Call, fine: int, coarse: int, kernel: int, *others: int) -> Window:
    """Return a window, after checking that it is none that only a damaged file has."""
    longest = max(fine, coarse, kernel, *map(abs, others))
    if longest > _LONGEST or kernel * max(fine, coarse) > _MOST_TAPS:
        raise TraceError(
            f"{call.name}: {call.operation} would slide a window of {kernel} over an axis of "
            f"{longest}; the file is damaged"
        )
    return Window(fine, coarse, kernel, *others)


def _sizes(call: Call, name: str, rank: int) -> list[int]:
    """Return an attribute with one value an axis; one is the default."""
    sizes = [int(n) for n in call.get(name) or [1] * rank]
    if len(sizes) != rank or min(sizes, default=1) < 1:
        raise ValueError(f"{name} {sizes} for {rank} axes")
    return sizes


def _pads(call: Call, spatial: Sizes, reach: Sizes, strides: Sizes) -> list[tuple[int, int]]:
    """Return the padding before and after, an axis a pair."""
    auto, rank = call.get("auto_pad", "NOTSET"), len(spatial)
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        outs = [-(-n // s) for n, s in zip(spatial, strides, strict=True)]
        totals = [
            max((out - 1) * s + r - n, 0)
            for out, s, r, n in zip(outs, strides, reach, spatial, strict=True)
        ]
        return [_halves(total, upper=auto == "SAME_UPPER") for total in totals]
    given = [int(n) for n in call.get("pads") or [0] * 2 * rank]
    if auto == "VALID":
        given = [0] * 2 * rank
    return list(zip(given[:rank], given[rank:], strict=True))


def _halves(total: int, *, upper: bool) -> tuple[int, int]:
    """Split a padding in two; the odd one goes behind for ``upper``, else in front."""
    small = total // 2
    return (small, total - small) if upper else (total - small, small)


def conv_windows(call: Call, spatial: Sizes, kernel: Sizes) -> tuple[Window, ...]:
    """Return the windows of a convolution.

    Parameters
    ----------
    call : Call
        The operation.
    spatial, kernel : sequence of int
        Sizes of what it reads and of its kernel.

    Returns
    -------
    tuple of Window
    """
    strides, dilations = (_sizes(call, key, len(kernel)) for key in ("strides", "dilations"))
    reach = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    return tuple(
        _window(call, n, (n + p + q - r) // s + 1, k, s, d, p)
        for n, k, s, d, r, (p, q) in zip(
            spatial, kernel, strides, dilations, reach,
            _pads(call, spatial, reach, strides), strict=True,
        )
    )  # fmt: skip


def transposed_windows(call: Call, spatial: Sizes, kernel: Sizes) -> tuple[Window, ...] | None:
    """Return the windows of a transposed convolution, or None where its output would overhang.

    Parameters
    ----------
    call : Call
        The operation.
    spatial, kernel : sequence of int
        Sizes of what it reads and of its kernel.

    Returns
    -------
    tuple of Window or None
    """
    rank, auto = len(kernel), call.get("auto_pad", "NOTSET")
    strides, dilations = (_sizes(call, key, rank) for key in ("strides", "dilations"))
    extra = [int(n) for n in call.get("output_padding") or [0] * rank]
    reach = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    full = [(n - 1) * s + r + e for n, s, r, e in zip(spatial, strides, reach, extra, strict=True)]
    wanted = call.get("output_shape")
    if not wanted and auto in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [n * s for n, s in zip(spatial, strides, strict=True)]
    if wanted:
        totals = [f - int(w) for f, w in zip(full, list(wanted)[-rank:], strict=True)]
        if min(totals) < 0:
            return None
        pads = [_halves(total, upper=auto == "SAME_UPPER") for total in totals]
    else:
        pads = _pads(call, spatial, reach, strides)
    return tuple(
        _window(call, f - p - q, n, k, s, d, p)
        for f, n, k, s, d, (p, q) in zip(
            full, spatial, kernel, strides, dilations, pads, strict=True
        )
    )


def pool_windows(call: Call, spatial: Sizes) -> list[tuple[Window, int]]:
    """Return the windows of a pooling, each with the padding behind.

    Parameters
    ----------
    call : Call
        The operation.
    spatial : sequence of int
        Sizes of what it reads.

    Returns
    -------
    list of (Window, int)
    """
    kernel = [int(n) for n in call.get("kernel_shape")]
    strides, dilations = (_sizes(call, key, len(kernel)) for key in ("strides", "dilations"))
    reach = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    windows = []
    for n, k, s, d, r, (p, q) in zip(
        spatial, kernel, strides, dilations, reach,
        _pads(call, spatial, reach, strides), strict=True,
    ):  # fmt: skip
        out = (n + p + q - r) // s + 1
        if call.get("ceil_mode", 0):
            out = -(-(n + p + q - r) // s) + 1
            # A last window that would start in the padding behind is dropped.
            out -= (out - 1) * s >= n + p
        windows.append((_window(call, n, out, k, s, d, p), q))
    return windows


def average_operators(call: Call, spatial: Sizes) -> list[AxisOperator]:
    """Return the operators of an average pooling.

    Parameters
    ----------
    call : Call
        The operation.
    spatial : sequence of int
        Sizes of what it reads.

    Returns
    -------
    list of AxisOperator
    """
    include = bool(call.get("count_include_pad", 0))
    return [
        AxisOperator.of_window(window, _divisor(window, behind, include))
        for window, behind in pool_windows(call, spatial)
    ]


def _divisor(window: Window, behind: int, include: bool) -> NDArray[np.float64]:
    """Return what an average divides by: its taps on nodes, or also those on the padding."""
    if include:
        first = np.arange(window.coarse) * window.stride - window.before
        taps = first + np.arange(window.kernel)[:, None] * window.dilation
        counts = np.asarray((taps < window.fine + behind).sum(axis=0))
    else:
        counts = window.coarse_cover.sum(axis=0)
    return np.asarray(np.maximum(counts, 1), dtype=np.float64)
