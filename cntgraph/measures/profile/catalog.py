"""The catalog: every measure that a profile takes, from the cheapest kind to the dearest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.metadata import entry_points

from cntgraph.core.errors import CntGraphError
from cntgraph.measures.explicit import (
    assortativity,
    betweenness,
    bipartite_clustering,
    closeness,
    clustering,
    communities,
    components,
    core_number,
    deep_graph_persistence,
    motifs,
    path_length,
    rich_club,
    small_world,
    spectral_clustering,
    square_clustering,
    subgraph_centrality,
)
from cntgraph.measures.explicit.neural_persistence import neural_persistence
from cntgraph.measures.fluctuation import layer_fluctuation
from cntgraph.measures.link_weights import link_weights
from cntgraph.measures.local.degree import degree
from cntgraph.measures.local.disparity import disparity
from cntgraph.measures.local.neighbor_strength import average_neighbor_strength
from cntgraph.measures.local.participation_ratio import (
    inverse_participation_ratio,
    participation_ratio,
)
from cntgraph.measures.local.strength_correlation import strength_correlation
from cntgraph.measures.matrix_free.effective_depth import effective_depth
from cntgraph.measures.matrix_free.eigenvector import eigenvector_centrality
from cntgraph.measures.matrix_free.hits import hits
from cntgraph.measures.matrix_free.katz import katz_centrality
from cntgraph.measures.matrix_free.pagerank import pagerank
from cntgraph.measures.matrix_free.path_count import path_count
from cntgraph.measures.matrix_free.path_norm import path_norm, path_weight
from cntgraph.measures.matrix_free.singular_values import singular_values
from cntgraph.measures.matrix_free.spectral_radius import spectral_radius
from cntgraph.measures.profile.estimates import decompositions, operations, passes, products
from cntgraph.measures.profile.measure import Measure
from cntgraph.measures.profile.reading import count_by_motif, parts
from cntgraph.measures.relative_fluctuation import relative_fluctuation
from cntgraph.measures.spectra.weight_spectra import weight_spectra
from cntgraph.measures.strength import node_strength

_TOTAL = parts("total", "log10_total")

#: In closed form: sums of weights, none of which is unrolled.
_CLOSED_FORM = (
    Measure(node_strength, "node", "O(w + n)", passes(4)),
    Measure(layer_fluctuation, "layer", "O(w + n)", passes(4)),
    Measure(relative_fluctuation, "layer", "O(w + n)", passes(8)),
    Measure(link_weights, "block", "O(w)", passes(4), read=parts("mean", "std", "min", "max")),
    Measure(degree, "node", "O(n)", passes(4)),
    Measure(disparity, "node", "O(w + n)", passes(8)),
    Measure(participation_ratio, "node", "O(w + n)", passes(8)),
    Measure(inverse_participation_ratio, "node", "O(w + n)", passes(8)),
    Measure(average_neighbor_strength, "node", "O(m)", products(2)),
    Measure(strength_correlation, "layer", "O(w + n)", passes(8), read=parts("correlation")),
)

#: By products with the blocks, none of which is unrolled.
_MATRIX_FREE = (
    Measure(effective_depth, "network", "O(blocks)", passes(1)),
    Measure(path_count, "network", "O(m)", products(2), read=_TOTAL),
    Measure(path_norm, "network", "O(m)", products(2), read=_TOTAL),
    Measure(path_weight, "network", "O(m)", products(2), read=_TOTAL),
    Measure(pagerank, "node", "O(m)", products(2)),
    Measure(katz_centrality, "node", "O(m)", products(2)),
    Measure(hits, "node", "O(m) a step", products(100)),
    Measure(singular_values, "block", "O(m) a step", products(600)),
    Measure(
        weight_spectra, "block", "O(w^1.5)", decompositions(2),
        read=parts("stable_rank", "alpha", "n_spikes", "n_traps"),
    ),
    Measure(spectral_radius, "network", "O(m) a step", products(2)),
    Measure(eigenvector_centrality, "node", "O(m) a step", products(60)),
    Measure(neural_persistence, "block", "O(w log w + n)", passes(100), read=parts("persistence")),
)  # fmt: skip

_unrolled = partial(Measure, unrolls=True)
_parted = partial(_unrolled, partitions=True)

#: On single edges and paths: the graph is unrolled.
_EXPLICIT = (
    _unrolled(assortativity.assortativity, "network", "O(m)", operations(assortativity, 200)),
    _unrolled(
        components.components, "network", "O(m)", operations(components, 20),
        read=parts("n_components", "largest"),
    ),
    _unrolled(core_number.core_number, "node", "O(m)", operations(core_number, 300)),
    _unrolled(
        deep_graph_persistence.deep_graph_persistence, "network", "O(m·n_outputs)",
        operations(deep_graph_persistence, 10),
    ),
    _unrolled(
        rich_club.rich_club, "network", "O(m)", operations(rich_club, 800),
        read=parts("coefficient"),
    ),
    _parted(
        communities.communities, "network", "O(m) a round", operations(communities, 25),
        read=parts("modularity", "n_communities"),
    ),
    _parted(
        spectral_clustering.spectral_clustering, "network", "O(m) a step",
        operations(spectral_clustering, 2), read=parts("n_cut"),
    ),
    _unrolled(clustering.clustering, "node", "O(m²/n)", operations(clustering, 5)),
    _unrolled(
        square_clustering.square_clustering, "node", "O(m²/n)", operations(square_clustering, 5)
    ),
    _unrolled(
        bipartite_clustering.bipartite_clustering, "node", "O(m²/n)",
        operations(bipartite_clustering, 15),
    ),
    _unrolled(
        motifs.motifs, "network", "O(m²/n)", operations(motifs, 1), read=count_by_motif
    ),
    _unrolled(closeness.closeness, "node", "O(n·m)", operations(closeness, 1)),
    _unrolled(
        path_length.average_path_length, "network", "O(n·m)", operations(path_length, 1)
    ),
    _unrolled(path_length.global_efficiency, "network", "O(n·m)", operations(path_length, 1)),
    _unrolled(betweenness.betweenness, "node", "O(n·m)", operations(betweenness, 2)),
    _unrolled(
        subgraph_centrality.subgraph_centrality, "node", "O(n³)",
        operations(subgraph_centrality, 0.015),
    ),
    _unrolled(small_world.small_world, "network", "O(n·m) a null", operations(small_world, 1)),
)  # fmt: skip

CATALOG: tuple[Measure, ...] = (*_CLOSED_FORM, *_MATRIX_FREE, *_EXPLICIT)


def find_measures(names: Sequence[str] | None = None) -> list[Measure]:
    """Return measures of the catalog and of entry points, in order.

    Parameters
    ----------
    names : sequence of str, optional
        The names of those wanted, in any order; by default all.

    Returns
    -------
    list of Measure

    Raises
    ------
    CntGraphError
        If there is none of a name; the message lists the names.

    Examples
    --------
    >>> [measure.name for measure in find_measures(["node_strength"])]
    ['node_strength']
    """
    known = {measure.name: measure for measure in CATALOG}
    for point in entry_points(group="cntgraph.measures"):
        measure = point.load()
        known.setdefault(measure.name, measure)
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise CntGraphError(f"no measure is called {unknown[0]!r}; there are: {', '.join(known)}")
    return [measure for name, measure in known.items() if names is None or name in names]
