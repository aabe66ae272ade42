"""The report: a training or a population of networks as one interactive page.

The only place where plotly is imported, and only when a report is written.
"""

from cntgraph.report.writing import write_report

__all__ = ["write_report"]
