"""What commands are given: arguments and options, each said once."""

from __future__ import annotations

import sys
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from cntgraph.core.errors import CntGraphError


class Format(StrEnum):
    """How a table is printed."""

    table = "table"
    csv = "csv"
    json = "json"


class Columns(StrEnum):
    """Which columns of a table are shown."""

    main = "main"
    all = "all"


class Norm(StrEnum):
    """What becomes of batch norms."""

    fold = "fold"
    keep = "keep"


class Edges(StrEnum):
    """Which edges count."""

    parametric = "parametric"
    all = "all"


class Granularity(StrEnum):
    """What a node is."""

    neuron = "neuron"
    channel = "channel"
    layer = "layer"


class Aggregation(StrEnum):
    """What the weight of an edge is of those between two channels or layers."""

    sum = "sum"
    l1 = "l1"
    l2 = "l2"


class Sign(StrEnum):
    """What measures of weights ≥ 0 take of the others."""

    absolute = "absolute"
    positive = "positive"
    negative = "negative"


Model = Annotated[
    Path,
    typer.Argument(
        help="A saved model: .pt2, .onnx, .keras, .h5; a folder of Hugging Face, or hf://org/name; "
        "or weights: .safetensors (or a folder of shards), .pt, .ckpt, .npz."
    ),
]
InputShape = Annotated[
    str | None, typer.Option(help="Shape of one sample, such as 3,224,224, if the file lacks it.")
]
Factory = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="What makes the PyTorch module that weights belong to, as package.module:function; "
        "its graph is then theirs. It is imported, from the current folder too, and called.",
    ),
]
Separate = Annotated[
    bool,
    typer.Option(
        "--separate",
        help="Leave a folder's config.json aside: its weights alone, each a block of its own.",
    ),
]
Download = Annotated[
    bool, typer.Option("--download", help="Fetch what of hf://org/name is not in the local cache.")
]
Unroll = Annotated[
    int | None,
    typer.Option(min=1, help="Unroll recurrent layers over so many steps; by default, loops."),
]
NormOption = Annotated[Norm, typer.Option(help="Fold batch norms, or keep them as layers.")]
Strict = Annotated[bool, typer.Option("--strict", help="Fail if anything is left out.")]
Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="Write the table: .csv, .json, .parquet or .h5."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")]
GranularityOption = Annotated[
    Granularity, typer.Option(help="What a node is: a neuron, a channel or a layer.")
]
AggregationOption = Annotated[
    Aggregation, typer.Option(help="Of the weights between two channels: their sum, L1 or L2 norm.")
]
SignOption = Annotated[
    Sign | None,
    typer.Option(
        help="What measures of weights ≥ 0 take: |w| of all, or of those of one sign only."
    ),
]
ColumnsOption = Annotated[
    Columns, typer.Option(help="What is shown: what people compare, or all; files have all.")
]
FormatOption = Annotated[Format, typer.Option("-f", "--format", help="How to print the table.")]


class Snapshots(StrEnum):
    """Which snapshots of a file are networks of a population."""

    last = "last"
    all = "all"


def parse_shape(text: str) -> tuple[int, ...]:
    """Return the shape that ``--input-shape`` says.

    Examples
    --------
    >>> parse_shape("3,224,224"), parse_shape("3x32x32")
    ((3, 224, 224), (3, 32, 32))
    """
    try:
        return tuple(int(part) for part in text.replace("x", ",").split(","))
    except ValueError:
        raise CntGraphError(
            f"expected --input-shape as numbers with commas, such as 3,224,224; got {text!r}"
        ) from None


def made_by(factory: str) -> Any:
    """Return what the user's own function makes, of which ``--model`` says the place.

    Raises
    ------
    CntGraphError
        If there is no such function, or it fails.
    """
    name, _, function = factory.partition(":")
    if not name or not function:
        raise CntGraphError(
            f"expected --model as package.module:function, such as nets:resnet; got {factory!r}"
        )
    sys.path.insert(0, "")
    try:
        return getattr(import_module(name), function)()
    except Exception as error:  # whatever the user's code raises
        raise CntGraphError(
            f"--model {factory}: {type(error).__name__}: {error}; expected a function or a class "
            "that makes the module when it is called without arguments"
        ) from error
    finally:
        sys.path.remove("")
