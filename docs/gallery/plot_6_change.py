"""
What a training changed
=======================

How far each block is from where it began, and how far distributions have moved.
"""

import matplotlib.pyplot as plt

import cntgraph as cg
from cntgraph.report.plots import plot_change, plot_divergence

training = cg.open(cg.demo_file("training"))
_, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
plot_change(training.change(), ax=ax)

# %%
# Distributions of strength, by layer:

_, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
plot_divergence(training.divergence("strength"), ax=ax)

# %%
# Between two snapshots, a row per block:

cg.compare(training[0], training[-1])[["change", "cosine", "sign_flips", "effective_rank"]].round(2)
