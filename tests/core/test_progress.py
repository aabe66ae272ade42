"""Bars are for people who wait: on a terminal, and not for what is done at once."""

import sys

from cntgraph.core import progress as module
from cntgraph.core.progress import progress


def on_terminal(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for name in [name for name in sys.modules if name.startswith("IPython")]:
        monkeypatch.delitem(sys.modules, name)


def shown(capsys, **options):
    assert list(progress(range(3), "counting", **options)) == [0, 1, 2]
    return capsys.readouterr().err


def test_long_work_has_a_bar_on_a_terminal(monkeypatch, capsys):
    on_terminal(monkeypatch)
    monkeypatch.setattr(module, "_DELAY", 0.0)
    assert "counting" in shown(capsys, show=True)
    assert shown(capsys, show=False) == ""


def test_short_work_has_none(monkeypatch, capsys):
    on_terminal(monkeypatch)
    assert shown(capsys, show=True) == ""


def test_nobody_sees_it_elsewhere(monkeypatch, capsys):
    monkeypatch.setattr(module, "_DELAY", 0.0)
    assert shown(capsys, show=True) == ""


def test_a_notebook_without_widgets_has_no_warning(monkeypatch):
    for name in ("tqdm.auto", "tqdm.autonotebook"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "IPython", sys)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert list(progress([1], "counting", show=True)) == [1]  # a warning would be an error
    assert "tqdm.auto" not in sys.modules
