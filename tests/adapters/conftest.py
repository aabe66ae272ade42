"""The exporter of ONNX reads its table of operations once, not for every model."""

import functools

import pytest
from torch.onnx._internal.exporter._registration import ONNXRegistry


@pytest.fixture(scope="session", autouse=True)
def one_table_of_operations():
    """Parsing the sources of 500 functions was half of each export; nothing writes to the table."""
    once = functools.cache(ONNXRegistry.from_torchlib)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(once))
        yield
