"""z-scores are those of a plain loop; i.i.d. weights have the strengths the formula says."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from needs import needs

import cntgraph as cg
from cntgraph.core.errors import NoCopiesError
from cntgraph.core.parameter import Parameter
from cntgraph.network.stack import Stack
from cntgraph.training.statistics.nulls import (
    NULLS,
    _scores,
    iid_strength_std,
    redraw_weights,
    shuffle_weights,
    strength_mean,
    z_scores,
)
from cntgraph.training.statistics.randomized import weight_tensors


def test_scores_by_a_loop():
    net = cg.toy("cnn")
    found = z_scores(net, n_nulls=30, rng=4)
    assert found.columns.tolist() == "layer measure value null_mean null_std z p".split()
    assert found["layer"].tolist() == [x.name for x in net.layers for _ in range(2)]
    rng = np.random.default_rng(4)
    nulls = [cg.layer_fluctuation(shuffle_weights(net, rng)) for _ in range(30)]
    rows = found[found.measure == "fluctuation"].set_index("layer")
    for layer in ("input", "conv1", "fc"):
        draws = np.array([null[layer] for null in nulls])
        value = cg.layer_fluctuation(net)[layer]
        row = rows.loc[layer]
        assert row["value"] == value
        assert row["null_mean"] == pytest.approx(draws.mean())
        assert row["null_std"] == pytest.approx(draws.std(ddof=1))
        assert row["z"] == pytest.approx((value - draws.mean()) / draws.std(ddof=1))
        center = np.append(draws, value).mean()
        far = np.abs(draws - center) >= abs(value - center)
        assert row["p"] == pytest.approx((far.sum() + 1) / 31)
    again = z_scores(net, shuffle_weights, n_nulls=30, rng=4)
    pd.testing.assert_frame_equal(found, again)


@pytest.mark.parametrize("null", [*NULLS])
def test_nulls_together_are_as_one_by_one(null):
    one_by_one = {"fluctuation": cg.layer_fluctuation, "strength_mean": strength_mean}
    with cg.open(cg.demo_file("training")) as training:  # its norms are folded
        net = training[-1]
        found = z_scores(net, null, n_nulls=20)
        expected = z_scores(net, null, n_nulls=20, measures=one_by_one)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-11)


def test_nulls_of_a_pruned_network_are_measured_one_by_one():
    torch = needs("torch")
    model = torch.nn.Sequential(torch.nn.Linear(6, 5), torch.nn.Linear(5, 3))
    prune = needs("torch.nn.utils.prune")
    prune.random_unstructured(model[0], "weight", 0.5)
    net = cg.load(model, input_shape=(6,))
    with pytest.raises(NoCopiesError):
        Stack(net)
    found = z_scores(net, n_nulls=20)
    assert found["z"].notna().any()


def test_what_a_null_does_not_touch_has_no_score():
    found = z_scores(cg.toy("mlp"), n_nulls=20).set_index(["layer", "measure"])
    means = found.xs("strength_mean", level="measure")
    assert means["z"].isna().all()
    assert (means["null_std"] == 0).all()
    assert (means["p"] == 1).all()
    np.testing.assert_allclose(means["null_mean"], means["value"], rtol=1e-6)
    assert found.xs("fluctuation", level="measure")["z"].notna().all()


def test_a_network_unlike_its_nulls():
    """Weights of one sign a unit: fluctuation is far above what chance makes of them."""
    net = cg.toy("mlp")
    weight = net.parameters["fc1.weight"].raw()
    weight[:] = np.abs(weight) * np.where(np.arange(8) % 2, 1, -1)[:, None]
    for null in ("shuffle", "redraw", "flip"):
        row = z_scores(net, null, n_nulls=99).iloc[2]
        assert (row["layer"], row["measure"]) == ("fc1", "fluctuation")
        assert row["z"] > 2.5
        assert row["p"] <= 0.03


def test_p_values_of_a_null_are_uniform():
    """Of 20 000 networks that are nulls themselves, of a skewed measure."""
    draws = np.random.default_rng(0).exponential(size=(40, 20_000))
    p = _scores(draws[0], draws[1:])["p"]
    for level in (0.025, 0.05, 0.2, 0.5, 0.9):
        error = np.sqrt(level * (1 - level) / p.size)
        assert (p <= level + 1e-9).mean() == pytest.approx(level, abs=4.5 * error)


def test_measures_and_nulls_of_ones_own():
    net = cg.toy("mlp")

    def greatest(net):
        return cg.analyze(net)["link_weight_max"]

    found = z_scores(
        net, lambda x, rng: redraw_weights(x, rng=rng), n_nulls=5, measures={"max": greatest}
    )
    assert found["measure"].tolist() == ["max"] * 4
    assert found.loc[0, ["value", "null_mean", "null_std", "z", "p"]].isna().all()
    assert found.loc[1:, "z"].notna().all()


def test_options_that_make_no_sense():
    with pytest.raises(cg.CntGraphError, match="shuffle, redraw, flip or a function, got 'swap'"):
        z_scores(cg.toy("mlp"), "swap")
    with pytest.raises(cg.CntGraphError, match="at least 2 nulls, got n_nulls=1"):
        z_scores(cg.toy("mlp"), n_nulls=1)


# -- independent weights -------------------------------------------------------------------------


def model_of(*sizes, bias=False):
    import torch

    layers = [torch.nn.Linear(a, b, bias=bias) for a, b in pairwise(sizes)]
    return cg.load(torch.nn.Sequential(*layers), example_input=torch.zeros(1, sizes[0]))


def test_the_formula_of_one_deviation():
    net = redraw_weights(model_of(30, 20, 10), rng=0)
    sigma = {}
    for name in weight_tensors(net):
        values = net.parameters[name].read()
        sigma[name] = values.std()
        values /= sigma[name]  # in place: all weights have deviation 1
    assert iid_strength_std(net).tolist() == pytest.approx(np.sqrt([20, 40, 20]), rel=1e-6)


def test_dense_layers_fluctuate_as_the_formula_says():
    """E[Y²] = (1 - 1/N) std(s)², within 4.5 standard errors of the mean over 400 draws."""
    net = model_of(12, 30, 8, 3)
    rng = np.random.default_rng(0)
    draws = np.array([
        cg.layer_fluctuation(redraw_weights(net, rng=rng)).to_numpy() ** 2 for _ in range(400)
    ])  # fmt: skip
    n = np.array([layer.n_nodes for layer in net.layers])
    expected = iid_strength_std(net).to_numpy() ** 2 * (1 - 1 / n)
    error = draws.std(axis=0) / np.sqrt(len(draws))
    assert (np.abs(draws.mean(axis=0) - expected) < 4.5 * error).all()
    assert (error < 0.05 * expected).all()


def test_nodes_of_a_convolution_vary_as_the_formula_says_but_its_layer_fluctuates_less():
    import torch

    convolution = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3, bias=False), torch.nn.Conv2d(3, 2, 2, bias=False)
    )
    net = cg.load(convolution, example_input=torch.zeros(1, 2, 7, 7))
    rng = np.random.default_rng(0)
    centered = net.bind(
        {name: Parameter.from_array(name, p.read() - p.read().mean())
         for name, p in net.parameters.items()}, {},
    )  # fmt: skip
    nulls = [redraw_weights(centered, rng=rng) for _ in range(500)]
    strengths = np.array([cg.node_strength(x) for x in nulls])
    expected = iid_strength_std(centered)
    for layer in centered.layers:
        variance = (strengths[:, layer.slice] ** 2).mean(axis=1)  # over nodes, a draw a row
        error = variance.std() / np.sqrt(len(nulls))
        assert abs(variance.mean() - expected[layer.name] ** 2) < 4.5 * error
    fluctuation = np.array([cg.layer_fluctuation(x).to_numpy() ** 2 for x in nulls])
    last = fluctuation[:, -1]  # two channels: half of the nodes' variance, in the mean
    error = last.std() / np.sqrt(len(nulls))
    assert abs(last.mean() - expected.iloc[-1] ** 2 / 2) < 4.5 * error


def test_layers_without_learned_edges_or_nodes():
    import torch

    model = torch.nn.Sequential(torch.nn.MaxPool2d(2), torch.nn.Flatten())
    net = cg.load(model, example_input=torch.zeros(1, 1, 4, 4))
    assert iid_strength_std(net).tolist() == [0.0, 0.0]
