"""What people look at: an interactive page of a training or a population, and figures."""

from cntgraph.report.page.writing import write_report

__all__ = ["write_report"]
