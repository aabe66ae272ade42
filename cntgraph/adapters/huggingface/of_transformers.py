"""transformers: the class that a configuration names, its tensors' names, and what it is run on."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_MAPPING

from cntgraph.adapters.huggingface.building import image_sizes, sizes_of, zeros
from cntgraph.adapters.huggingface.conversion import converted
from cntgraph.adapters.huggingface.description import Description
from cntgraph.adapters.huggingface.placing import put_together
from cntgraph.adapters.options import Options
from cntgraph.adapters.torch.tensors import parameter_of
from cntgraph.adapters.weights.json_object import read_settings
from cntgraph.adapters.weights.tensors import Tensors
from cntgraph.core.errors import InputShapeError
from cntgraph.core.recipe import Recipe

#: Tokens that a language model is run on: with one, each weight is an edge once.
TOKENS = 1
#: Settings that say how a model is run, or where more of it comes from.
_NO_ARCHITECTURE = frozenset(
    "auto_map quantization_config attn_implementation _attn_implementation "
    "_attn_implementation_internal experts_implementation _experts_implementation "
    "_experts_implementation_internal".split()
)


def unknown(found: Description) -> str:
    """Return why a configuration cannot be built; nothing where it can."""
    kind = found.settings.get("model_type")
    if isinstance(kind, str) and kind in CONFIG_MAPPING and _class(found) is not None:
        return ""
    own = " (it comes as code in the folder, which is not run)" * ("auto_map" in found.settings)
    return (
        f"transformers {transformers.__version__} has no {found.name!r:.60} of the type "
        f"{kind!r:.60}{own}; pass model=, the module, for the graph"
    )


def build(found: Description) -> torch.nn.Module:
    """Return the model of a configuration, as the library builds it for these weights."""
    settings = _of_architecture(found.settings)
    config = CONFIG_MAPPING[settings["model_type"]].from_dict(settings)
    made = _class(found)
    assert made is not None
    module: torch.nn.Module = made._from_config(config)
    return module


def _of_architecture(settings: Any) -> Any:
    """Return a configuration without what is no part of an architecture, in any depth.

    That is which code carries it out (kernels may be fetched and run), how weights are packed,
    which are unpacked where they are read, and where those of a part may be fetched.
    """
    if isinstance(settings, list):
        return [*map(_of_architecture, settings)]
    if not isinstance(settings, dict):
        return settings
    kept = {key: _of_architecture(value) for key, value in settings.items()
            if key not in _NO_ARCHITECTURE}  # fmt: skip
    return kept | ({"use_pretrained_backbone": False} if "use_pretrained_backbone" in kept else {})


def _class(found: Description) -> Any:
    """Return the class of that name, or the one that the type of configuration has by default."""
    made = getattr(transformers, found.name, None) if found.name.isidentifier() else None
    if isinstance(made, type) and issubclass(made, transformers.PreTrainedModel):
        return made
    if found.settings.get("architectures"):
        return None
    made = MODEL_MAPPING.get(CONFIG_MAPPING[found.settings["model_type"]], None)
    return made[0] if isinstance(made, tuple) else made


def placed(module: Any, tensors: Tensors) -> Tensors:
    """Return the tensors of a folder by a model's names, put together as it has them.

    Tables that are frozen (sines of positions) are not stored; the library computes them.
    """
    found = converted(module, _turned(tensors))
    names = found.names()
    for path, part in module.named_modules():
        prefix = f"{path}." if path else ""
        frozen = [name for name, p in part._parameters.items() if p is not None
                  and p.is_meta and not p.requires_grad and prefix + name not in names]  # fmt: skip
        for name in frozen:
            made = torch.empty(part._parameters[name].shape, dtype=module.dtype)
            part._parameters[name] = torch.nn.Parameter(made, requires_grad=False)
        if frozen:
            module._init_weights(part)
            found.parameters += [
                parameter_of(prefix + name, part._parameters[name], trainable=False)
                for name in frozen
            ]
    return found


def _turned(tensors: Tensors) -> Tensors:
    """Return experts in MXFP4 with their inputs first, as gpt-oss multiplies by them.

    They are packed along the inputs, outputs first (see `weights.packed.mxfp4`).
    """
    stacked = {p.name: Recipe.of(p).transpose((0, 2, 1)) for p in tensors.parameters
               if len(p.shape) == 3
               and tensors.notes.get(p.name, "").startswith("unpacked: MXFP4")}  # fmt: skip
    return put_together(tensors, stacked) if stacked else tensors


def example(module: Any, found: Description, given: Options) -> dict[str, Any]:
    """Return what a model is called with.

    Raises
    ------
    InputShapeError
        If the configuration does not tell it.
    """
    accepted, main = inspect.signature(module.forward).parameters, module.main_input_name
    known = {
        "input_ids": _tokens, "pixel_values": _image, "decoder_input_ids": _tokens,
    }  # fmt: skip
    wanted = [main]
    if _takes_both(module.config) and {"input_ids", "pixel_values"} <= {*accepted}:
        wanted = ["input_ids", "pixel_values"]
    if module.config.is_encoder_decoder and "decoder_input_ids" in accepted:
        wanted.append("decoder_input_ids")
    made: dict[str, Any] = {}
    for name in wanted:
        make: Callable[[Any, Description, Options], Any] | None = known.get(name)
        value = None if make is None else make(module, found, _asked(given, name, main))
        if value is None and given.input_shape is not None and name == main:
            value = zeros(*given.input_shape)
        if value is None:
            raise InputShapeError(
                f"{found.folder}: the configuration of {found.name} does not tell the size of its "
                f"input {name!r}; pass input_shape=, the shape of one sample, or example_input=a "
                f"dict of {', '.join([*accepted][:4])}, …"
            )
        made[name] = value
    return made


def _asked(given: Options, name: str, main: str) -> Options:
    """Return what was asked for: of the main input, and of a text that another is made into."""
    return given if name == main or main == "input_ids" else Options()


def _tokens(module: Any, found: Description, given: Options) -> torch.Tensor | None:
    """Return a few tokens, none of them padding, which models hide."""
    shape = given.input_shape or (TOKENS,)
    if len(shape) != 1:
        raise InputShapeError(
            f"{found.folder}: expected input_shape=(n,), the number of tokens; got {shape}"
        )
    token = int(getattr(module.config.get_text_config(), "pad_token_id", None) == 0)
    return zeros(*shape, dtype=torch.int64) + token


def _image(module: Any, found: Description, given: Options) -> torch.Tensor | None:
    """Return an image of the size that the configuration has, or that images are prepared to."""
    if given.input_shape is not None:
        return zeros(*given.input_shape)
    sizes = next(filter(None, _image_sizes(module, found)), ())
    channels = (sizes_of(getattr(part, "num_channels", None)) for part in _configs(module.config))
    return zeros(*next(filter(None, channels), (3,)), *sizes) if sizes else None


def _image_sizes(module: Any, found: Description) -> Iterator[tuple[int, ...]]:
    for config in _configs(module.config):
        yield image_sizes(getattr(config, "image_size", None))
    prepared = read_settings(found.folder / "preprocessor_config.json") or {}
    for key in ("crop_size", "size"):
        yield image_sizes(prepared.get(key))


def _configs(config: Any) -> Iterator[Any]:
    """Yield a configuration, and that of the part that sees."""
    yield config
    inner = getattr(config, "vision_config", None)
    if inner is not None:
        yield inner


def _takes_both(config: Any) -> bool:
    """Whether a model reads images and texts beside each other, as CLIP does."""
    return all(getattr(config, f"{part}_config", None) is not None for part in ("text", "vision"))
