"""Measures of many networks at once against those of each by itself."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.conv_stacks import conv_stacks
from oracles.copied import NETS, copied, listed

import cntgraph as cg
from cntgraph.network.stack import Stack
from cntgraph.training.each_measures import EACH, numbered

OPTIONS = {
    "relative_fluctuation": [{}, {"edges": "all", "bias": False}, {"direction": "out"}],
    "weight_statistics": [{}],
    "weight_spectra": [{}, {"per": "tap", "hill_share": 0.3, "rng": 5}],
}
CASES = [(name, options) for name, several in OPTIONS.items() for options in several]


def one_by_one(measure, nets, options):
    tables = [EACH[measure].one(net, **options) for net in nets]
    return pd.concat([numbered(table, [k], "network") for k, table in enumerate(tables)])


def check(net, n, rng, measure, options, *, odd=False):
    stacked, each = copied(net, n, rng, odd=odd)
    found = EACH[measure].each(Stack(net), stacked, **options)
    expected = one_by_one(measure, each, options)
    pd.testing.assert_frame_equal(
        found, expected, rtol=1e-12, atol=1e-14, check_names=False, check_index_type=False
    )
    assert found.columns.name == expected.columns.name


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # infinities that cancel
@pytest.mark.parametrize(("measure", "options"), CASES)
@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("name", NETS)
def test_networks_of_every_kind_of_block(name, odd, measure, options):
    net = listed(NETS[name])
    if net.parameters:
        check(net, 4, np.random.default_rng(0), measure, options, odd=odd)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@given(conv_stacks(), st.integers(1, 5), st.booleans(), st.sampled_from(CASES))
@settings(max_examples=60)
def test_random_networks(net, n, odd, case):
    if net.parameters:
        check(net, n, np.random.default_rng(n), *case, odd=odd)


@pytest.mark.parametrize("measure", EACH)
def test_bits_do_not_depend_on_who_is_measured_together(measure):
    net, n = cg.toy("cnn"), 30
    stacked, _ = copied(net, n, np.random.default_rng(3))
    whole = EACH[measure].each(Stack(net), stacked)
    for step in (1, 7, 29):
        parts = []
        for first in range(0, n, step):
            chosen = range(first, min(first + step, n))
            some = {name: cg.Parameter.from_array(name, p.data[first : first + step])
                    for name, p in stacked.items()}  # fmt: skip
            parts.append(numbered(EACH[measure].each(Stack(net), some), chosen, "network"))
        pd.testing.assert_frame_equal(
            pd.concat(parts), numbered(whole, range(n), "network"), check_exact=True
        )
