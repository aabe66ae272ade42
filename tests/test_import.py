"""What importing the package loads, in a fresh interpreter."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "onnx", "onnxruntime", "jax", "keras", "tensorflow", "matplotlib", "networkx",
         "igraph", "numba", "pandas", "h5py", "scipy.sparse", "tqdm", "typer", "plotly", "dask",
         "distributed", "sklearn", "lightning", "transformers")  # fmt: skip


def loaded_after(code):
    report = f"import sys\n{code}\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", report], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_loads_nothing_heavy():
    assert loaded_after("import cntgraph") == set()


def test_names_are_imported_when_they_are_used():
    code = (
        "import sys, cntgraph as cg\n"
        "print('numpy' in sys.modules, 'cntgraph.measures' in sys.modules)\n"
        "cg.node_strength\n"
        "print('cntgraph.measures' in sys.modules, 'cntgraph.export' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "True", "False"]


def test_the_help_of_the_command_line_loads_nothing_that_computes():
    code = "import sys, cntgraph.cli; print('numpy' in sys.modules, 'rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_importing_starts_nothing_that_only_some_work_needs():
    code = "import sys, cntgraph; print('multiprocessing' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("cg.toy('cnn').n_edges", set()),
        ("repr(cg.toy('mlp'))", set()),
        ("cg.node_strength(cg.toy('mlp'))", {"numba"}),
        ("cg.describe(cg.toy('mlp'))", {"pandas"}),
    ],
)
def test_work_loads_what_it_needs(code, expected):
    assert loaded_after(f"import cntgraph as cg\n{code}") == expected


def test_what_loads_stays_away_from_frameworks():
    frameworks = set(HEAVY[:6])
    code = "import cntgraph as cg\ncg.analyze(cg.toy('cnn'))\ncg.build_graph(cg.toy('cnn')).nodes"
    assert not loaded_after(code) & frameworks


def test_an_unknown_object_imports_no_framework():
    code = (
        "import cntgraph as cg\n"
        "try:\n    cg.load(object())\nexcept cg.CntGraphError:\n    pass\n"
        "else:\n    raise SystemExit(1)"
    )
    assert loaded_after(code) == set()


def test_public_names_are_there():
    import cntgraph as cg

    assert all(hasattr(cg, name) for name in cg.__all__)
    assert sorted(cg.__all__) == cg.__all__ or len(set(cg.__all__)) == len(cg.__all__)
    wanted = {"load", "toy", "describe", "analyze", "link_weights", "node_strength",
              "layer_fluctuation", "build_graph", "Network", "Layer", "Parameter", "Graph",
              "CntGraphError"}  # fmt: skip
    assert wanted <= set(cg.__all__)
