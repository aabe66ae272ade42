"""Files and networks for the tests of the store, and what is done with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py

import cntgraph as cg
from cntgraph.core.errors import CntGraphError
from cntgraph.core.parameter import Parameter
from cntgraph.network.network import Network
from cntgraph.store.hdf5 import LIBVER
from cntgraph.store.writer import fixed_text

#: Written by cntgraph 0.1.0 from toy("residual").
FORMAT_1 = Path(__file__).parent / "data" / "format1.h5"


def carrying(*parameters: Parameter) -> Network:
    """A toy that has more parameters than its blocks read."""
    net = cg.toy("mlp")
    return replace(net, parameters={**net.parameters, **{p.name: p for p in parameters}})


def saved(net: Any, path: Path, **options: Any) -> Network:
    cg.save(net, path, **options)
    return cg.open(path)[-1]


def use(path: Path) -> None:
    """Do with a file what people do: list, describe, measure, build."""
    with cg.open(path) as trajectory:
        assert len(trajectory.labels) == len(trajectory)
        for net in trajectory:
            cg.describe(net)
            cg.analyze(net, edges="all")
            cg.build_graph(net)


def is_refused(path: Path) -> bool:
    """Use a file; whatever it raises that is no CntGraphError comes through."""
    try:
        use(path)
    except CntGraphError:
        return True
    return False


def replace_text(path: Path, name: str, text: str) -> None:
    with h5py.File(path, "r+", libver=LIBVER) as file:
        del file[name]
        file[name] = fixed_text(text)
