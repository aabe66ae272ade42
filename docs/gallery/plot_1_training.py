"""
A network while it learns
=========================

How the fluctuation of each layer grows, and how it goes with the accuracy.
"""

import matplotlib.pyplot as plt

import cntgraph as cg
from cntgraph.report.plots import plot_density, plot_training

training = cg.open(cg.demo_file("training"))
table = training.analyze()
_, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
plot_training(table, "fluctuation", x="epoch", ax=ax)

# %%
# A snapshot is a network. The distribution of strengths in a layer, from the first snapshot to the
# last:

_, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
plot_density(training.density("strength", "conv2"), ax=ax)

# %%
# Fluctuation follows the scale of the weights. Divided by what independent weights of that scale
# would give, it says what the weights have to do with each other:

relative = [cg.relative_fluctuation(net) for net in training]
_, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
for layer in ("conv1", "conv2", "fc1", "fc2"):
    ax.plot(training.labels["epoch"], [float(found[layer]) for found in relative], label=layer)
ax.set(xlabel="epoch", ylabel="relative fluctuation")
ax.legend()
