"""Effects of modules on each other against the same changes made by hand."""

import numpy as np
import pytest
import torch
from torch import nn

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, TraceError


class Attention(nn.Module):
    def __init__(self, width, n):
        super().__init__()
        self.n, self.qkv, self.out = n, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        q, k, v = (t.unflatten(-1, (self.n, -1)).transpose(1, 2) for t in
                   self.qkv(x).chunk(3, -1))  # fmt: skip
        mixed = torch.softmax(q @ k.transpose(-1, -2) / 2, -1) @ v
        return self.out(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self, width=8, n=2):
        super().__init__()
        self.attention, self.norm = Attention(width, n), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 16), nn.GELU(), nn.Linear(16, width))

    def forward(self, x):
        x = x + self.attention(x)
        return x + self.mlp(self.norm(x))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(Block() for _ in range(2))
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


def made():
    torch.manual_seed(0)
    return Model().double().eval(), torch.randn(6, 5, 8, dtype=torch.double)


HEADS = {"layers.*.attention.out": 2}
MODULES = ["layers.*.mlp", "head"]


def by_hand(model, x, name, head=None):
    """Outputs of all MLPs and of the head, with one module's output, or one head, made zero."""
    outputs, handles = {}, []
    modules = dict(model.named_modules())
    for watched in ("layers.0.mlp", "layers.1.mlp", "head"):

        def keep(_, __, result, watched=watched):
            outputs[watched] = result

        handles.append(modules[watched].register_forward_hook(keep))
    if head is not None:

        def before(_, given):
            (first,) = given
            first = first.clone()
            first[..., 4 * head : 4 * head + 4] = 0
            return (first,)

        handles.append(modules[name].register_forward_pre_hook(before))
    elif name:
        handles.insert(0, modules[name].register_forward_hook(lambda *a: a[2] * 0))
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return outputs


def norms(values):
    return float(values.flatten(1).norm(dim=1).sum())


@pytest.mark.parametrize("batch_size", [2, 6])
def test_ablation_is_what_zeros_do(batch_size):
    model, x = made()
    graph = cg.module_graph(model, x, MODULES, heads=HEADS, batch_size=batch_size)
    names = [layer.name for layer in graph.layers]
    assert names == ["layers.0.attention.out", "layers.0.mlp", "layers.1.attention.out",
                     "layers.1.mlp", "head"]  # fmt: skip
    assert [layer.n_nodes for layer in graph.layers] == [2, 1, 2, 1, 1]
    found, plain = graph.adjacency.toarray(), by_hand(model, x, "")
    sources = [("layers.0.attention.out", 0), ("layers.0.attention.out", 1),
               ("layers.0.mlp", None), ("layers.1.attention.out", 1)]  # fmt: skip
    for (name, head), row in zip(sources, (0, 1, 2, 4), strict=True):
        changed = by_hand(model, x, name, head)
        for watched, column in (("layers.0.mlp", 2), ("layers.1.mlp", 5), ("head", 6)):
            if column > row:
                effect = norms(changed[watched] - plain[watched]) / norms(plain[watched])
                assert found[row, column] == pytest.approx(effect, rel=1e-9), (name, watched)
    assert found[0, 1] == 0  # heads of one module run side by side
    assert (np.tril(found) == 0).all()
    assert graph.nodes["size"].iloc[6] == pytest.approx(norms(plain["head"]) / 6)


def test_attribution_is_the_derivative_along_the_output():
    model, x = made()
    graph = cg.module_graph(model, x, MODULES, heads=HEADS, weight="attribution")
    modules = dict(model.named_modules())

    def scaled(t, watched):
        outputs = {}
        handles = [modules["layers.0.mlp"].register_forward_hook(lambda *a: a[2] * (1 + t))]
        handles.append(modules[watched].register_forward_hook(
            lambda *a: outputs.setdefault("it", a[2])))  # fmt: skip
        with torch.no_grad():
            model(x)
        for handle in handles:
            handle.remove()
        return outputs["it"]

    for watched, column in (("layers.1.mlp", 5), ("head", 6)):
        slope = (scaled(1e-5, watched) - scaled(-1e-5, watched)) / 2e-5
        wanted = norms(slope) / norms(scaled(0.0, watched))
        assert graph.adjacency.toarray()[2, column] == pytest.approx(wanted, rel=1e-6)


def test_of_a_linear_chain_both_are_the_same():
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Linear(4, 4, bias=False) for _ in range(3)))
    x = torch.randn(7, 4)
    graphs = [cg.module_graph(model, x, "*", weight=w).adjacency.toarray() for w in
              ("ablation", "attribution")]  # fmt: skip
    assert np.allclose(graphs[0], graphs[1], rtol=1e-5)
    assert np.allclose(graphs[0][np.triu_indices(3, 1)], 1.0)  # without it there is nothing


def test_measures_work_on_it_and_the_model_is_as_it_was():
    model, x = made()
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    graph = cg.module_graph(model, x, MODULES, heads=HEADS)
    assert model.training
    assert all((model.state_dict()[name] == value).all() for name, value in before.items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert cg.pagerank(graph).sum() == pytest.approx(1.0)
    assert graph.to_networkx().number_of_nodes() == 7


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.own, self.unused = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x):
        return self.own(self.own(x))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"modules": "own"}, TraceError, "'own' runs several times"),
        ({"modules": "unused"}, TraceError, "does not run its modules unused"),
        ({"modules": "no.*"}, CntGraphError, r"no module is called 'no.\*'; the modules are: own"),
        ({"modules": [], "heads": {"own": 2}}, CntGraphError, "3 features, to be divisible by 2"),
        ({"modules": [], "heads": {"own": 0}}, CntGraphError, "a number of heads of 'own', got 0"),
        ({"modules": "own", "weight": "size"}, CntGraphError, "'ablation' or 'attribution'"),
    ],
)
def test_what_is_no_node_is_said(options, error, message):
    with pytest.raises(error, match=message):
        cg.module_graph(Twice(), torch.ones(2, 3), **options)


def test_other_frameworks_are_refused():
    with pytest.raises(CntGraphError, match="takes a live model of PyTorch"):
        cg.module_graph([np.ones((3, 2))], np.ones((2, 3)), "*")


@pytest.mark.parametrize("weight", ["ablation", "attribution"])
@pytest.mark.parametrize("batch_size", [2, 6])
def test_effects_on_the_samples_of_each_class(weight, batch_size):
    model, x = made()
    labels = np.array(["b", "a", "a", "b", "a", "c"])
    found = cg.module_graph(
        model, x, MODULES, heads=HEADS, weight=weight, by=labels, batch_size=batch_size
    )
    loader = [(x[k : k + 2], labels[k : k + 2]) for k in range(0, 6, 2)]
    same = cg.module_graph(model, loader, MODULES, heads=HEADS, weight=weight, by="labels")
    assert list(found) == list(same) == ["a", "b", "c"]
    for label, graph in found.items():
        own = cg.module_graph(model, x[labels == label], MODULES, heads=HEADS, weight=weight)
        for other in (own, same[label]):
            np.testing.assert_allclose(graph.adjacency.toarray(), other.adjacency.toarray())
            np.testing.assert_allclose(graph.nodes["size"], other.nodes["size"])


def test_classes_without_labels_are_refused():
    model, x = made()
    with pytest.raises(CntGraphError, match="pairs of inputs and labels"):
        cg.module_graph(model, x, MODULES, by="labels")
