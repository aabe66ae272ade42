"""Attention as a graph: uniform edges from values, modulating edges from queries and keys."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.nets import attention

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe


class Bench:
    """A builder with a sequence of features, and random projections of it."""

    def __init__(self, positions, features, seed=0):
        self.builder, self.rng = Builder(), np.random.default_rng(seed)
        self.features = features
        self.x = self.builder.input("x", (features, positions)).T

    def project(self, name, ids=None):
        shape = (self.features, self.features)
        parameter = Parameter.from_array(name, self.rng.normal(size=shape))
        weight = Recipe.of(self.builder.parameter(parameter))
        return self.builder.linear(name, self.x if ids is None else ids, weight, None)

    def heads(self, ids, n):
        positions = ids.shape[0]
        return ids.reshape(positions, n, -1).swapaxes(0, 1)

    def merge(self, ids):
        return ids.swapaxes(0, 1).reshape(ids.shape[1], -1)


def attend(positions, n_heads, width, keep, *, fused, seed=0):
    bench = Bench(positions, n_heads * width, seed)
    b = bench.builder
    q, k, v = (bench.heads(bench.project(name), n_heads) for name in "qkv")
    if fused:
        made = attention(b, "att", q, k, v, keep)
    else:
        half = Recipe.constant(width**-0.25)
        q, k = (b.scale(f"{n}.scale", ids, half, None, parametric=False)
                for n, ids in (("q", q), ("k", k)))  # fmt: skip
        scores = b.matmul("att.scores", q, k.swapaxes(-1, -2))
        scores = b.scale("att.div", scores, Recipe.constant(0.7), None, parametric=False)
        scores = scores if keep is None else b.mask(scores, keep)
        made = b.matmul("att", b.activate(scores, "softmax"), v)
    b.output(bench.project("out", bench.merge(made)))
    return b.finish()


MASKS = {"all": None, "causal": "causal", "per head": "per head"}


def mask(kind, positions, n_heads, seed=0):
    if kind == "all":
        return None
    if kind == "causal":
        return np.tri(positions, dtype=bool)
    keep = np.random.default_rng(seed).random((n_heads, positions, positions)) < 0.6
    return keep | np.eye(positions, dtype=bool)


@pytest.mark.parametrize("kind", ["all", "causal", "per head"])
@pytest.mark.parametrize("fused", [True, False])
def test_values_are_passed_on_uniformly(kind, fused):
    positions, n_heads, width = 5, 3, 2
    keep = mask(kind, positions, n_heads)
    net = attend(positions, n_heads, width, keep, fused=fused)
    graph = cg.build_graph(net)
    v, att = graph.layer_slice("v"), graph.layer_slice("att")
    found = graph.adjacency[v][:, att].toarray()
    found = found.reshape(n_heads, width, positions, n_heads, width, positions)
    wide = np.broadcast_to(True if keep is None else keep, (n_heads, positions, positions))
    expected = np.zeros_like(found)
    for h in range(n_heads):
        for d in range(width):
            for t in range(positions):
                for s in range(positions):
                    if wide[h, t, s]:
                        expected[h, d, s, h, d, t] = 1 / wide[h, t].sum()
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("kind", ["all", "causal", "per head"])
def test_a_fused_attention_is_the_same_as_its_parts(kind):
    keep = mask(kind, 4, 2)
    fused, parts = (attend(4, 2, 3, keep, fused=fused) for fused in (True, False))
    assert [(layer.name, layer.shape, layer.start, layer.activation) for layer in fused.layers] == [
        (layer.name, layer.shape, layer.start, layer.activation) for layer in parts.layers
    ]
    one, other = (cg.build_graph(net).adjacency for net in (fused, parts))
    assert (one != other).nnz == 0
    assert fused.layer("att.scores").activation == "softmax"


def test_query_and_key_modulate_the_scores_and_these_the_output():
    positions, n_heads, width = 4, 2, 3
    net = attend(positions, n_heads, width, np.tri(positions, dtype=bool), fused=True)
    graph = cg.build_graph(net)

    def edges(source, target):
        return graph.adjacency[graph.layer_slice(source)][:, graph.layer_slice(target)].toarray()

    shape = (n_heads, width, positions, n_heads, positions, positions)
    same = np.eye(n_heads)[:, None, None, :, None, None] * np.ones(shape)
    at = np.eye(positions)
    assert np.array_equal(edges("q", "att.scores").reshape(shape), same * at[:, None, :, None])
    assert np.array_equal(edges("k", "att.scores").reshape(shape), same * at[:, None, None, :])
    back = edges("att.scores", "att").reshape(n_heads, positions, positions, n_heads, width, -1)
    kept = np.tri(positions)[:, :, None, None, None] * at[:, None, None, None, :]
    expected = np.eye(n_heads)[:, None, None, :, None, None] * kept
    assert np.array_equal(back, np.broadcast_to(expected, back.shape))
    by_name = {block.name: block for block in net.blocks}
    for name in ("att.scores.left", "att.scores.right", "att.left"):
        assert by_name[name].modulatory
        assert not by_name[name].parametric
    assert not by_name["att"].modulatory
    assert not by_name["att"].parametric


@given(
    positions=st.integers(1, 4),
    n_heads=st.integers(1, 3),
    width=st.integers(1, 3),
    kind=st.sampled_from(["all", "causal", "per head"]),
    seed=st.integers(0, 5),
)
@settings(max_examples=25, deadline=None)
def test_closed_form_equals_the_explicit_graph(positions, n_heads, width, kind, seed):
    net = attend(positions, n_heads, width, mask(kind, positions, n_heads, seed), fused=True)
    graph = cg.build_graph(net)
    assert graph.n_edges == net.n_edges
    for transform in ("signed", "absolute", "square", "count"):
        closed, explicit = (
            cg.node_strength(x, transform=transform, edges="all") for x in (net, graph)
        )
        assert np.allclose(closed, explicit, rtol=1e-12)
    for block in net.blocks:
        x, z = np.random.default_rng(seed).normal(size=(2, max(block.shape)))
        explicit = block.to_csr()
        assert np.allclose(block.matvec(x[: block.shape[1]]), explicit @ x[: block.shape[1]])
        assert np.allclose(block.rmatvec(z[: block.shape[0]]), explicit.T @ z[: block.shape[0]])


def test_cross_attention_and_shared_keys():
    """Queries of one length, keys of another; one head of keys and values for two of queries."""
    b, rng = Builder(), np.random.default_rng(0)
    x, y = b.input("x", (4, 3)).T, b.input("y", (2, 5)).T

    def project(name, ids, n_out):
        value = rng.normal(size=(n_out, ids.shape[-1]))
        weight = Recipe.of(b.parameter(Parameter.from_array(name, value)))
        return b.linear(name, ids, weight, None)

    q = project("q", x, 4).reshape(3, 2, 2).swapaxes(0, 1)
    k, v = (np.broadcast_to(project(name, y, 2), (2, 5, 2)) for name in "kv")
    b.output(attention(b, "att", q, k, v))
    net = b.finish(strict=True)
    graph = cg.build_graph(net)
    passed = graph.adjacency[graph.layer_slice("v")][:, graph.layer_slice("att")].toarray()
    assert passed.sum() == pytest.approx(2 * 2 * 3)
    assert np.allclose(passed.sum(axis=0), 1)
    assert np.allclose(passed.sum(axis=1), 2 * 3 / 5)


def test_a_product_without_softmax_only_modulates():
    bench = Bench(3, 2)
    b = bench.builder
    b.output(b.matmul("gram", bench.project("a"), bench.project("b").T))
    net = b.finish()
    into = net.blocks_into(net.layer("gram"))
    assert [block.modulatory for block in into] == [True, True]
    assert net.layer("gram").kind == "scores"


def test_a_learned_scale_of_the_scores_is_kept():
    bench = Bench(3, 2)
    b = bench.builder
    scores = b.matmul("scores", bench.project("a"), bench.project("b").T)
    gain = Recipe.of(b.parameter(Parameter.from_array("temperature", np.array([2.0]))))
    scores = b.scale("temperature", scores, gain, None)
    b.output(b.matmul("att", b.activate(scores, "softmax"), bench.project("v")))
    net = b.finish(strict=True)
    assert net.coverage.loc["temperature", "status"] == "included"


def test_the_softmax_may_stand_on_the_right():
    bench = Bench(3, 2)
    b = bench.builder
    values, scores = bench.project("v"), b.matmul("s", bench.project("a"), bench.project("b").T)
    scores = b.activate(scores, "softmax")
    made = b.matmul("att", values.T, scores.T)
    assert made.shape == (2, 3)
    b.output(made)
    net = b.finish()
    graph = cg.build_graph(net)
    passed = graph.adjacency[graph.layer_slice("v")][:, graph.layer_slice("att")].toarray()
    assert np.allclose(passed, np.kron(np.eye(2), np.full((3, 3), 1 / 3)))
