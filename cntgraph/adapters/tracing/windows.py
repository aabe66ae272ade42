"""Sliding: from the settings of a convolution or a pooling to windows, one an axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cntgraph.adapters.tracing.operations import NotFollowed
from cntgraph.core.types import Values
from cntgraph.network.blocks import AxisOperator, Window

Sizes = Sequence[int]
#: The padding before and behind an axis; less than nothing crops.
Pads = tuple[int, int]
Rule = Literal["valid", "same", "same_lower", "causal"]


def per_axis(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    """Return one integer per axis; a single one stands for all."""
    values = list(value) if isinstance(value, Sequence) else [value]
    return tuple(int(v) for v in (values * rank if len(values) == 1 else values))


def halves(total: int, *, lower: bool = False) -> Pads:
    """Split a padding in two; an odd one has one more behind, or in front with `lower`."""
    small = total // 2
    return (total - small, small) if lower else (small, total - small)


@dataclass(frozen=True)
class Sliding:
    """How windows slide over positions: settings with one number per axis.

    Parameters
    ----------
    kernel : sequence of int
        Number of taps.
    padding : {"valid", "same", "same_lower", "causal"} or sequence of (int, int)
        With ``"same"``, ⌈n / stride⌉ positions come out, and an odd padding has one more behind
        (in front for ``"same_lower"``); with ``"causal"``, no tap lies behind its position.
        Otherwise the padding before and behind each axis.
    ceil : bool, default False
        Whether a last window that reaches beyond the padding counts; one that would start in the
        padding behind does not.

    Examples
    --------
    >>> Sliding((3,), stride=2, padding="same").windows((5,))
    (Window(fine=5, coarse=3, kernel=3, stride=2, dilation=1, before=1),)
    """

    kernel: Sizes
    stride: int | Sizes = 1
    padding: Rule | Sequence[Pads] = "valid"
    dilation: int | Sizes = 1
    ceil: bool = False

    def windows(self, spatial: Sizes) -> tuple[Window, ...]:
        """Return the window of each axis of what is read.

        Parameters
        ----------
        spatial : sequence of int
            Sizes of these axes.

        Raises
        ------
        NotFollowed
            If a window does not fit.
        """
        axes = zip(spatial, self.kernel, *self._steps, self._reach, self.pads(spatial), strict=True)
        windows = []
        for n, k, s, d, reach, (before, behind) in axes:
            room = n + before + behind - reach
            coarse = room // s + 1
            if self.ceil:
                coarse = -(-room // s) + 1
                coarse -= (coarse - 1) * s >= n + before
            if coarse < 1 and n:
                raise NotFollowed(f"a window of {reach} positions does not fit on {n}")
            windows.append(Window(n, max(coarse, 0), k, s, d, before))
        return tuple(windows)

    def transposed(self, spatial: Sizes, extra: int | Sizes = 0) -> tuple[Window, ...]:
        """Return the windows of a transposed convolution, which reads the coarse side.

        Parameters
        ----------
        spatial : sequence of int
            Sizes of the axes of what is read.
        extra : int or sequence of int, default 0
            Positions that are made behind, besides those that the kernel reaches.

        Raises
        ------
        NotFollowed
            If nothing is left of what it makes.
        """
        extras = per_axis(extra, len(self.kernel))
        axes = zip(spatial, self.kernel, *self._steps, self._reach, extras, self.pads(spatial),
                   strict=True)  # fmt: skip
        windows = []
        for n, k, s, d, reach, more, (before, behind) in axes:
            fine = (n - 1) * s + reach + more - before - behind
            if fine < 1 and n:
                raise NotFollowed("nothing is left of what it makes")
            windows.append(Window(max(fine, 0), n, k, s, d, before))
        return tuple(windows)

    def averages(
        self, spatial: Sizes, *, count_padding: bool = False, divisor: float | None = None
    ) -> list[AxisOperator]:
        """Return an average over windows as one operator per axis.

        Parameters
        ----------
        spatial : sequence of int
            Sizes of the axes of what is read.
        count_padding : bool, default False
            Whether it also divides by the taps on the padding.
        divisor : float, optional
            What it divides by instead.
        """
        windows = self.windows(spatial)
        if divisor is None:
            divisors = self.counts(spatial, padding=count_padding)
        else:  # one division serves all axes: it is put on the first
            divisors = [np.full(w.coarse, 1.0 if k else divisor) for k, w in enumerate(windows)]
        return [AxisOperator.of_window(w, d) for w, d in zip(windows, divisors, strict=True)]

    def counts(self, spatial: Sizes, *, padding: bool = False) -> list[Values]:
        """Return how many taps of each window are on nodes; with `padding`, also those on it."""
        ends = zip(self.windows(spatial), self.pads(spatial), strict=True)
        return [_taps(w, -w.before, w.fine + behind) if padding else _taps(w, 0, w.fine)
                for w, (_, behind) in ends]  # fmt: skip

    def pads(self, spatial: Sizes) -> list[Pads]:
        """Return the padding before and behind each axis of what is read."""
        if not isinstance(self.padding, str):
            return [(before, behind) for before, behind in self.padding]
        if self.padding == "causal":
            return [(reach - 1, 0) for reach in self._reach]
        if self.padding == "valid":
            return [(0, 0)] * len(self.kernel)
        axes = zip(spatial, self._steps[0], self._reach, strict=True)
        totals = [max((-(-n // s) - 1) * s + reach - n, 0) for n, s, reach in axes]
        return [halves(total, lower=self.padding == "same_lower") for total in totals]

    @property
    def _steps(self) -> tuple[Sizes, Sizes]:
        rank = len(self.kernel)
        return per_axis(self.stride, rank), per_axis(self.dilation, rank)

    @property
    def _reach(self) -> list[int]:
        """How many positions a window reaches over."""
        return [d * (k - 1) + 1 for k, d in zip(self.kernel, self._steps[1], strict=True)]


def _taps(window: Window, start: int, stop: int) -> Values:
    """Return how many taps of each window lie on the positions from `start` to `stop`."""
    first = np.arange(window.coarse) * window.stride - window.before
    before, upto = (
        np.clip(-((first - end) // window.dilation), 0, window.kernel) for end in (start, stop)
    )
    return np.asarray(upto - before, dtype=np.float64)
