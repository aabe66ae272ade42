"""Attention of PyTorch: fused, in modules and written by hand, with masks of every kind."""

import math

import numpy as np
import pytest
import torch
from oracles.torch_audit import audit
from oracles.torch_checks import (
    Function,
    exported,
    same_networks,
    sample,
    saved,
    saved_whole_and_apart,
)
from torch import nn
from torch.nn import functional

import cntgraph as cg

T, D, HEADS = 5, 6, 2
CAUSAL = torch.ones(T, T, dtype=torch.bool).tril()


def split(m, x):
    """Query, key and value, a head an axis."""
    parts = (layer(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for layer in (m.q, m.k, m.v))
    return tuple(parts)


def joined(m, y):
    return m.out(y.transpose(1, 2).flatten(2))


def fused(**options):
    return lambda m, x: joined(m, functional.scaled_dot_product_attention(*split(m, x), **options))


def by_hand(mask=lambda scores: scores, *, scale=1.0):
    def forward(m, x):
        q, k, v = split(m, x)
        scores = (q * scale) @ k.transpose(-1, -2) / math.sqrt(D // HEADS)
        return joined(m, torch.softmax(mask(scores), -1) @ v)

    return forward


def with_einsum(m, x):
    q, k, v = (layer(x).unflatten(-1, (HEADS, -1)) for layer in (m.q, m.k, m.v))
    weights = torch.einsum("bthd,bshd->bhts", q, k).softmax(-1)
    return m.out(torch.einsum("bhts,bshd->bthd", weights, v).flatten(2))


HIDDEN = torch.zeros(T, T).masked_fill(~CAUSAL, -math.inf)
#: Ways to write the same attention, with everything attended to, and with a causal mask.
SAME = {
    "open": {
        "fused": fused(),
        "fused, a mask of ones": fused(attn_mask=torch.ones(T, T, dtype=torch.bool)),
        "fused, a mask of zeros": fused(attn_mask=torch.zeros(T, T, dtype=torch.double)),
        "by hand": by_hand(),
        "by hand, scaled": by_hand(scale=0.25),
        "by hand, in turned order": lambda m, x: joined(m, (lambda q, k, v: (
            v.transpose(-1, -2) @ (k @ q.transpose(-1, -2)).softmax(-2)).transpose(-1, -2)
        )(*split(m, x))),
        "einsum": with_einsum,
    },
    "causal": {
        "fused": fused(is_causal=True),
        "fused, a mask of truth values": fused(attn_mask=CAUSAL),
        "fused, an added mask": fused(attn_mask=HIDDEN.double()),
        "by hand, an added mask": by_hand(lambda scores: scores + HIDDEN),
        "by hand, a finite mask": by_hand(lambda scores: scores + HIDDEN.clamp(min=-1e9)),
        "by hand, masked": by_hand(lambda s: s.masked_fill(~CAUSAL, -math.inf)),
        "by hand, chosen": by_hand(lambda s: torch.where(CAUSAL, s, -1e9)),
    },
}  # fmt: skip


def block(forward):
    layers = {key: nn.Linear(D, D) for key in ("q", "k", "v", "out")}
    model = Function(forward, **layers).eval()
    model.input_shape = (T, D)
    return model


@pytest.mark.parametrize("kind", SAME)
def test_however_it_is_written_it_is_the_same_graph(kind, tmp_path):
    ways = {name: block(forward) for name, forward in SAME[kind].items()}
    reference = cg.load(ways["fused"], input_shape=(T, D), strict=True)
    names = [layer.name for layer in reference.layers]
    assert names == ["inputs", "q", "k", "v", "attention.scores", "attention", "out"]
    for name, model in ways.items():
        turned = name == "by hand, in turned order"  # scores of keys by queries
        for net in (cg.load(model, input_shape=(T, D), strict=True),
                    cg.load(saved(model, tmp_path / f"{name}.pt2"), strict=True)):  # fmt: skip
            if turned:
                found = [cg.node_strength(n, edges="all") for n in (reference, net)]
                for layer in ("q", "k", "v", "out"):
                    parts = (
                        n.split(f)[layer] for n, f in zip((reference, net), found, strict=True)
                    )
                    assert np.allclose(*parts), (name, layer)
            else:
                same_networks(reference, net, names=False)


@pytest.mark.parametrize("kind", SAME)
def test_every_position_passes_its_values_on_uniformly(kind):
    net, checked = audit(block(SAME[kind]["fused"]), sample((T, D)))
    assert checked == 4
    value, attention = net.layer("v"), net.layer("attention")
    (passed,) = [b for b in net.blocks_into(attention) if not b.modulatory]
    found = passed.to_csr().toarray().reshape(*value.shape, *attention.shape)
    keep = np.ones((T, T)) if kind == "open" else CAUSAL.numpy()
    uniform = keep / keep.sum(1, keepdims=True)
    expected = np.einsum("cd,ts->csdt", np.eye(D), uniform)
    assert np.allclose(found, expected)


def test_groups_of_queries_share_their_keys():
    def forward(m, x):
        q, k, v = (f(x).unflatten(-1, (-1, 3)).transpose(1, 2) for f in (m.q, m.k, m.v))
        y = functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)
        return m.out(y.transpose(1, 2).flatten(2))

    model = Function(forward, q=nn.Linear(D, 12), k=nn.Linear(D, 6), v=nn.Linear(D, 6),
                     out=nn.Linear(12, D))  # fmt: skip
    net = cg.load(model, input_shape=(T, D), strict=True)
    graph = cg.build_graph(net)
    edges = graph.adjacency[graph.layer_slice("v")][:, graph.layer_slice("attention")].toarray()
    heads = edges.reshape(6, T, 12, T).sum((1, 3)) > 0
    # Queries 0 and 1 share the first key, 2 and 3 the second.
    shared = np.repeat(np.eye(2), 2, axis=1)
    assert np.array_equal(heads, np.kron(shared, np.eye(3)).astype(bool))


def test_learned_biases_on_scores_are_biases():
    table = nn.Embedding(HEADS, T * T)

    def forward(m, x):
        bias = m.table.weight.view(1, HEADS, T, T)
        return joined(m, functional.scaled_dot_product_attention(*split(m, x), attn_mask=bias))

    layers = {key: nn.Linear(D, D) for key in ("q", "k", "v", "out")}
    model = Function(forward, table=table, **layers)
    net = cg.load(model, input_shape=(T, D), strict=True)
    (scores,) = [layer for layer in net.layers if layer.kind == "scores"]
    expected = table.weight.detach().numpy()
    assert np.allclose(net.bias()[scores.slice], expected.reshape(-1))


@pytest.mark.parametrize("how", ["fused", "by hand"])
def test_a_mask_with_a_bias_hides_some_scores_and_shifts_the_others(how):
    slope = HIDDEN.double() + 0.5 * torch.arange(T)
    forward = fused(attn_mask=slope) if how == "fused" else by_hand(lambda s: s + slope)
    net = cg.load(block(forward), input_shape=(T, D), strict=True)
    causal = cg.load(block(fused(is_causal=True)), input_shape=(T, D), strict=True)
    assert net.n_edges == causal.n_edges
    (scores,) = [layer for layer in net.layers if layer.kind == "scores"]
    found = net.bias()[scores.slice].reshape(HEADS, T, T)
    assert np.allclose(found[:, CAUSAL], np.broadcast_to(slope[CAUSAL], (HEADS, T * (T + 1) // 2)))


@pytest.mark.parametrize(
    "hide",
    [
        lambda w: w + HIDDEN,
        lambda w: w.masked_fill(~CAUSAL, -math.inf),
        lambda w: torch.where(CAUSAL, w, -1e9),
        lambda w: (w.mT + HIDDEN.mT).mT.expand(1, -1, -1, -1),
    ],
    ids=["added", "filled", "chosen", "moved"],
)
def test_a_learned_bias_may_be_masked_before_it_is_added(hide):
    table = nn.Embedding(HEADS, T * T).double()
    forward = by_hand(lambda scores: scores + hide(table.weight.view(HEADS, T, T)))
    model = block(forward)
    model.table = table
    net = cg.load(model, input_shape=(T, D), strict=True)
    assert net.n_edges == cg.load(block(fused(is_causal=True)), input_shape=(T, D)).n_edges
    (scores,) = [layer for layer in net.layers if layer.kind == "scores"]
    found = net.bias()[scores.slice].reshape(HEADS, T, T)
    expected = table.weight.detach().numpy().reshape(HEADS, T, T)
    assert np.allclose(found[:, CAUSAL], expected[:, CAUSAL])


# -- modules --------------------------------------------------------------------------------------


def encoder(**options):
    layer = nn.TransformerEncoderLayer(D, HEADS, 8, batch_first=True, **options)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).double().eval()


MODULES = {
    "encoder": lambda: encoder(),
    "norms first": lambda: encoder(norm_first=True),
    "gelu": lambda: encoder(activation="gelu"),
    "without biases": lambda: encoder(bias=False),
    "attention with weights": lambda: Function(
        lambda m, x: m.a(x, x, x)[0], a=nn.MultiheadAttention(D, HEADS, batch_first=True)),
    "attention without weights": lambda: Function(
        lambda m, x: m.a(x, x, x, need_weights=False)[0],
        a=nn.MultiheadAttention(D, HEADS, batch_first=True)),
    "keys of another size": lambda: Function(
        lambda m, x: m.a(x, m.k(x), m.k(x))[0], k=nn.Linear(D, 4),
        a=nn.MultiheadAttention(D, HEADS, batch_first=True, kdim=4, vdim=4)),
    "learned keys": lambda: Function(
        lambda m, x: m.a(x, x, x)[0],
        a=nn.MultiheadAttention(D, HEADS, batch_first=True, add_bias_kv=True)),
    "a causal mask": lambda: Function(
        lambda m, x: m.body(x, mask=nn.Transformer.generate_square_subsequent_mask(T).double(),
                            is_causal=True), body=encoder()),
    "encoder and decoder": lambda: Function(
        lambda m, x: m.body(x, x[:, :3]),
        body=nn.Transformer(D, HEADS, 1, 1, 8, batch_first=True)),
}  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_complete_live_saved_and_taken_apart(name, tmp_path):
    model = MODULES[name]().eval()
    model.input_shape = (T, D)
    net, checked = audit(model, sample((T, D)))
    assert checked >= 2
    assert not (net.coverage["status"] == "skipped").any()
    for path in saved_whole_and_apart(exported(model), tmp_path):
        same_networks(net, cg.load(path, strict=True), names=False)


def test_time_may_come_first(tmp_path):
    first, second = (nn.TransformerEncoderLayer(D, HEADS, 8, batch_first=b) for b in (True, False))
    second.load_state_dict(first.state_dict())
    one = cg.load(first, input_shape=(T, D), strict=True)
    x = torch.randn(T, 3, D)
    same_networks(one, cg.load(second, example_input=x, strict=True))
    same_networks(one, cg.load(second, input_shape=(T, D), strict=True))
    # A program does not say so; the shape of one sample does.
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(second.eval(), (x[:, :1],)), path)
    same_networks(one, cg.load(path, input_shape=(T, D), strict=True))


def test_latent_queries_are_weights(tmp_path):
    """A learned array attends to the input, as in a Perceiver: scores are linear in the keys."""
    model = Function(
        lambda m, x: m.out(m.a(m.norm(m.latent.weight)[None], x, x)[0].flatten(1)),
        latent=nn.Embedding(3, D), norm=nn.LayerNorm(D), out=nn.Linear(3 * D, 2),
        a=nn.MultiheadAttention(D, HEADS, batch_first=True),
    )  # fmt: skip
    model.input_shape = (T, D)
    net = cg.load(model, input_shape=(T, D), strict=True)
    scores = [net.layer(name) for name in ("latent", "latent_2")]
    assert [(layer.shape, layer.activation) for layer in scores] == [((3, T), "softmax")] * HEADS
    with torch.no_grad():
        query = model.norm(model.latent.weight) @ model.a.in_proj_weight[:D].T
        query = (query + model.a.in_proj_bias[:D]) * (D // HEADS) ** -0.5
    found = [net.blocks_into(layer)[0].weight.read().reshape(3, -1) for layer in scores]
    assert np.allclose(np.concatenate(found, 1), query)
    same_networks(net, cg.load(saved(model, tmp_path / "m.pt2"), strict=True), names=False)


# -- masks that depend on the input ---------------------------------------------------------------


class Padded(nn.Module):
    """An encoder that does not attend to padding."""

    def __init__(self):
        super().__init__()
        self.embed, self.body = nn.Embedding(7, D, padding_idx=0), encoder()
        self.head = nn.Linear(D, 2)

    def forward(self, tokens):
        padding = tokens == 0
        x = self.body(self.embed(tokens), src_key_padding_mask=padding)
        kept = (~padding).unsqueeze(-1).to(x.dtype)
        return self.head((x * kept).sum(1) / kept.sum(1).clamp(min=1))


@pytest.mark.filterwarnings("ignore:.*nested tensors")
@pytest.mark.parametrize("tokens", [[1, 2, 3, 4, 5], [1, 2, 0, 0, 0]])
def test_padding_masks_hide_nothing_and_cut_nothing(tokens, tmp_path):
    model, tokens = Padded().double().eval(), torch.tensor([tokens])
    net = cg.load(model, example_input=tokens, strict=True)
    (first, *_) = (layer for layer in net.layers if layer.kind == "attention")
    (passed,) = [b for b in net.blocks_into(first) if not b.modulatory]
    assert passed.n_edges == D * T * T
    notes = net.coverage[net.coverage["kind"] == "operation"]
    assert set(notes["status"]) == {"included"}
    assert "nothing is masked" in " ".join(notes["reason"])
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(model, (tokens,)), path)
    same_networks(net, cg.load(path, strict=True), names=False)


def test_masks_are_given_as_they_are_meant():
    """A mask among the example's arguments is a constant, not an input."""
    model = Function(lambda m, x, mask: m.body(x, mask=mask), body=encoder())
    x = sample((T, D))
    for mask in (HIDDEN.double(), ~CAUSAL):
        net = cg.load(model, example_input=(x, mask), strict=True)
        assert [layer.is_input for layer in net.layers].count(True) == 1
        (first, *_) = (layer for layer in net.layers if layer.kind == "attention")
        (passed,) = [b for b in net.blocks_into(first) if not b.modulatory]
        assert passed.n_edges == D * T * (T + 1) // 2


def test_indices_that_are_computed_choose_any_row():
    class Shifted(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(9, D)

        def forward(self, tokens):
            return self.embed(tokens * 2)

    net = cg.load(Shifted(), example_input=torch.tensor([[1, 2]]), strict=True)
    (chosen,) = [b for b in net.blocks if getattr(b, "mode", "") == "choice"]
    assert chosen.n_edges == 2 * 9 * D
    assert "depends on the data" in net.coverage.loc["embed", "reason"]
