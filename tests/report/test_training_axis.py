"""Along what a training is drawn: alike in all pictures, and never one place for two snapshots."""

import numpy as np
import pandas as pd
import pytest

from cntgraph.report.plots import plot_density, plot_training
from cntgraph.report.training_axis import training_axis


def table(**columns):
    rows = pd.DataFrame({"snapshot": [0, 1, 2], **columns})
    rows = pd.concat([rows.assign(x=x) for x in (0.0, 1.0)], ignore_index=True)
    return rows.assign(layer="fc", measure="strength", density=0.5, fluctuation=1.0)


@pytest.mark.parametrize(
    ("columns", "axis"),
    [
        ({}, "snapshot"),
        ({"step": [0, 10, 20]}, "step"),
        ({"epoch": [0.0, 0.5, 1.0]}, "epoch"),
        ({"epoch": [0.0, 0.5, 1.0], "step": [0, 10, 20]}, "step"),
        ({"epoch": [0.0, 0.5, 1.0], "step": [0, 10, 10]}, "epoch"),
        ({"epoch": [0.0, 0.5, 1.0], "step": [0, 10, np.nan]}, "epoch"),
        ({"epoch": [0, 0, 1], "step": [np.nan] * 3}, "snapshot"),
    ],
)
def test_what_every_snapshot_has_for_itself(columns, axis):
    given = table(**columns)
    assert training_axis(given) == axis
    assert plot_training(given.drop(columns="measure")).get_xlabel() == axis
    density = plot_density(given)
    assert density.figure.axes[-1].get_ylabel() == axis


def test_of_a_table_without_snapshots():
    assert training_axis(pd.DataFrame({"step": [0, 0, 1]})) == "step"
