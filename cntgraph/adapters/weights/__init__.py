"""Weights without a graph; and the adapter of NumPy, for arrays in files, dicts and lists.

Files are ``.npz`` and ``.npy``, and lists are as Keras gives them. Arrays by name have no graph:
each weight is a block of its own (`separate`). A list of arrays, or the ``arr_0, arr_1, …`` that
``numpy.savez(path, *arrays)`` writes, is in the order of Keras's ``get_weights()`` (kernel, bias,
kernel, bias, …) and is a chain of layers (`chain`): of dense ones as it stands, of others with a
`description`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cntgraph.adapters.options import Options
from cntgraph.adapters.weights.chain import chain_of
from cntgraph.adapters.weights.files import read_arrays
from cntgraph.adapters.weights.packed import unpacked
from cntgraph.adapters.weights.separate import Layout, network_of
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.errors import FormatError
from cntgraph.core.parameter import Parameter
from cntgraph.network.network import Network

suffixes = (".npz", ".npy")
options = ("description", "layout")


def recognizes(source: object) -> bool:
    """Return whether `source` is an array, a list of arrays, or a dict of arrays by name."""
    if isinstance(source, Mapping):
        return any(True for _ in _named(source, ""))
    if isinstance(source, list | tuple):
        return bool(source) and all(_is_array(value) for value in source)
    return isinstance(source, np.ndarray)


def load(
    source: Any,
    *,
    description: Sequence[str | Mapping[str, Any]] | str | None = None,
    layout: Layout | None = None,
    **shared: Any,
) -> Network:
    """Return the network of arrays in a file, a dict or a list.

    Parameters
    ----------
    source : str, Path, array, dict of arrays, or list of arrays
        Dicts may be nested, as Flax's parameters are; names are joined by dots.
    description : list of str or dict, or "separate", optional
        The layers in order, see `weights.description`; ``"separate"`` makes each weight of a list a
        block of its own.
    layout : {"OIHW", "OHWI", "HWIO"}, optional
        The order of the axes of convolutions' kernels, where each is a block of its own.
    **shared
        The fields of `Options`. A chain that begins with a convolution needs `input_shape`,
        channels first, or an `example_input`, of which only the shape is looked at.

    Raises
    ------
    FormatError
        If a file is damaged, or a list is no chain of layers.
    InputShapeError
        If the size of the input is needed and missing.
    """
    given, (tensors, is_list) = Options(**shared), _tensors(source)
    separate = isinstance(description, str) and description == "separate"
    if separate or (description is None and not is_list):
        if is_list:  # called so that the outputs of kernels are known to be last
            named = (p.rename(f"{p.name}.kernel") if len(p.shape) > 1 else p
                     for p in tensors.parameters)  # fmt: skip
            tensors = Tensors(list(named))
        return network_of(tensors, given, layout)
    if tensors.left_out:
        entry = tensors.left_out[0]
        raise FormatError(f"expected a list of weights; {entry.name}: {entry.reason}")
    shape = given.input_shape
    if shape is None and given.example_input is not None:
        shape = np.shape(given.example_input)[1:]
    return given.finish(chain_of(tensors.parameters, description, shape))


def parameters(source: Any) -> dict[str, Parameter]:
    """Return the arrays of a file, a dict or a list by name."""
    return _tensors(source)[0].by_name()


def _tensors(source: Any) -> tuple[Tensors, bool]:
    """Return arrays by name, and whether they were a list without names."""
    if isinstance(source, str | Path):
        tensors = read_arrays(Path(source))
    else:
        tensors = Tensors()
        for name, array in _named_arrays(source):
            tensors.add_array(name, array)
    tensors = unpacked(tensors)
    names = [name for name in tensors.names() if not re.fullmatch(r"arr_\d+", name)]
    if names or not tensors.parameters:
        return tensors, False
    tensors.parameters.sort(key=lambda p: int(p.name[4:]))
    return tensors, True


def _named_arrays(source: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    if isinstance(source, Mapping):
        yield from _named(source, "")
    elif isinstance(source, np.ndarray):
        yield "array", source
    else:
        yield from ((f"arr_{k}", np.asarray(array)) for k, array in enumerate(source))


def _named(source: Mapping[Any, Any], prefix: str, depth: int = 16) -> Iterator[tuple[str, Any]]:
    """Yield the arrays of a dict, nested or not."""
    for key, value in source.items():
        if isinstance(value, Mapping) and depth:
            yield from _named(value, f"{prefix}{key}.", depth - 1)
        elif _is_array(value):
            yield f"{prefix}{key}", np.asarray(value)


def _is_array(value: Any) -> bool:
    """Whether a value is an array of any library that NumPy can read."""
    is_array = all(hasattr(value, what) for what in ("__array__", "shape", "dtype"))
    return is_array and not isinstance(value, np.generic | type)
