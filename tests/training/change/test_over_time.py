"""Trajectory.change: as `compare` of its snapshots, and as NumPy on whole matrices."""

import numpy as np
import pytest
from oracles.changed import changed, numbers, weights_of

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, StoreError

MEASURES = ["change", "cosine", "sign_flips", "effective_rank"]


@pytest.fixture(scope="module")
def trajectory(tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "run.h5"
    net = cg.toy("cnn")
    cg.save([net, *(changed(net, seed, 0.1 + 0.2 * seed) for seed in range(3))], path)
    with cg.open(path) as opened:
        yield opened


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("reference", [0, 2, -1, "previous"])
def test_numbers_are_those_of_numpy(trajectory, measure, reference):
    table = trajectory.change(measure, reference=reference)
    assert table.index.name == "snapshot"
    assert list(table.columns) == ["conv1", "fc"]
    for k, net in enumerate(trajectory):
        if reference == "previous" and k == 0:
            assert table.loc[0].isna().all()
            continue
        base = trajectory[k - 1 if reference == "previous" else reference]
        for block in table.columns:
            before, after = weights_of(base, block), weights_of(net, block)
            same = (before == after).all()
            expected = np.nan if same and measure == "effective_rank" else (
                numbers(before, after)[measure]
            )  # fmt: skip
            assert table.loc[k, block] == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_the_last_row_is_that_of_compare(trajectory):
    table = cg.compare(trajectory[0], trajectory[-1])
    for measure in MEASURES:
        assert trajectory.change(measure).loc[3].to_dict() == table[measure].to_dict()


def test_a_part_of_a_trajectory_begins_with_its_own_first_snapshot(trajectory):
    found = trajectory[1:].change()
    assert (found.loc[0] == 0).all()
    assert len(found) == 3
    assert trajectory[4:].change().shape == (0, 0)


def test_large_matrices_have_no_rank(trajectory):
    assert trajectory.change("effective_rank", max_rank_side=2).notna().loc[3].tolist() == [
        True,
        False,
    ]


def test_what_is_asked_for_is_checked(trajectory):
    for reference in (4, -5, True, "first"):
        with pytest.raises(CntGraphError, match=r"expected (the )?reference as"):
            trajectory.change(reference=reference)
    with pytest.raises(CntGraphError, match="expected a measure of change, cosine"):
        trajectory.change("divergence")
    with pytest.raises(CntGraphError, match="expected max_rank_side"):
        trajectory.change("effective_rank", max_rank_side=-1)


def test_without_parameters_it_says_what_was_recorded(tmp_path):
    import torch

    model = torch.nn.Linear(3, 4)
    with cg.Recorder(tmp_path / "run.h5", model, torch.ones(1, 3), store="measures") as record:
        record(epoch=0)
        record(epoch=1)
    with cg.open(tmp_path / "run.h5") as opened, pytest.raises(StoreError, match="store="):
        opened.change()
