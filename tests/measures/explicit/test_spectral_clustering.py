import numpy as np
import pytest
from oracles.classic import graph_of, networks, symmetric_matrix

from cntgraph.core.errors import (
    CntGraphError,
    GraphSizeError,
    SignedWeightError,
    UndefinedMeasureError,
)
from cntgraph.measures.explicit.spectral_clustering import (
    _embedding,
    _k_means,
    spectral_clustering,
)
from cntgraph.measures.matrix_free.n_cut import n_cut as matrix_free_n_cut

NETS = networks()


def n_cut(matrix, partition):
    """Σ cut/vol by loops over clusters."""
    total = 0.0
    for c in np.unique(partition[partition >= 0]):
        inside = partition == c
        total += matrix[inside][:, ~inside].sum() / matrix[inside].sum()
    return total


@pytest.mark.parametrize("name", NETS)
def test_the_n_cut_is_that_of_the_clusters_and_above_the_bound(name):
    net = NETS[name]
    for sign in ("absolute", "positive", "negative"):
        found = spectral_clustering(net, n_clusters=3, sign=sign)
        matrix = symmetric_matrix(net, sign)
        assert found.n_cut == pytest.approx(n_cut(matrix, found.partition), rel=1e-10)
        assert np.array_equal(found.partition >= 0, matrix.sum(axis=1) > 0)
        assert found.n_clusters == found.partition.max() + 1 == 3
        assert found.eigenvalues.sum() - 1e-9 <= found.n_cut <= 3
        nodes = matrix.sum(axis=1) > 0
        own = matrix[nodes][:, nodes]
        root = np.sqrt(own.sum(axis=1))
        laplacian = np.eye(len(own)) - own / np.outer(root, root)
        expected = np.linalg.eigvalsh(laplacian)[:3]
        assert np.allclose(found.eigenvalues, expected, atol=1e-8)


@pytest.mark.parametrize("name", ["mlp", "cnn", "random0", "recurrent"])
def test_the_n_cut_is_that_of_the_blocks(name):
    """The matrix-free measure of the same clusters gives the same number."""
    found = spectral_clustering(NETS[name], n_clusters=3, sign="absolute")
    blocks = matrix_free_n_cut(NETS[name], found.partition, sign="absolute")
    assert found.n_cut == pytest.approx(blocks, rel=1e-8)


def test_two_dense_parts_are_found():
    rng, edges = np.random.default_rng(0), []
    for i in range(10):
        for j in range(10, 20):
            same = (i < 5) == (j < 15)
            edges.append((i, j, float(rng.uniform(1, 2) if same else rng.uniform(0, 0.05)), 0))
    found = spectral_clustering(graph_of(edges, 21), n_clusters=2)
    side = found.partition[:20] == found.partition[0]
    assert np.array_equal(side, [k % 10 < 5 for k in range(20)])
    assert found.partition[20] == -1  # a node without edges
    rivals = [rng.integers(0, 2, 21) for _ in range(50)]
    matrix = symmetric_matrix(graph_of(edges, 21))
    assert all(found.n_cut < n_cut(matrix, rival) for rival in rivals)


def test_no_partition_of_a_small_network_has_a_much_smaller_cut():
    net = NETS["residual"]
    matrix, found = symmetric_matrix(net), spectral_clustering(net, n_clusters=2, sign="absolute")
    least = min(
        n_cut(matrix, np.array([code >> k & 1 for k in range(14)])) for code in range(1, 2**13)
    )
    assert least - 1e-12 <= found.n_cut <= 1.25 * least


def test_both_solvers_find_the_same(monkeypatch):
    from cntgraph.measures.explicit import spectral_clustering as module

    net = NETS["random0"]
    dense = spectral_clustering(net, n_clusters=4, sign="absolute")
    monkeypatch.setattr(module, "_DENSE", 10)
    iterated = spectral_clustering(net, n_clusters=4, sign="absolute")
    assert np.allclose(dense.eigenvalues, iterated.eigenvalues, atol=1e-8)
    assert dense.n_cut == pytest.approx(iterated.n_cut, rel=1e-6)
    again = spectral_clustering(net, n_clusters=4, sign="absolute")
    assert np.array_equal(iterated.partition, again.partition)
    assert _embedding is module._embedding


def test_the_same_rng_gives_the_same():
    found = [spectral_clustering(NETS["cnn"], n_clusters=5, sign="absolute", rng=r) for r in (1, 1)]
    assert np.array_equal(found[0].partition, found[1].partition)


def test_k_means_of_places_that_are_all_the_same():
    labels = _k_means(np.ones((5, 2)), 2, np.random.default_rng(0))
    assert labels.shape == (5,)


def test_parts_that_are_not_connected_cut_nothing():
    edges = [(0, 2, 1.0, 0), (1, 2, 1.0, 0), (3, 5, 1.0, 0), (4, 5, 2.0, 0)]
    found = spectral_clustering(graph_of(edges, 6), n_clusters=2)
    assert found.n_cut == pytest.approx(0, abs=1e-12)
    assert np.allclose(found.eigenvalues, 0, atol=1e-12)


def test_policies_and_sizes():
    net = NETS["mlp"]
    with pytest.raises(SignedWeightError):
        spectral_clustering(net)
    with pytest.raises(CntGraphError, match="at least 2 clusters"):
        spectral_clustering(net, n_clusters=1, sign="absolute")
    with pytest.raises(GraphSizeError, match="max_operations"):
        spectral_clustering(net, sign="absolute", max_operations=10)
    both = spectral_clustering(net, n_clusters=3, sign="split")
    assert both.positive.n_cut == spectral_clustering(net, n_clusters=3, sign="positive").n_cut


def test_too_few_nodes():
    for graph in (graph_of([], 0), graph_of([], 4), graph_of([(0, 1, 1.0, 0)], 5)):
        with pytest.raises(UndefinedMeasureError, match="smaller n_clusters"):
            spectral_clustering(graph, n_clusters=3)
    tiny = spectral_clustering(graph_of([(0, 1, 1.0, 0)], 2), n_clusters=2)
    assert tiny.n_cut == pytest.approx(2)
