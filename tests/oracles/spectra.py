"""Power laws and noise of spectra by plain loops."""

import math


def power_law(values):
    """(alpha, minimum, distance, n) of the minimum whose tail is nearest to its law."""
    best = None
    for minimum in sorted(set(values))[:-1]:
        tail = sorted(x for x in values if x >= minimum)
        n = len(tail)
        alpha = 1 + n / sum(math.log(x / minimum) for x in tail)
        gaps = [abs(1 - (x / minimum) ** (1 - alpha) - i / n) for i, x in enumerate(tail)]
        if best is None or max(gaps) < best[2]:
            best = (alpha, minimum, max(gaps), n)
    return best


def hill(values, share):
    """1 + k / Σ ln(xᵢ / x₍ₖ₊₁₎), k the given share of the values."""
    ordered = sorted(values, reverse=True)
    k = min(max(int(share * len(ordered)), 1), len(ordered) - 1)
    return 1 + k / sum(math.log(x / ordered[k]) for x in ordered[:k])


def noise(eigenvalues, rows, columns, n_matrices=1):
    """(variance, edge, n_spikes): spikes are taken out until no more is beyond."""
    long, short = max(rows, columns), min(rows, columns)
    center = (math.sqrt(long - 1) + math.sqrt(short)) ** 2
    width = math.sqrt(center) * (1 / math.sqrt(long - 1) + 1 / math.sqrt(short)) ** (1 / 3)
    spikes = 0
    while True:
        bulk = sorted(eigenvalues)[: len(eigenvalues) - spikes]
        each = spikes / n_matrices
        variance = sum(bulk) / (n_matrices * (long - each) * (short - each))
        beyond = sum(x > variance * (center + 2.0234 * width) for x in eigenvalues)
        if beyond <= spikes or beyond == len(eigenvalues):
            return variance, variance * (math.sqrt(long) + math.sqrt(short)) ** 2, spikes
        spikes = beyond
