"""Periods: after how many steps signals repeat, by their spectrum and by their autocorrelation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cntgraph.activity.standardized import ROUNDING
from cntgraph.core.types import Array, Values

#: Fewer points in time show no period.
FEWEST = 4

#: The least autocorrelation at which a signal is said to repeat, and how near it has to be to the
#: largest of all.
_CLEAR, _NEAR = 0.5, 0.9

#: Numbers that are transformed at once.
_AT_ONCE = 1 << 20


def periods(signals: Array) -> Values:
    """Return the dominant period of signals, twice.

    Parameters
    ----------
    signals : ndarray, shape (n, n_parts, n_times)
        A signal of several parts has one period: their spectra and autocovariances are added up.

    Returns
    -------
    ndarray of float64, shape (n, 2)
        By the spectrum: n_times / k with k the frequency of most power, the mean taken away. By
        the autocorrelation: the first lag up to half of n_times that is a local maximum of 0.5 or
        more, and of 0.9 times the largest one. NaN of what is constant, and where nothing repeats.

    Examples
    --------
    >>> times = np.arange(60)
    >>> signals = np.array([np.sin(2 * np.pi * times / 12), times % 5, np.ones(60)])
    >>> periods(signals[:, None])
    array([[12., 12.],
           [ 5.,  5.],
           [nan, nan]])
    """
    found = np.full((len(signals), 2), np.nan)
    for rows in _runs(signals):
        part = signals[rows].astype(np.float64)
        varies = np.ptp(part, axis=2) > ROUNDING * np.abs(part).max(axis=2)
        part = (part - part.mean(axis=2, keepdims=True)) * varies[..., None]
        varies = varies.any(axis=1)
        found[rows, 0] = np.where(varies, _by_spectrum(part), np.nan)
        found[rows, 1] = np.where(varies, _by_autocorrelation(part), np.nan)
    return found


def _runs(signals: Array) -> Iterator[slice]:
    step = max(1, _AT_ONCE // max(signals[0].size, 1)) if len(signals) else 1
    return (slice(k, k + step) for k in range(0, len(signals), step))


def _by_spectrum(signals: Values) -> Values:
    n_times = signals.shape[2]
    power = (np.abs(np.fft.rfft(signals, axis=2)) ** 2).sum(axis=1)
    return np.asarray(n_times / (1 + power[:, 1:].argmax(axis=1)))


def _by_autocorrelation(signals: Values) -> Values:
    r = autocorrelation(signals)
    inner = r[:, 1:-1]
    peak = (inner > r[:, :-2]) & (inner >= r[:, 2:])
    height = np.where(peak, inner, -np.inf)
    highest = height.max(axis=1, initial=-np.inf, keepdims=True)
    clear: NDArray[np.bool_] = (height >= _CLEAR) & (height >= _NEAR * highest)
    return np.where(clear.any(axis=1), 1.0 + clear.argmax(axis=1), np.nan)


def autocorrelation(signals: Values) -> Values:
    """Return the correlation of signals with themselves some steps later.

    Parameters
    ----------
    signals : ndarray of float64, shape (n, n_parts, n_times)
        Of mean zero.

    Returns
    -------
    ndarray of float64, shape (n, n_times // 2 + 2)
        By lag, from 0 on: Σ xₜ xₜ₊ₗ, divided by the root of Σ xₜ² Σ xₜ₊ₗ² over the same t, so that
        it is 1 where a signal repeats exactly; zero where there is nothing.
    """
    n_times = signals.shape[2]
    lags = np.arange(n_times // 2 + 2)
    size = 1 << (2 * n_times - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(signals, size, axis=2)) ** 2
    products = np.fft.irfft(spectrum.sum(axis=1), size)[:, lags]
    upto = np.cumsum((signals**2).sum(axis=1), axis=1)
    upto = np.pad(upto, ((0, 0), (1, 0)))
    before, after = upto[:, n_times - lags], upto[:, -1:] - upto[:, lags]
    scale = np.sqrt(before * np.maximum(after, 0.0))
    # Nothing but rounding is left where one of the two is next to nothing.
    some = scale > 1e-12 * upto[:, -1:]
    return np.asarray(np.where(some, products / np.where(some, scale, 1.0), 0.0))
