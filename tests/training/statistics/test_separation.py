"""The AUC is scikit-learn's, folded in one table; statistics of the other are scipy's."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import cntgraph as cg
from cntgraph.training.statistics.separation import MEASURES, auc, separation

# Few distinct values, so that many are tied.
networks = st.lists(
    st.tuples(st.sampled_from([-1e300, -1.0, 0.0, 1e-300, 0.5, 0.5, 2.0]), st.booleans()),
    min_size=2,
    max_size=40,
)


@given(networks)
def test_auc_is_that_of_scikit_learn(pairs):
    from sklearn.metrics import roc_auc_score

    values, group = (np.array(column) for column in zip(*pairs, strict=True))
    if group.all() or not group.any():
        assert np.isnan(auc(values, group))
    else:
        assert auc(values, group) == pytest.approx(roc_auc_score(group, values), abs=1e-12)


@given(st.integers(0, 10**6))
def test_auc_of_many_networks(seed):
    from sklearn.metrics import roc_auc_score

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
    with pytest.raises(cg.CntGraphError, match="one value and one group per network"):
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
    from sklearn.metrics import roc_auc_score

    networks = table()
    found = cg.separation_auc(networks, ["up", "down", "flat", "empty"])
    assert found.index.tolist() == ["fc2", "fc1"]
    assert found.index.name == "layer"
    # 0.8 and 0.3 themselves are between the groups.
    judged = networks[(networks.accuracy > 0.8) | (networks.accuracy < 0.3)]
    for layer, part in judged.groupby("layer"):
        for measure in ("up", "down"):
            expected = roc_auc_score(part.accuracy > 0.8, part[measure])
            expected = max(expected, 1 - expected)
            assert found.loc[layer, measure] == pytest.approx(expected, abs=1e-12)
    assert (found[["up", "down"]] > 0.9).all(axis=None)
    assert (found["flat"] == 0.5).all()
    assert found["empty"].isna().all()


def test_other_groups():
    from sklearn.metrics import roc_auc_score

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


# -- the table of tests --------------------------------------------------------------------------


def judged(seed=0, **options):
    networks = table(80, seed)
    return networks, separation(networks, ["up", "down", "flat", "empty"], below=0.4, **options)


def rows_of(found):
    return found.set_index(["layer", "measure"])


def test_statistics_are_those_of_scipy():
    networks, found = judged()
    assert (
        found.columns.tolist()
        == (
            "layer measure n_above n_below n auc auc_low auc_high cliffs_delta ks ks_p spearman "
            "spearman_p kendall kendall_p p_permutation p_adjusted"
        ).split()
    )
    assert found["layer"].tolist() == ["fc2"] * 4 + ["fc1"] * 4
    for (layer, measure), row in rows_of(found).iterrows():
        if measure not in ("up", "down"):
            continue
        part = networks[networks.layer == layer]
        high = part.loc[part.accuracy > 0.8, measure]
        low = part.loc[part.accuracy < 0.4, measure]
        assert (row["n_above"], row["n_below"], row["n"]) == (len(high), len(low), 80)
        area = stats.mannwhitneyu(high, low).statistic / (len(high) * len(low))
        assert row["auc"] == pytest.approx(area, abs=1e-12)
        assert row["cliffs_delta"] == pytest.approx(
            np.sign(high.to_numpy()[:, None] - low.to_numpy()).mean(), abs=1e-12
        )
        assert tuple(row[["ks", "ks_p"]]) == pytest.approx(stats.ks_2samp(high, low))
        by_rank = stats.spearmanr(part[measure], part.accuracy)
        assert tuple(row[["spearman", "spearman_p"]]) == pytest.approx(by_rank)
        by_pair = stats.kendalltau(part[measure], part.accuracy)
        assert tuple(row[["kendall", "kendall_p"]]) == pytest.approx(by_pair)
        assert row["auc_low"] <= row["auc"] <= row["auc_high"]
        assert row["p_permutation"] == pytest.approx(1 / 1001)


def test_p_values_are_adjusted_over_all_rows():
    rng = np.random.default_rng(0)
    networks = table(50)
    names = [f"noise{k}" for k in range(8)]
    for name in names:
        networks[name] = rng.normal(size=len(networks))
    found = separation(networks, [*names, "up", "empty"], n_resamples=200)
    known = found.dropna(subset="p_permutation")
    assert len(known) == 18
    expected = stats.false_discovery_control(known["p_permutation"])
    np.testing.assert_allclose(known["p_adjusted"], expected)
    assert (known["p_adjusted"] >= known["p_permutation"]).all()
    assert found.loc[found.measure == "empty", "p_adjusted"].isna().all()


def test_constant_and_missing_measures_are_nan():
    _, found = judged()
    flat, empty = (found[found.measure == name] for name in ("flat", "empty"))
    assert flat["n"].tolist() == [80, 80]
    assert empty[["n_above", "n_below", "n"]].to_numpy().tolist() == [[0, 0, 0]] * 2
    for part in (flat, empty):
        assert (
            part.drop(columns=["layer", "measure", "n_above", "n_below", "n"]).isna().all(axis=None)
        )


def test_what_is_not_finite_is_left_out_a_measure_at_a_time():
    networks = table(30)
    networks.loc[networks.index[:6], "up"] = [np.nan, np.inf] * 3
    networks.loc[networks.index[-2:], "accuracy"] = np.nan
    found = rows_of(separation(networks, ["up", "down"]))
    assert found.loc[("fc1", "up"), "n"] == 26
    assert found.loc[("fc1", "down"), "n"] == 29
    cut = networks[np.isfinite(networks.up)]
    alone = rows_of(separation(cut, ["up"]))
    pd.testing.assert_series_equal(
        found.loc[("fc1", "up")].drop("p_adjusted"), alone.loc[("fc1", "up")].drop("p_adjusted")
    )


def test_a_row_does_not_depend_on_the_others():
    networks, found = judged(seed=5)
    alone = separation(networks[networks.layer == "fc1"], ["down"], below=0.4)
    expected = rows_of(found).loc[("fc1", "down")].drop("p_adjusted")
    pd.testing.assert_series_equal(rows_of(alone).iloc[0].drop("p_adjusted"), expected)


def test_the_seed_decides():
    networks = table(40)
    networks["noise"] = np.random.default_rng(0).normal(size=len(networks))
    first, again, other = (
        separation(networks, ["noise"], rng=rng) for rng in (7, np.random.default_rng(7), 8)
    )
    pd.testing.assert_frame_equal(first, again)
    assert (first["p_permutation"] != other["p_permutation"]).any()
    pd.testing.assert_frame_equal(first[["auc_low", "auc_high"]], other[["auc_low", "auc_high"]])


def test_diverged_networks_are_left_out_and_counted():
    networks = table(40).rename(columns={"snapshot": "network"})
    networks["diverged"] = networks["network"].isin([3, 4, 17])
    spoilt = networks.copy()
    spoilt.loc[spoilt.diverged, "up"] = 1e9
    found = separation(spoilt, ["up"])
    expected = separation(networks[~networks.diverged], ["up"])
    assert found.attrs["n_diverged"] == 3
    assert expected.attrs["n_diverged"] == 0
    pd.testing.assert_frame_equal(found, expected)
    assert separation(spoilt.drop(columns="network"), ["up"]).attrs["n_diverged"] == 3
    assert separation(spoilt.drop(columns="diverged"), ["up"]).attrs["n_diverged"] == 0


def test_a_label_without_groups():
    networks = table(25, seed=2)
    found = rows_of(separation(networks, ["up", "flat"], above=None, below=None))
    row = found.loc[("fc2", "up")]
    assert row[["auc", "auc_low", "auc_high", "cliffs_delta", "ks", "ks_p"]].isna().all()
    assert (row["n_above"], row["n_below"], row["n"]) == (0, 0, 25)
    assert row["spearman"] > 0.7
    assert row["p_permutation"] == pytest.approx(1 / 1001)
    assert np.isnan(found.loc[("fc2", "flat"), "p_permutation"])
    networks["accuracy"] = 0.5
    same = separation(networks, ["up"], above=None, below=None)
    assert same[["spearman", "kendall", "p_permutation", "p_adjusted"]].isna().all(axis=None)


def test_a_label_of_true_and_false():
    networks = table(40)
    networks["good"] = networks.accuracy > 0.5
    found = separation(networks, ["up"], by="good")
    expected = separation(networks, ["up"], above=0.5, below=0.5)
    columns = ["n_above", "n_below", "auc", "auc_low", "ks_p", "p_permutation"]
    pd.testing.assert_frame_equal(found[columns], expected[columns])
    assert (found["n_above"] + found["n_below"]).tolist() == [40, 40]


def test_without_resampling():
    _, found = judged(n_resamples=0)
    assert found[["p_permutation", "p_adjusted"]].isna().all(axis=None)
    assert found["auc"].notna().sum() == 4


def test_a_group_that_is_empty():
    found = separation(table(), ["up"], above=2.0)
    assert found["auc"].isna().all()
    assert (found["n_below"] > 0).all()
    assert found["spearman"].notna().all()


def test_the_measures_that_the_papers_compare():
    with cg.open(cg.demo_file("population")) as population:
        networks = population.analyze()
    found = separation(networks, n_resamples=99)
    assert found["measure"].unique().tolist() == list(MEASURES)
    assert len(found) == networks["layer"].nunique() * len(MEASURES)
    assert found.set_index(["layer", "measure"]).loc[("input", "link_weight_mean"), "n"] == 0
    folded = cg.separation_auc(networks, ["fluctuation"], below=0.3)["fluctuation"]
    area = found[found.measure == "fluctuation"].set_index("layer")["auc"]
    np.testing.assert_allclose(np.maximum(area, 1 - area), folded)


def test_an_empty_table():
    found = separation(table(3).iloc[:0].assign(diverged=False), ["up"])
    assert len(found) == 0
    assert "p_adjusted" in found
    assert found.attrs["n_diverged"] == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"measures": ["sideways"]}, r"expected columns \['sideways'\]"),
        ({"by": "loss"}, r"expected columns \['loss'\]"),
        ({"measures": None}, "expected columns with measures"),
        ({"above": None}, "above and below, or neither; got None and 0.3"),
        ({"above": 0.2}, "below to be at most above; got 0.3 and 0.2"),
        ({"n_resamples": -1}, "0 or more, got -1"),
        ({"confidence": 95}, "between 0 and 1, got 95"),
        ({"measures": ["name"]}, "a column of numbers for name"),
    ],
)
def test_options_that_make_no_sense(options, message):
    networks = table(5).assign(name="a")
    with pytest.raises(cg.CntGraphError, match=message):
        separation(networks, **{"measures": ["up"]} | options)


@pytest.mark.parametrize("n", [999, 1100])
def test_groups_of_hundreds_have_p_values_without_a_warning(n):
    rng = np.random.default_rng(n)
    networks = pd.DataFrame({"layer": "fc", "accuracy": np.arange(n) % 2, "up": rng.normal(size=n)})
    row = separation(networks, ["up"], n_resamples=20).iloc[0]
    assert row["n_above"] == n // 2
    assert 0 < row["ks_p"] < 1
