"""All measures of one network in one table, with what each cost or would cost."""

from cntgraph.measures.profile.nodes import node_measures
from cntgraph.measures.profile.profile import cnt_profile
from cntgraph.measures.profile.top_nodes import top_nodes

__all__ = ["cnt_profile", "node_measures", "top_nodes"]
