"""Mixtures of experts: every expert's edges are there, whichever the router chooses."""

import pytest
import torch
from oracles.torch_audit import audit
from torch import nn

import cntgraph as cg

N, D, K, E, HIDDEN = 5, 8, 2, 3, 16


class Mixture(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.gate = nn.Linear(D, E, bias=False)
        self.up = nn.Parameter(torch.randn(E, HIDDEN, D))
        self.down = nn.Parameter(torch.randn(E, D, HIDDEN))
        self.function = forward

    def routed(self, x):
        weights, chosen = torch.topk(torch.softmax(self.gate(x), -1), K, dim=-1)
        return weights / weights.sum(-1, keepdim=True), chosen

    def expert(self, k, x):
        return torch.relu(x @ self.up[k].T) @ self.down[k].T

    def forward(self, x):
        shape = x.shape
        return self.function(self, x.reshape(-1, D)).reshape(shape)


def all_of_them(m, x):
    """The weights of all experts, zero for those that are not chosen."""
    weights, chosen = m.routed(x)
    of_all = torch.zeros(len(x), E, dtype=x.dtype).scatter(1, chosen, weights)
    return sum(of_all[:, k, None] * m.expert(k, x) for k in range(E))


def one_by_one(m, x):
    """Each expert computes the tokens that chose it, as in Mixtral."""
    weights, chosen = m.routed(x)
    final = torch.zeros_like(x)
    mask = nn.functional.one_hot(chosen, num_classes=E).permute(2, 1, 0)
    hit = torch.greater(mask.sum(dim=(-1, -2)), 0).nonzero()
    for k in hit:
        place, token = torch.where(mask[k[0]])
        made = m.expert(k[0], x[token]) * weights[token, place, None]
        final.index_add_(0, token, made.to(x.dtype))
    return final


def sorted_by_expert(m, x):
    """Tokens are sorted by their expert, and multiplied in groups."""
    weights, chosen = m.routed(x)
    experts = chosen.reshape(-1)
    token = torch.arange(len(x)).unsqueeze(1).expand(-1, K).reshape(-1)
    order = torch.argsort(experts)
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order))
    counts = torch.histc(experts[order].float(), bins=E, min=0, max=E - 1)
    ends = torch.cumsum(counts, 0, dtype=torch.int32)
    made = torch.relu(torch._grouped_mm(x[token][order], m.up.transpose(-2, -1), offs=ends))
    made = torch._grouped_mm(made, m.down.transpose(-2, -1), offs=ends)
    made = (made * weights.reshape(-1)[order].unsqueeze(-1))[back]
    return made.view(len(x), K, D).sum(1)


def all_at_once(m, x):
    """Every expert computes every token; the router weighs."""
    weights, chosen = m.routed(x)
    of_all = torch.zeros(len(x), E, dtype=x.dtype).scatter(1, chosen, weights)
    made = torch.bmm(x.expand(E, -1, -1), m.up.transpose(1, 2))
    made = torch.bmm(torch.relu(made), m.down.transpose(1, 2))
    return (made * of_all.T[:, :, None]).sum(0)


@pytest.mark.parametrize("forward", [all_of_them, one_by_one, sorted_by_expert, all_at_once])
def test_every_expert_is_there(forward):
    torch.manual_seed(0)
    is_grouped = forward is sorted_by_expert
    model = Mixture(forward).to(torch.bfloat16 if is_grouped else torch.double)
    x = torch.randn(1, N, D).to(model.up.dtype)
    net = cg.load(model, example_input=x, strict=True)
    learned = [block for block in net.blocks if block.parametric]
    counted = sum(block.n_edges for block in learned if not block.name.startswith("gate"))
    rows = N * (K if is_grouped else 1)
    assert counted == rows * E * 2 * HIDDEN * D
    # The router only modulates: no edge but its own leads on from it.
    gates = [net.layers_of(b.source)[0].name for b in net.blocks if b.modulatory]
    assert gates
    assert "gate" not in {net.layers_of(b.source)[0].name for b in learned}
    out = next(layer for layer in net.layers if layer.is_output)
    assert out.n_nodes == N * D
    carried = reached(net, out)
    assert all(carried[layer.name] for layer in net.layers if layer.name.startswith(("up", "down")))
    assert not carried["gate"]
    if not is_grouped:
        assert audit(model, x)[1] >= 4


def reached(net, layer):
    """Whether what a layer holds is carried on to another, by edges that do not modulate."""
    found, waiting = {x.name: False for x in net.layers}, [layer]
    while waiting:
        layer = waiting.pop()
        if not found[layer.name]:
            found[layer.name] = True
            into = [block for block in net.blocks_into(layer) if not block.modulatory]
            waiting += [source for block in into for source in net.layers_of(block.source)]
    return found
