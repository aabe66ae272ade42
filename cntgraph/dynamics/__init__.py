"""Networks in training and in numbers: trajectories, and what separates good from poor ones."""

from cntgraph.dynamics.population import Population
from cntgraph.dynamics.separation import separation_auc
from cntgraph.dynamics.trajectory import Trajectory, open

__all__ = ["Population", "Trajectory", "open", "separation_auc"]
