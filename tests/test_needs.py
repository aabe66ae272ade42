"""Tests of what is not installed are skipped and named, unless nothing may be skipped."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: Packages that are not there, whatever is installed.
HIDE = "import sys\nsys.modules.update(dict.fromkeys(('torch', 'keras')))\n"
FILES = {
    "conftest.py": f"{HIDE}pytest_plugins = ['needs']\n",
    "test_top.py": "import torch\n\ndef test_nothing():\n    pass\n",
    "test_inside.py": "import needs\n\ndef test_one():\n    import keras.layers\n\n"
                      "def test_two():\n    needs.needs('keras')\n\n"
                      "def test_three():\n    needs.not_here('Chromium', 'look for it')\n\n"
                      "def test_four():\n    pass\n",
    "test_skipped.py": "import pytest\n\ndef test_seven():\n    pytest.skip('for a reason')\n",
    "test_fixture.py": "import needs, pytest\n\n@pytest.fixture\ndef made():\n"
                       "    needs.needs('keras')\n\ndef test_eight(made):\n    pass\n",
    "test_package.py": "def test_five():\n    import cntgraph.adapters.torch.live\n",
    "test_unknown.py": "def test_six():\n    import unheard_of\n",
}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)

    def run(*options, **variables):
        command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", ".",
                   "--continue-on-collection-errors", *options]  # fmt: skip
        path = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])])
        alone = {"PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "CNTGRAPH_"))}
        return subprocess.run(
            command, cwd=tmp_path, env=kept | alone | variables,
            capture_output=True, text=True,
        )  # fmt: skip

    return run


def test_what_is_missing_is_named_with_what_brings_it(run):
    first, again = run().stdout.splitlines(), run("--untried").stdout.splitlines()
    assert "torch: 1 files and 0 tests more (pip install -e '.[torch]')" in first
    assert "keras: 0 files and 3 tests more (pip install -e '.[keras]')" in first
    assert "Chromium: 0 files and 1 tests more (look for it)" in first
    # What cntgraph cannot import where it should, and a package that nobody names, are failures.
    assert first[-1].startswith("2 failed, 1 passed, 6 skipped")
    # What has passed is not tried again.
    assert again[-1].startswith("2 failed, 6 skipped, 1 deselected")


def test_where_all_are_to_be_tried_nothing_is_skipped(run):
    done = run("test_inside.py", "test_top.py", CNTGRAPH_TEST_ALL="1")
    assert done.stdout.splitlines()[-1].startswith("3 failed, 1 passed, 1 error")
    done = run("test_skipped.py", CNTGRAPH_TEST_ALL="1")
    assert (done.returncode, done.stdout.splitlines()[-1][:8]) == (1, "1 failed")
