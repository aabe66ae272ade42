"""The conformance models that the onnx package ships, with their stored inputs and outputs.

Every linear one is reproduced by the graph: Σ Aᵀx + b over its blocks, and over its explicit
matrix, equals the stored output. Of the others, what goes into their first operation that is not
linear is reproduced. A table at the end says which is which.
"""

import numpy as np
import pytest
from oracles import conformance

CASES = conformance.cases("pytorch-converted", "pytorch-operator", "simple")
TOLERANCE = {"rtol": 1e-5, "atol": 2e-6}
TABLE = "table: onnx conformance models"


def largest_error(case):
    worst = 0.0
    for z, wanted in conformance.results(case):
        np.testing.assert_allclose(z, wanted, **TOLERANCE)
        worst = max(worst, float(np.abs(z - wanted).max(initial=0)))
    return worst


@pytest.mark.parametrize("name", CASES)
def test_the_graph_gives_the_stored_output(name, record_property):
    case = conformance.read(CASES[name])
    obstacles = case.obstacles()
    if not obstacles:
        how = "largest candidate" if "MaxPool" in case.operations else "run"
        record_property(TABLE, f"{name}: {how}, max error {largest_error(case):.1e}")
    elif obstacles[0] in conformance.BENDING:
        error = largest_error(case.before())
        record_property(
            TABLE, f"{name}: not linear ({', '.join(obstacles)}); before it, max error {error:.1e}"
        )
    else:
        kind = "no neurons" if obstacles[0] in conformance.NO_NEURONS else "not linear"
        record_property(TABLE, f"{name}: {kind} ({', '.join(obstacles)})")


def test_nearly_all_of_the_models_are_linear_or_checked_before_they_bend():
    kinds = [conformance.read(path).obstacles() for path in CASES.values()]
    linear = sum(not kind for kind in kinds)
    bending = sum(bool(kind) and kind[0] in conformance.BENDING for kind in kinds)
    assert linear >= 85
    assert linear + bending >= 0.85 * len(kinds)
