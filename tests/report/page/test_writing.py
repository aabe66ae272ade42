"""write_report: what it takes, what the page says, and that a page is there whole or not at all."""

import inspect
import json
import re
import subprocess
import sys
import warnings
from html import unescape

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import cntgraph as cg
from cntgraph.cli import app
from cntgraph.report import write_report
from cntgraph.report.meanings import meaning
from cntgraph.report.page import training as training_report
from cntgraph.report.page.chart import Chart
from cntgraph.report.page.page import ROWS, Section, Table, render
from cntgraph.report.page.selection import MEASURES, evenly, layers_of, said
from cntgraph.training.population import Population

from .conftest import MARKUP, SCRIPT, network, training

pytestmark = pytest.mark.filterwarnings("ignore:.*cannot be read.*:UserWarning")


@pytest.fixture(scope="module", autouse=True)
def light():
    """Pages without plotly.js, which is tested in a browser."""
    import plotly.offline

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plotly.offline, "get_plotlyjs", lambda: "/* plotly */")
        yield


@pytest.fixture(scope="module")
def page(run, light, tmp_path_factory):
    """The page of a training."""
    return write_report(run, tmp_path_factory.mktemp("page") / "a.html", title=MARKUP)


def text_of(path):
    """The text of a page, without its script and its charts."""
    html = path.read_text(encoding="utf-8")
    return re.sub(r"<(script|style).*?</\1>", "", html, flags=re.DOTALL)


def charts_of(path):
    """The charts of a page, by their names."""
    html = path.read_text(encoding="utf-8")
    charts = json.loads(re.search(r'id="charts">(.*?)</script>', html).group(1))
    return {chart["name"]: chart for chart in charts}


# --- One trained network --------------------------------------------------------------------------


def test_the_page_of_one_network_is_of_its_layers(run, tmp_path):
    net = cg.open(run)[-1]
    alone = cg.save(net, tmp_path / "net.h5")
    table = cg.analyze(net)
    for source, name in ((net, "A network"), (alone or tmp_path / "net.h5", "net.h5"),
                         (cg.open(run)[-1:], run.name)):  # fmt: skip
        path = write_report(source, tmp_path / "a.html", overwrite=True)
        text = text_of(path)
        assert name.replace("<", "&lt;").replace(">", "&gt;") in text
        assert "One trained network" in text
        assert "training" not in text.replace("trained", "").replace(run.name, "")
        charts = charts_of(path)
        assert list(charts) == ["measures", "densities"]
        shown = charts["measures"]["menus"][0]["options"].index("link weight std")
        bars = charts["measures"]["views"][str(shown)]["data"][0]
        assert bars["y"][0] is None  # of the input
        assert bars["y"][1:] == pytest.approx(table["link_weight_std"].tolist()[1:], rel=1e-4)
        density = next(iter(charts["densities"]["views"].values()))["data"]
        assert len(density) == 1
        assert np.trapezoid(density[0]["y"], density[0]["x"]) == pytest.approx(1, abs=0.02)


# --- What it says is what Python says -------------------------------------------------------------


def test_divergences_and_changes_of_the_page_are_those_of_the_trajectory(run, tmp_path):
    charts = charts_of(write_report(run, tmp_path / "a.html", layers=["fc3"]))
    with cg.open(run) as trajectory:
        square = trajectory.divergence("link_weights", "fc3").to_numpy()
        first = trajectory.divergence("link_weights")["fc3"].to_numpy()
        changes = [trajectory.change(reference=k)["fc3"].to_numpy() for k in (0, "previous")]
    found = charts["between"]["views"]["1.0"]["data"][0]["z"]
    np.testing.assert_allclose(np.array(found, float), square, rtol=1e-4, atol=1e-12)
    row = charts["from-first"]["views"]["1"]["data"][0]["z"][0]
    np.testing.assert_allclose(np.array(row, float), first, rtol=1e-2, atol=1e-3)
    for key, expected in zip("01", changes, strict=True):
        (line,) = charts["changes"]["views"][key]["data"]
        np.testing.assert_allclose(np.array(line["y"], float), expected, rtol=1e-4)


def test_divergences_of_the_page_are_those_of_the_population(runs, tmp_path):
    charts = charts_of(write_report(runs / "net*.h5", tmp_path / "a.html", layers=["fc3"]))
    population = Population.from_files(runs / "net*.h5")
    expected = population.divergence("link_weights", "fc3").dropna(how="all")
    found = charts["bins"]["views"]["1.0"]["data"][0]["z"]
    expected = expected.dropna(axis=1, how="all").to_numpy()
    np.testing.assert_allclose(np.array(found, float), expected, rtol=1e-4, atol=1e-12)


def test_a_training_without_parameters_has_no_changes_of_weights(tmp_path):
    import torch

    record = cg.Recorder(tmp_path / "run.h5", torch.nn.Linear(3, 2), torch.ones(1, 3),
                         store="measures")  # fmt: skip
    for k in range(2):
        record(step=k)
    charts = charts_of(write_report(tmp_path / "run.h5", tmp_path / "a.html"))
    assert "between" in charts
    assert "changes" not in charts


def test_the_page_says_which_block_changed_most(run, tmp_path):
    text = text_of(write_report(run, tmp_path / "a.html"))
    with cg.open(run) as trajectory:
        last = trajectory.change().iloc[-1]
    assert f"<dt>changed most</dt><dd>{last.idxmax()}: {last.max():.4g}</dd>" in text


# --- Sources --------------------------------------------------------------------------------------


def test_a_trajectory_and_its_file_give_the_same_page(run, tmp_path):
    first = write_report(run, tmp_path / "a.html", layers=["fc3"])
    with cg.open(run) as trajectory:
        second = write_report(trajectory, tmp_path / "b.html", layers=["fc3"])
        assert len(trajectory[0].layers) == 4  # it stays open
    assert first == tmp_path / "a.html"
    assert first.read_bytes() == second.read_bytes()
    assert "Divergences" in text_of(first)


def test_neurons_over_data_are_shown_where_they_were_recorded(run, tmp_path):
    import torch

    model = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.ReLU(), torch.nn.Linear(5, 2))
    record = cg.Recorder(tmp_path / "run.h5", model, input_shape=(4,), inputs=torch.randn(9, 4))
    for k in range(2):
        record(step=k)
    page = write_report(tmp_path / "run.h5", tmp_path / "a.html").read_text(encoding="utf-8")
    for name in ("neuron strength", "neuron activation fluctuation", "neuron activation active"):
        assert name in page
    other = write_report(run, tmp_path / "b.html").read_text(encoding="utf-8")
    assert "neuron activation fluctuation" not in other


def test_files_are_a_population_in_any_form(runs, tmp_path):
    paths = sorted(runs.glob("net*[0-2].h5"))
    sources = [str(runs / "net*[0-2].h5"), paths, Population.from_files(paths)]
    pages = [
        write_report(source, tmp_path / f"{k}.html", layers=["fc3"])
        for k, source in enumerate(sources)
    ]
    assert pages[0].read_bytes() == pages[1].read_bytes() == pages[2].read_bytes()
    text = text_of(pages[0])
    assert "<h1>6 networks</h1>" in text
    assert "Networks that diverged. They are left out of what follows." in text
    assert "could not be read" not in text


def test_networks_at_hand_are_a_population_without_paths(tmp_path):
    rng = np.random.default_rng(0)
    nets = [network(rng, 1 + k / 4) for k in range(4)]
    population = Population.from_networks(nets, {"accuracy": [0.9, 0.1, 0.95, 0.2]})
    text = text_of(write_report(population, tmp_path / "a.html", layers=["fc3"]))
    assert "<dt>networks</dt><dd>4</dd>" in text


def test_snapshots_as_a_population(run, tmp_path):
    path = write_report([run], tmp_path / "a.html", snapshots="all", layers=["fc3"])
    assert "<h1>6 networks</h1>" in text_of(path)


def test_groups_that_are_empty_are_said_to_be(run, tmp_path):
    path = write_report(
        Population.from_files(run, snapshots="all"), tmp_path / "a.html", above=2, layers=["fc3"]
    )
    assert "There are not networks of both kinds" in text_of(path)


def test_by_a_label_of_names(runs, tmp_path):
    path = write_report(runs / "net0*.h5", tmp_path / "a.html", by="optimizer", layers=["fc3"])
    text = text_of(path)
    assert "It cannot be told here" in text
    assert "Measures against optimizer" in text


# --- What cannot be reported ----------------------------------------------------------------------


def test_errors_say_what_to_do(run, runs, tmp_path):
    target = tmp_path / "a.html"
    with cg.open(run) as trajectory:
        cases = [
            ((trajectory[:0],), {}, "no snapshots"),
            ((trajectory,), {"layers": ["fc9"]}, r"names of layers, got \['fc9'\].*fc3"),
            ((trajectory,), {"layers": []}, "names of layers"),
            ((trajectory,), {"snapshots": "all"}, "options are for files"),
            ((runs / "net0*.h5",), {"by": "loss"}, "no label is called 'loss'.*accuracy"),
            ((tmp_path / "none.h5",), {}, "none.h5"),
            ((tmp_path / "*.h5",), {}, r"\*\.h5"),
            ((runs / "*12.h5",), {}, "all networks diverged"),
        ]
        for source, options, said_ in cases:
            with pytest.raises(cg.CntGraphError, match=said_):
                write_report(*source, target, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_page_that_cannot_be_written_leaves_the_old_one(run, tmp_path, monkeypatch):
    target = write_report(run, tmp_path / "a.html", layers=["fc3"])
    before = target.read_bytes()
    with pytest.raises(cg.CntGraphError, match=r"absent.*cannot be written"):
        write_report(run, tmp_path / "absent" / "a.html", layers=["fc3"])

    def full(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(cg.CntGraphError, match="no space left"):
        write_report(run, target, layers=["input"], overwrite=True)
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


def test_without_plotly_the_extra_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(cg.core.errors.MissingExtraError, match=r"cntgraph\[report\]"):
        write_report(run, tmp_path / "a.html")


def test_importing_the_report_imports_no_plotly():
    code = "import sys, cntgraph.report; print({'plotly', 'pandas', 'matplotlib'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


# --- The page -------------------------------------------------------------------------------------


def test_names_are_text_in_the_page(page):
    html, outside = page.read_text(encoding="utf-8"), text_of(page)
    for name in (SCRIPT, "<img", "<b>", "<i>"):
        assert name not in outside
    # The elements of script that the page has, and no more.
    assert html.count("<script") == html.count("</script>") == 3
    assert "&lt;b&gt;fc&lt;/b&gt;" in outside


def test_the_page_refers_to_nothing_outside(page):
    html = page.read_text(encoding="utf-8")
    tags = re.findall(r"<[^>]*>", text_of(page))
    places = [found for tag in tags for found in re.findall(r' (?:src|href)="([^"]*)', tag)]
    assert places
    assert all(place.startswith("#section-") or place == "data:," for place in places)
    assert not re.search(r"https?://", html)
    assert "default-src 'none'" in html


def test_what_a_measure_means_stands_below_its_figure(run, runs, tmp_path):
    """The second paragraph of its docstring, as on the pages of the documentation."""
    net = cg.open(run)[-1]
    pages = {
        "one": (net, {"measures": ("layer_fluctuation", "node_strength", "link_weights"),
                      "densities": ("node_strength", "link_weights")}),
        "training": (run, {"training-densities": ("node_strength", "link_weights"),
                           "from-first": ("divergence",), "between": ("divergence",)}),
        "many": (runs / "net0*.h5", {"separation": ("separation",), "bins": ("divergence",),
                                     "scatter": ("layer_fluctuation", "node_strength",
                                                 "link_weights")}),
    }  # fmt: skip
    for kind, (source, figures) in pages.items():
        html = write_report(source, tmp_path / f"{kind}.html").read_text(encoding="utf-8")
        for name, functions in figures.items():
            figure = re.search(rf'<figure id="{name}">.*?</figure>', html, re.DOTALL).group()
            shown = re.findall(r"<code>(\w+)</code> (.*?)</p>", figure)
            assert tuple(function for function, _ in shown) == functions
            for function, text in shown:
                said = inspect.getdoc(getattr(cg, function)).split("\n\n")[1].replace("`", "")
                assert unescape(re.sub("</?code>", "", text)) == " ".join(said.split())


def test_a_meaning_is_shown_for_the_options_that_it_is_of():
    chart = Chart("a", "", {}, measures=["fluctuation", "in_strength_std", "strength_mean"])
    html = render("a", "b", [Section("c", parts=[chart])])
    assert re.findall(r'class="meaning" data-options="(.*?)"><code>(\w+)', html) == [
        ("0", "layer_fluctuation"), ("1 2", "node_strength"),
    ]  # fmt: skip
    alone = render("a", "b", [Section("c", parts=[Chart("a", "", {}, measures=["divergence"])])])
    assert '<p class="meaning"><code>divergence</code>' in alone


def test_every_measure_that_is_shown_has_a_meaning():
    assert all(len(meaning(name).text) > 60 for name in MEASURES)


def test_long_tables_are_cut_and_say_so():
    table = pd.DataFrame({"network": range(ROWS + 50), "note": ["x" * 100] * (ROWS + 50)})
    html = render("a", "b", [Section("c", parts=[Table(table, "Networks.")])])
    assert html.count("<tr>") == ROWS + 1
    assert f"The first {ROWS} of {ROWS + 50} rows are shown." in html
    assert '<td class="long">' in html


def test_a_long_training_of_many_layers_is_thinned_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(training_report, "MEASURED", 9)
    monkeypatch.setattr(training_report, "DRAWN", 5)
    monkeypatch.setattr(training_report, "LAYERS", 2)
    page = write_report(training(tmp_path / "run.h5", 12), tmp_path / "a.html")
    text = text_of(page)
    assert "9 of 12 snapshots are shown, evenly spaced." in text
    assert "5 of 12 snapshots are shown, evenly spaced." in text
    assert "2 of 4 layers are shown, evenly spaced." in text
    charts = re.search(r'id="charts">(.*?)</script>', page.read_text(encoding="utf-8")).group(1)
    # The first and the last are there.
    assert '"label":"step 0, accuracy 0"' in charts
    assert '"label":"step 110, accuracy 0.9167"' in charts


def test_a_training_of_which_nothing_was_recorded(tmp_path):
    rng = np.random.default_rng(0)
    cg.save([network(rng) for _ in range(2)], tmp_path / "run.h5")
    page = write_report(tmp_path / "run.h5", tmp_path / "a.html", layers=["fc3"])
    charts = re.search(r'id="charts">(.*?)</script>', page.read_text(encoding="utf-8")).group(1)
    assert '"label":"snapshot 1"' in charts
    assert "What was recorded with the snapshots." not in text_of(page)


def test_thinning():
    for n in (1, 2, 5, 6, 7, 1000):
        found = evenly(range(n), 6)
        assert len(found) == min(n, 6)
        assert (found[0], found[-1]) == (0, n - 1)
        assert len(set(np.diff(found))) <= 2
    assert evenly([], 3) == []
    assert said(2, 3, "layers") == " 2 of 3 layers are shown, evenly spaced."


def test_layers_without_edges_are_not_shown():
    table = pd.DataFrame({"layer": ["a", "b", "c"], "status": ["ok", "no edges", "empty"]})
    assert layers_of(table, None) == ["a"]
    assert layers_of(table, ["c", "c"]) == ["c"]
    with pytest.raises(cg.CntGraphError, match="no layer has learned edges"):
        layers_of(table[1:], None)


# --- The command ----------------------------------------------------------------------------------


def run_command(*args, code=0):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = CliRunner().invoke(app, ["report", *map(str, args)])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_the_command_writes_where_it_says(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run_command(run, "--layer", "fc3", "--title", "A <title>")
    path = tmp_path / "cntgraph-report.html"
    assert re.fullmatch(r"cntgraph-report\.html: 0\.\d MiB\n", result.stdout)
    assert "A &lt;title&gt;" in text_of(path)
    assert "Distributions" in text_of(path)


@pytest.mark.parametrize(
    ("options", "n"),
    [(["--population"], 6), (["--snapshots", "all"], 6), (["--snapshots", "last"], 1)],
)
def test_one_file_as_a_population(run, tmp_path, options, n):
    run_command(run, *options, "--layer", "fc3", "-o", tmp_path / "a.html")
    assert f"<h1>{n} networks</h1>" in text_of(tmp_path / "a.html")


def test_a_pattern_and_several_files_are_a_population(runs, tmp_path):
    for source in ([runs / "net0[0-4].h5"], sorted(runs.glob("net0[0-4].h5"))):
        run_command(*source, "--layer", "fc3", "-o", tmp_path / "a.html", "--overwrite")
        assert "<h1>5 networks</h1>" in text_of(tmp_path / "a.html")


def test_labels_from_a_table(runs, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("name,accuracy\n" + "".join(f"net0{k},0.{k}5\n" for k in range(5)))
    run_command(runs / "net0[0-4].h5", "--labels", table, "--layer", "fc3",
                "-o", tmp_path / "a.html")  # fmt: skip
    assert '<td class="number">0.45</td>' in text_of(tmp_path / "a.html")


def test_what_cannot_be_read_is_named_in_the_page_only(runs, tmp_path):
    result = run_command(runs / "net00.h5", runs / "net01.h5", runs / "torn.h5", "--layer", "fc3",
                         "-o", tmp_path / "a.html")  # fmt: skip
    assert result.stderr == ""
    assert "torn.h5" in text_of(tmp_path / "a.html")


def test_the_command_fails_in_one_line(run, tmp_path):
    result = run_command(run, "--population", "--by", "loss", "-o", tmp_path / "a.html", code=1)
    assert result.stderr.startswith("error: no label is called 'loss'")
    assert result.stderr.count("\n") == 1
