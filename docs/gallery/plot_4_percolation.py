"""
How much can go before it falls apart?
======================================

Edges are taken away, one after the other. Do the weak ones or the strong ones hold the network
together?
"""

import matplotlib.pyplot as plt

import cntgraph as cg

graph = cg.build_graph(cg.open(cg.demo_file("training"))[-1])
_, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
for order in ("smallest", "random", "largest"):
    table = cg.percolation(graph, order)
    ax.plot(table["removed"], table["pairs"], label=order)
ax.set(xlabel="share of edges taken away", ylabel="share of input and output pairs still joined")
ax.legend()
