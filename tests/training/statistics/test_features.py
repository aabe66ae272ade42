"""Features: a plain pivot of analyze's table."""

import pandas as pd
import pytest

import cntgraph as cg
from cntgraph.training.statistics.features import layer_features


def test_columns_of_analyze_are_pivoted():
    with cg.open(cg.demo_file("population")) as population:
        table = population[:6].analyze()
    found = layer_features(table, ["fluctuation", "strength_mean"])
    assert found.shape == (6, 12)
    assert found.index.name == "snapshot"
    for _, row in table.iterrows():
        assert found.loc[row["snapshot"], f"{row['layer']}/fluctuation"] == row["fluctuation"]
    both = table.assign(network=table["snapshot"] % 2)
    assert layer_features(both, ["fluctuation"]).index.names == ["network", "snapshot"]


def test_networks_of_several_architectures():
    table = pd.DataFrame({"network": [0, 0, 1], "layer": ["a", "b", "a"], "x": [1.0, 2.0, 3.0]})
    with pytest.raises(cg.CntGraphError, match=r"of the layers a, b network 1 has only some"):
        layer_features(table, ["x"])
    with pytest.raises(cg.CntGraphError, match="one row per network"):
        layer_features(table.assign(network=0), ["x"])
    with pytest.raises(cg.CntGraphError, match="a column 'network' or 'snapshot'"):
        layer_features(table.drop(columns="network"), ["x"])
    with pytest.raises(cg.CntGraphError, match=r"expected columns \['y'\]"):
        layer_features(table, ["y"])
