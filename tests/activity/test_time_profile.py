"""Measures step by step, against recurrences written out in NumPy."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import cntgraph as cg
from cntgraph.activity.time_steps import likely_axis
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError

T, N, UNITS = 5, 12, 4
X = np.random.default_rng(0).normal(size=(N, T, 3))


def sigmoid(s):
    return 1 / (1 + np.exp(-s))


def made(kind):
    torch.manual_seed(0)
    return getattr(nn, kind)(3, UNITS, batch_first=True).double().eval()


def weights_of(model, names):
    """The weights of each gate, by the name of its layer: of the input, of the state, biases."""
    arrays = [getattr(model, name).detach().numpy() for name in
              ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")]  # fmt: skip
    parts = zip(*(np.split(array, len(names)) for array in arrays), strict=True)
    return dict(zip(names, parts, strict=True))


def rnn(model, x):
    ((name, (w, u, b, c)),) = weights_of(model, ["rnn_tanh"]).items()
    h = np.zeros((len(x), UNITS))
    for t in range(T):
        s = x[:, t] @ w.T + b + h @ u.T + c
        h = np.tanh(s)
        yield {name: (s, h)}


def lstm(model, x):
    names = ("input_gate", "forget_gate", "candidate", "output_gate")
    gates = weights_of(model, [f"lstm.{name}" for name in names])
    h, cell = np.zeros((len(x), UNITS)), np.zeros((len(x), UNITS))
    for t in range(T):
        s = {name: x[:, t] @ w.T + b + h @ u.T + c for name, (w, u, b, c) in gates.items()}
        z = {name: (np.tanh if "candidate" in name else sigmoid)(own) for name, own in s.items()}
        i, f, g, o = z.values()
        cell = f * cell + i * g
        h = o * np.tanh(cell)
        yield {n: (s[n], z[n]) for n in s} | {"lstm.cell": (cell, cell), "lstm": (h, h)}


def gru(model, x):
    gates = weights_of(model, ["gru.reset_gate", "gru.update_gate", "gru.candidate"])
    h = np.zeros((len(x), UNITS))
    for t in range(T):
        found = {}
        for name in ("gru.reset_gate", "gru.update_gate"):
            w, u, b, c = gates[name]
            s = x[:, t] @ w.T + b + h @ u.T + c
            found[name] = s, sigmoid(s)
        w, u, b, c = gates["gru.candidate"]
        hidden = h @ u.T + c
        s = x[:, t] @ w.T + b + found["gru.reset_gate"][1] * hidden
        keep = found["gru.update_gate"][1]
        h = (1 - keep) * np.tanh(s) + keep * h
        yield found | {"gru.hidden_candidate": (hidden, hidden),
                       "gru.candidate": (s, np.tanh(s)), "gru": (h, h)}  # fmt: skip


RECURRENCES = {"RNN": rnn, "LSTM": lstm, "GRU": gru}


@pytest.mark.parametrize("of_blocks", [False, True])
@pytest.mark.parametrize("kind", [*RECURRENCES])
def test_neurons_are_those_of_the_recurrence(kind, of_blocks):
    model = made(kind)
    if of_blocks:
        table = cg.time_profile(cg.load(model, input_shape=(T, 3), unroll=T), X)
    else:
        table = cg.time_profile(model, X, unroll=T, batch_size=5)
    layers = set()
    for t, values in enumerate(RECURRENCES[kind](model, X)):
        layers |= values.keys()
        for name, arrays in values.items():
            row = table.loc[(name, t)]
            assert row["n_nodes"] == UNITS
            for measure, own in zip(("neuron_strength", "neuron_activation"), arrays, strict=True):
                wanted = [own.mean(), own.mean(axis=0).std(), own.std(axis=0).mean(),
                          (own > 0).mean()]  # fmt: skip
                columns = [f"{measure}_{c}" for c in ("mean", "fluctuation", "std", "active")]
                np.testing.assert_allclose(row[columns].to_numpy(float), wanted, atol=1e-12)
    assert set(table.index.get_level_values("layer")) == layers | {"input"}
    own = table.loc["input"]["neuron_activation_mean"]
    np.testing.assert_allclose(own, X.mean(axis=(0, 2)))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("kind", "names", "state"), [
    ("RNN", ["rnn_tanh"], "rnn_tanh"),
    ("LSTM", ["lstm.input_gate", "lstm.forget_gate", "lstm.candidate", "lstm.output_gate"], "lstm"),
    ("GRU", ["gru.reset_gate", "gru.update_gate"], None),
])  # fmt: skip
def test_strengths_are_sums_of_the_weights(kind, names, state, bias):
    model = made(kind)
    table = cg.time_profile(model, bias=bias, input_shape=(T, 3), unroll=T)
    weights = weights_of(model, names if kind != "GRU" else [*names, "gru.candidate"])
    handed_on = sum(u.sum(axis=0) for _, u, _, _ in weights.values())
    for t in range(T):
        for name in names:
            w, u, b, c = weights[name]
            incoming = w.sum(axis=1) + (t > 0) * u.sum(axis=1) + bias * (b + c)
            outgoing = handed_on * (t < T - 1) if name == state else np.zeros(UNITS)
            check(table.loc[(name, t)], incoming, outgoing)
        if state not in (None, *names):
            check(table.loc[(state, t)], np.zeros(UNITS), handed_on * (t < T - 1))
        sent = sum(w.sum(axis=0) for w, _, _, _ in weights.values())
        check(table.loc[("input", t)], np.zeros(3), sent)


def check(row, incoming, outgoing):
    total = incoming + outgoing
    wanted = [incoming.mean(), incoming.std(), outgoing.mean(), outgoing.std(), total.mean(),
              total.std()]  # fmt: skip
    columns = ["in_strength_mean", "in_strength_std", "out_strength_mean", "out_strength_std",
               "strength_mean", "fluctuation"]  # fmt: skip
    np.testing.assert_allclose(row[columns].to_numpy(float), wanted, atol=1e-12)


def test_backward_layers_begin_at_the_end():
    model = nn.RNN(3, UNITS, batch_first=True, bidirectional=True).eval()
    table = cg.time_profile(model, input_shape=(T, 3), unroll=T, bias=False)
    forward, backward = (table.loc[x]["in_strength_mean"].to_numpy() for x in
                         ("rnn_tanh.l0", "rnn_tanh.l0_reverse"))  # fmt: skip
    assert forward[0] == pytest.approx(model.weight_ih_l0.sum().item() / UNITS, abs=1e-6)
    assert backward[-1] == pytest.approx(model.weight_ih_l0_reverse.sum().item() / UNITS, abs=1e-6)
    assert np.ptp(forward[1:]) == pytest.approx(0, abs=1e-6)
    assert np.ptp(backward[:-1]) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("features", [2, 5, 10])
@pytest.mark.parametrize("n_steps", [3, 5])
def test_the_axis_of_time_is_found(features, n_steps):
    net = cg.load(
        nn.GRU(features, 3, batch_first=True), input_shape=(n_steps, features), unroll=n_steps
    )
    assert likely_axis(net) == -2
    assert likely_axis(cg.load(nn.Conv1d(features, 2, 3), input_shape=(features, 9))) == -1
    same = cg.time_profile(net, time_axis=0)
    pd.testing.assert_frame_equal(cg.time_profile(net), same)


class Last(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.head = nn.RNN(3, UNITS, batch_first=True), nn.Linear(UNITS, 2)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])


def test_layers_that_are_no_points_in_time_are_named():
    table = cg.time_profile(Last().eval(), X.astype(np.float32), unroll=T, layers=["rnn*", "head"])
    assert set(table.attrs["missing"]) == {"head"}
    assert table.attrs["steps"] == {"rnn": 1.0}
    assert table.index.tolist() == [("rnn", t) for t in range(T)]
    assert table["n_nodes"].tolist() == [UNITS] * T


def test_convolutions_have_steps_too():
    torch.manual_seed(0)
    net = cg.load(nn.Sequential(nn.Conv1d(2, 3, 3, stride=2), nn.ReLU()), input_shape=(2, 11))
    x = np.random.default_rng(0).normal(size=(7, 2, 11))
    table = cg.time_profile(net, x, edges="all")
    (layer,) = (x for x in net.layers if not x.is_input)
    activation = cg.neuron_activation(net, x, layers=layer.name).mean.reshape(3, 5)
    own = table.loc[layer.name]
    np.testing.assert_allclose(own["neuron_activation_mean"], activation.mean(axis=0))
    np.testing.assert_allclose(own["neuron_activation_fluctuation"], activation.std(axis=0))
    strength = net.split(cg.node_strength(net, edges="all"))[layer.name]
    np.testing.assert_allclose(own["fluctuation"], strength.std(axis=0))
    assert table.attrs["steps"][layer.name] == 2


def test_what_has_no_steps_is_refused():
    with pytest.raises(UndefinedMeasureError, match="unroll=T"):
        cg.time_profile(cg.load(made("RNN"), input_shape=(T, 3)), X, layers="rnn*")
    with pytest.raises(UndefinedMeasureError, match="runs along time"):
        cg.time_profile(cg.toy("mlp"))
    with pytest.raises(CntGraphError, match="no options of loading"):
        cg.time_profile(cg.toy("cnn"), unroll=3)
    with pytest.raises(CntGraphError, match="time_axis to be an axis"):
        cg.time_profile(cg.toy("cnn"), time_axis=3)
    with pytest.raises(CntGraphError, match="no layer is called"):
        cg.time_profile(cg.toy("cnn"), layers="rnn*")
