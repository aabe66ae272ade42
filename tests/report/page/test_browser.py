"""The pages in a real browser: they draw, answer, and ask the network for nothing."""

import warnings

import numpy as np
import pytest
from browser.chromium import ARGS, chromium
from needs import needs

import cntgraph as cg
from cntgraph.report import write_report

from .conftest import MARKUP, SCRIPT, VALUE, network

needs("plotly")


# Of this module only: Playwright's loop must not run while other tests have loops of their own.
@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=ARGS)
        yield opened
        opened.close()


class Watched:
    """A page, and what went wrong in it."""

    def __init__(self, browser, path, **options):
        self.wrong, self.asked = [], []
        self.context = browser.new_context(viewport={"width": 1200, "height": 900}, **options)
        self.page = self.context.new_page()
        self.page.on("console", lambda m: self.wrong.append(f"console: {m.type} {m.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.route("**/*", lambda route: self._answer(route, path.as_uri()))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-ready]", state="attached", timeout=30_000)

    def _answer(self, route, allowed):
        if route.request.url == allowed:
            route.continue_()
        else:
            self.asked.append(route.request.url)
            route.abort()

    def plot(self, name):
        """Return what plotly holds of a figure: its traces as they are drawn."""
        return self.page.evaluate(
            """name => { const plot = document.querySelector(`#${name} .plot`);
            return {drawn: plot.querySelectorAll("svg.main-svg").length,
                    data: plot.data, layout: plot.layout}; }""",
            name,
        )

    def lines(self, name):
        """Return how the lines of a figure run, in pixels."""
        return self.page.eval_on_selector_all(
            f"#{name} .scatterlayer .js-line", "lines => lines.map(line => line.getAttribute('d'))"
        )

    def count(self, name, selector):
        return self.page.locator(f"#{name} .plot {selector}").count()

    def choose(self, name, menu, option):
        self.page.locator(f"#{name} label", has_text=menu).locator("select").select_option(option)

    def slide(self, name, place):
        slider = self.page.locator(f"#{name} input[type=range]")
        slider.evaluate(
            """(slider, place) => { slider.value = place;
            slider.dispatchEvent(new Event("input", {bubbles: true})); }""",
            place,
        )

    def check(self):
        assert self.wrong == []
        assert self.asked == []
        assert self.page.evaluate("typeof window.hacked") == "undefined"


@pytest.fixture(scope="module")
def training_page(run, tmp_path_factory):
    return write_report(run, tmp_path_factory.mktemp("page") / "training.html", title=SCRIPT)


@pytest.fixture(scope="module")
def population_page(runs, tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that one file cannot be read
        return write_report(runs / "*.h5", tmp_path_factory.mktemp("page") / "population.html")


@pytest.fixture(scope="module")
def training(browser, training_page):
    watched = Watched(browser, training_page)
    yield watched
    watched.context.close()


@pytest.fixture(scope="module")
def population(browser, population_page):
    watched = Watched(browser, population_page)
    yield watched
    watched.context.close()


@pytest.mark.parametrize("width", [1200, 500])
def test_one_network_is_drawn_and_fits_the_page(browser, tmp_path, width):
    rng = np.random.default_rng(2)
    page = write_report(network(rng), tmp_path / "one.html")
    watched = Watched(browser, page)
    watched.page.set_viewport_size({"width": width, "height": 800})
    try:
        for name in ("measures", "densities"):
            found = watched.plot(name)
            assert found["drawn"] > 0
            assert len(found["data"]) == 1
        assert watched.count("measures", ".point") == 4
        wide = "[document.documentElement.scrollWidth, window.innerWidth]"
        assert watched.page.evaluate(f"{wide}[0] <= {wide}[1]")
        watched.check()
    finally:
        watched.context.close()


def test_every_figure_of_a_training_is_drawn(training):
    figures = {"measures": 4, "labels": 1, "changes": 3, "training-densities": 3, "from-first": 1,
               "between": 1}  # fmt: skip
    for name, n_traces in figures.items():
        plot = training.plot(name)
        assert plot["drawn"], name
        assert len(plot["data"]) == n_traces, name
        kind = (
            ".heatmaplayer image"
            if n_traces == 1 and name != "labels"
            else ".scatterlayer .js-line"
        )
        assert training.count(name, kind) == n_traces, name
    training.check()


def test_the_slider_moves_the_curve(training):
    seen = []
    for place in (0, 2, 5):
        training.slide("training-densities", place)
        text = training.page.locator("#training-densities .slider span").inner_text()
        assert text.startswith(f"Snapshot: step {10 * place}, accuracy ")
        seen.append(training.lines("training-densities"))
    moved, first, last = zip(*seen, strict=True)
    assert len(set(moved)) == 3
    assert len(set(first)) == len(set(last)) == 1
    training.check()


def test_the_slider_plays_to_the_end(training):
    training.slide("training-densities", 3)
    button = training.page.locator("#training-densities .controls button")
    button.click()
    training.page.wait_for_function(
        """() => document.querySelector("#training-densities input").value == 5
        && document.querySelector("#training-densities button").textContent.includes("Play")"""
    )
    training.check()


def test_no_button_sends_a_chart_anywhere(training, population):
    for page in (training, population):
        buttons = page.page.locator(".modebar-btn").evaluate_all(
            "buttons => buttons.map(button => button.getAttribute('data-title'))"
        )
        assert set(buttons) == {"Download plot as a PNG", "Zoom", "Pan", "Autoscale", "Reset axes"}


def test_menus_choose_measure_and_layer(training):
    before = training.lines("measures")
    training.choose("measures", "Measure", "strength mean")
    assert training.lines("measures") != before
    title = training.plot("measures")["layout"]["yaxis"]["title"]["text"]
    assert title == "strength mean (sum of weights)"
    meanings = training.page.locator("#measures .meaning:visible")
    assert meanings.all_inner_texts()[0].startswith("node_strength How strongly a node is tied")
    assert meanings.count() == 1
    curve = training.plot("training-densities")["data"][0]["y"]
    training.choose("training-densities", "Layer", MARKUP)
    assert training.plot("training-densities")["data"][0]["y"] != curve
    training.choose("between", "Layer", "fc3")
    training.choose("from-first", "Measure", "link weights")
    assert len(training.plot("from-first")["data"][0]["z"]) == 3
    training.check()


def test_what_has_no_distribution_says_so_and_comes_back(training):
    training.choose("training-densities", "Layer", "input")
    training.choose("training-densities", "Measure", "link weights")
    empty = training.page.locator("#training-densities .empty")
    assert empty.inner_text() == "There is nothing to show for this choice."
    training.slide("training-densities", 1)
    training.choose("training-densities", "Layer", "fc3")
    assert empty.count() == 0
    assert training.count("training-densities", ".scatterlayer .js-line") == 3
    assert training.plot("training-densities")["layout"]["xaxis"]["title"]["text"] == "link weight"
    training.check()


def test_names_stay_text(training, population):
    assert training.page.title() == SCRIPT
    assert training.page.locator("h1").inner_text() == SCRIPT
    cells = training.page.locator("td").all_inner_texts()
    assert {SCRIPT, MARKUP, VALUE} <= set(cells)
    legend = training.page.locator("#measures .legendtext").all_text_contents()
    assert legend == ["input", SCRIPT, MARKUP, "fc3"]
    options = training.page.locator("#training-densities option").all_text_contents()
    assert {SCRIPT, MARKUP} <= set(options)
    assert {VALUE, "net<i>12.h5"} <= set(population.page.locator("td").all_inner_texts())
    ticks = population.page.locator("#separation .yaxislayer-above text").all_text_contents()
    assert ticks[:2] == ["input", "…hacked = 1</script>"]
    for page in (training, population):
        assert page.page.locator("main script, main b, main i, main img").count() == 0
        page.check()


def test_every_figure_of_a_population_is_drawn(population):
    figures = {
        "histogram": (1, ".bars .point", None),
        "separation": (4, ".scatterlayer .points", 4),
        "population-densities": (5, ".scatterlayer .js-line", 5),
        "bins": (1, ".heatmaplayer image", 1),
        "scatter": (1, ".scatterlayer .point", 12),
    }
    for name, (n_traces, selector, n_drawn) in figures.items():
        plot = population.plot(name)
        assert plot["drawn"], name
        assert len(plot["data"]) == n_traces, name
        found = population.count(name, selector)
        assert found == n_drawn if n_drawn else found > 0, name
    # A whisker a point: three layers have link weights, four have strengths.
    assert population.count("separation", ".errorbar") == 2 * 4 + 2 * 3
    population.check()


def test_the_population_is_counted(population):
    facts = dict(
        zip(
            population.page.locator("dt").all_inner_texts(),
            population.page.locator("dd").all_inner_texts(),
            strict=True,
        )
    )
    assert facts["networks"] == "13"
    assert (facts["diverged"], facts["not readable"], facts["architectures"]) == ("1", "1", "1")
    assert (facts["accuracy > 0.8"], facts["accuracy < 0.3"]) == ("3", "4")
    cells = population.page.locator("figure.table td").all_inner_texts()
    assert any("not finite" in text for text in cells)
    assert any("torn.h5" in text for text in cells)


def test_pointing_at_a_network_shows_its_labels(population):
    population.choose("scatter", "Measure", "link weight std")
    population.choose("scatter", "Layer", "fc3")
    population.page.locator("#scatter .plot").scroll_into_view_if_needed()
    point = population.page.locator("#scatter .points .point").nth(3).bounding_box()
    population.page.mouse.move(point["x"] + point["width"] / 2, point["y"] + point["height"] / 2)
    hover = population.page.locator("#scatter .hoverlayer .hovertext").first
    hover.wait_for()
    text = hover.text_content()
    assert "network 3" in text
    assert "accuracy: 0.2727" in text
    assert "net03.h5" in text
    population.check()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_narrow_page_in_light_and_dark(browser, training_page, scheme):
    watched = Watched(browser, training_page, color_scheme=scheme)
    paper, ink = watched.page.evaluate(
        """[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]
        .map(text => text.match(/[0-9]+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0))"""
    )
    assert (paper > 700 and ink < 150) if scheme == "light" else (paper < 150 and ink > 600)
    tick = watched.page.locator("#measures .xtick text").first
    fill = tick.evaluate("text => getComputedStyle(text).fill.match(/[0-9]+/g).map(Number)")
    assert abs(sum(fill[:3]) - ink) < 10
    before = watched.page.locator("#measures .main-svg").first.bounding_box()["width"]
    watched.page.set_viewport_size({"width": 400, "height": 800})
    watched.page.wait_for_function(
        "() => document.querySelector('#measures .main-svg').getBoundingClientRect().width < 400"
    )
    assert before > 900
    # Nothing sticks out to the side.
    assert watched.page.evaluate("document.documentElement.scrollWidth") == 400
    watched.check()
    watched.context.close()


def test_colors_follow_when_night_falls(training):
    color = "() => document.querySelector('#measures .js-line').style.stroke"
    day = training.page.evaluate(color)
    training.page.emulate_media(color_scheme="dark")
    training.page.wait_for_function(f"day => ({color})() !== day", arg=day, timeout=10_000)
    training.page.emulate_media(color_scheme="light")
    training.page.wait_for_function(f"day => ({color})() === day", arg=day, timeout=10_000)
    training.check()


def test_the_policy_of_the_page_forbids_the_network(browser, training_page):
    """Even if a script wanted to: this is what the page itself says, not the test's route."""
    watched = Watched(browser, training_page)
    answer = watched.page.evaluate(
        "fetch('https://example.org/').then(() => 'answered', error => String(error))"
    )
    assert "Failed to fetch" in answer
    assert watched.asked == []
    assert any("Content Security Policy" in text for text in watched.wrong)
    watched.context.close()


def test_the_demo_in_a_browser(browser, tmp_path):
    with cg.open(cg.demo_file("training")) as trajectory:
        path = write_report(trajectory[::5], tmp_path / "demo.html", layers=["conv1", "fc2"])
    watched = Watched(browser, path)
    assert len(watched.plot("measures")["data"]) == 2
    assert watched.page.locator("h1").inner_text() == "training.h5"
    watched.check()
    watched.context.close()
