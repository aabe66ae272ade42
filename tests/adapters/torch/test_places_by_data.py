"""What the data choose, hide or put elsewhere, beside what only looks as if they did."""

import numpy as np
import pytest
import torch
from oracles.torch_audit import audit, examine
from oracles.torch_checks import same_networks, saved
from torch import nn

import cntgraph as cg
from cntgraph.adapters.tracing import reductions
from cntgraph.core.errors import CoverageWarning


def rand(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


def skipped(net):
    return [entry.name for entry in net.entries if entry.status == "skipped"]


class Attention(nn.Module):
    """Causal attention written out; a sink takes a part of each softmax."""

    def __init__(self):
        super().__init__()
        self.qkv, self.sink = nn.Linear(4, 12), nn.Parameter(torch.randn(1, 1, 1))

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        n = x.shape[1]
        hidden = torch.full((n, n), torch.finfo(x.dtype).min).triu(1)
        scores = q @ k.transpose(1, 2) + hidden
        all_scores = torch.cat([scores, self.sink.expand(len(x), n, 1)], -1)
        top = all_scores.max(-1, keepdim=True).values
        return torch.softmax(all_scores - top, -1)[..., :n] @ v


def test_what_a_mask_hides_stays_hidden_where_a_number_is_subtracted():
    torch.manual_seed(0)
    model, x = Attention(), rand(1, 6, 4)
    _, found = examine(model, x)
    sums = [one for one in found if one[0] == "sub"]
    assert len(sums) == 1
    assert len(sums[0][1]) == 6 * 7 / 2 + 6
    net, _ = audit(model, x)
    # Every position reads the values of those up to itself.
    (passed,) = [b for b in net.blocks_into(net.layer("matmul_2")) if not b.modulatory]
    assert passed.n_edges == 4 * 6 * 7 / 2


@pytest.mark.parametrize(("below", "n_hidden"), [(-100.0, 15), (-99.0, 0)])
def test_a_hundred_below_nothing_hides_as_well(below, n_hidden):
    """Shifted windows (Swin) have such masks; what is more may be a bias."""

    class Windowed(nn.Module):
        def __init__(self):
            super().__init__()
            self.qkv = nn.Linear(4, 12)

        def forward(self, x):
            q, k, v = self.qkv(x).chunk(3, -1)
            mask = torch.full((6, 6), below).triu(1)
            return torch.softmax(q @ k.transpose(1, 2) + mask, -1) @ v

    net = cg.load(Windowed(), example_input=rand(1, 6, 4))
    (passed,) = [b for b in net.blocks_into(net.layer("matmul_2")) if not b.modulatory]
    assert passed.n_edges == 4 * (36 - n_hidden)


class Codebook(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode, self.decode = nn.Linear(4, 3), nn.Linear(3, 2)
        self.entries = nn.Embedding(5, 3)

    def forward(self, x):
        z = self.encode(x)
        far = (z[:, :, None] - self.entries.weight).square().sum(-1)
        return self.decode(self.entries(far.argmin(-1)))


def test_the_entries_of_a_codebook_are_what_the_data_choose_from():
    net = cg.load(Codebook(), example_input=rand(1, 6, 4))
    assert "entries.weight" not in skipped(net)
    (chosen,) = [b for b in net.blocks if getattr(b, "mode", "") == "choice"]
    assert chosen.n_edges == 6 * 5 * 3


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_distances_are_the_lengths_of_differences(p):
    class Distances(nn.Module):
        def __init__(self, function):
            super().__init__()
            torch.manual_seed(0)
            self.one, self.entries, self.function = nn.Linear(4, 3), nn.Embedding(5, 3), function

        def forward(self, x):
            z = self.one(x)
            return self.function(z, self.entries.weight[None]), self.function(z, z)

    def written_out(x, y):
        return (x[:, :, None] - y[:, None]).norm(p, -1)

    nets = [audit(Distances(f), rand(1, 6, 4), strict=True)[0]
            for f in (lambda x, y: torch.cdist(x, y, p), written_out)]  # fmt: skip
    same_networks(*nets, names=False)


def test_the_nearest_entries_of_a_codebook_are_chosen():
    class Nearest(Codebook):
        def forward(self, x):
            z = self.encode(x)
            return self.decode(self.entries(torch.cdist(z, self.entries.weight[None]).argmin(-1)))

    net = cg.load(Nearest(), example_input=rand(1, 6, 4))
    assert skipped(net) == []
    (chosen,) = [b for b in net.blocks if getattr(b, "mode", "") == "choice"]
    assert chosen.n_edges == 6 * 5 * 3


class Residual(nn.Module):
    """Entries that are means of what chose them, and what is left is looked up again (Encodec)."""

    def __init__(self):
        super().__init__()
        self.encode, self.decode = nn.Linear(4, 3), nn.Linear(3, 2)
        self.register_buffer("total", torch.rand(5, 3))
        self.register_buffer("used", torch.rand(5) + 1)

    def forward(self, x):
        entries = self.total / self.used.clamp(min=1e-5)[:, None]

        def nearest(z):
            return nn.functional.embedding(torch.cdist(z, entries[None]).argmin(-1), entries)

        z = self.encode(x)
        first = nearest(z)
        return self.decode(first + nearest(z - first))


def test_entries_that_nobody_trains_are_chosen_as_well():
    model = Residual()
    net = cg.load(model, example_input=rand(1, 6, 4))
    (entries,) = [layer for layer in net.layers if layer.kind == "learned"]
    values = (model.total / model.used[:, None]).double().T.numpy().reshape(-1)
    np.testing.assert_allclose(net.bias()[entries.slice], values, rtol=1e-6)
    chosen = [b for b in net.blocks if getattr(b, "mode", "") == "choice"]
    assert [block.n_edges for block in chosen] == [6 * 5 * 3] * 2
    assert not [
        entry for entry in net.entries if entry.kind == "operation" and "cut" in entry.reason
    ]


class Anchored(nn.Module):
    """What is best of eight is moved: a table that is kept, or one that is made."""

    def __init__(self, *, kept):
        super().__init__()
        self.score, self.move, self.kept = nn.Linear(4, 8), nn.Linear(4, 2), kept
        self.register_buffer("anchors", torch.rand(8, 2))

    def forward(self, x):
        anchors = self.anchors if self.kept else torch.arange(1.0, 17.0).reshape(8, 2)
        return anchors[self.score(x)[0].topk(3)[1]] + self.move(x)


@pytest.mark.parametrize("kept", [True, False])
def test_a_table_too_large_to_choose_from_is_cut(kept, monkeypatch):
    model = Anchored(kept=kept)
    net = cg.load(model, example_input=rand(1, 4))
    chosen = [block.n_edges for block in net.blocks if getattr(block, "mode", "") == "choice"]
    assert 8 * 3 * 2 in chosen
    monkeypatch.setattr(reductions, "MOST_CHOICES", 3 * 8 - 1)
    with pytest.warns(CoverageWarning, match="the data choose"):
        net = cg.load(model, example_input=rand(1, 4))
    assert not [block for block in net.blocks if getattr(block, "mode", "") == "choice"]


def test_more_differences_than_are_a_layer_are_cut():
    class Far(nn.Module):
        def forward(self, x):
            return torch.cdist(x, x) * 2

    with pytest.warns(CoverageWarning, match="its 8,000,000 differences"):
        cg.load(Far(), example_input=torch.zeros(1, 2000, 2))


def test_an_entry_is_chosen_among_too_many_to_draw_edges_from_each():
    class Largest(nn.Module):
        def forward(self, x):
            return x.flatten(1).topk(4000, dim=1).values * 2

    with pytest.warns(CoverageWarning):
        net = cg.load(Largest(), example_input=torch.zeros(1, 3, 64, 64))
    assert skipped(net) == ["topk"]
    assert "the data choose 4,000 of 12,288" in {e.name: e.reason for e in net.entries}["topk"]


class Positions(nn.Module):
    """Positions have no axis for samples: their numbers are of another length."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(4, 3), nn.Linear(2, 3)

    def forward(self, x, places):
        return self.one(x) + self.two(places)


def test_an_input_of_another_length_has_no_samples():
    net, checked = audit(Positions(), rand(1, 6, 4), rand(6, 2))
    assert [x.shape for x in net.layers if x.is_input] == [(6, 4), (6, 2)]
    assert checked >= 2


class Rows(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(3, 3)

    def forward(self, x, hidden):
        return self.cell(x[0], hidden[0])[None]


def test_a_step_of_many_rows_is_a_step_of_each():
    model = Rows()
    one = cg.load(model, example_input=(rand(1, 1, 3), rand(1, 1, 3)), strict=True)
    net = cg.load(model, example_input=(rand(1, 5, 3), rand(1, 5, 3)), strict=True)
    n_learned, n_expected = (sum(b.n_edges for b in found.blocks if b.parametric)
                             for found in (net, one))  # fmt: skip
    assert n_learned == 5 * n_expected == 5 * model.cell.weight_ih.numel() * 2


class Overlapping(nn.Module):
    """Windows that overlap, as a change of strides: local attention does so."""

    def __init__(self, turned):
        super().__init__()
        self.turned, self.one, self.two = turned, nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        y = self.one(x)
        if self.turned:  # how the values lie in memory is not their order
            y = y.reshape(1, 4, 2, 4).transpose(1, 2).contiguous().transpose(1, 2)
            y = y.as_strided((1, 2, 3, 4), (32, 16, 4, 1))
        else:
            y = y.as_strided((1, 3, 4, 4), (32, 8, 4, 1))
        return self.two(y)


@pytest.mark.parametrize("turned", [False, True])
def test_strides_may_show_what_lies_in_memory(turned):
    net, checked = audit(Overlapping(turned), rand(1, 8, 4), strict=True)
    assert checked >= 2
    assert net.layer("two").n_nodes == (12 if turned else 24)


class Unturned(nn.Module):
    """The strides that are asked for are those of an order in which the values do not lie."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(6, 6), nn.Linear(6, 2)

    def forward(self, x):
        turned = self.one(x).reshape(1, 2, 3).transpose(1, 2)
        return self.two(turned.as_strided((1, 3, 2), (6, 2, 1)).reshape(1, 6))


@pytest.mark.parametrize(
    ("model", "shape"),
    [(Overlapping(False), (8, 4)), (Overlapping(True), (8, 4)), (Unturned(), (6,))],
    ids=["overlapping", "turned", "turned back"],
)
def test_a_saved_program_knows_how_values_lie_in_memory(model, shape, tmp_path):
    model.double().input_shape = shape
    net, checked = audit(model, rand(1, *shape).double(), strict=True)
    assert checked >= 2
    same_networks(net, cg.load(saved(model, tmp_path / "model.pt2"), strict=True))


class BeyondItself(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(6, 6), nn.Linear(3, 2)

    def forward(self, x):
        return self.two(self.one(x)[:, :3].as_strided((1, 3), (6, 1), 3))


def test_memory_beyond_what_is_followed_cuts_the_graph(tmp_path):
    model = BeyondItself()
    model.input_shape = (6,)
    file = saved(model.double(), tmp_path / "model.pt2")
    for given in (model, file):
        with pytest.warns(CoverageWarning, match="as_strided"):
            net = cg.load(given, input_shape=(6,))
        assert net.coverage["reason"].str.contains("more of the memory").any()


class WrittenInto(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3, 2))

    def forward(self, x):
        return x @ torch.full((3, 2), 0.5).add_(self.weight)


def test_weights_that_are_added_to_a_constant_in_place_are_added_once():
    net = cg.load(WrittenInto(), example_input=rand(1, 3), strict=True)
    assert cg.node_strength(net)[-2:].tolist() == [4.5, 4.5]


class Scattered(nn.Module):
    """A linear map of a given graph: rows of its weight are added up by its edges."""

    def __init__(self):
        super().__init__()
        self.weight, self.one = nn.Parameter(torch.randn(4, 3)), nn.Linear(4, 3)

    def forward(self, x):
        places = torch.tensor([0, 2, 2, 1])[:, None].expand(-1, 3)
        total = self.weight.new_zeros(3, 3).scatter_add_(0, places, self.weight)
        return self.one(x) @ total


def test_weights_may_be_added_up_at_places():
    model = Scattered()
    net = cg.load(model, example_input=rand(1, 4), strict=True)
    kept = model.weight.detach().double().numpy()
    expected = np.zeros((3, 3))
    np.add.at(expected, [0, 2, 2, 1], kept)
    (block,) = [b for b in net.blocks if "weight" in {p.name for p in b.parameters()}]
    np.testing.assert_allclose(block.to_csr().toarray(), expected, rtol=1e-6)


class Timed(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(3, 4), nn.Linear(2, 4)

    def forward(self, x, time):
        time = time * torch.ones(len(x), dtype=time.dtype)
        angles = time[:, None].float() * torch.tensor([0.5, 0.25])
        return self.one(x) + self.two(angles)


def test_a_time_may_be_repeated_for_each_sample():
    net = cg.load(Timed(), example_input=(rand(1, 3), torch.tensor([7])), strict=True)
    assert [x.name for x in net.layers if x.is_input] == ["x", "time"]


@pytest.mark.parametrize("how", ["pad", "cat", "where"])
def test_tokens_may_be_padded(how):
    class Padded(nn.Module):
        def __init__(self):
            super().__init__()
            self.rows, self.one = nn.Embedding(9, 4), nn.Linear(4, 2)

        def forward(self, tokens):
            if how == "pad":
                tokens = nn.functional.pad(tokens, (0, 3), value=1)
            elif how == "cat":
                tokens = torch.cat([tokens, torch.tensor([[1, 1, 1]])], 1)
            else:
                tokens = torch.where(torch.arange(6) < 3, tokens.repeat(1, 2), 1)
            return self.one(self.rows(tokens))

    net, checked = audit(Padded(), torch.tensor([[3, 4, 5]]), strict=True)
    assert net.layer("one").shape == (2, 6)
    assert [layer.n_nodes for layer in net.layers if layer.kind == "learned"] == [4]
    assert checked >= 2


class Left(nn.Module):
    """A number below zero stands for what is left out, and no table has an entry of it."""

    def __init__(self, token, least):
        super().__init__()
        self.token, self.least = token, least
        self.rows, self.one = nn.Embedding(20, 4), nn.Linear(4, 2)

    def forward(self, tokens):
        tokens = torch.where(torch.arange(3) < 2, tokens, self.token)
        return self.one(self.rows(tokens.clamp(min=self.least)))


@pytest.mark.parametrize("token", [-1, -100])
@pytest.mark.parametrize("least", [0, 3])
def test_a_token_below_zero_is_what_it_is_made(token, least):
    net, _ = audit(Left(token, least), torch.tensor([[3, 4, 5]]), strict=True)
    (row,) = [layer for layer in net.layers if layer.kind == "learned"]
    assert row.n_nodes == 4
    n_edges = sum(b.n_edges for b in net.blocks if net.layers[0] in net.layers_of(b.source))
    assert n_edges == 2 * 20 * 4


def test_edges_that_are_an_input_are_cut_with_what_to_do():
    class Messages(nn.Module):
        def forward(self, x, to):
            return x.new_zeros(1, 3, 4).index_add_(1, to, x) * 2

    model, given = Messages(), (rand(1, 3, 4), torch.tensor([0, 2, 2]))
    with pytest.warns(CoverageWarning, match="batched=False"):
        cg.load(model, example_input=given)
    net = cg.load(model, example_input=given, batched=False, strict=True)
    assert net.n_edges == 3 * 4 + 3 * 4


class Hard(nn.Module):
    """A hard choice whose gradient is that of the soft one."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(4, 5), nn.Linear(5, 2)

    def forward(self, x):
        soft = self.one(x).softmax(-1)
        hard = torch.zeros_like(soft).scatter_(-1, soft.argmax(-1, keepdim=True), 1.0)
        return self.two(hard - soft.detach() + soft)


def test_what_is_chosen_is_no_plain_number():
    with pytest.warns(CoverageWarning):
        net, _ = audit(Hard(), rand(1, 4), strict=False)
    assert skipped(net) == ["sub"]


def test_a_constant_may_be_convolved():
    class Convolved(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(4, 3), nn.Conv1d(1, 1, 2)

        def forward(self, x):
            return self.one(x) + self.two(torch.arange(4.0).reshape(1, 1, 4)).flatten(1)

    net, _ = audit(Convolved(), rand(1, 4), strict=True)
    assert net.n_edges == 12


@pytest.mark.parametrize(("function", "reason"), [
    (lambda x: torch.pdist(x[0]), "a distance is not linear"),
    (lambda x: torch.fft.fft(x).angle(), "complex numbers"),
    (lambda x: torch.linalg.solve_triangular(torch.eye(3)[None] + x.tril(-1), x, upper=False),
     "it solves equations"),
    (lambda x: nn.functional.grid_sample(x[:, None], x[:, None, :, :2], align_corners=False),
     "the data say where it reads"),
])  # fmt: skip
def test_what_has_no_edges_is_named(function, reason):
    class Of(nn.Module):
        def forward(self, x):
            return function(x) * 2

    with pytest.warns(CoverageWarning):
        net = cg.load(Of(), example_input=rand(1, 3, 3))
    assert reason in " ".join(e.reason for e in net.entries if e.status == "skipped")


class NextBest(nn.Module):
    """A router that takes the best expert away to find the next (PhiMoE)."""

    def __init__(self):
        super().__init__()
        self.router, self.values = nn.Linear(4, 5), nn.Linear(5, 2)

    def forward(self, x):
        scores = self.router(x)
        best = scores.argmax(-1, keepdim=True)
        return self.values(scores.scatter(-1, best, float("-inf")).softmax(-1))


def test_what_the_data_hide_stays():
    net = cg.load(NextBest(), example_input=rand(1, 4), strict=True)
    assert net.n_edges == 4 * 5 + 5 * 2


class Unless(nn.Module):
    """A learned vector in the place of what is missing."""

    def __init__(self):
        super().__init__()
        self.one, self.instead = nn.Linear(4, 4), nn.Parameter(torch.ones(4))

    def forward(self, x):
        return self.one(torch.where(x.isnan(), self.instead, x))


def test_weights_that_stand_where_data_are_missing_are_nodes():
    net = cg.load(Unless(), example_input=rand(1, 4), strict=True)
    assert next(layer.kind for layer in net.layers if not layer.is_input) == "learned"
    assert net.n_edges == 4 + 4 + 16


def test_where_something_is_written_is_not_what_is_written():
    """A mask that is written at places of which nothing is known stays a mask."""

    class Kept(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Linear(4, 4)

        def forward(self, x):
            y = self.one(x)
            keep = torch.zeros(4, dtype=torch.bool)
            keep[torch.bucketize(y[0], torch.tensor([0.0, 1.0]))] = True
            return y[:, torch.where(keep)[0]]

    with pytest.warns(CoverageWarning):
        net = cg.load(Kept(), example_input=rand(1, 4))
    assert "bucketize" in " ".join(e.reason for e in net.entries if e.status == "skipped")
