"""A language model written in JAX has the graph of the same model in PyTorch, layer by layer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import cntgraph as cg

N_LAYERS, N_HEADS, N_KEYS, PER_HEAD, WIDTH, T = 2, 4, 2, 4, 16, 6


class Logits(torch.nn.Module):
    def __init__(self):
        super().__init__()
        from transformers import LlamaConfig, LlamaForCausalLM

        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=32, hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=N_LAYERS,
            num_attention_heads=N_HEADS, num_key_value_heads=N_KEYS, attn_implementation="eager",
        )  # fmt: skip
        self.of = LlamaForCausalLM(config).eval()

    def forward(self, tokens):
        return self.of(input_ids=tokens, use_cache=False).logits


def rotated(x):
    """Rotate the halves of every head by the position."""
    frequencies = 1 / 10000 ** (jnp.arange(0, PER_HEAD, 2) / PER_HEAD)
    angle = jnp.tile(jnp.arange(x.shape[1])[:, None] * frequencies, 2)[None, :, None]
    first, second = jnp.split(x, 2, -1)
    return x * jnp.cos(angle) + jnp.concatenate([-second, first], -1) * jnp.sin(angle)


def normed(x, gain):
    return x * jax.lax.rsqrt(jnp.mean(x**2, -1, keepdims=True) + 1e-6) * gain


def llama(p, tokens):
    x = p["model.embed_tokens.weight"][tokens]
    n, t = tokens.shape
    mask = jnp.where(jnp.tril(jnp.ones((t, t))) > 0, 0.0, -1e9)
    for k in range(N_LAYERS):
        w = {key.split(".", 3)[3]: p[key].T for key in p if f"layers.{k}." in key}
        y = normed(x, w["input_layernorm.weight"])
        query, keys, values = (
            (y @ w[f"self_attn.{kind}_proj.weight"]).reshape(n, t, -1, PER_HEAD) for kind in "qkv"
        )
        query, keys = rotated(query), rotated(keys)
        keys, values = (jnp.repeat(part, N_HEADS // N_KEYS, 2) for part in (keys, values))
        scores = jnp.einsum("bthd,bshd->bhts", query, keys) / PER_HEAD**0.5 + mask
        y = jnp.einsum("bhts,bshd->bthd", jax.nn.softmax(scores), values).reshape(n, t, WIDTH)
        x = x + y @ w["self_attn.o_proj.weight"]
        y = normed(x, w["post_attention_layernorm.weight"])
        y = jax.nn.silu(y @ w["mlp.gate_proj.weight"]) * (y @ w["mlp.up_proj.weight"])
        x = x + y @ w["mlp.down_proj.weight"]
    return normed(x, p["model.norm.weight"]) @ p["lm_head.weight"].T


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_language_model_is_the_same_graph_from_pytorch():
    model, tokens = Logits(), np.zeros((1, T), np.int32)
    params = {key: value.numpy() for key, value in model.of.state_dict().items()}
    np.testing.assert_allclose(
        llama(params, tokens), model(torch.from_numpy(tokens)).detach().numpy(), atol=1e-5
    )
    theirs = cg.load(model, example_input=torch.from_numpy(tokens), strict=True)
    ours = cg.load(llama, params=params, example_input=tokens, strict=True)
    assert [(layer.shape, layer.activation) for layer in ours.layers] == [
        (layer.shape, layer.activation) for layer in theirs.layers
    ]
    assert ours.n_edges == theirs.n_edges
    for edges in ("parametric", "all"):
        one, other = (cg.node_strength(net, edges=edges) for net in (ours, theirs))
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
