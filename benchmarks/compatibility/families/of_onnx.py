"""ONNX: the models that the onnx package brings to test backends with."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from oracles import conformance

from ..case import Case, Made

FOLDERS = ("simple", "pytorch-converted", "pytorch-operator", "node")


def cases() -> Iterator[Case]:
    """Yield every model."""
    for folder in FOLDERS:
        for name, path in conformance.cases(folder).items():
            yield Case(f"{folder}/{name}", partial(_made, path))


def _made(path: Path) -> Made:
    case = conformance.read(path)
    inputs = {key: value for key, value in case.inputs.items() if value is not None}
    return Made(path, inputs, audit="onnx", context=case)
