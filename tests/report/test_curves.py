import numpy as np
import pandas as pd

from cntgraph.report.curves import density_curves

X = np.linspace(-4, 8, 301)


def gaussians(n):
    """A density table of Gaussians whose means are 0, 1, …."""
    parts = [
        pd.DataFrame({"snapshot": k, "step": 10 * k, "x": X,
                      "density": np.exp(-((X - k) ** 2) / 2) / np.sqrt(2 * np.pi)})
        for k in range(n)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def test_curves_are_in_the_order_of_the_table_and_of_their_grid():
    shuffled = gaussians(3).sample(frac=1.0, random_state=0).sort_values("snapshot", kind="stable")
    curves = density_curves(shuffled, "snapshot", "step")
    assert [curve.of for curve in curves] == [0, 10, 20]
    for k, curve in enumerate(curves):
        np.testing.assert_array_equal(curve.x, X)
        assert curve.x[curve.y.argmax()] == X[np.abs(X - k).argmin()]


def test_what_has_no_networks_has_no_curve():
    table = gaussians(3)
    table.loc[table["snapshot"] == 1, "density"] = np.nan
    assert [curve.of for curve in density_curves(table, "snapshot")] == [0, 2]
