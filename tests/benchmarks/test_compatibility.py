"""Ten small models of the trial: whole, and right wherever it looks."""

import json

import pytest

from benchmarks.compatibility import trial
from benchmarks.compatibility.families import cases_of

MODELS = [
    ("transformers", "bert"),
    ("transformers", "convnextv2"),
    ("transformers", "gpt2"),
    ("transformers", "llama"),
    ("transformers", "t5"),
    ("transformers", "vit"),
    ("onnx", "pytorch-converted/Conv2d_groups"),
    ("keras_applications", "MobileNet"),
    ("jax", "flax MNIST"),
    ("jax", "equinox MNIST"),
]


@pytest.mark.parametrize(("family", "name"), MODELS)
def test_a_model_of_the_trial_is_whole_and_right(family, name):
    case = next(case for case in cases_of(family) if case.name == name)
    said = []
    trial.attempt(case, lambda record: said.append(json.loads(json.dumps(record))))
    assert [record["phase"] for record in said] == ["make", "load", "audit", "done"], said[-1]
    record = said[-1]
    assert (record["outcome"], record["cuts"], record["skipped"]) == ("loaded", {}, {})
    assert record["audit"]["right"] > 0
    assert (record["audit"]["wrong"], record["audit"]["edges"]) == ([], [])
