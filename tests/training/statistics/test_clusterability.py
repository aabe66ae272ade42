import numpy as np
import pytest

import cntgraph as cg
from cntgraph.core.errors import CntGraphError, GraphSizeError, SignedWeightError
from cntgraph.measures.explicit.spectral_clustering import spectral_clustering
from cntgraph.training.statistics.clusterability import clusterability
from cntgraph.training.statistics.randomized import shuffle_weights

OPTIONS = {"n_clusters": 3, "sign": "absolute", "n_nulls": 12}


def test_the_scores_are_those_of_the_null():
    net = cg.toy("mlp")
    found = clusterability(net, **OPTIONS, rng=4)
    assert found.null.shape == (12,)
    assert found.z == pytest.approx((found.n_cut - found.null.mean()) / found.null.std(ddof=1))
    assert found.p == (1 + (found.null <= found.n_cut).sum()) / 13
    rng = np.random.default_rng(4)
    own = spectral_clustering(net, n_clusters=3, sign="absolute", rng=rng)
    assert (own.n_cut, own.partition.tolist()) == (found.n_cut, found.partition.tolist())
    null = shuffle_weights(net, rng)
    first = spectral_clustering(null, n_clusters=3, sign="absolute", rng=rng)
    assert first.n_cut == found.null[0]


def test_the_same_rng_gives_the_same():
    first, again, other = (clusterability(cg.toy("cnn"), **OPTIONS, rng=r) for r in (1, 1, 2))
    assert np.array_equal(first.null, again.null)
    assert not np.array_equal(first.null, other.null)


def clustered_net():
    """Two halves that hardly see each other."""
    from cntgraph.adapters.builder import Builder
    from cntgraph.core.recipe import Recipe

    rng, builder = np.random.default_rng(0), Builder()
    ids = builder.input("input", (8,))
    for name, n in (("fc1", 8), ("fc2", 8)):
        weight = rng.normal(size=(n, 8)) * np.kron(np.eye(2), np.ones((4, 4)))
        weight += 0.01 * rng.normal(size=(n, 8))
        parameter = builder.parameter(cg.Parameter.from_array(f"{name}.weight", weight))
        ids = builder.activate(builder.linear(name, ids, Recipe.of(parameter), None), "relu")
    builder.output(ids)
    return builder.finish()


def test_a_network_of_two_halves_is_clusterable():
    found = clusterability(clustered_net(), n_clusters=2, sign="absolute", n_nulls=20)
    assert found.z < -3
    assert found.p == 1 / 21
    halves = found.partition.reshape(3, 2, 4)
    assert (halves == halves[:1, :, :1]).all()


def test_split_and_errors():
    net = cg.toy("mlp")
    both = clusterability(net, **OPTIONS | {"sign": "split"})
    assert both.positive.null.shape == both.negative.null.shape == (12,)
    one = spectral_clustering(net, n_clusters=3, sign="negative").n_cut
    assert both.negative.n_cut == pytest.approx(one, rel=0.2)
    with pytest.raises(SignedWeightError):
        clusterability(net, n_clusters=3)
    with pytest.raises(CntGraphError, match="expected a Network, got a Graph"):
        clusterability(cg.build_graph(net), **OPTIONS)
    with pytest.raises(CntGraphError, match="at least 2 shuffled"):
        clusterability(net, **OPTIONS | {"n_nulls": 1})
    with pytest.raises(GraphSizeError, match="n_nulls="):
        clusterability(net, **OPTIONS, max_operations=1e4)
