"""LoggedMeasures: what is shown of a snapshot, in all tools under the same names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from math import floor, isfinite
from typing import Any, Final, NamedTuple

from cntgraph.measures.survey import LayerSurvey
from cntgraph.measures.views import structural_layers
from cntgraph.network.blocks.histogram import LayerBins
from cntgraph.training.sinks.layer_histogram import LayerHistogram

#: Tools group what they show by what stands before the first slash.
GROUP: Final = "cntgraph"
#: Columns of `analyze` that become a curve a layer, and those that do if a value is not zero.
SCALARS: Final = ("strength_mean", "fluctuation", "link_weight_mean", "link_weight_std")
SCALARS_IF_ANY: Final = ("link_weight_n_nan", "link_weight_n_inf")
#: Distributions that become a histogram a layer, and what their summary is called in `analyze`.
HISTOGRAMS: Final = {"strength": "strength", "link_weights": "link_weight"}


class LoggedMeasures(NamedTuple):
    """What is shown of a snapshot.

    Attributes
    ----------
    step : int
        Its place on the axis of the training: the label ``step``, else ``epoch`` (rounded down,
        since tools count in whole numbers), else the number of the snapshot.
    epoch : float or None
        The label, if there is one.
    scalars : dict of str to float
        By name, such as ``cntgraph/fluctuation/conv1``.
    histograms : dict of str to LayerHistogram
        By name, such as ``cntgraph/link_weights/conv1``.
    """

    step: int
    epoch: float | None
    scalars: dict[str, float]
    histograms: dict[str, LayerHistogram]


def logged_measures(
    survey: LayerSurvey, bins: LayerBins, labels: Mapping[str, Any], number: int
) -> LoggedMeasures:
    """Return what is shown of a snapshot: the layers and measures that `analyze` shows.

    Parameters
    ----------
    survey : LayerSurvey
        What was measured.
    bins : dict of (measure, layer) to Bins
        In which its histograms were counted.
    labels : mapping
        Those of the snapshot.
    number : int
        Of the snapshot in its file.

    Returns
    -------
    LoggedMeasures

    Examples
    --------
    >>> import cntgraph as cg
    >>> from cntgraph.measures.survey import layer_bins, survey_layers
    >>> net = cg.toy("cnn")
    >>> bins = layer_bins(net)
    >>> found = logged_measures(survey_layers(net, bins), bins, {"epoch": 1.5}, 7)
    >>> found.step, round(found.scalars["cntgraph/fluctuation/conv1"], 3)
    (1, 1.77)
    >>> [name for name in found.histograms if "link_weights" in name]
    ['cntgraph/link_weights/conv1', 'cntgraph/link_weights/fc']
    """
    rows = _shown(survey.rows)
    tags = dict(zip(rows, _tags(rows), strict=True))
    scalars = {f"{GROUP}/{measure}/{tags[name]}": value for name, row in rows.items()
               for measure, value in _scalars(row)}  # fmt: skip
    histograms = {}
    for ((measure, name), own), counts in zip(bins.items(), survey.counts, strict=True):
        if measure in HISTOGRAMS and name in rows:
            found = LayerHistogram.of(own, counts, rows[name], HISTOGRAMS[measure])
            if found is not None:
                histograms[f"{GROUP}/{measure}/{tags[name]}"] = found
    step, epoch = _number(labels.get("step")), _number(labels.get("epoch"))
    place = next((own for own in (step, epoch) if own is not None), number)
    return LoggedMeasures(floor(place), epoch, scalars, histograms)


def _number(label: Any) -> float | None:
    """Return a label that is a place on an axis; a text is none."""
    return label if isinstance(label, int | float) and isfinite(label) else None


def _shown(rows: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return the rows of layers that do more than to route values, by the layer's name."""
    rows = list(rows)
    columns = {name: [row[name] for row in rows] for name in ("kind", "n_weights", "status")}
    folded = structural_layers(columns)
    return {row["layer"]: row for row, fold in zip(rows, folded, strict=True) if not fold}


def _scalars(row: Mapping[str, Any]) -> Iterable[tuple[str, float]]:
    """Yield the measures that a layer has: one without weights has none of theirs."""
    for measure in SCALARS:
        if row["n_weights"] or not measure.startswith("link_weight"):
            yield measure, float(row[measure])
    for measure in SCALARS_IF_ANY:
        if row[measure]:
            yield measure, float(row[measure])


def _tags(names: Iterable[str]) -> list[str]:
    """Return what layers are called where some characters are not allowed, each differently.

    Examples
    --------
    >>> _tags(["conv1", "block/conv", "block conv", "a.b-c"])
    ['conv1', 'block_conv', 'block_conv_2', 'a.b-c']
    """
    found: dict[str, None] = {}
    for name in names:
        plain = tag = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)
        k = 1
        while tag in found:
            k += 1
            tag = f"{plain}_{k}"
        found[tag] = None
    return list(found)
