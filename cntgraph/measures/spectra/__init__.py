"""Spectra of weight matrices as they are stored: what random matrices tell of trained ones."""
