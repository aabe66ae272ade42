import numpy as np
import pandas as pd

from cntgraph.report.intervals import intervals_of


def test_intervals_stand_beside_each_other_at_their_layer():
    table = pd.DataFrame({
        "layer": ["a", "b", "a", "b"], "measure": ["m", "m", "n", "n"],
        "auc": [0.5, 0.9, np.nan, 0.2], "auc_low": [0.4, 0.95, np.nan, 0.1],
        "auc_high": [0.7, 0.99, np.nan, 0.4],
    })  # fmt: skip
    first, second = intervals_of(table, ["b", "a"], ["m", "n"])
    np.testing.assert_allclose(first.place, [0.8, -0.2])
    np.testing.assert_allclose(first.below, [0.1, 0.0])  # a bootstrap may leave the estimate out
    np.testing.assert_allclose(first.above, [0.2, 0.09])
    assert second.rows["layer"].tolist() == ["b"]
    np.testing.assert_allclose(second.place, [0.2])
