"""Sinks: where a Recorder shows the measures of its snapshots while a training goes on.

`logged_measures` names what is shown, the same everywhere; a `Sink` shows it, a file for each tool;
`OpenSinks` opens what a user asked for, and keeps what fails away from the training.
"""

from cntgraph.training.sinks.layer_histogram import LayerHistogram
from cntgraph.training.sinks.logged_measures import LoggedMeasures
from cntgraph.training.sinks.sink import Sink

__all__ = ["LayerHistogram", "LoggedMeasures", "Sink"]
