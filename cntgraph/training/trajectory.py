"""Trajectory: the snapshots of one network in order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, Self, overload

import numpy as np

from cntgraph.core.arguments import check_options, item
from cntgraph.core.errors import ArgumentError, CntGraphError
from cntgraph.core.progress import progress
from cntgraph.core.recipe.pruned import unpruned
from cntgraph.measures.analyze import analyze
from cntgraph.network.network import Network
from cntgraph.store.reader import StoreFile
from cntgraph.training.each_measures import check_each, snapshots_measured
from cntgraph.training.each_network import EachNetwork
from cntgraph.training.labeled_measures import labeled_measures
from cntgraph.training.labels import free_name
from cntgraph.training.stacked import analyze_snapshots
from cntgraph.training.statistics.pooled_values import labeled

if TYPE_CHECKING:
    import pandas as pd

    from cntgraph.activity.neuron_statistics import NeuronStatistics
    from cntgraph.training.change.over_time import Weights
    from cntgraph.training.statistics.distributions import Distribution
    from cntgraph.training.statistics.divergence import Kind
    from cntgraph.training.statistics.smoothing import Bandwidth


def open(path: str | PathLike[str]) -> Trajectory:
    """Open a cntgraph file as the list of its snapshots.

    Parameters
    ----------
    path : path-like
        A file written by `save` or by a `Recorder`.

    Returns
    -------
    Trajectory
        A sequence of `Network`, one per snapshot; weights are read when they are needed. It
        holds the file until it is closed, or until a ``with`` block ends.

    Raises
    ------
    FormatError
        If it is not a cntgraph file.
    StoreError
        If it is damaged or newer.

    Examples
    --------
    >>> import cntgraph as cg
    >>> with cg.open(cg.demo_file("training")) as trajectory:
    ...     print(len(trajectory), trajectory[-1].n_parameters)
    16 3706
    """
    if not isinstance(path, str | PathLike):
        raise ArgumentError(
            f"open: expected the path of a cntgraph file, got a {type(path).__name__}; "
            "cg.load reads models and files of others"
        )
    store = StoreFile(path)
    return Trajectory(store, range(len(store)))


class Trajectory(EachNetwork, Sequence[Network]):
    """The snapshots of one network: a list of networks that share their topology.

    Parameters are read when a measure needs them; of a file recorded with ``store="measures"``,
    which has none, tables, densities and divergences come from what was recorded instead. Close
    it, or use it in a ``with`` statement, to let go of the file early.

    Parameters
    ----------
    store : StoreFile
        The file.
    snapshots : sequence of int
        Which of its snapshots, in order.

    Examples
    --------
    >>> import cntgraph as cg
    >>> with cg.open(cg.demo_file("training")) as trajectory:
    ...     first, last = trajectory[0], trajectory[-1]
    ...     bool(last.labels["accuracy"] > first.labels["accuracy"])
    True
    """

    def __init__(self, store: StoreFile, snapshots: Sequence[int]) -> None:
        self._store, self._snapshots = store, snapshots

    def __len__(self) -> int:
        """Return the number of snapshots."""
        return len(self._snapshots)

    @overload
    def __getitem__(self, index: int) -> Network: ...
    @overload
    def __getitem__(self, index: slice) -> Trajectory: ...
    def __getitem__(self, index: int | slice) -> Network | Trajectory:
        """Return one snapshot as a network, or several as a trajectory."""
        if isinstance(index, slice):
            return Trajectory(self._store, self._snapshots[index])
        return self._store.network(item(self._snapshots, index, "snapshots"))

    def __iter__(self) -> Iterator[Network]:
        return (self[k] for k in range(len(self)))

    def __repr__(self) -> str:
        return f"<Trajectory: {len(self)} snapshots of {self._store.path.name}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; its networks can no longer read their parameters."""
        self._store.close()

    @property
    def labels(self) -> pd.DataFrame:
        """One row per snapshot: step, epoch and whatever labels were recorded."""
        import pandas as pd

        rows = [self._store.labels(k) for k in self._snapshots]
        index = pd.RangeIndex(len(rows), name="snapshot")
        table = pd.DataFrame(rows, index=index)
        first = [name for name in ("step", "epoch") if name in table.columns]
        return table[first + [name for name in table.columns if name not in first]]

    @property
    def topology(self) -> Network:
        """The network without weights: layers, blocks, coverage, for `describe` and the like.

        Edges that are pruned are counted: which they are is a snapshot's own.
        """
        net = self._store.topology
        blocks = (
            block
            if block.kept is None or block.weight is None
            else replace(block, weight=unpruned(block.weight))
            for block in net.blocks
        )
        return replace(net, blocks=tuple(blocks))

    @property
    def has_parameters(self) -> bool:
        """Whether parameters were recorded, or measures alone."""
        return self._store.has_parameters

    def analyze(self, *, show_progress: bool = True, **options: Any) -> pd.DataFrame:
        """Return `analyze` of every snapshot, one below the other.

        Parameters
        ----------
        show_progress : bool, default True
            Whether to show a progress bar on a terminal.
        **options
            As for `analyze`.

        Returns
        -------
        pandas.DataFrame
            One row per snapshot and layer: ``snapshot``, the labels, ``layer``, and the columns of
            `analyze`. A label that is called like one of them is called ``label_<name>``. Where
            data ran through the network (``Recorder(inputs=)``), there are columns of its neurons,
            too: ``neuron_strength_mean``, ``neuron_strength_fluctuation`` and the like.

        Raises
        ------
        StoreError
            If other measures are asked for than those that were recorded, and there are no
            parameters.

        Notes
        -----
        Measures that were recorded are not computed again.
        """
        import pandas as pd

        check_options("Trajectory.analyze", options, analyze, without=("columns",))
        labels = self.labels
        found = analyze_snapshots(self._store, self._snapshots, options, show_progress)
        if found is not None:
            return labeled(*found, labels, number="snapshot")
        tables = []
        for k in progress(range(len(self)), "analyze", show=show_progress):
            table = self._analyzed(k, options).reset_index()
            names = _free_names(labels.columns, table.columns)
            for position, (name, label) in enumerate(zip(names, labels.columns, strict=True)):
                table.insert(position, name, labels[label].iloc[k])
            table.insert(0, "snapshot", k)
            tables.append(table)
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def to_xarray(self, *, show_progress: bool = True, **options: Any) -> Any:
        """Return the measures of `analyze` as an array of xarray: snapshot, layer, measure.

        Parameters
        ----------
        show_progress : bool, default True
            As in `analyze`.
        **options
            Those of `cntgraph.analyze`.

        Returns
        -------
        xarray.DataArray of float64
            Of the dimensions ``snapshot``, ``layer`` and ``measure``; the labels of the snapshots
            (step, epoch, …) and the kinds of the layers are coordinates.
            ``array.to_dataset("measure")`` has a variable a measure.

        Raises
        ------
        MissingExtraError
            If xarray is not installed.

        Examples
        --------
        >>> import cntgraph as cg
        >>> with cg.open(cg.demo_file("training")) as trajectory:
        ...     found = trajectory.to_xarray()
        >>> found.dims, found.sel(measure="fluctuation").shape
        (('snapshot', 'layer', 'measure'), (16, 7))
        """
        table = self.analyze(show_progress=show_progress, **options)
        return labeled_measures(table, self.labels)

    def _analyzed(self, k: int, options: dict[str, Any]) -> pd.DataFrame:
        from cntgraph.training.neurons import recorded_columns

        measures, number = self._store.measures, self._snapshots[k]
        if measures is not None and _is_recorded(**options):
            table = measures.table(number, self._store.topology.layers)
        else:
            table = analyze(self[k], columns="all", show_progress=False, **options)
        columns = recorded_columns(self._store, number)
        return table if columns is None else table.join(columns)

    def _each(self, measure: str, show_progress: bool, options: dict[str, Any]) -> pd.DataFrame:
        check_each("Trajectory", measure, options)
        return snapshots_measured(self._store, self._snapshots, measure, options, show_progress)

    def table(self, *, show_progress: bool = True, **options: Any) -> pd.DataFrame:
        """Return every layer measure of every snapshot in long form, ready to be plotted.

        Parameters
        ----------
        show_progress, **options
            As in `analyze`.

        Returns
        -------
        pandas.DataFrame
            ``snapshot``, the labels, ``layer``, ``measure``, ``value``.
        """
        wide = self.analyze(show_progress=show_progress, **options)
        if wide.empty:
            return wide
        about = [*wide.columns[: list(wide.columns).index("layer") + 1]]
        measures = [c for c in wide.select_dtypes("number").columns if c not in about]
        long = wide.melt(about, measures, var_name="measure", value_name="value")
        return long.sort_values(["snapshot", "measure"], kind="stable", ignore_index=True)

    @property
    def neuron_measures(self) -> tuple[str, ...]:
        """The measures of neurons over data that were recorded, if any."""
        return () if self._store.neurons is None else self._store.neurons.measures

    def neuron_statistics(self, measure: str = "neuron_strength") -> list[NeuronStatistics]:
        """Return what was recorded of neurons over data, at every snapshot.

        Parameters
        ----------
        measure : {"neuron_strength", "neuron_activation"}, default "neuron_strength"

        Returns
        -------
        list of NeuronStatistics

        Raises
        ------
        CntGraphError
            If there is no such measure, or the file was recorded without ``inputs=``.
        """
        from cntgraph.training.neurons import recorded_statistics

        return [recorded_statistics(self._store, k, measure) for k in self._snapshots]

    def module_graphs(
        self,
        model: Any,
        inputs: Any,
        modules: str | Sequence[str],
        *,
        show_progress: bool = True,
        **options: Any,
    ) -> list[Any]:
        """Return the `module_graph` of a live model with the weights of each snapshot.

        Parameters
        ----------
        model : torch.nn.Module
            The model that was recorded, or one like it. Each snapshot is put into it while it is
            measured; its own weights, buffers and modes are put back, also where that fails.
        inputs : array, tuple of arrays, list of batches, or callable
            As in `module_graph`; they are read at every snapshot.
        modules : str or sequence of str
            As in `module_graph`.
        show_progress : bool, default True
            Whether to show a progress bar on a terminal.
        **options
            As in `module_graph`: ``weight``, ``heads``, ``by``, ….

        Returns
        -------
        list of Graph, or with ``by=`` of dict of Graph by class
            One per snapshot, with its labels; all have the same nodes and edges, so that
            `write_gexf` writes the list as a graph that changes with time.

        Raises
        ------
        ParameterError
            If the parameters of the model are not those that were recorded.
        StoreError
            If no parameters were recorded.
        CntGraphError
            If the inputs can be read once only; and as in `module_graph`.

        Examples
        --------
        >>> import tempfile, torch, cntgraph as cg
        >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with cg.Recorder(f"{folder}/run.h5", model, torch.ones(1, 3)) as record:
        ...         for epoch in range(2):
        ...             _ = record(epoch=epoch)
        ...     with cg.open(f"{folder}/run.h5") as trajectory:
        ...         graphs = trajectory.module_graphs(model, torch.ones(5, 3), "*")
        >>> graphs
        [<Graph: 2 layers, 2 nodes, 1 edges>, <Graph: 2 layers, 2 nodes, 1 edges>]
        """
        from cntgraph.training.module_graphs import module_graphs

        return module_graphs(self, model, inputs, modules, show_progress=show_progress, **options)

    def density(
        self,
        measure: str = "strength",
        layer: str | None = None,
        *,
        bandwidth: Bandwidth = "scott",
        n_points: int = 512,
    ) -> pd.DataFrame:
        """Return how a measure is distributed in a layer at each snapshot, on one grid.

        Parameters
        ----------
        measure : {"strength", "in_strength", "out_strength", "link_weights", "neuron_strength", \
"neuron_activation"}
            One value per node of the layer, or one value per stored weight that leads to it; of
            the last two, which were recorded with ``inputs=``, each neuron's mean over samples.
        layer : str, optional
            Name of the layer; by default all that have any values, each on its own grid.
        bandwidth : {"scott", "silverman"} or float, default "scott"
            Width of the Gaussian kernels that smooth it (see `kernel_density`).
        n_points : int, default 512
            Points of the grid.

        Returns
        -------
        pandas.DataFrame
            ``snapshot``, the labels, ``layer``, ``measure``, ``x``, ``density`` (in 1/unit of x;
            zero everywhere where no value is finite).

        Raises
        ------
        CntGraphError
            If there is no such measure, layer or option.

        Notes
        -----
        Without parameters, each value that was recorded lies in the middle of its bin, under a
        kernel of at least half a bin.

        Examples
        --------
        >>> import cntgraph as cg
        >>> with cg.open(cg.demo_file("training")) as trajectory:
        ...     table = trajectory[::5].density("strength", "fc1", n_points=100)
        >>> table.columns.tolist()[-4:], len(table) // 100
        (['layer', 'measure', 'x', 'density'], 4)
        """
        import pandas as pd

        from cntgraph.training.statistics.distributions import density_curves

        found = [self._distributions(k, measure, layer) for k in range(len(self))]
        about = self._about(["layer", "measure", "x", "density"])
        tables = []
        for name in found[0] if found else ():
            grid, curves = density_curves([own[name] for own in found], bandwidth, n_points)
            for k, curve in enumerate(curves):
                own = {"layer": name, "measure": measure, "x": grid, "density": curve}
                tables.append(pd.DataFrame({**about[k], **own}))
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def divergence(
        self,
        measure: str = "strength",
        layer: str | None = None,
        *,
        kind: Kind = "jensen_shannon",
        reference: int | Literal["previous"] = 0,
        **options: Any,
    ) -> pd.DataFrame:
        """Return how far a measure's distributions are from each other.

        Parameters
        ----------
        measure : str, default "strength"
            As in `density`.
        layer : str, optional
            One layer: between its snapshots. By default all that have any values: from their
            reference.
        kind, **options
            As in `cntgraph.divergence`: ``on``, ``bandwidth``, ``n_points``, ``base``.
        reference : int or "previous", default 0
            The snapshot from which all others are measured, or the one before each.

        Returns
        -------
        pandas.DataFrame
            With `layer`, snapshot × snapshot: of the row's from the column's. Else one row per
            snapshot and one column per layer; of the first from its previous one, NaN.

        Raises
        ------
        CntGraphError
            If there is no such measure, layer, reference or option.

        Notes
        -----
        Values that are not finite are left out; NaN where there are no others. Without
        parameters, recorded values are taken as spread evenly over their bin, and those beyond
        all bins as in the outermost.

        Examples
        --------
        >>> import cntgraph as cg
        >>> with cg.open(cg.demo_file("training")) as trajectory:
        ...     trajectory[::5].divergence("link_weights", kind="kolmogorov_smirnov").round(2)
        layer     conv1  conv2   fc1   fc2
        snapshot
        0          0.00   0.00  0.00  0.00
        1          0.44   0.43  0.12  0.17
        2          0.43   0.44  0.27  0.36
        3          0.42   0.45  0.31  0.38
        """
        import pandas as pd

        from cntgraph.training.statistics.distributions import divergence_of, square

        snapshots = range(len(self))
        if layer is not None:
            sets = [self._distributions(k, measure, layer)[layer] for k in snapshots]
            return square(sets, kind, **options)
        base = None if reference == "previous" else self._reference(measure, reference)
        rows, before = [], base
        for k in snapshots:
            own = self._distributions(k, measure, None)
            rows.append({
                name: divergence_of(values, before[name], kind, **options) if before else np.nan
                for name, values in own.items()
            })  # fmt: skip
            before = base or own
        index = pd.RangeIndex(len(rows), name="snapshot")
        return pd.DataFrame(rows, index=index).rename_axis(columns="layer")

    def change(
        self,
        measure: Weights = "change",
        *,
        reference: int | Literal["previous"] = 0,
        max_rank_side: int = 1024,
        show_progress: bool = True,
    ) -> pd.DataFrame:
        """Return how far the weights of each block are from what they were.

        ``trajectory.change().iloc[-1].idxmax()`` is the block that changed most. Unlike a
        divergence of distributions, it sees weights that changed places, and it is a share of what
        was there; what has no weights, such as the input, has none.

        Parameters
        ----------
        measure : {"change", "cosine", "sign_flips", "effective_rank"}, default "change"
            As in `compare`; by default ‖W - W_reference‖ / ‖W_reference‖.
        reference : int or "previous", default 0
            The snapshot from which all others are measured, or the one before each.
        max_rank_side : int, default 1024
            As in `compare`.
        show_progress : bool, default True
            Whether to show a progress bar on a terminal.

        Returns
        -------
        pandas.DataFrame
            One row per snapshot and one column per learned block; of the first from its previous
            one, NaN.

        Raises
        ------
        CntGraphError
            If there is no such measure or reference.
        StoreError
            If no parameters were recorded.

        Examples
        --------
        >>> import cntgraph as cg
        >>> with cg.open(cg.demo_file("training")) as trajectory:
        ...     trajectory[::5].change().round(2)
        block     conv1  conv2   fc1   fc2
        snapshot
        0          0.00   0.00  0.00  0.00
        1          4.17   5.26  0.61  0.61
        2          4.48   9.21  1.47  1.44
        3          4.67  10.98  1.83  1.76
        """
        from cntgraph.training.change.over_time import change_over_time

        base = None if reference == "previous" else self._checked_reference(reference)
        return change_over_time(
            self, measure, base, max_rank_side=max_rank_side, show_progress=show_progress
        )

    def _reference(self, measure: str, reference: int) -> dict[str, Distribution]:
        reference = self._checked_reference(reference)
        return self._distributions(reference, measure, None) if len(self) else {}

    def _checked_reference(self, reference: object) -> int:
        if isinstance(reference, bool) or not isinstance(reference, int):
            raise CntGraphError(f"expected reference as a number or 'previous', got {reference!r}")
        if len(self) and not -len(self) <= reference < len(self):
            raise CntGraphError(
                f"expected the reference as one of {len(self)} snapshots, got {reference}"
            )
        return reference

    def _distributions(self, k: int, measure: str, layer: str | None) -> dict[str, Distribution]:
        from cntgraph.training.statistics.distributions import layer_distributions

        return layer_distributions(self._store, self._snapshots[k], measure, layer)

    def _about(self, taken: Collection[str]) -> list[dict[str, Any]]:
        """Return the number and the labels of each snapshot, by names that are not taken."""
        labels = self.labels
        names = _free_names(labels.columns, taken)
        columns = dict(zip(names, (labels[label] for label in labels.columns), strict=True))
        return [
            {"snapshot": k, **{name: column.iloc[k] for name, column in columns.items()}}
            for k in range(len(self))
        ]


def _is_recorded(
    granularity: str = "neuron",
    aggregation: str = "sum",  # says nothing of neurons
    edges: str = "parametric",
    bias: bool = True,
    boundary: float = 0.0,
) -> bool:
    """Whether these options of `analyze` are those with which measures are recorded."""
    return (granularity, edges, bias, boundary) == ("neuron", "parametric", True, 0.0)


def _free_names(labels: Iterable[str], taken: Collection[str]) -> list[str]:
    """Return names for labels beside columns: one that is taken is called ``label_<name>``."""
    names: list[str] = []
    for label in labels:
        names.append(free_name(label, {"snapshot", *taken, *names}))
    return names
