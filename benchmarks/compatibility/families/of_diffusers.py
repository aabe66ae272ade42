"""diffusers: the networks of diffusion models, each with few and narrow layers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import diffusers
import torch

from ..audit.of_torch import unlike_start
from ..case import Case, Made

RNG = torch.Generator()
UNET = {
    "sample_size": 16,
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "norm_num_groups": 4,
}
CROSS = {"cross_attention_dim": 8, "attention_head_dim": 4}
FEW = {"block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4}
DOWN, UP = ("DownBlock2D", "CrossAttnDownBlock2D"), ("CrossAttnUpBlock2D", "UpBlock2D")
VAE = {"block_out_channels": (8, 16), "norm_num_groups": 4,
       "down_block_types": ("DownEncoderBlock2D",) * 2,
       "up_block_types": ("UpDecoderBlock2D",) * 2}  # fmt: skip
HEADS = {"num_attention_heads": 2, "attention_head_dim": 8}


def cases() -> Iterator[Case]:
    """Yield the networks of which a small configuration is written below."""
    for name in _NETWORKS:
        if hasattr(diffusers, name):
            yield Case(name, partial(_made, name))


def _made(name: str) -> Made:
    torch.manual_seed(0)
    RNG.manual_seed(0)
    options, example = _NETWORKS[name]
    model = unlike_start(getattr(diffusers, name)(**options))
    arguments = {key: value() if callable(value) else value for key, value in example.items()}
    with torch.no_grad():
        model(**arguments)
    return Made(model, arguments)


def _of(*shape: int) -> Any:
    return lambda: torch.rand(shape, generator=RNG)


IMAGE, TIME, TEXT = {"sample": _of(1, 3, 16, 16)}, {"timestep": torch.tensor([7])}, _of(1, 4, 8)
LATENT = {"hidden_states": _of(1, 4, 8, 8)}
_NETWORKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "UNet2DModel": ({**UNET, "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
                     "up_block_types": ("AttnUpBlock2D", "UpBlock2D"), "attention_head_dim": 4},
                    {**IMAGE, **TIME}),
    "UNet2DConditionModel": ({**UNET, "down_block_types": DOWN, "up_block_types": UP,
                              "in_channels": 4, **CROSS},
                             {"sample": _of(1, 4, 16, 16), **TIME, "encoder_hidden_states": TEXT}),
    "UNet1DModel": ({"sample_size": 32, "in_channels": 14, "out_channels": 14,
                     "block_out_channels": (8, 16), "layers_per_block": 1, "norm_num_groups": 4,
                     "down_block_types": ("DownResnetBlock1D",) * 2,
                     "up_block_types": ("UpResnetBlock1D",),
                     "mid_block_type": "MidResTemporalBlock1D",
                     "out_block_type": "OutConv1DBlock", "act_fn": "swish",
                     "use_timestep_embedding": True, "time_embedding_type": "positional",
                     "flip_sin_to_cos": False, "freq_shift": 1.0, "downsample_each_block": False},
                    {"sample": _of(1, 14, 32), **TIME}),
    "UNet3DConditionModel": ({"sample_size": 8, **FEW, **CROSS,
                              "down_block_types": ("CrossAttnDownBlock3D", "DownBlock3D"),
                              "up_block_types": ("UpBlock3D", "CrossAttnUpBlock3D")},
                             {"sample": _of(1, 4, 2, 8, 8), **TIME, "encoder_hidden_states": TEXT}),
    "AutoencoderKL": ({**VAE, "latent_channels": 4}, IMAGE),
    "AutoencoderTiny": ({"encoder_block_out_channels": (8, 8), "decoder_block_out_channels": (8, 8),
                         "num_encoder_blocks": (1, 1), "num_decoder_blocks": (1, 1)}, IMAGE),
    "VQModel": ({**VAE, "latent_channels": 3, "num_vq_embeddings": 16}, IMAGE),
    "AsymmetricAutoencoderKL": ({"down_block_types": ("DownEncoderBlock2D",),
                                 "down_block_out_channels": (8,), "up_block_types":
                                 ("UpDecoderBlock2D",), "up_block_out_channels": (8,),
                                 "norm_num_groups": 4}, IMAGE),
    "ControlNetModel": ({**FEW, **CROSS, "down_block_types": DOWN,
                         "conditioning_embedding_out_channels": (8, 8)},
                        {"sample": _of(1, 4, 16, 16), **TIME, "encoder_hidden_states": TEXT,
                         "controlnet_cond": _of(1, 3, 32, 32)}),
    "Transformer2DModel": ({**HEADS, "in_channels": 8, "norm_num_groups": 4,
                            "cross_attention_dim": 8},
                           {"hidden_states": _of(1, 8, 8, 8), "encoder_hidden_states": TEXT}),
    "DiTTransformer2DModel": ({**HEADS, "num_layers": 2, "sample_size": 8,
                               "num_embeds_ada_norm": 10},
                              {**LATENT, **TIME, "class_labels": torch.tensor([3])}),
    "PixArtTransformer2DModel": ({**HEADS, "num_layers": 2, "sample_size": 8, "caption_channels": 8,
                                  "cross_attention_dim": 16, "use_additional_conditions": False},
                                 {**LATENT, **TIME, "encoder_hidden_states": TEXT,
                                  "added_cond_kwargs": {"resolution": None, "aspect_ratio": None}}),
    "SD3Transformer2DModel": ({**HEADS, "num_layers": 2, "sample_size": 8, "in_channels": 4,
                               "caption_projection_dim": 16, "joint_attention_dim": 8,
                               "pooled_projection_dim": 8, "out_channels": 4},
                              {**LATENT, **TIME, "encoder_hidden_states": TEXT,
                               "pooled_projections": _of(1, 8)}),
    "FluxTransformer2DModel": ({**HEADS, "num_layers": 1, "num_single_layers": 1, "in_channels": 4,
                                "joint_attention_dim": 8, "pooled_projection_dim": 8,
                                "axes_dims_rope": (2, 2, 4)},
                               {"hidden_states": _of(1, 16, 4), "encoder_hidden_states": TEXT,
                                "pooled_projections": _of(1, 8), "timestep": torch.tensor([0.5]),
                                "img_ids": _of(16, 3), "txt_ids": torch.zeros(4, 3),
                                "guidance": None}),
    "AuraFlowTransformer2DModel": ({**HEADS, "num_mmdit_layers": 1, "num_single_dit_layers": 1,
                                    "sample_size": 8, "in_channels": 4, "out_channels": 4,
                                    "joint_attention_dim": 8, "caption_projection_dim": 16,
                                    "pos_embed_max_size": 64},
                                   {**LATENT, **TIME, "encoder_hidden_states": TEXT}),
    "CogVideoXTransformer3DModel": ({**HEADS, "num_layers": 1, "in_channels": 4, "out_channels": 4,
                                     "time_embed_dim": 4, "text_embed_dim": 8, "sample_width": 8,
                                     "sample_height": 8, "sample_frames": 5,
                                     "max_text_seq_length": 4},
                                    {"hidden_states": _of(1, 2, 4, 8, 8), **TIME,
                                     "encoder_hidden_states": TEXT}),
    "WanTransformer3DModel": ({"num_attention_heads": 2, "attention_head_dim": 12, "in_channels": 4,
                               "out_channels": 4, "text_dim": 8, "freq_dim": 16, "ffn_dim": 32,
                               "num_layers": 1, "rope_max_seq_len": 32},
                              {"hidden_states": _of(1, 4, 2, 8, 8), **TIME,
                               "encoder_hidden_states": TEXT}),
    "SanaTransformer2DModel": ({**HEADS, "num_layers": 1, "in_channels": 4, "out_channels": 4,
                                "num_cross_attention_heads": 2, "cross_attention_head_dim": 8,
                                "cross_attention_dim": 16, "caption_channels": 8, "sample_size": 8},
                               {**LATENT, **TIME, "encoder_hidden_states": TEXT}),
    "UVit2DModel": ({"hidden_size": 16, "cond_embed_dim": 8, "encoder_hidden_size": 8,
                     "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 32,
                     "block_out_channels": 8, "in_channels": 8, "vocab_size": 33,
                     "codebook_size": 32, "block_num_heads": 2, "micro_cond_encode_dim": 4,
                     "micro_cond_embed_dim": 28, "sample_size": 8},
                    {"input_ids": lambda: torch.randint(0, 32, (1, 8, 8), generator=RNG),
                     "encoder_hidden_states": TEXT, "pooled_text_emb": _of(1, 8),
                     "micro_conds": _of(1, 5)}),
    "PriorTransformer": ({**HEADS, "num_layers": 1, "embedding_dim": 8, "num_embeddings": 4,
                          "additional_embeddings": 4},
                         {"hidden_states": _of(1, 8), **TIME, "proj_embedding": _of(1, 8),
                          "encoder_hidden_states": TEXT}),
}  # fmt: skip
