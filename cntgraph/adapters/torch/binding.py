"""Weights from a file in the graph of a live module, which is traced and not changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import torch

from cntgraph.adapters.builder import Zeros
from cntgraph.adapters.weights.sparse import pattern_name
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.errors import FormatError
from cntgraph.core.names import some_of
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.pruned import pruned_by
from cntgraph.network.coverage import CoverageEntry
from cntgraph.network.network import Network
from cntgraph.network.put_in import put_in

#: What wrappers put before the names of a model's parameters, besides ``_orig_mod.`` anywhere.
_PREFIXES = ("module.", "model.")


def bind_weights(
    net: Network, model: torch.nn.Module, tensors: Tensors, *, zeros: Zeros = "pruned",
    unneeded: frozenset[str] = frozenset(),
) -> Network:  # fmt: skip
    """Return the network of a module with other values of its parameters.

    Parameters
    ----------
    net : Network
        As it was traced.
    model : torch.nn.Module
        The module; it says which names are one tensor.
    tensors : Tensors
        The values. Where all names begin with ``module.``, ``model.`` or ``_orig_mod.``, as
        wrappers write them, that is dropped if the names then fit.
    zeros : {"pruned", "edges"}, default "pruned"
        Whether what a sparse tensor does not store is no edge, also where the module's is dense.
    unneeded : frozenset of str, optional
        Names of tensors that the model may lack; any other that is not the model's is an error.

    Raises
    ------
    FormatError
        If a tensor of the model is missing, one is not the model's, or a shape is another.
    """
    groups = _groups(model)
    known = {name for group in groups for name in group}
    given = _renamed(tensors.by_every_name(), known)
    unexpected = {name: p for name, p in given.items() if name not in known}
    needless = {name: p for name, p in unexpected.items() if name not in unneeded}
    _check_names(model, [group[0] for group in groups if not given.keys() & set(group)], needless)
    bound = dict(net.parameters)
    for group in groups:
        found = [(name, given[name]) for name in group if name in given]
        first = next((name for name in group if name in bound), None)
        if found and first is not None:
            bound[first] = _checked(bound[first], found)
    _check_constants(net, bound)
    patterns = {name: p for name, p in unexpected.items() if name in map(pattern_name, bound)}
    bound |= {name: p for name, p in patterns.items() if name in bound}
    net = net.bind(bound, {**net.labels, **tensors.labels})
    if zeros == "pruned":
        net = _without_stored_zeros(net, patterns)
    left_out = {name: p for name, p in unexpected.items() if name not in patterns}
    return replace(net, entries=_entries(net, left_out) + tuple(tensors.left_out))


def _without_stored_zeros(net: Network, patterns: Mapping[str, Parameter]) -> Network:
    """Return a network in which what a file's sparse tensors do not store is no edge."""
    new = patterns.keys() - net.parameters.keys()
    values = {
        name: pruned_by(Recipe.of(patterns[pattern_name(name)]), Recipe.of(p))
        for name, p in net.parameters.items()
        if pattern_name(name) in new
    }
    return put_in(net, values) if values else net


def _check_names(
    model: torch.nn.Module, missing: Iterable[str], unexpected: Mapping[str, Parameter]
) -> None:
    """Raise where a tensor of the model is missing, or there are weights of another."""
    needed = [name for name in missing if not name.endswith("num_batches_tracked")]
    strange = [name for name, value in unexpected.items() if "float" in value.dtype]
    if needed or strange:
        raise FormatError(
            f"the tensors are not those of the model ({type(model).__name__}): "
            f"missing {some_of(needed)}; not in the model {some_of(strange)}. Pass the model that "
            "they belong to, or leave model= out"
        )


def _groups(model: torch.nn.Module) -> list[list[str]]:
    """Return the names of a module's tensors, those of one tensor together."""
    groups: dict[int, list[str]] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if isinstance(tensor, torch.Tensor):
            groups.setdefault(id(tensor), []).append(name)
    return list(groups.values())


def _renamed(given: dict[str, Parameter], known: set[str]) -> dict[str, Parameter]:
    """Drop what wrappers put before all names, if the names then are the model's."""
    if given.keys() & known:
        return given
    found = {name.replace("_orig_mod.", ""): p for name, p in given.items()}
    while found and not found.keys() & known:
        prefix = next((p for p in _PREFIXES if all(n.startswith(p) for n in found)), None)
        if prefix is None:
            return given
        found = {name.removeprefix(prefix): p for name, p in found.items()}
    return found


def _checked(traced: Parameter, found: list[tuple[str, Parameter]]) -> Parameter:
    """Return the values of a parameter of the model, under its name."""
    (name, value), *others = found
    if value.shape != traced.shape:
        raise FormatError(
            f"the tensor {name!r}: the model has shape {traced.shape}, the file {value.shape}; "
            "pass the model that the weights belong to"
        )
    for other, same in others:
        if same is not value and not _equal(value, same):
            raise FormatError(
                f"{name!r} and {other!r} are one tensor in the model, and differ in the file; "
                "pass a model in which they are two"
            )
    return replace(value, name=traced.name, trainable=traced.trainable)


def _check_constants(net: Network, bound: Mapping[str, Parameter]) -> None:
    """Raise where the tracer had to take a parameter's value for good, and the file has another."""
    for entry in net.entries:
        if entry.reason.startswith("used as a constant") and entry.name in bound:
            if not _equal(net.parameters[entry.name], bound[entry.name]):
                raise FormatError(
                    f"the tensor {entry.name!r} is {entry.reason}, so that its value cannot be put "
                    "in afterwards; load the weights into the model itself, and pass the model"
                )


def _equal(left: Parameter, right: Parameter) -> bool:
    """Whether two tensors hold the same values; part by part, they may be large."""
    if left.shape != right.shape:
        return False
    return all(
        np.array_equal(left.read(0, a, b), right.read(0, a, b), equal_nan=True)
        for a, b in Recipe.of(left).chunks()
    )


def _entries(net: Network, unexpected: Mapping[str, Parameter]) -> tuple[CoverageEntry, ...]:
    """Return the coverage table with the stored types, and what the model has no place for."""
    own = tuple(
        replace(entry, dtype=net.parameters[entry.name].dtype)
        if entry.name in net.parameters
        else entry
        for entry in net.entries
    )
    reason = "the model has no such tensor"
    return own + tuple(
        CoverageEntry(name, "buffer", "skipped", "", reason, p.shape, p.dtype)
        for name, p in unexpected.items()
    )
