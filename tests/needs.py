"""What tests need that is not installed everywhere: without it they are skipped, and only here.

A test file, an oracle or a test that imports a package of `EXTRAS` is skipped where the package is
not installed; where only cntgraph imports it, the test says `needs("package")`. pytest's last lines
say what was not tried, and what brings it. With `CNTGRAPH_TEST_ALL` set nothing may be skipped.
Once it is installed, `--untried` runs what earlier runs had left out, and no test twice.
"""

import importlib
import importlib.util
import os
import re
import sys
from collections import Counter
from doctest import UnexpectedException
from functools import cache
from pathlib import Path

import pytest

#: Packages that `.[test]` does not bring, and the extra of cntgraph that does.
EXTRAS = {
    "torch": "torch", "keras": "keras", "jax": "jax", "pyarrow": "parquet", "plotly": "report",
    "dask": "dask", "distributed": "dask", "sklearn": "sklearn", "networkit": "networkit",
    "gudhi": "topology", "torch_geometric": "pyg", "xarray": "xarray",
    "tensorboardX": "tensorboard", "wandb": "wandb", "mlflow": "mlflow",
    "transformers": "hf", "huggingface_hub": "hf", "diffusers": "diffusers",
} | dict.fromkeys(
    ("flax", "equinox", "lightning", "accelerate", "onnxscript", "onnx_ir",
     "playwright", "nbclient", "nbformat", "IPython", "tensorboard", "ndex2", "orbax"),
    "test-all",
)  # fmt: skip

ALL = "CNTGRAPH_TEST_ALL"
TRIED = "cntgraph/tried"
PACKAGE = Path(__file__).parents[1] / "cntgraph"
#: An import at the top of a file: of a package, or of one of the tests' own modules.
_IMPORTS = re.compile(r"^(?:import|from) +([\w.]+)", re.M)


def needs(package):
    """Import a package that a test needs and does not import itself, and return it."""
    return importlib.import_module(package)


def not_here(what, how):
    """Skip a test for want of something, of which `how` says what brings it."""
    if os.environ.get(ALL):
        pytest.fail(f"{ALL} is set, and there is no {what}: {how}", pytrace=False)
    pytest.skip(_reason(what, how))


def _reason(what, how):
    return f"needs {what}: {how}"


def _missing(error):
    """Return why a test is skipped whose import fails with `error`, or None if it is not."""
    package = (getattr(error, "name", None) or "").partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or package not in EXTRAS or os.environ.get(ALL):
        return None
    return _what_brings(package)


def _what_brings(package):
    return _reason(package, f"pip install -e '.[{EXTRAS[package]}]'")


@cache
def _lacks(path):
    """Return which package of `EXTRAS` a file, or an oracle that it imports, imports in vain."""
    for name in _IMPORTS.findall(path.read_text(encoding="utf-8")):
        package, *inner = name.split(".")
        oracle = Path(__file__).parent.joinpath(package, *inner).with_suffix(".py")
        if inner and oracle.exists():
            package = _lacks(oracle)
        if package in EXTRAS and importlib.util.find_spec(package) is None:
            return package
    return None


class _Skipped(pytest.Module):
    """A file that is skipped without a look at what else is in it."""

    def collect(self):
        pytest.skip(_what_brings(_lacks(self.path)), allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    """Skip a file at sight of an import of what is not installed: trying it takes much longer."""
    if not os.environ.get(ALL) and _lacks(module_path):
        return _Skipped.from_parent(parent, path=module_path)
    return None


def _imported_by_cntgraph(error):
    """Whether the import that failed is one of cntgraph's: then a test fails, unless it `needs`."""
    trace, last = error.__traceback__, ""
    while trace:
        file = trace.tb_frame.f_code.co_filename
        last = last if "importlib" in file else file
        trace = trace.tb_next
    return Path(last).is_relative_to(PACKAGE)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Skip a file whose imports are not all installed."""
    report = yield
    error = report.call.excinfo.value if report.failed else None
    if reason := _missing(getattr(error, "__cause__", None) or error):
        report.outcome, report.longrepr = "skipped", (str(collector.path), 1, reason)
        _forget(collector.path)
    return report


def _forget(path):
    """Drop the half of a module that pytest leaves where its import failed: others import it."""
    halves = [name for name, module in sys.modules.items()
              if getattr(module, "__dict__", {}).get("__file__") == str(path)]  # fmt: skip
    for name in halves:
        del sys.modules[name]


def _or_skip():
    try:
        return (yield)
    except ModuleNotFoundError as error:
        if (reason := _missing(error)) and not _imported_by_cntgraph(error):
            pytest.skip(reason)
        raise
    except UnexpectedException as failed:
        # An example in a docstring is skipped where cntgraph asks for an extra, too.
        error = failed.exc_info[1]
        if reason := _missing(error.__cause__ or error):
            pytest.skip(reason)
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup():
    """Skip a test whose fixtures need what is not installed."""
    return (yield from _or_skip())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    """Skip a test that needs what is not installed."""
    return (yield from _or_skip())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport():
    """Let no test be skipped, for whatever reason, where all are to be tried."""
    report = yield
    if report.skipped and os.environ.get(ALL) and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
    return report


def pytest_addoption(parser):
    parser.addoption("--untried", action="store_true", help="only tests that have not passed yet")


def pytest_collection_modifyitems(config, items):
    """Leave out what has passed in earlier runs, where only the rest is asked for."""
    if config.getoption("untried"):
        tried = set(config.cache.get(TRIED, []))
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in tried])
        items[:] = [item for item in items if item.nodeid not in tried]


def pytest_sessionfinish(session):
    """Note what has passed, for `--untried`."""
    config = session.config
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter and hasattr(config, "cache") and not hasattr(config, "workerinput"):
        passed = {report.nodeid for report in reporter.getreports("passed")}
        earlier = config.cache.get(TRIED, []) if config.getoption("untried") else []
        config.cache.set(TRIED, sorted(passed.union(earlier)))


def pytest_terminal_summary(terminalreporter):
    """Say what was not tried for want of something, and what brings it."""
    skipped = {report.nodeid: report for report in terminalreporter.getreports("skipped")}
    reasons = {name: report.longrepr[2].removeprefix("Skipped: ")
               for name, report in skipped.items()}  # fmt: skip
    files = Counter(why for name, why in reasons.items() if "::" not in name)
    tests = Counter(why for name, why in reasons.items() if "::" in name)
    wanted = sorted(why for why in files | tests if why.startswith("needs "))
    if not wanted:
        return
    terminalreporter.section("not tried here")
    for why in wanted:
        what, _, how = why.removeprefix("needs ").partition(": ")
        terminalreporter.write_line(
            f"{what}: {files[why]} files and {tests[why]} tests more ({how})"
        )
    terminalreporter.write_line("all packages: pip install -e '.[test-all]'")
