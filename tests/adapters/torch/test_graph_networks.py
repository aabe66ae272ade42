"""Graph networks on a given graph: passing messages is a fixed linear map, and exact."""

import numpy as np
import pytest
import torch
from oracles.propagate import propagate
from oracles.torch_audit import audit
from torch import nn

import cntgraph as cg
from cntgraph.core.errors import InputShapeError

EDGES = torch.tensor([[0, 1, 2, 3, 4, 0, 2, 1], [1, 2, 3, 4, 0, 2, 4, 1]])
X = torch.randn(5, 3, dtype=torch.double, generator=torch.Generator().manual_seed(3))


def degrees(x, places):
    return x.new_zeros(len(x)).scatter_add_(0, places, torch.ones(len(places)).double())


def convolved(m, x, source, target):
    """GCN: a symmetric normalization by degrees, loops at each node."""
    norm = (degrees(x, target) + 1).rsqrt()
    x = m(x)
    messages = x[source] * (norm[source] * norm[target])[:, None]
    return torch.zeros_like(x).index_add_(0, target, messages) + x * norm[:, None] ** 2


def sampled(m, x, source, target):
    """GraphSAGE: the mean of the neighbors beside the node itself."""
    index = target[:, None].expand(-1, x.shape[1])
    total = x.new_zeros(x.shape).scatter_add(0, index, x.index_select(0, source))
    return m(total / degrees(x, target).clamp(min=1)[:, None]) + x @ torch.ones(3, 4).double()


def averaged(m, x, source, target):
    index = target[:, None].expand(-1, x.shape[1])
    found = torch.zeros_like(x)
    return m(found.scatter_reduce(0, index, x[source], "mean", include_self=False))


def largest(m, x, source, target):
    index = target[:, None].expand(-1, x.shape[1])
    found = torch.zeros_like(x)
    return m(found.scatter_reduce(0, index, x[source], "amax", include_self=False))


def isomorphic(m, x, source, target):
    """GIN: the sum of the neighbors, and 1 + ε times the node."""
    return m(1.5 * x + torch.zeros_like(x).index_put((target,), x[source], accumulate=True))


class Net(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer, self.one = layer, nn.Linear(3, 4).double()
        self.two = nn.Linear(4, 2).double()

    def forward(self, x, edges):
        return self.two(torch.relu(self.layer(self.one, x, *edges)))


LAYERS = [convolved, sampled, averaged, largest, isomorphic]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("is_saved", [False, True])
def test_message_passing_is_exact(layer, is_saved, tmp_path):
    model = Net(layer)
    source = model
    if is_saved:
        source = tmp_path / "net.pt2"
        torch.export.save(torch.export.export(model, (X, EDGES)), source)
    net = cg.load(source, example_input=(X, EDGES), batched=False, strict=True)
    _, after = propagate(net, X.numpy())
    (last,) = [after[made.name] for made in net.layers if made.is_output]
    expected = model(X, EDGES).detach().numpy()
    np.testing.assert_allclose(last.reshape(2, 5).T, expected, rtol=0, atol=1e-12)
    assert next(layer for layer in net.layers if layer.is_input).shape == (5, 3)


def attended(m, x, source, target):
    """GAT: a softmax over the neighbors, whose weights are data."""
    x = m(x)
    scores = torch.exp(x[source, 0] + x[target, 1])
    total = x.new_zeros(len(x)).index_add(0, target, scores)
    weights = scores / total[target]
    return torch.zeros_like(x).index_add(0, target, weights[:, None] * x[source])


@pytest.mark.parametrize("layer", [*LAYERS, attended])
def test_every_layer_is_what_pytorch_computed(layer):
    _, n = audit(Net(layer), X, EDGES, batched=False)
    assert n >= 2


def test_one_node_may_have_different_places_in_each_channel():
    index = torch.tensor([[0, 1, 2], [1, 1, 0], [2, 0, 0], [0, 0, 0], [1, 2, 0]])
    model = Net(lambda m, x, *_: m(torch.zeros(4, 3).double().scatter_add(0, index, x)))
    net, _ = audit(model, X, EDGES, batched=False)
    assert [layer.n_nodes for layer in net.layers if layer.kind == "pool"] == [12]


def test_nothing_is_a_sample():
    model = nn.Linear(3, 2).double()
    assert cg.load(model, example_input=X[:1], batched=False).layers[0].shape == (1, 3)
    assert cg.load(model, input_shape=(5, 3), batched=False).layers[0].shape == (5, 3)
    with pytest.raises(InputShapeError, match="expected the size"):
        cg.load(model, batched=False)


class Pooled(nn.Module):
    """Nodes that the data choose, and the paths of two steps between them (a graph U-Net)."""

    def __init__(self):
        super().__init__()
        self.score, self.one = nn.Linear(3, 1), nn.Linear(3, 2)

    def forward(self, x, edges):
        chosen = self.score(x)[:, 0].topk(4).indices
        source, target = x.new_full((5,), -1).long().index_put((chosen,), torch.arange(4))[edges]
        kept = torch.stack([source, target])[:, (source >= 0) & (target >= 0)]
        steps = torch.sparse_coo_tensor(kept, x.new_ones(kept.shape[1]), (4, 4)).to_sparse_csr()
        paths = (steps @ steps).to_sparse_coo()
        (source, target), weights = paths.indices(), paths.values()
        y = self.one(x[chosen])
        return torch.zeros_like(y).index_add(0, target, y[source] * weights[:, None])


@pytest.mark.filterwarnings("ignore:Sparse")
def test_a_sparse_matrix_may_follow_from_what_the_data_choose():
    net = cg.load(Pooled().double(), example_input=(X, EDGES), batched=False)
    assert {b.name for b in net.blocks if b.parametric} == {"score", "one"}
