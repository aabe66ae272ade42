"""Which rows a selection asks for."""

import pytest

from cntgraph.core.selection import selected_rows


@pytest.mark.parametrize(
    ("key", "rows"),
    [
        ((), range(5)), (slice(1, 3), range(1, 3)), ((slice(None),), range(5)),
        (slice(None, None, 2), None), (2, None), ((slice(1), slice(1)), None),
        (slice(4, 2), range(4, 2)),
    ],
)  # fmt: skip
def test_selected_rows(key, rows):
    assert selected_rows(key, (5, 2)) == rows
