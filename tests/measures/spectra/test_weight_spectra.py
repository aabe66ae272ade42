"""Spectra of weight matrices against NumPy's singular values of what PyTorch holds."""

import numpy as np
import pytest
from oracles import spectra
from oracles.nets import nets

import cntgraph as cg
from cntgraph.core.errors import NonFiniteWeightError
from cntgraph.core.recipe import Recipe
from cntgraph.core.view import View
from cntgraph.network.blocks import Dense


@pytest.fixture(scope="module")
def model():
    import torch
    from torch import nn

    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, groups=1), nn.ReLU(), nn.ConvTranspose2d(8, 5, 2), nn.Flatten(),
        nn.Linear(5 * 25, 30), nn.ReLU(), nn.Linear(30, 40),
    )  # fmt: skip


@pytest.fixture(scope="module")
def net(model):
    import torch

    return cg.load(model, example_input=torch.zeros(1, 3, 6, 6))


def matrices(weight, per):
    if per == "kernel" or weight.ndim == 2:
        return [weight.reshape(len(weight), -1)]
    flat = weight.reshape(*weight.shape[:2], -1)
    return [flat[..., t] for t in range(flat.shape[-1])]


@pytest.mark.parametrize("per", ["kernel", "tap"])
def test_every_column(model, net, per):
    table = cg.weight_spectra(net, per=per, hill_share=0.3)
    weights = [m.weight.detach().double().numpy() for m in model if hasattr(m, "weight")]
    assert len(table) == len(weights) == 4
    for row, weight in zip(table.itertuples(), weights, strict=True):
        parts = matrices(weight, per)
        assert (row.n_matrices, row.n_rows, row.n_columns) == (len(parts), *parts[0].shape)
        values = np.concatenate([np.linalg.svd(own, compute_uv=False) for own in parts])
        assert row.spectral_norm == pytest.approx(values.max())
        assert row.frobenius_norm == pytest.approx(np.sqrt((weight**2).sum()))
        assert row.stable_rank == pytest.approx((weight**2).sum() / values.max() ** 2)
        squares = (values**2).tolist()
        fitted = (row.alpha, row.xmin, row.ks_distance, row.n_tail)
        assert fitted == pytest.approx(spectra.power_law(squares))
        assert row.hill_alpha == pytest.approx(spectra.hill(squares, 0.3))
        variance, edge, spikes = spectra.noise(squares, *parts[0].shape, len(parts))
        noise = (row.noise_std**2, row.edge, row.n_spikes)
        assert noise == pytest.approx((variance, edge, spikes))


def test_blocks_of_every_kind_have_a_row_if_they_have_a_matrix():
    for net in nets().values():
        kinds = {block.name: block.kind for block in net.select_blocks("parametric")}
        expected = [name for name, kind in kinds.items() if kind in ("dense", "conv")]
        assert cg.weight_spectra(net).index.tolist() == expected


def of_matrix(values):
    n, m = values.shape
    layers = (cg.Layer("a", (m,), "input"), cg.Layer("b", (n,), "dense", m))
    block = Dense(
        name="fc", source=View((m,)), target=View((n,), m), weight=Recipe.constant(values)
    )
    return cg.Network(layers, (block,))


def test_spikes_and_traps():
    """Two strong directions are two spikes, which shuffling takes away; one large weight stays."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(120, 80))
    directions = np.linalg.qr(rng.normal(size=(120, 2)))[0] @ (60 * rng.normal(size=(2, 80)) / 9)
    large, shifted = noise.copy(), noise + 1.0
    large[5, 7] = 50.0
    expected = {(0, 0): noise, (2, 0): noise + directions, (1, 1): large}
    for counts, values in expected.items():
        row = cg.weight_spectra(of_matrix(values)).iloc[0]
        assert (row["n_spikes"], row["n_traps"]) == counts
    row = cg.weight_spectra(of_matrix(shifted)).iloc[0]  # the mean is there whatever the order
    assert (row["n_spikes"], row["n_traps"]) == (1, 1)
    assert row["spectral_norm"] ** 2 == pytest.approx(120 * 80, rel=0.05)


def test_shuffles_are_of_the_seed():
    values = np.random.default_rng(0).standard_t(1.5, size=(40, 30))
    traps = [
        cg.weight_spectra(of_matrix(values), rng=k)["n_traps"].iloc[0] for k in (1, 1, 2, 3, 4)
    ]
    assert traps[0] == traps[1]
    assert len({*traps}) > 1


@pytest.mark.parametrize("factor", [1e-150, 1e-30, 1e30, 1e150])
def test_a_factor_changes_what_has_a_unit_only(factor):
    values = np.random.default_rng(0).normal(size=(40, 30))
    once, found = (cg.weight_spectra(of_matrix(own)).iloc[0] for own in (values, factor * values))
    same = ["stable_rank", "alpha", "ks_distance", "n_tail", "hill_alpha", "n_spikes", "n_traps"]
    np.testing.assert_allclose(found[same], once[same], rtol=1e-6)
    for column, power in {
        "spectral_norm": 1,
        "frobenius_norm": 1,
        "noise_std": 1,
        "edge": 2,
    }.items():
        assert found[column] == pytest.approx(once[column] * factor**power)


@pytest.mark.parametrize("shape", [(3, 4), (0, 4), (3, 0)])
def test_weights_of_nothing_have_no_exponents(shape):
    row = cg.weight_spectra(of_matrix(np.zeros(shape))).iloc[0]
    assert row[["spectral_norm", "frobenius_norm", "noise_std", "edge"]].tolist() == [0.0] * 4
    assert row[["stable_rank", "alpha", "xmin", "ks_distance", "hill_alpha"]].isna().all()
    assert row[["n_tail", "n_spikes", "n_traps"]].tolist() == [0, 0, 0]


def test_a_matrix_of_low_rank_has_as_many_eigenvalues():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 40))
    row = cg.weight_spectra(of_matrix(values)).iloc[0]
    assert row["n_tail"] <= 3
    squares = np.linalg.svd(values, compute_uv=False)[:3] ** 2
    assert row["alpha"] == pytest.approx(spectra.power_law(squares.tolist())[0])


def test_networks_without_matrices_have_no_rows():
    table = cg.weight_spectra(cg.Network((), ()))
    assert table.empty
    assert table.columns.tolist() == cg.weight_spectra(cg.toy("mlp")).columns.tolist()


def test_weights_that_are_not_finite_are_refused():
    values = np.ones((3, 2))
    values[1, 1] = np.nan
    with pytest.raises(NonFiniteWeightError, match=r"a spectrum needs finite weights; .* in: fc"):
        cg.weight_spectra(of_matrix(values))


@pytest.mark.parametrize("options", [{"per": "channel"}, {"hill_share": 0.0}, {"hill_share": 1.5}])
def test_options_that_there_are_not(options):
    with pytest.raises(cg.CntGraphError, match="expected per to be 'kernel' or 'tap'"):
        cg.weight_spectra(cg.toy("mlp"), **options)
