"""Tensors: what a file of weights holds, by name, and what of it is no parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cntgraph.adapters.weights.pair_tensors import split_name
from cntgraph.core.errors import FormatError, ParameterError
from cntgraph.core.parameter import EXTENDED, ArrayHandle, Parameter
from cntgraph.network.coverage import CoverageEntry


@dataclass
class Tensors:
    """The tensors of a file, in the order in which they are stored.

    Parameters
    ----------
    parameters : list of Parameter
        Those that are real numbers.
    left_out : list of CoverageEntry
        The others, and why.
    reasons : dict of str to str
        Why a parameter is left out, where that is known already.
    same : dict of str to str
        By name, the name of the parameter that is the same tensor.
    notes : dict of str to str
        What is remarkable about a parameter, for the coverage table.
    labels : dict
        What else the file says: epoch, step.
    """

    parameters: list[Parameter] = field(default_factory=list)
    left_out: list[CoverageEntry] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    labels: dict[str, Any] = field(default_factory=dict)

    def leave_out(
        self, name: str, shape: tuple[int, ...], dtype: str, reason: str, kind: str = "parameter"
    ) -> None:
        """Note what is in the file and cannot be a parameter of the network."""
        self.left_out.append(CoverageEntry(name, kind, "skipped", "", reason, shape, dtype))

    def by_name(self) -> dict[str, Parameter]:
        """Return the parameters by name."""
        return {p.name: p for p in self.parameters}

    def by_every_name(self) -> dict[str, Parameter]:
        """Return the parameters by name, those of several names by each."""
        found = self.by_name()
        return found | {name: found[other] for name, other in self.same.items() if other in found}

    def names(self) -> set[str]:
        """Return the names of all tensors."""
        return {*self.by_name(), *self.same, *(entry.name for entry in self.left_out)}

    def add(self, name: str, shape: tuple[int, ...], dtype: str, data: ArrayHandle) -> None:
        """Append a tensor, or note why it is no parameter: it is not of real numbers."""
        try:
            self.parameters.append(Parameter(name, shape, dtype, data))
        except ParameterError as error:
            self.leave_out(name, shape, dtype, str(error))

    def add_array(self, name: str, array: NDArray[Any]) -> None:
        """Append an array in memory; its type may be one of ``ml_dtypes``."""
        bits = array.view(EXTENDED.get(array.dtype.name, array.dtype))
        self.add(name, array.shape, array.dtype.name, bits)

    def join(self, others: Tensors, path: Path) -> None:
        """Append the tensors of another part of the same model.

        Raises
        ------
        FormatError
            If a name is there already.
        """
        twice = self.names() & others.names()
        if twice:
            raise FormatError(
                f"{path}: the tensor {min(twice)!r} is in another file of the model, too; "
                "these files are not the parts of one model"
            )
        self.parameters += others.parameters
        self.left_out += others.left_out
        self.reasons |= others.reasons
        self.same |= others.same
        self.notes |= others.notes

    def put_together(self, wholes: Mapping[Parameter, Mapping[str, str]]) -> Tensors:
        """Return tensors in which weights take the place of what they are stored in.

        Parameters
        ----------
        wholes : mapping of Parameter to mapping of str to str
            By each weight, what tensors are to it, by their names.
        """
        place = {name: k for k, name in enumerate(self.by_name())}
        parts = {part: (whole.name, what)
                 for whole, roles in wholes.items() for part, what in roles.items()}  # fmt: skip
        at = {p: place[p.name] for p in self.parameters if p.name not in parts}
        for whole, roles in wholes.items():
            at[whole] = min((place[part] for part in roles if part in place), default=len(place))
        left_out = [*self.left_out]
        names = {whole.name for whole in wholes}
        for p in self.parameters:
            if p.name in parts and p.name not in names:
                name, what = parts[p.name]
                left_out.append(
                    CoverageEntry(p.name, "buffer", "folded", block_name(name), f"{what} of {name}",
                                  p.shape, p.dtype)
                )  # fmt: skip
        return replace(self, parameters=sorted(at, key=at.__getitem__), left_out=left_out)


def block_name(name: str) -> str:
    """Return what the block of a tensor is called: the module, where the tensor is its only weight.

    Examples
    --------
    >>> block_name("encoder.0.weight"), block_name("params/Dense_0/kernel")
    ('encoder.0', 'params/Dense_0')
    >>> block_name("lstm.weight_ih_l0"), block_name("weight")
    ('lstm.weight_ih_l0', 'weight')
    """
    stem, leaf = split_name(name)
    return stem[:-1] if stem[:-1] and leaf in _ONLY_WEIGHT else name


_ONLY_WEIGHT = frozenset("weight kernel embedding embeddings gamma scale w W".split())
