"""load: a network from wherever it is, a live model, a framework's file, or cntgraph's own."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from cntgraph.adapters import registry
from cntgraph.adapters.base import Norm
from cntgraph.errors import FormatError
from cntgraph.network import Network


def load(
    source: Any,
    *,
    input_shape: tuple[int, ...] | None = None,
    example_input: Any = None,
    norm: Norm = "fold",
    strict: bool = False,
) -> Network:
    """Turn a trained network, live or saved, into a `Network`.

    Parameters
    ----------
    source : str, Path or model object
        A file (``.pt2``, ``.onnx``, or ``.h5`` written by cntgraph) or a live model.
    input_shape : tuple of int, optional
        Shape of one sample, channels first, without the batch dimension. Needed for a live
        model unless `example_input` is given.
    example_input : array or tuple of arrays, optional
        What the model is called with, batch dimension included.
    norm : {"fold", "keep"}, default "fold"
        Whether batch norms are folded into the operation they follow, or kept as layers.
    strict : bool, default False
        Raise, rather than warn, where a parameter or an operation is left out.

    Returns
    -------
    Network
        Its `coverage` says what became of every parameter.

    Raises
    ------
    FormatError
        If the file is damaged, or of no known kind.
    UnsafeFileError
        If it could only be read by running code that it contains.
    InputShapeError
        If the size of the input is needed and missing.
    TraceError
        If the model cannot be followed.
    CoverageError
        If `strict` and something is left out.
    MissingExtraError
        If the framework that reads it is not installed.

    Examples
    --------
    >>> import cntgraph as cg
    >>> cg.load(cg.demo_file("training"))
    <Network: 7 layers, 6 blocks, 1,066 nodes, 19,808 edges, 3,706 parameters>

    A live model, and files of frameworks::

        cg.load(model, input_shape=(1, 28, 28))
        cg.load("model.pt2")
        cg.load("model.onnx")
    """
    options = registry.checked_options(
        input_shape=input_shape, example_input=example_input, norm=norm, strict=strict
    )
    if isinstance(source, str | PathLike):
        path = Path(source)
        if not path.is_file():
            found = "a folder" if path.is_dir() else "nothing"
            raise FormatError(f"{path}: expected a file, found {found}")
        if path.suffix.lower() in (".h5", ".hdf5"):
            from cntgraph.store.reader import read_network

            return read_network(path)
        source = path
    return registry.load(source, **options)
