"""Audits: what a framework computed on random input, held against the graph that was loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cntgraph as cg

from ..case import Made


def _torch(made: Made, handed: list[cg.Network]) -> dict[str, Any]:
    from .of_torch import audit

    return audit(made, handed)


def _keras(made: Made, handed: list[cg.Network]) -> dict[str, Any]:
    from .of_keras import audit

    return audit(made, handed.pop())


def _onnx(made: Made, handed: list[cg.Network]) -> dict[str, Any]:
    from .of_onnx import audit

    return audit(made, handed.pop())


def _end_to_end(made: Made, handed: list[cg.Network]) -> dict[str, Any]:
    from .end_to_end import audit

    return audit(made, handed.pop())


#: By the name that `Made.audit` gives. Frameworks are imported where they are needed.
AUDITS: dict[str, Callable[[Made, list[cg.Network]], dict[str, Any]]] = {
    "torch": _torch,
    "keras": _keras,
    "onnx": _onnx,
    "end to end": _end_to_end,
}
