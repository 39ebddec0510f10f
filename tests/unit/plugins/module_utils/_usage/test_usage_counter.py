# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One running total: an interval that holds the truth, whatever it does."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.counter import Counter, Interval

VALUES = st.lists(st.integers(0, 1000).map(Decimal), min_size=1, max_size=12)


def total(*values: float) -> tuple[float, float]:
    counter = Counter()
    for value in values:
        counter.see(Decimal(str(value)), "r")
    low, high = counter.total
    return float(low), float(high)


@pytest.mark.parametrize(
    ("values", "interval"),
    [
        ((100,), (100, 100)),
        ((0,), (0, 0)),
        ((100, 150, 150), (150, 150)),
        ((1000, 0, 1000), (1000, 1000)),  # a dip; simple reset rules say 2000
        ((1000, 0, 1001), (1001, 1001)),
        ((100, 40), (100, 140)),
        ((100, 40, 60), (100, 160)),
        ((100, 40, 60, 10), (100, 170)),
        ((100, 40, 60, 10, 100), (100, 100)),
        ((0.1, 0.2, 0.3), (0.3, 0.3)),
    ],
)
def test_one_running_total(values: tuple[float, ...], interval: tuple[float, float]) -> None:
    assert total(*values) == interval


@given(VALUES)
def test_the_interval_is_highest_seen_to_sum(values: list[Decimal]) -> None:
    counter = Counter()
    for value in values:
        counter.see(value, "r")
        low, high = counter.total
        assert low == counter.peak
        assert low <= high <= sum(values)
        assert counter.in_doubt or low == high
    assert counter.peak == max(values)
    assert counter.in_doubt == (values[-1] < max(values))


@given(VALUES)
def test_growth_leaves_no_doubt(values: list[Decimal]) -> None:
    counter = Counter()
    for value in sorted(values):
        counter.see(value, "r")
    assert counter.total == (max(values), max(values))


@given(VALUES, st.integers(0, 500))
def test_reaching_the_highest_again_closes_every_doubt(values: list[Decimal], more: int) -> None:
    counter = Counter()
    for value in [*values, max(values) + more]:
        counter.see(value, "r")
    assert counter.total.certain
    assert counter.total.low == max(values) + more


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), min_size=1, max_size=10), st.data())
def test_incomplete_answers_never_count(growth: list[tuple[int, int]], data: st.DataObject) -> None:
    """A container that counts rightly and now and then answers with a part of it."""
    counter, truth = Counter(), 0
    for grown, _share in growth:
        truth += grown
        if data.draw(st.booleans()):
            counter.see(Decimal(data.draw(st.integers(0, truth))), "r")
        assert counter.total.low <= truth
    counter.see(Decimal(truth), "r")
    assert counter.total == (truth, truth)


@given(st.lists(st.lists(st.integers(1, 50), min_size=1, max_size=4), min_size=1, max_size=4))
def test_the_truth_is_in_the_interval_while_new_beginnings_stay_below_the_highest(runs: list[list[int]]) -> None:
    counter, truth, peak = Counter(), 0, 0
    for run in runs:
        value = 0
        for grown in run:
            if peak and value + grown >= peak and truth != value:
                return
            value += grown
            truth += grown
            counter.see(Decimal(value), "r")
            assert counter.total.low <= truth
            assert counter.total.high <= truth
        peak = max(peak, value)
    low, high = counter.total
    assert low <= truth
    assert high <= truth
    assert len(runs) > 1 or (low, high) == (truth, truth)


@given(st.lists(st.tuples(st.integers(0, 100), st.sampled_from("abc")), min_size=1, max_size=12))
def test_shares_add_up(steps: list[tuple[int, str]]) -> None:
    counter = Counter()
    for value, share in steps:
        counter.see(Decimal(value), share)
        assert all(part >= 0 for part in (*counter.low.values(), *counter.high.values()))
        assert all(counter.low[name] <= counter.high.get(name, Decimal(0)) for name in counter.low)


@given(VALUES)
def test_growth_may_be_taken_at_once(values: list[Decimal]) -> None:
    steps, once = Counter(), Counter.grown(max(values), "r")
    for value in sorted(values):
        steps.see(value, "r")
    for counter in (steps, once):  # and both go on alike
        counter.see(Decimal(1), "s")
        counter.restart(restored=True)
        counter.see(Decimal(5), "r")
    assert (steps.low, steps.high, steps.peak, steps.last, steps.unsure) == (once.low, once.high, once.peak, once.last, once.unsure)


def test_sums_are_exact() -> None:
    large, small = Decimal(10**35), Decimal("1e-35")
    assert Interval(large, large).plus(Interval(small, small)).low - large == small
