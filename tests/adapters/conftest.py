"""The exporters of PyTorch, where it is in use, read their tables of operations once."""

import functools
import sys

import pytest


@pytest.fixture(scope="session", autouse=True)
def one_table_of_operations():
    """Parsing the sources of 500 functions was half of each export; nothing writes to the table."""
    if "torch" not in sys.modules:
        yield
        return
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    once = functools.cache(ONNXRegistry.from_torchlib)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(once))
        yield


@pytest.fixture(scope="session", autouse=True)
def one_search_for_composite_operations():
    """The search was half of taking a program apart; it is repeated after a registration."""
    if "torch" not in sys.modules:
        yield
        return
    import torch
    from torch._export.utils import _collect_all_valid_cia_ops
    from torch.export import decomp_utils, exported_program

    @functools.cache
    def found_among(registered):
        return frozenset(_collect_all_valid_cia_ops())

    def once():
        key = "CompositeImplicitAutograd"
        return found_among(tuple(torch._C._dispatch_get_registrations_for_dispatch_key(key)))

    with pytest.MonkeyPatch.context() as patch:
        for module in (decomp_utils, exported_program):
            patch.setattr(module, "_collect_all_valid_cia_ops", once)
        yield
