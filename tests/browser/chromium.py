"""A Chromium for tests, and the flags it is started with."""

import os
import shutil

from needs import not_here

#: It asks the network for nothing by itself; WebGL is drawn by software, the same everywhere.
ARGS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-gl=angle", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]  # fmt: skip


def chromium():
    """Return the path of a Chromium; without one these tests are skipped."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = os.environ.get("CNTGRAPH_CHROMIUM") or next(filter(None, map(shutil.which, names)), "")
    if not found:
        not_here("Chromium", "apt-get install chromium, or its path in CNTGRAPH_CHROMIUM")
    return found
