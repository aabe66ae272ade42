"""Normalizations, embeddings, masks and attention in JAX."""

import equinox as eqx
import flax.linen as fl
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from jax import nn

import cntgraph as cg
from cntgraph.core.errors import CoverageWarning

KEY = jax.random.key(0)
T, WIDTH, HEADS, ENTRIES = 5, 8, 2, 11
TOKENS = np.zeros((2, T), np.int32)


def normal(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def activations(net):
    return [layer.activation for layer in net.layers]


# -- normalizations -------------------------------------------------------------------------------


class Normed(fl.Module):
    """A normalization between two operations."""

    norm: fl.Module
    conv: bool = True

    @fl.compact
    def __call__(self, x):
        first = fl.Conv(WIDTH, (3, 3)) if self.conv else fl.Dense(WIDTH)
        second = fl.Conv(2, (1, 1)) if self.conv else fl.Dense(2)
        return second(self.norm(first(x)))


NORMS = {
    "group_norm": [fl.GroupNorm(4), fl.GroupNorm(num_groups=None, group_size=2)],
    "instance_norm": [fl.InstanceNorm(), fl.InstanceNorm(use_fast_variance=False)],
    "layer_norm": [fl.LayerNorm(), fl.LayerNorm(use_fast_variance=False, epsilon=1e-3),
                   fl.LayerNorm(use_bias=False, use_scale=False),
                   fl.LayerNorm(reduction_axes=(1, 2, 3), feature_axes=-1)],
    "rms_norm": [fl.RMSNorm(), fl.RMSNorm(epsilon=1e-2, use_scale=False)],
}  # fmt: skip


@pytest.mark.parametrize("kind", NORMS)
def test_norms_are_known_by_what_they_do(kind):
    for norm in NORMS[kind]:
        model, x = Normed(norm), normal(1, 6, 5, 3)
        variables = jax.eval_shape(model.init, KEY, x)
        net = cg.load(model.apply, params=variables, example_input=x, strict=True)
        assert activations(net) == ["", kind, ""]
        assert [layer.shape for layer in net.layers] == [(3, 6, 5), (WIDTH, 6, 5), (2, 6, 5)]
        assert set(net.coverage["status"]) <= {"included", "folded"}


def eqx_norms():
    yield "group_norm", eqx.nn.GroupNorm(4, WIDTH), (WIDTH, 6, 5)
    yield "layer_norm", eqx.nn.LayerNorm((WIDTH, 6, 5), use_weight=False, use_bias=False), (
        WIDTH, 6, 5)  # fmt: skip
    yield "layer_norm", jax.vmap(eqx.nn.LayerNorm(WIDTH)), (T, WIDTH)
    yield "rms_norm", jax.vmap(eqx.nn.RMSNorm(WIDTH)), (T, WIDTH)


@pytest.mark.parametrize("case", list(eqx_norms()), ids=lambda case: case[0])
def test_norms_of_equinox(case):
    kind, norm, shape = case
    rows = shape[0] if len(shape) == 3 else WIDTH

    def function(p, x):
        x = jnp.tensordot(p["w"], x, 1) if len(shape) == 3 else x @ p["w"]
        x = jax.vmap(norm)(x[None] if len(shape) == 3 else x)
        return jnp.tensordot(p["v"], x[0], 1) if len(shape) == 3 else x @ p["v"].T

    params = {"w": normal(rows, rows), "v": normal(2, rows)}
    with_batch = jax.vmap(function, (None, 0)) if len(shape) == 3 else function
    net = cg.load(with_batch, params=params, example_input=normal(1, *shape), strict=True)
    assert activations(net) == ["", kind, ""]


def test_the_gain_of_a_norm_is_folded_as_from_pytorch():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, WIDTH), torch.nn.LayerNorm(WIDTH),
                                torch.nn.Linear(WIDTH, 2))  # fmt: skip
    with torch.no_grad():
        for p in model.parameters():
            p.normal_()
    first, norm, last = (
        {k: v.detach().numpy() for k, v in part.named_parameters()} for part in model
    )
    params = {"Dense_0": {"kernel": first["weight"].T, "bias": first["bias"]},
              "norm": {"scale": norm["weight"], "bias": norm["bias"]},
              "Dense_1": {"kernel": last["weight"].T, "bias": last["bias"]}}  # fmt: skip
    x = normal(1, T, 3)
    for fast in (True, False):
        twin = Normed(fl.LayerNorm(use_fast_variance=fast, epsilon=1e-5), conv=False)
        for options in ({}, {"norm": "keep"}):
            theirs = cg.load(model, example_input=torch.from_numpy(x), **options)
            ours = cg.load(twin.apply, params={"params": params}, example_input=x, **options)
            assert [layer.shape for layer in ours.layers] == [
                layer.shape for layer in theirs.layers
            ]
            np.testing.assert_allclose(cg.node_strength(ours), cg.node_strength(theirs), rtol=1e-6)


def test_a_norm_of_unit_length():
    def function(p, x):
        y = x @ p["w"]
        return (y / jnp.linalg.norm(y, axis=-1, keepdims=True)) @ p["v"]

    net = cg.load(function, params={"w": normal(3, 4), "v": normal(4, 2)}, input_shape=(3,))
    assert activations(net)[1] == "rms_norm"
    # x / |x| is x / rms(x) / √n: the factor goes into what reads it.
    np.testing.assert_allclose(net.blocks[-1].weight.read(), normal(4, 2).T / 2.0, rtol=1e-5)


def test_statistics_that_are_read_themselves_stay():
    def function(p, x):
        y = x @ p
        return jnp.concatenate([y.mean(-1, keepdims=True), y.var(-1, keepdims=True)], -1)

    net = cg.load(function, params=normal(3, 4), input_shape=(3,), strict=True)
    assert [layer.kind for layer in net.layers].count("pool") >= 2


# -- embeddings -----------------------------------------------------------------------------------

LOOKUPS = {
    "indexing": lambda p, t: p["e"][t],
    "take": lambda p, t: jnp.take(p["e"], t, axis=0),
    "take that clips": lambda p, t: jnp.take(p["e"], t, axis=0, mode="clip"),
    "rows that are columns": lambda p, t: jnp.take(p["e"].T, t, axis=1).transpose(1, 2, 0),
    "one-hot vectors": lambda p, t: nn.one_hot(t, ENTRIES) @ p["e"],
    "one-hot vectors by comparison": lambda p, t: (
        t[..., None] == jnp.arange(ENTRIES)).astype(jnp.float32) @ p["e"],
    "an embedding of Flax": lambda p, t: fl.Embed(ENTRIES, WIDTH).apply(
        {"params": {"embedding": p["e"]}}, t),
    "an embedding of Equinox": lambda p, t: jax.vmap(jax.vmap(eqx.nn.Embedding(weight=p["e"])))(t),
    "heads": lambda p, t: p["e"].reshape(ENTRIES, HEADS, -1)[t].reshape(*t.shape, -1),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOKUPS)
def test_embeddings(name):
    params = {"e": normal(ENTRIES, WIDTH), "w": normal(WIDTH, 2)}
    net = cg.load(lambda p, t: LOOKUPS[name](p, t) @ p["w"], params=params, example_input=TOKENS,
                  strict=True)  # fmt: skip
    assert [layer.shape for layer in net.layers] == [(ENTRIES, T), (WIDTH, T), (2, T)]
    assert net.layers[0].is_input
    strength = net.split(cg.node_strength(net, direction="out"))[net.layers[0].name]
    np.testing.assert_allclose(strength, np.tile(params["e"].sum(1)[:, None], (1, T)), rtol=1e-5)


def test_positions_and_a_class_token():
    def function(p, t):
        x = p["e"][t] + p["p"][jnp.arange(T)]
        first = jnp.broadcast_to(p["c"], (len(t), 1, WIDTH))
        return jnp.concatenate([first, x], 1) @ p["w"]

    params = {"e": normal(ENTRIES, WIDTH), "p": normal(9, WIDTH), "c": normal(1, 1, WIDTH),
              "w": normal(WIDTH, 2)}  # fmt: skip
    net = cg.load(function, params=params, example_input=TOKENS, strict=True)
    assert [layer.shape for layer in net.layers] == [
        (ENTRIES, T), (WIDTH, T), (WIDTH,), (2, T + 1)]  # fmt: skip
    bias = net.split(net.bias())
    np.testing.assert_allclose(bias[net.layers[1].name], params["p"][:T].T)
    np.testing.assert_allclose(bias[net.layers[2].name], params["c"][0, 0])


def test_tokens_may_be_moved():
    table = normal(ENTRIES, WIDTH)
    net = cg.load(lambda p, t: p[t[:, ::-1][:, :-1]], params=table, example_input=TOKENS,
                  strict=True)  # fmt: skip
    strength = net.split(cg.node_strength(net, direction="out"))[net.layers[0].name]
    np.testing.assert_allclose(strength[:, 1:], np.tile(table.sum(1)[:, None], T - 1), rtol=1e-5)
    assert not strength[:, 0].any()


def test_an_index_that_is_computed_is_cut():
    with pytest.warns(CoverageWarning, match="computed from the data"):
        cg.load(lambda p, t: p[(t * 2) % ENTRIES], params=normal(ENTRIES, WIDTH),
                example_input=TOKENS)  # fmt: skip


#: Shifted tokens, a constant one before them.
SHIFTED = {
    "written over": lambda t: jnp.concatenate([jnp.zeros_like(t[:, :1]), t[:, 1:]], 1),
    "padded": lambda t: jnp.pad(t, ((0, 0), (1, 0)))[:, :-1],
}


@pytest.mark.parametrize("name", SHIFTED)
def test_a_constant_token_is_a_row_of_the_table(name):
    table = normal(ENTRIES, WIDTH)
    net = cg.load(lambda p, t: p[SHIFTED[name](t)], params=table, example_input=TOKENS, strict=True)
    (row,) = [layer for layer in net.layers if layer.kind == "learned"]
    np.testing.assert_array_equal(net.bias()[row.slice], table[0])
    assert net.n_edges == (T - 1) * table.size


def test_without_an_example_no_token_is_known_to_be_another():
    def function(p, t):
        return p[jnp.where(t == ENTRIES - 2, 0, t)]

    given = jax.ShapeDtypeStruct(TOKENS.shape, TOKENS.dtype)
    net = cg.load(function, params=normal(ENTRIES, WIDTH), example_input=given, strict=True)
    assert [layer.kind for layer in net.layers] == ["input", "dense"]


def test_integers_may_be_quantities():
    image = np.zeros((2, 6, 5, 3), np.uint8)
    params = jax.eval_shape(fl.Conv(4, (3, 3)).init, KEY, image.astype(np.float32))
    net = cg.load(lambda p, x: fl.Conv(4, (3, 3)).apply(p, x.astype(jnp.float32) / 255.0),
                  params=params, example_input=image, strict=True)  # fmt: skip
    assert [layer.shape for layer in net.layers] == [(3, 6, 5), (3, 6, 5), (4, 6, 5)]


# -- attention ------------------------------------------------------------------------------------


def projected(p, x):
    """Query, key and value of every head: (batch, T, heads, features)."""
    return (jnp.einsum("btf,fhd->bthd", x, p[key]) for key in "qkv")


def by_einsum(p, x, mask=None):
    q, k, v = projected(p, x)
    scores = jnp.einsum("bthd,bshd->bhts", q, k) / jnp.sqrt(q.shape[-1])
    scores = scores if mask is None else mask(scores)
    return jnp.einsum("bhts,bshd->bthd", nn.softmax(scores), v).reshape(*x.shape[:2], -1)


TRIANGLE = np.tri(T, dtype=bool)
ATTENTIONS = {
    "by hand": by_einsum,
    "by a function": lambda p, x: nn.dot_product_attention(*projected(p, x)).reshape(
        *x.shape[:2], -1),
    "by Flax": lambda p, x: fl.dot_product_attention(*projected(p, x)).reshape(*x.shape[:2], -1),
    "heads first": lambda p, x: jax.vmap(jax.vmap(_one_head))(
        *(y.swapaxes(1, 2) for y in projected(p, x))).swapaxes(1, 2).reshape(*x.shape[:2], -1),
}  # fmt: skip
CAUSAL = {
    "a choice": lambda p, x: by_einsum(p, x, lambda s: jnp.where(TRIANGLE, s, -1e9)),
    "a sum": lambda p, x: by_einsum(p, x, lambda s: s + jnp.where(jnp.tri(T) > 0, 0.0, -jnp.inf)),
    "a sum of numbers": lambda p, x: by_einsum(p, x, lambda s: s + np.where(
        TRIANGLE, 0.0, -1e30).astype(np.float32)),
    "a function": lambda p, x: nn.dot_product_attention(
        *projected(p, x), is_causal=True).reshape(*x.shape[:2], -1),
    "a mask of Flax": lambda p, x: fl.dot_product_attention(
        *projected(p, x), mask=fl.make_causal_mask(jnp.ones(x.shape[:2]))).reshape(
            *x.shape[:2], -1),
}  # fmt: skip


def _one_head(q, k, v):
    return nn.softmax(q @ k.T / jnp.sqrt(q.shape[-1])) @ v


def of_torch(causal):
    class Attention(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for name in "qkv":
                weight = normal(WIDTH, HEADS, WIDTH // HEADS) + "qkv".index(name)
                linear = torch.nn.Linear(WIDTH, WIDTH, bias=False)
                linear.weight = torch.nn.Parameter(torch.from_numpy(weight.reshape(WIDTH, -1).T))
                self.add_module(name, linear)

        def forward(self, x):
            q, k, v = (f(x).unflatten(-1, (HEADS, -1)).transpose(1, 2)
                       for f in (self.q, self.k, self.v))  # fmt: skip
            made = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
            return made.transpose(1, 2).flatten(2)

    return cg.load(Attention(), input_shape=(T, WIDTH), strict=True)


def params_of_attention():
    return {k: normal(WIDTH, HEADS, WIDTH // HEADS) + "qkv".index(k) for k in "qkv"}


@pytest.mark.parametrize("name", [*ATTENTIONS, *CAUSAL])
def test_attention_is_that_of_pytorch(name):
    function = {**ATTENTIONS, **CAUSAL}[name]
    ours = cg.load(function, params=params_of_attention(), input_shape=(T, WIDTH), strict=True)
    theirs = of_torch(name in CAUSAL)
    assert sorted(layer.shape for layer in ours.layers) == sorted(
        layer.shape for layer in theirs.layers
    )
    assert ours.n_edges == theirs.n_edges
    for transform in ("signed", "square"):
        one, other = (
            sorted(
                np.sort(values.ravel()).round(3).tolist()
                for values in net.split(
                    cg.node_strength(net, transform=transform, edges="all")
                ).values()
            )
            for net in (ours, theirs)
        )
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(a, b, atol=2e-3)


def test_heads_that_share_keys():
    params = {"q": normal(WIDTH, 4, 3), "k": normal(WIDTH, 2, 3), "v": normal(WIDTH, 2, 3)}
    net = cg.load(lambda p, x: nn.dot_product_attention(*projected(p, x)).reshape(*x.shape[:2], -1),
                  params=params, input_shape=(T, WIDTH), strict=True)  # fmt: skip
    assert (4, T, T) in [layer.shape for layer in net.layers]
    assert [layer.shape for layer in net.layers][-1] == (12, T)


def test_masks_that_depend_on_the_input_are_noted():
    def function(p, t):
        x = p["e"][t]
        mask = fl.make_attention_mask(t > 0, t > 0)
        y = fl.dot_product_attention(*projected(p, x), mask=mask).reshape(*x.shape[:2], -1)
        return (y * (t > 0)[..., None]) @ p["w"]

    params = params_of_attention() | {"e": normal(ENTRIES, WIDTH), "w": normal(WIDTH, 2)}
    net = cg.load(function, params=params, example_input=TOKENS, strict=True)
    assert [layer.shape for layer in net.layers] == [
        (ENTRIES, T), (WIDTH, T), (WIDTH, T), (WIDTH, T), (WIDTH, T), (HEADS, T, T), (WIDTH, T),
        (2, T)]  # fmt: skip
    notes = net.coverage[net.coverage["kind"] == "operation"]
    assert notes["status"].tolist() == ["included"] * len(notes)
    assert notes["reason"].str.contains("nothing is masked").all()
    assert len(notes) == 2


def test_gates():
    def gated(p, x):
        a, b = jnp.split(x @ p["w"], 2, axis=-1)
        return (nn.silu(a) * b) @ p["v"]

    params = {"w": normal(3, 8), "v": normal(4, 2)}
    for function in (gated, lambda p, x: nn.glu(x @ p["w"]) @ p["v"]):
        net = cg.load(function, params=params, input_shape=(3,), strict=True)
        assert [layer.kind for layer in net.layers] == ["input", "dense", "multiply", "dense"]
        assert [block.modulatory for block in net.blocks] == [False, False, True, False]


def test_squeeze_and_excite():
    def function(p, x):
        s = nn.sigmoid(nn.relu(x.mean((1, 2)) @ p["a"]) @ p["b"])
        return (x * s[:, None, None]) @ p["c"]

    params = {"a": normal(4, 2), "b": normal(2, 4), "c": normal(4, 3)}
    net = cg.load(function, params=params, input_shape=(5, 6, 4), strict=True)
    assert [layer.kind for layer in net.layers] == [
        "input", "pool", "dense", "dense", "multiply", "dense"]  # fmt: skip


def test_a_choice_between_nodes():
    def function(p, x):
        a, b = x @ p["a"], x @ p["b"]
        return jnp.maximum(a, b), jnp.where(a > 0, a, b)

    net = cg.load(function, params={"a": normal(3, 4), "b": normal(3, 4)}, input_shape=(3,),
                  strict=True)  # fmt: skip
    assert [layer.kind for layer in net.layers] == ["input", "dense", "dense", "max", "where"]
    assert net.n_edges == 24 + 8 + 8

    def by_another(p, x):
        return jnp.where((x @ p["a"])[:, :1] > 0, x @ p["b"], 0.0)

    params = {"a": normal(3, 4), "b": normal(3, 4)}
    net = cg.load(by_another, params=params, input_shape=(3,))
    assert net.layers[-1].activation == "where"
