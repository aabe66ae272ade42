"""Convolutions, poolings, reductions and up-sampling of images."""
