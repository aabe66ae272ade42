"""Attention in ONNX: in one operation, of onnxruntime, or written out; the same graph each time."""

import numpy as np
import pytest
from onnx import TensorProto, helper
from oracles.onnx_models import I64, assert_same, model, node, oracle, whole

import cntgraph as cg
from cntgraph.adapters import onnx as adapter
from cntgraph.core.errors import CoverageWarning

T, HEADS, WIDTH = 4, 2, 6
EACH = WIDTH // HEADS
OWN = {"domain": "com.microsoft"}


def projections(width=WIDTH, kept=WIDTH):
    """Queries, keys and values from the input x; what follows reads q, k and v."""
    weights = {"wq": whole((5, width), 1), "wk": whole((5, kept), 2), "wv": whole((5, kept), 3)}
    return [node("MatMul", f"x w{k}", k) for k in "qkv"], weights


def heads(name, n=HEADS):
    """(1, T, width) → (1, heads, T, each)."""
    return [node("Reshape", f"{name} by{n}", f"{name}r"),
            node("Transpose", f"{name}r", f"{name}h", perm=[0, 2, 1, 3])]  # fmt: skip


def written_out(mask=None, kept=HEADS, softcap=False):
    """The same step by step; the mask is added to the scores."""
    nodes, weights = projections(kept=kept * EACH)
    weights |= {"by2": np.array([1, T, HEADS, EACH], I64),
                "flat": np.array([1, T, WIDTH], I64), "scale": np.float32(EACH**-0.5)}  # fmt: skip
    weights[f"by{kept}"] = np.array([1, T, kept, EACH], I64)
    nodes += heads("q") + heads("k", kept) + heads("v", kept)
    for name in "kv" if kept != HEADS else "":
        weights["copies"] = np.zeros(HEADS // kept, I64)
        nodes += [node("Gather", f"{name}h copies", f"{name}g", axis=1)]
        nodes[-1].output[0] = f"{name}h2"
    key, value = ("kh", "vh") if kept == HEADS else ("kh2", "vh2")
    nodes += [node("Transpose", key, "kt", perm=[0, 1, 3, 2]), node("Mul", "qh scale", "qs"),
              node("MatMul", "qs kt", "scores")]  # fmt: skip
    last = "scores"
    if softcap:
        nodes, last = [*nodes, node("Tanh", "scores", "capped")], "capped"
    if mask is not None:
        weights["mask"] = mask
        nodes, last = [*nodes, node("Add", f"{last} mask", "masked")], "masked"
    nodes += [node("Softmax", last, "soft", axis=-1), node("MatMul", f"soft {value}", "o"),
              node("Transpose", "o", "ot", perm=[0, 2, 1, 3]), node("Reshape", "ot flat", "of"),
              node("MatMul", "of wo")]  # fmt: skip
    return model(nodes, {**weights, "wo": whole((WIDTH, 3), 4)}, (1, T, 5), 23)


def in_one(op, extra=None, kept=HEADS, inputs="q k v", after=(), opset=23, **attributes):
    """One operation on queries, keys and values."""
    nodes, weights = projections(kept=kept * EACH)
    made = helper.make_node(op, inputs.split(" "), ["of"], **attributes)
    weights = {**weights, **(extra or {}), "wo": whole((WIDTH, 3), 4)}
    domains = [attributes["domain"]] if "domain" in attributes else []
    nodes += [made, node("MatMul", "of wo"), *after]
    return model(nodes, weights, (1, T, 5), opset, domains=domains)


def check(fused, plain, *, run=True):
    """Both give the same graph; and, in onnxruntime, the same numbers."""
    ours, theirs = (adapter.load(proto, strict=True) for proto in (fused, plain))
    assert_same(ours, theirs, names=False)
    if run:
        x = np.random.default_rng(0).normal(size=(1, T, 5)).astype(np.float32)
        np.testing.assert_allclose(oracle(fused, x), oracle(plain, x), rtol=1e-4, atol=1e-4)
    return ours


CAUSAL = np.where(np.tri(T, dtype=bool), 0, -np.inf).astype(np.float32)
SIZES = {"q_num_heads": HEADS, "kv_num_heads": HEADS}


def test_attention():
    net = check(in_one("Attention", **SIZES), written_out())
    kinds = [(layer.kind, layer.shape) for layer in net.layers[4:]]
    assert kinds[:2] == [("scores", (HEADS, T, T)), ("attention", (WIDTH, T))]


def test_causal_attention():
    net = check(in_one("Attention", is_causal=1, **SIZES), written_out(CAUSAL))
    block = next(b for b in net.blocks if getattr(b, "mode", "") == "attention")
    np.testing.assert_allclose(block.to_csr().toarray()[:T, :T],
                               np.triu(np.ones((T, T))) / np.arange(1, T + 1))  # fmt: skip


@pytest.mark.parametrize("kind", ["numbers", "truth values", "one head"])
def test_a_stored_mask(kind):
    keep = np.random.default_rng(2).random((T, T)) < 0.6
    keep |= np.eye(T, dtype=bool)
    added = np.where(keep, 0, -1e9).astype(np.float32)
    mask = {"numbers": added, "truth values": keep, "one head": added[None, None]}[kind]
    check(in_one("Attention", {"mask": mask}, inputs="q k v mask", **SIZES), written_out(added))


def test_a_stored_mask_is_no_weight():
    net = adapter.load(written_out(CAUSAL))
    assert net.coverage.loc["mask", "reason"] == "a mask: which positions may be attended to"
    assert net.coverage.loc["mask", "kind"] == "buffer"


def test_numbers_that_are_added_to_the_scores_are_biases():
    positions = whole((HEADS, T, T), 7)
    net = check(in_one("Attention", {"mask": positions[None]}, inputs="q k v mask", **SIZES),
                written_out(positions))  # fmt: skip
    assert net.coverage.loc["mask", "status"] in ("included", "folded")
    scores = next(layer for layer in net.layers if layer.kind == "scores")
    np.testing.assert_allclose(net.bias()[scores.slice].reshape(scores.shape), positions)


def test_fewer_heads_of_keys_and_values():
    check(in_one("Attention", kept=1, q_num_heads=HEADS, kv_num_heads=1), written_out(kept=1))


def test_scores_that_are_capped():
    proto = in_one("Attention", softcap=2.0, **SIZES)
    check(proto, written_out(softcap=True), run=False)


def test_a_mask_that_is_an_input_hides_nothing():
    proto = in_one("Attention", inputs="q k v mask", **SIZES)
    mask = helper.make_tensor_value_info("mask", TensorProto.BOOL, (1, 1, T, T))
    proto.graph.input.append(mask)
    net = adapter.load(proto, strict=True)
    assert_same(net, adapter.load(written_out()), names=False)
    reason = net.coverage.loc["mask", "reason"]
    assert reason == "an input that only sets how others are read, taken as ones"
    given = {"x": np.zeros((1, T, 5)), "mask": np.tri(T, dtype=bool)[None, None]}
    causal = adapter.load(proto, example_input=given, strict=True)
    assert_same(causal, adapter.load(written_out(CAUSAL)), names=False)


def test_a_cache_is_more_keys_and_values():
    proto = in_one("Attention", inputs="q k v  pk pv", is_causal=1, **SIZES)
    for name in ("pk", "pv"):
        cache = helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, HEADS, 3, EACH))
        proto.graph.input.append(cache)
    net = adapter.load(proto, strict=True)
    scores = next(layer for layer in net.layers if layer.kind == "scores")
    assert scores.shape == (HEADS, T, T + 3)
    block = next(b for b in net.blocks if getattr(b, "mode", "") == "attention")
    read = block.to_csr().toarray()[: T + 3, :T] > 0
    np.testing.assert_array_equal(read, np.triu(np.ones((T + 3, T), bool), -3))


def test_a_batch_of_several_samples():
    def load(n):
        proto = in_one("Attention", is_causal=1, **SIZES)
        proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = n
        return adapter.load(proto, strict=True)

    assert_same(load(1), load(3))


# -- onnxruntime's own operations ----------------------------------------------------------------


def test_multi_head_attention():
    check(in_one("MultiHeadAttention", num_heads=HEADS, **OWN), written_out())


def test_multi_head_attention_with_a_bias_and_a_mask():
    bias = whole(3 * WIDTH, 8)
    fused = in_one("MultiHeadAttention", {"bias": bias, "keys": np.array([[1, 1, 0, 1]], np.int32)},
                   inputs="q k v bias keys", num_heads=HEADS, **OWN)  # fmt: skip
    plain = written_out(np.array([[0, 0, -np.inf, 0]], np.float32))
    nodes = list(plain.graph.node)
    for k, name in enumerate("qkv"):
        nodes[k].output[0] = f"{name}0"
        nodes.append(node("Add", f"{name}0 b{name}", name))
    order = [*nodes[:3], *nodes[-3:], *nodes[3:-3]]
    del plain.graph.node[:]
    plain.graph.node.extend(order)
    parts = np.split(bias, 3)
    plain.graph.initializer.extend(
        numpy_tensor(part, f"b{name}") for part, name in zip(parts, "qkv", strict=True)
    )
    check(fused, plain)


def numpy_tensor(array, name):
    from onnx import numpy_helper

    return numpy_helper.from_array(array, name)


@pytest.mark.parametrize("causal", [0, 1])
def test_attention_that_projects_its_input(causal):
    weights = {"w": whole((5, 3 * WIDTH), 1), "b": whole(3 * WIDTH, 2), "wo": whole((WIDTH, 3), 4)}
    made = helper.make_node("Attention", ["x", "w", "b"], ["of"], num_heads=HEADS,
                            unidirectional=causal, **OWN)  # fmt: skip
    fused = model([made, node("MatMul", "of wo")], weights, (1, T, 5), domains=["com.microsoft"])
    net = adapter.load(fused, strict=True)
    assert [layer.shape for layer in net.layers] == [
        (T, 5), (3 * WIDTH, T), (HEADS, T, T), (WIDTH, T), (3, T)
    ]  # fmt: skip
    np.testing.assert_array_equal(net.blocks[0].weight.read()[..., 0], weights["w"].T)
    strength = cg.node_strength(net, edges="all", transform="count", direction="out")
    features = strength[net.layers[1].slice].reshape(3, WIDTH, T)
    per_value = np.arange(T, 0, -1) if causal else np.full(T, T)
    np.testing.assert_array_equal(features[2], np.broadcast_to(per_value, (WIDTH, T)))


def test_group_query_attention():
    lengths = {"past": np.array([[T - 1]], np.int32), "total": np.array(T, np.int32)}
    fused = in_one("GroupQueryAttention", lengths, kept=1, inputs="q k v   past total",
                   num_heads=HEADS, kv_num_heads=1, **OWN)  # fmt: skip
    check(fused, written_out(CAUSAL, kept=1), run=False)


def test_rotary_positions_in_one_operation():
    n = T
    angle = np.arange(n)[:, None] * np.array([1.0, 0.1])
    weights = {"cos": np.cos(angle).astype(np.float32), "sin": np.sin(angle).astype(np.float32),
               "w": whole((5, 8), 1), "v": whole((8, 3), 2),
               "places": np.arange(n)[None]}  # fmt: skip
    own = model([node("MatMul", "x w", "h"),
                 node("RotaryEmbedding", "h cos sin places", "r", num_heads=2),
                 node("MatMul", "r v")], weights, (1, n, 5), 23)  # fmt: skip
    contrib = model(
        [
            node("MatMul", "x w", "h"),
            node("RotaryEmbedding", "h places cos sin", "r", **OWN),
            node("MatMul", "r v"),
        ],
        weights,
        (1, n, 5),
        17,
        domains=["com.microsoft"],
    )
    nets = [adapter.load(proto, strict=True) for proto in (own, contrib)]
    assert_same(*nets, names=False)
    x = np.random.default_rng(0).normal(size=(1, n, 5)).astype(np.float32)
    from oracles.onnx_models import propagate

    z = propagate(nets[0], x[0])[nets[0].layers[-1].slice].reshape(3, n).T
    np.testing.assert_allclose(z, oracle(contrib, x)[0], rtol=1e-4, atol=1e-4)


def test_normalizations_that_are_fused_with_what_stands_before_them():
    gain, shift, bias = whole(4, 1), whole(4, 2), whole(4, 3)
    weights = {"w": whole((5, 4)), "u": whole((5, 4), 4), "gain": gain, "shift": shift,
               "bias": bias, "v": whole((4, 3), 5)}  # fmt: skip
    first = [node("MatMul", "x w", "a"), node("MatMul", "x u", "b")]
    last = [node("MatMul", "n v", "m"), node("MatMul", "s v", "k"), node("Add", "m k")]
    fused = helper.make_node("SkipLayerNormalization", ["a", "b", "gain", "shift", "bias"],
                             ["n", "", "", "s"], **OWN)  # fmt: skip
    plain = [node("Add", "a b", "t"), node("Add", "t bias", "s"),
             node("LayerNormalization", "s gain shift", "n", axis=-1)]  # fmt: skip
    check(model([*first, fused, *last], weights, (1, T, 5), domains=["com.microsoft"]),
          model([*first, *plain, *last], weights, (1, T, 5)))  # fmt: skip


def test_embeddings_that_are_fused_with_a_normalization():
    tables = {"words": whole((11, 4), 1), "places": whole((9, 4), 2), "kinds": whole((2, 4), 3),
              "gain": whole(4, 4), "shift": whole(4, 5), "v": whole((4, 3), 6)}  # fmt: skip
    made = helper.make_node("EmbedLayerNormalization",
                            ["x", "s", "words", "places", "kinds", "gain", "shift"], ["n", ""],
                            **OWN)  # fmt: skip
    fused = model([made, node("MatMul", "n v")], tables, (1, T), domains=["com.microsoft"])
    plain = model([node("Gather", "words x", "a"), node("Gather", "kinds s", "b"),
                   node("Slice", "places zero four", "p"), node("Add", "a b", "t"),
                   node("Add", "t p", "u"),
                   node("LayerNormalization", "u gain shift", "n", axis=-1), node("MatMul", "n v")],
                  {**tables, "zero": np.array([0]), "four": np.array([T])}, (1, T))  # fmt: skip
    for proto in (fused, plain):
        proto.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32
        proto.graph.input.append(helper.make_tensor_value_info("s", TensorProto.INT32, (1, T)))
    check(fused, plain, run=False)


def test_products_that_are_fused():
    weights = {"w": whole((4, 5)), "b": whole(4, 1), "v": whole((4, 3), 2)}
    nodes = [
        helper.make_node("FusedMatMul", ["x", "w"], ["h"], transB=1, alpha=0.5, **OWN),
        helper.make_node("BiasGelu", ["h", "b"], ["a"], **OWN),
        node("MatMul", "a v"),
    ]
    net = adapter.load(model(nodes, weights, (1, T, 5), domains=["com.microsoft"]), strict=True)
    assert [layer.activation for layer in net.layers] == ["", "gelu", ""]
    np.testing.assert_array_equal(net.blocks[0].weight.read()[..., 0], weights["w"] * 0.5)
    np.testing.assert_array_equal(net.bias()[net.layers[1].slice].reshape(4, T)[:, 0], weights["b"])


def test_einsum_as_attention_has_it():
    nodes, weights = projections()
    shape = {"by": np.array([1, T, HEADS, EACH], I64)}
    nodes += [node("Reshape", f"{k} by", f"{k}h") for k in "qkv"]
    nodes += [node("Einsum", "qh kh", "s", equation="bthd,bshd->bhts"), node("Softmax", "s", "p"),
              node("Einsum", "p vh", "o", equation="bhts,bshd->bthd"),
              node("Einsum", "o wo", equation="bthd,hde->bte")]  # fmt: skip
    weights = {**weights, **shape, "wo": whole((HEADS, EACH, 3), 4)}
    proto = model(nodes, weights, (1, T, 5))
    plain = written_out()
    net, expected = adapter.load(proto, strict=True), adapter.load(plain, strict=True)
    assert [layer.shape for layer in net.layers] == [layer.shape for layer in expected.layers]
    np.testing.assert_array_equal(*(cg.node_strength(n, edges="all") for n in (net, expected)))


def test_heads_that_do_not_share_keys_are_refused():
    with pytest.warns(CoverageWarning, match="2 heads of queries share 3 of keys"):
        adapter.load(in_one("Attention", kept=3, q_num_heads=HEADS, kv_num_heads=3))
