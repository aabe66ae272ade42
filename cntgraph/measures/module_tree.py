"""The modules of a network, one within the other, with what is in them: no weight is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from cntgraph.core.parameter import Parameter, storage_dtype
from cntgraph.core.types import Columns
from cntgraph.network.blocks.base import Block
from cntgraph.network.network import Network

COLUMNS: Final = ("module", "name", "kind", "shape", "n_parameters", "multiply_adds", "n_bytes",
                  "n_edges", "learned")  # fmt: skip
#: What stands between the names of a module and of one in it.
_BETWEEN: Final = re.compile(r"[./]")
#: Modules are no further within each other: what is deeper keeps the rest of its name as one.
_DEEPEST: Final = 100


@dataclass
class _Module:
    """A module: what it is, what is its own, and the modules in it by their names."""

    path: str = ""
    kind: str = ""
    shape: tuple[int, ...] = ()
    n_parameters: int = 0
    multiply_adds: int = 0
    n_bytes: int = 0
    n_edges: int = 0
    inside: dict[str, _Module] = field(default_factory=dict)

    def find(self, path: str, kind: str = "", shape: tuple[int, ...] = ()) -> _Module:
        """Return the module of a path, made where there is none, and say what it is."""
        found, names = self, [match.span() for match in re.finditer(r"[^./]+", path)]
        if len(names) > _DEEPEST:
            names = [*names[: _DEEPEST - 1], (names[_DEEPEST - 1][0], len(path))]
        for start, end in names:
            found = found.inside.setdefault(path[start:end], _Module(path[:end]))
        found.kind, found.shape = found.kind or kind, found.shape or shape
        return found

    def hold(self, parameter: Parameter) -> None:
        """Count a parameter as its own."""
        self.n_parameters += parameter.size * parameter.trainable
        self.n_bytes += parameter.size * storage_dtype(parameter.dtype).itemsize

    def row(self) -> dict[str, Any]:
        """Return its row, in which all that is in it is counted."""
        within = [module.row() for module in self.inside.values()]
        counted = ("n_parameters", "multiply_adds", "n_bytes", "n_edges")
        sums = {name: getattr(self, name) + sum(row[name] for row in within) for name in counted}
        learned = bool(sums["n_parameters"] or sums["multiply_adds"])
        return {"module": self.path, "kind": self.kind, "shape": self.shape, **sums,
                "learned": learned}  # fmt: skip

    def rows(self, depth: int = 0) -> Iterator[dict[str, Any]]:
        """Yield the rows of the modules in it, each after that which it is in."""
        for name, module in self.inside.items():
            yield module.row() | {"name": "  " * depth + name}
            yield from module.rows(depth + 1)


def module_columns(net: Network) -> Columns:
    """Return the modules of a network as columns: a row per module, the total in the last one.

    Parameters
    ----------
    net : Network

    Returns
    -------
    dict of str to list
        ``module`` (its whole name), ``name`` (its own, as far in as it is deep), ``kind``,
        ``shape``, and what it and the modules in it sum up to.

    Examples
    --------
    >>> import cntgraph as cg
    >>> found = module_columns(cg.toy("cnn"))
    >>> found["name"], found["n_parameters"]
    (['conv1', 'pool', 'fc', 'total'], [20, 0, 57, 77])
    """
    root, read = _Module(), set[str]()
    for block in net.blocks:
        _place(root, net, block, read)
    skipped = {entry.name for entry in net.entries if entry.status == "skipped"}
    for name, parameter in net.parameters.items():
        if name not in read:
            root.find(_module_of(name), "skipped" * (name in skipped)).hold(parameter)
    rows = [*root.rows(), root.row() | {"name": "total"}]
    return {name: [row[name] for row in rows] for name in COLUMNS}


def _place(root: _Module, net: Network, block: Block, read: set[str]) -> None:
    """Put a block where its module is, and what is folded into it where that was."""
    layer = net.layer(net.ends[block.name])
    if not block.parametric:
        root.find(layer.name, layer.kind, layer.shape).n_edges += block.n_edges
        return
    module = root.find(block.name, _kind(block), layer.shape)
    module.n_edges += block.n_edges
    module.multiply_adds += block.n_edges
    parameters = [*block.parameters()]
    own = _module_of(max(parameters, key=lambda p: p.size).name) if parameters else ""
    for parameter in parameters:
        if parameter.name not in read:
            of = _module_of(parameter.name)
            (module if of == own else root.find(of, "folded")).hold(parameter)
            read.add(parameter.name)


def _kind(block: Block) -> str:
    """Return what a block is for people: a matrix at every position is a dense one."""
    sides = max((len(parameter.shape) for parameter in block.parameters()), default=0)
    return "dense" if block.kind == "conv" and sides <= 2 else block.kind


def _module_of(name: str) -> str:
    """Return the module that a parameter is in: all of its name but the last part."""
    ends = [match.start() for match in _BETWEEN.finditer(name)]
    return name[: ends[-1]] if ends else ""
