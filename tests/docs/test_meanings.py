"""Every measure says what it means, by which formula, and what it costs: its page is made of it."""

import inspect
import re
from pathlib import Path

import pytest

import cntgraph as cg
from cntgraph.measures.profile.catalog import CATALOG

MEASURES = Path(__file__).parents[2] / "docs" / "measures"
#: Tables of many measures mean what these mean.
ON_PAGES = sorted(
    {
        name
        for page in MEASURES.glob("*.md")
        if page.stem not in ("tables", "index")
        for name in re.findall(r"^   (\w+)$", page.read_text(encoding="utf-8"), re.M)
    }
)


def sections(name):
    """Return what comes before a docstring's first section, by paragraph, and its sections."""
    found = re.split(r"(\w[\w ]+)\n-{3,}\n", inspect.getdoc(getattr(cg, name)))
    return found[0].strip().split("\n\n"), dict(zip(found[1::2], found[2::2], strict=True))


@pytest.mark.parametrize("name", ON_PAGES)
def test_says_what_it_means(name):
    first, *more = sections(name)[0]
    assert "\n" not in first
    assert more, "one or two sentences after the first line: what a large and a small value say"


@pytest.mark.parametrize("name", [measure.name for measure in CATALOG])
def test_of_the_catalog_has_a_page_and_notes(name):
    assert name in ON_PAGES
    assert sections(name)[1]["Notes"].strip()
