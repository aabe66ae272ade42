"""Models of `transformers` with random weights: complete, and their strengths sums of matrices."""

import os

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import numpy as np
import pytest
import torch
import transformers as hf
from oracles.torch_audit import audit
from oracles.torch_checks import same_networks, saved_whole_and_apart
from torch import nn
from transformers.pytorch_utils import Conv1D

import cntgraph as cg

ENTRIES, WIDTH, HEADS = 11, 12, 3
TOKENS = torch.tensor([[3, 2, 4, 6, 5, 9]])
BERT = {
    "vocab_size": ENTRIES, "hidden_size": WIDTH, "num_hidden_layers": 2,
    "num_attention_heads": HEADS, "intermediate_size": 16, "max_position_embeddings": 10,
}  # fmt: skip


def gpt2(**options):
    return hf.GPT2LMHeadModel(hf.GPT2Config(
        vocab_size=ENTRIES, n_positions=8, n_embd=WIDTH, n_layer=2, n_head=HEADS, **options
    ))  # fmt: skip


def llama(**options):
    return hf.LlamaForCausalLM(hf.LlamaConfig(
        vocab_size=ENTRIES, hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=6,
        num_key_value_heads=2, intermediate_size=16, max_position_embeddings=8, **options,
    ))  # fmt: skip


def vit(**options):
    return hf.ViTForImageClassification(hf.ViTConfig(
        image_size=8, patch_size=4, num_channels=3, hidden_size=WIDTH, num_hidden_layers=2,
        num_attention_heads=HEADS, intermediate_size=16, num_labels=4, **options,
    ))  # fmt: skip


def t5(**_):
    return hf.T5ForConditionalGeneration(hf.T5Config(
        vocab_size=ENTRIES, d_model=WIDTH, d_kv=4, d_ff=16, num_layers=2, num_heads=HEADS,
        decoder_start_token_id=0, feed_forward_proj="gated-gelu",
    ))  # fmt: skip


IMAGE = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
#: How each model is made, and what it is called with.
MODELS = {
    "gpt2": (gpt2, {"input_ids": TOKENS}),
    "llama": (llama, {"input_ids": TOKENS}),
    "vit": (vit, {"pixel_values": IMAGE}),
    "bert": (lambda **o: hf.BertModel(hf.BertConfig(**BERT, **o)),
             {"input_ids": TOKENS, "attention_mask": torch.ones_like(TOKENS)}),
    "roberta": (lambda **o: hf.RobertaModel(hf.RobertaConfig(**BERT, **o)), {"input_ids": TOKENS}),
    "t5": (t5, {"input_ids": TOKENS, "decoder_input_ids": TOKENS[:, :4]}),
}  # fmt: skip


def build(name, **options):
    torch.manual_seed(0)
    make, example = MODELS[name]
    model = make(**options).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # gains of one and shifts of zero would hide a lot
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return model, example


@pytest.mark.parametrize("name", MODELS)
def test_every_sum_is_what_torch_computed(name):
    model, example = build(name)
    net, checked = audit(model, **example)
    matrices = [p for p in model.parameters() if p.ndim > 1]
    assert checked >= len(matrices) - 4  # but for tables that are looked up at constant places
    covered = net.coverage[net.coverage["kind"] == "parameter"]
    assert set(covered["status"]) <= {"included", "folded"}
    assert len(covered) == len(dict(model.named_parameters()))
    assert not any(layer.kind.startswith("unknown") for layer in net.layers)


def matrices_of(model):
    """Weight (n_out, n_in) and bias of every linear layer, by name."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | Conv1D):
            weight = module.weight.detach().double().numpy()
            bias = None if module.bias is None else module.bias.detach().double().numpy()
            yield name, weight.T if isinstance(module, Conv1D) else weight, bias


@pytest.mark.parametrize("name", MODELS)
def test_strengths_are_sums_of_the_matrices(name):
    """With gains kept apart, every matrix is a block, once a position, as it is."""
    model, example = build(name)
    net = cg.load(model, example_input=example, norm="keep", strict=True)
    blocks = {block.name: block for block in net.blocks}
    compared = 0
    for key, weight, bias in matrices_of(model):
        block = blocks[key]
        n_positions = block.target.size // len(weight)
        expected = np.kron(weight.T, np.eye(n_positions))
        assert np.allclose(block.to_csr().toarray(), expected, rtol=1e-6, atol=0)
        sums = block.sums("signed", "absolute")
        wide = np.repeat(weight, n_positions, axis=0)
        assert np.allclose(sums["signed"].column, wide.sum(1), rtol=1e-6, atol=1e-9)
        assert np.allclose(sums["absolute"].column, abs(wide).sum(1), rtol=1e-6)
        if bias is not None:
            assert np.allclose(np.broadcast_to(block.bias.read().reshape(-1, 1), (
                len(bias), 1)).reshape(-1), bias)  # fmt: skip
        compared += 1
    assert compared >= 8
    inside = [layer for layer in net.layers if len(net.blocks_into(layer)) == 1]
    strength = net.split(cg.node_strength(net, direction="in"))
    for key, weight, bias in matrices_of(model):
        if key in {layer.name for layer in inside} and key != "lm_head":
            expected = weight.sum(1) + (0.0 if bias is None else bias)
            found = strength[key].reshape(len(weight), -1)
            assert np.allclose(found, expected[:, None], rtol=1e-6, atol=1e-9), key


def test_gains_go_into_the_matrices_that_read_them():
    model, example = build("gpt2")
    net = cg.load(model, example_input=example, strict=True)
    strength = net.split(cg.node_strength(net, direction="in"))
    for k, block in enumerate(model.transformer.h):
        for norm, layer, name in ((block.ln_1, block.attn.c_attn, "attn.c_attn"),
                                  (block.ln_2, block.mlp.c_fc, "mlp.c_fc")):  # fmt: skip
            weight, gain, shift = (p.detach().double().numpy()
                                   for p in (layer.weight, norm.weight, norm.bias))  # fmt: skip
            expected = (weight.T * (gain + shift)).sum(1) + layer.bias.detach().numpy()
            found = strength[f"transformer.h.{k}.{name}"]
            assert np.allclose(found, expected[:, None], rtol=1e-6, atol=1e-9)
    assert not any(layer.kind == "norm" for layer in net.layers)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "t5"])
def test_every_way_to_attend_is_the_same_graph(name):
    nets = []
    for way in ("sdpa", "eager"):
        model, example = build(name, attn_implementation=way)
        nets.append(cg.load(model, example_input=example, strict=True))
    same_networks(*nets, names=False)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", [name for name in MODELS if name != "t5"])
def test_saved_it_is_the_same_graph(name, tmp_path):
    options = {"use_cache": False} if name in ("gpt2", "llama") else {}
    model, example = build(name, **options)
    live = cg.load(model, example_input=example, strict=True)
    for path in saved_whole_and_apart(torch.export.export(model, (), example), tmp_path):
        file = cg.load(path, strict=True)
        same_networks(live, file, names=False)
        tied = {"lm_head.weight"} if name == "gpt2" else set()
        assert set(dict(model.named_parameters())) - tied <= set(file.parameters)


def test_a_shape_is_enough_where_the_input_is_tokens():
    model, example = build("gpt2")
    given = cg.load(model, example_input=example)
    same_networks(given, cg.load(model, input_shape=(TOKENS.shape[1],), strict=True))
    same_networks(given, cg.load(model, example_input=TOKENS, strict=True))


def test_positions_follow_the_padding_of_the_example():
    """RoBERTa counts positions from the tokens; which ones is noted."""
    model, example = build("roberta")
    net = cg.load(model, example_input=example, strict=True)
    notes = net.coverage[net.coverage["kind"] == "operation"]
    assert list(notes["status"]) == ["included"]
    assert "as for the example" in notes["reason"].iloc[0]
    embedding = net.bias()[net.layer("embeddings.word_embeddings").slice].reshape(WIDTH, -1)
    tables = model.embeddings
    positions = tables.position_embeddings.weight[2 : 2 + TOKENS.shape[1]]
    expected = (positions + tables.token_type_embeddings.weight[0]).T.detach().numpy()
    assert np.allclose(embedding, expected, atol=1e-6)


def test_at_the_granularity_of_features_a_matrix_is_a_matrix():
    model, example = build("vit")
    net = cg.load(model, example_input=example, norm="keep", strict=True)
    graph = cg.build_graph(net, granularity="channel")
    slices = {layer.name: graph.layer_slice(layer.name) for layer in net.layers}
    for key, weight, _ in matrices_of(model):
        if key.endswith(("fc1", "q_proj", "classifier")):
            block = next(b for b in net.blocks if b.name == key)
            (source,) = net.layers_of(block.source)
            (target,) = net.layers_of(block.target)
            found = graph.adjacency[slices[source.name]][:, slices[target.name]].toarray()
            assert np.allclose(found, weight.T, rtol=1e-6), key
