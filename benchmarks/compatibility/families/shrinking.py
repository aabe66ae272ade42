"""Configurations of transformers made small: widths divided, few layers, no other change.

All widths are divided by one factor, so that what divides another before does so afterwards. Of
lists with an entry for each layer, the first layer of each kind is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

#: Not a width, whatever else its name says.
_KEPT = re.compile(
    r"token|_ids?$|vocab|kernel|stride|patch|num_channels|in_chan|n_channels|heads?$|groups?$|"
    r"window|image_size|position|eps|factor|bins|max_len|length|period|interval|rate|chunk|block_size|"
    r"conv_L|d_conv|conv_kernel|ratio|scale|crop|input_size|dilation|num_frames|tubelet|"
    r"codebook_size"
)
_WIDTH = re.compile(
    r"hidden|dim|width|embd|embed|d_model|d_ff|d_kv|inner|rank|channels|features|intermediate|"
    r"units|proj|state|ffn|filters|size$|n_inner|bottleneck|head_dim"
)
_LAYERS = re.compile(r"(layers?|n_layer|blocks?|depth|num_blocks|repeats|stages)$")
_EXPERTS = re.compile(r"^(num|n|moe_num)_?(local_|routed_)?experts$|^n_routed_experts$")
_DEPTH_KEYS = ("num_hidden_layers", "n_layer", "num_layers", "encoder_layers", "n_layers", "depth")
_KIND_KEYS = ("layer_types", "layers_block_type", "block_types")
_WIDTH_KEYS = ("hidden_size", "d_model", "n_embd", "embed_dim", "dim")
_HEAD_KEYS = ("num_attention_heads", "n_head", "num_heads", "encoder_attention_heads",
              "attention_heads")  # fmt: skip
MOST_LAYERS, VOCABULARY, EXPERTS, FRAMES, CHUNK = 3, 128, 4, 32, 8


def configs_in(config: Any) -> Iterator[Any]:
    """Yield a configuration and all that it holds."""
    yield config
    for value in list(vars(config).values()):
        if hasattr(value, "model_type") and hasattr(value, "to_dict"):
            yield from configs_in(value)


def shrink(config: Any, factor: int | None, image: int | None) -> Any:
    """Make a configuration small, in place.

    Parameters
    ----------
    config : PretrainedConfig
    factor : int or None
        Its widths are divided by it; None for a factor of its own of each part.
    image : int or None
        The size of images; None for the one that it has.
    """
    own = {id(part): _factor_of(part) for part in configs_in(config)}
    for part in configs_in(config):
        divisor = own[id(part)] if factor is None else factor
        layers = _fewer_layers(part)
        for key, value in list(vars(part).items()):
            if key.startswith("_") or isinstance(value, bool) or value is None:
                continue
            new = _smaller(key, value, divisor, image)
            if layers is not None and isinstance(value, list | tuple) and len(value) == layers[0]:
                new = [value[k] for k in layers[1]]
            if new != value:
                _set(part, key, type(value)(new) if isinstance(value, list | tuple) else new)
        if layers is not None:
            for key, value in list(vars(part).items()):
                if value == layers[0] and _LAYERS.search(key) and not isinstance(value, bool):
                    _set(part, key, len(layers[1]))
    _set(config, "use_cache", False)
    return config


def _set(config: Any, key: str, value: Any) -> None:
    try:
        setattr(config, key, value)
    except Exception:  # it is computed, or checked against another that is not set yet
        vars(config)[key] = value


def _fewer_layers(config: Any) -> tuple[int, list[int]] | None:
    """Return how many layers there are, and which are kept: one of each kind, no fewer than two."""
    n = _first(config, _DEPTH_KEYS)
    if n <= 2:
        return None
    lists = (getattr(config, key, None) for key in _KIND_KEYS)
    kinds = next((x for x in lists if isinstance(x, list) and len(x) == n), None)
    if kinds is None:
        return n, [0, n - 1]
    kept = sorted({kinds.index(kind) for kind in kinds} | {n - 1})
    return n, kept[:MOST_LAYERS] if len(kept) > 1 else [0, n - 1]


def _smaller(key: str, value: Any, factor: int, image: int | None) -> Any:
    """Return the smaller value of an entry."""
    if isinstance(value, dict) and "mrope_section" in value:
        section = [max(x // factor, 1) for x in value["mrope_section"]]
        return value | {"mrope_section": section}
    if isinstance(value, list | tuple):
        whole = value and all(isinstance(x, int) and not isinstance(x, bool) for x in value)
        return [_smaller(key, x, factor, image) for x in value] if whole else value
    if not isinstance(value, int):
        return value
    if "vocab" in key and value > VOCABULARY:
        return VOCABULARY
    if re.search(r"token_(id|index)$", key) and value >= VOCABULARY:
        return 100 + value % 25
    if _EXPERTS.search(key):
        return min(value, EXPERTS)
    if key in ("num_experts_per_tok", "moe_topk", "moe_top_k", "top_k", "num_experts_per_token"):
        return min(value, 2)
    if key in ("n_group", "topk_group", "first_k_dense_replace"):
        return 1
    if key == "chunk_size":
        return min(value, CHUNK)
    if key == "max_source_positions":
        return min(value, FRAMES)
    if "image_size" in key:
        return image if image and value > image else value
    if key == "depths" or (_LAYERS.search(key) and 2 < value < 200 and not _WIDTH.search(key)):
        return 2 if key != "depths" else 1
    if re.search(r"head_dim|rope_dim", key) and value % factor == 0:
        return max(value // factor, min(value, 8))
    if key.endswith("d_head") and value % factor == 0:
        return value // factor
    if _WIDTH.search(key) and not _KEPT.search(key) and value >= 32 and value % factor == 0:
        return value // factor
    return value


def factors_of(config: Any) -> list[int | None]:
    """Return the factors by which widths may be divided, those first that make it smallest."""
    widest = max((_width_of(part) for part in configs_in(config)), default=0) or 256
    common = min(
        _factor_of(part) for part in configs_in(config) if _width_of(part) or part is config
    )
    return [None, *dict.fromkeys(f for f in (common, 4, 2, 1) if widest // f <= 1024)]


def _width_of(config: Any) -> int:
    return _first(config, _WIDTH_KEYS)


def _factor_of(config: Any) -> int:
    """Return the largest factor that leaves each head of an attention an even number of values."""
    width, n_heads = _width_of(config), _first(config, _HEAD_KEYS) or 1
    fit = (f for f in (64, 32, 16, 8, 4, 2) if width >= 64 * f and width % (2 * f * n_heads) == 0)
    return next(fit, 1)


def _first(config: Any, keys: tuple[str, ...]) -> int:
    """Return the number that a configuration has under one of some keys, or 0."""
    values = (getattr(config, key, None) for key in keys)
    return next((v for v in values if isinstance(v, int)), 0)
