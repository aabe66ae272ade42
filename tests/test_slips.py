"""What a newcomer hands to the wrong function: an error of ours that says what to do."""

import inspect
import pickle

import networkx as nx
import numpy as np
import pytest
from scipy.sparse import csr_array

import cntgraph as cg
from cntgraph.core.errors import ArgumentError, CntGraphError
from cntgraph.report.plots.density import plot_density

#: What functions call a network, a graph, and either.
TAKEN = {"net": "Network", "graph": "Graph", "net_or_graph": "Network or Graph"}


class Sequential:
    """A live model, as far as its name goes."""


def functions():
    for name in cg.__all__:
        function = getattr(cg, name)
        if inspect.isfunction(function):
            first, *others = inspect.signature(function).parameters.values()
            needed = [p for p in others if p.default is p.empty and p.kind < p.VAR_POSITIONAL]
            if first.name in TAKEN and name != "save":
                yield pytest.param(function, first.name, len(needed), id=name)


WRONG = {
    "model": (Sequential(), "Sequential; cg.load(model, input_shape"),
    "path": ("net.pt2", "the path 'net.pt2'; cg.load('net.pt2')"),
    "networkx": (nx.DiGraph(), "DiGraph; cg.Graph.from_networkx"),
    "scipy": (csr_array((2, 2)), "csr_array; cg.Graph.from_scipy"),
    "weights": ([np.ones((2, 2))], "list; cg.load(weights)"),
}


@pytest.mark.parametrize(("function", "first", "n_needed"), list(functions()))
@pytest.mark.parametrize("what", WRONG)
def test_every_function_says_what_it_takes_and_how_to_make_it(function, first, n_needed, what):
    wrong, advice = WRONG[what]
    others = [None] * n_needed
    names = list(inspect.signature(function).parameters)
    named = {first: wrong, **dict(zip(names[1:], others, strict=False))}
    with pytest.raises(ArgumentError) as by_place:
        function(wrong, *others)
    with pytest.raises(ArgumentError) as by_name:
        function(**named)
    assert str(by_place.value) == str(by_name.value)
    assert f"{function.__name__}: expected a " in str(by_place.value)
    assert advice in str(by_place.value)


def test_functions_are_what_they_were():
    assert pickle.loads(pickle.dumps(cg.analyze)) is cg.analyze
    assert "granularity" in inspect.signature(cg.analyze).parameters
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'net'"):
        cg.analyze()


def test_the_result_of_a_reduction_is_passed_on_as_a_graph():
    reduced = cg.threshold_edges(cg.build_graph(cg.toy("cnn")), 0.1)
    again = cg.drop_isolated_nodes(reduced)
    assert again.graph.n_edges == reduced.graph.n_edges
    expected = cg.pagerank(reduced.graph, sign="absolute")
    np.testing.assert_array_equal(cg.pagerank(reduced, sign="absolute"), expected)


def population():
    return cg.Population.from_networks([cg.toy("mlp")] * 3, {"accuracy": [0.1, 0.5, 0.9]})


@pytest.fixture(scope="module")
def trajectory():
    with cg.open(cg.demo_file("training")) as found:
        yield found


NET = cg.toy("mlp")

SLIPS = {
    "analyze a graph": (lambda t: cg.analyze(cg.build_graph(NET)), "network that the graph was"),
    "reduce a network": (lambda t: cg.threshold_edges(NET, 0.1), r"cg\.build_graph\(net\)"),
    "measure a trajectory": (lambda t: cg.analyze(t), r"trajectory\[-1\]"),
    "measure a population": (lambda t: cg.node_strength(population()), r"population\[0\]"),
    "no such layer": (lambda t: NET.split(cg.node_strength(NET))["fc9"], "layers are: input, fc1"),
    "no such snapshot": (lambda t: t[99], "16 snapshots, numbers 0 to 15 or -16 to -1; got 99"),
    "no such network": (lambda t: population()[3], "3 networks, numbers 0 to 2"),
    "scheduler": (lambda t: population().analyze(scheduler="x"), "did you mean 'client'"),
    "misspelt": (lambda t: t.analyze(granularty="layer"), "did you mean 'granularity'"),
    "misspelt for each": (
        lambda t: population().relative_fluctuation(drection="in"),
        "'direction'",
    ),
    "for each snapshot": (
        lambda t: t.weight_spectra(nonsense=1),
        "Trajectory.weight_spectra: there",
    ),
    "misspelt of a network": (lambda t: cg.node_strength(NET, driection="in"), "mean 'direction'"),
    "of no meaning": (lambda t: cg.pagerank(NET, weight="weight"), "pagerank: there is no option"),
    "networks diverge": (lambda t: cg.divergence(NET, NET), r"numbers, .*cg\.node_strength"),
    "density of an array": (lambda t: plot_density(np.ones(3)), "table of `density`.*ndarray"),
    "open a network": (lambda t: cg.open(NET), "path of a cntgraph file.*cg.load"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_slips_are_answered(slip, trajectory):
    function, answer = SLIPS[slip]
    with pytest.raises(CntGraphError, match=answer):
        function(trajectory)


def test_errors_of_lists_and_dicts_are_theirs_too(trajectory):
    with pytest.raises(IndexError):
        trajectory[16]
    with pytest.raises(KeyError):
        NET.split(cg.node_strength(NET))["fc9"]
    assert "fc9" not in NET.split(cg.node_strength(NET))
