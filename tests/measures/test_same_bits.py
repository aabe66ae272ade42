"""Measures that read weights have the same bits on any number of threads.

Where weights are read in other parts, sums are added up in another order: then they are the same
to rounding.
"""

import numpy as np
import pytest
import torch
from torch import nn

import cntgraph as cg
from cntgraph.core.recipe import Recipe, chunks, matrix_sums
from cntgraph.measures.survey import layer_bins, survey_layers
from cntgraph.network import each_block
from cntgraph.network.blocks import row_column_sums


class Everything(nn.Module):
    """A kind of layer each: what is folded, transposed, shared, grouped, and in a loop."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24)
        self.depthwise, self.other = nn.Conv2d(24, 24, 3, 2, 1, groups=24), nn.BatchNorm2d(24)
        self.up = nn.ConvTranspose2d(24, 24, 2)
        self.gain, self.attention = nn.LayerNorm(24), nn.MultiheadAttention(24, 4, batch_first=True)
        self.behind, self.mix = nn.LayerNorm(24), nn.Linear(24, 24)
        self.loop, self.head = nn.GRU(24, 20, batch_first=True), nn.Linear(20 * 25, 37)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x)))
        x = self.up(torch.relu(self.other(self.depthwise(x))))
        x = x.flatten(2).transpose(1, 2)
        y = self.gain(x)
        x = x + self.attention(y, y, y)[0]
        x = x + torch.relu(self.mix(self.behind(x)))
        return self.head(self.loop(x)[0].flatten(1))


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    model = Everything().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return cg.load(model, input_shape=(3, 8, 8))


def surveyed(net):
    rows, counts = survey_layers(net, layer_bins(net))
    return [counts, *([v for v in row.values() if isinstance(v, float)] for row in rows)]


def profiled(net):
    cheap = ["node_strength", "degree", "disparity", "participation_ratio", "pagerank"]
    table = cg.cnt_profile(net, measures=cheap, sign="absolute")
    return table.drop(columns="seconds").select_dtypes("number")


MEASURES = {
    "node_strength": cg.node_strength,
    "of another transform": lambda net: cg.node_strength(net, transform="square", edges="all"),
    "analyze": lambda net: cg.analyze(net).select_dtypes("number"),
    "analyze by channel": lambda net: cg.analyze(
        net, granularity="channel", aggregation="l2"
    ).select_dtypes("number"),
    "layer_fluctuation": cg.layer_fluctuation,
    "link_weights": lambda net: cg.link_weights(net).select_dtypes("number"),
    "disparity": lambda net: cg.disparity(net, sign="absolute"),
    "participation_ratio": cg.participation_ratio,
    "average_neighbor_strength": lambda net: cg.average_neighbor_strength(net, sign="absolute"),
    "strength_correlation": lambda net: cg.strength_correlation(net).select_dtypes("number"),
    "pagerank": lambda net: cg.pagerank(net, sign="absolute"),
    "katz_centrality": lambda net: cg.katz_centrality(net, sign="absolute"),
    "survey": surveyed,
    "profile": profiled,
}


def numbers(found):
    parts = found if isinstance(found, list) else [found]
    return [np.asarray(part, dtype=np.float64) for part in parts]


def read_in_parts_of(monkeypatch, nbytes):
    for module in (chunks, row_column_sums):
        monkeypatch.setattr(module, "CHUNK_BYTES", nbytes)
    for module in (row_column_sums, matrix_sums):
        monkeypatch.setattr(module, "_PART", nbytes)
    monkeypatch.setattr(matrix_sums, "_FEW", 0)
    monkeypatch.setattr(chunks.chunks_of, "__defaults__", (nbytes, 0))
    monkeypatch.setattr(Recipe.chunks, "__defaults__", (nbytes, 0))


@pytest.mark.parametrize("name", MEASURES)
def test_threads_change_no_bit_and_parts_no_more_than_rounding(name, net, monkeypatch):
    usual = numbers(MEASURES[name](net))
    # Each block by itself, whose parts are spread over threads; or several blocks at a time.
    for nbytes, large in ((500, 0), (3000, 1 << 26)):
        read_in_parts_of(monkeypatch, nbytes)
        monkeypatch.setattr(each_block, "_LARGE", large)
        monkeypatch.setattr(each_block, "_MANY", 0)
        found = []
        for threads in ("1", "2", "3"):
            monkeypatch.setenv("CNTGRAPH_NUM_THREADS", threads)
            found.append(numbers(MEASURES[name](net)))
        assert len({b"".join(part.tobytes() for part in parts) for parts in found}) == 1
        for ours, theirs in zip(found[0], usual, strict=True):
            if name == "survey" and ours.ndim == 2:
                # A value on the edge of a bin falls on either side.
                ours, theirs = ours.sum(axis=1), theirs.sum(axis=1)
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_weights_are_read_in_several_parts(net, monkeypatch):
    read_in_parts_of(monkeypatch, 500)
    weights = [block.weight for block in net.blocks if block.weight is not None]
    several = [weight for weight in weights if len(list(weight.chunks())) > 1]
    assert len(several) > len(weights) / 2
