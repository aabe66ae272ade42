"""Hypothesis in one profile: the same examples in every run, and no deadline.

A test adds a row to a table that is printed at the end by `record_property("table: title", row)`.
"""

import os

from hypothesis import HealthCheck, settings

# Keras takes its backend when it is imported; its tests run themselves on PyTorch, too.
os.environ.setdefault("KERAS_BACKEND", "jax")

settings.register_profile(
    "cntgraph",
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("cntgraph")


def pytest_terminal_summary(terminalreporter):
    """Print the tables that tests have noted rows for, also where other processes ran them."""
    tables = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, row in getattr(report, "user_properties", ()):
                if name.startswith("table: ") and report.when == "call":
                    tables.setdefault(name.removeprefix("table: "), set()).add(row)
    for title, rows in sorted(tables.items()):
        terminalreporter.section(f"{title} ({len(rows)})")
        for row in sorted(rows, key=str.lower):
            terminalreporter.write_line(row)
