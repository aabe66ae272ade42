"""``python -m cntgraph.cli``."""

from cntgraph.cli import app

app()
