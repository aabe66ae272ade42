"""ONNX: the conformance models' own outputs, by a forward pass through the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from oracles import conformance

import cntgraph as cg

from ..case import Made
from .calls import difference


def audit(made: Made, net: cg.Network) -> dict[str, Any]:
    """Return whether the stored outputs follow from the graph, of models that are linear."""
    case = made.context
    if case.obstacles():
        if not case.operations or case.operations[-1] not in conformance.BENDING:
            return {"right": 0, "not said": ", ".join(case.obstacles())}
        case = case.before()
        if case.obstacles() or not case.operations:
            return {"right": 0, "not said": "what comes before is not linear"}
    wrong, right = [], 0
    for found, wanted in conformance.results(case):
        off = difference(found, wanted, float(np.abs(wanted).max(initial=0)))
        right += off < 1e-3
        wrong += [] if off < 1e-3 else [(made.options.get("name", ""), f"off by {off:.2g}")]
    return {"right": right, "sums": right + len(wrong), "wrong": wrong[:3], "edges": []}
