"""Trajectories and node measures with named axes, against the tables and arrays that they show."""

import numpy as np
import pytest
import xarray

import cntgraph as cg
from cntgraph import CntGraphError


@pytest.fixture
def trajectory():
    with cg.open(cg.demo_file("training")) as opened:
        yield opened


def test_measures_by_snapshot_layer_and_measure(trajectory):
    found, table = trajectory.to_xarray(), trajectory.analyze()
    assert isinstance(found, xarray.DataArray)
    assert found.dims == ("snapshot", "layer", "measure")
    for _, row in table.iloc[::5].iterrows():
        here = found.sel(snapshot=row["snapshot"], layer=row["layer"])
        for measure in ("n_nodes", "strength_mean", "fluctuation", "link_weight_std"):
            np.testing.assert_array_equal(float(here.sel(measure=measure)), row[measure])
        assert str(here["kind"].values) == row["kind"]
    for name in trajectory.labels.columns:
        np.testing.assert_array_equal(found[name], trajectory.labels[name])
    assert "shape" not in found["measure"].values
    assert found.to_dataset("measure")["fluctuation"].shape == found.shape[:2]


def test_options_of_analyze_and_parts_of_a_trajectory(trajectory):
    part = trajectory[2:5].to_xarray(granularity="layer")
    table = trajectory[2:5].analyze(granularity="layer")
    assert part.shape[:2] == (3, len(trajectory.topology.layers))
    strengths = part.sel(measure="strength_mean").values.reshape(-1)
    np.testing.assert_array_equal(strengths, table["strength_mean"])
    assert trajectory[:0].to_xarray().shape == (0, 0, 0)


def test_values_of_nodes_by_layer_with_named_axes():
    net = cg.toy("cnn")
    values = np.arange(net.n_nodes) * 1.0
    found = net.to_xarray(values)
    assert list(found) == [layer.name for layer in net.layers]
    for name, own in net.split(values).items():
        np.testing.assert_array_equal(found[name], own)
    assert found["conv1"].attrs == {"kind": "conv", "activation": net.layer("conv1").activation}
    assert found["fc"].dims == ("fc.channel",)
    with pytest.raises(CntGraphError, match="one value per node"):
        net.to_xarray(values[:-1])
