"""Recurrent layers of Keras: unrolled, the graph computes what Keras does, gates included."""

import numpy as np
import pytest
from keras import layers as kl
from oracles.keras_models import check, flat, functional, randomize, values

import cntgraph as cg
from cntgraph.core.errors import CoverageWarning, InputShapeError

STEPS, SHAPE = 4, (4, 5)
KINDS = {"simple": kl.SimpleRNN, "lstm": kl.LSTM, "gru": kl.GRU}
CELLS = {"simple": kl.SimpleRNNCell, "lstm": kl.LSTMCell, "gru": kl.GRUCell}
#: An unrolled network is swept often enough that every step finds the one before it.
UNROLLED = {"load": {"unroll": STEPS}, "sweeps": 2 * STEPS + 2}

MODELS = {
    "last": lambda kind, x: kl.Dense(2)(kind(3)(x)),
    "sequence": lambda kind, x: flat(kind(3, return_sequences=True)(x)),
    "backwards": lambda kind, x: flat(kind(3, return_sequences=True, go_backwards=True)(x)),
    "another function": lambda kind, x: kl.Dense(2)(kind(3, use_bias=False, activation="relu")(x)),
    "stacked": lambda kind, x: kl.Dense(2)(kind(3)(kind(4, return_sequences=True)(x))),
    "after a dense layer": lambda kind, x: kl.Dense(2)(kind(3)(kl.Dense(4)(x))),
    "bidirectional": lambda kind, x: kl.Dense(2)(kl.Bidirectional(kind(3))(x)),
    **{
        f"bidirectional, {mode}": lambda kind, x, mode=mode: flat(
            kl.Bidirectional(kind(3, return_sequences=True), merge_mode=mode)(x))
        for mode in ("concat", "sum", "ave", "mul")
    },
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("kind", KINDS)
def test_unrolled(kind, name):
    model = functional(lambda x: MODELS[name](KINDS[kind], x), SHAPE)
    check(model, SHAPE, **UNROLLED)


@pytest.mark.parametrize("kind", KINDS)
def test_cells_in_a_row(kind):
    cells = [CELLS[kind](3), CELLS[kind](4)]
    check(functional(lambda x: kl.Dense(2)(kl.RNN(cells)(x)), SHAPE), SHAPE, **UNROLLED)
    check(functional(lambda x: kl.Dense(2)(kl.RNN(CELLS[kind](3))(x)), SHAPE), SHAPE, **UNROLLED)


@pytest.mark.parametrize("kind", KINDS)
def test_states_are_handed_on(kind):
    def build(x):
        _, *states = KINDS[kind](3, return_state=True)(x)
        return kl.Dense(2)(KINDS[kind](3)(x, initial_state=states))

    check(functional(build, SHAPE), SHAPE, **UNROLLED)


def test_a_gru_that_resets_before():
    model = functional(lambda x: kl.Dense(2)(kl.GRU(3, reset_after=False)(x)), SHAPE)
    check(model, SHAPE, **UNROLLED)
    model = functional(
        lambda x: kl.Dense(2)(kl.GRU(3, recurrent_activation="hard_sigmoid")(x)), SHAPE
    )
    check(model, SHAPE, **UNROLLED)


@pytest.mark.parametrize("kind", KINDS)
def test_a_loop_leads_to_itself(kind):
    layer = KINDS[kind](3, name="r")
    model = randomize(functional(lambda x: kl.Dense(2, name="fc")(layer(x)), SHAPE))
    net = cg.load(model, strict=True)
    assert net.layer("r").shape == (3,)
    # What one step of the hidden state leads to, directly or by way of gates, is itself.
    adjacency = cg.build_graph(net).adjacency
    inside = slice(net.layers[1].start, net.layer("fc").start)
    block = adjacency[inside, inside].toarray() != 0
    reach = np.linalg.matrix_power(block.astype(float) + np.eye(len(block)), len(block)) > 0
    hidden = slice(net.layer("r").start - inside.start, net.layer("r").slice.stop - inside.start)
    if kind == "simple":
        assert block[hidden, hidden].all()
    assert reach[hidden, hidden].all()
    weights = {v.path.rpartition("/")[2]: v for v in model.get_layer("r").weights}
    kernel = values(weights["kernel"].value).astype(float)
    out = cg.node_strength(net, direction="out")[net.layers[0].slice]
    assert out == pytest.approx(np.tile(kernel.sum(1), (STEPS, 1)).reshape(-1), rel=1e-5)


def test_names_of_directions_and_cells():
    def build(x):
        x = kl.Bidirectional(kl.LSTM(3, return_sequences=True), name="both")(x)
        return kl.RNN([kl.GRUCell(3), kl.GRUCell(4)], name="row")(x)

    names = [layer.name for layer in cg.load(functional(build, SHAPE), strict=True).layers]
    assert {"both.l0", "both.l0_reverse", "both.l0.input_gate", "row.l0", "row.l1"} <= set(names)


def test_steps_that_are_open_or_do_not_fit():
    model = functional(lambda x: kl.LSTM(3)(x), (None, 5))
    with pytest.raises(InputShapeError, match="leaves sizes of its input open"):
        cg.load(model)
    assert cg.load(model, unroll=3).layers[0].shape == (3, 5)
    assert cg.load(model, input_shape=(2, 5)).layers[0].shape == (2, 5)
    with pytest.raises(InputShapeError, match="unroll=3"):
        cg.load(model, input_shape=(2, 5), unroll=3)


class Leaky(kl.SimpleRNNCell):
    def call(self, x, states, training=False):
        output, _ = super().call(x, states)
        return output * 0.5, [output * 0.5]


def test_a_function_of_ones_own_is_noted_by_its_name():
    def swoosh(x):
        return 2.0 * x

    model = functional(lambda x: kl.SimpleRNN(3, activation=swoosh, name="r")(x), SHAPE)
    assert cg.load(model, strict=True).layer("r").activation == "swoosh"


def test_cells_of_one_s_own_are_cut():
    with pytest.warns(CoverageWarning, match="the recurrent cell Leaky is not a known one"):
        net = cg.load(functional(lambda x: kl.Dense(2, name="fc")(kl.RNN(Leaky(3))(x)), SHAPE))
    assert net.coverage.loc["fc/kernel", "status"] == "included"
