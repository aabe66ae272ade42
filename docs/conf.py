"""How the pages are built: python -m sphinx -W --keep-going -b html docs docs/_build/html."""

import sys
import warnings
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "extensions"), str(HERE.parent)]

from cntgraph import __version__

project = "cntgraph"
author = "The cntgraph developers"
copyright = author
version = release = __version__
language = "en"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "formulas",
    "pages",
    "pictures",
    "public_names",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "gallery/*"]
suppress_warnings = ["config.cache"]
default_role = "obj"

# What a page needs comes with it: no font, no script and no formula is fetched from elsewhere.
html_theme = "furo"
html_title = f"cntgraph {release}"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_copy_source = False
html_show_sourcelink = False
# Summaries would be fetched page by page, which a browser refuses where pages are files.
html_show_search_summary = False

autosummary_generate = True
autosummary_context: dict = {}
autodoc_member_order = "bysource"
autodoc_typehints = "none"
# Members are documented by autodoc, on the page of their class, and not once more in a table.
numpydoc_show_class_members = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "generated/gallery",
    "filename_pattern": "/",
    "download_all_examples": False,
    "show_signature": False,
    "show_memory": False,
    "min_reported_time": 1e9,
    "write_computation_times": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "within_subsection_order": "FileNameSortKey",
    "reference_url": {"cntgraph": None},
    "capture_repr": ("_repr_html_",),
}
warnings.filterwarnings("ignore", category=UserWarning, message=".*non-interactive.*")
