"""Measures of single edges and paths, on the CSR, by igraph, scipy and networkx."""
