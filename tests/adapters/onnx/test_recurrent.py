"""Recurrent operations of ONNX: the unrolled graph computes what onnxruntime does."""

import numpy as np
import pytest
from onnx import TensorProto, helper
from oracles.onnx_models import model, node, oracle
from oracles.recurrent_forward import forward

import cntgraph as cg
from cntgraph.adapters import onnx as adapter
from cntgraph.core.errors import CoverageWarning

T, N_IN, N = 3, 2, 3
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def recurrent(kind, *, n_directions=1, weights=None, batch=1, n_steps=T, opset=18, **attributes):
    """A model of one recurrent operation; `weights` are further inputs by their place."""
    rng = np.random.default_rng(3)

    def random(*shape):
        return rng.normal(0, 0.7, shape).astype(np.float32)

    gates = GATES[kind]
    stored = {
        "w": random(n_directions, gates * N, N_IN), "r": random(n_directions, gates * N, N),
        "b": random(n_directions, 2 * gates * N),
    }  # fmt: skip
    names = [*stored, "", "", "", ""]
    for place, (name, value) in (weights or {}).items():
        names[place - 1], stored[name] = name, value
    shape = (batch, n_steps, N_IN) if attributes.get("layout") else (n_steps, batch, N_IN)
    outputs = ["y", "last", "cell"] if kind == "LSTM" else ["y", "last"]
    while not names[-1]:
        names.pop()
    op = helper.make_node(kind, ["x", *names], outputs, hidden_size=N, **attributes)
    return model([op], stored, shape, opset)


def check(proto, n_steps=T, batch=1, layout=0, **options):
    """All nodes of the hidden state at every step are onnxruntime's."""
    rng = np.random.default_rng(1)
    shape = (batch, n_steps, N_IN) if layout else (n_steps, batch, N_IN)
    x = rng.normal(size=shape).astype(np.float32)
    net = adapter.load(proto, strict=True, unroll=n_steps)
    sample = x[0] if layout else x[:, 0]
    z = forward(net, {"x": sample}, **options)
    y = oracle(proto, x)
    y = y[0] if layout else y[:, :, 0]
    kind = proto.graph.node[-1].op_type.lower()
    for k, name in enumerate(directions(net, kind)):
        hidden = z[net.layer(name).slice].reshape(N, -1).T
        np.testing.assert_allclose(hidden, y[:, k], rtol=1e-4, atol=1e-6)
    return net


def directions(net, kind):
    return [layer.name for layer in net.layers if layer.name in (kind, f"{kind}_reverse")]


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("kind", GATES)
def test_every_direction(kind, direction):
    n = 2 if direction == "bidirectional" else 1
    proto = recurrent(kind, n_directions=n, direction=direction)
    if direction == "reverse":
        net = adapter.load(proto, strict=True)
        assert f"{kind.lower()}_reverse" in [layer.name for layer in net.layers]
    net = check(proto, update_gates=kind == "GRU")
    assert len(directions(net, kind.lower())) == n
    assert (net.coverage.status == "included").all()


@pytest.mark.parametrize("n_steps", [1, 2, 7])
@pytest.mark.parametrize("kind", GATES)
@pytest.mark.filterwarnings("ignore:left out of the graph.*one time step only")
def test_every_length(kind, n_steps):
    proto = recurrent(kind, n_steps=n_steps)
    x = np.random.default_rng(0).normal(size=(n_steps, 1, N_IN)).astype(np.float32)
    net = adapter.load(proto, unroll=n_steps)
    z = forward(net, {"x": x[:, 0]}, update_gates=kind == "GRU")
    hidden = z[net.layer(kind.lower()).slice].reshape(N, -1).T
    np.testing.assert_allclose(hidden, oracle(proto, x)[:, 0, 0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "activations", "layer", "name"),
    [
        ("RNN", ["Relu"], "rnn", "relu"),
        ("GRU", ["HardSigmoid", "Softsign"], "gru.candidate", "softsign"),
        ("LSTM", ["Sigmoid", "Softsign", "Relu"], "lstm.candidate", "softsign"),
        ("LSTM", ["HardSigmoid", "Tanh", "Tanh"], "lstm.input_gate", "hardsigmoid"),
    ],
)
def test_other_activations(kind, activations, layer, name):
    net = check(recurrent(kind, activations=activations), update_gates=kind == "GRU")
    assert net.layer(layer).activation == name


def test_the_reset_gate_after_the_weights():
    net = check(recurrent("GRU", linear_before_reset=1), update_gates=True)
    assert "gru.hidden_candidate" in [layer.name for layer in net.layers]
    net = check(recurrent("GRU", linear_before_reset=0), update_gates=True)
    assert "gru.reset_hidden" in [layer.name for layer in net.layers]


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_peepholes(direction):
    peepholes = np.random.default_rng(5).normal(size=(1, 3 * N)).astype(np.float32)
    net = check(recurrent("LSTM", weights={7: ("p", peepholes)}, direction=direction))
    assert sum(block.kind == "diagonal" for block in net.blocks) == 3
    loop = adapter.load(recurrent("LSTM", weights={7: ("p", peepholes)}), strict=True)
    strength = cg.node_strength(loop, direction="out", edges="parametric")
    out = strength[loop.layer("lstm.cell").slice]
    np.testing.assert_allclose(out, peepholes.reshape(3, N).sum(axis=0), rtol=1e-6)


@pytest.mark.parametrize("kind", GATES)
def test_initial_states_that_are_stored_are_nodes(kind):
    rng = np.random.default_rng(5)
    states = {5: ("h0", rng.normal(size=(1, 1, N)).astype(np.float32))}
    if kind == "LSTM":
        states[6] = "c0", rng.normal(size=(1, 1, N)).astype(np.float32)
    net = check(recurrent(kind, weights=states), update_gates=kind == "GRU")
    assert sum(layer.kind == "learned" for layer in net.layers) == len(states)


def test_initial_states_of_zeros_are_no_nodes():
    states = {5: ("h0", np.zeros((1, 1, N), np.float32))}
    net = check(recurrent("LSTM", weights=states))
    assert not any(layer.kind == "learned" for layer in net.layers)
    assert net.coverage.loc["h0", "reason"] == "an initial state of zeros"


def test_initial_states_that_are_inputs():
    proto = recurrent("RNN")
    proto.graph.node[0].input.extend(["", "h0"])
    proto.graph.input.append(helper.make_tensor_value_info("h0", TensorProto.FLOAT, (1, 1, N)))
    net = adapter.load(proto, strict=True, unroll=T)
    assert [layer.shape for layer in net.layers if layer.is_input] == [(T, N_IN), (1, N)]
    assert len(net.blocks_into(net.layer("rnn"))) == 3


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_lengths_that_are_constant(direction):
    lengths = {4: ("lengths", np.array([2], np.int32))}
    proto = recurrent("RNN", weights=lengths, direction=direction)
    x = np.random.default_rng(0).normal(size=(T, 1, N_IN)).astype(np.float32)
    net = adapter.load(proto, strict=True, unroll=2)
    (name,) = directions(net, "rnn")
    z = forward(net, {"x": x[:, 0]})
    hidden = z[net.layer(name).slice].reshape(N, 2).T
    np.testing.assert_allclose(hidden, oracle(proto, x)[:2, 0, 0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("kind", GATES)
def test_a_batch_of_several_samples(kind, layout):
    one, many = (adapter.load(recurrent(kind, batch=n, layout=layout), strict=True) for n in (1, 4))
    np.testing.assert_array_equal(cg.node_strength(one), cg.node_strength(many))
    assert many.layers[0].shape == (T, N_IN)


def test_an_open_batch_in_the_middle():
    proto = recurrent("LSTM")
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "time"
    proto.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "batch"
    assert adapter.load(proto, input_shape=(5, N_IN)).layers[0].shape == (5, N_IN)
    net = adapter.load(proto, example_input=np.zeros((7, 2, N_IN)), unroll=7)
    assert net.layer("lstm").shape == (N, 7)


def test_a_loop_leads_to_itself():
    net = adapter.load(recurrent("LSTM"), strict=True)
    adjacency = cg.build_graph(net).adjacency
    own = net.layer("lstm").slice
    assert net.layer("lstm").shape == (N,)
    assert adjacency[own, net.layer("lstm.input_gate").slice].nnz == N * N


def test_what_reads_the_sequence_reads_the_same_nodes_at_every_step():
    proto = recurrent("LSTM")
    nodes = [
        node("Squeeze", "y one", "s"), node("MatMul", "s v", "m"), node("ReduceMean", "m zero", "z")
    ]  # fmt: skip
    proto.graph.node.extend(nodes)
    weights = {"v": np.ones((N, 2), np.float32), "one": np.array([1]), "zero": np.array([0])}
    extended = model(proto.graph.node, weights, (T, 1, N_IN), out="z")
    extended.graph.initializer.extend(proto.graph.initializer)
    net = adapter.load(extended, strict=True)
    assert net.layer("mat_mul").shape == (2,)


def test_a_coupled_forget_gate_is_refused_with_its_reason():
    with pytest.warns(CoverageWarning, match="the input gate's complement"):
        adapter.load(recurrent("LSTM", input_forget=1))
