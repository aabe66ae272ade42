"""module_graph: by how much the parts of a model change each other's output, as a `Graph`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from cntgraph.activity.classes import Classes
from cntgraph.activity.inputs import InputBatch, input_batches
from cntgraph.adapters import registry
from cntgraph.core.errors import CntGraphError
from cntgraph.core.names import matching
from cntgraph.core.progress import progress
from cntgraph.core.types import Values
from cntgraph.graph.graph import Graph
from cntgraph.network.blocks.csr import csr_of, index_dtype
from cntgraph.network.layer import Layer
from cntgraph.network.node_table import node_table

Effect = Literal["ablation", "attribution"]


def module_graph(
    model: Any,
    inputs: Any,
    modules: str | Sequence[str],
    *,
    weight: Effect = "ablation",
    heads: Mapping[str, int] | None = None,
    by: Any = None,
    n_samples: int | None = None,
    batch_size: int = 64,
    show_progress: bool = True,
) -> Graph | dict[Any, Graph]:
    """Return the graph of a model's modules, weighted by their effect on later ones.

    Heavy from i to j where j's output changes much when i's is taken away; next to nothing where j
    does not need it.

    Parameters
    ----------
    model : torch.nn.Module
        A live model of PyTorch; it is left as it was.
    inputs : array, tuple of arrays, iterable of batches, or callable
        As in `neuron_strength`.
    modules : str or sequence of str
        Names or patterns (``"layers.*.mlp"``) of the modules that are nodes.
    weight : {"ablation", "attribution"}, default "ablation"
        What the weight of an edge from i to j is: ``"ablation"``, by how much the output of j
        changes where that of i is zero; ``"attribution"``, the same to first order, by the
        derivative of j's output along i's.
    heads : mapping of str to int, optional
        Names or patterns of modules that are several nodes, and their number: equal parts of what
        the module reads, along its last axis. ``{"layers.*.attention.out_proj": 12}`` makes
        the heads of an attention nodes, which its output projection reads side by side.
    by : array-like of shape (n_samples,) or "labels", optional
        The class of each sample, or ``"labels"``: those of batches that are pairs of inputs and
        labels. One graph per class is returned, of the effects on its samples.
    n_samples, batch_size, show_progress
        As in `record`.

    Returns
    -------
    Graph, or dict of Graph by class
        One layer per module, in the order in which they run; one edge from each to each later one
        (heads of one module run side by side), of weight 0 where it has no effect. The node table
        has the column ``size``, the mean norm of a node's output.

    Raises
    ------
    CntGraphError
        If no module has such a name, or `model` is of another framework.
    TraceError
        If a module runs several times or yields no tensor, or PyTorch lacks a derivative.
    InputShapeError
        If the samples of a module's output are along neither its first nor its second axis.

    Notes
    -----
    With f_j(x) the output of j for sample x, and f_j(x; i = 0) what it is where i's is zero,

        w_ij = Σ_x ‖f_j(x) − f_j(x; i = 0)‖ / Σ_x ‖f_j(x)‖,

    the effect by way of everything between both. For attribution, the difference is
    ∂f_j/∂f_i · f_i(x). A batch takes one run per node and one more, however many classes there
    are. Of a recorded training, `Trajectory.module_graphs` has the graph at each snapshot.

    References
    ----------
    .. [1] Rocchetti, "Modeling Transformers as complex networks to analyze learning dynamics",
       arXiv:2509.15269. The norms that make an effect a number are a choice of ours.

    Examples
    --------
    >>> import torch, cntgraph as cg
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    >>> cg.module_graph(model, torch.ones(5, 3), "*")
    <Graph: 3 layers, 3 nodes, 3 edges>
    """
    if weight not in get_args(Effect):
        raise CntGraphError(f"expected weight 'ablation' or 'attribution', got {weight!r}")
    make = getattr(registry.adapter_of(model), "module_effects", None)
    if make is None:
        raise CntGraphError("module_graph takes a live model of PyTorch, whose modules have names")
    effects, classes = make(model, _chosen(model, modules, heads or {})), Classes(by)
    measure = effects.ablated if weight == "ablation" else effects.attributed
    sums: dict[Any, _Sums] = {}
    batches = input_batches(
        inputs, labels=classes.given, n_samples=n_samples, batch_size=batch_size
    )
    for batch in progress(batches, weight, show=show_progress):
        labels, of_class = _of_class(classes, batch)
        for label, *own in zip(labels, of_class.sum(axis=1), *measure(batch.arrays, of_class),
                               strict=True):  # fmt: skip
            sums[label] = sums[label].plus(*own) if label in sums else _Sums(*own)
    return classes.result({label: _graph(effects.parts, own) for label, own in sums.items()})


class _Sums(NamedTuple):
    """What is added up over the samples of a class."""

    n_samples: float
    sizes: Values
    changes: Values

    def plus(self, n_samples: float, sizes: Values, changes: Values) -> _Sums:
        return _Sums(self.n_samples + n_samples, self.sizes + sizes, self.changes + changes)


def _of_class(classes: Classes, batch: InputBatch) -> tuple[list[Any], Values]:
    """Return the classes of a batch, and a one where a sample is of a class."""
    found = classes.of(batch)
    of_class = np.zeros((len(found), len(batch)))
    for row, chosen in zip(of_class, found.values(), strict=True):
        row[chosen] = 1.0
    return [*found], of_class


def _chosen(model: Any, modules: str | Sequence[str], heads: Mapping[str, int]) -> dict[str, int]:
    """Return in how many parts each module is taken, by name."""
    names = [name for name, _ in model.named_modules() if name]
    patterns = [modules] if isinstance(modules, str) else [*modules]
    found: dict[str, int] = {}
    for pattern, number in [*((pattern, 1) for pattern in patterns), *heads.items()]:
        own = matching([pattern], names, "module")
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise CntGraphError(f"expected a number of heads of {pattern!r}, got {number!r}")
        found |= dict.fromkeys(own, number)
    return found


def _graph(parts: Sequence[Any], sums: _Sums) -> Graph:
    from scipy.sparse import coo_array

    layers: list[Layer] = []
    for part in parts:
        if part.index == 0:
            start = layers[-1].slice.stop if layers else 0
            layers.append(Layer(part.module, (part.number,), "module", start))
    n, sizes = len(parts), sums.sizes
    later = np.array([[a.module != b.module for b in parts] for a in parts]) & np.triu(
        np.ones((n, n), bool), 1
    )
    rows, columns = np.nonzero(later)
    weights = np.divide(sums.changes, sizes, out=np.zeros((n, n)), where=sizes > 0)[rows, columns]
    matrix = coo_array((weights, (rows, columns)), shape=(n, n)).tocsr()
    matrix.sort_indices()
    table = node_table(layers, np.zeros(n))
    table["size"] = sizes / sums.n_samples
    return Graph(
        adjacency=csr_of(matrix.data, matrix.indices.astype(index_dtype(n)), matrix.indptr, (n, n)),
        edge_block=np.zeros(matrix.nnz, dtype=np.uint8),
        layers=tuple(layers),
        block_names=("effect",),
        parametric=np.ones(1, dtype=bool),
        bias=np.zeros(n),
        parametric_bias=np.zeros(n),
        table=table,
    )
