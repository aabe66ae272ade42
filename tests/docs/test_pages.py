"""What pages and README say of the code is so: examples run, and names are there."""

import doctest
import re
from pathlib import Path

import pytest

import cntgraph as cg

TOP = Path(__file__).parents[2]
WRITTEN = [
    TOP / "README.md",
    *(
        path
        for path in sorted((TOP / "docs").rglob("*.md"))
        if not {"_build", "generated"} & set(path.parts)
    ),
]
#: An example in a session, and any code: what is no session needs more than what comes along.
SESSION = re.compile(r"^```pycon\n(.*?)^```$", re.M | re.S)
CODE = re.compile(r"^```(?:python|pycon)\n(.*?)^```$", re.M | re.S)
RUN = [path for path in WRITTEN if SESSION.search(path.read_text(encoding="utf-8"))]


def named(path):
    return str(path.relative_to(TOP))


@pytest.mark.parametrize("path", RUN, ids=named)
def test_examples_run(path):
    text = "\n".join(SESSION.findall(path.read_text(encoding="utf-8")))
    test = doctest.DocTestParser().get_doctest(text, {}, named(path), named(path), 0)
    assert len(test.examples) > 1
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    said = []
    assert not doctest.DocTestRunner(optionflags=options).run(test, out=said.append).failed, said


def test_guides_have_examples():
    assert len([path for path in RUN if path.parent.name == "guides"]) > 6


@pytest.mark.parametrize("path", WRITTEN, ids=named)
def test_names_are_there(path):
    """Code that is not run is read at least: its names are public ones."""
    text = path.read_text(encoding="utf-8")
    wanted = set(re.findall(r"\bcg\.(\w+)", text))
    assert wanted <= set(cg.__all__)
    for block in CODE.findall(text):
        if ">>>" not in block:
            compile(block, named(path), "exec")


def test_links_of_readme_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", WRITTEN[0].read_text(encoding="utf-8"))
    inside = [link for link in links if not link.startswith("http")]
    assert len(inside) > 20
    assert not [link for link in inside if not (TOP / link).exists()]
