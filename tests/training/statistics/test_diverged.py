"""What counts as diverged: not finite, or beyond a bound that is recomputed here plainly."""

import statistics
import tracemalloc
from math import isfinite, log10

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cntgraph as cg
from cntgraph.core.errors import CntGraphError
from cntgraph.training.statistics.diverged import MAX_DEVIATIONS, MIN_DECADES, diverged


def analyzed(nets):
    tables = [cg.analyze(net).reset_index().assign(network=k) for k, net in enumerate(nets)]
    return pd.concat(tables, ignore_index=True)


def changed(net, change):
    """The same network with other values: `change(name, values)` returns them."""
    tensors = {
        name: cg.Parameter.from_array(name, change(name, p.read()).astype(np.float32))
        for name, p in net.parameters.items()
    }
    return net.bind(tensors, {})


def population(n=9, name="mlp"):
    rng = np.random.default_rng(0)
    net = cg.toy(name)
    return [changed(net, lambda _, v: v * rng.uniform(0.9, 1.1)) for _ in range(n)]


def spoilt(net, tensor, value):
    def change(name, values):
        if name == tensor:
            values = values.copy()
            values.flat[0] = value
        return values

    return changed(net, change)


@pytest.mark.parametrize("tensor", ["fc1.weight", "fc3.weight", "fc2.bias"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(tensor, value):
    nets = population(4)
    nets[2] = spoilt(nets[2], tensor, value)
    found = diverged(analyzed(nets))
    assert found["network"].tolist() == [2]
    assert tensor.partition(".")[0] in found["reason"][0]
    assert "not finite" in found["reason"][0]


def test_nothing_diverged():
    found = diverged(analyzed(population()))
    assert len(found) == 0
    assert found.columns.tolist() == ["network", "reason"]
    assert found["network"].dtype == np.int64


@pytest.mark.parametrize(("factor", "expected"), [(50.0, []), (500.0, [4]), (1e-9, [])])
def test_too_large(factor, expected):
    """A factor of 100 is the bound where networks are alike; smaller is no divergence."""
    nets = population()
    nets[4] = changed(nets[4], lambda name, v: v * factor if name.startswith("fc2") else v)
    found = diverged(analyzed(nets))
    assert found["network"].tolist() == expected
    if expected:
        reason = found["reason"][0]
        assert "link_weight_std of fc2 is" in reason
        assert "fluctuation of fc2 is" in reason
        assert "fc3" not in reason


def test_populations_of_different_scales_have_a_wider_bound():
    """Initializations from 0.001 to 100 are meant: then a factor of 500 is no divergence."""
    scales = 10.0 ** np.linspace(-3, 2, 11)
    nets = [changed(net, lambda _, v, s=s: v * s) for net, s in zip(population(11), scales,
                                                                    strict=True)]  # fmt: skip
    assert not len(diverged(analyzed(nets)))
    nets.append(changed(nets[0], lambda _, v: v * 1e20))
    assert diverged(analyzed(nets))["network"].tolist() == [11]


def test_architectures_are_judged_each_on_its_own():
    """What is normal for one architecture is far beyond the bound of the other."""
    small = population(5)
    large = [changed(net, lambda _, v: v * 1e6) for net in population(5, "cnn")]
    mixed = [net for pair in zip(small, large, strict=True) for net in pair]
    assert not len(diverged(analyzed(mixed)))
    mixed[4] = changed(mixed[4], lambda _, v: v * 1e6)
    assert diverged(analyzed(mixed))["network"].tolist() == [4]


def test_one_network_has_no_bound():
    huge = changed(cg.toy("mlp"), lambda _, v: v * 1e9)
    assert not len(diverged(analyzed([huge])))
    dead = changed(cg.toy("mlp"), lambda _, v: v * 0)
    assert not len(diverged(analyzed([dead, *population(4)])))
    assert not len(diverged(analyzed([dead])))


def test_of_a_trajectory():
    table = analyzed([*population(5), changed(cg.toy("mlp"), lambda _, v: v * 1e4)])
    found = diverged(table.rename(columns={"network": "snapshot"}), network="snapshot")
    assert found["snapshot"].tolist() == [5]


def test_tables_that_lack_a_column():
    with pytest.raises(CntGraphError, match=r"expected columns \['network', 'fluctuation'\]"):
        diverged(analyzed(population(2)).drop(columns=["network", "fluctuation"]))


def plainly(values, layers, kinds):
    """Which values are beyond the bound, from its definition."""
    found = set()
    for k, (value, layer, kind) in enumerate(zip(values, layers, kinds, strict=True)):
        group = [log10(v) for v, one, c in zip(values, layers, kinds, strict=True)
                 if (one, c) == (layer, kind) and isfinite(v) and v > 0]  # fmt: skip
        if not group or not isfinite(value) or value <= 0:
            continue
        center = statistics.median(group)
        spread = 1.4826 * statistics.median([abs(v - center) for v in group])
        if log10(value) - center > max(MAX_DEVIATIONS * spread, MIN_DECADES):
            found.add(k)
    return found


@given(
    st.lists(
        st.tuples(st.floats(-12, 12), st.floats(-12, 12), st.sampled_from([0, 1])),
        min_size=1, max_size=25,
    )
)  # fmt: skip
def test_the_bound(rows):
    """Networks of two layers each, of two architectures."""
    n = len(rows)
    table = pd.DataFrame({
        "network": np.repeat(np.arange(n), 2),
        "layer": ["a", "b"] * n,
        "kind": "dense",
        "shape": [(3,)] * (2 * n),
        "n_edges": np.repeat([kind for *_, kind in rows], 2),
        "n_weights": 3,
        "link_weight_std": [10.0**x for *both, _ in rows for x in both],
        "fluctuation": 1.0,
        "status": "ok",
    })  # fmt: skip
    beyond = plainly(table["link_weight_std"], table["layer"], table["n_edges"])
    assert set(diverged(table)["network"]) == {row // 2 for row in beyond}


def test_no_more_is_held_than_a_few_columns_of_the_table():
    net = cg.toy("mlp")
    weights = np.random.default_rng(0).normal(size=(40_000, net.n_parameters)).astype("f4")
    table = cg.Population.from_matrix(weights, template=net).analyze()
    tracemalloc.start()
    try:
        diverged(table)
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert held < 4 * 8 * len(table)


def test_networks_whose_rows_are_not_together():
    table = analyzed([*population(5), changed(cg.toy("mlp"), lambda _, v: v * 1e4)])
    by_layer = table.iloc[np.arange(len(table)).reshape(6, -1).T.reshape(-1)]
    assert len(diverged(by_layer)) == 1
    assert diverged(by_layer).equals(diverged(table))


@pytest.mark.parametrize("n", [0, 1, 2, 12])
def test_networks_that_are_known_to_be_alike_need_not_be_compared(n):
    nets = population(12)
    nets[4] = changed(nets[4], lambda _, v: v * 1e5)
    nets[7] = spoilt(nets[7], "fc1.weight", np.nan)
    table = analyzed(nets)
    table = table[table["network"] >= 12 - n]
    pd.testing.assert_frame_equal(diverged(table, alike=True), diverged(table))
    assert len(diverged(table)) == (2 if n == 12 else 0)
