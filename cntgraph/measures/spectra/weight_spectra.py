"""Weight spectra: norms, tails and noise of the singular values of every weight matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from cntgraph.core.arguments import takes
from cntgraph.core.errors import CntGraphError
from cntgraph.core.parameter import Parameter
from cntgraph.core.progress import progress
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.graph.signs import check_weights
from cntgraph.measures.spectra.noise import Noise
from cntgraph.measures.spectra.power_law import fit_power_law, hill_exponent
from cntgraph.measures.spectra.weight_matrix import Per, Reader, WeightMatrix, weight_matrices
from cntgraph.measures.stored_weights import check_stored_weights
from cntgraph.network.network import Network
from cntgraph.network.stack import Stack

if TYPE_CHECKING:
    import pandas as pd


@takes(Network, Graph)
def weight_spectra(
    net: Network,
    *,
    per: Per = "kernel",
    hill_share: float = 0.5,
    rng: int | np.random.Generator = 0,
    show_progress: bool = True,
) -> pd.DataFrame:
    """Return norms, tails and noise of the spectrum of every weight matrix.

    Whether a matrix is more than noise: independent weights have a spectrum with a sharp edge,
    trained ones eigenvalues beyond it (spikes) and a heavy tail, whose `alpha` is the smaller the
    heavier it is. A small stable rank says that few directions have most of the weight.

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
    show_progress : bool, default True
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
    check_stored_weights(net, "weight_spectra")
    check_weights(net, edges="parametric", noun="a spectrum")
    table = one_weight_spectra(
        net, per=per, hill_share=hill_share, rng=rng, show_progress=show_progress
    )
    return table.astype(dict.fromkeys(_COUNTS, np.int64)).reset_index("network", drop=True)


def one_weight_spectra(net: Network, **options: Any) -> pd.DataFrame:
    """Return what `each_weight_spectra` does, of one network."""
    return _spectra(net, lambda recipe: recipe.read()[None], **options)


def each_weight_spectra(
    stack: Stack,
    parameters: Mapping[str, Parameter],
    **options: Any,
) -> pd.DataFrame:
    """Return what `weight_spectra` does of each of many networks of one topology.

    Parameters
    ----------
    stack : Stack
        The topology.
    parameters : mapping of str to Parameter
        The values of each parameter in every network, shape (n, *shape of the parameter).
    **options
        As for `weight_spectra`. All networks are shuffled alike, as they are one by one with the
        same seed.

    Returns
    -------
    pandas.DataFrame
        One row per network and block, indexed by both. What is not of the shape is float64, and NaN
        where a weight of the block is not finite.

    Examples
    --------
    >>> import cntgraph as cg
    >>> net = cg.toy("mlp")
    >>> some = {name: Parameter.from_array(name, np.stack([p.raw(), 2 * p.raw()]))
    ...         for name, p in net.parameters.items()}
    >>> found = each_weight_spectra(Stack(net), some)["edge"].unstack("block")
    >>> (found.loc[1] / found.loc[0]).tolist()
    [4.0, 4.0, 4.0]
    """
    made = stack.reader(parameters)
    return _spectra(stack.net, lambda recipe: made(recipe).read(), **options)


def _spectra(
    net: Network,
    read: Reader,
    *,
    per: Per = "kernel",
    hill_share: float = 0.5,
    rng: int | np.random.Generator = 0,
    show_progress: bool = True,
) -> pd.DataFrame:
    """Return a row per network and block; of one network as of many."""
    import pandas as pd

    if per not in get_args(Per) or not 0 < hill_share <= 1:
        raise CntGraphError(
            "expected per to be 'kernel' or 'tap' and hill_share greater than 0 and at most 1; got "
            f"{per!r} and {hill_share!r}"
        )
    random = np.random.default_rng(rng)
    matrices = progress(weight_matrices(net, per, read), "spectra", show=show_progress)
    found = {matrix.name: _columns(matrix, hill_share, random) for matrix in matrices}
    tables = [pd.DataFrame(dict(zip(_COLUMNS, own, strict=True))) for own in found.values()]
    none = pd.DataFrame(columns=list(_COLUMNS), index=pd.RangeIndex(0))
    table = pd.concat(tables or [none], keys=[*found] or [""], names=["block", "network"])
    return table.swaplevel().sort_index(level="network", sort_remaining=False)


_COLUMNS = (
    "n_rows", "n_columns", "n_matrices", "spectral_norm", "frobenius_norm", "stable_rank",
    "alpha", "xmin", "ks_distance", "n_tail", "hill_alpha", "noise_std", "edge", "n_spikes",
    "n_traps",
)  # fmt: skip
_COUNTS = ("n_tail", "n_spikes", "n_traps")


def _columns(
    matrix: WeightMatrix, hill_share: float, rng: np.random.Generator
) -> list[int | Values]:
    """Return the columns of one block, of every network."""
    known = matrix.are_finite
    matrix, n_matrices = matrix.only(known), matrix.n_matrices
    found = matrix.eigenvalues()
    total, largest = found.sum(axis=1), found.max(axis=1, initial=0.0)
    rank = np.divide(total, largest, out=np.full(len(found), np.nan), where=largest > 0.0)
    tail, hill = fit_power_law(found), hill_exponent(found, hill_share)
    noise = Noise.of(found, matrix.shape, n_matrices)
    shuffled = Noise.of(matrix.shuffled(rng).eigenvalues(), matrix.shape, n_matrices)
    columns = (
        *(np.sqrt(largest), np.sqrt(total), rank, *tail, hill, np.sqrt(noise.variance)),
        *(noise.edge, noise.n_spikes, shuffled.n_spikes),
    )
    return [*matrix.shape, n_matrices, *(np.where(known, own, np.nan) for own in columns)]
