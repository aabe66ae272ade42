"""Files of spiking networks that are damaged or made to do harm: loaded, or refused with a reason.

A longer run, in processes that are watched: ``python benchmarks/fuzz.py --format nir``.
"""

import warnings
from collections import Counter

import pytest
from oracles import mutate
from oracles.nir_files import samples, structured
from oracles.reading import outcome

N = 60
ERRORS = {"FormatError", "UnsafeFileError", "TraceError", "InputShapeError", "GraphSizeError",
          "ParameterError", "StoreError"}  # fmt: skip


@pytest.mark.parametrize("name", ["images", "loop"])
def test_damaged_files_load_or_are_refused(name, tmp_path):
    suffix, data, _, _ = samples(tmp_path)[name]
    path, seen = tmp_path / f"model{suffix}", Counter()
    path.write_bytes(data)
    assert outcome(path) == "loaded"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for damaged in mutate.mutations(data, N, structured=structured):
            path.write_bytes(damaged)
            seen[outcome(path)] += 1
    assert set(seen) <= ERRORS | {"loaded"}
    assert seen["FormatError"] > N / 4
