"""compare: the numbers of NumPy on whole matrices, whatever the parts; every block has a row."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles.changed import changed, numbers, weights_of
from oracles.nets import nets

import cntgraph as cg
from cntgraph.core.errors import CntGraphError
from cntgraph.core.recipe import Recipe
from cntgraph.training.change import weight_change
from cntgraph.training.change.effective_rank import Gram

NETS = nets()
WEIGHTS = ["change", "cosine", "sign_flips", "effective_rank"]


@pytest.fixture(scope="module", params=NETS)
def pair(request):
    return NETS[request.param], changed(NETS[request.param])


def test_weights_change_as_numpy_says(pair):
    a, b = pair
    table = cg.compare(a, b)
    assert list(table.index) == [block.name for block in a.select_blocks("parametric")]
    assert (table["status"] == "ok").all()
    assert (table["matched"] == "name").all()
    for name, row in table.iterrows():
        expected = numbers(weights_of(a, name), weights_of(b, name))
        if row["kind"] not in ("dense", "conv"):
            expected["effective_rank"] = np.nan
            assert "no matrix" in row["why"]
        np.testing.assert_allclose([row[key] for key in WEIGHTS],
                                   [expected[key] for key in WEIGHTS], rtol=1e-6)  # fmt: skip


def test_strengths_change_as_those_of_the_nodes(pair):
    a, b = pair
    table = cg.compare(a, b, n_nodes=4)
    strengths = [net.split(cg.node_strength(net)) for net in pair]
    spread = [cg.layer_fluctuation(net) for net in pair]
    for _, row in table.iterrows():
        before, after = (found[row["layer"]].ravel() for found in strengths)
        change = np.linalg.norm(after - before) / np.linalg.norm(before)
        ratio = spread[1][row["layer"]] / spread[0][row["layer"]] - 1
        found = [row["strength_change"], row["fluctuation_change"], row["divergence"]]
        np.testing.assert_allclose(found, [change, ratio, cg.divergence(before, after)], rtol=1e-9)
        most = np.argsort(-np.abs(after - before), kind="stable")[:4]
        sizes = np.abs(after - before)[np.array(row["largest_nodes"]) - a.layer(row["layer"]).start]
        np.testing.assert_allclose(sizes, np.abs(after - before)[most], rtol=1e-9)


def chain(rng, sizes):
    arrays = [rng.normal(size=pair) for pair in pairwise(sizes)]
    return [array.astype(np.float32) for array in arrays]


@given(st.lists(st.integers(1, 9), min_size=2, max_size=4), st.integers(0, 2**32 - 1),
       st.sampled_from([8, 64, 1 << 22]))  # fmt: skip
def test_numbers_do_not_depend_on_the_parts_that_are_read(sizes, seed, part_bytes):
    rng = np.random.default_rng(seed)
    before, after = chain(rng, sizes), chain(rng, sizes)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(weight_change, "_PART_BYTES", part_bytes)
        table = cg.compare(cg.load(before), cg.load(after))
    for (_, row), x, y in zip(table.iterrows(), before, after, strict=True):
        expected = numbers(x.astype(np.float64), y.astype(np.float64))
        np.testing.assert_allclose([row[key] for key in WEIGHTS],
                                   [expected[key] for key in WEIGHTS], rtol=1e-5)  # fmt: skip


def test_weights_have_the_same_bits_on_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(weight_change, "_PART_BYTES", 64)
    tables = []
    for threads in ("1", "3"):
        monkeypatch.setenv("CNTGRAPH_NUM_THREADS", threads)
        tables.append(cg.compare(NETS["cnn"], changed(NETS["cnn"])))
    assert tables[0][WEIGHTS[:3]].equals(tables[1][WEIGHTS[:3]])


def test_files_are_compared_as_the_networks_in_them(tmp_path):
    a, b = NETS["cnn"], changed(NETS["cnn"])
    cg.save(a, tmp_path / "a.h5")
    cg.save(b, tmp_path / "b.h5")
    assert cg.compare(tmp_path / "a.h5", str(tmp_path / "b.h5")).equals(cg.compare(a, b))


def state(**shapes):
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def test_blocks_of_other_names_go_together_by_shape_and_order():
    before, after = state(x=(3, 4), y=(3, 4), z=(5, 3)), state(p=(3, 4), z=(5, 3), q=(3, 4))
    table = cg.compare(before, after)
    assert table["block_b"].to_dict() == {"x": "p", "y": "q", "z": "z"}
    assert table["matched"].to_dict() == {"x": "shape and order", "y": "shape and order",
                                          "z": "name"}  # fmt: skip
    expected = numbers(before["y"].astype(float), after["q"].astype(float))
    assert table.loc["y", "change"] == pytest.approx(expected["change"])


def test_what_does_not_go_together_is_listed_and_says_why():
    before, after = (
        state(x=(3, 4), head=(2, 3), old=(7, 7)),
        state(x=(3, 4), head=(9, 3), other=(6, 5)),
    )
    table = cg.compare(before, after)
    found = table["status"].to_dict()
    assert found == {"x": "ok", "head": "shapes differ", "old": "only in a", "other": "only in b"}
    assert "(2, 3) and (9, 3)" in table.loc["head", "why"]
    assert "(7, 7)" in table.loc["old", "why"]
    assert "(6, 5)" in table.loc["other", "why"]
    odd = table[table["status"] != "ok"]
    assert odd[[*WEIGHTS, "strength_change", "divergence"]].isna().all(axis=None)


def test_nothing_changed():
    table = cg.compare(NETS["mlp"], NETS["mlp"])
    assert (table[["change", "sign_flips", "strength_change", "fluctuation_change"]] == 0).all(
        axis=None
    )
    assert table["effective_rank"].isna().all()
    assert (table["why"] == "no rank: nothing changed").all()
    assert (table["largest_nodes"].map(len) == 0).all()
    np.testing.assert_allclose(table["cosine"], 1.0)


def test_weights_that_were_all_zero_changed_without_bound():
    zero, one = np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)
    row = cg.compare([zero], [one]).iloc[0]
    assert row["change"] == np.inf
    assert np.isnan(row["cosine"])
    assert "no cosine" in row["why"]
    assert row["effective_rank"] == pytest.approx(1.0)
    assert cg.compare([zero], [zero]).iloc[0]["change"] == 0.0


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_said(odd):
    before, after = np.ones((2, 3), np.float32), np.ones((2, 3), np.float32)
    before[0, 0] = after[0, 0] = odd
    row = cg.compare([before], [after]).iloc[0]
    assert row[[*WEIGHTS, "strength_change", "divergence"]].isna().all()
    assert "1 weights are not finite" in row["why"]
    assert "no strengths" in row["why"]


def test_squares_beyond_the_range_of_numbers_are_said():
    before, after = np.full((2, 3), 1e200), np.full((2, 3), 2e200)
    row = cg.compare([before], [after]).iloc[0]
    assert row[["change", "cosine", "effective_rank"]].isna().all()
    assert row["why"].startswith("the squares of the weights are beyond")
    assert row["sign_flips"] == 0.0


def test_types_may_differ():
    rng = np.random.default_rng(0)
    before = rng.normal(size=(6, 7))
    expected = numbers(before.astype(np.float16).astype(float), before + 1.0)
    row = cg.compare([before.astype(np.float16)], [before + 1.0]).iloc[0]
    assert row["change"] == pytest.approx(expected["change"])


def test_the_change_of_a_low_rank_adapter_has_its_rank():
    rng = np.random.default_rng(0)
    before = rng.normal(size=(30, 50)).astype(np.float64)
    ends = (np.linalg.qr(rng.normal(size=(n, 4)))[0] for n in (30, 50))
    left, right = ends
    after = before + left @ right.T  # four singular values of one
    assert cg.compare([before], [after]).iloc[0]["effective_rank"] == pytest.approx(4.0, abs=1e-5)


def test_larger_matrices_have_no_rank_and_say_so():
    a, b = NETS["mlp"], changed(NETS["mlp"])
    table = cg.compare(a, b, max_rank_side=2)
    assert table["effective_rank"].notna().tolist() == [False, False, True]
    assert "8 × 6 is larger than max_rank_side=2" in table.loc["fc1", "why"]
    assert table["change"].equals(cg.compare(a, b)["change"])


class Noted:
    """An array that notes how many of its values are read at once."""

    def __init__(self, values):
        self.values, self.shape, self.most = values, values.shape, 0

    def __getitem__(self, key):
        found = self.values[key]
        self.most = max(self.most, found.size)
        return found


@pytest.mark.parametrize("shape", [(400, 30), (30, 400)])
def test_a_part_of_the_weights_is_read_at_a_time(shape, monkeypatch):
    monkeypatch.setattr(weight_change, "_PART_BYTES", 8 * 30 * 10)
    rng = np.random.default_rng(0)
    handles = [Noted(rng.normal(size=shape)) for _ in range(2)]
    weights = [Recipe.of(cg.Parameter("w", shape, "float64", handle)) for handle in handles]
    gram = Gram(shape)
    found = weight_change.change_of(*weights, gram=gram)
    assert max(handle.most for handle in handles) <= 400 * 30 // 10
    expected = numbers(*(handle.values for handle in handles))
    assert found.relative == pytest.approx(expected["change"])
    assert gram.effective_rank() == pytest.approx(expected["effective_rank"], rel=1e-6)


def test_a_network_without_learned_blocks_is_refused():
    net = cg.load({"w": np.ones((2, 3))})
    with pytest.raises(CntGraphError, match="no learned block"):
        cg.compare(net.around(cg.Layer("none", (1,), "dense", start=99)), net)


@pytest.mark.parametrize("name", ["max_rank_side", "n_nodes"])
@pytest.mark.parametrize("value", [-1, 1.5, True])
def test_counts_are_checked(name, value):
    with pytest.raises(CntGraphError, match=f"expected {name} as a whole number"):
        cg.compare(NETS["mlp"], NETS["mlp"], **{name: value})
