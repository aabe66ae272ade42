"""compare: what changed between two networks, in one table."""

from __future__ import annotations

from math import nan, prod
from typing import TYPE_CHECKING, Any, NamedTuple

from cntgraph.core.errors import CntGraphError
from cntgraph.core.progress import progress
from cntgraph.loading import load
from cntgraph.network.network import Network
from cntgraph.training.change.block_pairs import BlockPair, pair_blocks
from cntgraph.training.change.effective_rank import MAX_RANK_SIDE, gram_of
from cntgraph.training.change.strength_change import StrengthChange, Strengths
from cntgraph.training.change.weight_change import WeightChange, change_of

if TYPE_CHECKING:
    import pandas as pd

    from cntgraph.network.blocks.base import Block


def compare(
    a: Any,
    b: Any,
    *,
    max_rank_side: int = MAX_RANK_SIDE,
    n_nodes: int = 3,
    show_progress: bool = True,
    **options: Any,
) -> pd.DataFrame:
    """Return what changed between two networks, one row per learned block.

    ``compare(a, b)["change"].idxmax()`` is the block that changed most.

    Parameters
    ----------
    a, b : Network, or whatever `load` reads
        Before and after: networks, snapshots, live models, files. Weights are read a few
        megabytes at a time.
    max_rank_side : int, default 1024
        Up to how many rows or columns, whichever are fewer, a matrix has its effective rank
        computed; 0 for none. Time grows with the cube of it.
    n_nodes : int, default 3
        How many nodes that changed most are named.
    show_progress : bool, default True
        Whether to show a progress bar on a terminal.
    **options
        For `load`, of both: ``input_shape``, ``example_input``, ….

    Returns
    -------
    pandas.DataFrame
        Indexed by the name of the block in `a`, in the order of `a`:

        ``block_b``, ``matched``, ``status``
            The block of `b` that it is held against; whether by its ``"name"`` or, where `b` has
            none of that name, by ``"shape and order"``; and ``"ok"``, ``"shapes differ"``,
            ``"only in a"`` or ``"only in b"``. What `b` alone has comes last.
        ``layer``, ``kind``, ``shape``, ``n_weights``
            The layer that it leads to, the kind of block, and its weight's shape and size.
        ``change``
            ‖W_b - W_a‖ / ‖W_a‖, Frobenius norms of the weights as stored (norms folded in, if
            they were folded). 0 where nothing changed, infinite where all weights were zero.
        ``cosine``, ``sign_flips``
            The cosine of the angle between W_a and W_b; the share of weights that went from one
            side of zero to the other.
        ``effective_rank``
            Of W_b - W_a as a matrix of outputs × (inputs × taps): e to the entropy of its
            singular values as shares. 1 where all singular values but one are zero.
        ``strength_change``, ``fluctuation_change``, ``divergence``
            Of the nodes of the layer: ‖s_b - s_a‖ / ‖s_a‖ of their strengths, σ_b / σ_a - 1 of
            its fluctuation, and how far the distributions of their strengths are from each other
            (see `cntgraph.divergence`, as it is by default).
        ``largest_nodes``
            The nodes, by their ids in `a`, whose strengths changed most, the most first.
        ``why``
            Why one of these is NaN.

    Raises
    ------
    CntGraphError
        If one of the two cannot be read, has no learned block, or a number is no count.

    Notes
    -----
    Every weight is read twice: for the strengths of all nodes of its network, which are held
    meanwhile, and along with its counterpart. Biases count in the strengths alone. The rank comes
    from the Gram matrix of the change, added up in the same pass, along whichever side is shorter;
    singular values below about a millionth of the largest are zero.

    References
    ----------
    .. [1] Roy, Vetterli, "The effective rank: a measure of effective dimensionality", 15th
       European Signal Processing Conference (EUSIPCO), 2007.

    Examples
    --------
    >>> import cntgraph as cg
    >>> with cg.open(cg.demo_file("training")) as trajectory:
    ...     table = cg.compare(trajectory[0], trajectory[-1])
    >>> table[["change", "cosine", "sign_flips", "effective_rank", "divergence"]].round(3)
           change  cosine  sign_flips  effective_rank  divergence
    block
    conv1   4.675   0.906       0.097           6.590       0.273
    conv2  10.981   0.585       0.276          14.598       0.432
    fc1     1.830   0.621       0.261          15.882       0.475
    fc2     1.765   0.811       0.181           8.871       0.407
    """
    import pandas as pd

    check_count("max_rank_side", max_rank_side)
    check_count("n_nodes", n_nodes)
    nets = _network(a, options), _network(b, options)
    strengths = Strengths(*nets, n_nodes)
    pairs = progress(pair_blocks(*nets), "compare", show=show_progress)
    rows = [_row(pair, nets, strengths, max_rank_side) for pair in pairs]
    return pd.DataFrame(rows, columns=list(_COLUMNS)).set_index("block")


_COLUMNS = (
    "block", "block_b", "matched", "status", "layer", "kind", "shape", "n_weights", "change",
    "cosine", "sign_flips", "effective_rank", "strength_change", "fluctuation_change",
    "divergence", "largest_nodes", "why",
)  # fmt: skip


def check_count(name: str, number: object) -> None:
    """Raise if what is called so is no number of things.

    Raises
    ------
    CntGraphError
    """
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise CntGraphError(f"expected {name} as a whole number from 0, got {number!r}")


def _network(source: Any, options: dict[str, Any]) -> Network:
    net = source if isinstance(source, Network) else load(source, **options)
    if not net.select_blocks("parametric"):
        raise CntGraphError(
            f"{net!r} has no learned block to compare; `describe` shows what it has"
        )
    return net


class WeightsChanged(NamedTuple):
    """How the weights of a block changed: sums, the rank of the change, and why one is NaN."""

    sums: WeightChange
    effective_rank: float
    why: str


def weights_changed(a: Block, b: Block, max_rank_side: int) -> WeightsChanged:
    """Return how the weights of two blocks of one shape differ.

    Parameters
    ----------
    a, b : Block
    max_rank_side : int
        As in `compare`.
    """
    assert a.weight is not None
    assert b.weight is not None
    gram = gram_of(a, b.weight, max_rank_side)
    if isinstance(gram, str):
        sums = change_of(a.weight, b.weight)
        return WeightsChanged(sums, nan, _joined(sums.why, gram))
    sums = change_of(a.weight, b.weight, gram=gram)
    none = "" if sums.between or sums.n_odd else "no rank: nothing changed"
    return WeightsChanged(sums, gram.effective_rank(), _joined(sums.why, none))


def _row(
    pair: BlockPair, nets: tuple[Network, Network], strengths: Strengths, max_rank_side: int
) -> dict[str, Any]:
    net, block = (nets[1], pair.b) if pair.a is None else (nets[0], pair.a)
    assert block is not None
    assert block.weight is not None
    about = {
        "block": block.name,
        "block_b": pair.b.name if pair.b else "",
        "matched": pair.matched,
        "status": pair.status,
        "layer": net.ends[block.name],
        "kind": block.kind,
        "shape": block.weight.shape,
        "n_weights": prod(block.weight.shape),
    }
    if pair.status != "ok" or pair.a is None or pair.b is None:
        return about | _NOT_COMPARED | {"why": _not_compared(pair)}
    nodes = strengths.change(*(n.ends[x.name] for n, x in zip(nets, (pair.a, pair.b), strict=True)))
    return about | _numbers(weights_changed(pair.a, pair.b, max_rank_side), nodes)


def _joined(*reasons: str) -> str:
    return "; ".join(filter(None, reasons))


def _numbers(weights: WeightsChanged, nodes: StrengthChange) -> dict[str, Any]:
    return {
        "change": weights.sums.relative,
        "cosine": weights.sums.cosine,
        "sign_flips": weights.sums.sign_flips,
        "effective_rank": weights.effective_rank,
        "strength_change": nodes.strength,
        "fluctuation_change": nodes.fluctuation,
        "divergence": nodes.divergence,
        "largest_nodes": nodes.largest,
        "why": _joined(weights.why, nodes.why),
    }


_NOT_COMPARED = _numbers(WeightsChanged(WeightChange(), nan, ""), StrengthChange())


def _not_compared(pair: BlockPair) -> str:
    shapes = [x.weight.shape for x in (pair.a, pair.b) if x is not None and x.weight is not None]
    if len(shapes) == 2:
        return f"weights of shapes {shapes[0]} and {shapes[1]}"
    return f"no block of this name or, among those left, of shape {shapes[0]} in the other network"
