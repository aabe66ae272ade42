"""Pages that stand elsewhere in the repository: the tables of results."""

import shutil
from pathlib import Path

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def copy_results(app):
    """Copy the tables and their figures; what has not changed is not read again."""
    shutil.copytree(RESULTS, Path(app.srcdir) / "generated" / "results", dirs_exist_ok=True)


def setup(app):
    app.connect("builder-inited", copy_results)
    return {"parallel_read_safe": True}
