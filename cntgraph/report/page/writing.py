"""write_report: from a source to a page on disk, at once or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from glob import has_magic
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cntgraph.core.errors import CntGraphError, require
from cntgraph.core.new_file import check_free, new_file
from cntgraph.network.network import Network
from cntgraph.report.page.page import render
from cntgraph.store.writer import save
from cntgraph.training.population import Population
from cntgraph.training.trajectory import Trajectory
from cntgraph.training.trajectory import open as open_file

Source = Network | Trajectory | Population | str | PathLike[str] | Iterable[str | PathLike[str]]


def write_report(
    source: Source,
    path: str | PathLike[str],
    *,
    overwrite: bool = False,
    by: str = "accuracy",
    above: float = 0.8,
    below: float = 0.3,
    layers: Iterable[str] | None = None,
    title: str | None = None,
    client: Any = None,
    show_progress: bool = True,
    **options: Any,
) -> Path:
    """Write an interactive page about a trained network, one in training, or many networks.

    Parameters
    ----------
    source : Network, Trajectory, Population, path-like, or iterable of path-like
        One cntgraph file is a trajectory, or of one snapshot a trained network; several files or
        a pattern such as ``"runs/*.h5"`` are a population, each file one network of it
        (`Population.from_files` has other ways).
    path : path-like
        The page (``.html``).
    overwrite : bool, default False
        Whether a file of that name is replaced.
    by : str, default "accuracy"
        Of a population: the label that networks are compared by.
    above, below : float
        Of a population: networks above the one are good, below the other poor.
    layers : iterable of str, optional
        Layers with curves of their own; by default all that have edges, up to 24.
    title : str, optional
        Heading of the page; by default the name of the file.
    client : None, "threads", "processes", str or dask.distributed.Client
        Of a population: where it is measured (see `Population`).
    show_progress : bool, default True
        Whether to show progress bars on a terminal.
    **options
        Of a population that is given as files: for `Population.from_files`.

    Returns
    -------
    pathlib.Path
        Where it was written.

    Raises
    ------
    MissingExtraError
        If plotly is not installed.
    CntGraphError
        If the source cannot be read or has nothing to show, or the page cannot be written.

    Notes
    -----
    The page is one file of about 5 MB, plotly.js in it, and asks the network for nothing. It
    grows with layers and snapshots up to a limit, beyond which they are thinned evenly; its
    captions say so.

    Examples
    --------
    >>> import tempfile, cntgraph as cg
    >>> from cntgraph.report import write_report
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_report(cg.demo_file("training"), f"{folder}/report.html", layers=["fc2"])
    ...     page.name, page.stat().st_size > 1_000_000
    ('report.html', True)
    """
    require("plotly", "report", needed_for="A report")
    target = Path(path)
    check_free(target, overwrite=overwrite)
    with _opened(source, options) as opened:
        if isinstance(opened, Trajectory) and len(opened) == 1:
            from cntgraph.report.page.one_network import network_sections

            sections = network_sections(opened, layers, show_progress=show_progress)
            name, kind = _name_of(source, opened), "One trained network"
        elif isinstance(opened, Trajectory):
            from cntgraph.report.page.training import trajectory_sections

            if not len(opened):
                raise CntGraphError("the trajectory has no snapshots to report on")
            sections = trajectory_sections(opened, layers, show_progress=show_progress)
            name, kind = _name_of(source, opened), "One network over its training"
        else:
            from cntgraph.report.page.networks import Question, population_sections

            sections = population_sections(
                opened, layers, Question(by, above, below), client=client,
                show_progress=show_progress,
            )  # fmt: skip
            name, kind = f"{len(opened):,} networks", "A population of networks"
    with new_file(target, overwrite=overwrite) as temporary:
        temporary.write_text(render(title or name, kind, sections), encoding="utf-8")
    return target


def _name_of(source: Source, trajectory: Trajectory) -> str:
    return "A network" if isinstance(source, Network) else trajectory._store.path.name


@contextmanager
def _opened(source: Source, options: dict[str, Any]) -> Iterator[Trajectory | Population]:
    """Yield what a source is; close what was opened here."""
    if isinstance(source, Trajectory | Population):
        if options:
            raise CntGraphError(f"options are for files; got a {type(source).__name__}, {options}")
        yield source
        return
    if isinstance(source, Network):
        with TemporaryDirectory() as folder:
            save(source, Path(folder) / "network.h5")
            with open_file(Path(folder) / "network.h5") as trajectory:
                yield trajectory
        return
    files = [source] if isinstance(source, str | PathLike) else list(source)
    if len(files) == 1 and not options and not has_magic(os.fspath(files[0])):
        with open_file(files[0]) as trajectory:
            yield trajectory
    else:
        yield Population.from_files(files, **options)
