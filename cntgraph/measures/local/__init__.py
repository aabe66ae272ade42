"""Measures of a node and its neighbors: closed form on the blocks, or sums over the CSR."""
