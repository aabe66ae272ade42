"""diffusers: the network that a configuration names, and samples of its size."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch

from cntgraph.adapters.huggingface.building import image_sizes, sizes_of, zeros
from cntgraph.adapters.huggingface.description import Description
from cntgraph.adapters.options import Options
from cntgraph.core.errors import InputShapeError


def unknown(found: Description) -> str:
    """Return why a configuration cannot be built; nothing where it can."""
    import diffusers

    if _class(found) is not None:
        return ""
    return f"diffusers {diffusers.__version__} has no network {found.name!r:.60}"


def build(found: Description) -> torch.nn.Module:
    """Return the network of a configuration, without weights."""
    made = _class(found)
    assert made is not None
    settings = {k: v for k, v in found.settings.items() if k != "quantization_config"}
    module: torch.nn.Module = made.from_config(settings)
    return module


def _class(found: Description) -> Any:
    import diffusers

    made = getattr(diffusers, found.name, None) if found.name.isidentifier() else None
    return made if isinstance(made, type) and issubclass(made, diffusers.ModelMixin) else None


def example(module: Any, found: Description, given: Options) -> dict[str, torch.Tensor]:
    """Return a sample, a time, and what else the network asks for.

    Raises
    ------
    InputShapeError
        If the configuration does not tell it.
    """
    accepted = inspect.signature(module.forward).parameters
    config, made = module.config, dict[str, torch.Tensor]()
    for name, parameter in accepted.items():
        needed = parameter.default is inspect.Parameter.empty
        needed |= name == "class_labels" and config.get("num_class_embeds") is not None
        make = _MADE.get(name)
        value = make(config, given) if make is not None else None
        if value is not None:
            made[name] = value
        elif needed:
            raise _untold(found, name, [*accepted])
    if config.get("addition_embed_type") is not None:
        raise _untold(found, "added_cond_kwargs", [*accepted])
    return made


def _untold(found: Description, name: str, accepted: list[str]) -> InputShapeError:
    return InputShapeError(
        f"{found.folder}: the configuration of {found.name} does not tell its input {name!r}; pass "
        f"example_input=a dict of what its forward takes ({', '.join(accepted[:6])}, …)"
    )


def _sample(config: Any, given: Options) -> torch.Tensor | None:
    """Return an image, or what one is encoded into, of the size that it was trained with."""
    channels, sizes = sizes_of(config.get("in_channels")), image_sizes(config.get("sample_size"))
    if given.input_shape is not None:
        return zeros(*given.input_shape)
    return zeros(*channels, *sizes) if channels and sizes else None


def _time(config: Any, given: Options) -> torch.Tensor | None:
    return torch.zeros(1, dtype=torch.int64)


def _text(config: Any, given: Options) -> torch.Tensor | None:
    """Return one token of a text, as it is encoded."""
    widths = (config.get(key) for key in ("encoder_hid_dim", "cross_attention_dim"))
    width = next(filter(None, map(sizes_of, widths)), ())
    return zeros(1, width[0]) if width else None


def _label(config: Any, given: Options) -> torch.Tensor | None:
    numbers = (config.get(key) for key in ("num_class_embeds", "num_embeds_ada_norm"))
    return _time(config, given) if any(map(sizes_of, numbers)) else None


_MADE: dict[str, Callable[[Any, Options], torch.Tensor | None]] = {
    "sample": _sample, "hidden_states": _sample, "timestep": _time, "timesteps": _time,
    "encoder_hidden_states": _text, "class_labels": _label,
}  # fmt: skip
