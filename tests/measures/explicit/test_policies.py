"""What all measures on the CSR have in common; each is listed here, with its policy of signs."""

import importlib
import inspect
import pkgutil

import numpy as np
import pandas as pd
import pytest
from oracles.classic import graph_of, networks

import cntgraph as cg
import cntgraph.measures.explicit as package
from cntgraph.core.errors import (
    CntGraphError,
    GraphSizeError,
    SignedWeightError,
    UndefinedMeasureError,
)
from cntgraph.measures.explicit.assortativity import assortativity
from cntgraph.measures.explicit.betweenness import betweenness, edge_betweenness
from cntgraph.measures.explicit.bipartite_clustering import (
    bipartite_clustering,
    robins_alexander_clustering,
)
from cntgraph.measures.explicit.closeness import closeness
from cntgraph.measures.explicit.clustering import clustering
from cntgraph.measures.explicit.communities import communities, modularity
from cntgraph.measures.explicit.core_number import core_number
from cntgraph.measures.explicit.motifs import motifs
from cntgraph.measures.explicit.path_length import average_path_length, global_efficiency
from cntgraph.measures.explicit.rich_club import rich_club
from cntgraph.measures.explicit.small_world import small_world
from cntgraph.measures.explicit.spectral_clustering import spectral_clustering
from cntgraph.measures.explicit.square_clustering import square_clustering
from cntgraph.measures.explicit.subgraph_centrality import subgraph_centrality

#: Options with which a measure uses weights, and needs a policy if some are negative.
WEIGHTED = {
    betweenness: {"length": "inverse"},
    edge_betweenness: {"length": "inverse"},
    closeness: {"length": "inverse"},
    average_path_length: {"length": "inverse"},
    global_efficiency: {"length": "inverse"},
    communities: {},
    modularity: {},
    spectral_clustering: {"n_clusters": 2},
    clustering: {"weighted": True},
}
#: Which edges there are is all that these look at (assortativity: or signed sums).
UNWEIGHTED = {
    assortativity: {},
    bipartite_clustering: {},
    core_number: {},
    motifs: {},
    rich_club: {},
    robins_alexander_clustering: {},
    small_world: {"n_nulls": 2},
    square_clustering: {},
    subgraph_centrality: {},
}
ALL = WEIGHTED | UNWEIGHTED
NET = networks()["random0"]


def call(measure, net, **options):
    if measure is modularity:
        return modularity(net, np.arange(net.n_nodes) % 2, **options)
    return measure(net, **options)


def numbers(found):
    """All that a measure returns, as one array."""
    if isinstance(found, pd.DataFrame):
        return found.select_dtypes("number").to_numpy(float)
    if isinstance(found, pd.Series):
        return found.to_numpy(float)
    if hasattr(found, "__dataclass_fields__"):
        found = tuple(vars(found).values())
    if hasattr(found, "toarray"):
        found = found.toarray()
    if isinstance(found, tuple):
        return np.concatenate([np.ravel(numbers(x)) for x in found])
    return np.asarray(found, float)


def test_every_measure_is_listed_here():
    listed = {measure.__name__ for measure in ALL}
    found = set()
    for module in pkgutil.iter_modules(package.__path__):
        members = vars(importlib.import_module(f"{package.__name__}.{module.name}"))
        for name, member in members.items():
            own = getattr(member, "__module__", "") == f"{package.__name__}.{module.name}"
            if own and inspect.isfunction(member) and not name.startswith("_"):
                first = next(iter(inspect.signature(member).parameters), "")
                if first == "net_or_graph" and name != "explicit_graph":
                    found.add(name)
    # Of standardized or of absolute weights or of none, whatever their signs; with own tests.
    others = {"neural_persistence", "deep_graph_persistence", "components", "percolation"}
    assert found - others == listed


@pytest.mark.parametrize("measure", WEIGHTED)
def test_negative_weights_need_a_policy(measure):
    with pytest.raises(SignedWeightError, match=measure.__name__):
        call(measure, NET, **WEIGHTED[measure])
    with pytest.raises(CntGraphError, match="sign to be one of"):
        call(measure, NET, **WEIGHTED[measure], sign="both")
    both = call(measure, NET, **WEIGHTED[measure], sign="split")
    for part in ("positive", "negative"):
        one = call(measure, NET, **WEIGHTED[measure], sign=part)
        assert np.array_equal(numbers(getattr(both, part)), numbers(one), equal_nan=True)


@pytest.mark.parametrize("measure", UNWEIGHTED)
def test_weights_do_not_matter(measure):
    assert "sign" not in inspect.signature(measure).parameters
    graph = cg.build_graph(NET)
    other = graph.with_weights(-np.ones(graph.n_edges))
    found = [numbers(call(measure, x, **UNWEIGHTED[measure])) for x in (graph, other)]
    assert np.array_equal(*found, equal_nan=True)


@pytest.mark.parametrize("measure", ALL)
def test_a_network_and_its_graph_are_measured_alike(measure):
    options = ALL[measure] | ({"sign": "absolute"} if measure in WEIGHTED else {})
    for edges in ("all", "parametric"):
        found = [
            numbers(call(measure, x, **options, edges=edges)) for x in (NET, cg.build_graph(NET))
        ]
        assert np.array_equal(*found, equal_nan=True)
    with pytest.raises(GraphSizeError, match="max_edges"):
        call(measure, NET, **options, max_edges=100)
    with pytest.raises(CntGraphError, match="edges to be"):
        call(measure, NET, **options, edges="some")


def empty_layer_graph():
    """Three layers, the one in the middle without nodes; a node without edges."""
    edges = [(0, 2, 1.0, 0), (0, 3, 2.0, 0), (1, 3, 0.0, 0), (1, 2, 0.5, 0)]
    return graph_of(edges, 5, [2, 0, 3])


@pytest.mark.parametrize("measure", ALL)
def test_layers_without_nodes_and_nodes_without_edges(measure):
    graph = empty_layer_graph()
    if measure in (clustering, small_world, assortativity):
        # There are no triangles, and all degrees are 2.
        with pytest.raises(UndefinedMeasureError, match=measure.__name__):
            call(measure, graph, **ALL[measure])
    else:
        assert np.isfinite(numbers(call(measure, graph, **ALL[measure]))).all()


@pytest.mark.parametrize("n_nodes", [0, 1, 3])
@pytest.mark.parametrize("measure", ALL)
def test_graphs_without_edges(measure, n_nodes):
    """Zero where that is the number, or an error; never NaN."""
    graph, zero = graph_of([], n_nodes), {betweenness, edge_betweenness, closeness, core_number}
    if measure is global_efficiency and n_nodes > 1:
        assert call(measure, graph) == 0
    elif measure in zero | {motifs}:
        assert not numbers(call(measure, graph, **ALL[measure])).any()
    elif measure is subgraph_centrality:
        assert call(measure, graph).tolist() == [1.0] * n_nodes
    else:
        with pytest.raises(UndefinedMeasureError):
            call(measure, graph, **ALL[measure])


@pytest.mark.parametrize("measure", ALL)
def test_the_docstring_says_what_it_should(measure):
    text = inspect.getdoc(measure)
    for section in ("Parameters", "Returns", "Raises", "Notes", "References", "Examples"):
        assert f"\n{section}\n---" in text, section
    for name in inspect.signature(measure).parameters:
        assert name in text


@pytest.mark.parametrize("measure", ALL)
def test_what_it_costs_is_told_beforehand(measure):
    """A number of operations that grows with the graph."""
    module = inspect.getmodule(measure)
    assert 0 < module.operations(1000, 20_000) < module.operations(10_000, 300_000)
    assert module.operations(0, 0) >= 0
