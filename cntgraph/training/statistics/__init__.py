"""What is told from values of layers and networks: densities, divergences, nulls, predictions."""
