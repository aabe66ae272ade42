"""How often the interval of an AUC holds the truth, beside the percentile bootstrap's.

    python -m benchmarks --only auc_interval

Data sets are drawn from distributions whose AUC is known, many for each number of networks; an
interval of 95 % should hold it in 95 % of them. What counts most is what is far below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.timing import markdown
from cntgraph.training.statistics.auc_interval import auc_interval

Draw = Callable[[np.random.Generator, float, int, int], tuple[NDArray, NDArray]]
Ends = tuple[NDArray, NDArray]

SIZES = [(5, 5), (10, 10), (20, 20), (10, 50), (50, 10), (100, 100)]
AREAS = (0.5, 0.8, 0.95, 0.99)
N_SETS, N_FEW, N_DRAWS = 2000, 300, 300


def normal(spread: float) -> Draw:
    """Normal in both groups, the better one `spread` times as wide as the other."""

    def draw(rng: np.random.Generator, area: float, n: int, m: int) -> tuple[NDArray, NDArray]:
        shift = np.sqrt(1 + spread**2) * norm.ppf(area)
        return rng.normal(shift, spread, (N_SETS, n)), rng.normal(size=(N_SETS, m))

    return draw


def exponential(rng: np.random.Generator, area: float, n: int, m: int) -> tuple[NDArray, NDArray]:
    """Exponential in both groups."""
    return rng.exponential(area / (1 - area), (N_SETS, n)), rng.exponential(size=(N_SETS, m))


def above_or_below(
    rng: np.random.Generator, area: float, n: int, m: int
) -> tuple[NDArray, NDArray]:
    """A network is above all of the other group or below: the widest spread of an AUC."""
    return np.where(rng.random((N_SETS, n)) < area, 2.0, -1.0), rng.random((N_SETS, m))


DISTRIBUTIONS: dict[str, Draw] = {
    "normal": normal(1.0), "normal, 3 times as wide": normal(3.0),
    "normal, a third as wide": normal(1 / 3), "exponential": exponential,
    "above all or below": above_or_below,
}  # fmt: skip


def score(high: NDArray, low: NDArray) -> Ends:
    """The interval of `separation`."""
    group = np.arange(high.shape[1] + low.shape[1]) < high.shape[1]
    return auc_interval(np.hstack([high, low]), group, 0.95)


def bootstrap(high: NDArray, low: NDArray) -> Ends:
    """The percentile interval, each group drawn again `N_DRAWS` times; of some of the data sets."""
    rng, high, low = np.random.default_rng(1), high[:N_FEW], low[:N_FEW]
    greater = high[:, :, None] > low[:, None, :]
    n, m = greater.shape[1:]
    drawn = []
    for _ in range(N_DRAWS):
        inside, outside = (rng.multinomial(k, np.full(k, 1 / k)) / k for k in (n, m))
        drawn.append((greater @ outside) @ inside)
    low_end, high_end = np.quantile(drawn, [0.025, 0.975], axis=0)
    return low_end, high_end


def held(interval: Callable[[NDArray, NDArray], Ends]) -> list[list[str]]:
    """Return rows of a table: in which percentage of the data sets an interval holds the AUC."""
    rows = []
    for name, draw in DISTRIBUTIONS.items():
        for area in AREAS:
            row = [name, f"{area:g}"]
            for n, m in SIZES:
                low, high = interval(*draw(np.random.default_rng(0), area, n, m))
                row.append(f"{100 * ((low <= area) & (area <= high)).mean():.1f}")
            rows.append(row)
    return rows


TITLE = "The interval of an AUC"


def tables(size: str) -> Iterator[str]:
    """Yield both tables."""
    said = "\nIn how many of {:,} data sets (per cent) an interval of 95 % holds the AUC.\n"
    header = ["distribution", "AUC", *(f"{n} + {m}" for n, m in SIZES)]
    yield markdown("`auc_interval`", header, held(score)) + said.format(N_SETS)
    yield markdown("Percentile bootstrap", header, held(bootstrap)) + said.format(N_FEW)
