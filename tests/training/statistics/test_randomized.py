"""Randomized networks keep what they say they keep, in every kind of network."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cntgraph as cg
from cntgraph.core.parameter import Parameter
from cntgraph.training.statistics.randomized import (
    flip_signs,
    redraw_weights,
    shuffle_weights,
    weight_tensors,
)

TOYS = ["mlp", "cnn", "residual"]
NULLS = {"shuffle": shuffle_weights, "redraw": lambda n, r: redraw_weights(n, rng=r),
         "flip": flip_signs}  # fmt: skip


def trained():
    with cg.open(cg.demo_file("training")) as trajectory:
        first, last = trajectory[0], trajectory[-1]
        return tuple(
            net.bind(
                {k: Parameter.from_array(k, p.raw(), dtype=p.dtype, trainable=p.trainable)
                 for k, p in net.parameters.items()},
                net.labels,
            )
            for net in (first, last)
        )  # fmt: skip


def bits(net, name):
    return net.parameters[name].raw()


# -- what is kept and what is not ----------------------------------------------------------------


@pytest.mark.parametrize("null", NULLS)
@pytest.mark.parametrize("toy", TOYS)
def test_only_weights_change(null, toy):
    net = cg.toy(toy)
    before = {name: p.raw().copy() for name, p in net.parameters.items()}
    found = NULLS[null](net, 1)
    weights = weight_tensors(net)
    assert set(weights) == {name for name in net.parameters if name.endswith("weight")}
    for name in net.parameters:
        assert (bits(net, name) == before[name]).all()
        assert (bits(found, name) == before[name]).all() == (name not in weights)
        assert bits(found, name).dtype == before[name].dtype == np.float32
    assert found.layers == net.layers
    assert [b.name for b in found.blocks] == [b.name for b in net.blocks]
    assert found.labels == {"null": null}
    assert not np.allclose(cg.node_strength(found), cg.node_strength(net))


@given(st.integers(0, 10**6))
def test_shuffled_weights_are_the_same_weights(seed):
    net = cg.toy("cnn")
    found = shuffle_weights(net, seed)
    for name in weight_tensors(net):
        assert np.sort(bits(found, name), axis=None).tolist() == sorted(bits(net, name).ravel())


def test_every_order_is_as_likely():
    net = cg.toy("mlp")
    first = net.parameters["fc3.weight"].raw().ravel()[0]
    rng = np.random.default_rng(0)
    places = [
        int(np.flatnonzero(bits(shuffle_weights(net, rng), "fc3.weight").ravel() == first)[0])
        for _ in range(800)
    ]
    counts = np.bincount(places, minlength=8)
    assert ((counts - 100) ** 2 / 100).sum() < 24.3  # chi², 7 degrees of freedom, p = 0.001


def test_flipped_weights_have_the_same_size():
    net = cg.toy("cnn")
    found = flip_signs(net, 0)
    for name in weight_tensors(net):
        ratio = bits(found, name) / bits(net, name)
        assert set(np.unique(ratio)) == {-1.0, 1.0}
    absolute = [cg.node_strength(x, transform="absolute") for x in (net, found)]
    np.testing.assert_allclose(*absolute)


def test_redrawn_weights_have_the_fitted_moments():
    import torch

    rng = np.random.default_rng(0)
    linear = torch.nn.Linear(400, 500)
    with torch.no_grad():
        linear.weight[:] = torch.from_numpy(rng.exponential(2.0, (500, 400)))
    net = cg.load(linear, example_input=torch.zeros(1, 400))
    name = weight_tensors(net)[0]
    drawn = bits(redraw_weights(net, rng=1), name).astype(np.float64)
    old, n = bits(net, name), drawn.size
    assert drawn.mean() == pytest.approx(old.mean(), abs=5 * old.std() / np.sqrt(n))
    assert drawn.std() == pytest.approx(old.std(), rel=5 / np.sqrt(2 * n))
    assert drawn.min() < 0 <= old.min()


def test_weights_from_the_initial_state():
    first, last = trained()
    found = redraw_weights(last, like=first, rng=2)
    for name in weight_tensors(last):
        pool = bits(first, name)
        assert np.isin(bits(found, name), pool).all()
        assert (bits(found, name) != pool).any()
        assert not np.isin(bits(last, name), pool).all()


def test_the_seed_decides():
    net = cg.toy("mlp")
    for null in NULLS.values():
        first, again = null(net, 5), null(net, np.random.default_rng(5))
        other = null(net, 6)
        assert (bits(first, "fc1.weight") == bits(again, "fc1.weight")).all()
        assert (bits(first, "fc1.weight") != bits(other, "fc1.weight")).any()


@pytest.mark.parametrize("null", NULLS)
def test_biases_if_asked(null):
    net = cg.toy("mlp")
    make = {"shuffle": shuffle_weights, "redraw": redraw_weights, "flip": flip_signs}[null]
    found = make(net, rng=0, biases=True)
    for name in ("fc1.bias", "fc2.bias", "fc1.weight"):
        assert (bits(found, name) != bits(net, name)).any()
    if null == "shuffle":
        assert sorted(bits(found, "fc1.bias")) == sorted(bits(net, "fc1.bias"))


# -- every kind of network -----------------------------------------------------------------------


@pytest.mark.parametrize("null", NULLS)
def test_normalizations_are_left_alone(null):
    _, net = trained()
    found = NULLS[null](net, 0)
    assert weight_tensors(net) == ("conv1.weight", "conv2.weight", "fc1.weight", "fc2.weight")
    for name in net.parameters:
        assert (bits(found, name) == bits(net, name)).all() == (name not in weight_tensors(net))
    assert np.isfinite(cg.node_strength(found)).all()


def test_a_kept_normalization_is_left_alone():
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.LayerNorm(6), torch.nn.ReLU(),
                                torch.nn.Linear(6, 3)).eval()  # fmt: skip
    for norm in ("fold", "keep"):
        net = cg.load(model, example_input=torch.zeros(1, 4), norm=norm)
        assert weight_tensors(net) == ("0.weight", "3.weight")
        assert set(weight_tensors(net, biases=True)) == {"0.weight", "3.weight", "0.bias", "3.bias"}


def test_tied_weights_stay_tied():
    import torch

    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Linear(5, 5)

        def forward(self, x):
            return self.inner(torch.relu(self.inner(x)))

    net = cg.load(Tied().eval(), example_input=torch.zeros(1, 5))
    found = shuffle_weights(net, 0)
    first, second = (b.weight.read() for b in found.select_blocks("parametric"))
    assert (first == second).all()
    assert (first != net.blocks[0].weight.read()).any()


def test_coarse_networks_and_files(tmp_path):
    net = cg.coarsen(cg.toy("cnn"), "channel", aggregation="l2")
    assert not np.allclose(cg.node_strength(shuffle_weights(net)), cg.node_strength(net))
    cg.save(cg.toy("cnn"), tmp_path / "net.h5")
    with cg.open(tmp_path / "net.h5") as stored:
        expected = cg.node_strength(shuffle_weights(cg.toy("cnn"), 3))
        np.testing.assert_array_equal(cg.node_strength(shuffle_weights(stored[0], 3)), expected)
        cg.save(shuffle_weights(stored[0], 3), tmp_path / "null.h5")
    with cg.open(tmp_path / "null.h5") as saved:
        assert saved[0].labels["null"] == "shuffle"
        np.testing.assert_array_equal(cg.node_strength(saved[0]), expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float8_e4m3fn", "float64"])
def test_stored_types_are_kept(dtype):
    from cntgraph.training.statistics.stored import as_stored

    net = cg.toy("mlp")
    weight = net.parameters["fc1.weight"]
    stored = Parameter.from_array(
        "fc1.weight", as_stored(weight.read().astype(np.float64), dtype), dtype=dtype
    )
    net = net.bind({**net.parameters, "fc1.weight": stored}, {})
    for null in NULLS.values():
        found = null(net, 0).parameters["fc1.weight"]
        assert (found.dtype, found.shape) == (dtype, weight.shape)
        assert found.raw().dtype == stored.raw().dtype
        assert (found.raw() != stored.raw()).any()
        assert np.abs(found.read()).max() < 4 * np.abs(weight.read()).max()


# -- refusals ------------------------------------------------------------------------------------


def test_networks_without_weights():
    import torch

    model = torch.nn.Sequential(torch.nn.MaxPool2d(2), torch.nn.Flatten())
    net = cg.load(model, example_input=torch.zeros(1, 1, 4, 4))
    for null in NULLS.values():
        with pytest.raises(cg.CntGraphError, match="no block of it reads any"):
            null(net, 0)


def test_what_cannot_be_drawn():
    net = cg.toy("mlp")
    with pytest.raises(cg.CntGraphError, match="'normal' or a Network, got 'uniform'"):
        redraw_weights(net, like="uniform")
    with pytest.raises(cg.CntGraphError, match=r"expected a tensor 'fc1.weight' of type float32"):
        redraw_weights(net, like=cg.toy("cnn"))
    values = net.parameters["fc1.weight"].raw().copy()
    values[0, 0] = np.nan
    bad = net.bind({**net.parameters, "fc1.weight": Parameter.from_array("fc1.weight", values)}, {})
    with pytest.raises(cg.CntGraphError, match="expected finite weights to fit"):
        redraw_weights(bad)
    assert np.isnan(bits(shuffle_weights(bad), "fc1.weight")).sum() == 1
