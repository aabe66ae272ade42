"""How fast, how large, and beside what: ``python -m benchmarks``."""
