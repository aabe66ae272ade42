"""Recurrent layers and cells of PyTorch, carried out through the edges of their graph."""

import numpy as np
import pytest
import torch
from oracles.recurrent_forward import forward
from oracles.torch_checks import same_networks
from oracles.torch_models import randomize
from torch import nn
from torch.nn.utils import rnn as sequences

import cntgraph as cg
from cntgraph.core.errors import CoverageWarning, InputShapeError

# Of modules that were made float64 after they were built.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The tensor attributes .*_flat_weights", "ignore:LSTM with projections is not supported"
)

STEPS, N_IN, N = 3, 4, 5
KINDS = {
    "rnn_tanh": nn.RNN,
    "rnn_relu": lambda *a, **k: nn.RNN(*a, nonlinearity="relu", **k),
    "lstm": nn.LSTM,
    "projected": lambda *a, **k: nn.LSTM(*a, proj_size=2, **k),
    "gru": nn.GRU,
}
SHAPES = [
    {}, {"num_layers": 2}, {"bidirectional": True}, {"bias": False},
    {"num_layers": 3, "bidirectional": True, "dropout": 0.3}, {"batch_first": False},
]  # fmt: skip


class Sequences(nn.Module):
    """A recurrent module and a linear layer on what it returns: sequence and last states."""

    def __init__(self, module, *, whole=True):
        super().__init__()
        self.recurrent, self.whole = module, whole
        self.fc = nn.LazyLinear(2)
        batch_first = module.batch_first
        self(torch.zeros((1, STEPS, N_IN) if batch_first else (STEPS, 1, N_IN)))
        randomize(self, 0)

    def forward(self, x):
        sequence, state = self.recurrent(x)
        last = state[0] if isinstance(state, tuple) else state
        parts = [last.transpose(0, 1).flatten(1)]
        if self.whole:
            ordered = sequence if self.recurrent.batch_first else sequence.transpose(0, 1)
            parts.append(ordered.flatten(1))
        return self.fc(torch.cat(parts, 1))


def example(steps=STEPS, *, batch_first=True, seed=0):
    x = torch.randn(1, steps, N_IN, generator=torch.Generator().manual_seed(seed)).double()
    return x if batch_first else x.transpose(0, 1)


def check(model, x, **options):
    """What is carried out through the unrolled graph is what PyTorch computes."""
    net = cg.load(model, example_input=x, strict=True, **options)
    with torch.no_grad():
        expected = model(x)
    of_gru = any(isinstance(module, nn.GRU | nn.GRUCell) for module in model.modules())
    z = forward(net, {net.layers[0].name: x.reshape(-1).numpy()}, update_gates=of_gru)
    found = np.concatenate([z[layer.slice] for layer in net.layers if layer.is_output])
    assert np.allclose(found, expected.reshape(-1).numpy(), rtol=0, atol=1e-12)
    return net


def exported(model, x, path):
    torch.export.save(torch.export.export(model, (x,)), path)
    return path


@pytest.mark.parametrize("options", SHAPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_unrolled_it_computes_what_torch_computes(kind, options, tmp_path):
    options = {"batch_first": True, **options}
    model = Sequences(KINDS[kind](N_IN, N, **options))
    x = example(batch_first=options["batch_first"])
    net = check(model, x, unroll=STEPS)
    path = exported(model, x, tmp_path / "m.pt2")
    same_networks(net, cg.load(path, unroll=STEPS, strict=True))


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_any_number_of_steps(steps):
    model = Sequences(nn.LSTM(N_IN, N, batch_first=True), whole=False)
    x = example(steps)
    with pytest.warns(CoverageWarning) if steps == 1 else _nothing():
        net = cg.load(model, example_input=x, unroll=steps)
    z = forward(net, {"x": x.reshape(-1).numpy()})
    assert np.allclose(z[net.layer("fc").slice], model(x)[0].detach().numpy(), atol=1e-12)


class _nothing:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False


@pytest.mark.parametrize("kind", KINDS)
def test_as_a_loop_it_leads_to_itself(kind, tmp_path):
    model = Sequences(KINDS[kind](N_IN, N, batch_first=True))
    net = cg.load(model, example_input=example(), strict=True)
    weights = dict(model.recurrent.named_parameters())
    graph = cg.build_graph(net, edges="parametric")
    hidden = weights["weight_hh_l0"].detach().numpy()
    layers = {"lstm": "candidate", "projected": "candidate", "gru": "hidden_candidate"}
    part = layers.get(kind)
    rows = slice(2 * N, 3 * N) if part else slice(0, N)
    start = graph.layer_slice("recurrent")
    target = graph.layer_slice("recurrent" + (f".{part}" if part else ""))
    block = graph.adjacency[start][:, target].toarray()
    assert np.array_equal(block, hidden[rows].T)
    same_networks(net, cg.load(exported(model, example(), tmp_path / "m.pt2"), strict=True))


# -- initial states -------------------------------------------------------------------------------


class Learned(nn.Module):
    """A recurrent layer whose initial states are learned."""

    def __init__(self, kind):
        super().__init__()
        self.recurrent = KINDS[kind](N_IN, N, num_layers=2, batch_first=True)
        self.fc = nn.Linear(N, 2)
        self.hidden, self.cell = (nn.Parameter(torch.zeros(2, 1, N)) for _ in range(2))
        randomize(self, 0)

    def forward(self, x):
        hidden = self.hidden.expand(-1, x.shape[0], -1)
        state = hidden
        if isinstance(self.recurrent, nn.LSTM):
            state = (hidden, self.cell.expand(-1, x.shape[0], -1))
        return self.fc(self.recurrent(x, state)[0][:, -1])


class Translator(nn.Module):
    """An encoder whose last states are the first of a decoder."""

    def __init__(self, kind):
        super().__init__()
        self.encode, self.decode = (KINDS[kind](N_IN, N, batch_first=True) for _ in range(2))
        self.fc = nn.Linear(N, 2)
        randomize(self, 0)

    def forward(self, x):
        _, state = self.encode(x)
        return self.fc(self.decode(x, state)[0][:, -1])


@pytest.mark.parametrize("model", [Learned, Translator])
@pytest.mark.parametrize("kind", ["rnn_tanh", "lstm", "gru"])
def test_initial_states_are_nodes(kind, model, tmp_path):
    model = model(kind)
    if kind != "lstm":
        model.cell = None
    net = check(model, example(), unroll=STEPS)
    path = exported(model, example(), tmp_path / "m.pt2")
    same_networks(net, cg.load(path, unroll=STEPS, strict=True))


class Constant(nn.Module):
    """A recurrent layer that begins with a constant, of zeros or not."""

    def __init__(self, value):
        super().__init__()
        self.recurrent, self.fc = nn.GRU(N_IN, N, batch_first=True), nn.Linear(N, 2)
        self.value = value
        randomize(self, 0)

    def forward(self, x):
        state = torch.full((1, x.shape[0], N), self.value, dtype=x.dtype)
        return self.fc(self.recurrent(x, state)[0][:, -1])


def test_a_constant_initial_state_is_nodes_unless_it_is_zero():
    net = check(Constant(0.5), example(), unroll=STEPS)
    assert net.layer("recurrent.initial").shape == (N,)
    assert (net.bias()[net.layer("recurrent.initial").slice] == 0.5).all()
    net = check(Constant(0.0), example(), unroll=STEPS)
    assert not any(layer.kind == "learned" for layer in net.layers)


# -- cells in a loop of the model's own -----------------------------------------------------------

CELLS = {
    "rnn_tanh": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell,
    "rnn_relu": lambda *a: nn.RNNCell(*a, nonlinearity="relu"),
}  # fmt: skip


class Cells(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.cell, self.fc = CELLS[kind](N_IN, N), nn.Linear(N, 2)
        randomize(self, 0)

    def forward(self, x):
        state = None
        for step in x.unbind(1):
            state = self.cell(step, state)
        return self.fc(state[0] if isinstance(state, tuple) else state)


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_makes_layers_of_every_step(kind, tmp_path):
    model = Cells(kind)
    net = check(model, example())
    assert {"cell", "cell.1", "cell.2"} <= {layer.name for layer in net.layers}
    same_networks(net, cg.load(exported(model, example(), tmp_path / "m.pt2"), strict=True))


# -- where the batch is ---------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 3, 4])
@pytest.mark.parametrize("steps", [3, 4])
def test_time_may_come_first(batch, steps):
    model = Sequences(nn.GRU(N_IN, N, batch_first=False), whole=False)
    one = cg.load(model, input_shape=(steps, N_IN), strict=True)
    assert one.layers[0].shape == (steps, N_IN)
    x = torch.randn(steps, batch, N_IN)
    same_networks(one, cg.load(model, example_input=x, strict=True))


class Turned(nn.Module):
    """Batch first outside, time first inside."""

    def __init__(self):
        super().__init__()
        self.recurrent, self.fc = nn.LSTM(N_IN, N), nn.Linear(N, 2)

    def forward(self, x):
        return self.fc(self.recurrent(x.transpose(0, 1))[0][-1])


@pytest.mark.parametrize("batch", [1, 3, 4])
def test_the_batch_may_come_first_although_time_does_inside(batch, tmp_path):
    model = Turned()
    one = cg.load(model, input_shape=(3, N_IN), strict=True)
    assert one.layers[0].shape == (3, N_IN)
    x = torch.randn(batch, 3, N_IN)
    same_networks(one, cg.load(model, example_input=x, strict=True))
    same_networks(one, cg.load(exported(model, x[:1], tmp_path / "m.pt2"), strict=True))


def test_a_program_with_time_first_may_have_a_batch(tmp_path):
    model = Sequences(nn.GRU(N_IN, N, batch_first=False), whole=False).float()
    x = torch.randn(3, 2, N_IN)
    one = cg.load(model, example_input=x[:, :1], strict=True)
    same_networks(one, cg.load(exported(model, x, tmp_path / "m.pt2"), strict=True))


# -- what cannot be followed ----------------------------------------------------------------------


class Rows(nn.Module):
    """Sequences side by side, as the rows of an image are, where others have a batch."""

    def __init__(self, module):
        super().__init__()
        self.recurrent, self.fc, self.state = module, nn.LazyLinear(2), nn.LazyLinear(3)
        self(torch.zeros(1, 2, STEPS, N_IN))
        randomize(self, 0)

    def forward(self, x):
        sequence, state = self.recurrent(x.flatten(0, 1))
        last = state[0] if isinstance(state, tuple) else state
        made = self.fc(sequence), self.state(last)
        return torch.cat([y.movedim(-1, 0).flatten() for y in made])[None]


@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "num_layers": 2},
                                     {"bias": False}], ids=str)  # fmt: skip
@pytest.mark.parametrize("kind", KINDS)
def test_sequences_side_by_side(kind, options, tmp_path):
    model = Rows(KINDS[kind](N_IN, N, batch_first=True, **options))
    x = torch.randn(1, 2, STEPS, N_IN, generator=torch.Generator().manual_seed(1)).double()
    net = check(model, x, unroll=STEPS)
    assert net.layer("recurrent" if not options.get("num_layers") else "recurrent.l0").shape[
        1:
    ] == (STEPS, 2)
    same_networks(net, cg.load(exported(model, x, tmp_path / "m.pt2"), unroll=STEPS, strict=True))
    # As a loop each of them has the edges that one alone has.
    loop = cg.load(model, example_input=x, strict=True)
    one = cg.load(model, example_input=x[:, :1], strict=True)
    recurrent = [sum(block.n_edges for block in net.blocks if block.target == block.source)
                 for net in (loop, one)]  # fmt: skip
    assert recurrent[0] == 2 * recurrent[1]


def test_states_of_several_sequences_are_refused_with_a_reason():
    class Started(nn.Module):
        def __init__(self):
            super().__init__()
            self.recurrent = nn.GRU(N_IN, N, batch_first=True)

        def forward(self, x):
            return self.recurrent(x[0], torch.ones(1, 2, N))[0]

    with pytest.warns(CoverageWarning):
        net = cg.load(Started(), example_input=torch.zeros(1, 2, STEPS, N_IN))
    assert "start in states of their own" in " ".join(net.coverage["reason"])


class Packed(Sequences):
    """The same, by way of a packed sequence."""

    def forward(self, x, lengths=None):
        lengths = torch.tensor([x.shape[1]]) if lengths is None else lengths
        packed = sequences.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        sequence, state = self.recurrent(packed)
        sequence, _ = sequences.pad_packed_sequence(sequence, batch_first=True)
        last = state[0] if isinstance(state, tuple) else state
        return self.fc(torch.cat([last.transpose(0, 1).flatten(1), sequence.flatten(1)], 1))


@pytest.mark.parametrize("unroll", [None, STEPS])
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_a_packed_sequence_is_a_sequence(kind, unroll):
    packed, plain = (kind_of(KINDS[kind](N_IN, N, 2, batch_first=True, bidirectional=True))
                     for kind_of in (Packed, Sequences))  # fmt: skip
    plain.load_state_dict(packed.state_dict())
    nets = [cg.load(m, example_input=example(), unroll=unroll, strict=True)
            for m in (packed.eval(), plain.eval())]  # fmt: skip
    same_networks(*nets)


def test_steps_behind_the_end_of_a_sequence_are_no_steps():
    recurrent = nn.GRU(N_IN, N, batch_first=True)
    packed = Packed(recurrent).eval()
    packed.fc = nn.Linear(N + 2 * N, 2).double()
    lengths = torch.tensor([2])
    net = cg.load(packed, example_input=(example(), lengths), unroll=2, strict=True)
    assert net.layer("recurrent").shape == (N, 2)


def test_several_packed_sequences_are_refused_with_a_reason():
    class Each(nn.Module):
        def __init__(self):
            super().__init__()
            self.recurrent = nn.LSTM(N_IN, N, batch_first=True)

        def forward(self, x):
            lengths = torch.full((x.shape[1],), x.shape[2])
            packed = sequences.pack_padded_sequence(x[0], lengths, batch_first=True)
            return self.recurrent(packed)[1][0]

    with pytest.warns(CoverageWarning, match="several packed sequences"):
        cg.load(Each(), example_input=torch.zeros(1, 2, 3, N_IN))


def test_another_number_of_steps_than_asked_for():
    with pytest.raises(InputShapeError, match=r"unroll=5 time steps, got 3"):
        cg.load(Turned(), input_shape=(3, N_IN), unroll=5)
