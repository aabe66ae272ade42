"""The AUC is scikit-learn's; the table folds it at chance."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

import cntgraph as cg
from cntgraph.dynamics.separation import auc

# Few distinct values, so that many are tied.
networks = st.lists(
    st.tuples(st.sampled_from([-1e300, -1.0, 0.0, 1e-300, 0.5, 0.5, 2.0]), st.booleans()),
    min_size=2,
    max_size=40,
)


@given(networks)
def test_auc_is_that_of_scikit_learn(pairs):
    values, group = (np.array(column) for column in zip(*pairs, strict=True))
    if group.all() or not group.any():
        assert np.isnan(auc(values, group))
    else:
        assert auc(values, group) == pytest.approx(roc_auc_score(group, values), abs=1e-12)


@given(st.integers(0, 10**6))
def test_auc_of_many_networks(seed):
    rng = np.random.default_rng(seed)
    group = rng.random(300) < 0.3
    values = rng.normal(size=300).round(int(rng.integers(0, 4))) + 0.4 * group
    assert auc(values, group) == pytest.approx(roc_auc_score(group, values), abs=1e-12)


def test_networks_without_a_finite_value_are_left_out():
    values, group = [1, 2, np.nan, 3, -np.inf, np.inf], [False, False, True, True, False, True]
    assert auc(values, group) == auc([1, 2, 3], [False, False, True]) == 1.0
    assert np.isnan(auc([1, np.nan], [False, True]))
    assert np.isnan(auc([], []))


@pytest.mark.parametrize("values", [[1.0, 2.0, 3.0], [[1.0, 2.0]], 1.0])
def test_shapes_that_do_not_match(values):
    with pytest.raises(cg.CntGraphError, match="one value and one group a network"):
        auc(values, [True, False])


def table(n=60, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(n):
        accuracy = rng.choice([0.1, 0.3, 0.4, 0.6, 0.8, 0.9, 1.0])
        rows += [
            {"snapshot": k, "layer": layer, "accuracy": accuracy, "up": accuracy + 0.2 * noise,
             "down": -accuracy + 0.2 * noise, "flat": 7.0, "empty": np.nan}
            for layer, noise in zip(["fc2", "fc1"], rng.normal(size=2), strict=True)
        ]  # fmt: skip
    return pd.DataFrame(rows)


def test_table_of_layers_and_measures():
    networks = table()
    found = cg.separation_auc(networks, ["up", "down", "flat", "empty"])
    assert found.index.tolist() == ["fc2", "fc1"]
    assert found.index.name == "layer"
    # 0.8 and 0.4 themselves are between the groups.
    judged = networks[(networks.accuracy > 0.8) | (networks.accuracy < 0.4)]
    for layer, part in judged.groupby("layer"):
        for measure in ("up", "down"):
            expected = roc_auc_score(part.accuracy > 0.8, part[measure])
            expected = max(expected, 1 - expected)
            assert found.loc[layer, measure] == pytest.approx(expected, abs=1e-12)
    assert (found[["up", "down"]] > 0.9).all(axis=None)
    assert (found["flat"] == 0.5).all()
    assert found["empty"].isna().all()


def test_other_groups():
    networks = table().rename(columns={"accuracy": "score"})
    found = cg.separation_auc(networks, ["up"], by="score", above=0.5, below=0.5)
    expected = roc_auc_score(networks.score > 0.5, networks.up)
    parts = [roc_auc_score(p.score > 0.5, p.up) for _, p in networks.groupby("layer", sort=False)]
    assert found["up"].tolist() == pytest.approx(parts)
    assert min(parts) < expected < max(parts)


def test_a_group_without_networks():
    found = cg.separation_auc(table(), ["up"], above=2.0)
    assert found["up"].isna().all()
    nobody = cg.separation_auc(table(), ["up"], above=2.0, below=-1.0)
    assert nobody.shape == (0, 1)


def test_nothing_is_changed():
    networks = table()
    before = networks.copy()
    cg.separation_auc(networks, ["up"])
    pd.testing.assert_frame_equal(networks, before)


@pytest.mark.parametrize(
    ("options", "missing"),
    [({"measures": ["up", "sideways"]}, "sideways"), ({"measures": ["up"], "by": "loss"}, "loss")],
)
def test_columns_that_are_not_there_are_named(options, missing):
    with pytest.raises(cg.CntGraphError, match=rf"expected columns \['{missing}'\].*'accuracy'"):
        cg.separation_auc(table(), **options)
