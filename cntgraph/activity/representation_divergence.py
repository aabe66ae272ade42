"""Representation divergence: in how far two representations of the same samples differ in shape."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from cntgraph.core.errors import CntGraphError, UndefinedMeasureError, require
from cntgraph.core.memory import check_memory
from cntgraph.core.progress import progress
from cntgraph.core.types import Array, Ids, Values

if TYPE_CHECKING:
    import pandas as pd

#: The quantile of all distances that is 1 after they are normalized.
_UNIT = 0.9

#: Fewer points have no shape that could differ once distances are normalized.
_FEWEST = 3


def representation_divergence(
    a: ArrayLike,
    b: ArrayLike,
    *,
    n_points: int = 500,
    n_resamples: int = 10,
    rng: int | np.random.Generator = 0,
    show_progress: bool = True,
) -> pd.DataFrame:
    """Return the Representation Topology Divergence between two representations.

    About 0 where both arrange the samples alike, and the larger the more structure one has that the
    other has not, at whatever scale.

    Parameters
    ----------
    a, b : array-like, shapes (n_samples, …)
        What two layers, two networks or one network at two moments make of the same samples, which
        are the rows of both. The number of features may differ; further axes count as features.
    n_points : int, default 500
        How many samples a draw takes, without replacement.
    n_resamples : int, default 10
        How many draws. Where a draw takes all samples, one is enough, and one is made.
    rng : int or numpy.random.Generator, default 0
        Which samples are drawn.
    show_progress : bool, default True
        Whether to show a bar, one step per draw.

    Returns
    -------
    DataFrame
        Rows ``"components"`` (dimension 0: clusters that merge earlier in one representation),
        ``"loops"`` (dimension 1) and ``"all"``, their sum: the divergence RTD of the paper.
        Columns ``dimension``; ``value``, the mean over the draws of the two directions' mean;
        ``std``, the standard deviation over the draws (ddof 1; NaN of a single one); and the
        means of each direction, ``a_to_b`` and ``b_to_a``. ``attrs`` has ``n_points`` and
        ``n_resamples`` as they were.

    Raises
    ------
    CntGraphError
        If the representations have different numbers of samples, too few, or other than finite
        numbers.
    UndefinedMeasureError
        If one of them is constant, or so over nearly all samples of a draw.
    MissingExtraError
        If gudhi is not installed (``pip install 'cntgraph[topology]'``).

    Notes
    -----
    Euclidean distances r of `a` and s of `b` are each divided by their 0.9 quantile (over all
    pairs both ways and the zeros of the diagonal, as the paper's code does), so neither rotations
    nor scale count. The graph of the doubled set of points has the distances

        ( 0      r     )
        ( r  min(r, s) )

    Its barcode in dimension 1, the R-Cross-Barcode, has a bar for whatever has taken shape at some
    scale in ``min(r, s)`` and not yet in r: that of the mapping cone of the Vietoris–Rips complex
    of r within that of ``min(r, s)``. The lengths of its bars sum to RTD(a, b), and RTD is the mean
    of RTD(a, b) and RTD(b, a). In dimension 0 the barcode is always empty, so the paper's number
    is the one of dimension 1; it counts components as well as loops. As the sum of lengths is an
    integral of Betti numbers over the scale, and these add up along the exact sequence of the cone,
    it is split here without rest: the part of components is the difference between the lengths of
    the minimum spanning trees of r and of ``min(r, s)``; the part of loops is what is left.

    The value grows with the number of points: only those of equal `n_points` compare. A draw of 500
    points takes about three seconds.

    References
    ----------
    .. [1] Barannikov, Trofimov, Balabin, Burnaev, "Representation Topology Divergence: A Method
       for Comparing Neural Network Representations", ICML 2022, arXiv:2201.00058.

    Examples
    --------
    >>> import numpy as np
    >>> import cntgraph as cg
    >>> random = np.random.default_rng(0)
    >>> points = random.normal(size=(40, 5))
    >>> noise = random.normal(size=(40, 5))
    >>> cg.representation_divergence(points, points + 0.1 * noise)[["dimension", "value"]].round(2)
                dimension  value
    features
    components          0   0.59
    loops               1   0.13
    all                 1   0.72
    """
    a, b = _representation(a, "a"), _representation(b, "b")
    if len(a) != len(b):
        raise CntGraphError(
            f"expected the same samples in the rows of both; a has {len(a):,}, b has {len(b):,}"
        )
    _check_counts(len(a), n_points, n_resamples)
    _check_varies(a, "a")
    _check_varies(b, "b")
    n_points = min(n_points, len(a))
    check_memory(8 * 4 * (2 * n_points) ** 2, f"the distances of {n_points:,} points")
    draws = _draws(len(a), n_points, n_resamples, np.random.default_rng(rng))
    bar = progress(draws, "representation divergence", show=show_progress)
    return _table(np.array([_both_ways(a[rows], b[rows]) for rows in bar]), n_points)


def _representation(values: ArrayLike, name: str) -> Array:
    found = np.asarray(values)
    if found.dtype.kind not in "fiub" or found.ndim < 2:
        raise CntGraphError(
            f"expected real numbers of shape (n_samples, n_features) for {name}; "
            f"got {found.dtype} of shape {found.shape}"
        )
    found = found.reshape(len(found), prod(found.shape[1:]))
    if not np.isfinite(found).all():
        raise CntGraphError(f"expected finite numbers; {name} has NaN or infinity in it")
    return found


def _check_varies(values: Array, name: str) -> None:
    if (values == values[0]).all():
        raise UndefinedMeasureError(
            f"{name} is the same for all samples: it has no shape to compare; choose another layer"
        )


def _check_counts(n_samples: int, n_points: int, n_resamples: int) -> None:
    if min(n_samples, n_points) < _FEWEST:
        raise CntGraphError(
            f"expected {_FEWEST} samples or more, and n_points not to be less; "
            f"got {n_samples} samples and n_points={n_points}"
        )
    if n_resamples < 1:
        raise CntGraphError(f"expected n_resamples of 1 or more; got {n_resamples}")


def _draws(
    n_samples: int, n_points: int, n_resamples: int, random: np.random.Generator
) -> list[Ids]:
    """Return the rows of every draw, in ascending order."""
    if n_points == n_samples:
        return [np.arange(n_samples)]
    return [np.sort(random.choice(n_samples, n_points, replace=False)) for _ in range(n_resamples)]


def _both_ways(a: Array, b: Array) -> tuple[Values, Values]:
    """Return (components, loops) from a to b, and from b to a."""
    r, s = _distances(a, "a"), _distances(b, "b")
    return _one_way(r, s), _one_way(s, r)


def _distances(points: Array, name: str) -> Values:
    """Return the distances between points, in the condensed form of SciPy, their 0.9 quantile 1."""
    from scipy.spatial.distance import pdist

    found = pdist(points.astype(np.float64))
    unit = np.quantile(np.concatenate([found, found, np.zeros(len(points))]), _UNIT)
    if not 0 < unit < np.inf:
        reason = "no distance" if unit == 0 else "a distance beyond all numbers"
        raise UndefinedMeasureError(
            f"{name} has {reason} between most of its samples, which is the unit of all distances; "
            "choose another layer or scale"
        )
    return np.asarray(found / unit)


def _one_way(r: Values, s: Values) -> Values:
    union = np.minimum(r, s)
    components = _tree_length(r) - _tree_length(union)
    # What rounding leaves of two equal trees is no part of anything.
    components = max(components, 0.0)
    return np.array([components, max(_barcode_length(r, union) - components, 0.0)])


def _tree_length(distances: Values) -> float:
    """Return the length of the minimum spanning tree."""
    from scipy.cluster.hierarchy import single

    return float(single(distances)[:, 2].sum())


def _barcode_length(r: Values, union: Values) -> float:
    """Return the summed lengths of the bars of the R-Cross-Barcode."""
    from scipy.spatial.distance import squareform

    rips = require(
        "gudhi.sklearn.rips_persistence", "topology", needed_for="a barcode"
    ).RipsPersistence(1, input_type="full distance matrix", homology_coeff_field=2)
    old = squareform(r)
    doubled = np.block([[np.zeros_like(old), old], [old, squareform(union)]])
    bars = rips.fit_transform([doubled])[0]
    return float((bars[:, 1] - bars[:, 0]).sum())


def _table(parts: Values, n_points: int) -> pd.DataFrame:
    """Return the table of parts of shape (n_resamples, directions, components and loops)."""
    import pandas as pd

    parts = np.concatenate([parts, parts.sum(axis=2, keepdims=True)], axis=2)
    means, n_resamples = parts.mean(axis=1), len(parts)
    spread = means.std(axis=0, ddof=1) if n_resamples > 1 else np.full(3, np.nan)
    columns = {
        "dimension": [0, 1, 1],
        "value": means.mean(axis=0),
        "std": spread,
        "a_to_b": parts[:, 0].mean(axis=0),
        "b_to_a": parts[:, 1].mean(axis=0),
    }
    names = pd.Index(["components", "loops", "all"], name="features", dtype=object)
    table = pd.DataFrame(columns, index=names)
    table.attrs.update(n_points=n_points, n_resamples=n_resamples)
    return table
