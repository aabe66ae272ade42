# The public names, and where they are: the one list, from which they are imported when first used.

from .activity.activation_period import activation_period as activation_period
from .activity.correlation_graph import correlation_graph as correlation_graph
from .activity.functional_graph import functional_graph as functional_graph
from .activity.kept_samples import KeptSamples as KeptSamples
from .activity.module_graph import module_graph as module_graph
from .activity.neuron_measures import neuron_activation as neuron_activation
from .activity.neuron_measures import neuron_strength as neuron_strength
from .activity.neuron_statistics import NeuronStatistics as NeuronStatistics
from .activity.recording import Recording as Recording
from .activity.recording import record as record
from .activity.representation_divergence import (
    representation_divergence as representation_divergence,
)
from .activity.time_profile import time_profile as time_profile
from .core.computing import computing_on as computing_on
from .core.errors import ArgumentError as ArgumentError
from .core.errors import CntGraphError as CntGraphError
from .core.errors import ConvergenceError as ConvergenceError
from .core.errors import CoverageError as CoverageError
from .core.errors import CoverageWarning as CoverageWarning
from .core.errors import FormatError as FormatError
from .core.errors import GraphSizeError as GraphSizeError
from .core.errors import InputShapeError as InputShapeError
from .core.errors import MissingExtraError as MissingExtraError
from .core.errors import NoCopiesError as NoCopiesError
from .core.errors import NonFiniteWeightError as NonFiniteWeightError
from .core.errors import OutOfRangeError as OutOfRangeError
from .core.errors import ParameterError as ParameterError
from .core.errors import SignedWeightError as SignedWeightError
from .core.errors import StoreError as StoreError
from .core.errors import TraceError as TraceError
from .core.errors import UndefinedMeasureError as UndefinedMeasureError
from .core.errors import UnfinishedAppendError as UnfinishedAppendError
from .core.errors import UnknownNameError as UnknownNameError
from .core.errors import UnsafeFileError as UnsafeFileError
from .core.parameter import Parameter as Parameter
from .data.demo import demo_file as demo_file
from .data.toys import toy as toy
from .export.csv import CsvTables as CsvTables
from .export.csv import write_csv as write_csv
from .export.gexf import write_gexf as write_gexf
from .export.graphml import write_graphml as write_graphml
from .export.parquet import ParquetTables as ParquetTables
from .export.parquet import write_parquet as write_parquet
from .graph.attribution.attribution_graph import read_attribution_graph as read_attribution_graph
from .graph.building import build_graph as build_graph
from .graph.conversions.edges import EdgeArrays as EdgeArrays
from .graph.edge_chunks import EdgeChunk as EdgeChunk
from .graph.edge_chunks import edge_chunks as edge_chunks
from .graph.file_graph import open_graph as open_graph
from .graph.graph import Graph as Graph
from .graph.node_positions import node_positions as node_positions
from .graph.reduction.disparity_filter import disparity_filter as disparity_filter
from .graph.reduction.layers import keep_layers as keep_layers
from .graph.reduction.nodes import drop_isolated_nodes as drop_isolated_nodes
from .graph.reduction.nodes import keep_nodes as keep_nodes
from .graph.reduction.noise_corrected import noise_corrected_backbone as noise_corrected_backbone
from .graph.reduction.reduced import Reduced as Reduced
from .graph.reduction.sampling import sample_edges as sample_edges
from .graph.reduction.sampling import sample_nodes as sample_nodes
from .graph.reduction.threshold import threshold_edges as threshold_edges
from .graph.reduction.top_edges import keep_top_edges as keep_top_edges
from .graph.signs import Split as Split
from .graph.top_edges import top_edges as top_edges
from .loading import load as load
from .measures.analyze import analyze as analyze
from .measures.analyze import describe as describe
from .measures.explicit.assortativity import assortativity as assortativity
from .measures.explicit.betweenness import betweenness as betweenness
from .measures.explicit.betweenness import edge_betweenness as edge_betweenness
from .measures.explicit.bipartite_clustering import bipartite_clustering as bipartite_clustering
from .measures.explicit.bipartite_clustering import (
    robins_alexander_clustering as robins_alexander_clustering,
)
from .measures.explicit.closeness import closeness as closeness
from .measures.explicit.clustering import clustering as clustering
from .measures.explicit.communities import Communities as Communities
from .measures.explicit.communities import communities as communities
from .measures.explicit.communities import modularity as modularity
from .measures.explicit.components import Components as Components
from .measures.explicit.components import components as components
from .measures.explicit.core_number import core_number as core_number
from .measures.explicit.deep_graph_persistence import (
    deep_graph_persistence as deep_graph_persistence,
)
from .measures.explicit.motifs import motifs as motifs
from .measures.explicit.neural_persistence import neural_persistence as neural_persistence
from .measures.explicit.path_length import PathLength as PathLength
from .measures.explicit.path_length import average_path_length as average_path_length
from .measures.explicit.path_length import global_efficiency as global_efficiency
from .measures.explicit.percolation import percolation as percolation
from .measures.explicit.rich_club import rich_club as rich_club
from .measures.explicit.small_world import SmallWorld as SmallWorld
from .measures.explicit.small_world import small_world as small_world
from .measures.explicit.spectral_clustering import SpectralClustering as SpectralClustering
from .measures.explicit.spectral_clustering import spectral_clustering as spectral_clustering
from .measures.explicit.square_clustering import square_clustering as square_clustering
from .measures.explicit.subgraph_centrality import subgraph_centrality as subgraph_centrality
from .measures.fluctuation import layer_fluctuation as layer_fluctuation
from .measures.link_weights import link_weights as link_weights
from .measures.local.degree import degree as degree
from .measures.local.disparity import disparity as disparity
from .measures.local.neighbor_strength import average_neighbor_strength as average_neighbor_strength
from .measures.local.participation_ratio import (
    inverse_participation_ratio as inverse_participation_ratio,
)
from .measures.local.participation_ratio import participation_ratio as participation_ratio
from .measures.local.strength_correlation import strength_correlation as strength_correlation
from .measures.matrix_free.effective_depth import EffectiveDepth as EffectiveDepth
from .measures.matrix_free.effective_depth import effective_depth as effective_depth
from .measures.matrix_free.eigenvector import eigenvector_centrality as eigenvector_centrality
from .measures.matrix_free.hits import Hits as Hits
from .measures.matrix_free.hits import hits as hits
from .measures.matrix_free.katz import katz_centrality as katz_centrality
from .measures.matrix_free.n_cut import n_cut as n_cut
from .measures.matrix_free.pagerank import pagerank as pagerank
from .measures.matrix_free.path_count import path_count as path_count
from .measures.matrix_free.path_norm import path_norm as path_norm
from .measures.matrix_free.path_norm import path_weight as path_weight
from .measures.matrix_free.paths import PathSum as PathSum
from .measures.matrix_free.singular_values import singular_values as singular_values
from .measures.matrix_free.spectral_radius import spectral_radius as spectral_radius
from .measures.profile import cnt_profile as cnt_profile
from .measures.profile import node_measures as node_measures
from .measures.profile import top_nodes as top_nodes
from .measures.relative_fluctuation import relative_fluctuation as relative_fluctuation
from .measures.spectra.weight_spectra import weight_spectra as weight_spectra
from .measures.strength import node_strength as node_strength
from .network.blocks.base import Block as Block
from .network.by_layer import ByLayer as ByLayer
from .network.layer import Layer as Layer
from .network.layer_sums import LayerSums as LayerSums
from .network.network import Network as Network
from .network.network import coarsen as coarsen
from .network.node_sums import NodeSums as NodeSums
from .network.size import Estimate as Estimate
from .report import write_report as write_report
from .store.repack import repack as repack
from .store.writer import save as save
from .training.change.comparison import compare as compare
from .training.population import Population as Population
from .training.recorder import Recorder as Recorder
from .training.statistics.clusterability import Clusterability as Clusterability
from .training.statistics.clusterability import clusterability as clusterability
from .training.statistics.dispersion import dispersion as dispersion
from .training.statistics.divergence import divergence as divergence
from .training.statistics.divergence import divergence_matrix as divergence_matrix
from .training.statistics.nulls import iid_strength_std as iid_strength_std
from .training.statistics.nulls import z_scores as z_scores
from .training.statistics.prediction import predict_accuracy as predict_accuracy
from .training.statistics.randomized import flip_signs as flip_signs
from .training.statistics.randomized import redraw_weights as redraw_weights
from .training.statistics.randomized import shuffle_weights as shuffle_weights
from .training.statistics.sample_distribution import SampleDistribution as SampleDistribution
from .training.statistics.sample_distribution import distribution as distribution
from .training.statistics.separation import separation as separation
from .training.statistics.separation import separation_auc as separation_auc
from .training.statistics.weight_statistics import weight_statistics as weight_statistics
from .training.trajectory import Trajectory as Trajectory
from .training.trajectory import open as open
from .version import __version__ as __version__

__all__: list[str]
