import numpy as np
import pandas as pd
import pytest
from oracles import loops
from oracles.nets import nets, random_net

import cntgraph as cg
from cntgraph.adapters.builder import Builder
from cntgraph.core.recipe import Recipe

NETS = nets()
COLUMNS = ["source", "target", "kind", "n_weights", "mean", "std", "skew", "kurtosis", "min", "max",
           "zero_fraction", "n_nan", "n_inf"]  # fmt: skip


@pytest.fixture(params=NETS)
def net(request):
    return NETS[request.param]


@pytest.mark.parametrize("bias", [False, True])
def test_moments_are_those_of_the_stored_weights(net, bias):
    table = cg.link_weights(net, bias=bias)
    parametric = [block for block in net.blocks if block.parametric]
    assert table.index.tolist() == [block.name for block in parametric]
    assert table.index.name == "block"
    assert table.columns.tolist() == COLUMNS
    for block in parametric:
        row, values = table.loc[block.name], block.weight.read().reshape(-1).tolist()
        if bias and block.bias is not None:
            values += block.bias.read().reshape(-1).tolist()
        found = row[["n_weights", "mean", "std", "skew", "kurtosis"]].tolist()
        assert found == pytest.approx(loops.moments(values), rel=1e-6, abs=1e-6)
        assert (row["min"], row["max"]) == (min(values), max(values))
        assert row["kind"] == block.kind


def test_sources_and_targets_are_layers():
    table = cg.link_weights(random_net(0))
    assert table.loc["conv3", "source"] == "conv1, sum"
    assert table.loc["conv2", "target"] == "sum"
    assert table.loc["norm", ["source", "target", "kind"]].tolist() == ["pool", "norm", "diagonal"]


def test_zeros_nan_and_infinity_are_counted():
    builder = Builder()
    values = np.array([[0.0, 1.0, np.nan, -3.0], [np.inf, 0.0, -np.inf, 2.0]], np.float32)
    weight = Recipe.of(builder.parameter(cg.Parameter.from_array("fc.weight", values)))
    builder.output(builder.linear("fc", builder.input("input", (4,)), weight, None))
    row = cg.link_weights(builder.finish()).loc["fc"]
    assert row[["n_weights", "zero_fraction", "n_nan", "n_inf"]].tolist() == [8, 0.25, 1, 2]
    assert row[["mean", "min", "max"]].tolist() == pytest.approx([0.0, -3.0, 2.0], abs=1e-15)


def test_a_folded_scaling_is_in_the_weights():
    builder = Builder()
    weight = builder.parameter(cg.Parameter.from_array("fc.weight", np.array([[1.0, -2.0]])))
    ids = builder.linear("fc", builder.input("input", (2,)), Recipe.of(weight), None)
    builder.output(builder.scale("scale", ids, Recipe.constant(10.0), None, parametric=False))
    row = cg.link_weights(builder.finish()).loc["fc"]
    assert row[["min", "max"]].tolist() == [-20.0, 10.0]


def test_nothing_learned():
    layers = (cg.Layer("a", (2,), "input", 0),)
    table = cg.link_weights(cg.Network(layers, ()))
    assert table.columns.tolist() == COLUMNS
    assert table.empty


def test_types(net):
    table = cg.link_weights(net)
    assert all(pd.api.types.is_float_dtype(table[c]) for c in ("mean", "std", "min", "max"))
    assert all(pd.api.types.is_integer_dtype(table[c]) for c in ("n_weights", "n_nan", "n_inf"))
