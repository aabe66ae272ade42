"""Gathered: networks with labels, put together from files, from a matrix, from a zoo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Self

from cntgraph.core.errors import CntGraphError
from cntgraph.network.network import Network
from cntgraph.training.cnn_zoo import open_cnn_zoo
from cntgraph.training.labels import free_name, labels_of_files, labels_of_networks, row_labels
from cntgraph.training.layout import Layout
from cntgraph.training.members import Files, Key, Member, Snapshots, find_files, read_headers
from cntgraph.training.model_zoo import open_model_zoo
from cntgraph.training.network_members import NetworkMembers
from cntgraph.training.networks import Networks
from cntgraph.training.row_members import RowMembers, Rows
from cntgraph.training.weight_rows import open_rows

if TYPE_CHECKING:
    import pandas as pd

    from cntgraph.training.cnn_zoo import Padding
    from cntgraph.training.labels import Labels
    from cntgraph.training.layout import LayoutLike
    from cntgraph.training.model_zoo import Epochs
    from cntgraph.training.weight_rows import RowsLike


class Gathered(Networks):
    """Networks with their labels, from wherever they are: how a `Population` comes about."""

    @classmethod
    def from_files(
        cls,
        files: Files,
        *,
        labels: Labels = None,
        snapshots: Snapshots = "last",
        strict: bool = False,
        **options: Any,
    ) -> Self:
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
    def from_networks(
        cls,
        nets: Iterable[Network],
        labels: pd.DataFrame | Mapping[str, Sequence[Any]] | str | PathLike[str] | None = None,
    ) -> Self:
        """Return networks that are loaded or made already as a population.

        Parameters
        ----------
        nets : iterable of Network
            Of equal or of different architecture: what `load` returned, a `Trajectory`, null
            models. Those of one topology are measured many at a time.
        labels : pandas.DataFrame, mapping of str to sequence, or path-like, optional
            What is known of each besides its own labels: one row per network, in order; columns as
            lists; or the CSV file of a table. Where a name is in both, this one counts.

        Returns
        -------
        Population

        Raises
        ------
        CntGraphError
            If there is no network, something is none, or there is not one row of labels for each.

        Examples
        --------
        >>> import cntgraph as cg
        >>> nets = [cg.toy("mlp"), cg.toy("cnn")]
        >>> population = cg.Population.from_networks(nets, {"accuracy": [0.9, 0.7]})
        >>> population, population[1].labels
        (<Population: 2 networks in memory>, {'accuracy': 0.7})
        """
        given = tuple(nets)
        for net in given:
            if not isinstance(net, Network):
                raise CntGraphError(
                    f"expected networks, got a {type(net).__name__}; cg.load makes one of a model, "
                    "and from_files reads files"
                )
        if not given:
            raise CntGraphError("expected at least one network, got none")
        table = labels_of_networks([net.labels for net in given], labels)
        return cls(NetworkMembers(given, tuple(range(len(given)))), table)

    @classmethod
    def from_matrix(
        cls,
        weights: RowsLike,
        *,
        template: Network,
        layout: LayoutLike = None,
        labels: pd.DataFrame | str | PathLike[str] | None = None,
    ) -> Self:
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
         {'fc1': 3.04, 'fc2': 2.59, 'fc3': 1.28, 'input': 2.47})
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
    ) -> Self:
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

    @classmethod
    def from_model_zoo(
        cls,
        folder: str | PathLike[str],
        *,
        template: Network,
        epochs: Epochs = "last",
    ) -> Self:
        """Return the networks of a folder in the form of modelzoos.cc, measured many at a time.

        Parameters
        ----------
        folder : path-like
            With a folder a training: ``params.json``, ``result.json`` (a line of results an epoch)
            and ``checkpoint_*/checkpoints``, which are state dicts of PyTorch. Numbers and words in
            both are the labels, beside ``training`` and ``epoch``.
        template : Network
            The topology: ``cg.load(model, input_shape=…)`` of the module that was trained.
        epochs : {"last", "all"} or sequence of int, default "last"
            Which checkpoints of each training are networks of the population.

        Returns
        -------
        Population

        Raises
        ------
        CntGraphError
            If there is no such training or checkpoint, or what is known of it is damaged. A
            damaged checkpoint is named in `failed` when it is measured.

        References
        ----------
        .. [1] Schürholt, Taskiran, Knyazev, Giró-i-Nieto, Borth, "Model Zoos: A Dataset of Diverse
           Populations of Neural Network Models", NeurIPS 2022, arXiv:2209.14764.
        """
        return cls(*open_model_zoo(folder, template, epochs))


def _labels_row(member: Member, labels: Mapping[str, Any], snapshots: Snapshots) -> dict[str, Any]:
    row: dict[str, Any] = {"path": str(member.path)}
    if snapshots == "all":
        row["snapshot"] = member.snapshot
    return row | {free_name(name, ("path", "snapshot")): value for name, value in labels.items()}
