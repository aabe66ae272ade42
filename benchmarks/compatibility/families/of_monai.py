"""MONAI: its networks for volumes and images, small."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from monai.networks import nets

from ..audit.of_torch import unlike_start
from ..case import Case, Made

FLAT = {"spatial_dims": 2, "in_channels": 1, "out_channels": 2}
SOLID = {"spatial_dims": 3, "in_channels": 1, "out_channels": 2}
NARROW = (4, 4, 8, 8, 8, 4)
PAIR = {"channels": (4, 8), "strides": (2, 2)}
WIDTHS = {"channels": (4, 8, 16), "strides": (2, 2)}


def cases() -> Iterator[Case]:
    """Yield the networks of which a small configuration is written below."""
    for name, (kind, *made_with) in _NETWORKS.items():
        if hasattr(nets, kind):
            yield Case(name, partial(_made, kind, *made_with))


def _made(kind: str, options: dict[str, Any], shape: tuple[int, ...]) -> Made:
    torch.manual_seed(0)
    model = unlike_start(getattr(nets, kind)(**options))
    x = torch.rand((1, *shape), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model(x)
    return Made(model, x)


_NETWORKS: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "UNet": ("UNet", {**FLAT, **WIDTHS, "num_res_units": 1}, (1, 32, 32)),
    "UNet, 3-D": ("UNet", {**SOLID, **WIDTHS}, (1, 16, 16, 16)),
    "BasicUNet": ("BasicUNet", {**FLAT, "features": NARROW}, (1, 32, 32)),
    "BasicUNetPlusPlus": ("BasicUNetPlusPlus", {**FLAT, "features": NARROW}, (1, 32, 32)),
    "AttentionUnet": ("AttentionUnet", {**FLAT, **WIDTHS}, (1, 32, 32)),
    "DynUNet": ("DynUNet", {**FLAT, "kernel_size": (3, 3, 3), "strides": (1, 2, 2),
                            "upsample_kernel_size": (2, 2), "filters": (4, 8, 8)}, (1, 32, 32)),
    "SegResNet": ("SegResNet", {**FLAT, "init_filters": 8}, (1, 32, 32)),
    "SegResNetVAE": ("SegResNetVAE", {**FLAT, "init_filters": 8, "input_image_size": (32, 32)},
                     (1, 32, 32)),
    "VNet": ("VNet", {**FLAT}, (1, 32, 32)),
    "HighResNet": ("HighResNet", {**FLAT}, (1, 16, 16)),
    "UNETR": ("UNETR", {**FLAT, "img_size": 32, "hidden_size": 24, "mlp_dim": 32, "num_heads": 2,
                        "feature_size": 4}, (1, 32, 32)),
    "SwinUNETR": ("SwinUNETR", {**FLAT, "feature_size": 12, "num_heads": (1, 1, 2, 2),
                                "depths": (1, 1, 1, 1)}, (1, 64, 64)),
    "ViT": ("ViT", {"in_channels": 1, "img_size": 32, "patch_size": 16, "hidden_size": 24,
                    "mlp_dim": 32, "num_layers": 2, "num_heads": 2, "spatial_dims": 2,
                    "classification": True}, (1, 32, 32)),
    "ViTAutoEnc": ("ViTAutoEnc", {"in_channels": 1, "img_size": 32, "patch_size": 16,
                                  "hidden_size": 24, "mlp_dim": 32, "num_layers": 2, "num_heads": 2,
                                  "spatial_dims": 2}, (1, 32, 32)),
    "DenseNet": ("DenseNet", {**FLAT, "init_features": 4, "growth_rate": 4, "block_config": (2, 2)},
                 (1, 32, 32)),
    "ResNet": ("ResNet", {"block": "basic", "layers": [1, 1, 1, 1], "block_inplanes": [4, 4, 8, 8],
                          "spatial_dims": 2, "n_input_channels": 1, "num_classes": 2}, (1, 32, 32)),
    "EfficientNet": ("EfficientNetBN", {"model_name": "efficientnet-b0", "pretrained": False,
                                        "spatial_dims": 2, "in_channels": 1, "num_classes": 2},
                     (1, 64, 64)),
    "AutoEncoder": ("AutoEncoder", {**FLAT, **PAIR}, (1, 32, 32)),
    "VarAutoEncoder": ("VarAutoEncoder", {**PAIR, "spatial_dims": 2, "in_shape": (1, 32, 32),
                                          "out_channels": 1, "latent_size": 3}, (1, 32, 32)),
    "Regressor": ("Regressor", {"in_shape": (1, 32, 32), "out_shape": (2,), **WIDTHS}, (1, 32, 32)),
    "Discriminator": ("Discriminator", {"in_shape": (1, 32, 32), **WIDTHS}, (1, 32, 32)),
    "Generator": ("Generator", {"latent_shape": (8,), "start_shape": (8, 4, 4), **WIDTHS}, (8,)),
    "AHNet": ("AHNet", {"spatial_dims": 2, "upsample_mode": "bilinear"}, (1, 128, 128)),
    "TorchVisionFCModel": ("TorchVisionFCModel", {"model_name": "resnet18", "num_classes": 2},
                           (3, 224, 224)),
    "MILModel": ("MILModel", {"num_classes": 2, "backbone": "resnet18", "pretrained": False},
                 (2, 3, 64, 64)),
    "FullyConnectedNet": ("FullyConnectedNet", {"in_channels": 8, "out_channels": 2,
                                                "hidden_channels": [6, 4]}, (8,)),
}  # fmt: skip
