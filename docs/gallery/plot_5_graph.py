"""
The graph itself
================

One node per channel, colored by a measure; edges by sign, the stronger the less transparent.
"""

import matplotlib.pyplot as plt

import cntgraph as cg
from cntgraph.report.plots import plot_graph, plot_strength_map

net = cg.open(cg.demo_file("training"))[-1]
graph = cg.build_graph(net, granularity="channel")
_, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
plot_graph(graph, values=cg.node_strength(graph), label="strength", ax=ax)

# %%
# What is left when only significant edges are kept:

backbone = cg.disparity_filter(graph, alpha=0.2, sign="absolute")
print(backbone)
_, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
plot_graph(backbone.graph, ax=ax)

# %%
# Strengths where they are: the feature maps of a layer.

_, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
plot_strength_map(net, "conv1", ax=ax)
