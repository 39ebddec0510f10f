# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules: intervals that hold the truth, and findings where readings contradict each other."""

from __future__ import annotations

import typing as t
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import rules

VALUES = st.lists(st.integers(0, 1000).map(Decimal), min_size=1, max_size=12)


def total(*values: float) -> tuple[float, float]:
    counter = rules.Counter()
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
    counter = rules.Counter()
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
    counter = rules.Counter()
    for value in sorted(values):
        counter.see(value, "r")
    assert counter.total == (max(values), max(values))


@given(VALUES, st.integers(0, 500))
def test_reaching_the_highest_again_closes_every_doubt(values: list[Decimal], more: int) -> None:
    counter = rules.Counter()
    for value in [*values, max(values) + more]:
        counter.see(value, "r")
    assert counter.total.certain
    assert counter.total.low == max(values) + more


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), min_size=1, max_size=10), st.data())
def test_incomplete_answers_never_count(growth: list[tuple[int, int]], data: st.DataObject) -> None:
    """A container that counts rightly and now and then answers with a part of it."""
    counter, truth = rules.Counter(), 0
    for grown, _share in growth:
        truth += grown
        if data.draw(st.booleans()):
            counter.see(Decimal(data.draw(st.integers(0, truth))), "r")
        assert counter.total.low <= truth
    counter.see(Decimal(truth), "r")
    assert counter.total == (truth, truth)


@given(st.lists(st.lists(st.integers(1, 50), min_size=1, max_size=4), min_size=1, max_size=4))
def test_the_truth_is_in_the_interval_while_new_beginnings_stay_below_the_highest(runs: list[list[int]]) -> None:
    counter, truth, peak = rules.Counter(), 0, 0
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
    counter = rules.Counter()
    for value, share in steps:
        counter.see(Decimal(value), share)
        assert all(part >= 0 for part in (*counter.low.values(), *counter.high.values()))
        assert all(counter.low[name] <= counter.high.get(name, Decimal(0)) for name in counter.low)


def row(quantity: object, **more: t.Any) -> dict[str, t.Any]:
    base = {
        "site": "s",
        "source": "f1",
        "reporter": "c",
        "service": "stt",
        "meter": "M",
        "month": "all",
        "host": "h1",
        "container": "c",
        "resource": "r0",
        "quantity": str(quantity),
        "billed_unit": None,
        **more,
    }
    return {**base, "series": "/".join(str(base[key]) for key in ("source", "reporter", "service", "meter", "month"))}


def account(*given_rows: dict[str, t.Any], **more: t.Any) -> tuple[tuple[float, float], set[str], rules.Result]:
    result = rules.account(sorted(given_rows, key=lambda item: item["series"]), **more)
    low, high = rules.total(result.parts)
    return (float(low), float(high)), {finding.kind for finding in result.findings}, result


def test_units_are_billed_units_where_there_are_any() -> None:
    _units, _kinds, result = account(row(10, billed_unit="15"), row(20, billed_unit="30"), row(5, meter="N"))
    assert rules.total(result.parts) == (35, 35)
    assert rules.total(result.parts, "quantity") == (25, 25)


def test_a_decrease_is_a_finding_until_it_is_explained() -> None:
    assert account(row(100), row(40))[:2] == ((100, 140), {"decrease"})
    assert account(row(100), row(40), row(120))[:2] == ((120, 120), set())


def test_a_new_source_is_a_reset() -> None:
    assert account(row(100), row(40, source="f2"))[:2] == ((140, 140), set())


def test_reporters_of_one_source_that_agree_count_once() -> None:
    assert account(row(100), row(100, reporter="d", container="d"))[:2] == ((100, 100), set())


def test_reporters_that_differ_are_a_finding() -> None:
    assert account(row(100), row(40, reporter="d", container="d"))[:2] == ((100, 140), {"shared_source"})


def test_a_copied_folder_is_a_clone() -> None:
    rows_ = [row(100), row(40, host="h2"), row(100), row(40, host="h2")]
    units, kinds, _result = account(*rows_)
    assert units == (100, 140)
    assert kinds == {"clone", "shared_source"}
    assert account(row(100), row(100, host="h2"))[:2] == ((100, 100), {"clone"})


def test_a_change_of_resource_is_split_by_the_readings_around_it() -> None:
    units, kinds, result = account(row(100), row(100, resource="r1"), row(130, resource="r1"))
    assert units == (130, 130)
    assert {part.resource: float(part.units.low) for part in result.parts} == {"r0": 100, "r1": 30}
    assert kinds == set()


def test_a_change_of_resource_without_readings_around_it_is_a_finding() -> None:
    assert account(row(100), row(130, resource="r1"))[1] == {"resource_split"}


def test_months_that_exceed_all_time() -> None:
    rows_ = [row(100), row(80, month="2026-01"), row(40, month="2026-02")]
    seen = {("s", "h1", "c", scope): "2026-03-01" for scope in ("all", "2026-01", "2026-02")}
    assert account(*rows_, latest=seen)[1] == {"months_beyond_all"}
    assert account(*rows_, latest={**seen, ("s", "h1", "c", "all"): "2026-02-01"})[1] == set(), "all time was not seen since"
    assert account(row(120), *rows_[1:], latest=seen)[1] == set()


def test_a_source_that_was_unknown_for_a_while() -> None:
    assert account(row(100, source="host:h1/c"), row(100))[1] == {"unknown_source"}


@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.sampled_from(["f1", "f2"]), st.sampled_from("cd"), st.sampled_from(["h1", "h2"]), st.sampled_from(["r0", "r1"])),
        max_size=20,
    )
)
def test_any_rows_give_ordered_intervals_and_a_sum_that_holds_every_highest(steps: list[tuple[int, str, str, str, str]]) -> None:
    given_rows = [row(value, source=source, reporter=name, container=name, host=host, resource=resource) for value, source, name, host, resource in steps]
    _units, _kinds, result = account(*given_rows)
    whole = rules.total(result.parts)
    assert all(0 <= part.units.low <= part.units.high for part in result.parts)
    highest = {source: max(int(item["quantity"]) for item in given_rows if item["source"] == source) for source in {item["source"] for item in given_rows}}
    assert whole.low == sum(highest.values())
    assert whole.high <= sum(int(item["quantity"]) for item in given_rows)


def told(kind: str, seq: int = 2, moment: str = "2026-03-10T00:00:00Z") -> rules.Events:
    return rules.Events({("s", "h1", "c", "f1"): [(seq, kind, moment)]}, {})


def seen(*values: int, events: rules.Events = rules.NO_EVENTS, **more: t.Any) -> tuple[rules.Interval, dict[str, rules.Finding]]:
    rows_ = [row(value, look=index, observed_at="2026-03-10T00:00:00Z", source="f1", **more) for index, value in enumerate(values, 1)]
    result = rules.account(rows_, None, events)
    return rules.total(result.parts), {finding.kind: finding for finding in result.findings}


def test_record_files_that_are_gone_close_a_decrease_as_reset() -> None:
    assert seen(100, 40, 60, events=told("reset")) == ((160, 160), {})
    assert seen(100, 150, events=told("reset")) == ((250, 250), {}), "what looks like growth counts anew as well"
    assert seen(100, 40, 30, events=told("reset", seq=3))[0] == (130, 170), "a doubt from before stays"


def test_record_files_that_went_back_leave_an_interval() -> None:
    total_, kinds = seen(100, 40, 70, events=told("restored"))
    assert total_ == (130, 170)
    assert (kinds["restored"].low, kinds["restored"].high) == ("130", "170")


def test_going_back_adds_nothing_to_a_month_that_is_over() -> None:
    assert seen(100, 100, month="2026-02", events=told("restored")) == ((100, 100), {})
    assert seen(100, 100, month="2026-03", events=told("restored"))[0] == (100, 200)


def test_a_fall_that_rose_again_step_by_step_stays_a_finding() -> None:
    total_, kinds = seen(100, 40, 60, 120)
    assert total_ == (120, 120)
    assert (kinds["regrown"].low, kinds["regrown"].high) == ("120", "220")
    assert seen(100, 40, 120) == ((120, 120), {}), "one incomplete answer"


def test_two_services_on_one_folder_never_count_twice_in_silence() -> None:
    assert account(row(100), row(120, service="other"))[1] == {"shared_source"}
