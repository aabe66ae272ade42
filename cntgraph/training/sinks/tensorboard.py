"""TensorBoard: curves and histograms in event files, by tensorboardX or a writer that is open.

tensorboardX rather than ``torch.utils.tensorboard``: it writes the same files with the same
methods, needs neither PyTorch nor TensorBoard (and its gRPC), and weighs one megabyte.
"""

from __future__ import annotations

from pathlib import Path
from time import time_ns
from typing import Any, Self

import numpy as np

from cntgraph.core.errors import require
from cntgraph.training.sinks.layer_histogram import LayerHistogram
from cntgraph.training.sinks.logged_measures import GROUP, SCALARS, LoggedMeasures


class TensorBoardSink:
    """Shows measures in TensorBoard.

    Parameters
    ----------
    writer : SummaryWriter
        Of tensorboardX or ``torch.utils.tensorboard``.
    own : bool
        Whether it was opened here, and is to be closed.
    """

    def __init__(self, writer: Any, *, own: bool) -> None:
        self._writer, self._own = writer, own

    @classmethod
    def begin(cls, path: Path, *, resume: bool) -> Self:
        """Open event files in the folder ``run.tensorboard`` beside a file ``run.h5``.

        Where a training begins anew, TensorBoard is told to forget what the folder shows.
        """
        module = require("tensorboardX", "tensorboard", needed_for="The sink 'tensorboard'")
        folder = str(path.with_suffix(".tensorboard"))
        # Files are named by the second, and TensorBoard reads them in the order of their names.
        writer = module.SummaryWriter(
            folder, purge_step=None if resume else 0, filename_suffix=f".{time_ns()}"
        )
        # In the tab CUSTOM SCALARS: a chart a measure, with a line a layer.
        charts = {measure: ["Multiline", [f"{GROUP}/{measure}/.*"]] for measure in SCALARS}
        writer.add_custom_scalars({GROUP: charts})
        return cls(writer, own=True)

    @classmethod
    def around(cls, given: Any) -> Self | None:
        """Return a sink around a ``SummaryWriter``, or None if it is something else."""
        methods = ("add_scalar", "add_histogram_raw", "flush")
        return cls(given, own=False) if all(hasattr(given, name) for name in methods) else None

    def log_measures(self, measures: LoggedMeasures) -> None:
        """Write a point of each curve, and the histograms; TensorBoard sees them at once."""
        epoch = {} if measures.epoch is None else {f"{GROUP}/epoch": measures.epoch}
        for name, value in (measures.scalars | epoch).items():
            self._writer.add_scalar(name, value, measures.step)
        for name, histogram in measures.histograms.items():
            self._writer.add_histogram_raw(name, **_raw(histogram), global_step=measures.step)
        self._writer.flush()

    def close(self, *, failed: bool) -> None:
        """Close the event files, if they were opened here."""
        if self._own:
            self._writer.close()


def _raw(histogram: LayerHistogram) -> dict[str, Any]:
    """Return a histogram as TensorBoard has it: bins by their upper ends, and moments."""
    n = int(histogram.counts.sum())
    with np.errstate(over="ignore"):
        square = np.square([histogram.mean, histogram.std]).sum()
    return {
        "min": histogram.minimum, "max": histogram.maximum, "num": n,
        "sum": histogram.mean * n, "sum_squares": float(square) * n,
        "bucket_limits": histogram.edges[1:].tolist(), "bucket_counts": histogram.counts.tolist(),
    }  # fmt: skip
