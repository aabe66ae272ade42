"""The command on a network and data: neurons."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cntgraph.cli.data import read_inputs, read_labels
from cntgraph.cli.network import title_of
from cntgraph.cli.options import (
    Factory,
    Format,
    FormatOption,
    Granularity,
    Model,
    Norm,
    NormOption,
    Output,
    Overwrite,
    Strict,
    Unroll,
    made_by,
)
from cntgraph.cli.output import check_output, emit, reports_errors, warnings_said

if TYPE_CHECKING:
    import pandas as pd

    from cntgraph.activity.neuron_statistics import NeuronStatistics
    from cntgraph.network.network import Network


@reports_errors
def neurons(
    model: Model,
    inputs: Annotated[
        Path,
        typer.Option(
            help="The samples, along the first axis: an .npy file, or an .npz file with an array "
            "per input of the model."
        ),
    ],
    labels: Annotated[
        Path | None, typer.Option(help="An .npy file of each sample's class: a row per class.")
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(help="Measure this layer, or pattern, only; may be given several times."),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Run the first so many samples only.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Samples that run at once.")] = 64,
    factory: Factory = None,
    unroll: Unroll = None,
    norm: NormOption = Norm.fold,
    strict: Strict = False,
    output: Output = None,
    overwrite: Overwrite = False,
    format: FormatOption = Format.table,
) -> None:
    """Run data through a network, and measure what the neurons of each layer receive and emit."""
    from cntgraph.activity.neuron_measures import neuron_statistics
    from cntgraph.activity.recording import record
    from cntgraph.network.node_values import NEURON_MEASURES

    check_output(output, [model, inputs, *([labels] if labels else [])], overwrite=overwrite)
    data, classes = read_inputs(inputs), None if labels is None else read_labels(labels)
    options: dict[str, Any] = {"unroll": unroll, "norm": norm.value, "strict": strict}
    if factory is not None:
        options["model"] = made_by(factory)
    with warnings_said():
        recording = record(model, data, labels=classes, n_samples=samples, batch_size=batch_size,
                           show_progress=True, **options)  # fmt: skip
    found = neuron_statistics(recording, *NEURON_MEASURES, layers=layer or None)
    table = _table(found, recording.net)
    _name_missing(found)
    people = format is Format.table and not output
    title = f"{title_of(model, recording.net, Granularity.neuron)}; {_size(found)}"
    emit(_shortened(table) if people else table, output, format, title=title, overwrite=overwrite)


def _table(found: Mapping[Any, NeuronStatistics], net: Network) -> pd.DataFrame:
    """Return one row per layer, or per class and layer."""
    import pandas as pd

    from cntgraph.training.neurons import layer_columns

    first = next(iter(found.values()))
    if not first.by_label:
        return _of_layers(layer_columns(found), net)
    parts = []
    for label in first.by_label:
        own = layer_columns({measure: whole.by_label[label] for measure, whole in found.items()})
        parts.append(_of_layers(own, net))
        parts[-1].insert(0, "label", label)
    return pd.concat(parts, ignore_index=True)


def _of_layers(columns: pd.DataFrame, net: Network) -> pd.DataFrame:
    """Return the rows of layers in their order, with their sizes."""
    layers = [layer for layer in net.layers if layer.name in columns.index]
    table = columns.loc[[layer.name for layer in layers]].rename_axis("layer").reset_index()
    table.insert(1, "n_nodes", [layer.n_nodes for layer in layers])
    return table


def _name_missing(found: Mapping[Any, NeuronStatistics]) -> None:
    """Say which layers were not measured."""
    for measure, own in found.items():
        for name, why in own.missing.items():
            typer.echo(f"warning: {name}: no {measure}: {why}", err=True)


def _size(found: Mapping[Any, NeuronStatistics]) -> str:
    first = next(iter(found.values()))
    classes = f" of {len(first.by_label):,} classes" if first.by_label else ""
    return f"{first.n_samples:,} samples{classes}"


#: The columns that fit on a terminal, and what they are called there.
_SHORT = {
    "label": "label", "layer": "layer", "n_nodes": "n_nodes",
    "neuron_strength_mean": "strength_mean", "neuron_strength_fluctuation": "fluctuation",
    "neuron_strength_std": "std", "neuron_activation_mean": "activation_mean",
    "neuron_activation_fluctuation": "fluctuation ", "neuron_activation_std": "std ",
    "neuron_activation_active": "active", "neuron_activation_never_active": "never_active",
}  # fmt: skip


def _shortened(table: pd.DataFrame) -> pd.DataFrame:
    return table[[name for name in _SHORT if name in table.columns]].rename(columns=_SHORT)
