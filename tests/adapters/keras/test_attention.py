"""Attention, embeddings, learned constants and normalizations, decided by Keras."""

import keras
import numpy as np
import pytest
from keras import layers as kl
from keras import ops
from oracles.keras_models import channels_first, check, flat, functional, predict, randomize

import cntgraph as cg

ROWS, OTHERS = (4, 5), (6, 7)
PATTERN = np.array([[[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [1, 0, 0, 1]]], bool)


class Own(kl.Layer):
    """Attention as people write it."""

    def __init__(self, n, heads):
        super().__init__()
        self.n, self.heads = n, heads
        self.query, self.key, self.value, self.out = (kl.Dense(n, name=k) for k in "qkvo")

    def build(self, shape):
        for layer in (self.query, self.key, self.value):
            layer.build(shape)
        self.out.build((*shape[:-1], self.n))
        self.built = True

    def call(self, x):
        batch, steps = ops.shape(x)[:2]
        q, k, v = (
            ops.transpose(ops.reshape(layer(x), (batch, steps, self.heads, -1)), (0, 2, 1, 3))
            for layer in (self.query, self.key, self.value)
        )
        weights = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) * (self.n // self.heads) ** -0.5
        mask = ops.cast(ops.triu(ops.ones((steps, steps)), 1), "float32") * -1e9
        weights = ops.softmax(weights + mask, -1)
        mixed = ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3))
        return self.out(ops.reshape(mixed, (batch, steps, self.n)))

    def compute_output_shape(self, shape):
        return (*shape[:-1], self.n)


def heads(query, value, *, n=2, width=3, call=None, **options):
    layer = kl.MultiHeadAttention(n, width, **options)
    return flat(layer(query, value, **(call or {})))


#: By name: how, and by what queries are scaled.
ATTENTION = {
    "self": (lambda x, y: heads(x, x), 3**-0.5),
    "causal": (lambda x, y: heads(x, x, call={"use_causal_mask": True}), 3**-0.5),
    "cross": (lambda x, y: heads(x, y, output_shape=6), 3**-0.5),
    "masked": (lambda x, y: heads(x, x, call={"attention_mask": PATTERN}), 3**-0.5),
    # With dropout, Keras computes scores and values one after the other.
    "other width of the values": (
        lambda x, y: heads(x, x, value_dim=4, use_bias=False, dropout=0.1), 3**-0.5),
    "causal, one after the other": (
        lambda x, y: heads(x, x, dropout=0.1, call={"use_causal_mask": True}), 3**-0.5),
    "grouped": (lambda x, y: flat(kl.GroupQueryAttention(3, 4, 2)(x, x)), 3**-0.5),
    "grouped, causal": (
        lambda x, y: flat(kl.GroupQueryAttention(3, 4, 2)(x, x, use_causal_mask=True)), 3**-0.5),
    "plain": (lambda x, y: flat(kl.Attention()([kl.Dense(3)(x), kl.Dense(3)(y)])), 1.0),
    "plain, causal": (
        lambda x, y: flat(kl.Attention()([kl.Dense(3)(x)] * 2, use_causal_mask=True)), 1.0),
    "plain, scaled": (
        lambda x, y: flat(kl.Attention(use_scale=True)([kl.Dense(3)(x), kl.Dense(3)(y)])), 1.0),
    "plain, by sums": (
        lambda x, y: flat(
            kl.Attention(score_mode="concat")([kl.Dense(3)(x), kl.Dense(3)(y)])), 1.0),
    "additive": (lambda x, y: flat(kl.AdditiveAttention()([kl.Dense(3)(x), kl.Dense(3)(y)])), 1.0),
    "additive, not scaled": (
        lambda x, y: flat(
            kl.AdditiveAttention(use_scale=False)([kl.Dense(3)(x), kl.Dense(3)(y)])), 1.0),
    "one's own": (lambda x, y: flat(Own(6, 2)(x)), 3**-0.5),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTENTION)
def test_attention(name):
    build, scale = ATTENTION[name]
    shapes = (ROWS, OTHERS)
    if name in ("self", "causal", "masked", "one's own") or "of the" in name or "after" in name:
        shapes = (ROWS,)
    if "grouped" in name or name == "plain, causal":
        shapes = (ROWS,)
    model = functional(lambda x, y=None: build(x, y), *shapes)
    check(model, *shapes, scale=scale)


def test_what_a_causal_mask_hides_is_no_edge():
    model = functional(lambda x: kl.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True), ROWS)
    net = cg.load(model, strict=True)
    graph = cg.build_graph(net)
    mixed, values = (
        graph.layer_slice(name) for name in ("multi_head_attention", "multi_head_attention/value")
    ) if "multi_head_attention" in {layer.name for layer in net.layers} else (
        graph.layer_slice(layer.name) for layer in net.layers if layer.kind == "attention"
        or layer.name.endswith("/value")
    )  # fmt: skip
    found = graph.adjacency[values if values.start < mixed.start else mixed].toarray()
    found = found[:, mixed if values.start < mixed.start else values]
    uniform = np.tril(np.ones((4, 4))) / np.arange(1, 5)[:, None]
    # Features of a head and position read the same feature of the positions up to their own.
    assert np.allclose(found, np.kron(np.eye(6), uniform.T))


def test_what_is_put_out_of_reach_is_no_edge_either():
    model = functional(lambda x: kl.Attention()([x, x], use_causal_mask=True), ROWS)
    net = cg.load(model, strict=True)
    (mixed,) = (b for b in net.blocks_into(net.layers[-1]) if not b.modulatory)
    # Four positions attend to one, two, three and four, feature by feature.
    assert mixed.n_edges == 5 * (1 + 2 + 3 + 4)


# -- normalizations -------------------------------------------------------------------------------


class ByHand(kl.Layer):
    def build(self, shape):
        self.gain = self.add_weight(shape=(shape[-1],), name="gain")
        self.shift = self.add_weight(shape=(shape[-1],), name="shift")

    def call(self, x):
        off = x - ops.mean(x, -1, keepdims=True)
        variance = ops.mean(ops.square(off), -1, keepdims=True)
        return off * ops.rsqrt(variance + 1e-3) * self.gain + self.shift

    def compute_output_shape(self, shape):
        return shape


class ByMoments(ByHand):
    def call(self, x):
        mean, variance = ops.moments(x, -1, keepdims=True)
        return (x - mean) / ops.sqrt(variance + 1e-3) * self.gain + self.shift


@pytest.mark.parametrize("norm", ["fold", "keep"])
@pytest.mark.parametrize("layer", [kl.LayerNormalization, ByHand, ByMoments])
def test_layer_norms_however_they_are_written(layer, norm):
    def build(x):
        return kl.Dense(3)(layer()(kl.Dense(4)(x)))

    net = check(functional(build, ROWS), ROWS, load={"norm": norm})
    assert [layer.activation for layer in net.layers][1] == "layer_norm"
    assert net.n_layers == (3 if norm == "fold" else 4)


def test_a_norm_over_everything():
    def whole(x):
        return (x - x.mean()) / np.sqrt(x.var() + 1e-3)

    def build(x):
        return flat(kl.LayerNormalization(axis=(1, 2))(kl.Dense(4)(x)))

    check(functional(build, ROWS), ROWS, layer_norm=whole)


# -- embeddings and learned constants -------------------------------------------------------------


def test_an_embedding_is_a_dense_layer_of_one_hot_inputs():
    i = keras.Input((4,), dtype="int32")
    y = kl.Dense(2)(kl.Flatten()(kl.Embedding(7, 3, name="embed")(i)))
    model = randomize(keras.Model(i, y))
    net = cg.load(model, strict=True)
    assert [layer.shape for layer in net.layers] == [(7, 4), (3, 4), (2,)]
    tokens = np.array([[3, 0, 6, 3]])
    one_hot = np.eye(7)[tokens[0]].T
    from oracles.keras_models import evaluate, outputs_of

    found = outputs_of(net, evaluate(net, one_hot))
    assert found == pytest.approx(predict(model, tokens)[0][0], rel=1e-4, abs=1e-5)


class ClassToken(kl.Layer):
    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token")
        self.place = self.add_weight(shape=(1, shape[1] + 1, shape[-1]), name="place")

    def call(self, x):
        token = ops.broadcast_to(self.token, (ops.shape(x)[0], 1, x.shape[-1]))
        return ops.concatenate([token, x], axis=1) + self.place

    def compute_output_shape(self, shape):
        return (shape[0], shape[1] + 1, shape[2])


class Places(kl.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.table = kl.Embedding(9, 5, name="table")

    def build(self, shape):
        self.table.build()

    def call(self, x):
        return x + self.table(ops.arange(ops.shape(x)[1]))

    def compute_output_shape(self, shape):
        return shape


def test_learned_constants():
    net = check(functional(lambda x: flat(ClassToken(name="cls")(kl.Dense(4)(x))), ROWS), ROWS)
    assert "learned" in [layer.kind for layer in net.layers]
    assert set(net.coverage["status"]) <= {"included", "folded"}
    net = check(functional(lambda x: flat(Places(name="places")(x)), ROWS), ROWS)
    assert net.coverage.loc["places/table/embeddings", "status"] != "skipped"


def test_a_vision_transformer_of_layers():
    def build(x):
        y = kl.Dense(6)(kl.Reshape((4, 12))(ops.image.extract_patches(x, 2)))
        y = ClassToken()(y)
        y = kl.LayerNormalization()(y + kl.MultiHeadAttention(2, 3)(y, y))
        y = kl.LayerNormalization()(y + kl.Dense(6)(kl.Dense(12, "gelu")(y)))
        return kl.Dense(3)(y[:, 0])

    shape = (4, 4, 3)
    model = randomize(functional(build, shape))
    net = check(model, shape, scale=3**-0.5)
    assert channels_first(np.zeros((1, *shape))).shape == net.layers[0].shape
