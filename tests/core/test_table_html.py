"""Tables for notebooks: well-formed, with nothing that runs, and no more rows than are read."""

from xml.etree import ElementTree

import pytest

from cntgraph.core.table_html import table_html, unfolding, unfolding_table

ODD = "<script>alert('&\"')</script>"


def cells(html, tag="td"):
    return [cell.text or "" for cell in ElementTree.fromstring(html).iter(tag)]


def test_names_are_text_and_no_markup():
    html = unfolding(ODD, table_html({ODD: [ODD], "shape": [(2, 3)]}))
    assert "<script" not in html
    assert cells(html, "th") == [ODD, "shape"]
    assert cells(html) == [ODD, "2×3"]
    assert cells(html, "summary") == [ODD]


@pytest.mark.parametrize(("n", "n_shown"), [(0, 0), (1, 1), (200, 200), (201, 201), (1000, 201)])
def test_of_many_rows_the_first_and_the_last(n, n_shown):
    rows = ElementTree.fromstring(table_html({"n": list(range(n))}))[1]
    assert len(rows) == n_shown
    if n > 200:
        assert rows[100][0].text == f"{n - 200:,} rows …"
        assert (rows[99][0].text, rows[101][0].text) == ("99", f"{n - 100:,}")


def test_something_in_a_line_and_its_table():
    html = unfolding_table("<Graph: 2 layers>", {"layer": ["a", "b"]})
    assert cells(html, "summary") == ["Graph: 2 layers"]
    assert cells(html) == ["a", "b"]
