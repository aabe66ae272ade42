"""Spiking networks as the Neuromorphic Intermediate Representation has them: ``.nir`` files.

A file is HDF5: layers with their arrays, and edges between layers. The package ``nir`` is not
needed; a live ``nir.NIRGraph`` is read as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cntgraph.adapters.nir.description import Description, of_file, of_graph
from cntgraph.adapters.nir.tracing import trace
from cntgraph.adapters.options import Options
from cntgraph.core.errors import FormatError
from cntgraph.core.parameter import Parameter
from cntgraph.network.network import Network

suffixes = (".nir",)
options = ()


def recognizes(source: object) -> bool:
    """Return whether `source` is a graph of the package ``nir``."""
    kind = type(source)
    return kind.__module__.partition(".")[0] == "nir" and kind.__name__ == "NIRGraph"


def load(source: Any, **shared: Any) -> Network:
    """Return the network of a ``.nir`` file, or of a graph of the package ``nir``.

    Parameters
    ----------
    source : str, Path or nir.NIRGraph
    **shared
        The fields of `Options`; `input_shape` is needed only where the graph's input has none.

    Raises
    ------
    FormatError
        If the file is damaged, or `unroll` is asked for: time is continuous.
    TraceError
        If layers lead in circles without a neuron that has a state.
    """
    given = Options(**shared)
    if given.unroll is not None:
        raise FormatError("time is continuous in this format: leave unroll out")
    builder = given.builder()
    trace(_described(source), builder, given)
    return given.finish(builder)


def parameters(source: Any) -> dict[str, Parameter]:
    """Return the arrays of a file or a graph by name."""
    found = _described(source)
    return {p.name: p for node in found.nodes.values() for p in node.arrays.values()}


def _described(source: Any) -> Description:
    return of_file(Path(source)) if isinstance(source, str | Path) else of_graph(source)
