"""Folders of diffusers: the networks of a pipeline, as it saves them."""

import pytest
import torch
from needs import needs
from oracles.hf_folders import configured, randomized, same_weights, saved

import cntgraph as cg
from cntgraph.core.errors import CoverageWarning, InputShapeError

FEW = {"block_out_channels": (4, 8), "norm_num_groups": 2, "sample_size": 4}
#: The class, its configuration, and what it is run on.
MODELS = {
    "AutoencoderKL": (
        {**FEW, "latent_channels": 4, "down_block_types": ("DownEncoderBlock2D",) * 2,
         "up_block_types": ("UpDecoderBlock2D",) * 2},
        {"sample": torch.zeros(1, 3, 4, 4)},
    ),
    "UNet2DConditionModel": (
        {**FEW, "layers_per_block": 1, "in_channels": 4, "cross_attention_dim": 8,
         "attention_head_dim": 4, "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
         "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D")},
        {"sample": torch.zeros(1, 4, 4, 4), "timestep": torch.zeros(1, dtype=torch.int64),
         "encoder_hidden_states": torch.zeros(1, 1, 8)},
    ),
}  # fmt: skip


@pytest.fixture
def made(tmp_path):
    diffusers = needs("diffusers")

    def make(name, **changes):
        torch.manual_seed(0)
        model = randomized(getattr(diffusers, name)(**MODELS[name][0] | changes))
        return model, saved(model, tmp_path)

    return make


@pytest.mark.parametrize("name", MODELS)
def test_a_folder_is_its_live_model(made, name):
    model, folder = made(name)
    net = cg.load(folder, strict=True)
    same_weights(net, cg.load(model, example_input=MODELS[name][1], strict=True))


def test_inputs_that_are_not_told(made):
    _, folder = made("UNet2DConditionModel")
    configured(folder, sample_size=None)
    with pytest.raises(InputShapeError, match=r"does not tell its input 'sample'.*example_input="):
        cg.load(folder)


def test_a_network_that_the_library_lacks(made):
    _, folder = made("AutoencoderKL")
    for name in ("NoSuchNet", "DiffusionPipeline", "__loader__"):
        with pytest.warns(CoverageWarning, match=f"has no network '{name}'"):
            assert cg.load(configured(folder, _class_name=name)).is_weights_alone
