import pytest

from cntgraph.report.labels import divergence_label


@pytest.mark.parametrize(
    ("kind", "unit"),
    [("kullback_leibler", "(nats)"), ("wasserstein", "(weight)"), ("energy", "(√weight)")],
)
def test_every_kind_has_its_unit(kind, unit):
    assert divergence_label(kind).endswith(unit)


def test_kinds_without_unit_or_name():
    assert divergence_label("kolmogorov_smirnov") == "Kolmogorov–Smirnov distance"
    assert divergence_label("my_own") == "my own"
    assert divergence_label("jeffreys", 10) == "Jeffreys divergence (log 10)"
