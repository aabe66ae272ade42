import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import argrelmax, periodogram
from torch import nn

import cntgraph as cg
from cntgraph.activity import periods as module
from cntgraph.activity.periods import autocorrelation, periods
from cntgraph.core.errors import CntGraphError, UndefinedMeasureError


def sine(period, n=240, phase=0.3):
    return np.sin(2 * np.pi * np.arange(n) / period + phase)


def of(signal):
    return periods(np.asarray(signal)[None, None])[0]


@pytest.mark.parametrize("period", [2, 3, 4, 8, 10, 24, 60, 120])
def test_sines_whose_period_divides_the_time(period):
    np.testing.assert_allclose(of(1e3 + 0.1 * sine(period, phase=0.3)), [period, period])


@pytest.mark.parametrize("period", [7, 11.5, 17, 50])
def test_other_sines(period):
    spectrum, lag = of(sine(period))
    candidates = 240 / np.arange(1, 121)
    assert spectrum == candidates[np.abs(1 / candidates - 1 / period).argmin()]
    assert lag % period == pytest.approx(0, abs=0.51) or -lag % period <= 0.51


@given(period=st.integers(2, 30), seed=st.integers(0, 10**6))
@settings(deadline=None)
def test_whatever_repeats(period, seed):
    """A random pattern again and again: the autocorrelation finds it, the spectrum a part of it."""
    pattern = np.random.default_rng(seed).normal(size=period)
    spectrum, lag = of(np.tile(pattern, 8))
    assert (lag == period) or (period % lag == 0) or _nearly_repeats(pattern, int(lag))
    assert (period / spectrum) == pytest.approx(round(period / spectrum))


def _nearly_repeats(pattern, lag):
    return np.corrcoef(pattern, np.roll(pattern, lag))[0, 1] > 0.85


def test_two_rhythms():
    """The stronger one by the spectrum; by the autocorrelation, when both repeat."""
    assert of(sine(8) + 0.8 * sine(20)).tolist() == [8, 40]
    assert of(0.8 * sine(8) + sine(20)).tolist() == [20, 40]


def test_noise_has_no_clear_maximum():
    noise = np.random.default_rng(0).normal(size=(50, 1, 300))
    found = periods(noise)
    assert np.isnan(found[:, 1]).all()
    assert np.isfinite(found[:, 0]).all()
    assert np.isfinite(periods(noise + 4 * sine(10, 300))[:, 1]).all()


@pytest.mark.parametrize("level", [0.0, 1.0, 1e6, -0.1])
def test_constant_signals_have_none(level):
    assert np.isnan(of(np.full(50, level, np.float32))).all()
    assert np.isnan(of(np.full(50, level) + 1e-9 * level * sine(5, 50))).all()


@given(n=st.integers(4, 60), parts=st.integers(1, 3), seed=st.integers(0, 10**6))
@settings(deadline=None)
def test_against_scipy(n, parts, seed):
    signals = np.random.default_rng(seed).normal(size=(parts, n)).cumsum(axis=1)
    frequencies, power = periodogram(signals, detrend="constant")
    spectrum, lag = periods(signals[None])[0]
    assert spectrum == pytest.approx(1 / frequencies[1 + power.sum(0)[1:].argmax()])
    signals -= signals.mean(axis=1, keepdims=True)
    r = autocorrelation(signals[None])[0]
    plain = [
        sum(x[: n - k] @ x[k:] for x in signals)
        / np.sqrt((signals[:, : n - k] ** 2).sum() * (signals[:, k:] ** 2).sum())
        for k in range(n // 2 + 2)
    ]
    np.testing.assert_allclose(r, plain, atol=1e-9)
    peaks = [k for k in argrelmax(r)[0] if r[k] >= 0.5]
    peaks = [k for k in peaks if r[k] >= 0.9 * max(r[j] for j in argrelmax(r)[0])]
    assert np.isnan(lag) if not peaks else lag == peaks[0]


def test_independent_of_how_many_are_transformed_at_once(monkeypatch):
    signals = np.random.default_rng(0).normal(size=(20, 2, 50)).cumsum(axis=2)
    whole = periods(signals)
    monkeypatch.setattr(module, "_AT_ONCE", 300)
    np.testing.assert_array_equal(periods(signals), whole)


# -- networks ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cnn():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(2, 3, 5), nn.Tanh(), nn.Conv1d(3, 4, 4, stride=4), nn.AdaptiveAvgPool1d(1),
        nn.Flatten(), nn.Linear(4, 2),
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def waves():
    """Three sequences, of periods 12, 20 and 24, in both channels; 124 steps leave 120 and 30."""
    return np.stack([[sine(p, 124), sine(p, 124, 1)] for p in (12, 20, 24)]).astype(np.float32)


def test_a_network_of_convolutions(cnn, waves):
    table = cg.activation_period(cnn, waves, batch_size=2)
    assert table.index.names == ["layer", "channel", "sample"]
    assert table.index.get_level_values("layer").unique().tolist() == ["input", "0", "2"]
    assert table.attrs["steps"]["2"] == 4
    assert sorted(table.attrs["missing"]) == ["3", "5"]
    assert len(table) == 3 * (2 + 3 + 4)
    for sample, period in enumerate((12, 20, 24)):
        own = table.xs(sample, level="sample")
        for layer in ("0", "2"):
            np.testing.assert_allclose(own.loc[layer, "period_fft"], period, rtol=0.1)
            # Positions four steps apart see a period that they divide, or a multiple of it.
            lag = own.loc[layer, "period_autocorrelation"]
            np.testing.assert_allclose(lag, period, rtol=0.1)
        np.testing.assert_allclose(own["input_autocorrelation"], period)
    np.testing.assert_allclose(table["ratio_fft"], table["period_fft"] / table["input_fft"])
    np.testing.assert_allclose(table["ratio_autocorrelation"], 1, rtol=0.1)


def test_rows_are_those_of_the_activations(cnn, waves):
    net = cg.load(cnn, input_shape=(2, 124))
    table = cg.activation_period(net, waves, layers="2")
    (batch,) = cg.record(net, waves)
    signals = batch.values["2"].activation.reshape(3, 4, 30)
    for sample in range(3):
        for channel in range(4):
            own = table.loc[("2", channel, sample)].tolist()
            np.testing.assert_allclose(own[:2], 4 * of(signals[sample, channel]))


def test_independent_of_the_batch_size(cnn, waves):
    whole, single = (cg.activation_period(cnn, waves, batch_size=n) for n in (3, 1))
    pd.testing.assert_frame_equal(whole, single)


def test_constant_activations(cnn):
    table = cg.activation_period(cnn, np.ones((2, 2, 40), np.float32))
    assert table.isna().all(axis=None)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells, self.out = nn.LSTM(1, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x):
        return self.out(self.cells(x)[0][:, -1])


def test_a_recurrent_network():
    torch.manual_seed(0)
    x = np.stack([sine(p, 96)[:, None] for p in (8, 12)]).astype(np.float32)
    table = cg.activation_period(Recurrent().eval(), x, time_axis=0, unroll=96)
    hidden = table.loc["cells"]
    assert len(hidden) == 8
    np.testing.assert_allclose(hidden["period_autocorrelation"], np.tile([8, 12], 4))
    assert "out" in table.attrs["missing"]
    with pytest.raises(UndefinedMeasureError, match="Is time_axis the axis"):
        cg.activation_period(Recurrent().eval(), x, unroll=96)


def test_what_has_no_time():
    with pytest.raises(UndefinedMeasureError, match="none of the layers runs along time"):
        cg.activation_period(cg.toy("mlp"), np.ones((2, 6)))
    x = np.ones((1, 1, 6, 6))
    with pytest.raises(UndefinedMeasureError, match="'fc': its positions are no points in time"):
        cg.activation_period(cg.toy("cnn"), x, layers="fc")
    with pytest.raises(UndefinedMeasureError, match="fewer than 4"):
        cg.activation_period(cg.toy("cnn"), x, layers="pool")
    with pytest.raises(CntGraphError, match="time_axis"):
        cg.activation_period(cg.toy("cnn"), x, time_axis=3)
    with pytest.raises(CntGraphError, match="no layer is called"):
        cg.activation_period(cg.toy("cnn"), x, layers="rnn")
