"""Weight spectra: norms, tails and noise of the singular values of every weight matrix."""

from __future__ import annotations

from math import nan, sqrt
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from cntgraph.core.errors import CntGraphError
from cntgraph.core.progress import progress
from cntgraph.graph.signs import check_weights
from cntgraph.measures.spectra.noise import Noise
from cntgraph.measures.spectra.power_law import fit_power_law, hill_exponent
from cntgraph.measures.spectra.weight_matrix import Per, WeightMatrix, weight_matrices
from cntgraph.measures.stored_weights import check_stored_weights
from cntgraph.network.network import Network

if TYPE_CHECKING:
    import pandas as pd


def weight_spectra(
    net: Network,
    *,
    per: Per = "kernel",
    hill_share: float = 0.5,
    rng: int | np.random.Generator = 0,
    show_progress: bool = False,
) -> pd.DataFrame:
    """Return norms, tails and noise of the spectrum of every weight matrix.

    Parameters
    ----------
    net : Network
        What is measured.
    per : {"kernel", "tap"}, default "kernel"
        What of a convolution is a matrix: its whole kernel, of shape (outputs, inputs × taps), or
        each position in it, of shape (outputs, inputs), the spectra of all taken together. A
        transposed one has inputs for outputs, as it is stored.
    hill_share : float, default 0.5
        Which part of the eigenvalues is the tail of `hill_alpha`.
    rng : int or numpy.random.Generator, default 0
        What shuffles the weights for `n_traps`, or its seed.
    show_progress : bool, default False
        Whether to show a bar, one step per block.

    Returns
    -------
    pandas.DataFrame
        One row per learned dense or convolutional block, indexed by its name:

        ``n_rows``, ``n_columns``, ``n_matrices``
            The matrices.
        ``spectral_norm``, ``frobenius_norm``, ``stable_rank``
            The largest singular value, the root of the sum of their squares λ, and Σ λ / max λ.
        ``alpha``, ``xmin``, ``ks_distance``, ``n_tail``
            The density of λ as λ^-alpha from xmin on (see `fit_power_law`): how far from it the
            tail is, and how many eigenvalues it has.
        ``hill_alpha``
            The exponent of the density by Hill's estimate (see `hill_exponent`).
        ``noise_std``, ``edge``, ``n_spikes``
            The bulk of the spectrum as that of independent entries (see `Noise.of`): their
            deviation, where its λ end, and how many are beyond, by more than chance.
        ``n_traps``
            How many spikes the same weights have when they are shuffled.

        NaN where a matrix has no such number: exponents of weights that are all zero.

    Raises
    ------
    CntGraphError
        If an option is not one of those above.
    UndefinedMeasureError
        If it is not a network that is measured.
    NonFiniteWeightError
        If a weight is NaN or infinite.
    GraphSizeError
        If a matrix does not fit into memory.

    Notes
    -----
    The matrices are those of stored weights: the spectrum of a convolution as an operator is
    another one (see `singular_values`). Weights of mean μ have an eigenvalue of about μ² MN in
    an M × N matrix, which shuffling keeps: beyond the edge it is a trap; other traps are single
    weights that are far larger than the others. Each matrix is decomposed twice, in O(M² N) for
    M ≤ N; what is below the rounding of the largest λ is zero.

    References
    ----------
    .. [1] Martin, Mahoney, "Implicit self-regularization in deep neural networks: evidence from
       random matrix theory and implications for learning", JMLR 22 (2021), arXiv:1810.01075.
    .. [2] Martin, Peng, Mahoney, "Predicting trends in the quality of state-of-the-art neural
       networks without access to training or testing data", Nature Communications 12 (2021),
       arXiv:2002.06716, for alpha.
    .. [3] Rudelson, Vershynin, "Sampling from large matrices: an approach through geometric
       functional analysis", Journal of the ACM 54 (2007), for the stable rank.

    Examples
    --------
    >>> import cntgraph as cg
    >>> table = cg.weight_spectra(cg.toy("cnn"))
    >>> table[["n_rows", "n_columns", "spectral_norm", "stable_rank"]].round(3)
           n_rows  n_columns  spectral_norm  stable_rank
    block
    conv1       2          9          1.618        1.327
    fc          3         18          2.705        1.705
    """
    import pandas as pd

    check_stored_weights(net, "weight_spectra")
    if per not in get_args(Per) or not 0 < hill_share <= 1:
        raise CntGraphError(
            "expected per to be 'kernel' or 'tap' and hill_share greater than 0 and at most 1; got "
            f"{per!r} and {hill_share!r}"
        )
    check_weights(net, edges="parametric", noun="a spectrum")
    random = np.random.default_rng(rng)
    matrices = progress(weight_matrices(net, per), "spectra", show=show_progress)
    rows = [_row(matrix, hill_share, random) for matrix in matrices]
    return pd.DataFrame(rows, columns=list(_COLUMNS)).set_index("block")


_COLUMNS = (
    "block", "n_rows", "n_columns", "n_matrices", "spectral_norm", "frobenius_norm", "stable_rank",
    "alpha", "xmin", "ks_distance", "n_tail", "hill_alpha", "noise_std", "edge", "n_spikes",
    "n_traps",
)  # fmt: skip


def _row(matrix: WeightMatrix, hill_share: float, rng: np.random.Generator) -> tuple[Any, ...]:
    """Return the columns of one block."""
    found, n_matrices = matrix.eigenvalues(), len(matrix.values)
    total, largest = float(found.sum()), float(found.max(initial=0.0))
    norms = sqrt(largest), sqrt(total), total / largest if largest else nan
    tail = fit_power_law(found[found > 0.0])
    hill = hill_exponent(found[found > 0.0], hill_share)
    noise = Noise.of(found, matrix.shape, n_matrices)
    shuffled = Noise.of(matrix.shuffled(rng).eigenvalues(), matrix.shape, n_matrices)
    own = (sqrt(noise.variance), noise.edge, noise.n_spikes, shuffled.n_spikes)
    return (matrix.name, *matrix.shape, n_matrices, *norms, *tail, hill, *own)
