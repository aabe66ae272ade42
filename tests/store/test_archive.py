"""Files of earlier versions read to the numbers that these versions found (archive/README.md)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cntgraph as cg

ARCHIVE = Path(__file__).parent / "archive"
EXPECTED = json.loads((ARCHIVE / "expected.json").read_text(encoding="utf-8"))
NETWORKS = [name for name, found in EXPECTED.items() if "layers" in found]
TRAININGS = [name for name, found in EXPECTED.items() if "table" in found]


def test_every_file_is_read():
    assert sorted(EXPECTED) == sorted(path.name for path in ARCHIVE.glob("*.h5"))


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name):
    net, expected = cg.load(ARCHIVE / name), EXPECTED[name]
    layers = [[la.name, list(la.shape), la.kind, la.activation] for la in net.layers]
    assert layers == expected["layers"]
    blocks = [
        [b.name, type(b).__name__, getattr(b, "mode", None), b.parametric, b.modulatory]
        for b in net.blocks
    ]
    assert blocks == expected["blocks"]
    assert net.n_edges == expected["n_edges"]
    strength = cg.node_strength(net, edges="all")
    np.testing.assert_allclose(strength, expected["strength"], rtol=1e-12, atol=1e-12)
    incoming = cg.node_strength(net, edges="all", direction="in", transform="absolute")
    np.testing.assert_allclose(incoming, expected["in_absolute"], rtol=1e-12, atol=1e-12)
    explicit = cg.node_strength(cg.build_graph(net, edges="all"), edges="all")
    np.testing.assert_allclose(explicit, expected["strength"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", TRAININGS)
def test_trainings(name):
    table = cg.open(ARCHIVE / name).analyze().reset_index()
    expected = EXPECTED[name]["table"]
    assert list(table.columns) == expected["columns"]
    wanted = pd.DataFrame(expected["data"], columns=expected["columns"])
    for column in table:
        if pd.api.types.is_float_dtype(table[column]):
            found = table[column].to_numpy()
            np.testing.assert_allclose(
                found, wanted[column].astype(float), rtol=1e-12, atol=1e-14, err_msg=column
            )
        else:
            ours, theirs = (
                [tuple(v) if isinstance(v, list) else v for v in values]
                for values in (table[column], wanted[column])
            )
            assert ours == theirs, column
