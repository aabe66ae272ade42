import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cntgraph as cg
from cntgraph.adapters.options import Options
from cntgraph.adapters.weights.pair_tensors import expanded_scale, orientations
from cntgraph.adapters.weights.separate import network_of
from cntgraph.adapters.weights.tensors import Tensors, block_name
from cntgraph.core.errors import CoverageError, FormatError
from cntgraph.core.parameter import Parameter
from cntgraph.core.recipe import Recipe

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape)


def tensors(**arrays):
    """Parameters by name; ``__`` stands for a dot."""
    found = Tensors()
    for name, array in arrays.items():
        array, dtype = array if isinstance(array, tuple) else (array, None)
        found.parameters.append(
            Parameter.from_array(name.replace("__", "."), np.asarray(array), dtype=dtype)
        )
    return found


def network(*, strict=True, **arrays):
    return network_of(tensors(**arrays), Options(strict=strict))


def strengths(net):
    return net.split(cg.node_strength(net))


def reason(net, name):
    return net.coverage.loc[name, "reason"]


# -- one weight ----------------------------------------------------------------------------------


@given(
    shape=st.lists(st.integers(1, 6), min_size=2, max_size=5).map(tuple),
    bias=st.booleans(),
    outputs=st.sampled_from(["weight", "kernel"]),
)
def test_strengths_are_sums_of_the_weight(shape, bias, outputs):
    w = np.random.default_rng(len(shape)).normal(size=shape)
    last = outputs == "kernel"
    b = np.arange(1.0, shape[-1 if last else 0] + 1) if bias else np.zeros(1)
    net = network(**{f"m__{outputs}": w}, **({"m__bias": b} if bias else {}))
    axes = tuple(range(w.ndim - 1)) if last else tuple(range(1, w.ndim))
    source = np.moveaxis(w.sum(axis=-1), -1, 0) if last else w.sum(axis=0)
    found = strengths(net)
    assert [layer.name for layer in net.layers] == ["m.in", "m"]
    assert found["m"] == pytest.approx(w.sum(axis=axes) + b)
    assert found["m.in"].shape == source.shape
    assert found["m.in"] == pytest.approx(source)
    assert net.n_edges == w.size
    assert net.n_parameters == w.size + (b.size if bias else 0)


def test_a_transposed_convolution_is_known_by_its_bias():
    w, b = normal(3, 5, 2, 2), normal(5)
    found = strengths(network(up__weight=w, up__bias=b))
    assert found["up"] == pytest.approx(w.sum(axis=(0, 2, 3)) + b)
    assert found["up.in"] == pytest.approx(w.sum(axis=1))


def test_a_gain_is_a_diagonal():
    gain, shift = normal(4), normal(4)
    net = network(norm__weight=gain, norm__bias=shift)
    assert [block.kind for block in net.blocks] == ["diagonal"]
    assert strengths(net)["norm.in"] == pytest.approx(gain)
    assert strengths(net)["norm"] == pytest.approx(gain + shift)


def test_several_axes_of_outputs_are_known_by_the_bias():
    kernel, bias = normal(6, 2, 3), normal(2, 3)
    net = network(query__kernel=kernel, query__bias=bias)
    assert strengths(net)["query"] == pytest.approx((kernel.sum(axis=0) + bias).reshape(-1))
    assert strengths(net)["query.in"] == pytest.approx(kernel.sum(axis=(1, 2)))


def test_experts_are_one_matrix_each():
    w, b = normal(3, 4, 5), normal(3, 5)
    net = network(experts__up=w, experts__up_bias=b, experts__down=normal(3, 5, 4))
    found = strengths(net)
    for k in range(3):
        assert found[f"experts.up.{k}"] == pytest.approx(w[k].sum(axis=0) + b[k])
    assert len(net.blocks) == 6
    assert set(net.coverage["status"]) == {"included"}


def test_every_source_is_an_input_and_every_target_an_output():
    net = network(a__weight=normal(2, 3), b__weight=normal(4, 2), c__weight=normal(3))
    assert [layer.is_input for layer in net.layers] == [True, False] * 3
    assert [layer.is_output for layer in net.layers] == [False, True] * 3
    assert list(cg.analyze(net)["status"]) == ["ok"] * 6
    assert [layer.name for layer in net.layers][::2] == ["a.in", "b.in", "c.in"]


def test_the_order_is_that_of_the_file_and_names_are_unique():
    net = network(**{"x10__weight": normal(2, 3), "x9__weight": normal(2, 3),
                     "x9/kernel": normal(2, 3), "x9": normal(3, 2)})  # fmt: skip
    assert [block.name for block in net.blocks] == ["x10", "x9", "x9_2", "x9_3"]


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("fc.weight", "fc"), ("weight", "weight"), ("params/Dense_0/kernel", "params/Dense_0"),
        ("rnn.weight_ih_l0", "rnn.weight_ih_l0"), ("W1", "W1"), ("a.w", "a"), ("embed", "embed"),
        ("dense/kernel:0", "dense"),
    ],
)  # fmt: skip
def test_block_names(name, block):
    assert block_name(name) == block


# -- where the outputs are -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "bias", "expected"),
    [
        ((3, 5), (3,), ["first"]), ((3, 5), (5,), ["last"]), ((4, 4), (4,), ["first", "last"]),
        ((3, 5), (4,), []), ((3, 5, 2), (5,), ["second"]), ((3, 5, 2), (5, 2), ["trailing"]),
        ((3, 5, 2), (3, 5), ["stacked"]), ((3,), (3,), ["first"]), ((3,), (4,), []),
        ((3, 5), (3, 5), []),
    ],
)  # fmt: skip
def test_orientations(shape, bias, expected):
    assert orientations(shape, bias) == expected


def test_a_square_weight_goes_with_the_others_of_its_model():
    square, b = normal(4, 4), normal(4)
    others = {"wide__weight": normal(4, 6), "wide__bias": normal(6)}
    for arrays, axis in ((others, 0), ({}, 1)):
        net = network(**arrays, square__weight=square, square__bias=b)
        assert strengths(net)["square"] == pytest.approx(square.sum(axis=axis) + b)
    assert reason(network(**others), "wide.weight") == "stored with its outputs last"


@pytest.mark.parametrize("name", ["wte.weight", "tok_embeddings.weight", "pos_embed", "embedding"])
def test_the_entries_of_an_embedding_are_sources(name):
    table = normal(1, 9, 4) if name == "pos_embed" else normal(9, 4)
    net = network(**{name: table})
    (block,) = net.blocks
    assert block.shape == (9, 4)
    assert strengths(net)[block_name(name)] == pytest.approx(table.reshape(9, 4).sum(axis=0))


# -- biases --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weight", "bias"),
    [
        ("fc.weight", "fc.bias"), ("fc/kernel", "fc/bias"), ("W1", "b1"), ("w", "b"),
        ("rnn.weight_hh_l0", "rnn.bias_hh_l0"), ("attn.in_proj_weight", "attn.in_proj_bias"),
        ("up_proj", "up_proj_bias"), ("layer.embedding", "layer.bias"), ("LN/scale", "LN/bias"),
        ("bn.gamma", "bn.beta"), ("dense/kernel:0", "dense/bias:0"),
    ],
)  # fmt: skip
def test_biases_are_found_by_name_and_size(weight, bias):
    gain = weight.endswith(("scale", "gamma"))
    shape = (3,) if gain else (3, 2)
    net = network(**{weight: normal(*shape), bias: np.ones(3 if "kernel" not in weight else 2)})
    assert len(net.blocks) == 1
    assert net.coverage.loc[bias, "block"] == net.blocks[0].name


def test_a_bias_of_another_size_is_left_out():
    with pytest.warns(cg.CoverageWarning, match=r"fc\.bias: a bias without a weight"):
        net = network(strict=False, fc__weight=normal(3, 2), fc__bias=normal(5))
    assert net.blocks[0].bias is None


# -- what is left out ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "array", "expected"),
    [
        ("bn.running_mean", np.zeros(3), "statistics of a normalization"),
        ("bn.moving_variance", np.zeros(3), "statistics of a normalization"),
        ("bn.num_batches_tracked", np.array(3), "statistics of a normalization"),
        ("position_ids", np.arange(6).reshape(1, 6), "integers without a scale"),
        ("attn.relative_position_index", np.zeros((4, 4), np.int64), "integers without a scale"),
        ("attn.bias", np.ones((1, 1, 4, 4), bool), "integers without a scale"),
        ("mask.weight", np.ones((4, 4), bool), "integers without a scale"),
    ],
)
def test_buffers_are_no_warning(name, array, expected):
    net = network(fc__weight=normal(2, 3), **{name: array})
    assert reason(net, name).startswith(expected)
    assert net.coverage.loc[name, ["kind", "status"]].tolist() == ["buffer", "skipped"]


@pytest.mark.parametrize(
    ("name", "array", "expected"),
    [
        ("logit_scale", np.array(2.0), "a single value"),
        ("weight", np.array(2.0), "a single value"),
        ("ssm.A_log", np.zeros(3), "of one dimension"),
        ("cls_token", np.zeros((1, 1, 8)), "a learned constant"),
        ("empty.weight", np.zeros((0, 10**12)), "without values"),
        ("lstm.parametrizations.weight.original", np.zeros((2, 2)), "its value is computed"),
        ("conv.weight_orig", np.zeros((2, 2)), "its value is computed"),
        ("fc2.qweight", np.zeros((2, 2), np.int32), "packed values"),
        ("fc2.weight", np.full((2, 2), 1 << 31, np.uint32), "integers of 32 bits"),
        ("fc2.kernel", np.zeros((2, 2), np.int64), "integers of 32 bits"),
    ],
)
def test_what_is_left_out_is_said_and_refused_if_strict(name, array, expected):
    arrays = {"fc__weight": normal(2, 3), name: array}
    with pytest.warns(cg.CoverageWarning, match=expected):
        net = network(strict=False, **arrays)
    assert reason(net, name).startswith(expected)
    assert net.n_nodes == 5
    with pytest.raises(CoverageError, match=expected):
        network(**arrays)


def test_tensors_without_any_weight_are_refused():
    with pytest.raises(FormatError, match="two or more dimensions"):
        network(a__bias=normal(3), step=np.array(3))
    with pytest.raises(FormatError, match="got none"):
        network()


def test_integer_weights_without_a_scale_are_taken_as_they_are():
    net = network(fc__weight=np.array([[1, -2], [3, 4]], np.int8))
    assert reason(net, "fc.weight") == "integers without a scale, as they are stored"
    assert strengths(net)["fc"].tolist() == [-1.0, 7.0]


@pytest.mark.parametrize("layout", ["OIHW", "OHWI", "HWIO", None])
def test_the_layout_of_kernels_may_be_said(layout):
    w, bias = normal(5, 4, 3, 3), np.arange(5.0)
    axes = {"OHWI": (0, 2, 3, 1), "HWIO": (2, 3, 1, 0)}.get(layout, (0, 1, 2, 3))
    arrays = {"conv.weight": w.transpose(axes), "conv.bias": bias, "fc.weight": normal(2, 3)}
    net = cg.load(arrays, strict=True, **({} if layout is None else {"layout": layout}))
    assert strengths(net)["conv"] == pytest.approx(w.sum(axis=(1, 2, 3)) + bias)
    assert strengths(net)["conv.in"].reshape(4, 3, 3) == pytest.approx(w.sum(axis=0))


def test_a_kernel_that_may_be_laid_out_otherwise_is_said():
    net = cg.load({"conv.weight": normal(5, 3, 3, 4)})
    assert reason(net, "conv.weight").endswith("layout='OHWI'")
    with pytest.raises(FormatError, match="expected layout="):
        cg.load({"conv.weight": normal(5, 3, 3, 4)}, layout="NHWC")


# -- scales, masks and gains ---------------------------------------------------------------------

INT8 = RNG.integers(-128, 128, (6, 4)).astype(np.int8)


@pytest.mark.parametrize(
    ("scales", "factor"),
    [
        ({"fc__weight_scale": 0.5}, 0.5),
        ({"fc__weight_scale": [0.25]}, 0.25),
        ({"fc__weight_scale": np.arange(1.0, 7)}, np.arange(1.0, 7)[:, None]),
        ({"fc__weight_scale": np.arange(1.0, 7)[:, None]}, np.arange(1.0, 7)[:, None]),
        ({"fc__weight_scale": np.arange(1.0, 5)}, np.arange(1.0, 5)),
        ({"fc__scale": 2.0}, 2.0),
        ({"fc__weight__scale": 2.0}, 2.0),
        ({"fc__SCB": np.arange(1.0, 7)}, np.arange(1.0, 7)[:, None] / 127),
        ({"fc__weight_scale": np.array([[1.0, 2.0]] * 6)}, np.array([[1.0, 1.0, 2.0, 2.0]] * 6)),
        ({"fc__weight_scale": np.arange(1.0, 7).reshape(3, 2)},
         np.arange(1.0, 7).reshape(3, 2).repeat(2, 0).repeat(2, 1)),
    ],
)  # fmt: skip
def test_scales_turn_stored_integers_into_values(scales, factor):
    net = network(**scales, fc__weight=INT8)
    (scale,) = (name.replace("__", ".") for name in scales)
    assert net.blocks[0].weight.read() == pytest.approx(INT8 * factor)
    assert net.coverage.loc[scale, ["status", "reason"]].tolist() == [
        "folded", "the scale of fc.weight"
    ]  # fmt: skip
    assert net.coverage.loc["fc.weight", "status"] == "included"
    assert net.n_parameters == 24
    assert cg.describe(net)["n_parameters"].sum() == 24


def test_a_zero_point_is_taken_off_first():
    w, zero = INT8.view(np.uint8), np.full(6, 128, np.uint8)
    net = network(fc__weight=w, fc__weight_zero_point=zero, fc__weight_scale=np.full(6, 0.5))
    assert net.blocks[0].weight.read() == pytest.approx((w - 128.0) * 0.5)


@given(rows=st.integers(1, 300), columns=st.integers(1, 300))
def test_blocks_of_128(rows, columns):
    n_blocks = (-(-rows // 128), -(-columns // 128))
    scale = np.arange(1.0, 1 + n_blocks[0] * n_blocks[1]).reshape(n_blocks)
    found = expanded_scale(Recipe.constant(scale), (rows, columns)).read()
    expected = scale.repeat(128, 0).repeat(128, 1)[:rows, :columns]
    assert np.array_equal(np.broadcast_to(found, (rows, columns)), expected)


def test_a_scale_that_does_not_fit_leaves_the_weight_out():
    arrays = {"fc__weight": INT8, "fc__weight_scale": normal(5), "ok__weight": normal(2, 2)}
    with pytest.warns(cg.CoverageWarning, match=r"does not fit \(6, 4\)"):
        net = network(strict=False, **arrays)
    assert set(net.coverage.loc[["fc.weight", "fc.weight_scale"], "status"]) == {"skipped"}


def test_scales_of_float_weights_are_none():
    net = network(norm__scale=normal(3), fc__weight=normal(3, 2), fc__scale=normal(3))
    assert [block.kind for block in net.blocks] == ["diagonal", "dense", "diagonal"]


@pytest.mark.parametrize(
    "names",
    [
        ("fc.qweight", "fc.qzeros", "fc.scales", "fc.g_idx"),
        ("fc.weight_packed", "fc.weight_scale", "fc.weight_shape"),
        ("fc.weight", "fc.weight.absmax", "fc.weight.quant_map"),
        ("fc.weight", "fc.scales", "fc.biases"),
        ("experts.up_blocks", "experts.up_scales"),
    ],
)
def test_packed_weights_are_left_out_with_what_unpacks_them(names):
    arrays = {name: np.ones((4, 4), np.uint8) for name in names}
    if "fc.biases" in names:  # as MLX packs values of 4 bits
        arrays = {"fc.weight": np.full((4, 1), 1 << 31, np.uint32), "fc.scales": normal(4, 1),
                  "fc.biases": normal(4, 1)}  # fmt: skip
    with pytest.warns(cg.CoverageWarning, match="packed values"):
        net = network(strict=False, **arrays, ok__weight=normal(2, 3))
    assert [block.name for block in net.blocks] == ["ok"]
    assert set(net.coverage.loc[[*names], "status"]) == {"skipped"}


def test_a_mask_and_what_it_masks():
    w, mask = normal(3, 4), RNG.integers(0, 2, (3, 4)).astype(np.float32)
    net = network(fc__bias=np.ones(3), fc__weight_orig=w, fc__weight_mask=mask)
    assert strengths(net)["fc"] == pytest.approx((w * mask).sum(axis=1) + 1)
    assert reason(net, "fc.weight_mask") == "the mask of fc.weight"


@pytest.mark.parametrize(
    "names",
    [
        ("fc.weight_g", "fc.weight_v"),
        ("fc.parametrizations.weight.original0", "fc.parametrizations.weight.original1"),
    ],
)
def test_a_weight_normalization_is_undone(names):
    g, v = normal(3, 1, 1), normal(3, 4, 2)
    net = network(**dict(zip(names, (g, v), strict=True)), fc__bias=np.ones(3))
    w = g * v / np.sqrt((v**2).sum(axis=(1, 2), keepdims=True))
    assert strengths(net)["fc"] == pytest.approx(w.sum(axis=(1, 2)) + 1)
    assert net.coverage.loc[names[0], "status"] == "folded"


def test_matrices_that_are_only_called_so_are_no_gains():
    net = network(attn__proj_g=normal(3, 4), attn__proj_v=normal(3, 4))
    assert [block.name for block in net.blocks] == ["attn.proj_g", "attn.proj_v"]


# -- the rest of the table -----------------------------------------------------------------------


def test_further_names_of_a_tensor_are_listed():
    given_ = tensors(wte__weight=normal(5, 2))
    given_.same["head.weight"] = "wte.weight"
    given_.leave_out("freqs", (4,), "C64", "of type C64, which is no plain number")
    given_.labels["epoch"] = 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cg.CoverageWarning)
        net = network_of(given_, Options())
    assert reason(net, "head.weight") == "the same tensor as wte.weight"
    assert net.coverage.loc["head.weight", "block"] == "wte"
    assert net.coverage.loc["freqs", "status"] == "skipped"
    assert net.labels == {"epoch": 3}
    assert net.n_parameters == 10


def test_it_can_be_saved_and_opened_again(tmp_path):
    bits = RNG.integers(0, 255, (130, 5)).astype(np.uint8)
    net = network(
        f8__weight=(bits % 120, "float8_e4m3fn"), f8__weight_scale_inv=normal(2, 1),
        experts__up=normal(2, 3, 4), conv__kernel=normal(3, 3, 2, 4), norm__weight=normal(4),
    )  # fmt: skip
    cg.save(net, tmp_path / "net.h5")
    again = cg.load(tmp_path / "net.h5")
    assert np.array_equal(cg.node_strength(again), cg.node_strength(net))
    assert again.coverage.equals(net.coverage)
