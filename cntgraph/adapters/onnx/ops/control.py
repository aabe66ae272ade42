"""Branches and loops whose course is not known; a branch with a constant condition is followed."""

from __future__ import annotations

from typing import Any

from cntgraph.adapters.onnx.tracer import OnnxTracer, handles
from cntgraph.adapters.onnx.values import Call
from cntgraph.adapters.tracing.operations import NotFollowed


@handles("If")
def branch(t: OnnxTracer, call: Call) -> Any:
    """Refuse to guess a branch."""
    raise NotFollowed("which branch is taken depends on the input")


@handles("Loop", "Scan", "SequenceMap")
def loop(t: OnnxTracer, call: Call) -> Any:
    """Refuse to follow a loop, which has nodes of its own at every turn."""
    raise NotFollowed("what happens inside of a loop is not followed; unroll it on export")
