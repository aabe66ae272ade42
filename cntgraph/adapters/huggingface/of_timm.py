"""timm: the architecture that a configuration names, and images of its size."""

from __future__ import annotations

import inspect
import re
from typing import Any

import torch

from cntgraph.adapters.huggingface.building import sizes_of, zeros
from cntgraph.adapters.huggingface.description import Description
from cntgraph.adapters.options import Options
from cntgraph.core.errors import FormatError, InputShapeError

#: What a model is made with, besides its own arguments.
_SETTINGS = ("num_classes", "global_pool")


def unknown(found: Description) -> str:
    """Return why a configuration cannot be built; nothing where it can."""
    import timm

    # Anything before a colon would be a place to fetch or to read another model from.
    if re.fullmatch(r"\w+(\.\w+)?", found.name) and timm.is_model(found.name):
        return ""
    return f"timm {timm.__version__} has no architecture {found.name!r:.60}"


def build(found: Description) -> torch.nn.Module:
    """Return the model of a configuration, without weights.

    Raises
    ------
    FormatError
        If an argument would let other files be read.
    """
    import timm

    own = found.settings.get("model_args") or {}
    reserved = {*inspect.signature(timm.create_model).parameters} - {*_SETTINGS}
    if not isinstance(own, dict) or reserved & own.keys():
        raise FormatError(
            f"expected model_args of {found.name}, found {own!r:.80}: "
            f"{', '.join(sorted(reserved)[:4])}, … are none of a model's own"
        )
    told = {key: found.settings[key] for key in _SETTINGS if found.settings.get(key) is not None}
    module: torch.nn.Module = timm.create_model(found.name, pretrained=False, **told | own)
    return module


def example(module: Any, found: Description, given: Options) -> tuple[torch.Tensor, ...]:
    """Return an image of the size that the configuration has.

    Raises
    ------
    InputShapeError
        If it has none.
    """
    configured = found.settings.get("pretrained_cfg") or found.settings
    known = getattr(module, "pretrained_cfg", None) or {}
    asked = (given.input_shape, configured.get("input_size"), known.get("input_size"))
    sizes = next(filter(None, map(sizes_of, asked)), ())
    if not sizes:
        raise InputShapeError(
            f"{found.folder}: the configuration has no input_size; pass input_shape=(channels, "
            "height, width)"
        )
    return (zeros(*sizes),)
