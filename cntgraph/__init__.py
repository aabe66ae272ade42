"""Trained neural networks as directed weighted graphs, measured by complex network theory.

    >>> import cntgraph as cg
    >>> net = cg.toy("cnn")
    >>> cg.analyze(net)[["n_nodes", "fluctuation"]].shape
    (4, 2)

Importing it loads no framework, no plotting and no graph library.
"""

from cntgraph.data.demo import demo_file
from cntgraph.data.toys import toy
from cntgraph.dynamics.divergence import divergence, divergence_matrix
from cntgraph.dynamics.features import weight_statistics
from cntgraph.dynamics.nulls import iid_strength_std, z_scores
from cntgraph.dynamics.population import Population
from cntgraph.dynamics.prediction import predict_accuracy
from cntgraph.dynamics.randomised import flip_signs, redraw_weights, shuffle_weights
from cntgraph.dynamics.separation import separation, separation_auc
from cntgraph.dynamics.trajectory import Trajectory, open
from cntgraph.errors import CntGraphError, CoverageWarning
from cntgraph.graph import Graph, build_graph
from cntgraph.loading import load
from cntgraph.measures.fluctuation import layer_fluctuation
from cntgraph.measures.link_weights import link_weights
from cntgraph.measures.strength import node_strength
from cntgraph.measures.summary import analyze, describe
from cntgraph.network import Layer, Network, coarsen
from cntgraph.parameter import Parameter
from cntgraph.report import write_report
from cntgraph.store.recorder import Recorder
from cntgraph.store.writer import save
from cntgraph.version import __version__ as __version__

__all__ = [
    "CntGraphError",
    "CoverageWarning",
    "Graph",
    "Layer",
    "Network",
    "Parameter",
    "Population",
    "Recorder",
    "Trajectory",
    "analyze",
    "build_graph",
    "coarsen",
    "demo_file",
    "describe",
    "divergence",
    "divergence_matrix",
    "flip_signs",
    "iid_strength_std",
    "layer_fluctuation",
    "link_weights",
    "load",
    "node_strength",
    "open",
    "predict_accuracy",
    "redraw_weights",
    "save",
    "separation",
    "separation_auc",
    "shuffle_weights",
    "toy",
    "weight_statistics",
    "write_report",
    "z_scores",
]
