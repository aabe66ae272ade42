"""Recurrent networks and transformers from PyTorch, live and exported to ONNX: the same graph."""

import logging

import numpy as np
import pytest
import torch
from oracles.onnx_models import assert_same, export
from torch import nn

import cntgraph as cg

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)
TOKENS = torch.tensor([[1, 2, 3, 4, 5]])


class LastHidden(nn.Module):
    """A model of the transformers library, of which only the last hidden state is returned."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x).last_hidden_state


def gpt2():
    from transformers import GPT2Config, GPT2Model

    config = GPT2Config(n_layer=2, n_head=2, n_embd=8, vocab_size=11, n_positions=16,
                        use_cache=False, bos_token_id=None, eos_token_id=None)  # fmt: skip
    return LastHidden(GPT2Model(config))


def llama():
    from transformers import LlamaConfig, LlamaModel

    config = LlamaConfig(num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2,
                         hidden_size=16, intermediate_size=16, vocab_size=11,
                         max_position_embeddings=16, use_cache=False)  # fmt: skip
    return LastHidden(LlamaModel(config))


def vit():
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(num_hidden_layers=1, num_attention_heads=2, hidden_size=8,
                       intermediate_size=16, image_size=8, patch_size=4)  # fmt: skip
    return LastHidden(ViTModel(config, add_pooling_layer=False))


class Lstm(nn.Module):
    """Two layers in both directions, of which all steps are read."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 3, num_layers=2, bidirectional=True, batch_first=True)
        self.out = nn.Linear(6, 2)

    def forward(self, x):
        return self.out(self.lstm(x)[0])


class Gru(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.out = nn.GRU(4, 3, batch_first=True), nn.Linear(3, 2)

    def forward(self, x):
        return self.out(self.gru(x)[1][-1])


def encoder(**options):
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, **options)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


CASES = {
    "lstm": (Lstm, torch.randn(1, 5, 4), {"optimize": False}),
    "gru": (Gru, torch.randn(1, 5, 4), {"optimize": False}),
    "time first": (lambda: nn.LSTM(4, 3), torch.randn(5, 1, 4), {"optimize": False}),
    "encoder": (encoder, torch.randn(1, 5, 8), {"optimize": False}),
    "encoder, optimized": (encoder, torch.randn(1, 5, 8), {}),
    "encoder in one operation": (
        lambda: encoder(norm_first=True, activation="gelu"), torch.randn(1, 5, 8),
        {"optimize": False, "opset_version": 23},
    ),
    "encoder, tokens first": (
        lambda: nn.TransformerEncoderLayer(8, 2, 16), torch.randn(5, 1, 8), {"optimize": False}),
    "gpt2": (gpt2, TOKENS, {"optimize": False}),
    "gpt2 in one operation": (gpt2, TOKENS, {"opset_version": 23}),
    "llama": (llama, TOKENS, {"optimize": False}),
    "vit": (vit, torch.randn(1, 3, 8, 8), {"optimize": False}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_same_graph_as_the_live_module(tmp_path, name, caplog):
    make, example, options = CASES[name]
    caplog.set_level(logging.ERROR)
    torch.manual_seed(0)
    live = make().eval()
    saved = cg.load(export(live, example, tmp_path / "m.onnx", **options), strict=True)
    expected = cg.load(live, example_input=example, strict=True)
    assert saved.n_edges == expected.n_edges
    assert_same(saved, expected, names=False, tol=1e-6 if name == "llama" else 1e-10)
    trainable = [p for p in saved.coverage.itertuples() if p.kind == "parameter"]
    assert all(p.status in ("included", "folded") for p in trainable)


@pytest.mark.parametrize("steps", [1, 5])
def test_unrolled_as_the_live_module(tmp_path, steps):
    torch.manual_seed(0)
    live, x = Lstm().eval(), torch.randn(1, steps, 4)
    path = export(live, x, tmp_path / "m.onnx", optimize=False)
    options = {"unroll": steps, "strict": steps > 1}
    saved, expected = cg.load(path, **options), cg.load(live, example_input=x, **options)
    assert_same(saved, expected, names=False)


def test_sequence_lengths_left_open(tmp_path):
    live = gpt2().eval()
    path = tmp_path / "m.onnx"
    shapes = ({0: torch.export.Dim("batch"), 1: torch.export.Dim("time", min=2, max=16)},)
    export(live, TOKENS.repeat(2, 1), path, optimize=False, dynamic_shapes=shapes)
    saved = cg.load(path, input_shape=(7,), strict=True)
    expected = cg.load(live, example_input=torch.zeros(1, 7, dtype=torch.int64), strict=True)
    assert saved.layers[0].shape == (11, 7)
    assert_same(saved, expected, names=False)


def test_causal_attention_reads_what_comes_before(tmp_path):
    net = cg.load(export(gpt2().eval(), TOKENS, tmp_path / "m.onnx", optimize=False), strict=True)
    (block,) = [b for b in net.blocks if getattr(b, "mode", "") == "attention"][:1]
    per_head = block.to_csr().toarray()[:5, :5]
    np.testing.assert_allclose(per_head, np.triu(np.ones((5, 5))) / np.arange(1, 6))
