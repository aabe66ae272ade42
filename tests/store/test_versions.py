"""Files are of the oldest version that has what they need, and are read in any."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

import cntgraph as cg
from cntgraph.core.recipe import Recipe
from cntgraph.network.network import Network
from cntgraph.store.reader import StoreFile


class Computed(torch.nn.Module):
    """A layer whose weight is the softmax of a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(3, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight.softmax(1).T


def version(path: Path) -> int:
    with h5py.File(path) as file:
        return int(file.attrs["format_version"])


def with_weight(change: str) -> Network:
    net = cg.toy("mlp")
    weight = net.blocks[0].weight
    assert weight is not None
    made = {
        "none": lambda w: w,
        "as ever": lambda w: (w - w.sum((1,))).square() * 2.0,
        "a curve": lambda w: w.unary("exp"),
        "a product": lambda w: w.reshape((1, *w.shape)) @ Recipe.constant(np.eye(w.shape[-1])),
        "shared": doubled,
    }[change](weight)  # type: ignore[no-untyped-call]
    first = replace(net.blocks[0], weight=made.reshape(weight.shape))
    return replace(net, blocks=(first, *net.blocks[1:]))


def doubled(recipe: Recipe) -> Recipe:
    for _ in range(30):
        recipe = (recipe + recipe) * 0.5
    return recipe


@pytest.mark.parametrize(
    ("change", "expected"),
    [("none", 1), ("as ever", 1), ("a curve", 3), ("a product", 3), ("shared", 3)],
)
def test_the_oldest_version_that_will_do(path: Path, change: str, expected: int) -> None:
    net = with_weight(change)
    cg.save(net, path)
    assert version(path) == expected
    ours, theirs = net.blocks[0].weight, cg.load(path).blocks[0].weight
    assert ours is not None
    assert theirs is not None
    assert np.array_equal(ours.read(), theirs.read())
    assert StoreFile(path).measures is None


def test_snapshots_of_a_training_are_of_version_5(path: Path) -> None:
    cg.save([cg.toy("mlp")] * 2, path)
    assert version(path) == 5
    cg.save([cg.toy("mlp")], path, overwrite=True)
    assert version(path) == 1


@pytest.mark.usefixtures("groups")
@pytest.mark.parametrize("store", ["parameters", "measures", "both"])
def test_measures_of_weights_that_are_computed(path: Path, store: str) -> None:
    model = Computed()
    recorder = cg.Recorder(path, model, input_shape=(4,), store=store)
    expected = []
    for k in range(3):
        recorder(step=k)
        expected.append(cg.analyze(cg.load(model, input_shape=(4,))))
        with torch.no_grad():
            model.weight.mul_(2.0)
    assert version(path) == 3
    opened = StoreFile(path)
    assert (opened.measures is None) == (store == "parameters")
    for k, table in enumerate(expected):
        found = (cg.analyze(cg.open(path)[k]) if opened.measures is None
                 else opened.measures.table(k, opened.topology.layers))  # fmt: skip
        pd.testing.assert_frame_equal(found, table)
    cg.repack(path, path.with_name("newest.h5"))
    assert version(path.with_name("newest.h5")) == 5
    spread = [table["link_weight_std"].iloc[1] for table in expected]
    assert len(set(spread)) == 3
