"""transformers: every type of model that `AutoModel` makes, with a tiny configuration."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

import torch
from transformers.models.auto.configuration_auto import CONFIG_MAPPING, CONFIG_MAPPING_NAMES
from transformers.models.auto.modeling_auto import MODEL_MAPPING, MODEL_MAPPING_NAMES

from ..audit.of_torch import unlike_start
from ..case import Case, Made
from .shrinking import configs_in, factors_of, shrink

TOKENS = 8
#: Tried first: what most people use, one of each kind.
FIRST = """
    bert roberta distilbert gpt2 llama mistral qwen2 qwen3 gemma gemma2 gemma3_text t5 bart
    whisper vit clip swin swinv2 convnext convnextv2 deit beit dinov2 dinov3_vit siglip resnet
    detr segformer wav2vec2 hubert electra deberta deberta-v2 xlm-roberta mpnet albert
    longformer big_bird opt gpt_neo gpt_neox gptj bloom falcon phi phi3 mixtral qwen2_moe
    qwen3_moe deepseek_v3 gpt_oss olmo2 mamba mamba2 rwkv jamba recurrent_gemma starcoder2
    granite cohere stablelm mbart pegasus marian m2m_100 mt5 modernbert xlnet funnel fnet
    reformer perceiver blip llava qwen2_vl idefics3 paligemma vilt layoutlm layoutlmv3
    audio-spectrogram-transformer clap encodec vits seamless_m4t patchtst timesfm sam
    mask2former videomae efficientnet mobilevit regnet llama4_text
""".split()


def cases() -> Iterator[Case]:
    """Yield every type of model: first those of most users, last the parts of others."""
    names = [name for name in CONFIG_MAPPING_NAMES if name in MODEL_MAPPING_NAMES]
    parts = {name for name in names if any(name.startswith(f"{x}_") for x in names)}
    rank = {name: k for k, name in enumerate(FIRST)}
    for name in sorted(names, key=lambda name: (name in parts, rank.get(name, len(rank)), name)):
        yield Case(name, partial(_made, name))


def _made(name: str) -> Made:
    """Return the smallest model of a type that runs on some input."""
    kind = CONFIG_MAPPING[name]
    tried: list[str] = []
    for factor, image in product(factors_of(kind()), (64, None)):
        try:
            torch.manual_seed(0)
            config = shrink(kind(), factor, image)
            made = MODEL_MAPPING[kind]
            for model_class in made if isinstance(made, tuple) else (made,):
                model = unlike_start(model_class(config))
                return Made(model, _example(model, config))
        except Exception as error:
            tried.append(f"{type(error).__name__}: {str(error)[:120]}")
    raise ValueError("no input was found: " + " | ".join(dict.fromkeys(tried)))


def _example(model: Any, config: Any) -> dict[str, Any]:
    """Return arguments on which a model runs."""
    accepted = inspect.signature(model.forward).parameters
    failed: Exception | None = None
    for arguments in _candidates(model.main_input_name, accepted, config):
        for _ in range(2):
            try:
                with torch.no_grad():
                    model(**arguments)
                return arguments
            except Exception as error:
                failed = failed or error
                more = _with_places(arguments, str(error), config)
                if more is None:
                    break
                arguments = more
    raise failed or ValueError(f"no argument is known of {list(accepted)[:8]}")


def _candidates(main: str, accepted: Any, config: Any) -> Iterator[dict[str, Any]]:
    """Yield arguments that a model may take, the likely first."""
    rng = torch.Generator().manual_seed(0)
    ids = torch.randint(4, 90, (1, TOKENS), generator=rng)
    images = _numbers(config, "image_size") or [64]
    channels = next(iter(_numbers(config, "num_channels", "in_channels")), 3)
    frames = next(iter(_numbers(config, "num_frames")), 2)
    mels = next(
        iter(_numbers(config, "num_mel_bins", "feature_size", "input_feat_per_channel")), 80
    )
    places = next(iter(_numbers(config, "max_source_positions")), 32)
    image = torch.rand((1, channels, images[0], images[0]), generator=rng)
    forms: dict[str, list[torch.Tensor]] = {
        "input_ids": [ids],
        "pixel_values": [image, image[:, None].expand(-1, frames, -1, -1, -1).contiguous()],
        "pixel_values_videos": [image[:, None].expand(-1, frames, -1, -1, -1).contiguous()],
        "input_features": [torch.rand((1, mels, 2 * places), generator=rng),
                           torch.rand((1, 64, mels), generator=rng)],
        "input_values": [torch.rand((1, 2000), generator=rng),
                         torch.rand((1, 1, 2000), generator=rng),
                         torch.rand((1, 1024, 128), generator=rng)],
        "hidden_states": [torch.rand((1, TOKENS, w), generator=rng)
                          for w in _numbers(config, "hidden_size", "d_model")],
        "inputs_embeds": [torch.rand((1, TOKENS, w), generator=rng)
                          for w in _numbers(config, "hidden_size", "d_model")],
        "past_values": [torch.rand((1, _numbers(config, "context_length")[0],
                                    _numbers(config, "num_input_channels")[0]), generator=rng)]
        if _numbers(config, "context_length") and _numbers(config, "num_input_channels") else [],
    }  # fmt: skip
    rest = {"decoder_input_ids": ids[:, :4]} if "decoder_input_ids" in accepted else {}
    both = [
        k for k in ("input_ids", "pixel_values", "input_features", "input_values") if k in accepted
    ]
    firsts = [main] if main in forms else []
    for value in forms.get(main, []):
        yield {main: value, **rest}
    if len(both) > 1:
        for values in product(*(forms[key] for key in both)):
            yield {**dict(zip(both, values, strict=True)), **rest}
    for key in [k for k in forms if k in accepted and k not in firsts]:
        for value in forms[key]:
            yield {key: value, **rest}
            yield {key: value}


def _numbers(config: Any, *keys: str) -> list[int]:
    """Return what a configuration and those that it holds say of some sizes."""
    found = [getattr(part, key, None) for part in configs_in(config) for key in keys]
    flat = [v[0] if isinstance(v, list | tuple) and v else v for v in found]
    return [v for v in flat if isinstance(v, int) and not isinstance(v, bool) and v > 0]


def _with_places(arguments: dict[str, Any], message: str, config: Any) -> dict[str, Any] | None:
    """Return arguments with as many places for the features of images as a model asks for."""
    asked = re.search(r"features:? *\(?(?:torch\.Size\(\[)?(\d+)", message)
    places = [getattr(part, key, None) for part in configs_in(config)
              for key in ("image_token_id", "image_token_index", "audio_token_id")]  # fmt: skip
    place = next((v for v in places if isinstance(v, int)), None)
    if asked is None or place is None or "input_ids" not in arguments or int(asked[1]) > 1024:
        return None
    more = torch.full((1, int(asked[1])), place)
    return arguments | {"input_ids": torch.cat([arguments["input_ids"], more], 1)}
