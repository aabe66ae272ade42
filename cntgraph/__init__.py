"""Trained neural networks as directed weighted graphs, measured by complex network theory.

    >>> import cntgraph as cg
    >>> net = cg.toy("cnn")
    >>> cg.analyze(net)[["n_nodes", "fluctuation"]].shape
    (4, 2)

Importing it loads no framework, no plotting and no graph library.
"""

from cntgraph.activity.activation_period import activation_period
from cntgraph.activity.correlation_graph import correlation_graph
from cntgraph.activity.functional_graph import functional_graph
from cntgraph.activity.module_graph import module_graph
from cntgraph.activity.neuron_measures import neuron_activation, neuron_strength
from cntgraph.activity.neuron_statistics import NeuronStatistics
from cntgraph.activity.recording import record
from cntgraph.activity.representation_divergence import representation_divergence
from cntgraph.core.errors import CntGraphError, CoverageWarning
from cntgraph.core.parameter import Parameter
from cntgraph.data.demo import demo_file
from cntgraph.data.toys import toy
from cntgraph.export.csv import write_csv
from cntgraph.export.gexf import write_gexf
from cntgraph.export.graphml import write_graphml
from cntgraph.export.parquet import write_parquet
from cntgraph.graph.attribution.attribution_graph import read_attribution_graph
from cntgraph.graph.building import build_graph
from cntgraph.graph.edge_chunks import edge_chunks
from cntgraph.graph.graph import Graph
from cntgraph.graph.node_positions import node_positions
from cntgraph.graph.reduction.disparity_filter import disparity_filter
from cntgraph.graph.reduction.layers import keep_layers
from cntgraph.graph.reduction.nodes import drop_isolated_nodes, keep_nodes
from cntgraph.graph.reduction.noise_corrected import noise_corrected_backbone
from cntgraph.graph.reduction.sampling import sample_edges, sample_nodes
from cntgraph.graph.reduction.threshold import threshold_edges
from cntgraph.graph.reduction.top_edges import keep_top_edges
from cntgraph.loading import load
from cntgraph.measures.analyze import analyze, describe
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
from cntgraph.measures.explicit.neural_persistence import neural_persistence
from cntgraph.measures.explicit.path_length import average_path_length, global_efficiency
from cntgraph.measures.explicit.rich_club import rich_club
from cntgraph.measures.explicit.small_world import small_world
from cntgraph.measures.explicit.spectral_clustering import spectral_clustering
from cntgraph.measures.explicit.square_clustering import square_clustering
from cntgraph.measures.explicit.subgraph_centrality import subgraph_centrality
from cntgraph.measures.fluctuation import layer_fluctuation
from cntgraph.measures.link_weights import link_weights
from cntgraph.measures.local.degree import degree
from cntgraph.measures.local.disparity import disparity
from cntgraph.measures.local.neighbour_strength import average_neighbour_strength
from cntgraph.measures.local.participation_ratio import (
    inverse_participation_ratio,
    participation_ratio,
)
from cntgraph.measures.local.strength_correlation import strength_correlation
from cntgraph.measures.matrix_free.effective_depth import effective_depth
from cntgraph.measures.matrix_free.eigenvector import eigenvector_centrality
from cntgraph.measures.matrix_free.hits import hits
from cntgraph.measures.matrix_free.katz import katz_centrality
from cntgraph.measures.matrix_free.n_cut import n_cut
from cntgraph.measures.matrix_free.pagerank import pagerank
from cntgraph.measures.matrix_free.path_count import path_count
from cntgraph.measures.matrix_free.path_norm import path_norm, path_weight
from cntgraph.measures.matrix_free.singular_values import singular_values
from cntgraph.measures.matrix_free.spectral_radius import spectral_radius
from cntgraph.measures.profile import cnt_profile, node_measures
from cntgraph.measures.strength import node_strength
from cntgraph.network.layer import Layer
from cntgraph.network.network import Network, coarsen
from cntgraph.report import write_report
from cntgraph.store.writer import save
from cntgraph.training.population import Population
from cntgraph.training.recorder import Recorder
from cntgraph.training.statistics.clusterability import clusterability
from cntgraph.training.statistics.divergence import divergence, divergence_matrix
from cntgraph.training.statistics.features import weight_statistics
from cntgraph.training.statistics.nulls import iid_strength_std, z_scores
from cntgraph.training.statistics.prediction import predict_accuracy
from cntgraph.training.statistics.randomised import flip_signs, redraw_weights, shuffle_weights
from cntgraph.training.statistics.separation import separation, separation_auc
from cntgraph.training.trajectory import Trajectory, open
from cntgraph.version import __version__ as __version__

__all__ = [
    "CntGraphError",
    "CoverageWarning",
    "Graph",
    "Layer",
    "Network",
    "NeuronStatistics",
    "Parameter",
    "Population",
    "Recorder",
    "Trajectory",
    "activation_period",
    "analyze",
    "assortativity",
    "average_neighbour_strength",
    "average_path_length",
    "betweenness",
    "bipartite_clustering",
    "build_graph",
    "closeness",
    "clusterability",
    "clustering",
    "cnt_profile",
    "coarsen",
    "communities",
    "core_number",
    "correlation_graph",
    "degree",
    "demo_file",
    "describe",
    "disparity",
    "disparity_filter",
    "divergence",
    "divergence_matrix",
    "drop_isolated_nodes",
    "edge_betweenness",
    "edge_chunks",
    "effective_depth",
    "eigenvector_centrality",
    "flip_signs",
    "functional_graph",
    "global_efficiency",
    "hits",
    "iid_strength_std",
    "inverse_participation_ratio",
    "katz_centrality",
    "keep_layers",
    "keep_nodes",
    "keep_top_edges",
    "layer_fluctuation",
    "link_weights",
    "load",
    "modularity",
    "module_graph",
    "motifs",
    "n_cut",
    "neural_persistence",
    "neuron_activation",
    "neuron_strength",
    "node_measures",
    "node_positions",
    "node_strength",
    "noise_corrected_backbone",
    "open",
    "pagerank",
    "participation_ratio",
    "path_count",
    "path_norm",
    "path_weight",
    "predict_accuracy",
    "read_attribution_graph",
    "record",
    "redraw_weights",
    "representation_divergence",
    "rich_club",
    "robins_alexander_clustering",
    "sample_edges",
    "sample_nodes",
    "save",
    "separation",
    "separation_auc",
    "shuffle_weights",
    "singular_values",
    "small_world",
    "spectral_clustering",
    "spectral_radius",
    "square_clustering",
    "strength_correlation",
    "subgraph_centrality",
    "threshold_edges",
    "toy",
    "weight_statistics",
    "write_csv",
    "write_gexf",
    "write_graphml",
    "write_parquet",
    "write_report",
    "z_scores",
]
