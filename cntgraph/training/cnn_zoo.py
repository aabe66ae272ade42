"""The Small CNN Zoo: small convolutional networks in three files, and folders of its form."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from cntgraph.adapters.builder import Builder
from cntgraph.core.errors import CntGraphError, FormatError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.network.blocks import AxisOperator, Window
from cntgraph.network.network import Network
from cntgraph.training.labels import row_labels
from cntgraph.training.layout import Layout, Place
from cntgraph.training.row_members import RowMembers, Rows
from cntgraph.training.weight_rows import open_rows

if TYPE_CHECKING:
    import pandas as pd

Padding = Literal["valid", "same"]

#: The files of such a folder.
WEIGHTS, LAYOUT, METRICS = "weights.npy", "layout.csv", "metrics.csv.gz"


def open_cnn_zoo(
    folder: str | PathLike[str],
    *,
    input_shape: tuple[int, int, int] = (1, 32, 32),
    stride: int = 2,
    padding: Padding = "valid",
) -> tuple[RowMembers, pd.DataFrame]:
    """Return the networks of a folder and what is known of them (see `Population.from_cnn_zoo`)."""
    found = Path(folder)
    for name in (WEIGHTS, LAYOUT, METRICS):
        if not (found / name).is_file():
            raise FormatError(
                f"{found}: expected {WEIGHTS}, {LAYOUT} and {METRICS} in it; found no {name}"
            )
    layout = Layout.read(found / LAYOUT)
    template = network_of(layout.places, input_shape, stride, padding)
    weights = open_rows(found / WEIGHTS)
    rows = Rows.checked(weights, layout, template)
    n = weights.shape[0]
    return RowMembers(rows, range(n)), row_labels(found / METRICS, n)


def network_of(
    places: Sequence[Place], input_shape: tuple[int, int, int], stride: int, padding: Padding
) -> Network:
    """Return the topology that a layout tells: convolutions, global average pooling, dense layers.

    Parameters
    ----------
    places : sequence of Place
        Kernels of shape (rows, columns, inputs, outputs), matrices (inputs, outputs), as TensorFlow
        has them, and biases, named as Keras names them: ``…/conv2d/kernel:0``.
    input_shape : tuple of int
        Channels first.
    stride : int
        Of all convolutions.
    padding : {"valid", "same"}
        Of all convolutions, as Keras pads.

    Returns
    -------
    Network
        Its parameters have no values.

    Raises
    ------
    CntGraphError
        If the layout is of another kind.
    """
    builder, weights = Builder(), dict[str, dict[str, Place]]()
    for place in places:
        layer, _, kind = place.name.removesuffix(":0").rpartition("/")
        weights.setdefault(layer, {})[kind] = place
    ids = builder.input("input", input_shape)
    for layer, own in weights.items():
        kernel = own.get("kernel")
        if kernel is None or set(own) - {"kernel", "bias"} or len(kernel.shape) not in (2, 4):
            raise CntGraphError(
                f"layout: expected a kernel and a bias of convolutions and dense layers, "
                f"got {', '.join(place.name for place in own.values())}; for other networks, "
                "use Population.from_matrix with a template"
            )
        ids = _layer(builder, layer, ids, own, stride, padding)
    builder.output(ids)
    return builder.finish()


def _layer(
    builder: Builder, layer: str, ids: np.ndarray, own: dict[str, Place], stride: int,
    padding: Padding,
) -> np.ndarray:  # fmt: skip
    name = layer.rpartition("/")[2]
    weight, bias = _recipe(builder, own["kernel"]), own.get("bias")
    shift = None if bias is None else _recipe(builder, bias)
    if len(weight.shape) == 4:
        taps, inputs = own["kernel"].shape[:2], own["kernel"].shape[2]
        _check(layer, inputs, ids.shape[0])
        windows = tuple(
            _window(fine, k, stride, padding) for fine, k in zip(ids.shape[1:], taps, strict=True)
        )
        return builder.conv(name, ids, weight.transpose((3, 2, 0, 1)), shift, windows)
    if ids.ndim == 3:
        whole = tuple(AxisOperator.adaptive(n, 1) for n in ids.shape[1:])
        ids = builder.pool("global_average_pooling2d", ids, whole, "average").reshape(-1)
    _check(layer, weight.shape[0], ids.size)
    return builder.linear(name, ids, weight.transpose((1, 0)), shift)


def _recipe(builder: Builder, place: Place) -> Recipe:
    nothing = Parameter.from_array(place.name, np.zeros((), np.float32))
    return Recipe.of(builder.parameter(Parameter.blank(nothing, place.shape)))


def _check(layer: str, expected: int, found: int) -> None:
    if expected != found:
        raise CntGraphError(
            f"layout: {layer!r} reads {expected} channels, what comes before it has {found}; is "
            "input_shape right?"
        )


def _window(fine: int, kernel: int, stride: int, padding: Padding) -> Window:
    """Return how a convolution of Keras slides along an axis."""
    if padding == "valid":
        coarse, before = (fine - kernel) // stride + 1, 0
    elif padding == "same":
        coarse = -(-fine // stride)
        before = max((coarse - 1) * stride + kernel - fine, 0) // 2
    else:
        raise CntGraphError(f"expected padding to be 'valid' or 'same', got {padding!r}")
    if coarse < 1:
        raise CntGraphError(
            f"expected images of at least {kernel} positions where a kernel of {kernel} is, got "
            f"{fine}; is input_shape right?"
        )
    return Window(fine, coarse, kernel, stride, before=before)
