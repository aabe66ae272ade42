"""Every public name has a page: the build says which have none."""

from sphinx.util import logging

import cntgraph
from cntgraph.report import plots

_log = logging.getLogger(__name__)


def public_names():
    """Return the full names of what is public."""
    names = [f"cntgraph.{name}" for name in cntgraph.__all__ if not name.startswith("_")]
    return names + [f"cntgraph.report.plots.{name}" for name in plots.__all__]


def check(app, env):
    """Warn of public names that are on no page; warnings are errors."""
    documented = env.get_domain("py").objects
    for name in public_names():
        if name not in documented:
            _log.warning("%s is on no page: name it in docs/reference or docs/measures", name)


def setup(app):
    app.connect("env-check-consistency", check)
    return {"parallel_read_safe": True}
