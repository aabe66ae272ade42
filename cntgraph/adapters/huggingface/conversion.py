"""The names and forms that transformers gives to stored tensors, followed as recipes.

The library keeps a list of them for each type of model: names of older files, experts that are
stored one by one and are one tensor in the model. What an operation of the list does is watched
on tensors without values, as are the operations of a model, so a weight that is put together is
a recipe of what is stored, and nothing is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformers import conversion_mapping
from transformers.core_model_loading import (
    WeightConverter,
    WeightRenaming,
    dot_natural_key,
    rename_source_key,
)

from cntgraph.adapters.huggingface.placing import put_together, renamed
from cntgraph.adapters.options import Options
from cntgraph.adapters.torch.aten.tracer import AtenTracer
from cntgraph.adapters.torch.aten.values import Place
from cntgraph.adapters.torch.watch import Watch, watching
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.errors import FormatError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe


def converted(module: Any, tensors: Tensors) -> Tensors:
    """Return tensors by a model's names, those put together that are one in the model.

    Parameters
    ----------
    module : transformers.PreTrainedModel
        It may be hollow.
    tensors : Tensors
        As they are stored.

    Raises
    ------
    FormatError
        If an operation of the library cannot be followed.
    """
    transforms = conversion_mapping.get_model_conversion_mapping(module)
    renamings = [t for t in transforms if isinstance(t, WeightRenaming)]
    converters = [t for t in transforms if isinstance(t, WeightConverter)]
    state, names = module.state_dict(), dict[str, str]()
    gathered: dict[str, dict[str, list[Parameter]]] = {}
    stored = tensors.by_name()
    for name in sorted(tensors.names(), key=dot_natural_key):
        there, pattern = rename_source_key(
            name, renamings, converters, module.base_model_prefix, state
        )
        if there not in state:
            there, pattern = rename_source_key(name, [], [], module.base_model_prefix, state)
        if pattern is None or name not in stored:
            names[name] = there
        else:
            gathered.setdefault(there, {}).setdefault(pattern, []).append(stored[name])
    by_pattern = {pattern: c for c in converters for pattern in c.source_patterns}
    values: dict[str, Recipe] = {}
    for there, parts in gathered.items():
        values |= _followed(module, by_pattern[next(iter(parts))], there, parts)
    return put_together(renamed(tensors, names), values)


def _followed(
    module: Any, converter: Any, name: str, parts: Mapping[str, list[Parameter]]
) -> dict[str, Recipe]:
    """Return what a conversion makes of stored tensors, by the model's names."""
    tracer = AtenTracer(Options().builder())
    watch = Watch(tracer, Place, shapes_only=True, stand_ins=True)

    def stand_in(parameter: Parameter) -> torch.Tensor:
        tensor = torch.empty(parameter.shape, device="meta")
        watch.known[tensor] = Recipe.of(parameter)
        return tensor

    converter = converter.copy([*converter._original_source_patterns],
                               [*converter._original_target_patterns],
                               operations=converter.operations)  # fmt: skip
    tensors = {pattern: [*map(stand_in, some)] for pattern, some in parts.items()}
    converter.collected_tensors.update(tensors)
    try:
        with watching(watch):
            made = converter.convert(name, model=module, config=module.config)
        found = {key: watch.lookup(value[0] if isinstance(value, list) else value)
                 for key, value in made.items()}  # fmt: skip
    except Exception as error:  # whatever the library does with tensors without values
        raise FormatError(_unfollowed(name, converter, str(error))) from error
    if not all(isinstance(value, Recipe) for value in found.values()):
        raise FormatError(_unfollowed(name, converter, "its result is no recipe"))
    return found


def _unfollowed(name: str, converter: Any, reason: str) -> str:
    return (
        f"the weight {name!r} is made of stored tensors by {converter.operations}, which cannot be "
        f"followed ({reason[:200]}); pass model=, the module with its weights. "
        "description='separate' gives the weights alone, each a block of its own"
    )
