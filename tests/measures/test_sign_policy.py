"""Every public measure, and what it does about negative weights and about those that are NaN.

No measure that is defined for weights ≥ 0 may quietly return a number for others: each either
takes `sign=` and raises without it, or stands in `SIGNED` with the reason why it need not.
"""

import inspect

import numpy as np
import pytest
from scipy.sparse import csr_array

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, NonFiniteWeightError, SignedWeightError
from cntgraph.graph.signs import Split
from cntgraph.measures.profile.catalog import CATALOG

SUMS = "a signed sum is what it is defined as"
COUNTS = "counts edges, whatever their weights"
EVEN = "even powers of the weights"
MAGNITUDES = "magnitudes by definition"
SIGNED = {
    "analyze": SUMS,
    "describe": "reads no weights",
    "layer_fluctuation": SUMS,
    "link_weights": SUMS,
    "node_strength": SUMS,
    "strength_correlation": SUMS,
    "path_weight": SUMS,
    "relative_fluctuation": SUMS,
    "degree": COUNTS,
    "assortativity": COUNTS,
    "bipartite_clustering": COUNTS,
    "components": COUNTS,
    "core_number": COUNTS,
    "effective_depth": COUNTS,
    "motifs": COUNTS,
    "path_count": COUNTS,
    "rich_club": COUNTS,
    "robins_alexander_clustering": COUNTS,
    "small_world": COUNTS,
    "square_clustering": COUNTS,
    "subgraph_centrality": COUNTS,
    "participation_ratio": EVEN,
    "inverse_participation_ratio": EVEN,
    "path_norm": MAGNITUDES,
    "percolation": MAGNITUDES,
    "neural_persistence": MAGNITUDES,
    "deep_graph_persistence": "weights less their mean, by definition",
    "singular_values": "singular values are of any real matrix",
    "weight_spectra": "singular values are of any real matrix",
    "spectral_radius": "eigenvalues are of any real matrix",
}

PARTITION = np.arange(20) % 2
#: Options that make a measure use weights, or that it cannot do without.
OPTIONS = {
    "average_neighbor_strength": {"weighted": True},
    "average_path_length": {"length": "inverse"},
    "betweenness": {"length": "inverse"},
    "closeness": {"length": "neglog"},
    "clustering": {"weighted": True},
    "edge_betweenness": {"length": "inverse"},
    "global_efficiency": {"length": "inverse"},
    "modularity": {"partition": PARTITION},
    "n_cut": {"partition": PARTITION},
    "spectral_clustering": {"n_clusters": 2},
}


def public_measures():
    found = {}
    for name in cg.__all__:
        thing = getattr(cg, name)
        module = getattr(thing, "__module__", "")
        of_many = module.startswith("cntgraph.measures.profile")  # all measures at once
        if inspect.isfunction(thing) and module.startswith("cntgraph.measures.") and not of_many:
            found[name] = thing
    return found


MEASURES = public_measures()
WITH_POLICY = sorted(
    name for name, f in MEASURES.items() if "sign" in inspect.signature(f).parameters
)
SIGNS = ("absolute", "positive", "negative")


def loops_and_skips(weights):
    """Return a layer that feeds itself: there are loops, cycles and triangles."""
    rows, columns = np.repeat(np.arange(20), 7), (np.arange(20)[:, None] - np.arange(7)) % 20
    matrix = csr_array((weights(140), (rows, columns.ravel())), shape=(20, 20))
    return cg.Graph(
        adjacency=matrix,
        edge_block=np.zeros(140, dtype=np.uint8),
        layers=(cg.Layer("nodes", (20,), "dense", is_input=True, is_output=True),),
        block_names=("edges",),
        parametric=np.array([True]),
        bias=np.zeros(20),
        parametric_bias=np.zeros(20),
    )


def signed(n):
    return np.random.default_rng(0).normal(size=n)


def positive(n):
    return np.abs(signed(n))


def numbers(result):
    """All numbers of a result, one after the other."""
    if isinstance(result, tuple):
        return np.concatenate([numbers(part) for part in result])
    if hasattr(result, "__dataclass_fields__"):
        return np.concatenate([numbers(getattr(result, f)) for f in result.__dataclass_fields__])
    if hasattr(result, "toarray"):
        result = result.toarray()
    return np.asarray(result, dtype=np.float64).ravel()


def call(name, graph, **more):
    return MEASURES[name](graph, **OPTIONS.get(name, {}), **more)


def test_every_measure_is_listed():
    without = set(MEASURES) - set(WITH_POLICY)
    assert without == set(SIGNED)
    assert {measure.name for measure in CATALOG} <= set(MEASURES)


def test_every_measure_is_in_the_profile_but_those_that_need_more():
    missing = set(MEASURES) - {measure.name for measure in CATALOG}
    assert missing == {
        "analyze", "describe",  # tables of the above
        "edge_betweenness", "robins_alexander_clustering",
        "modularity", "n_cut",  # of a partition
        "percolation",  # curves
    }  # fmt: skip


#: The strengths that average_neighbor_strength averages have a transform of their own.
OF_WEIGHTS_ALONE = [name for name in WITH_POLICY if name != "average_neighbor_strength"]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("name", OF_WEIGHTS_ALONE)
def test_a_measure_is_that_of_the_graph_with_such_weights(name, sign):
    graph = loops_and_skips(signed)
    data = graph.adjacency.data
    part = {"absolute": graph, "positive": graph.keep_edges(data > 0),
            "negative": graph.keep_edges(data < 0)}[sign]  # fmt: skip
    own = part.with_weights(np.abs(part.adjacency.data))
    found, expected = numbers(call(name, graph, sign=sign)), numbers(call(name, own))
    if name == "edge_betweenness":  # one number per edge of the whole graph
        found = found[
            {"absolute": np.isfinite(data), "positive": data > 0, "negative": data < 0}[sign]
        ]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", WITH_POLICY)
class TestPolicy:
    def test_negative_weights_raise_without_one(self, name):
        with pytest.raises(SignedWeightError, match="sign='absolute'"):
            call(name, loops_and_skips(signed))

    def test_positive_weights_need_none(self, name):
        graph = loops_and_skips(positive)
        found = numbers(call(name, graph))
        assert np.isfinite(found).any()
        np.testing.assert_array_equal(found, numbers(call(name, graph, sign="absolute")))

    def test_split_is_both(self, name):
        graph = loops_and_skips(signed)
        found = call(name, graph, sign="split")
        assert isinstance(found, Split)
        for sign, part in found._asdict().items():
            np.testing.assert_allclose(
                numbers(part), numbers(call(name, graph, sign=sign)), rtol=1e-9, atol=1e-12
            )

    def test_weights_that_are_not_finite_raise(self, name):
        graph = loops_and_skips(positive)
        weights = graph.adjacency.data.copy()
        weights[3] = np.nan
        with pytest.raises(NonFiniteWeightError):
            call(name, graph.with_weights(weights), sign="absolute")

    def test_a_sign_that_there_is_not_raises(self, name):
        with pytest.raises(CntGraphError, match="expected sign"):
            call(name, loops_and_skips(positive), sign="all")


@pytest.mark.parametrize("name", sorted(n for n, why in SIGNED.items() if why == COUNTS))
def test_weights_do_not_matter_to_what_counts(name):
    graph = cg.build_graph(cg.toy("cnn"))
    other = graph.with_weights(-7 * np.abs(graph.adjacency.data) - 1)
    if name == "small_world":
        graph, other = loops_and_skips(positive), loops_and_skips(signed)
    first, second = call(name, graph), call(name, other)
    if hasattr(first, "equals"):
        assert first.equals(second)
    else:
        np.testing.assert_array_equal(numbers(first), numbers(second))


@pytest.mark.parametrize("name", sorted(n for n, w in SIGNED.items() if w in (EVEN, MAGNITUDES)))
def test_signs_do_not_matter_to_even_powers_and_magnitudes(name):
    graph = cg.build_graph(cg.toy("mlp"))
    other = graph.with_weights(np.abs(graph.adjacency.data))
    first, second = call(name, graph), call(name, other)
    if hasattr(first, "equals"):
        first, second = first.select_dtypes("number"), second.select_dtypes("number")
    np.testing.assert_allclose(numbers(first), numbers(second), rtol=1e-12)
