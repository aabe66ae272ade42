"""Networks in training and in numbers: trajectories, and what separates good from poor ones.

The functions `divergence` and `separation` are called like the modules they are in; they are
offered by `cntgraph` itself.
"""

from cntgraph.training.population import Population
from cntgraph.training.statistics.nulls import iid_strength_std, z_scores
from cntgraph.training.statistics.prediction import predict_accuracy
from cntgraph.training.statistics.randomized import flip_signs, redraw_weights, shuffle_weights
from cntgraph.training.statistics.separation import separation_auc
from cntgraph.training.statistics.weight_statistics import weight_statistics
from cntgraph.training.trajectory import Trajectory, open

__all__ = [
    "Population",
    "Trajectory",
    "flip_signs",
    "iid_strength_std",
    "open",
    "predict_accuracy",
    "redraw_weights",
    "separation_auc",
    "shuffle_weights",
    "weight_statistics",
    "z_scores",
]
