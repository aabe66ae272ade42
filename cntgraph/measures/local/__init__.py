"""Measures of a node and its neighbours: closed form on the blocks, or sums over the CSR."""
