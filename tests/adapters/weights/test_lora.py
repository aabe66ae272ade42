"""Folders of PEFT: the updates B A, and a base model with them; no product is formed."""

import json
import tracemalloc
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

import cntgraph as cg
from cntgraph import FormatError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe
from cntgraph.core.recipe.products import products_apart
from cntgraph.core.view import View
from cntgraph.network.blocks import TRANSFORMS, Dense

PREFIX = "base_model.model."
RANDOM = np.random.default_rng(0)
A, B = RANDOM.normal(size=(2, 12)), RANDOM.normal(size=(10, 2))
W, BIAS = RANDOM.normal(size=(10, 12)), RANDOM.normal(size=10)


def folder(path, tensors, prefix=PREFIX, **config):
    path.mkdir(exist_ok=True)
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 6, **config}
    (path / "adapter_config.json").write_text(json.dumps(config))
    stored = {prefix + name: np.ascontiguousarray(value) for name, value in tensors.items()}
    save_file(stored, path / "adapter_model.safetensors")
    return path


def lora(name="fc", a=A, b=B):
    return {f"{name}.lora_A.weight": a, f"{name}.lora_B.weight": b}


def base(**others):
    return cg.load({"fc.weight": W, "fc.bias": BIAS, **others})


def check_block(block, expected):
    """A block's sums under every transform, alone and together, and its products."""
    for transforms in (("signed",), TRANSFORMS):
        found = block.sums(*transforms)["signed"]
        np.testing.assert_allclose(found.row, expected.sum(axis=0), rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(found.column, expected.sum(axis=1), rtol=1e-10, atol=1e-10)
    x, z = RANDOM.normal(size=expected.shape[0]), RANDOM.normal(size=expected.shape[1])
    np.testing.assert_allclose(block.matvec(x), expected.T @ x, atol=1e-10)
    np.testing.assert_allclose(block.rmatvec(z), expected @ z, atol=1e-10)
    np.testing.assert_allclose(block.to_csr().toarray(), expected.T, atol=1e-10)


# -- the closed form -------------------------------------------------------------------------------


def recipe(name, value):
    return Recipe.of(Parameter.from_array(name, value))


@given(
    st.integers(0, 9), st.integers(0, 9), st.integers(1, 2), st.booleans(), st.booleans(),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_sums_of_products_that_are_not_formed(n, m, rank, turned, whole, seed):
    rng = np.random.default_rng(seed)
    b, a, w = (rng.normal(size=shape) for shape in ((n, rank), (rank, m), (n, m)))
    weight = -(recipe("b", b) @ recipe("a", a)) * 0.5
    expected = -(b @ a) * 0.5
    if whole:
        weight = (recipe("w", w) - weight) * 3.0
        expected = (w - expected) * 3.0
    if turned:
        weight, expected = weight.transpose((1, 0)), expected.T
    n_out, n_in = weight.shape
    source, target = View((n_in,)), View((n_out,), n_in)
    check_block(Dense(name="d", source=source, target=target, weight=weight), expected)


@pytest.mark.parametrize(
    ("weight", "is_apart"),
    [
        (recipe("b", B) @ recipe("a", A), True),
        (recipe("w", W) + recipe("b", B) @ recipe("a", A), True),
        ((recipe("b", B) @ recipe("a", A)) * recipe("gain", B[:, :1]), False),
        (recipe("w", W) @ recipe("v", W.T), False),
        (recipe("w", W) * 2.0, False),
        (recipe("c", BIAS), False),
    ],
)
def test_narrow_products_alone_are_told_apart(weight, is_apart):
    assert (products_apart(weight) is not None) == is_apart


def test_products_that_are_added_up_over_and_over():
    b, a = Recipe.constant(B), Recipe.constant(A)
    x, w = RANDOM.normal(size=(12, 1)), Recipe.constant(W)
    for k in range(3):
        w = w + (b @ a) * float(k) - (w - b @ a)
    found = products_apart(w)
    expected = w.read() @ x
    np.testing.assert_allclose(found.rest.read() @ x + found.times(x, 10), expected)
    for _ in range(60):  # each part is looked at once, and so many products are none
        w = w + w
    assert products_apart(w) is None
    assert products_apart(w + w) is None


def test_the_update_of_a_large_matrix_is_never_formed(tmp_path):
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=shape).astype(np.float32) for shape in ((64, 4096), (4096, 64)))
    net = cg.load(folder(tmp_path / "lora", lora(a=a, b=b), r=64, lora_alpha=64))
    tracemalloc.start()
    into, out = (cg.node_strength(net, direction=way) for way in ("in", "out"))
    x = net.blocks[0].matvec(np.ones(4096))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4096 * 4096  # a quarter of the float32 matrix
    a, b = a.astype(np.float64), b.astype(np.float64)
    np.testing.assert_allclose(into[4096:], b @ a.sum(axis=1), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(out[:4096], b.sum(axis=0) @ a, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(x, out[:4096], atol=1e-9)


# -- folders ---------------------------------------------------------------------------------------


def test_the_updates_by_themselves(tmp_path):
    net = cg.load(folder(tmp_path / "lora", lora("m.q") | lora("m.v", A * 2)))
    assert [block.name for block in net.blocks] == ["m.q", "m.v"]
    assert [layer.name for layer in net.layers] == ["m.q.in", "m.q", "m.v.in", "m.v"]
    for block, factor in zip(net.blocks, (3.0, 6.0), strict=True):
        check_block(block, factor * B @ A)
    assert set(net.coverage["status"]) == {"included"}
    assert net.n_parameters == 2 * (A.size + B.size)


def test_a_base_with_its_updates(tmp_path):
    path = folder(tmp_path / "lora", lora())
    net = cg.load(path, base=base(**{"other.weight": W}))
    changed, other = net.blocks
    check_block(changed, W + 3.0 * B @ A)
    check_block(other, W)
    np.testing.assert_allclose(changed.bias_values(), BIAS)
    rows = net.coverage.loc[[PREFIX + "fc.lora_A.weight", PREFIX + "fc.lora_B.weight"]]
    assert rows["reason"].tolist() == ["the update of fc.weight"] * 2
    assert rows["block"].tolist() == ["fc"] * 2
    cg.save(net, tmp_path / "own.h5")
    check_block(cg.load(tmp_path / "own.h5").blocks[0], W + 3.0 * B @ A)


def test_a_base_is_a_network_a_file_or_a_folder(tmp_path):
    path = folder(tmp_path / "lora", lora())
    (tmp_path / "base").mkdir()
    save_file({"fc.weight": W, "fc.bias": BIAS}, tmp_path / "base" / "model.safetensors")
    cg.save(base(), tmp_path / "own.h5")
    for given_ in (tmp_path / "base", tmp_path / "base" / "model.safetensors",
                   str(tmp_path / "own.h5"), {"fc.weight": W, "fc.bias": BIAS}):  # fmt: skip
        check_block(cg.load(path, base=given_).blocks[0], W + 3.0 * B @ A)
    check_block(cg.load(path / "adapter_model.safetensors", base=base()).blocks[0], W + 3 * B @ A)


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({}, 3.0),
        ({"use_rslora": True}, 6 / sqrt(2)),
        ({"lora_alpha": 1}, 0.5),
        ({"alpha_pattern": {"fc": 8}}, 4.0),
        ({"alpha_pattern": {"c": 8}}, 3.0),
        ({"alpha_pattern": {"layers.*fc|x": 8}, "rank_pattern": {"fc": 4}}, 1.5),
        ({"rank_pattern": {r".*\.0": 1, "fc": 1}, "r": 16}, 6.0),
    ],
)
def test_scales(config, scale, tmp_path):
    net = cg.load(folder(tmp_path / "lora", lora("m.fc"), **config))
    check_block(net.blocks[0], scale * B @ A)


def test_weights_with_their_outputs_last(tmp_path):
    path = folder(tmp_path / "lora", lora("h.c_attn"), fan_in_fan_out=True)
    check_block(cg.load(path).blocks[0], 3.0 * B @ A)
    model = cg.load({"h.c_attn.weight": np.ascontiguousarray(W.T), "h.c_attn.bias": BIAS})
    check_block(cg.load(path, base=model).blocks[0], W + 3.0 * B @ A)


def test_tables_and_kernels(tmp_path):
    table = {"wte.lora_embedding_A": A, "wte.lora_embedding_B": B}
    kernel = lora("conv", A.reshape(2, 3, 2, 2), B.reshape(10, 2, 1, 1))
    path = folder(tmp_path / "lora", table | kernel)
    for block in cg.load(path).blocks:
        check_block(block, 3.0 * B @ A)
    model = {"wte.weight": np.ascontiguousarray(W.T), "conv.weight": W.reshape(10, 3, 2, 2)}
    for block in cg.load(path, base=cg.load(model)).blocks:
        check_block(block, W + 3.0 * B @ A)


def test_biases_and_modules_that_are_trained_as_a_whole(tmp_path):
    head = {"head.weight": W[:3, :10], "fc.lora_B.bias": BIAS}
    path = folder(tmp_path / "lora", lora() | head)
    model = base(**{"head.weight": W[:3, :10] * 7})
    net = cg.load(path, base=model)
    np.testing.assert_allclose(net.blocks[0].bias_values(), BIAS + 3.0 * BIAS)
    check_block(net.blocks[1], W[:3, :10])
    with pytest.warns(cg.CoverageWarning, match="takes the place of a tensor of the base model"):
        alone = cg.load(path)
    np.testing.assert_allclose(alone.blocks[0].bias_values(), 3.0 * BIAS)
    assert len(alone.blocks) == 1


def test_the_sizes_that_a_dora_learns(tmp_path):
    size = np.abs(RANDOM.normal(size=10)) + 0.5
    path = folder(tmp_path / "lora", lora() | {"fc.lora_magnitude_vector": size}, use_dora=True)
    changed = W + 3.0 * B @ A
    expected = changed * (size / np.linalg.norm(changed, axis=1))[:, None]
    check_block(cg.load(path, base=base()).blocks[0], expected)
    with pytest.warns(cg.CoverageWarning, match="pass base="):
        check_block(cg.load(path).blocks[0], 3.0 * B @ A)


def test_names_of_a_base_without_its_head_or_with_one(tmp_path):
    path = folder(tmp_path / "lora", lora("model.layers.0.fc"))
    for name in ("layers.0.fc", "model.layers.0.fc", "lm.model.layers.0.fc"):
        net = cg.load(path, base=cg.load({f"{name}.weight": W}))
        check_block(net.blocks[0], W + 3.0 * B @ A)
    twice = cg.load({"one.model.layers.0.fc.weight": W, "two.model.layers.0.fc.weight": W})
    with pytest.raises(FormatError, match=r"no single tensor 'model\.layers\.0\.fc\.weight'"):
        cg.load(path, base=twice)


def test_what_a_trainer_keeps_beside_is_left_alone(tmp_path):
    path = folder(tmp_path / "lora", lora())
    save_file({"moment": W}, path / "optimizer.safetensors")
    check_block(cg.load(path).blocks[0], 3.0 * B @ A)


@pytest.mark.parametrize(
    ("tensors", "config", "message"),
    [
        (lora(), {"peft_type": "LOHA"}, "expected an adapter of the type LORA, found 'LOHA'"),
        (lora(), {"r": "two"}, "expected the JSON of a PEFT adapter"),
        (lora(), {"rank_pattern": {"fc": 0}}, "expected a rank of 1 or more, got 0"),
        (lora(), {"alpha_pattern": {"fc": "much"}}, "expected each alpha as a number, got 'much'"),
        (lora(), {"alpha_pattern": {"(": 1}}, r"alpha_pattern: '\(' is no pattern"),
        (lora(), {"lora_alpha": 10**400}, "expected each alpha as a number"),
        (lora(), {"rank_pattern": {"(f+)+c": 1}}, r"'\(f\+\)\+c' may take forever"),
        (lora(), {"rank_pattern": {"(f|f)(c|c)(f|f)": 1}}, "may take forever"),
        (lora(), {"rank_pattern": {"f?f?f?c": 1}}, "may take forever"),
        (lora(), {"rank_pattern": {f"f*{k}": 1 for k in range(5001)}}, "too many patterns"),
        ({"fc.lora_A.weight": A}, {}, "the update of fc: expected lora_A"),
        (lora(b=B[:, :1]), {}, "the update of fc: expected lora_A"),
        ({"fc.weight": W}, {}, r"expected tensors of a LoRA \(lora_A, lora_B\), found"),
        (lora(a=A[:, :5]), {}, "pass the base that the adapter was trained on"),
        (lora("other"), {}, "the base model has no single tensor 'other.weight'"),
    ],
)
def test_folders_that_are_refused(tensors, config, message, tmp_path):
    path = folder(tmp_path / "lora", tensors, **config)
    with pytest.raises(FormatError, match=message):
        cg.load(path, base=base())


def test_a_base_without_an_adapter_is_refused(tmp_path):
    save_file({"fc.weight": W}, tmp_path / "model.safetensors")
    with pytest.raises(FormatError, match="base= is the model that a folder of PEFT updates"):
        cg.load(tmp_path / "model.safetensors", base=base())
    (tmp_path / "adapter_config.json").write_text("[" * 100_000)
    with pytest.raises(FormatError, match="expected the JSON of a PEFT adapter"):
        cg.load(tmp_path)
