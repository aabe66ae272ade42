"""Population: many networks with labels, measured here, on all cores or on a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cntgraph.core.arguments import check_options
from cntgraph.measures.analyze import analyze
from cntgraph.measures.layer_values import Distribution, check_distribution
from cntgraph.network.node_values import NEURON_MEASURES, NeuronMeasure
from cntgraph.training.each_measures import check_each
from cntgraph.training.each_network import EachNetwork
from cntgraph.training.gathered import Gathered
from cntgraph.training.labels import Bins, in_bins
from cntgraph.training.layer_tables import write_tables
from cntgraph.training.measured import Where, analyzed, analyzed_in_parts, each_measured, sampled
from cntgraph.training.neurons import check_repeatable
from cntgraph.training.statistics.diverged import diverged
from cntgraph.training.statistics.pooled_values import Pooled, density_frame

if TYPE_CHECKING:
    import pandas as pd

    from cntgraph.training.statistics.divergence import Kind
    from cntgraph.training.statistics.smoothing import Bandwidth


class Population(Gathered, EachNetwork):
    """Many networks, each with labels such as its accuracy: a list of networks, read when needed.

    Networks that diverged (see `diverged`) are set apart: `analyze` marks them, what compares
    networks leaves them out and counts them. A file that cannot be read is named in `failed`, and
    the others are measured. Tables count both in ``table.attrs``: ``n_networks``,
    ``n_diverged``, ``n_failed``.

    What takes ``client=`` is computed here (None), on ``"threads"``, on ``"processes"``, or on
    the workers of a `dask.distributed.Client` or of the scheduler at an address such as
    ``"tcp://host:8786"``, who must see the files under the same paths. Results are the same
    to the bit; a worker that dies costs time only. A worker has one network in memory.

    Parameters
    ----------
    members : Members or sequence of Member
        Where each network is. `from_files`, `from_networks` and `from_matrix` find them.
    labels : pandas.DataFrame
        One row per member.
    options : mapping, default {}
        For `load`.
    strict : bool, default False
        As in `from_files`.

    Examples
    --------
    >>> import cntgraph as cg
    >>> from cntgraph.training import Population
    >>> population = Population.from_files(cg.demo_file("population"), snapshots="all")
    >>> population, population[3]
    (<Population: 64 networks in 1 files>,
     <Network: 6 layers, 5 blocks, 554 nodes, 15,456 edges, 2,634 parameters>)
    >>> table = population[:8].analyze()
    >>> table[["network", "accuracy", "layer", "fluctuation", "diverged"]].round(2).head(2)
       network  accuracy  layer  fluctuation  diverged
    0        0      0.94  input         3.75     False
    1        0      0.94  conv1         2.42     False
    """

    _diverged: pd.DataFrame | None = None

    def __repr__(self) -> str:
        return f"<Population: {len(self):,} networks in {self._measuring.members.where}>"

    @property
    def diverged(self) -> pd.DataFrame:
        """One row per network that diverged: ``network``, ``path``, ``reason``.

        As the function `diverged` finds them in what `analyze` returns without options: NaN or
        Inf, or link weights or a fluctuation far beyond those of the same architecture. If
        nothing was measured before, all networks are, here.
        """
        return self._judged(None, False).copy()

    # -- measures -------------------------------------------------------------------------------

    def analyze(
        self, *, inputs: Any = None, client: Any = None, show_progress: bool = True, **options: Any
    ) -> pd.DataFrame:
        """Return `analyze` of every network, one below the other.

        Of networks of one topology (`from_matrix`, `from_cnn_zoo`), many are measured at a time,
        here on all cores.

        Parameters
        ----------
        inputs : array, tuple of arrays, list of batches, or callable, optional
            Data that run through the blocks of each network (see `neuron_strength`; the option
            ``functions=`` as there): columns ``neuron_strength_mean``, ``…_fluctuation`` and the
            like are added, and those of ``neuron_activation``.
        client : None, "threads", "processes", str or dask.distributed.Client
            Where it is computed (see `Population`).
        show_progress : bool, default True
            Whether to show a progress bar on a terminal.
        **options
            As for `analyze`. Which networks diverged is judged without them, which takes a pass
            of its own over networks that were not measured yet.

        Returns
        -------
        pandas.DataFrame
            One row per network and layer: ``network``, the labels, ``layer``, the columns of
            `analyze`, and ``diverged``. A label called like one of them is ``label_<name>``.

        Raises
        ------
        CntGraphError
            If no network can be read.
        """
        check_options("Population.analyze", options, analyze, "functions", without=("columns",))
        if options:
            self._judged(client, show_progress)
        if inputs is not None:
            check_repeatable(inputs)
            options = options | {"inputs": inputs}
        table = analyzed(self._measuring, self._labels, Where(client, show_progress), options)
        if not options:
            self._judge(table)
        judged = self._judged(client, show_progress)
        table["diverged"] = table["network"].isin(judged["network"])
        table.attrs.update(self._counts(table["network"].nunique()))
        return table

    def write_analysis(
        self,
        folder: str | PathLike[str],
        *,
        inputs: Any = None,
        client: Any = None,
        overwrite: bool = False,
        show_progress: bool = True,
        **options: Any,
    ) -> Path:
        """Write `analyze` of every network to a folder, as Parquet tables, some networks at a time.

        Memory holds the rows of these alone, however many networks there are. DuckDB, Polars,
        pandas and Spark read the folder as one table.

        Parameters
        ----------
        folder : path-like
            A new folder.
        inputs, client, **options
            As in `analyze`.
        overwrite : bool, default False
            Whether what an earlier call wrote to that folder is replaced.
        show_progress : bool, default True
            Whether to show a progress bar on a terminal.

        Returns
        -------
        Path
            The folder. The columns are those of `analyze` but for ``diverged``, for which all
            networks are held against each other: the function `diverged` tells it of a table.

        Raises
        ------
        CntGraphError
            If no network can be read, or the folder is there or cannot be written; what was there
            before stays.
        MissingExtraError
            Without pyarrow (``pip install 'cntgraph[parquet]'``).

        Examples
        --------
        >>> import tempfile, numpy as np, pandas as pd, cntgraph as cg
        >>> net = cg.toy("mlp")
        >>> weights = np.random.default_rng(0).normal(size=(3000, net.n_parameters))
        >>> zoo = cg.Population.from_matrix(weights, template=net)
        >>> with tempfile.TemporaryDirectory() as here:
        ...     found = pd.read_parquet(zoo.write_analysis(here + "/zoo"))
        >>> found.shape, int(found["network"].max())
        ((12000, 31), 2999)
        """
        check_options(
            "Population.write_analysis", options, analyze, "functions", without=("columns",)
        )
        if inputs is not None:
            check_repeatable(inputs)
            options = options | {"inputs": inputs}
        where = Where(client, show_progress)
        tables = analyzed_in_parts(self._measuring, self._labels, where, options)
        return write_tables(tables, Path(folder), overwrite=overwrite)

    def table(
        self, *, client: Any = None, show_progress: bool = True, **options: Any
    ) -> pd.DataFrame:
        """Return every layer measure of every network in long form, ready to be plotted.

        Parameters
        ----------
        client, show_progress, **options
            As in `analyze`.

        Returns
        -------
        pandas.DataFrame
            ``network``, the labels, ``layer``, ``diverged``, ``measure``, ``value``.
        """
        wide = self.analyze(client=client, show_progress=show_progress, **options)
        about = [*wide.columns[: list(wide.columns).index("layer") + 1], "diverged"]
        measures = [c for c in wide.select_dtypes("number").columns if c not in about]
        long = wide.melt(about, measures, var_name="measure", value_name="value")
        long.attrs.update(wide.attrs)
        return long.sort_values(["network", "measure"], kind="stable", ignore_index=True)

    def densities(
        self,
        measure: Distribution | NeuronMeasure,
        layer: str,
        *,
        by: str = "accuracy",
        bins: Bins = 5,
        bandwidth: Bandwidth = "scott",
        n_points: int = 512,
        max_samples: int = 1_000_000,
        inputs: Any = None,
        client: Any = None,
        show_progress: bool = True,
    ) -> pd.DataFrame:
        """Return how a measure of a layer is distributed in networks of similar label.

        The values of all networks in a bin are pooled; those that diverged are left out.

        Parameters
        ----------
        measure : {"strength", "in_strength", "out_strength", "link_weights", "neuron_strength", \
"neuron_activation"}
            One value per node of the layer, or one per stored weight that leads to it; of the
            last two, each neuron's mean over the samples of `inputs`.
        layer : str
            Name of the layer; networks without it are left out.
        by : str, default "accuracy"
            A label.
        bins : int, sequence of float or None, default 5
            A number of bins of equal width over the range of the label; or their edges, as
            `pandas.cut` has them; or None for one bin per value, which labels that are no numbers
            always have.
        bandwidth, n_points
            As in `kernel_density`.
        max_samples : int, default 1,000,000
            Values a bin, about. Where there are more, each network gives its share: evenly
            spaced order statistics of its values.
        inputs : array, tuple of arrays, list of batches, or callable, optional
            Data for the measures of neurons (see `analyze`); by default what was recorded.
        client, show_progress
            As in `analyze`.

        Returns
        -------
        pandas.DataFrame
            ``bin``, ``n_networks``, ``n_samples``, ``layer``, ``measure``, ``x``, ``density``: one
            grid of x for all bins; an empty bin has ``n_networks`` 0 and no density. Its
            ``attrs`` count, too, the networks in no bin (``n_outside``) and without the layer
            (``n_without_layer``).

        Raises
        ------
        CntGraphError
            If no network has the layer, or there is no such label.

        References
        ----------
        .. [1] La Malfa, La Malfa, Nicosia, Latora, "Characterizing Learning Dynamics of Deep
           Neural Networks via Complex Networks", ICTAI 2021, arXiv:2110.02628, section IV.
        """
        pooled = self._pooled(measure, layer, by, bins, max_samples, inputs, client, show_progress)
        return density_frame(pooled, bandwidth=bandwidth, n_points=n_points)

    def divergence(
        self,
        measure: Distribution | NeuronMeasure,
        layer: str,
        *,
        by: str = "accuracy",
        bins: Bins = 5,
        kind: Kind = "jensen_shannon",
        max_samples: int = 1_000_000,
        inputs: Any = None,
        client: Any = None,
        show_progress: bool = True,
        **options: Any,
    ) -> pd.DataFrame:
        """Return how far the distributions of a measure are from each other, bin by bin.

        Parameters
        ----------
        measure, layer, by, bins, max_samples, inputs, client, show_progress
            As in `densities`.
        kind : str, default "jensen_shannon"
            Which divergence (see `divergence`).
        **options
            As for `divergence_matrix`.

        Returns
        -------
        pandas.DataFrame
            A row and one column per bin; NaN for empty ones.
        """
        from cntgraph.training.statistics.divergence import divergence_matrix

        pooled = self._pooled(measure, layer, by, bins, max_samples, inputs, client, show_progress)
        matrix = divergence_matrix(pooled.samples(), kind, **options)
        matrix.attrs.update(pooled.counts)
        return matrix

    def separation(
        self,
        *,
        by: str = "accuracy",
        above: float | None = 0.8,
        below: float | None = 0.3,
        inputs: Any = None,
        analysis: Mapping[str, Any] | None = None,
        client: Any = None,
        show_progress: bool = True,
        **options: Any,
    ) -> pd.DataFrame:
        """Return how well each measure of each layer tells good networks from poor ones.

        Networks that diverged are left out.

        Parameters
        ----------
        by : str, default "accuracy"
            A label.
        above, below : float or None
            Networks above the one are good, below the other poor.
        inputs : array, tuple of arrays, list of batches, or callable, optional
            Data that run through each network, as in `analyze`: its neurons are judged, too.
        analysis : mapping, optional
            Other options of `analyze`.
        client, show_progress
            As in `analyze`.
        **options
            As for `separation`: ``measures``, ``n_resamples``, ``confidence``, ``rng``.

        Returns
        -------
        pandas.DataFrame
            One row per layer and measure, as `separation` returns it.
        """
        from cntgraph.training.statistics.separation import separation

        self._label(by)
        given = {"inputs": inputs, **(analysis or {})}
        table = self.analyze(client=client, show_progress=show_progress, **given)
        found = separation(table, by=by, above=above, below=below, **options)
        found.attrs.update(table.attrs)
        return found

    # -- how -----------------------------------------------------------------------------------

    def _each(self, measure: str, show_progress: bool, options: dict[str, Any]) -> pd.DataFrame:
        where = Where(options.pop("client", None), show_progress)
        check_each("Population", measure, options)
        return each_measured(self._measuring, measure, where, options)

    def _judge(self, table: pd.DataFrame) -> None:
        members = self._measuring.members
        found = diverged(table, alike=members.template is not None)
        found.insert(1, "path", [members.key(int(k))[0] for k in found["network"]])
        self._diverged = found

    def _judged(self, client: Any, show_progress: bool) -> pd.DataFrame:
        """Return which networks diverged, measured now unless they were before."""
        if self._diverged is None:
            self._judge(analyzed(self._measuring, self._labels, Where(client, show_progress), {}))
        assert self._diverged is not None
        return self._diverged

    def _counts(self, n: int) -> dict[str, int]:
        n_diverged = 0 if self._diverged is None else len(self._diverged)
        n_failed = len(self._measuring.failed)
        return {"n_networks": n, "n_diverged": n_diverged, "n_failed": n_failed}

    def _pooled(
        self,
        measure: Distribution | NeuronMeasure,
        layer: str,
        by: str,
        bins: Bins = 5,
        max_samples: int = 1_000_000,
        inputs: Any = None,
        client: Any = None,
        show_progress: bool = True,
    ) -> Pooled:
        """Return the values of a layer in every network that counts, by the bin of its label."""
        if measure not in NEURON_MEASURES:
            check_distribution(measure)
        check_repeatable(inputs)
        values = self._label(by)
        judged, own = self._judged(client, show_progress), self._measuring
        left_out = {*judged["network"], *own.failed_numbers()}
        binned = in_bins(values.drop(index=[*left_out]), bins)
        chosen = binned.dropna()
        n_most = max(1, max_samples // max(1, chosen.value_counts().max()))
        where = Where(client, show_progress)
        found = sampled(
            own, [*chosen.index], measure, layer, n_most=n_most, inputs=inputs, where=where
        )
        pooled = Pooled.of(measure, layer, chosen, found)
        if len(chosen) and not pooled.n_networks:
            self[int(chosen.index[0])].layer(layer)  # raises, and lists the layers
        pooled.counts.update(self._counts(pooled.n_networks), n_outside=len(binned) - len(chosen))
        return pooled
