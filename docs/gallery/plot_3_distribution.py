"""
A distribution and what fits it
===============================

Is it normal, or has it a heavy tail? Strengths of a layer of a trained network.
"""

import matplotlib.pyplot as plt

import cntgraph as cg
from cntgraph.report.plots import plot_distribution

net = cg.open(cg.demo_file("training"))[-1]
found = cg.distribution(net, "strength", layer="conv2")
_, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
plot_distribution(found, ax=ax)

# %%
# The fits, the best first:

found.fits().table()
