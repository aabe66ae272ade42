"""GEXF in a real browser: graphology reads the same graph, sigma draws it."""

import json
import shutil
import subprocess
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from browser.chromium import ARGS, chromium
from needs import not_here
from oracles.exported import edges_of, nodes_of

import cntgraph as cg
from cntgraph.export.colors import NEGATIVE, POSITIVE, ZERO
from cntgraph.export.gexf import write_gexf
from cntgraph.graph.node_positions import node_positions

HERE = Path(__file__).parent.parent / "browser"
BUNDLER = HERE / "node_modules" / "esbuild" / "bin" / "esbuild"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """The page with graphology and sigma in it; without them these tests are skipped."""
    if not BUNDLER.exists():
        not_here("sigma.js", "npm ci --ignore-scripts --prefix tests/browser")
    folder = tmp_path_factory.mktemp("page")
    command = [BUNDLER, HERE / "page.mjs", "--bundle", f"--outfile={folder / 'page.js'}",
               "--log-level=warning"]  # fmt: skip
    subprocess.run(command, check=True)
    return Path(shutil.copy(HERE / "page.html", folder))


# Of this module only: Playwright's loop must not run while other tests have loops of their own.
@pytest.fixture(scope="module")
def page(page_file):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGS)
        opened = browser.new_page(viewport={"width": 1000, "height": 600})
        wrong = []
        opened.on("console", lambda message: _note(message, wrong))
        opened.on("pageerror", lambda error: wrong.append(str(error)))
        opened.route("**/*", lambda route: _answer(route, page_file.parent.as_uri(), wrong))
        opened.goto(page_file.as_uri())
        yield opened
        browser.close()
        assert wrong == []


def _note(message, wrong):
    # A screenshot reads back what the graphics card drew, and the driver says that this is slow.
    if "GPU stall due to ReadPixels" not in message.text:
        wrong.append(message.text)


def _answer(route, allowed, wrong):
    if route.request.url.startswith(allowed):
        route.continue_()
    else:
        wrong.append(route.request.url)
        route.abort()


def read(page, path):
    """Return what graphology reads of a file: nodes and edges in order, with their attributes."""
    return page.evaluate("text => window.read(text)", path.read_text(encoding="utf-8"))


def check(found, graph, weights):
    """Graphology's graph is the graph, with these weights."""
    assert found["type"] == "directed"
    names = [node["key"] for node in found["nodes"]]
    assert names == [str(k) for k in range(graph.n_nodes)]
    edges = edges_of(graph)
    ends = [(int(edge["source"]), int(edge["target"])) for edge in found["edges"]]
    assert ends == [edge[:2] for edge in edges]
    data = [edge["attributes"] for edge in found["edges"]]
    assert [one["block"] for one in data] == [edge[3] for edge in edges]
    read_back = np.array([float(one["weight"]) for one in data])
    assert read_back.astype(weights.dtype).tobytes() == weights.tobytes()
    for one, weight in zip(data, weights, strict=True):
        color = POSITIVE if weight > 0 else NEGATIVE if weight < 0 else ZERO
        assert one["color"] == f"rgb({','.join(map(str, color))})"


@pytest.mark.parametrize("name", ["mlp", "cnn", "residual"])
def test_graphology_reads_the_same_graph(name, page, tmp_path):
    graph = cg.build_graph(cg.toy(name))
    rank = np.arange(graph.n_nodes) / 3
    path = write_gexf(graph, tmp_path / "g.gexf", measures={"rank": rank, "on": rank > 2})
    found = read(page, path)
    assert found["multi"] == (name == "residual")
    check(found, graph, graph.adjacency.data)
    measures = {"strength": cg.node_strength(graph), "rank": rank, "on": rank > 2}
    places = node_positions(graph)
    for node, row, place in zip(found["nodes"], nodes_of(graph, measures), places, strict=True):
        data = node["attributes"]
        assert [data.pop(axis) for axis in "xyz"] == pytest.approx(place, abs=1e-3)
        assert data.pop("size") == 12
        assert data.pop("color").startswith("rgb(")
        assert data == row


def test_graphology_reads_the_last_snapshot_of_the_training(page, tmp_path):
    with cg.open(cg.demo_file("training")) as trajectory:
        path = write_gexf(trajectory, tmp_path / "t.gexf", granularity="channel", aggregation="l2")
        graph = cg.build_graph(trajectory[-1], granularity="channel", aggregation="l2")
    found = read(page, path)
    # It knows no times: the last value it comes by is the one it keeps.
    check(found, graph, graph.adjacency.data)
    strength = [float(node["attributes"]["strength"]) for node in found["nodes"]]
    assert strength == cg.node_strength(graph).tolist()


def drawn_colors(page):
    """Draw what was read last; return the picture as bytes, and how often each color is in it."""
    from matplotlib.image import imread

    assert page.evaluate("window.draw()") == {"width": 1000, "height": 600}
    picture = page.locator("#graph").screenshot()
    pixels = np.rint(imread(BytesIO(picture))[..., :3] * 255).astype(int)
    return picture, Counter(map(tuple, pixels.reshape(-1, 3).tolist()))


def near(counts, color, within=40):
    """How many pixels have about a color: lines are blended with what is below them."""
    return sum(n for one, n in counts.items() if max(abs(np.subtract(one, color))) <= within)


def test_sigma_draws_the_graph(page, tmp_path):
    graph = cg.build_graph(cg.toy("mlp"))
    path = write_gexf(graph, tmp_path / "g.gexf", color=np.tile([[0, 255, 0]], (20, 1)))
    read(page, path)
    _, counts = drawn_colors(page)
    assert counts[(255, 255, 255)] > 300_000  # the paper
    assert counts[(0, 255, 0)] > 20 * 100  # nodes
    assert near(counts, POSITIVE) > 1000  # edges of either sign
    assert near(counts, NEGATIVE) > 1000


def test_sigma_draws_a_frame_of_the_training(page, tmp_path):
    with cg.open(cg.demo_file("training")) as trajectory:
        path = write_gexf(trajectory, tmp_path / "t.gexf", granularity="channel", size="strength")
    found = read(page, path)
    picture, counts = drawn_colors(page)
    (tmp_path / "training.png").write_bytes(picture)
    assert counts[(255, 255, 255)] > 200_000
    first, last = (found["nodes"][k]["attributes"]["color"] for k in (0, -1))
    for color in (first, last):
        assert near(counts, json.loads(f"[{color[4:-1]}]"), within=2) > 20
    assert near(counts, POSITIVE) > 1000
    assert near(counts, NEGATIVE) > 1000
