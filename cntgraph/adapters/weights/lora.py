"""LoRA: folders of PEFT, whose matrices A and B are an update B A of a base model's weights.

A folder has `adapter_config.json` and `adapter_model.safetensors`. By themselves they are a network
of the updates, one block a module; with a base they are that network, its weights W + s B A, where
s is the scale, alpha / r or alpha / √r. No product is formed before its values are asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod, sqrt
from pathlib import Path
from typing import Any

from cntgraph.adapters.builder import Builder
from cntgraph.adapters.weights.json_object import read_settings
from cntgraph.adapters.weights.name_patterns import NamePatterns
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.errors import FormatError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.network.coverage import CoverageEntry, Status
from cntgraph.network.network import Network
from cntgraph.network.put_in import put_in

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
#: What the names of all tensors begin with.
_PREFIX = "base_model.model."
_PART = re.compile(
    r"(?P<module>.+)\.(?P<part>lora_embedding_[AB]|lora_[AB]\.(?:weight|bias)"
    r"|lora_magnitude_vector(?:\.weight)?)$"
)
_NO_BASE = "takes the place of a tensor of the base model: pass base="
_OTHER = "of a method other than LoRA; merge it (merge_and_unload) and save the model"


@dataclass
class Module:
    """The tensors of one module's update.

    Parameters
    ----------
    name : str
        The module of the base model.
    scale : float
        What the product is multiplied by.
    turned : bool
        Whether the base model stores the weight with its outputs last.
    parts : dict of str to Parameter
        By ``"A"``, ``"B"``, ``"bias"`` and ``"magnitude"``.
    """

    name: str
    scale: float
    turned: bool
    parts: dict[str, Parameter] = field(default_factory=dict)

    @property
    def update(self) -> Recipe:
        """The update s B A, a matrix of outputs and inputs; taps of a kernel are inputs."""
        a, b = (Recipe.of(self.parts[part]) for part in ("A", "B"))
        return (b.reshape((b.shape[0], -1)) @ a.reshape((a.shape[0], -1))) * self.scale

    @property
    def bias(self) -> Recipe | None:
        """What is added to the outputs: a bias of B's own, scaled as the product is."""
        return Recipe.of(self.parts["bias"]) * self.scale if "bias" in self.parts else None

    def check(self) -> None:
        """Raise where there is no product of A and B.

        Raises
        ------
        FormatError
        """
        shapes = [self.parts[part].shape for part in ("A", "B") if part in self.parts]
        fits = len(shapes) == 2 and all(len(shape) > 1 for shape in shapes)
        if not fits or shapes[0][0] != prod(shapes[1][1:]):
            raise FormatError(
                f"the update of {self.name}: expected lora_A of shape (r, inputs) and lora_B of "
                f"shape (outputs, r), got {shapes}"
            )

    def of_base(self, weight: Recipe) -> Recipe:
        """Return a weight of the base model with its update.

        Raises
        ------
        FormatError
            If the update is of another size.
        """
        update = self.update
        if self.turned:
            update = update.transpose((1, 0))
        if prod(update.shape) != prod(weight.shape):
            raise FormatError(
                f"the update of {self.name} is of shape {update.shape}, the weight of the base "
                f"model of shape {weight.shape}; pass the base that the adapter was trained on"
            )
        changed = weight + update.reshape(weight.shape)
        magnitude = self.parts.get("magnitude")
        return changed if magnitude is None else self._of_magnitude(changed, magnitude)

    def _of_magnitude(self, changed: Recipe, magnitude: Parameter) -> Recipe:
        """Return the weight of a DoRA: each output's row has the size that is learned of it."""
        output = len(changed.shape) - 1 if self.turned else 0
        axes = tuple(axis for axis in range(len(changed.shape)) if axis != output)
        size = changed.square().sum(axes).sqrt()
        return changed * (Recipe.of(magnitude).reshape(size.shape) / size)


def is_adapter(path: Path) -> bool:
    """Return whether a folder, or a file in it, is an adapter of PEFT."""
    folder = path if path.is_dir() else path.parent
    named = path.is_dir() or path.name.startswith("adapter_model")
    return named and (folder / CONFIG).is_file()


def network_of_adapter(
    path: Path, tensors: Tensors, base: Network | None, *, strict: bool = False
) -> Network:
    """Return the network of an adapter's updates, or a base model's with them.

    Parameters
    ----------
    path : Path
        The folder, or its file of tensors.
    tensors : Tensors
        What it holds.
    base : Network or None
        The model that they update, its parameters named as the model names them.
    strict : bool, default False
        Whether to raise where something is left out.

    Raises
    ------
    FormatError
        If the folder is damaged, or not of LoRA, or the base has no such weights.
    CoverageError
        If `strict`, without a base, and something is left out.
    """
    modules, others = _modules(tensors, _config(path if path.is_dir() else path.parent))
    if not modules:
        names = ", ".join(sorted(tensors.names())[:3]) or "none"
        raise FormatError(f"{path}: expected tensors of a LoRA (lora_A, lora_B), found {names}")
    for module in modules:
        module.check()
    if base is not None:
        return _with(base, modules, others)
    return _updates(tensors, modules, others, strict)


# -- what a folder holds ---------------------------------------------------------------------------


def _config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    config = read_settings(path)
    if config is None or not isinstance(config.get("r", 8), int):
        raise FormatError(f"{path}: expected the JSON of a PEFT adapter, with a rank r")
    kind = config.get("peft_type", "LORA")
    if kind != "LORA":
        raise FormatError(
            f"{path}: expected an adapter of the type LORA, found {kind!r:.40}; merge it into its "
            "model (peft: merge_and_unload), save that, and load it"
        )
    return config


def _modules(
    tensors: Tensors, config: Mapping[str, Any]
) -> tuple[list[Module], dict[str, Parameter]]:
    """Return the updates, and by the names of the base model tensors that are no update."""
    modules, others = dict[str, Module](), dict[str, Parameter]()
    for parameter in tensors.parameters:
        name = parameter.name.removeprefix(_PREFIX)
        match = _PART.fullmatch(name)
        if match is None:
            others[name] = parameter
            continue
        module = modules.setdefault(match["module"], Module(match["module"], 1.0, False))
        kind, _, leaf = match["part"].removeprefix("lora_").partition(".")
        part = "magnitude" if kind.startswith("magnitude") else kind.removeprefix("embedding_")
        module.parts["bias" if leaf == "bias" else part] = parameter
        module.turned |= kind.startswith("embedding") or bool(config.get("fan_in_fan_out"))
    ranks, alphas = (
        NamePatterns.of(config.get(key), len(modules), f"{CONFIG}, {key}")
        for key in ("rank_pattern", "alpha_pattern")
    )
    for module in modules.values():
        rank = _number(ranks.number(module.name, config.get("r", 8)), "rank")
        alpha = _number(alphas.number(module.name, config.get("lora_alpha", 8)), "alpha")
        if not rank >= 1:
            raise FormatError(
                f"the update of {module.name}: expected a rank of 1 or more, got {rank}"
            )
        module.scale = alpha / (sqrt(rank) if config.get("use_rslora") else rank)
    return list(modules.values()), others


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
        raise FormatError(f"{CONFIG}: expected each {what} as a number, got {value!r:.40}")
    return float(value)


# -- the updates by themselves ---------------------------------------------------------------------


def _updates(
    tensors: Tensors, modules: list[Module], others: Mapping[str, Parameter], strict: bool
) -> Network:
    builder = Builder()
    for parameter in tensors.parameters:
        builder.parameter(parameter)
    builder.reasons |= {p.name: _reason(p.name) for p in others.values()}
    builder.operations += tensors.left_out
    for module in modules:
        shape = module.parts["A"].shape
        ids = builder.input(f"{module.name}.in", shape[1:])
        builder.output(builder.linear(module.name, ids.reshape(-1), module.update, module.bias))
        if "magnitude" in module.parts:
            builder.reasons[module.parts["magnitude"].name] = _NO_BASE
    return builder.finish(strict=strict)


def _reason(name: str) -> str:
    return _OTHER if re.search(r"\.(hada|lokr|ia3|oft|vera)_", name) else _NO_BASE


# -- the updates in a base model -------------------------------------------------------------------


def _with(base: Network, modules: list[Module], others: Mapping[str, Parameter]) -> Network:
    """Return a base model with its weights updated."""
    values = dict[str, Recipe]()
    for module in modules:
        weight = _found(base, f"{module.name}.weight")
        values[weight.name] = module.of_base(Recipe.of(weight))
        if module.bias is not None:
            bias = _found(base, f"{module.name}.bias")
            values[bias.name] = Recipe.of(bias) + module.bias
    for name, parameter in others.items():  # modules that were trained as a whole
        values[_found(base, name).name] = Recipe.of(parameter)
    return replace(put_in(base, values), entries=base.entries + tuple(_entries(base, values)))


def _found(base: Network, name: str) -> Parameter:
    """Return the parameter of the base model that an adapter calls so."""
    name = name.replace("modules_to_save.", "")
    ends = [p for own, p in base.parameters.items() if f".{own}".endswith(f".{name}")]
    begins = [p for own, p in base.parameters.items() if name.endswith(f".{own}")]
    for found in ([base.parameters[name]] if name in base.parameters else [], ends, begins):
        if len(found) == 1:
            return found[0]
    some = ", ".join(list(base.parameters)[:4])
    raise FormatError(
        f"the base model has no single tensor {name!r} that the adapter updates, but {some}, …; "
        "pass the base that it was trained on"
    )


def _entries(base: Network, values: Mapping[str, Recipe]) -> Iterator[CoverageEntry]:
    """Say into which blocks the tensors of an adapter are folded."""
    for name, value in values.items():
        blocks = [b.name for b in base.blocks if name in {p.name for p in b.parameters()}]
        status: Status = "included" if blocks else "skipped"
        reason = f"the update of {name}" if blocks else f"no block reads {name}"
        for p in value.parameters():
            if p.name not in base.parameters:
                where = ", ".join(blocks)
                yield CoverageEntry(p.name, "parameter", status, where, reason, p.shape, p.dtype)
