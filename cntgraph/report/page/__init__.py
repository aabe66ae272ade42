"""The interactive page, the only place where plotly is imported, and only when it is written."""
