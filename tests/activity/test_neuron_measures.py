"""Neurons Strength and Neurons Activation as a user sees them."""

import numpy as np
import pytest
from scipy.stats import f_oneway, skew

import cntgraph as cg
from cntgraph.activity.neuron_measures import neuron_statistics
from cntgraph.core.errors import CntGraphError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 6))
Y = RNG.integers(0, 3, size=120)


def whole(net, x, measure):
    """The values of all nodes for all samples."""
    (batch,) = cg.record(net, x, batch_size=len(x))
    kind = {"neuron_strength": "strength", "neuron_activation": "activation"}[measure]
    return np.concatenate([getattr(batch.values[x.name], kind) for x in net.layers], axis=1)


@pytest.mark.parametrize("name", ["neuron_strength", "neuron_activation"])
@pytest.mark.parametrize("batch_size", [1, 7, 500])
def test_streamed_statistics_are_those_of_all_values(name, batch_size):
    net = cg.toy("mlp")
    values = whole(net, X, name)
    found = getattr(cg, name)(net, X, batch_size=batch_size, n_kept=200)
    assert found.n_samples == 120
    expected = {"mean": values.mean(0), "std": values.std(0), "min": values.min(0),
                "max": values.max(0), "active": (values > 0).mean(0)}  # fmt: skip
    for statistic, of_numpy in expected.items():
        assert np.allclose(getattr(found, statistic), of_numpy, rtol=1e-10, atol=1e-10), statistic
    varies = values.std(0) > 1e-9
    assert np.allclose(found.skew[varies], skew(values, axis=0)[varies], rtol=0, atol=1e-9)
    assert np.allclose(found.quantile([0.2, 0.9]), np.quantile(values, [0.2, 0.9], axis=0))
    assert np.allclose(found.quantile(0.5), np.median(values, axis=0))


def test_activations_are_functions_of_strengths_and_strengths_sums_of_activations():
    net = cg.toy("mlp")
    strength, activation = (whole(net, X, f"neuron_{kind}") for kind in ("strength", "activation"))
    adjacency = cg.build_graph(net).adjacency
    received = activation @ adjacency.toarray() + net.bias()
    inner = ~np.isin(np.arange(net.n_nodes), np.arange(*net.layers[0].slice.indices(99)))
    assert np.allclose(received[:, inner], strength[:, inner], rtol=0, atol=1e-12)


def test_without_the_bias():
    net = cg.toy("mlp")
    with_bias, without = (cg.neuron_strength(net, X, bias=own) for own in (True, False))
    assert np.allclose(with_bias.mean - without.mean, net.bias(), rtol=0, atol=1e-12)
    assert np.allclose(with_bias.std, without.std, rtol=0, atol=1e-12)


def test_channels_are_the_sums_of_their_neurons():
    net = cg.toy("cnn")
    x = RNG.normal(size=(9, *net.layers[0].shape))
    values = whole(net, x, "neuron_strength")[:, net.layer("conv1").slice]
    channels = values.reshape(9, net.layer("conv1").shape[0], -1).sum(2)
    found = cg.neuron_strength(net, x, layers="conv*", granularity="channel", batch_size=4)
    assert [layer.shape for layer in found.layers] == [(channels.shape[1],)]
    assert np.allclose(found.mean, channels.mean(0), rtol=0, atol=1e-12)
    assert np.allclose(found.std, channels.std(0), rtol=0, atol=1e-12)


def test_tables_say_where_each_neuron_is():
    net = cg.toy("cnn")
    found = cg.neuron_activation(net, RNG.normal(size=(9, *net.layers[0].shape)))
    frame, layers = found.to_frame(), found.by_layer()
    assert len(frame) == net.n_nodes
    per_channel = net.layer("conv1").n_nodes // net.layer("conv1").shape[0]
    assert frame.loc["conv1"]["channel"].tolist() == [
        k // per_channel for k in range(net.layer("conv1").n_nodes)
    ]
    assert layers.loc["conv1", "fluctuation"] == pytest.approx(
        frame.loc["conv1"]["mean"].std(ddof=0)
    )
    assert layers["n_nodes"].sum() == net.n_nodes
    assert found.split(found.mean)["conv1"].shape == net.layer("conv1").shape


def test_classes_are_told_apart_as_an_analysis_of_variance_does():
    net = cg.toy("mlp")
    found = cg.neuron_strength(net, X, labels=Y, batch_size=50, n_kept=60)
    values = whole(net, X, "neuron_strength")
    classes = Y.copy()
    assert [*found.by_label] == [0, 1, 2]
    for label, own in found.by_label.items():
        assert own.n_samples == (classes == label).sum()
        assert np.allclose(own.mean, values[classes == label].mean(0), rtol=0, atol=1e-12)
        assert np.allclose(own.quantile(0.5), np.median(values[classes == label], axis=0))
    share = found.class_separation()
    f = f_oneway(*(values[classes == label] for label in range(3))).statistic
    assert np.allclose(share / (1 - share) * (120 - 3) / 2, f, rtol=1e-9)


def test_two_halves_are_the_whole():
    net = cg.toy("mlp")
    halves = [cg.neuron_strength(net, X[k], labels=Y[k], n_kept=50) for k in
              (slice(50), slice(50, None))]  # fmt: skip
    both, all_of_it = halves[1].merge(halves[0]), cg.neuron_strength(net, X, labels=Y, n_kept=50)
    for name in ("mean", "std", "skew", "min", "max", "active"):
        assert np.allclose(getattr(both, name), getattr(all_of_it, name), rtol=1e-10, atol=1e-12)
    assert (both.quantile([0.1, 0.7]) == all_of_it.quantile([0.1, 0.7])).all()
    assert np.allclose(both.class_separation(), all_of_it.class_separation(), rtol=1e-9)
    assert {k: v.n_samples for k, v in both.by_label.items()} == {
        k: v.n_samples for k, v in all_of_it.by_label.items()
    }


def test_several_measures_read_the_data_once():
    calls = []

    def batches():
        calls.append(1)
        return iter([X])

    found = neuron_statistics(cg.record(cg.toy("mlp"), batches), "neuron_strength",
                              "neuron_activation")  # fmt: skip
    assert calls == [1]
    again = cg.neuron_activation(cg.toy("mlp"), X, batch_size=120)
    assert (found["neuron_activation"].mean == again.mean).all()


def test_two_runs_give_the_same_bits():
    first, second = (cg.neuron_strength(cg.toy("mlp"), X, n_kept=9) for _ in range(2))
    assert first.moments.state.tobytes() == second.moments.state.tobytes()
    assert first.quantile(0.3).tobytes() == second.quantile(0.3).tobytes()


def test_a_live_model_and_its_file_are_measured_alike(tmp_path):
    import torch
    from torch import nn

    torch.manual_seed(0)
    first = nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)
    model = nn.Sequential(*first, nn.Flatten(), nn.Linear(27, 4), nn.Sigmoid()).eval()
    x = torch.randn(20, 1, 6, 6)
    live = cg.neuron_activation(model, x)
    cg.save(cg.load(model, input_shape=(1, 6, 6)), tmp_path / "net.h5")
    stored = cg.neuron_activation(tmp_path / "net.h5", x)
    assert [layer.name for layer in live.layers] == [layer.name for layer in stored.layers]
    for name in ("mean", "std", "min", "max"):
        assert np.allclose(getattr(live, name), getattr(stored, name), rtol=1e-5, atol=1e-6), name
    with torch.no_grad():
        output = model(x).numpy()
    assert np.allclose(live.split(live.mean)["5"], output.mean(0), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": "fc9"}, "no layer is called 'fc9'; the layers are: input, fc1"),
        ({"layers": ["fc1", "conv*"]}, r"no layer is called 'conv\*'"),
        ({"granularity": "layer"}, "granularity 'neuron' or 'channel', got 'layer'"),
        ({"unroll": 3}, "a network takes no options of loading; got unroll"),
    ],
)
def test_options_that_are_none_are_refused(options, message):
    with pytest.raises(CntGraphError, match=message):
        cg.neuron_strength(cg.toy("mlp"), X, **options)


def test_what_was_not_kept_cannot_be_asked_for():
    found = cg.neuron_strength(cg.toy("mlp"), X)
    with pytest.raises(CntGraphError, match="measure with n_kept=256"):
        found.quantile(0.5)
    with pytest.raises(CntGraphError, match="measure with labels="):
        found.class_separation()
    with pytest.raises(CntGraphError, match="the same measure"):
        found.merge(cg.neuron_activation(cg.toy("mlp"), X))
