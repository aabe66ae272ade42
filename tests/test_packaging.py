"""What is said of the package in several files is said alike."""

import re
import tomllib
from pathlib import Path

import needs
from typer.testing import CliRunner

import cntgraph
from cntgraph.cli import app

TOP = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
#: Where conda-forge, or what is imported, has another name than PyPI.
ON_CONDA = {"igraph": "python-igraph", "matplotlib": "matplotlib-base",
            "lazy_loader": "lazy-loader"}  # fmt: skip
DISTRIBUTIONS = {"sklearn": "scikit-learn", "distributed": "dask", "nbformat": "nbclient",
                 "IPython": "ipykernel", "orbax": "orbax-checkpoint", "onnx_ir": "onnxscript",
                 "mlflow": "mlflow-skinny"}  # fmt: skip


def named(requirement):
    """Split a requirement into its name, without extras, and the versions that do."""
    return re.fullmatch(r"([\w-]+)(?:\[.*\])?(.*)", requirement).groups()


def of_recipe(key):
    """Return the items of a list of the recipe, or the value beside a key."""
    text = (TOP / "conda" / "meta.yaml").read_text(encoding="utf-8")
    value, items = re.search(rf"^ +{key}:(.*)\n((?: +- .*\n)*)", text, re.M).groups()
    return value.strip().strip('"') or [line.strip(" -") for line in items.splitlines()]


def test_conda_asks_for_what_pip_does():
    asked = [named(requirement) for requirement in PROJECT["dependencies"]]
    wanted = [f"{ON_CONDA.get(name, name)} {versions}" for name, versions in asked]
    python = "python " + PROJECT["requires-python"]
    assert of_recipe("run") == [python, *wanted]
    (build,) = map(named, PYPROJECT["build-system"]["requires"])
    assert of_recipe("host") == [python, "pip", " ".join(build)]


def test_the_recipe_is_of_the_same_package():
    assert of_recipe("version") == cntgraph.__version__
    assert of_recipe("summary") == PROJECT["description"]
    assert of_recipe("license") == PROJECT["license"]
    scripts = [f"{name} = {function}" for name, function in PROJECT["scripts"].items()]
    assert of_recipe("entry_points") == scripts


def test_what_is_cited_is_this_version():
    lines = (TOP / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {cntgraph.__version__}" in lines
    assert f"license: {PROJECT['license']}" in lines
    assert f"abstract: {PROJECT['description']}." in lines


def test_the_command_line_says_its_version():
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"cntgraph {cntgraph.__version__}\n")


def brought_by(extra):
    """Return the names of the distributions that an extra installs, those of other extras too."""
    found = set()
    for name, _ in map(named, EXTRAS[extra]):
        found.add(name)
    for requirement in EXTRAS[extra]:
        if inner := re.fullmatch(r"cntgraph\[(.*)\]", requirement):
            found.update(*(brought_by(other) for other in inner[1].split(",")))
    return found


def test_each_package_of_tests_is_brought_by_the_extra_that_is_named():
    for package, extra in needs.EXTRAS.items():
        assert DISTRIBUTIONS.get(package, package) in brought_by(extra), package
        assert DISTRIBUTIONS.get(package, package) in brought_by("test-all"), package
        assert DISTRIBUTIONS.get(package, package) not in brought_by("test"), package
