"""Population: many networks with labels, measured here, on all cores or on a cluster."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from cntgraph.core.errors import CntGraphError, NoCopiesError
from cntgraph.core.types import Values
from cntgraph.measures.layer_values import Distribution, check_distribution
from cntgraph.network.node_values import NEURON_MEASURES, NeuronMeasure
from cntgraph.training.cnn_zoo import open_cnn_zoo
from cntgraph.training.labels import Bins, free_name, in_bins, labels_of_files, row_labels
from cntgraph.training.layout import Layout
from cntgraph.training.measuring import layer_sample, layer_table
from cntgraph.training.members import Files, Key, Member, Snapshots, find_files, read_headers
from cntgraph.training.networks import Networks
from cntgraph.training.neurons import check_repeatable
from cntgraph.training.row_members import RowMembers, Rows
from cntgraph.training.stacked import analyze_stacks, layer_rows, sample_stacks
from cntgraph.training.statistics.diverged import diverged
from cntgraph.training.statistics.pooled_values import Pooled, density_frame, labelled, layer_frame
from cntgraph.training.weight_rows import open_rows

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd

    from cntgraph.network.network import Network
    from cntgraph.training.cnn_zoo import Padding
    from cntgraph.training.labels import Labels
    from cntgraph.training.layout import LayoutLike
    from cntgraph.training.statistics.divergence import Kind
    from cntgraph.training.statistics.smoothing import Bandwidth
    from cntgraph.training.weight_rows import RowsLike


class Population(Networks):
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
        Where each network is. `from_files` and `from_matrix` find them.
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

    @classmethod
    def from_files(
        cls,
        files: Files,
        *,
        labels: Labels = None,
        snapshots: Snapshots = "last",
        strict: bool = False,
        **options: Any,
    ) -> Population:
        """Return the networks of files, of equal or of different architecture.

        Only the headers of cntgraph files are read; a network is loaded when it is measured.

        Parameters
        ----------
        files : path-like, or iterable of path-like
            Whatever `load` reads: files, or patterns such as ``"runs/**/*.h5"``, whose files
            are sorted. A file is taken once.
        labels : pandas.DataFrame or callable, optional
            What is known of each network besides what was recorded in a cntgraph file: a table
            whose index is a path (or its end), file name or stem, with exactly one row per file; or
            a function of a `Path` that returns a dict. Where a name is in both, this one counts.
        snapshots : {"last", "all"}, default "last"
            Which snapshots of a cntgraph file are networks of the population.
        strict : bool, default False
            Raise, rather than warn, where a network cannot be read, now or later, or where a
            part of one is left out.
        **options
            For `load`: ``input_shape``, ``model``, ….

        Returns
        -------
        Population

        Raises
        ------
        CntGraphError
            If no file is found or none can be read, or labels do not fit the files.

        Examples
        --------
        >>> import cntgraph as cg
        >>> from cntgraph.training import Population
        >>> path = cg.demo_file("population")
        >>> Population.from_files(path, labels=lambda path: {"task": path.stem}).labels["task"][0]
        'population'
        """
        import pandas as pd

        if snapshots not in ("last", "all"):
            raise CntGraphError(f"expected snapshots to be 'last' or 'all', got {snapshots!r}")
        paths = find_files(files)
        given = labels_of_files(paths, labels)
        members: list[Member] = []
        rows: list[dict[str, Any]] = []
        failed: dict[Key, str] = {}
        for path, own in zip(paths, given, strict=True):
            try:
                found = read_headers(path, snapshots)
            except (CntGraphError, OSError) as error:
                if strict:
                    raise
                failed[str(path), None] = str(error)
                continue
            for member, recorded in found:
                members.append(member)
                rows.append(_labels_row(member, {**recorded, **own}, snapshots))
        table = pd.DataFrame(rows, index=pd.RangeIndex(len(rows), name="network"))
        made = cls(members, table, options={**options, "strict": strict}, strict=strict)
        made._measuring.note(failed, len(paths))
        return made

    @classmethod
    def from_matrix(
        cls,
        weights: RowsLike,
        *,
        template: Network,
        layout: LayoutLike = None,
        labels: pd.DataFrame | str | PathLike[str] | None = None,
    ) -> Population:
        """Return networks of one topology whose weights are the rows of a matrix: a zoo.

        They are measured many at a time; nothing is read before that.

        Parameters
        ----------
        weights : array-like or path-like
            Of shape (networks, values of a network): an array, an HDF5 dataset, a zarr array; or
            the file of one (``.npy``, ``.npz``, ``.h5``, ``.safetensors``), or a ``.parquet`` file
            with a column of lists of a fixed size.
        template : Network
            The topology: any network of it, whose weights do not count.
        layout : pandas.DataFrame, path-like, iterable of (name, offset, shape[, order]), optional
            Where in a row each parameter of the template lies: a table, or its CSV file, with
            columns ``name`` (or ``varname``), ``offset`` (or ``start_idx``) and ``shape``, and
            ``order`` where values do not lie as the template has them: ``"F"``, or the axes of
            the values in the order of the parameter's. By default all parameters of the template,
            one behind the other.
        labels : pandas.DataFrame or path-like, optional
            One row per network, in order; a CSV file of them.

        Returns
        -------
        Population

        Raises
        ------
        CntGraphError
            If the rows, the layout and the template do not fit each other, or there is not one row
            of labels per network.

        Examples
        --------
        >>> import numpy as np, cntgraph as cg
        >>> net = cg.toy("mlp")
        >>> weights = np.random.default_rng(0).normal(size=(1000, net.n_parameters))
        >>> zoo = cg.Population.from_matrix(weights, template=net)
        >>> zoo, zoo.analyze().groupby("layer")["fluctuation"].mean().round(2).to_dict()
        (<Population: 1,000 networks in the rows of 'weights'>,
         {'fc1': 3.71, 'fc2': 3.03, 'fc3': 2.02, 'input': 2.63})
        """
        rows = Rows.checked(open_rows(weights), Layout.of(layout, template.parameters), template)
        n = rows.of.shape[0]
        return cls(RowMembers(rows, range(n)), row_labels(labels, n))

    @classmethod
    def from_cnn_zoo(
        cls,
        folder: str | PathLike[str],
        *,
        input_shape: tuple[int, int, int] = (1, 32, 32),
        stride: int = 2,
        padding: Padding = "valid",
    ) -> Population:
        """Return the networks of a folder of the Small CNN Zoo, which are measured many at a time.

        Parameters
        ----------
        folder : path-like
            With ``weights.npy``, ``layout.csv`` and ``metrics.csv.gz``, whose columns are the
            labels (``test_accuracy``, ``config.learning_rate``, …).
        input_shape : tuple of int, default (1, 32, 32)
            Of an image, channels first.
        stride : int, default 2
            Of all convolutions.
        padding : {"valid", "same"}, default "valid"
            Of all convolutions, as Keras has it; the zoo was trained without padding.

        Returns
        -------
        Population

        Raises
        ------
        CntGraphError
            If a file is missing or damaged, or they do not fit each other.

        References
        ----------
        .. [1] Unterthiner, Keysers, Gelly, Bousquet, Tolstikhin, "Predicting Neural Network
           Accuracy from Weights", arXiv:2002.11448 (2020).
        """
        return cls(*open_cnn_zoo(folder, input_shape=input_shape, stride=stride, padding=padding))

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
        self, *, inputs: Any = None, client: Any = None, show_progress: bool = False, **options: Any
    ) -> pd.DataFrame:
        """Return `analyze` of every network, one below the other.

        Parameters
        ----------
        inputs : array, tuple of arrays, list of batches, or callable, optional
            Data that run through the blocks of each network (see `neuron_strength`; the option
            ``functions=`` as there): columns ``neuron_strength_mean``, ``…_fluctuation`` and the
            like are added, and those of ``neuron_activation``.
        client : None, "threads", "processes", str or dask.distributed.Client
            Where it is computed (see `Population`).
        show_progress : bool, default False
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
        if options:
            self._judged(client, show_progress)
        if inputs is not None:
            check_repeatable(inputs)
            options = options | {"inputs": inputs}
        table = self._analyzed(client, show_progress, options)
        if not options:
            self._judge(table)
        judged = self._judged(client, show_progress)
        table["diverged"] = table["network"].isin(judged["network"])
        table.attrs.update(self._counts(table["network"].nunique()))
        return table

    def table(
        self, *, client: Any = None, show_progress: bool = False, **options: Any
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
        show_progress: bool = False,
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
        show_progress: bool = False,
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
        show_progress: bool = False,
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
            As for `separation`: ``measures``, ``n_permutations``, ``confidence``, ``rng``.

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

    # -- how ------------------------------------------------------------------------------------

    def _analyzed(
        self, client: Any, show_progress: bool, options: Mapping[str, Any]
    ) -> pd.DataFrame:
        every, own = range(len(self)), self._measuring
        how: dict[str, Any] = {"client": client, "show_progress": show_progress}
        if own.members.template is not None and "inputs" not in options:
            try:
                parts = analyze_stacks(own.members, every, options=options, **how)
            except NoCopiesError as error:
                warnings.warn(f"{error} They are measured one by one.", stacklevel=3)
            else:
                failed: dict[int, str] = {}
                layers, rows = layer_rows(parts, len(self), failed)
                own.note({own.members.key(k): error for k, error in failed.items()}, len(self))
                return labelled(layers, rows, self._labels)
        task = partial(layer_table, options=options)
        return layer_frame(own.results(task, every, what="analyze", **how), self._labels)

    def _judge(self, table: pd.DataFrame) -> None:
        found = diverged(table)
        members = self._measuring.members
        found.insert(1, "path", [members.key(int(k))[0] for k in found["network"]])
        self._diverged = found

    def _judged(self, client: Any, show_progress: bool) -> pd.DataFrame:
        """Return which networks diverged, measured now unless they were before."""
        if self._diverged is None:
            self._judge(self._analyzed(client, show_progress, {}))
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
        bins: Bins,
        max_samples: int,
        inputs: Any,
        client: Any,
        show_progress: bool,
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
        found = self._samples(
            [*chosen.index], measure, layer, n_most, inputs, client, show_progress
        )
        pooled = Pooled.of(measure, layer, chosen, found)
        if len(chosen) and not pooled.n_networks:
            self[int(chosen.index[0])].layer(layer)  # raises, and lists the layers
        pooled.counts.update(self._counts(pooled.n_networks), n_outside=len(binned) - len(chosen))
        return pooled

    def _samples(
        self,
        numbers: list[int],
        measure: Distribution | NeuronMeasure,
        layer: str,
        n_most: int,
        inputs: Any,
        client: Any,
        show_progress: bool,
    ) -> Iterator[tuple[int, Values | None]]:
        """Yield the number of each network, and samples of a measure of a layer, if it has it."""
        own = self._measuring
        template = own.members.template
        how: dict[str, Any] = {"client": client, "show_progress": show_progress}
        asked: dict[str, Any] = {"measure": measure, "layer": layer, "n_most": n_most}
        if template is not None and measure not in NEURON_MEASURES:
            if layer not in {found.name for found in template.layers}:
                return iter([(number, None) for number in numbers])
            with suppress(NoCopiesError):  # said by `analyze`, which comes first
                return sample_stacks(own.members, numbers, **asked, **how)
        task = partial(layer_sample, inputs=inputs, **asked)
        return own.results(task, numbers, what=measure, **how)


def _labels_row(member: Member, labels: Mapping[str, Any], snapshots: Snapshots) -> dict[str, Any]:
    row: dict[str, Any] = {"path": str(member.path)}
    if snapshots == "all":
        row["snapshot"] = member.snapshot
    return row | {free_name(name, ("path", "snapshot")): value for name, value in labels.items()}
