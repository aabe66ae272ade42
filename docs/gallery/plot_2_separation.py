"""
Accurate networks, and poor ones
================================

How well do measures tell 64 small networks apart that were trained well and badly? 0.5 is chance.
"""

import matplotlib.pyplot as plt

import cntgraph as cg
from cntgraph.report.plots import plot_density, plot_separation

population = cg.Population.from_files(cg.demo_file("population"), snapshots="all")
table = population.analyze()
measures = ["fluctuation", "strength_mean", "link_weight_std", "link_weight_mean"]
_, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
plot_separation(cg.separation_auc(table, measures, above=0.8, below=0.4), ax=ax)

# %%
# Plain statistics of the weights do about as well as what a graph has to say: look at them, too.
# The same with intervals, and p-values that count how many were looked at:

found = cg.separation(table, measures, above=0.8, below=0.4)
found.sort_values("p_adjusted").head()[
    ["layer", "measure", "auc", "auc_low", "auc_high", "p_adjusted"]
]

# %%
# The distribution of strengths in bins of accuracy:

_, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
plot_density(population.densities("strength", "conv2", bins=4), ax=ax)
