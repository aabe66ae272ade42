"""Hypothesis in one profile: the same examples in every run, and no deadline."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "cntgraph",
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("cntgraph")
