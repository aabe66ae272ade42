"""The modules' effects at each moment of a training, by way of the live model."""

from copy import deepcopy
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from torch import nn

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, ParameterError, StoreError, TraceError


class Model(nn.Module):
    """Has tied weights, running statistics, a recurrent layer, and buffers of several kinds."""

    def __init__(self, width=4):
        super().__init__()
        self.first, self.norm = nn.Linear(3, width), nn.BatchNorm1d(width)
        self.second, self.tied = nn.Linear(width, width), nn.Linear(width, width)
        self.tied.weight = self.second.weight
        self.rnn = nn.GRU(width, width, batch_first=True)
        self.last = nn.Linear(width, 2)
        self.register_buffer("scale", torch.ones(1).expand(3))

    def forward(self, x):
        x = self.norm(self.first(x * self.scale)).relu()
        x = self.tied(self.second(x).relu())
        return self.last(self.rnn(x.unsqueeze(1))[0].squeeze(1))


MODULES = ["first", "second", "tied", "last"]
X = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)


def trained(path, dtype=torch.float32, n=3):
    """Record a training; return the model, and a copy of it at each snapshot."""
    torch.manual_seed(0)
    model, copies = Model().to(dtype), []
    x = torch.tensor(X, dtype=dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    with cg.Recorder(path, model, x[:1]) as record:
        for step in range(n):
            record(step=10 * step)
            copies.append(deepcopy(model))
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
    return model, copies


def state(model):
    """Return all that must stay: tensors and what they hold, gradients, modes."""
    named = (*model.named_parameters(), *model.named_buffers())
    tensors = {name: (id(x), x.data_ptr(), x._version, x.detach().clone().float().numpy())
               for name, x in named}  # fmt: skip
    gradients = {
        name: None if x.grad is None else x.grad.clone() for name, x in model.named_parameters()
    }
    return tensors, gradients, [module.training for module in model.modules()]


def assert_same(one, other):
    (first, gradients, modes), (second, others, same) = one, other
    assert first.keys() == second.keys()
    assert modes == same
    for name in first:
        assert first[name][:3] == second[name][:3]
        np.testing.assert_array_equal(first[name][3], second[name][3])
    for name, own in gradients.items():
        assert own is others[name] is None or torch.equal(own, others[name])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_each_is_the_graph_of_the_model_as_it_was(tmp_path, dtype):
    model, copies = trained(tmp_path / "run.h5", dtype)
    model.train()
    before = state(model)
    with cg.open(tmp_path / "run.h5") as trajectory:
        graphs = trajectory.module_graphs(model, X, MODULES)
        part = trajectory[1:].module_graphs(model, X, MODULES, weight="attribution")
    assert_same(before, state(model))
    assert [graph.labels["step"] for graph in graphs] == [0, 10, 20]
    assert len(part) == 2
    for graph, copy in zip(graphs, copies, strict=True):
        own = cg.module_graph(copy, X, MODULES)
        np.testing.assert_array_equal(graph.adjacency.toarray(), own.adjacency.toarray())
    found = [graph.adjacency.toarray() for graph in graphs]
    assert not np.allclose(found[0], found[1])
    assert not np.allclose(found[1], found[2])


def test_a_graph_per_class_at_each(tmp_path):
    model, copies = trained(tmp_path / "run.h5")
    labels = np.arange(8) % 2
    with cg.open(tmp_path / "run.h5") as trajectory:
        found = trajectory.module_graphs(model, X, MODULES, by=labels)
    for own, copy in zip(found, copies, strict=True):
        assert list(own) == [0, 1]
        for label, graph in own.items():
            alone = cg.module_graph(copy, X[labels == label], MODULES)
            np.testing.assert_allclose(
                graph.adjacency.toarray(), alone.adjacency.toarray(), rtol=1e-5
            )
            assert "step" in graph.labels


def test_a_backward_pass_that_waits_is_not_disturbed(tmp_path):
    model, _ = trained(tmp_path / "run.h5")
    loss = model(torch.tensor(X)).sum()
    wanted = torch.autograd.grad(loss, model.first.weight, retain_graph=True)[0]
    with cg.open(tmp_path / "run.h5") as trajectory:
        trajectory.module_graphs(model, X, MODULES)
    assert torch.equal(torch.autograd.grad(loss, model.first.weight)[0], wanted)


@pytest.mark.parametrize(
    ("inputs", "modules", "error"),
    [
        (X[:, :2], MODULES, TraceError),
        (X, ["third"], CntGraphError),
        ([X, np.full((2, 3), np.nan)], MODULES, CntGraphError),
    ],
)
def test_the_model_is_left_as_it_was_where_it_fails(tmp_path, inputs, modules, error):
    model, _ = trained(tmp_path / "run.h5")
    before = state(model)
    with cg.open(tmp_path / "run.h5") as trajectory, pytest.raises(error):
        trajectory.module_graphs(model, inputs, modules)
    assert_same(before, state(model))


class Interrupted(Model):
    def forward(self, x):
        raise KeyboardInterrupt


def test_also_where_it_is_interrupted(tmp_path):
    model, _ = trained(tmp_path / "run.h5")
    model.__class__ = Interrupted
    before = state(model)
    with cg.open(tmp_path / "run.h5") as trajectory, pytest.raises(KeyboardInterrupt):
        trajectory.module_graphs(model, X, MODULES)
    assert_same(before, state(model))


class More(Model):
    def __init__(self):
        super().__init__()
        self.other = nn.Linear(2, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Model(5), r"'first.weight': the model has float32 of shape \(5, 3\), the values"),
        (lambda: Model().double(), "'first.weight': the model has float64"),
        (More, "missing are 'other.weight', 'other.bias'"),
        (lambda: nn.Linear(3, 2), "the model has no 'first.weight', 'first.bias'"),
    ],
)  # fmt: skip
def test_another_model_is_refused(tmp_path, make, message):
    trained(tmp_path / "run.h5", n=1)
    other = make()
    before = state(other)
    with cg.open(tmp_path / "run.h5") as trajectory, pytest.raises(ParameterError, match=message):
        trajectory.module_graphs(other, X, "*")
    assert_same(before, state(other))


def test_what_cannot_be_done_is_said(tmp_path):
    model, _ = trained(tmp_path / "run.h5")
    with cg.open(tmp_path / "run.h5") as trajectory:
        with pytest.raises(CntGraphError, match="can be read once"):
            trajectory.module_graphs(model, iter([X]), MODULES)
        with pytest.raises(CntGraphError, match="live model of PyTorch"):
            trajectory.module_graphs([np.ones((3, 2))], X, MODULES)
    with cg.Recorder(tmp_path / "few.h5", model, X[:1], store="measures") as record:
        record(step=1)
    with cg.open(tmp_path / "few.h5") as few, pytest.raises(StoreError, match="no parameters"):
        few.module_graphs(model, X, MODULES)


def test_written_as_a_graph_that_changes(tmp_path):
    model, _ = trained(tmp_path / "run.h5")
    with cg.open(tmp_path / "run.h5") as trajectory:
        graphs = trajectory.module_graphs(model, X, MODULES)
    tree = ElementTree.parse(cg.write_gexf(graphs, tmp_path / "run.gexf"))
    space = {"g": "http://gexf.net/1.3"}
    edges = tree.findall(".//g:edge", space)
    assert len(edges) == 6
    for edge in edges:
        i, j = int(edge.get("source")), int(edge.get("target"))
        found = [v for v in edge.findall(".//g:attvalue", space) if v.get("for") == "weight"]
        values = {v.get("timestamp"): float(v.get("value")) for v in found}
        wanted = [graph.adjacency[i, j] for graph in graphs]
        assert list(values) == ["0", "10", "20"]
        assert list(values.values()) == wanted
    for node in tree.findall(".//g:node", space):
        sizes = [v for v in node.findall(".//g:attvalue", space) if v.get("for") == "size"]
        wanted = [graph.nodes["size"][int(node.get("id"))] for graph in graphs]
        assert [float(v.get("value")) for v in sizes] == wanted
        assert [v.get("timestamp") for v in sizes] == ["0", "10", "20"]
    with pytest.raises(CntGraphError, match="a Network or a Graph; got dict"):
        cg.write_gexf([{"a": graphs[0]}], tmp_path / "no.gexf")
    with pytest.raises(CntGraphError, match="which is already"):
        cg.write_gexf(graphs, tmp_path / "no.gexf", granularity="channel")


def test_a_graph_has_the_labels_of_its_network():
    net = cg.toy("mlp")
    net = net.bind(net.parameters, {"step": 3})
    graph = cg.build_graph(net, threshold=0.1)
    assert graph.labels == {"step": 3}
    assert cg.threshold_edges(graph, 0.2).graph.labels == {"step": 3}
